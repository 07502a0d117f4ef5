//! What notifications told, from when they are heard until their jobs are visited: by `metadata.uid` and sid. A notification
//! that matters brings a visit; the visit takes what was told, and decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{self, Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

use crate::cluster::stored::StoredJob;
use crate::lifecycle::told::{Event, Tiding, Told};
use crate::snapshots::FileName;

/// Sids of one job that are kept, those that were heard of last: two sessions, those before them, and others under its
/// recorder uids. What is kept is no news when it is heard again.
const MOST_SIDS: usize = 16;

/// So many snapshots of one session bring a visit that counts them ...
const ENOUGH_SNAPSHOTS: usize = 1_000;
/// ... and beyond these, of all sessions of a job, they are not kept: the next look into the bucket finds them.
const MOST_SNAPSHOTS: usize = 10_000;

/// Everything that was told. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Hearsay(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    jobs: HashMap<String, Heard>,
    /// Who visits the jobs of a namespace, or of all.
    visitors: Vec<(Option<String>, mpsc::UnboundedSender<ObjectRef<StoredJob>>)>,
}

#[derive(Debug, Default)]
struct Heard {
    told: BTreeMap<String, Told>,
    /// Object keys that were told of and are not counted yet, by sid.
    snapshots: BTreeMap<String, Vec<String>>,
    /// Whether a visit was asked for that has not come yet.
    woken: bool,
}

impl Hearsay {
    /// Takes in what a notification told of a job, and brings a visit to it if that matters.
    pub fn hear(&self, uid: &str, job: &ObjectRef<StoredJob>, tiding: &Tiding) {
        let mut inner = self.inner();
        let heard = inner.jobs.entry(uid.to_owned()).or_default();
        let told = heard.told.entry(tiding.sid.clone()).or_default();
        let before = told.clone();
        told.hear(tiding);
        let mut matters = told.is_worth_a_visit(&before);
        if let Event::Snapshot { file } = &tiding.event
            && let Some(name) =
                FileName::parse(file).filter(|name| name.sid.eq_ignore_ascii_case(&tiding.sid))
        {
            told.took(i64::from(name.user), name.taken);
            let kept: usize = heard.snapshots.values().map(Vec::len).sum();
            let snapshots = heard.snapshots.entry(tiding.sid.clone()).or_default();
            if kept < MOST_SNAPSHOTS {
                snapshots.push(file.clone());
            }
            matters |= snapshots.len() == ENOUGH_SNAPSHOTS;
        }
        while heard.told.len() > MOST_SIDS {
            let oldest = heard.told.iter().min_by_key(|(_, told)| told.heard()).map(|(sid, _)| sid.clone());
            let Some(oldest) = oldest else { break };
            heard.told.remove(&oldest);
            heard.snapshots.remove(&oldest);
        }
        if !matters || std::mem::replace(&mut heard.woken, true) {
            return;
        }
        let namespace = job.namespace.as_deref();
        let concerned = |scope: &Option<String>| scope.is_none() || scope.as_deref() == namespace;
        // Whoever has ended visits nothing any more.
        inner.visitors.retain(|(scope, visitor)| !concerned(scope) || visitor.send(job.clone()).is_ok());
    }

    /// What was told of a job, by sid, for the visit that begins.
    pub fn of(&self, uid: &str) -> BTreeMap<String, Told> {
        let mut inner = self.inner();
        let Some(heard) = inner.jobs.get_mut(uid) else { return BTreeMap::new() };
        heard.woken = false;
        heard.told.clone()
    }

    /// The keys of snapshots that were told of these sessions of a job since this was last asked, some of them twice.
    pub fn snapshots(&self, uid: &str, sids: &[String]) -> Vec<String> {
        let mut inner = self.inner();
        let Some(heard) = inner.jobs.get_mut(uid) else { return Vec::new() };
        sids.iter().flat_map(|sid| heard.snapshots.remove(sid).unwrap_or_default()).collect()
    }

    /// Forgets a job that is gone.
    pub fn forget(&self, uid: &str) {
        self.inner().jobs.remove(uid);
    }

    /// The jobs of a namespace, or of all, each time that something was told which matters.
    pub fn wakes(&self, namespace: Option<&str>) -> impl Stream<Item = ObjectRef<StoredJob>> + Send + use<> {
        let (visitor, woken) = mpsc::unbounded_channel();
        self.inner().visitors.push((namespace.map(str::to_owned), visitor));
        stream::unfold(woken, async |mut woken| woken.recv().await.map(|job| (job, woken))).boxed()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use jiff::Timestamp;

    use super::*;

    fn tiding(sid: &str, second: i64, event: Event) -> Tiding {
        let time = Timestamp::from_second(1_780_000_000 + second).expect("a time");
        Tiding { sid: sid.into(), channel: "lobby".into(), uid: 1001, time, event }
    }

    fn snapshot(sid: &str, second: i64) -> Tiding {
        tiding(sid, second, Event::Snapshot { file: format!("{second}.jpg") })
    }

    fn job() -> ObjectRef<StoredJob> {
        ObjectRef::new("lobby").within("live")
    }

    /// How many visits were asked for since it was asked last.
    fn drained(wakes: &mut (impl Stream<Item = ObjectRef<StoredJob>> + Unpin)) -> usize {
        std::iter::from_fn(|| wakes.next().now_or_never().flatten()).count()
    }

    #[test]
    fn what_matters_brings_one_visit_and_the_rest_waits_for_the_next() {
        let hearsay = Hearsay::default();
        let (mut all, mut live) = (hearsay.wakes(None), hearsay.wakes(Some("live")));
        let mut other = hearsay.wakes(Some("other"));
        for second in 1..=100 {
            hearsay.hear("u", &job(), &snapshot("s", second));
        }
        assert_eq!((drained(&mut all), drained(&mut live), drained(&mut other)), (1, 1, 0));
        let told = hearsay.of("u");
        assert_eq!(told["s"].snapshot().map(|(_, file)| file), Some("100.jpg"));
        hearsay.hear("u", &job(), &snapshot("s", 101));
        assert_eq!(drained(&mut all), 0, "one more of the same");
        hearsay.hear("u", &job(), &tiding("s", 102, Event::Exited { normally: true }));
        assert_eq!(drained(&mut all), 1);
    }

    #[test]
    fn snapshots_wait_to_be_counted_and_many_of_them_bring_a_visit() {
        let sid = "1cd3d60b784382f12ce30fa615421852";
        let file = |second: i64| {
            let name = FileName {
                activation: None,
                sid: sid.to_owned(),
                channel: "lobby".to_owned(),
                user: 7,
                taken: Timestamp::from_second(1_780_000_000 + second).expect("a time"),
            };
            format!("lobby/{name}")
        };
        let hearsay = Hearsay::default();
        let mut wakes = hearsay.wakes(None);
        let hear =
            |second| hearsay.hear("u", &job(), &tiding(sid, second, Event::Snapshot { file: file(second) }));
        hear(1);
        // A name of another session, or of nothing, is no snapshot of this one.
        hearsay.hear("u", &job(), &tiding("5d3f", 1, Event::Snapshot { file: file(1) }));
        hearsay.hear("u", &job(), &snapshot(sid, 1));
        assert_eq!(drained(&mut wakes), 1, "the first one matters");
        let told = hearsay.of("u");
        assert_eq!(hearsay.snapshots("u", &["another".into()]), Vec::<String>::new());
        assert_eq!(hearsay.snapshots("u", &["5d3f".into(), sid.into()]), [file(1)]);
        assert_eq!(told[sid].clone(), {
            let mut same = told[sid].clone();
            same.took(7, Timestamp::from_second(1_780_000_001).expect("a time"));
            same
        });
        (2..=MOST_SNAPSHOTS as i64 + 100).for_each(hear);
        assert_eq!(drained(&mut wakes), 1, "as many as fill a look");
        assert_eq!(hearsay.snapshots("u", &[sid.into()]).len(), MOST_SNAPSHOTS);
        assert!(hearsay.snapshots("u", &[sid.into()]).is_empty());

        let other = sid.replace('1', "e");
        for second in 1..=MOST_SNAPSHOTS as i64 {
            let file = file(second).replace(sid, &other);
            hearsay.hear("u", &job(), &tiding(&other, second, Event::Snapshot { file }));
        }
        hear(1);
        assert!(hearsay.snapshots("u", &[sid.into()]).is_empty(), "many sids have no more than one");
    }

    #[test]
    fn a_storm_of_strange_sids_is_bounded_and_a_job_that_went_leaves_nothing() {
        let hearsay = Hearsay::default();
        for number in 0..1000 {
            hearsay.hear("u", &job(), &snapshot(&format!("s{number}"), number));
        }
        let kept: Vec<String> = hearsay.of("u").into_keys().collect();
        assert_eq!(kept.len(), MOST_SIDS);
        assert!(kept.contains(&"s999".to_owned()));
        hearsay.forget("u");
        assert!(hearsay.of("u").is_empty());
    }
}
