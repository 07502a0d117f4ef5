//! The metrics that are a view of the jobs as they are now: how many in each phase and for which reason, how many
//! sessions may be orphans, how long the oldest deletion waits, whose snapshots are overdue, and how old each job's
//! newest one is. They are worked out at each scrape, so that an age grows between visits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::Reason;
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
    /// Reason of its condition `Ready`, once it has one.
    pub reason: Option<Reason>,
    /// `metadata.deletionTimestamp`, if it is being deleted.
    pub deleting_since: Option<Timestamp>,
    /// Capture time of its newest snapshot. Absent when there is none, or when none is expected to come.
    pub last_file: Option<Timestamp>,
    /// When a newer snapshot is overdue. Absent when none is expected to come, or when the bucket cannot be listed.
    pub next_file_by: Option<Timestamp>,
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

    pub(super) fn deleting(&self, uid: &str, since: Timestamp) {
        if let Some(view) = self.known().views.get_mut(uid) {
            view.deleting_since = Some(since);
        }
    }

    pub(super) fn snapshot_told(&self, uid: &str, time: Timestamp) {
        if let Some(view) = self.known().views.get_mut(uid) {
            view.last_file = view.last_file.max(Some(time));
        }
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
        known.encode_counts(&mut encoder)?;
        known.encode_verdicts(&mut encoder, now)?;
        match self.last_file_age {
            true => known.encode_ages(&mut encoder, now),
            false => Ok(()),
        }
    }
}

impl Known {
    /// How many jobs there are, by what their status says.
    fn encode_counts(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Every phase is there from the start: an absent series and a zero are not the same to an alert.
        let mut phases: BTreeMap<&str, i64> = PHASES.iter().map(|phase| (phase_word(*phase), 0)).collect();
        let mut reasons: BTreeMap<Reason, i64> = BTreeMap::new();
        for view in self.views.values() {
            if let Some(phase) = view.phase {
                *phases.entry(phase_word(phase)).or_default() += 1;
            }
            if let Some(reason) = view.reason {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let mut jobs = describe(encoder, "agora_snapshot_jobs", "SnapshotJobs, by phase")?;
        for (phase, count) in phases {
            ConstGauge::new(count).encode(jobs.encode_family(&[("phase", phase)])?)?;
        }
        if reasons.is_empty() {
            return Ok(());
        }
        let words = "SnapshotJobs, by the reason of their condition Ready";
        let mut jobs = describe(encoder, "agora_snapshot_jobs_by_reason", words)?;
        for (reason, count) in reasons {
            ConstGauge::new(count).encode(jobs.encode_family(&[("reason", reason.as_str())])?)?;
        }
        Ok(())
    }

    /// What somebody should look at, over all jobs.
    fn encode_verdicts(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        now: Timestamp,
    ) -> Result<(), std::fmt::Error> {
        let risks = self.views.values().map(|view| i64::from(view.orphan_risks)).sum::<i64>();
        let left = i64::try_from(self.orphans_left.len()).unwrap_or(i64::MAX);
        let words = "Sessions that may be running, and billed, and can no longer be stopped";
        let gauge = describe(encoder, "agora_snapshot_orphan_risk_sessions", words)?;
        ConstGauge::new(risks.saturating_add(left)).encode(gauge)?;

        let oldest = self.views.values().filter_map(|view| view.deleting_since).min();
        let words = "How long the job waits that has been in deletion for longest; 0 when none is";
        let gauge = describe(encoder, "agora_snapshot_oldest_deletion_age_seconds", words)?;
        ConstGauge::new(oldest.map_or(0.0, |since| seconds(since, now))).encode(gauge)?;

        let overdue = self.views.values().filter(|view| view.next_file_by.is_some_and(|due| due < now));
        let overdue = i64::try_from(overdue.count()).unwrap_or(i64::MAX);
        let words = "Jobs that take snapshots, none of which has arrived for too long";
        let gauge = describe(encoder, "agora_snapshot_jobs_missing_snapshots", words)?;
        ConstGauge::new(overdue).encode(gauge)
    }

    /// How old each job's newest snapshot is.
    fn encode_ages(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        now: Timestamp,
    ) -> Result<(), std::fmt::Error> {
        if self.views.values().all(|view| view.last_file.is_none()) {
            return Ok(());
        }
        let words = "Age of the newest snapshot of a job";
        let mut ages = describe(encoder, "agora_snapshot_last_file_age_seconds", words)?;
        for view in self.views.values() {
            let Some(last_file) = view.last_file else { continue };
            let labels = [("namespace", view.namespace.as_str()), ("name", view.name.as_str())];
            ConstGauge::new(seconds(last_file, now)).encode(ages.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn describe<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    words: &'a str,
) -> Result<MetricEncoder<'a>, std::fmt::Error> {
    encoder.encode_descriptor(name, words, None, MetricType::Gauge)
}

fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(since).as_secs_f64().max(0.0)
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
