//! Which scopes have been listed, and which the API server refuses: what readiness is judged by.
//!
//! The rights in a watched namespace go with the namespace. One that was deleted must not keep the operator from being
//! ready for the others; one that comes back is listed like any other, for its watch goes on trying.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;
use tokio::time::Instant;

use crate::cluster::requests::IF_DELETED;
use crate::probes::Health;

/// Between two warnings of a scope that is refused all the time.
const WARN_AGAIN: Duration = Duration::from_secs(600);

/// All scopes' first lists.
#[derive(Clone)]
pub(super) struct FirstLists {
    health: Health,
    counts: Arc<Mutex<Counts>>,
}

/// How many scopes are so.
struct Counts {
    unknown: usize,
    listed: usize,
}

/// The first list of one scope, and what its watch meets later.
pub(super) struct FirstList {
    all: FirstLists,
    /// `None` is the whole cluster.
    namespace: Option<String>,
    known: Known,
    /// When it was last told that it is refused.
    warned: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    Nothing,
    Refused,
    Listed,
}

impl FirstLists {
    /// Of so many scopes.
    pub(super) fn new(health: Health, scopes: usize) -> Self {
        Self { health, counts: Arc::new(Mutex::new(Counts { unknown: scopes, listed: 0 })) }
    }

    /// Of one of them.
    pub(super) fn of(&self, namespace: Option<&str>) -> FirstList {
        FirstList {
            all: self.clone(),
            namespace: namespace.map(str::to_owned),
            known: Known::Nothing,
            warned: None,
        }
    }

    fn note(&self, before: Known, now: Known) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.unknown -= usize::from(before == Known::Nothing);
        counts.listed += usize::from(now == Known::Listed);
        let ready = counts.unknown == 0 && counts.listed > 0;
        drop(counts);
        if ready {
            self.health.first_list_done();
        }
    }
}

impl FirstList {
    /// The list is complete.
    pub(super) fn listed(&mut self) {
        if self.warned.take().is_some() {
            tracing::info!(namespace = self.namespace, "SnapshotJobs are no longer refused");
        }
        if self.known != Known::Listed {
            self.all.note(self.known, Known::Listed);
            self.known = Known::Listed;
            tracing::info!(namespace = self.namespace, "the first list of SnapshotJobs is complete");
        }
    }

    /// The watch failed; it is tried again, whatever this makes of it.
    pub(super) fn failed(&mut self, error: &watcher::Error) {
        let Some(status) = refusal(error) else {
            tracing::warn!(%error, namespace = self.namespace, "watching SnapshotJobs");
            return;
        };
        if self.known == Known::Nothing {
            self.all.note(self.known, Known::Refused);
            self.known = Known::Refused;
        }
        if self.warned.is_some_and(|warned| warned.elapsed() < WARN_AGAIN) {
            return;
        }
        self.warned = Some(Instant::now());
        match &self.namespace {
            Some(namespace) => tracing::warn!(
                namespace,
                said = status.message,
                "SnapshotJobs of namespace {namespace} are refused, and nobody looks after them: give this service \
                 account the right to list and watch them, or, {IF_DELETED}; it is tried again"
            ),
            None => tracing::warn!(
                said = status.message,
                "SnapshotJobs are refused, and nobody looks after them: give this service account the right to list \
                 and watch them in all namespaces, or name the namespaces with --watch-namespace; it is tried again"
            ),
        }
    }
}

/// The answer, if the scope is refused: without the rights in it, or without the resource (403, 404).
fn refusal(error: &watcher::Error) -> Option<&Status> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => return None,
    };
    matches!(status.code, 403 | 404).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16) -> watcher::Error {
        let status = Status { code, ..Status::failure("no", "") };
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    fn two() -> (Health, FirstList, FirstList) {
        let health = Health::new();
        let lists = FirstLists::new(health.clone(), 2);
        (health, lists.of(Some("here")), lists.of(Some("gone")))
    }

    #[test]
    fn ready_once_each_scope_is_listed_or_refused_and_one_is_listed() {
        for code in [403, 404] {
            let (health, mut here, mut gone) = two();
            gone.failed(&answered(code));
            gone.failed(&answered(code));
            assert!(health.ready().is_err(), "nothing is known of the other");
            here.listed();
            assert!(health.ready().is_ok());
        }
        let (health, mut here, mut gone) = two();
        here.listed();
        here.listed();
        assert!(health.ready().is_err(), "listed twice is not both listed");
        gone.failed(&answered(500));
        gone.failed(&watcher::Error::NoResourceVersion);
        assert!(health.ready().is_err(), "it may be listed in a moment");
        gone.failed(&answered(403));
        assert!(health.ready().is_ok());
    }

    #[test]
    fn not_ready_while_all_are_refused_until_one_is_listed() {
        let (health, mut here, mut gone) = two();
        here.failed(&answered(403));
        gone.failed(&answered(403));
        assert!(health.ready().is_err());
        gone.listed();
        gone.failed(&answered(403));
        assert!(health.ready().is_ok());
        let only = Health::new();
        FirstLists::new(only.clone(), 1).of(None).failed(&answered(403));
        assert!(only.ready().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_warning_is_repeated_seldom_and_begins_anew_after_a_list() {
        let (_, _, mut gone) = two();
        gone.failed(&answered(403));
        let first = gone.warned.expect("a warning");
        tokio::time::advance(WARN_AGAIN / 2).await;
        gone.failed(&answered(403));
        assert_eq!(gone.warned, Some(first));
        tokio::time::advance(WARN_AGAIN / 2).await;
        gone.failed(&answered(403));
        assert_eq!(gone.warned, Some(first + WARN_AGAIN));
        gone.listed();
        assert_eq!(gone.warned, None);
    }
}
