//! The life of a job after its start: suspended, limited in time, idle, edited, restarted, renewed. Whatever happens,
//! one session at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::telling::{assert_has, effort, message, says};
use crate::world::{Plan, SOON, World};

/// A job with a user in its channel, capturing.
async fn capturing(world: &World, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    world.simulator.join(name, 7).await.expect("a user joins");
    let mut spec = world.spec(name);
    change(&mut spec);
    world.create(name, spec).await;
    world.until_capturing(name).await
}

fn sid(job: &Value) -> &str {
    job["status"]["sessions"][0]["sid"].as_str().unwrap_or_default()
}

fn last_end(job: &Value) -> &Value {
    &job["status"]["history"][0]["endReason"]
}

/// How many calls of each kind there were that change something at the vendor.
async fn calls(world: &World) -> [usize; 4] {
    let count = async |verb| world.calls(verb).await.len();
    [count("acquire").await, count("start").await, count("update").await, count("stop").await]
}

async fn until_finished(world: &World, name: &str, succeeded: &str, reason: &str) -> Value {
    let what = format!("{name} to be finished as {reason}");
    world.until(name, &what, SOON, |job| says(job, "Succeeded", succeeded, reason)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_job_has_no_session_and_a_resumed_one_a_new_one() {
    let world = Plan::new("suspend").faster(20).make().await;
    let before = capturing(&world, "lobby", |_| {}).await;
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    let suspended = world.until_ready_is("lobby", "True", "Suspended").await;
    assert_eq!((suspended["status"]["phase"].as_str(), effort(&suspended)), (Some("Suspended"), ""));
    assert!(suspended["status"].get("sessions").is_none() && suspended["status"].get("startTime").is_none());
    assert_eq!(last_end(&suspended), "Stopped");
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    let passed_by =
        world.versions_of("lobby").into_iter().any(|job| says(&job, "Reconciling", "True", "Suspending"));
    assert!(passed_by, "it says that it is suspending");
    world.patch("lobby", json!({"spec": {"suspend": false}})).await;
    let resumed = world.until_capturing("lobby").await;
    assert_ne!(sid(&resumed), sid(&before));
    assert_eq!(
        resumed["status"]["sessions"][0]["recorderUid"],
        before["status"]["sessions"][0]["recorderUid"]
    );
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_suspended_from_its_beginning_asks_the_vendor_nothing() {
    let world = Plan::new("suspended").faster(20).make().await;
    let mut spec = world.spec("lobby");
    spec["suspend"] = json!(true);
    world.create("lobby", spec).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    assert!(world.simulator.requests(&[]).await.expect("requests").is_empty());
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_complete_deadlines_fail_and_a_time_to_live_ends_the_object() {
    const SCALE: u32 = 20;
    let world = Plan::new("durations").faster(SCALE).make().await;
    capturing(&world, "done", |spec| {
        spec["durationSeconds"] = json!(60);
        spec["ttlSecondsAfterFinished"] = json!(80);
    })
    .await;
    capturing(&world, "late", |spec| spec["activeDeadlineSeconds"] = json!(80)).await;
    let done = until_finished(&world, "done", "True", "Completed").await;
    let completed = Instant::now();
    assert!(says(&done, "Ready", "True", "Completed") && effort(&done).is_empty(), "{done:#}");
    assert_eq!((&done["status"]["phase"], last_end(&done)), (&json!("Succeeded"), &json!("Deadline")));
    assert!(done["status"]["completionTime"].is_string() && done["status"].get("sessions").is_none());
    let ran = world.one_at_a_time("done").await;
    // The capture counts from the confirm; times are stored in whole seconds.
    let billed = ran[0]["billedSeconds"].as_u64().expect("a number");
    assert!((60 - u64::from(SCALE)..200).contains(&billed), "{billed} s for durationSeconds 60");

    let late = until_finished(&world, "late", "False", "DeadlineExceeded").await;
    assert_eq!((effort(&late), &late["status"]["phase"]), ("Stalled", &json!("Failed")));
    assert_has(message(&late), &["activeDeadlineSeconds", "agora-snapshot.dev/restart"]);
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());

    world.until_gone("done", SOON).await;
    assert!(
        completed.elapsed() >= Duration::from_secs(80 - u64::from(SCALE)) / SCALE,
        "{:?}",
        completed.elapsed()
    );
    world.patch("late", json!({"metadata": {"annotations": {"agora-snapshot.dev/restart": "1"}}})).await;
    let again = world.until_capturing("late").await;
    assert_eq!(again["status"]["lastHandledRestart"], "1", "a restart begins a new run with a new deadline");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_to_which_nobody_came_completes_the_job() {
    let world = Plan::new("idle").faster(30).make().await;
    let mut spec = world.spec("lobby");
    spec["idleTimeoutSeconds"] = json!(60);
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    let done = until_finished(&world, "lobby", "True", "Completed").await;
    assert_eq!(last_end(&done), "Idle");
    assert_has(message(&done), &["idleTimeoutSeconds", "onIdle"]);
    let told = world
        .versions_of("lobby")
        .iter()
        .any(|job| says(job, "ControlReachable", "False", "PossibleFailover"));
    assert!(told, "a run of 404 is told while it lasts");
    let ran = world.one_at_a_time("lobby").await;
    assert_eq!((ran.len(), &ran[0]["endReason"]), (1, &json!("idle")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_everybody_left_is_tried_once_more_and_then_complete() {
    let world = Plan::new("left").faster(30).make().await;
    capturing(&world, "lobby", |spec| spec["idleTimeoutSeconds"] = json!(60)).await;
    world.until_sessions(&[("minFiles", "1")], 1).await;
    // A query has to see that there are files, or the end looks like that of a channel to which nobody came.
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 2).await;
    world.simulator.leave("lobby", 7).await.expect("the user leaves");
    let done = until_finished(&world, "lobby", "True", "Completed").await;
    let ends: Vec<_> =
        done["status"]["history"].as_array().expect("history").iter().map(|one| &one["endReason"]).collect();
    assert_eq!(ends, ["Idle", "Lost"], "newest first");
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_end_may_mean_another_session() {
    let world = Plan::new("idle-restart").faster(30).make().await;
    let mut spec = world.spec("lobby");
    (spec["idleTimeoutSeconds"], spec["onIdle"]) = (json!(60), json!("Restart"));
    world.create("lobby", spec).await;
    let first = world.until_capturing("lobby").await;
    let another = |job: &Value| says(job, "Ready", "True", "Capturing") && sid(job) != sid(&first);
    let second = world.until("lobby", "another session", SOON, another).await;
    assert_eq!(last_end(&second), "Idle");
    assert!(second["status"].get("failures").is_none(), "an idle end is no failure");
    world.one_at_a_time("lobby").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_died_is_replaced() {
    let world = Plan::new("lost").faster(30).make().await;
    let first = capturing(&world, "lobby", |_| {}).await;
    world.fault(json!({"kill": sid(&first)})).await;
    let another = |job: &Value| says(job, "Ready", "True", "Capturing") && sid(job) != sid(&first);
    let second = world.until("lobby", "another session", SOON, another).await;
    assert_eq!(last_end(&second), "Lost");
    assert_eq!(world.until_event("lobby", "SessionLost").await.0, "Warning");
    assert!(second["status"].get("failures").is_none(), "the vendor's accident is no failure of the spec");
    assert_has(&world.operator_metrics().await, &["agora_snapshot_sessions_ended_total{reason=\"Lost\"} 1"]);
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_be_left_running() {
    let world = Plan::new("left-running").faster(20).make().await;
    let job = capturing(&world, "lobby", |spec| spec["deletionPolicy"] = json!("Orphan")).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.calls("stop").await.is_empty());
    assert_eq!(world.live_sessions().await[0]["sid"], sid(&job));
    let (_, note) = world.until_event("lobby", "OrphanRisk").await;
    assert_has(&note, &[sid(&job), "left running by deletionPolicy Orphan"]);
    let metrics = world.operator_metrics().await;
    assert_has(&metrics, &["agora_snapshot_orphan_risk_sessions 0", "_ended_total{reason=\"Orphaned\"} 1"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_costs_what_it_has_to_and_no_more() {
    let world = Plan::new("edits").faster(20).make().await;
    let first = capturing(&world, "lobby", |_| {}).await;
    assert_eq!(calls(&world).await, [1, 1, 0, 0]);

    let irrelevant = json!({"spec": {"onIdle": "Restart", "backoffLimit": 3, "durationSeconds": 100_000, "deletionPolicy": "Orphan"}});
    let edited = world.patch("lobby", irrelevant).await;
    let seen = |job: &Value| job["status"]["observedGeneration"] == edited["metadata"]["generation"];
    let same = world.until("lobby", "the edit to be seen", SOON, seen).await;
    assert_eq!((sid(&same), calls(&world).await), (sid(&first), [1, 1, 0, 0]), "no session needs it");
    assert!(says(&same, "Ready", "True", "Capturing"));

    let lists = world.patch("lobby", json!({"spec": {"subscription": {"videoUids": [7, 8]}}})).await;
    let told = |job: &Value| {
        job["status"]["observedGeneration"] == lists["metadata"]["generation"]
            && says(job, "Ready", "True", "Capturing")
    };
    let same = world.until("lobby", "the lists to be told", SOON, told).await;
    assert_eq!(
        (sid(&same), calls(&world).await),
        (sid(&first), [1, 1, 1, 0]),
        "the running session takes lists"
    );
    let update = &world.calls("update").await[0];
    let subscribed =
        &update["body"]["clientRequest"]["streamSubscribe"]["videoUidList"]["subscribeVideoUids"];
    assert_eq!((subscribed, &update["status"]), (&json!(["7", "8"]), &json!(200)));

    world.patch("lobby", json!({"spec": {"intervalSeconds": 20}})).await;
    let another = |job: &Value| says(job, "Ready", "True", "Capturing") && sid(job) != sid(&first);
    let second = world.until("lobby", "another session", SOON, another).await;
    assert_eq!((last_end(&second), calls(&world).await), (&json!("Replaced"), [2, 2, 1, 1]));
    let passed_by =
        world.versions_of("lobby").into_iter().any(|job| says(&job, "Reconciling", "True", "Replacing"));
    assert!(passed_by, "it says that it is replacing");
    let starts = world.calls("start").await;
    assert_eq!(starts[1]["body"]["clientRequest"]["snapshotConfig"]["captureInterval"], 20);
    assert_eq!(
        starts[1]["body"]["clientRequest"]["recordingConfig"]["subscribeVideoUids"],
        json!(["7", "8"])
    );
    assert_eq!(world.sessions().await.len(), 2);
    world.patch("lobby", json!({"spec": {"deletionPolicy": "Stop"}})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_and_its_revert_leave_the_session_alone() {
    let world = Plan::new("bad-edit").faster(20).make().await;
    let before = capturing(&world, "lobby", |_| {}).await;
    world.patch("lobby", json!({"spec": {"storage": {"credentialsRef": {"name": "nowhere"}}}})).await;
    let bad = world.until_ready_is("lobby", "False", "WaitingForSecret").await;
    assert_eq!((bad["status"]["phase"].as_str(), sid(&bad)), (Some("Running"), sid(&before)));
    assert_has(message(&bad), &["Secret `nowhere` does not exist", "goes on meanwhile"]);
    world.patch("lobby", json!({"spec": {"storage": {"credentialsRef": {"name": "bucket"}}}})).await;
    let good = world.until_capturing("lobby").await;
    assert_eq!((sid(&good), calls(&world).await), (sid(&before), [1, 1, 0, 0]));
    assert_eq!(good["status"]["observedGeneration"], 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_replaces_the_session_once() {
    let world = Plan::new("restart").faster(20).make().await;
    let first = capturing(&world, "lobby", |_| {}).await;
    world
        .patch("lobby", json!({"metadata": {"annotations": {"agora-snapshot.dev/restart": "monday"}}}))
        .await;
    let another = |job: &Value| says(job, "Ready", "True", "Capturing") && sid(job) != sid(&first);
    let second = world.until("lobby", "another session", SOON, another).await;
    assert_eq!(second["status"]["lastHandledRestart"], "monday");
    assert_eq!(last_end(&second), "Replaced");
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query")], queries + 2).await;
    assert_eq!(calls(&world).await, [2, 2, 0, 1]);
    world.end().await;
}

/// An hour's session is renewed at three quarters of it, well before nobody could stop it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_before_the_vendor_lets_go_of_it() {
    const SCALE: u32 = 100;
    let world = Plan::new("renewal").faster(SCALE).make().await;
    let first = capturing(&world, "lobby", |spec| spec["sessionLimitHours"] = json!(1)).await;
    let another = |job: &Value| says(job, "Ready", "True", "Capturing") && sid(job) != sid(&first);
    let second = world.until("lobby", "another session", SOON, another).await;
    assert_eq!(last_end(&second), "Replaced");
    let ran = world.sessions().await;
    assert_eq!((ran.len(), &ran[0]["endReason"]), (2, &json!("stopped")));
    let billed = ran[0]["billedSeconds"].as_u64().expect("a number");
    // Five minutes before its end it would be stopped even if nothing could follow it.
    assert!((2400..3200).contains(&billed), "{billed} s of an hour");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_of_every_kind_of_session_are_understood() {
    let world = Plan::new("stops").faster(20).make().await;
    for (name, recording, setting) in [
        ("snapshots", Value::Null, "noRecordedData"),
        ("uploaded", Value::Null, "uploaded"),
        ("video", json!({"streams": "Video"}), "noRecordedData"),
        ("both", json!({"streams": "AudioAndVideo"}), "noRecordedData"),
    ] {
        world.simulator.set(json!({"snapshotOnlyStop": setting})).await.expect("the setting is taken");
        capturing(&world, name, |spec| {
            if !recording.is_null() {
                spec["recording"] = recording;
            }
        })
        .await;
        world.until_sessions(&[("cname", name), ("minFiles", "1")], 1).await;
        world.patch(name, json!({"spec": {"suspend": true}})).await;
        let job = world.until_ready_is(name, "True", "Suspended").await;
        assert_eq!(last_end(&job), "Stopped", "{name}");
        let stops = world.until_calls(&[("verb", "stop"), ("cname", name), ("answered", "true")], 1).await;
        assert_eq!(stops.len(), 1, "{name}: {stops:#?}");
        assert!(job["status"].get("failures").is_none());
    }
    assert_has(
        &world.operator_metrics().await,
        &[
            "agora_snapshot_sessions_stopped_total{upload=\"no_recorded_data\"} 1",
            "agora_snapshot_sessions_stopped_total{upload=\"uploaded\"} 3",
            "agora_snapshot_sessions_ended_total{reason=\"Stopped\"} 4",
        ],
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_an_app_certificate_gets_tokens_of_its_own() {
    const CERTIFICATE: &str = "5cfd2fd1755d40ecb72977518be15d3b";
    let world = Plan::new("certificate").faster(20).app_certificate(CERTIFICATE).make().await;
    let account = json!({"customerId": world.simulator.customer_id(),
        "customerSecret": world.simulator.customer_secret(), "appCertificate": CERTIFICATE});
    world.secret("agora", account).await;
    let job = capturing(&world, "lobby", |_| {}).await;
    // A wrong token would end the session a moment after its start.
    world.until_sessions(&[("minFiles", "2"), ("state", "live")], 1).await;
    let start = &world.calls("start").await[0];
    assert!(
        start["body"]["clientRequest"]["token"].as_str().is_some_and(|token| token.starts_with("sha256:"))
    );
    let times = |field: &str| -> jiff::Timestamp {
        job["status"]["sessions"][0][field].as_str().expect(field).parse().expect("a time")
    };
    let life = times("tokenEndTime").duration_since(times("acquireTime"));
    assert!((86_390..=86_400).contains(&life.as_secs()), "a token lives 24 hours, not {life:#}");
    world.end().await;
}
