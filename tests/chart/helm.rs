//! Real Helm, rendering the chart of this repository.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::programs::{program, repository};

/// Release and namespace of what is rendered here, and the name that the chart makes of the release.
pub(crate) const RELEASE: &str = "shots";
pub(crate) const NAMESPACE: &str = "agora";
pub(crate) const FULL_NAME: &str = "shots-agora-snapshot-operator";

/// Folder of the chart.
pub(crate) fn chart() -> PathBuf {
    repository().join("charts/agora-snapshot-operator")
}

/// One of the chart's own files.
pub(crate) fn file(name: &str) -> String {
    let path = chart().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What Helm rendered.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) objects: Vec<Value>,
}

impl Rendered {
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).unwrap_or_else(|| panic!("no {kind} {name} in:\n{}", self.text))
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// Specs of all pods: of Deployment, Job and Pod.
    pub(crate) fn pods(&self) -> Vec<(&str, &Value)> {
        let pod = |object: &Value| match object["kind"].as_str() {
            Some("Deployment" | "Job") => object.pointer("/spec/template").is_some(),
            Some("Pod") => true,
            _ => false,
        };
        let objects = self.objects.iter().filter(|object| pod(object));
        objects
            .map(|object| {
                let kind = object["kind"].as_str().expect("a kind");
                (kind, object.pointer("/spec/template").unwrap_or(object))
            })
            .collect()
    }

    /// Arguments of the one container of this kind of pod.
    pub(crate) fn arguments(&self, kind: &str) -> Vec<&str> {
        let (_, pod) = self.pods().into_iter().find(|pod| pod.0 == kind).expect(kind);
        let arguments = pod["spec"]["containers"][0]["args"].as_array().expect("arguments");
        arguments.iter().map(|argument| argument.as_str().expect("a string")).collect()
    }
}

/// Renders the chart with these values, in the names of this file.
#[track_caller]
pub(crate) fn render(values: &Value) -> Rendered {
    render_as(RELEASE, NAMESPACE, values, &[])
}

/// Renders the chart.
#[track_caller]
pub(crate) fn render_as(release: &str, namespace: &str, values: &Value, flags: &[&str]) -> Rendered {
    let output = template(release, namespace, values, flags);
    let text = String::from_utf8(output.stdout).expect("text");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm template failed for {values}: {error}");
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error} in:\n{text}"));
    let objects = objects.into_iter().filter(|object| !object.is_null()).collect();
    Rendered { text, objects }
}

/// What Helm says to values that the chart refuses.
#[track_caller]
pub(crate) fn refusal(values: &Value) -> String {
    let output = template(RELEASE, NAMESPACE, values, &[]);
    assert!(!output.status.success(), "helm template took {values}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn template(release: &str, namespace: &str, values: &Value, flags: &[&str]) -> Output {
    let chart = chart();
    let chart = chart.to_str().expect("UTF-8");
    // The release of Kubernetes is told, as without a cluster it is one that depends on how Helm was built.
    let fixed =
        ["template", release, chart, "--namespace", namespace, "--kube-version", "1.33.0", "--values", "-"];
    helm(&[&fixed, flags].concat(), &values.to_string())
}

/// Runs Helm with this on its standard input. It asks no cluster and reads no settings of the user.
pub(crate) fn helm(arguments: &[&str], input: &str) -> Output {
    helm_on(Path::new("/dev/null"), arguments, input)
}

/// The same on the cluster of a kubeconfig file.
pub(crate) fn helm_on(kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    let mut child = Command::new(HELM.get_or_init(|| program("HELM", "helm")))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        // What a server of another test offered must not be remembered of this one's address.
        .env("KUBECACHEDIR", kubeconfig.with_extension("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Helm starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("Helm reads its input");
    child.wait_with_output().expect("Helm ends")
}
