//! The program as its users meet it: flags, HTTP, the control interface, faults, a clean end. Files go to memory here;
//! the real S3 server is the system tests' part.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::APP;
use support::program::{Program, plain, read, start};

#[tokio::test]
async fn a_session_from_acquire_to_stop_leaves_real_jpegs() {
    let program = Program::run(&["--speed", "20"]);
    program.join("lobby").await;
    let (resource, sid) = program.started().await;
    let sessions = program.sim("sessions?cname=lobby&state=live&minFiles=2&wait=1").await;
    let files = sessions["sessions"][0]["files"].as_array().unwrap();
    let key = files[0].as_str().unwrap();
    assert!(key.starts_with(&format!("a/{sid}_lobby__uid_s_7__uid_e_video_")), "{key}");
    let url = format!("{}/_sim/files/snapshots/{key}", program.url);
    let bytes = program.http.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!((&bytes[..3], &bytes[bytes.len() - 2..]), (&[0xFF, 0xD8, 0xFF][..], &[0xFF, 0xD9][..]));

    let session = format!("resourceid/{resource}/sid/{sid}/mode/individual");
    let response = program.api("GET", &format!("{session}/query")).send().await.unwrap();
    assert!(response.headers().contains_key("date") && response.headers().contains_key("x-request-id"));
    assert_eq!(read(response).await.unwrap().1["serverResponse"]["status"], 5);
    let (status, body) = program.post(&format!("{session}/stop"), &plain()).await.unwrap();
    assert_eq!((status, &body["code"]), (206, &json!(435)));
    let ended = program.sim("sessions?state=ended&wait=1").await;
    assert_eq!(ended["sessions"][0]["endReason"], "stopped");
    assert_eq!(program.sim("sessions?state=live").await["sessions"], json!([]));
}

#[tokio::test]
async fn the_gateway_comes_first() {
    let program = Program::run(&[]);
    let acquire = format!("{}/v1/apps/{APP}/cloud_recording/acquire", program.url);
    let nobody = program.http.post(&acquire).json(&plain()).send().await.unwrap();
    assert_eq!(read(nobody).await.unwrap(), (401, json!({"message": "Unauthorized"})));
    let wrong = program.http.post(&acquire).basic_auth("x", Some("y")).json(&plain()).send().await.unwrap();
    assert_eq!(read(wrong).await.unwrap(), (401, json!({"message": "Invalid authentication credentials"})));
    let no_route = program.api("POST", "acquired").json(&plain()).send().await.unwrap();
    assert_eq!(
        read(no_route).await.unwrap(),
        (404, json!({"message": "no Route matched with those values"}))
    );
    let other_app = acquire.replace(APP, &"0".repeat(32));
    let other = program.http.post(other_app).basic_auth("customer", Some("secret")).json(&plain());
    assert_eq!(
        read(other.send().await.unwrap()).await.unwrap(),
        (400, json!({"message": "appid is invalid"}))
    );
    let spaced = program.api("POST", "acquire").header("content-type", "application/json; charset=utf-8");
    assert_eq!(spaced.body("{}").send().await.unwrap().status(), 401);
    let broken = program.api("POST", "acquire").header("content-type", "application/json").body("{");
    assert_eq!(read(broken.send().await.unwrap()).await.unwrap().1["code"], 8);
    let mut last = 200;
    for _ in 0..40 {
        last = program.post("acquire", &plain()).await.unwrap().0;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn the_journal_masks_secrets_and_shows_held_calls_at_once() {
    let program = Program::run(&[]);
    let resource = program.resource().await;
    assert_eq!(program.fault(json!({"verb": "start", "cname": "lobby", "delayAfterMs": 60_000})).await, 204);
    let path = format!("resourceid/{resource}/mode/individual/start");
    let caller = tokio::spawn(program.api("POST", &path).json(&start()).send());
    let seen = program.sim("requests?verb=start&answered=false&wait=1&timeoutMs=10000").await;
    let entry = &seen["requests"][0];
    assert_eq!(
        (&entry["cname"], &entry["answered"], &entry["status"]),
        (&json!("lobby"), &json!(null), &json!(null))
    );
    // The effect is there although the answer is held, and stays when the caller goes away.
    let live = program.sim("sessions?state=live&wait=1&timeoutMs=10000").await;
    assert_eq!(live["sessions"].as_array().unwrap().len(), 1);
    caller.abort();

    let text = seen.to_string();
    for secret in ["AKEY", "SKEY", "T0KEN"] {
        assert!(!text.contains(secret), "{secret} is in the journal");
    }
    // printf %s AKEY | sha256sum
    let masked = "sha256:c8f0ebe84bcf312f7347939714d938937bc5dc6da58e8803afebd3eafb112b3c";
    assert_eq!(entry["body"]["clientRequest"]["storageConfig"]["accessKey"], masked);
    assert_eq!(entry["body"]["clientRequest"]["snapshotConfig"]["captureInterval"], 5);
}

#[tokio::test]
async fn a_dropped_call_has_its_effect_or_not() {
    let program = Program::run(&[]);
    let resource = program.resource().await;
    let path = format!("resourceid/{resource}/mode/individual/start");
    program.fault(json!({"verb": "start", "drop": "before"})).await;
    assert!(program.post(&path, &start()).await.is_err());
    assert_eq!(program.sim("sessions").await["sessions"], json!([]));
    program.fault(json!({"verb": "start", "drop": "after"})).await;
    assert!(program.post(&path, &start()).await.is_err());
    assert_eq!(program.sim("sessions").await["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(program.post(&path, &start()).await.unwrap().0, 201, "the fault has been used up");
    let dropped = program.sim("requests?verb=start").await;
    let dropped: Vec<bool> =
        dropped["requests"].as_array().unwrap().iter().map(|e| e["dropped"].as_bool().unwrap()).collect();
    assert_eq!(dropped, [true, true, false]);
}

#[tokio::test]
async fn a_substitute_answer_comes_with_or_without_the_effect() {
    let program = Program::run(&[]);
    let resource = program.resource().await;
    let path = format!("resourceid/{resource}/mode/individual/start");
    let late =
        json!({"status": 206, "body": {"code": 65, "reason": "request not completed"}, "effect": true});
    for (answer, sessions) in
        [(json!({"status": 503, "body": "<html>", "headers": {"retry-after": "3"}}), 0), (late, 1)]
    {
        program.fault(json!({"verb": "start", "times": 1, "answer": answer})).await;
        let response = program.api("POST", &path).json(&start()).send().await.unwrap();
        assert_eq!(response.headers().contains_key("retry-after"), sessions == 0);
        let (status, body) = read(response).await.unwrap();
        assert_eq!((json!(status), &body), (answer["status"].clone(), &answer["body"]));
        assert_eq!(program.sim("sessions").await["sessions"].as_array().unwrap().len(), sessions);
    }
}

#[tokio::test]
async fn sessions_can_be_harmed_and_the_whole_service_be_down() {
    let program = Program::run(&["--speed", "50"]);
    program.join("lobby").await;
    let (resource, sid) = program.started().await;
    program.sim("sessions?minFiles=1&wait=1").await;
    assert_eq!(program.fault(json!({"failover": sid})).await, 204);
    let query = format!("resourceid/{resource}/sid/{sid}/mode/individual/query");
    assert_eq!(program.api("GET", &query).send().await.unwrap().status(), 404);
    program.fault(json!({"down": true})).await;
    assert!(program.api("GET", &query).send().await.is_err());
    program.fault(json!({"down": false})).await;
    assert!(program.api("GET", &query).send().await.is_ok());
    program.fault(json!({"storageDown": true})).await;
    assert_eq!(program.fault(json!({"kill": sid})).await, 204);
    let ended = program.sim("sessions?state=ended&wait=1").await;
    assert_eq!(ended["sessions"][0]["endReason"], "killed");
    for nonsense in [
        json!({}),
        json!({"verb": "start"}),
        json!({"verb": "begin", "drop": "after"}),
        json!({"drop": "after", "answer": {"status": 200}}),
        json!({"answer": {"status": 99}}),
        json!({"kill": "nobody"}),
        json!({"down": "yes"}),
        json!({"surprise": true}),
    ] {
        assert_eq!(program.fault(nonsense.clone()).await, 400, "{nonsense}");
    }
    program.fault(json!({"verb": "stop", "drop": "after"})).await;
    program.http.delete(format!("{}/_sim/faults", program.url)).send().await.unwrap();
    assert_eq!(program.sim("faults").await, json!({"faults": [], "down": false}));
}

#[tokio::test]
async fn a_long_poll_ends_at_its_deadline() {
    let program = Program::run(&[]);
    let asked = Instant::now();
    let url = format!("{}/_sim/sessions?wait=1&timeoutMs=200", program.url);
    let response = program.http.get(url).send().await.unwrap();
    assert_eq!(response.status(), 408);
    assert!(asked.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn settings_are_read_and_set_all_or_none() {
    let program = Program::run(&["--set", "snapshotOnlyStop=uploaded"]);
    assert_eq!(program.sim("settings").await["snapshotOnlyStop"], "uploaded");
    let put = async |body: Value| {
        let url = format!("{}/_sim/settings", program.url);
        program.http.put(url).json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(put(json!({"concurrencyQuota": 3, "alreadyStartedSid": "present"})).await, 200);
    assert_eq!(put(json!({"concurrencyQuota": 4, "alreadyStartedSid": "perhaps"})).await, 400);
    let all = program.sim("settings").await;
    assert_eq!((&all["concurrencyQuota"], &all["alreadyStartedSid"]), (&json!("3"), &json!("present")));
}

#[tokio::test]
async fn the_program_ends_cleanly_on_sigterm_and_says_what_is_wrong_with_flags() {
    let mut program = Program::run(&[]);
    let pid = program.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(program.child.wait().unwrap().success());

    let mut bad = Command::new(env!("CARGO_BIN_EXE_agora-simulator"))
        .args(["--app-id", APP, "--customer-id", "c", "--customer-secret", "s", "--set", "nope=1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(!bad.wait().unwrap().success());
    let mut text = String::new();
    bad.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("no setting is named `nope`"), "{text}");
}
