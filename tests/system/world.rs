//! A world for one test: a namespace and a bucket of its own, a simulator, an operator, and a witness that watches every
//! version of every object.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agora_snapshot_testbed::{
    Marker, Operator, OperatorOptions, Simulator, SimulatorOptions, Testbed, Writes, operator_program,
    simulator_program,
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Event, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role, RoleBinding};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, CustomResourceExt, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use agora_snapshot_operator::api::{self, SnapshotJob};

use crate::{kstatus, role};

/// In every secret value of every test; must be found in no log, event, status or metric.
pub const CANARY: &str = "CANARY7f3a";

/// How long a test waits for something that should be there in a moment. A loaded machine is what this allows for.
pub const SOON: Duration = Duration::from_secs(60);

/// As long as Kubernetes waits by the chart: `terminationGracePeriodSeconds`.
const GRACE: Duration = Duration::from_secs(75);

/// How a world is made.
pub struct Plan {
    name: &'static str,
    scale: u32,
    settings: Vec<String>,
    app_certificate: Option<String>,
    operator_arguments: Vec<String>,
    operator_role: Option<Vec<PolicyRule>>,
    log_level: &'static str,
}

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

#[derive(Default)]
struct Witness {
    versions: u64,
    newest: std::collections::BTreeMap<String, Value>,
    /// By name, oldest first; an object created again under its name goes on the same list.
    all: std::collections::BTreeMap<String, Vec<Value>>,
    gone: BTreeSet<String>,
    violations: Vec<String>,
}

impl Plan {
    /// A world for the test `name`, in real time.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            scale: 1,
            settings: vec![],
            app_certificate: None,
            operator_arguments: vec![],
            operator_role: None,
            log_level: "info,agora_snapshot_operator=trace",
        }
    }

    /// Time runs so much faster, for the operator and the simulator alike.
    pub fn faster(mut self, scale: u32) -> Self {
        self.scale = scale;
        self
    }

    /// The simulator answers an unconfirmed question of the vendor's protocol so.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// The App ID has an App Certificate: recorders need tokens.
    pub fn app_certificate(mut self, certificate: &str) -> Self {
        self.app_certificate = Some(certificate.into());
        self
    }

    /// One more argument for the operator.
    pub fn operator_argument(mut self, argument: &str) -> Self {
        self.operator_arguments.push(argument.into());
        self
    }

    /// The operator runs as a service account of its own, which may do this in the world's namespace, and nothing else.
    /// Without it, it is a user who may do in all namespaces what the chart grants by default.
    pub fn operator_role(mut self, rules: Vec<PolicyRule>) -> Self {
        self.operator_role = Some(rules);
        self
    }

    /// What the operator logs, instead of all that itself has to say.
    pub fn log_level(mut self, directives: &'static str) -> Self {
        self.log_level = directives;
        self
    }

    /// Makes the world, with a running operator and the Secrets `agora` and `bucket`.
    pub async fn make(self) -> World {
        let mut world = self.make_without_operator().await;
        world.start_operator().await;
        world
    }

    /// Makes the world; the test starts the operator.
    pub async fn make_without_operator(self) -> World {
        let testbed = Testbed::from_env().await.expect("a testbed");
        let plane = testbed.control_plane();
        let client = plane.client("admin").await.expect("a client");
        install(&client).await;
        plane.bind_cluster_role("operator", role::NAME).await.expect("the role is bound");
        let namespace = testbed.create_namespace(self.name).await.expect("a namespace");
        let bucket = namespace.clone();
        testbed.s3().create_bucket(&bucket).await.expect("a bucket");
        let program = simulator_program().expect("the simulator is built");
        let simulator = Simulator::start(
            &program,
            testbed.folder(),
            SimulatorOptions {
                app_certificate: self.app_certificate,
                s3_endpoint: Some(testbed.s3().endpoint().to_owned()),
                speed: Some(self.scale),
                seed: Some(7),
                settings: self.settings,
                ..SimulatorOptions::default()
            },
        )
        .await
        .expect("a simulator");
        let mut arguments = self.operator_arguments;
        arguments.extend(["--log-format=text".into(), format!("--log-level={}", self.log_level)]);
        let operator_options = OperatorOptions {
            kubeconfig: match self.operator_role {
                None => plane.kubeconfig("operator").expect("a kubeconfig"),
                Some(rules) => service_account(testbed, &client, &namespace, rules).await,
            },
            agora_endpoints: vec![simulator.url().to_owned()],
            storage_endpoint: Some(testbed.s3().endpoint().to_owned()),
            time_scale: Some(self.scale),
            namespaces: vec![namespace.clone()],
            arguments,
            environment: vec![],
            notifications: false,
            unready: false,
        };
        let witness = Arc::default();
        let (versions, changed) = watch::channel(0);
        let watching =
            tokio::spawn(watch_all(client.clone(), namespace.clone(), Arc::clone(&witness), versions));
        let world = World {
            testbed,
            namespace,
            bucket,
            client,
            simulator,
            operator: None,
            operator_options,
            logs: vec![],
            witness,
            changed,
            watching,
        };
        let (id, secret) = (world.simulator.customer_id(), world.simulator.customer_secret());
        world.secret("agora", json!({"customerId": id, "customerSecret": secret})).await;
        let keys = testbed.s3().root();
        world.secret("bucket", json!({"accessKey": keys.access_key, "secretKey": keys.secret_key})).await;
        world
    }
}

/// The CRD and the operator's role; once for all worlds, and no harm done by doing it again.
pub async fn install(client: &Client) {
    let apply = PatchParams::apply("tests").force();
    let crds = Api::all(client.clone());
    crds.patch(SnapshotJob::crd_name(), &apply, &Patch::Apply(api::crd())).await.expect("the CRD is applied");
    let established = kube::runtime::conditions::is_crd_established();
    let wait = kube::runtime::wait::await_condition(crds, SnapshotJob::crd_name(), established);
    tokio::time::timeout(SOON, wait).await.expect("in time").expect("the CRD is established");
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": role::NAME}, "rules": role::everywhere()});
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.patch(role::NAME, &apply, &Patch::Apply(role)).await.expect("the role is applied");
}

/// A service account `operator` in the namespace with these rights in it, and its kubeconfig.
async fn service_account(
    testbed: &Testbed,
    client: &Client,
    namespace: &str,
    rules: Vec<PolicyRule>,
) -> PathBuf {
    let post = PostParams::default();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account =
        serde_json::from_value(json!({"metadata": {"name": "operator"}})).expect("a service account");
    accounts.create(&post, &account).await.expect("the service account is created");
    allow(client, namespace, namespace, rules).await;
    let request = serde_json::from_value(json!({"spec": {"audiences": []}})).expect("a token request");
    let token = accounts.create_token_request("operator", &post, &request).await.expect("a token");
    let token = token.status.expect("the token's status").token;
    testbed.control_plane().kubeconfig_for_token(namespace, &token).expect("a kubeconfig")
}

/// Lets the service account `operator` of a namespace do this in that namespace or another.
async fn allow(client: &Client, account: &str, namespace: &str, rules: Vec<PolicyRule>) {
    let (post, metadata) = (PostParams::default(), json!({"name": "operator"}));
    let role = serde_json::from_value(json!({"metadata": metadata, "rules": rules})).expect("a role");
    Api::<Role>::namespaced(client.clone(), namespace)
        .create(&post, &role)
        .await
        .expect("the role is created");
    let binding = serde_json::from_value(json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": account}],
    }))
    .expect("a binding");
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    bindings.create(&post, &binding).await.expect("the binding is created");
}

async fn watch_all(
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
        allow(&self.client, &self.namespace, namespace, rules).await;
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

    // === waiting ===

    /// Waits until the job is so, and returns it. `what` tells what was awaited.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let newest = || self.witness.lock().expect("no panic under the lock").newest.get(name).cloned();
        self.awaited(what, within, || newest().filter(|job| is_so(job)), || format!("{:#?}", newest())).await
    }

    /// Waits until `Ready` has this status and reason, and returns the job.
    pub async fn until_ready_is(&self, name: &str, status: &str, reason: &str) -> Value {
        let what = format!("{name} to have Ready={status} {reason}");
        self.until(name, &what, SOON, |job| {
            condition(job, "Ready")
                .is_some_and(|ready| ready["status"] == status && ready["reason"] == reason)
        })
        .await
    }

    /// Waits until a confirmed session takes snapshots.
    pub async fn until_capturing(&self, name: &str) -> Value {
        self.until_ready_is(name, "True", "Capturing").await
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, name: &str, within: Duration) {
        let witness = &self.witness;
        let is_gone = || witness.lock().expect("no panic under the lock").gone.contains(name).then_some(());
        let show = || format!("{:#?}", witness.lock().expect("no panic under the lock").newest.get(name));
        self.awaited(&format!("{name} to be gone"), within, is_gone, show).await;
    }

    /// Every version of a job that was seen, oldest first.
    pub fn versions_of(&self, name: &str) -> Vec<Value> {
        self.witness.lock().expect("no panic under the lock").all.get(name).cloned().unwrap_or_default()
    }

    async fn awaited<T>(
        &self,
        what: &str,
        within: Duration,
        look: impl Fn() -> Option<T>,
        show: impl Fn() -> String,
    ) -> T {
        let mut changed = self.changed.clone();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = look() {
                    return found;
                }
                changed.changed().await.expect("the watch goes on");
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(found) => found,
            Err(_) => {
                panic!("waited {within:?} in vain for {what}; the object is {}\n{}", show(), self.log_tail())
            }
        }
    }

    /// Asks again and again until there is an answer, for what no watch tells.
    pub async fn eventually<T, F>(&self, what: &str, within: Duration, ask: impl Fn() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(within, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("waited {within:?} in vain for {what}\n{}", self.log_tail()),
        }
    }

    /// Visits to jobs that have ended, by the operator's own count.
    pub async fn visits(&self) -> u64 {
        let operator = self.operator.as_ref().expect("an operator");
        let metrics = operator.metrics().await.expect("metrics");
        metrics
            .lines()
            .filter(|line| line.starts_with("controller_runtime_reconcile_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
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

    /// The calls that fit `narrow`, as soon as there are `count` of them.
    pub async fn until_calls(&self, narrow: &[(&str, &str)], count: usize) -> Vec<Value> {
        let answer = self.simulator.requests(&long_poll(narrow, &count.to_string())).await;
        answer.unwrap_or_else(|error| panic!("{count} calls {narrow:?}: {error}\n{}", self.log_tail()))
    }

    /// The sessions that fit `narrow`, as soon as there are `count` of them.
    pub async fn until_sessions(&self, narrow: &[(&str, &str)], count: usize) -> Vec<Value> {
        let answer = self.simulator.sessions(&long_poll(narrow, &count.to_string())).await;
        answer.unwrap_or_else(|error| panic!("{count} sessions {narrow:?}: {error}\n{}", self.log_tail()))
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

    /// A place in the audit log.
    pub async fn mark(&self) -> Marker {
        let audit = self.testbed.control_plane().audit_log();
        audit.mark(&self.client).await.expect("a marker")
    }

    /// What the operator wrote, or tried to, of a job since then; events apart.
    pub async fn writes_of(&self, name: &str, since: Marker) -> Writes {
        let audit = self.testbed.control_plane().audit_log();
        let writes = audit.writes_since(&self.client, since).await.expect("the audit log");
        writes.of("snapshotjobs").object(&self.namespace, name).by("operator")
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

    /// Waits until a line of the operators' logs contains `text`.
    pub async fn until_logged(&self, text: &str) {
        let logged = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|log| log.contains(text));
        self.eventually(&format!("{text:?} in the log"), SOON, || {
            let found = self.logs.iter().any(logged).then_some(());
            async move { found }
        })
        .await;
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

fn long_poll<'a>(narrow: &[(&'a str, &'a str)], count: &'a str) -> Vec<(&'a str, &'a str)> {
    const MILLISECONDS: &str = "60000";
    narrow.iter().copied().chain([("wait", count), ("timeoutMs", MILLISECONDS)]).collect()
}

/// A condition of an object.
pub fn condition<'a>(job: &'a Value, kind: &str) -> Option<&'a Value> {
    job["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
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
