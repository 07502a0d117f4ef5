//! A world for one test: a namespace and a bucket of its own, a simulator, an operator, and a witness that watches every
//! version of every object.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agora_snapshot_testbed::{Operator, OperatorOptions, Simulator, Testbed, operator_program};
use k8s_openapi::api::core::v1::{Event, Secret};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use agora_snapshot_operator::api::SnapshotJob;

pub mod plan;
pub mod waiting;
mod witness;

pub use plan::Plan;
use witness::Witness;

/// In every secret value of every test; must be found in no log, event, status or metric.
pub const CANARY: &str = "CANARY7f3a";

/// How long a test waits for something that should be there in a moment. A loaded machine is what this allows for.
pub const SOON: Duration = Duration::from_secs(60);

/// As long as Kubernetes waits by the chart: `terminationGracePeriodSeconds`.
const GRACE: Duration = Duration::from_secs(75);

/// One test's world.
pub struct World {
    pub testbed: &'static Testbed,
    pub namespace: String,
    pub bucket: String,
    pub client: Client,
    pub simulator: Simulator,
    pub operator: Option<Operator>,
    /// What the next operator is started with.
    pub operator_options: OperatorOptions,
    logs: Vec<PathBuf>,
    witness: Arc<Mutex<Witness>>,
    changed: watch::Receiver<u64>,
    watching: tokio::task::JoinHandle<()>,
}

impl World {
    // === the operator ===

    /// Starts the operator and waits until it is ready.
    pub async fn start_operator(&mut self) {
        self.operator = Some(self.start_another_operator().await);
    }

    /// Starts an operator beside the one that the world knows, and waits until it is ready.
    pub async fn start_another_operator(&mut self) -> Operator {
        let program = operator_program().expect("the operator is built");
        let mut operator = Operator::start(&program, self.testbed.folder(), self.operator_options.clone())
            .await
            .expect("the operator starts");
        self.logs.push(operator.process().log_file().to_owned());
        operator
    }

    /// Gives the operator these rights in this world's namespace, beside those that it has everywhere.
    pub async fn grant(&self, rules: impl Serialize) {
        let metadata = json!({"name": "beside", "namespace": self.namespace});
        let role = json!({"metadata": metadata, "rules": rules});
        let binding = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "beside"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}],
        });
        let role: Role = serde_json::from_value(role).expect("a Role");
        let binding: RoleBinding = serde_json::from_value(binding).expect("a RoleBinding");
        let (client, params) = (self.client.clone(), PostParams::default());
        Api::namespaced(client.clone(), &self.namespace).create(&params, &role).await.expect("the role");
        Api::namespaced(client, &self.namespace).create(&params, &binding).await.expect("the binding");
    }

    /// Lets the operator's service account do this in one more namespace.
    pub async fn allow_in(&self, namespace: &str, rules: Vec<PolicyRule>) {
        plan::allow(&self.client, &self.namespace, namespace, rules).await;
    }

    /// Starts an operator that may never become ready.
    pub async fn start_operator_unready(&mut self) {
        self.operator_options.unready = true;
        self.start_operator().await;
    }

    /// Ends the operator as a crash does.
    pub async fn kill_operator(&mut self) {
        let mut operator = self.operator.take().expect("an operator");
        operator.process().kill();
        operator.process().ended_within(SOON).await.expect("it is dead");
    }

    /// Ends the operator as Kubernetes does.
    pub async fn stop_operator(&mut self) {
        let mut operator = self.operator.take().expect("an operator");
        let status = operator.process().stop(GRACE).await.expect("it ends");
        assert!(status.success(), "the operator ended with {status}");
    }

    /// The flags by which another command reaches the vendor and the jobs of this world.
    pub fn reach(&self) -> Vec<String> {
        self.operator_options.reach()
    }

    /// One more log that the end of the world looks through.
    pub fn keep_log(&mut self, log: &std::path::Path) {
        self.logs.push(log.to_owned());
    }

    /// The end of the world need not look through the newest log: it tells of rights that the test took away.
    pub fn forget_log(&mut self) {
        self.logs.pop();
    }

    // === objects ===

    /// A Secret with these values.
    pub async fn secret(&self, name: &str, values: Value) {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values});
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let apply = PatchParams::apply("tests").force();
        secrets.patch(name, &apply, &Patch::Apply(secret)).await.expect("the Secret is applied");
    }

    /// Takes a Secret away.
    pub async fn delete_secret(&self, name: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        secrets.delete(name, &DeleteParams::default()).await.expect("the Secret is deleted");
    }

    /// The smallest spec for this world's channel `channel`.
    pub fn spec(&self, channel: &str) -> Value {
        json!({
            "credentialsRef": {"name": "agora"},
            "channel": {"appId": self.simulator.app_id(), "name": channel, "profile": "LiveBroadcasting"},
            "storage": {"vendor": "S3Compatible", "endpoint": "s3.example.com", "bucket": self.bucket,
                "prefix": channel, "credentialsRef": {"name": "bucket"}},
        })
    }

    /// Creates a job.
    pub async fn create(&self, name: &str, spec: Value) -> Value {
        let job = json!({"apiVersion": "agora-snapshot.dev/v1alpha1", "kind": "SnapshotJob",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec});
        let job: DynamicObject = serde_json::from_value(job).expect("an object");
        let created = self.jobs().create(&PostParams::default(), &job).await.expect("the job is created");
        serde_json::to_value(created).expect("an object")
    }

    /// Merges a patch into a job.
    pub async fn patch(&self, name: &str, patch: Value) -> Value {
        let patched = self.jobs().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        serde_json::to_value(patched.expect("the job is patched")).expect("an object")
    }

    /// Asks for a job to be deleted.
    pub async fn delete(&self, name: &str) {
        self.jobs().delete(name, &DeleteParams::default()).await.expect("the job is deleted");
    }

    /// SnapshotJobs of this world.
    pub fn jobs(&self) -> Api<DynamicObject> {
        let resource = kube::api::ApiResource::erase::<SnapshotJob>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Events about a job: (type, reason, note), oldest first.
    pub async fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = events.list(&ListParams::default()).await.expect("events").items;
        events.retain(|event| event.involved_object.name.as_deref() == Some(name));
        events.sort_by_key(|event| event.metadata.creation_timestamp.clone());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        events.iter().map(|event| (text(&event.type_), text(&event.reason), text(&event.message))).collect()
    }

    // === the end ===

    /// The operators' logs.
    pub fn log(&self) -> String {
        self.logs.iter().map(|path| std::fs::read_to_string(path).expect("a log")).collect()
    }

    /// The last lines of the operators' logs.
    pub fn log_tail(&self) -> String {
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let tail = |text: String| {
            text.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        self.logs.iter().map(|path| format!("--- {}\n{}\n", path.display(), tail(read(path)))).collect()
    }

    /// Lets a world go in which something was meant to be impossible. Namespace and sessions end with the run.
    pub async fn abandon(mut self) {
        self.kill_operator().await;
        self.watching.abort();
    }

    /// Checks what must hold whatever the test was about, and lets the world go.
    pub async fn end(mut self) {
        if let Some(mut operator) = self.operator.take() {
            let metrics = operator.metrics().await.expect("metrics");
            self.holds_no_secret("the metrics", &metrics);
            let status = operator.process().stop(GRACE).await.expect("it ends");
            assert!(status.success(), "the operator ended with {status}\n{}", self.log_tail());
        }
        self.watching.abort();
        for path in &self.logs {
            let log = std::fs::read_to_string(path).expect("a log");
            self.holds_no_secret("the log", &log);
            assert!(!log.contains("panicked at"), "the operator panicked:\n{}", self.log_tail());
            // A namespace that is going takes no events; that is no want of a right.
            let refused = |line: &&str| line.contains("is forbidden") && !line.contains("being terminated");
            let refused: Vec<&str> = log.lines().filter(refused).collect();
            assert!(refused.is_empty(), "requests were refused for want of a right: {refused:#?}");
        }
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let events = events.list(&ListParams::default()).await.expect("events");
        self.holds_no_secret("the events", &serde_json::to_string(&events.items).expect("text"));
        let jobs = self.jobs().list(&ListParams::default()).await.expect("jobs");
        let statuses: Vec<_> = jobs.items.iter().map(|job| &job.data["status"]).collect();
        self.holds_no_secret("the statuses", &serde_json::to_string(&statuses).expect("text"));
        let witness = self.witness.lock().expect("no panic under the lock");
        assert!(witness.violations.is_empty(), "{:#?}", witness.violations);
    }

    fn holds_no_secret(&self, place: &str, text: &str) {
        let keys = self.testbed.s3().root();
        for secret in [self.simulator.customer_secret(), keys.secret_key.as_str(), CANARY] {
            assert!(!text.contains(secret), "{place} holds a secret");
        }
    }
}

/// A condition of an object.
pub fn condition<'a>(job: &'a Value, kind: &str) -> Option<&'a Value> {
    job["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
