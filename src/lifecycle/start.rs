//! Whether a session is to be started next, and as whom. Owns the second fence: which recorder uid a start joins with.
//! What stands in the way of the start, and how long it waits, is not asked here.

use std::time::Duration;

use super::handover;
use super::intent::{Intent, intent};
use super::observed::Observed;
use super::recorder;
use super::recovery;
use crate::api::status::{EndReason, PastSession, Session, SessionState};

/// Sessions beside which no start is tried: the status holds four at most, and a claim has to find room.
const MOST_UNRESOLVED: usize = 3;

/// A start that is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NextStart {
    /// Recorder uid to join with.
    pub recorder_uid: i64,
    /// The session of which nobody knows whether it runs, and whose App ID, channel and uid are taken so that the answer
    /// tells: code 53 that it does, a sid that it does not.
    pub in_doubt: Option<i64>,
}

/// The start that is due, whatever stands in its way.
pub fn due(seen: &Observed) -> Option<NextStart> {
    let wanted = match intent(seen) {
        Intent::Capture => true,
        // Else a doubt would last for ever where nothing shall run: a few billed seconds buy certainty.
        Intent::Suspend | Intent::Finish(_) | Intent::Rest => false,
        Intent::Hold | Intent::Withdraw | Intent::Delete => return None,
    };
    let (mut running, mut unresolved) = (Vec::new(), Vec::new());
    for session in &seen.status.sessions {
        match session.state {
            SessionState::Running => running.push(session),
            SessionState::Recovering | SessionState::Uncontrollable => unresolved.push(session),
            // What becomes of it has to be known first.
            SessionState::Claimed | SessionState::Stopping => return None,
        }
    }
    match (running.as_slice(), unresolved.as_slice()) {
        ([], []) if wanted => fresh_uid(seen).map(|recorder_uid| NextStart { recorder_uid, in_doubt: None }),
        ([one], []) if wanted && handover::is_wanted(seen, one) => {
            handover::successor_uid(seen, one).map(|recorder_uid| NextStart { recorder_uid, in_doubt: None })
        }
        ([], [_, ..]) => asking(seen, &unresolved),
        // Also beside what runs under the other uid: the handover of which it is in doubt would never end.
        ([one], [first, ..]) if wanted && one.confirm_time.is_some() && !shares_fence(one, first) => {
            asking(seen, &unresolved)
        }
        (_, _) => None,
    }
}

/// The start that tells whether sessions in doubt run, when nothing else can: one under a uid tells of all under it. Those
/// under another uid are asked about after it, unless they have a hard end that can be waited for.
fn asking(seen: &Observed, unresolved: &[&Session]) -> Option<NextStart> {
    let (first, others) = unresolved.split_first()?;
    let same_fence = others.iter().all(|other| shares_fence(first, other) || other.token_end_time.is_none());
    let settled = unresolved.iter().all(|session| recovery::is_given_up(seen, session));
    let next = NextStart { recorder_uid: first.recorder_uid, in_doubt: Some(first.attempt) };
    (same_fence && settled && unresolved.len() < MOST_UNRESOLVED).then_some(next)
}

/// The oldest of so many sessions in doubt that no start can ask about them any more: without it the others can be.
pub(super) fn one_too_many(seen: &Observed) -> Option<i64> {
    let is_in_doubt = |session: &Session| match session.state {
        SessionState::Recovering | SessionState::Uncontrollable => true,
        SessionState::Claimed | SessionState::Running | SessionState::Stopping => false,
    };
    let sessions = &seen.status.sessions;
    let stuck = sessions.len() >= MOST_UNRESOLVED
        && sessions.iter().all(|session| is_in_doubt(session) && recovery::is_given_up(seen, session));
    sessions.first().filter(|_| stuck).map(|session| session.attempt)
}

/// How long a start that is due has to wait for a handover before it.
pub(super) fn wait(seen: &Observed) -> Duration {
    seen.running().map_or(Duration::ZERO, |session| handover::wait(seen, session))
}

/// Whether two sessions cannot run at the same time, for the vendor refuses the second with code 53.
pub(super) fn shares_fence(one: &Session, other: &Session) -> bool {
    one.recorder_uid == other.recorder_uid && one.app_id == other.app_id && one.channel == other.channel
}

/// The recorder uid of a session that is started while nothing is known to run: the one that the last session had, lest
/// one be started beside it that is not as dead as it seems. The uid changes in a handover, and when a replacement was
/// gone as soon as it had come: a twin under the same uid, after a failover of the vendor's, throws it out.
fn fresh_uid(seen: &Observed) -> Option<i64> {
    let spec = seen.spec.as_ref().ok()?;
    let uids = recorder::uids(spec, &seen.job.namespace, &seen.job.name);
    let last = seen.status.history.first().filter(|past| uids.contains(&past.recorder_uid));
    let Some(last) = last else { return uids.first().copied() };
    let other = uids.iter().copied().find(|uid| *uid != last.recorder_uid);
    if was_evicted(seen, last) { other.or(Some(last.recorder_uid)) } else { Some(last.recorder_uid) }
}

/// Whether this was the replacement of a lost session, under its uid, and was lost itself within 90 s of its start. The
/// end that history tells is that of the death run.
fn was_evicted(seen: &Observed, last: &PastSession) -> bool {
    let replaced = seen.status.history.get(1).is_some_and(|before| {
        before.end_reason == EndReason::Lost && before.recorder_uid == last.recorder_uid
    });
    let proof = seen.timing.death_after + seen.timing.death_gap;
    replaced
        && last.end_reason == EndReason::Lost
        && last
            .start_time
            .as_ref()
            .is_some_and(|start| seen.now.span(start, last.end_time.0) <= seen.timing.evicted_within + proof)
}
