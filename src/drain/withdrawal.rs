//! Visits every job until it has neither session nor finalizer, by the operator's own visits: only that they all intend
//! to withdraw. No watch is needed, for nobody but this process works on the jobs; each is read anew before every visit.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use kube::ResourceExt;
use tokio::sync::Semaphore;
use tracing::warn;

use super::Patience;
use super::survey::{Survey, obstacle, outcome, say};
use crate::cluster::jobs::KubeError;
use crate::cluster::stored::StoredJob;
use crate::reconcile::{Context, Next, farewell, visit};

/// How many jobs are visited at the same time, as the operator's own default has it.
const PLACES: usize = 64;

/// The visits of one drain.
pub(super) struct Withdrawal {
    context: Arc<Context>,
    patience: Patience,
    places: Semaphore,
}

/// Whether nothing of the job is left to be done.
pub(super) fn is_withdrawn(job: &StoredJob) -> bool {
    let state = job.job();
    !state.has_finalizer && job.status().sessions.is_empty() && job.unreadable_sessions().is_empty()
}

impl Withdrawal {
    /// Over this context, which must say that the operator is being removed.
    pub(super) fn new(context: Arc<Context>, patience: Patience) -> Self {
        Self { context, patience, places: Semaphore::new(PLACES) }
    }

    /// Visits these jobs, each at least once, until all are withdrawn or patience ends; visits under way are finished.
    pub(super) async fn each(&self, jobs: Vec<StoredJob>) {
        stream::iter(jobs).for_each_concurrent(None, |job| self.one(job)).await;
    }

    async fn one(&self, listed: StoredJob) {
        let name = listed.full_name();
        let mut job = listed.clone();
        let mut told = String::new();
        let mut is_old = false;
        loop {
            let next = {
                // Nobody closes it.
                let _place = self.places.acquire().await;
                if self.patience.check("").is_err() {
                    return;
                }
                visit(&self.context, job.clone()).await
            };
            let wait = match next {
                Next::Never => break,
                Next::Visit(wait) | Next::AfterFailure(wait) => wait,
            };
            match self.context.jobs.get(&job.namespace().unwrap_or_default(), &job.name_any()).await {
                Ok(newer) if newer.uid() == job.uid() => (job, is_old) = (newer, false),
                Ok(_) | Err(KubeError::Gone) => return self.farewell(&job).await,
                // The next visit waits by itself for an API server that does not answer.
                Err(error @ (KubeError::Conflict | KubeError::Invalid(_) | KubeError::Other(_))) => {
                    warn!(job = name, %error, "the object could not be read again");
                    is_old = true;
                }
            }
            if is_withdrawn(&job) {
                break;
            }
            if let Some(words) = obstacle(&job).filter(|words| *words != told) {
                say(&format!("{name}: {words}"));
                told = words;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.patience.ended() => return,
            }
        }
        if is_old {
            say(&format!("{name}: finalizer removed; what came of its sessions could not be read."));
        } else if !is_withdrawn(&listed) {
            say(&format!("{name}: {}.", outcome(&listed, &job)));
        }
    }

    /// The object went while it was being withdrawn: by itself, having been deleted, or by force.
    async fn farewell(&self, job: &StoredJob) {
        let (name, uid) = (job.full_name(), job.uid().unwrap_or_default());
        let context = self.context.clone();
        let ended = tokio::spawn(async move { farewell::to(&context, &uid).await });
        tokio::select! {
            _ = ended => say(&format!("{name}: the object is gone, and nothing of it runs or it was reported.")),
            _ = self.patience.ended() => {
                say(&format!("{name}: the object is gone, and a session of it may still be running:"));
                Survey::of(std::slice::from_ref(job)).say_remaining();
            }
        }
    }
}
