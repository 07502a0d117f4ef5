//! A job is deleted at any moment of its life: nothing of it runs afterwards, or it is reported; and the object goes
//! within a bound, whatever is gone, refused or silent.

use std::time::{Duration, Instant};

use agora_snapshot_testbed::Testbed;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::telling::{assert_has, message, says};
use crate::vendor::{ALL, assert_waits};
use crate::world::{Plan, SOON, World};

const MINUTE: Duration = Duration::from_secs(60);

async fn nothing_runs(world: &World) {
    assert_eq!(world.live_sessions().await, Vec::<Value>::new(), "{}", world.log_tail());
}

/// A world whose operator tells of orphans in a namespace that outlives the test's own.
async fn with_operator_namespace(plan: Plan, name: &str) -> (World, String) {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let namespace = testbed.create_namespace(&format!("{name}-operator")).await.expect("a namespace");
    let world = plan.operator_argument(&format!("--operator-namespace={namespace}")).make().await;
    (world, namespace)
}

/// Texts of the events about orphans in a namespace.
async fn orphan_events(world: &World, namespace: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(world.client.clone(), namespace);
    let events = events.list(&ListParams::default()).await.expect("events").items;
    let orphans = events.into_iter().filter(|event| event.reason.as_deref() == Some("OrphanRisk"));
    orphans.map(|event| event.message.unwrap_or_default()).collect()
}

async fn until_orphan_event(world: &World, namespace: &str) -> String {
    let what = format!("an event about an orphan in {namespace}");
    world.eventually(&what, SOON, async || orphan_events(world, namespace).await.pop()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anything_was_asked_for() {
    let world = Plan::new("del-early").faster(20).make().await;
    let mut spec = world.spec("lobby");
    spec["credentialsRef"]["name"] = json!("nowhere");
    world.create("lobby", spec).await;
    world.until_ready_is("lobby", "False", "WaitingForSecret").await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.simulator.requests(&[]).await.expect("requests").is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_resource_is_asked_for() {
    let world = Plan::new("del-acquire").faster(20).make().await;
    world.fault(json!({"verb": "acquire", "times": 1, "delayBeforeMs": 1500})).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_calls(&[("verb", "acquire")], 1).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(world.calls("start").await.is_empty(), "a claim that came too late starts nothing");
    assert!(world.sessions().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_start_is_under_way() {
    let world = Plan::new("del-start").faster(20).make().await;
    for (job, delay) in [("before", "delayBeforeMs"), ("after", "delayAfterMs")] {
        world.fault(json!({"verb": "start", "cname": job, "times": 1, delay: 1500})).await;
        world.create(job, world.spec(job)).await;
        world.until_calls(&[("verb", "start"), ("cname", job)], 1).await;
        world.delete(job).await;
        world.until_gone(job, SOON).await;
        let ran = world.one_at_a_time(job).await;
        assert_eq!((ran.len(), &ran[0]["endReason"]), (1, &json!("stopped")), "{job}");
    }
    nothing_runs(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_doubt_is_repeated_to_be_stopped() {
    const SCALE: u32 = 20;
    let world = Plan::new("del-doubt").faster(SCALE).make().await;
    let late =
        json!({"status": 206, "body": {"code": 65, "reason": "request not completed"}, "effect": true});
    for (job, sid, fault) in [
        ("late", "present", json!({"verb": "start", "cname": "late", "times": 2, "answer": late})),
        ("lost", "present", json!({"verb": "start", "cname": "lost", "times": 1, "drop": "after"})),
        ("never", "absent", json!({"verb": "start", "cname": "never", "times": 2, "drop": "before"})),
    ] {
        world.simulator.set(json!({"alreadyStartedSid": sid})).await.expect("the setting is taken");
        world.fault(fault).await;
        world.create(job, world.spec(job)).await;
        world.until_calls(&[("verb", "start"), ("cname", job), ("answered", "true")], 1).await;
        world.delete(job).await;
        world.until_gone(job, SOON).await;
        let ran = world.one_at_a_time(job).await;
        assert_eq!((ran.len(), &ran[0]["endReason"]), (1, &json!("stopped")), "{job}: {}", world.log_tail());
        let starts = world.until_calls(&[("verb", "start"), ("cname", job)], 2).await;
        assert!(starts.iter().all(|start| start["resourceId"] == starts[0]["resourceId"]), "{job}");
    }
    nothing_runs(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_was_confirmed() {
    let world = Plan::new("del-unconfirmed").faster(10).make().await;
    world.answer("query", ALL, 504, json!({"code": 62, "reason": "request timeout"})).await;
    world.create("lobby", world.spec("lobby")).await;
    let has_sid = |job: &Value| job["status"]["sessions"][0]["sid"].is_string();
    world.until("lobby", "a sid", SOON, has_sid).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    nothing_runs(&world).await;
    world.end().await;
}

/// A fault of the stop, how often it is stopped then, and at least how long after each other.
struct StopFault {
    name: &'static str,
    fault: Value,
    calls: usize,
    waits: &'static [f64],
}

#[rustfmt::skip]
fn stop_faults() -> Vec<StopFault> {
    let answer = |status: u16, body: Value| json!({"times": 2, "answer": {"status": status, "body": body}});
    let row = |name, fault, calls, waits| StopFault { name, fault, calls, waits };
    vec![
        row("late", answer(206, json!({"code": 65, "reason": "request not completed"})), 3, &[3.0, 6.0]),
        row("backend", answer(504, json!({"code": 62, "reason": "request timeout"})), 3, &[3.0, 6.0]),
        row("parameter", answer(400, json!({"code": 2, "reason": "bad"})), 3, &[10.0, 20.0]),
        row("missing", answer(404, json!({"code": 404, "reason": "failed to find worker"})), 3, &[30.0, 30.0]),
        row("rate", answer(429, json!({"message": "API rate limit exceeded"})), 3, &[10.0, 20.0]),
        row("page", answer(502, json!("<html>Bad Gateway</html>")), 3, &[1.0, 3.0]),
        row("unheard", json!({"times": 2, "drop": "before"}), 3, &[1.0, 3.0]),
        // The stop had its effect: the next one is told that it is ending, or that nothing is there.
        row("unanswered", json!({"times": 1, "drop": "after"}), 2, &[1.0]),
        row("slow", json!({"times": 1, "delayAfterMs": 2000}), 1, &[]),
        row("exiting", json!({"times": 1, "answer": {"status": 400, "effect": true,
            "body": {"code": 49, "serverResponse": {"payload": {"message": "Failed"}}}}}), 1, &[]),
        row("overrun", json!({"times": 1, "answer": {"status": 206, "effect": true,
            "body": {"code": 50, "reason": "upload is not finished"}}}), 1, &[]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_its_stop_is_answered() {
    const SCALE: u32 = 20;
    let world = Plan::new("del-stops").faster(SCALE).make().await;
    let rows = stop_faults();
    for row in &rows {
        world.simulator.join(row.name, 7).await.expect("a user joins");
        let mut fault = row.fault.clone();
        (fault["verb"], fault["cname"]) = (json!("stop"), json!(row.name));
        world.fault(fault).await;
        world.create(row.name, world.spec(row.name)).await;
    }
    for row in &rows {
        world.until_capturing(row.name).await;
    }
    for row in &rows {
        world.delete(row.name).await;
    }
    for row in &rows {
        world.until_gone(row.name, SOON).await;
        let stops = world
            .until_calls(&[("verb", "stop"), ("cname", row.name), ("answered", "true")], row.calls)
            .await;
        assert_waits(&stops, SCALE, row.waits, row.name);
        // What stopped unheard may be gone when it is asked again, and is proved dead then.
        let most = if row.name == "unanswered" { 8 } else { row.calls };
        assert!((row.calls..=most).contains(&stops.len()), "{}: {stops:#?}", row.name);
        if row.calls == 1 {
            let after = stops[0]["id"].to_string();
            let asked =
                world.simulator.requests(&[("cname", row.name), ("after", &after)]).await.expect("requests");
            assert!(asked.is_empty(), "{}: it was proved stopped by its answer: {asked:#?}", row.name);
        }
        let ran = world.one_at_a_time(row.name).await;
        assert_eq!((ran.len(), &ran[0]["endReason"]), (1, &json!("stopped")), "{}", row.name);
    }
    nothing_runs(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_died_is_proved_dead_first() {
    const SCALE: u32 = 40;
    let world = Plan::new("del-dead").faster(SCALE).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    let sid = job["status"]["sessions"][0]["sid"].clone();
    world.fault(json!({"kill": sid})).await;
    // It says for a while that it is exiting; then it is gone.
    tokio::time::sleep(Duration::from_secs(8) / SCALE).await;
    let asked = Instant::now();
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(
        asked.elapsed() >= Duration::from_secs(100) / SCALE,
        "a failover answers 404, too: {:?}",
        asked.elapsed()
    );
    let stops = world.calls("stop").await;
    assert!(stops.len() >= 3, "{stops:#?}");
    nothing_runs(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_went_first_does_not_hinder_who_knew_it() {
    let world = Plan::new("del-secret-first").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    world.delete_secret("agora").await;
    world.delete_secret("bucket").await;
    let is_missing = |job: &Value| says(job, "ControlReachable", "False", "WaitingForSecret");
    world.until("lobby", "the Secret to be missed", SOON, is_missing).await;
    let asked = Instant::now();
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert!(asked.elapsed() < 15 * MINUTE / 20, "it was stopped, not given up: {:?}", asked.elapsed());
    nothing_runs(&world).await;
    assert_eq!(world.sessions().await[0]["endReason"], "stopped");
    world.end().await;
}

/// A job that captures, and an operator that never saw its account Secret.
async fn with_a_stranger(name: &'static str, scale: u32) -> (World, String, Value) {
    let (mut world, operator_namespace) = with_operator_namespace(Plan::new(name).faster(scale), name).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    world.stop_operator().await;
    world.delete_secret("agora").await;
    world.start_operator().await;
    (world, operator_namespace, job["status"]["sessions"][0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_is_reported_and_let_go_after_15_minutes() {
    const SCALE: u32 = 90;
    let (world, operator_namespace, session) = with_a_stranger("del-no-account", SCALE).await;
    let asked = Instant::now();
    world.delete("lobby").await;
    let waits = |job: &Value| message(job).contains("Secret `agora` does not exist");
    let job = world.until("lobby", "it to say what it waits for", SOON, waits).await;
    assert!(says(&job, "Ready", "False", "Stopping"));
    let no_deletion = "agora_snapshot_oldest_deletion_age_seconds 0.0\n";
    assert!(!world.operator_metrics().await.contains(no_deletion), "the age of this one");
    world.until_gone("lobby", SOON).await;
    let took = asked.elapsed();
    assert!(took >= 15 * MINUTE / SCALE, "given up after {took:?}");
    let note = until_orphan_event(&world, &operator_namespace).await;
    let text = |field: &str| session[field].as_str().expect(field).to_owned();
    let uid = session["recorderUid"].to_string();
    assert_has(
        &note,
        &[
            &text("sid"),
            &text("resourceId"),
            world.simulator.app_id(),
            "lobby",
            &uid,
            "hard end none",
            "credentials",
        ],
    );
    let metrics = world.operator_metrics().await;
    let given_up = "agora_snapshot_sessions_ended_total{reason=\"Orphaned\"} 1";
    assert_has(&metrics, &["agora_snapshot_orphan_risk_sessions 1", given_up, no_deletion]);
    assert_eq!(world.live_sessions().await[0]["sid"], session["sid"], "it does run, as the event says");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_come_back_in_time_stop_it() {
    let (world, operator_namespace, _) = with_a_stranger("del-account-back", 30).await;
    world.delete("lobby").await;
    world
        .until("lobby", "it to wait", SOON, |job| message(job).contains("Secret `agora` does not exist"))
        .await;
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    world.secret("agora", account).await;
    world.until_gone("lobby", SOON).await;
    nothing_runs(&world).await;
    assert_eq!(orphan_events(&world, &operator_namespace).await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_namespace_goes_and_takes_its_session_with_it() {
    const SCALE: u32 = 20;
    let plan = Plan::new("del-namespace").faster(SCALE);
    let (world, operator_namespace) = with_operator_namespace(plan, "del-namespace").await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let asked = Instant::now();
    world.testbed.delete_namespace(&world.namespace).await.expect("it is asked for");
    world.until_namespace_is_gone(&world.namespace, SOON).await;
    assert!(asked.elapsed() < 15 * MINUTE / SCALE, "it waited for a bound: {:?}", asked.elapsed());
    nothing_runs(&world).await;
    assert_eq!(world.sessions().await[0]["endReason"], "stopped");
    assert_eq!(orphan_events(&world, &operator_namespace).await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_with_a_lost_sid_goes_within_its_bound_and_tells() {
    // The namespace controller takes seconds, and a doubt older than its resourceId, here 11 s, is asked about with a start.
    const SCALE: u32 = 30;
    let plan = Plan::new("del-lost-sid").faster(SCALE);
    let (world, operator_namespace) = with_operator_namespace(plan, "del-lost-sid").await;
    // Nobody sends video: no name in the bucket tells the sid.
    world.fault(json!({"verb": "start", "times": 1, "drop": "after"})).await;
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_ready_is("lobby", "False", "RecoveringSid").await;
    let asked = Instant::now();
    world.testbed.delete_namespace(&world.namespace).await.expect("it is asked for");
    world.until_namespace_is_gone(&world.namespace, 2 * SOON).await;
    let took = asked.elapsed();
    assert!(took >= 15 * MINUTE / SCALE, "a sid may still be found: {took:?}");
    let note = until_orphan_event(&world, &operator_namespace).await;
    let resource = job["status"]["sessions"][0]["resourceId"].as_str().expect("a resourceId").to_owned();
    assert_has(&note, &[&resource, "sid unknown", "its sid is not known", world.simulator.app_id()]);
    assert_eq!(world.calls("acquire").await.len(), 1, "nothing else was started");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_vendor_holds_a_deletion_as_long_as_the_flag_says() {
    const SCALE: u32 = 60;
    let plan = Plan::new("del-silent").faster(SCALE).operator_argument("--orphan-after=10m");
    let (world, operator_namespace) = with_operator_namespace(plan, "del-silent").await;
    for job in ["back", "away"] {
        world.simulator.join(job, 7).await.expect("a user joins");
        world.create(job, world.spec(job)).await;
    }
    for job in ["back", "away"] {
        world.until_capturing(job).await;
    }
    world.fault(json!({"down": true})).await;
    world.delete("back").await;
    let is_told = |job: &Value| {
        message(job).contains("could not be reached") && says(job, "Ready", "False", "Stopping")
    };
    world.until("back", "it to say that the vendor is silent", SOON, is_told).await;
    world.mend().await;
    world.until_gone("back", SOON).await;
    world.until_sessions(&[("cname", "back"), ("state", "ended")], 1).await;

    world.fault(json!({"down": true})).await;
    let asked = Instant::now();
    world.delete("away").await;
    world.until_gone("away", SOON).await;
    let took = asked.elapsed();
    assert!(took >= 10 * MINUTE / SCALE, "given up after {took:?}");
    assert_has(
        &until_orphan_event(&world, &operator_namespace).await,
        &["the vendor could not be reached", "away"],
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_taken_by_force_leaves_nothing_running() {
    let world = Plan::new("del-forced").faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    world.answer("stop", 2, 206, json!({"code": 65, "reason": "request not completed"})).await;
    world.delete("lobby").await;
    world.until_calls(&[("verb", "stop")], 1).await;
    world.patch("lobby", json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("lobby", SOON).await;
    world.until_sessions(&[("state", "ended")], 1).await;
    nothing_runs(&world).await;
    world.end().await;
}
