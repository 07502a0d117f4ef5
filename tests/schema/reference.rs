//! docs/resource.md names every field, with the default that the schema has.

use std::collections::BTreeMap;

use agora_snapshot_operator::api::{ConditionType, FINALIZER, RESTART_ANNOTATION};
use serde_json::Value;

use crate::generated::{for_each_field, repository, schema_of};

fn reference() -> String {
    std::fs::read_to_string(repository().join("docs/resource.md")).expect("docs/resource.md")
}

/// Text between the heading `name` and the next one.
fn section<'text>(reference: &'text str, name: &str) -> &'text str {
    let (_, rest) = reference.split_once(&format!("\n## {name}\n")).expect(name);
    rest.split("\n## ").next().expect("split has a first")
}

/// The rows of the spec's table: for each field, the column with its default.
fn defaults() -> BTreeMap<String, String> {
    let reference = reference();
    let mut rows = BTreeMap::new();
    for line in section(&reference, "Spec").lines().filter(|line| line.starts_with("| `")) {
        let mut columns = line.trim_matches('|').split(" | ").map(str::trim);
        let field = columns.next().expect("a field").trim_matches('`');
        let default = columns.next().expect("a default").to_owned();
        // One row for both halves of a reference: tokenSecretKeyRef.{name,key}.
        match field.strip_suffix(".{name,key}") {
            Some(parent) => {
                rows.extend(["name", "key"].map(|key| (format!("{parent}.{key}"), default.clone())))
            }
            None => drop(rows.insert(field.to_owned(), default)),
        }
    }
    rows
}

#[test]
fn every_field_of_the_spec_has_a_row_with_its_default() {
    let mut rows = defaults();
    for_each_field(&schema_of("spec"), "", &mut |path, field| {
        let is_group = field["type"] == "object" || field["items"]["type"] == "object";
        if is_group {
            return;
        }
        let row = rows.remove(path).unwrap_or_else(|| panic!("docs/resource.md has no row for {path}"));
        match &field["default"] {
            // Words, not a value: what absence means.
            Value::Null => assert!(!(row.starts_with('`') && row.ends_with('`')), "{path}: {row}"),
            Value::String(word) => assert_eq!(row, format!("`{word}`"), "{path}"),
            other => assert_eq!(row, format!("`{other}`"), "{path}"),
        }
    });
    assert!(rows.is_empty(), "docs/resource.md has rows for what is no field: {:?}", rows.keys());
}

#[test]
fn required_fields_are_called_required() {
    let rows = defaults();
    for (parent, path) in [("", ""), ("channel", "channel."), ("storage", "storage.")] {
        let spec = schema_of("spec");
        let schema = if parent.is_empty() { &spec } else { &spec["properties"][parent] };
        let required: Vec<&str> =
            schema["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for (name, field) in schema["properties"].as_object().expect("fields") {
            let row = match field["type"].as_str() {
                Some("object") => rows.get(&format!("{path}{name}.name")),
                _ => rows.get(&format!("{path}{name}")),
            };
            if let Some(row) = row {
                assert_eq!(row == "required", required.contains(&name.as_str()), "{path}{name}: {row}");
            }
        }
    }
}

#[test]
fn every_field_of_the_status_is_named() {
    let reference = reference();
    let status = section(&reference, "Status");
    for_each_field(&schema_of("status"), "", &mut |path, field| {
        // The fields of a condition are those of every Kubernetes condition.
        if path.starts_with("conditions[]") || field["type"] == "object" {
            return;
        }
        let named = match path.split_once("[].") {
            Some((list, item)) => status.lines().any(|line| {
                line.starts_with(&format!("| `{list}[]`")) && line.contains(&format!("`{item}`"))
            }),
            None => status.contains(&format!("`{path}`")) || status.contains(&format!("`{path}[]`")),
        };
        assert!(named, "docs/resource.md does not name status.{path}");
    });
}

#[test]
fn every_condition_and_every_word_of_ours_is_named() {
    let reference = reference();
    for condition in [
        ConditionType::Ready,
        ConditionType::Reconciling,
        ConditionType::Stalled,
        ConditionType::Succeeded,
        ConditionType::SnapshotsArriving,
        ConditionType::ControlReachable,
        ConditionType::StorageWritable,
    ] {
        assert!(reference.contains(&format!("| `{}` |", condition.as_str())), "{condition:?}");
    }
    for word in [RESTART_ANNOTATION, FINALIZER] {
        assert!(reference.contains(&format!("`{word}`")), "{word}");
    }
}
