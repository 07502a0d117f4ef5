//! What to say of a job that shall take snapshots: how far its session is, what stands in the way, what comes next.

use std::time::Duration;

use super::{ending_words, in_state};
use crate::api::status::{EndReason, Phase, Session, SessionState};
use crate::api::{ConditionType, Reason};
use crate::lifecycle::conditions::{self, Effort, Verdict};
use crate::lifecycle::observed::{Known, Observed, Problem};
use crate::lifecycle::preflight::{self, Tried};
use crate::lifecycle::replacement::{is_renewal_due, wanted_difference};
use crate::lifecycle::spec_hash::Difference;
use crate::lifecycle::{arriving, handover, words};

/// What is to be said while there should be a session, or nothing new.
pub(super) fn capturing(seen: &Observed) -> Option<Verdict> {
    let working = |phase, reason, message: &str| {
        Some(Verdict { phase, ready: false, effort: Effort::Working, reason, message: message.to_owned() })
    };
    if let Some(session) = seen.running() {
        if let Some(problem) = seen.start_problem.as_ref().filter(|_| needs_replacement(seen, session)) {
            let message = format!("{}. The session of the former spec goes on meanwhile.", problem.words());
            let effort = problem_effort(seen, problem);
            return Some(Verdict {
                phase: Phase::Running,
                ready: false,
                effort,
                reason: problem.reason(),
                message,
            });
        }
        if let Some(tried) = preflight::obstacle(seen).filter(|_| needs_replacement(seen, session)) {
            let message = format!("{}. The session of the former spec goes on meanwhile.", tried.words);
            return Some(held_back(seen, tried, Phase::Running, message));
        }
        if let Some(refusal) = seen.memory.refusal.as_ref().filter(|_| needs_replacement(seen, session)) {
            let effort = if refusal.needs_person { Effort::Stuck } else { Effort::Working };
            let message = format!(
                "{}. The session of the former spec goes on meanwhile; a new one is tried again at status.nextAttemptTime.",
                refusal.words
            );
            return Some(Verdict {
                phase: Phase::Running,
                ready: false,
                effort,
                reason: refusal.reason,
                message,
            });
        }
        if needs_replacement(seen, session) {
            return Some(replacing(seen, session));
        }
        return if session.confirm_time.is_some() {
            let message = words::capturing(session);
            let (effort, reason) = (Effort::None, Reason::Capturing);
            let good = Verdict { phase: Phase::Running, ready: true, effort, reason, message };
            Some(arriving::verdict(seen).unwrap_or(good))
        } else {
            working(Phase::Starting, Reason::Starting, STARTING)
        };
    }
    if let Some(session) = in_state(seen, SessionState::Stopping) {
        if session.stop_reason == Some(EndReason::Replaced) {
            return working(
                Phase::Stopping,
                Reason::Replacing,
                "The session is stopped, then a new one is started.",
            );
        }
        let message = ending_words(seen, "The session is stopped, then a new one is started");
        return working(Phase::Stopping, Reason::Stopping, &message);
    }
    if let Some(session) = in_state(seen, SessionState::Claimed) {
        if let Some(problem) = seen.start_problem.as_ref().filter(|problem| problem.stops_repeats()) {
            let message = format!("{}. The start is repeated when that is mended.", problem.words());
            let effort = problem_effort(seen, problem);
            return Some(Verdict {
                phase: Phase::Starting,
                ready: false,
                effort,
                reason: problem.reason(),
                message,
            });
        }
        return match seen.known(session) {
            Known { unanswered: Some((_, answer)), .. } => {
                let refusal = words::refusal(answer);
                working(
                    Phase::Starting,
                    refusal.reason,
                    &format!("{}. The start is repeated.", refusal.words),
                )
            }
            Known { unanswered: None, .. } => working(Phase::Starting, Reason::Starting, STARTING),
        };
    }
    if let Some(problem) = seen.unreadable_problem().as_ref().or(seen.start_problem.as_ref()) {
        let message = format!("{}. {}", problem.words(), what_next(problem));
        let effort = problem_effort(seen, problem);
        return Some(Verdict {
            phase: Phase::Pending,
            ready: false,
            effort,
            reason: problem.reason(),
            message,
        });
    }
    if let Some(tried) = preflight::obstacle(seen) {
        let message = format!(
            "{}. No session is started meanwhile: it would be billed, and bring nothing. The bucket is tried again at \
             growing waits, and at once when the Secret or the spec is changed.",
            tried.words
        );
        return Some(held_back(seen, tried, Phase::Pending, message));
    }
    match &seen.memory.refusal {
        Some(refusal) => {
            let phase = if refusal.reason == Reason::QuotaQueued { Phase::Queued } else { Phase::Waiting };
            let effort = if refusal.needs_person { Effort::Stuck } else { Effort::Working };
            let message =
                format!("{}. The next attempt follows by itself; see status.nextAttemptTime.", refusal.words);
            Some(Verdict { phase, ready: false, effort, reason: refusal.reason, message })
        }
        // What an earlier process wrote about the wait still holds.
        None if seen.status.next_attempt_time.is_some() => None,
        None => working(Phase::Starting, Reason::Acquiring, "A session is being reserved."),
    }
}

const STARTING: &str = "The session was asked for; the vendor has not yet confirmed that it runs.";

/// What is said while a session does not yet do what the spec says.
fn replacing(seen: &Observed, session: &Session) -> Verdict {
    let lists_only = wanted_difference(seen, session) == Difference::Lists && !seen.restart_wanted();
    let (phase, message) = if lists_only {
        let refused = seen.known(session).unanswered.as_ref();
        let refused = refused.map(|(_, answer)| format!(" {}.", words::refusal(answer).words));
        let message =
            "The subscription lists changed: they are sent to the running session until it takes them.";
        (Phase::Running, format!("{message}{}", refused.unwrap_or_default()))
    } else if handover::is_wanted(seen, session) || handover::has_successor(seen, session) {
        let message = "The spec or the restart annotation changed: a new session is started, and this one is stopped \
                       as soon as the new one runs.";
        (Phase::Running, message.into())
    } else {
        (
            Phase::Stopping,
            "The session is replaced by a new one: its spec or the restart annotation changed.".into(),
        )
    };
    Verdict { phase, ready: false, effort: Effort::Working, reason: Reason::Replacing, message }
}

/// Whether the session that runs is the one that the spec wants, and the only one.
pub(super) fn is_as_wanted(seen: &Observed) -> bool {
    let alone = seen.status.sessions.len() == 1;
    alone
        && seen.running().is_some_and(|session| {
            session.confirm_time.is_some()
                && !needs_replacement(seen, session)
                && !is_renewal_due(seen, session)
        })
}

fn needs_replacement(seen: &Observed, session: &Session) -> bool {
    wanted_difference(seen, session) != Difference::None || seen.restart_wanted()
}

/// A Secret is often applied a moment after the job: only when it stays away is a person needed.
fn problem_effort(seen: &Observed, problem: &Problem) -> Effort {
    match problem {
        Problem::Region(_) | Problem::Spec(_) | Problem::NotUnderstood(_) | Problem::Token(_) => {
            Effort::Stuck
        }
        Problem::UidTaken(_) => Effort::Working,
        Problem::Secret(_) | Problem::SecretsUnreadable(_) => {
            let since = seen.memory.problem_since.map_or(seen.now.mono, |(_, since)| since);
            patient_effort(seen, problem.reason(), since)
        }
    }
}

/// The effort about something that is often mended in a moment, and is in the way since then.
fn patient_effort(seen: &Observed, reason: Reason, since: Duration) -> Effort {
    let stuck_before = conditions::get(&seen.status, ConditionType::Stalled)
        .is_some_and(|condition| condition.reason == reason.as_str());
    let long = seen.now.mono.saturating_sub(since) >= seen.timing.secret_patience;
    if long || stuck_before { Effort::Stuck } else { Effort::Working }
}

/// What is said while nothing is started because the bucket refuses files.
fn held_back(seen: &Observed, tried: &Tried, phase: Phase, message: String) -> Verdict {
    let effort = patient_effort(seen, tried.reason, tried.since);
    Verdict { phase, ready: false, effort, reason: tried.reason, message }
}

fn what_next(problem: &Problem) -> &'static str {
    match problem {
        Problem::Secret(_) | Problem::SecretsUnreadable(_) => "It is looked for every 15 s.",
        Problem::Token(_) => "The Secret is looked at every 15 s for a new token.",
        Problem::Region(_) => "Mend spec.storage.",
        Problem::Spec(_) => "Mend the spec.",
        Problem::NotUnderstood(_) => "A newer operator may understand it.",
        Problem::UidTaken(_) => {
            "It is tried again when the uid is free; or give spec.channel.recorders another uid."
        }
    }
}
