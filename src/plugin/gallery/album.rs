//! The snapshots of the job, as the bucket had them a moment ago.
//!
//! Looks when somebody asks and the last look is old enough: where no page is open nothing is asked of anybody. A long
//! session is read in slices, so that the page has the first snapshots at once. What pages see is a copy that stands still.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::ResourceExt as _;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::told::Problem;
use crate::api::SnapshotJob;
use crate::plugin::bucket::{JobBucket, keys_secret, running_sids, sids};
use crate::plugin::cluster::Cluster;
use crate::plugin::problem::PluginError;
use crate::plugin::reach::Reach;
use crate::snapshots::{Inventory, Limits};

/// What one look may cost: the page waits for it. 100 requests are 100,000 keys.
const SLICE: Limits = Limits { time: Duration::from_secs(3), requests: 100 };

/// Sessions that are over are looked through this often: the last of their files may come late.
const PAST: Duration = Duration::from_secs(60);

/// Snapshots that are read from the bucket side by side, for all pages; each is in memory while it is.
const SIDE_BY_SIDE: usize = 16;

/// Bounds of the time between two looks, which is half the job's interval.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// What there is to show.
#[derive(Clone)]
pub(super) struct Shown {
    /// The job, as it was last seen.
    pub(super) job: SnapshotJob,
    /// Why it may be out of date.
    pub(super) problem: Option<Problem>,
    /// Whether a part of the bucket is still to be read.
    pub(super) reading: bool,
    /// What has arrived.
    pub(super) inventory: Arc<Inventory>,
    /// Where snapshots are read; absent until the bucket could be opened.
    pub(super) bucket: Option<JobBucket>,
}

/// The snapshots of one job.
pub(super) struct Album {
    cluster: Cluster,
    reach: Reach,
    name: String,
    looking: Mutex<Looking>,
    shown: RwLock<Arc<Shown>>,
    /// A permit for each snapshot that is being read.
    pub(super) reading: Semaphore,
}

/// What only the one who looks needs.
struct Looking {
    /// Not before then.
    again: Instant,
    /// When the sessions that are over are due.
    past: Instant,
    inventory: Inventory,
}

impl Album {
    /// Nothing of the bucket is read yet.
    pub(super) async fn of(cluster: Cluster, reach: Reach, name: &str) -> Result<Self, PluginError> {
        let job = cluster.job(name).await?;
        let shown = Shown { job, problem: None, reading: true, inventory: Arc::default(), bucket: None };
        let now = Instant::now();
        Ok(Self {
            cluster,
            reach,
            name: name.to_owned(),
            looking: Mutex::new(Looking { again: now, past: now, inventory: Inventory::default() }),
            shown: RwLock::new(Arc::new(shown)),
            reading: Semaphore::new(SIDE_BY_SIDE),
        })
    }

    /// What was there at the last look.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks again, if the last look is old enough. Pages that ask at the same time share one look.
    pub(super) async fn refreshed(&self) -> Arc<Shown> {
        let mut looking = self.looking.lock().await;
        let before = self.shown();
        if Instant::now() < looking.again {
            return before;
        }
        let shown = match self.cluster.job(&self.name).await {
            Ok(job) => self.look(&mut looking, &before, job).await,
            Err(error) => {
                Shown { problem: Some(Problem::of_cluster(&error)), reading: false, ..Shown::clone(&before) }
            }
        };
        looking.again = Instant::now() + if shown.reading { Duration::ZERO } else { pause(&shown.job) };
        let shown = Arc::new(shown);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&shown);
        shown
    }

    async fn look(&self, looking: &mut Looking, before: &Shown, job: SnapshotJob) -> Shown {
        let mut shown = Shown { problem: None, reading: false, job, ..before.clone() };
        // Another job of the same name, or the same one with another bucket: what was seen is not its own.
        let anew = shown.job.uid() != before.job.uid() || shown.job.spec.storage != before.job.spec.storage;
        if anew {
            (looking.inventory, looking.past, shown.bucket) = (Inventory::default(), Instant::now(), None);
        }
        // Keys that were refused may be others by now.
        if before.problem.is_some() {
            self.cluster.forget_secret(keys_secret(&shown.job));
            shown.bucket = None;
        }
        let looked = self.look_into_bucket(looking, &mut shown).await;
        shown.inventory = match &looked {
            Ok(0) if !anew => Arc::clone(&before.inventory),
            Ok(_) | Err(_) => Arc::new(looking.inventory.clone()),
        };
        shown.problem = looked.err().map(|error| Problem::of_bucket(&error));
        shown
    }

    /// How many snapshots are counted more than before.
    async fn look_into_bucket(&self, looking: &mut Looking, shown: &mut Shown) -> Result<u64, PluginError> {
        let bucket = match &shown.bucket {
            Some(bucket) => bucket.clone(),
            None => {
                let opened = JobBucket::open(&self.cluster, &self.reach, &shown.job).await?;
                shown.bucket.insert(opened).clone()
            }
        };
        let all = looking.past <= Instant::now();
        let sids = if all { sids(&shown.job) } else { running_sids(&shown.job) };
        let look = bucket.look_for(&sids, &mut looking.inventory, SLICE).await?;
        shown.reading = !look.complete;
        if all && look.complete {
            looking.past = Instant::now() + PAST;
        }
        Ok(look.arrived)
    }
}

/// Between two looks, and so between two questions of a page.
pub(super) fn pause(job: &SnapshotJob) -> Duration {
    let interval = u64::try_from(job.spec.interval_seconds).unwrap_or_default();
    (Duration::from_secs(interval) / 2).clamp(PAUSE.0, PAUSE.1)
}
