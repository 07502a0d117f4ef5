//! What Helm says of the chart itself, and what it tells people after an install.

use serde_json::{Value, json};

use crate::helm::{NAMESPACE, RELEASE, chart, helm};

/// NOTES.txt as it is printed.
fn notes(values: &Value) -> String {
    let chart = chart();
    let chart = chart.to_str().expect("UTF-8");
    let output = helm(
        &["install", RELEASE, chart, "--namespace", NAMESPACE, "--dry-run=client", "--values", "-"],
        &values.to_string(),
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    text.split_once("\nNOTES:\n").expect("notes").1.to_owned()
}

#[test]
fn helm_has_no_complaint() {
    let chart = chart();
    let output = helm(&["lint", "--strict", chart.to_str().expect("UTF-8")], "");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("[WARNING]") && !text.contains("[ERROR]"), "{text}");
}

#[test]
fn notes_warn_of_what_is_dangerous_and_of_nothing_else() {
    let cases = [
        (
            json!({"agora": {"endpoints": ["http://simulator:8080"]}}),
            "http://simulator:8080 is not encrypted",
        ),
        (json!({"storage": {"endpoint": "http://s3:9000"}}), "http://s3:9000 is not encrypted"),
        (json!({"uninstall": {"enabled": false}}), "recording sessions go on and are billed"),
        (json!({"uninstall": {"sessions": "Leave"}}), "Agora bills them"),
        (json!({"crds": {"keep": false}}), "an uninstall deletes every SnapshotJob"),
        (json!({"rbac": {"create": false}}), "rbac.create is false"),
        (json!({"networkPolicy": {"enabled": true}}), "some enforce none"),
    ];
    let plain = notes(&json!({"agora": {"endpoints": ["https://example.com"]}}));
    assert!(!plain.contains("WARNING") && !plain.contains("NOTE:"), "{plain}");
    for (values, expected) in cases {
        assert!(!plain.contains(expected), "{expected}");
        let text = notes(&values);
        assert!(text.contains(expected), "{values} shall warn {expected:?}:\n{text}");
    }
}

#[test]
fn notes_name_what_was_installed() {
    let text = notes(&json!({"watchNamespaces": ["live", "live", "test"]}));
    for words in [
        "SnapshotJobs in live, test.",
        "kubectl --namespace agora rollout status deployment/shots-agora-snapshot-operator",
        "helm --namespace agora test shots --logs",
        "kubectl --namespace live get snapshotjobs --watch",
        "Before you take a namespace out of watchNamespaces, delete its SnapshotJobs",
        "helm --namespace agora upgrade shots CHART --reset-then-reuse-values --set uninstall.sessions=Stop",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let example = "examples/snapshot-only.yaml";
    assert!(text.contains(example) && crate::programs::repository().join(example).is_file());
    assert!(!notes(&json!({"tests": {"enabled": false}})).contains("helm --namespace agora test"));
}
