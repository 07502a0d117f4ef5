//! What goes into the request bodies, from the declared spec and what was read of its Secrets.
//!
//! Owns the choice of every field and its number. The spelling is `wire`'s, region numbers are `regions`', and what
//! is secret comes ready from `material`.

use super::material::Material;
use super::regions::{UnknownRegion, region_number};
use super::wire::{
    AcquireBody, AcquireRequest, AudioUids, Decryption, ExtensionParams, RecordingConfig,
    RecordingFileConfig, SnapshotConfig, StartBody, StartRequest, StorageConfig, StreamSubscribe, UpdateBody,
    UpdateRequest, VideoUids,
};
use crate::api::spec::{
    EncryptionMode, Profile, Recording, RecordingFormat, RecordingStreams, ServerSideEncryption,
    SnapshotJobSpec, Storage, StorageVendor, Subscription, VideoQuality, defaults,
};

/// `scene` of individual recording (vendor reference, acquire).
const SCENE_INDIVIDUAL: u8 = 0;
/// Stands for everybody in a subscription list (vendor reference, start, recordingConfig).
const ALL_STREAMS: &str = "#allstream#";
/// Sent where the storage vendor has no regions; the service ignores it (vendor reference, storageConfig).
const NO_REGION: i32 = 0;

/// Why a spec cannot be put into a request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyProblem {
    /// The region has no number.
    #[error(transparent)]
    UnknownRegion(#[from] UnknownRegion),
    /// The storage vendor has regions and none is given.
    #[error("storage.region or storage.regionCode must be set for {vendor:?}")]
    RegionMissing {
        /// The storage vendor.
        vendor: StorageVendor,
    },
    /// Audio uids are listed and audio is not captured; the service refuses such a start.
    #[error(
        "subscription.audioUids and subscription.excludedAudioUids must be empty unless recording.streams is \
         AudioAndVideo"
    )]
    AudioNotCaptured,
    /// Audio uids are listed beside excluded video uids; the service takes an audio list only beside a video list.
    #[error(
        "subscription.videoUids must be given with subscription.audioUids: the service refuses a list of audio uids \
         beside excludedVideoUids"
    )]
    AudioListBesideExcludedVideo,
    /// The Secret was read for another encryption setting than the spec has now.
    #[error("channel.encryption changed while its Secret was read; the next visit reads it again")]
    EncryptionChanged,
}

/// Body of `acquire`. Leaves out `startParameter`: the service compares it with `start` byte by byte, and a
/// difference makes every later start fail.
pub fn acquire_body(spec: &SnapshotJobSpec, recorder_uid: i64) -> AcquireBody {
    AcquireBody {
        cname: spec.channel.name.clone(),
        uid: recorder_uid.to_string(),
        client_request: AcquireRequest {
            resource_expired_hour: spec.session_limit_hours,
            scene: SCENE_INDIVIDUAL,
        },
    }
}

/// Body of `start`.
///
/// For a repeated start pass a spec whose `channel` carries the App ID and the name of the claim: they, and the uid,
/// must be those of its acquire.
///
/// # Errors
/// The spec names something that the service has no value for.
pub fn start_body(
    spec: &SnapshotJobSpec,
    recorder_uid: i64,
    material: &Material,
) -> Result<StartBody, BodyProblem> {
    let recording = spec.recording.as_ref();
    Ok(StartBody {
        cname: spec.channel.name.clone(),
        uid: recorder_uid.to_string(),
        client_request: StartRequest {
            token: material.token.clone(),
            recording_config: recording_config(spec, recorder_uid, material)?,
            snapshot_config: SnapshotConfig { capture_interval: spec.interval_seconds, file_type: ["jpg"] },
            recording_file_config: recording.map(|recording| RecordingFileConfig {
                av_file_type: match recording.format {
                    RecordingFormat::HLS => ["hls"],
                },
            }),
            storage_config: storage_config(&spec.storage, material)?,
        },
    })
}

/// Body of `update`: the subscription lists, whole, for they replace those of the session; and the storage keys where
/// they are temporary.
///
/// # Errors
/// The spec names something that the service has no value for.
pub fn update_body(
    spec: &SnapshotJobSpec,
    recorder_uid: i64,
    material: &Material,
) -> Result<UpdateBody, BodyProblem> {
    let (video, audio) = uid_lists(spec)?;
    let (video, audio) = both_kinds(video, audio, recorder_uid);
    Ok(UpdateBody {
        cname: spec.channel.name.clone(),
        uid: recorder_uid.to_string(),
        client_request: UpdateRequest {
            stream_subscribe: StreamSubscribe {
                audio_uid_list: captures_audio(spec.recording.as_ref()).then(|| audio.into()),
                video_uid_list: video.into(),
            },
            storage_config: match material.sts_token {
                Some(_) => Some(storage_config(&spec.storage, material)?),
                None => None,
            },
        },
    })
}

fn recording_config(
    spec: &SnapshotJobSpec,
    recorder_uid: i64,
    material: &Material,
) -> Result<RecordingConfig, BodyProblem> {
    let subscription = spec.subscription.as_ref();
    let (video, audio) = uid_lists(spec)?;
    // One list silences the other kind of stream, so both kinds are named as soon as one is.
    let (video, audio) = match captures_audio(spec.recording.as_ref()) && (video.given() || audio.given()) {
        true => both_kinds(video, audio, recorder_uid),
        false => (video, audio),
    };
    let quality = subscription.map_or(VideoQuality::High, |subscription| subscription.video_quality);
    Ok(RecordingConfig {
        channel_type: match spec.channel.profile {
            Profile::Communication => 0,
            Profile::LiveBroadcasting => 1,
        },
        stream_types: match captures_audio(spec.recording.as_ref()) {
            false => 1,
            true => 2,
        },
        video_stream_type: match quality {
            VideoQuality::High => 0,
            VideoQuality::Low => 1,
        },
        max_idle_time: spec.idle_timeout_seconds,
        subscribe_uid_group: uid_group(
            subscription.map_or(defaults::max_users(), |subscription| subscription.max_users),
        ),
        video_uids: video.into(),
        audio_uids: audio.into(),
        decryption: decryption(spec, material)?,
    })
}

fn decryption(spec: &SnapshotJobSpec, material: &Material) -> Result<Option<Decryption>, BodyProblem> {
    match (&spec.channel.encryption, &material.encryption) {
        (None, None) => Ok(None),
        (Some(encryption), Some(keys)) => Ok(Some(Decryption {
            decryption_mode: match encryption.mode {
                EncryptionMode::AES128XTS => 1,
                EncryptionMode::AES128ECB => 2,
                EncryptionMode::AES256XTS => 3,
                EncryptionMode::SM4128ECB => 4,
                EncryptionMode::AES128GCM => 5,
                EncryptionMode::AES256GCM => 6,
                EncryptionMode::AES128GCM2 => 7,
                EncryptionMode::AES256GCM2 => 8,
            },
            secret: keys.secret.clone(),
            salt: keys.salt.clone(),
        })),
        (Some(_), None) | (None, Some(_)) => Err(BodyProblem::EncryptionChanged),
    }
}

fn storage_config(storage: &Storage, material: &Material) -> Result<StorageConfig, BodyProblem> {
    let extension = ExtensionParams {
        sse: storage.server_side_encryption.map(|encryption| match encryption {
            ServerSideEncryption::KMS => "kms",
            ServerSideEncryption::AES256 => "aes256",
        }),
        tag: storage.object_tag.clone(),
        endpoint: storage.endpoint.clone(),
    };
    let extended = extension.sse.is_some() || extension.tag.is_some() || extension.endpoint.is_some();
    Ok(StorageConfig {
        vendor: match storage.vendor {
            StorageVendor::AmazonS3 => 1,
            StorageVendor::AliyunOSS => 2,
            StorageVendor::TencentCOS => 3,
            StorageVendor::AzureBlob => 5,
            StorageVendor::GoogleCloudStorage => 6,
            StorageVendor::HuaweiOBS => 7,
            StorageVendor::BaiduBOS => 8,
            StorageVendor::S3Compatible => 11,
        },
        region: region(storage)?,
        bucket: storage.bucket.clone(),
        access_key: material.access_key.clone(),
        secret_key: material.secret_key.clone(),
        sts_token: material.sts_token.clone(),
        sts_expiration: material.sts_end.map(jiff::Timestamp::as_second),
        file_name_prefix: storage
            .prefix
            .as_deref()
            .map(|prefix| prefix.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned).collect())
            .filter(|folders: &Vec<String>| !folders.is_empty()),
        extension_params: extended.then_some(extension),
    })
}

fn region(storage: &Storage) -> Result<i32, BodyProblem> {
    match storage.vendor {
        StorageVendor::AzureBlob | StorageVendor::GoogleCloudStorage | StorageVendor::S3Compatible => {
            Ok(NO_REGION)
        }
        StorageVendor::AmazonS3
        | StorageVendor::AliyunOSS
        | StorageVendor::TencentCOS
        | StorageVendor::HuaweiOBS
        | StorageVendor::BaiduBOS => match (storage.region_code, storage.region.as_deref()) {
            (Some(code), _) => Ok(code),
            (None, Some(name)) => Ok(region_number(storage.vendor, name)?),
            (None, None) => Err(BodyProblem::RegionMissing { vendor: storage.vendor }),
        },
    }
}

fn captures_audio(recording: Option<&Recording>) -> bool {
    match recording.map(|recording| recording.streams) {
        None | Some(RecordingStreams::Video) => false,
        Some(RecordingStreams::AudioAndVideo) => true,
    }
}

/// `subscribeUidGroup` with room for so many users (vendor reference, recordingConfig).
fn uid_group(max_users: i32) -> u8 {
    match max_users {
        ..=2 => 0,
        3..=7 => 1,
        8..=12 => 2,
        13..=17 => 3,
        18..=32 => 4,
        33.. => 5,
    }
}

/// Whose streams of one kind; neither list means that the spec says nothing of this kind.
#[derive(Default)]
struct Lists {
    only: Option<Vec<String>>,
    all_but: Option<Vec<String>>,
}

impl Lists {
    fn new(only: &[i64], all_but: &[i64]) -> Self {
        let list = |uids: &[i64]| (!uids.is_empty()).then(|| uids.iter().map(ToString::to_string).collect());
        Self { only: list(only), all_but: list(all_but) }
    }

    fn given(&self) -> bool {
        self.only.is_some() || self.all_but.is_some()
    }

    fn or(self, otherwise: impl FnOnce() -> Self) -> Self {
        match self.given() {
            true => self,
            false => otherwise(),
        }
    }

    fn everybody() -> Self {
        Self { only: Some(vec![ALL_STREAMS.to_owned()]), all_but: None }
    }
}

/// The lists with everybody in place of one that is not given.
///
/// The service takes `subscribeAudioUids` only beside `subscribeVideoUids`, so beside excluded video "every audio"
/// has to be said by exclusion too: of the recorder itself, which sends none.
fn both_kinds(video: Lists, audio: Lists, recorder_uid: i64) -> (Lists, Lists) {
    let audio = match video.all_but {
        Some(_) => audio.or(|| Lists::new(&[], &[recorder_uid])),
        None => audio.or(Lists::everybody),
    };
    (video.or(Lists::everybody), audio)
}

impl From<Lists> for VideoUids {
    fn from(Lists { only, all_but }: Lists) -> Self {
        Self { only, all_but }
    }
}

impl From<Lists> for AudioUids {
    fn from(Lists { only, all_but }: Lists) -> Self {
        Self { only, all_but }
    }
}

/// Video and audio lists of the spec.
fn uid_lists(spec: &SnapshotJobSpec) -> Result<(Lists, Lists), BodyProblem> {
    let none = Subscription::default();
    let subscription = spec.subscription.as_ref().unwrap_or(&none);
    let video = Lists::new(&subscription.video_uids, &subscription.excluded_video_uids);
    let audio = Lists::new(&subscription.audio_uids, &subscription.excluded_audio_uids);
    match () {
        () if audio.given() && !captures_audio(spec.recording.as_ref()) => Err(BodyProblem::AudioNotCaptured),
        () if audio.only.is_some() && video.all_but.is_some() => {
            Err(BodyProblem::AudioListBesideExcludedVideo)
        }
        () => Ok((video, audio)),
    }
}

#[cfg(test)]
mod tests;
