//! How long what cannot be settled is waited for: until a resourceId is too old, a token over, a deletion at its bound.
//! Owns the bounds; what follows from them is `plan`'s and `aging`'s.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::observed::{Known, Observed};
use super::timing::{Moment, Timing};
use crate::api::status::{Session, SessionState};

/// Why a session is given up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OrphanCause {
    /// `deletionPolicy: Orphan`.
    Policy,
    /// The credentials are gone or refused.
    NoCredentials,
    /// The sid is not known and did not become known.
    NoSid,
    /// The vendor could not be reached.
    Unreachable,
    /// The vendor's control window is over.
    ControlEnded,
}

/// Whether, and why, a deletion lets go of a session that it could not stop. A namespace never hangs for ever.
pub(super) fn given_up(seen: &Observed, session: &Session) -> Option<OrphanCause> {
    let known = seen.known(session);
    let deleted = seen.memory.deleting_since.unwrap_or(seen.now.mono);
    // What went wrong before the deletion is no reason to hurry it: it may be mended for its sake.
    let longer_than = |since: Option<Duration>, bound: Duration| {
        since.is_some_and(|since| seen.now.mono.saturating_sub(since.max(deleted)) >= bound)
    };
    let fence = known.seen + seen.timing.resource_life;
    // A sid that somebody wrote beside `Recovering` is not one that anything is done with.
    let without_sid = session.sid.is_none() || session.state == SessionState::Recovering;
    if session.state == SessionState::Uncontrollable {
        Some(OrphanCause::ControlEnded)
    } else if longer_than(known.locked_out, seen.timing.orphan_without_credentials)
        || longer_than(known.unread, seen.timing.orphan_unreachable)
    {
        Some(OrphanCause::NoCredentials)
    } else if without_sid && longer_than(Some(fence), seen.timing.orphan_without_sid) {
        Some(OrphanCause::NoSid)
    } else if longer_than(known.unanswered.as_ref().map(|(since, _)| *since), seen.timing.orphan_unreachable)
        || longer_than(known.resists_since, seen.timing.orphan_unreachable)
    {
        Some(OrphanCause::Unreachable)
    } else {
        None
    }
}

/// How long until time alone changes something for a session that cannot be acted upon.
pub(super) fn wait_for_end(seen: &Observed, session: &Session) -> Duration {
    let known = seen.known(session);
    let deleted = seen.memory.deleting_since.unwrap_or(seen.now.mono);
    let fence = known.seen + seen.timing.resource_life;
    let bound = fence.max(deleted) + seen.timing.orphan_without_sid;
    let until_bound = bound.saturating_sub(seen.now.mono);
    let until_token = session.token_end_time.as_ref().map(|end| {
        let since = seen.now.since(end);
        Duration::try_from(seen.timing.token_end_margin.try_into().unwrap_or(SignedDuration::ZERO) - since)
            .unwrap_or_default()
            .max(seen.timing.repeat_network[0])
    });
    let wait = until_token.unwrap_or(seen.timing.idle_visit).min(seen.timing.idle_visit);
    if seen.job.deleting { wait.min(until_bound) } else { wait }
}

/// Whether no other process can have sent a start for the claim: this one wrote it, and others leave it alone for so
/// long. A process that slept over that time cannot know what was sent meanwhile.
pub(super) fn is_ours_alone(now: &Moment, session: &Session, known: &Known, timing: &Timing) -> bool {
    known.ours && claim_age(now, session, known) < timing.claim_grace
}

/// Time since the acquire, by whichever clock says more, for the wall clock may have been set back.
pub(super) fn claim_age(now: &Moment, session: &Session, known: &Known) -> Duration {
    let by_wall = Duration::try_from(now.since(&session.acquire_time)).unwrap_or_default();
    by_wall.max(now.mono.saturating_sub(known.seen))
}

/// When, by the wall clock, a claim's resourceId is too old for a session to come of it.
pub(super) fn fence(seen: &Observed, session: &Session) -> Timestamp {
    let acquired = session.acquire_time.0;
    acquired.checked_add(seen.now.real(seen.timing.resource_life)).unwrap_or(acquired)
}

/// How long until a claim's resourceId is too old for a session to come of it; at once if it is.
pub(super) fn until_fence(seen: &Observed, known: &Known) -> Duration {
    let by_process = (known.seen + seen.timing.resource_life).saturating_sub(seen.now.mono);
    let age = Duration::try_from(seen.now.since(&known.session.acquire_time)).unwrap_or_default();
    by_process.max(seen.timing.resource_life.saturating_sub(age))
}
