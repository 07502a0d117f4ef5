//! Looks into a bucket: which snapshots of a job's sessions have arrived since the last look.
//!
//! Owns the listing and its limits; what is counted is `tally`'s. Only prefix and start-after are used, which every
//! S3-like service has, and only keys of the asked sessions are listed, however full the bucket is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use tokio::time::Instant;

use super::file_name::FileName;
use super::location::{Connections, Keys, Location};
use super::problem::BucketProblem;
use super::tally::{Next, Tally};

/// The vendor activates its fail-over at most three times for one session.
const MOST_ACTIVATIONS: u32 = 3;

/// First page after a jump: mostly the few new snapshots of one user.
const SMALL_PAGE: usize = 100;

/// Largest page that S3 gives.
const LARGE_PAGE: usize = 1_000;

/// What one look may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Time for the whole look; the request under way at its end is dropped.
    pub time: Duration,
    /// Requests.
    pub requests: u32,
}

impl Default for Limits {
    /// 10 s, as a call to the API server, since a visit waits for it; 200 requests are 200,000 keys, or a hundred
    /// users with new snapshots.
    fn default() -> Self {
        Self { time: Duration::from_secs(10), requests: 200 }
    }
}

/// What became of a look.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    store: Arc<dyn PaginatedListStore>,
    folder: Option<String>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bucket").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why a scan ended before its end.
enum Cut {
    Limit,
    Problem(BucketProblem),
}

struct Budget {
    until: Instant,
    requests: u32,
    made: u32,
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

    /// Counts what has arrived of these sessions. The tally keeps what was counted whatever the look comes to.
    pub async fn look(&self, tally: &mut Tally, sids: &[&str], limits: Limits) -> Look {
        let before = tally.count();
        let mut budget = Budget { until: Instant::now() + limits.time, requests: limits.requests, made: 0 };
        let mut cut = None;
        for sid in sids {
            if let Err(early) = self.scan_session(tally, sid, &mut budget).await {
                cut = Some(early);
                break;
            }
        }
        Look {
            arrived: u64::try_from(tally.count() - before).unwrap_or(0),
            requests: budget.made,
            complete: cut.is_none(),
            problem: cut.and_then(|cut| match cut {
                Cut::Limit => None,
                Cut::Problem(problem) => Some(problem),
            }),
        }
    }

    async fn scan_session(&self, tally: &mut Tally, sid: &str, budget: &mut Budget) -> Result<(), Cut> {
        let prefix = |activation| FileName::session_prefix(self.folder.as_deref(), activation, sid);
        self.scan(tally, &prefix(None), budget).await?;
        for activation in 0..MOST_ACTIVATIONS {
            let prefix = prefix(Some(activation));
            self.scan(tally, &prefix, budget).await?;
            if !tally.knows(&prefix) {
                break;
            }
        }
        Ok(())
    }

    async fn scan(&self, tally: &mut Tally, prefix: &str, budget: &mut Budget) -> Result<(), Cut> {
        let mut after = tally.unfinished(prefix).map(str::to_owned);
        let (mut size, mut token) = (SMALL_PAGE, None);
        loop {
            let page = match self.page(prefix, after.as_deref(), token.take(), size, budget).await {
                Ok(page) => page,
                Err(cut) => {
                    tally.set_unfinished(prefix, after);
                    return Err(cut);
                }
            };
            let (Some(first), Some(last)) = (page.keys.first(), page.keys.last()) else {
                match page.token {
                    Some(more) => token = Some(more),
                    None => break,
                }
                continue;
            };
            if after.as_ref().is_some_and(|after| first <= after) {
                tally.set_unfinished(prefix, None);
                return Err(Cut::Problem(BucketProblem::NoStartAfter));
            }
            let end = page.keys.len() < size && page.token.is_none();
            let mut place = String::new();
            for key in &page.keys {
                if *key <= place {
                    continue;
                }
                place = match tally.see(key) {
                    Next::Key => key.clone(),
                    Next::After(after) => after,
                };
            }
            if end {
                break;
            }
            size = if place > *last { SMALL_PAGE } else { LARGE_PAGE };
            after = Some(place);
        }
        tally.set_unfinished(prefix, None);
        Ok(())
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        token: Option<String>,
        size: usize,
        budget: &mut Budget,
    ) -> Result<Page, Cut> {
        if budget.made >= budget.requests {
            return Err(Cut::Limit);
        }
        budget.made += 1;
        let options = PaginatedListOptions {
            offset: after.map(str::to_owned),
            max_keys: Some(size),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let listing = self.store.list_paginated(Some(prefix), options);
        match tokio::time::timeout_at(budget.until, listing).await {
            // A service that is slow all the time is a problem; one that was cut off after other pages is not.
            Err(_elapsed) if budget.made == 1 => Err(Cut::Problem(BucketProblem::TimedOut)),
            Err(_elapsed) => Err(Cut::Limit),
            Ok(Err(error)) => {
                let problem = BucketProblem::of(&error);
                tracing::debug!(prefix, %problem, "the bucket could not be listed");
                Err(Cut::Problem(problem))
            }
            Ok(Ok(listed)) => Ok(Page {
                keys: listed.result.objects.into_iter().map(|object| object.location.into()).collect(),
                token: listed.page_token,
            }),
        }
    }
}

struct Page {
    keys: Vec<String>,
    token: Option<String>,
}

#[cfg(test)]
mod tests;
