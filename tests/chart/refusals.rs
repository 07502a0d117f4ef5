//! What the chart refuses, and that its words name the value and what to do.

use serde_json::{Value, json};

use crate::effects::with;
use crate::helm::refusal;
use crate::values::{keys, properties};

/// The path as Helm's messages write it.
fn pointer(path: &str) -> String {
    format!("at '/{}'", path.replace('.', "/"))
}

#[test]
fn an_unknown_key_is_refused_at_every_level() {
    let mut values = json!({"unknownKey": 1});
    let mut places = vec![];
    for (path, property) in properties() {
        if property["additionalProperties"] == false && !path.contains("[]") {
            values = with(&values, &format!("{path}.unknownKey"), &json!(1));
            places.push(path);
        }
    }
    assert!(places.len() > 15, "{places:?}");
    let words = refusal(&values);
    for place in places {
        let expected = format!("{}: additional properties 'unknownKey' not allowed", pointer(&place));
        assert!(words.contains(&expected), "{expected} is missing in:\n{words}");
    }
    assert!(words.contains("at '': additional properties 'unknownKey' not allowed"), "{words}");
}

#[test]
fn a_wrong_type_is_refused_for_every_value() {
    let mut values = json!({});
    for key in keys() {
        // A list is never a map, a map never a string.
        let wrong = if key.default.is_object() { json!("text") } else { json!({"a": "map"}) };
        values = with(&values, &key.path, &wrong);
    }
    let words = refusal(&values);
    for key in keys() {
        assert!(
            words.contains(&format!("{}:", pointer(&key.path))),
            "{} is taken with a wrong type:\n{words}",
            key.path
        );
    }
}

#[test]
fn wrong_values_are_told_with_what_may_be() {
    let cases: &[(&str, Value, &str)] = &[
        ("replicaCount", json!(0), "minimum"),
        ("replicaCount", json!("two"), "got string, want integer"),
        ("image.pullPolicy", json!("Sometimes"), "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("image.digest", json!("latest"), "does not match pattern"),
        ("image.repository", json!("Upper/Case"), "does not match pattern"),
        ("uninstall.sessions", json!("Delete"), "value must be one of 'Refuse', 'Stop', 'Leave'"),
        ("uninstall.timeout", json!("5 minutes"), "does not match pattern"),
        ("uninstall.timeout", json!("0s"), "does not match pattern"),
        ("uninstall.logLevel", json!("a lot"), "does not match pattern"),
        ("operator.logFormat", json!("xml"), "value must be one of 'json', 'text'"),
        ("operator.orphanAfter", json!(24), "got number, want string"),
        ("operator.maxConcurrentReconciles", json!(5000), "maximum"),
        ("agora.region", json!("mars-1"), "'cn-east-1', 'cn-north-1'"),
        ("agora.endpoints", json!("http://a"), "want array"),
        ("agora.endpoints", json!(["example.com"]), "does not match pattern"),
        ("storage.endpoint", json!("s3.local:9000"), "does not match pattern"),
        ("watchNamespaces", json!(["Team_A"]), "does not match pattern"),
        ("metrics.port", json!(80), "minimum"),
        ("bindAddress", json!("127.0.0.1"), "value must be one of '0.0.0.0', '::'"),
        ("extraArgs", json!(["run"]), "does not match pattern"),
        (
            "extraEnv",
            json!([{"name": "A", "secretKeyRef": {}}]),
            "additional properties 'secretKeyRef' not allowed",
        ),
        ("fullnameOverride", json!("a".repeat(51)), "does not match pattern"),
        ("podDisruptionBudget.minAvailable", json!("many"), "does not match pattern"),
        ("commonLabels", json!({"a": 1}), "got number, want string"),
    ];
    for (path, value, expected) in cases {
        let words = refusal(&with(&json!({}), path, value));
        let found = words
            .lines()
            .any(|line| line.contains(&pointer(path)[..pointer(path).len() - 1]) && line.contains(expected));
        assert!(found, "{path}={value} shall say {expected:?}, but says:\n{words}");
    }
}

#[test]
fn values_that_contradict_each_other_are_told_with_the_way_out() {
    let cases = [
        (
            json!({"serviceAccount": {"create": false}}),
            "would grant the operator's rights to the account default, and so to every pod of agora",
        ),
        (json!({"replicaCount": 2}), "Set leaderElection.enabled=true or replicaCount=1"),
        (
            json!({"caBundle": {"configMap": "a", "secret": "b"}}),
            "caBundle.configMap and caBundle.secret are both set",
        ),
        (
            json!({"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}),
            "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set",
        ),
        (
            json!({"metrics": {"podMonitor": {"enabled": true}, "serviceMonitor": {"enabled": true}}}),
            "every pod would be scraped twice",
        ),
        (
            json!({"metrics": {"service": {"enabled": false}, "serviceMonitor": {"enabled": true}}}),
            "there is no Service to scrape",
        ),
        (json!({"metrics": {"enabled": false, "podMonitor": {"enabled": true}}}), "nothing could be scraped"),
        (json!({"metrics": {"port": 8081}}), "are the same (8081, 8081): each is served apart"),
        (
            json!({"notifications": {"enabled": true, "port": 8080}}),
            "two of metrics.port, health.port and notifications.port are the same (8080, 8081, 8080)",
        ),
        (
            json!({"notifications": {"ingress": {"enabled": true, "host": "a.example.com"}}}),
            "notifications.enabled is false: the Ingress would lead nowhere",
        ),
        (
            json!({"notifications": {"enabled": true, "ingress": {"enabled": true}}}),
            "notifications.ingress.host is empty",
        ),
        (json!({"extraEnv": [{"name": "POD_NAME", "value": "x"}]}), "extraEnv has POD_NAME"),
        (
            json!({"proxy": {"https": "http://p:1"}, "extraEnv": [{"name": "HTTPS_PROXY", "value": "x"}]}),
            "extraEnv has HTTPS_PROXY",
        ),
        (
            json!({"metrics": {"prometheusRule": {"enabled": true, "disabledAlerts": ["AgoraSnapshotNothing"]}}}),
            "AgoraSnapshotNothing, which is no alert of this chart; there are: AgoraSnapshot",
        ),
    ];
    for (values, expected) in cases {
        let words = refusal(&values);
        assert!(words.contains(expected), "{values} shall say {expected:?}, but says:\n{words}");
    }
}

#[test]
fn a_password_in_a_url_is_refused_without_repeating_it() {
    for path in ["proxy.http", "proxy.https", "storage.endpoint", "agora.endpoints"] {
        let url = json!("https://user:canary@example.com");
        let value = if path == "agora.endpoints" { json!([url]) } else { url };
        let words = refusal(&with(&json!({}), path, &value));
        assert!(words.contains(path) && words.contains("has a user or password"), "{words}");
        assert!(!words.contains("canary"), "{path}: {words}");
    }
}
