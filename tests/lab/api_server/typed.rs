//! The few objects of Kubernetes' own that are used beside SnapshotJobs: which fields they have, and their defaults.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::metadata;
use super::resources::Resource;

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
        Resource::Events => keep(object, &EVENT),
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

fn keep(object: &mut Value, known: &[&str]) {
    let fields = object.as_object_mut().expect("an object");
    fields.retain(|name, value| {
        ["apiVersion", "kind", "metadata"].contains(&name.as_str())
            || (known.contains(&name.as_str()) && !value.is_null())
    });
}
