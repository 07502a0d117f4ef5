//! The generated file is the generated schema, it is small enough, and no part of it is without a bound or a word.

use std::path::{Path, PathBuf};

use agora_snapshot_operator::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// `kubectl apply` keeps a copy of the object in an annotation, and annotations hold 256 KiB.
const MAX_BYTES: usize = 256 * 1024;

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn crd_file() -> PathBuf {
    repository().join("crds/agora-snapshot.dev_snapshotjobs.yaml")
}

/// The schema of `spec` or `status`.
pub(crate) fn schema_of(part: &str) -> Value {
    let crd = serde_json::to_value(api::crd()).expect("a CRD is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part].clone()
}

/// Calls `visit` with the path (`channel.recorders[].uid`) and the schema of every field below `schema`.
pub(crate) fn for_each_field(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    if let Some(items) = schema.get("items") {
        for_each_field(items, &format!("{path}[]"), visit);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        visit(&path, field);
        for_each_field(field, &path, visit);
    }
}

#[test]
fn the_file_is_what_the_types_say() {
    let wanted = api::crd_yaml();
    if std::env::var_os("UPDATE_CRD").is_some() {
        std::fs::write(crd_file(), &wanted).expect("crds/ can be written");
    }
    let found = std::fs::read_to_string(crd_file()).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not what src/api says. Regenerate it with: UPDATE_CRD=1 cargo test --test schema generated",
        crd_file().display()
    );
}

#[test]
fn the_file_is_read_back_as_the_same_crd() {
    let read: CustomResourceDefinition = serde_saphyr::from_str(&api::crd_yaml()).expect("YAML");
    assert_eq!(read, api::crd());
}

#[test]
fn the_crd_is_far_below_what_an_annotation_holds() {
    let bytes = serde_json::to_vec(&api::crd()).expect("a CRD is JSON").len();
    println!("the CRD has {bytes} bytes of at most {MAX_BYTES}");
    assert!(bytes * 4 < MAX_BYTES, "the CRD has {bytes} bytes, more than a quarter of {MAX_BYTES}");
}

#[test]
fn every_field_has_a_description() {
    for part in ["spec", "status"] {
        for_each_field(&schema_of(part), part, &mut |path, field| {
            assert!(
                field["description"].as_str().is_some_and(|text| text.len() > 4),
                "{path} has no description"
            );
        });
    }
}

#[test]
fn every_string_list_and_number_of_the_spec_is_bounded() {
    let mut seen = 0;
    let mut check = |path: &str, field: &Value| {
        seen += 1;
        let has = |key: &str| !field[key].is_null();
        let bounded = match field["type"].as_str() {
            Some("string") => has("enum") || has("maxLength"),
            Some("array") => has("maxItems") && has("x-kubernetes-list-type"),
            Some("integer") => has("minimum") && has("maximum") && has("format"),
            Some("object" | "boolean") => true,
            other => panic!("{path} has type {other:?}"),
        };
        assert!(bounded, "{path} has no bound: {field}");
        if let Some(items) = field.get("items").filter(|items| items["type"] == "integer") {
            assert!(
                !items["minimum"].is_null() && !items["maximum"].is_null(),
                "{path}[] has no bound: {items}"
            );
        }
        assert!(field["nullable"].is_null(), "{path} can be null");
        assert!(
            !path.contains("[]") || field["default"].is_null(),
            "{path} is inside a list and has a default"
        );
    };
    for_each_field(&schema_of("spec"), "spec", &mut check);
    assert!(seen > 40, "only {seen} fields were found");
}

#[test]
fn every_rule_says_what_must_be() {
    let mut seen = 0;
    let mut check = |path: &str, field: &Value| {
        for rule in field["x-kubernetes-validations"].as_array().into_iter().flatten() {
            seen += 1;
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(message.contains(" must "), "{path}: {rule}");
        }
    };
    check("spec", &schema_of("spec"));
    for_each_field(&schema_of("spec"), "spec", &mut check);
    assert!(seen > 30, "only {seen} rules were found");
}

#[test]
fn no_status_write_is_refused_for_a_new_word_or_a_long_one() {
    for_each_field(&schema_of("status"), "status", &mut |path, field| {
        for key in ["enum", "pattern", "default", "minimum", "maximum", "x-kubernetes-validations"] {
            assert!(field[key].is_null(), "{path} has {key}");
        }
        if let Some(most) = field["maxLength"].as_u64() {
            assert!(most >= 4096, "{path} holds only {most} characters");
        }
    });
    assert_eq!(schema_of("status")["default"], serde_json::json!({ "observedGeneration": -1 }));
}

#[test]
fn the_program_prints_the_file() {
    let program = env!("CARGO_BIN_EXE_agora-snapshot-operator");
    let output = std::process::Command::new(program).arg("crd").output().expect("the operator's program");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).expect("text"), api::crd_yaml());
}
