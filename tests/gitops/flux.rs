//! Flux's kustomize-controller as a process, and a source for it: a GitRepository whose artifact this test hands out.
//!
//! Flux's source-controller would write that status after a fetch from Git; kustomize-controller cannot tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agora_snapshot_testbed::{Process, Program, Testbed};
use axum::http::StatusCode;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::conditions::is_crd_established;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::programs;

/// How long a Kustomization may take for what needs no waiting on a job.
pub const SOON: Duration = Duration::from_secs(60);

/// Installs the CRDs of Flux and Argo CD as they are released.
pub async fn install_crds(client: &Client) {
    let crds: Api<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    > = Api::all(client.clone());
    let apply = PatchParams::apply("tests").force();
    for crd in programs::crds() {
        let name = crd["metadata"]["name"].as_str().expect("a name").to_owned();
        crds.patch(&name, &apply, &Patch::Apply(crd)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let wait = kube::runtime::wait::await_condition(crds.clone(), &name, is_crd_established());
        tokio::time::timeout(SOON, wait).await.expect("in time").expect("the CRD is established");
    }
}

/// A kustomize-controller that looks at one namespace, and its source.
pub struct Flux {
    client: Client,
    namespace: String,
    folder: PathBuf,
    address: String,
    artifacts: Artifacts,
    controller: Process,
    serving: tokio::task::JoinHandle<()>,
}

type Artifacts = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

impl Flux {
    /// Starts it for a namespace.
    pub async fn start(testbed: &Testbed, namespace: &str) -> Self {
        let client = testbed.control_plane().client("admin").await.expect("a client");
        install_crds(&client).await;
        let artifacts = Artifacts::default();
        let (address, serving) = serve(Arc::clone(&artifacts)).await;
        let folder = testbed.folder().join(format!("flux-{namespace}"));
        // A controller removes what it takes for leavings of an earlier one among the temporary files.
        let temporary = folder.join("tmp");
        std::fs::create_dir_all(&temporary).expect("a folder");
        let kubeconfig = testbed.control_plane().kubeconfig("admin").expect("a kubeconfig");
        let log = folder.join("kustomize-controller.log");
        let mut controller = Program::new("kustomize-controller", programs::kustomize_controller(), log)
            .env("KUBECONFIG", kubeconfig)
            .env("RUNTIME_NAMESPACE", namespace)
            .env("TMPDIR", &temporary)
            .args(["--watch-all-namespaces=false", "--concurrent=80", "--metrics-addr=127.0.0.1:0"])
            // It serves its probes on a port that nobody here asks.
            .args(["--health-addr=127.0.0.1:0", "--log-encoding=json", "--requeue-dependency=2s"])
            .start()
            .expect("kustomize-controller starts");
        let said = controller.log_file().to_owned();
        let working =
            async || std::fs::read_to_string(&said).ok()?.contains("Starting workers").then_some(());
        controller.ready("its workers", SOON, working).await.expect("kustomize-controller works");
        Self { client, namespace: namespace.to_owned(), folder, address, artifacts, controller, serving }
    }

    /// Publishes these files as a new revision of GitRepository `live`, and returns the revision.
    pub async fn push(&self, files: &[(&str, Vec<Value>)]) -> String {
        let archive = pack(&self.folder, files);
        let digest = hex::encode(Sha256::digest(&archive));
        let revision = format!("main@sha256:{digest}");
        let size = archive.len();
        self.artifacts.lock().expect("no panic under the lock").insert(format!("{digest}.tar.gz"), archive);
        let mut repository = crate::examples::document("flux/kustomizations.yaml", "GitRepository", "live");
        repository["metadata"]["namespace"] = json!(self.namespace);
        let repositories = self.api("source.toolkit.fluxcd.io", "v1", "GitRepository");
        let apply = PatchParams::apply("tests").force();
        let stored =
            repositories.patch("live", &apply, &Patch::Apply(repository)).await.expect("a GitRepository");
        let now = jiff::Timestamp::now();
        let status = json!({"status": {
            "observedGeneration": stored.metadata.generation,
            "artifact": {"path": format!("{digest}.tar.gz"), "url": format!("{}/{digest}.tar.gz", self.address),
                "revision": revision, "digest": format!("sha256:{digest}"), "size": size, "lastUpdateTime": now},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
                "lastTransitionTime": now}],
        }});
        let patch = Patch::Merge(status);
        repositories.patch_status("live", &PatchParams::default(), &patch).await.expect("its status");
        revision
    }

    /// Applies a Kustomization.
    pub async fn apply(&self, kustomization: Value) {
        let name = kustomization["metadata"]["name"].as_str().expect("a name").to_owned();
        let apply = PatchParams::apply("tests").force();
        self.kustomizations()
            .patch(&name, &apply, &Patch::Apply(kustomization))
            .await
            .expect("a Kustomization");
    }

    /// The shipped Kustomization of the jobs, for this namespace and without the one that installs the operator.
    pub fn shipped(&self) -> Value {
        let mut shipped =
            crate::examples::document("flux/kustomizations.yaml", "Kustomization", "snapshot-jobs");
        shipped["metadata"]["namespace"] = json!(self.namespace);
        shipped["spec"]["targetNamespace"] = json!(self.namespace);
        shipped["spec"].as_object_mut().expect("a spec").remove("dependsOn");
        shipped
    }

    /// A Kustomization as it stands.
    pub async fn kustomization(&self, name: &str) -> Value {
        serde_json::to_value(self.kustomizations().get(name).await.expect("a Kustomization"))
            .expect("an object")
    }

    /// Waits until a Kustomization is so, and returns it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool + Send + Sync,
    ) -> Value {
        let is_so = |object: Option<&DynamicObject>| {
            object.is_some_and(|object| is_so(&serde_json::to_value(object).expect("an object")))
        };
        let wait = kube::runtime::wait::await_condition(self.kustomizations(), name, is_so);
        match tokio::time::timeout(within, wait).await {
            Ok(found) => serde_json::to_value(found.expect("a watch")).expect("an object"),
            Err(_) => {
                let now = self.kustomization(name).await;
                panic!(
                    "waited {within:?} in vain for {name} {what}: {:#}\n{}",
                    now["status"],
                    self.controller.log()
                )
            }
        }
    }

    /// Waits until a Kustomization has brought this revision about, its objects healthy.
    pub async fn until_ready(&self, name: &str, revision: &str, within: Duration) -> Value {
        let is_ready = |object: &Value| {
            ready(object)["status"] == "True" && object["status"]["lastAppliedRevision"] == revision
        };
        self.until(name, &format!("to be ready at {revision}"), within, is_ready).await
    }

    /// Asks for one more reconciliation, as `flux reconcile` does, and waits for its end.
    pub async fn reconcile(&self, name: &str, within: Duration) -> Value {
        let asked = jiff::Timestamp::now().to_string();
        let annotation = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": asked}}});
        let patch = Patch::Merge(annotation);
        self.kustomizations().patch(name, &PatchParams::default(), &patch).await.expect("a Kustomization");
        let handled = |object: &Value| {
            object["status"]["lastHandledReconcileAt"] == asked.as_str()
                && ready(object)["status"] != "Unknown"
        };
        self.until(name, "to have reconciled once more", within, handled).await
    }

    /// What the newest apply of a Kustomization did to each object, by its own log.
    pub fn last_apply(&self, name: &str) -> Value {
        let log = self.controller.log();
        let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut applies = lines.filter(|line| {
            line["msg"] == "server-side apply completed" && line["Kustomization"]["name"] == name
        });
        applies.next().unwrap_or_else(|| panic!("{name} applied nothing: {log}"))["output"].clone()
    }

    /// Kustomizations of this namespace.
    pub fn kustomizations(&self) -> Api<DynamicObject> {
        self.api("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
    }

    /// Ends it.
    pub async fn end(mut self) {
        self.serving.abort();
        let status = self.controller.stop(SOON).await.expect("it ends");
        assert!(status.success(), "kustomize-controller ended with {status}\n{}", self.controller.log());
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        // from_gvk guesses the plural by English grammar, which holds for these kinds.
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}

/// Condition `Ready` of an object.
pub fn ready(object: &Value) -> &Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|one| one["type"] == "Ready").unwrap_or(&Value::Null)
}

/// A tar.gz of these files; each a list of objects.
fn pack(folder: &Path, files: &[(&str, Vec<Value>)]) -> Vec<u8> {
    let tree = tempfile_in(folder);
    for (name, objects) in files {
        let path = tree.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        // JSON is YAML.
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        std::fs::write(path, text.join("\n---\n")).expect("a file");
    }
    let output =
        Command::new("tar").arg("-C").arg(&tree).args(["-czf", "-", "."]).output().expect("tar runs");
    assert!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(&tree).expect("the folder goes");
    output.stdout
}

fn tempfile_in(folder: &Path) -> PathBuf {
    let path = folder.join(format!("tree-{}", jiff::Timestamp::now().as_nanosecond()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// Hands the artifacts out over HTTP.
async fn serve(artifacts: Artifacts) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let get = axum::routing::get(async move |axum::extract::Path(name): axum::extract::Path<String>| {
        let found = artifacts.lock().expect("no panic under the lock").get(&name).cloned();
        found.ok_or(StatusCode::NOT_FOUND)
    });
    let router = axum::Router::new().route("/{name}", get);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    (address, serving)
}
