//! What the user declares. The schema enforces its rules by itself (`crds/`), so that a bad object is refused by
//! the API server; what only the operator can know (a Secret, a region name) is judged in `lifecycle`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::SnapshotJobStatus;

/// A job that keeps JPG snapshots of an Agora channel flowing into a bucket of the user's.
#[derive(CustomResource, Clone, Debug, Deserialize, PartialEq, Serialize, JsonSchema)]
#[kube(
    group = "agora-snapshot.dev",
    version = "v1alpha1",
    kind = "SnapshotJob",
    plural = "snapshotjobs",
    shortname = "snapjob",
    namespaced,
    status = "SnapshotJobStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotJobSpec {
    /// Secret with `customerId` and `customerSecret` of the vendor's RESTful API; optionally `appCertificate`
    /// (the operator then makes the recorder's tokens) and `notificationSecret`.
    pub credentials_ref: SecretRef,
    /// The channel to take snapshots of, and who joins it.
    pub channel: Channel,
    /// Seconds between two snapshots of one user (the vendor's `captureInterval`), 1 to 3600.
    #[serde(default = "defaults::interval_seconds")]
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
    pub duration_seconds: Option<i64>,
    /// Seconds after which an unfinished job is stopped and failed, counted from `status.startTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Consecutive failures (rejected sessions, or sessions that never came up) before the job is failed.
    #[serde(default = "defaults::backoff_limit")]
    pub backoff_limit: i32,
    /// Seconds after which a finished job deletes itself. Absent: never. Do not set it on objects that Git owns:
    /// Git would create the object again and the job would run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<i32>,
    /// What happens to a running session when the object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Hours during which the vendor lets a session be queried and stopped (`resourceExpiredHour`), 1 to 720.
    #[serde(default = "defaults::session_limit_hours")]
    pub session_limit_hours: i32,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key inside the Secret.
    pub key: String,
}

/// The channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// App ID of the project the channel belongs to, 32 hexadecimal characters. Not a secret.
    pub app_id: String,
    /// Channel name (`cname`), in the vendor's character set, shorter than 64 bytes.
    pub name: String,
    /// Channel profile that the client SDKs use. A wrong one silently records nothing, hence no default.
    pub profile: Profile,
    /// Recorder identities, one or two with distinct uids. Absent: two uids are derived from the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorders: Option<Vec<Recorder>>,
    /// Media encryption of the channel. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// Channel profile (`channelType`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum Profile {
    /// `channelType` 1.
    LiveBroadcasting,
    /// `channelType` 0.
    Communication,
}

/// Who joins the channel to take the snapshots.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recorder {
    /// RTC uid, 1 to 4294967295; no user of the channel may have it.
    pub uid: i64,
    /// RTC token made for this uid and channel; needed when the project's App Certificate is on and the
    /// credentials Secret has no `appCertificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_key_ref: Option<SecretKeyRef>,
}

/// Media encryption of the channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// Cipher that the client SDKs use.
    pub mode: EncryptionMode,
    /// Key of the Secret with the encryption secret.
    pub secret_key_ref: SecretKeyRef,
    /// Key of the Secret with the salt, base64 of 32 bytes; exactly with the `...GCM2` modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_secret_key_ref: Option<SecretKeyRef>,
}

/// Cipher (`decryptionMode` 1 to 8).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum EncryptionMode {
    /// `decryptionMode` 1.
    AES128XTS,
    /// `decryptionMode` 2.
    AES128ECB,
    /// `decryptionMode` 3.
    AES256XTS,
    /// `decryptionMode` 4.
    SM4128ECB,
    /// `decryptionMode` 5.
    AES128GCM,
    /// `decryptionMode` 6.
    AES256GCM,
    /// `decryptionMode` 7, with salt.
    AES128GCM2,
    /// `decryptionMode` 8, with salt.
    AES256GCM2,
}

/// Recording beside the snapshots, in the same session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Container of the recording; the vendor has only HLS in individual mode.
    #[serde(default)]
    pub format: RecordingFormat,
    /// Which streams are recorded.
    #[serde(default)]
    pub streams: RecordingStreams,
}

/// Container of the recording (`avFileType`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum RecordingFormat {
    /// `["hls"]`.
    #[default]
    HLS,
}

/// Which streams are recorded (`streamTypes`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum RecordingStreams {
    /// `streamTypes` 2.
    #[default]
    AudioAndVideo,
    /// `streamTypes` 1.
    Video,
}

/// Whose streams the recorder subscribes to.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Only these users' video; at most 32. Exclusive with `excludedVideoUids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub video_uids: Vec<i64>,
    /// Only these users' audio; at most 32. Exclusive with `excludedAudioUids`; only when audio is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audio_uids: Vec<i64>,
    /// Everybody's video but these users'; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_video_uids: Vec<i64>,
    /// Everybody's audio but these users'; at most 32; only when audio is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_audio_uids: Vec<i64>,
    /// Which of two simulcast streams is captured (`videoStreamType`).
    #[serde(default)]
    pub video_quality: VideoQuality,
    /// How many users the recorder makes room for (`subscribeUidGroup`), 1 to 49; default 17.
    #[serde(default = "defaults::max_users")]
    pub max_users: i32,
}

/// Which of two simulcast streams is captured.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum VideoQuality {
    /// `videoStreamType` 0.
    #[default]
    High,
    /// `videoStreamType` 1.
    Low,
}

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

/// Where the snapshots go (`storageConfig`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Kind of object storage.
    pub vendor: StorageVendor,
    /// Region by the storage vendor's own name, as `us-east-1`. Exactly one of `region` and `regionCode` where the
    /// vendor has regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Region by Agora's number, for one that `region` does not know yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_code: Option<i32>,
    /// Bucket (Azure: container).
    pub bucket: String,
    /// Folder inside the bucket, as `lobby/east`: letters and digits between single slashes, at most 127
    /// characters. Absent: the bucket's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Host, optionally with port, of an S3-compatible service; no scheme. Exactly with `S3Compatible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Secret with `accessKey` and `secretKey`; optionally `stsToken` and `stsExpiration` (Unix seconds). The
    /// vendor needs permission to write.
    pub credentials_ref: SecretRef,
    /// Secret with `accessKey` and `secretKey` that may list and read the bucket. Absent: `credentialsRef` is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_credentials_ref: Option<SecretRef>,
    /// Encryption at rest (`extensionParams.sse`); AmazonS3 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_encryption: Option<ServerSideEncryption>,
    /// Object tag (`extensionParams.tag`), as `RETENTION_DAYS=30`; AmazonS3 and AliyunOSS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_tag: Option<String>,
}

/// Kind of object storage (`storageConfig.vendor`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum StorageVendor {
    /// `vendor` 1.
    AmazonS3,
    /// `vendor` 2.
    AliyunOSS,
    /// `vendor` 3.
    TencentCOS,
    /// `vendor` 5; has no region.
    AzureBlob,
    /// `vendor` 6; has no region.
    GoogleCloudStorage,
    /// `vendor` 7.
    HuaweiOBS,
    /// `vendor` 8.
    BaiduBOS,
    /// `vendor` 11; has an endpoint instead of a region.
    S3Compatible,
}

/// Encryption at rest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum ServerSideEncryption {
    /// `kms`.
    KMS,
    /// `aes256`.
    AES256,
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
