//! Null and empty say what absent says, and absent stands for what the documentation says.

use agora_snapshot_operator::api::SnapshotJob;
use agora_snapshot_operator::api::spec::{
    DeletionPolicy, OnIdle, Preflight, RecordingStreams, SnapshotJobSpec, VideoQuality,
};
use serde_json::{Value, json};

use crate::generated::{for_each_field, schema_of};
use crate::objects::{channel, record_and_snapshot, snapshot_only, spec, subscription};
use crate::server::Server;

/// What the server would store of `object`'s spec.
async fn stored(server: &Server, object: &Value) -> Value {
    match server.try_create(object).await {
        Ok(stored) => stored["spec"].clone(),
        Err(status) => panic!("{}\n  {}", status.message, object["spec"]),
    }
}

fn decoded(spec: &Value) -> SnapshotJobSpec {
    serde_json::from_value(spec.clone())
        .unwrap_or_else(|error| panic!("cannot be decoded: {error}\n  {spec}"))
}

#[tokio::test]
async fn absent_fields_have_their_defaults() {
    let server = Server::with_crd().await;
    let declared = spec(json!({ "recording": {}, "subscription": {} }));
    let stored_spec = stored(&server, &declared).await;
    // The defaults of the schema and of the decoder are two places; they must say the same.
    assert_eq!(serde_json::to_value(decoded(&declared["spec"])).expect("JSON"), stored_spec);
    let spec = decoded(&stored_spec);
    assert_eq!(spec.interval_seconds, 10);
    assert_eq!(spec.idle_timeout_seconds, 300);
    assert_eq!(spec.on_idle, OnIdle::Complete);
    assert!(!spec.suspend);
    assert_eq!(spec.backoff_limit, 6);
    assert_eq!(spec.deletion_policy, DeletionPolicy::Stop);
    assert_eq!(spec.session_limit_hours, 72);
    assert_eq!(spec.storage.preflight, Preflight::Enforce);
    let recording = spec.recording.expect("it was declared");
    assert_eq!(recording.streams, RecordingStreams::AudioAndVideo);
    let subscription = spec.subscription.expect("it was declared");
    assert_eq!(subscription.max_users, 17);
    assert_eq!(subscription.video_quality, VideoQuality::High);
}

#[tokio::test]
async fn null_is_absent_in_every_optional_field() {
    let server = Server::with_crd().await;
    let mut optional = Vec::new();
    let root = schema_of("spec");
    let mut note =
        |path: &str, _: &Value| optional.push(format!("/{}", path.replace("[]", "/0").replace('.', "/")));
    for_each_field(&root, "spec", &mut note);
    let whole = record_and_snapshot();
    stored(&server, &whole).await;
    let mut tried = 0;
    for pointer in optional {
        let mut without = whole.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("it begins with a slash");
        // The lists that exclude the ones of this job are not in it.
        let Some(Value::Object(parent)) = without.pointer_mut(parent) else { continue };
        if parent.remove(field).is_none() {
            continue;
        }
        // A required field, or one that a rule asks for.
        let Ok(absent) = server.try_create(&without).await else { continue };
        let mut null = whole.clone();
        *null.pointer_mut(&pointer).expect("it was there") = Value::Null;
        assert_eq!(stored(&server, &null).await, absent["spec"], "{pointer}");
        tried += 1;
    }
    assert!(tried > 20, "only {tried} fields can be absent");
}

#[tokio::test]
async fn an_empty_list_is_an_absent_one() {
    let server = Server::with_crd().await;
    let absent = decoded(&stored(&server, &subscription(json!({}))).await);
    for list in ["videoUids", "audioUids", "excludedVideoUids", "excludedAudioUids"] {
        let empty = decoded(&stored(&server, &subscription(json!({ list: [] }))).await);
        assert_eq!(empty, absent, "{list}");
    }
    let all = json!({ "videoUids": [], "audioUids": [], "excludedVideoUids": [], "excludedAudioUids": [] });
    assert_eq!(decoded(&stored(&server, &subscription(all.clone())).await), absent);
    // Audio lists are forbidden here, but these say nothing.
    decoded(&stored(&server, &spec(json!({ "subscription": all }))).await);
    let recorders = decoded(&stored(&server, &channel(json!({ "recorders": [] }))).await);
    assert_eq!(recorders, decoded(&stored(&server, &snapshot_only()).await));
}

#[tokio::test]
async fn a_job_nobody_has_looked_at_is_in_progress() {
    let server = Server::with_crd().await;
    let created = server.try_create(&snapshot_only()).await.expect("a good job");
    assert_eq!(created["status"], json!({ "observedGeneration": -1 }));
    let job: SnapshotJob = serde_json::from_value(created).expect("a job");
    assert_eq!(job.status.expect("the default").observed_generation, Some(-1));
}
