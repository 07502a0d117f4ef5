//! What time alone, or an edit, changes: fences pass, control windows end, finished jobs are revived.

use std::time::Duration;

use super::conditions;
use super::endings::{end_session, forget};
use super::intent::{Intent, intent, is_revived};
use super::notice::Notice;
use super::observed::{Observed, Problem, Starts};
use super::words;
use crate::api::status::{EndReason, SessionState};
use crate::api::{ConditionType, Reason};

/// Works in what time alone, or an edit, has changed since the last visit.
pub fn time_passed(seen: &mut Observed) -> Vec<Notice> {
    let mut notices = Vec::new();
    if is_revived(seen) {
        begin_anew(seen);
        notices.push(Notice::normal(
            Reason::Revived,
            "A finished job begins anew: its spec or its restart annotation changed.",
        ));
    }
    if intent(seen) == Intent::Suspend && seen.status.sessions.is_empty() {
        seen.status.start_time = None;
        seen.status.capture_start_time = None;
        seen.status.next_attempt_time = None;
        seen.memory.refusal = None;
    }
    note_problem(seen);
    for attempt in attempts(seen) {
        notices.extend(session_aged(seen, attempt));
    }
    notices
}

/// A finished job that is wanted again. What it reported of its past stays.
fn begin_anew(seen: &mut Observed) {
    let status = &mut seen.status;
    conditions::remove(status, ConditionType::Succeeded);
    conditions::remove(status, ConditionType::Stalled);
    status.completion_time = None;
    status.start_time = None;
    status.capture_start_time = None;
    status.next_attempt_time = None;
    status.failures = None;
    status.last_handled_restart.clone_from(&seen.job.restart);
    seen.memory.refusal = None;
    seen.memory.attempt_gate = Duration::ZERO;
    seen.memory.acquire_failures = 0;
}

/// Keeps since when a problem stands in the way.
fn note_problem(seen: &mut Observed) {
    let now = seen.now.mono;
    match &seen.start_problem {
        Some(_) => {
            seen.memory.problem_since.get_or_insert(now);
        }
        None => seen.memory.problem_since = None,
    }
    let lockout = |problem: &Option<Problem>| {
        problem.as_ref().is_some_and(|problem| matches!(problem, Problem::Secret(_) | Problem::Token(_)))
    };
    let (control, start) = (lockout(&seen.control_problem), lockout(&seen.start_problem));
    for known in seen.memory.sessions.values_mut() {
        if control || start && known.session.state == SessionState::Claimed {
            known.locked_out.get_or_insert(now);
        }
    }
}

fn session_aged(seen: &mut Observed, attempt: i64) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let wanted = matches!(intent(seen), Intent::Capture | Intent::Hold);
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    match session.state {
        SessionState::Claimed => {
            // Both clocks, for either may be wrong about the life of the resourceId.
            let fenced = now.is_past(&session.acquire_time, timing.resource_life)
                && now.mono.saturating_sub(known.seen) >= timing.resource_life;
            match known.starts {
                Starts::WithoutEffect if fenced || !wanted => {
                    forget(seen, attempt);
                    Vec::new()
                }
                Starts::Doubtful if fenced => {
                    session.state = SessionState::Recovering;
                    let words = format!(
                        "Whether the session of resourceId {} runs is not known, and its resourceId is too old to ask again.",
                        session.resource_id
                    );
                    vec![Notice::warning(Reason::RecoveringSid, words)]
                }
                Starts::WithoutEffect | Starts::Doubtful => Vec::new(),
            }
        }
        SessionState::Running | SessionState::Stopping => {
            let over = session.control_end_time.as_ref().is_some_and(|end| now.is_past(end, Duration::ZERO));
            if !over {
                return Vec::new();
            }
            session.state = SessionState::Uncontrollable;
            let words = format!(
                "{}: the vendor's control window is over, it can no longer be stopped.",
                words::session_name(session)
            );
            vec![Notice::warning(Reason::OrphanRisk, words)]
        }
        SessionState::Uncontrollable => {
            let end = session.token_end_time.clone();
            if end.is_some_and(|end| now.is_past(&end, timing.token_end_margin)) {
                end_session(seen, attempt, EndReason::Lost)
            } else {
                Vec::new()
            }
        }
        SessionState::Recovering => Vec::new(),
    }
}

fn attempts(seen: &Observed) -> Vec<i64> {
    seen.status.sessions.iter().map(|session| session.attempt).collect()
}
