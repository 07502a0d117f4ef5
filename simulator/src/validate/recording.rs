//! `recordingConfig` of start [API §3.1].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Fields, Refusal, Subscription, subscription};
use crate::clock::{Millis, SECOND};
use crate::settings::Settings;

/// Seconds without users after which a session ends, unless start says otherwise [API §3.1].
const DEFAULT_MAX_IDLE_TIME: u64 = 30;
/// Users in each `subscribeUidGroup`, the upper ends [API §3.1].
const UID_GROUPS: [usize; 6] = [2, 7, 12, 17, 32, 49];

/// Channel profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// `channelType` 0.
    Communication,
    /// `channelType` 1.
    Live,
}

/// Which media are received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StreamTypes {
    /// 0.
    Audio,
    /// 1.
    Video,
    /// 2.
    Both,
}

impl StreamTypes {
    /// Whether audio is received.
    pub fn audio(self) -> bool {
        self != StreamTypes::Video
    }

    /// Whether video is received.
    pub fn video(self) -> bool {
        self != StreamTypes::Audio
    }
}

/// A `recordingConfig` that keeps the rules.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Channel profile.
    pub profile: Profile,
    /// Media.
    pub streams: StreamTypes,
    /// Time without users after which the session ends.
    pub max_idle: Millis,
    /// Whose streams.
    pub subscription: Subscription,
    /// Users that the `subscribeUidGroup` is made for.
    pub group_size: usize,
}

/// Judges `recordingConfig`.
pub(super) fn recording(
    mut fields: Fields<'_>,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Recording, Refusal> {
    let profile = match fields.integer("channelType", 0..=1)? {
        None | Some(0) => Profile::Communication,
        Some(_) => Profile::Live,
    };
    let streams = match fields.integer("streamTypes", 0..=2)? {
        Some(0) => StreamTypes::Audio,
        Some(1) => StreamTypes::Video,
        None | Some(_) => StreamTypes::Both,
    };
    match fields.text("streamMode")? {
        None | Some("default" | "standard") => {}
        Some("original") if streams == StreamTypes::Audio => {}
        Some("original") => {
            return Err(fields.refuse("streamMode", "can be original only with streamTypes 0"));
        }
        Some(_) => return Err(fields.refuse("streamMode", "must be default, standard or original")),
    }
    fields.integer("videoStreamType", 0..=1)?;
    let max_idle = fields.integer("maxIdleTime", 5..=2_592_000)?.unwrap_or(DEFAULT_MAX_IDLE_TIME);
    encryption(&mut fields)?;
    let subscription = subscription::of_start(&mut fields, streams, settings, notes)?;
    // The vendor's own Go client cannot send 0, so its absence must be taken [API §18].
    let group = fields.integer("subscribeUidGroup", 0..=5)?.unwrap_or(0);
    for key in ["audioProfile", "transcodingConfig"] {
        if fields.raw(key).is_some() {
            notes.push(format!("recordingConfig.{key} has no effect in individual mode"));
        }
    }
    fields.text("privateParams")?;
    fields.note_unknown(notes);
    Ok(Recording {
        profile,
        streams,
        max_idle: max_idle * SECOND,
        subscription,
        group_size: UID_GROUPS[usize::try_from(group).unwrap_or(0)],
    })
}

fn encryption(fields: &mut Fields<'_>) -> Result<(), Refusal> {
    let mode = fields.integer("decryptionMode", 0..=8)?.unwrap_or(0);
    let secret = fields.text("secret")?;
    let salt = fields.text("salt")?;
    if mode != 0 && secret.is_none_or(str::is_empty) {
        return Err(fields.refuse("secret", "is required with a decryptionMode other than 0"));
    }
    // The GCM2 modes derive the key from 32 bytes of salt.
    let salt_is_good = salt.is_some_and(|salt| STANDARD.decode(salt).is_ok_and(|bytes| bytes.len() == 32));
    if mode >= 7 && !salt_is_good {
        return Err(fields.refuse("salt", "must be 32 bytes in base64 with decryptionMode 7 or 8"));
    }
    Ok(())
}
