//! Bodies, whole, as JSON: the two scenarios of the vendor's guide, then each option.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::agora::material::Secrets;

const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";

/// Snapshots only, as in the guide.
fn spec(change: impl FnOnce(&mut Value)) -> SnapshotJobSpec {
    let mut spec = json!({
        "credentialsRef": {"name": "agora"},
        "channel": {"appId": APP_ID, "name": "httpClient463224", "profile": "LiveBroadcasting"},
        "intervalSeconds": 5,
        "storage": {
            "vendor": "AliyunOSS", "region": "cn-beijing", "bucket": "snapshots", "prefix": "directory1/directory2",
            "credentialsRef": {"name": "bucket"},
        },
    });
    change(&mut spec);
    serde_json::from_value(spec).unwrap()
}

fn secret(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, Vec<u8>>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect())
}

fn secrets(bucket: &[(&str, &str)]) -> Secrets {
    let keys = [("accessKey", "access"), ("secretKey", "secret")];
    let salt = "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ=";
    [
        ("agora".to_owned(), secret(&[("customerId", "id"), ("customerSecret", "pass")])),
        ("bucket".to_owned(), secret(&[&keys, bucket].concat())),
        ("e".to_owned(), secret(&[("secret", "sesame"), ("salt", salt)])),
    ]
    .into()
}

fn material_with(spec: &SnapshotJobSpec, bucket: &[(&str, &str)]) -> Material {
    Material::gather(spec, 527_841, &secrets(bucket), Timestamp::UNIX_EPOCH, 0).unwrap()
}

fn material(spec: &SnapshotJobSpec) -> Material {
    material_with(spec, &[])
}

fn start(change: impl FnOnce(&mut Value)) -> Value {
    let spec = spec(change);
    serde_json::to_value(start_body(&spec, 527_841, &material(&spec)).unwrap()).unwrap()
}

/// Body of the start with one difference in `clientRequest`.
fn expected(change: impl FnOnce(&mut Value)) -> Value {
    let mut request = json!({
        "recordingConfig": {
            "channelType": 1, "streamTypes": 1, "videoStreamType": 0, "maxIdleTime": 300, "subscribeUidGroup": 3,
        },
        "snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]},
        "storageConfig": {
            "vendor": 2, "region": 3, "bucket": "snapshots", "accessKey": "access", "secretKey": "secret",
            "fileNamePrefix": ["directory1", "directory2"],
        },
    });
    change(&mut request);
    json!({"cname": "httpClient463224", "uid": "527841", "clientRequest": request})
}

#[test]
fn acquire_reserves_individual_recording_for_the_session_limit() {
    let body = acquire_body(&spec(|spec| spec["sessionLimitHours"] = json!(24)), 527_841);
    assert_eq!(
        serde_json::to_value(body).unwrap(),
        json!({
            "cname": "httpClient463224", "uid": "527841",
            "clientRequest": {"resourceExpiredHour": 24, "scene": 0},
        })
    );
    let body = serde_json::to_value(acquire_body(&spec(|_| ()), 1)).unwrap();
    assert_eq!(body["clientRequest"]["resourceExpiredHour"], 72);
}

#[test]
fn snapshots_only_has_no_recording_file_config() {
    assert_eq!(start(|_| ()), expected(|_| ()));
}

#[test]
fn record_and_snapshot_in_one_session() {
    let body = start(|spec| {
        spec["recording"] = json!({"format": "HLS", "streams": "Video"});
        spec["channel"]["profile"] = json!("Communication");
        spec["idleTimeoutSeconds"] = json!(30);
    });
    let wanted = expected(|request| {
        request["recordingConfig"]["channelType"] = json!(0);
        request["recordingConfig"]["maxIdleTime"] = json!(30);
        request["recordingFileConfig"] = json!({"avFileType": ["hls"]});
    });
    assert_eq!(body, wanted);
    // Both kinds of streams, nobody listed: no list at all, which means everybody.
    let body = start(|spec| spec["recording"] = json!({}));
    let wanted = expected(|request| {
        request["recordingConfig"]["streamTypes"] = json!(2);
        request["recordingFileConfig"] = json!({"avFileType": ["hls"]});
    });
    assert_eq!(body, wanted);
}

#[test]
fn one_list_of_two_kinds_brings_the_other() {
    let everybody = json!(["#allstream#"]);
    for (subscription, audio_too, lists) in [
        (json!({}), true, json!({})),
        (
            json!({"videoUids": [1, 4_294_967_295_u32]}),
            false,
            json!({"subscribeVideoUids": ["1", "4294967295"]}),
        ),
        (json!({"excludedVideoUids": [7]}), false, json!({"unSubscribeVideoUids": ["7"]})),
        (
            json!({"videoUids": [1]}),
            true,
            json!({"subscribeVideoUids": ["1"], "subscribeAudioUids": everybody}),
        ),
        (
            json!({"audioUids": [2]}),
            true,
            json!({"subscribeVideoUids": everybody, "subscribeAudioUids": ["2"]}),
        ),
        (
            json!({"excludedAudioUids": [2]}),
            true,
            json!({"subscribeVideoUids": everybody, "unSubscribeAudioUids": ["2"]}),
        ),
        (
            json!({"videoUids": [1], "audioUids": [2]}),
            true,
            json!({"subscribeVideoUids": ["1"], "subscribeAudioUids": ["2"]}),
        ),
        (
            json!({"excludedVideoUids": [1], "excludedAudioUids": [2]}),
            true,
            json!({"unSubscribeVideoUids": ["1"], "unSubscribeAudioUids": ["2"]}),
        ),
        // The service takes subscribeAudioUids beside subscribeVideoUids alone: everybody is "all but the recorder".
        (
            json!({"excludedVideoUids": [1]}),
            true,
            json!({"unSubscribeVideoUids": ["1"], "unSubscribeAudioUids": ["527841"]}),
        ),
    ] {
        let body = start(|spec| {
            spec["subscription"] = subscription.clone();
            if audio_too {
                spec["recording"] = json!({"streams": "AudioAndVideo"});
            }
        });
        let wanted = expected(|request| {
            let config = request["recordingConfig"].as_object_mut().unwrap();
            config.extend(lists.as_object().unwrap().clone());
            if audio_too {
                config["streamTypes"] = json!(2);
                request["recordingFileConfig"] = json!({"avFileType": ["hls"]});
            }
        });
        assert_eq!(body, wanted, "{subscription}");
    }
}

#[test]
fn lists_that_the_service_would_refuse_are_not_sent() {
    let problem = |subscription: Value, streams: &str| {
        let spec = spec(|spec| {
            spec["subscription"] = subscription;
            spec["recording"] = json!({"streams": streams});
        });
        start_body(&spec, 1, &material(&spec)).unwrap_err()
    };
    assert_eq!(problem(json!({"audioUids": [1]}), "Video"), BodyProblem::AudioNotCaptured);
    assert_eq!(problem(json!({"excludedAudioUids": [1]}), "Video"), BodyProblem::AudioNotCaptured);
    assert_eq!(
        problem(json!({"audioUids": [1], "excludedVideoUids": [2]}), "AudioAndVideo"),
        BodyProblem::AudioListBesideExcludedVideo
    );
}

#[test]
fn the_uid_group_has_room_for_max_users() {
    for (users, group) in [
        (1, 0),
        (2, 0),
        (3, 1),
        (7, 1),
        (8, 2),
        (12, 2),
        (13, 3),
        (17, 3),
        (18, 4),
        (32, 4),
        (33, 5),
        (49, 5),
    ] {
        let body = start(|spec| spec["subscription"] = json!({"maxUsers": users}));
        let wanted = expected(|request| request["recordingConfig"]["subscribeUidGroup"] = json!(group));
        assert_eq!(body, wanted, "{users} users");
    }
}

#[test]
fn the_low_stream_is_asked_for() {
    let body = start(|spec| spec["subscription"] = json!({"videoQuality": "Low"}));
    assert_eq!(body, expected(|request| request["recordingConfig"]["videoStreamType"] = json!(1)));
}

#[test]
fn every_cipher_has_its_number() {
    let salt = "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ=";
    let modes = ["AES128XTS", "AES128ECB", "AES256XTS", "SM4128ECB", "AES128GCM", "AES256GCM", "AES128GCM2"];
    for (number, mode) in (1..).zip(modes.into_iter().chain(["AES256GCM2"])) {
        let body = start(|spec| {
            spec["channel"]["encryption"] =
                json!({"mode": mode, "secretKeyRef": {"name": "e", "key": "secret"}});
            if number >= 7 {
                spec["channel"]["encryption"]["saltSecretKeyRef"] = json!({"name": "e", "key": "salt"});
            }
        });
        let wanted = expected(|request| {
            request["recordingConfig"]["decryptionMode"] = json!(number);
            request["recordingConfig"]["secret"] = json!("sesame");
            if number >= 7 {
                request["recordingConfig"]["salt"] = json!(salt);
            }
        });
        assert_eq!(body, wanted, "{mode}");
    }
}

#[test]
fn storage_vendors_have_their_numbers_and_options() {
    for (storage, wanted) in [
        (json!({"vendor": "AmazonS3", "region": "us-east-1"}), json!({"vendor": 1, "region": 0})),
        (json!({"vendor": "AliyunOSS", "region": "oss-cn-hangzhou"}), json!({"vendor": 2, "region": 0})),
        (json!({"vendor": "TencentCOS", "region": "ap-guangzhou"}), json!({"vendor": 3, "region": 3})),
        (json!({"vendor": "AzureBlob"}), json!({"vendor": 5, "region": 0})),
        (json!({"vendor": "GoogleCloudStorage"}), json!({"vendor": 6, "region": 0})),
        (json!({"vendor": "HuaweiOBS", "region": "cn-north-4"}), json!({"vendor": 7, "region": 1})),
        (json!({"vendor": "BaiduBOS", "region": "gz"}), json!({"vendor": 8, "region": 3})),
        (
            json!({"vendor": "S3Compatible", "endpoint": "s3.example.com:9000"}),
            json!({"vendor": 11, "region": 0, "extensionParams": {"endpoint": "s3.example.com:9000"}}),
        ),
        (json!({"vendor": "AmazonS3", "regionCode": 99}), json!({"vendor": 1, "region": 99})),
        (json!({"vendor": "AmazonS3", "regionCode": 1, "prefix": ""}), json!({"vendor": 1, "region": 1})),
        (
            json!({"vendor": "AmazonS3", "regionCode": 1, "serverSideEncryption": "KMS", "objectTag": "DAYS=30"}),
            json!({"vendor": 1, "region": 1, "extensionParams": {"sse": "kms", "tag": "DAYS=30"}}),
        ),
        (
            json!({"vendor": "AmazonS3", "regionCode": 1, "serverSideEncryption": "AES256"}),
            json!({"vendor": 1, "region": 1, "extensionParams": {"sse": "aes256"}}),
        ),
        (
            json!({"vendor": "AliyunOSS", "regionCode": 1, "objectTag": "DAYS=30", "prefix": "a"}),
            json!({"vendor": 2, "region": 1, "fileNamePrefix": ["a"], "extensionParams": {"tag": "DAYS=30"}}),
        ),
    ] {
        let body = start(|spec| {
            let mut all = json!({"bucket": "snapshots", "credentialsRef": {"name": "bucket"}});
            all.as_object_mut().unwrap().extend(storage.as_object().unwrap().clone());
            spec["storage"] = all;
        });
        let mut all = json!({"bucket": "snapshots", "accessKey": "access", "secretKey": "secret"});
        all.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
        assert_eq!(body, expected(|request| request["storageConfig"] = all), "{storage}");
    }
}

#[test]
fn regions_that_have_no_number_are_problems() {
    let region = |region: Value| {
        let spec = spec(|spec| spec["storage"]["region"] = region);
        start_body(&spec, 1, &material(&spec)).unwrap_err()
    };
    assert!(matches!(region(json!("us-moon-1")), BodyProblem::UnknownRegion(_)));
    assert_eq!(region(Value::Null), BodyProblem::RegionMissing { vendor: StorageVendor::AliyunOSS });
}

#[test]
fn the_recorders_token_is_sent_where_there_is_one() {
    let spec = spec(|_| ());
    let mut secrets = secrets(&[]);
    let agora = secrets.get_mut("agora").unwrap().as_mut().unwrap();
    agora.insert("appCertificate".to_owned(), b"5cfd2fd1755d40ecb72977518be15d3b".to_vec());
    let material = Material::gather(&spec, 527_841, &secrets, Timestamp::UNIX_EPOCH, 0).unwrap();
    let body = serde_json::to_value(start_body(&spec, 527_841, &material).unwrap()).unwrap();
    let token = body["clientRequest"]["token"].clone();
    assert!(token.as_str().unwrap().starts_with("007"));
    assert_eq!(body, expected(|request| request["token"] = token));
}

#[test]
fn temporary_keys_go_into_start_and_update() {
    let spec = spec(|_| ());
    let material = material_with(&spec, &[("stsToken", "sts"), ("stsExpiration", "4000")]);
    let body = serde_json::to_value(start_body(&spec, 527_841, &material).unwrap()).unwrap();
    let wanted = expected(|request| {
        request["storageConfig"]["stsToken"] = json!("sts");
        request["storageConfig"]["stsExpiration"] = json!(4000);
    });
    assert_eq!(body, wanted);
    let update = serde_json::to_value(update_body(&spec, 527_841, &material).unwrap()).unwrap();
    assert_eq!(update["clientRequest"]["storageConfig"], wanted["clientRequest"]["storageConfig"]);
}

#[test]
fn update_replaces_whole_lists() {
    for (subscription, streams, wanted) in [
        (json!({}), None, json!({"videoUidList": {"subscribeVideoUids": ["#allstream#"]}})),
        (json!({"videoUids": [3]}), Some("Video"), json!({"videoUidList": {"subscribeVideoUids": ["3"]}})),
        (
            json!({"excludedVideoUids": [3], "excludedAudioUids": [4]}),
            Some("AudioAndVideo"),
            json!({
                "videoUidList": {"unSubscribeVideoUids": ["3"]}, "audioUidList": {"unSubscribeAudioUids": ["4"]},
            }),
        ),
        (
            json!({}),
            Some("AudioAndVideo"),
            json!({
                "videoUidList": {"subscribeVideoUids": ["#allstream#"]},
                "audioUidList": {"subscribeAudioUids": ["#allstream#"]},
            }),
        ),
    ] {
        let spec = spec(|spec| {
            spec["subscription"] = subscription.clone();
            if let Some(streams) = streams {
                spec["recording"] = json!({"streams": streams});
            }
        });
        let body = serde_json::to_value(update_body(&spec, 527_841, &material(&spec)).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "cname": "httpClient463224", "uid": "527841", "clientRequest": {"streamSubscribe": wanted},
            }),
            "{subscription}"
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let spec = spec(|spec| {
        spec["channel"]["encryption"] =
            json!({"mode": "AES128GCM2", "secretKeyRef": {"name": "e", "key": "secret"}});
        spec["channel"]["encryption"]["saltSecretKeyRef"] = json!({"name": "e", "key": "salt"});
    });
    let bucket = [("stsToken", "temporary"), ("stsExpiration", "4000")];
    let material = material_with(&spec, &bucket);
    let start = start_body(&spec, 1, &material).unwrap();
    let update = update_body(&spec, 1, &material).unwrap();
    let shown = format!("{material:?} {start:?} {update:?}");
    assert!(shown.contains("snapshots") && shown.contains("httpClient463224"), "{shown}");
    for secret in start.secrets().chain(update.secrets()) {
        assert!(!shown.contains(&format!("\"{secret}\"")), "{secret} in {shown}");
    }
    assert_eq!((start.secrets().count(), update.secrets().count()), (5, 3));
}
