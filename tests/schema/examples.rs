//! The examples: the API server takes each, they cover what they should, and they hold no real secret.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agora_snapshot_operator::agora::regions::region_number;
use agora_snapshot_operator::api::spec::{Profile, SnapshotJob, SnapshotJobSpec};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::generated::{repository, schema_of};
use crate::server::Server;

/// Every YAML file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.ends_with("gitops") {
            // Manifests of Argo CD and Flux: tests/gitops.
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every document of every example, with its file.
fn documents() -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for path in files(&repository().join("examples")) {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!documents.is_empty(), "{} is empty", path.display());
        found.extend(documents.into_iter().map(|document| (path.clone(), document)));
    }
    found
}

fn jobs() -> Vec<(PathBuf, SnapshotJobSpec)> {
    documents()
        .into_iter()
        .filter(|(_, document)| document["kind"] == "SnapshotJob")
        .map(|(path, document)| {
            let job: SnapshotJob = serde_json::from_value(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, job.spec)
        })
        .collect()
}

fn example(name: &str) -> SnapshotJobSpec {
    let (_, spec) = jobs().into_iter().find(|(path, _)| path.ends_with(name)).expect(name);
    spec
}

#[tokio::test]
async fn the_api_server_takes_each() {
    let server = Server::with_crd().await;
    for (path, document) in documents() {
        let object: DynamicObject =
            serde_json::from_value(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Err(error) = server.try_apply(&object).await {
            panic!("{}: {error}", path.display());
        }
    }
}

#[test]
fn there_is_one_for_each_storage_vendor() {
    let wanted: BTreeSet<String> = schema_of("spec")["properties"]["storage"]["properties"]["vendor"]["enum"]
        .as_array()
        .expect("the vendors")
        .iter()
        .map(|vendor| vendor.as_str().expect("a word").to_owned())
        .collect();
    let found: BTreeSet<String> = jobs()
        .into_iter()
        .filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("storage")))
        .map(|(_, spec)| format!("{:?}", spec.storage.vendor))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_region_has_a_number() {
    for (path, spec) in jobs() {
        if let Some(region) = &spec.storage.region {
            let number = region_number(spec.storage.vendor, region);
            assert!(number.is_ok(), "{}: {number:?}", path.display());
        }
    }
}

#[test]
fn every_secret_is_a_template_that_the_jobs_name() {
    let secrets: Vec<Value> = documents()
        .into_iter()
        .filter(|(_, document)| document["kind"] == "Secret")
        .map(|(_, secret)| secret)
        .collect();
    for secret in &secrets {
        assert!(secret["data"].is_null(), "{secret}");
        for (key, value) in secret["stringData"].as_object().expect("stringData") {
            assert_eq!(value, "REPLACE_ME", "{key}");
        }
    }
    let has = |name: &str, key: &str| {
        secrets
            .iter()
            .any(|secret| secret["metadata"]["name"] == name && !secret["stringData"][key].is_null())
    };
    for (path, spec) in jobs() {
        let mut needed = vec![
            (spec.credentials_ref.name.as_str(), "customerId"),
            (spec.credentials_ref.name.as_str(), "customerSecret"),
        ];
        for storage in
            std::iter::once(&spec.storage.credentials_ref).chain(&spec.storage.reader_credentials_ref)
        {
            needed.extend([(storage.name.as_str(), "accessKey"), (storage.name.as_str(), "secretKey")]);
        }
        for recorder in spec.channel.recorders.iter().flatten() {
            needed.extend(
                recorder.token_secret_key_ref.iter().map(|token| (token.name.as_str(), token.key.as_str())),
            );
        }
        if let Some(encryption) = &spec.channel.encryption {
            let keys = std::iter::once(&encryption.secret_key_ref).chain(&encryption.salt_secret_key_ref);
            needed.extend(keys.map(|key| (key.name.as_str(), key.key.as_str())));
        }
        for (name, key) in needed {
            assert!(has(name, key), "{}: secrets.yaml has no {key} in {name}", path.display());
        }
    }
}

#[test]
fn the_scenarios_are_those_of_the_vendors_guide() {
    let alone = example("snapshot-only.yaml");
    assert_eq!((alone.channel.profile, alone.interval_seconds), (Profile::LiveBroadcasting, 5));
    assert_eq!(alone.recording, None);
    let both = example("record-and-snapshot.yaml");
    assert_eq!((both.channel.profile, both.interval_seconds), (Profile::Communication, 5));
    assert_eq!(both.idle_timeout_seconds, 30);
    assert!(both.recording.is_some());
}
