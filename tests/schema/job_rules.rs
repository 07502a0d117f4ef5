//! The rules that hold for all of the spec: what is required, bounds, words, names of Secrets and their keys.

use serde_json::{Value, json};

use crate::judgement::{bad, must_accept, must_refuse};
use crate::objects::{channel, full, spec, storage, subscription};
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
        bad(channel(json!({ "appId": null })), "spec.channel.appId", "Required value"),
        bad(channel(json!({ "name": null })), "spec.channel.name", "Required value"),
        bad(channel(json!({ "profile": null })), "spec.channel.profile", "Required value"),
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

#[tokio::test]
async fn names_and_keys_of_secrets() {
    let mut rows = Vec::new();
    for wrong in ["", "Agora", "agora_1", "-agora", "agora-", "a..b", ".a", "a b", "ns/agora"] {
        rows.push(bad(
            spec(json!({ "credentialsRef": { "name": wrong } })),
            "spec.credentialsRef.name",
            SECRET_NAME,
        ));
    }
    rows.push(bad(
        spec(json!({ "credentialsRef": { "name": "a".repeat(254) } })),
        "spec.credentialsRef.name",
        "may not be more than 253 bytes",
    ));
    for wrong in ["", ".", "..", "..a", "a b", "a/b", "a:b"] {
        let token = json!([{ "uid": 1, "tokenSecretKeyRef": { "name": "t", "key": wrong } }]);
        let object = channel(json!({ "recorders": token }));
        rows.push(bad(object, "spec.channel.recorders[0].tokenSecretKeyRef.key", SECRET_KEY));
    }
    let media = |patch: Value| full(json!({ "channel": { "encryption": patch } }));
    for (object, field, says) in [
        (
            channel(json!({ "recorders": [{ "uid": 1, "tokenSecretKeyRef": { "name": "T", "key": "a" } }] })),
            "spec.channel.recorders[0].tokenSecretKeyRef.name",
            SECRET_NAME,
        ),
        (
            storage(json!({ "credentialsRef": { "name": "B" } })),
            "spec.storage.credentialsRef.name",
            SECRET_NAME,
        ),
        (
            storage(json!({ "readerCredentialsRef": { "name": "B" } })),
            "spec.storage.readerCredentialsRef.name",
            SECRET_NAME,
        ),
        (
            media(json!({ "secretKeyRef": { "name": "B" } })),
            "spec.channel.encryption.secretKeyRef.name",
            SECRET_NAME,
        ),
        (
            media(json!({ "secretKeyRef": { "key": "B!" } })),
            "spec.channel.encryption.secretKeyRef.key",
            SECRET_KEY,
        ),
        (
            media(json!({ "saltSecretKeyRef": { "key": "B!" } })),
            "spec.channel.encryption.saltSecretKeyRef.key",
            SECRET_KEY,
        ),
    ] {
        rows.push(bad(object, field, says));
    }
    must_refuse(rows).await;
    must_accept(vec![
        spec(json!({ "credentialsRef": { "name": "a" } })),
        spec(json!({ "credentialsRef": { "name": "agora.team-1.0" } })),
        spec(json!({ "credentialsRef": { "name": "a".repeat(253) } })),
        media(json!({ "secretKeyRef": { "name": "b", "key": ".a-B_c.9" } })),
    ])
    .await;
}
