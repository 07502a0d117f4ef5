//! Values about the resource and about who may do what.

use serde_json::json;

use super::Check::{Argument, Contains, EachPod, Field, Gone, Pod, There};
use super::{Row, cluster, named, row};

const CRD: &str = "snapshotjobs.agora-snapshot.dev";
pub(super) fn rights() -> Vec<Row> {
    let secrets = |verbs: &[&str]| json!({"apiGroups": [""], "resources": ["secrets"], "verbs": verbs});
    vec![
        row("crds.enabled", json!(false), [Gone("CustomResourceDefinition", CRD.into())]),
        row(
            "crds.keep",
            json!(true),
            [
                Field(
                    "CustomResourceDefinition",
                    CRD.into(),
                    "/metadata/annotations/helm.sh~1resource-policy",
                    json!("keep"),
                ),
                Field(
                    "CustomResourceDefinition",
                    CRD.into(),
                    "/metadata/annotations/argocd.argoproj.io~1sync-options",
                    json!("Prune=false"),
                ),
            ],
        )
        .with(json!({"crds": {"keep": false}})),
        row(
            "rbac.create",
            json!(false),
            [
                Gone("ClusterRole", cluster("")),
                Gone("ClusterRoleBinding", cluster("")),
                Gone("ClusterRole", cluster("-uninstall")),
                Gone("Role", named("-uninstall-deployment")),
                Gone("Role", named("-check")),
                Gone("ClusterRole", cluster("-view")),
            ],
        ),
        row(
            "rbac.aggregateRoles",
            json!(false),
            [
                Gone("ClusterRole", cluster("-view")),
                Gone("ClusterRole", cluster("-edit")),
                Gone("ClusterRole", cluster("-admin")),
            ],
        ),
        row(
            "serviceAccount.create",
            json!(false),
            [
                Gone("ServiceAccount", "given".into()),
                Gone("ServiceAccount", named("-uninstall")),
                EachPod("/spec/serviceAccountName", json!("given")),
            ],
        )
        .with(json!({"serviceAccount": {"name": "given"}})),
        row(
            "serviceAccount.name",
            json!("recorder"),
            [
                There("ServiceAccount", "recorder".into()),
                Pod("/spec/serviceAccountName", json!("recorder")),
                Field("ClusterRoleBinding", cluster(""), "/subjects/0/name", json!("recorder")),
            ],
        ),
        row(
            "serviceAccount.annotations",
            json!({"a": "b"}),
            [Field("ServiceAccount", named(""), "/metadata/annotations/a", json!("b"))],
        ),
        row(
            "watchNamespaces",
            json!(["one", "two"]),
            [
                Argument("--watch-namespace=one"),
                Argument("--watch-namespace=two"),
                Gone("ClusterRole", cluster("")),
                There("Role", named("")),
            ],
        ),
        row(
            "leaderElection.enabled",
            json!(true),
            [
                Argument("--leader-election"),
                There("Role", named("-own-namespace")),
                Field("Deployment", named(""), "/spec/strategy/type", json!("RollingUpdate")),
            ],
        ),
        row(
            "leaderElection.leaseName",
            json!("lease"),
            [
                Argument("--leader-election-lease-name=lease"),
                Field("Role", named("-own-namespace"), "/rules/1/resourceNames", json!(["lease"])),
            ],
        )
        .with(json!({"leaderElection": {"enabled": true}})),
        row("leaderElection.leaseDuration", json!("1m"), [Argument("--leader-election-lease-duration=1m")])
            .with(json!({"leaderElection": {"enabled": true}})),
        row("leaderElection.renewDeadline", json!("12s"), [Argument("--leader-election-renew-deadline=12s")])
            .with(json!({"leaderElection": {"enabled": true}})),
        row("leaderElection.retryPeriod", json!("1s"), [Argument("--leader-election-retry-period=1s")])
            .with(json!({"leaderElection": {"enabled": true}})),
        row(
            "secrets.watch",
            json!(true),
            [
                Argument("--watch-secrets"),
                Contains("ClusterRole", cluster(""), "/rules", secrets(&["get", "list", "watch"])),
            ],
        ),
    ]
}
