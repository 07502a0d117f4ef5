//! The API server with its one object: versions, conflicts, finalizer, deletion, what a user may do to it.

use std::sync::{Arc, OnceLock};

use agora_snapshot_operator::api::{SnapshotJobSpec, SnapshotJobStatus};
use agora_snapshot_operator::lifecycle::observed::Job;
use serde_json::json;

use crate::kstatus;
use crate::vendor::Orders;

/// The recorder uids that the spec declares.
pub const UIDS: [i64; 2] = [1001, 1002];

/// A session can be controlled for the shortest time that the schema takes: an hour.
pub const CONTROL_HOURS: i64 = 1;

/// What the user wants.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// What a session shall do.
    pub orders: Orders,
    /// Whether none shall run.
    pub suspend: bool,
    /// Whether the spec declares one recorder uid alone.
    pub one_uid: bool,
}

/// What a user does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edit {
    /// A change that takes a new session; again: a revert.
    Body,
    /// A change that a running session can be told of; again: a revert.
    Lists,
    /// Suspends; again: resumes.
    Suspend,
    /// Deletes.
    Delete,
}

/// A stored version of the object.
#[derive(Clone, Debug)]
pub struct Object {
    /// `resourceVersion`.
    pub version: u64,
    /// `generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it has our finalizer.
    pub finalizer: bool,
    /// The spec.
    pub wanted: Wanted,
    /// The status.
    pub status: SnapshotJobStatus,
}

/// What the API server says to a write that it did not do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// 409.
    Conflict,
    /// 404.
    Gone,
}

/// The API server. Keeps former versions, as a watch cache that lags behind would still show them.
#[derive(Clone, Debug)]
pub struct ApiServer {
    /// The object, while there is one.
    pub object: Option<Arc<Object>>,
    /// Former versions, newest first.
    pub former: Vec<Arc<Object>>,
    /// Writes that changed something, users' among them.
    pub writes: u32,
}

/// So many former versions can still be seen by somebody.
pub const FORMER: usize = 2;

impl Wanted {
    /// The spec in full.
    pub fn spec(self) -> SnapshotJobSpec {
        static PLAIN: OnceLock<SnapshotJobSpec> = OnceLock::new();
        let plain = PLAIN.get_or_init(|| {
            serde_json::from_value(json!({
                "credentialsRef": {"name": "agora"},
                "channel": {
                    "appId": "970ca35de60c44645bbae8a215061b33", "name": "lobby", "profile": "LiveBroadcasting",
                    "recorders": UIDS.map(|uid| json!({"uid": uid})),
                },
                "storage": {
                    "vendor": "S3Compatible", "bucket": "snapshots", "prefix": "lobby", "endpoint": "s3.example.com",
                    "credentialsRef": {"name": "bucket"},
                },
                "subscription": {"videoUids": [7]},
                "sessionLimitHours": CONTROL_HOURS,
            }))
            .expect("a spec")
        });
        let mut spec = plain.clone();
        spec.suspend = self.suspend;
        if self.orders.body {
            spec.interval_seconds = 20;
        }
        if let (true, Some(subscription)) = (self.orders.lists, &mut spec.subscription) {
            subscription.video_uids = vec![8];
        }
        if let (true, Some(recorders)) = (self.one_uid, &mut spec.channel.recorders) {
            recorders.truncate(1);
        }
        spec
    }
}

impl Object {
    /// The metadata that decisions are made from.
    pub fn job(&self) -> Job {
        Job {
            uid: "0b6f".into(),
            namespace: "live".into(),
            name: "lobby".into(),
            generation: self.generation,
            deleting: self.deleting,
            has_finalizer: self.finalizer,
            restart: None,
        }
    }

    /// What is wrong with its status by the contract with the tools that read it.
    pub fn violations(&self) -> Vec<String> {
        let status = serde_json::to_value(&self.status).expect("a status");
        kstatus::violations(&json!({"metadata": {"generation": self.generation}, "status": status}))
    }
}

impl ApiServer {
    /// With a new object.
    pub fn new(wanted: Wanted) -> Self {
        let status = SnapshotJobStatus { observed_generation: Some(-1), ..SnapshotJobStatus::default() };
        let object = Object { version: 1, generation: 1, deleting: false, finalizer: false, wanted, status };
        Self { object: Some(Arc::new(object)), former: Vec::new(), writes: 0 }
    }

    /// Replaces the status of the version that was observed.
    pub fn replace_status(
        &mut self,
        observed: &Object,
        status: &SnapshotJobStatus,
    ) -> Result<Arc<Object>, Refused> {
        let now = self.current(observed)?;
        if now.status == *status {
            return Ok(now);
        }
        Ok(self.store(Object { status: status.clone(), ..(*now).clone() }))
    }

    /// Sets or takes the finalizer of the version that was observed. `None`: the object went with it.
    pub fn set_finalizer(
        &mut self,
        observed: &Object,
        present: bool,
    ) -> Result<Option<Arc<Object>>, Refused> {
        let now = self.current(observed)?;
        if now.deleting && !present {
            self.store(Object { finalizer: false, ..(*now).clone() });
            self.object = None;
            return Ok(None);
        }
        if now.finalizer == present {
            return Ok(Some(now));
        }
        Ok(Some(self.store(Object { finalizer: present, ..(*now).clone() })))
    }

    /// Deletes the version that was observed.
    pub fn delete(&mut self, observed: &Object) -> Result<(), Refused> {
        self.current(observed)?;
        self.edit(Edit::Delete);
        Ok(())
    }

    /// Whether this edit would change anything.
    pub fn takes(&self, edit: Edit) -> bool {
        self.object.as_ref().is_some_and(|object| match edit {
            Edit::Body | Edit::Lists | Edit::Suspend | Edit::Delete => !object.deleting,
        })
    }

    /// A user's edit.
    pub fn edit(&mut self, edit: Edit) {
        let Some(now) = self.object.clone() else { return };
        let mut object = (*now).clone();
        object.generation += 1;
        match edit {
            Edit::Body => object.wanted.orders.body = !object.wanted.orders.body,
            Edit::Lists => object.wanted.orders.lists = !object.wanted.orders.lists,
            Edit::Suspend => object.wanted.suspend = !object.wanted.suspend,
            Edit::Delete => object.deleting = true,
        }
        let goes = object.deleting && !object.finalizer;
        self.store(object);
        if goes {
            self.object = None;
        }
    }

    fn current(&self, observed: &Object) -> Result<Arc<Object>, Refused> {
        let now = self.object.clone().ok_or(Refused::Gone)?;
        if now.version == observed.version { Ok(now) } else { Err(Refused::Conflict) }
    }

    fn store(&mut self, mut object: Object) -> Arc<Object> {
        self.writes += 1;
        if let Some(before) = self.object.take() {
            object.version = before.version + 1;
            self.former.insert(0, before);
            self.former.truncate(FORMER);
        }
        let object = Arc::new(object);
        self.object = Some(object.clone());
        object
    }
}
