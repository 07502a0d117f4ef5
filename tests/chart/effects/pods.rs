//! Values that make names and pods.

use serde_json::json;

use super::Check::{Argument, Contains, EachLabel, EachPod, Field, Gone, Pod, There};
use super::{Row, named, row};

const IMAGE: &str = "/spec/containers/0/image";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) fn names_and_pods() -> Vec<Row> {
    vec![
        row(
            "nameOverride",
            json!("agora"),
            [There("Deployment", "shots-agora".into()), Gone("Deployment", named(""))],
        ),
        row(
            "fullnameOverride",
            json!("recorder"),
            [
                There("Deployment", "recorder".into()),
                There("Job", "recorder-uninstall".into()),
                There("ServiceAccount", "recorder".into()),
            ],
        ),
        row("commonLabels", json!({"team": "video"}), [EachLabel("team", "video")]),
        row(
            "image.repository",
            json!("registry.local:5000/operator"),
            [EachPod(IMAGE, json!(format!("registry.local:5000/operator:{}", env!("CARGO_PKG_VERSION"))))],
        ),
        row(
            "image.tag",
            json!("edge"),
            [EachPod(IMAGE, json!("ghcr.io/agora-snapshot/agora-snapshot-operator:edge"))],
        ),
        row(
            "image.digest",
            json!(DIGEST),
            [EachPod(IMAGE, json!(format!("ghcr.io/agora-snapshot/agora-snapshot-operator@{DIGEST}")))],
        ),
        row(
            "image.pullPolicy",
            json!("Never"),
            [EachPod("/spec/containers/0/imagePullPolicy", json!("Never"))],
        ),
        row(
            "imagePullSecrets",
            json!([{"name": "registry"}]),
            [EachPod("/spec/imagePullSecrets", json!([{"name": "registry"}]))],
        ),
        row("replicaCount", json!(2), [Field("Deployment", named(""), "/spec/replicas", json!(2))])
            .with(json!({"leaderElection": {"enabled": true}})),
        row(
            "terminationGracePeriodSeconds",
            json!(90),
            [
                Pod("/spec/terminationGracePeriodSeconds", json!(90)),
                Field(
                    "Job",
                    named("-uninstall"),
                    "/spec/template/spec/terminationGracePeriodSeconds",
                    json!(90),
                ),
            ],
        ),
        row(
            "resources",
            json!({"requests": {"cpu": "1"}}),
            [EachPod("/spec/containers/0/resources/requests/cpu", json!("1"))],
        ),
        row(
            "nodeSelector",
            json!({"disk": "fast"}),
            [EachPod("/spec/nodeSelector", json!({"disk": "fast"}))],
        ),
        row(
            "tolerations",
            json!([{"operator": "Exists"}]),
            [EachPod("/spec/tolerations", json!([{"operator": "Exists"}]))],
        ),
        row("affinity", json!({"nodeAffinity": {}}), [Pod("/spec/affinity", json!({"nodeAffinity": {}}))]),
        row(
            "topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "zone"}]),
            [
                Pod("/spec/topologySpreadConstraints/0/topologyKey", json!("zone")),
                Pod(
                    "/spec/topologySpreadConstraints/0/labelSelector/matchLabels/app.kubernetes.io~1component",
                    json!("operator"),
                ),
            ],
        ),
        row("priorityClassName", json!("high"), [EachPod("/spec/priorityClassName", json!("high"))]),
        row("podAnnotations", json!({"a": "b"}), [Pod("/metadata/annotations/a", json!("b"))]),
        row("podLabels", json!({"a": "b"}), [Pod("/metadata/labels/a", json!("b"))]),
        row(
            "podSecurityContext",
            json!({"runAsUser": 1000}),
            [EachPod("/spec/securityContext/runAsUser", json!(1000))],
        ),
        row(
            "securityContext",
            json!({"procMount": "Default"}),
            [EachPod("/spec/containers/0/securityContext/procMount", json!("Default"))],
        ),
        row(
            "extraEnv",
            json!([{"name": "A", "value": "b"}]),
            [
                Contains(
                    "Deployment",
                    named(""),
                    "/spec/template/spec/containers/0/env",
                    json!({"name": "A", "value": "b"}),
                ),
                Contains(
                    "Job",
                    named("-uninstall"),
                    "/spec/template/spec/containers/0/env",
                    json!({"name": "A", "value": "b"}),
                ),
            ],
        ),
        row("extraArgs", json!(["--time-scale=60"]), [Argument("--time-scale=60")]),
        row(
            "extraVolumes",
            json!([{"name": "v", "emptyDir": {}}]),
            [Pod("/spec/volumes", json!([{"name": "v", "emptyDir": {}}]))],
        ),
        row(
            "extraVolumeMounts",
            json!([{"name": "v", "mountPath": "/v"}]),
            [Pod("/spec/containers/0/volumeMounts", json!([{"name": "v", "mountPath": "/v"}]))],
        ),
        row("tests.enabled", json!(false), [Gone("Pod", named("-check")), Gone("Role", named("-check"))]),
    ]
}
