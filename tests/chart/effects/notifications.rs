//! Values about the receiver of notifications.

use serde_json::{Value, json};

use super::Check::{Argument, Field, There};
use super::{Row, named, row};

pub(super) fn notifications() -> Vec<Row> {
    let on = || json!({"notifications": {"enabled": true}});
    let service = |pointer, value| Field("Service", named("-ncs"), pointer, value);
    let ingress = |pointer, value| Field("Ingress", named("-ncs"), pointer, value);
    let with_ingress =
        || json!({"notifications": {"enabled": true, "ingress": {"enabled": true, "host": "a.example.com"}}});
    let rows: Vec<(&'static str, Value, &'static str)> = vec![
        ("labels", json!({"a": "b"}), "/metadata/labels/a"),
        ("annotations", json!({"a": "b"}), "/metadata/annotations/a"),
    ];
    let mut all = vec![
        row("notifications.enabled", json!(true), [There("Service", named("-ncs"))]),
        row("notifications.port", json!(9000), [Argument("--notifications-bind-address=0.0.0.0:9000")])
            .with(on()),
        row("notifications.service.type", json!("NodePort"), [service("/spec/type", json!("NodePort"))])
            .with(on()),
        row("notifications.service.port", json!(8080), [service("/spec/ports/0/port", json!(8080))])
            .with(on()),
        row("notifications.ingress.enabled", json!(true), [There("Ingress", named("-ncs"))])
            .with(json!({"notifications": {"enabled": true, "ingress": {"host": "a.example.com"}}})),
        row(
            "notifications.ingress.className",
            json!("nginx"),
            [ingress("/spec/ingressClassName", json!("nginx"))],
        )
        .with(with_ingress()),
        row(
            "notifications.ingress.host",
            json!("b.example.com"),
            [
                ingress("/spec/rules/0/host", json!("b.example.com")),
                ingress("/spec/tls/0/hosts", json!(["b.example.com"])),
            ],
        )
        .with(with_ingress()),
        row(
            "notifications.ingress.tlsSecretName",
            json!("tls"),
            [ingress("/spec/tls/0/secretName", json!("tls"))],
        )
        .with(with_ingress()),
    ];
    for (key, value, pointer) in rows {
        let [of_service, of_ingress] = match key {
            "labels" => ["notifications.service.labels", "notifications.ingress.labels"],
            _ => ["notifications.service.annotations", "notifications.ingress.annotations"],
        };
        all.push(row(of_service, value.clone(), [service(pointer, json!("b"))]).with(on()));
        all.push(row(of_ingress, value, [ingress(pointer, json!("b"))]).with(with_ingress()));
    }
    all
}
