//! One visit to one job: observe, plan, perform, report, save. The only place that knows all rooms.
//!
//! A visit performs at most one step. What it learns is worked into the newest object, so that a write which meets
//! somebody else's is repeated on top of theirs; only a claim is not, for a claim on old knowledge is a second session.

use std::time::Duration;

use kube::ResourceExt;
use tracing::debug;

use crate::agora;
use crate::agora::material::{Account, Material};
use crate::api::SnapshotJobStatus;
use crate::cluster::events::Events;
use crate::cluster::jobs::{Jobs, KubeError};
use crate::cluster::secrets::SecretReader;
use crate::cluster::stored::StoredJob;
use crate::lifecycle::notice::Notice;
use crate::lifecycle::observed::Observed;
use crate::lifecycle::plan::{Step, plan};
use crate::lifecycle::said::Said;
use crate::lifecycle::timing::Timing;
use crate::metrics::Metrics;
use crate::snapshots::{Connections, Keys};

mod begin;
pub mod chance;
pub mod clock;
pub mod farewell;
pub mod hearsay;
pub mod look;
pub mod memories;
pub mod meter;
pub mod neighbours;
mod observe;
mod perform;
mod preflight;
mod save;
mod tell;

use chance::Chance;
use clock::Clock;
use hearsay::Hearsay;
use memories::{Kept, Memories};
use neighbours::Neighbours;
use perform::Happened;

/// What visits work with. One for the process.
pub struct Context {
    /// SnapshotJobs.
    pub jobs: Jobs,
    /// Secrets.
    pub secrets: SecretReader,
    /// Events.
    pub events: Events,
    /// The vendor.
    pub agora: agora::client::Client,
    /// All SnapshotJobs as last seen, to find two that want one recorder uid.
    pub neighbours: Neighbours,
    /// What is remembered between visits.
    pub memories: Memories,
    /// What notifications told, for the visits.
    pub hearsay: Hearsay,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub chance: Chance,
    /// The constants of time.
    pub timing: Timing,
    /// Numbers.
    pub metrics: Metrics,
    /// Where events about objects go whose own namespace takes none any more.
    pub operator_namespace: String,
    /// Where buckets are listed instead of at their own vendor (`--storage-endpoint`).
    pub storage_endpoint: Option<http::Uri>,
    /// Connections to buckets.
    pub connections: Connections,
    /// Whether the operator is being removed, and with it every session.
    pub withdrawing: bool,
    /// Between two looks into the bucket.
    pub look_again: Duration,
}

/// Whether the object is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Presence {
    /// It is.
    Present,
    /// It went, its finalizer taken by force, while something of it may run.
    Vanished,
    /// It is, but this process ends with something about its session that could not be saved.
    Leaving,
}

/// When to come again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// After this long.
    Visit(Duration),
    /// After this long, because the API server did not do its part.
    AfterFailure(Duration),
    /// Never: the object was let go of.
    Never,
}

/// One visit in the making.
struct Visit<'a> {
    context: &'a Context,
    /// The object, renewed by every write of ours.
    stored: StoredJob,
    presence: Presence,
    seen: Observed,
    account: Option<Account>,
    material: Option<Material>,
    /// The keys that the vendor writes into the bucket with.
    writer: Option<Keys>,
    kept: Kept,
    bucket: look::Seen,
    said: Said,
    /// How long the words of another process stay, if they do.
    left: Option<Duration>,
    /// The status that was last told about.
    told: SnapshotJobStatus,
    /// How many of the notices, the first ones, are of what notifications told.
    heard: usize,
    notices: Vec<Notice>,
}

/// Visits a job. Never fails: what goes wrong with the API server is tried again later, with growing waits.
pub async fn visit(context: &Context, handed: StoredJob) -> Next {
    visit_as(context, handed, Presence::Present).await
}

async fn visit_as(context: &Context, handed: StoredJob, presence: Presence) -> Next {
    let uid = handed.uid().unwrap_or_default();
    let remembered = context.memories.of(&handed);
    let mut remembered = remembered.lock().await;
    let stored = remembered.newest(handed);
    let mut visit = observe::observe(context, stored, presence, &remembered).await;
    let step = plan(&visit.seen);
    debug!(job = visit.stored.full_name(), ?step, "planned");
    let idle = step.wait().is_some();
    let result = visit.act(step).await;
    visit.tell(result.is_ok());
    remembered.memory = visit.seen.remembered();
    remembered.kept = visit.kept;
    remembered.bucket = visit.bucket;
    remembered.said = visit.said;
    remembered.newest = Some(visit.stored);
    match result {
        Ok(Happened::Released) => {
            context.forget(&uid);
            Next::Never
        }
        Ok(Happened::LookAgain | Happened::ClaimLost) => Next::Visit(Duration::ZERO),
        Ok(Happened::Nothing) if !idle => Next::Visit(wait(&visit.seen).max(PAUSE)),
        Ok(_) => {
            remembered.kube_failures = 0;
            let left = visit.left.map_or(Duration::MAX, |left| visit.seen.now.real(left));
            Next::Visit(wait(&visit.seen).min(left))
        }
        // The watch will tell; it may lag behind.
        Err(KubeError::Gone) => Next::Visit(PAUSE),
        Err(error) => {
            remembered.kube_failures = remembered.kube_failures.saturating_add(1);
            let wait = Duration::from_secs(1 << remembered.kube_failures.min(6)).min(MOST_WAIT);
            tracing::warn!(uid, %error, again_in = ?wait, "the visit did not end well");
            Next::AfterFailure(wait)
        }
    }
}

/// The least wait after a step that changed nothing, so that whatever keeps it from doing so is not asked in a loop.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest wait after failures of the API server.
const MOST_WAIT: Duration = Duration::from_secs(60);

impl Context {
    /// Forgets a job that is gone and has nothing running.
    fn forget(&self, uid: &str) {
        self.memories.forget(uid);
        self.hearsay.forget(uid);
        self.metrics.job_gone(uid);
    }
}

impl Visit<'_> {
    async fn act(&mut self, step: Step) -> Result<Happened, KubeError> {
        let happened = self.perform(step).await?;
        self.count(&happened);
        match happened {
            Happened::LookAgain | Happened::ClaimLost | Happened::Released => {}
            Happened::Preflighted(_, _) if self.goes_on_after(&happened) => {}
            _ => self.save(&happened).await?,
        }
        Ok(happened)
    }
}

/// How long until there is something to do, as the process has to wait for it.
fn wait(seen: &Observed) -> Duration {
    plan(seen).wait().map_or(Duration::ZERO, |wait| seen.now.real(wait))
}
