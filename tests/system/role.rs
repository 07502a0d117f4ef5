//! What the operator may do in these tests: exactly what it needs, so that a request beyond it shows as a 403.

use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::json;

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
