//! The few objects of Kubernetes' own that are used beside SnapshotJobs: which fields they have, and their defaults.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::failures::{Cause, CauseKind};
use super::metadata;
use super::resources::Resource;

/// Longest note of an event, in bytes.
const MOST_NOTE: usize = 1024;

const EVENT: [&str; 14] = [
    "eventTime",
    "series",
    "reportingController",
    "reportingInstance",
    "action",
    "reason",
    "regarding",
    "related",
    "note",
    "type",
    "deprecatedSource",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
];

/// Drops fields that the type does not have, and fills in its defaults.
pub(super) fn prepare(resource: Resource, object: &mut Value) {
    match resource {
        Resource::SnapshotJobs => {}
        Resource::Namespaces => {
            keep(object, &["spec", "status"]);
            let name = metadata::text(object, "name").to_owned();
            if !object["spec"]["finalizers"].is_array() {
                object["spec"] = json!({"finalizers": ["kubernetes"]});
            }
            if !object["status"]["phase"].is_string() {
                object["status"] = json!({"phase": "Active"});
            }
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
        }
        Resource::Secrets => prepare_secret(object),
        Resource::Events => prepare_event(object),
        Resource::Leases => {
            keep(object, &["spec"]);
            if !object["spec"].is_object() {
                object["spec"] = json!({});
            }
        }
    }
}

fn prepare_secret(object: &mut Value) {
    keep(object, &["data", "immutable", "stringData", "type"]);
    let fields = object.as_object_mut().expect("an object");
    if let Some(Value::Object(plain)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        for (key, value) in plain {
            data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    fields.entry("type").or_insert_with(|| "Opaque".into());
}

/// Of the fields that older events had, some are always shown.
fn prepare_event(object: &mut Value) {
    keep(object, &EVENT);
    for (field, default) in [
        ("deprecatedSource", json!({})),
        ("deprecatedFirstTimestamp", Value::Null),
        ("deprecatedLastTimestamp", Value::Null),
    ] {
        if object[field].is_null() {
            object[field] = default;
        }
    }
}

/// What is wrong with an object of these types, new or changed.
pub(super) fn validate(resource: Resource, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    match resource {
        Resource::SnapshotJobs | Resource::Namespaces | Resource::Leases => {}
        Resource::Secrets => {
            if before.is_some_and(|before| before["type"] != object["type"]) {
                causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
            }
        }
        Resource::Events => match before {
            None => validate_event(object, causes),
            Some(before) => {
                let but_series = |event: &Value| {
                    let mut event = event.clone();
                    for field in ["series", "metadata"] {
                        event.as_object_mut().expect("an object").remove(field);
                    }
                    event
                };
                assert_eq!(
                    but_series(object),
                    but_series(before),
                    "the model of the API server lets nothing of an event change but its series"
                );
            }
        },
    }
}

fn validate_event(event: &Value, causes: &mut Vec<Cause>) {
    assert!(event["eventTime"].is_string(), "the model of the API server knows new events alone: {event}");
    for field in ["reportingController", "reportingInstance", "action", "reason"] {
        if event[field].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::new(CauseKind::Required, field, "Required value"));
        }
    }
    if event["note"].as_str().unwrap_or_default().len() > MOST_NOTE {
        let why = format!("can have at most {MOST_NOTE} characters");
        causes.push(Cause::invalid("message", "\"\"", &why));
    }
}

fn keep(object: &mut Value, known: &[&str]) {
    let fields = object.as_object_mut().expect("an object");
    fields.retain(|name, value| {
        ["apiVersion", "kind", "metadata"].contains(&name.as_str())
            || (known.contains(&name.as_str()) && !value.is_null())
    });
}
