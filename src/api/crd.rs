//! The CustomResourceDefinition as a value and as the text of `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Number, Value};

use super::spec::SnapshotJob;

/// The CustomResourceDefinition of [`SnapshotJob`].
pub fn crd() -> CustomResourceDefinition {
    SnapshotJob::crd()
}

/// [`crd`] as the YAML document that `kubectl apply -f` takes, byte for byte the file in `crds/`.
pub fn crd_yaml() -> String {
    let mut document =
        serde_json::to_value(crd()).expect("a CRD is made of strings, numbers, lists and maps");
    whole_numbers(&mut document);
    serde_saphyr::to_string(&document).expect("JSON is YAML")
}

/// Writes 1.0 as 1. The API's bounds are floating point numbers, but the server hands them out as whole ones where
/// they are, and a tool that compares the file with the cluster should see no difference.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() <= 2_f64.powi(53)
            {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
