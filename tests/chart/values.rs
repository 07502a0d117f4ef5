//! values.yaml: what is a value, what its comment says, and that file, comments and schema name the same ones.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::helm::file;

/// A key of values.yaml that has a comment.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) path: String,
    pub(crate) comment: String,
    pub(crate) default: Value,
}

/// The defaults.
pub(crate) fn defaults() -> Value {
    serde_saphyr::from_str(&file("values.yaml")).expect("YAML")
}

/// Where a dotted path leads in values or in JSON.
pub(crate) fn at<'value>(value: &'value Value, path: &str) -> Option<&'value Value> {
    path.split('.').try_fold(value, |value, key| value.get(key))
}

/// Every key with a comment, in the file's order. A comment begins with two dashes and goes on to the key.
pub(crate) fn keys() -> Vec<Key> {
    let text = file("values.yaml");
    let defaults = defaults();
    let mut keys = vec![];
    let mut parents: Vec<&str> = vec![];
    let mut comment: Option<String> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let depth = (line.len() - bare.len()) / 2;
        if let Some(begun) = bare.strip_prefix("# -- ") {
            comment = Some(begun.to_owned());
        } else if let Some(more) = bare.strip_prefix("# ") {
            if let Some(comment) = &mut comment {
                comment.push(' ');
                comment.push_str(more);
            }
        } else if let Some((name, _)) = bare.split_once(':') {
            parents.truncate(depth);
            parents.push(name);
            if let Some(comment) = comment.take() {
                let path = parents.join(".");
                let default = at(&defaults, &path).expect("a key of the file").clone();
                keys.push(Key { path, comment, default });
            }
        } else {
            assert!(comment.is_none(), "a comment without key before {line:?}");
        }
    }
    keys
}

/// Paths of all values that are no map with further keys.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|map| !map.is_empty()) {
        None => drop(found.insert(path.to_owned())),
        Some(map) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, found);
            }
        }
    }
}

/// What `$ref` leads to, and what stands beside it.
pub(crate) fn resolved(schema: &Value, root: &Value) -> Value {
    let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) else {
        return schema.clone();
    };
    let mut resolved = root["$defs"][name].clone();
    let own = schema.as_object().expect("a schema").iter().filter(|(key, _)| *key != "$ref");
    for (key, value) in own {
        resolved[key] = value.clone();
    }
    resolved
}

/// The schema.
pub(crate) fn schema() -> Value {
    serde_json::from_str(&file("values.schema.json")).expect("JSON")
}

/// Every property of the schema by its path, resolved. Items of lists have `[]` in theirs.
pub(crate) fn properties() -> BTreeMap<String, Value> {
    fn walk(schema: &Value, path: &str, root: &Value, found: &mut BTreeMap<String, Value>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let property = resolved(property, root);
            walk(&property, &path, root, found);
            if let Some(items) = property.get("items") {
                let items = resolved(items, root);
                walk(&items, &format!("{path}[]"), root, found);
            }
            found.insert(path, property);
        }
    }
    let root = schema();
    let mut found = BTreeMap::new();
    walk(&root, "", &root, &mut found);
    found
}

#[test]
fn every_value_has_a_comment_and_every_comment_a_value() {
    let documented: BTreeSet<_> = keys().into_iter().map(|key| key.path).collect();
    assert!(documented.len() > 80, "only {} keys were found", documented.len());
    let mut found = BTreeSet::new();
    leaves(&defaults(), "", &mut found);
    for leaf in &found {
        let told = documented.iter().any(|path| leaf == path || leaf.starts_with(&format!("{path}.")));
        assert!(told, "{leaf} has no comment that begins with `# -- `");
    }
    for key in keys() {
        assert!(key.comment.ends_with(['.', '?']), "{}: {}", key.path, key.comment);
    }
}

#[test]
fn file_and_schema_name_the_same_values() {
    let properties = properties();
    for key in keys() {
        assert!(properties.contains_key(&key.path), "values.schema.json has no {}", key.path);
    }
    for path in properties.keys().filter(|path| !path.contains("[]")) {
        // Helm's own, and what a user adds to a free map.
        if path != "global" && path != "resources.claims" {
            assert!(at(&defaults(), path).is_some(), "values.yaml has no {path}");
        }
    }
}

#[test]
fn every_property_is_described_and_every_map_is_closed_or_free_on_purpose() {
    let free = ["global", "affinity", "podSecurityContext", "securityContext", "extraEnv[].valueFrom"];
    for (path, property) in properties() {
        assert!(
            property["description"].as_str().is_some_and(|text| text.len() > 4),
            "{path} has no description"
        );
        if property["type"] == "object" && !free.contains(&path.as_str()) {
            let closed = property["additionalProperties"] == false;
            let typed = property["additionalProperties"]["type"].is_string()
                || property["additionalProperties"]["type"].is_array();
            assert!(closed || typed, "{path} takes anything");
        }
    }
    assert_eq!(schema()["additionalProperties"], false);
}
