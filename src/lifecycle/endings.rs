//! How sessions end and attempts fail: death, idle or lost, what counts against `backoffLimit`.

use std::time::Duration;

use jiff::Timestamp;

use super::backoff;
use super::death::DeathRun;
use super::intent::{Intent, intent};
use super::notice::Notice;
use super::observed::{Known, Observed, Refusal};
use super::outcome::{Answer, Kind};
use super::report::finish;
use super::timing;
use super::{handover, hearing, recorder, spec_hash, trouble, words};
use crate::api::Reason;
use crate::api::spec::OnIdle;
use crate::api::status::{EndReason, PastSession, Session, SessionState};

/// Sessions that are over and still named in the status.
const HISTORY: usize = 10;

/// A 404 for a session. When the run of them is long enough, the session is dead.
pub(super) fn missing(seen: &mut Observed, attempt: i64) -> Vec<Notice> {
    let now = seen.now;
    let timing = seen.timing;
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    let run = DeathRun::with_answer(known.death, now.mono, &timing);
    if run.answers == 1 {
        known.missing_since = Some(now.wall);
    }
    known.death = Some(run);
    known.gate = now.mono + hearing::death_every(session, known, &timing);
    known.answered();
    if !hearing::is_dead(&run, session, known, &timing) {
        return Vec::new();
    }
    if session.state == SessionState::Stopping {
        let reason = session.stop_reason.unwrap_or(EndReason::Stopped);
        return end_session(seen, attempt, reason);
    }
    let idle = ended_idle(seen, attempt);
    let never_up = seen.session(attempt).is_some_and(|session| session.confirm_time.is_none());
    let told_why = seen.memory.sessions.get(&attempt).and_then(|known| trouble::worst(&known.told));
    let on_idle = seen.spec.as_ref().ok().map(|spec| spec.on_idle);
    let capturing = intent(seen) == Intent::Capture;
    let mut notices = end_session(seen, attempt, if idle { EndReason::Idle } else { EndReason::Lost });
    if !capturing {
        return notices;
    }
    match on_idle {
        Some(OnIdle::Complete) if idle => {
            let words = "Nobody was in the channel for idleTimeoutSeconds, and onIdle is Complete.";
            finish(seen, Reason::Completed, words);
        }
        Some(OnIdle::Restart) if idle => {}
        Some(_) | None if never_up => {
            failed(seen, not_up("The session ended before it was running", told_why));
        }
        Some(_) | None => {
            let why = told_why.map(|told| format!(" ({})", told.words)).unwrap_or_default();
            let words = format!("The session ended without our doing{why}; a new one is started.");
            notices.push(Notice::warning(Reason::SessionLost, words));
            slow_down_losses(seen);
        }
    }
    notices
}

/// Why a session did not come up: what the vendor told, or else what it may be.
pub(super) fn not_up(what: &str, told: Option<trouble::Said>) -> Refusal {
    let (reason, why) = match told {
        Some(trouble::Said { reason: Reason::TokenExpired, words }) => (Reason::TokenExpired, words),
        Some(trouble::Said { reason: _, words }) => (Reason::StartNotConfirmed, words),
        None => (
            Reason::StartNotConfirmed,
            "a wrong or ended token, wrong storage keys, or a recorder uid that a user of the channel has"
                .to_owned(),
        ),
    };
    Refusal { reason, words: format!("{what}: {why}"), needs_person: false }
}

/// One lost session is replaced at once. Where one after the other is lost soon after its start something is wrong that
/// nobody tells (storage keys, a kicked recorder), and each of them is billed: they are started more and more seldom.
fn slow_down_losses(seen: &mut Observed) {
    let short = |past: &&PastSession| {
        past.end_reason == EndReason::Lost
            && past.start_time.as_ref().is_some_and(|start| {
                seen.now.span(start, past.end_time.0) < seen.timing.failures_forgotten_after
            })
    };
    let losses = u32::try_from(seen.status.history.iter().take_while(short).count()).unwrap_or(u32::MAX);
    if losses < 2 {
        return;
    }
    let words = "One session after the other ended soon after its start without our doing".to_owned();
    let wait = backoff::after_failure(losses - 1, &seen.timing);
    hold_off(seen, wait, Refusal { reason: Reason::SessionLost, words, needs_person: false });
}

/// Nothing new before this wait, with jitter, is over, and why.
fn hold_off(seen: &mut Observed, wait: Duration, refusal: Refusal) {
    let wait = backoff::with_jitter(wait, seen.jitter, &seen.timing);
    seen.memory.attempt_gate = seen.now.mono + wait;
    seen.memory.refusal = Some(refusal);
    // A short wait is kept in memory: a write for each would be more than the wait is worth.
    if wait >= seen.timing.backoff_first {
        seen.status.next_attempt_time = Some(seen.now.after(wait));
    }
}

/// Idle: never past status 4, and gone about `idleTimeoutSeconds` after its start. Any other end is unexplained.
fn ended_idle(seen: &Observed, attempt: i64) -> bool {
    let Some(session) = seen.session(attempt) else { return false };
    let known = seen.known(session);
    // The vendor said so itself.
    if hearing::left_for_nobody(session, known) {
        return true;
    }
    let (Some(start), Some(missing)) = (&session.start_time, known.missing_since) else { return false };
    let Ok(spec) = &seen.spec else { return false };
    if known.highest_status.is_none_or(|status| status > 4) || has_snapshots(seen, session) {
        return false;
    }
    let product = |time: Timestamp| seen.now.span(start, time);
    let idle = Duration::from_secs(u64::try_from(spec.idle_timeout_seconds).unwrap_or(0));
    let last_alive = known.last_alive.map_or(Duration::ZERO, product);
    // It ended between the last sign of life and the first 404.
    last_alive <= idle + seen.timing.idle_slack && product(missing) + seen.timing.idle_slack >= idle
}

/// Whether the newest snapshot that was found is the session's: then somebody was there, whatever the vendor said when
/// it was last asked.
fn has_snapshots(seen: &Observed, session: &Session) -> bool {
    let newest = seen.status.snapshots.as_ref().and_then(|snapshots| snapshots.last_file.as_deref());
    newest.zip(session.sid.as_deref()).is_some_and(|(file, sid)| file.contains(sid))
}

/// A refusal that left nothing behind.
pub(super) fn refused(seen: &mut Observed, answer: &Answer) {
    let would_hand_over = seen.running().filter(|session| handover::is_wanted(seen, session));
    if answer.kind == Kind::QuotaExceeded
        && let Some(running) = would_hand_over.map(|session| session.attempt)
    {
        // Two at a time is more than there is room for: one after the other.
        seen.memory.stop_first = Some(running);
        return;
    }
    let own = answer.kind == Kind::Conflict && former_may_be_leaving(seen);
    let mut refusal = if own { words::leaving() } else { words::refusal(answer) };
    if answer.kind == Kind::InvalidParameter
        && let Some(hint) = seen.spec.as_ref().ok().and_then(words::short_interval)
    {
        refusal.words = format!("{}. {}", refusal.words, hint.trim_end_matches('.'));
    }
    // An attempt answers a restart, whatever came of it: else a job that fails would be revived by it at once.
    seen.status.last_handled_restart.clone_from(&seen.job.restart);
    let counts = match answer.kind {
        Kind::Unauthorized | Kind::AppIdInvalid | Kind::InvalidParameter => true,
        Kind::NoRoute
        | Kind::RateLimited
        | Kind::AccountSuspended
        | Kind::QuotaExceeded
        | Kind::Conflict
        | Kind::ResourceInvalid
        | Kind::NoWorker
        | Kind::NotFound
        | Kind::Late
        | Kind::BackendTimeout
        | Kind::ServerFault
        | Kind::TimedOut
        | Kind::ConnectionLost
        | Kind::Unreadable
        | Kind::Unreachable => false,
    };
    if counts {
        failed(seen, refusal);
        return;
    }
    let wait = match answer.kind {
        Kind::AccountSuspended => seen.timing.refused_every,
        Kind::Conflict if own => seen.timing.leaving.saturating_mul(1 << seen.memory.acquire_failures.min(6)),
        _ => backoff::before_repeat(answer, seen.memory.acquire_failures, &seen.timing),
    };
    seen.memory.acquire_failures += 1;
    hold_off(seen, wait, refusal);
}

/// The vendor confirmed a stop. The recorder takes a moment to leave, and its uid is not free before.
pub(super) fn leaves(seen: &mut Observed) {
    seen.memory.attempt_gate = seen.memory.attempt_gate.max(seen.now.mono + seen.timing.leaving);
    seen.memory.refusal.get_or_insert_with(words::leaving);
}

/// Whether the recorder uid of the next session may still be that of one which was stopped a moment ago.
fn former_may_be_leaving(seen: &Observed) -> bool {
    let Ok(spec) = &seen.spec else { return false };
    let uids = recorder::uids(spec, &seen.job.namespace, &seen.job.name);
    let lately = |past: &&PastSession| !seen.now.is_past(&past.end_time, seen.timing.leaving_at_most);
    seen.status.history.iter().filter(lately).any(|past| uids.contains(&past.recorder_uid))
}

/// A failure that counts against `backoffLimit`.
pub(super) fn failed(seen: &mut Observed, mut refusal: Refusal) {
    let failures = seen.status.failures.unwrap_or(0) + 1;
    seen.status.failures = Some(failures);
    let limit = seen.spec.as_ref().map_or(6, |spec| spec.backoff_limit);
    refusal.words = format!("{} (failure {failures}, backoffLimit {limit})", refusal.words);
    // What runs is better than nothing: it goes on, and only what should take its place is given more and more time.
    let goes_on = seen.running().is_some_and(|session| session.confirm_time.is_some());
    if failures > limit && !goes_on && intent(seen) == Intent::Capture {
        let words = format!(
            "{}. Mend the spec, or what it refers to and then set annotation agora-snapshot.dev/restart to a new value.",
            refusal.words
        );
        // The session in hand, if any, is stopped all the same; one in doubt is asked about again, but not at once.
        let wait = backoff::after_failure(u32::try_from(failures).unwrap_or(u32::MAX), &seen.timing);
        seen.memory.attempt_gate = seen.now.mono + wait;
        seen.status.next_attempt_time = None;
        seen.memory.refusal = Some(refusal.clone());
        finish(seen, refusal.reason, &words);
        return;
    }
    let wait = backoff::after_failure(u32::try_from(failures).unwrap_or(u32::MAX), &seen.timing);
    hold_off(seen, wait, refusal);
}

pub(super) fn end_session(seen: &mut Observed, attempt: i64, reason: EndReason) -> Vec<Notice> {
    let Some(session) = forget(seen, attempt) else { return Vec::new() };
    let words = format!("{} ended: {reason:?}.", words::session_name(&session));
    let nonce = session.nonce.clone();
    let past = PastSession {
        attempt,
        sid: session.sid,
        resource_id: session.resource_id,
        recorder_uid: session.recorder_uid,
        start_time: session.start_time,
        end_time: seen.now.stored(),
        end_reason: reason,
    };
    seen.memory.over.insert(nonce, Some(past.clone()));
    seen.status.history.insert(0, past);
    seen.status.history.truncate(HISTORY);
    let told = if reason == EndReason::Lost { Notice::warning } else { Notice::normal };
    vec![told(Reason::SessionStopped, words)]
}

/// The vendor refuses the claim under a uid whose last session of this job was taken for dead (or idle): that verdict was
/// wrong, most likely, and the session lives. It is gone back to, and asked about; if it is not there after all it ends
/// anew, and is not gone back to again.
pub(super) fn go_back(seen: &mut Observed, attempt: i64) -> Option<Vec<Notice>> {
    let claim = seen.session(attempt)?.clone();
    let past = seen.status.history.iter().find(|past| past.recorder_uid == claim.recorder_uid)?.clone();
    let ended_by_itself = match past.end_reason {
        EndReason::Lost | EndReason::Idle => true,
        EndReason::Stopped | EndReason::Replaced | EndReason::Deadline | EndReason::Orphaned => false,
    };
    let sid = past.sid.clone().filter(|_| ended_by_itself)?;
    let start = past.start_time.clone()?;
    if !seen.memory.gone_back.insert(past.resource_id.clone()) || seen.session(past.attempt).is_some() {
        return None;
    }
    let hours = seen.spec.as_ref().map_or(0, |spec| u64::try_from(spec.session_limit_hours).unwrap_or(0));
    let control = start.0.checked_add(seen.now.real(Duration::from_secs(hours * 3600))).ok()?;
    forget(seen, attempt);
    seen.status.history.retain(|other| other.resource_id != past.resource_id);
    seen.memory.over.retain(|_, over| over.as_ref().is_none_or(|over| over.resource_id != past.resource_id));
    let words = format!(
        "Session {sid} had been taken for dead, and the vendor refuses another one under its recorder uid {}: it is gone \
         back to.",
        past.recorder_uid
    );
    let session = Session {
        attempt: past.attempt,
        state: SessionState::Running,
        recorder_uid: past.recorder_uid,
        resource_id: past.resource_id,
        nonce: format!("{}-back", claim.nonce),
        acquire_time: start.clone(),
        sid: Some(sid),
        confirm_time: Some(start.clone()),
        start_time: Some(start),
        control_end_time: Some(timing::stored(control)),
        // Nobody knows any more with what it was started: only a later end is safe to say, and there is none.
        token_end_time: None,
        spec_hash: spec_hash::UNCLEAR.to_owned(),
        stop_reason: None,
        ..claim
    };
    seen.memory.sessions.insert(session.attempt, Known::found(session.clone(), &seen.now));
    seen.status.sessions.push(session);
    seen.status.sessions.sort_by_key(|session| session.attempt);
    Some(vec![Notice::warning(Reason::SidRecovered, words)])
}

/// Takes a session out of the status and the memory.
pub(super) fn forget(seen: &mut Observed, attempt: i64) -> Option<Session> {
    let place = seen.status.sessions.iter().position(|session| session.attempt == attempt)?;
    seen.memory.sessions.remove(&attempt);
    let session = seen.status.sessions.remove(place);
    seen.memory.over.insert(session.nonce.clone(), None);
    Some(session)
}

#[cfg(test)]
mod tests;
