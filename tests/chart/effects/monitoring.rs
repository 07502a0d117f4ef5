//! Values about metrics and who reads them.

use serde_json::{Value, json};

use super::Check::{Argument, Field, Gone, Pod, There};
use super::{Row, named, row};
use crate::helm::file;

/// Name of an alert of the chart, by its place.
fn alert(place: usize) -> Value {
    let alerts: Value = serde_saphyr::from_str(&file("files/alerts.yaml")).expect("YAML");
    alerts["groups"][0]["rules"][place]["alert"].clone()
}

pub(super) fn monitoring() -> Vec<Row> {
    let on = |what: &str| json!({"metrics": {what: {"enabled": true}}});
    let relabelings = || json!([{"action": "labeldrop", "regex": "x"}]);
    let rule = |pointer, value| [Field("PrometheusRule", named(""), pointer, value)];
    let mut rows = vec![
        row(
            "metrics.enabled",
            json!(false),
            [Argument("--metrics-bind-address=127.0.0.1:8080"), Gone("Service", named("-metrics"))],
        ),
        row(
            "metrics.port",
            json!(9000),
            [
                Argument("--metrics-bind-address=0.0.0.0:9000"),
                Pod("/spec/containers/0/ports/0/containerPort", json!(9000)),
            ],
        ),
        row("metrics.lastFileAge", json!(false), [Argument("--last-file-age-metric=false")]),
        row("metrics.service.enabled", json!(false), [Gone("Service", named("-metrics"))]),
        row(
            "metrics.service.port",
            json!(80),
            [Field("Service", named("-metrics"), "/spec/ports/0/port", json!(80))],
        ),
        row(
            "metrics.service.labels",
            json!({"a": "b"}),
            [Field("Service", named("-metrics"), "/metadata/labels/a", json!("b"))],
        ),
        row(
            "metrics.service.annotations",
            json!({"a": "b"}),
            [Field("Service", named("-metrics"), "/metadata/annotations/a", json!("b"))],
        ),
        row("metrics.prometheusRule.enabled", json!(true), [There("PrometheusRule", named(""))]),
        row("metrics.prometheusRule.labels", json!({"a": "b"}), rule("/metadata/labels/a", json!("b")))
            .with(on("prometheusRule")),
        row(
            "metrics.prometheusRule.alertLabels",
            json!({"team": "video"}),
            rule("/spec/groups/0/rules/0/labels/team", json!("video")),
        )
        .with(on("prometheusRule")),
        row(
            "metrics.prometheusRule.disabledAlerts",
            json!([alert(0)]),
            rule("/spec/groups/0/rules/0/alert", alert(1)),
        )
        .with(on("prometheusRule")),
        row("metrics.dashboard.enabled", json!(true), [There("ConfigMap", named("-dashboard"))]),
        row(
            "metrics.dashboard.labels",
            json!({"a": "b"}),
            [Field("ConfigMap", named("-dashboard"), "/metadata/labels/a", json!("b"))],
        )
        .with(on("dashboard")),
        row(
            "metrics.dashboard.annotations",
            json!({"grafana_folder": "Video"}),
            [Field("ConfigMap", named("-dashboard"), "/metadata/annotations/grafana_folder", json!("Video"))],
        )
        .with(on("dashboard")),
    ];
    let monitors: [(&str, &str, [&str; 6]); 2] = [
        (
            "PodMonitor",
            "podMonitor",
            [
                "metrics.podMonitor.enabled",
                "metrics.podMonitor.labels",
                "metrics.podMonitor.interval",
                "metrics.podMonitor.scrapeTimeout",
                "metrics.podMonitor.relabelings",
                "metrics.podMonitor.metricRelabelings",
            ],
        ),
        (
            "ServiceMonitor",
            "serviceMonitor",
            [
                "metrics.serviceMonitor.enabled",
                "metrics.serviceMonitor.labels",
                "metrics.serviceMonitor.interval",
                "metrics.serviceMonitor.scrapeTimeout",
                "metrics.serviceMonitor.relabelings",
                "metrics.serviceMonitor.metricRelabelings",
            ],
        ),
    ];
    for (kind, value, [enabled, labels, interval, timeout, relabel, metric_relabel]) in monitors {
        let [at_interval, at_timeout, at_relabel, at_metric_relabel] = if kind == "PodMonitor" {
            [
                "/spec/podMetricsEndpoints/0/interval",
                "/spec/podMetricsEndpoints/0/scrapeTimeout",
                "/spec/podMetricsEndpoints/0/relabelings",
                "/spec/podMetricsEndpoints/0/metricRelabelings",
            ]
        } else {
            [
                "/spec/endpoints/0/interval",
                "/spec/endpoints/0/scrapeTimeout",
                "/spec/endpoints/0/relabelings",
                "/spec/endpoints/0/metricRelabelings",
            ]
        };
        let field = |pointer, value| [Field(kind, named(""), pointer, value)];
        rows.extend([
            row(enabled, json!(true), [There(kind, named(""))]),
            row(labels, json!({"a": "b"}), field("/metadata/labels/a", json!("b"))).with(on(value)),
            row(interval, json!("10s"), field(at_interval, json!("10s"))).with(on(value)),
            row(timeout, json!("5s"), field(at_timeout, json!("5s"))).with(on(value)),
            row(relabel, relabelings(), field(at_relabel, relabelings())).with(on(value)),
            row(metric_relabel, relabelings(), field(at_metric_relabel, relabelings())).with(on(value)),
        ]);
    }
    rows
}
