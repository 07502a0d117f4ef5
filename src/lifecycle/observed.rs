//! What a decision is made from: the object, what is remembered of its sessions, what stands in the way, the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::arriving::Look;
use super::death::DeathRun;
use super::outcome::Answer;
use super::preflight::{Mark, Tried};
use super::recovery::Search;
use super::timing::{Moment, Timing};
use super::told::Told;
use crate::api::status::{PastSession, Session, SessionState, SnapshotsSummary};
use crate::api::{Reason, SnapshotJobSpec, SnapshotJobStatus};

mod problem;

pub use problem::Problem;

/// Everything that `plan` and `report` know. A visit makes one, and works its own results into it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time.
    pub now: Moment,
    /// The constants of time.
    pub timing: Timing,
    /// 0 to 1, from the caller: how much of the allowed jitter this visit adds.
    pub jitter: f64,
    /// The object's metadata.
    pub job: Job,
    /// Whether the operator itself is being removed (`drain`), and with it every session.
    pub withdrawing: bool,
    /// The spec, or why this operator does not understand it.
    pub spec: Result<SnapshotJobSpec, String>,
    /// The status as stored, with this visit's results.
    pub status: SnapshotJobStatus,
    /// What this process remembers.
    pub memory: Memory,
    /// What stands in the way of querying and stopping.
    pub control_problem: Option<Problem>,
    /// What stands in the way of starting.
    pub start_problem: Option<Problem>,
    /// When the storage keys in the Secret end; absent if they are permanent. New keys have a new end.
    pub keys_end: Option<Timestamp>,
    /// The bucket and the keys to it of a session started now; absent while they are not known.
    pub storage: Option<Mark>,
    /// Numbers of sessions in the status that this operator cannot read: a newer one wrote them.
    pub unreadable: Vec<i64>,
    /// When the token ends that a session started now would get; absent if it would run without one.
    pub token_end: Option<Timestamp>,
}

/// The part of the metadata that matters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Job {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Whether our finalizer is set.
    pub has_finalizer: bool,
    /// Value of the restart annotation.
    pub restart: Option<String>,
}

/// What a process remembers of a job between visits. Losing it costs time, never a session.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// By attempt.
    pub sessions: BTreeMap<i64, Known>,
    /// No acquire before this time, monotonic.
    pub attempt_gate: Duration,
    /// Acquires in a row that were not confirmed.
    pub acquire_failures: u32,
    /// Why nothing runs, from the newest attempt.
    pub refusal: Option<Refusal>,
    /// The session that is stopped before its replacement is started, for the vendor's quota has no room for both.
    pub stop_first: Option<i64>,
    /// What stands in the way of starting, and since when, monotonic.
    pub problem_since: Option<(Reason, Duration)>,
    /// What became of the newest try of the bucket.
    pub preflight: Option<Tried>,
    /// What was counted of the job's snapshots when one was last told of.
    pub counted: Option<SnapshotsSummary>,
    /// Since when this process knows that the object is being deleted, monotonic.
    pub deleting_since: Option<Duration>,
    /// Whether a session was reported as an orphan in this deletion.
    pub orphaned: bool,
    /// Sessions that are proved over, by nonce, with what history says of them: kept until the status no longer names
    /// them, for the write that says so may fail.
    pub over: BTreeMap<String, Option<PastSession>>,
    /// Sessions, by resourceId, that were taken for dead and gone back to, each once.
    pub gone_back: BTreeSet<String>,
    /// How the job finished, and at which generation; kept for the same reason.
    pub finished: Option<(Reason, String, i64)>,
}

/// What a process remembers of a session.
#[derive(Clone, Debug)]
pub struct Known {
    /// The session as last written, so that a status wiped by somebody else does not lose it.
    pub session: Session,
    /// Whether this process wrote the claim.
    pub ours: bool,
    /// When this process first saw it, monotonic.
    pub seen: Duration,
    /// What the starts that were sent with its resourceId prove.
    pub starts: Starts,
    /// No call for it before this time, monotonic.
    pub gate: Duration,
    /// No update of its lists before this time, monotonic.
    pub update_gate: Duration,
    /// End of the temporary storage keys that were last sent for it.
    pub keys_sent: Option<Timestamp>,
    /// Calls in a row that were not confirmed.
    pub repeats: u32,
    /// The first of those, monotonic, and the newest answer.
    pub unanswered: Option<(Duration, Answer)>,
    /// Since when a stop of it is not confirmed, whatever queries say meanwhile, monotonic.
    pub resists_since: Option<Duration>,
    /// Since when its credentials are missing or refused, monotonic.
    pub locked_out: Option<Duration>,
    /// Since when its Secrets cannot be read, monotonic.
    pub unread: Option<Duration>,
    /// Time in which the vendor answered and the session was not yet running.
    pub unconfirmed_for: Duration,
    /// The newest confirmed query, monotonic.
    pub last_answer: Option<Duration>,
    /// Queries confirmed before the session was.
    pub confirm_queries: u32,
    /// Highest status that the vendor reported to this process.
    pub highest_status: Option<i64>,
    /// Status that the vendor reported last.
    pub last_status: Option<i64>,
    /// When the vendor last reported it as running, wall clock.
    pub last_alive: Option<Timestamp>,
    /// Since when the vendor reports it as ending, monotonic.
    pub ending_since: Option<Duration>,
    /// Whether the vendor refused to stop it, so that it is asked next how the session is.
    pub stop_refused: bool,
    /// The run of 404 under way.
    pub death: Option<DeathRun>,
    /// When that run began, wall clock.
    pub missing_since: Option<Timestamp>,
    /// No look into the bucket before this time, monotonic.
    pub look_gate: Duration,
    /// A look at this time, monotonic, unless another snapshot is told of before it.
    pub doubt_gate: Duration,
    /// When the bucket was last listed, or was to be, monotonic.
    pub listed: Option<Duration>,
    /// What the newest look into the bucket came to.
    pub look: Option<Look>,
    /// The search for its sid, if that was lost.
    pub search: Search,
    /// What notifications told of it.
    pub told: Told,
    /// The recorder uid that its stop names, if not that of its start: the vendor refused that one.
    pub stop_uid: Option<i64>,
}

/// What the starts that were sent with one resourceId prove.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Starts {
    /// None had an effect: none was sent, or every one was refused or never left.
    WithoutEffect,
    /// At least one may have had an effect, or an earlier process may have sent one.
    Doubtful,
}

/// Why nothing runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Reason of the conditions.
    pub reason: Reason,
    /// What happened, and why, in words that stay the same from one attempt to the next.
    pub words: String,
    /// Whether only a person can help.
    pub needs_person: bool,
}

impl Known {
    /// A session that this process claimed at `now`.
    pub fn claimed(session: Session, now: &Moment) -> Self {
        Self { ours: true, starts: Starts::WithoutEffect, ..Self::found(session, now) }
    }

    /// The service answered for it: whatever it did not answer before is of no account.
    pub(super) fn answered(&mut self) {
        self.repeats = 0;
        self.unanswered = None;
        self.locked_out = None;
    }

    /// A session that stands in a status and that this process knows nothing of.
    pub fn found(session: Session, now: &Moment) -> Self {
        Self {
            session,
            ours: false,
            seen: now.mono,
            starts: Starts::Doubtful,
            gate: now.mono,
            update_gate: now.mono,
            keys_sent: None,
            repeats: 0,
            unanswered: None,
            resists_since: None,
            locked_out: None,
            unread: None,
            unconfirmed_for: Duration::ZERO,
            last_answer: None,
            confirm_queries: 0,
            highest_status: None,
            last_status: None,
            last_alive: None,
            ending_since: None,
            stop_refused: false,
            death: None,
            missing_since: None,
            look_gate: Duration::ZERO,
            doubt_gate: Duration::MAX,
            listed: None,
            look: None,
            search: Search::default(),
            told: Told::default(),
            stop_uid: None,
        }
    }
}

impl Observed {
    /// Joins what is remembered with what is stored: a session that only one of them has is known to both afterwards,
    /// unless history says that it is over. A status may have been wiped, and a process may be new.
    pub fn join(&mut self) {
        self.drop_what_is_over();
        let over = |session: &Session| {
            self.status.history.iter().any(|past| past.resource_id == session.resource_id)
        };
        let stored: BTreeMap<i64, String> =
            self.status.sessions.iter().map(|session| (session.attempt, session.nonce.clone())).collect();
        self.memory.sessions.retain(|attempt, known| {
            stored.get(attempt).map_or_else(|| !over(&known.session), |nonce| *nonce == known.session.nonce)
        });
        for session in &self.status.sessions {
            let now = &self.now;
            self.memory
                .sessions
                .entry(session.attempt)
                // A sid that could not be saved is known here alone.
                .and_modify(|known| {
                    if session.sid.is_some() || known.session.sid.is_none() {
                        known.session = session.clone();
                    }
                })
                .or_insert_with(|| Known::found(session.clone(), now));
        }
        let remembered = self.memory.sessions.values().map(|known| known.session.clone());
        self.status.sessions = remembered.collect();
        self.recall_beginnings();
    }

    /// A wiped status does not know any more when the run began, but a session of the run does; without that
    /// `durationSeconds` and `activeDeadlineSeconds` would never end it.
    fn recall_beginnings(&mut self) {
        let status = &mut self.status;
        let of_this_run = || status.sessions.iter().filter(|session| session.state != SessionState::Stopping);
        let begun = of_this_run().map(|session| session.acquire_time.clone()).next();
        let captured = of_this_run().find_map(|session| session.confirm_time.clone());
        status.start_time = status.start_time.take().or(begun);
        status.capture_start_time = status.capture_start_time.take().or(captured);
    }

    /// A session that was proved over stays so, although the write that said it failed.
    fn drop_what_is_over(&mut self) {
        let Self { status, memory, .. } = self;
        memory.over.retain(|nonce, _| status.sessions.iter().any(|session| session.nonce == *nonce));
        status.sessions.retain(|session| !memory.over.contains_key(&session.nonce));
        for past in memory.over.values().flatten() {
            if !status.history.iter().any(|known| known.resource_id == past.resource_id) {
                status.history.insert(0, past.clone());
            }
        }
    }

    /// The memory to keep, with the sessions as this visit leaves them.
    pub fn remembered(&self) -> Memory {
        let mut memory = self.memory.clone();
        for session in &self.status.sessions {
            if let Some(known) = memory.sessions.get_mut(&session.attempt) {
                known.session = session.clone();
            }
        }
        memory
    }

    /// What is remembered of a session in the status.
    pub fn known(&self, session: &Session) -> &Known {
        self.memory.sessions.get(&session.attempt).expect("join() made it known")
    }

    /// The session of this number, if the status has it.
    pub fn session(&self, attempt: i64) -> Option<&Session> {
        self.status.sessions.iter().find(|session| session.attempt == attempt)
    }

    /// A session and what is remembered of it, to be changed.
    pub fn session_mut(&mut self, attempt: i64) -> Option<(&mut Session, &mut Known)> {
        let session = self.status.sessions.iter_mut().find(|session| session.attempt == attempt)?;
        let known = self.memory.sessions.get_mut(&attempt)?;
        Some((session, known))
    }

    /// What stands in the way of anything new while the status names sessions that cannot be read.
    pub fn unreadable_problem(&self) -> Option<Problem> {
        let count = self.unreadable.len();
        (count > 0).then(|| {
            let words =
                format!("status.sessions has {count} of a newer operator that this one cannot read or stop");
            Problem::NotUnderstood(words)
        })
    }

    /// Whether a restart is asked for that was not answered.
    pub fn restart_wanted(&self) -> bool {
        self.job.restart.is_some() && self.job.restart != self.status.last_handled_restart
    }

    /// Number of the next claim.
    pub fn next_attempt(&self) -> i64 {
        let live = self.status.sessions.iter().map(|session| session.attempt);
        let live = live.chain(self.unreadable.iter().copied());
        let past = self.status.history.iter().map(|past| past.attempt);
        let taken: BTreeSet<i64> = live.chain(past).collect();
        let next = taken.last().map_or(Some(1), |last| last.checked_add(1));
        // Somebody wrote the last number that there is: any that is free will do.
        next.unwrap_or_else(|| (1..).find(|number| !taken.contains(number)).unwrap_or(1))
    }

    /// The session that takes the snapshots, if any does: in a handover the newer one as soon as it is confirmed.
    pub fn running(&self) -> Option<&Session> {
        let running = self.status.sessions.iter().filter(|session| session.state == SessionState::Running);
        running.max_by_key(|session| (session.confirm_time.is_some(), session.attempt))
    }
}

#[cfg(test)]
mod tests;
