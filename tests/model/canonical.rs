//! When two states count as the same. Names of resourceIds and marks of claims do not matter, only which is which; times
//! count relative to now, and alike where no decision tells them apart. The product's own types are `form`'s.

use std::hash::Hasher;

use agora_snapshot_operator::lifecycle::outcome::Outcome;
use agora_snapshot_operator::lifecycle::preflight::Probed;

use crate::form::{FAR, FAR_END, Form, seconds};
use crate::object::Object;
use crate::vendor::{Asked, Late, Life, Resource, Session as VendorSession, Vendor};
use crate::visit::{Call, Happened, Next, Visit, resource_of};
use crate::world::{Process, World};

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

impl Form {
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
        let Process { born, memory, newest, due, visit, told } = process;
        self.mono_now = seconds(world.moment(*born).mono);
        self.one((due - world.now).clamp(-1, FAR));
        for (sid, told) in told {
            let number = resource_of(sid);
            self.resource(number);
            self.told(told, number.map_or(0, |number| world.vendor.resources[number].uid));
        }
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
            Next::Preflight => self.one(9),
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
            Happened::Preflighted(probed) => (10, 0, i64::from(matches!(probed, Probed::Taken { .. }))),
        };
        self.all([kind, attempt, proof]);
    }

    // === the vendor ===

    fn vendor(&mut self, vendor: &Vendor, now: i64) {
        let Vendor { resources, late } = vendor;
        for late in late {
            match late {
                Late::Start(Asked {
                    resource,
                    orders,
                    comes_up,
                    token_end: _,
                    control_life: _,
                    idles: _,
                }) => {
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
            let Some(VendorSession { uid, since, orders, comes_up, control_end, token_end, idle_end, life }) =
                session
            else {
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
            self.one(idle_end.map_or(-1, |end| (end - now).max(0)));
        }
    }
}
