//! Which jobs there are for an App ID, from the watch caches, and which of them a notification concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::cluster::stored::StoredJob;
use crate::lifecycle::recorder;
use crate::lifecycle::told::Tiding;
use crate::reconcile::neighbours::Neighbours;

/// A job as far as notifications go.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) uid: String,
    pub(super) job: ObjectRef<StoredJob>,
    pub(super) namespace: String,
    /// Name of the Secret of `credentialsRef`.
    pub(super) secret: String,
    channels: BTreeSet<String>,
    recorder_uids: BTreeSet<i64>,
    sids: BTreeSet<String>,
}

impl Listener {
    /// Whether it tells of a session of this job, or of one that may be: a sid that was lost is known to nobody, and one that
    /// was just given not yet to the watch cache.
    pub(super) fn is_concerned(&self, tiding: &Tiding) -> bool {
        let by_uid = self.channels.contains(&tiding.channel) && self.recorder_uids.contains(&tiding.uid);
        by_uid || self.sids.contains(&tiding.sid)
    }
}

/// The jobs by App ID, worked out anew when the watches have shown something; of each job only when it changed.
pub(super) struct Listeners {
    neighbours: Neighbours,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    version: Option<u64>,
    by_app_id: Arc<HashMap<String, Arc<[Listener]>>>,
    /// By `metadata.uid`: the resourceVersion, and what was worked out of it.
    jobs: HashMap<String, (Option<String>, ByItsAppIds)>,
}

/// A job under each of its App IDs.
type ByItsAppIds = Vec<(String, Listener)>;

impl Listeners {
    pub(super) fn new(neighbours: Neighbours) -> Self {
        Self { neighbours, known: Mutex::default() }
    }

    /// Those whose spec or whose sessions have this App ID.
    pub(super) fn of(&self, app_id: &str) -> Arc<[Listener]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Read first: what changes while they are gathered is gathered again.
        let version = self.neighbours.version();
        if known.version != Some(version) {
            known.gather(&self.neighbours.all());
            known.version = Some(version);
        }
        known.by_app_id.get(app_id).cloned().unwrap_or_default()
    }
}

impl Known {
    fn gather(&mut self, jobs: &[Arc<StoredJob>]) {
        let mut before = std::mem::take(&mut self.jobs);
        let mut by_app_id: HashMap<String, Vec<Listener>> = HashMap::new();
        for job in jobs {
            let (uid, version) = (job.uid().unwrap_or_default(), job.resource_version());
            let listeners = match before.remove(&uid) {
                Some((same, listeners)) if same == version => listeners,
                Some(_) | None => listeners(job),
            };
            for (app_id, listener) in &listeners {
                by_app_id.entry(app_id.clone()).or_default().push(listener.clone());
            }
            self.jobs.insert(uid, (version, listeners));
        }
        let shared = by_app_id.into_iter().map(|(app_id, listeners)| (app_id, listeners.into()));
        self.by_app_id = Arc::new(shared.collect());
    }
}

/// A job under each App ID that its spec or one of its sessions has, with what it has there.
fn listeners(job: &StoredJob) -> ByItsAppIds {
    let Some(secret) = job.credentials_name() else { return Vec::new() };
    let namespace = job.namespace().unwrap_or_default();
    let nothing = || Listener {
        uid: job.uid().unwrap_or_default(),
        job: ObjectRef::from_obj(job),
        secret: secret.to_owned(),
        channels: BTreeSet::new(),
        recorder_uids: BTreeSet::new(),
        sids: BTreeSet::new(),
        namespace: namespace.clone(),
    };
    let mut by_app_id: BTreeMap<String, Listener> = BTreeMap::new();
    if let Ok(spec) = job.spec() {
        let uids = recorder::uids(&spec, &namespace, &job.name_any());
        let listener = by_app_id.entry(spec.channel.app_id).or_insert_with(nothing);
        listener.recorder_uids.extend(uids);
        listener.channels.insert(spec.channel.name);
    }
    for session in job.status().sessions {
        let listener = by_app_id.entry(session.app_id).or_insert_with(nothing);
        listener.channels.insert(session.channel);
        listener.recorder_uids.insert(session.recorder_uid);
        listener.sids.extend(session.sid);
    }
    by_app_id.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lifecycle::fixtures;
    use crate::lifecycle::told::Event;

    fn tiding(channel: &str, uid: i64, sid: &str) -> Tiding {
        Tiding {
            sid: sid.into(),
            channel: channel.into(),
            uid,
            time: jiff::Timestamp::UNIX_EPOCH,
            event: Event::Joined,
        }
    }

    #[test]
    fn a_job_is_concerned_by_its_recorders_in_its_channel_and_by_its_sids_anywhere() {
        let mut spec = serde_json::to_value(fixtures::spec()).expect("a spec");
        spec["channel"]["recorders"] = json!([{"uid": 1001}]);
        let job = json!({
            "metadata": {"name": "lobby", "namespace": "live", "uid": "u"}, "spec": spec,
            "status": {"sessions": [{"attempt": 1, "state": "Running", "recorderUid": 1002, "appId": "former",
                "channel": "hall", "resourceId": "r", "nonce": "n", "acquireTime": "2026-01-01T00:00:00Z",
                "specHash": "h", "sid": "s1"}]},
        });
        let job: StoredJob = serde_json::from_value(job).expect("an object");
        let [former, present] = &listeners(&job)[..] else { panic!("two App IDs") };
        let [former, present] = if former.0 == "former" { [former, present] } else { [present, former] };
        assert_eq!([former.0.as_str(), &present.0], ["former", &fixtures::spec().channel.app_id]);
        assert_eq!((present.1.namespace.as_str(), present.1.secret.as_str()), ("live", "agora"));
        for (listener, channel, uid, sid, expected, why) in [
            (&present.1, "lobby", 1001, "new", true, "the recorder of the spec"),
            (&present.1, "lobby", 1001, "s1", true, "the same"),
            (&present.1, "hall", 1002, "s1", false, "a session of another App ID"),
            (&former.1, "hall", 1002, "new", true, "the recorder of a session"),
            (&former.1, "hall", 3_900_000_001, "s1", true, "after a failover"),
            (&former.1, "hall", 7, "new", false, "somebody else's recorder"),
            (&former.1, "lobby", 1001, "new", false, "the recorder of the spec, which is of another App ID"),
        ] {
            assert_eq!(listener.is_concerned(&tiding(channel, uid, sid)), expected, "{why}");
        }
        let mut known = Known::default();
        known.gather(&[Arc::new(job)]);
        assert_eq!((known.by_app_id.len(), known.by_app_id["former"].len()), (2, 1));
        known.gather(&[]);
        assert!(known.by_app_id.is_empty() && known.jobs.is_empty(), "it is gone");
    }
}
