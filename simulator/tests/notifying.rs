//! Notifications as their receiver meets them: real requests to a small server, answers that fail, and what the control
//! interface then tells.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agora_simulator::notices::sign;
use agora_snapshot_testbed::PrivateTls;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use support::program::Program;
use support::{APP, program};
use tokio::net::TcpListener;

const SECRET: &str = "secret";

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Arrived {
    at: Instant,
    signatures: [Option<String>; 2],
    body: Bytes,
}

impl Arrived {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn is_genuine(&self) -> bool {
        let good = sign(SECRET, &self.body);
        self.signatures == [Some(good.sha1), Some(good.sha256)]
    }
}

/// Status, body, and how long they are waited for.
type Given = (u16, &'static str, Duration);

/// A server on loopback that remembers what it got, and answers with the statuses and bodies of a list, then well.
#[derive(Clone, Default)]
struct Receiver {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answers: Arc<Mutex<Vec<Given>>>,
}

impl Receiver {
    async fn listen(answers: &[Given]) -> (Self, String) {
        let receiver = Self::default();
        receiver.answers.lock().unwrap().extend(answers.iter().rev());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ncs/{APP}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let signatures = ["agora-signature", "agora-signature-v2"]
        .map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()));
    receiver.arrived.lock().unwrap().push(Arrived { at: Instant::now(), signatures, body });
    let answer = receiver.answers.lock().unwrap().pop();
    let (status, body, wait) = answer.unwrap_or((200, "{}", Duration::ZERO));
    tokio::time::sleep(wait).await;
    (StatusCode::from_u16(status).unwrap(), body.to_owned())
}

async fn ask(program: &Program, method: Method, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/_sim/{path}", program.url);
    program::read(program.http.request(method, url).json(&body).send().await.unwrap()).await.unwrap()
}

/// A simulator whose App ID notifies this address.
async fn notifying(url: &str, more: &[&str]) -> Program {
    let program = Program::run(&[&["--set", "endpointAddresses=loopbackHttp"], more].concat());
    let endpoint = json!({"url": url, "secret": SECRET});
    assert_eq!(ask(&program, Method::PUT, &format!("endpoints/{APP}"), endpoint).await.0, 204);
    program
}

async fn raw(program: &Program, body: Value) -> Value {
    let (status, answer) = ask(program, Method::POST, &format!("endpoints/{APP}/raw"), body).await;
    assert_eq!(status, 200, "{answer}");
    let number = answer["numbers"][0].to_string();
    // Whatever becomes of it, it ends.
    let path = format!("notices?number={number}&state=open&waitAtMost=0&timeoutMs=60000");
    assert_eq!(program.sim(&path).await["notices"], json!([]));
    program.sim(&format!("notices?number={number}")).await["notices"][0].clone()
}

#[tokio::test]
async fn a_session_notifies_the_endpoint_of_its_app_id() {
    let (receiver, url) = Receiver::listen(&[]).await;
    let (endpoint, secret) = (format!("{APP}={url}"), format!("{APP}={SECRET}"));
    let program = Program::run(&[
        "--speed",
        "20",
        "--set",
        "endpointAddresses=loopbackHttp",
        "--notification-endpoint",
        &endpoint,
        "--notification-secret",
        &secret,
    ]);
    program.join("lobby").await;
    let (_, sid) = program.started().await;
    let told = program.sim("notices?eventType=45&state=delivered&wait=3").await;
    assert_eq!(told["notices"][0]["attempts"][0]["status"], 200);
    let arrived = receiver.arrived();
    assert!(arrived.iter().all(Arrived::is_genuine));
    let snapshots: Vec<Value> =
        arrived.iter().map(Arrived::json).filter(|body| body["eventType"] == 45).collect();
    assert!(snapshots.len() >= 3);
    for body in &snapshots {
        assert_eq!((&body["sid"], &body["payload"]["sid"]), (&json!(sid), &json!(sid)));
        let name = body["payload"]["details"]["fileName"].as_str().unwrap();
        assert!(name.starts_with(&format!("a/{sid}_lobby__uid_s_7__uid_e_video_")), "{name}");
    }
    let shown = program.sim("endpoints").await;
    assert_eq!(shown[APP]["url"], url);
    assert!(shown[APP]["secret"].as_str().unwrap().starts_with("sha256:"), "{shown}");
}

#[tokio::test]
async fn the_check_vector_of_the_documents_arrives_with_its_signatures() {
    const BODY: &str = r#"{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}"#;
    let (receiver, url) = Receiver::listen(&[]).await;
    let program = notifying(&url, &[]).await;
    assert_eq!(raw(&program, json!({"body": BODY})).await["state"], "delivered");
    let arrived = receiver.arrived();
    let signatures = [
        "033c62f40f687675f17f0f41f91a40c71c0f134c",
        "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99",
    ];
    assert_eq!(arrived[0].signatures, signatures.map(|text| Some(text.to_owned())));
    assert_eq!(arrived[0].body, BODY);
    assert_eq!(
        raw(&program, json!({"bodyHex": "ff00", "forge": "wrongSecret"})).await["forged"],
        "wrongSecret"
    );
    let forged = &receiver.arrived()[1];
    assert!(forged.body.as_ref() == [0xFF, 0] && !forged.is_genuine());
    for nonsense in
        [json!({}), json!({"body": "", "bodyHex": ""}), json!({"bodyHex": "f"}), json!({"boddy": 1})]
    {
        let (status, _) = ask(&program, Method::POST, &format!("endpoints/{APP}/raw"), nonsense).await;
        assert_eq!(status, 400);
    }
}

#[tokio::test]
async fn failed_attempts_are_repeated_and_told_with_their_cause() {
    let answers = [(500, "{}", Duration::ZERO), (200, "<html>", Duration::ZERO), (302, "{}", Duration::ZERO)];
    let (receiver, url) = Receiver::listen(&answers).await;
    let program = notifying(&url, &["--speed", "10"]).await;
    let notice = raw(&program, json!({"body": {}})).await;
    let verdicts: Vec<&Value> =
        notice["attempts"].as_array().unwrap().iter().map(|it| &it["verdict"]).collect();
    assert_eq!(verdicts, ["wrongStatus", "notJson", "wrongStatus", "delivered"]);
    let times: Vec<Instant> = receiver.arrived().iter().map(|it| it.at).collect();
    // 5 and 10 s of its time, of which ten pass in one of ours.
    assert!(times[2] - times[1] >= Duration::from_millis(480), "{times:?}");
    assert!(times[3] - times[2] >= Duration::from_millis(980), "{times:?}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let program = notifying(&format!("http://{nobody}/"), &["--speed", "100"]).await;
    let notice = raw(&program, json!({"body": {}})).await;
    assert_eq!((&notice["state"], notice["attempts"].as_array().unwrap().len()), (&json!("givenUp"), 4));
    assert_eq!(notice["attempts"][3]["verdict"], "unreachable");
    assert!(notice["attempts"][3]["detail"].as_str().unwrap().contains("refused"), "{notice}");
    assert_eq!(program.sim("notices?verdict=delivered").await["notices"], json!([]));
    let counts = program.sim("notices/counts").await;
    assert_eq!((&counts["givenUp"], &counts["attempts"], &counts["open"]), (&json!(1), &json!(4), &json!(0)));
}

#[tokio::test]
async fn an_answer_after_ten_seconds_comes_too_late_at_any_speed() {
    let (receiver, url) = Receiver::listen(&[(200, "{}", Duration::from_secs(60))]).await;
    let program = notifying(&url, &["--speed", "1000"]).await;
    let notice = raw(&program, json!({"body": {}})).await;
    assert_eq!(notice["attempts"][0]["verdict"], "timedOut");
    assert_eq!(notice["attempts"][1]["verdict"], "delivered");
    let times: Vec<Instant> = receiver.arrived().iter().map(|it| it.at).collect();
    let waited = times[1] - times[0];
    assert!(waited >= Duration::from_millis(9_900), "sent again at once after {waited:?}");
}

#[tokio::test]
async fn a_certificate_has_to_be_one_that_is_trusted() {
    let (receiver, url) = Receiver::listen(&[]).await;
    let tls = PrivateTls::generate();
    let url = tls.in_front_of(&url).await;
    let bundle = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("notification-authority.pem");
    std::fs::write(&bundle, tls.root()).unwrap();
    let stranger = notifying(&url, &["--speed", "100"]).await;
    let notice = raw(&stranger, json!({"body": {}})).await;
    assert_eq!((&notice["state"], receiver.arrived().len()), (&json!("givenUp"), 0));
    assert!(notice["attempts"][0]["detail"].as_str().unwrap().contains("certificate"), "{notice}");

    let flag = format!("--notification-ca={}", bundle.display());
    let trusting = notifying(&url, &[&flag]).await;
    assert_eq!(raw(&trusting, json!({"body": {}})).await["state"], "delivered");
    assert!(receiver.arrived()[0].is_genuine());
}

#[tokio::test]
async fn rules_and_storms_are_asked_for_over_the_control_interface() {
    let (receiver, url) = Receiver::listen(&[]).await;
    let program = notifying(&url, &[]).await;
    let rule = json!({"double": "ownId", "percent": 50});
    assert_eq!(ask(&program, Method::POST, "notices/rules", rule).await.0, 204);
    assert_eq!(program.sim("notices/rules").await["rules"][0]["double"], "ownId");
    let storm = json!({"perSecond": 500, "count": 400, "unknownSid": true});
    assert_eq!(ask(&program, Method::POST, &format!("endpoints/{APP}/storm"), storm).await.0, 204);
    let counts = program.sim("notices/counts?waitOpenAtMost=0&timeoutMs=60000").await;
    let doubled = counts["notices"].as_u64().unwrap() - 400;
    assert!((130..270).contains(&doubled), "{doubled} of 400");
    assert_eq!(counts["delivered"], 400 + doubled);
    let bodies: Vec<Value> = receiver.arrived().iter().map(Arrived::json).collect();
    assert_eq!(bodies.len() as u64, 400 + doubled);
    let sequences: BTreeSet<u64> =
        bodies.iter().map(|body| body["payload"]["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (0..400).collect(), "each at least once");
    let deleted = program.http.delete(format!("{}/_sim/notices/rules", program.url)).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(program.sim("notices/rules").await, json!({"rules": []}));
    let (status, answer) = ask(&program, Method::POST, &format!("endpoints/{APP}/test"), json!({})).await;
    assert_eq!((status, answer["numbers"].as_array().unwrap().len()), (200, 15));
    let tests = program.sim("notices?kind=test&state=delivered&wait=15").await;
    assert_eq!(tests["notices"].as_array().unwrap().len(), 15);

    for (path, nonsense) in [
        ("notices/rules".to_owned(), json!({"percent": 10})),
        ("notices/rules".to_owned(), json!({"loose": true})),
        (format!("endpoints/{APP}/storm"), json!({"perSecond": 1, "count": 1})),
        ("endpoints/nobody/storm".to_owned(), json!({"perSecond": 1, "count": 1, "unknownSid": true})),
        ("endpoints/nobody/test".to_owned(), json!({})),
    ] {
        assert_eq!(ask(&program, Method::POST, &path, nonsense).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn an_endpoint_is_https_unless_told_otherwise_and_has_a_secret() {
    let program = Program::run(&[]);
    let path = format!("endpoints/{APP}");
    let plain = json!({"url": "http://127.0.0.1:1/", "secret": "s"});
    let (status, answer) = ask(&program, Method::PUT, &path, plain.clone()).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("endpointAddresses"), "{answer}");
    let secure = json!({"url": "https://example.invalid/", "secret": "s", "events": [45]});
    assert_eq!(ask(&program, Method::PUT, &path, secure).await.0, 204);
    assert_eq!(ask(&program, Method::PUT, &path, json!({"url": "https://a/", "secret": ""})).await.0, 400);
    assert_eq!(
        ask(&program, Method::PUT, "settings", json!({"endpointAddresses": "loopbackHttp"})).await.0,
        200
    );
    assert_eq!(ask(&program, Method::PUT, &path, plain).await.0, 204);
    assert_eq!(ask(&program, Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(program.sim("endpoints").await, json!({}));

    let wrong = [
        (vec!["--notification-endpoint=nonsense"], "APP_ID=VALUE"),
        (
            vec!["--notification-endpoint=other=https://a/", "--notification-secret=other=s"],
            "--app-id does not",
        ),
        (vec!["--notification-endpoint=app=https://a/"], "needs a --notification-secret"),
        (vec!["--notification-secret=app=s"], "has no --notification-endpoint"),
        (vec!["--notification-endpoint=app=http://a/", "--notification-secret=app=s"], "https only"),
        (vec!["--notification-ca=/no/such/file"], "/no/such/file"),
        (vec!["--notification-ca=/dev/null"], "no certificate"),
    ];
    for (flags, told) in wrong {
        let run = Command::new(env!("CARGO_BIN_EXE_agora-simulator"))
            .args(["--app-id=app", "--customer-id=c", "--customer-secret=s"])
            .args(&flags)
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(run.stderr).unwrap();
        assert!(!run.status.success() && text.contains(told), "{flags:?}: {text}");
    }
}
