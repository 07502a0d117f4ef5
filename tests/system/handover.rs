//! A session is replaced by one that is started beside it: two run for a moment, never three, and no snapshot is missed.

use serde_json::{Value, json};

use crate::crash::capturing;
use crate::telling::says;
use crate::world::{Plan, SOON, World};

/// Longer than any test: what is held so long is never answered in time.
const FOR_EVER_MS: u64 = 600_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_overlaps_and_no_snapshot_is_missed() {
    let world = Plan::new("handover").faster(20).make().await;
    let before = capturing(&world).await;
    // A minute after the first session: handovers are no more frequent.
    edit(&world, 20).await;
    let after = until_captured(&world, 2).await;
    assert_handed_over(&world, &before, &after).await;
    let both: Vec<Value> = world.versions_of("lobby").into_iter().filter(|job| count(job) == 2).collect();
    assert!(!both.is_empty(), "both stand in the status");
    let replacing =
        |job: &Value| says(job, "Ready", "False", "Replacing") || says(job, "Ready", "True", "Capturing");
    assert!(both.iter().all(replacing), "{both:#?}");
    let metrics = world.operator_metrics().await;
    assert!(metrics.contains("agora_snapshot_handovers_total{result=\"completed\"} 1"), "{metrics}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_not_seen_by_who_waits_for_the_job() {
    let world = Plan::new("renewal-ready").faster(100).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["sessionLimitHours"] = json!(1);
    world.create("lobby", spec).await;
    let before = world.until_capturing("lobby").await;
    let begun = world.versions_of("lobby").len();
    let other =
        |job: &Value| count(job) == 1 && sid(job) != sid(&before) && says(job, "Ready", "True", "Capturing");
    let after = world.until("lobby", "another session", SOON, other).await;
    assert_handed_over(&world, &before, &after).await;
    for version in &world.versions_of("lobby")[begun..] {
        assert!(says(version, "Ready", "True", "Capturing"), "{:#}", version["status"]["conditions"]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_uid_or_no_quota_the_old_one_is_stopped_first() {
    let world = Plan::new("stop-first").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["channel"]["recorders"] = json!([{"uid": 1001}]);
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    edit(&world, 20).await;
    until_captured(&world, 2).await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2, "one uid");

    world.patch("lobby", json!({"spec": {"channel": {"recorders": null}}})).await;
    world.simulator.set(json!({"concurrencyQuota": "1"})).await.expect("the setting is taken");
    until_captured(&world, 3).await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 3, "a quota of one");
    let queued = |job: &Value| says(job, "Ready", "False", "QuotaQueued");
    assert!(!world.versions_of("lobby").iter().any(queued), "that is nothing to wait for");
    let metrics = world.operator_metrics().await;
    assert!(metrics.contains("agora_snapshot_handovers_total{result=\"stopped_first\"} 2"), "{metrics}");
    world.end().await;
}

/// The edit is taken back while the new session is being started: the old one stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_in_mid_handover_leaves_the_old_session() {
    let world = Plan::new("revert").faster(20).make().await;
    let before = capturing(&world).await;
    world.fault(json!({"verb": "start", "delayAfterMs": 1500})).await;
    edit(&world, 20).await;
    world.until_sessions(&[("cname", "lobby"), ("state", "live")], 2).await;
    edit(&world, 10).await;
    let after = until_captured(&world, 3).await;
    assert_eq!(sid(&after), sid(&before));
    let sessions = world.sessions().await;
    assert_eq!((sessions.len(), &sessions[1]["endReason"]), (2, &json!("stopped")));
    world.end().await;
}

/// The process ends in each part of a handover; the next one goes on from the two sessions in the status.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_handover_it_goes_on() {
    for (name, fault) in [
        ("ho-claim", json!({"verb": "start", "delayBeforeMs": FOR_EVER_MS})),
        ("ho-start", json!({"verb": "start", "delayAfterMs": FOR_EVER_MS})),
        ("ho-confirm", json!({"verb": "query", "delayBeforeMs": FOR_EVER_MS})),
        ("ho-stop", json!({"verb": "stop", "delayBeforeMs": FOR_EVER_MS})),
        ("ho-stopped", json!({"verb": "stop", "delayAfterMs": FOR_EVER_MS})),
    ] {
        let mut world = Plan::new(name).faster(20).setting("alreadyStartedSid", "present").make().await;
        let before = capturing(&world).await;
        let verb = fault["verb"].as_str().expect("a verb").to_owned();
        let known = world.calls(&verb).await.len();
        if verb == "query" {
            // The one that would confirm the new session.
            edit(&world, 20).await;
            world.until_sessions(&[("cname", "lobby"), ("state", "live")], 2).await;
            world.fault(fault).await;
            world.until_calls(&[("verb", "query"), ("answered", "false")], 1).await;
        } else {
            world.fault(fault).await;
            edit(&world, 20).await;
            world.until_calls(&[("verb", &verb)], known + 1).await;
        }
        world.kill_operator().await;
        world.start_operator().await;
        let after = until_captured(&world, 2).await;
        assert_handed_over(&world, &before, &after).await;
        world.end().await;
    }
}

// === what these tests have in common ===

async fn edit(world: &World, interval: u64) {
    world.patch("lobby", json!({"spec": {"intervalSeconds": interval}})).await;
}

fn count(job: &Value) -> usize {
    job["status"]["sessions"].as_array().map_or(0, Vec::len)
}

fn sid(job: &Value) -> &str {
    job["status"]["sessions"][0]["sid"].as_str().unwrap_or_default()
}

/// One session, and it is what this generation of the spec wants.
async fn until_captured(world: &World, generation: i64) -> Value {
    let captured = |job: &Value| {
        count(job) == 1
            && job["status"]["observedGeneration"] == generation
            && says(job, "Ready", "True", "Capturing")
    };
    world.until("lobby", &format!("generation {generation} to be captured"), SOON, captured).await
}

/// By the witness: two sessions in all, under two uids; the first was stopped, and not before the second ran.
async fn assert_handed_over(world: &World, before: &Value, after: &Value) {
    let sessions = world.sessions().await;
    assert_eq!(sessions.len(), 2, "{sessions:#?}\n{}", world.log_tail());
    assert_eq!((&sessions[0]["sid"], &sessions[1]["sid"]), (&json!(sid(before)), &json!(sid(after))));
    assert_ne!(sessions[0]["uid"], sessions[1]["uid"]);
    assert_eq!((&sessions[0]["endReason"], &sessions[1]["state"]), (&json!("stopped"), &json!("live")));
    let text = |value: &Value| value.as_str().expect("a time").to_owned();
    assert!(text(&sessions[1]["startTime"]) < text(&sessions[0]["stopTime"]), "they overlap: {sessions:#?}");
    assert_eq!(after["status"]["history"][0]["endReason"], "Replaced");
}
