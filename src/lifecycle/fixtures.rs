//! Values that the tables of this room start from.

use jiff::Timestamp;

use super::observed::{Job, Memory, Observed};
use super::timing::{Moment, Timing};
use crate::api::spec::{Channel, Profile, SecretRef, Storage, StorageVendor, Subscription};
use crate::api::{SnapshotJobSpec, SnapshotJobStatus};

pub(crate) fn secret_ref(name: &str) -> SecretRef {
    SecretRef { name: name.into() }
}

pub(crate) fn everybody() -> Subscription {
    Subscription { max_users: 17, ..Subscription::default() }
}

pub(crate) fn spec() -> SnapshotJobSpec {
    SnapshotJobSpec {
        credentials_ref: secret_ref("agora"),
        channel: Channel {
            app_id: "970ca35de60c44645bbae8a215061b33".into(),
            name: "lobby".into(),
            profile: Profile::LiveBroadcasting,
            recorders: None,
            encryption: None,
        },
        interval_seconds: 10,
        recording: None,
        subscription: None,
        idle_timeout_seconds: 300,
        on_idle: Default::default(),
        storage: Storage {
            vendor: StorageVendor::S3Compatible,
            region: None,
            region_code: None,
            bucket: "snapshots".into(),
            prefix: Some("lobby".into()),
            endpoint: Some("s3.example.com".into()),
            credentials_ref: secret_ref("bucket"),
            reader_credentials_ref: None,
            server_side_encryption: None,
            object_tag: None,
        },
        suspend: false,
        duration_seconds: None,
        active_deadline_seconds: None,
        backoff_limit: 6,
        ttl_seconds_after_finished: None,
        deletion_policy: Default::default(),
        session_limit_hours: 72,
    }
}

/// 2026-01-01, an hour into the process.
pub(crate) fn now() -> Moment {
    let wall: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Moment { wall, mono: std::time::Duration::from_secs(3600), scale: 1 }
}

/// A job that was just seen for the first time.
pub(crate) fn seen() -> Observed {
    Observed {
        now: now(),
        timing: Timing::default(),
        jitter: 0.0,
        job: Job {
            uid: "0b6f".into(),
            namespace: "live".into(),
            name: "lobby".into(),
            generation: 1,
            deleting: false,
            has_finalizer: true,
            restart: None,
        },
        spec: Ok(spec()),
        status: SnapshotJobStatus { observed_generation: Some(-1), ..SnapshotJobStatus::default() },
        memory: Memory::default(),
        control_problem: None,
        start_problem: None,
        keys_end: None,
    }
}
