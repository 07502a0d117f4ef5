//! The operator ends in the worst moments: never a second session, never a lost one. The simulator is the witness.

use std::time::Duration;

use serde_json::{Value, json};

use crate::telling::says;
use crate::world::{Plan, SOON, World, condition};

/// Longer than any test: what is held so long is never answered in time.
const FOR_EVER_MS: u64 = 600_000;

// === SIGKILL between claim and start ===

/// The start was held by the network and takes effect while nobody listens; the sid is in the repeated answer.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_a_start_that_arrives_later() {
    let mut world = Plan::new("crash-later").faster(10).setting("alreadyStartedSid", "present").make().await;
    claimed_with(&world, json!({"delayBeforeMs": 1500})).await;
    world.kill_operator().await;
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

/// The repeated start comes first, and the one of the dead process afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_a_start_that_arrives_last() {
    let mut world = Plan::new("crash-last").faster(10).make().await;
    claimed_with(&world, json!({"delayBeforeMs": 12_000})).await;
    world.kill_operator().await;
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    let starts = world.until_calls(&[("verb", "start"), ("answered", "true")], 2).await;
    assert_eq!((&starts[0]["status"], &starts[0]["code"]), (&json!(201), &json!(7)), "the one of the dead");
    assert_eq!(starts[0]["resourceId"], starts[1]["resourceId"]);
    assert_eq!(starts[0]["body"], starts[1]["body"]);
    assert_one_session(&world, &job).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_a_start_that_never_arrives() {
    let mut world = Plan::new("crash-never").faster(10).make().await;
    claimed_with(&world, json!({"delayBeforeMs": 1000, "drop": "before"})).await;
    world.kill_operator().await;
    world.until_calls(&[("verb", "start"), ("answered", "true")], 1).await;
    assert!(world.sessions().await.is_empty());
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

// === SIGKILL between start and save ===

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_sid_is_saved_and_the_vendor_repeats_it() {
    let mut world = Plan::new("crash-sid").faster(10).setting("alreadyStartedSid", "present").make().await;
    started_unheard(&world).await;
    world.kill_operator().await;
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}

/// Nobody can be asked for the sid: the doubt is shown, and nothing else is started, however long it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_sid_is_saved_and_the_vendor_keeps_it() {
    let mut world = Plan::new("crash-no-sid").faster(30).setting("alreadyStartedSid", "absent").make().await;
    started_unheard(&world).await;
    world.kill_operator().await;
    world.start_operator().await;
    let job = world.until_ready_is("lobby", "False", "RecoveringSid").await;
    assert_eq!(job["status"]["phase"], "Recovering");
    assert_eq!(condition(&job, "Reconciling").expect("at work")["status"], "True");
    let event =
        async || world.events("lobby").await.into_iter().find(|(_, reason, _)| reason == "RecoveringSid");
    let (kind, _, _) = world.eventually("an event", SOON, event).await;
    assert_eq!(kind, "Warning");
    // Ten minutes: the resourceId ends in it, and every backoff of a start would be over.
    tokio::time::sleep(Duration::from_secs(600) / 30).await;
    assert_eq!(world.calls("acquire").await.len(), 1);
    assert_one_session_ever(&world).await;
    world.end().await;
}

// === a spec edit between claim and save ===

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_while_the_start_is_held_keeps_the_sid_and_then_replaces_the_session() {
    let world = Plan::new("edit-in-start").faster(10).make().await;
    for (job, fault) in [("before", json!({"delayBeforeMs": 1500})), ("after", json!({"delayAfterMs": 1500}))]
    {
        world.simulator.fault(start_fault(fault, job)).await.expect("a fault");
        world.create(job, world.spec(job)).await;
        world.until_calls(&[("verb", "start"), ("cname", job), ("answered", "false")], 1).await;
        edit(&world, job).await;
        assert_replaced_in_order(&world, job).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_kill_while_the_start_is_held_keep_the_sid_and_then_replace_the_session() {
    let mut world = Plan::new("edit-kill").faster(10).setting("alreadyStartedSid", "present").make().await;
    started_unheard(&world).await;
    edit(&world, "lobby").await;
    world.kill_operator().await;
    world.start_operator().await;
    assert_replaced_in_order(&world, "lobby").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_kill_while_the_start_is_held_and_the_vendor_keeps_the_sid() {
    let mut world = Plan::new("edit-kill-no-sid").faster(10).make().await;
    started_unheard(&world).await;
    edit(&world, "lobby").await;
    world.kill_operator().await;
    world.start_operator().await;
    world.until_ready_is("lobby", "False", "RecoveringSid").await;
    assert_one_session_ever(&world).await;
    world.end().await;
}

/// Nothing ran with the former spec, so nothing has to be replaced.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_kill_before_a_start_that_never_arrives() {
    let mut world = Plan::new("edit-kill-never").faster(10).make().await;
    claimed_with(&world, json!({"delayBeforeMs": 1000, "drop": "before"})).await;
    edit(&world, "lobby").await;
    world.kill_operator().await;
    world.until_calls(&[("verb", "start"), ("answered", "true")], 1).await;
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_eq!(job["status"]["observedGeneration"], 2);
    assert_one_session(&world, &job).await;
    assert_eq!(interval_of(&world, 0).await, EDITED_INTERVAL);
    world.end().await;
}

// === SIGTERM ===

#[tokio::test(flavor = "multi_thread")]
async fn ended_in_mid_start_it_saves_the_sid_first() {
    let mut world = Plan::new("sigterm").faster(10).make().await;
    claimed_with(&world, json!({"delayAfterMs": 2000})).await;
    world.until_sessions(&[], 1).await;
    // Asserts the clean end.
    world.stop_operator().await;
    let job = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert_eq!(job["status"]["sessions"][0]["state"], "Running", "{job:#}");
    assert_eq!(job["status"]["sessions"][0]["sid"], world.sessions().await[0]["sid"]);
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_eq!(world.calls("start").await.len(), 1);
    assert_one_session(&world, &job).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_runs_it_goes_on_with_the_same_session() {
    let mut world = Plan::new("crash-running").faster(10).make().await;
    capturing(&world).await;
    let arriving = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    let before = world.until("lobby", "snapshots to arrive", SOON, arriving).await;
    let quiet = world.mark_at_rest().await;
    world.kill_operator().await;
    let queries = world.calls("query").await.len();
    world.start_operator().await;
    // The first visit asks the vendor, and is over when the second one is.
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 1).await;
    let two_visits = async || (world.visits().await >= 2).then_some(());
    world.eventually("two visits", SOON, two_visits).await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    // A new process looks into the bucket at once; nothing else is new.
    let writes = world.writes_of("lobby", quiet).await;
    assert!(writes.count() <= 1, "{writes:#?}");
    let but_snapshots = |job: &Value| {
        let mut status = job["status"].clone();
        status.as_object_mut().expect("a status").remove("snapshots");
        status
    };
    assert_eq!(but_snapshots(&job), but_snapshots(&before));
    world.end().await;
}

// === what these tests have in common ===

/// `intervalSeconds` after an edit.
const EDITED_INTERVAL: u64 = 20;

/// A job with a confirmed session. Somebody is in the channel, so that nothing ends by itself.
pub async fn capturing(world: &World) -> Value {
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await
}

/// A job whose claim is stored and whose start has arrived and is held so.
pub async fn claimed_with(world: &World, fault: Value) -> Value {
    world.simulator.fault(start_fault(fault, "lobby")).await.expect("a fault");
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let starts = world.until_calls(&[("verb", "start"), ("answered", "false")], 1).await;
    // Not awaited: it has to be there before the start is sent.
    let job = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert_eq!(job["status"]["sessions"][0]["state"], "Claimed", "{job:#}");
    assert_eq!(job["status"]["sessions"][0]["resourceId"], starts[0]["resourceId"]);
    job
}

/// A job whose session runs while the answer with its sid does not come.
async fn started_unheard(world: &World) {
    claimed_with(world, json!({"delayAfterMs": FOR_EVER_MS})).await;
    world.until_sessions(&[("state", "live")], 1).await;
}

fn start_fault(mut fault: Value, cname: &str) -> Value {
    fault["verb"] = json!("start");
    fault["cname"] = json!(cname);
    fault
}

async fn edit(world: &World, name: &str) {
    world.patch(name, json!({"spec": {"intervalSeconds": EDITED_INTERVAL}})).await;
}

/// The channel's first session was known by its sid, stopped for being replaced, and then the second one was started.
async fn assert_replaced_in_order(world: &World, name: &str) {
    let is_new = |job: &Value| {
        job["status"]["observedGeneration"] == 2
            && condition(job, "Ready").is_some_and(|ready| ready["reason"] == "Capturing")
    };
    let job = world.until(name, "the new spec to be captured", SOON, is_new).await;
    let sessions = world.one_at_a_time(name).await;
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    assert_eq!(sessions[0]["endReason"], "stopped");
    let past = &job["status"]["history"][0];
    assert_eq!((&past["sid"], &past["endReason"]), (&sessions[0]["sid"], &json!("Replaced")));
    assert_eq!(job["status"]["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(job["status"]["sessions"][0]["sid"], sessions[1]["sid"]);
    assert_eq!(sessions[0]["uid"], sessions[1]["uid"], "the recorder uid is a fence, and stays");
    let starts = world.simulator.requests(&[("verb", "start"), ("cname", name)]).await.expect("requests");
    let interval =
        &starts.last().expect("a start")["body"]["clientRequest"]["snapshotConfig"]["captureInterval"];
    assert_eq!(*interval, EDITED_INTERVAL);
}

/// One session ever, live, and the one that the object names; and no second resourceId, for the claim was good.
pub async fn assert_one_session(world: &World, job: &Value) {
    assert_eq!(world.calls("acquire").await.len(), 1);
    let session = assert_one_session_ever(world).await;
    assert_eq!(session["state"], "live");
    assert_eq!(job["status"]["sessions"].as_array().map(Vec::len), Some(1), "{:#}", job["status"]);
    assert_eq!(job["status"]["sessions"][0]["sid"], session["sid"]);
    assert_eq!(job["status"]["sessions"][0]["resourceId"], session["resourceId"]);
}

pub async fn assert_one_session_ever(world: &World) -> Value {
    let mut sessions = world.sessions().await;
    assert_eq!(sessions.len(), 1, "{sessions:#?}\n{}", world.log_tail());
    sessions.remove(0)
}

/// `captureInterval` of the last start of the nth session.
async fn interval_of(world: &World, nth: usize) -> u64 {
    let resource_id = world.sessions().await[nth]["resourceId"].clone();
    let starts = world.calls("start").await;
    let last = starts.iter().rfind(|start| start["resourceId"] == resource_id).expect("its start");
    last["body"]["clientRequest"]["snapshotConfig"]["captureInterval"].as_u64().expect("a number")
}
