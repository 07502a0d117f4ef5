//! An upgrade takes nothing away: every object that a released CRD accepted is accepted, and kept whole, by the one of
//! today. `released/` has a copy of the CRD of each release; a release adds its own.

use std::collections::BTreeSet;

use agora_snapshot_operator::api;
use serde_json::{Value, json};

use crate::generated::repository;

/// The versions of `released` by name.
fn released() -> Vec<(String, Value)> {
    let folder = repository().join("tests/schema/released");
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of released CRDs")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            (path.display().to_string(), serde_saphyr::from_str(&text).expect("YAML"))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn today() -> Value {
    serde_json::to_value(api::crd()).expect("a CRD is JSON")
}

/// What `new` refuses, drops or changes of what `old` took, one line each.
fn losses(old: &Value, new: &Value) -> Vec<String> {
    let mut losses = vec![];
    for field in ["group", "scope"] {
        if old["spec"][field] != new["spec"][field] {
            losses.push(format!("spec.{field} changed"));
        }
    }
    for field in ["kind", "plural", "singular"] {
        if old["spec"]["names"][field] != new["spec"]["names"][field] {
            losses.push(format!("spec.names.{field} changed"));
        }
    }
    for old in list(&old["spec"]["versions"]) {
        let name = &old["name"];
        let Some(new) = list(&new["spec"]["versions"]).iter().find(|new| new["name"] == *name) else {
            losses.push(format!("version {name} is gone"));
            continue;
        };
        if old["served"] == true && new["served"] != true {
            losses.push(format!("version {name} is no longer served"));
        }
        if old["subresources"] != new["subresources"] {
            losses.push(format!("version {name}: subresources changed"));
        }
        for column in list(&old["additionalPrinterColumns"]) {
            if !list(&new["additionalPrinterColumns"]).iter().any(|new| new["name"] == column["name"]) {
                losses.push(format!("version {name}: column {} is gone", column["name"]));
            }
        }
        let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
        narrowed(&schema(old), &schema(new), "", &mut losses);
    }
    losses
}

/// What `new` refuses of what `old` took, below `path`.
fn narrowed(old: &Value, new: &Value, path: &str, losses: &mut Vec<String>) {
    let mut here = vec![];
    let mut lose = |what: &str| here.push(format!("{}: {what}", if path.is_empty() { "." } else { path }));
    // What a value is, and what absence means.
    for same in
        ["type", "format", "pattern", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"]
    {
        let removed_pattern = same == "pattern" && new.get(same).is_none();
        if old.get(same) != new.get(same) && !removed_pattern {
            lose(&format!("{same} changed"));
        }
    }
    if old["nullable"] == true && new["nullable"] != true {
        lose("null is no longer taken");
    }
    const KEPT: &str = "x-kubernetes-preserve-unknown-fields";
    if old[KEPT] == true && new[KEPT] != true {
        lose("unknown fields are no longer kept");
    }
    for (limit, tighter) in [
        ("maximum", f64::lt as fn(&f64, &f64) -> bool),
        ("maxLength", f64::lt),
        ("maxItems", f64::lt),
        ("maxProperties", f64::lt),
        ("minimum", f64::gt),
        ("minLength", f64::gt),
        ("minItems", f64::gt),
    ] {
        if let Some(new) = new[limit].as_f64()
            && old[limit].as_f64().is_none_or(|old| tighter(&new, &old))
        {
            lose(&format!("{limit} is tighter"));
        }
    }
    let words = |schema: &Value| list(&schema["enum"]).iter().map(Value::to_string).collect::<BTreeSet<_>>();
    if new.get("enum").is_some() && (old.get("enum").is_none() || !words(old).is_subset(&words(new))) {
        lose("a value is no longer taken");
    }
    for required in list(&new["required"]) {
        if !list(&old["required"]).contains(required) {
            lose(&format!("{required} is required now"));
        }
    }
    // A message may be worded better; a rule may be dropped, not added.
    for rule in list(&new["x-kubernetes-validations"]) {
        if !list(&old["x-kubernetes-validations"]).iter().any(|old| old["rule"] == rule["rule"]) {
            lose(&format!("new rule {}", rule["rule"]));
        }
    }
    let fields = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    for name in fields(old).keys().filter(|name| !fields(new).contains_key(*name)) {
        lose(&format!("{name} is gone"));
    }
    losses.append(&mut here);
    for (name, new) in fields(new) {
        if let Some(old) = old["properties"].get(&name) {
            narrowed(old, &new, &format!("{path}.{name}"), losses);
        }
    }
    if let Some(items) = old.get("items") {
        narrowed(items, &new["items"], &format!("{path}[]"), losses);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn nothing_that_was_released_is_taken_away() {
    let released = released();
    assert!(!released.is_empty(), "there is no released CRD to compare with");
    for (file, old) in released {
        let losses = losses(&old, &today());
        assert!(losses.is_empty(), "users of {file} would lose:\n{}", losses.join("\n"));
    }
}

#[test]
fn a_loss_of_each_kind_is_seen() {
    const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let spec = |path: &str| format!("{SCHEMA}/properties/{path}");
    for (pointer, value, loss) in [
        ("/spec/group".to_owned(), json!("other.dev"), "spec.group changed"),
        ("/spec/names/plural".into(), json!("jobs"), "spec.names.plural changed"),
        ("/spec/versions/0/name".into(), json!("v1"), "version \"v1alpha1\" is gone"),
        ("/spec/versions/0/served".into(), json!(false), "no longer served"),
        ("/spec/versions/0/subresources".into(), json!({}), "subresources changed"),
        (
            "/spec/versions/0/additionalPrinterColumns/0/name".into(),
            json!("State"),
            "column \"Phase\" is gone",
        ),
        (spec("intervalSeconds/type"), json!("string"), ".spec.intervalSeconds: type changed"),
        (spec("intervalSeconds/default"), json!(5), ".spec.intervalSeconds: default changed"),
        (spec("intervalSeconds/maximum"), json!(60), ".spec.intervalSeconds: maximum is tighter"),
        (spec("intervalSeconds/minimum"), json!(5), ".spec.intervalSeconds: minimum is tighter"),
        (spec("channel/properties/name/maxLength"), json!(10), ".spec.channel.name: maxLength is tighter"),
        (
            spec("channel/properties/recorders/maxItems"),
            json!(1),
            ".spec.channel.recorders: maxItems is tighter",
        ),
        (
            spec("storage/properties/vendor/enum"),
            json!(["AmazonS3"]),
            ".spec.storage.vendor: a value is no longer",
        ),
        (spec("storage/required"), json!(["prefix"]), ".spec.storage: \"prefix\" is required now"),
        (
            format!("{SCHEMA}/x-kubernetes-validations"),
            json!([{"rule": "self.suspend", "message": "must be"}]),
            ".spec: new rule \"self.suspend\"",
        ),
        (
            "/spec/versions/0/schema/openAPIV3Schema/properties/status/x-kubernetes-preserve-unknown-fields"
                .into(),
            json!(false),
            ".status: unknown fields are no longer kept",
        ),
        (spec("channel/properties/encryption"), json!({}), ".spec.channel.encryption: type changed"),
    ] {
        let mut new = today();
        *new.pointer_mut(&pointer).unwrap_or_else(|| panic!("{pointer} is in the CRD")) = value;
        let losses = losses(&today(), &new);
        assert!(losses.iter().any(|found| found.contains(loss)), "{pointer}: {losses:?} lack {loss:?}");
    }
    let mut new = today();
    let fields =
        new.pointer_mut(&format!("{SCHEMA}/properties")).and_then(Value::as_object_mut).expect("fields");
    fields.remove("suspend");
    fields["intervalSeconds"]["pattern"] = json!("^x$");
    assert_eq!(losses(&today(), &new), [".spec: suspend is gone", ".spec.intervalSeconds: pattern changed"]);
}

#[test]
fn what_only_adds_is_no_loss() {
    let mut new = today();
    let spec = new.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec").expect("the spec");
    spec["properties"]["windows"] = json!({"type": "array", "items": {"type": "string"}, "maxItems": 4});
    spec["properties"]["intervalSeconds"]["maximum"] = json!(7200);
    spec["required"] = json!([]);
    spec.as_object_mut().expect("an object").remove("x-kubernetes-validations");
    assert_eq!(losses(&today(), &new), [] as [&str; 0]);
}
