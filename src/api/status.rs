//! What the operator reports. Written through the status subresource alone.
//!
//! Strings that come from the vendor carry no pattern and a generous maximum: a refused status write could lose a
//! sid, which cannot be had again. For the same reason the status and its sessions keep fields that the schema does not
//! know: a release that is rolled back takes its CRD back too, and must not take away what only a newer one can read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator reports of a job.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SnapshotJobStatus {
    /// Generation of the spec that the rest of the status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for people; derived from the conditions, which tools should read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Ready, Reconciling, Stalled, Succeeded, SnapshotsArriving, ControlReachable, StorageWritable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the operator began with this run of the job. A resume and a revival begin a new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the first session of this run was confirmed by the vendor; `durationSeconds` counts from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_start_time: Option<Time>,
    /// When the job completed or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Nothing new is tried before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// Consecutive sessions that were rejected for a reason of the spec or never came up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<i32>,
    /// Last value of the restart annotation that was acted upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub last_handled_restart: Option<String>,
    /// Sessions that may be running, and billed. At most four.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["attempt"]))]
    pub sessions: Vec<Session>,
    /// Sessions that are over, newest first, the last ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub history: Vec<PastSession>,
    /// Where the snapshots go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSummary>,
    /// What has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<SnapshotsSummary>,
}

/// One word for people.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum Phase {
    /// Accepted, something is missing.
    Pending,
    /// Waits for the vendor's quota of concurrent sessions.
    Queued,
    /// A session is being reserved, started or confirmed.
    Starting,
    /// Snapshots are being taken.
    Running,
    /// A session may be running whose sid is not known.
    Recovering,
    /// A session is being stopped.
    Stopping,
    /// The user suspended the job and nothing runs.
    Suspended,
    /// Waits until the next attempt.
    Waiting,
    /// Completed.
    Succeeded,
    /// Gave up; needs a new spec or a restart.
    Failed,
}

/// A session that may be running. Its `resourceId` is written before the session is started.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Session {
    /// Number of the claim, unique in the object, growing.
    pub attempt: i64,
    /// How far it is.
    pub state: SessionState,
    /// Recorder uid the session was started with.
    pub recorder_uid: i64,
    /// App ID the session was started with.
    #[schemars(length(max = 4096))]
    pub app_id: String,
    /// Channel name the session was started with.
    #[schemars(length(max = 4096))]
    pub channel: String,
    /// The vendor's resourceId.
    #[schemars(length(max = 4096))]
    pub resource_id: String,
    /// The vendor's region that gave the resourceId, if not the one that its primary domains lead to: a start is
    /// repeated to no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Random mark of the visit that wrote the claim.
    #[schemars(length(max = 4096))]
    pub nonce: String,
    /// When the vendor gave the resourceId.
    pub acquire_time: Time,
    /// The vendor's sid, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub sid: Option<String>,
    /// When the vendor answered the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the vendor first reported it as running (status 4 or 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_time: Option<Time>,
    /// After this time the vendor no longer lets it be queried or stopped; it goes on being billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_end_time: Option<Time>,
    /// When its token ends, and the session with it. Absent: it runs without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_end_time: Option<Time>,
    /// Hash of the part of the spec it was started with.
    #[schemars(length(max = 4096))]
    pub spec_hash: String,
    /// Why it is being stopped; set before the first stop is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<EndReason>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum SessionState {
    /// Reserved; a start may have been sent.
    Claimed,
    /// Started, its sid is known.
    Running,
    /// May be running, its sid is not known.
    Recovering,
    /// A stop was, or is about to be, sent.
    Stopping,
    /// The vendor no longer lets it be controlled; it may still be running.
    Uncontrollable,
}

/// A session that is over.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastSession {
    /// Number of the claim.
    pub attempt: i64,
    /// The vendor's sid, where it was ever known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub sid: Option<String>,
    /// The vendor's resourceId.
    #[schemars(length(max = 4096))]
    pub resource_id: String,
    /// Recorder uid it ran with.
    pub recorder_uid: i64,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it was proved over.
    pub end_time: Time,
    /// Why it ended.
    pub end_reason: EndReason,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum EndReason {
    /// Nobody was in the channel for `idleTimeoutSeconds`.
    Idle,
    /// It ended without our doing and unexplained.
    Lost,
    /// Stopped: deletion, suspension, or it never came up.
    Stopped,
    /// Stopped for a new session: changed spec, restart, or before its control window or token ended.
    Replaced,
    /// Stopped because `durationSeconds` or `activeDeadlineSeconds` was over.
    Deadline,
    /// Given up while it may still run.
    Orphaned,
}

/// Where the snapshots go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageSummary {
    /// Bucket.
    #[schemars(length(max = 4096))]
    pub bucket: String,
    /// Folder inside the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub prefix: Option<String>,
}

/// What has arrived in the bucket.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotsSummary {
    /// Snapshots seen, over all sessions of the job.
    pub count: i64,
    /// Capture time of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
    /// Object key of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_file: Option<String>,
    /// Per user, those with the newest snapshots first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"]))]
    pub users: Vec<UserSnapshots>,
}

/// What has arrived of one user.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSnapshots {
    /// RTC uid of the user.
    pub uid: i64,
    /// Snapshots seen.
    pub count: i64,
    /// Capture time of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
}
