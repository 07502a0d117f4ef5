//! How the Rust types become the schema that the API server enforces, for the spec and the status.
//!
//! The derived schemas say the rules; this file puts them in the form that Kubernetes wants (a structural schema),
//! and decides what an explicit null means and how strict the status may be.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::spec::{SnapshotJob, SnapshotJobSpec};
use super::status::SnapshotJobStatus;

impl JsonSchema for SnapshotJob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SnapshotJob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let spec = structural::<SnapshotJobSpec>();
        let mut status = structural::<SnapshotJobStatus>();
        Lenient.transform(&mut status);
        // kstatus takes an object without conditions for Current. A generation of -1 says InProgress from the first
        // moment, even while no operator runs. The default has to stand here: a nested one is not applied while
        // status is absent.
        status.insert("default".into(), json!({ "observedGeneration": -1 }));
        json_schema!({
            "description": spec.get("description"),
            "type": "object",
            "required": ["spec"],
            "properties": { "spec": spec, "status": status },
        })
    }
}

/// Schema of one type: all in one piece, absent instead of null, enums as plain lists.
fn structural<T: JsonSchema>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(AbsentNotNull)
        .with_transform(PlainEnum)
        .into_generator()
        .into_root_schema_for::<T>();
    schema.remove("title");
    schema
}

/// Makes `Option<T>` a `T` that may be absent. As no field is nullable, the API server drops an explicit null before
/// it validates and applies defaults, so null and absent are the same everywhere.
#[derive(Clone)]
struct AbsentNotNull;

impl Transform for AbsentNotNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Object(inner)) = inner_of_option(object) {
                object.remove("anyOf");
                for (key, value) in inner {
                    // The field's own words are closer to its use than those of its type.
                    object.entry(key).or_insert(value);
                }
            }
        }
        transform_subschemas(self, schema);
    }
}

/// The `T` of an `anyOf: [T, null]`.
fn inner_of_option(object: &Map<String, Value>) -> Option<Value> {
    match object.get("anyOf")?.as_array()?.as_slice() {
        [inner, null] if null == &json!({ "type": "null" }) => Some(inner.clone()),
        _ => None,
    }
}

/// Makes an enum of words one `enum` list, and appends what each word means to the description.
#[derive(Clone)]
struct PlainEnum;

impl Transform for PlainEnum {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        let Some(words) = object.get("oneOf").and_then(words_of) else { return };
        object.remove("oneOf");
        object.insert("type".into(), "string".into());
        object.insert("enum".into(), words.iter().map(|(word, _)| Value::from(word.as_str())).collect());
        let meanings: Vec<String> = words
            .iter()
            .map(|(word, meaning)| match meaning {
                Some(meaning) => format!("{word}: {meaning}"),
                None => format!("{word}."),
            })
            .collect();
        append_description(object, &meanings.join("\n"));
    }
}

/// The words of a `oneOf` whose every branch is one constant string, with their descriptions.
fn words_of(one_of: &Value) -> Option<Vec<(String, Option<String>)>> {
    let text = |branch: &Value, key: &str| branch.get(key).and_then(Value::as_str).map(str::to_owned);
    one_of
        .as_array()?
        .iter()
        .map(|branch| Some((text(branch, "const")?, text(branch, "description"))))
        .collect()
}

/// Takes out of the status what could make the API server refuse a write: an operator that is newer than the
/// installed CRD may have a new word for a phase, and the write that brings it may bring a sid that cannot be had
/// again. Defaults go as well, for the operator alone says what the status holds.
#[derive(Clone)]
struct Lenient;

impl Transform for Lenient {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("enum");
        schema.remove("default");
        transform_subschemas(self, schema);
    }
}

fn append_description(object: &mut Map<String, Value>, more: &str) {
    let description = match object.get("description").and_then(Value::as_str) {
        Some(description) => format!("{description}\n{more}"),
        None => more.to_owned(),
    };
    object.insert("description".into(), description.into());
}
