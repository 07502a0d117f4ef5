//! What to do next: from everything that is known to exactly one step. Total, and without effects.

use std::time::Duration;

use super::bounds::{OrphanCause, claim_age, given_up, until_fence, wait_for_end};
use super::intent::{Intent, intent, next_change};
use super::observed::{Known, Observed, Problem};
use super::preflight::{self, Gate};
use super::replacement::{is_due, is_last_stop_due, wanted_difference};
use super::spec_hash::Difference;
use super::start::{self, NextStart};
use super::{arriving, backoff, handover, recovery};
use crate::api::spec::DeletionPolicy;
use crate::api::status::{EndReason, Session, SessionState};

/// The one thing that a visit does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Set the finalizer, before anything can run.
    AddFinalizer,
    /// Try whether the bucket takes files, with the keys that the vendor gets.
    Preflight,
    /// Acquire, claim and start a session, beside what the status names.
    Start(NextStart),
    /// Send the start of a claim again, with the same resourceId, because it is not known what became of it.
    StartAgain {
        /// The claim.
        attempt: i64,
    },
    /// Ask the vendor how the session is.
    Query {
        /// The session.
        attempt: i64,
    },
    /// Look into the bucket for what the session has brought.
    Look {
        /// The session.
        attempt: i64,
    },
    /// Search the bucket for the sid that was lost.
    FindSid {
        /// The session.
        attempt: i64,
    },
    /// Ask the vendor whether this sid is that of the session.
    Verify {
        /// The session.
        attempt: i64,
        /// The sid that was found.
        sid: String,
    },
    /// Send the new subscription lists to the running session.
    Update {
        /// The session.
        attempt: i64,
    },
    /// Stop the session. That it is being stopped is stored before the stop is sent.
    Stop {
        /// The session.
        attempt: i64,
        /// Why.
        cause: StopCause,
    },
    /// Report the session as one that may go on running, and let go of it.
    Orphan {
        /// The session.
        attempt: i64,
        /// Why it is given up.
        cause: OrphanCause,
    },
    /// Let the object go.
    RemoveFinalizer,
    /// Delete the finished object, its time to live being over.
    Delete,
    /// Nothing, for this long.
    Wait(Duration),
    /// Nothing, because of this; looked at again after this long.
    Refuse(Problem, Duration),
}

/// Why a session is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopCause {
    /// The job shall not run: it is deleted or suspended, or the operator is removed.
    Unwanted,
    /// The job's time is over.
    TimeOver,
    /// A new session shall take its place: changed spec, restart, or its control window or token ends.
    Replaced,
    /// It did not come up in time.
    NotConfirmed,
    /// It said that it was ending and did not.
    StuckEnding,
}

impl StopCause {
    /// The reason that history gives.
    pub fn end_reason(self) -> EndReason {
        match self {
            Self::Unwanted | Self::NotConfirmed => EndReason::Stopped,
            Self::TimeOver => EndReason::Deadline,
            Self::Replaced => EndReason::Replaced,
            Self::StuckEnding => EndReason::Lost,
        }
    }
}

impl Step {
    /// How long to wait, if that is all there is to do.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Wait(wait) | Self::Refuse(_, wait) => Some(*wait),
            Self::AddFinalizer
            | Self::Preflight
            | Self::Start(_)
            | Self::StartAgain { .. }
            | Self::Query { .. }
            | Self::Look { .. }
            | Self::FindSid { .. }
            | Self::Verify { .. }
            | Self::Update { .. }
            | Self::Stop { .. }
            | Self::Orphan { .. }
            | Self::RemoveFinalizer
            | Self::Delete => None,
        }
    }
}

/// What to do next.
pub fn plan(seen: &Observed) -> Step {
    let intent = intent(seen);
    let needs_finalizer = match intent {
        Intent::Capture => true,
        // Somebody took it away while something may run.
        Intent::Hold | Intent::Suspend | Intent::Finish(_) | Intent::Rest | Intent::Withdraw => {
            !seen.status.sessions.is_empty()
        }
        Intent::Delete => false,
    };
    if needs_finalizer && !seen.job.has_finalizer {
        return Step::AddFinalizer;
    }
    let step = match intent {
        Intent::Capture => capture(seen),
        Intent::Hold => hold(seen),
        Intent::Suspend => or_begin(seen, end_all(seen, StopCause::Unwanted)),
        Intent::Finish(_) => or_begin(seen, end_all(seen, StopCause::TimeOver)),
        Intent::Rest => rest(seen),
        Intent::Withdraw => withdraw(seen),
        Intent::Delete => delete(seen),
    };
    // A limit that is over and still not acted upon waits for a session to end, as we do.
    match next_change(seen).filter(|change| !change.is_zero()) {
        Some(change) => no_later(step, change),
        None => step,
    }
}

// === what should be: one by one ===

fn capture(seen: &Observed) -> Step {
    let waiting = each(seen, |session| match session.state {
        SessionState::Running => keep(seen, session),
        SessionState::Claimed
        | SessionState::Recovering
        | SessionState::Stopping
        | SessionState::Uncontrollable => settle(seen, session, StopCause::Unwanted),
    });
    or_begin(seen, waiting)
}

/// The start that is due, if there is nothing else to do.
fn or_begin(seen: &Observed, step: Step) -> Step {
    match (step.wait(), start::due(seen), start::one_too_many(seen)) {
        (Some(wait), Some(next), _) => no_later(begin(seen, next), wait),
        // Said aloud, for it may run: better than a job that never runs again.
        (Some(_), None, Some(attempt)) => Step::Orphan { attempt, cause: OrphanCause::NoSid },
        (_, _, _) => step,
    }
}

/// The step for a start that is due.
fn begin(seen: &Observed, next: NextStart) -> Step {
    if let Some(problem) = seen.unreadable_problem().as_ref().or(seen.start_problem.as_ref()) {
        return refuse(seen, problem);
    }
    let gate = seen.memory.attempt_gate.saturating_sub(seen.now.mono);
    let stored_gate =
        seen.status.next_attempt_time.as_ref().map_or(Duration::ZERO, |time| seen.now.until(time));
    // A wall clock that was set back must not make a wait of minutes one of hours.
    let wait = gate.max(stored_gate).max(start::wait(seen)).min(seen.timing.idle_visit);
    if !wait.is_zero() {
        return Step::Wait(wait);
    }
    // A start that is to tell what became of another has to be made whatever the bucket does.
    match preflight::gate(seen) {
        Gate::Ask if next.in_doubt.is_none() => Step::Preflight,
        Gate::Shut(wait) if next.in_doubt.is_none() => Step::Wait(wait),
        Gate::Open | Gate::Ask | Gate::Shut(_) => Step::Start(next),
    }
}

fn hold(seen: &Observed) -> Step {
    each(seen, |session| match session.state {
        SessionState::Running
            if seen.control_problem.is_none()
                && (is_last_stop_due(seen, session) || handover::gives_way(seen, session)) =>
        {
            Step::Stop { attempt: session.attempt, cause: StopCause::Replaced }
        }
        SessionState::Running => query(seen, session),
        SessionState::Stopping => settle(seen, session, StopCause::Unwanted),
        SessionState::Claimed | SessionState::Recovering | SessionState::Uncontrollable => {
            Step::Wait(seen.timing.idle_visit)
        }
    })
}

fn end_all(seen: &Observed, cause: StopCause) -> Step {
    each(seen, |session| settle(seen, session, cause))
}

fn rest(seen: &Observed) -> Step {
    if !seen.status.sessions.is_empty() {
        return or_begin(seen, end_all(seen, StopCause::Unwanted));
    }
    let time_to_live = seen.spec.as_ref().ok().and_then(|spec| spec.ttl_seconds_after_finished);
    match (time_to_live, &seen.status.completion_time) {
        (Some(seconds), Some(end)) => {
            let lives = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            if seen.now.is_past(end, lives) { Step::Delete } else { Step::Wait(seen.timing.idle_visit) }
        }
        (_, _) => Step::Wait(seen.timing.idle_visit),
    }
}

/// No session is ever given up here: whoever removes the operator is told what remains.
fn withdraw(seen: &Observed) -> Step {
    if !seen.status.sessions.is_empty() {
        return end_all(seen, StopCause::Unwanted);
    }
    if let Some(problem) = seen.unreadable_problem() {
        return refuse(seen, &problem);
    }
    release(seen)
}

/// Nothing of the job runs: its finalizer goes, if it has ours.
fn release(seen: &Observed) -> Step {
    if seen.job.has_finalizer { Step::RemoveFinalizer } else { Step::Wait(seen.timing.idle_visit) }
}

fn delete(seen: &Observed) -> Step {
    if seen.status.sessions.is_empty() {
        let deleted = seen.memory.deleting_since.unwrap_or(seen.now.mono);
        let patience = (deleted + seen.timing.orphan_without_sid).saturating_sub(seen.now.mono);
        if let Some(problem) = seen.unreadable_problem().filter(|_| !patience.is_zero()) {
            return no_later(refuse(seen, &problem), patience);
        }
        return release(seen);
    }
    let leave = seen.spec.as_ref().is_ok_and(|spec| spec.deletion_policy == DeletionPolicy::Orphan);
    each(seen, |session| {
        let cause = if leave { Some(OrphanCause::Policy) } else { given_up(seen, session) };
        match cause {
            Some(cause) => Step::Orphan { attempt: session.attempt, cause },
            None => settle(seen, session, StopCause::Unwanted),
        }
    })
}

// === one session ===

/// The step for a session that shall take snapshots.
fn keep(seen: &Observed, session: &Session) -> Step {
    let known = seen.known(session);
    let stop = |cause| Step::Stop { attempt: session.attempt, cause };
    if seen.control_problem.is_some() {
        return query(seen, session);
    }
    if is_last_stop_due(seen, session) {
        return stop(StopCause::Replaced);
    }
    if session.confirm_time.is_none() && known.unconfirmed_for >= seen.timing.confirm_within {
        return stop(StopCause::NotConfirmed);
    }
    if known.ending_since.is_some_and(|since| seen.now.mono.saturating_sub(since) >= seen.timing.ending_limit)
    {
        return stop(StopCause::StuckEnding);
    }
    if handover::gives_way(seen, session) {
        return stop(StopCause::Replaced);
    }
    // A replacement that could not be started is no reason to end what runs.
    if seen.start_problem.is_none() && !handover::has_successor(seen, session) {
        if is_due(seen, session) {
            // Else it is started beside this one, as soon as nothing else is to be done.
            return match (handover::is_wanted(seen, session), preflight::gate(seen)) {
                (true, _) | (false, Gate::Shut(_)) => query(seen, session),
                (false, Gate::Ask) => Step::Preflight,
                (false, Gate::Open) => stop(StopCause::Replaced),
            };
        }
        let new_keys = seen.keys_end.is_some() && seen.keys_end != known.keys_sent;
        let new_lists = wanted_difference(seen, session) == Difference::Lists;
        if (new_lists || new_keys) && known.update_gate <= seen.now.mono {
            return Step::Update { attempt: session.attempt };
        }
    }
    query(seen, session)
}

fn query(seen: &Observed, session: &Session) -> Step {
    let known = seen.known(session);
    if seen.control_problem.is_some() {
        return Step::Wait(seen.timing.secret_every);
    }
    if known.gate > seen.now.mono && preflight::is_due_beside(seen, session) {
        return Step::Preflight;
    }
    let look_wait = arriving::look_wait(seen, session);
    if session.confirm_time.is_some() && known.gate > seen.now.mono && look_wait.is_zero() {
        return Step::Look { attempt: session.attempt };
    }
    match gated(seen, known, Step::Query { attempt: session.attempt }) {
        Step::Wait(wait) if session.confirm_time.is_some() => Step::Wait(wait.min(look_wait)),
        step => step,
    }
}

/// The step for a session that shall not take snapshots, or whose fate has to be found out first.
fn settle(seen: &Observed, session: &Session, cause: StopCause) -> Step {
    let known = seen.known(session);
    let attempt = session.attempt;
    match session.state {
        SessionState::Running | SessionState::Stopping => match &seen.control_problem {
            Some(problem) => refuse(seen, problem),
            // The gate of a running session is that of its next query; a stop does not wait for it.
            None if session.state == SessionState::Running => Step::Stop { attempt, cause },
            None if known.stop_refused => gated(seen, known, Step::Query { attempt }),
            None => gated(seen, known, Step::Stop { attempt, cause }),
        },
        SessionState::Claimed => {
            let age = claim_age(&seen.now, session, known);
            if !known.ours && age < seen.timing.claim_grace {
                return Step::Wait(seen.timing.claim_grace - age);
            }
            match seen.start_problem.as_ref().filter(|problem| problem.stops_repeats()) {
                None => gated(seen, known, Step::StartAgain { attempt }),
                Some(problem) => no_later(refuse(seen, problem), until_fence(seen, known)),
            }
        }
        SessionState::Recovering => no_later(recovery::step(seen, session), wait_for_end(seen, session)),
        SessionState::Uncontrollable => Step::Wait(wait_for_end(seen, session)),
    }
}

fn gated(seen: &Observed, known: &Known, step: Step) -> Step {
    let wait = known.gate.saturating_sub(seen.now.mono);
    if wait.is_zero() { step } else { Step::Wait(wait) }
}

fn refuse(seen: &Observed, problem: &Problem) -> Step {
    let again = match problem {
        Problem::Secret(_) | Problem::SecretsUnreadable(_) | Problem::Token(_) => seen.timing.secret_every,
        Problem::UidTaken(_) => backoff::with_jitter(seen.timing.uid_taken_every, seen.jitter, &seen.timing),
        Problem::Region(_) | Problem::Spec(_) | Problem::NotUnderstood(_) => seen.timing.idle_visit,
    };
    Step::Refuse(problem.clone(), again)
}

fn no_later(step: Step, than: Duration) -> Step {
    match step {
        Step::Wait(wait) => Step::Wait(wait.min(than)),
        Step::Refuse(problem, wait) => Step::Refuse(problem, wait.min(than)),
        step => step,
    }
}

/// The first session's step that is not a wait; else the shortest wait.
fn each(seen: &Observed, step_of: impl Fn(&Session) -> Step) -> Step {
    let mut waiting = Step::Wait(seen.timing.idle_visit);
    for session in &seen.status.sessions {
        let step = step_of(session);
        match (step.wait(), waiting.wait()) {
            (None, _) => return step,
            (Some(wait), Some(shortest)) if wait < shortest => waiting = step,
            (Some(_), _) => {}
        }
    }
    waiting
}

#[cfg(test)]
mod tests;
