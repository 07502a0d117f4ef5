//! `metadata`: what the API server sets, keeps, drops and refuses in it, for every resource alike.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::failures::Cause;

/// Fields of the metadata that are kept; managedFields are the only ones of the real server that are not.
const KNOWN: [&str; 13] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
];

/// As the API server writes times: whole seconds.
pub(super) fn time(now: Timestamp) -> Value {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// Reads a text of the metadata; missing is empty.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Whether the object is being deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The finalizers that still hold the object.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["finalizers"].as_array();
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The metadata, made an object if it is none.
pub(super) fn fields(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"].as_object_mut().expect("an object")
}

/// Drops what the metadata of Kubernetes does not have, and what is as good as absent.
pub(super) fn prepare(object: &mut Value) {
    let fields = fields(object);
    fields.retain(|name, value| KNOWN.contains(&name.as_str()) && !is_empty(value));
    for texts in ["labels", "annotations"] {
        if let Some(Value::Object(texts)) = fields.get_mut(texts) {
            // In a map of texts a null is an empty text.
            texts.values_mut().filter(|value| value.is_null()).for_each(|value| *value = "".into());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What only the API server says of a new object.
pub(super) fn fill(object: &mut Value, namespace: &str, uid: String, generation: bool, now: Timestamp) {
    let fields = fields(object);
    fields.remove("deletionTimestamp");
    fields.remove("deletionGracePeriodSeconds");
    fields.remove("generation");
    fields.insert("uid".into(), uid.into());
    fields.insert("creationTimestamp".into(), time(now));
    if generation {
        fields.insert("generation".into(), 1.into());
    }
    if !namespace.is_empty() {
        fields.insert("namespace".into(), namespace.into());
    }
}

/// What nobody can change: kept as it was, whatever is written.
pub(super) fn keep(new: &mut Value, old: &Value) {
    let fields = fields(new);
    let old = &old["metadata"];
    let deleting = !old["deletionTimestamp"].is_null();
    for field in ["generation", "creationTimestamp"] {
        set(fields, field, &old[field]);
    }
    if deleting {
        set(fields, "deletionTimestamp", &old["deletionTimestamp"]);
        if !fields.contains_key("deletionGracePeriodSeconds") {
            set(fields, "deletionGracePeriodSeconds", &old["deletionGracePeriodSeconds"]);
        }
    }
    if !fields.contains_key("uid") {
        set(fields, "uid", &old["uid"]);
    }
    if !fields.contains_key("namespace") {
        set(fields, "namespace", &old["namespace"]);
    }
}

fn set(fields: &mut Map<String, Value>, field: &str, value: &Value) {
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), value.clone());
    }
}

/// What is wrong with the metadata of an object, new or not.
pub(super) fn validate(object: &Value, causes: &mut Vec<Cause>) {
    let name = text(object, "name");
    if !is_subdomain(name) {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                   and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                   validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        causes.push(Cause::invalid("metadata.name", format!("{name:?}"), why));
    }
}

/// What an update may not change.
pub(super) fn validate_update(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (new_metadata, old_metadata) = (&new["metadata"], &old["metadata"]);
    for field in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if new_metadata[field] != old_metadata[field] {
            let cause =
                Cause::invalid(format!("metadata.{field}"), &new_metadata[field], "field is immutable");
            causes.push(cause);
        }
    }
    if is_deleting(old) {
        let before = finalizers(old);
        let mut added: Vec<&str> =
            finalizers(new).into_iter().filter(|finalizer| !before.contains(finalizer)).collect();
        added.sort_unstable();
        added.dedup();
        if !added.is_empty() {
            let list: Vec<String> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
            let words = format!(
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
                 []string{{{}}}",
                list.join(", ")
            );
            causes.push(Cause::new(super::failures::CauseKind::Forbidden, "metadata.finalizers", words));
        }
    }
}

fn is_subdomain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let bytes = label.as_bytes();
            bytes.first().is_some_and(|byte| plain(*byte))
                && bytes.last().is_some_and(|byte| plain(*byte))
                && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
        })
}
