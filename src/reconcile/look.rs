//! A look into the bucket in the course of a visit: what has arrived of the job's sessions. Permission to list is
//! optional; without it only what notifications tell of is counted, and the log says so once.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info};

use super::Visit;
use super::perform::Happened;
use crate::api::SnapshotJobSpec;
use crate::api::status::SnapshotsSummary;
use crate::lifecycle::arriving::{self, Listing, Sight};
use crate::lifecycle::recovery::Found;
use crate::lifecycle::timing::CLOCKS_DIFFER;
use crate::snapshots::{Bucket, BucketProblem, Keys, Limits, Location, Look, Search, Tally};

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

    fn tally(&mut self, known: Option<&SnapshotsSummary>) -> &mut Tally {
        self.tally.get_or_insert_with(|| Tally::resume(known))
    }

    /// Counts files that were told of, all in this folder of the bucket. Answers how many were not counted before.
    fn tell(&mut self, files: &[String], folder: Option<&str>, known: Option<&SnapshotsSummary>) -> u64 {
        let tally = self.tally(known);
        let before = tally.count();
        for file in files {
            // However the vendor writes the folder, the listing's key is this one.
            let name = file.rsplit_once('/').map_or(file.as_str(), |(_folder, name)| name);
            match folder {
                Some(folder) => tally.tell(&format!("{folder}/{name}")),
                None => tally.tell(name),
            }
        }
        u64::try_from(tally.count() - before).unwrap_or(0)
    }

    /// What is known after a look, of these sessions and of those before them, whose places are forgotten now.
    fn sight(&mut self, look: &Look, sids: &[&str]) -> Sight {
        let seen_something = look.complete || look.arrived > 0;
        let listing = match &look.problem {
            _ if seen_something => Listing::Seen { whole: look.complete },
            Some(problem) => Listing::Obstacle(problem.to_string()),
            None => Listing::CutShort,
        };
        // What was told of is known without the bucket, too.
        let found = self.tally.as_ref().map(Tally::summary);
        let found = found.filter(|summary| seen_something || summary.count > 0);
        self.tally.iter_mut().for_each(|tally| tally.keep_only(sids));
        Sight { found, listing }
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
        let status = &self.seen.status;
        let folder = status.storage.as_ref().and_then(|storage| storage.prefix.as_deref());
        let arrived = self.bucket.tell(&files, folder, status.snapshots.as_ref());
        self.context.metrics.files_arrived(arrived);
        self.seen.memory.counted = self.bucket.tally.as_ref().map(Tally::summary);
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
        let look = match self.bucket(&spec).await {
            Ok(bucket) => {
                self.bucket.listed = true;
                let tally = self.bucket.tally(self.seen.status.snapshots.as_ref());
                let look = bucket.look(tally, &sids, Limits::default()).await;
                debug!(
                    job = self.stored.full_name(),
                    arrived = look.arrived,
                    requests = look.requests,
                    "looked into the bucket"
                );
                self.context.metrics.files_arrived(look.arrived);
                look
            }
            Err(problem) => Look { problem: Some(problem), ..Look::default() },
        };
        let sight = self.bucket.sight(&look, &sids);
        self.say_once(look.problem);
        sight
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

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "5d3f0a8c1b2e4f605d3f0a8c1b2e4f60";
    const OVER: &str = "9e8d7c6b5a4938279e8d7c6b5a493827";

    fn file(sid: &str, second: u32) -> String {
        format!("{sid}_lobby__uid_s_7__uid_e_video_202601010900{second:02}000.jpg")
    }

    fn refused() -> Look {
        let problem =
            BucketProblem::Unsupported("the keys that list the bucket: Secret r does not exist".into());
        Look { problem: Some(problem), ..Look::default() }
    }

    #[test]
    fn what_is_told_of_has_the_key_of_the_listing_however_its_folder_is_written() {
        for folder in [None, Some("exams/lobby")] {
            let mut seen = Seen::default();
            let key = |second| match folder {
                Some(folder) => format!("{folder}/{}", file(SID, second)),
                None => file(SID, second),
            };
            let told =
                [file(SID, 1), format!("/exams/lobby/{}", file(SID, 1)), format!("exams/{}", file(SID, 2))];
            assert_eq!(seen.tell(&told, folder, None), 2);
            assert_eq!(seen.tell(&told, folder, None), 0);
            let tally = seen.tally.as_mut().expect("it counts");
            for second in [1, 2, 3] {
                tally.see(&key(second));
            }
            let summary = tally.summary();
            assert_eq!((summary.count, summary.last_file), (3, Some(key(3))), "{folder:?}");
        }
    }

    #[test]
    fn a_bucket_that_cannot_be_opened_hides_nothing_that_was_told_of_and_keeps_nothing_of_what_is_over() {
        let mut seen = Seen::default();
        assert_eq!(seen.tell(&[file(OVER, 1), file(OVER, 3), file(SID, 5)], None, None), 3);
        let sight = seen.sight(&refused(), &[SID]);
        assert_eq!(sight.found.map(|found| (found.count, found.users.len())), Some((3, 1)));
        assert!(
            matches!(sight.listing, Listing::Obstacle(words) if words.contains("Secret r does not exist"))
        );
        // The place in the session that is over is forgotten, but for what it came to.
        assert_eq!(seen.tell(&[file(OVER, 2)], None, None), 0);
        assert_eq!(seen.tell(&[file(SID, 4)], None, None), 1);
    }

    #[test]
    fn who_was_told_nothing_and_sees_nothing_says_nothing() {
        assert_eq!(Seen::default().sight(&refused(), &[]).found, None);
        let mut empty = Seen::default();
        empty.tally(None);
        assert_eq!(empty.sight(&refused(), &[SID]).found, None);
        let cut = empty.sight(&Look::default(), &[SID]);
        assert_eq!((cut.found, cut.listing), (None, Listing::CutShort));
        let complete = empty.sight(&Look { complete: true, ..Look::default() }, &[SID]);
        assert_eq!(complete.found.map(|found| found.count), Some(0));
        assert_eq!(complete.listing, Listing::Seen { whole: true });
        let part = empty.sight(&Look { arrived: 1, ..refused() }, &[SID]);
        assert_eq!(part.listing, Listing::Seen { whole: false }, "something arrives, whatever came then");
    }
}
