//! Good jobs, from which every other object of these tests is derived by a merge patch.

use serde_json::{Value, json};

/// The least that a job can say.
pub(crate) fn snapshot_only() -> Value {
    json!({
        "apiVersion": "agora-snapshot.dev/v1alpha1",
        "kind": "SnapshotJob",
        "metadata": { "name": "lobby" },
        "spec": {
            "credentialsRef": { "name": "agora" },
            "channel": {
                "appId": "970ca35de60c44645bbae8a215061b33",
                "name": "lobby",
                "profile": "LiveBroadcasting",
            },
            "storage": {
                "vendor": "AmazonS3",
                "region": "us-east-1",
                "bucket": "snapshots",
                "credentialsRef": { "name": "bucket" },
            },
        },
    })
}

/// A job that says all that can be said at once.
pub(crate) fn record_and_snapshot() -> Value {
    with(
        snapshot_only(),
        json!({
            "spec": {
                "channel": {
                    "recorders": [
                        { "uid": 1001, "tokenSecretKeyRef": { "name": "tokens", "key": "a" } },
                        { "uid": 4_294_967_295_u32, "tokenSecretKeyRef": { "name": "tokens", "key": "b" } },
                    ],
                    "encryption": {
                        "mode": "AES256GCM2",
                        "secretKeyRef": { "name": "media", "key": "secret" },
                        "saltSecretKeyRef": { "name": "media", "key": "salt" },
                    },
                },
                "intervalSeconds": 5,
                "recording": { "format": "HLS", "streams": "AudioAndVideo" },
                "subscription": {
                    "videoUids": [1, 2, 3],
                    "audioUids": [3, 4],
                    "videoQuality": "Low",
                    "maxUsers": 4,
                },
                "idleTimeoutSeconds": 600,
                "onIdle": "Restart",
                "storage": {
                    "prefix": "lobby/east",
                    "readerCredentialsRef": { "name": "reader" },
                    "serverSideEncryption": "KMS",
                    "objectTag": "RETENTION_DAYS=30",
                },
                "suspend": true,
                "durationSeconds": 3600,
                "activeDeadlineSeconds": 7200,
                "backoffLimit": 0,
                "ttlSecondsAfterFinished": 0,
                "deletionPolicy": "Orphan",
                "sessionLimitHours": 720,
            },
        }),
    )
}

/// `object` after the merge patch `patch` (RFC 7396: null takes a field away).
pub(crate) fn with(mut object: Value, patch: Value) -> Value {
    json_patch::merge(&mut object, &patch);
    object
}

/// The least job with a change to its spec.
pub(crate) fn spec(patch: Value) -> Value {
    with(snapshot_only(), json!({ "spec": patch }))
}

/// The fullest job with a change to its spec.
pub(crate) fn full(patch: Value) -> Value {
    with(record_and_snapshot(), json!({ "spec": patch }))
}

/// The least job with a change to its channel.
pub(crate) fn channel(patch: Value) -> Value {
    spec(json!({ "channel": patch }))
}

/// The least job that records audio and video, with this subscription.
pub(crate) fn subscription(patch: Value) -> Value {
    spec(json!({ "recording": {}, "subscription": patch }))
}

/// The least job with a change to its storage.
pub(crate) fn storage(patch: Value) -> Value {
    spec(json!({ "storage": patch }))
}
