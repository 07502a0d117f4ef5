//! How a world is made: the simulator, the rights of the operator, the CRD.

use std::path::PathBuf;
use std::sync::Arc;

use agora_snapshot_testbed::{OperatorOptions, Simulator, SimulatorOptions, Testbed, simulator_program};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role, RoleBinding};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, CustomResourceExt};
use serde_json::json;
use tokio::sync::watch;

use agora_snapshot_operator::api::{self, SnapshotJob};

use super::witness::watch_all;
use super::{SOON, World};
use crate::role;

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
pub(super) async fn allow(client: &Client, account: &str, namespace: &str, rules: Vec<PolicyRule>) {
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
