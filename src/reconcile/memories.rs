//! What the process remembers of each job, keyed by `metadata.uid`: an object deleted and created again under its name
//! is another job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;
use tokio::sync::Mutex as AsyncMutex;

use crate::agora::material::{Account, Material};
use crate::cluster::stored::StoredJob;
use crate::lifecycle::observed::Memory;
use crate::lifecycle::said::Said;

/// What is remembered of one job. Held by one visit at a time.
#[derive(Debug, Default)]
pub struct Remembered {
    /// For decisions.
    pub memory: Memory,
    /// The object as last seen or written. Newer than the watch cache right after a write of ours.
    pub newest: Option<StoredJob>,
    /// What was read of its Secrets when they were last whole.
    pub kept: Kept,
    /// What was seen in the bucket.
    pub bucket: super::look::Seen,
    /// What was last said of it.
    pub said: Said,
    /// Calls to the API server in a row that failed.
    pub kube_failures: u32,
    /// Whether the object is gone and its sessions are being stopped from memory.
    pub farewell: bool,
}

/// Secrets as they last were. A namespace that is deleted takes its Secrets with it, often before its jobs: what was
/// started with them can still be stopped with them. Used for nothing else.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Enough to stop.
    pub account: Option<Account>,
    /// Enough to find out what became of a start.
    pub material: Option<Material>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Memories(Arc<Mutex<HashMap<String, Entry>>>);

#[derive(Clone, Debug)]
struct Entry {
    namespace: String,
    name: String,
    remembered: Arc<AsyncMutex<Remembered>>,
}

impl Memories {
    /// What is remembered of this object; made if there is nothing.
    pub fn of(&self, job: &StoredJob) -> Arc<AsyncMutex<Remembered>> {
        let entry = || Entry {
            namespace: job.namespace().unwrap_or_default(),
            name: job.name_any(),
            remembered: Arc::default(),
        };
        self.lock().entry(job.uid().unwrap_or_default()).or_insert_with(entry).remembered.clone()
    }

    /// Forgets an object that is gone and has nothing running.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Objects that had this name and are not `uid`, which has it now, if any has.
    pub fn former(&self, namespace: &str, name: &str, uid: Option<&str>) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(key, entry)| {
                entry.namespace == namespace && entry.name == name && Some(key.as_str()) != uid
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// What is remembered under this `metadata.uid`.
    pub fn get(&self, uid: &str) -> Option<Arc<AsyncMutex<Remembered>>> {
        self.lock().get(uid).map(|entry| entry.remembered.clone())
    }

    /// Every `metadata.uid` that something is remembered of.
    pub fn uids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// The newer of the object that was handed in and the one that is remembered. The watch cache may lag behind our
    /// own writes; Kubernetes since 1.35 declares resourceVersions comparable.
    pub fn newest(&self, handed: StoredJob) -> StoredJob {
        let version =
            |job: &StoredJob| job.resource_version().and_then(|version| version.parse::<u128>().ok());
        match &self.newest {
            Some(newest) if version(newest) > version(&handed) => newest.clone(),
            Some(_) | None => handed,
        }
    }
}
