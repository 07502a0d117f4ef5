//! Request bodies as the vendor's reference spells them.
//!
//! A field that is not wanted is absent, never empty: the service reads an empty list or string as a value. What goes
//! into the fields is decided in `bodies`; answers are read in `reply`.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// Body of `acquire`.
#[derive(Clone, Debug, Serialize)]
pub struct AcquireBody {
    pub(super) cname: String,
    pub(super) uid: String,
    #[serde(rename = "clientRequest")]
    pub(super) client_request: AcquireRequest,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcquireRequest {
    pub(super) resource_expired_hour: i32,
    pub(super) scene: u8,
}

/// Body of `start`. Holds storage keys and tokens: it is serialised for the wire alone, and its `Debug` hides them.
#[derive(Clone, Debug, Serialize)]
pub struct StartBody {
    pub(super) cname: String,
    pub(super) uid: String,
    #[serde(rename = "clientRequest")]
    pub(super) client_request: StartRequest,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartRequest {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal_some")]
    pub(super) token: Option<SecretString>,
    pub(super) recording_config: RecordingConfig,
    pub(super) snapshot_config: SnapshotConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recording_file_config: Option<RecordingFileConfig>,
    pub(super) storage_config: StorageConfig,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingConfig {
    pub(super) channel_type: u8,
    pub(super) stream_types: u8,
    pub(super) video_stream_type: u8,
    pub(super) max_idle_time: i32,
    pub(super) subscribe_uid_group: u8,
    #[serde(flatten)]
    pub(super) video_uids: VideoUids,
    #[serde(flatten)]
    pub(super) audio_uids: AudioUids,
    #[serde(flatten)]
    pub(super) decryption: Option<Decryption>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decryption {
    pub(super) decryption_mode: u8,
    #[serde(serialize_with = "reveal")]
    pub(super) secret: SecretString,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal_some")]
    pub(super) salt: Option<SecretString>,
}

/// Whose video: at most one of the two lists.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct VideoUids {
    #[serde(rename = "subscribeVideoUids", skip_serializing_if = "Option::is_none")]
    pub(super) only: Option<Vec<String>>,
    #[serde(rename = "unSubscribeVideoUids", skip_serializing_if = "Option::is_none")]
    pub(super) all_but: Option<Vec<String>>,
}

/// Whose audio: at most one of the two lists.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct AudioUids {
    #[serde(rename = "subscribeAudioUids", skip_serializing_if = "Option::is_none")]
    pub(super) only: Option<Vec<String>>,
    #[serde(rename = "unSubscribeAudioUids", skip_serializing_if = "Option::is_none")]
    pub(super) all_but: Option<Vec<String>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotConfig {
    pub(super) capture_interval: i32,
    pub(super) file_type: [&'static str; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingFileConfig {
    pub(super) av_file_type: [&'static str; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageConfig {
    pub(super) vendor: u8,
    pub(super) region: i32,
    pub(super) bucket: String,
    #[serde(serialize_with = "reveal")]
    pub(super) access_key: SecretString,
    #[serde(serialize_with = "reveal")]
    pub(super) secret_key: SecretString,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal_some")]
    pub(super) sts_token: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sts_expiration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_name_prefix: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extension_params: Option<ExtensionParams>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ExtensionParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sse: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
}

/// Body of `update`. Its `Debug` hides the storage keys.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateBody {
    pub(super) cname: String,
    pub(super) uid: String,
    #[serde(rename = "clientRequest")]
    pub(super) client_request: UpdateRequest,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRequest {
    pub(super) stream_subscribe: StreamSubscribe,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_config: Option<StorageConfig>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamSubscribe {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio_uid_list: Option<AudioUids>,
    pub(super) video_uid_list: VideoUids,
}

/// Body of `stop`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StopBody<'a> {
    pub(super) cname: &'a str,
    pub(super) uid: String,
    #[serde(rename = "clientRequest")]
    pub(super) client_request: StopRequest,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct StopRequest {
    /// Snake case is the vendor's own spelling here.
    pub(super) async_stop: bool,
}

impl StartBody {
    /// Every secret text in it, for masking what the vendor says.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let request = &self.client_request;
        let encryption = request.recording_config.decryption.iter();
        request
            .token
            .iter()
            .chain(encryption.flat_map(|keys| [Some(&keys.secret), keys.salt.as_ref()].into_iter().flatten()))
            .chain(request.storage_config.secrets())
            .map(ExposeSecret::expose_secret)
    }
}

impl UpdateBody {
    /// Every secret text in it, for masking what the vendor says.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let storage = self.client_request.storage_config.iter();
        storage.flat_map(StorageConfig::secrets).map(ExposeSecret::expose_secret)
    }
}

impl StorageConfig {
    fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        [Some(&self.access_key), Some(&self.secret_key), self.sts_token.as_ref()].into_iter().flatten()
    }
}

fn reveal<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn reveal_some<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => reveal(secret, serializer),
        None => serializer.serialize_none(),
    }
}
