//! Upgrades that watch fewer namespaces, by Helm on a real API server: none may leave jobs behind that the operator holds.

use std::path::PathBuf;
use std::time::Duration;

use agora_snapshot_operator::api::{self, FINALIZER, SnapshotJob};
use agora_snapshot_testbed::Testbed;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::helm::{RELEASE, chart, helm_on};
use crate::programs::repository;

/// A release in a namespace of its own, and two namespaces with jobs.
struct Cluster {
    testbed: &'static Testbed,
    kubeconfig: PathBuf,
    release: String,
    kept: String,
    left: String,
}

impl Cluster {
    /// With jobs that an operator holds in both, and one in the namespace that will be left that none does.
    async fn start(name: &str) -> Self {
        let testbed = Testbed::from_env().await.expect("an API server");
        let client = testbed.control_plane().client("admin").await.expect("a client");
        let definitions: Api<CustomResourceDefinition> = Api::all(client);
        let parameters = PatchParams::apply("chart-test").force();
        let applied =
            definitions.patch(SnapshotJob::crd_name(), &parameters, &Patch::Apply(api::crd())).await;
        applied.expect("the API server takes the definition");
        let established = await_condition(definitions, SnapshotJob::crd_name(), is_crd_established());
        let established = tokio::time::timeout(Duration::from_secs(30), established).await;
        established.expect("the definition is established within 30 s").expect("it can be watched");
        let namespace = async |role: &str| {
            testbed.create_namespace(&format!("narrowing-{name}-{role}")).await.expect("a namespace")
        };
        let cluster = Self {
            testbed,
            kubeconfig: testbed.control_plane().kubeconfig("admin").expect("a kubeconfig"),
            release: namespace("release").await,
            kept: namespace("kept").await,
            left: namespace("left").await,
        };
        for (namespace, name) in [(&cluster.kept, "stays"), (&cluster.left, "free"), (&cluster.left, "held")]
        {
            let example = repository().join("examples/snapshot-only.yaml");
            let example = std::fs::read_to_string(example).expect("the example");
            let mut job: Value = serde_saphyr::from_str(&example).expect("YAML");
            let finalizers = if name == "free" { json!([]) } else { json!([FINALIZER]) };
            job["metadata"] = json!({"name": name, "finalizers": finalizers});
            let job: SnapshotJob = serde_json::from_value(job).expect("a job");
            cluster.jobs(namespace).await.create(&PostParams::default(), &job).await.expect("a job");
        }
        cluster
    }

    async fn jobs(&self, namespace: &str) -> Api<SnapshotJob> {
        let client = self.testbed.control_plane().client("admin").await.expect("a client");
        Api::namespaced(client, namespace)
    }

    /// Installs or upgrades the release so that it watches these namespaces; what Helm said, also when it refused.
    fn helm(&self, verb: &str, watched: &[&String]) -> Result<String, String> {
        let chart = chart();
        // The definition is the test server's. Another name is no way around the guard.
        let values = json!({"watchNamespaces": watched, "crds": {"enabled": false}, "nameOverride": verb});
        let arguments =
            [verb, RELEASE, chart.to_str().expect("UTF-8"), "--namespace", &self.release, "--values", "-"];
        let output = helm_on(&self.kubeconfig, &arguments, &values.to_string());
        let said = if output.status.success() { output.stdout } else { output.stderr };
        let said = String::from_utf8(said).expect("text");
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Lets go of the job that is held, as an operator does, and deletes it.
    async fn release_job(&self) {
        let jobs = self.jobs(&self.left).await;
        let nothing = json!({"metadata": {"finalizers": null}});
        jobs.patch("held", &PatchParams::default(), &Patch::Merge(nothing)).await.expect("a patch");
        jobs.delete("held", &DeleteParams::default()).await.expect("a deletion");
    }

    async fn end(self) {
        self.jobs(&self.kept)
            .await
            .patch("stays", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}})))
            .await
            .expect("a patch");
        for namespace in [&self.release, &self.kept, &self.left] {
            self.testbed.delete_namespace(namespace).await.expect("a deletion");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_would_leave_a_held_job_is_refused_until_it_is_gone() {
    let cluster = Cluster::start("listed").await;
    cluster.helm("install", &[&cluster.kept, &cluster.left]).expect("an install");
    let words = cluster.helm("upgrade", &[&cluster.kept]).expect_err("a job is held there");
    let held = format!("namespaces of {}/held, which the operator holds", cluster.left);
    assert!(words.contains(&held) && words.contains("Delete these SnapshotJobs first"), "{words}");
    cluster.release_job().await;
    cluster.helm("upgrade", &[&cluster.kept]).expect("nothing is left behind");
    // More namespaces, or all, leave nobody.
    cluster.helm("upgrade", &[&cluster.kept, &cluster.left]).expect("a wider list");
    cluster.helm("upgrade", &[]).expect("all");
    cluster.end().await;
}

/// Whoever watched all namespaces leaves all but those that are listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_list_leaves_all_other_namespaces() {
    let cluster = Cluster::start("all").await;
    cluster.helm("install", &[]).expect("an install");
    // Those of other tests on the same server too, so that only the first ten are named.
    let words = cluster.helm("upgrade", &[&cluster.kept]).expect_err("a job is held elsewhere");
    assert!(words.contains("which the operator holds by a finalizer"), "{words}");
    assert!(!words.contains(&format!("{}/stays", cluster.kept)), "{words}");
    cluster.release_job().await;
    cluster.end().await;
}
