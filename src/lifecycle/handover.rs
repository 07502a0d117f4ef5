//! Two sessions at once: a new one is started beside the running one, and the old one is stopped when the new one runs,
//! so that no snapshot is missed. Owns when that may begin and which of two stays; `start` says as whom, `plan` acts.
//!
//! All of it follows from the two sessions as the status has them: a process that ends in the middle of a handover
//! leaves nothing behind that the next one could not go on with.

use std::time::Duration;

use super::observed::Observed;
use super::recorder;
use super::replacement::{is_due, is_renewal_due, wanted_difference};
use super::spec_hash::Difference;
use crate::api::status::{EndReason, PastSession, Session, SessionState};

/// The recorder uid of a session that would be started beside this one; `None` if it can only be stopped first: the job
/// has one uid, the session never ran, or the vendor's quota has no room for two.
pub(super) fn successor_uid(seen: &Observed, session: &Session) -> Option<i64> {
    if session.confirm_time.is_none() || seen.memory.stop_first == Some(session.attempt) {
        return None;
    }
    let spec = seen.spec.as_ref().ok()?;
    let uids = recorder::uids(spec, &seen.job.namespace, &seen.job.name);
    uids.into_iter().find(|uid| *uid != session.recorder_uid)
}

/// Whether a session shall be started beside this one, as soon as nothing stands in the way of it.
pub(super) fn is_wanted(seen: &Observed, session: &Session) -> bool {
    is_due(seen, session) && successor_uid(seen, session).is_some()
}

/// How long until one may be started beside this one: at most one handover a minute. One that was cancelled counts, or
/// each edit of a storm would cost a session.
pub(super) fn wait(seen: &Observed, session: &Session) -> Duration {
    let later = seen.status.history.iter().filter(|past| past.attempt > session.attempt);
    let begun = later.filter_map(|past| past.start_time.as_ref()).chain([&session.acquire_time]).max();
    let begun = begun.unwrap_or(&session.acquire_time);
    let age = Duration::try_from(seen.now.since(begun)).unwrap_or_default();
    seen.timing.handover_every.saturating_sub(age)
}

/// Whether the session has to end for the sake of the other one of a handover.
pub(super) fn gives_way(seen: &Observed, session: &Session) -> bool {
    pair(seen)
        .and_then(|(older, newer)| staying(seen, older, newer))
        .is_some_and(|staying| staying.attempt != session.attempt)
}

/// What became of a replacement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Handover {
    /// The new session ran when the old one was stopped.
    Completed,
    /// The old session was stopped before the new one was started.
    StoppedFirst,
    /// The new session was not wanted any more, and stopped.
    Cancelled,
    /// The new session did not come up; the old one goes on.
    Failed,
}

/// What the end of a session says of a replacement, if it was part of one. `others` are the sessions beside it.
pub fn outcome(past: &PastSession, others: &[Session]) -> Option<Handover> {
    let running = |session: &&Session| session.state == SessionState::Running;
    let newer = others.iter().filter(running).any(|other| other.attempt > past.attempt);
    let older = others.iter().filter(running).any(|other| other.attempt < past.attempt);
    match past.end_reason {
        EndReason::Replaced if newer => Some(Handover::Completed),
        EndReason::Replaced if older => Some(Handover::Cancelled),
        EndReason::Replaced => Some(Handover::StoppedFirst),
        EndReason::Stopped | EndReason::Lost | EndReason::Idle if older => Some(Handover::Failed),
        EndReason::Stopped
        | EndReason::Lost
        | EndReason::Idle
        | EndReason::Deadline
        | EndReason::Orphaned => None,
    }
}

/// Whether a session is there, or being started, that shall take the place of this one.
pub(super) fn has_successor(seen: &Observed, session: &Session) -> bool {
    pair(seen).is_some_and(|(older, _)| older.attempt == session.attempt)
}

/// The two sessions of a handover, the older one first. What is being stopped, or cannot be controlled, is none of them.
fn pair(seen: &Observed) -> Option<(&Session, &Session)> {
    let mut live = seen.status.sessions.iter().filter(|session| match session.state {
        SessionState::Claimed | SessionState::Running => true,
        SessionState::Recovering | SessionState::Stopping | SessionState::Uncontrollable => false,
    });
    let (one, other) = (live.next()?, live.next()?);
    Some(if one.attempt < other.attempt { (one, other) } else { (other, one) })
}

/// Which of the two stays, once that can be said.
fn staying<'a>(seen: &Observed, older: &'a Session, newer: &'a Session) -> Option<&'a Session> {
    if newer.state != SessionState::Running {
        return None;
    }
    let fits = |session: &Session| wanted_difference(seen, session) != Difference::Body;
    // An edit was taken back.
    let reverted = fits(older) && !fits(newer) && !is_renewal_due(seen, older);
    // Edited in mid-handover: what does not run yet makes room for what is wanted now. With something in the way of
    // that, the newer of two unwanted ones is as good as the older.
    let edited = newer.confirm_time.is_none()
        && seen.start_problem.is_none()
        && (!fits(newer) || seen.restart_wanted());
    if reverted || edited {
        Some(older)
    } else if newer.confirm_time.is_some() {
        Some(newer)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
