//! Pages of a bucket's listing, within limits: what one request asks, what it gave, and why no more was asked.
//!
//! Owns the requests; what the keys mean is `bucket`'s and `candidates`'.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use tokio::time::Instant;

use super::problem::BucketProblem;

/// First page after a jump: mostly the few new snapshots of one user, or enough of a session to judge it.
pub(super) const SMALL_PAGE: usize = 100;

/// Largest page that S3 gives.
pub(super) const LARGE_PAGE: usize = 1_000;

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

/// Why a look ended before its end.
pub(super) enum Cut {
    /// At a limit.
    Limit,
    /// The page holds a key that cannot be expressed (an empty segment, a control character), and so was lost.
    Unreadable,
    /// The service could not, or would not.
    Problem(BucketProblem),
}

impl Cut {
    /// What is told of it.
    pub(super) fn problem(self) -> Option<BucketProblem> {
        match self {
            Self::Limit => None,
            Self::Unreadable => Some(BucketProblem::Fault(
                "names of objects that cannot be read, among those of sessions".into(),
            )),
            Self::Problem(problem) => Some(problem),
        }
    }
}

/// What is left of the limits.
pub(super) struct Budget {
    until: Instant,
    requests: u32,
    /// Requests that were made.
    pub made: u32,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { until: Instant::now() + limits.time, requests: limits.requests, made: 0 }
    }
}

/// One request.
pub(super) struct Ask<'a> {
    pub prefix: &'a str,
    /// Keys up to this text are not wanted.
    pub after: Option<&'a str>,
    /// Where the service said that it goes on.
    pub token: Option<String>,
    pub size: usize,
    /// Whether all that is in a folder below the prefix is one entry.
    pub folded: bool,
}

/// What a request gave.
pub(super) struct Page {
    /// In the order of their keys.
    pub objects: Vec<Object>,
    /// Folders below the prefix, with the `/` at their end. Empty unless folded.
    pub folders: Vec<String>,
    pub token: Option<String>,
}

pub(super) struct Object {
    pub key: String,
    pub modified: Timestamp,
}

/// Makes one request, if the budget has one left.
pub(super) async fn page(
    store: &dyn PaginatedListStore,
    ask: Ask<'_>,
    budget: &mut Budget,
) -> Result<Page, Cut> {
    if budget.made >= budget.requests {
        return Err(Cut::Limit);
    }
    budget.made += 1;
    let options = PaginatedListOptions {
        offset: ask.after.map(str::to_owned),
        delimiter: ask.folded.then_some(Cow::Borrowed("/")),
        max_keys: Some(ask.size),
        page_token: ask.token,
        ..PaginatedListOptions::default()
    };
    let prefix = ask.prefix;
    match tokio::time::timeout_at(budget.until, store.list_paginated(Some(prefix), options)).await {
        // A service that is slow all the time is a problem; one that was cut off after other pages is not.
        Err(_elapsed) if budget.made == 1 => Err(Cut::Problem(BucketProblem::TimedOut)),
        Err(_elapsed) => Err(Cut::Limit),
        Ok(Err(object_store::Error::InvalidPath { .. })) => Err(Cut::Unreadable),
        Ok(Err(error)) => {
            let problem = BucketProblem::of(&error);
            tracing::debug!(prefix, %problem, "the bucket could not be listed");
            Err(Cut::Problem(problem))
        }
        Ok(Ok(listed)) => Ok(Page {
            objects: listed
                .result
                .objects
                .into_iter()
                .map(|object| Object {
                    modified: Timestamp::from_millisecond(object.last_modified.timestamp_millis())
                        .unwrap_or(Timestamp::MAX),
                    key: object.location.into(),
                })
                .collect(),
            folders: listed.result.common_prefixes.iter().map(|folder| format!("{folder}/")).collect(),
            token: listed.page_token,
        }),
    }
}
