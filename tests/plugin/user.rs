//! A user of the plugin: a service account with the Role of docs/plugin.md, and the program run as him.

use std::path::PathBuf;
use std::process::{Command, Output};

use agora_snapshot_testbed::{Process, Program, plugin_program};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::world::World;

/// The rules of the Role in docs/plugin.md.
pub fn documented_rules() -> Value {
    let document = include_str!("../../docs/plugin.md");
    let role = document.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a Role");
    let role: Value = serde_saphyr::from_str(role).expect("YAML");
    assert_eq!(role["kind"], "Role");
    role["rules"].clone()
}

/// Somebody with a kubeconfig of his own.
pub struct User {
    kubeconfig: PathBuf,
    namespace: String,
    reach: Vec<(String, String)>,
}

impl User {
    /// May do in the world's namespace what these rules say.
    pub async fn with(world: &World, name: &str, rules: Value) -> Self {
        let (client, namespace, post) = (world.client.clone(), &world.namespace, PostParams::default());
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        let account = serde_json::from_value(json!({"metadata": {"name": name}})).expect("an account");
        accounts.create(&post, &account).await.expect("the account");
        let role =
            serde_json::from_value(json!({"metadata": {"name": name}, "rules": rules})).expect("a role");
        Api::<Role>::namespaced(client.clone(), namespace).create(&post, &role).await.expect("the role");
        let binding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }))
        .expect("a binding");
        Api::<RoleBinding>::namespaced(client, namespace).create(&post, &binding).await.expect("the binding");
        let request = serde_json::from_value(json!({"spec": {"audiences": []}})).expect("a request");
        let token = accounts.create_token_request(name, &post, &request).await.expect("a token");
        let token = token.status.expect("a status").token;
        let plane = world.testbed.control_plane();
        let kubeconfig =
            plane.kubeconfig_for_token(&format!("{namespace}-{name}"), &token).expect("a kubeconfig");
        let reach = vec![
            ("AGORA_SNAPSHOT_STORAGE_ENDPOINT".into(), world.testbed.s3().endpoint().to_owned()),
            ("AGORA_SNAPSHOT_AGORA_ENDPOINT".into(), world.simulator.url().to_owned()),
        ];
        Self { kubeconfig, namespace: namespace.clone(), reach }
    }

    /// With the rules of docs/plugin.md.
    pub async fn of(world: &World) -> Self {
        Self::with(world, "viewer", documented_rules()).await
    }

    /// His kubeconfig.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// The program with these arguments, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(plugin_program().expect("the plugin is built"));
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.reach.iter().map(|(name, value)| (name, value)))
            .args(["--namespace", &self.namespace]);
        command
    }

    /// Starts the program with these arguments, its output going to a file.
    pub fn start(&self, arguments: &[&str], log: PathBuf) -> Process {
        Program::new("kubectl-snapshotjob", &plugin_program().expect("the plugin is built"), log)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(&self.reach)
            .args(["--namespace", &self.namespace])
            .start()
            .expect("it starts")
    }

    /// Runs it, and returns code, standard output and standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code().expect("a code"), text(stdout), text(stderr))
    }

    /// Runs what must succeed, and returns what it printed.
    pub fn prints(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {output}{errors}");
        output
    }

    /// Runs what must fail, and returns the one line on standard error.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!(code, 1, "{arguments:?}: {output}{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors
    }
}
