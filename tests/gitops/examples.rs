//! The example files as they are shipped, and what a test has to change in them to run here.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::programs::repository;
use crate::world::World;

/// The documents of a YAML file.
pub fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!documents.is_empty(), "{} is empty", path.display());
    documents
}

/// A file below `examples/gitops`.
pub fn gitops(name: &str) -> PathBuf {
    repository().join("examples/gitops").join(name)
}

/// The document of this kind and name in a file below `examples/gitops`.
pub fn document(file: &str, kind: &str, name: &str) -> Value {
    let found = documents(&gitops(file))
        .into_iter()
        .find(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
}

/// Every shipped SnapshotJob with its file.
pub fn jobs() -> Vec<(PathBuf, Value)> {
    let mut found = vec![];
    for folder in ["examples", "examples/storage"] {
        for entry in std::fs::read_dir(repository().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let jobs = documents(&path).into_iter().filter(|document| document["kind"] == "SnapshotJob");
                found.extend(jobs.map(|job| (path.clone(), job)));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// The job of the file `examples/<name>`, for this world's App ID and bucket and with a channel of its own.
pub fn job(world: &World, file: &str, name: &str) -> Value {
    let (_, mut job) = jobs().into_iter().find(|(path, _)| path.ends_with(file)).expect(file);
    job["metadata"]["name"] = json!(name);
    job["spec"]["channel"]["name"] = json!(name);
    job["spec"]["channel"]["appId"] = json!(world.simulator.app_id());
    job["spec"]["storage"]["bucket"] = json!(world.bucket);
    job
}
