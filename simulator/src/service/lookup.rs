//! Which session a call means, and whether it may be called at all: the checks that query, update and stop share.

use super::session::Phase;
use super::{Service, Target};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::settings::name;

/// A session that is there for calls.
pub(super) enum Found {
    /// It can be controlled.
    Live(usize),
    /// It is on its way out.
    Exiting(usize),
    /// Nobody works on it: it ended, or its server is lost and the replacement not there yet.
    NoWorker(usize),
}

impl Service {
    /// Finds the session of a path. Refused when sid and resource id do not belong together, when the mode is another
    /// one, or when the control window is over.
    pub(super) fn find(&self, now: Millis, target: &Target) -> Result<Found, Answer> {
        let Some(index) = self.sessions.iter().position(|session| {
            session.sid == target.sid
                && session.resource_id == target.resource_id
                && session.app_id == target.app_id
        }) else {
            return Err(match self.settings.number(name::FOREIGN_SID) {
                1003 => Answer::service(400, 1003, "sid does not match resourceId"),
                _ => no_worker(),
            });
        };
        let session = &self.sessions[index];
        if target.mode != "individual" {
            return Err(Answer::service(400, 2, "mode does not match the one of start!"));
        }
        match session.phase {
            Phase::Ended => Ok(Found::NoWorker(index)),
            Phase::Starting { .. } | Phase::Running | Phase::FailingOver { .. } | Phase::Exiting { .. }
                if now >= session.control_end =>
            {
                Err(match self.settings.number(name::CONTROL_WINDOW_END) {
                    400 => Answer::service(400, 2, "resourceId is expired, see resourceExpiredHour!"),
                    _ => no_worker(),
                })
            }
            Phase::FailingOver { .. } => Ok(Found::NoWorker(index)),
            Phase::Exiting { .. } => Ok(Found::Exiting(index)),
            Phase::Starting { .. } | Phase::Running => Ok(Found::Live(index)),
        }
    }

    /// Whether a body names the session of its path.
    pub(super) fn check_identity(&self, index: usize, cname: &str, uid: u32) -> Result<(), Answer> {
        let session = &self.sessions[index];
        let by_new_uid = session.failovers > 0 && self.settings.is(name::UID_AFTER_FAILOVER, "new");
        let expected = if by_new_uid { session.current_uid } else { session.uid };
        if cname == session.cname && uid == expected {
            return Ok(());
        }
        Err(Answer::service(400, 2, "cname or uid does not match the session!"))
    }

    /// How many sessions of an App ID cost money now.
    pub fn live_sessions(&self, app_id: &str) -> usize {
        self.sessions.iter().filter(|session| session.is_live() && session.app_id == app_id).count()
    }

    /// The channel name behind a resource id, for calls whose body has none.
    pub fn cname_of(&self, resource_id: &str) -> Option<&str> {
        self.resources.get(resource_id).map(|resource| resource.cname.as_str())
    }
}

/// 404 code 404: no such task, or none at the moment.
pub(super) fn no_worker() -> Answer {
    Answer::service(404, 404, "failed to find worker")
}
