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
    kept.strip_prefix("---\n").unwrap_or(&kept).to_owned()
}

/// Of which chart a file is made.
fn origin() -> String {
    format!(
        "the chart {NAME} {} with its default values. Made by `make generate`.",
        env!("CARGO_PKG_VERSION")
    )
}

/// namespace.yaml. As all of them it begins with three dashes, so that files can be joined.
fn namespace() -> String {
    format!(
        "---\n# The namespace of the operator, of {}\n\
         # It is a file of its own as deleting it deletes all that is in it, SnapshotJobs too.\n{NAMESPACE}",
        origin()
    )
}

/// crd.yaml.
fn definition() -> String {
    let rendered = render_as(NAME, NAME, &json!({}), &["--show-only", "templates/crd.yaml"]);
    format!(
        "---\n# The definition of SnapshotJobs, of {}\n\
         # Deleting it deletes every SnapshotJob of the cluster: to remove the operator delete operator.yaml only.\n{}",
        origin(),
        without_helm(&rendered.text)
    )
}

/// operator.yaml. The rights of the uninstall come and go with its Job.
fn operator() -> String {
    let values = json!({"crds": {"enabled": false}, "uninstall": {"enabled": false}});
    let rendered = render_as(NAME, NAME, &values, &["--no-hooks"]);
    format!(
        "---\n# The operator and its rights, of {}\n\
         # To remove it, first apply uninstall/ and wait for its Job, then delete this file only: crd.yaml would take all\n\
         # SnapshotJobs with it, namespace.yaml those in it.\n{}",
        origin(),
        without_helm(&rendered.text)
    )
}

/// All that kustomization.yaml lists, in its order.
pub(crate) fn manifests() -> [(&'static str, String); 3] {
    [("namespace.yaml", namespace()), ("crd.yaml", definition()), ("operator.yaml", operator())]
}

/// The same as one file, as a release has it.
pub(crate) fn manifest() -> String {
    manifests().map(|(_, text)| text).concat()
}

/// uninstall/drain.yaml: the same Job that Helm would run before it deletes the release, with its rights.
pub(crate) fn drain() -> String {
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
        "---\n# Ends all recording sessions and stops the operator; SnapshotJobs stay, and an operator that is installed again\n\
         # resumes them. Of {}\n\
         #   kubectl apply --server-side -k charts/install/uninstall\n\
         #   kubectl --namespace {NAME} wait --for=condition=Complete --timeout=6m job/{NAME}-uninstall\n\
         #   kubectl delete -f charts/install/operator.yaml      # this only: crd.yaml would take all SnapshotJobs with it\n\
         #   kubectl delete -k charts/install/uninstall          # last, as the Job needs its rights until it has ended\n\
         # Where the Job fails, its log says why. A Job never runs twice; for another attempt:\n\
         #   kubectl replace --force -f charts/install/uninstall/drain.yaml\n{}",
        origin(),
        without_helm(&rendered.text)
    )
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).expect("YAML")
}

#[test]
fn the_manifests_are_the_chart() {
    for (name, text) in manifests() {
        assert_generated(&folder().join(name), &text);
    }
    assert_generated(&folder().join("uninstall/drain.yaml"), &drain());
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
    assert!(!manifest().contains("-uninstall"), "the rights of the uninstall come with its Job");
    // What is deleted to remove the operator takes no SnapshotJob with it.
    for kind in kinds(&operator()) {
        assert!(kind != "Namespace" && kind != "CustomResourceDefinition", "{kind} in operator.yaml");
    }
    assert_eq!(
        kinds(&drain()),
        ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Job"]
    );
    for text in [manifest(), drain()] {
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
    let names = |text: &str| {
        let name = |document: &Value| format!("{} {}", document["kind"], document["metadata"]["name"]);
        let mut names: Vec<String> = documents(text).iter().map(name).collect();
        names.sort();
        names
    };
    for (folder, wanted) in [(folder(), manifest()), (folder().join("uninstall"), drain())] {
        let output =
            Command::new("kubectl").arg("kustomize").arg(folder).output().expect("kubectl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(names(&String::from_utf8(output.stdout).expect("text")), names(&wanted));
    }
}

/// The copy that the chart carries, as charts cannot reach outside their folder.
#[test]
fn the_chart_carries_the_definition() {
    let path = chart().join("files/snapshotjobs.yaml");
    let wanted = std::fs::read_to_string(repository().join("crds/agora-snapshot.dev_snapshotjobs.yaml"));
    assert_generated(&path, &wanted.expect("the definition"));
    assert!(file(".helmignore").lines().all(|line| !line.contains("files")));
}
