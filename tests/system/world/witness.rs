//! What the world saw, whatever the operator says: every version of every object, every session that the vendor had, every
//! write that the API server was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use agora_snapshot_testbed::{Marker, Writes};
use futures::StreamExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;

use agora_snapshot_operator::api::SnapshotJob;

use super::World;
use crate::kstatus;

/// What the API server showed.
#[derive(Default)]
pub(super) struct Witness {
    pub(super) versions: u64,
    pub(super) newest: BTreeMap<String, Value>,
    /// By name, oldest first; an object created again under its name goes on the same list.
    all: BTreeMap<String, Vec<Value>>,
    pub(super) gone: BTreeSet<String>,
    pub(super) violations: Vec<String>,
}

/// Keeps what the API server shows of the namespace's jobs.
pub(super) async fn watch_all(
    client: Client,
    namespace: String,
    witness: Arc<Mutex<Witness>>,
    versions: watch::Sender<u64>,
) {
    let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
    let jobs: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    let mut events = watcher(jobs, watcher::Config::default()).default_backoff().boxed();
    while let Some(event) = events.next().await {
        // After an error the watcher goes on by itself: it lists again.
        let Ok(event) = event else { continue };
        let mut witness = witness.lock().expect("no panic under the lock");
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let name = object.name_any();
                let value = serde_json::to_value(&object).expect("an object");
                for violation in kstatus::violations(&value) {
                    witness.violations.push(format!("{name}: {violation}: {}", value["status"]));
                }
                witness.gone.remove(&name);
                witness.all.entry(name.clone()).or_default().push(value.clone());
                witness.newest.insert(name, value);
            }
            watcher::Event::Delete(object) => {
                witness.newest.remove(&object.name_any());
                witness.gone.insert(object.name_any());
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
        witness.versions += 1;
        versions.send_replace(witness.versions);
    }
}

impl World {
    // === objects ===

    /// Every version of a job that was seen, oldest first.
    pub fn versions_of(&self, name: &str) -> Vec<Value> {
        self.witness.lock().expect("no panic under the lock").all.get(name).cloned().unwrap_or_default()
    }

    // === the vendor's witness ===

    /// Every session that ever ran.
    pub async fn sessions(&self) -> Vec<Value> {
        self.simulator.sessions(&[]).await.expect("sessions")
    }

    /// Sessions that run, and are billed.
    pub async fn live_sessions(&self) -> Vec<Value> {
        self.simulator.sessions(&[("state", "live")]).await.expect("sessions")
    }

    /// Calls of a verb that the simulator has had.
    pub async fn calls(&self, verb: &str) -> Vec<Value> {
        self.simulator.requests(&[("verb", verb)]).await.expect("requests")
    }

    /// Checks by the witness that no two sessions of a channel ever ran at the same time, and returns all that ran.
    pub async fn one_at_a_time(&self, channel: &str) -> Vec<Value> {
        let sessions = self.simulator.sessions(&[("cname", channel)]).await.expect("sessions");
        if let Some((first, second)) = overlapping(&sessions).first() {
            panic!("two sessions at once: {first:#}\n{second:#}\n{}", self.log_tail());
        }
        sessions
    }

    /// The same, but for handovers that the status of the job of this name, which is also its channel's, declared: both
    /// sessions stood in it, under two uids.
    pub async fn one_at_a_time_or_handed_over(&self, name: &str) -> Vec<Value> {
        let sessions = self.simulator.sessions(&[("cname", name)]).await.expect("sessions");
        let versions = self.versions_of(name);
        for (first, second) in overlapping(&sessions) {
            let names = |job: &Value, session: &Value| {
                let claims = job["status"]["sessions"].as_array().into_iter().flatten();
                claims.into_iter().any(|claim| claim["resourceId"] == session["resourceId"])
            };
            let declared = versions.iter().any(|job| names(job, first) && names(job, second));
            assert!(
                declared && first["uid"] != second["uid"],
                "two sessions at once, and no handover: {first:#}\n{second:#}\n{}",
                self.log_tail()
            );
        }
        sessions
    }

    // === the API server's witness ===

    /// A place in the audit log. What was just seen of a visit may come behind it: a change is seen before its answer is on
    /// its way, and in the log.
    pub async fn mark(&self) -> Marker {
        let audit = self.testbed.control_plane().audit_log();
        audit.mark(&self.client).await.expect("a marker")
    }

    /// A place in the audit log behind every change that was seen.
    pub async fn mark_at_rest(&self) -> Marker {
        self.until_no_visit().await;
        self.mark().await
    }

    /// What the operator wrote, or tried to, of a job since then; events apart.
    pub async fn writes_of(&self, name: &str, since: Marker) -> Writes {
        let audit = self.testbed.control_plane().audit_log();
        let writes = audit.writes_since(&self.client, since).await.expect("the audit log");
        writes.of("snapshotjobs").object(&self.namespace, name).by("operator")
    }
}

/// The pairs of sessions that ran at the same time.
fn overlapping(sessions: &[Value]) -> Vec<(&Value, &Value)> {
    // Times of one form sort as text; a session without an end runs.
    let text = |value: &Value| value.as_str().unwrap_or("~").to_owned();
    let pairs = sessions
        .iter()
        .enumerate()
        .flat_map(|(n, second)| sessions[..n].iter().map(move |first| (first, second)));
    pairs.filter(|(first, second)| text(&first["stopTime"]) > text(&second["startTime"])).collect()
}
