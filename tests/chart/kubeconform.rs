//! What is rendered, validated by kubeconform against the schemas of every supported release of Kubernetes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::golden::combinations;
use crate::helm::{file, render_as};
use crate::install::{drain, manifest};
use crate::programs::program;
use crate::schemas::{KUBERNETES, locations, own};

/// kubeconform's verdicts: the number of valid objects, and the words about each that is not.
fn judge(manifests: &str, version: &str) -> (usize, Vec<String>) {
    static KUBECONFORM: OnceLock<std::path::PathBuf> = OnceLock::new();
    let folder = std::env::temp_dir().join(format!("agora-snapshot-schemas.{}", std::process::id()));
    static OWN: OnceLock<()> = OnceLock::new();
    OWN.get_or_init(|| own(&folder));
    let mut command = Command::new(KUBECONFORM.get_or_init(|| program("KUBECONFORM", "kubeconform")));
    command.args([
        "-strict",
        "-output",
        "json",
        "-verbose",
        "-kubernetes-version",
        version.trim_start_matches('v'),
    ]);
    for location in locations(&folder) {
        command.args(["-schema-location", &location]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubeconform starts");
    child.stdin.take().expect("a pipe").write_all(manifests.as_bytes()).expect("kubeconform reads its input");
    let output = child.wait_with_output().expect("kubeconform ends");
    let words = String::from_utf8_lossy(&output.stderr);
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {words}"));
    let mut valid = 0;
    let mut wrong = vec![];
    for resource in answer["resources"].as_array().expect("resources") {
        match resource["status"].as_str() {
            Some("statusValid") => valid += 1,
            Some("statusEmpty") => {}
            _ => wrong.push(format!("{} {}: {}", resource["kind"], resource["name"], resource["msg"])),
        }
    }
    (valid, wrong)
}

#[test]
fn every_supported_release_takes_what_is_rendered() {
    let mut rendered: Vec<(String, String, usize)> = combinations()
        .into_iter()
        .map(|(name, values)| {
            let rendered = render_as("agora-snapshot-operator", "agora-system", &values, &[]);
            (name.to_owned(), rendered.text, rendered.objects.len())
        })
        .collect();
    let service_monitor = json!({"metrics": {"serviceMonitor": {"enabled": true}}});
    let with_service_monitor = render_as("x", "y", &service_monitor, &[]);
    rendered.push(("serviceMonitor".into(), with_service_monitor.text, with_service_monitor.objects.len()));
    for (name, text) in [("charts/install", manifest()), ("charts/install/uninstall", drain())] {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        rendered.push((name.into(), text, documents.len()));
    }
    for (version, _) in KUBERNETES {
        for (name, text, objects) in &rendered {
            let (valid, wrong) = judge(text, version);
            assert!(wrong.is_empty(), "{name} on {version}:\n{}", wrong.join("\n"));
            assert_eq!(valid, *objects, "{name} on {version}");
        }
    }
}

/// Shows that the schemas above are closed and typed for each kind that is rendered.
#[test]
fn every_supported_release_refuses_what_does_not_exist() {
    let (_, everything) = combinations().into_iter().next_back().expect("a combination");
    let rendered = render_as("x", "y", &everything, &[]);
    let broken: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            // Deep enough to see that references are followed.
            match object["kind"].as_str() {
                Some("Deployment" | "Job") => {
                    object["spec"]["template"]["spec"]["containers"][0]["securityContext"]["noSuchField"] =
                        json!(1);
                }
                Some("Pod") => object["spec"]["containers"][0]["env"][0]["noSuchField"] = json!(1),
                Some("Role" | "ClusterRole") => object["rules"][0]["noSuchField"] = json!(1),
                Some("RoleBinding" | "ClusterRoleBinding") => object["subjects"][0]["noSuchField"] = json!(1),
                Some("ServiceAccount" | "ConfigMap") => object["noSuchField"] = json!(1),
                Some("PrometheusRule") => object["spec"]["groups"][0]["rules"][0]["noSuchField"] = json!(1),
                _ => object["spec"]["noSuchField"] = json!(1),
            }
            object.to_string()
        })
        .collect();
    for (version, _) in KUBERNETES {
        let (valid, wrong) = judge(&broken.join("\n---\n"), version);
        assert_eq!((valid, wrong.len()), (0, broken.len()), "{version} said only:\n{}", wrong.join("\n"));
        assert!(wrong.iter().all(|words| words.contains("noSuchField")), "{version}:\n{}", wrong.join("\n"));
    }
    assert!(rendered.text.contains("replicas: 3\n"));
    let typed = rendered.text.replace("replicas: 3\n", "replicas: three\n");
    let (_, wrong) = judge(&typed, KUBERNETES[0].0);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test]
fn the_chart_says_which_releases_are_meant() {
    let oldest = KUBERNETES[0].0.trim_start_matches('v').rsplit_once('.').expect("three numbers").0;
    assert!(file("Chart.yaml").contains(&format!("kubeVersion: \">={oldest}.0-0\"")));
}
