//! What the operator, and who drains it, may do in these tests: exactly what they need, so that a request beyond it
//! shows as a 403.

use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::{Value, json};

/// Name of the role.
pub(crate) const NAME: &str = "agora-snapshot-operator-under-test";

/// The role.
pub(crate) fn role() -> ClusterRole {
    serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "rules": [
            {"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs"],
             "verbs": ["get", "list", "watch", "patch", "delete"]},
            {"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs/status"], "verbs": ["update", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        ],
    }))
    .expect("a ClusterRole")
}

/// What it needs more for leader election, in its own namespace: a Lease that does not exist yet cannot be limited by
/// its name.
pub(crate) fn leader_election(lease: &str) -> Value {
    json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [lease],
         "verbs": ["get", "update"]},
    ])
}

/// What it needs more for `--watch-secrets`.
pub(crate) fn watch_secrets() -> Value {
    json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}])
}

/// What `drain` needs beside the operator's own rules, in the namespace of this Deployment.
pub(crate) fn drain_rules(deployment: &str) -> Value {
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [deployment], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": [deployment], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ])
}
