//! The product's own types as numbers, for `canonical`: what is stored and what is remembered. Every field is named, so
//! that a new one cannot be overlooked.

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use agora_snapshot_operator::api::status::{PastSession, Session, SnapshotJobStatus};
use agora_snapshot_operator::lifecycle::conditions::Value;
use agora_snapshot_operator::lifecycle::observed::{Known, Memory, Refusal, Starts};
use agora_snapshot_operator::lifecycle::outcome::Answer;
use agora_snapshot_operator::lifecycle::preflight::Tried;
use agora_snapshot_operator::lifecycle::recovery::{Candidate, Search};
use agora_snapshot_operator::lifecycle::told::Told;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::visit::{resource_number, resource_of};
use crate::world::World;

/// Of the past, and of the future, so much is told apart to the second: more than each bound but those in hours.
pub const FAR: i64 = 1300;

/// Ends of windows further ahead than this are alike: later than every margin before them.
pub const FAR_END: i64 = 960;

/// Past the life of a resourceId.
const CLAIM_OLD: i64 = 340;

/// After so many repeats the wait between two is the longest.
const LONGEST_WAIT: i64 = 8;

/// Sessions of the past that are told apart.
const PAST: usize = 2;

/// A state as numbers, in one order.
pub struct Form {
    numbers: Vec<u8>,
    /// ResourceIds in the order in which they were met.
    pub met: Vec<usize>,
    wall_now: i64,
    /// The monotonic clock of the process that is being told of.
    pub mono_now: i64,
    /// Whether the object is being deleted: then bounds count that count at no other time.
    deleting: bool,
}

impl Form {
    /// Nothing yet.
    pub fn new(world: &World) -> Self {
        let wall_now = world.wall(world.now).as_second();
        let deleting = world.api.object.as_ref().is_some_and(|object| object.deleting);
        Self { numbers: Vec::with_capacity(2048), met: Vec::new(), wall_now, mono_now: 0, deleting }
    }

    /// The mark.
    pub fn finish(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.numbers);
        hasher.finish()
    }

    // === the smallest parts ===

    /// A number.
    pub fn one(&mut self, number: i64) {
        self.numbers.extend_from_slice(&number.to_ne_bytes());
    }

    /// Numbers.
    pub fn all<const N: usize>(&mut self, numbers: [i64; N]) {
        for number in numbers {
            self.one(number);
        }
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.one(i64::try_from(text.len()).unwrap_or(i64::MAX));
        self.numbers.extend_from_slice(text.as_bytes());
    }

    /// A resourceId by when it was first met.
    pub fn resource(&mut self, number: Option<usize>) {
        let Some(number) = number else { return self.one(-1) };
        let place = self.met.iter().position(|met| *met == number).unwrap_or_else(|| {
            self.met.push(number);
            self.met.len() - 1
        });
        self.one(i64::try_from(place).unwrap_or(i64::MAX));
    }

    /// A stored time: how long ago, up to `most`.
    pub fn since(&mut self, time: Option<&Time>, most: i64) {
        let ago = time.map_or(i64::MIN, |time| (self.wall_now - time.0.as_second()).clamp(-FAR, most));
        self.one(ago);
    }

    /// The end of a window: how long until it, up to where ends are alike.
    pub fn until(&mut self, end: Option<&Time>) {
        let ahead = end.map_or(i64::MAX, |end| (end.0.as_second() - self.wall_now).clamp(-FAR, FAR_END));
        self.one(ahead);
    }

    /// A monotonic time that lies behind.
    pub fn ago(&mut self, time: Option<Duration>, most: i64) {
        let ago = time.map_or(i64::MIN, |time| (self.mono_now - seconds(time)).clamp(-FAR, most));
        self.one(ago);
    }

    /// How old a claim has to be that nothing further comes of its age.
    pub fn most_of_claim(&self) -> i64 {
        if self.deleting { FAR } else { CLAIM_OLD }
    }

    /// A monotonic time that something waits for.
    pub fn gate(&mut self, gate: Duration) {
        self.one((seconds(gate) - self.mono_now).clamp(0, FAR));
    }

    // === the status ===

    /// A status, of an object of this generation.
    pub fn status(&mut self, status: &SnapshotJobStatus, generation: i64) {
        let SnapshotJobStatus {
            observed_generation,
            phase,
            conditions,
            start_time: _,
            capture_start_time: _,
            completion_time,
            next_attempt_time,
            failures,
            last_handled_restart: _,
            sessions,
            history,
            storage: _,
            snapshots: _,
        } = status;
        let behind = observed_generation.map_or(i64::MIN, |observed| (observed - generation).max(-2));
        let phase = phase.map_or(-1, |phase| phase as i64);
        self.all([behind, phase, i64::from(failures.unwrap_or(0)), i64::from(completion_time.is_some())]);
        self.until(next_attempt_time.as_ref());
        for Condition { type_, status, reason, observed_generation, message: _, last_transition_time: _ } in
            conditions
        {
            self.text(type_);
            self.text(status);
            self.text(reason);
            self.one((observed_generation.unwrap_or(0) - generation).max(-2));
        }
        self.one(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
        for session in sessions {
            self.session(session);
        }
        self.one(i64::try_from(history.len().min(PAST)).unwrap_or(i64::MAX));
        for past in history.iter().take(PAST) {
            self.past(past);
        }
    }

    /// A session.
    pub fn session(&mut self, session: &Session) {
        let Session {
            attempt,
            state,
            recorder_uid,
            app_id: _,
            channel: _,
            resource_id,
            region: _,
            nonce: _,
            acquire_time,
            sid,
            start_time,
            confirm_time,
            control_end_time,
            token_end_time,
            spec_hash,
            stop_reason,
        } = session;
        let stop_reason = stop_reason.map_or(-1, |reason| reason as i64);
        self.all([*attempt, *state as i64, *recorder_uid, i64::from(sid.is_some()), stop_reason]);
        self.resource(resource_number(resource_id));
        self.since(Some(acquire_time), if sid.is_some() { 0 } else { CLAIM_OLD });
        self.since(start_time.as_ref(), if confirm_time.is_some() { 0 } else { 400 });
        self.since(confirm_time.as_ref(), 0);
        self.until(control_end_time.as_ref());
        self.until(token_end_time.as_ref());
        self.text(spec_hash);
    }

    /// A session that is over.
    pub fn past(&mut self, past: &PastSession) {
        let PastSession {
            attempt: _,
            sid: _,
            resource_id: _,
            recorder_uid,
            start_time,
            end_time,
            end_reason,
        } = past;
        let life = start_time.as_ref().map_or(-1, |start| end_time.0.as_second() - start.0.as_second());
        self.all([*recorder_uid, *end_reason as i64, i64::from(life >= 600)]);
        self.since(Some(end_time), 120);
    }

    // === what is remembered ===

    /// What a process remembers.
    pub fn memory(&mut self, memory: &Memory) {
        let Memory {
            sessions,
            attempt_gate,
            acquire_failures,
            refusal,
            stop_first,
            problem_since: _,
            preflight,
            // No snapshot is told of here.
            counted: _,
            deleting_since,
            orphaned,
            over,
            gone_back,
            finished,
        } = memory;
        self.gate(*attempt_gate);
        self.all([i64::from(*acquire_failures), i64::from(*orphaned)]);
        self.one(stop_first.unwrap_or(-1));
        self.ago(*deleting_since, FAR);
        self.one(refusal.as_ref().map_or(-1, |Refusal { reason, words: _, needs_person: _ }| *reason as i64));
        self.preflight(preflight.as_ref());
        self.one(finished.as_ref().map_or(-1, |(reason, _, _)| *reason as i64));
        self.one(i64::try_from(over.len()).unwrap_or(i64::MAX));
        self.one(i64::try_from(gone_back.len()).unwrap_or(i64::MAX));
        for known in sessions.values() {
            self.known(known);
        }
    }

    /// What it knows of the bucket. How long one that takes files is taken for such matters only when that is over.
    fn preflight(&mut self, tried: Option<&Tried>) {
        let Some(tried) = tried else { return self.one(-1) };
        let Tried { of: _, value, reason: _, words: _, time: _, at: _, since: _, until, repeats } = tried;
        if *value == Value::False {
            self.one(i64::from(*repeats).min(LONGEST_WAIT));
            self.gate(*until);
        } else {
            self.one(100 + i64::from(seconds(*until) > self.mono_now));
        }
    }

    /// What it remembers of a session.
    pub fn known(&mut self, known: &Known) {
        let Known {
            session,
            ours,
            seen,
            starts,
            gate,
            update_gate,
            keys_sent: _,
            repeats,
            unanswered,
            resists_since,
            locked_out: _,
            unread: _,
            unconfirmed_for,
            last_answer,
            confirm_queries,
            highest_status,
            last_status,
            last_alive,
            ending_since,
            stop_refused,
            death,
            missing_since,
            look_gate,
            // No snapshot is told of here.
            doubt_gate: _,
            listed: _,
            look: _,
            search: Search { gate: search_gate, rounds, ended, obstacle, candidates, offered },
            told,
            stop_uid,
        } = known;
        self.session(session);
        self.all([*ours, *starts == Starts::Doubtful, *stop_refused].map(i64::from));
        self.ago(Some(*seen), if session.sid.is_some() { 0 } else { self.most_of_claim() });
        self.gate(*gate);
        self.gate(*update_gate);
        // Nothing can be said of the bucket whenever it is looked into.
        self.one(i64::from(seconds(*look_gate) > self.mono_now));
        let unconfirmed = if session.confirm_time.is_some() { 0 } else { seconds(*unconfirmed_for) };
        self.all([i64::from(*repeats).min(LONGEST_WAIT), unconfirmed, i64::from(*confirm_queries).min(5)]);
        self.all([highest_status.unwrap_or(-1), last_status.unwrap_or(-1)]);
        self.ago(*last_answer, 60);
        self.ago(*ending_since, 300);
        self.ago(*resists_since, FAR);
        self.ago(unanswered.as_ref().map(|(since, _)| *since), 60);
        self.one(unanswered.as_ref().map_or(-1, |(_, Answer { kind, .. })| *kind as i64));
        self.since(last_alive.map(Time).as_ref(), 60);
        self.since(missing_since.map(Time).as_ref(), 130);
        self.ago(death.map(|run| run.first), 130);
        self.ago(death.map(|run| run.last), 60);
        self.one(death.map_or(0, |run| i64::from(run.answers)));
        self.told(told, session.recorder_uid);
        self.all([stop_uid.unwrap_or(-1), i64::try_from(offered.len()).unwrap_or(i64::MAX)]);
        self.gate(*search_gate);
        // Only whether it was after the end of the resourceId.
        self.one(ended.map_or(-1, |ended| i64::from(ended >= *seen + Duration::from_secs(330))));
        self.all([i64::from(*rounds).min(LONGEST_WAIT), i64::from(obstacle.is_some())]);
        for (sid, Candidate { gate, death }) in candidates {
            self.resource(resource_of(sid));
            self.gate(*gate);
            self.ago(death.map(|run| run.first), 130);
            self.ago(death.map(|run| run.last), 60);
            self.one(death.map_or(0, |run| i64::from(run.answers)));
        }
    }

    /// What was told of a session that was started with recorder uid `first`.
    pub fn told(&mut self, told: &Told, first: i64) {
        self.all([i64::from(told.heard().is_some()), i64::from(told.failed_over(first))]);
        // Whether it was called running since: by a minute, or more.
        self.since(told.exit(first).map(|(time, _)| Time(time)).as_ref(), 200);
    }
}

/// Whole seconds.
pub fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
