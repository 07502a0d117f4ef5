//! The real API server as one of the two sides.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agora_snapshot_testbed::Testbed;
use bytes::Bytes;
use futures::{AsyncBufRead, AsyncBufReadExt, StreamExt};
use http::Request;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::Body;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use agora_snapshot_operator::api::SnapshotJob;

use super::side::Side;

/// How long is waited for what should be there in a moment. A loaded machine is what this allows for.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// The server that all tests share.
#[derive(Clone)]
pub(super) struct Real {
    testbed: &'static Testbed,
    client: Client,
    /// Namespaces that were used and emptied again.
    free: Arc<Mutex<Vec<String>>>,
}

/// The server in one sequence.
pub(super) struct RealRun {
    real: Real,
    namespace: String,
    watches: Vec<Lines>,
    terminating: bool,
}

type Lines = Pin<Box<dyn AsyncBufRead + Send>>;

impl Real {
    pub(super) fn new(testbed: &'static Testbed, client: Client) -> Self {
        Self { testbed, client, free: Arc::default() }
    }

    /// A namespace with none of the objects of these tests in it.
    pub(super) async fn fresh_namespace(&self) -> String {
        let free = self.free.lock().expect("no panic under the lock").pop();
        match free {
            Some(namespace) => namespace,
            None => self.testbed.create_namespace("lab").await.expect("a namespace"),
        }
    }

    pub(super) fn of(self, namespace: &str) -> RealRun {
        RealRun { real: self, namespace: namespace.to_owned(), watches: vec![], terminating: false }
    }

    fn jobs(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<SnapshotJob>(&()))
    }

    /// Takes out what a sequence has left.
    async fn empty(&self, namespace: &str) {
        let delete = DeleteParams::default();
        let jobs = self.jobs(namespace);
        let list = jobs.list(&ListParams::default()).await.expect("a list");
        for job in list {
            let name = job.name_any();
            if !job.finalizers().is_empty() {
                let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                jobs.patch(&name, &PatchParams::default(), &patch).await.expect("the finalizers go");
            }
            if job.metadata.deletion_timestamp.is_none() {
                jobs.delete(&name, &delete).await.expect("the job goes");
            }
        }
        let everything = ListParams::default();
        let client = || self.client.clone();
        Api::<Secret>::namespaced(client(), namespace)
            .delete_collection(&delete, &everything)
            .await
            .expect("the Secrets go");
        Api::<Lease>::namespaced(client(), namespace)
            .delete_collection(&delete, &everything)
            .await
            .expect("the Leases go");
        Api::<Event>::namespaced(client(), namespace)
            .delete_collection(&delete, &everything)
            .await
            .expect("the Events go");
    }
}

impl Side for RealRun {
    async fn send(&mut self, request: Request<Bytes>) -> (u16, Value) {
        let answer = self.real.client.send(request.map(Body::from)).await.expect("an answer");
        let code = answer.status().as_u16();
        let body = answer.into_body().collect_bytes().await.expect("a body");
        (code, serde_json::from_slice(&body).expect("JSON"))
    }

    async fn watch(&mut self, request: Request<Bytes>) {
        let lines = self.real.client.request_stream(request.map(|body| body.to_vec())).await;
        self.watches.push(Box::pin(lines.expect("a watch")));
    }

    async fn namespace_emptied(&mut self, namespace: &str) {
        self.terminating = true;
        let jobs = self.real.jobs(namespace);
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let list = jobs.list(&ListParams::default()).await.expect("a list");
            let secrets: Api<Secret> = Api::namespaced(self.real.client.clone(), namespace);
            let leases: Api<Lease> = Api::namespaced(self.real.client.clone(), namespace);
            let secrets = secrets.list(&ListParams::default()).await.expect("a list").items.len();
            let leases = leases.list(&ListParams::default()).await.expect("a list").items.len();
            let marked = list.iter().all(|job| job.metadata.deletion_timestamp.is_some());
            if marked && secrets + leases == 0 {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "the namespace controller empties {namespace}");
            // Nobody tells of a namespace that is empty: it is gone itself, unless something is held in it.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn events(&mut self) -> Vec<Vec<Value>> {
        let mut all = Vec::new();
        for lines in self.watches.drain(..) {
            let mut events = Vec::new();
            let mut lines = lines.lines();
            // The last object of a sequence is made in vain where the namespace goes; the last event is then that of
            // the deletion, or of whatever was done to the object that is held.
            let wait = if self.terminating { Duration::from_millis(500) } else { SOON };
            while let Ok(line) = tokio::time::timeout(wait, lines.next()).await {
                let Some(line) = line.transpose().expect("a watch is not broken off") else { break };
                let event: Value = serde_json::from_str(&line).expect("an event in JSON");
                let bookmark = event["type"] == "BOOKMARK";
                let initial_end = !event["object"]["metadata"]["annotations"].is_null();
                let last = event["object"]["metadata"]["name"] == "the-last" || event["type"] == "ERROR";
                if !bookmark || initial_end {
                    events.push(event);
                }
                if last {
                    break;
                }
            }
            all.push(events);
        }
        self.real.empty(&self.namespace).await;
        if !self.terminating {
            self.real.free.lock().expect("no panic under the lock").push(self.namespace.clone());
        }
        all
    }
}
