//! One session as data: who it is, where in its life it stands, what it has written. Owns the questions that can be
//! asked of that data alone; what moves a session is in the files beside this one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Content, Ticket};
use crate::answer::Subject;
use crate::clock::Millis;
use crate::validate::Task;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// The stop call.
    Stopped,
    /// `maxIdleTime` passed without users.
    Idle,
    /// The RTC token was wrong or absent.
    TokenWrong,
    /// The RTC token had expired, at start or later.
    TokenExpired,
    /// A user of the channel has the recorder's uid.
    UidCollision,
    /// The bucket refused the keys, or is not there.
    StorageRefused,
    /// Ended abnormally on demand of the control interface.
    Killed,
    /// Lost its server once more than high availability covers.
    FailoverExhausted,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Accepted; components start until the recorder is in the channel.
    Starting {
        /// When status 2, 3 and 4 are reached.
        steps: [Millis; 3],
    },
    /// In the channel.
    Running,
    /// Its server is lost; the replacement joins at the given time.
    FailingOver {
        /// When.
        until: Millis,
    },
    /// Leaving. Calls are refused, a query shows how far it is.
    Exiting {
        /// When it is gone, unless uploads take longer.
        until: Millis,
    },
    /// Gone; every call is answered 404.
    Ended,
}

/// What is received from one user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// When the next snapshot is due, if snapshots are taken.
    pub(super) next_snapshot: Option<Millis>,
    /// Snapshots so far.
    pub(super) snapshots: u64,
}

/// A segment list in the making: one for each user and kind of media.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// Whether the user sends now.
    pub(super) open: bool,
    /// When the segment that is being written began.
    pub(super) segment_start: Millis,
    /// Finished segments: file name and length in virtual milliseconds.
    pub(super) segments: Vec<(String, Millis)>,
}

/// The kind of media of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TrackKind {
    Audio,
    Video,
}

impl TrackKind {
    /// As file names and events write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            TrackKind::Audio => "audio",
            TrackKind::Video => "video",
        }
    }
}

/// Where the upload of one file stands.
#[derive(Clone, Debug)]
pub(super) struct PendingUpload {
    pub(super) key: String,
    pub(super) content: Content,
    pub(super) attempts: u32,
    /// When to try again; none while an attempt is under way.
    pub(super) retry_at: Option<Millis>,
    /// Whether the file lies in the vendor's own backup and waits to be forwarded.
    pub(super) in_backup: bool,
    /// Whether it waits for an older version of the same file.
    pub(super) queued: bool,
}

/// A synchronous stop that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldStop {
    pub(super) ticket: Ticket,
    /// Not before: leaving the channel takes a moment.
    pub(super) earliest: Millis,
    /// Not after: then the answer is that the upload is unfinished.
    pub(super) overrun: Millis,
}

/// What a notification tells; kept with its session, whether or not there is an endpoint to send it to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `eventType`.
    pub event_type: u32,
    /// Time of the event, RFC 3339.
    pub time: String,
    /// `payload`.
    pub payload: Value,
}

/// A session, from its start on and for ever: the simulator forgets none.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) sid: String,
    pub(super) app_id: String,
    pub(super) cname: String,
    /// Uid of the start call.
    pub(super) uid: u32,
    /// Uid in the channel: another one after a failover.
    pub(super) current_uid: u32,
    pub(super) resource_id: String,
    pub(super) task: Task,
    pub(super) started_at: Millis,
    pub(super) stopped_at: Option<Millis>,
    pub(super) control_end: Millis,
    pub(super) phase: Phase,
    pub(super) end_reason: Option<EndReason>,
    /// An end that is already certain.
    pub(super) doom: Option<(Millis, EndReason)>,
    /// When the RTC token expires.
    pub(super) token_end: Option<Millis>,
    /// When the storage's temporary token expires, until that was told.
    pub(super) sts_end: Option<Millis>,
    pub(super) idle_since: Option<Millis>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Users whose audio is received.
    pub(super) audio: BTreeSet<u32>,
    pub(super) tracks: BTreeMap<(u32, TrackKind), Track>,
    /// Failovers so far.
    pub(super) failovers: u32,
    pub(super) pending: BTreeMap<u64, PendingUpload>,
    pub(super) held_stop: Option<HeldStop>,
    /// The latest wall time that a file name carries.
    pub(super) last_stamp: Millis,
    pub(super) files: Vec<String>,
    pub(super) backed_up: bool,
    /// Uploader code and message with which the bucket refused a file.
    pub(super) upload_refusal: Option<(u32, String)>,
    /// When the uploader tells its progress next; none while nothing is uploaded.
    pub(super) next_progress: Option<Millis>,
    /// `sequence` of the next notification.
    pub(super) next_sequence: u64,
    pub(super) events: Vec<Event>,
}

impl Session {
    /// Whether it still costs money.
    pub(super) fn is_live(&self) -> bool {
        self.stopped_at.is_none()
    }

    /// Whether it is in the channel and receives.
    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Snapshots and nothing else.
    pub(super) fn is_snapshot_only(&self) -> bool {
        !self.task.records
    }

    /// Whether every file has reached its bucket or the backup.
    pub(super) fn uploads_done(&self) -> bool {
        self.pending.values().all(|upload| upload.in_backup)
    }

    /// Whom an answer is about.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { cname: &self.cname, uid: self.uid, resource_id: &self.resource_id, sid: &self.sid }
    }

    /// What query shows at a time [API §4].
    pub(super) fn status(&self, now: Millis) -> u8 {
        match self.phase {
            Phase::Starting { steps } => 1 + steps.iter().filter(|at| **at <= now).count() as u8,
            Phase::Running if self.files.is_empty() => 4,
            Phase::Running | Phase::FailingOver { .. } => 5,
            Phase::Exiting { .. } if self.ended_abnormally() => 20,
            Phase::Exiting { .. } if !self.uploads_done() => 6,
            Phase::Exiting { until } if now + 1000 < until => 7,
            Phase::Exiting { .. } | Phase::Ended => 8,
        }
    }

    /// Whether its end was not orderly.
    pub(super) fn ended_abnormally(&self) -> bool {
        match self.end_reason {
            None | Some(EndReason::Stopped | EndReason::Idle | EndReason::TokenExpired) => false,
            Some(
                EndReason::TokenWrong
                | EndReason::UidCollision
                | EndReason::StorageRefused
                | EndReason::Killed
                | EndReason::FailoverExhausted,
            ) => true,
        }
    }
}
