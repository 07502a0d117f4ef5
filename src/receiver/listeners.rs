//! Which jobs there are for an App ID, from the watch caches, and which of them a notification concerns.

use std::collections::{BTreeSet, HashMap};
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

/// The jobs by App ID, worked out anew when the watches have shown something.
pub(super) struct Listeners {
    neighbours: Neighbours,
    known: Mutex<Option<(u64, ByAppId)>>,
}

type ByAppId = Arc<HashMap<String, Arc<[Listener]>>>;

impl Listeners {
    pub(super) fn new(neighbours: Neighbours) -> Self {
        Self { neighbours, known: Mutex::default() }
    }

    /// Those whose spec or whose sessions have this App ID.
    pub(super) fn of(&self, app_id: &str) -> Arc<[Listener]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Read first: what changes while they are gathered is gathered again.
        let version = self.neighbours.version();
        let by_app_id = match &*known {
            Some((of, by_app_id)) if *of == version => by_app_id.clone(),
            Some(_) | None => {
                let gathered = Arc::new(gather(&self.neighbours.all()));
                *known = Some((version, gathered.clone()));
                gathered
            }
        };
        drop(known);
        by_app_id.get(app_id).cloned().unwrap_or_default()
    }
}

fn gather(jobs: &[Arc<StoredJob>]) -> HashMap<String, Arc<[Listener]>> {
    let mut by_app_id: HashMap<String, Vec<Listener>> = HashMap::new();
    for job in jobs {
        let Some(secret) = job.credentials_name() else { continue };
        let (namespace, status) = (job.namespace().unwrap_or_default(), job.status());
        let mut app_ids = BTreeSet::new();
        let mut listener = Listener {
            uid: job.uid().unwrap_or_default(),
            job: ObjectRef::from_obj(&**job),
            secret: secret.to_owned(),
            channels: BTreeSet::new(),
            recorder_uids: BTreeSet::new(),
            sids: BTreeSet::new(),
            namespace,
        };
        if let Ok(spec) = job.spec() {
            let uids = recorder::uids(&spec, &listener.namespace, &job.name_any());
            listener.recorder_uids.extend(uids);
            listener.channels.insert(spec.channel.name);
            app_ids.insert(spec.channel.app_id);
        }
        for session in status.sessions {
            app_ids.insert(session.app_id);
            listener.channels.insert(session.channel);
            listener.recorder_uids.insert(session.recorder_uid);
            listener.sids.extend(session.sid);
        }
        for app_id in app_ids {
            by_app_id.entry(app_id).or_default().push(listener.clone());
        }
    }
    by_app_id.into_iter().map(|(app_id, listeners)| (app_id, listeners.into())).collect()
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
        let by_app_id = gather(&[Arc::new(serde_json::from_value(job).expect("an object"))]);
        let app_id = fixtures::spec().channel.app_id;
        let mut app_ids: Vec<&str> = by_app_id.keys().map(String::as_str).collect();
        app_ids.sort_unstable();
        assert_eq!(app_ids, [app_id.as_str(), "former"]);
        let listener = &by_app_id["former"][0];
        assert_eq!((listener.namespace.as_str(), listener.secret.as_str()), ("live", "agora"));
        for (channel, uid, sid, expected, why) in [
            ("lobby", 1001, "new", true, "the recorder of the spec"),
            ("hall", 1002, "new", true, "the recorder of a session"),
            ("hall", 3_900_000_001, "s1", true, "after a failover"),
            ("hall", 7, "new", false, "somebody else's recorder"),
            ("other", 1001, "new", false, "another channel"),
        ] {
            assert_eq!(listener.is_concerned(&tiding(channel, uid, sid)), expected, "{why}");
        }
    }
}
