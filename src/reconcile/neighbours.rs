//! Whether another job has, or is to have, the same recorder uid in the same channel. The vendor would refuse the
//! second session, or worse, after a failover let both run and evict each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use kube::ResourceExt;
use kube::runtime::reflector::Store;

use crate::api::SnapshotJobSpec;
use crate::api::status::Phase;
use crate::cluster::stored::StoredJob;
use crate::lifecycle::recorder;

/// The jobs that the watches show.
#[derive(Clone, Default)]
pub struct Neighbours {
    stores: Arc<RwLock<Vec<Store<StoredJob>>>>,
    version: Arc<AtomicU64>,
}

impl Neighbours {
    /// Adds a watch cache.
    pub fn add(&self, store: Store<StoredJob>) {
        self.stores.write().unwrap_or_else(PoisonError::into_inner).push(store);
        self.changed();
    }

    /// A watch showed something new, and its cache has it.
    pub fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Another number each time that something may have changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All jobs.
    pub fn all(&self) -> Vec<Arc<StoredJob>> {
        self.stores().iter().flat_map(Store::state).collect()
    }

    fn stores(&self) -> RwLockReadGuard<'_, Vec<Store<StoredJob>>> {
        self.stores.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// `namespace/name` of the job that stands in the way of `job` using `recorder_uid`.
    pub fn holder(&self, job: &StoredJob, spec: &SnapshotJobSpec, recorder_uid: i64) -> Option<String> {
        self.all()
            .iter()
            .filter(|other| other.uid() != job.uid())
            .filter(|other| stands_in_the_way(other, job, spec, recorder_uid))
            .map(|other| other.full_name())
            // The same one each time, for its name stands in the status.
            .min()
    }

    /// Whether a job other than `uid` has, or had, the session of this sid.
    pub fn has_sid(&self, uid: &str, sid: &str) -> bool {
        self.all().iter().filter(|other| other.uid().as_deref() != Some(uid)).any(|other| {
            let status = other.status();
            let live = status.sessions.iter().filter_map(|session| session.sid.as_deref());
            live.chain(status.history.iter().filter_map(|past| past.sid.as_deref())).any(|known| known == sid)
        })
    }
}

/// A session of its own in any state, or, of two that only want the uid, the older object.
fn stands_in_the_way(other: &StoredJob, job: &StoredJob, spec: &SnapshotJobSpec, recorder_uid: i64) -> bool {
    let status = other.status();
    let has_session = status.sessions.iter().any(|session| {
        session.app_id == spec.channel.app_id
            && session.channel == spec.channel.name
            && session.recorder_uid == recorder_uid
    });
    if has_session {
        return true;
    }
    let finished = matches!(status.phase, Some(Phase::Succeeded | Phase::Failed));
    let age = |job: &StoredJob| (job.creation_timestamp(), job.uid());
    if finished || other.metadata.deletion_timestamp.is_some() || age(other) > age(job) {
        return false;
    }
    let channel = |field: &str| other.spec.get("channel").and_then(|channel| channel.get(field)?.as_str());
    if channel("appId") != Some(&spec.channel.app_id) || channel("name") != Some(&spec.channel.name) {
        return false;
    }
    other.spec().is_ok_and(|wanted| {
        let uids = recorder::uids(&wanted, &other.namespace().unwrap_or_default(), &other.name_any());
        !wanted.suspend && uids.first() == Some(&recorder_uid)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::lifecycle::fixtures;

    fn job(name: &str, age: u32, recorder: i64, status: Value) -> StoredJob {
        let mut spec = serde_json::to_value(fixtures::spec()).expect("a spec");
        spec["channel"]["recorders"] = json!([{"uid": recorder}]);
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "live", "uid": name,
                "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z")},
            "spec": spec, "status": status,
        }))
        .expect("an object")
    }

    #[test]
    fn who_stands_in_the_way() {
        let session = |uid: i64, channel: &str| {
            json!({"sessions": [{"attempt": 1, "state": "Stopping", "recorderUid": uid,
                "appId": fixtures::spec().channel.app_id, "channel": channel, "resourceId": "r", "nonce": "n",
                "acquireTime": "2026-01-01T00:00:00Z", "specHash": "h"}]})
        };
        let me = job("me", 10, 1001, Value::Null);
        for (other, blocks, reason) in [
            (job("older", 5, 1001, Value::Null), true, "the older of two that want it"),
            (job("younger", 15, 1001, Value::Null), false, "the younger waits for us"),
            (job("a", 10, 1001, Value::Null), true, "of the same age, one has to be first"),
            (job("z", 10, 1001, Value::Null), false, "and the other not"),
            (job("older", 5, 1002, Value::Null), false, "another uid"),
            (job("older", 5, 1001, json!({"phase": "Succeeded"})), false, "it is finished"),
            (job("younger", 15, 1002, session(1001, "lobby")), true, "a session of a former spec"),
            (job("younger", 15, 1002, session(1001, "other")), false, "a session in another channel"),
        ] {
            let spec = me.spec().expect("a spec");
            assert_eq!(stands_in_the_way(&other, &me, &spec, 1001), blocks, "{reason}");
        }
        let mut suspended = job("older", 5, 1001, Value::Null);
        suspended.spec["suspend"] = json!(true);
        assert!(!stands_in_the_way(&suspended, &me, &me.spec().expect("a spec"), 1001));
    }
}
