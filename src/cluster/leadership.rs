//! Leader election over a Lease (coordination.k8s.io/v1), so that of several replicas one works.
//!
//! Owns the loop that reads and writes the Lease. Who may lead is decided in `candidate`; `gate` tells the rest of the
//! program. Every write is a replace on the resourceVersion that was read, so that of two that take
//! over one fails. It only saves work: that no second session starts is kept by the claims, not by this.

mod candidate;
mod gate;
#[cfg(test)]
mod properties;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub use self::candidate::Loss;
use self::candidate::{Candidate, Decision, Moment, Record};
pub use self::gate::Gate;
use self::gate::Standing;
use super::client::{CALL_LIMIT, CallError, within};
use crate::metrics::Metrics;

/// Replicas that look in the same instant would get in each other's way for ever; client-go spreads them likewise.
const JITTER: f64 = 0.2;

/// A right that is missing is not there two seconds later; looking every so many periods is enough.
const PERIODS_AFTER_REFUSAL: u32 = 5;

/// Writes in a row that met somebody else's before there is a pause.
const MOST_OUTRUN: u32 = 3;

/// A trouble that lasts is told again after this long.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Annotation of the Lease: where its holder takes the vendor's notifications from the other replicas, as
/// `HOLDER=IP:PORT`, for a holder of an older version leaves what it finds.
pub const RECEIVER_ANNOTATION: &str = "agora-snapshot.dev/notification-receiver";

/// Which Lease, and its times. `renew_deadline` must be shorter than `lease_duration`.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are, unlike any other process.
    pub identity: String,
    /// How long the others wait after our last renewal.
    pub lease_duration: Duration,
    /// How long we go on without a renewal.
    pub renew_deadline: Duration,
    /// Between two looks or renewals.
    pub retry_period: Duration,
    /// Where this process takes notifications, `IP:PORT`, if it does.
    pub receiver: Option<String>,
}

/// An election under way.
#[derive(Debug)]
pub struct Election {
    gate: Gate,
    leader: watch::Receiver<Option<String>>,
    end: watch::Sender<bool>,
    looking: JoinHandle<()>,
}

impl Election {
    /// Begins to look at the Lease, and leads when it is free.
    pub fn begin(client: Client, terms: Terms, metrics: Metrics) -> Self {
        let (standing, seen) = watch::channel(Standing::Unknown);
        let (receiver, leader) = watch::channel(None);
        let (end, ended) = watch::channel(false);
        metrics.leads(&terms.name, false);
        tracing::info!(
            lease = terms.name,
            namespace = terms.namespace,
            identity = terms.identity,
            "leader election begins"
        );
        let candidate = Candidate::new(terms.identity.clone(), terms.lease_duration, terms.renew_deadline);
        let elector = Elector {
            leases: Api::namespaced(client, &terms.namespace),
            candidate,
            terms,
            stored: None,
            began: Instant::now(),
            standing,
            receiver,
            metrics,
            holder: None,
            told: None,
        };
        Self { gate: Gate::of(seen), leader, end, looking: tokio::spawn(elector.look_and_lead(ended)) }
    }

    /// Whether this process may work.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Where the process that leads, if another one does, takes notifications: `IP:PORT`, as its Lease says.
    pub fn leaders_receiver(&self) -> watch::Receiver<Option<String>> {
        self.leader.clone()
    }

    /// Gives the Lease up, if this process holds it, so that another can take it at once. No longer than `limit`.
    pub async fn release(self, limit: Duration) {
        self.end.send_replace(true);
        if timeout(limit, self.looking).await.is_err() {
            tracing::warn!("the Lease was not given up in time; another replica takes it when it runs out");
        }
    }
}

/// Looks at the Lease again and again.
struct Elector {
    leases: Api<Lease>,
    terms: Terms,
    candidate: Candidate,
    /// The Lease as last read or written; a write has to be of this version.
    stored: Option<Lease>,
    began: Instant,
    standing: watch::Sender<Standing>,
    /// Where another process that leads takes notifications.
    receiver: watch::Sender<Option<String>>,
    metrics: Metrics,
    /// Who was last said to hold it.
    holder: Option<String>,
    /// The trouble that was last told, and when.
    told: Option<(String, Instant)>,
}

/// Why a turn came to nothing.
enum Trouble {
    /// Somebody wrote meanwhile.
    Outrun,
    /// The API server refused or did not answer.
    Call(&'static str, CallError),
}

impl Elector {
    async fn look_and_lead(mut self, mut ended: watch::Receiver<bool>) {
        let mut outrun = 0;
        loop {
            let result = self.turn().await;
            outrun = if matches!(result, Err(Trouble::Outrun)) { outrun + 1 } else { 0 };
            let pause = match result {
                // What the other wrote decides who leads, so it is read at once; but not for ever.
                Err(Trouble::Outrun) if outrun <= MOST_OUTRUN => continue,
                Ok(()) | Err(Trouble::Outrun) => self.pause(1),
                Err(Trouble::Call(verb, error)) => {
                    let refused = error.is_forbidden();
                    self.tell(verb, &error);
                    self.pause(if refused { PERIODS_AFTER_REFUSAL } else { 1 })
                }
            };
            if let Standing::Lost(loss) = &*self.standing.borrow() {
                self.metrics.leads(&self.terms.name, false);
                tracing::error!(%loss, "leadership is lost");
                return;
            }
            tokio::select! {
                () = sleep(pause) => {}
                // An error says that whoever could end it is gone, which is an end too.
                _ = ended.wait_for(|ended| *ended) => break,
            }
        }
        self.give_up().await;
    }

    /// One look or one write, and what follows from it.
    async fn turn(&mut self) -> Result<(), Trouble> {
        if !self.candidate.leads() {
            self.look().await?;
        }
        let decision = match self.candidate.decide(self.now()) {
            Decision::Look => {
                self.look().await?;
                self.candidate.decide(self.now())
            }
            decided => decided,
        };
        match decision {
            Decision::Create | Decision::TakeOver | Decision::Renew => self.write().await,
            Decision::Wait(left) => {
                self.stand_by(left);
                Ok(())
            }
            Decision::Lose(loss) => {
                self.standing.send_replace(Standing::Lost(loss));
                Ok(())
            }
            // It was just read.
            Decision::Look => Ok(()),
        }
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let found = within(self.limit(), self.leases.get_opt(&self.terms.name)).await;
        let found = found.map_err(|error| Trouble::Call("get", error))?;
        self.candidate.looked(found.as_ref().map(record), self.now());
        self.stored = found;
        Ok(())
    }

    /// Writes us as the holder, on the version that was read.
    async fn write(&mut self) -> Result<(), Trouble> {
        let sent = self.now();
        let (wanted, params) = (self.ours(), PostParams::default());
        let (verb, result) = match &self.stored {
            None => ("create", within(self.limit(), self.leases.create(&params, &wanted)).await),
            Some(_) => {
                let call = self.leases.replace(&self.terms.name, &params, &wanted);
                ("update", within(self.limit(), call).await)
            }
        };
        match result {
            Ok(stored) => {
                self.candidate.written(record(&stored), sent);
                self.stored = Some(stored);
                self.lead();
                Ok(())
            }
            Err(error) => {
                self.candidate.doubted();
                let already = error.status().is_some_and(kube::core::Status::is_already_exists);
                if already || error.is_conflict() || (verb == "update" && error.is_not_found()) {
                    Err(Trouble::Outrun)
                } else {
                    Err(Trouble::Call(verb, error))
                }
            }
        }
    }

    /// The Lease with us as its holder.
    fn ours(&self) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut before = self.stored.clone().unwrap_or_default();
        let annotations = before.metadata.annotations.get_or_insert_default();
        match &self.terms.receiver {
            Some(receiver) => {
                let receiver = format!("{}={receiver}", self.terms.identity);
                drop(annotations.insert(RECEIVER_ANNOTATION.to_owned(), receiver));
            }
            None => drop(annotations.remove(RECEIVER_ANNOTATION)),
        }
        let spec = before.spec.unwrap_or_default();
        let held = spec.holder_identity.as_ref() == Some(&self.terms.identity);
        let seconds = self.terms.lease_duration.as_secs_f64().ceil();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.terms.name.clone()),
                managed_fields: None,
                ..before.metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.terms.identity.clone()),
                lease_duration_seconds: Some(seconds as i32),
                acquire_time: spec.acquire_time.clone().filter(|_| held).or(Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(self.candidate.transitions()),
                ..spec
            }),
        }
    }

    fn lead(&mut self) {
        let Some(until) = self.candidate.leads_until() else { return };
        self.receiver.send_if_modified(|known| known.take().is_some());
        let first = !matches!(*self.standing.borrow(), Standing::Leading(_));
        self.standing.send_replace(Standing::Leading(self.began + until));
        if first {
            self.metrics.leads(&self.terms.name, true);
            tracing::info!(lease = self.terms.name, identity = self.terms.identity, "this process leads");
        }
        self.told = None;
    }

    fn stand_by(&mut self, left: Duration) {
        self.standing.send_if_modified(|standing| {
            let unknown = *standing == Standing::Unknown;
            if unknown {
                *standing = Standing::Standby;
            }
            unknown
        });
        let receiver = self.stored.as_ref().and_then(|lease| {
            let holder = lease.spec.as_ref()?.holder_identity.as_ref()?;
            let said = lease.metadata.annotations.as_ref()?.get(RECEIVER_ANNOTATION)?;
            said.strip_prefix(holder.as_str())?.strip_prefix('=').map(str::to_owned)
        });
        self.receiver.send_if_modified(|known| {
            let changed = *known != receiver;
            *known = receiver;
            changed
        });
        let holder = self.stored.as_ref().and_then(|lease| lease.spec.as_ref()?.holder_identity.clone());
        if holder != self.holder {
            let name = holder.as_deref().unwrap_or_default();
            tracing::info!(
                lease = self.terms.name,
                leader = name,
                ?left,
                "another process leads; standing by"
            );
            self.holder = holder;
        }
        self.told = None;
    }

    /// Empties the Lease. What fails here is told and left: it runs out by itself.
    async fn give_up(mut self) {
        let leads = matches!(*self.standing.borrow(), Standing::Leading(_));
        let Some(mut lease) = self.stored.take().filter(|_| leads) else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        lease.metadata.managed_fields = None;
        self.metrics.leads(&self.terms.name, false);
        let params = PostParams::default();
        let call = self.leases.replace(&self.terms.name, &params, &lease);
        match within(self.limit(), call).await {
            Ok(_) => tracing::info!(lease = self.terms.name, "leadership is given up"),
            Err(error) => tracing::warn!(%error, "the Lease was not given up; it runs out by itself"),
        }
    }

    /// Says what went wrong, once and then from time to time.
    fn tell(&mut self, verb: &'static str, error: &CallError) {
        let (name, namespace) = (&self.terms.name, &self.terms.namespace);
        let words = if error.is_forbidden() {
            format!(
                "the operator may not {verb} Lease {namespace}/{name}: its role needs the verbs get and update on \
                 leases.coordination.k8s.io named {name}, and create on leases, in namespace {namespace}"
            )
        } else {
            format!("Lease {namespace}/{name} could not be read or written ({verb}): {error}")
        };
        let fresh =
            self.told.as_ref().is_some_and(|(told, when)| *told == words && when.elapsed() < TOLD_AGAIN);
        if !fresh {
            tracing::error!(lease = name, "{words}; it is tried again");
            self.told = Some((words, Instant::now()));
        }
    }

    /// Until the next turn: with a jitter, and for a leader never beyond the moment up to which it leads.
    fn pause(&self, periods: u32) -> Duration {
        let pause = self.terms.retry_period.mul_f64(1.0 + JITTER * rand::random::<f64>());
        match self.candidate.leads_until() {
            Some(until) => pause.min(until.saturating_sub(self.now())),
            None => pause * periods,
        }
    }

    /// For one call: so short that a second one fits in before leadership ends, and no longer than it lasts.
    fn limit(&self) -> Duration {
        let limit = CALL_LIMIT.min(self.terms.renew_deadline / 2);
        match self.candidate.leads_until() {
            Some(until) => limit.min(until.saturating_sub(self.now())),
            None => limit,
        }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: seconds.map(Duration::from_secs),
        renewed: spec.renew_time.map(|time| time.0.to_string()),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

/// A name for this process that no other has: its pod's, or its machine's, and something random.
pub fn identity(pod: Option<&str>) -> String {
    let host = || std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let name = pod.map(str::to_owned).or_else(host).unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
    format!("{name}_{:08x}", rand::random::<u32>())
}
