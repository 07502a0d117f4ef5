//! charts/install: the chart's default rendered for those without Helm, held equal to it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{chart, file, render_as};
use crate::programs::{assert_generated, repository};

/// Release, namespace and folder of what is applied.
const NAME: &str = "agora-snapshot-operator";

fn folder() -> PathBuf {
    repository().join("charts/install")
}

/// The namespace is part of it: Pod Security keeps in it what is not restricted out.
const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: agora-snapshot-operator
  labels:
    app.kubernetes.io/name: agora-snapshot-operator
    pod-security.kubernetes.io/enforce: restricted
";

/// What Helm alone understands is left out: its labels, its annotations.
fn without_helm(text: &str) -> String {
    let is_helms = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("helm.sh/")
            || line.starts_with("app.kubernetes.io/managed-by:")
            || line.starts_with("# Source:")
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_helms(line)).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut kept = String::new();
    for (number, line) in lines.iter().enumerate() {
        let next = lines.get(number + 1).copied().unwrap_or_default();
        let emptied = line.trim() == "annotations:" && indent(next) <= indent(line);
        let between = line.is_empty() && (next.is_empty() || next == "---");
        if !emptied && !between {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// install.yaml.
pub(crate) fn manifest() -> String {
    let rendered = render_as(NAME, NAME, &json!({}), &["--no-hooks"]);
    format!(
        "# The chart {NAME} {} with its default values, for kubectl apply. Made by `make generate`.\n{NAMESPACE}{}",
        env!("CARGO_PKG_VERSION"),
        without_helm(&rendered.text)
    )
}

/// uninstall.yaml: the same Job that Helm would run before it deletes the release.
fn uninstall() -> String {
    let values = json!({"uninstall": {"sessions": "Stop"}});
    let rendered = render_as(
        NAME,
        NAME,
        &values,
        &[
            "--show-only",
            "templates/uninstall/serviceaccount.yaml",
            "--show-only",
            "templates/uninstall/roles.yaml",
            "--show-only",
            "templates/uninstall/job.yaml",
        ],
    );
    format!(
        "# Ends all recording sessions and stops the operator, to be applied before install.yaml is deleted; SnapshotJobs\n\
         # stay, and an operator that is installed again resumes them. Made by `make generate`.\n{}",
        without_helm(&rendered.text)
    )
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).expect("YAML")
}

#[test]
fn the_manifests_are_the_chart() {
    assert_generated(&folder().join("install.yaml"), &manifest());
    assert_generated(&folder().join("uninstall.yaml"), &uninstall());
}

#[test]
fn nothing_of_helm_is_left_and_nothing_is_missing() {
    let kinds = |text: &str| -> Vec<String> {
        documents(text).iter().map(|document| document["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    let found = kinds(&manifest());
    for kind in [
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
    ] {
        assert!(found.iter().any(|found| found == kind), "{kind} is missing");
    }
    assert!(!found.iter().any(|kind| kind == "Job" || kind == "Pod"), "hooks are Helm's: {found:?}");
    assert_eq!(
        kinds(&uninstall()),
        ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Job"]
    );
    for text in [manifest(), uninstall()] {
        assert!(!text.contains("helm.sh/"), "{text}");
        assert!(!text.contains("managed-by"), "{text}");
        for document in documents(&text) {
            let annotations = &document["metadata"]["annotations"];
            assert!(
                document["metadata"].get("annotations").is_none() || annotations.is_object(),
                "{document}"
            );
        }
    }
}

/// kubectl with its own kustomize, as people run it.
#[test]
fn kustomize_builds_the_same_objects() {
    let output =
        Command::new("kubectl").arg("kustomize").arg(folder()).output().expect("kubectl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = |text: &str| {
        let name = |document: &Value| format!("{} {}", document["kind"], document["metadata"]["name"]);
        let mut names: Vec<String> = documents(text).iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(names(&String::from_utf8(output.stdout).expect("text")), names(&manifest()));
}

/// The copy that the chart carries, as charts cannot reach outside their folder.
#[test]
fn the_chart_carries_the_definition() {
    let path = chart().join("files/snapshotjobs.yaml");
    let wanted = std::fs::read_to_string(repository().join("crds/agora-snapshot.dev_snapshotjobs.yaml"));
    assert_generated(&path, &wanted.expect("the definition"));
    assert!(file(".helmignore").lines().all(|line| !line.contains("files")));
}
