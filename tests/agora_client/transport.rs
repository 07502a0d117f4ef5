//! What the client makes of connections that fail at every stage, and what it sends over those that do not.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use agora_snapshot_operator::agora::bodies::start_body;
use agora_snapshot_operator::agora::budget::Priority;
use agora_snapshot_operator::agora::client::{Client, StartVia, StopMode};
use agora_snapshot_operator::agora::settings::{ClientProblem, ClientSettings};
use agora_snapshot_operator::lifecycle::outcome::{
    Answer, Identity, Kind, Outcome, Queried, Started, Stopped,
};
use serde_json::{Value, json};

use crate::peer::{Peer, Reaction, ok};
use crate::support::{
    APP_ID, SECRETS, account, client, confirmed, hasty_client, job, material, secrets, session, settings,
    spec, unconfirmed,
};

fn running() -> Reaction {
    ok(json!({"serverResponse": {"status": 5}}))
}

async fn query(client: &Client) -> Outcome<Queried> {
    client.query(&account(), &session(), Priority::Query, &job()).await
}

/// What a query through a hasty client ends in.
async fn fate(url: String) -> (&'static str, Kind, Option<u16>, String) {
    let (client, observed) = hasty_client(&[url]);
    let (proof, Answer { kind, http, words, .. }) = unconfirmed(query(&client).await);
    assert_eq!(observed.requests().len(), 1, "one attempt a call");
    (proof, kind, http, words)
}

#[tokio::test]
async fn requests_are_as_the_guide_writes_them_and_share_a_connection() {
    let stopped = ok(json!({"sid": session().sid, "serverResponse": {"uploadingStatus": "uploaded"}}));
    let peer = Peer::start([running(), running(), stopped]);
    let client = client(&[format!("{}/base/", peer.url())]);
    assert_eq!(confirmed(query(&client).await), Queried { status: 5, identity: Identity::Likely });
    confirmed(query(&client).await);
    let stopped = client.stop(&account(), &session(), StopMode::Detached, &job()).await;
    assert_eq!(confirmed(stopped), Stopped::Uploaded);

    let received = peer.received();
    assert_eq!(received.iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0, 0]);
    let path = format!(
        "/base/v1/apps/{APP_ID}/cloud_recording/resourceid/r%2Fe%20s%3Fo%23u%25rce/sid/{}/mode/individual",
        session().sid
    );
    assert!(received[0].head.starts_with(&format!("GET {path}/query HTTP/1.1\r\n")), "{}", received[0].head);
    assert!(received[2].head.starts_with(&format!("POST {path}/stop HTTP/1.1\r\n")), "{}", received[2].head);
    let body: Value = serde_json::from_str(&received[2].body).unwrap();
    assert_eq!(body, json!({"cname": "lobby", "uid": "527841", "clientRequest": {"async_stop": true}}));
    for request in &received {
        for line in [
            "content-type: application/json;charset=utf-8",
            // customer-id:customer-pass
            "authorization: Basic Y3VzdG9tZXItaWQ6Y3VzdG9tZXItcGFzcw==",
            concat!("user-agent: agora-snapshot-operator/", env!("CARGO_PKG_VERSION")),
        ] {
            assert_eq!(request.head.lines().filter(|l| *l == line).count(), 1, "{line} in {}", request.head);
        }
    }
}

#[tokio::test]
async fn what_was_never_sent_is_free_to_repeat() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = fate(format!("http://{free}")).await;
    let words = "the vendor's API could not be reached: connection refused".to_owned();
    assert_eq!(refused, ("not sent", Kind::Unreachable, None, words));

    // Longer than a label can be: no resolver has to be asked.
    let unknown = fate(format!("http://{}.example", "a".repeat(64))).await;
    let words = "the host name of the vendor's API could not be resolved".to_owned();
    assert_eq!(unknown, ("not sent", Kind::Unreachable, None, words));

    for (reaction, why) in [
        (Reaction::Reset, "connection reset"),
        (Reaction::Babble, "TLS: what answers does not speak it as it should"),
    ] {
        let fate = fate(Peer::start([reaction]).https_url()).await;
        let words = format!("the vendor's API could not be reached: {why}");
        assert_eq!(fate, ("not sent", Kind::Unreachable, None, words));
    }

    // It takes the connection and never says a word of TLS.
    let silent = Peer::start([Reaction::Silence]);
    let silent = fate(silent.https_url()).await;
    let words = "the vendor's API could not be reached: no connection within 0.7 s".to_owned();
    assert_eq!(silent, ("not sent", Kind::Unreachable, None, words));
}

#[tokio::test]
async fn what_may_have_been_sent_is_in_doubt() {
    for (reaction, kind, http, words) in [
        (Reaction::Silence, Kind::TimedOut, None, "no answer within 1.5 s"),
        (Reaction::Close, Kind::ConnectionLost, None, "the connection broke before an answer came"),
        (Reaction::Reset, Kind::ConnectionLost, None, "the connection broke before an answer came"),
        (Reaction::HalfAnswer, Kind::TimedOut, Some(200), "HTTP 200, but its body did not come within 1.5 s"),
        (
            Reaction::CutAnswer,
            Kind::ConnectionLost,
            Some(200),
            "HTTP 200, but the connection broke in its body",
        ),
    ] {
        let peer = Peer::start([reaction]);
        assert_eq!(fate(peer.url()).await, ("unknown", kind, http, words.to_owned()));
    }
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_in_doubt_and_can_be_repeated() {
    let already = Reaction::Answer {
        status: "201 Created",
        headers: "",
        body: json!({"code": 7, "reason": "already started"}).to_string(),
    };
    let peer = Peer::start([Reaction::Close, already]);
    let (client, _) = hasty_client(&[peer.url()]);
    let spec = spec(APP_ID, |_| ());
    let material = material(&spec, &secrets(SECRETS[0], SECRETS[1], &[]));
    let body = start_body(&spec, 1, &material).unwrap();
    let start = async || client.start(&account(), APP_ID, "r", &body, StartVia::default(), &job()).await;
    assert_eq!(unconfirmed(start().await).0, "unknown");
    assert_eq!(confirmed(start().await), Started::Already { sid: None });
}

fn certificate() -> (rustls::ServerConfig, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (config, made.cert.pem())
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_known() {
    let (config, pem) = certificate();
    let peer = Peer::with_tls([running()], config);
    let (proof, kind, _, words) = fate(peer.https_url()).await;
    assert_eq!((proof, kind), ("not sent", Kind::Unreachable));
    assert!(
        words.ends_with(
            "TLS: its certificate is signed by an unknown authority (a proxy's? give its CA bundle)"
        ),
        "{words}"
    );
    assert!(peer.received().is_empty());

    let trusting = |pem: &str| {
        Client::new(&ClientSettings {
            ca_bundle: Some(pem.as_bytes().to_vec()),
            ..settings(&[peer.https_url()])
        })
    };
    assert_eq!(confirmed(query(&trusting(&pem).unwrap()).await).status, 5);
    assert!(matches!(trusting("").unwrap_err(), ClientProblem::CaBundle(_)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Peer::start([running()]);
    let location: &'static str = format!("Location: {}/\r\n", elsewhere.url()).leak();
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let peer = Peer::start([Reaction::Answer { status, headers: location, body: String::new() }]);
        let (proof, kind, http, words) = fate(peer.url()).await;
        assert_eq!((proof, kind), ("unknown", Kind::ServerFault), "{http:?} {words}");
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_huge_page_is_not_read_to_its_end() {
    let body = format!("{{\"serverResponse\":{{\"status\":5}},\"a\":\"{}\"}}", "x".repeat(300_000));
    let peer = Peer::start([ok(body)]);
    let (proof, kind, http, _) = fate(peer.url()).await;
    assert_eq!((proof, kind, http), ("unknown", Kind::Unreadable, Some(200)));
}

#[tokio::test]
async fn endpoints_are_asked_in_their_order() {
    let (first, second) = (Peer::start([Reaction::Close]), Peer::start([running()]));
    let (client, observed) = hasty_client(&[first.url(), second.url()]);
    for lost in [true, true, false, false] {
        let outcome = query(&client).await;
        assert_eq!(outcome.answer().map(|answer| answer.kind), lost.then_some(Kind::ConnectionLost));
    }
    assert_eq!((first.received().len(), second.received().len()), (2, 2));
    let (lost, answered) =
        ("query Transport(ConnectionLost) None 127.0.0.1", "query Http(200) None 127.0.0.1");
    assert_eq!(observed.requests(), [lost, lost, answered, answered]);
}

#[tokio::test]
async fn a_gateway_without_its_service_leads_to_the_next_endpoint() {
    let page = Reaction::Answer { status: "503 Service Unavailable", headers: "", body: "<html>".to_owned() };
    let (first, second) = (Peer::start([page]), Peer::start([running()]));
    let (client, _) = hasty_client(&[first.url(), second.url()]);
    for kind in [Some(Kind::ServerFault), Some(Kind::ServerFault), None] {
        assert_eq!(query(&client).await.answer().map(|answer| answer.kind), kind);
    }
}

#[tokio::test]
async fn a_429_slows_what_comes_after_it() {
    let refused = Reaction::Answer {
        status: "429 Too Many Requests",
        headers: "Retry-After: 3\r\n",
        body: json!({"message": "API rate limit exceeded"}).to_string(),
    };
    let peer = Peer::start([refused, running()]);
    let client = Client::new(&ClientSettings { scale: 10.0, ..settings(&[peer.url()]) }).unwrap();
    let (proof, answer) = unconfirmed(query(&client).await);
    assert_eq!((proof, answer.kind), ("rejected", Kind::RateLimited));
    assert_eq!(answer.retry_after.map(|wait| wait.as_secs()), Some(3));
    let slowed = Instant::now();
    confirmed(query(&client).await);
    assert!(slowed.elapsed().as_millis() >= 290, "{:?}", slowed.elapsed());
}

/// Everything that is logged, by all tests of this program.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_a_log_or_a_text() {
    let log = Log::default();
    let shared = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || shared.clone())
        .finish();
    // For all threads: what another one logs first is asked of its own subscriber whether it is ever of interest.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    // Asks anew of what was logged before there was one.
    drop(tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new()));
    let spec = spec(APP_ID, |spec| {
        spec["channel"]["encryption"] =
            json!({"mode": "AES128GCM", "secretKeyRef": {"name": "e", "key": "secret"}});
    });
    let material = material(&spec, &secrets(SECRETS[0], SECRETS[1], &[]));
    let body = start_body(&spec, 1, &material).unwrap();
    // The vendor echoes the request.
    let echo = Reaction::Answer {
        status: "400 Bad Request",
        headers: "X-Request-Id: 4eb720f08da711e9\r\n",
        body: json!({"code": 2, "reason": format!("bad body: {} in {}", SECRETS.join(" "), serde_json::to_string(&body).unwrap())})
            .to_string(),
    };
    let peer = Peer::start([echo]);
    let (client, _) = hasty_client(&[peer.url()]);
    let outcome = client.start(&account(), APP_ID, "r", &body, StartVia::default(), &job()).await;
    let shown = format!("{outcome:?} {client:?} {material:?} {body:?}");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("4eb720f08da711e9") && !shown.contains("4eb720f08da711e9"), "{logged}");
    assert!(shown.contains("bad body"), "{shown}");
    for secret in SECRETS {
        assert!(peer.received()[0].head.contains("Basic ") && !shown.contains(secret), "{secret}: {shown}");
        assert!(!logged.contains(secret), "{secret}: {logged}");
    }
    assert!(!logged.contains("Y3VzdG9tZXItaWQ6"), "{logged}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (endpoint, why) in [
        ("api.agora.io", "is not a URL"),
        ("ftp://api.agora.io", "must begin with http:// or https://"),
        ("https://api.agora.io?x=1", "must not have a query"),
        ("https://user:hunter2@api.agora.io", "must not carry a user or a password"),
    ] {
        let refused = Client::new(&settings(&[endpoint.to_owned()])).unwrap_err().to_string();
        assert!(refused.contains(why) && !refused.contains("hunter2"), "{refused}");
    }
    for scale in [0.0, 0.5, -1.0, f64::NAN, f64::INFINITY] {
        let refused = Client::new(&ClientSettings { scale, ..settings(&[]) });
        assert!(matches!(refused, Err(ClientProblem::Scale(_))), "{scale}");
    }
    let bundle = ClientSettings { ca_bundle: Some(b"no certificate".to_vec()), ..settings(&[]) };
    assert!(matches!(Client::new(&bundle), Err(ClientProblem::CaBundle(_))));
}
