//! The loss of a session's server, on demand of the control interface: with high availability, three times a
//! replacement within 90 s [API §10]; without, an abnormal end.

use thiserror::Error;

use super::session::{EndReason, Phase};
use super::{Effect, Service};
use crate::clock::{Millis, SECOND};

/// Replacements that one session gets [API §10].
const FAILOVER_LIMIT: u32 = 3;

/// Why a session cannot be harmed.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum HarmError {
    /// No such session.
    #[error("no session has the sid `{0}`")]
    UnknownSid(String),
    /// It is not in its channel.
    #[error("session `{0}` is not running: it is starting, failing over, leaving or gone")]
    NotRunning(String),
}

impl Service {
    /// Takes a running session's server away. The fourth time is the end.
    pub fn fail_over(&mut self, now: Millis, sid: &str) -> Result<Vec<Effect>, HarmError> {
        self.advance_to(now);
        let index = self.harmed(sid)?;
        if !self.sessions[index].is_running() {
            return Err(HarmError::NotRunning(sid.to_owned()));
        }
        if self.sessions[index].failovers == FAILOVER_LIMIT {
            self.leave(now, index, EndReason::FailoverExhausted);
            return Ok(std::mem::take(&mut self.effects));
        }
        let until = now + self.random.between(30 * SECOND, 90 * SECOND);
        let session = &mut self.sessions[index];
        session.phase = Phase::FailingOver { until };
        // What the lost server had not written is lost with it.
        session.streams.clear();
        session.audio.clear();
        session.next_progress = None;
        session.tracks.values_mut().for_each(|track| track.open = false);
        session.idle_since = None;
        Ok(std::mem::take(&mut self.effects))
    }

    /// Ends a session abnormally.
    pub fn kill(&mut self, now: Millis, sid: &str) -> Result<Vec<Effect>, HarmError> {
        self.advance_to(now);
        let index = self.harmed(sid)?;
        if !self.sessions[index].is_live() {
            return Err(HarmError::NotRunning(sid.to_owned()));
        }
        self.leave(now, index, EndReason::Killed);
        Ok(std::mem::take(&mut self.effects))
    }

    /// The replacement joins under a uid that nobody chose.
    pub(super) fn resume(&mut self, at: Millis, index: usize) {
        let session = &self.sessions[index];
        let channel = self.channels.get(&session.cname).cloned().unwrap_or_default();
        let mut new_uid = session.current_uid;
        while new_uid == session.uid || new_uid == session.current_uid || channel.has(new_uid) {
            new_uid = u32::try_from(self.random.between(1, u64::from(u32::MAX))).unwrap_or(u32::MAX);
        }
        self.tell_original_left(at, index);
        let session = &mut self.sessions[index];
        session.current_uid = new_uid;
        session.failovers += 1;
        session.tracks.clear();
        session.phase = Phase::Running;
        self.tell_failover(at, index);
        self.begin_uploader(at, index);
        self.watch_channel(at, index);
    }

    fn harmed(&self, sid: &str) -> Result<usize, HarmError> {
        self.sessions
            .iter()
            .position(|session| session.sid == sid)
            .ok_or_else(|| HarmError::UnknownSid(sid.to_owned()))
    }
}
