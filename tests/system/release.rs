//! An installed operator as the cluster sees it: a Deployment, its pods, and the account that drains it. The pods are
//! objects alone, for no kubelet runs here; the process that they stand for is the world's operator.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use agora_snapshot_testbed::{Process, Program, operator_program};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::role;
use crate::world::{SOON, World};

/// Name of the Deployment.
pub const NAME: &str = "agora-snapshot-operator";

/// A release of the operator.
pub struct Release {
    pub namespace: String,
    kubeconfig: PathBuf,
    deployments: Api<Deployment>,
    pods: Api<Pod>,
}

/// A drain under way.
pub struct Drain(Process);

impl Release {
    /// With a Deployment of so many replicas, and all rights that the chart grants.
    pub async fn install(world: &World, replicas: i32) -> Self {
        let release = Self::without_deployment(world).await;
        release.deploy(world, replicas).await;
        release
    }

    /// Without a Deployment, and with all rights that the chart grants.
    pub async fn without_deployment(world: &World) -> Self {
        Self::allowed(world, role::drain_of_deployment(), role::drain_of_jobs()).await
    }

    /// Without a Deployment. The drain may do this in the release's own namespace, and that in the namespace of the jobs.
    pub async fn allowed(world: &World, own: Vec<PolicyRule>, jobs: Vec<PolicyRule>) -> Self {
        let namespace = world.testbed.create_namespace(&format!("{}-release", world.namespace)).await;
        let namespace = namespace.expect("a namespace");
        let client = &world.client;
        create::<ServiceAccount>(client, &namespace, json!({"metadata": {"name": "drain"}})).await;
        for (place, rules) in [(&namespace, own), (&world.namespace, jobs)] {
            allow(client, place, rules, ("drain", &namespace)).await;
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let wanted = TokenRequest::default();
        let token =
            accounts.create_token_request("drain", &PostParams::default(), &wanted).await.expect("a token");
        let token = token.status.expect("a token").token;
        let plane = world.testbed.control_plane();
        let kubeconfig = plane.kubeconfig_for_token(&namespace, &token).expect("a kubeconfig");
        Self {
            kubeconfig,
            deployments: Api::namespaced(client.clone(), &namespace),
            pods: Api::namespaced(client.clone(), &namespace),
            namespace,
        }
    }

    /// Makes the Deployment.
    pub async fn deploy(&self, world: &World, replicas: i32) {
        let labels = json!({"app.kubernetes.io/name": "operator"});
        let deployment = json!({"metadata": {"name": NAME}, "spec": {"replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "run", "image": "none"}]}}}});
        create::<Deployment>(&world.client, &self.namespace, deployment).await;
    }

    /// Starts a drain with these flags beside those of the world.
    pub fn drain(&self, world: &mut World, flags: &[&str]) -> Drain {
        let program = operator_program().expect("the operator is built");
        let log =
            world.testbed.folder().join(format!("drain-{}-{}.log", self.namespace, flags.join("").len()));
        let process = Program::new("drain", &program, log)
            .env("KUBECONFIG", &self.kubeconfig)
            .arg("drain")
            .args(world.reach())
            .args(["--log-format=text", "--log-level=info,agora_snapshot_operator=trace"])
            .arg(format!("--deployment={NAME}"))
            .arg(format!("--operator-namespace={}", self.namespace))
            .args(flags)
            .start()
            .expect("the drain starts");
        world.keep_log(process.log_file());
        Drain(process)
    }

    /// How many pods the Deployment shall have.
    pub async fn replicas(&self) -> i32 {
        let deployment = self.deployments.get(NAME).await.expect("the Deployment");
        deployment.spec.and_then(|spec| spec.replicas).expect("replicas")
    }

    /// Somebody else wants so many pods.
    pub async fn scale(&self, replicas: i32) {
        let patch = kube::api::Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.deployments
            .patch_scale(NAME, &kube::api::PatchParams::default(), &patch)
            .await
            .expect("it is scaled");
    }

    /// Waits until the Deployment shall have so many pods.
    pub async fn until_replicas(&self, world: &World, replicas: i32) {
        let what = format!("{replicas} replicas");
        world.eventually(&what, SOON, async || (self.replicas().await == replicas).then_some(())).await;
    }

    /// A pod of the Deployment, on a node, so that its end has to be reported by a kubelet.
    pub async fn pod(&self, name: &str) {
        let pod = json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/name": "operator"}},
            "spec": {"nodeName": "node1", "automountServiceAccountToken": false, "serviceAccountName": "drain",
                "containers": [{"name": "run", "image": "none"}]}});
        let pod = serde_json::from_value(pod).expect("a pod");
        self.pods.create(&PostParams::default(), &pod).await.expect("the pod is created");
    }

    /// Says of a pod how it is, as its kubelet would.
    pub async fn pod_is(&self, name: &str, phase: &str) {
        let patch = kube::api::Patch::Merge(json!({"status": {"phase": phase}}));
        self.pods
            .patch_status(name, &kube::api::PatchParams::default(), &patch)
            .await
            .expect("the pod's status");
    }

    /// Asks a pod to end, as the Deployment's controllers do.
    pub async fn end_pod(&self, name: &str) {
        let ending = self.pods.delete(name, &DeleteParams::default()).await.expect("it is asked to end");
        let ending = ending.left().expect("it goes on until its kubelet says that it ended");
        assert!(ending.metadata.deletion_timestamp.is_some());
    }

    /// The pod has ended.
    pub async fn pod_ended(&self, name: &str) {
        self.pods.delete(name, &DeleteParams::default().grace_period(0)).await.expect("the pod goes");
    }
}

impl Drain {
    /// Waits for its end; what it said, and whether the operator may be removed.
    pub async fn ended(&mut self) -> (bool, String) {
        let status: ExitStatus = self.0.ended_within(SOON).await.expect("it ends");
        let log = self.0.log();
        assert!(matches!(status.code(), Some(0 | 1)), "{status}: {log}");
        (status.success(), log)
    }

    /// Waits until it says this.
    pub async fn until_says(&mut self, words: &str) {
        let said = async {
            while !self.0.log().contains(words) {
                assert!(self.0.exit_status().is_none(), "it ended without {words:?}: {}", self.0.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(SOON, said).await.is_err() {
            panic!("waited in vain for {words:?}: {}", self.0.log());
        }
    }

    /// SIGTERM.
    pub fn terminate(&mut self) {
        self.0.terminate();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.0.exit_status().is_none()
    }
}

/// Gives the service account of this name and namespace these rights in the namespace `place`.
pub async fn allow(client: &kube::Client, place: &str, rules: Vec<PolicyRule>, account: (&str, &str)) {
    let (name, namespace) = account;
    let metadata = json!({"name": format!("{name}-of-{namespace}")});
    create::<Role>(client, place, json!({"metadata": metadata, "rules": rules})).await;
    let binding = json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    });
    create::<RoleBinding>(client, place, binding).await;
}

async fn create<K>(client: &kube::Client, namespace: &str, object: Value)
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("an object");
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .expect("it is created");
}
