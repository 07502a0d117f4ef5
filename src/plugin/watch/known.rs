//! What `watch` knows: the jobs, and what keeps it from knowing more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

use crate::api::SnapshotJob;
use crate::api::conditions::ConditionType;
use crate::plugin::ls::{condition, phase};

/// So long after a list nothing has to fail until it is believed that the watch behind it goes on: somebody may be
/// allowed to list and not to watch.
const SETTLED: SignedDuration = SignedDuration::from_secs(3);

/// Namespace and name.
type Place = (String, String);

/// The jobs, and what keeps them from being up to date.
#[derive(Default)]
pub(super) struct Known {
    jobs: BTreeMap<Place, SnapshotJob>,
    /// What was seen so far of the list that comes in.
    listing: Option<BTreeSet<Place>>,
    /// When the newest list was complete, if nothing has failed since.
    listed: Option<Timestamp>,
    trouble: Option<Trouble>,
}

/// Why what is known may be out of date.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Trouble {
    pub(super) words: String,
    pub(super) since: Timestamp,
}

impl Known {
    /// Keeps what an event tells. Returns a line for each job of which something is new.
    pub(super) fn note(&mut self, event: Event<SnapshotJob>, now: Timestamp) -> Vec<String> {
        match event {
            // Said before anything was asked, and again after every failure.
            Event::Init => {
                self.listing = Some(BTreeSet::new());
                vec![]
            }
            Event::InitApply(job) => {
                self.listing.get_or_insert_default().insert(place(&job));
                self.keep(job)
            }
            Event::InitDone => {
                self.listed = Some(now);
                let seen = self.listing.take().unwrap_or_default();
                let gone = self.jobs.keys().filter(|place| !seen.contains(*place)).cloned();
                gone.collect::<Vec<_>>().iter().flat_map(|place| self.forget(place)).collect()
            }
            Event::Apply(job) => {
                self.settle();
                self.keep(job)
            }
            Event::Delete(job) => {
                self.settle();
                self.forget(&place(&job)).into_iter().collect()
            }
        }
    }

    /// It could not be asked, for this reason. The trouble, if it is another than before.
    pub(super) fn fail(&mut self, words: String, now: Timestamp) -> Option<&Trouble> {
        (self.listing, self.listed) = (None, None);
        if self.trouble.as_ref().is_some_and(|trouble| trouble.words == words) {
            return None;
        }
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        Some(self.trouble.insert(Trouble { words, since }))
    }

    /// Forgets a trouble that is over. Whether there was one.
    pub(super) fn recover(&mut self, now: Timestamp) -> bool {
        let is_settled = self.listed.is_some_and(|listed| now.duration_since(listed) >= SETTLED);
        is_settled && self.trouble.take().is_some()
    }

    /// By namespace and name.
    pub(super) fn jobs(&self) -> Vec<SnapshotJob> {
        self.jobs.values().cloned().collect()
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The watch behind the list tells something, so it goes on.
    fn settle(&mut self) {
        self.listed = self.listed.map(|_| Timestamp::MIN);
    }

    fn keep(&mut self, job: SnapshotJob) -> Vec<String> {
        let (place, now) = (place(&job), summary(&job));
        let line = line(&place, &now);
        let before = self.jobs.insert(place, job).map(|before| summary(&before));
        (before != Some(now)).then_some(line).into_iter().collect()
    }

    fn forget(&mut self, place: &Place) -> Option<String> {
        self.jobs.remove(place).map(|_| line(place, "deleted"))
    }
}

fn place(job: &SnapshotJob) -> Place {
    (job.namespace().unwrap_or_default(), job.name_any())
}

fn line((namespace, name): &Place, what: &str) -> String {
    format!("{namespace}/{name}  {what}")
}

/// What a line says of a job.
fn summary(job: &SnapshotJob) -> String {
    let snapshots = job.status.as_ref().and_then(|status| status.snapshots.as_ref());
    let count = snapshots.map_or(0, |snapshots| snapshots.count);
    let ready = condition(job, ConditionType::Ready).map_or("-", |ready| ready.reason.as_str());
    format!("{}  {ready}  {count} snapshots", phase(job))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A job with so many snapshots.
    pub(in super::super) fn job(name: &str, count: i64) -> SnapshotJob {
        serde_json::from_value(json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": name, "namespace": "live"},
            "spec": {"credentialsRef": {"name": "agora"},
                "channel": {"appId": "a", "name": "lobby", "profile": "Communication"},
                "storage": {"vendor": "AzureBlob", "bucket": "b", "credentialsRef": {"name": "bucket"}}},
            "status": {"snapshots": {"count": count}}}))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(known: &mut Known, events: Vec<Event<SnapshotJob>>) -> Vec<String> {
        events.into_iter().flat_map(|event| known.note(event, at(0))).collect()
    }

    fn names(known: &Known) -> Vec<String> {
        known.jobs().iter().map(kube::ResourceExt::name_any).collect()
    }

    fn list(jobs: &[(&str, i64)]) -> Vec<Event<SnapshotJob>> {
        let applied = jobs.iter().map(|(name, count)| Event::InitApply(job(name, *count)));
        std::iter::once(Event::Init).chain(applied).chain([Event::InitDone]).collect()
    }

    #[test]
    fn what_a_later_list_has_no_longer_is_deleted_as_if_it_had_been_told() {
        let mut known = Known::default();
        let new = |name: &str, count| format!("live/{name}  Pending  -  {count} snapshots");
        assert_eq!(told(&mut known, list(&[("a", 1), ("b", 1), ("c", 1)])).len(), 3);
        assert_eq!(told(&mut known, vec![Event::Delete(job("c", 1))]), ["live/c  deleted"]);
        // A list that fails midway deletes nothing, and what it had of one that is gone by now does not count.
        let half = vec![Event::Init, Event::InitApply(job("a", 1)), Event::InitApply(job("b", 1))];
        assert_eq!(told(&mut known, half), [""; 0]);
        assert!(known.fail("gone".into(), at(0)).is_some());
        assert_eq!(names(&known), ["a", "b"]);
        let again = told(&mut known, list(&[("a", 1), ("d", 2)]));
        assert_eq!(again, [new("d", 2), "live/b  deleted".to_owned()]);
        assert_eq!(names(&known), ["a", "d"]);
        assert_eq!(told(&mut known, vec![Event::Apply(job("a", 2))]), [new("a", 2)]);
        assert_eq!(told(&mut known, vec![Event::Apply(job("a", 2))]), [""; 0]);
    }

    #[test]
    fn a_trouble_is_told_once_and_stays_until_events_come_again() {
        let mut known = Known::default();
        told(&mut known, list(&[("a", 1)]));
        let told_of = |known: &mut Known, words: &str, second| {
            known.fail(words.to_owned(), at(second)).map(|trouble| (trouble.words.clone(), trouble.since))
        };
        assert!(!known.recover(at(9)), "there was none");
        assert_eq!(told_of(&mut known, "401", 10), Some(("401".into(), at(10))));
        known.note(Event::Init, at(11));
        assert_eq!(told_of(&mut known, "401", 12), None);
        assert_eq!(
            told_of(&mut known, "503", 13),
            Some(("503".into(), at(10))),
            "the list is as old as before"
        );
        known.note(Event::Init, at(14));
        assert!(!known.recover(at(99)), "nothing was answered yet");
        known.note(Event::InitDone, at(100));
        assert!(!known.recover(at(101)), "the watch behind the list may fail");
        assert!(known.recover(at(103)) && known.trouble().is_none());

        told_of(&mut known, "401", 110);
        known.note(Event::InitDone, at(120));
        known.note(Event::Apply(job("a", 2)), at(120));
        assert!(known.recover(at(120)), "what the watch tells proves that it goes on");
    }
}
