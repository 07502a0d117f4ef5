//! What the witness saw: every session that ever ran, as the control interface shows it.

use serde::Serialize;

use super::Service;
use super::session::{EndReason, Event, Session};
use crate::clock::{Millis, SECOND, rfc3339};

/// Files that a report names; all of them are counted.
const FILES_SHOWN: usize = 200;

/// Whether a session still costs money.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It does.
    Live,
    /// It does not.
    Ended,
}

/// One session.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionReport {
    /// Session id.
    pub sid: String,
    /// App ID.
    pub app_id: String,
    /// Channel name.
    pub cname: String,
    /// Recorder uid of the start call.
    pub uid: String,
    /// Recorder uid in the channel, another one after a failover.
    pub current_uid: String,
    /// Resource id.
    pub resource_id: String,
    /// Whether it still costs money.
    pub state: State,
    /// What query shows or would show.
    pub status: u8,
    /// RFC 3339, wall clock.
    pub start_time: String,
    /// RFC 3339, wall clock.
    pub stop_time: Option<String>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Virtual seconds from start to end or until now, begun ones counted.
    pub billed_seconds: u64,
    /// Failovers so far.
    pub failovers: u32,
    /// Whether snapshots are taken.
    pub snapshots: bool,
    /// Whether HLS files are written.
    pub records: bool,
    /// Number of uploaded files.
    pub file_count: usize,
    /// Keys of uploaded files, the latest 200.
    pub files: Vec<String>,
    /// Files that are neither in the bucket nor in the backup.
    pub uploads_under_way: usize,
    /// Notifications.
    pub events: Vec<Event>,
}

impl Service {
    /// Every session that ever ran, in the order in which they began.
    pub fn sessions(&mut self, now: Millis) -> Vec<SessionReport> {
        self.sessions.iter().map(|session| self.report(now, session)).collect()
    }

    fn report(&self, now: Millis, session: &Session) -> SessionReport {
        let wall = |at: Millis| rfc3339(self.clock.wall_at(at));
        let end = session.stopped_at.unwrap_or(now);
        SessionReport {
            sid: session.sid.clone(),
            app_id: session.app_id.clone(),
            cname: session.cname.clone(),
            uid: session.uid.to_string(),
            current_uid: session.current_uid.to_string(),
            resource_id: session.resource_id.clone(),
            state: if session.is_live() { State::Live } else { State::Ended },
            status: session.status(now),
            start_time: wall(session.started_at),
            stop_time: session.stopped_at.map(wall),
            end_reason: session.end_reason,
            billed_seconds: end.saturating_sub(session.started_at).div_ceil(SECOND),
            failovers: session.failovers,
            snapshots: session.task.capture_interval.is_some(),
            records: session.task.records,
            file_count: session.files.len(),
            files: session.files.iter().rev().take(FILES_SHOWN).rev().cloned().collect(),
            uploads_under_way: session.pending.values().filter(|upload| !upload.in_backup).count(),
            events: session.events.clone(),
        }
    }
}
