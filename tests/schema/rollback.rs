//! A release that is rolled back takes its CRD back too: the older schema must not take away what a newer operator wrote
//! into the status, while of the spec, which users write, nothing is kept that the schema does not know.

use std::time::Duration;

use agora_snapshot_operator::api::{self, SnapshotJob};
use agora_snapshot_testbed::Testbed;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::generated::schema_of;
use crate::installed::running;
use crate::objects::{snapshot_only, spec, with};
use crate::server::Server;

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties";

fn jobs(server: &Server) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<SnapshotJob>(&());
    Api::namespaced_with(server.client.clone(), &server.namespace, &resource)
}

/// Merges into the status through its subresource; returns the status as stored.
async fn write(jobs: &Api<DynamicObject>, status: Value) -> Result<Value, kube::Error> {
    let patch = Patch::Merge(json!({"status": status}));
    jobs.patch_status("lobby", &PatchParams::default(), &patch).await.map(|job| job.data["status"].clone())
}

async fn create(jobs: &Api<DynamicObject>, object: Value) {
    let object = serde_json::from_value(object).expect("an object");
    jobs.create(&PostParams::default(), &object).await.expect("a good job");
}

async fn status_of(jobs: &Api<DynamicObject>) -> Value {
    jobs.get("lobby").await.expect("the job").data["status"].clone()
}

/// The status of a running job, as an operator writes it that knows one more field of it and one more of a session.
fn newer_status() -> Value {
    let mut status = with(running(), json!({"region": {"name": "EU"}}));
    status["sessions"][0]["transport"] = json!("QUIC");
    status
}

#[tokio::test]
async fn unknown_fields_of_the_status_and_of_a_session_are_kept_and_known_ones_are_judged() {
    let server = Server::with_crd().await;
    let jobs = jobs(&server);
    create(&jobs, snapshot_only()).await;
    write(&jobs, newer_status()).await.expect("fields of the future");
    assert_eq!(status_of(&jobs).await, newer_status());
    for (wrong, words) in [
        (json!({"failures": "two"}), "status.failures"),
        (json!({"snapshots": {"count": "many"}}), "status.snapshots.count"),
        (json!({"sessions": [{"attempt": 1}]}), "status.sessions[0].resourceId"),
    ] {
        let refused = write(&jobs, wrong).await.expect_err("a known field of a wrong type").to_string();
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(status_of(&jobs).await, newer_status());
    for unknown in [json!({"bitrate": 1}), json!({"channel": {"bitrate": 1}})] {
        let refused = server.try_create(&spec(unknown)).await.expect_err("unknown fields of the spec");
        assert!(refused.message.contains("bitrate\""), "{}", refused.message);
    }
    assert!(schema_of("spec")["x-kubernetes-preserve-unknown-fields"].is_null());
}

/// Today's CRD as the one of an older release: the newer one has a field more in the spec, the status and a session.
#[tokio::test]
async fn what_a_newer_release_wrote_is_there_after_its_rollback() {
    // Servers of its own, for the CRD changes.
    let testbed = Testbed::start().await.expect("an API server");
    let server = Server::on(&testbed).await;
    let mut newer = serde_json::to_value(api::crd()).expect("a CRD is JSON");
    for (fields, name, field) in [
        ("spec/properties", "bitrate", json!({"type": "integer"})),
        (
            "status/properties",
            "region",
            json!({"type": "object", "properties": {"name": {"type": "string"}}}),
        ),
        ("status/properties/sessions/items/properties", "transport", json!({"type": "string"})),
    ] {
        newer.pointer_mut(&format!("{SCHEMA}/{fields}")).expect("fields")[name] = field;
    }
    apply(&server, &newer).await;
    let bitrate = spec(json!({"bitrate": 1}));
    until(async || server.try_create(&bitrate).await.is_ok(), "the newer CRD").await;
    let jobs = jobs(&server);
    create(&jobs, bitrate.clone()).await;
    write(&jobs, newer_status()).await.expect("a status of the newer operator");

    apply(&server, &serde_json::to_value(api::crd()).expect("a CRD is JSON")).await;
    until(async || server.try_create(&bitrate).await.is_err(), "the older CRD").await;
    write(&jobs, json!({"failures": 3})).await.expect("a status of the older operator");
    let job = jobs.get("lobby").await.expect("the job");
    assert!(job.data["spec"].get("bitrate").is_none(), "the older CRD prunes the spec");
    assert_eq!(job.data["status"], with(newer_status(), json!({"failures": 3})));
}

async fn apply(server: &Server, crd: &Value) {
    let crds: Api<CustomResourceDefinition> = Api::all(server.client.clone());
    let apply = PatchParams::apply("schema-test").force();
    crds.patch(SnapshotJob::crd_name(), &apply, &Patch::Apply(crd)).await.expect("the CRD is taken");
}

/// Nothing tells when the API server has taken up another schema but what it answers.
async fn until(is_so: impl AsyncFn() -> bool, what: &str) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("{what} in vain"));
}
