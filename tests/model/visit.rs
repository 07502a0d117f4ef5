//! A visit in its smallest parts, as `src/reconcile` makes it: between any two of them anything may happen. Decides
//! nothing by itself: `join`, `time_passed`, `plan`, `claims`, `answers` and `report` are the product's.

use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::lifecycle::arriving::Sight;
use agora_snapshot_operator::lifecycle::bounds::OrphanCause;
use agora_snapshot_operator::lifecycle::claims::{self, Reserved};
use agora_snapshot_operator::lifecycle::observed::Observed;
use agora_snapshot_operator::lifecycle::outcome::{Outcome, Queried, Started, Stopped};
use agora_snapshot_operator::lifecycle::plan::{Step, plan};
use agora_snapshot_operator::lifecycle::preflight::{self, Mark, Probed};
use agora_snapshot_operator::lifecycle::recovery::{self, Found};
use agora_snapshot_operator::lifecycle::report::report;
use agora_snapshot_operator::lifecycle::timing::{self, Timing};
use agora_snapshot_operator::lifecycle::{aging, answers, hearing, spec_hash};

use crate::object::{Object, Wanted};
use crate::world::World;

/// A visit that is about to do something that others can see.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The object, renewed by every write of the visit's own.
    pub stored: Arc<Object>,
    /// The spec that it acts upon.
    pub wanted: Wanted,
    /// What is known, with what the visit learnt.
    pub seen: Observed,
    /// What it does next.
    pub next: Next,
}

/// What a visit does next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Sets the finalizer.
    AddFinalizer,
    /// Takes the finalizer.
    RemoveFinalizer,
    /// Deletes the object.
    Delete,
    /// Writes a probe object into the bucket.
    Preflight,
    /// Asks for a resourceId.
    Acquire(i64),
    /// Writes the claim.
    Claim(i64, String),
    /// Writes what must be stored before the call.
    StoreFirst(Call),
    /// Calls the vendor.
    Call(Call),
    /// Writes what was learnt; with what was known before.
    Save(Happened, Arc<Observed>),
}

/// A call to the vendor for a session.
#[derive(Clone, Debug)]
pub enum Call {
    /// With the hash of the spec that is sent.
    Start(i64, String),
    /// Asks how it is.
    Query(i64),
    /// Searches the bucket for its sid.
    FindSid(i64),
    /// Asks how it is, under a sid that was found.
    Verify(i64, String),
    /// With the hash of the spec that is sent.
    Update(i64, String),
    /// Stops it.
    Stop(i64),
}

/// How something comes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is done, and answered.
    Truth,
    /// The vendor refuses, and nothing is done.
    Refused,
    /// The vendor refuses for good.
    Forbidden,
    /// The request is lost.
    RequestLost,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is taken, and done later.
    Late,
    /// It is done and answered, and yet the session will never be running.
    NeverUp,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub enum Happened {
    /// Nothing.
    Nothing,
    /// A probe object was taken by the bucket, or refused.
    Preflighted(Probed),
    /// No resourceId was given.
    NotAcquired(Outcome<()>),
    /// A start was answered.
    Started(i64, String, Outcome<Started>),
    /// A query was answered.
    Queried(i64, Outcome<Queried>),
    /// An update was answered.
    Updated(i64, String, Outcome<()>),
    /// A stop was answered.
    Stopped(i64, Outcome<Stopped>),
    /// A session was reported.
    Orphaned(i64, OrphanCause),
    /// The bucket was looked into, and was empty.
    Looked(i64),
    /// The bucket was searched for a sid.
    Searched(i64, Found),
    /// A query with a sid that was found was answered.
    Verified(i64, String, Outcome<Queried>),
}

/// Between two looks into the bucket.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

impl Next {
    /// How it can come out.
    pub fn fates(&self) -> &'static [Fate] {
        use Fate::{AnswerLost, Forbidden, Late, NeverUp, Refused, RequestLost, Truth};
        match self {
            Self::AddFinalizer
            | Self::RemoveFinalizer
            | Self::Delete
            | Self::Claim(_, _)
            | Self::StoreFirst(_)
            | Self::Save(_, _) => &[Truth, RequestLost, AnswerLost],
            Self::Preflight => &[Truth, Forbidden],
            Self::Acquire(_) => &[Truth, Refused, Forbidden],
            Self::Call(Call::Start(_, _)) => {
                &[Truth, Refused, Forbidden, RequestLost, AnswerLost, Late, NeverUp]
            }
            Self::Call(Call::Query(_) | Call::FindSid(_) | Call::Verify(_, _)) => &[Truth, RequestLost],
            Self::Call(Call::Update(_, _)) => &[Truth, Forbidden, RequestLost, AnswerLost],
            Self::Call(Call::Stop(_)) => &[Truth, Forbidden, RequestLost, AnswerLost, Late],
        }
    }
}

/// Works what happened into an observation.
pub fn learn(seen: &mut Observed, happened: &Happened) {
    let notices = match happened.clone() {
        Happened::Nothing => Vec::new(),
        Happened::Preflighted(probed) => match seen.storage.clone() {
            Some(mark) => preflight::probed(seen, mark, probed),
            None => Vec::new(),
        },
        Happened::NotAcquired(outcome) => answers::not_acquired(seen, &outcome),
        Happened::Started(attempt, hash, outcome) => answers::started(seen, attempt, &hash, outcome),
        Happened::Queried(attempt, outcome) => answers::queried(seen, attempt, outcome),
        Happened::Updated(attempt, hash, outcome) => answers::updated(seen, attempt, &hash, outcome),
        Happened::Stopped(attempt, outcome) => {
            answers::looked(seen, attempt, Sight::default(), LOOK_AGAIN);
            answers::stopped(seen, attempt, outcome)
        }
        Happened::Orphaned(attempt, cause) => answers::orphaned(seen, attempt, cause),
        Happened::Looked(attempt) => {
            answers::looked(seen, attempt, Sight::default(), LOOK_AGAIN);
            Vec::new()
        }
        Happened::Searched(attempt, found) => {
            recovery::searched(seen, attempt, found);
            Vec::new()
        }
        Happened::Verified(attempt, sid, outcome) => recovery::verified(seen, attempt, &sid, outcome),
    };
    drop(notices);
}

impl World {
    /// Begins a visit: observes, and plans one step.
    pub fn begin(&mut self, number: usize, back: usize) {
        let handed = match back {
            0 => self.api.object.clone(),
            back => self.api.former.get(back - 1).cloned(),
        };
        let Some(process) = self.processes[number].as_mut() else { return };
        let Some(handed) = handed else {
            // The object is gone, and with it what is remembered of it.
            *process = crate::world::Process { due: i64::MAX, ..crate::world::Process::new(process.born) };
            return;
        };
        let newest = process.newest.clone().filter(|newest| newest.version > handed.version);
        let stored = newest.unwrap_or(handed);
        let born = process.born;
        let (memory, told) = (process.memory.clone(), process.told.clone());
        let now = self.moment(born);
        let wanted = stored.wanted;
        let mut seen = Observed {
            now,
            timing: Timing::default(),
            jitter: 0.0,
            job: stored.job(),
            withdrawing: false,
            spec: Ok(wanted.spec()),
            status: stored.status.clone(),
            memory,
            control_problem: None,
            start_problem: None,
            keys_end: None,
            storage: Some(Mark::of(&wanted.spec().storage, ["", "", ""])),
            unreadable: Vec::new(),
            token_end: self.rules.token_life.map(|life| self.wall(self.now + life)),
        };
        seen.join();
        drop(hearing::heard(&mut seen, &told, |_| false));
        drop(aging::time_passed(&mut seen));
        let step = plan(&seen);
        self.put(number, Visit { stored, wanted, seen, next: Next::AddFinalizer });
        self.take_up(number, step);
    }

    /// What each step of a plan consists of. A new step has to be told of here.
    fn take_up(&mut self, number: usize, step: Step) {
        match step {
            Step::Wait(_) | Step::Refuse(_, _) => self.learnt(number, Happened::Nothing),
            Step::AddFinalizer => self.then(number, Next::AddFinalizer),
            Step::RemoveFinalizer => self.then(number, Next::RemoveFinalizer),
            Step::Delete => self.then(number, Next::Delete),
            Step::Preflight => self.then(number, Next::Preflight),
            Step::Start(next) => self.then(number, Next::Acquire(next.recorder_uid)),
            Step::StartAgain { attempt } => self.start_again(number, attempt),
            Step::Query { attempt } => self.then(number, Next::Call(Call::Query(attempt))),
            Step::Look { attempt } => self.learnt(number, Happened::Looked(attempt)),
            Step::FindSid { attempt } => self.then(number, Next::Call(Call::FindSid(attempt))),
            Step::Verify { attempt, sid } => self.then(number, Next::Call(Call::Verify(attempt, sid))),
            Step::Update { attempt } => {
                let hash = self.visit(number).hash();
                self.then(number, Next::Call(Call::Update(attempt, hash)));
            }
            Step::Stop { attempt, cause } => {
                let visit = self.visit(number);
                claims::stopping(&mut visit.seen, attempt, cause);
                self.store_first(number, Call::Stop(attempt));
            }
            Step::Orphan { attempt, cause } => {
                if let Some(resource) = self.visit(number).resource(attempt) {
                    self.reported.insert(resource);
                }
                self.learnt(number, Happened::Orphaned(attempt, cause));
            }
        }
    }

    fn start_again(&mut self, number: usize, attempt: i64) {
        let visit = self.visit(number);
        let hash = visit.hash();
        let token_end = visit.seen.token_end;
        let call = Call::Start(attempt, hash.clone());
        if claims::starting_again(&mut visit.seen, attempt, &hash, token_end) {
            self.store_first(number, call);
        } else {
            self.then(number, Next::Call(call));
        }
    }

    /// What must be stored before the call, if it is not yet.
    fn store_first(&mut self, number: usize, call: Call) {
        let visit = self.visit(number);
        report(&mut visit.seen);
        let is_stored = visit.seen.status == visit.stored.status;
        self.then(number, if is_stored { Next::Call(call) } else { Next::StoreFirst(call) });
    }

    /// Works in what happened, and writes it if there is anything to write.
    pub fn learnt(&mut self, number: usize, happened: Happened) {
        let visit = self.visit(number);
        let unlearnt = visit.seen.clone();
        learn(&mut visit.seen, &happened);
        report(&mut visit.seen);
        self.save_or_end(number, happened, Arc::new(unlearnt));
    }

    /// Writes what was learnt, unless it is what is stored.
    pub fn save_or_end(&mut self, number: usize, happened: Happened, unlearnt: Arc<Observed>) {
        let visit = self.visit(number);
        if visit.seen.status != visit.stored.status {
            self.then(number, Next::Save(happened, unlearnt));
            return;
        }
        // What changed nothing is not done again at once.
        let step = plan(&visit.seen);
        let busy = matches!(happened, Happened::Nothing) && step.wait().is_none();
        self.end_visit(number, i64::from(busy));
    }

    /// The visit is over; the next one follows when there is something to do, after `pause` at the earliest.
    pub fn end_visit(&mut self, number: usize, pause: i64) {
        let wait = plan(&self.visit(number).seen).wait().unwrap_or_default();
        self.break_off(number, i64::try_from(wait.as_secs()).unwrap_or(i64::MAX / 2).max(pause));
    }

    /// The visit is over because the API server did not do its part, or somebody else came first.
    pub fn break_off(&mut self, number: usize, again_in: i64) {
        let due = self.now + again_in;
        let Some(process) = self.processes[number].as_mut() else { return };
        let Some(visit) = process.visit.take() else { return };
        process.due = due;
        process.memory = visit.seen.remembered();
        process.newest = Some(visit.stored);
    }

    /// What is in the way of a claim: the resourceId is given, and the claim is about to be written.
    pub fn claim(&mut self, number: usize, uid: i64) {
        let resource = self.vendor.acquire(uid, self.now);
        self.nonces += 1;
        let nonce = format!("nonce-{}", self.nonces);
        let acquire_time = timing::stored(self.wall(self.now));
        let visit = self.visit(number);
        let channel = visit.wanted.spec().channel;
        let reserved = Reserved {
            resource_id: resource_id(resource),
            region: None,
            nonce: nonce.clone(),
            app_id: channel.app_id,
            channel: channel.name,
            recorder_uid: uid,
            spec_hash: visit.hash(),
            acquire_time,
            token_end: visit.seen.token_end,
        };
        let attempt = claims::claim(&mut visit.seen, reserved);
        report(&mut visit.seen);
        self.then(number, Next::Claim(attempt, nonce));
    }

    /// The clock is read again after every call.
    pub fn read_clock(&mut self, number: usize) {
        let born = self.processes[number].as_ref().map_or(0, |process| process.born);
        let now = self.moment(born);
        self.visit(number).seen.now = now;
    }

    /// The visit under way.
    pub fn visit(&mut self, number: usize) -> &mut Visit {
        self.processes[number]
            .as_mut()
            .and_then(|process| process.visit.as_deref_mut())
            .expect("in mid-visit")
    }

    /// What the visit does next.
    pub fn then(&mut self, number: usize, next: Next) {
        self.visit(number).next = next;
    }

    fn put(&mut self, number: usize, visit: Visit) {
        if let Some(process) = self.processes[number].as_mut() {
            process.visit = Some(Box::new(visit));
        }
    }
}

impl Visit {
    /// The hash of the spec that it acts upon.
    pub fn hash(&self) -> String {
        self.seen.spec.as_ref().map(spec_hash::of).unwrap_or_default()
    }

    /// The vendor's number of a session's resourceId.
    pub fn resource(&self, attempt: i64) -> Option<usize> {
        self.seen.session(attempt).and_then(|session| resource_number(&session.resource_id))
    }
}

/// A resourceId as the operator knows it.
pub fn resource_id(number: usize) -> String {
    format!("resource-{number}")
}

/// The sid of its session.
pub fn sid(number: usize) -> String {
    format!("sid-{number}")
}

/// And back.
pub fn resource_of(sid: &str) -> Option<usize> {
    sid.strip_prefix("sid-")?.parse().ok()
}

/// The number in a resourceId.
pub fn resource_number(resource_id: &str) -> Option<usize> {
    resource_id.strip_prefix("resource-")?.parse().ok()
}
