//! The rules that hold for all of the spec: what is required, bounds, words, names of Secrets and their keys.

use serde_json::{Value, json};

use crate::judgement::{bad, must_accept, must_refuse};
use crate::objects::{channel, full, record_and_snapshot, spec, storage, subscription};
use crate::server::Server;

const SECRET_NAME: &str = "name must be a name that a Secret can have: letters a-z, digits, '-' and '.', each part between dots beginning and ending with a letter or digit";
const SECRET_KEY: &str = "key must be a key that a Secret can have: letters, digits, '-', '_' and '.', not '.' and not beginning with '..'";

#[tokio::test]
async fn what_is_required_is_required() {
    must_refuse(vec![
        bad(spec(json!({ "credentialsRef": null })), "spec.credentialsRef", "Required value"),
        bad(
            spec(json!({ "credentialsRef": { "name": null } })),
            "spec.credentialsRef.name",
            "Required value",
        ),
        bad(spec(json!({ "channel": null })), "spec.channel", "Required value"),
        bad(channel(json!({ "appId": null })), "spec.channel.appId", "Required value"),
        bad(channel(json!({ "name": null })), "spec.channel.name", "Required value"),
        bad(channel(json!({ "profile": null })), "spec.channel.profile", "Required value"),
        bad(
            full(json!({ "channel": { "encryption": { "mode": null } } })),
            "spec.channel.encryption.mode",
            "Required value",
        ),
        bad(
            full(json!({ "channel": { "encryption": { "secretKeyRef": null } } })),
            "spec.channel.encryption.secretKeyRef",
            "Required value",
        ),
        bad(channel(json!({ "recorders": [{}] })), "spec.channel.recorders[0].uid", "Required value"),
        bad(spec(json!({ "storage": null })), "spec.storage", "Required value"),
        bad(storage(json!({ "vendor": null })), "spec.storage.vendor", "Required value"),
        bad(storage(json!({ "bucket": null })), "spec.storage.bucket", "Required value"),
        bad(storage(json!({ "credentialsRef": null })), "spec.storage.credentialsRef", "Required value"),
    ])
    .await;
}

#[tokio::test]
async fn numbers_have_bounds() {
    let least = |field: &str, value: i64, least: &str| {
        (
            spec(json!({ field: value })),
            format!("spec.{field} in body should be greater than or equal to {least}"),
        )
    };
    let most = |field: &str, value: i64, most: &str| {
        (
            spec(json!({ field: value })),
            format!("spec.{field} in body should be less than or equal to {most}"),
        )
    };
    let rows = [
        ("spec.intervalSeconds", least("intervalSeconds", 0, "1")),
        ("spec.intervalSeconds", most("intervalSeconds", 3601, "3600")),
        ("spec.idleTimeoutSeconds", least("idleTimeoutSeconds", 4, "5")),
        ("spec.idleTimeoutSeconds", most("idleTimeoutSeconds", 2_592_001, "2592000")),
        ("spec.sessionLimitHours", least("sessionLimitHours", 0, "1")),
        ("spec.sessionLimitHours", most("sessionLimitHours", 721, "720")),
        ("spec.durationSeconds", least("durationSeconds", 0, "1")),
        ("spec.durationSeconds", most("durationSeconds", 315_360_001, "315360000")),
        ("spec.activeDeadlineSeconds", least("activeDeadlineSeconds", 0, "1")),
        ("spec.activeDeadlineSeconds", most("activeDeadlineSeconds", 315_360_001, "315360000")),
        ("spec.backoffLimit", least("backoffLimit", -1, "0")),
        ("spec.backoffLimit", most("backoffLimit", 1001, "1000")),
        ("spec.ttlSecondsAfterFinished", least("ttlSecondsAfterFinished", -1, "0")),
        ("spec.ttlSecondsAfterFinished", most("ttlSecondsAfterFinished", 315_360_001, "315360000")),
    ];
    must_refuse(rows.into_iter().map(|(field, (object, says))| bad(object, field, says.leak())).collect())
        .await;
    must_refuse(vec![
        bad(
            storage(json!({ "region": null, "regionCode": -1 })),
            "spec.storage.regionCode",
            "spec.storage.regionCode in body should be greater than or equal to 0",
        ),
        bad(
            storage(json!({ "region": null, "regionCode": 10_000 })),
            "spec.storage.regionCode",
            "spec.storage.regionCode in body should be less than or equal to 9999",
        ),
        bad(
            subscription(json!({ "maxUsers": 0 })),
            "spec.subscription.maxUsers",
            "spec.subscription.maxUsers in body should be greater than or equal to 1",
        ),
        bad(
            subscription(json!({ "maxUsers": 50 })),
            "spec.subscription.maxUsers",
            "spec.subscription.maxUsers in body should be less than or equal to 49",
        ),
        bad(
            spec(json!({ "intervalSeconds": "10" })),
            "spec.intervalSeconds",
            "spec.intervalSeconds in body must be of type integer: \"string\"",
        ),
    ])
    .await;
    must_accept(vec![
        spec(json!({ "intervalSeconds": 1, "idleTimeoutSeconds": 5, "sessionLimitHours": 1, "durationSeconds": 1 })),
        spec(json!({ "intervalSeconds": 3600, "idleTimeoutSeconds": 2_592_000, "sessionLimitHours": 720 })),
        spec(json!({ "durationSeconds": 315_360_000, "activeDeadlineSeconds": 1, "backoffLimit": 1000 })),
        subscription(json!({ "maxUsers": 1 })),
        subscription(json!({ "maxUsers": 49 })),
        storage(json!({ "region": null, "regionCode": 0 })),
    ])
    .await;
}

#[tokio::test]
async fn words_are_of_a_list() {
    let rows = [
        (channel(json!({ "profile": "Live" })), "spec.channel.profile"),
        (full(json!({ "channel": { "encryption": { "mode": "AES256" } } })), "spec.channel.encryption.mode"),
        (spec(json!({ "recording": { "format": "MP4" } })), "spec.recording.format"),
        (spec(json!({ "recording": { "streams": "Audio" } })), "spec.recording.streams"),
        (subscription(json!({ "videoQuality": "Medium" })), "spec.subscription.videoQuality"),
        (spec(json!({ "onIdle": "Wait" })), "spec.onIdle"),
        (spec(json!({ "deletionPolicy": "Delete" })), "spec.deletionPolicy"),
        (storage(json!({ "vendor": "Qiniu" })), "spec.storage.vendor"),
        (storage(json!({ "serverSideEncryption": "kms" })), "spec.storage.serverSideEncryption"),
    ];
    let server = Server::with_crd().await;
    for (object, field) in rows {
        let status = server.try_create(&object).await.expect_err(field);
        let causes = status.details.expect("causes").causes;
        assert_eq!(causes[0].field, field, "{}", status.message);
        assert!(causes[0].message.contains("supported values: "), "{}", status.message);
    }
}

/// Every reference to a Secret of the fullest job; those to a key of one end in `KeyRef`.
const REFERENCES: [&str; 6] = [
    "spec.credentialsRef",
    "spec.channel.recorders[0].tokenSecretKeyRef",
    "spec.channel.encryption.secretKeyRef",
    "spec.channel.encryption.saltSecretKeyRef",
    "spec.storage.credentialsRef",
    "spec.storage.readerCredentialsRef",
];

/// The fullest job with another value (null: none) at `path`.
fn full_with(path: &str, value: Value) -> Value {
    let mut object = record_and_snapshot();
    let pointer = format!("/{}", path.replace("[0]", "/0").replace('.', "/"));
    *object.pointer_mut(&pointer).expect("the fullest job has every reference") = value;
    object
}

#[tokio::test]
async fn names_and_keys_of_secrets() {
    let mut rows = Vec::new();
    let mut good = Vec::new();
    for reference in REFERENCES {
        let path = |field: &str| -> &'static str { format!("{reference}.{field}").leak() };
        let mut row = |field: &str, value: Value, says: &'static str| {
            rows.push(bad(full_with(path(field), value), path(field), says));
        };
        row("name", Value::Null, "Required value");
        row("name", json!("a".repeat(254)), "may not be more than 253 bytes");
        for wrong in ["", "Agora", "agora_1", "-agora", "agora-", "a..b", ".a", "a b", "ns/agora", "agora\n"]
        {
            row("name", json!(wrong), SECRET_NAME);
        }
        for right in ["a".to_owned(), "agora.team-1.0".to_owned(), "a".repeat(253)] {
            good.push(full_with(path("name"), json!(right)));
        }
        if reference.ends_with("KeyRef") {
            row("key", Value::Null, "Required value");
            row("key", json!("a".repeat(254)), "may not be more than 253 bytes");
            for wrong in ["", ".", "..", "..a", "a b", "a/b", "a:b", "a\n"] {
                row("key", json!(wrong), SECRET_KEY);
            }
            for right in ["a".to_owned(), ".a-B_c.9".to_owned(), "a".repeat(253)] {
                good.push(full_with(path("key"), json!(right)));
            }
        }
    }
    must_refuse(rows).await;
    must_accept(good).await;
}
