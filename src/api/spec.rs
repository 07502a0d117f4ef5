//! What the user declares, as a whole; its parts are in `channel`, `capture` and `storage`. The schema enforces its
//! rules by itself (`crds/`), so that a bad object is refused by the API server; what only the operator can know (a
//! Secret, a region name) is judged in `lifecycle`.
//!
//! A rule about the form of a string is written as a CEL rule and not as a `pattern`, for only a CEL rule can say in
//! words what the string must be.
#![allow(unreachable_pub, reason = "KubeSchema copies the type into a function to derive its schema")]
#![allow(clippy::duplicated_attributes, reason = "printer columns of one kind repeat the same words")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::capture::{Recording, RecordingFormat, RecordingStreams, Subscription, VideoQuality};
pub use super::channel::{Channel, Encryption, EncryptionMode, Profile, Recorder};
use super::status::SnapshotJobStatus;
pub use super::storage::{Preflight, ServerSideEncryption, Storage, StorageVendor};

/// Largest RTC uid; the smallest is 1. Vendor reference, acquire, `uid`.
pub const MAX_UID: i64 = 4_294_967_295;

/// Longest time that a job can be told to last: ten years. No rule of the vendor's; it keeps sums of times in range.
const MAX_SECONDS: i64 = 315_360_000;

/// A job that keeps JPG snapshots of an Agora channel flowing into a bucket of the user's.
#[derive(CustomResource, Clone, Debug, Deserialize, PartialEq, Serialize, KubeSchema)]
#[kube(
    group = "agora-snapshot.dev",
    version = "v1alpha1",
    kind = "SnapshotJob",
    plural = "snapshotjobs",
    shortname = "snapjob",
    category = "agora",
    namespaced,
    schema = "manual",
    status = "SnapshotJobStatus",
    selectable = ".spec.channel.appId",
    selectable = ".spec.channel.name",
    selectable = ".spec.storage.bucket",
    selectable = ".status.phase",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Channel", type_ = "string", json_path = ".spec.channel.name"),
    printcolumn(
        name = "Interval",
        type_ = "integer",
        json_path = ".spec.intervalSeconds",
        description = "Seconds between two snapshots of one user"
    ),
    printcolumn(
        name = "Snapshots",
        type_ = "integer",
        json_path = ".status.snapshots.count",
        description = "Snapshots that have arrived"
    ),
    printcolumn(
        name = "Last-Snapshot",
        type_ = "date",
        json_path = ".status.snapshots.lastTime",
        description = "Age of the newest snapshot"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Sid", type_ = "string", json_path = ".status.sessions[0].sid", priority = 1),
    printcolumn(
        name = "Recorder",
        type_ = "integer",
        json_path = ".status.sessions[0].recorderUid",
        description = "RTC uid of the recorder",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Reason of the condition Ready",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(audio_is_recorded("audioUids"))
        .message("audioUids must be given only with recording.streams AudioAndVideo")
        .field_path(".subscription.audioUids")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(audio_is_recorded("excludedAudioUids"))
        .message("excludedAudioUids must be given only with recording.streams AudioAndVideo")
        .field_path(".subscription.excludedAudioUids")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(no_recorder_in("videoUids"))
        .message("videoUids must not contain a uid of channel.recorders")
        .field_path(".subscription.videoUids"),
    validation = Rule::new(no_recorder_in("audioUids"))
        .message("audioUids must not contain a uid of channel.recorders")
        .field_path(".subscription.audioUids"),
    validation = Rule::new(no_recorder_in("excludedVideoUids"))
        .message("excludedVideoUids must not contain a uid of channel.recorders")
        .field_path(".subscription.excludedVideoUids"),
    validation = Rule::new(no_recorder_in("excludedAudioUids"))
        .message("excludedAudioUids must not contain a uid of channel.recorders")
        .field_path(".subscription.excludedAudioUids")
)]
pub struct SnapshotJobSpec {
    /// Secret with `customerId` and `customerSecret` of the vendor's RESTful API; optionally `appCertificate`
    /// (the operator then makes the recorder's tokens) and `notificationSecret`.
    pub credentials_ref: SecretRef,
    /// The channel to take snapshots of, and who joins it.
    pub channel: Channel,
    /// Seconds between two snapshots of one user (the vendor's `captureInterval`), 1 to 3600.
    #[serde(default = "defaults::interval_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: i32,
    /// Present: the session records and takes snapshots. Absent: snapshots only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// Whose streams the recorder subscribes to. Absent: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
    /// Seconds without a host (live) or user (communication) after which the vendor ends the session
    /// (`maxIdleTime`), 5 to 2592000. The vendor's own default of 30 ends jobs on short gaps.
    #[serde(default = "defaults::idle_timeout_seconds")]
    #[schemars(range(min = 5, max = 2_592_000))]
    pub idle_timeout_seconds: i32,
    /// What an idle end means: the job is complete, or a new session is started.
    #[serde(default)]
    pub on_idle: OnIdle,
    /// Where the snapshots go.
    pub storage: Storage,
    /// True: no session runs; the running one is stopped.
    #[serde(default)]
    pub suspend: bool,
    /// Seconds to capture, counted from the first confirmed session; then the job is complete. Absent: until
    /// deleted, suspended or idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_SECONDS))]
    pub duration_seconds: Option<i64>,
    /// Seconds after which an unfinished job is stopped and failed, counted from `status.startTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_SECONDS))]
    pub active_deadline_seconds: Option<i64>,
    /// Consecutive failures (rejected sessions, or sessions that never came up) before the job is failed.
    #[serde(default = "defaults::backoff_limit")]
    #[schemars(range(min = 0, max = 1000))]
    pub backoff_limit: i32,
    /// Seconds after which a finished job deletes itself. Absent: never. Do not set it on objects that Git owns:
    /// Git would create the object again and the job would run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_SECONDS))]
    pub ttl_seconds_after_finished: Option<i32>,
    /// What happens to a running session when the object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Hours during which the vendor lets a session be queried and stopped (`resourceExpiredHour`), 1 to 720.
    #[serde(default = "defaults::session_limit_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub session_limit_hours: i32,
}

/// Vendor reference, start: with `streamTypes` 1 an audio list is an error, and without recording it is 1.
fn audio_is_recorded(list: &str) -> String {
    format!(
        "!has(self.subscription) || !has(self.subscription.{list}) || size(self.subscription.{list}) == 0 \
         || (has(self.recording) && self.recording.streams == 'AudioAndVideo')"
    )
}

/// Vendor reference, acquire, `uid`: no user of the channel may have the recorder's.
fn no_recorder_in(list: &str) -> String {
    format!(
        "!has(self.channel.recorders) || !has(self.subscription) || !has(self.subscription.{list}) \
         || self.channel.recorders.all(r, !(r.uid in self.subscription.{list}))"
    )
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(SECRET_NAME).message(SECRET_NAME_MESSAGE))]
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new(SECRET_NAME).message(SECRET_NAME_MESSAGE))]
    pub name: String,
    /// Key inside the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')")
        .message("key must be a key that a Secret can have: letters, digits, '-', '_' and '.', not '.' and not beginning with '..'"))]
    pub key: String,
}

/// What the API server takes as the name of a Secret (a DNS subdomain name, RFC 1123).
const SECRET_NAME: &str =
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
const SECRET_NAME_MESSAGE: &str = "name must be a name that a Secret can have: letters a-z, digits, '-' and '.', \
     each part between dots beginning and ending with a letter or digit";

/// What an idle end means.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum OnIdle {
    /// The job is complete.
    #[default]
    Complete,
    /// A new session is started, which is billed while it waits.
    Restart,
}

/// What happens to a running session when the object is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The session is stopped before the object goes.
    #[default]
    Stop,
    /// The session is left running, and billed, until it ends by itself.
    Orphan,
}

/// Values that an absent field stands for. They are in the schema too, so a stored object carries them.
pub mod defaults {
    /// Vendor's own default of `captureInterval`.
    pub const fn interval_seconds() -> i32 {
        10
    }
    /// Vendor's checklist recommends 300 for `maxIdleTime`.
    pub const fn idle_timeout_seconds() -> i32 {
        300
    }
    /// As a Kubernetes Job.
    pub const fn backoff_limit() -> i32 {
        6
    }
    /// Vendor's own default of `resourceExpiredHour`.
    pub const fn session_limit_hours() -> i32 {
        72
    }
    /// The vendor subscribes to the first 17 joined video users.
    pub const fn max_users() -> i32 {
        17
    }
}
