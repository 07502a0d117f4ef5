//! What the vendor's answers mean for a job: works them into the status and the memory.

use std::time::Duration;

use super::arriving::{self, Listing, Look, Sight};
use super::backoff;
use super::bounds::{OrphanCause, claim_age, is_ours_alone};
use super::endings::{end_session, forget, go_back, leaves, missing, refused};
use super::notice::Notice;
use super::observed::{Known, Observed, Starts};
use super::outcome::{Answer, Identity, Kind, Outcome, Queried, Started, Stopped};
use super::timing::{Timing, stored};
use super::{hearing, recovery, spec_hash, words};
use crate::api::Reason;
use crate::api::status::{EndReason, SessionState};

/// An acquire that gave no resourceId. Nothing was billed, nothing has to be cleaned up.
pub fn not_acquired(seen: &mut Observed, outcome: &Outcome<()>) -> Vec<Notice> {
    if let Some(answer) = outcome.answer() {
        refused(seen, answer);
    }
    Vec::new()
}

/// The answer to a start. `attempt` is the claim, `hash` that of the spec which was sent.
pub fn started(seen: &mut Observed, attempt: i64, hash: &str, outcome: Outcome<Started>) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let jitter = seen.jitter;
    let keys_end = seen.keys_end;
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    // Somebody else, who repeated the start meanwhile, got the sid and saved it.
    if session.sid.is_some() {
        return Vec::new();
    }
    if !is_ours_alone(&now, session, known, &timing) {
        known.starts = Starts::Doubtful;
    }
    // Else an earlier start took effect, not this one: it runs with what the claim says of the earlier ones.
    let is_new = matches!(outcome, Outcome::Confirmed(Started::New { .. }));
    match outcome {
        Outcome::Confirmed(Started::New { sid } | Started::Already { sid: Some(sid) }) => {
            session.state = SessionState::Running;
            session.start_time = Some(now.stored());
            if is_new {
                // The vendor counts from the sid. Of a session that ran before nobody knows since when: what was
                // written, counted from the acquire, is early enough.
                let control_life = session.control_end_time.as_ref().map(|end| now.until(end));
                let since_acquire = Duration::try_from(now.since(&session.acquire_time)).unwrap_or_default();
                session.control_end_time = control_life.map(|life| now.after(life + since_acquire));
                session.spec_hash = hash.to_owned();
            }
            let words = format!("Session {sid} started with recorder uid {}.", session.recorder_uid);
            session.sid = Some(sid);
            known.answered();
            known.keys_sent = keys_end;
            known.last_answer = Some(now.mono);
            known.gate = now.mono + timing.confirm_at[0];
            seen.memory.refusal = None;
            seen.memory.acquire_failures = 0;
            let mut notices = vec![Notice::normal(Reason::SessionStarted, words)];
            notices.extend(recovery::resolved_by_start(seen, attempt));
            notices
        }
        Outcome::Confirmed(Started::Already { sid: None }) => {
            known.gate = now.mono + timing.death_every;
            let mut notices = Vec::new();
            if session.state != SessionState::Recovering {
                session.state = SessionState::Recovering;
                let words = format!(
                    "The session of resourceId {} runs, but the answer with its sid was lost. No second one is started.",
                    session.resource_id
                );
                notices.push(Notice::warning(Reason::RecoveringSid, words));
            }
            notices.extend(recovery::resolved_by_start(seen, attempt));
            notices
        }
        Outcome::Rejected(answer)
            if known.starts == Starts::Doubtful || session.state == SessionState::Recovering =>
        {
            if answer.kind == Kind::Conflict && session.state != SessionState::Recovering {
                session.state = SessionState::Recovering;
                known.gate = now.mono + timing.death_every;
                let words =
                    "The recorder uid is taken, most likely by this job's own session whose sid was lost.";
                return vec![Notice::warning(Reason::RecoveringSid, words)];
            }
            known.gate = now.mono + repeat(known, &answer, jitter, &timing, timing.death_every);
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
        Outcome::Rejected(answer) if answer.kind != Kind::RateLimited => {
            if answer.kind == Kind::Conflict
                && let Some(notices) = go_back(seen, attempt)
            {
                return notices;
            }
            forget(seen, attempt);
            refused(seen, &answer);
            Vec::new()
        }
        // The resourceId is as good as it was.
        Outcome::Rejected(answer) | Outcome::NotSent(answer) => {
            let wait = repeat(known, &answer, jitter, &timing, timing.death_every);
            let age = claim_age(&now, session, known);
            if known.starts == Starts::WithoutEffect && age + wait >= timing.claim_grace {
                // Before others may take it up, and nobody can say any more that it is unused.
                forget(seen, attempt);
                refused(seen, &answer);
                return Vec::new();
            }
            known.gate = now.mono + wait;
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
        Outcome::Unknown(answer) => {
            known.starts = Starts::Doubtful;
            known.gate = now.mono + repeat(known, &answer, jitter, &timing, timing.death_every);
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
    }
}

/// The answer to a query.
pub fn queried(seen: &mut Observed, attempt: i64, outcome: Outcome<Queried>) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let jitter = seen.jitter;
    let every = query_interval(seen, attempt);
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    match outcome {
        Outcome::Confirmed(Queried { status, identity: Identity::Proved | Identity::Likely }) => {
            known.answered();
            known.death = None;
            known.missing_since = None;
            let quiet = known.last_answer.map_or(Duration::ZERO, |last| now.mono.saturating_sub(last));
            known.last_answer = Some(now.mono);
            if session.state == SessionState::Stopping {
                // Such a session is never believed to be running again; the stop is repeated.
                known.stop_refused = false;
                known.gate = now.mono + timing.death_every;
                return Vec::new();
            }
            if is_ending(status) {
                known.ending_since.get_or_insert(now.mono);
                known.gate = now.mono + timing.death_every;
                return Vec::new();
            }
            known.ending_since = None;
            known.highest_status = known.highest_status.max(Some(status));
            arriving::status_reported(known, status, &now, &timing);
            if is_running(status) {
                known.last_alive = Some(now.wall);
            }
            if session.confirm_time.is_none() && is_running(status) {
                session.confirm_time = Some(now.stored());
                known.look_gate = now.mono + timing.look_first;
                seen.status.capture_start_time.get_or_insert_with(|| now.stored());
            }
            let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
            if session.confirm_time.is_some() {
                known.gate = now.mono + backoff::with_jitter(every, jitter, &timing);
                let confirmed = session.confirm_time.clone();
                // Those of a replacement that does not come up are not forgotten because the old session runs.
                if seen.memory.refusal.is_none()
                    && confirmed.is_some_and(|since| now.is_past(&since, timing.failures_forgotten_after))
                {
                    seen.status.failures = None;
                }
            } else {
                // A gap in which the vendor was silent says nothing about the session.
                known.unconfirmed_for += quiet.min(timing.death_every);
                known.confirm_queries += 1;
                known.gate = now.mono + next_confirm(known, &timing);
            }
            Vec::new()
        }
        Outcome::Rejected(answer) if answer.kind == Kind::NotFound => missing(seen, attempt),
        Outcome::Confirmed(Queried { identity: Identity::Other, .. }) => {
            let words = "the vendor's answer names another session".to_owned();
            let answer =
                Answer { kind: Kind::Unreadable, http: Some(200), code: None, words, retry_after: None };
            known.gate = now.mono + repeat(known, &answer, jitter, &timing, every);
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {
            known.stop_refused = false;
            known.gate = now.mono + repeat(known, &answer, jitter, &timing, every);
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
    }
}

/// The answer to an update of the subscription lists. `hash` is that of the spec which was sent.
pub fn updated(seen: &mut Observed, attempt: i64, hash: &str, outcome: Outcome<()>) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let jitter = seen.jitter;
    let keys_end = seen.keys_end;
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    match outcome {
        Outcome::Confirmed(()) => {
            known.answered();
            known.keys_sent = keys_end;
            session.spec_hash = hash.to_owned();
            Vec::new()
        }
        Outcome::Rejected(answer) if answer.kind == Kind::NotFound => {
            known.update_gate = now.mono + timing.death_every;
            missing(seen, attempt)
        }
        Outcome::Rejected(answer) if answer.kind == Kind::InvalidParameter => {
            // What a running session does not take, a new one may.
            session.spec_hash = spec_hash::UNCLEAR.to_owned();
            known.update_gate = now.mono + timing.query_every;
            let words = format!(
                "The vendor did not take the new subscription lists: {}. The session is replaced.",
                words::said(&answer)
            );
            vec![Notice::warning(Reason::InvalidParameter, words)]
        }
        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {
            known.update_gate = now.mono + repeat(known, &answer, jitter, &timing, timing.query_every);
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
    }
}

/// The answer to a stop.
pub fn stopped(seen: &mut Observed, attempt: i64, outcome: Outcome<Stopped>) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let jitter = seen.jitter;
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    match outcome {
        Outcome::Confirmed(_) => {
            let reason = session.stop_reason.unwrap_or(EndReason::Stopped);
            leaves(seen);
            end_session(seen, attempt, reason)
        }
        Outcome::Rejected(answer) if answer.kind == Kind::NotFound => missing(seen, attempt),
        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {
            known.gate = now.mono + repeat(known, &answer, jitter, &timing, timing.query_every);
            known.resists_since.get_or_insert(now.mono);
            if answer.kind == Kind::InvalidParameter
                && let Some(uid) = hearing::other_stop_uid(session, known)
            {
                known.stop_uid = Some(uid);
                known.gate = now.mono;
                return Vec::new();
            }
            // Refused for good, it may be over long since: only a query tells.
            known.stop_refused =
                answer.kind == Kind::InvalidParameter || answer.kind == Kind::ResourceInvalid;
            note_unanswered(known, answer, now.mono);
            Vec::new()
        }
    }
}

/// A session was told of as an orphan and is let go of.
pub fn orphaned(seen: &mut Observed, attempt: i64, cause: OrphanCause) -> Vec<Notice> {
    if seen.session(attempt).is_some() && seen.job.deleting && cause != OrphanCause::Policy {
        seen.memory.orphaned = true;
    }
    end_session(seen, attempt, EndReason::Orphaned)
}

/// A look into the bucket: what was found over all sessions, and when to look again.
pub fn looked(seen: &mut Observed, attempt: i64, sight: Sight, again: Duration) {
    let (now, look_first) = (seen.now, seen.timing.look_first);
    // The rest of what a look found a part of tells whether anybody is missed.
    let goes_on = sight.listing == Listing::Seen { whole: false };
    if let Some((_, known)) = seen.session_mut(attempt) {
        if sight.listing != Listing::None {
            known.listed = Some(now.mono);
        }
        // One that could not list, for want of a spec, would be due again at once.
        if sight.listing != Listing::None || known.doubt_gate <= now.mono {
            known.doubt_gate = Duration::MAX;
        }
        match sight.listing {
            Listing::None | Listing::CutShort => {}
            Listing::Seen { whole } => {
                known.look = Some(Look { time: now.wall, obstacle: None, whole });
            }
            Listing::Obstacle(why) => {
                known.look = Some(Look { time: now.wall, obstacle: Some(why), whole: false });
            }
        }
        known.look_gate = now.mono + if goes_on { again.min(look_first) } else { again };
    }
    if let Some(found) = sight.found {
        seen.status.snapshots = Some(found);
    }
    // Sooner where the next look decides.
    if let Some(session) = seen.session(attempt)
        && let Some(undecided) = arriving::undecided_for(seen, session)
        && let Some((_, known)) = seen.session_mut(attempt)
    {
        known.look_gate = known.look_gate.min(now.mono + undecided);
    }
}

// === what the answers have in common ===

pub(super) fn note_unanswered(known: &mut Known, answer: Answer, now: Duration) {
    if answer.kind == Kind::Unauthorized {
        known.locked_out.get_or_insert(now);
    } else {
        known.locked_out = None;
    }
    let since = known.unanswered.as_ref().map_or(now, |(since, _)| *since);
    known.unanswered = Some((since, answer));
}

/// The wait before a call is repeated, counted; at most `most`, unless the vendor asks for more.
fn repeat(known: &mut Known, answer: &Answer, jitter: f64, timing: &Timing, most: Duration) -> Duration {
    let wait = backoff::before_repeat(answer, known.repeats, timing)
        .min(most.max(answer.retry_after.unwrap_or_default()));
    known.repeats += 1;
    backoff::with_jitter(wait, jitter, timing)
}

/// When a session that is not yet running is asked again: at fixed times after its start, then at an interval.
fn next_confirm(known: &Known, timing: &Timing) -> Duration {
    let nth = usize::try_from(known.confirm_queries).unwrap_or(usize::MAX);
    match (timing.confirm_at.get(nth), timing.confirm_at.get(nth.wrapping_sub(1))) {
        (Some(next), Some(last)) => *next - *last,
        (_, _) => timing.confirm_every,
    }
}

/// Between two queries of a running session: below half of the idle timeout, lest an idle end be read as a loss.
pub fn query_interval(seen: &Observed, attempt: i64) -> Duration {
    let idle = seen.spec.as_ref().map_or(300, |spec| spec.idle_timeout_seconds);
    let half =
        Duration::from_secs(u64::try_from(idle).unwrap_or(0)).mul_f64(0.5 / (1.0 + seen.timing.jitter));
    let heard = seen.memory.sessions.get(&attempt).and_then(|known| known.told.heard());
    let told =
        heard.is_some_and(|heard| !seen.now.is_past(&stored(heard), seen.timing.notifications_trusted_for));
    let every = if told { seen.timing.query_every_with_notifications } else { seen.timing.query_every };
    every.min(half).max(seen.timing.query_at_most_every)
}

/// The vendor: 4 all components ready, 5 in progress.
fn is_running(status: i64) -> bool {
    matches!(status, 4 | 5)
}

/// The vendor: 6 stop requested, 7 components stopped, 8 exited, 20 exited abnormally.
fn is_ending(status: i64) -> bool {
    matches!(status, 6 | 7 | 8 | 20)
}

#[cfg(test)]
mod tests;
