//! What the operator counts and measures, and how Prometheus reads it.
//!
//! Owns every metric name. Callers report what happened through typed methods; no name or label is a string at a
//! call site. Names of controller-runtime are kept where their meaning is the same (docs/metrics.md says which are
//! left out and why). No object name, App ID or error text is a label, except on `last_file_age_seconds`.

mod active;
mod jobs;
mod labels;
#[cfg(target_os = "linux")]
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::active::ActiveReconcile;
use self::active::reconcile_time;
pub use self::jobs::JobView;
use self::jobs::Jobs;
pub use self::labels::{
    AgoraVerb, Fence, HandoverResult, NotificationResult, ReconcileResult, SessionEnd, StartResult, Upload,
};
use self::labels::{
    ApiLabels, ControllerLabels, EndLabels, FenceLabels, HandoverLabels, LeaseLabels, NotificationLabels,
    ReconcileLabels, RestLabels, StartLabels, UploadLabels, VerbLabels, WriteLabels,
};
use crate::lifecycle::outcome::Kind;

/// Value of the label `controller`: controller-runtime names a controller after the lower-case kind.
const CONTROLLER: &str = "snapshotjob";

/// All metrics of the process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_errors: Family<ControllerLabels, Counter>,
    reconcile_time: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    max_concurrent_reconciles: Family<ControllerLabels, Gauge>,
    active_workers: Family<ControllerLabels, Gauge>,
    rest_requests: Family<RestLabels, Counter>,
    leaders: Family<LeaseLabels, Gauge>,
    sessions_started: Family<StartLabels, Counter>,
    sessions_stopped: Family<UploadLabels, Counter>,
    sessions_ended: Family<EndLabels, Counter>,
    handovers: Family<HandoverLabels, Counter>,
    duplicates_prevented: Family<FenceLabels, Counter>,
    api_requests: Family<ApiLabels, Counter>,
    api_request_duration: Family<VerbLabels, Histogram, fn() -> Histogram>,
    api_budget_wait: Histogram,
    start_latency: Histogram,
    files: Counter,
    notifications: Family<NotificationLabels, Counter>,
    billed_seconds: Counter<f64, AtomicU64>,
    poll_lateness: Histogram,
    status_writes: Family<WriteLabels, Counter>,
    events_lost: Counter,
    jobs: Jobs,
}

impl Metrics {
    /// Content type of [`Metrics::exposition`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All metrics at zero. `last_file_age` says whether the metric that is labelled by job is exported.
    pub fn new(last_file_age: bool) -> Self {
        Self::with_clock(last_file_age, Timestamp::now)
    }

    fn with_clock(last_file_age: bool, now: fn() -> Timestamp) -> Self {
        let mut registry = Registry::default();
        let mut inner = Inner {
            registry: Registry::default(),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_time: Family::new_with_constructor(reconcile_time),
            max_concurrent_reconciles: Family::default(),
            active_workers: Family::default(),
            rest_requests: Family::default(),
            leaders: Family::default(),
            sessions_started: Family::default(),
            sessions_stopped: Family::default(),
            sessions_ended: Family::default(),
            handovers: Family::default(),
            duplicates_prevented: Family::default(),
            api_requests: Family::default(),
            api_request_duration: Family::new_with_constructor(call_time),
            api_budget_wait: call_time(),
            start_latency: Histogram::new(exponential_buckets(0.25, 2.0, 14)),
            files: Counter::default(),
            notifications: Family::default(),
            billed_seconds: Counter::default(),
            poll_lateness: Histogram::new(exponential_buckets(0.01, 4.0, 9)),
            status_writes: Family::default(),
            events_lost: Counter::default(),
            jobs: Jobs::new(last_file_age, now),
        };
        inner.register(&mut registry);
        inner.registry = registry;
        inner.begin_at_zero();
        Self(Arc::new(inner))
    }

    /// What Prometheus reads, in the OpenMetrics text format.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, and no encoder of ours refuses.
        let _infallible = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }

    /// How many jobs may be worked on at the same time.
    pub fn max_concurrent_reconciles(&self, limit: u16) {
        self.0.max_concurrent_reconciles.get_or_create(&ControllerLabels::ours()).set(i64::from(limit));
    }

    /// A visit begins. Tell its result to what is returned; one that is dropped without counts as an error.
    pub fn reconcile_started(&self) -> ActiveReconcile {
        self.0.active_workers.get_or_create(&ControllerLabels::ours()).inc();
        ActiveReconcile { metrics: self.clone(), started: tokio::time::Instant::now(), result: None }
    }

    /// A request to the API server ended; `code` is absent when there was no answer.
    pub fn kubernetes_request(&self, method: &http::Method, code: Option<u16>) {
        self.0.rest_requests.get_or_create(&RestLabels::new(method, code)).inc();
    }

    /// Whether this process leads by the Lease of this name. Not told without leader election.
    pub fn leads(&self, lease: &str, leads: bool) {
        let labels = LeaseLabels { name: lease.to_owned() };
        self.0.leaders.get_or_create(&labels).set(i64::from(leads));
    }

    /// A start was answered, or not.
    pub fn session_start(&self, result: StartResult) {
        self.0.sessions_started.get_or_create(&StartLabels { result }).inc();
    }

    /// The vendor confirmed a stop, and said this of the files.
    pub fn session_stopped(&self, upload: Upload) {
        self.0.sessions_stopped.get_or_create(&UploadLabels { upload }).inc();
    }

    /// A session is over, or given up.
    pub fn session_ended(&self, reason: SessionEnd) {
        self.0.sessions_ended.get_or_create(&EndLabels { reason }).inc();
    }

    /// A session was replaced, or was to be.
    pub fn handover(&self, result: HandoverResult) {
        self.0.handovers.get_or_create(&HandoverLabels { result }).inc();
    }

    /// A second session was kept from starting.
    pub fn duplicate_prevented(&self, fence: Fence) {
        self.0.duplicates_prevented.get_or_create(&FenceLabels { fence }).inc();
    }

    /// A request to the vendor ended. `http` is the status where there was an answer, else `kind` tells why not;
    /// `domain` is the host that was asked.
    pub fn agora_request(
        &self,
        verb: AgoraVerb,
        http: Option<u16>,
        kind: Option<Kind>,
        vendor_code: Option<i64>,
        domain: &str,
        took: Duration,
    ) {
        self.0.api_requests.get_or_create(&ApiLabels::new(verb, http, kind, vendor_code, domain)).inc();
        self.0.api_request_duration.get_or_create(&VerbLabels { verb }).observe(took.as_secs_f64());
    }

    /// A request waited so long for its turn in the App ID's request budget.
    pub fn budget_wait(&self, waited: Duration) {
        self.0.api_budget_wait.observe(waited.as_secs_f64());
    }

    /// From the first sight of the object to the stored sid.
    pub fn start_latency(&self, latency: Duration) {
        self.0.start_latency.observe(latency.as_secs_f64());
    }

    /// So many more snapshots were seen in buckets, or told of by notifications.
    pub fn files_arrived(&self, count: u64) {
        self.0.files.inc_by(count);
    }

    /// A notification came, of this `eventType` where that was read.
    pub fn notification(&self, event_type: Option<i64>, result: NotificationResult) {
        self.0.notifications.get_or_create(&NotificationLabels::new(event_type, result)).inc();
    }

    /// A snapshot taken at this time was told of.
    pub fn snapshot_told(&self, uid: &str, time: Timestamp) {
        self.0.jobs.snapshot_told(uid, time);
    }

    /// So many more seconds of sessions were, as far as the operator can know, billed.
    pub fn billed(&self, duration: Duration) {
        self.0.billed_seconds.inc_by(duration.as_secs_f64());
    }

    /// A query was sent so much later than it was due.
    pub fn poll_late(&self, lateness: Duration) {
        self.0.poll_lateness.observe(lateness.as_secs_f64());
    }

    /// A report was made; `changed` says whether it differed from the status and was written.
    pub fn status_report(&self, changed: bool) {
        self.0.status_writes.get_or_create(&WriteLabels::new(changed)).inc();
    }

    /// An event could not be published.
    pub fn event_lost(&self) {
        self.0.events_lost.inc();
    }

    /// What a job looks like now. `uid` is its metadata.uid.
    pub fn job_seen(&self, uid: &str, view: JobView) {
        self.0.jobs.seen(uid, view);
    }

    /// A job that was seen before is being deleted since then, whether or not anything else of it could be saved.
    pub fn job_deleting(&self, uid: &str, since: Timestamp) {
        self.0.jobs.deleting(uid, since);
    }

    /// The job is gone.
    pub fn job_gone(&self, uid: &str) {
        self.0.jobs.gone(uid);
    }

    /// A finalizer went although a session may still run. It stays in `orphan_risk_sessions` until its hard end, or
    /// as long as this process where it has none.
    pub fn orphan_left(&self, hard_end: Option<Timestamp>) {
        self.0.jobs.orphan_left(hard_end);
    }
}

impl Inner {
    /// Makes every series whose labels are known beforehand: a rate over one that appears with its first event misses
    /// that event, and an alert on one that is not there says nothing.
    fn begin_at_zero(&self) {
        for result in ReconcileResult::ALL {
            drop(self.reconciles.get_or_create(&ReconcileLabels::new(*result)));
        }
        drop(self.reconcile_errors.get_or_create(&ControllerLabels::ours()));
        for result in StartResult::ALL {
            drop(self.sessions_started.get_or_create(&StartLabels { result: *result }));
        }
        for upload in Upload::ALL {
            drop(self.sessions_stopped.get_or_create(&UploadLabels { upload: *upload }));
        }
        for reason in SessionEnd::ALL {
            drop(self.sessions_ended.get_or_create(&EndLabels { reason: *reason }));
        }
        for result in HandoverResult::ALL {
            drop(self.handovers.get_or_create(&HandoverLabels { result: *result }));
        }
        for fence in Fence::ALL {
            drop(self.duplicates_prevented.get_or_create(&FenceLabels { fence: *fence }));
        }
        for result in NotificationResult::ALL {
            drop(self.notifications.get_or_create(&NotificationLabels::new(None, *result)));
        }
        for verb in AgoraVerb::ALL {
            drop(self.api_request_duration.get_or_create(&VerbLabels { verb: *verb }));
        }
        for changed in [true, false] {
            drop(self.status_writes.get_or_create(&WriteLabels::new(changed)));
        }
    }

    /// The one place that names metrics. The format adds `_total` to counters by itself.
    fn register(&mut self, registry: &mut Registry) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("agora_snapshot_build", "Version of the running operator", build);

        let runtime = registry.sub_registry_with_prefix("controller_runtime");
        runtime.register("reconcile", "Visits to a job, by result", self.reconciles.clone());
        runtime.register(
            "reconcile_errors",
            "Visits to a job that ended in an error",
            self.reconcile_errors.clone(),
        );
        runtime.register("reconcile_time_seconds", "Length of a visit to a job", self.reconcile_time.clone());
        runtime.register(
            "max_concurrent_reconciles",
            "How many jobs may be visited at the same time",
            self.max_concurrent_reconciles.clone(),
        );
        runtime.register("active_workers", "How many jobs are being visited", self.active_workers.clone());
        registry.register(
            "rest_client_requests",
            "Requests to the API server, by status code and method; code <error> had no answer",
            self.rest_requests.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "Whether this process holds the Lease: 1 or 0; absent without leader election",
            self.leaders.clone(),
        );

        let own = registry.sub_registry_with_prefix("agora_snapshot");
        own.register(
            "sessions_started",
            "Starts sent to Agora, by what they proved",
            self.sessions_started.clone(),
        );
        own.register(
            "sessions_stopped",
            "Stops that Agora confirmed, by what it said of the files",
            self.sessions_stopped.clone(),
        );
        own.register("sessions_ended", "Sessions that are over, by why", self.sessions_ended.clone());
        own.register(
            "handovers",
            "Replacements of a running session, by what became of them",
            self.handovers.clone(),
        );
        own.register(
            "notifications",
            "Agora's notifications, by their eventType and what became of them",
            self.notifications.clone(),
        );
        own.register(
            "duplicate_sessions_prevented",
            "Second sessions that a fence kept from starting",
            self.duplicates_prevented.clone(),
        );
        own.register(
            "api_requests",
            "Requests to Agora, by verb, HTTP status, Agora's own code and domain",
            self.api_requests.clone(),
        );
        own.register(
            "api_request_duration_seconds",
            "Length of a request to Agora",
            self.api_request_duration.clone(),
        );
        own.register(
            "api_budget_wait_seconds",
            "How long requests waited for the App ID's request budget",
            self.api_budget_wait.clone(),
        );
        own.register(
            "start_latency_seconds",
            "From the first sight of a job to its stored session id",
            self.start_latency.clone(),
        );
        own.register("files", "Snapshots seen in buckets or told of by notifications", self.files.clone());
        own.register(
            "billed_seconds",
            "Seconds of sessions, start to end as far as known",
            self.billed_seconds.clone(),
        );
        own.register(
            "poll_lateness_seconds",
            "How much later than due a session was queried",
            self.poll_lateness.clone(),
        );
        own.register(
            "status_writes",
            "Reports, by whether the status had to be written",
            self.status_writes.clone(),
        );
        own.register("events_lost", "Events that could not be published", self.events_lost.clone());

        registry.register_collector(Box::new(self.jobs.clone()));
        #[cfg(target_os = "linux")]
        registry.register_collector(Box::new(process::Process));
    }
}

/// Agora's calls take tens of milliseconds to the 35 s of a synchronous stop.
fn call_time() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0])
}

#[cfg(test)]
mod tests;
