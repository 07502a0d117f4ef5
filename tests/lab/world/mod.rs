//! The world around the operator: API server, vendor, buckets, and the time. It outlives every process of the operator.
//!
//! Owns the time and the way of a request: each one that has an effect gets a number, and the plan is asked what becomes
//! of it. A new write or call of the operator's is therefore met like all others.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agora_simulator::clock::Millis;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::api_server::ApiServer;
use crate::script::Script;
use crate::witness::Witness;

mod buckets;
mod fates;
mod mishaps;
mod operators;
mod to_api_server;
mod to_bucket;
mod to_vendor;
mod vendor;

use buckets::Buckets;
pub(crate) use fates::{Fate, Point};
use mishaps::Misdelivery;
pub(crate) use mishaps::Mishap;
pub(crate) use operators::{Operator, Process};
pub(crate) use to_api_server::client;
pub(crate) use to_bucket::connections;
pub(crate) use to_vendor::carrier;
pub(crate) use vendor::Vendor;

/// When the world begins.
const ORIGIN: &str = "2026-07-01T12:00:00Z";

/// App ID of all jobs.
pub(crate) const APP_ID: &str = "970ca35de60c44645bbae8a215061b33";

/// Customer id and secret.
pub(crate) const ACCOUNT: (&str, &str) = ("customer-4711", "hunter2-of-the-customer");

/// Longer than the operator may stand still before its knowledge is dangerous: a resourceId lives five minutes.
const PAUSE: Duration = Duration::from_secs(400);

/// More than any life needs; an operator that spins gets there.
const MOST_REQUESTS: usize = 20_000;

/// The world. One for a life.
pub(crate) struct World {
    inner: Mutex<Inner>,
    /// Counts changes, so that whoever waits for one looks again.
    changes: watch::Sender<u64>,
}

/// All that is in it.
pub(crate) struct Inner {
    /// When the present process began, or the last one ended, and the runtime's clock at that moment.
    since: (Timestamp, Option<Instant>),
    pub(crate) api: ApiServer,
    pub(crate) vendor: Vendor,
    pub(crate) buckets: Buckets,
    pub(crate) operators: Vec<Operator>,
    pub(crate) witness: Witness,
    pub(crate) script: Script,
    plan: Vec<Point>,
    misdelivery: Option<Misdelivery>,
    deferred: Vec<(Timestamp, Deferred)>,
    requests: usize,
    /// What happened, a line for each effect.
    pub(crate) story: Vec<String>,
}

type Deferred = Box<dyn FnOnce(&mut Inner) + Send>;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Loss {
    /// It was not sent.
    #[error("connection refused")]
    Refused,
    /// It may have been.
    #[error("connection reset")]
    Broken,
}

impl World {
    /// A world in which nothing has happened, and what becomes of the requests in it.
    pub(crate) fn new(script: Script, plan: Vec<Point>, operators: usize, told: bool) -> Arc<Self> {
        let origin: Timestamp = ORIGIN.parse().expect("a time");
        let mut vendor = Vendor::new(millis(origin), APP_ID, ACCOUNT, vendor::settings());
        if told {
            vendor.send_notifications(millis(origin));
        }
        Arc::new(Self {
            inner: Mutex::new(Inner {
                since: (origin, None),
                api: ApiServer::new(),
                vendor,
                buckets: Buckets::default(),
                operators: (0..operators).map(|_| Operator { wanted: true, ..Operator::default() }).collect(),
                witness: Witness::default(),
                script,
                plan,
                misdelivery: None,
                deferred: Vec::new(),
                requests: 0,
                story: Vec::new(),
            }),
            changes: watch::Sender::new(0),
        })
    }

    /// Time goes on, by the clock of the runtime that this is called in.
    pub(crate) fn begin_time(&self) {
        self.lock().since.1 = Some(Instant::now());
    }

    /// The runtime ends; so much later there is another. To be called as long as it has a clock.
    pub(crate) fn end_time(&self, later: Duration) {
        let mut inner = self.lock();
        inner.since = (inner.now() + later, None);
    }

    /// Does something with the world, lets the witness look at what came of it, and wakes whoever waits for a change.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.settle();
        let result = act(&mut inner);
        inner.look();
        drop(inner);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// As `with`, for the script: only what it did is a change.
    pub(crate) fn with_script<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.settle();
        let before = inner.api.resource_version();
        let result = act(&mut inner);
        inner.look();
        let changed = inner.api.resource_version() != before;
        drop(inner);
        if changed {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        result
    }

    /// Reads something of it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.settle();
        look(&mut inner)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.lock().now()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with the world in hand")
    }

    pub(crate) fn until(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.now())).unwrap_or_default()
    }

    // === requests ===

    /// A request without an effect, after the time that it takes.
    async fn ask<T>(&self, process: Process, takes: Duration, act: impl FnOnce(&mut Inner) -> T) -> T {
        self.gate(process).await;
        sleep(takes).await;
        self.gate(process).await;
        let mut inner = self.lock();
        inner.count_request();
        inner.settle();
        act(&mut inner)
    }

    /// A request with an effect: gets the next number, and what the plan has in store for it. `patience`: so long does
    /// the operator wait for its answer.
    async fn affect<T>(
        &self,
        process: Process,
        what: String,
        (takes, patience): (Duration, Duration),
        act: impl Fn(&mut Inner) -> T + Send + 'static,
    ) -> Result<T, Loss> {
        self.gate(process).await;
        sleep(takes).await;
        self.gate(process).await;
        let too_late = patience + Duration::from_secs(2);
        let fate = self.read(|world| world.number(process.operator, what));
        match fate {
            None => Ok(self.with(act)),
            Some(Fate::DieBefore) => {
                self.end(process);
                std::future::pending().await
            }
            Some(Fate::DieAfter) => {
                self.with(act);
                self.end(process);
                std::future::pending().await
            }
            Some(Fate::Refused) => Err(Loss::Refused),
            Some(Fate::RequestLost) => Err(Loss::Broken),
            Some(Fate::AnswerLost) => {
                self.with(act);
                Err(Loss::Broken)
            }
            Some(Fate::AnswerLate) => {
                let answer = self.with(act);
                sleep(too_late).await;
                Ok(answer)
            }
            Some(Fate::EffectLate) => {
                self.with(|world| {
                    let due = world.now() + too_late;
                    let act = move |world: &mut Inner| drop(act(world));
                    world.deferred.push((due, Box::new(act)));
                });
                std::future::pending().await
            }
            Some(Fate::Twice) => {
                self.with(&act);
                Ok(self.with(act))
            }
            Some(Fate::Terminate) => {
                self.with(|world| world.operators[process.operator].told_to_end = true);
                Ok(self.with(act))
            }
            Some(Fate::Replace) => {
                self.with(|world| {
                    let one = &mut world.operators[process.operator];
                    (one.told_to_end, one.wanted) = (true, false);
                    world.operators.iter_mut().skip(1).for_each(|other| other.wanted = true);
                });
                Ok(self.with(act))
            }
            Some(Fate::Watch(mishap)) => Ok(self.with(|world| {
                let before = world.api.resource_version();
                let answer = act(world);
                world.misdeliver(mishap, before);
                answer
            })),
            Some(Fate::Hand(deed)) => {
                self.with(|world| world.third_hand(deed));
                Ok(self.with(act))
            }
            Some(Fate::PauseBefore) => {
                self.pause(process);
                self.gate(process).await;
                Ok(self.with(act))
            }
            Some(Fate::PauseAfter) => {
                let answer = self.with(act);
                self.pause(process);
                self.gate(process).await;
                Ok(answer)
            }
        }
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        let (base, began) = self.since;
        base + began.map(|began| began.elapsed()).unwrap_or_default()
    }

    pub(crate) fn millis(&self) -> Millis {
        millis(self.now())
    }

    /// Lets everything happen that is due.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        while let Some(at) = self.deferred.iter().position(|(due, _)| *due <= now) {
            let (_, act) = self.deferred.remove(at);
            self.vendor.settle(millis(now), &mut self.buckets);
            self.tell("   what came too late has its effect now".to_owned());
            act(self);
            self.look();
        }
        self.vendor.settle(millis(now), &mut self.buckets);
    }

    fn look(&mut self) {
        let now = self.millis();
        self.witness.look(now, &self.api, &mut self.vendor);
    }

    fn count_request(&mut self) {
        self.requests += 1;
        if self.requests == MOST_REQUESTS {
            self.witness.accuse(format!("{MOST_REQUESTS} requests: the operator spins"));
        }
    }

    fn number(&mut self, operator: usize, what: String) -> Option<Fate> {
        self.count_request();
        let number = self.operators[operator].effects;
        self.operators[operator].effects += 1;
        let of_it = |point: &&Point| (point.operator, point.number) == (operator, number);
        let point = self.plan.iter().find(of_it).copied();
        let told = point.map(|point| format!(" <- {point}")).unwrap_or_default();
        self.tell(format!("{operator}:{number} {what}{told}"));
        point.map(|point| point.fate)
    }

    /// Does something later, when the world is looked at then.
    pub(crate) fn later(&mut self, later: Duration, act: impl FnOnce(&mut Self) + Send + 'static) {
        let due = self.now() + later;
        self.deferred.push((due, Box::new(act)));
    }

    /// Whether an operator has not yet gone on.
    pub(crate) fn somebody_stands_still(&self) -> bool {
        let now = self.now();
        self.operators.iter().any(|one| one.alive && one.paused.is_some_and(|until| until > now))
    }

    /// Points of the plan whose number no effect had.
    pub(crate) fn points_left(&self) -> usize {
        self.plan.iter().filter(|point| point.number >= self.operators[point.operator].effects).count()
    }

    /// Adds a line to the story.
    pub(crate) fn tell(&mut self, what: String) {
        self.story.push(format!("{} {what}", self.now().strftime("%H:%M:%S%.3f")));
    }
}

fn millis(time: Timestamp) -> Millis {
    Millis::try_from(time.as_millisecond()).expect("later than 1970")
}
