//! A session whose sid was lost: where the sid is looked for, what proves a candidate, and when the search is given up
//! in favour of asking by a start. Owns the search's state; `plan` acts, the bucket itself is `snapshots`'.
//!
//! Without its sid a session can neither be queried nor stopped. Its snapshots carry the sid in their names, and a query
//! with the resourceId that was claimed for it proves which of them is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bounds::until_fence;
use super::death::DeathRun;
use super::notice::Notice;
use super::observed::Observed;
use super::outcome::{Identity, Kind, Outcome, Queried};
use super::plan::Step;
use super::{answers, backoff, endings, start};
use crate::api::Reason;
use crate::api::status::{EndReason, Session, SessionState};

/// What is known of the search for one session's sid. Lives in memory: a new process searches anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// No look into the bucket before this time, monotonic.
    pub gate: Duration,
    /// Searches that came to an end.
    pub rounds: u32,
    /// When the newest of them did, monotonic.
    pub ended: Option<Duration>,
    /// Why the bucket could not be searched, when it was last tried.
    pub obstacle: Option<String>,
    /// Sids that were found and have neither been proved nor ruled out.
    pub candidates: BTreeMap<String, Candidate>,
    /// Sids that notifications told of and that became candidates: none does twice.
    pub offered: BTreeSet<String>,
}

/// What is known of a sid that may be the lost one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// It is not asked about before this time, monotonic.
    pub gate: Duration,
    /// The vendor does not know it: gone, or moving to another server.
    pub death: Option<DeathRun>,
}

/// What a look into the bucket found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Sids of no other session that is known.
    pub sids: Vec<String>,
    /// Whether all names were seen that can matter; else the next look goes on.
    pub complete: bool,
    /// Why it ended early, if not at a limit.
    pub obstacle: Option<String>,
}

/// The step that brings a session with a lost sid nearer to its sid, or to the proof that it is over.
pub(super) fn step(seen: &Observed, session: &Session) -> Step {
    let known = seen.known(session);
    let now = seen.now.mono;
    let attempt = session.attempt;
    let mut waits = Vec::new();
    // As long as the resourceId lives, its start can be repeated: the answer may bring the sid after all.
    let repeatable = seen.start_problem.as_ref().is_none_or(|problem| !problem.stops_repeats());
    if repeatable && session.sid.is_none() && !until_fence(seen, known).is_zero() {
        if known.gate <= now {
            return Step::StartAgain { attempt };
        }
        waits.push(known.gate - now);
    }
    if seen.control_problem.is_none() {
        if let Some((sid, candidate)) = known.search.candidates.iter().min_by_key(|(_, one)| one.gate) {
            if candidate.gate <= now {
                return Step::Verify { attempt, sid: sid.clone() };
            }
            waits.push(candidate.gate - now);
        }
        if seen.spec.is_ok() {
            if known.search.gate <= now {
                return Step::FindSid { attempt };
            }
            waits.push(known.search.gate - now);
        }
    }
    waits.push(until_fence(seen, known));
    let wait = waits.into_iter().filter(|wait| !wait.is_zero()).min();
    Step::Wait(wait.unwrap_or(seen.timing.idle_visit))
}

/// Whether all was tried that can tell the sid, so that only a start under the same uid can still tell whether the
/// session runs: its resourceId is too old for another session, and the bucket was searched since, with no candidate
/// left to ask about. That is late enough, too, for a failover, under which the fence of the uid is down, to be over.
pub(super) fn is_given_up(seen: &Observed, session: &Session) -> bool {
    match session.state {
        // It ran, and long enough for a failover, under which the fence of its uid is down: a hard end is waited for.
        SessionState::Uncontrollable => session.token_end_time.is_none(),
        SessionState::Claimed | SessionState::Running | SessionState::Stopping => false,
        SessionState::Recovering => {
            let known = seen.known(session);
            let fence = known.seen + seen.timing.resource_life;
            until_fence(seen, known).is_zero()
                && known.search.candidates.is_empty()
                && known.search.ended.is_some_and(|ended| ended >= fence)
        }
    }
}

/// A look into the bucket for a lost sid.
pub fn searched(seen: &mut Observed, attempt: i64, found: Found) {
    let now = seen.now.mono;
    let (timing, jitter) = (seen.timing, seen.jitter);
    let fence = seen.session(attempt).map(|session| until_fence(seen, seen.known(session)));
    let Some((_, known)) = seen.session_mut(attempt) else { return };
    let search = &mut known.search;
    for sid in found.sids {
        search.candidates.entry(sid).or_insert(Candidate { gate: now, death: None });
    }
    if !found.complete && found.obstacle.is_none() {
        search.gate = now + timing.repeat_network[0];
        return;
    }
    search.obstacle = found.obstacle;
    search.rounds = search.rounds.saturating_add(1);
    search.ended = Some(now);
    let wait = backoff::with_jitter(backoff::after_failure(search.rounds, &timing), jitter, &timing);
    // The first search after the fence settles the matter: it is not put off by the vain ones before it.
    search.gate = now + fence.filter(|fence| !fence.is_zero()).map_or(wait, |fence| wait.min(fence));
}

/// The answer to a query with a candidate. Only one that names everything as it was claimed is believed.
pub fn verified(seen: &mut Observed, attempt: i64, sid: &str, outcome: Outcome<Queried>) -> Vec<Notice> {
    let now = seen.now;
    let (timing, jitter) = (seen.timing, seen.jitter);
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    if session.sid.is_some() {
        return Vec::new();
    }
    match outcome {
        Outcome::Confirmed(Queried { identity: Identity::Proved, .. }) => {
            let stopping = session.stop_reason.is_some();
            session.state = if stopping { SessionState::Stopping } else { SessionState::Running };
            session.sid = Some(sid.to_owned());
            // Nobody knows better: its start was sent within seconds of that.
            session.start_time = Some(session.acquire_time.clone());
            known.search = Search::default();
            known.answered();
            known.gate = now.mono;
            known.last_answer = Some(now.mono);
            seen.memory.refusal = None;
            let words =
                format!("The sid that was lost is {sid}: found again, and proved by the vendor's answer.");
            vec![Notice::normal(Reason::SidRecovered, words)]
        }
        Outcome::Confirmed(Queried { identity: Identity::Likely | Identity::Other, .. }) => {
            known.search.candidates.remove(sid);
            Vec::new()
        }
        // Gone, or moving to another server: only a run of them tells.
        Outcome::Rejected(answer) if answer.kind == Kind::NotFound => {
            let before = known.search.candidates.get(sid).and_then(|candidate| candidate.death);
            let run = DeathRun::with_answer(before, now.mono, &timing);
            if run.is_dead(timing.death_after, &timing) {
                known.search.candidates.remove(sid);
            } else {
                let candidate = Candidate { gate: now.mono + timing.death_every, death: Some(run) };
                known.search.candidates.insert(sid.to_owned(), candidate);
            }
            Vec::new()
        }
        Outcome::Rejected(answer) if is_not_it(answer.kind) => {
            known.search.candidates.remove(sid);
            Vec::new()
        }
        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {
            let wait = backoff::before_repeat(&answer, known.repeats, &timing).min(timing.query_every);
            known.repeats += 1;
            let gate = now.mono + backoff::with_jitter(wait, jitter, &timing);
            let death = known.search.candidates.get(sid).and_then(|candidate| candidate.death);
            known.search.candidates.insert(sid.to_owned(), Candidate { gate, death });
            answers::note_unanswered(known, answer, now.mono);
            Vec::new()
        }
    }
}

/// Whether the vendor says that sid and resourceId do not belong together.
fn is_not_it(kind: Kind) -> bool {
    match kind {
        Kind::InvalidParameter | Kind::ResourceInvalid => true,
        Kind::NotFound
        | Kind::Unauthorized
        | Kind::AppIdInvalid
        | Kind::NoRoute
        | Kind::RateLimited
        | Kind::AccountSuspended
        | Kind::QuotaExceeded
        | Kind::Conflict
        | Kind::NoWorker
        | Kind::Late
        | Kind::BackendTimeout
        | Kind::ServerFault
        | Kind::TimedOut
        | Kind::ConnectionLost
        | Kind::Unreadable
        | Kind::Unreachable => false,
    }
}

/// Whether another session runs under the uid of one in doubt, whose resourceId is too old to start anything: the vendor
/// would not have two. So it is when an older status was restored, or the sid of the other was found meanwhile.
pub(super) fn is_disproved(seen: &Observed, attempt: i64) -> bool {
    let Some(doubt) = seen.session(attempt) else { return false };
    let fence = seen.known(doubt).seen + seen.timing.resource_life;
    let answered = |other: &Session| seen.known(other).last_answer.is_some_and(|at| at >= fence);
    until_fence(seen, seen.known(doubt)).is_zero()
        && seen.status.sessions.iter().any(|other| {
            other.state == SessionState::Running
                && other.confirm_time.is_some()
                && (other.attempt > attempt || other.attempt < attempt && answered(other))
                && start::shares_fence(doubt, other)
        })
}

/// A start under the uid of sessions in doubt took effect: none of them can be running. `attempt` is its claim.
pub(super) fn resolved_by_start(seen: &mut Observed, attempt: i64) -> Vec<Notice> {
    let Some(started) = seen.session(attempt).cloned() else { return Vec::new() };
    let over: Vec<i64> = seen
        .status
        .sessions
        .iter()
        .filter(|other| other.attempt != attempt && start::shares_fence(&started, other))
        .filter(|other| match other.state {
            SessionState::Recovering | SessionState::Uncontrollable => true,
            SessionState::Claimed | SessionState::Running | SessionState::Stopping => false,
        })
        .map(|other| other.attempt)
        .collect();
    over.into_iter()
        .flat_map(|attempt| {
            let reason = seen.session(attempt).and_then(|session| session.stop_reason);
            endings::end_session(seen, attempt, reason.unwrap_or(EndReason::Lost))
        })
        .collect()
}

#[cfg(test)]
mod tests;
