//! Whether the API server serves the resource with every field that this version of the operator writes or reads.
//!
//! Asked of the API server's OpenAPI document, which everybody may read; reading the CRD itself would take one more
//! right.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::{Client, CustomResourceExt, Resource};
use serde_json::Value;
use tokio::time::Instant;

use super::Line;
use crate::api::{self, SnapshotJob};
use crate::cluster::client::{CALL_LIMIT, CallError, within};

/// The document follows a CRD that was just applied within seconds.
const PUBLISHED: Duration = Duration::from_secs(20);

/// Between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Fields of the schema, as `spec.channel.name`; what is inside an array's items has `[]`.
type Paths = BTreeSet<String>;

/// A line about the resource.
pub(super) async fn served(client: &Client) -> Line {
    let what = format!("CRD {} {}", SnapshotJob::crd_name(), SnapshotJob::version(&()));
    let apply =
        "apply the CRD of this version: agora-snapshot-operator crd | kubectl apply --server-side -f -";
    let unknown = |error| Line::Bad(format!("{what} could not be looked up: {error}; try again"));
    match is_served(client).await {
        Ok(true) => {}
        Ok(false) => return Line::Bad(format!("{what} is not served; {apply}")),
        Err(error) => return unknown(error),
    }
    match missing_for_good(client).await {
        Ok(missing) if missing.is_empty() => {
            Line::Good(format!("{what} is served with every field of this version"))
        }
        Ok(missing) => {
            let missing: Vec<String> = missing.into_iter().collect();
            Line::Bad(format!("{what} is served without {}; {apply}", missing.join(", ")))
        }
        Err(error) => unknown(error),
    }
}

/// By discovery, which knows of it at once.
async fn is_served(client: &Client) -> Result<bool, CallError> {
    let version = SnapshotJob::api_version(&());
    match within(CALL_LIMIT, client.list_api_group_resources(&version)).await {
        Ok(found) => Ok(found.resources.iter().any(|resource| resource.name == SnapshotJob::plural(&()))),
        Err(error) if is_404(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fields of ours that are still missing when the document has had time to follow the CRD.
async fn missing_for_good(client: &Client) -> Result<Paths, CallError> {
    let deadline = Instant::now() + PUBLISHED;
    loop {
        let missing = match document(client).await {
            Ok(document) => missing(&document).unwrap_or_else(ours),
            Err(error) if is_404(&error) => ours(),
            Err(error) => return Err(error),
        };
        if missing.is_empty() || Instant::now() > deadline {
            return Ok(missing);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Not every 404 is a Status object with a reason: this one may be plain text.
fn is_404(error: &CallError) -> bool {
    error.status().is_some_and(|status| status.code == 404)
}

async fn document(client: &Client) -> Result<Value, CallError> {
    let path = format!("/openapi/v3/apis/{}", SnapshotJob::api_version(&()));
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    within(CALL_LIMIT, client.request(request)).await
}

/// Fields of ours that the document does not have; `None` where it does not know the resource.
fn missing(document: &Value) -> Option<Paths> {
    let schemas = document.get("components")?.get("schemas")?.as_object()?;
    let served = schemas.values().find(|schema| is_ours(schema))?;
    Some(ours().difference(&paths(served)).cloned().collect())
}

fn is_ours(schema: &Value) -> bool {
    let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
    kinds.into_iter().flatten().any(|kind| {
        kind["group"] == *SnapshotJob::group(&())
            && kind["version"] == *SnapshotJob::version(&())
            && kind["kind"] == *SnapshotJob::kind(&())
    })
}

/// Those of the definition that this program carries.
fn ours() -> Paths {
    let definition = serde_json::to_value(api::crd()).unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array();
    versions.into_iter().flatten().flat_map(|version| paths(&version["schema"]["openAPIV3Schema"])).collect()
}

fn paths(schema: &Value) -> Paths {
    let mut paths = Paths::new();
    collect(schema, "", &mut paths);
    paths
}

fn collect(schema: &Value, at: &str, paths: &mut Paths) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        // Those of every object: the API server describes them elsewhere.
        if at.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            continue;
        }
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        collect(property, &path, paths);
        paths.insert(path);
    }
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{at}[]"), paths);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> Value {
        let definition = serde_json::to_value(api::crd()).expect("the CRD");
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        change(&mut schema);
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": "agora-snapshot.dev", "version": "v1alpha1", "kind": "SnapshotJob"}]);
        json!({"components": {"schemas": {"a": {}, "dev.agora-snapshot.v1alpha1.SnapshotJob": schema}}})
    }

    fn without<'a>(schema: &'a mut Value, path: &[&str]) -> &'a mut serde_json::Map<String, Value> {
        let end = path.iter().fold(schema, |schema, key| &mut schema[*key]);
        end.as_object_mut().expect("an object")
    }

    #[test]
    fn every_missing_field_is_named() {
        assert_eq!(missing(&document(|_| ())), Some(Paths::new()));
        let lacking = document(|schema| {
            without(schema, &["properties", "spec", "properties"]).remove("intervalSeconds");
            let sessions = ["properties", "status", "properties", "sessions", "items", "properties"];
            without(schema, &sessions).remove("sid");
        });
        let expected = ["spec.intervalSeconds", "status.sessions[].sid"].map(str::to_owned).into();
        assert_eq!(missing(&lacking), Some(expected));
        let newer = document(|schema| {
            without(schema, &["properties", "spec", "properties"]).insert("future".into(), json!({}));
        });
        assert_eq!(missing(&newer), Some(Paths::new()), "a newer CRD serves this version too");
        assert_eq!(missing(&json!({"components": {"schemas": {"a": {}}}})), None);
    }
}
