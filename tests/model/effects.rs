//! What a visit does to the API server and to the vendor, and what it makes of the answer: as `perform` and `save` of
//! `src/reconcile` do it.

use std::sync::Arc;

use agora_snapshot_operator::api::SnapshotJobStatus;
use agora_snapshot_operator::lifecycle::observed::Observed;
use agora_snapshot_operator::lifecycle::outcome::{
    Answer, Identity, Kind, Outcome, Queried, Started, Stopped,
};
use agora_snapshot_operator::lifecycle::plan::{Step, plan};
use agora_snapshot_operator::lifecycle::preflight::{self, Probed};
use agora_snapshot_operator::lifecycle::recovery::Found as InBucket;
use agora_snapshot_operator::lifecycle::report::report;

use crate::fences;
use crate::object::{CONTROL_HOURS, Object, Refused};
use crate::vendor::{Asked, Found, Late, StartAnswer};
use crate::visit::{self, Call, Fate, Happened, Next, learn};
use crate::world::World;

/// After a failure of the API server, and after a write that came second.
const AFTER_FAILURE: i64 = 2;
const AT_ONCE: i64 = 0;

/// What a write came to, as far as the writer knows.
enum Written {
    Done(Option<Arc<Object>>),
    Refused(Refused),
    Unknown,
}

impl World {
    /// A visit does what it is about to do.
    pub fn proceed(&mut self, number: usize, fate: Fate) {
        let visit = self.visit(number);
        let stored = visit.stored.clone();
        match visit.next.clone() {
            Next::AddFinalizer => {
                let written = self.write(fate, |world| world.api.set_finalizer(&stored, true));
                self.finalizer_set(number, written);
            }
            Next::RemoveFinalizer => {
                let written = self.write(fate, |world| world.let_go(&stored));
                match written {
                    Written::Done(_) | Written::Refused(Refused::Gone) => self.released(number),
                    Written::Refused(Refused::Conflict) => self.look_anew(number),
                    Written::Unknown => self.break_off(number, AFTER_FAILURE),
                }
            }
            Next::Delete => {
                let written = self.write(fate, |world| world.api.delete(&stored).map(|()| None));
                match written {
                    Written::Done(_) | Written::Refused(Refused::Gone) => {
                        self.learnt(number, Happened::Nothing)
                    }
                    Written::Refused(Refused::Conflict) => self.look_anew(number),
                    Written::Unknown => self.break_off(number, AFTER_FAILURE),
                }
            }
            Next::Preflight => {
                let refused = Probed::Refused {
                    why: preflight::Refused::AccessDenied,
                    said: "403 AccessDenied".into(),
                };
                let taken = Probed::Taken { left: None };
                self.read_clock(number);
                self.preflighted(number, if fate == Fate::Forbidden { refused } else { taken });
            }
            Next::Acquire(uid) => self.acquire(number, uid, fate),
            Next::Claim(attempt, nonce) => self.write_claim(number, attempt, &nonce, fate),
            Next::StoreFirst(call) => match self.write_status(number, fate) {
                Written::Done(_) => self.then(number, Next::Call(call)),
                Written::Refused(Refused::Conflict) => self.look_anew(number),
                Written::Refused(Refused::Gone) | Written::Unknown => self.break_off(number, AFTER_FAILURE),
            },
            Next::Call(call) => self.call(number, call, fate),
            Next::Save(happened, unlearnt) => self.save(number, happened, unlearnt, fate),
        }
    }

    // === the API server ===

    fn write(
        &mut self,
        fate: Fate,
        write: impl FnOnce(&mut Self) -> Result<Option<Arc<Object>>, Refused>,
    ) -> Written {
        if fate == Fate::RequestLost {
            return Written::Unknown;
        }
        let before = self.api.object.clone();
        let written = write(self);
        if let Some(why) = fences::write(self, before.as_deref()) {
            self.accuse(why);
        }
        match written {
            _ if fate == Fate::AnswerLost => Written::Unknown,
            Ok(stored) => Written::Done(stored),
            Err(refused) => Written::Refused(refused),
        }
    }

    /// Writes the status as the visit has it, on the version that it observed.
    fn write_status(&mut self, number: usize, fate: Fate) -> Written {
        let visit = self.visit(number);
        let (stored, status) = (visit.stored.clone(), visit.seen.status.clone());
        let written = self.write(fate, |world| world.api.replace_status(&stored, &status).map(Some));
        if let Written::Done(Some(stored)) = &written {
            self.visit(number).stored = stored.clone();
        }
        written
    }

    fn finalizer_set(&mut self, number: usize, written: Written) {
        match written {
            Written::Done(stored) => {
                if let Some(stored) = stored {
                    self.visit(number).stored = stored;
                }
                self.break_off(number, AT_ONCE);
            }
            Written::Refused(Refused::Conflict) => self.look_anew(number),
            Written::Refused(Refused::Gone) | Written::Unknown => self.break_off(number, AFTER_FAILURE),
        }
    }

    fn let_go(&mut self, stored: &Object) -> Result<Option<Arc<Object>>, Refused> {
        self.api.set_finalizer(stored, false)
    }

    fn released(&mut self, number: usize) {
        self.break_off(number, AT_ONCE);
        if let Some(process) = self.processes[number].as_mut() {
            *process = crate::world::Process { due: i64::MAX, ..crate::world::Process::new(process.born) };
        }
    }

    /// Somebody else wrote first: the visit ends with the object as it is now.
    fn look_anew(&mut self, number: usize) {
        if let Some(newer) = self.api.object.clone() {
            self.visit(number).stored = newer;
        }
        self.break_off(number, AT_ONCE);
    }

    fn write_claim(&mut self, number: usize, attempt: i64, nonce: &str, fate: Fate) {
        let written = self.write_status(number, fate);
        let call = Call::Start(attempt, self.visit(number).hash());
        match written {
            Written::Done(_) => self.then(number, Next::Call(call)),
            Written::Unknown if self.is_claimed(nonce) => {
                if let Some(stored) = self.api.object.clone() {
                    self.visit(number).stored = stored;
                }
                self.then(number, Next::Call(call));
            }
            Written::Refused(_) | Written::Unknown => {
                // Nothing was started with the resourceId.
                self.visit(number).seen.memory.sessions.remove(&attempt);
                match written {
                    Written::Refused(Refused::Conflict) => self.look_anew(number),
                    Written::Done(_) | Written::Refused(Refused::Gone) | Written::Unknown => {
                        self.break_off(number, AFTER_FAILURE);
                    }
                }
            }
        }
    }

    fn is_claimed(&self, nonce: &str) -> bool {
        let stored = self.api.object.as_ref();
        stored.is_some_and(|object| object.status.sessions.iter().any(|session| session.nonce == nonce))
    }

    fn save(&mut self, number: usize, happened: Happened, unlearnt: Arc<Observed>, fate: Fate) {
        match self.write_status(number, fate) {
            Written::Done(_) => self.end_visit(number, 0),
            // Every repeat failed, too: the result stays in memory.
            Written::Unknown if fate == Fate::RequestLost => self.break_off(number, AFTER_FAILURE),
            Written::Refused(Refused::Gone) => self.break_off(number, 1),
            Written::Refused(Refused::Conflict) | Written::Unknown => {
                self.take_newer(number, happened, unlearnt);
            }
        }
    }

    /// Works the result into the object as it is now.
    fn take_newer(&mut self, number: usize, happened: Happened, unlearnt: Arc<Observed>) {
        let Some(newer) = self.api.object.clone() else { return self.break_off(number, 1) };
        let visit = self.visit(number);
        visit.seen = Observed { status: newer.status.clone(), ..(*unlearnt).clone() };
        visit.stored = newer;
        visit.seen.join();
        learn(&mut visit.seen, &happened);
        report(&mut visit.seen);
        if let Happened::Started(attempt, _, outcome) = &happened
            && let Outcome::Confirmed(Started::New { .. } | Started::Already { sid: Some(_) }) = outcome
            && let Some(claim) = unlearnt.session(*attempt)
            && !has_claim(&self.visit(number).seen.status, &claim.nonce)
            && let Some(resource) = visit::resource_number(&claim.resource_id)
        {
            self.vendor.stop(resource, self.now);
        }
        self.save_or_end(number, happened, unlearnt);
    }

    // === the bucket ===

    /// Where a start or a stop follows at once, what was learnt of the bucket is written with it.
    fn preflighted(&mut self, number: usize, probed: Probed) {
        let happened = Happened::Preflighted(probed);
        let mut seen = self.visit(number).seen.clone();
        learn(&mut seen, &happened);
        if matches!(plan(&seen), Step::Start(_) | Step::Stop { .. }) {
            self.visit(number).seen = seen;
            self.end_visit(number, 0);
        } else {
            self.learnt(number, happened);
        }
    }

    // === the vendor ===

    fn acquire(&mut self, number: usize, uid: i64, fate: Fate) {
        if let Some(why) = fences::acquire(&self.visit(number).seen) {
            self.accuse(why);
        }
        self.read_clock(number);
        let kind = match fate {
            Fate::Truth | Fate::AnswerLost | Fate::RequestLost | Fate::Late | Fate::NeverUp => {
                return self.claim(number, uid);
            }
            Fate::Refused => Kind::NoWorker,
            Fate::Forbidden => Kind::InvalidParameter,
        };
        self.learnt(number, Happened::NotAcquired(Outcome::Rejected(answer(kind))));
    }

    fn call(&mut self, number: usize, call: Call, fate: Fate) {
        let now = self.now;
        let happened = match call {
            Call::Start(attempt, hash) => {
                let outcome = self.start(number, attempt, fate);
                Happened::Started(attempt, hash, outcome)
            }
            Call::Query(attempt) => {
                let found =
                    self.visit(number).resource(attempt).map(|resource| self.vendor.query(resource, now));
                let found = found.filter(|_| fate != Fate::RequestLost);
                Happened::Queried(attempt, found.map_or_else(no_answer, |found| self.queried(found)))
            }
            Call::FindSid(attempt) => Happened::Searched(attempt, self.search_bucket(number, fate)),
            Call::Verify(attempt, sid) => {
                let resource = self.visit(number).resource(attempt);
                let is_it = resource.filter(|resource| visit::sid(*resource) == sid);
                let found = is_it.map_or(Found::NotFound, |resource| self.vendor.query(resource, now));
                let outcome = if fate == Fate::RequestLost { no_answer() } else { self.queried(found) };
                Happened::Verified(attempt, sid, outcome)
            }
            Call::Update(attempt, hash) => {
                let lists = self.visit(number).wanted.orders.lists;
                let outcome = self.change(number, attempt, fate, |world, resource| {
                    found(world.vendor.update(resource, lists, now), ())
                });
                Happened::Updated(attempt, hash, outcome)
            }
            Call::Stop(attempt) => {
                let outcome = self.change(number, attempt, fate, |world, resource| {
                    found(world.vendor.stop(resource, now), Stopped::NoRecordedData)
                });
                Happened::Stopped(attempt, outcome)
            }
        };
        self.read_clock(number);
        self.learnt(number, happened);
    }

    /// The vendor: 2 not yet running, 4 nobody has sent anything, 5 in progress.
    fn queried(&self, found: Found) -> Outcome<Queried> {
        match found {
            Found::Alive { running } => {
                let status = if !running {
                    2
                } else if self.rules.snapshots {
                    5
                } else {
                    4
                };
                Outcome::Confirmed(Queried { status, identity: Identity::Proved })
            }
            Found::NotFound => Outcome::Rejected(answer(Kind::NotFound)),
        }
    }

    /// What the snapshots in the bucket tell of sids that no session of the job has.
    fn search_bucket(&mut self, number: usize, fate: Fate) -> InBucket {
        if fate == Fate::RequestLost {
            return InBucket { obstacle: Some("the bucket does not answer".into()), ..InBucket::default() };
        }
        let brought = self.vendor.brought_snapshots(self.now);
        let status = &self.visit(number).seen.status;
        let is_known = |sid: &String| {
            status.sessions.iter().any(|session| session.sid.as_ref() == Some(sid))
                || status.history.iter().any(|past| past.sid.as_ref() == Some(sid))
        };
        let sids = brought.into_iter().map(visit::sid).filter(|sid| !is_known(sid)).collect();
        InBucket { sids, complete: true, obstacle: None }
    }

    fn start(&mut self, number: usize, attempt: i64, fate: Fate) -> Outcome<Started> {
        let visit = self.visit(number);
        let Some(resource) = visit.resource(attempt) else { return no_answer() };
        let token_end = visit.seen.token_end.map(|end| end.as_second());
        let orders = visit.wanted.orders;
        let asked = Asked {
            resource,
            orders,
            comes_up: fate != Fate::NeverUp,
            // The vendor's clock is right, and the token says when it ends.
            token_end: token_end.map(|end| end - self.wall(-self.wall_error).as_second()),
            control_life: CONTROL_HOURS * 3600,
            idles: !self.rules.snapshots,
        };
        match fate {
            Fate::Refused => return Outcome::Rejected(answer(Kind::NoWorker)),
            Fate::Forbidden => return Outcome::Rejected(answer(Kind::InvalidParameter)),
            Fate::RequestLost => return no_answer(),
            Fate::Late => {
                self.vendor.late.push(Late::Start(asked));
                return Outcome::Unknown(answer(Kind::Late));
            }
            Fate::Truth | Fate::AnswerLost | Fate::NeverUp => {}
        }
        let answered = self.start_arrives(&asked);
        if fate == Fate::AnswerLost {
            return no_answer();
        }
        let sid = || visit::sid(resource);
        match answered {
            StartAnswer::Started => Outcome::Confirmed(Started::New { sid: sid() }),
            StartAnswer::AlreadyStarted => {
                let sid = self.rules.repeats_sid.then(sid);
                Outcome::Confirmed(Started::Already { sid })
            }
            StartAnswer::Conflict => Outcome::Rejected(answer(Kind::Conflict)),
            StartAnswer::ResourceInvalid => Outcome::Rejected(answer(Kind::ResourceInvalid)),
        }
    }

    /// A call that changes a session.
    fn change<T>(
        &mut self,
        number: usize,
        attempt: i64,
        fate: Fate,
        carry_out: impl FnOnce(&mut Self, usize) -> Outcome<T>,
    ) -> Outcome<T> {
        let Some(resource) = self.visit(number).resource(attempt) else { return no_answer() };
        match fate {
            Fate::Refused | Fate::Forbidden => Outcome::Rejected(answer(Kind::InvalidParameter)),
            Fate::RequestLost => no_answer(),
            Fate::Late => {
                self.vendor.late.push(Late::Stop(resource));
                Outcome::Unknown(answer(Kind::Late))
            }
            Fate::AnswerLost => {
                drop(carry_out(self, resource));
                no_answer()
            }
            Fate::Truth | Fate::NeverUp => carry_out(self, resource),
        }
    }
}

fn has_claim(status: &SnapshotJobStatus, nonce: &str) -> bool {
    status.sessions.iter().any(|session| session.nonce == nonce)
}

fn found<T>(found: Found, value: T) -> Outcome<T> {
    match found {
        Found::Alive { .. } => Outcome::Confirmed(value),
        Found::NotFound => Outcome::Rejected(answer(Kind::NotFound)),
    }
}

fn no_answer<T>() -> Outcome<T> {
    Outcome::Unknown(answer(Kind::TimedOut))
}

fn answer(kind: Kind) -> Answer {
    Answer { kind, http: None, code: None, words: "as the vendor says it".into(), retry_after: None }
}
