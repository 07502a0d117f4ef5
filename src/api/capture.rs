//! The declared capture: whose streams, and whether they are recorded beside the snapshots.
#![allow(unreachable_pub, reason = "KubeSchema copies the type into a function to derive its schema")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{MAX_UID, defaults};

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

/// Whose streams the recorder subscribes to. An empty list is an absent one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_VIDEO_LIST)
        .message("excludedVideoUids must not be given together with videoUids")
        .field_path(".excludedVideoUids")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(ONE_AUDIO_LIST)
        .message("excludedAudioUids must not be given together with audioUids")
        .field_path(".excludedAudioUids")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(AUDIO_BESIDE_VIDEO)
        .message("audioUids must not be given together with excludedVideoUids")
        .field_path(".audioUids")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new(ROOM_FOR_ALL)
        .message("maxUsers must be at least the number of different users in videoUids and audioUids")
        .field_path(".maxUsers")
)]
pub struct Subscription {
    /// Only these users' video; at most 32. Exclusive with `excludedVideoUids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = MAX_UID)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub video_uids: Vec<i64>,
    /// Only these users' audio; at most 32. Exclusive with `excludedAudioUids` and `excludedVideoUids`; only when audio
    /// is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = MAX_UID)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub audio_uids: Vec<i64>,
    /// Everybody's video but these users'; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = MAX_UID)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub excluded_video_uids: Vec<i64>,
    /// Everybody's audio but these users'; at most 32; only when audio is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = MAX_UID)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub excluded_audio_uids: Vec<i64>,
    /// Which of two simulcast streams is captured (`videoStreamType`).
    #[serde(default)]
    pub video_quality: VideoQuality,
    /// How many users the recorder makes room for (`subscribeUidGroup`), 1 to 49; default 17.
    #[serde(default = "defaults::max_users")]
    #[schemars(range(min = 1, max = 49))]
    pub max_users: i32,
}

/// Vendor reference, start: `subscribeVideoUids` and `unSubscribeVideoUids` are exclusive.
const ONE_VIDEO_LIST: &str = "!has(self.videoUids) || size(self.videoUids) == 0 || !has(self.excludedVideoUids) || size(self.excludedVideoUids) == 0";

/// Vendor reference, start: `subscribeAudioUids` and `unSubscribeAudioUids` are exclusive.
const ONE_AUDIO_LIST: &str = "!has(self.audioUids) || size(self.audioUids) == 0 || !has(self.excludedAudioUids) || size(self.excludedAudioUids) == 0";

/// Vendor guide, snapshots: where `subscribeAudioUids` is set, `subscribeVideoUids` must be too.
const AUDIO_BESIDE_VIDEO: &str = "!has(self.audioUids) || size(self.audioUids) == 0 || !has(self.excludedVideoUids) || size(self.excludedVideoUids) == 0";

/// Vendor reference, start: `subscribeUidGroup` counts the union of audio and video uids.
const ROOM_FOR_ALL: &str = "(has(self.videoUids) ? size(self.videoUids) : 0) \
     + (has(self.audioUids) ? size(self.audioUids.filter(u, !has(self.videoUids) || !(u in self.videoUids))) : 0) \
     <= self.maxUsers";

/// Which of two simulcast streams is captured.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub enum VideoQuality {
    /// `videoStreamType` 0.
    #[default]
    High,
    /// `videoStreamType` 1.
    Low,
}
