//! The bucket is tried before a session is billed: on a real S3 server, whose refusals cost nothing and are told.

use agora_snapshot_testbed::{Keys, Rights};
use serde_json::{Value, json};

use crate::telling::{assert_has, effort, message, says};
use crate::world::{CANARY, Plan, SOON, World, condition};

/// A person is called after two minutes.
const SCALE: u32 = 20;

const PROBE: &str = "agora-snapshot-preflight-";

fn writable(job: &Value) -> &str {
    condition(job, "StorageWritable").map_or("", |one| one["message"].as_str().expect("a message"))
}

async fn give(world: &World, access_key: &str, secret_key: &str) {
    world.secret("bucket", json!({"accessKey": access_key, "secretKey": secret_key})).await;
}

/// Keys that may do this in the world's bucket and nothing else.
async fn account(world: &World, rights: Option<Rights>) -> Keys {
    let s3 = world.testbed.s3();
    let keys = s3.create_account().await.expect("an account");
    if let Some(rights) = rights {
        s3.set_access(&world.bucket, &[(&keys, rights)]).await.expect("the rights are given");
    }
    give(world, &keys.access_key, &keys.secret_key).await;
    keys
}

/// Probe objects in the world's bucket.
async fn probes(world: &World) -> Vec<String> {
    let mut keys = world.testbed.s3().list(&world.bucket, "").await.expect("root may list");
    keys.retain(|key| key.contains(PROBE));
    keys
}

/// Nothing was asked of the vendor.
async fn assert_costs_nothing(world: &World) {
    assert_eq!(world.calls("acquire").await, Vec::<Value>::new());
    assert_eq!(world.sessions().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_service_does_not_know_are_told_before_anything_is_billed() {
    let world = Plan::new("wrong-keys").faster(SCALE).make().await;
    give(&world, "CANARY7f3aNOBODY", &format!("{CANARY}-wrong")).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_ready_is("lobby", "False", "WrongStorageKeys").await;
    assert!(says(&job, "StorageWritable", "False", "WrongStorageKeys"), "{job:#}");
    assert_has(writable(&job), &["InvalidAccessKeyId", &world.bucket, "in Secret bucket"]);
    assert_has(message(&job), &["No session is started", "InvalidAccessKeyId"]);
    let (kind, note) = world.until_event("lobby", "WrongStorageKeys").await;
    assert_eq!(kind, "Warning");
    assert_has(&note, &["correct accessKey and secretKey"]);
    let stalled = |job: &Value| effort(job) == "Stalled";
    world.until("lobby", "a person to be called", SOON, stalled).await;

    // The right account with the wrong secret is another refusal of the same kind.
    let root = world.testbed.s3().root().clone();
    give(&world, &root.access_key, &format!("{CANARY}-also-wrong")).await;
    let unsigned = |job: &Value| writable(job).contains("SignatureDoesNotMatch");
    world.until("lobby", "the wrong secret key to be told", SOON, unsigned).await;
    assert_eq!(world.count_events("lobby", "WrongStorageKeys").await, 1, "one reason, one event");
    assert_costs_nothing(&world).await;

    give(&world, &root.access_key, &root.secret_key).await;
    let job = world.until_capturing("lobby").await;
    assert!(says(&job, "StorageWritable", "True", "Writable"), "{job:#}");
    assert_eq!(world.until_event("lobby", "Writable").await.0, "Normal");
    assert_eq!(probes(&world).await, Vec::<String>::new(), "it is deleted");
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_only_write_are_enough_and_leave_one_small_object() {
    let mut world = Plan::new("write-only").faster(SCALE).make().await;
    let keys = account(&world, None).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_ready_is("lobby", "False", "StorageAccessDenied").await;
    assert!(says(&job, "StorageWritable", "False", "StorageAccessDenied"), "{job:#}");
    assert_has(writable(&job), &["403 AccessDenied", "below lobby/ in bucket", "storage.preflight to Warn"]);
    assert!(!job.to_string().contains(&keys.secret_key), "{job:#}");
    assert_costs_nothing(&world).await;

    // No word of the job or of its Secret changes: it is tried again by itself.
    let s3 = world.testbed.s3();
    s3.set_access(&world.bucket, &[(&keys, Rights::Write)]).await.expect("the rights are given");
    let job = world.until_capturing("lobby").await;
    let probe = format!("lobby/{PROBE}{}.lobby.txt", world.namespace);
    assert!(says(&job, "StorageWritable", "True", "Writable"), "{job:#}");
    assert_has(writable(&job), &[&probe, "stays"]);
    let text = s3.get(&world.bucket, &probe).await.expect("it is there");
    assert_has(&String::from_utf8(text).expect("text"), &["SnapshotJob lobby", "may be deleted"]);

    // A new process knows nothing of it, and writes over it.
    world.kill_operator().await;
    world.patch("lobby", json!({"spec": {"intervalSeconds": 20}})).await;
    world.start_operator().await;
    world.until_sessions(&[("cname", "lobby")], 2).await;
    world.until_capturing("lobby").await;
    assert_eq!(probes(&world).await, [probe]);
    assert!(!world.log().contains(&keys.secret_key), "a secret is in the log");
    world.one_at_a_time_or_handed_over("lobby").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_holds_a_start_back_and_ends_no_session_that_works() {
    let world = Plan::new("no-bucket").faster(SCALE).make().await;
    let missing = format!("{}-missing", world.bucket);
    let mut spec = world.spec("lobby");
    spec["storage"]["bucket"] = json!(missing);
    world.create("lobby", spec).await;
    let job = world.until_ready_is("lobby", "False", "NoSuchBucket").await;
    assert_has(message(&job), &[&format!("Bucket {missing} does not exist (404 NoSuchBucket)")]);
    assert_costs_nothing(&world).await;
    world.patch("lobby", json!({"spec": {"storage": {"bucket": world.bucket}}})).await;
    world.until_capturing("lobby").await;

    world.patch("lobby", json!({"spec": {"storage": {"bucket": missing}}})).await;
    let job = world.until_ready_is("lobby", "False", "NoSuchBucket").await;
    assert_has(message(&job), &["The session of the former spec goes on meanwhile"]);
    world.until("lobby", "a person to be called", SOON, |job| effort(job) == "Stalled").await;
    assert_eq!(world.live_sessions().await.len(), 1);
    world.patch("lobby", json!({"spec": {"storage": {"bucket": world.bucket}}})).await;
    let job = world.until_capturing("lobby").await;
    let back = |job: &Value| says(job, "StorageWritable", "True", "Writable");
    world.until("lobby", "the former bucket to be tried", SOON, back).await;
    assert_eq!(job["status"]["sessions"].as_array().map(Vec::len), Some(1), "{job:#}");
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1, "one session all the while");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_holds_nothing_back_and_is_over_when_the_bucket_takes_files() {
    let world = Plan::new("warn").faster(SCALE).make().await;
    let keys = account(&world, None).await;
    let mut spec = world.spec("lobby");
    spec["storage"]["preflight"] = json!("Warn");
    world.create("lobby", spec).await;
    world.until_sessions(&[("cname", "lobby")], 1).await;
    let told = |job: &Value| says(job, "StorageWritable", "False", "StorageAccessDenied");
    world.until("lobby", "the refusal to be told", SOON, told).await;
    assert_eq!(world.until_event("lobby", "StorageAccessDenied").await.0, "Warning");
    let s3 = world.testbed.s3();
    s3.set_access(&world.bucket, &[(&keys, Rights::Write)]).await.expect("the rights are given");
    let mended = |job: &Value| says(job, "StorageWritable", "True", "Writable");
    world.until("lobby", "the mended bucket to be told", SOON, mended).await;
    world.until_capturing("lobby").await;
    world.one_at_a_time("lobby").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_tried_is_not() {
    let world = Plan::new("skip").faster(SCALE).make().await;
    // The bucket would have to keep what is written into it.
    account(&world, Some(Rights::Write)).await;
    let mut spec = world.spec("lobby");
    spec["storage"]["preflight"] = json!("Skip");
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    assert!(condition(&job, "StorageWritable").is_none(), "{job:#}");
    assert_eq!(probes(&world).await, Vec::<String>::new());

    // The same session goes on: it knows nothing of this field.
    world.patch("lobby", json!({"spec": {"storage": {"preflight": "Enforce"}}})).await;
    let seen = |job: &Value| job["status"]["observedGeneration"] == job["metadata"]["generation"];
    world.until("lobby", "the edit to be seen", SOON, seen).await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

/// What this operator cannot reach the vendor may.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_service_out_of_reach_keeps_no_session_from_being_started() {
    let mut world = Plan::new("out-of-reach").faster(SCALE).make_without_operator().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    world.operator_options.storage_endpoint = Some(format!("http://127.0.0.1:{port}"));
    world.start_operator().await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    assert!(says(&job, "StorageWritable", "Unknown", "StorageUnreachable"), "{job:#}");
    assert_has(writable(&job), &["could not be reached", "keeps no session from being started"]);
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}
