//! What notifications change for a job: when a session is asked about, how long a run of 404 has to last, where a lost sid may
//! be found, and what a person is told.
//!
//! They prove nothing: they are lost, late, and sent by both sides of a failover. Every decision still needs the vendor's
//! answers, only sooner.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::arriving;
use super::death::DeathRun;
use super::notice::Notice;
use super::observed::{Known, Observed};
use super::recovery::Candidate;
use super::timing::{CLOCKS_DIFFER, Timing};
use super::told::{Exit, Told, UPLOADING};
use super::trouble;
use crate::api::Reason;
use crate::api::status::{Session, SessionState};

/// Works in what was told of the job's sessions, by sid, and of sids that may be the lost ones. `is_others`: whether another
/// job has the session of this sid.
pub fn heard(
    seen: &mut Observed,
    told: &BTreeMap<String, Told>,
    is_others: impl Fn(&str) -> bool,
) -> Vec<Notice> {
    let attempts: Vec<i64> = seen.status.sessions.iter().map(|session| session.attempt).collect();
    let mut notices = Vec::new();
    for attempt in attempts {
        let Some(session) = seen.session(attempt) else { continue };
        match session.sid.as_ref() {
            Some(sid) => {
                if let Some(told) = told.get(sid) {
                    notices.extend(session_heard(seen, attempt, told));
                }
            }
            None if session.state == SessionState::Recovering => offer(seen, attempt, told, &is_others),
            None => {}
        }
    }
    notices
}

fn session_heard(seen: &mut Observed, attempt: i64, told: &Told) -> Vec<Notice> {
    let (now, timing) = (seen.now.mono, seen.timing);
    let Some((session, known)) = seen.session_mut(attempt) else { return Vec::new() };
    if known.told == *told {
        return Vec::new();
    }
    let before = std::mem::replace(&mut known.told, told.clone());
    let first = session.recorder_uid;
    // While the vendor does not answer, the waits between two questions are what they are.
    if session.state == SessionState::Running && known.unanswered.is_none() && is_news(&before, told, session)
    {
        let asked = known.last_answer.max(known.death.map(|run| run.last)).unwrap_or_default();
        known.gate = known.gate.min(now.max(asked + timing.confirm_at[0]));
    }
    if let Some((time, _)) = told.snapshot()
        && told.snapshot() > before.snapshot()
        && let Some(doubt) = arriving::doubt_after(seen, time)
        && let Some((_, known)) = seen.session_mut(attempt)
    {
        known.doubt_gate = doubt;
    }
    let mut notices: Vec<Notice> = told
        .errors()
        .filter(|(error, _)| error.level >= trouble::ERROR && !before.has_error(*error))
        .map(|(error, _)| {
            let said = trouble::said(error);
            Notice::warning(said.reason, format!("The vendor reports of the session: {}.", said.words))
        })
        .collect();
    if told.failed_over(first) && told.uid(first) != before.uid(first) {
        let words = format!(
            "The vendor moved the session to another server. Its recorder uid is {} from now on.",
            told.uid(first)
        );
        notices.push(Notice::normal(Reason::Failover, words));
    }
    notices
}

/// Whether the vendor has to be asked at once what became of the session.
fn is_news(before: &Told, told: &Told, session: &Session) -> bool {
    let first = session.recorder_uid;
    let is_up = |told: &Told| told.joined().is_some() || told.snapshot().is_some();
    let fatal = |told: &Told| told.errors().filter(|(error, _)| error.level >= trouble::FATAL).max();
    told.exit(first) != before.exit(first)
        || told.left(first) != before.left(first)
        || told.uid(first) != before.uid(first)
        || fatal(told) != fatal(before)
        || session.confirm_time.is_none() && is_up(told) && !is_up(before)
}

/// Sids that were told of under the recorder uid of a session whose sid was lost are candidates for it, each once.
fn offer(
    seen: &mut Observed,
    attempt: i64,
    told: &BTreeMap<String, Told>,
    is_others: &impl Fn(&str) -> bool,
) {
    let now = seen.now.mono;
    let Some(session) = seen.session(attempt) else { return };
    let since = session.acquire_time.0.saturating_sub(CLOCKS_DIFFER).unwrap_or(session.acquire_time.0);
    let is_own = |sid: &str| {
        seen.status.sessions.iter().any(|other| other.sid.as_deref() == Some(sid))
            || seen.status.history.iter().any(|past| past.sid.as_deref() == Some(sid))
    };
    let uid = session.recorder_uid;
    let sids: Vec<String> = told
        .iter()
        .filter(|(_, told)| told.speaks_of(uid) && told.heard().is_some_and(|heard| heard >= since))
        .filter(|(sid, _)| !seen.known(session).search.offered.contains(*sid))
        .filter(|(sid, _)| !is_own(sid) && !is_others(sid))
        .map(|(sid, _)| sid.clone())
        .collect();
    let Some((_, known)) = seen.session_mut(attempt) else { return };
    for sid in sids {
        known.search.offered.insert(sid.clone());
        known.search.candidates.entry(sid).or_insert(Candidate { gate: now, death: None });
    }
}

/// Whether the run of 404 proves the session dead. One that was told to have ended as it should needs a shorter run: not if
/// the vendor moved it, for then it is the former process that ended.
pub(super) fn is_dead(run: &DeathRun, session: &Session, known: &Known, timing: &Timing) -> bool {
    let after = if has_ended(session, known) { timing.death_after_exit } else { timing.death_after };
    run.is_dead(after, timing)
}

/// Between two questions of a run.
pub(super) fn death_every(session: &Session, known: &Known, timing: &Timing) -> Duration {
    if has_ended(session, known) { timing.death_every_after_exit } else { timing.death_every }
}

/// Whether the only process of the session was told to have ended as it should, and nothing speaks of its life since.
fn has_ended(session: &Session, known: &Known) -> bool {
    let first = session.recorder_uid;
    let Some((time, Exit::Normal)) = known.told.exit(first) else { return false };
    !known.told.failed_over(first) && is_last_word(known, time)
}

/// Whether the recorder was told to have left because nobody was in the channel, and nothing speaks of its life since: who
/// leaves may come back.
pub(super) fn left_for_nobody(session: &Session, known: &Known) -> bool {
    let first = session.recorder_uid;
    let left = known.told.left(first).filter(|_| known.told.left_for_nobody(first));
    left.is_some_and(|time| is_last_word(known, time))
}

/// Whether the session neither took a snapshot, nor joined, nor was called running by the vendor after this time.
fn is_last_word(known: &Known, time: Timestamp) -> bool {
    let told = [known.told.joined(), known.told.snapshot().map(|(time, _)| time)].into_iter().flatten();
    let alive_later = known.last_alive.is_some_and(|alive| alive.duration_since(time) > CLOCKS_DIFFER);
    !alive_later && told.max().is_none_or(|sign| sign.duration_since(time) <= UPLOADING)
}

/// The recorder uid that a stop names: after the vendor refused the first one, that of the failover it told of.
pub fn stop_uid(session: &Session, known: &Known) -> i64 {
    known.stop_uid.unwrap_or(session.recorder_uid)
}

/// Whether a stop that was refused is worth one more, under the uid of a failover.
pub(super) fn other_stop_uid(session: &Session, known: &Known) -> Option<i64> {
    let newest = known.told.uid(session.recorder_uid);
    (newest != stop_uid(session, known)).then_some(newest)
}

#[cfg(test)]
mod tests;
