//! Whose streams a session receives: the lists of start and update [API §3.1, §6].

use super::{Fields, Refusal, StreamTypes, parse_uid};
use crate::settings::{Settings, name};

/// Items that a list may have [API §3.1].
const LIST_LIMIT: usize = 32;
const ALL_STREAMS: &str = "#allstream#";

/// Which uids of one kind of media are received.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Nobody: only the other kind has a list.
    Nobody,
    /// Everybody.
    Everybody,
    /// Only these.
    Only(Vec<u32>),
    /// Everybody but these.
    AllBut(Vec<u32>),
}

/// What is received of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Audio.
    pub audio: Selection,
    /// Video.
    pub video: Selection,
}

impl Selection {
    /// Whether this uid is received.
    pub fn takes(&self, uid: u32) -> bool {
        match self {
            Selection::Nobody => false,
            Selection::Everybody => true,
            Selection::Only(uids) => uids.contains(&uid),
            Selection::AllBut(uids) => !uids.contains(&uid),
        }
    }
}

/// The lists of start's `recordingConfig`.
pub(super) fn of_start(
    fields: &mut Fields<'_>,
    streams: StreamTypes,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Subscription, Refusal> {
    let audio = list_pair(
        fields,
        ["subscribeAudioUids", "unSubscribeAudioUids", "unsubscribeAudioUids"],
        settings,
        notes,
    )?;
    let video = list_pair(
        fields,
        ["subscribeVideoUids", "unSubscribeVideoUids", "unsubscribeVideoUids"],
        settings,
        notes,
    )?;
    refuse_lists_against_streams(fields, audio.is_some(), video.is_some(), streams)?;
    if streams.video() && fields.has("subscribeAudioUids") && !fields.has("subscribeVideoUids") {
        return Err(fields.refuse("subscribeVideoUids", "is required when subscribeAudioUids is set"));
    }
    Ok(combine(audio, video))
}

/// The lists of update's `streamSubscribe`: they replace the ones before.
pub(super) fn of_update(
    fields: &mut Fields<'_>,
    streams: StreamTypes,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Subscription, Refusal> {
    let mut lists = [None, None];
    let kinds = [
        ("audioUidList", ["subscribeAudioUids", "unSubscribeAudioUids", "unsubscribeAudioUids"]),
        ("videoUidList", ["subscribeVideoUids", "unSubscribeVideoUids", "unsubscribeVideoUids"]),
    ];
    for (list, (key, keys)) in lists.iter_mut().zip(kinds) {
        if let Some(mut inner) = fields.object(key)? {
            *list = list_pair(&mut inner, keys, settings, notes)?;
            inner.note_unknown(notes);
        }
    }
    let [audio, video] = lists;
    refuse_lists_against_streams(fields, audio.is_some(), video.is_some(), streams)?;
    Ok(combine(audio, video))
}

fn refuse_lists_against_streams(
    fields: &Fields<'_>,
    audio: bool,
    video: bool,
    streams: StreamTypes,
) -> Result<(), Refusal> {
    if video && !streams.video() {
        return Err(fields.refuse("subscribeVideoUids", "is not allowed with streamTypes 0"));
    }
    if audio && !streams.audio() {
        return Err(fields.refuse("subscribeAudioUids", "is not allowed with streamTypes 1"));
    }
    Ok(())
}

/// A list of one kind silences the other kind when that one has none [API §3.1].
fn combine(audio: Option<Selection>, video: Option<Selection>) -> Subscription {
    let unlisted = if audio.is_none() && video.is_none() { Selection::Everybody } else { Selection::Nobody };
    Subscription { audio: audio.unwrap_or(unlisted.clone()), video: video.unwrap_or(unlisted) }
}

fn list_pair(
    fields: &mut Fields<'_>,
    [only, but, lower_but]: [&'static str; 3],
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Option<Selection>, Refusal> {
    let subscribed = uids(fields, only, notes)?;
    let mut excluded = uids(fields, but, notes)?;
    if let Some(lower) = uids(fields, lower_but, notes)? {
        notes.push(format!("{lower_but}: most references and clients write {but}"));
        if settings.is(name::LOWERCASE_UNSUBSCRIBE, "accepted") {
            excluded = excluded.or(Some(lower));
        }
    }
    match (subscribed, excluded) {
        (Some(_), Some(_)) => Err(fields.refuse(only, &format!("excludes {but}"))),
        (Some(None), None) => Ok(Some(Selection::Everybody)),
        (Some(Some(uids)), None) => Ok(Some(Selection::Only(uids))),
        (None, Some(None)) => Ok(Some(Selection::Nobody)),
        (None, Some(Some(uids))) => Ok(Some(Selection::AllBut(uids))),
        (None, None) => Ok(None),
    }
}

/// A list of uids; the inner `None` stands for all streams.
fn uids(
    fields: &mut Fields<'_>,
    key: &'static str,
    notes: &mut Vec<String>,
) -> Result<Option<Option<Vec<u32>>>, Refusal> {
    let Some(texts) = fields.list(key, LIST_LIMIT)? else { return Ok(None) };
    if texts.is_empty() {
        // "Discouraged": the reference neither forbids it nor says what it means, so it counts as not given.
        notes.push(format!("{key} is empty, which the reference discourages"));
        return Ok(None);
    }
    if texts.iter().any(|text| text == ALL_STREAMS) {
        return Ok(Some(None));
    }
    let uids: Option<Vec<u32>> = texts.iter().map(|text| parse_uid(text)).collect();
    uids.map(|uids| Some(Some(uids)))
        .ok_or_else(|| fields.refuse(key, "must hold uids as decimal strings, or \"#allstream#\" alone"))
}
