//! The metrics that are a view of the jobs as they are now: how many in each phase, how many sessions may be
//! orphans, and how old each job's newest snapshot is. They are worked out at each scrape, so that an age grows
//! between visits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::status::Phase;

/// What the metrics show of one job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase, once it has one.
    pub phase: Option<Phase>,
    /// Capture time of its newest snapshot. Absent when there is none, or when none is expected to come.
    pub last_file: Option<Timestamp>,
    /// How many of its sessions may be running and can no longer be stopped.
    pub orphan_risks: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Jobs {
    last_file_age: bool,
    now: fn() -> Timestamp,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    views: HashMap<String, JobView>,
    orphans_left: Vec<Option<Timestamp>>,
}

impl Jobs {
    pub(super) fn new(last_file_age: bool, now: fn() -> Timestamp) -> Self {
        Self { last_file_age, now, known: Arc::default() }
    }

    pub(super) fn seen(&self, uid: &str, view: JobView) {
        self.known().views.insert(uid.to_owned(), view);
    }

    pub(super) fn gone(&self, uid: &str) {
        self.known().views.remove(uid);
    }

    pub(super) fn orphan_left(&self, hard_end: Option<Timestamp>) {
        self.known().orphans_left.push(hard_end);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Jobs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let now = (self.now)();
        let mut known = self.known();
        known.orphans_left.retain(|hard_end| hard_end.is_none_or(|end| end > now));

        // Every phase is there from the start: an absent series and a zero are not the same to an alert.
        let mut phases: BTreeMap<&str, i64> = PHASES.iter().map(|phase| (phase_word(*phase), 0)).collect();
        for phase in known.views.values().filter_map(|view| view.phase) {
            *phases.entry(phase_word(phase)).or_default() += 1;
        }
        let mut jobs = encoder.encode_descriptor(
            "agora_snapshot_jobs",
            "SnapshotJobs, by phase",
            None,
            MetricType::Gauge,
        )?;
        for (phase, count) in phases {
            ConstGauge::new(count).encode(jobs.encode_family(&[("phase", phase)])?)?;
        }

        let risks = known.views.values().map(|view| i64::from(view.orphan_risks)).sum::<i64>();
        let left = i64::try_from(known.orphans_left.len()).unwrap_or(i64::MAX);
        let orphans = encoder.encode_descriptor(
            "agora_snapshot_orphan_risk_sessions",
            "Sessions that may be running, and billed, and can no longer be stopped",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(risks.saturating_add(left)).encode(orphans)?;

        if !self.last_file_age || known.views.values().all(|view| view.last_file.is_none()) {
            return Ok(());
        }
        let mut ages = encoder.encode_descriptor(
            "agora_snapshot_last_file_age_seconds",
            "Age of the newest snapshot of a job",
            None,
            MetricType::Gauge,
        )?;
        for view in known.views.values() {
            let Some(last_file) = view.last_file else { continue };
            let age = now.duration_since(last_file).as_secs_f64().max(0.0);
            let labels = [("namespace", view.namespace.as_str()), ("name", view.name.as_str())];
            ConstGauge::new(age).encode(ages.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

const PHASES: [Phase; 10] = [
    Phase::Pending,
    Phase::Queued,
    Phase::Starting,
    Phase::Running,
    Phase::Recovering,
    Phase::Stopping,
    Phase::Suspended,
    Phase::Waiting,
    Phase::Succeeded,
    Phase::Failed,
];

/// The word as it stands in the status. A new phase does not compile until it is named here; add it to `PHASES` too.
fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Queued => "Queued",
        Phase::Starting => "Starting",
        Phase::Running => "Running",
        Phase::Recovering => "Recovering",
        Phase::Stopping => "Stopping",
        Phase::Suspended => "Suspended",
        Phase::Waiting => "Waiting",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}
