//! The main combinations of values, rendered whole and kept in tests/chart/golden: a change of the chart shows in a
//! review as a change of what is installed. Files that are checked elsewhere as they are (the definition, the alerts,
//! the dashboard) are left out of them.

use serde_json::{Value, json};

use crate::helm::render_as;
use crate::programs::{assert_generated, repository};

/// What people install.
pub(crate) fn combinations() -> [(&'static str, Value); 6] {
    [
        ("default", json!({})),
        ("watch-namespaces", json!({"watchNamespaces": ["live-east", "live-west"]})),
        ("high-availability", json!({"replicaCount": 2, "leaderElection": {"enabled": true}})),
        ("no-crds", json!({"crds": {"enabled": false}})),
        ("existing-service-account", json!({"serviceAccount": {"create": false, "name": "recording"}})),
        ("everything", everything()),
    ]
}

/// Everything that can be on at the same time.
pub(crate) fn everything() -> Value {
    json!({
        "commonLabels": {"team": "video"},
        "image": {"digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        "imagePullSecrets": [{"name": "registry"}],
        "replicaCount": 3,
        "leaderElection": {"enabled": true},
        "secrets": {"watch": true},
        "operator": {"streamingLists": true, "logLevel": "info,agora_snapshot_operator=debug"},
        "agora": {"region": "cn-east-1", "endpoints": ["https://recording.example.com"]},
        "storage": {"endpoint": "https://s3.example.com:9000"},
        "caBundle": {"configMap": "company-roots"},
        "proxy": {"http": "http://proxy.example.com:3128", "https": "http://proxy.example.com:3128", "noProxy": ".example.com"},
        "metrics": {
            "podMonitor": {"enabled": true, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": true},
            "dashboard": {"enabled": true},
        },
        "notifications": {
            "enabled": true,
            "ingress": {"enabled": true, "className": "nginx", "host": "ncs.example.com", "tlsSecretName": "ncs-tls",
                "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}},
        },
        "networkPolicy": {
            "enabled": true,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 9000, "protocol": "TCP"}]}],
        },
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "video", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 1,
            "podAffinityTerm": {
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
            },
        }]}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
        "priorityClassName": "system-cluster-critical",
        "podAnnotations": {"example.com/owner": "video"},
        "podLabels": {"example.com/tier": "control"},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraArgs": ["--operator-namespace=agora-system"],
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    })
}

/// Documents whose body is a file of its own, without it.
fn without_files(text: &str) -> String {
    let shortened = text.split("\n---\n").map(|document| {
        let (from, source) = if document.contains("\nkind: CustomResourceDefinition\n") {
            ("\nspec:\n", "files/snapshotjobs.yaml")
        } else if document.contains("\nkind: PrometheusRule\n") {
            ("\nspec:\n", "files/alerts.yaml")
        } else if document.contains("\nkind: ConfigMap\n") {
            ("\ndata:\n", "files/dashboard.json")
        } else {
            return document.to_owned();
        };
        let (head, _) = document.split_once(from).expect("a body");
        format!("{head}{from}# ... {source}\n")
    });
    shortened.collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn main_combinations_are_as_reviewed() {
    for (name, values) in combinations() {
        let rendered = render_as("agora-snapshot-operator", "agora-system", &values, &[]);
        let path = repository().join(format!("tests/chart/golden/{name}.yaml"));
        assert_generated(&path, &format!("# {values}\n{}", without_files(&rendered.text)));
    }
}
