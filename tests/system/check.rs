//! `check` against a real API server with RBAC: it sees what is there, and names each thing that is not.

use std::path::Path;
use std::process::{Command, Output};

use agora_snapshot_testbed::operator_program;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::role;
use crate::telling::assert_has;
use crate::world::{Plan, SOON, World};

fn check(kubeconfig: &Path, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(operator_program().expect("the operator is built"))
        .arg("check")
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    (output, text)
}

fn failures(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("FAIL  ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_role_of_these_tests_all_is_well_and_what_a_flag_needs_more_is_named() {
    let world = Plan::new("check").make_without_operator().await;
    let kubeconfig = &world.operator_options.kubeconfig;
    let (output, text) = check(kubeconfig, &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_has(
        &text,
        &[
            "ok    API server v1.",
            "ok    CRD snapshotjobs.agora-snapshot.dev v1alpha1 is served",
            "ok    right: get secrets in all namespaces",
        ],
    );
    assert_eq!(text.lines().count(), 11, "{text}");

    let namespace = format!("--operator-namespace={}", world.namespace);
    let watched = format!("--watch-namespace={}", world.namespace);
    let arguments = [watched.as_str(), &namespace, "--leader-election", "--watch-secrets"];
    let (output, text) = check(kubeconfig, &arguments);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(failures(&text).len(), 5, "{text}");
    for right in ["list secrets in", "watch secrets in", "create leases.coordination.k8s.io in"] {
        assert!(
            failures(&text).iter().any(|line| line.starts_with(&format!("right: {right}"))),
            "{right}: {text}"
        );
    }
    assert_has(&text, &["add it to the operator's Role"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_has(&words, &["5 of 16 checks failed"]);

    world.grant([role::leader_election(), role::watch_secrets()].concat()).await;
    let is_well = async || (check(kubeconfig, &arguments).0.status.code() == Some(0)).then_some(());
    world.eventually("the check to pass", SOON, is_well).await;
    world.end().await;
}

/// Every right of the role is looked at: each one that is taken away is the one that is named.
#[tokio::test(flavor = "multi_thread")]
async fn each_missing_right_is_named() {
    let world = Plan::new("check-rights").make_without_operator().await;
    let kubeconfig = account(&world).await;
    let roles: Api<Role> = Api::namespaced(world.client.clone(), &world.namespace);
    let whole = serde_json::to_value(role::everywhere()).expect("rules");
    let mut all: Vec<(usize, String, String)> = Vec::new();
    for (n, rule) in whole.as_array().expect("rules").iter().enumerate() {
        let resource = rule["resources"][0].as_str().expect("a resource").to_owned();
        for verb in rule["verbs"].as_array().expect("verbs") {
            all.push((n, resource.clone(), verb.as_str().expect("a verb").to_owned()));
        }
    }
    assert_eq!(all.len(), 9, "{all:?}");
    let namespace = format!("--operator-namespace={}", world.namespace);
    let watched = format!("--watch-namespace={}", world.namespace);
    for (n, resource, verb) in all {
        let mut rules = whole.clone();
        rules[n]["verbs"].as_array_mut().expect("verbs").retain(|it| *it != *verb);
        // A rule without verbs is refused.
        rules.as_array_mut().expect("rules").retain(|rule| rule["verbs"] != json!([]));
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch("checked", &PatchParams::default(), &patch).await.expect("the role");
        let expected = format!("right: {verb} {resource}");
        let named = async || {
            let (output, text) = check(&kubeconfig, &[&watched, &namespace]);
            let failures = failures(&text);
            let only = failures.len() == 1 && failures[0].starts_with(&expected);
            (only && output.status.code() == Some(1)).then_some(())
        };
        world.eventually(&format!("{expected} alone to be missing"), SOON, named).await;
    }
    world.end().await;
}

/// A service account with a role `checked`, which is empty; its kubeconfig.
async fn account(world: &World) -> std::path::PathBuf {
    let (client, namespace, params) = (world.client.clone(), &world.namespace, PostParams::default());
    let metadata = json!({"name": "checked", "namespace": namespace});
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = serde_json::from_value(json!({"metadata": metadata})).expect("an account");
    accounts.create(&params, &account).await.expect("the account");
    let role: Role = serde_json::from_value(json!({"metadata": metadata, "rules": []})).expect("a Role");
    Api::namespaced(client.clone(), namespace).create(&params, &role).await.expect("the role");
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "checked"},
        "subjects": [{"kind": "ServiceAccount", "name": "checked", "namespace": namespace}],
    }))
    .expect("a RoleBinding");
    Api::namespaced(client, namespace).create(&params, &binding).await.expect("the binding");
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let token = accounts.create_token_request("checked", &params, &request).await.expect("a token");
    let token = token.status.expect("a token").token;
    let name = format!("checked-{namespace}");
    world.testbed.control_plane().kubeconfig_for_token(&name, &token).expect("a kubeconfig")
}

/// No kubelet runs here: that a pod is available is written by hand into the ReplicaSet's status, which the Deployment's
/// controller then sums up.
#[tokio::test(flavor = "multi_thread")]
async fn the_deployment_is_looked_at() {
    let world = Plan::new("check-deployment").make_without_operator().await;
    let kubeconfig = world.operator_options.kubeconfig.clone();
    let namespace = format!("--operator-namespace={}", world.namespace);
    let arguments = [namespace.as_str(), "--deployment=the-operator"];
    let only_failure = |what: &'static str| {
        let kubeconfig = &kubeconfig;
        move || {
            let (output, text) = check(kubeconfig, &arguments);
            let failures = failures(&text);
            let it = output.status.code() == Some(1) && failures.len() == 1 && failures[0].contains(what);
            std::future::ready(it.then_some(()))
        }
    };
    world
        .eventually("the right to be missed", SOON, only_failure("needs the verb get on deployments.apps"))
        .await;
    world
        .grant(
            json!([{"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["the-operator"],
        "verbs": ["get"]}]),
        )
        .await;
    world.eventually("the Deployment to be missed", SOON, only_failure("does not exist")).await;

    let labels = json!({"app": "the-operator"});
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "the-operator"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "operator", "image": "example.com/operator"}]}}},
    }))
    .expect("a Deployment");
    let deployments: Api<Deployment> = Api::namespaced(world.client.clone(), &world.namespace);
    deployments.create(&PostParams::default(), &deployment).await.expect("the Deployment");
    world.eventually("its pods to be missed", SOON, only_failure("has 0 of 1 replicas available")).await;

    let sets: Api<ReplicaSet> = Api::namespaced(world.client.clone(), &world.namespace);
    let made = async || sets.list(&ListParams::default()).await.expect("ReplicaSets").items.pop();
    let set = world.eventually("the Deployment's ReplicaSet", SOON, made).await;
    let status = json!({"status": {"observedGeneration": 1, "replicas": 1, "fullyLabeledReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1}});
    let params = PatchParams::default();
    sets.patch_status(&set.name_any(), &params, &Patch::Merge(status)).await.expect("its status");
    let well = async || {
        let (output, text) = check(&kubeconfig, &arguments);
        (output.status.code() == Some(0)).then_some(text)
    };
    let text = world.eventually("the check to pass", SOON, well).await;
    assert_has(&text, &["the-operator has 1 of 1 replicas available"]);
    world.end().await;
}

#[test]
fn an_api_server_that_does_not_answer_is_the_only_line() {
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let folder = agora_snapshot_testbed::Folder::new("check").expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    let document = json!({
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{closed}")}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    std::fs::write(&kubeconfig, document.to_string()).expect("a file");
    let (output, text) = check(&kubeconfig, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_has(&text, &["FAIL  API server:"]);
}
