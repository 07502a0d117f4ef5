//! Values about what limits pods from outside: network and disruption.

use serde_json::{Value, json};

use super::Check::{Field, Gone, There};
use super::{Row, named, row};

pub(super) fn policies() -> Vec<Row> {
    let on = || json!({"networkPolicy": {"enabled": true}});
    let policy = |pointer, value| Field("NetworkPolicy", named(""), pointer, value);
    let budget = |pointer, value| Field("PodDisruptionBudget", named(""), pointer, value);
    let two = || json!({"replicaCount": 2, "leaderElection": {"enabled": true}});
    let two_with = |key: &str, value: Value| {
        let mut values = two();
        values["podDisruptionBudget"] = json!({key: value});
        values
    };
    vec![
        row("networkPolicy.enabled", json!(true), [There("NetworkPolicy", named(""))]),
        row(
            "networkPolicy.metricsFrom",
            json!([{"podSelector": {}}]),
            [policy("/spec/ingress/0/from", json!([{"podSelector": {}}]))],
        )
        .with(on()),
        row(
            "networkPolicy.apiServerPorts",
            json!([8443]),
            [policy("/spec/egress/1/ports", json!([{"port": 8443, "protocol": "TCP"}]))],
        )
        .with(on()),
        row(
            "networkPolicy.extraEgress",
            json!([{"ports": [{"port": 9000}]}]),
            [policy("/spec/egress/3", json!({"ports": [{"port": 9000}]}))],
        )
        .with(on()),
        row("podDisruptionBudget.enabled", json!(false), [Gone("PodDisruptionBudget", named(""))])
            .with(two()),
        row("podDisruptionBudget.minAvailable", json!("60%"), [budget("/spec/minAvailable", json!("60%"))])
            .with(two()),
        row("podDisruptionBudget.maxUnavailable", json!(0), [budget("/spec/maxUnavailable", json!(0))])
            .with(two_with("enabled", json!(true))),
    ]
}
