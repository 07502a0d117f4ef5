//! What the operator, and who drains it, may do in these tests: exactly what the chart grants, so that a request beyond
//! it shows as a 403.
//! That the golden files are what the chart renders is proved in tests/chart.

use agora_snapshot_testbed::repository;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

/// Name of the ClusterRole under which most tests run.
pub const NAME: &str = "agora-snapshot-operator-under-test";

/// The rules for all namespaces, of the chart's default values.
pub fn everywhere() -> Vec<PolicyRule> {
    granted("default", "ClusterRole", "agora-system:agora-snapshot-operator")
}

/// The rules in each of the namespaces that are watched.
pub fn in_watched_namespaces() -> Vec<PolicyRule> {
    granted("watch-namespaces", "Role", "agora-snapshot-operator")
}

/// What it may do more in its own namespace when it looks at watched namespaces alone.
pub fn in_own_namespace() -> Vec<PolicyRule> {
    granted("watch-namespaces", "Role", "agora-snapshot-operator-own-namespace")
}

/// What it may do more in its own namespace for leader election.
pub fn leader_election() -> Vec<PolicyRule> {
    granted("high-availability", "Role", "agora-snapshot-operator-own-namespace")
}

/// What it may do with Secrets for `--watch-secrets`.
pub fn watch_secrets() -> Vec<PolicyRule> {
    let mut rules = granted("everything", "ClusterRole", "agora-system:agora-snapshot-operator");
    rules.retain(|rule| rule.resources.iter().flatten().any(|resource| resource == "secrets"));
    rules
}

/// What `drain` may do where the jobs are.
pub fn drain_of_jobs() -> Vec<PolicyRule> {
    let everywhere = granted("default", "ClusterRole", "agora-system:agora-snapshot-operator-uninstall");
    let in_a_namespace = granted("watch-namespaces", "Role", "agora-snapshot-operator-uninstall");
    assert_eq!(everywhere, in_a_namespace, "one set of rules, whichever namespaces are watched");
    everywhere
}

/// What `drain` may do in the namespace of the Deployment, where it may do nothing with jobs.
pub fn drain_of_deployment() -> Vec<PolicyRule> {
    granted("watch-namespaces", "Role", "agora-snapshot-operator-uninstall-deployment")
}

/// The rules of the role of that kind and name that the chart renders with the values of a golden file.
fn granted(golden: &str, kind: &str, name: &str) -> Vec<PolicyRule> {
    let path = repository().join(format!("tests/chart/golden/{golden}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let role = text
        .split("\n---\n")
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{} has no {kind} {name}", path.display()));
    serde_json::from_value(role["rules"].clone()).expect("rules")
}
