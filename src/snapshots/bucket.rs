//! Looks into a bucket: which snapshots of a job's sessions have arrived since the last look.
//!
//! Owns the way through a session's keys; what is noted of them is a ledger's (`tally`, `inventory`), a request
//! `listing`'s. Only prefix and start-after are used, which every S3-like service has, and only keys of the asked
//! sessions are listed, however full the bucket is.

use std::fmt;
use std::sync::Arc;

use object_store::list::PaginatedListStore;

use super::file_name::FileName;
use super::ledger::{Ledger, Next};
use super::listing::{self, Ask, Budget, Cut, LARGE_PAGE, Limits, Object, SMALL_PAGE};
use super::location::{Connections, Keys, Location};
use super::problem::BucketProblem;

/// The vendor activates its fail-over at most three times for one session.
const MOST_ACTIVATIONS: u32 = 3;

/// What became of a look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// How many more snapshots are counted than before.
    pub arrived: u64,
    /// Requests that were made.
    pub requests: u32,
    /// Whether everything was seen. If not, the next look goes on where this one ended.
    pub complete: bool,
    /// Why it ended early, if not at a limit.
    pub problem: Option<BucketProblem>,
}

/// A bucket that can be listed. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    pub(super) store: Arc<dyn PaginatedListStore>,
    pub(super) folder: Option<String>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bucket").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Bucket {
    /// The bucket at a location, seen below a folder (`storage.prefix`). Nothing is sent yet.
    ///
    /// # Errors
    /// [`BucketProblem::Unsupported`] where keys or location have a form that cannot be used.
    pub fn open(
        location: &Location,
        folder: Option<&str>,
        keys: &Keys,
        connections: &Connections,
    ) -> Result<Self, BucketProblem> {
        Ok(Self { store: location.open(keys, connections)?, folder: folder.map(str::to_owned) })
    }

    /// Notes what has arrived of these sessions. The ledger keeps what was noted whatever the look comes to.
    pub async fn look<L: Ledger + Send>(&self, ledger: &mut L, sids: &[&str], limits: Limits) -> Look {
        let before = ledger.count();
        let mut budget = Budget::new(limits);
        let mut cut = None;
        for sid in sids {
            if let Err(early) = self.scan_session(ledger, sid, &mut budget).await {
                cut = Some(early);
                break;
            }
        }
        Look {
            arrived: u64::try_from(ledger.count() - before).unwrap_or(0),
            requests: budget.made,
            complete: cut.is_none(),
            problem: cut.and_then(Cut::problem),
        }
    }

    async fn scan_session<L: Ledger>(
        &self,
        ledger: &mut L,
        sid: &str,
        budget: &mut Budget,
    ) -> Result<(), Cut> {
        let prefix = |activation| FileName::session_prefix(self.folder.as_deref(), activation, sid);
        self.scan(ledger, &prefix(None), budget).await?;
        // Each of them: one that took no snapshot may be followed by one that does.
        for activation in 0..MOST_ACTIVATIONS {
            self.scan(ledger, &prefix(Some(activation)), budget).await?;
        }
        Ok(())
    }

    async fn scan<L: Ledger>(&self, ledger: &mut L, prefix: &str, budget: &mut Budget) -> Result<(), Cut> {
        let mut after = ledger.cuts().get(prefix).map(str::to_owned);
        let (mut size, mut token) = (SMALL_PAGE, None);
        loop {
            let ask = Ask { prefix, after: after.as_deref(), token: token.take(), size, folded: false };
            let page = match listing::page(&*self.store, ask, budget).await {
                Ok(page) => page,
                Err(cut) => {
                    ledger.cuts().set(prefix, after);
                    return Err(cut);
                }
            };
            let (Some(first), Some(last)) = (page.objects.first(), page.objects.last()) else {
                match page.token {
                    Some(more) => token = Some(more),
                    None => break,
                }
                continue;
            };
            if after.as_ref().is_some_and(|after| first.key <= *after) {
                ledger.cuts().set(prefix, None);
                return Err(Cut::Problem(BucketProblem::NoStartAfter));
            }
            let end = page.objects.len() < size && page.token.is_none();
            let mut place = String::new();
            for Object { key, .. } in &page.objects {
                if *key <= place {
                    continue;
                }
                place = match ledger.see(key) {
                    Next::Key => key.clone(),
                    Next::After(after) => after,
                };
            }
            if end {
                break;
            }
            size = if place > last.key { SMALL_PAGE } else { LARGE_PAGE };
            after = Some(place);
        }
        ledger.cuts().set(prefix, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
