//! The manifests of `examples/gitops` against the released CRDs of Argo CD and Flux on a real API server, and their chart
//! values against the chart.

use std::path::PathBuf;
use std::process::Command;

use agora_snapshot_testbed::{Folder, Testbed};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::examples::{document, documents, gitops};
use crate::flux::install_crds;
use crate::programs::{self, repository};

const FILES: [&str; 5] = [
    "argocd/argocd-cm.yaml",
    "argocd/operator.yaml",
    "argocd/jobs.yaml",
    "flux/operator.yaml",
    "flux/kustomizations.yaml",
];

#[test]
fn every_file_is_looked_at() {
    let mut found = vec![];
    for folder in ["argocd", "flux"] {
        for entry in std::fs::read_dir(gitops(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            found.push(format!("{folder}/{name}"));
        }
    }
    found.sort();
    let mut expected = FILES.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_released_crds_take_each_strictly() {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let client = testbed.control_plane().client("admin").await.expect("a client");
    install_crds(&client).await;
    for namespace in ["argocd", "flux-system", "agora-snapshot-operator"] {
        let object =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        let apply = PatchParams::apply("tests").force();
        namespaces.patch(namespace, &apply, &Patch::Apply(object)).await.expect("a namespace");
    }
    for file in FILES {
        for manifest in documents(&gitops(file)) {
            if let Err(error) = dry_run(&client, &manifest).await {
                panic!("{file}: {}: {error}", manifest["kind"]);
            }
            let mut wrong = manifest.clone();
            let place = if manifest["kind"] == "ConfigMap" || manifest["kind"] == "Namespace" {
                "metadata"
            } else {
                "spec"
            };
            wrong[place]["notThere"] = Value::from("x");
            let refused = dry_run(&client, &wrong).await;
            assert!(refused.is_err(), "{file}: {}: a field that does not exist is taken", manifest["kind"]);
        }
    }
}

/// Sends a manifest as `kubectl apply --server-side --dry-run=server --validate=strict` does.
async fn dry_run(client: &kube::Client, manifest: &Value) -> kube::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&manifest["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &text(&manifest["kind"])));
    let namespace = text(&manifest["metadata"]["namespace"]);
    let objects: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &namespace, &resource)
    };
    let mut apply = PatchParams::apply("tests").force();
    apply.dry_run = true;
    apply.field_validation = Some(ValidationDirective::Strict);
    objects.patch(&text(&manifest["metadata"]["name"]), &apply, &Patch::Apply(manifest)).await.map(|_| ())
}

#[test]
fn the_charts_schema_takes_the_values() {
    let argo = document("argocd/operator.yaml", "Application", "agora-snapshot-operator");
    let flux = document("flux/operator.yaml", "HelmRelease", "agora-snapshot-operator");
    for (place, values) in [
        ("argocd/operator.yaml", &argo["spec"]["source"]["helm"]["valuesObject"]),
        ("flux/operator.yaml", &flux["spec"]["values"]),
    ] {
        assert!(values.is_object(), "{place} has no values");
        let (taken, text) = template(values);
        assert!(taken, "{place}: {text}");
        let mut wrong = values.clone();
        wrong["notThere"] = Value::from("x");
        let (taken, text) = template(&wrong);
        assert!(!taken && text.contains("notThere"), "{place}: the schema takes any value: {text}");
    }
}

/// Both point to the chart that this repository publishes, in its version.
#[test]
fn the_charts_address_and_version_are_ours() {
    let chart = documents(&chart().join("Chart.yaml")).remove(0);
    let name = chart["name"].as_str().expect("a name");
    let version = chart["version"].as_str().expect("a version");
    let address = format!("oci://ghcr.io/agora-snapshot/charts/{name}");
    let argo = document("argocd/operator.yaml", "Application", "agora-snapshot-operator");
    let flux = document("flux/operator.yaml", "OCIRepository", "agora-snapshot-operator");
    assert_eq!(argo["spec"]["source"]["repoURL"], address.as_str());
    assert_eq!(argo["spec"]["source"]["targetRevision"], version);
    assert_eq!(flux["spec"]["url"], address.as_str());
    let (minor, _) = version.rsplit_once('.').expect("three numbers");
    assert_eq!(flux["spec"]["ref"]["semver"], format!("{minor}.x"));
}

fn chart() -> PathBuf {
    repository().join("charts/agora-snapshot-operator")
}

/// Whether Helm takes these values, and what it says.
fn template(values: &Value) -> (bool, String) {
    let folder = Folder::new("values").expect("a folder");
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string()).expect("a file");
    let mut command = Command::new(programs::helm());
    command.args(["template", "agora-snapshot-operator"]).arg(chart()).arg("--values").arg(&file);
    let output = command.output().expect("helm runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
