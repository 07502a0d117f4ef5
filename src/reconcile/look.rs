//! A look into the bucket in the course of a visit: what has arrived of the job's sessions. Permission to list is
//! optional; without it the count stays as it is and the log says so once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use tracing::{debug, info};

use super::Visit;
use super::perform::Happened;
use crate::api::SnapshotJobSpec;
use crate::lifecycle::arriving::Sight;
use crate::lifecycle::recovery::Found;
use crate::snapshots::{Bucket, BucketProblem, Keys, Limits, Location, Search, Tally};

/// What is kept of a job's bucket between visits.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was counted; goes on from the status after a restart.
    tally: Option<Tally>,
    /// Why the last look saw nothing, so that it is said once.
    problem: Option<BucketProblem>,
    /// Where the search for a lost sid goes on, by the nonce of its session.
    searches: BTreeMap<String, Search>,
    /// The keys that the bucket was last listed with.
    keys: Option<Keys>,
}

/// By so much the clock that names snapshots may be behind the one that the claim was dated with.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

impl Seen {
    /// Whether the last look could list the bucket.
    pub(super) fn can_be_seen(&self) -> bool {
        self.tally.is_some() && self.problem.is_none()
    }
}

impl Visit<'_> {
    /// Looks in the course of a session.
    pub(super) async fn look(&mut self, attempt: i64) -> Happened {
        Happened::Looked(attempt, self.count_snapshots().await)
    }

    /// Searches the bucket for the sid of a session that may have begun with its claim, and is no other's.
    pub(super) async fn find_sid(&mut self, attempt: i64) -> Happened {
        let (Ok(spec), Some(session)) = (self.seen.spec.clone(), self.session(attempt)) else {
            return Happened::Nothing;
        };
        let obstacle =
            |problem: BucketProblem| Found { obstacle: Some(problem.to_string()), ..Found::default() };
        let found = match self.bucket(&spec).await {
            Ok(bucket) => {
                let sessions = &self.seen.status.sessions;
                self.bucket.searches.retain(|nonce, _| sessions.iter().any(|one| one.nonce == *nonce));
                let search = self.bucket.searches.entry(session.nonce.clone()).or_default();
                let since =
                    session.acquire_time.0.saturating_sub(CLOCKS_DIFFER).unwrap_or(session.acquire_time.0);
                let found = bucket.candidates(search, since, Limits::default()).await;
                debug!(
                    job = self.stored.full_name(),
                    candidates = found.sids.len(),
                    requests = found.requests,
                    "searched the bucket for a lost sid"
                );
                let obstacle = found.problem.map(|problem| problem.to_string());
                let sids = found.sids.into_iter().filter(|sid| !self.is_known(sid)).collect();
                Found { sids, complete: found.complete, obstacle }
            }
            Err(problem) => obstacle(problem),
        };
        self.seen.now = self.context.clock.now();
        Happened::Searched(attempt, found)
    }

    /// Whether the sid is another session's, of this job or of another one.
    fn is_known(&self, sid: &str) -> bool {
        let status = &self.seen.status;
        status.sessions.iter().any(|session| session.sid.as_deref() == Some(sid))
            || status.history.iter().any(|past| past.sid.as_deref() == Some(sid))
            || self.context.neighbours.has_sid(&self.seen.job.uid, sid)
    }

    /// Counts what has arrived of the sessions that the status names.
    pub(super) async fn count_snapshots(&mut self) -> Sight {
        let Ok(spec) = self.seen.spec.clone() else { return Sight::default() };
        let sids: Vec<String> =
            self.seen.status.sessions.iter().filter_map(|session| session.sid.clone()).collect();
        let sids: Vec<&str> = sids.iter().map(String::as_str).collect();
        let bucket = match self.bucket(&spec).await {
            Ok(bucket) => bucket,
            Err(problem) => return Sight { found: None, obstacle: self.say_once(Some(problem)) },
        };
        let known = &self.seen.status.snapshots;
        let tally = self.bucket.tally.get_or_insert_with(|| Tally::resume(known.as_ref()));
        let look = bucket.look(tally, &sids, Limits::default()).await;
        debug!(
            job = self.stored.full_name(),
            arrived = look.arrived,
            requests = look.requests,
            "looked into the bucket"
        );
        self.context.metrics.files_arrived(look.arrived);
        let summary = tally.summary();
        tally.keep_only(&sids);
        let seen_something = look.complete || look.arrived > 0;
        let obstacle = self.say_once(look.problem);
        Sight { found: seen_something.then_some(summary), obstacle: obstacle.filter(|_| !seen_something) }
    }

    async fn bucket(&mut self, spec: &SnapshotJobSpec) -> Result<Bucket, BucketProblem> {
        let storage = &spec.storage;
        let location = Location::of(storage, self.context.storage_endpoint.as_ref())?;
        let name = &storage.reader_credentials_ref.as_ref().unwrap_or(&storage.credentials_ref).name;
        let keys = match self.reader_keys(name).await {
            Ok(keys) => keys,
            // A namespace that is deleted takes its Secrets with it, often before its jobs.
            Err(problem) => self.bucket.keys.clone().filter(|_| self.seen.job.deleting).ok_or(problem)?,
        };
        self.bucket.keys = Some(keys.clone());
        Bucket::open(&location, storage.prefix.as_deref(), &keys, &self.context.connections)
    }

    async fn reader_keys(&self, name: &str) -> Result<Keys, BucketProblem> {
        let unusable =
            |why: String| BucketProblem::Unsupported(format!("the keys that list the bucket: {why}"));
        let names = BTreeSet::from([name.to_owned()]);
        let secrets = self.context.secrets.read(&self.seen.job.namespace, &names).await;
        let mut secrets = secrets.map_err(|error| unusable(error.to_string()))?;
        let data = secrets
            .remove(name)
            .flatten()
            .ok_or_else(|| unusable(format!("Secret {name} does not exist")))?;
        Keys::from_secret(name, &data).map_err(|missing| unusable(missing.to_string()))
    }

    /// Logs a problem that the look before did not have, and gives its words.
    fn say_once(&mut self, problem: Option<BucketProblem>) -> Option<String> {
        if let Some(problem) =
            problem.as_ref().filter(|problem| self.bucket.problem.as_ref() != Some(problem))
        {
            info!(job = self.stored.full_name(), %problem, "snapshots cannot be counted");
        }
        let words = problem.as_ref().map(ToString::to_string);
        self.bucket.problem = problem;
        words
    }
}
