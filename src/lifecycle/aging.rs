//! What time alone, or an edit, changes: fences pass, control windows end, finished jobs are revived.

use std::time::Duration;

use super::bounds::is_ours_alone;
use super::conditions;
use super::endings::{end_session, forget};
use super::intent::{Intent, intent, is_revived};
use super::notice::Notice;
use super::observed::{Observed, Problem, Starts};
use super::outcome::Kind;
use super::report::finish;
use super::{recovery, words};
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
    finish_again(seen);
    if seen.job.deleting {
        seen.memory.deleting_since.get_or_insert(seen.now.mono);
    }
    note_problem(seen);
    for attempt in attempts(seen) {
        notices.extend(session_aged(seen, attempt));
    }
    notices
}

/// A job that finished stays so, although the write that said it failed; unless it failed and was edited since.
fn finish_again(seen: &mut Observed) {
    let Some((reason, words, generation)) = seen.memory.finished.clone() else { return };
    let revived = seen.restart_wanted() || reason != Reason::Completed && generation < seen.job.generation;
    let said = conditions::get(&seen.status, ConditionType::Succeeded).is_some();
    if revived {
        seen.memory.finished = None;
    } else if !said && !seen.job.deleting {
        finish(seen, reason, &words);
    }
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
    seen.memory.finished = None;
}

/// Keeps since when a problem stands in the way.
fn note_problem(seen: &mut Observed) {
    let now = seen.now.mono;
    let since = seen.memory.problem_since;
    seen.memory.problem_since = seen.start_problem.as_ref().map(Problem::reason).map(|reason| match since {
        Some((before, since)) if before == reason => (reason, since),
        Some(_) | None => (reason, now),
    });
    let control = seen.control_problem.as_ref().map(Lock::of);
    let start = seen.start_problem.as_ref().map(Lock::of);
    for known in seen.memory.sessions.values_mut() {
        let lock = control.or(start.filter(|_| known.session.state == SessionState::Claimed));
        let refused = known.unanswered.as_ref().is_some_and(|(_, answer)| answer.kind == Kind::Unauthorized);
        known.locked_out = match lock {
            Some(Lock::Locked) => known.locked_out.or(Some(now)),
            Some(Lock::Unread | Lock::Open) | None => known.locked_out.filter(|_| refused),
        };
        known.unread = match lock {
            Some(Lock::Unread) => known.unread.or(Some(now)),
            Some(Lock::Locked | Lock::Open) | None => None,
        };
    }
}

/// What a problem means for the control of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lock {
    /// Its credentials are gone.
    Locked,
    /// Nobody can say whether they are.
    Unread,
    /// It is not about credentials.
    Open,
}

impl Lock {
    fn of(problem: &Problem) -> Self {
        match problem {
            Problem::Secret(_) | Problem::Token(_) => Self::Locked,
            Problem::SecretsUnreadable(_) => Self::Unread,
            Problem::Region(_) | Problem::Spec(_) | Problem::NotUnderstood(_) | Problem::UidTaken(_) => {
                Self::Open
            }
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
            if !is_ours_alone(&now, session, known, &timing) {
                known.starts = Starts::Doubtful;
            }
            match known.starts {
                Starts::WithoutEffect if !wanted => {
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
        SessionState::Running | SessionState::Stopping if session.sid.is_none() => {
            // Somebody edited the status; nothing can be asked or stopped without a sid.
            session.state = SessionState::Recovering;
            Vec::new()
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
        SessionState::Uncontrollable | SessionState::Recovering => {
            let end = session.token_end_time.clone();
            if recovery::is_disproved(seen, attempt)
                || end.is_some_and(|end| now.is_past(&end, timing.token_end_margin))
            {
                end_session(seen, attempt, EndReason::Lost)
            } else {
                Vec::new()
            }
        }
    }
}

fn attempts(seen: &Observed) -> Vec<i64> {
    seen.status.sessions.iter().map(|session| session.attempt).collect()
}

#[cfg(test)]
mod tests;
