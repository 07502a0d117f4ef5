//! The object is taken from under the operator, by force, or its status is wiped: what runs is stopped from memory, or
//! goes on, and nothing runs twice.

use std::time::Duration;

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::crash::{assert_one_session, assert_one_session_ever, capturing, claimed_with};
use crate::world::{Plan, SOON, World, condition};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_finalizer_was_taken_is_stopped_from_memory() {
    let mut world = Plan::new("forced").faster(10).make().await;
    capturing(&world).await;
    take_away(&mut world, "lobby").await;
    world.until_sessions(&[("state", "ended")], 1).await;
    assert_eq!(assert_one_session_ever(&world).await["endReason"], "stopped");
    world.end().await;
}

/// The same while the stop of an orderly deletion is under way and goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_finalizer_was_taken_in_mid_stop_is_stopped_from_memory() {
    let world = Plan::new("forced-stop").faster(10).make().await;
    capturing(&world).await;
    let lost = json!({"verb": "stop", "delayBeforeMs": 1500, "drop": "before"});
    world.simulator.fault(lost).await.expect("a fault");
    world.delete("lobby").await;
    world.until_calls(&[("verb", "stop"), ("answered", "false")], 1).await;
    world.patch("lobby", json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("lobby", SOON).await;
    world.until_sessions(&[("state", "ended")], 1).await;
    assert_eq!(assert_one_session_ever(&world).await["endReason"], "stopped");
    world.end().await;
}

/// The same while its start is under way: the sid comes home to an object that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_taken_away_in_mid_start_is_stopped_with_the_sid_in_hand() {
    let mut world = Plan::new("forced-start").faster(10).make().await;
    claimed_with(&world, json!({"delayAfterMs": 2000})).await;
    take_away(&mut world, "lobby").await;
    world.until_sessions(&[("state", "ended")], 1).await;
    assert_eq!(assert_one_session_ever(&world).await["endReason"], "stopped");
    world.end().await;
}

/// Another object of the same name wants the same recorder uid: the old session goes first, and is not adopted.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_taken_away_and_created_again_under_its_name() {
    let mut world = Plan::new("again").faster(10).make().await;
    let former = capturing(&world).await;
    world.operator.as_mut().expect("an operator").process().suspend();
    force_out(&world, "lobby").await;
    let created = world.create("lobby", world.spec("lobby")).await;
    world.operator.as_mut().expect("an operator").process().resume();
    let is_new = |job: &Value| {
        job["metadata"]["uid"] == created["metadata"]["uid"]
            && condition(job, "Ready").is_some_and(|ready| ready["reason"] == "Capturing")
    };
    let job = world.until("lobby", "the new object to be capturing", SOON, is_new).await;
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["sid"], former["status"]["sessions"][0]["sid"]);
    assert_eq!(sessions[0]["endReason"], "stopped");
    assert_eq!(sessions[1]["sid"], job["status"]["sessions"][0]["sid"]);
    assert_eq!(sessions[1]["state"], "live");
    world.end().await;
}

/// Somebody else's finalizer keeps the object after ours is gone: what is being deleted starts nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_that_a_foreign_finalizer_holds_stays_stopped() {
    let world = Plan::new("foreign").faster(10).make().await;
    capturing(&world).await;
    let finalizers = ["example.com/hold", agora_snapshot_operator::api::FINALIZER];
    world.patch("lobby", json!({"metadata": {"finalizers": finalizers}})).await;
    world.delete("lobby").await;
    let is_left_to_others = |job: &Value| job["metadata"]["finalizers"] == json!(["example.com/hold"]);
    world.until("lobby", "our finalizer to go", SOON, is_left_to_others).await;
    assert!(world.live_sessions().await.is_empty());
    let quiet = world.mark_at_rest().await;
    world.patch("lobby", json!({"metadata": {"annotations": {"agora-snapshot.dev/restart": "now"}}})).await;
    // Two minutes.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let writes = world.writes_of("lobby", quiet).await;
    assert_eq!(writes.count(), 0, "{writes:#?}");
    assert_eq!(world.calls("acquire").await.len(), 1);
    world.patch("lobby", json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("lobby", SOON).await;
    assert_one_session_ever(&world).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

// === a status that is wiped ===

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_status_comes_back_from_memory() {
    let world = Plan::new("wiped").faster(10).make().await;
    let before = capturing(&world).await;
    for _ in 0..3 {
        let wiped = wipe_status(&world, "lobby").await;
        let is_back = |job: &Value| {
            newer(job, &wiped) && condition(job, "Ready").is_some_and(|ready| ready["reason"] == "Capturing")
        };
        let after = world.until("lobby", "the status to come back", SOON, is_back).await;
        assert_eq!(after["status"]["sessions"], before["status"]["sessions"]);
        assert_eq!(after["status"]["phase"], "Running");
        // By these the job's own limits of time are counted.
        assert!(after["status"]["startTime"].is_string());
        assert_eq!(after["status"]["captureStartTime"], before["status"]["captureStartTime"]);
    }
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_wiped_in_mid_start_does_not_lose_the_sid() {
    let world = Plan::new("wiped-start").faster(10).make().await;
    claimed_with(&world, json!({"delayAfterMs": 1500})).await;
    wipe_status(&world, "lobby").await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

/// Another's claim stands where ours did when the sid comes home: nobody would stop that session any more, so it is stopped
/// at once. What the other claim is worth is found out like any doubt.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_claim_was_overwritten_is_stopped_with_the_sid_in_hand() {
    let world = Plan::new("overwritten").faster(30).make().await;
    claimed_with(&world, json!({"delayAfterMs": 1500})).await;
    change_status(&world, "lobby", |job| {
        let claim = &mut job.data["status"]["sessions"][0];
        claim["nonce"] = json!("of-another");
        claim["resourceId"] = json!("reserved-by-another");
    })
    .await;
    world.until_sessions(&[("state", "ended")], 1).await;
    assert_eq!(assert_one_session_ever(&world).await["endReason"], "stopped");
    world.until_logged("the claim is no longer ours").await;
    world.until_capturing("lobby").await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

// === what these tests have in common ===

/// Takes finalizer and object away while the operator cannot act.
async fn take_away(world: &mut World, name: &str) {
    world.operator.as_mut().expect("an operator").process().suspend();
    force_out(world, name).await;
    world.operator.as_mut().expect("an operator").process().resume();
}

async fn force_out(world: &World, name: &str) {
    world.patch(name, json!({"metadata": {"finalizers": null}})).await;
    world.delete(name).await;
    world.until_gone(name, SOON).await;
}

/// What `kubectl replace --subresource=status` with a manifest without status does.
async fn wipe_status(world: &World, name: &str) -> Value {
    change_status(world, name, |job| {
        job.data.as_object_mut().expect("an object").remove("status");
    })
    .await
}

async fn change_status(world: &World, name: &str, change: impl Fn(&mut DynamicObject)) -> Value {
    loop {
        let mut job = world.jobs().get(name).await.expect("the job");
        change(&mut job);
        match world.jobs().replace_status(name, &PostParams::default(), &job).await {
            Ok(changed) => return serde_json::to_value(changed).expect("an object"),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => panic!("the status cannot be changed: {error}"),
        }
    }
}

fn newer(job: &Value, than: &Value) -> bool {
    let version = |job: &Value| job["metadata"]["resourceVersion"].as_str()?.parse::<u64>().ok();
    version(job) > version(than)
}
