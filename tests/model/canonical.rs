//! When two states count as the same. Names of resourceIds and marks of claims do not matter, only which is which; times
//! count relative to now, and alike where no decision tells them apart. Every field of the product's own types is
//! named here, so that a new one cannot be overlooked.

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use agora_snapshot_operator::api::status::{PastSession, Session, SnapshotJobStatus};
use agora_snapshot_operator::lifecycle::observed::{Known, Memory, Refusal, Starts};
use agora_snapshot_operator::lifecycle::outcome::{Answer, Outcome};
use agora_snapshot_operator::lifecycle::recovery::Search;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::object::Object;
use crate::vendor::{Asked, Late, Life, Resource, Session as VendorSession, Vendor};
use crate::visit::{Call, Happened, Next, Visit, resource_number};
use crate::world::{Process, World};

/// Of the past, and of the future, so much is told apart to the second: more than each bound but those in hours.
const FAR: i64 = 1300;

/// Ends of windows further ahead than this are alike: later than every margin before them.
const FAR_END: i64 = 960;

/// Past the life of a resourceId.
const CLAIM_OLD: i64 = 340;

/// After so many repeats the wait between two is the longest.
const LONGEST_WAIT: i64 = 8;

/// Sessions of the past that are told apart.
const PAST: usize = 2;

/// The mark of a state, but for what is left to happen in it.
pub fn fingerprint(world: &World) -> u64 {
    let mut form = Form::new(world);
    form.world(world);
    form.finish()
}

/// The mark of a state.
pub fn mark(world: &World) -> u64 {
    let mut form = Form::new(world);
    form.world(world);
    form.all([i64::from(world.faults), i64::from(world.edits), i64::from(world.broken.is_some())]);
    if world.faults > 0 {
        for former in &world.api.former {
            form.object(former);
        }
    }
    form.finish()
}

impl std::hash::Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(mark(self));
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        mark(self) == mark(other)
    }
}

/// A state as numbers, in one order.
struct Form {
    numbers: Vec<u8>,
    /// ResourceIds in the order in which they were met.
    met: Vec<usize>,
    wall_now: i64,
    /// The monotonic clock of the process that is being told of.
    mono_now: i64,
    /// Whether the object is being deleted: then bounds count that count at no other time.
    deleting: bool,
}

impl Form {
    fn new(world: &World) -> Self {
        let wall_now = world.wall(world.now).as_second();
        let deleting = world.api.object.as_ref().is_some_and(|object| object.deleting);
        Self { numbers: Vec::with_capacity(2048), met: Vec::new(), wall_now, mono_now: 0, deleting }
    }

    fn finish(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.numbers);
        hasher.finish()
    }

    // === the smallest parts ===

    fn one(&mut self, number: i64) {
        self.numbers.extend_from_slice(&number.to_ne_bytes());
    }

    fn all<const N: usize>(&mut self, numbers: [i64; N]) {
        for number in numbers {
            self.one(number);
        }
    }

    fn text(&mut self, text: &str) {
        self.one(i64::try_from(text.len()).unwrap_or(i64::MAX));
        self.numbers.extend_from_slice(text.as_bytes());
    }

    /// A resourceId by when it was first met.
    fn resource(&mut self, number: Option<usize>) {
        let Some(number) = number else { return self.one(-1) };
        let place = self.met.iter().position(|met| *met == number).unwrap_or_else(|| {
            self.met.push(number);
            self.met.len() - 1
        });
        self.one(i64::try_from(place).unwrap_or(i64::MAX));
    }

    /// A stored time: how long ago, up to `most`.
    fn since(&mut self, time: Option<&Time>, most: i64) {
        let ago = time.map_or(i64::MIN, |time| (self.wall_now - time.0.as_second()).clamp(-FAR, most));
        self.one(ago);
    }

    /// The end of a window: how long until it, up to where ends are alike.
    fn until(&mut self, end: Option<&Time>) {
        let ahead = end.map_or(i64::MAX, |end| (end.0.as_second() - self.wall_now).clamp(-FAR, FAR_END));
        self.one(ahead);
    }

    /// A monotonic time that lies behind.
    fn ago(&mut self, time: Option<Duration>, most: i64) {
        let ago = time.map_or(i64::MIN, |time| (self.mono_now - seconds(time)).clamp(-FAR, most));
        self.one(ago);
    }

    /// How old a claim has to be that nothing further comes of its age.
    fn most_of_claim(&self) -> i64 {
        if self.deleting { FAR } else { CLAIM_OLD }
    }

    /// A monotonic time that something waits for.
    fn gate(&mut self, gate: Duration) {
        self.one((seconds(gate) - self.mono_now).clamp(0, FAR));
    }

    // === the world ===

    fn world(&mut self, world: &World) {
        match &world.api.object {
            Some(object) => self.object(object),
            None => self.one(-1),
        }
        for process in &world.processes {
            match process {
                Some(process) => self.process(process, world),
                None => self.one(-1),
            }
        }
        self.vendor(&world.vendor, world.now);
    }

    fn object(&mut self, object: &Object) {
        let Object { version: _, generation, deleting, finalizer, wanted, status } = object;
        let orders = wanted.orders;
        let flags = [*deleting, *finalizer, orders.body, orders.lists, wanted.suspend, wanted.one_uid];
        self.all(flags.map(i64::from));
        self.status(status, *generation);
    }

    /// An object as somebody has it: the stored one, or another.
    fn view(&mut self, view: &Object, world: &World) {
        match &world.api.object {
            Some(now) if now.version == view.version => self.one(1),
            Some(_) | None => {
                self.one(0);
                self.object(view);
            }
        }
    }

    fn process(&mut self, process: &Process, world: &World) {
        let Process { born, memory, newest, due, visit } = process;
        self.mono_now = seconds(world.moment(*born).mono);
        self.one((due - world.now).clamp(-1, FAR));
        match newest {
            Some(newest) => self.view(newest, world),
            None => self.one(-1),
        }
        match visit {
            // What is remembered is written anew at its end.
            Some(visit) => self.visit(visit, world),
            None => self.memory(memory),
        }
    }

    fn visit(&mut self, visit: &Visit, world: &World) {
        let Visit { stored, wanted, seen, next } = visit;
        self.view(stored, world);
        self.all([wanted.orders.body, wanted.orders.lists, wanted.suspend].map(i64::from));
        self.all([i64::from(seen.job.deleting), i64::from(seen.job.has_finalizer)]);
        self.one((seconds(seen.now.mono) - self.mono_now).clamp(-FAR, FAR));
        self.status(&seen.status, seen.job.generation);
        self.memory(&seen.memory);
        match next {
            Next::AddFinalizer => self.one(1),
            Next::RemoveFinalizer => self.one(2),
            Next::Delete => self.one(3),
            Next::Acquire(uid) => self.all([4, *uid]),
            Next::Claim(attempt, _) => self.all([5, *attempt]),
            Next::StoreFirst(call) => {
                self.one(6);
                self.call(call);
            }
            Next::Call(call) => {
                self.one(7);
                self.call(call);
            }
            Next::Save(happened, unlearnt) => {
                self.one(8);
                self.happened(happened);
                self.memory(&unlearnt.memory);
            }
        }
    }

    fn call(&mut self, call: &Call) {
        let (kind, attempt) = match call {
            Call::Start(attempt, _) => (1, attempt),
            Call::Query(attempt) => (2, attempt),
            Call::FindSid(attempt) => (5, attempt),
            Call::Verify(attempt, _) => (6, attempt),
            Call::Update(attempt, _) => (3, attempt),
            Call::Stop(attempt) => (4, attempt),
        };
        self.all([kind, *attempt]);
    }

    fn happened(&mut self, happened: &Happened) {
        fn proof<T>(outcome: &Outcome<T>) -> i64 {
            match outcome {
                Outcome::Confirmed(_) => -1,
                Outcome::Rejected(answer) => answer.kind as i64,
                Outcome::Unknown(answer) => 100 + answer.kind as i64,
                Outcome::NotSent(answer) => 200 + answer.kind as i64,
            }
        }
        let (kind, attempt, proof) = match happened {
            Happened::Nothing => (0, 0, 0),
            Happened::NotAcquired(outcome) => (1, 0, proof(outcome)),
            Happened::Started(attempt, _, outcome) => (2, *attempt, proof(outcome)),
            Happened::Queried(attempt, outcome) => (3, *attempt, proof(outcome)),
            Happened::Updated(attempt, _, outcome) => (4, *attempt, proof(outcome)),
            Happened::Stopped(attempt, outcome) => (5, *attempt, proof(outcome)),
            Happened::Orphaned(attempt, cause) => (6, *attempt, *cause as i64),
            Happened::Looked(attempt) => (7, *attempt, 0),
            Happened::Searched(attempt, _) => (8, *attempt, 0),
            Happened::Verified(attempt, _, outcome) => (9, *attempt, proof(outcome)),
        };
        self.all([kind, attempt, proof]);
    }

    // === the status ===

    fn status(&mut self, status: &SnapshotJobStatus, generation: i64) {
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
        for Condition { type_, status, reason, observed_generation, message: _, last_transition_time: _ } in conditions {
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

    fn session(&mut self, session: &Session) {
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

    fn past(&mut self, past: &PastSession) {
        let PastSession { attempt: _, sid: _, resource_id: _, recorder_uid, start_time, end_time, end_reason } = past;
        let life = start_time.as_ref().map_or(-1, |start| end_time.0.as_second() - start.0.as_second());
        self.all([*recorder_uid, *end_reason as i64, i64::from(life >= 600)]);
        self.since(Some(end_time), 120);
    }

    // === what is remembered ===

    fn memory(&mut self, memory: &Memory) {
        let Memory {
            sessions,
            attempt_gate,
            acquire_failures,
            refusal,
            stop_first,
            problem_since: _,
            deleting_since,
            orphaned,
            over,
            finished,
        } = memory;
        self.gate(*attempt_gate);
        self.all([i64::from(*acquire_failures), i64::from(*orphaned)]);
        self.one(stop_first.unwrap_or(-1));
        self.ago(*deleting_since, FAR);
        self.one(refusal.as_ref().map_or(-1, |Refusal { reason, words: _, needs_person: _ }| *reason as i64));
        self.one(finished.as_ref().map_or(-1, |(reason, _, _)| *reason as i64));
        self.one(i64::try_from(over.len()).unwrap_or(i64::MAX));
        for known in sessions.values() {
            self.known(known);
        }
    }

    fn known(&mut self, known: &Known) {
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
            locked_out: _,
            unread: _,
            unconfirmed_for,
            last_answer,
            confirm_queries,
            highest_status,
            last_alive,
            ending_since,
            stop_refused,
            death,
            missing_since,
            look_gate,
            search: Search { gate: search_gate, rounds, ended, obstacle, candidates },
        } = known;
        self.session(session);
        self.all([*ours, *starts == Starts::Doubtful, *stop_refused].map(i64::from));
        self.ago(Some(*seen), if session.sid.is_some() { 0 } else { self.most_of_claim() });
        self.gate(*gate);
        self.gate(*update_gate);
        // The bucket is empty whenever it is looked into.
        self.one(i64::from(seconds(*look_gate) > self.mono_now));
        let unconfirmed = if session.confirm_time.is_some() { 0 } else { seconds(*unconfirmed_for) };
        self.all([i64::from(*repeats).min(LONGEST_WAIT), unconfirmed, i64::from(*confirm_queries).min(5)]);
        self.one(highest_status.unwrap_or(-1));
        self.ago(*last_answer, 60);
        self.ago(*ending_since, 300);
        self.ago(unanswered.as_ref().map(|(since, _)| *since), 60);
        self.one(unanswered.as_ref().map_or(-1, |(_, Answer { kind, .. })| *kind as i64));
        self.since(last_alive.map(Time).as_ref(), 60);
        self.since(missing_since.map(Time).as_ref(), 130);
        self.ago(death.map(|run| run.first), 130);
        self.ago(death.map(|run| run.last), 60);
        self.one(death.map_or(0, |run| i64::from(run.answers)));
        self.gate(*search_gate);
        // Only whether it was after the end of the resourceId.
        self.one(ended.map_or(-1, |ended| i64::from(ended >= *seen + Duration::from_secs(330))));
        self.all([i64::from(*rounds).min(LONGEST_WAIT), i64::from(obstacle.is_some())]);
        for (sid, gate) in candidates {
            self.resource(sid.strip_prefix("sid-").and_then(|number| number.parse().ok()));
            self.gate(*gate);
        }
    }

    // === the vendor ===

    fn vendor(&mut self, vendor: &Vendor, now: i64) {
        let Vendor { resources, late } = vendor;
        for late in late {
            match late {
                Late::Start(Asked { resource, orders, comes_up, token_end: _, control_life: _ }) => {
                    self.all([1, i64::from(orders.body), i64::from(orders.lists), i64::from(*comes_up)]);
                    self.resource(Some(*resource));
                }
                Late::Stop(resource) => {
                    self.one(2);
                    self.resource(Some(*resource));
                }
            }
        }
        for number in vendor.living() {
            self.resource(Some(number));
        }
        // A resourceId that nobody names, and whose session does not live, is nothing to anybody.
        for number in self.met.clone() {
            let Resource { uid, acquired, session } = &resources[number];
            self.all([*uid, (now - acquired).min(301)]);
            let Some(VendorSession { uid, since, orders, comes_up, control_end, token_end, life }) = session else {
                self.one(-1);
                continue;
            };
            let life = match life {
                Life::Live => -1,
                Life::Moving(until) => until - now,
                Life::Over => -2,
            };
            self.all([*uid, (now - since).min(5), life, i64::from(*comes_up)]);
            self.all([i64::from(orders.body), i64::from(orders.lists)]);
            self.all([*control_end, token_end.unwrap_or(i64::MAX)].map(|end| (end - now).clamp(0, FAR_END)));
        }
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
