//! Every answer of every call: codes of the vendor's tables, and the settings at each value.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use agora_simulator::service::{EndReason, Target, User};
use serde_json::json;
use support::{APP, Bench, UID, edited, plain_body, record_body, start_body, verdict};

const MINUTE: u64 = 60_000;

#[test]
fn acquire_gives_a_long_opaque_id_each_time() {
    let mut bench = Bench::default();
    let answer = bench.acquire(&plain_body("lobby"));
    assert_eq!(
        (answer.status, &answer.body["cname"], &answer.body["uid"]),
        (200, &json!("lobby"), &json!(UID))
    );
    let id = answer.body["resourceId"].as_str().unwrap();
    assert_eq!(id.len(), 270);
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    assert_ne!(bench.acquire(&plain_body("lobby")).body["resourceId"], json!(id));
}

#[test]
fn acquire_is_refused_beyond_the_concurrency_quota() {
    let mut bench = Bench::with(&[("concurrencyQuota", "1")]);
    let started = bench.running();
    assert_eq!(verdict(&bench.acquire(&plain_body("other"))), (400, Some(406)));
    bench.stop(&started.target);
    assert_eq!(bench.acquire(&plain_body("other")).status, 200);
}

#[test]
fn a_resource_id_starts_one_session() {
    for (setting, has_sid) in [("absent", false), ("present", true)] {
        let mut bench = Bench::with(&[("alreadyStartedSid", setting)]);
        let started = bench.running();
        let again = bench.start_with(&started.target, &started.body);
        assert_eq!(verdict(&again), (201, Some(7)));
        assert_eq!(again.body.get("sid") == Some(&json!(started.target.sid)), has_sid);
        assert_eq!(again.body.get("sid").is_some(), has_sid);
    }
    for (name, value, age, stopped, expected) in [
        ("oldRunningResourceId", "alreadyStarted", 10, false, (201, Some(7))),
        ("oldRunningResourceId", "expired", 10, false, (400, Some(433))),
        ("spentResourceId", "expired", 1, true, (400, Some(433))),
        ("spentResourceId", "alreadyStarted", 1, true, (201, Some(7))),
    ] {
        let mut bench = Bench::with(&[(name, value)]);
        let started = bench.running();
        if stopped {
            bench.stop(&started.target);
        }
        bench.pass(age * MINUTE);
        assert_eq!(verdict(&bench.start_with(&started.target, &started.body)), expected, "{name}={value}");
    }
}

#[test]
fn a_resource_id_lives_five_minutes() {
    for (setting, code) in [("433", 433), ("2", 2)] {
        let mut bench = Bench::with(&[("expiredResourceId", setting)]);
        let (young, old) = (bench.resource("young"), bench.resource("old"));
        bench.pass(5 * MINUTE - 1);
        assert_eq!(bench.start_with(&young, &start_body("young")).status, 200);
        bench.pass(1);
        assert_eq!(verdict(&bench.start_with(&old, &start_body("old"))), (400, Some(code)));
    }
}

#[test]
fn start_must_repeat_acquire() {
    for (setting, code) in [("2", 2), ("432", 432)] {
        let mut bench = Bench::with(&[("startMismatch", setting)]);
        let target = bench.resource("lobby");
        assert_eq!(verdict(&bench.start_with(&target, &start_body("other"))), (400, Some(code)));
        let other_uid = edited(start_body("lobby"), "uid", json!("1"));
        assert_eq!(verdict(&bench.start_with(&target, &other_uid)), (400, Some(code)));
    }
    let mut bench = Bench::default();
    let wanted = start_body("lobby")["clientRequest"].clone();
    let target = bench.resource_for(&edited(plain_body("lobby"), "clientRequest.startParameter", wanted));
    let other = edited(start_body("lobby"), "clientRequest.snapshotConfig.captureInterval", json!(6));
    assert_eq!(bench.start_with(&target, &other).body["reason"], "request_hash mismatch!");
    assert_eq!(bench.start_with(&target, &start_body("lobby")).status, 200);
}

#[test]
fn start_refuses_ids_and_modes_that_are_not_its_own() {
    let mut bench = Bench::default();
    let good = bench.resource("lobby");
    let table = [
        (Target { resource_id: "x".into(), ..good.clone() }, 1001),
        (Target { app_id: "0".repeat(32), ..good.clone() }, 1003),
        (Target { mode: "mix".into(), ..good.clone() }, 2),
    ];
    for (target, code) in table {
        assert_eq!(verdict(&bench.start_with(&target, &start_body("lobby"))), (400, Some(code)));
    }
}

#[test]
fn one_uid_records_a_channel_once_and_another_uid_a_second_time() {
    for (setting, mode) in [("0", 0), ("1", 1)] {
        let mut bench = Bench::with(&[("event3RecordingMode", setting)]);
        let started = bench.running();
        let second = bench.resource("lobby");
        assert_eq!(verdict(&bench.start_with(&second, &start_body("lobby"))), (400, Some(53)));
        assert_eq!(bench.events(3)[0]["recordingMode"], mode);
        let other = bench.resource_for(&edited(plain_body("lobby"), "uid", json!("2")));
        assert_eq!(bench.start_with(&other, &edited(start_body("lobby"), "uid", json!("2"))).status, 200);
        bench.stop(&started.target);
        bench.seconds(10);
        assert_eq!(bench.start_with(&second, &start_body("lobby")).status, 200, "the first one is gone");
    }
}

#[test]
fn calls_must_name_a_session_that_belongs_to_the_resource_id() {
    for (setting, expected) in [("404", (404, Some(404))), ("1003", (400, Some(1003)))] {
        let mut bench = Bench::with(&[("foreignSid", setting)]);
        let started = bench.running();
        let other = bench.resource("other");
        let strangers = [
            Target { resource_id: other.resource_id, ..started.target.clone() },
            Target { sid: "0".repeat(32), ..started.target.clone() },
            Target { app_id: "0".repeat(32), ..started.target.clone() },
        ];
        for stranger in strangers {
            assert_eq!(verdict(&bench.query(&stranger)), expected);
            assert_eq!(verdict(&bench.stop(&stranger)), expected);
        }
        let mixed = Target { mode: "mix".into(), ..started.target.clone() };
        assert_eq!(verdict(&bench.query(&mixed)), (400, Some(2)));
        assert_eq!(bench.query(&started.target).status, 200);
    }
}

#[test]
fn query_has_the_shape_of_the_session() {
    let table = [
        (start_body("lobby"), "snapshot", "ms", false, 1_700_000_000_000_u64),
        (start_body("lobby"), "fileList", "s", false, 1_700_000_000),
        (record_body("lobby"), "snapshot", "ms", false, 1_700_000_000_000),
        (record_body("lobby"), "fileList", "ms", true, 1_700_000_000_000),
    ];
    for (body, shape, unit, listed, slice) in table {
        let mut bench = Bench::with(&[("recordAndSnapshotQuery", shape), ("sliceStartTime", unit)]);
        bench.join("lobby", 7);
        let started = bench.started(body);
        bench.seconds(8);
        let answer = bench.query(&started.target).body;
        assert_eq!(answer["cname"], "lobby");
        assert_eq!(answer["uid"], UID);
        assert_eq!(answer["sid"], json!(started.target.sid));
        let shown = &answer["serverResponse"];
        assert_eq!((&shown["status"], &shown["sliceStartTime"]), (&json!(5), &json!(slice)));
        assert_eq!(shown.get("fileListMode").is_some(), listed);
        assert_eq!(shown.get("fileList").is_some_and(|list| list.as_array().unwrap().len() == 2), listed);
    }
}

#[test]
fn query_of_a_session_that_ends_is_a_setting() {
    for (setting, expected) in [("status", (200, None)), ("404", (404, Some(404))), ("501", (400, Some(501)))]
    {
        let mut bench = Bench::with(&[("queryWhileExiting", setting)]);
        let started = bench.running();
        bench.stop(&started.target);
        assert_eq!(verdict(&bench.query(&started.target)), expected);
        bench.seconds(6);
        assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));
    }
}

#[test]
fn a_snapshot_only_stop_says_no_recorded_data_unless_set_otherwise() {
    let mut bench = Bench::default();
    let started = bench.running();
    let answer = bench.stop(&started.target);
    assert_eq!((verdict(&answer), &answer.body["reason"]), ((206, Some(435)), &json!("no recorded data")));
    let mut bench = Bench::with(&[("snapshotOnlyStop", "uploaded")]);
    let started = bench.running();
    let answer = bench.stop(&started.target);
    assert_eq!((answer.status, &answer.body["serverResponse"]["uploadingStatus"]), (200, &json!("uploaded")));
    // Record + snapshot of an empty channel: nothing recorded either.
    let mut empty = Bench::default();
    let started = empty.started(record_body("lobby"));
    empty.seconds(8);
    assert_eq!(verdict(&empty.stop(&started.target)), (206, Some(435)));
}

#[test]
fn refused_stops_are_fat_unless_set_otherwise() {
    for (setting, fat) in [("fat", true), ("plain", false)] {
        let mut bench = Bench::with(&[("stopRefusals", setting)]);
        let started = bench.running();
        bench.stop(&started.target);
        let exiting = bench.stop(&started.target);
        bench.seconds(6);
        let gone = bench.stop(&started.target);
        assert_eq!((verdict(&exiting), verdict(&gone)), ((400, Some(49)), (404, Some(404))));
        for answer in [exiting, gone] {
            assert_eq!(answer.body.get("reason").is_none(), fat, "{answer:?}");
            assert_eq!(answer.body["serverResponse"]["payload"]["message"].is_string(), fat, "{answer:?}");
        }
    }
}

#[test]
fn settings_decide_names_sizes_and_events() {
    let set = [
        ("cnameInFileNames", "dashed"),
        ("snapshotSize", "320x180"),
        ("event13", "sent"),
        ("event34", "sent"),
        ("event45ServiceType", "2"),
        ("snapshotOnlyUploadedEvent", "absent"),
    ];
    for changed in [false, true] {
        let mut bench = Bench::with(if changed { &set } else { &[] });
        bench.join("a_b.c", 7);
        let sts = json!({
            "vendor": 1, "region": 0, "bucket": "b", "accessKey": "k", "secretKey": "s", "stsToken": "t",
            "stsExpiration": support::ORIGIN / 1000 + 20,
        });
        let started = bench.started(edited(start_body("a_b.c"), "clientRequest.storageConfig", sts));
        bench.seconds(30);
        bench.stop_with(&started.target, &plain_body("a_b.c"));
        bench.seconds(10);
        let session = bench.only_session();
        let cname = if changed { "_a-b-c__uid" } else { "_a_b.c__uid" };
        assert!(session.files[0].contains(cname), "{}", session.files[0]);
        match &bench.uploads[0].content {
            agora_simulator::service::Content::Snapshot { width, .. } => {
                assert_eq!(*width, if changed { 320 } else { 640 });
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.events(13).len(), usize::from(changed));
        assert_eq!(bench.events(34).len(), usize::from(changed));
        assert_eq!(bench.events(31).len(), usize::from(!changed));
        let shot = session.events.iter().find(|event| event.event_type == 45).unwrap();
        assert_eq!(shot.payload["serviceType"], if changed { 2 } else { 1 });
    }
}

#[test]
fn with_an_app_certificate_the_token_must_be_good() {
    // Made by the vendor's own builder (npm `agora-token` 2.0.6) at 1795408893 for this App ID, channel `lobby`, uid
    // 527841: good for a day, the right to join for an hour.
    const CERTIFICATE: &str = "5cfd2fd1755d40ecb72977518be15d3b";
    const TOKEN: &str = "007eJxTYOCt5Nxp7sA8+3C1b+pqvZkXeByKmhaErKm4/JzHaENmi7oCg6W5QXKisWlKqplBsomJmYlpUlJiqkWikaGpgZlhkrHx38PM2Q2BjAwNzawMjFAowMfAwMqQk5+UVMnGYGpkbmFiCABVQh3r";
    use agora_simulator::rtc_token::{Claim, Verdict, verify};
    let claim = Claim { app_id: APP, cname: "lobby", uid: 527_841 };
    let issued = 1_795_408_893;
    assert_eq!(verify(TOKEN, CERTIFICATE, claim, issued), Verdict::Good { until: issued + 3600 });
    assert_eq!(verify(TOKEN, CERTIFICATE, claim, issued + 3600), Verdict::Expired);
    let wrong =
        |token, certificate, claim| matches!(verify(token, certificate, claim, issued), Verdict::Wrong(_));
    assert!(wrong(TOKEN, "6cfd2fd1755d40ecb72977518be15d3b", claim));
    assert!(wrong(TOKEN, CERTIFICATE, Claim { uid: 1, ..claim }));
    assert!(wrong(TOKEN, CERTIFICATE, Claim { cname: "x", ..claim }));
    assert!(wrong(TOKEN, CERTIFICATE, Claim { app_id: "x", ..claim }));
    for garbage in ["", "007", "006abc", "007!!!!", "007eJw="] {
        assert!(wrong(garbage, CERTIFICATE, claim), "{garbage}");
    }

    // No token at all: start is accepted, and the session dies with event 1 code 110.
    let mut bench = Bench::made_of(&[], Some(CERTIFICATE), 1);
    let started = bench.running();
    assert_eq!(bench.events(1)[0]["errorCode"], 110);
    bench.seconds(10);
    assert_eq!(verdict(&bench.query(&started.target)), (404, Some(404)));

    // A good one carries it until the right to join ends.
    let mut bench = Bench::made_of(&[], Some(CERTIFICATE), 1);
    bench.put("lobby", 7, User { video: false, ..User::default() });
    bench.started(edited(start_body("lobby"), "clientRequest.token", json!(TOKEN)));
    bench.pass((issued + 3600) * 1000 - support::ORIGIN - 1);
    assert!(bench.only_session().stop_time.is_none());
    bench.pass(1);
    assert_eq!(bench.only_session().end_reason, Some(EndReason::TokenExpired));
    assert_eq!(bench.events(1)[0]["errorCode"], 109);
}
