//! What the bodies of the calls may be: every rule broken once, and what keeps them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::{Bench, edited, plain_body, start_body, verdict};

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
