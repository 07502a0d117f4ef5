//! What to say of a job: from everything that is known to conditions and phase. Words stay the same while the
//! situation does, for an object whose text changes wakes its own controller for ever.

use std::time::Duration;

use super::arriving;
use super::bounds::fence;
use super::conditions::{self, Effort, Verdict};
use super::intent::{Intent, intent, is_finished};
use super::observed::Observed;
use super::preflight;
use super::words;
use crate::api::status::{EndReason, Phase, Session, SessionState, StorageSummary};
use crate::api::{ConditionType, Reason, SnapshotJobSpec};

mod capturing;

use capturing::{capturing, is_as_wanted};

/// Writes conditions and phase into the status, for the generation that the visit acted upon.
pub fn report(seen: &mut Observed) {
    if intent(seen) == Intent::Capture {
        // Its limits count from now on, and one of nothing is over at once.
        seen.status.start_time.get_or_insert_with(|| seen.now.stored());
    }
    let intent = intent(seen);
    if let Intent::Finish(reason) = intent
        && seen.status.sessions.is_empty()
    {
        let words = match reason {
            Reason::Completed => "durationSeconds is over.",
            _ => {
                "activeDeadlineSeconds is over. Set annotation agora-snapshot.dev/restart to a new value to run it again."
            }
        };
        finish(seen, reason, words);
        return;
    }
    if intent == Intent::Suspend && seen.status.sessions.is_empty() {
        end_run(seen);
    }
    if intent == Intent::Withdraw && seen.status.sessions.is_empty() {
        // What the job waited for; its limits of time go on, for it is no new run that the next operator begins.
        seen.status.next_attempt_time = None;
        seen.memory.refusal = None;
    }
    if intent == Intent::Capture && is_as_wanted(seen) {
        // Of an attempt at a replacement that is not wanted any more.
        seen.status.next_attempt_time = None;
        seen.memory.refusal = None;
    }
    preflight::say(seen);
    arriving::say(seen);
    if let Some(verdict) = verdict(seen, intent) {
        conditions::say(&mut seen.status, &verdict, &seen.now, seen.job.generation);
    } else if seen.status.phase.is_some() {
        seen.status.observed_generation = Some(seen.job.generation);
        for condition in &mut seen.status.conditions {
            if condition.type_ != ConditionType::Succeeded.as_str() {
                condition.observed_generation = Some(seen.job.generation);
            }
        }
    }
    control_reachable(seen);
}

/// Ends the run of a suspended job: what its limits count, and what it waited for. A resume begins a new one.
fn end_run(seen: &mut Observed) {
    let status = &mut seen.status;
    status.start_time = None;
    status.capture_start_time = None;
    status.next_attempt_time = None;
    status.failures = None;
    seen.memory.refusal = None;
    // A session that was just stopped still leaves its channel.
    seen.memory.attempt_gate = seen.memory.attempt_gate.min(seen.now.mono + seen.timing.leaving);
}

/// Ends the job: completed or, for any other reason, failed.
pub fn finish(seen: &mut Observed, reason: Reason, words: &str) {
    let completed = reason == Reason::Completed;
    let (now, generation) = (seen.now, seen.job.generation);
    let (phase, effort) =
        if completed { (Phase::Succeeded, Effort::None) } else { (Phase::Failed, Effort::Stuck) };
    let verdict = Verdict { phase, ready: completed, effort, reason, message: words.to_owned() };
    conditions::say(&mut seen.status, &verdict, &now, generation);
    conditions::set(&mut seen.status, ConditionType::Succeeded, completed, reason, words, &now, generation);
    for kind in
        [ConditionType::ControlReachable, ConditionType::SnapshotsArriving, ConditionType::StorageWritable]
    {
        conditions::remove(&mut seen.status, kind);
    }
    seen.status.completion_time.get_or_insert_with(|| now.stored());
    seen.status.next_attempt_time = None;
    seen.memory.finished = Some((reason, words.to_owned(), generation));
}

/// Where the snapshots of a spec go.
pub fn storage_summary(spec: &SnapshotJobSpec) -> StorageSummary {
    StorageSummary { bucket: spec.storage.bucket.clone(), prefix: spec.storage.prefix.clone() }
}

/// What is to be said, or nothing new.
fn verdict(seen: &Observed, intent: Intent) -> Option<Verdict> {
    let working = |phase, reason, message: String| {
        Some(Verdict { phase, ready: false, effort: Effort::Working, reason, message })
    };
    let stuck = |phase, reason, message: String| {
        Some(Verdict { phase, ready: false, effort: Effort::Stuck, reason, message })
    };
    if seen.job.deleting && seen.memory.orphaned {
        let session = seen.status.history.iter().find(|past| past.end_reason == EndReason::Orphaned);
        let sid = session.and_then(|past| past.sid.clone()).unwrap_or_else(|| "unknown".into());
        let message = format!(
            "The object goes although a session may still run and be billed: sid {sid}. See the events in the operator's namespace."
        );
        return stuck(Phase::Stopping, Reason::OrphanRisk, message);
    }
    if let (Err(why), Intent::Hold) = (&seen.spec, intent) {
        let message = format!(
            "This operator does not understand the spec: {why}. A newer one may; a running session goes on meanwhile."
        );
        let phase = if seen.running().is_some() { Phase::Running } else { Phase::Pending };
        return stuck(phase, Reason::SpecNotUnderstood, message);
    }
    if let Some(session) = in_state(seen, SessionState::Uncontrollable) {
        return stuck(Phase::Recovering, Reason::OrphanRisk, words::uncontrollable(session));
    }
    if let Some(session) = in_state(seen, SessionState::Recovering) {
        let obstacle = seen.known(session).search.obstacle.as_deref();
        return working(
            Phase::Recovering,
            Reason::RecoveringSid,
            words::recovering(session, obstacle, intent, fence(seen, session)),
        );
    }
    match intent {
        Intent::Withdraw if !seen.status.sessions.is_empty() => {
            working(Phase::Stopping, Reason::Stopping, ending_words(seen, "The operator is being removed"))
        }
        Intent::Withdraw => withdrawn(seen),
        Intent::Rest if seen.status.sessions.is_empty() => finished(seen),
        Intent::Rest => None,
        Intent::Suspend if seen.status.sessions.is_empty() => Some(Verdict {
            phase: Phase::Suspended,
            ready: true,
            effort: Effort::None,
            reason: Reason::Suspended,
            message: "Suspended: no session runs. Set spec.suspend to false to go on.".into(),
        }),
        Intent::Suspend => {
            working(Phase::Stopping, Reason::Suspending, ending_words(seen, "The job is suspended"))
        }
        Intent::Finish(_) => {
            working(Phase::Stopping, Reason::Stopping, ending_words(seen, "The job's time is over"))
        }
        Intent::Delete => {
            working(Phase::Stopping, Reason::Stopping, ending_words(seen, "The job is deleted"))
        }
        Intent::Hold => None,
        Intent::Capture => capturing(seen),
    }
}

/// How the job finished, as `Succeeded` has it: what stood beside it meanwhile (an older operator's words, a session
/// that had to be stopped) is over.
fn finished(seen: &Observed) -> Option<Verdict> {
    let succeeded = conditions::get(&seen.status, ConditionType::Succeeded)?;
    let completed = succeeded.status == "True";
    let (phase, effort) =
        if completed { (Phase::Succeeded, Effort::None) } else { (Phase::Failed, Effort::Stuck) };
    let reason = Reason::parse(&succeeded.reason)?;
    Some(Verdict { phase, ready: completed, effort, reason, message: succeeded.message.clone() })
}

/// What a job says that no operator looks after. A finished one needs none, and keeps its words.
fn withdrawn(seen: &Observed) -> Option<Verdict> {
    if is_finished(seen) {
        return finished(seen);
    }
    let (effort, reason, message) = match seen.unreadable_problem() {
        Some(problem) => {
            let message = format!("The operator is being removed, and {}.", problem.words());
            (Effort::Stuck, problem.reason(), message)
        }
        None => (Effort::None, Reason::OperatorRemoved, OPERATOR_REMOVED.to_owned()),
    };
    Some(Verdict { phase: Phase::Pending, ready: false, effort, reason, message })
}

const OPERATOR_REMOVED: &str =
    "The operator was removed: no session runs. One that is installed again goes on with this job by itself.";

/// Why a session is ended, and what is in the way.
fn ending_words(seen: &Observed, why: &str) -> String {
    let obstacle = seen.control_problem.as_ref().map(|problem| problem.words().to_owned()).or_else(|| {
        seen.memory
            .sessions
            .values()
            .find_map(|known| known.unanswered.as_ref())
            .map(|(_, answer)| words::refusal(answer).words)
    });
    match obstacle {
        Some(obstacle) => {
            format!("{why}. Its session is not yet proved over: {obstacle}. The stop is repeated.")
        }
        None => format!("{why}."),
    }
}

/// Whether the vendor answers for the running session. Present only while one is confirmed.
fn control_reachable(seen: &mut Observed) {
    let kind = ConditionType::ControlReachable;
    let Some(session) = seen.running().filter(|session| session.confirm_time.is_some()).cloned() else {
        conditions::remove(&mut seen.status, kind);
        return;
    };
    let known = seen.known(&session);
    let (now, generation) = (seen.now, seen.job.generation);
    let silent = |since: Duration| now.mono.saturating_sub(since) >= seen.timing.unreachable_after;
    let resists = |other: &&Session| seen.known(other).resists_since.is_some_and(silent);
    let said = if let Some(other) = seen.status.sessions.iter().find(resists) {
        let name = words::session_name(other);
        let message =
            format!("{name}, which this one replaced, is not yet proved over: its stop is repeated.");
        Some((false, Reason::Stopping, message))
    } else if let Some(problem) = &seen.control_problem {
        Some((false, problem.reason(), problem.words().to_owned()))
    } else if known.death.is_some() {
        let message =
            "The vendor does not know the session at the moment; it may be moving to another server.";
        Some((false, Reason::PossibleFailover, message.to_owned()))
    } else {
        match &known.unanswered {
            Some((since, answer)) if known.repeats >= seen.timing.unreachable_failures && silent(*since) => {
                let refusal = words::refusal(answer);
                Some((false, refusal.reason, refusal.words))
            }
            Some(_) => None,
            // A new process has not asked yet: what was said holds until it has.
            None if known.last_answer.is_none() && conditions::get(&seen.status, kind).is_some() => None,
            None => Some((true, Reason::Reachable, "The vendor answers for the session.".to_owned())),
        }
    };
    if let Some((value, reason, message)) = said {
        conditions::set(&mut seen.status, kind, value, reason, &message, &now, generation);
    }
}

fn in_state(seen: &Observed, state: SessionState) -> Option<&Session> {
    seen.status.sessions.iter().find(|session| session.state == state)
}

#[cfg(test)]
mod tests;
