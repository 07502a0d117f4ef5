//! A look into the bucket in the course of a visit: what has arrived of the job's sessions. Permission to list is
//! optional; without it only what notifications tell of is counted, and the log says so once.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info};

use super::Visit;
use super::perform::Happened;
use crate::api::SnapshotJobSpec;
use crate::lifecycle::arriving::{self, Listing, Sight};
use crate::lifecycle::recovery::Found;
use crate::lifecycle::timing::CLOCKS_DIFFER;
use crate::snapshots::{Bucket, BucketProblem, Keys, Limits, Location, Search, Tally};

/// What is kept of a job's bucket between visits.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was counted; goes on from the status after a restart.
    tally: Option<Tally>,
    /// Whether the bucket was listed at all.
    listed: bool,
    /// Why the last look saw nothing, so that it is said once.
    problem: Option<BucketProblem>,
    /// Where the search for a lost sid goes on, by the nonce of its session.
    searches: BTreeMap<String, Search>,
    /// The keys that the bucket was last listed with.
    keys: Option<Keys>,
}

impl Seen {
    /// Whether the last look could list the bucket.
    pub(super) fn can_be_seen(&self) -> bool {
        self.listed && self.problem.is_none()
    }
}

impl Visit<'_> {
    /// Looks in the course of a session: into the bucket, if what was told of does not do.
    pub(super) async fn look(&mut self, attempt: i64) -> Happened {
        let is_told = self
            .seen
            .session(attempt)
            .is_some_and(|session| arriving::can_do_without_listing(&self.seen, session));
        let sight = match &self.bucket.tally {
            Some(tally) if is_told => Sight { found: Some(tally.summary()), listing: Listing::None },
            Some(_) | None => self.count_snapshots().await,
        };
        Happened::Looked(attempt, sight)
    }

    /// Counts the snapshots of the job's sessions that were told of since the last visit.
    pub(super) fn count_told(&mut self) {
        let sids = self.sids();
        let files = self.context.hearsay.snapshots(&self.seen.job.uid, &sids);
        if files.is_empty() {
            return;
        }
        // Of the session that runs: an edit of the prefix waits for the next one.
        let folder = self.seen.status.storage.as_ref().and_then(|storage| storage.prefix.clone());
        let known = &self.seen.status.snapshots;
        let tally = self.bucket.tally.get_or_insert_with(|| Tally::resume(known.as_ref()));
        let before = tally.count();
        for file in files {
            // However the vendor writes the folder, the listing's key is this one.
            let name = file.rsplit_once('/').map_or(file.as_str(), |(_folder, name)| name);
            match &folder {
                Some(folder) => tally.tell(&format!("{folder}/{name}")),
                None => tally.tell(name),
            }
        }
        self.context.metrics.files_arrived(u64::try_from(tally.count() - before).unwrap_or(0));
        self.seen.memory.counted = Some(tally.summary());
    }

    fn sids(&self) -> Vec<String> {
        self.seen.status.sessions.iter().filter_map(|session| session.sid.clone()).collect()
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
        // A stop waits for the last uploads, and they are told of meanwhile.
        self.count_told();
        let sids = self.sids();
        let sids: Vec<&str> = sids.iter().map(String::as_str).collect();
        let bucket = match self.bucket(&spec).await {
            Ok(bucket) => bucket,
            Err(problem) => {
                // What was told of is known all the same.
                let found = self.bucket.tally.as_ref().map(Tally::summary);
                self.bucket.tally.iter_mut().for_each(|tally| tally.keep_only(&sids));
                let listing = Listing::Obstacle(problem.to_string());
                self.say_once(Some(problem));
                return Sight { found, listing };
            }
        };
        let known = &self.seen.status.snapshots;
        let tally = self.bucket.tally.get_or_insert_with(|| Tally::resume(known.as_ref()));
        self.bucket.listed = true;
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
        let listing = match &look.problem {
            _ if seen_something => Listing::Seen,
            Some(problem) => Listing::Obstacle(problem.to_string()),
            None => Listing::CutShort,
        };
        self.say_once(look.problem);
        Sight { found: (seen_something || summary.count > 0).then_some(summary), listing }
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

    /// Logs a problem that the look before did not have.
    fn say_once(&mut self, problem: Option<BucketProblem>) {
        if let Some(problem) =
            problem.as_ref().filter(|problem| self.bucket.problem.as_ref() != Some(problem))
        {
            info!(job = self.stored.full_name(), %problem, "snapshots cannot be counted");
        }
        self.bucket.problem = problem;
    }
}
