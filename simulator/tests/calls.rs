//! Every answer of every call: codes of the vendor's tables, rules of the bodies, and the settings at each value.

mod support;

use agora_simulator::service::{EndReason, Target, User};
use serde_json::{Value, json};
use support::{APP, Bench, UID, plain_body, record_body, start_body, verdict};

const MINUTE: u64 = 60_000;

/// A body with one value put at a path like `clientRequest.snapshotConfig.fileType`; `null` removes it.
fn edited(mut body: Value, path: &str, value: Value) -> Value {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parents.split('.').filter(|key| !key.is_empty()).fold(&mut body, |at, key| &mut at[key]);
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(last);
    } else {
        parent[last] = value;
    }
    body
}

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
fn acquire_refuses_what_breaks_its_rules() {
    let table = [
        ("uid", json!(""), 2),
        ("uid", json!("0"), 2),
        ("uid", json!("007"), 2),
        ("uid", json!("4294967296"), 2),
        ("uid", json!(527841), 2),
        ("uid", json!(null), 2),
        ("cname", json!(null), 2),
        ("cname", json!(""), 2),
        ("cname", json!("a/b"), 401),
        ("cname", json!("ü"), 401),
        ("cname", json!("x".repeat(64)), 401),
        ("clientRequest", json!(null), 2),
        ("clientRequest", json!([]), 2),
        ("clientRequest.scene", json!("0"), 2),
        ("clientRequest.resourceExpiredHour", json!(0), 2),
        ("clientRequest.resourceExpiredHour", json!(721), 2),
        ("clientRequest.region", json!("XX"), 2),
        ("clientRequest.regionAffinity", json!(5), 2),
        ("clientRequest.excludeResourceIds", json!("x"), 2),
    ];
    for (path, value, code) in table {
        let answer = Bench::default().acquire(&edited(plain_body("lobby"), path, value.clone()));
        assert_eq!(verdict(&answer), (400, Some(code)), "{path} = {value}: {answer:?}");
    }
    let answer = Bench::default().acquire(&edited(
        plain_body("lobby"),
        "clientRequest.resourceExpiredHour",
        json!(721),
    ));
    assert_eq!(answer.body["reason"], "Acquire: invalid resourceExpiredHour value!");
    let mut old = Bench::with(&[("invalidChannelName", "1013")]);
    assert_eq!(verdict(&old.acquire(&plain_body("a/b"))), (400, Some(1013)));
    for good in ["x".repeat(63), "a !#$%&()+-:;<=.>?@[]^_{}|~,".to_owned()] {
        assert_eq!(Bench::default().acquire(&plain_body(&good)).status, 200);
    }
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
fn start_refuses_what_breaks_its_rules_and_names_the_field() {
    let config = "clientRequest.recordingConfig";
    let storage = "clientRequest.storageConfig";
    let many: Vec<String> = (1..=33).map(|uid: u32| uid.to_string()).collect();
    let table = [
        ("clientRequest", json!(null), "clientRequest"),
        (config, json!(null), "recordingConfig"),
        ("clientRequest.recordingConfig.channelType", json!(2), "channelType"),
        ("clientRequest.recordingConfig.channelType", json!("1"), "channelType"),
        ("clientRequest.recordingConfig.streamTypes", json!(0), "streamTypes"),
        ("clientRequest.recordingConfig.streamTypes", json!(3), "streamTypes"),
        ("clientRequest.recordingConfig.streamMode", json!("original"), "streamMode"),
        ("clientRequest.recordingConfig.streamMode", json!("x"), "streamMode"),
        ("clientRequest.recordingConfig.videoStreamType", json!(2), "videoStreamType"),
        ("clientRequest.recordingConfig.maxIdleTime", json!(4), "maxIdleTime"),
        ("clientRequest.recordingConfig.maxIdleTime", json!(2_592_001), "maxIdleTime"),
        ("clientRequest.recordingConfig.maxIdleTime", json!(30.5), "maxIdleTime"),
        ("clientRequest.recordingConfig.decryptionMode", json!(9), "decryptionMode"),
        ("clientRequest.recordingConfig.decryptionMode", json!(5), "secret"),
        ("clientRequest.recordingConfig.subscribeUidGroup", json!(6), "subscribeUidGroup"),
        ("clientRequest.recordingConfig.subscribeAudioUids", json!(["1"]), "subscribeAudioUids"),
        ("clientRequest.recordingConfig.subscribeVideoUids", json!(["x"]), "subscribeVideoUids"),
        ("clientRequest.recordingConfig.subscribeVideoUids", json!([1]), "subscribeVideoUids"),
        ("clientRequest.recordingConfig.subscribeVideoUids", json!(many), "subscribeVideoUids"),
        ("clientRequest.snapshotConfig.captureInterval", json!(0), "captureInterval"),
        ("clientRequest.snapshotConfig.captureInterval", json!(3601), "captureInterval"),
        ("clientRequest.snapshotConfig.captureInterval", json!("5"), "captureInterval"),
        ("clientRequest.snapshotConfig.fileType", json!(null), "fileType"),
        ("clientRequest.snapshotConfig.fileType", json!(["png"]), "fileType"),
        ("clientRequest.snapshotConfig.fileType", json!([]), "fileType"),
        ("clientRequest.recordingFileConfig", json!({}), "recordingFileConfig"),
        ("clientRequest.recordingFileConfig", json!({"avFileType": ["mp4"]}), "avFileType"),
        ("clientRequest.recordingFileConfig", json!({"avFileType": ["hls", "mp4"]}), "avFileType"),
        (storage, json!(null), "storageConfig"),
        ("clientRequest.storageConfig.vendor", json!(null), "vendor"),
        ("clientRequest.storageConfig.vendor", json!(0), "vendor"),
        ("clientRequest.storageConfig.vendor", json!(4), "vendor"),
        ("clientRequest.storageConfig.vendor", json!(11), "extensionParams"),
        ("clientRequest.storageConfig.region", json!(null), "region"),
        ("clientRequest.storageConfig.region", json!(26), "region"),
        ("clientRequest.storageConfig.bucket", json!(""), "bucket"),
        ("clientRequest.storageConfig.accessKey", json!(null), "accessKey"),
        ("clientRequest.storageConfig.secretKey", json!(null), "secretKey"),
        ("clientRequest.storageConfig.stsToken", json!("t"), "stsExpiration"),
        ("clientRequest.storageConfig.fileNamePrefix", json!(["a_b"]), "fileNamePrefix"),
        ("clientRequest.storageConfig.fileNamePrefix", json!(["a/b"]), "fileNamePrefix"),
        ("clientRequest.storageConfig.fileNamePrefix", json!([""]), "fileNamePrefix"),
        ("clientRequest.storageConfig.fileNamePrefix", json!("a"), "fileNamePrefix"),
        ("clientRequest.storageConfig.fileNamePrefix", json!(["a".repeat(128)]), "fileNamePrefix"),
        ("clientRequest.storageConfig.extensionParams", json!({"sse": "x"}), "sse"),
        ("clientRequest.storageConfig.extensionParams", json!({"endpoint": "http://h"}), "endpoint"),
        ("clientRequest.extensionServiceConfig", json!({}), "extensionServiceConfig"),
    ];
    for (path, value, field) in table {
        let mut bench = Bench::default();
        let target = bench.resource("lobby");
        let answer = bench.start_with(&target, &edited(start_body("lobby"), path, value.clone()));
        assert_eq!(verdict(&answer), (400, Some(2)), "{path} = {value}: {answer:?}");
        let reason = answer.body["reason"].as_str().unwrap();
        assert!(reason.contains(field), "{path} = {value}: {reason}");
        // A refused start costs nothing, and the resource id is still good.
        assert_eq!(bench.start_with(&target, &start_body("lobby")).status, 200);
    }
}

#[test]
fn start_takes_what_keeps_the_rules() {
    let salt = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let encrypted =
        json!({"channelType": 0, "streamTypes": 1, "decryptionMode": 8, "secret": "s", "salt": salt});
    let table = [
        ("clientRequest.recordingConfig", json!({"channelType": 1})),
        ("clientRequest.recordingConfig", encrypted),
        ("clientRequest.recordingConfig.subscribeUidGroup", json!(null)),
        ("clientRequest.recordingConfig.subscribeVideoUids", json!(["#allstream#"])),
        ("clientRequest.recordingConfig.unSubscribeVideoUids", json!(["9"])),
        ("clientRequest.recordingConfig.maxIdleTime", json!(2_592_000)),
        ("clientRequest.snapshotConfig", json!({"fileType": ["jpg"]})),
        ("clientRequest.snapshotConfig.captureInterval", json!(1)),
        ("clientRequest.snapshotConfig.captureInterval", json!(3600)),
        ("clientRequest.storageConfig.fileNamePrefix", json!(null)),
        ("clientRequest.storageConfig.fileNamePrefix", json!(["a".repeat(127)])),
        ("clientRequest.storageConfig.extensionParams", json!({"sse": "kms", "tag": "A=1"})),
        ("clientRequest.snapshotConfig", json!(null)),
    ];
    for (path, value) in table {
        let mut bench = Bench::default();
        let target = bench.resource("lobby");
        let answer = bench.start_with(&target, &edited(start_body("lobby"), path, value.clone()));
        assert_eq!(answer.status, 200, "{path} = {value}: {answer:?}");
    }
}

#[test]
fn settings_decide_what_start_accepts() {
    let interval = edited(start_body("lobby"), "clientRequest.snapshotConfig.captureInterval", json!(4));
    let empty = edited(start_body("lobby"), "clientRequest.recordingFileConfig", json!({}));
    let audio = edited(start_body("lobby"), "clientRequest.recordingConfig.streamTypes", json!(0));
    let audio = edited(audio, "clientRequest.recordingFileConfig", json!({"avFileType": ["hls"]}));
    let table = [
        ("captureIntervalMinimum", "1", &interval, 200),
        ("captureIntervalMinimum", "5", &interval, 400),
        ("emptyRecordingFileConfig", "refused", &empty, 400),
        ("emptyRecordingFileConfig", "records", &empty, 200),
        ("snapshotOfAudio", "refused", &audio, 400),
        ("snapshotOfAudio", "silent", &audio, 200),
    ];
    for (name, value, body, status) in table {
        let mut bench = Bench::with(&[(name, value)]);
        let target = bench.resource("lobby");
        assert_eq!(bench.start_with(&target, body).status, status, "{name}={value}");
    }
}

#[test]
fn a_lower_case_unsubscribe_works_or_not_and_is_noted() {
    for (setting, pictured) in [("accepted", false), ("ignored", true)] {
        let mut bench = Bench::with(&[("lowercaseUnsubscribe", setting)]);
        bench.join("lobby", 7);
        let body =
            edited(start_body("lobby"), "clientRequest.recordingConfig.unsubscribeVideoUids", json!(["7"]));
        bench.started(body);
        bench.seconds(8);
        assert_eq!(bench.only_session().file_count > 0, pictured, "{setting}");
        assert!(bench.notes.iter().any(|note| note.contains("unsubscribeVideoUids")), "{:?}", bench.notes);
    }
}

#[test]
fn unknown_keys_are_noted_not_refused() {
    let mut bench = Bench::default();
    let body = edited(start_body("lobby"), "clientRequest.snapshotConfig.captureIntervall", json!(5));
    bench.started(body);
    assert_eq!(bench.notes, ["unknown key body.clientRequest.snapshotConfig.captureIntervall"]);
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
fn stop_refuses_a_body_that_names_another_session() {
    let mut bench = Bench::default();
    let started = bench.running();
    let bodies = [
        plain_body("other"),
        edited(plain_body("lobby"), "uid", json!("1")),
        edited(plain_body("lobby"), "clientRequest", json!(null)),
        edited(plain_body("lobby"), "clientRequest.async_stop", json!("true")),
    ];
    for body in bodies {
        assert_eq!(verdict(&bench.stop_with(&started.target, &body)), (400, Some(2)), "{body}");
    }
    assert!(bench.only_session().stop_time.is_none());
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
fn update_keeps_its_rules() {
    let mut bench = Bench::default();
    let started = bench.running();
    let storage = start_body("lobby")["clientRequest"]["storageConfig"].clone();
    let with = |request: Value| edited(plain_body("lobby"), "clientRequest", request);
    let good = [
        json!({"storageConfig": storage}),
        json!({"streamSubscribe": {"videoUidList": {"subscribeVideoUids": ["7"]}}}),
    ];
    for request in good {
        let answer = bench.update(&started.target, &with(request));
        assert_eq!((answer.status, &answer.body["sid"]), (200, &json!(started.target.sid)), "{answer:?}");
    }
    let bad = [
        json!({"storageConfig": {"bucket": "b"}}),
        json!({"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["7"]}}}),
        json!({"streamSubscribe": {"videoUidList": {"subscribeVideoUids": ["x"]}}}),
        json!({"webRecordingConfig": {}}),
    ];
    for request in bad {
        assert_eq!(
            verdict(&bench.update(&started.target, &with(request.clone()))),
            (400, Some(2)),
            "{request}"
        );
    }
    let outcome = bench.service.update_layout(bench.now, &started.target);
    match outcome.reply {
        agora_simulator::service::Reply::Now(answer) => assert_eq!(verdict(&answer), (400, Some(2))),
        held => panic!("{held:?}"),
    }
    bench.stop(&started.target);
    bench.seconds(10);
    assert_eq!(verdict(&bench.update(&started.target, &plain_body("lobby"))), (404, Some(404)));
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
