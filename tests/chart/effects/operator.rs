//! Values that become settings of the operator, or of the hook that drains it.

use serde_json::json;

use super::Check::{Argument, Contains, Field, Gone, Pod};
use super::{Row, cluster, named, row};

pub(super) fn operator() -> Vec<Row> {
    let env = |name: &str, value: &str| json!({"name": name, "value": value});
    let environment = "/spec/template/spec/containers/0/env";
    vec![
        row("operator.maxConcurrentReconciles", json!(8), [Argument("--max-concurrent-reconciles=8")]),
        row("operator.orphanAfter", json!("1h"), [Argument("--orphan-after=1h")]),
        row("operator.snapshotStatusInterval", json!("1m"), [Argument("--snapshot-status-interval=1m")]),
        row("operator.streamingLists", json!(true), [Argument("--streaming-lists")]),
        row("operator.logLevel", json!("info,kube=warn"), [Argument("--log-level=info,kube=warn")]),
        row("operator.logFormat", json!("text"), [Argument("--log-format=text")]),
        row(
            "agora.region",
            json!("cn-east-1"),
            [
                Argument("--agora-region=cn-east-1"),
                Contains(
                    "Job",
                    named("-uninstall"),
                    "/spec/template/spec/containers/0/args",
                    json!("--agora-region=cn-east-1"),
                ),
            ],
        ),
        row(
            "agora.endpoints",
            json!(["http://a:1", "https://b/c"]),
            [Argument("--agora-endpoint=http://a:1"), Argument("--agora-endpoint=https://b/c")],
        ),
        row(
            "storage.endpoint",
            json!("https://s3.local:9000"),
            [Argument("--storage-endpoint=https://s3.local:9000")],
        ),
        row(
            "caBundle.configMap",
            json!("roots"),
            [
                Argument("--ca-bundle=/etc/agora-snapshot-operator/ca-bundle/ca.crt"),
                Pod("/spec/volumes/0/configMap/name", json!("roots")),
                Pod(
                    "/spec/containers/0/volumeMounts/0/mountPath",
                    json!("/etc/agora-snapshot-operator/ca-bundle"),
                ),
            ],
        ),
        row(
            "caBundle.secret",
            json!("roots"),
            [
                Argument("--ca-bundle=/etc/agora-snapshot-operator/ca-bundle/ca.crt"),
                Pod("/spec/volumes/0/secret/secretName", json!("roots")),
            ],
        ),
        row(
            "caBundle.key",
            json!("bundle.pem"),
            [Pod("/spec/volumes/0/configMap/items", json!([{"key": "bundle.pem", "path": "ca.crt"}]))],
        )
        .with(json!({"caBundle": {"configMap": "roots"}})),
        row(
            "proxy.http",
            json!("http://p:1"),
            [
                Contains("Deployment", named(""), environment, env("HTTP_PROXY", "http://p:1")),
                Contains("Job", named("-uninstall"), environment, env("HTTP_PROXY", "http://p:1")),
            ],
        ),
        row(
            "proxy.https",
            json!("http://p:1"),
            [Contains("Deployment", named(""), environment, env("HTTPS_PROXY", "http://p:1"))],
        ),
        row(
            "proxy.noProxy",
            json!("s3.local"),
            [Contains("Deployment", named(""), environment, env("NO_PROXY", "s3.local"))],
        ),
        row(
            "uninstall.enabled",
            json!(false),
            [
                Gone("Job", named("-uninstall")),
                Gone("ServiceAccount", named("-uninstall")),
                Gone("ClusterRole", cluster("-uninstall")),
                Gone("ClusterRoleBinding", cluster("-uninstall")),
                Gone("Role", named("-uninstall-deployment")),
                Gone("RoleBinding", named("-uninstall-deployment")),
            ],
        ),
        row(
            "uninstall.sessions",
            json!("Stop"),
            [Contains(
                "Job",
                named("-uninstall"),
                "/spec/template/spec/containers/0/args",
                json!("--sessions=Stop"),
            )],
        ),
        row(
            "uninstall.timeout",
            json!("90s"),
            [
                Contains(
                    "Job",
                    named("-uninstall"),
                    "/spec/template/spec/containers/0/args",
                    json!("--timeout=90s"),
                ),
                Field("Job", named("-uninstall"), "/spec/activeDeadlineSeconds", json!(210)),
            ],
        ),
        row(
            "uninstall.logLevel",
            json!("debug"),
            [Contains(
                "Job",
                named("-uninstall"),
                "/spec/template/spec/containers/0/args",
                json!("--log-level=debug"),
            )],
        ),
        row(
            "bindAddress",
            json!("::"),
            [Argument("--metrics-bind-address=[::]:8080"), Argument("--health-bind-address=[::]:8081")],
        ),
        row(
            "health.port",
            json!(9001),
            [
                Argument("--health-bind-address=0.0.0.0:9001"),
                Contains(
                    "Deployment",
                    named(""),
                    "/spec/template/spec/containers/0/ports",
                    json!({"name": "health", "containerPort": 9001, "protocol": "TCP"}),
                ),
            ],
        ),
    ]
}
