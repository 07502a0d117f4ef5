//! `helm uninstall` on a real API server that gives up before the hook's Job has ended: the Job keeps its rights, with
//! which it scales the operator up again. No node runs the Job here; what it does when it runs is in tests/e2e.

use agora_snapshot_testbed::Testbed;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::helm::{FULL_NAME, RELEASE, chart, helm_on};

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_keeps_its_rights_when_helm_has_given_up() {
    let testbed = Testbed::from_env().await.expect("an API server");
    let plane = testbed.control_plane();
    let kubeconfig = plane.kubeconfig("admin").expect("a kubeconfig");
    let namespace = testbed.create_namespace("timeout").await.expect("a namespace");
    let client = plane.client("admin").await.expect("a client");
    let helm = |arguments: &[&str], values: &Value| {
        let output =
            helm_on(&kubeconfig, &[arguments, &["--namespace", &namespace]].concat(), &values.to_string());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // One namespace, so that all is gone with it; the definition is the test server's.
    let values = json!({"watchNamespaces": [namespace], "crds": {"enabled": false}});
    let chart = chart();
    let (installed, words) =
        helm(&["install", RELEASE, chart.to_str().expect("UTF-8"), "--values", "-"], &values);
    assert!(installed, "{words}");
    let (gone, words) = helm(&["uninstall", RELEASE, "--timeout", "2s"], &json!({}));
    assert!(!gone && words.contains("uninstall"), "the hook has not ended, but Helm says: {words}");
    let user = format!("system:serviceaccount:{namespace}:{FULL_NAME}-uninstall");
    for (group, resource, subresource, verb) in [
        ("apps", "deployments", "scale", "patch"),
        ("agora-snapshot.dev", "snapshotjobs", "", "patch"),
        ("agora-snapshot.dev", "snapshotjobs", "status", "update"),
    ] {
        let review = json!({"metadata": {}, "spec": {"user": user, "resourceAttributes": {
            "namespace": namespace, "group": group, "resource": resource, "subresource": subresource, "verb": verb,
            "name": FULL_NAME,
        }}});
        let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
        let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await.expect("an answer");
        assert!(answer.status.is_some_and(|status| status.allowed), "{user} may no longer {verb} {resource}");
    }
    testbed.delete_namespace(&namespace).await.expect("a deletion");
}
