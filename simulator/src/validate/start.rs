//! The body of start in individual mode [API §3].

use serde_json::Value;

use super::recording::{Recording, recording};
use super::storage::{Storage, storage};
use super::{Fields, Refusal, identity};
use crate::clock::{Millis, SECOND};
use crate::settings::{Settings, name};

/// Seconds between snapshots unless start says otherwise [API §3.2].
const DEFAULT_CAPTURE_INTERVAL: u64 = 10;

/// A start that keeps the rules.
#[derive(Clone, Debug)]
pub struct Start {
    /// Channel name.
    pub cname: String,
    /// Recorder uid.
    pub uid: u32,
    /// What is to be done.
    pub task: Task,
}

/// What a session does.
#[derive(Clone)]
pub struct Task {
    /// RTC token, if one was sent.
    pub token: Option<String>,
    /// What is received, and when the channel counts as idle.
    pub recording: Recording,
    /// Time between snapshots; none if no snapshots are taken.
    pub capture_interval: Option<Millis>,
    /// Whether HLS files are written.
    pub records: bool,
    /// Where files go.
    pub storage: Storage,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("token", &self.token.as_ref().map(|_| "(redacted)"))
            .field("recording", &self.recording)
            .field("capture_interval", &self.capture_interval)
            .field("records", &self.records)
            .field("storage", &self.storage)
            .finish()
    }
}

/// Judges the body of start.
pub fn start(body: &Value, settings: &Settings, notes: &mut Vec<String>) -> Result<Start, Refusal> {
    let mut fields = Fields::of("body", body)?;
    let (cname, uid) = identity(&mut fields)?;
    let mut request = fields.required_object("clientRequest")?;
    let token = request.text("token")?.filter(|token| !token.is_empty()).map(str::to_owned);
    let recording = recording(request.required_object("recordingConfig")?, settings, notes)?;
    let snapshot = match request.object("snapshotConfig")? {
        Some(snapshot) => Some(capture_interval(snapshot, settings, notes)?),
        None => None,
    };
    let records = records(&mut request, snapshot.is_some(), settings, notes)?;
    let capture_interval = match snapshot {
        Some(_) if !recording.streams.video() && settings.is(name::WRONG_COMBINATION, "refused") => {
            return Err(request.refuse("recordingConfig.streamTypes", "must be 1 or 2 with snapshotConfig"));
        }
        Some(_) if !recording.streams.video() => None,
        Some(interval) => Some(interval),
        None => {
            notes.push("no snapshotConfig: this session takes no snapshots".to_owned());
            None
        }
    };
    if capture_interval.is_none() && !records {
        return Err(Refusal("services not selected!".to_owned()));
    }
    let storage = storage(request.required_object("storageConfig")?, notes)?;
    for key in ["extensionServiceConfig", "transcodeOptions"] {
        if request.raw(key).is_some() {
            return Err(request.refuse(key, "is not allowed in individual mode"));
        }
    }
    if request.raw("appsCollection").is_some() {
        notes.push("clientRequest.appsCollection is deprecated".to_owned());
    }
    request.note_unknown(notes);
    fields.note_unknown(notes);
    Ok(Start { cname, uid, task: Task { token, recording, capture_interval, records, storage } })
}

fn capture_interval(
    mut fields: Fields<'_>,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Millis, Refusal> {
    let least = settings.number(name::CAPTURE_INTERVAL_MINIMUM);
    let interval = fields.integer("captureInterval", least..=3600)?.unwrap_or(DEFAULT_CAPTURE_INTERVAL);
    match fields.list("fileType", 1)? {
        Some(types) if types == ["jpg"] => {}
        Some(_) => return Err(fields.refuse("fileType", "must be [\"jpg\"]")),
        None => return Err(fields.refuse("fileType", "is required")),
    }
    fields.note_unknown(notes);
    Ok(interval * SECOND)
}

/// Whether HLS files are wanted. In a snapshot-only session the key must be absent, not empty [API §3, §16].
fn records(
    request: &mut Fields<'_>,
    with_snapshots: bool,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<bool, Refusal> {
    let Some(mut files) = request.object("recordingFileConfig")? else {
        // Recording alone may leave it out: HLS is the default.
        return Ok(!with_snapshots);
    };
    if files.is_empty() && with_snapshots && settings.is(name::EMPTY_RECORDING_FILE_CONFIG, "refused") {
        return Err(
            request.refuse("recordingFileConfig", "must be absent in a snapshot-only session, not empty")
        );
    }
    match files.list("avFileType", 2)? {
        None => {}
        Some(types) if types == ["hls"] => {}
        Some(_) => return Err(files.refuse("avFileType", "must be [\"hls\"] in individual mode")),
    }
    files.note_unknown(notes);
    Ok(true)
}
