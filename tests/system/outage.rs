//! The vendor is down, a session is not found for a while, a session dies: what runs goes on, what waits does not fail,
//! what is dead is replaced, once.

use std::time::{Duration, Instant};

use agora_snapshot_testbed::Writes;
use serde_json::{Value, json};

use crate::world::{Plan, SOON, World, condition};

/// Twenty minutes pass in twenty seconds.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_minutes_without_the_vendor() {
    const SCALE: u32 = 60;
    let world = Plan::new("outage").faster(SCALE).make().await;
    let (running, waiting) = (["run1", "run2", "run3"], ["wait1", "wait2"]);
    for name in running.iter().chain(&waiting) {
        world.simulator.join(name, 7).await.expect("a user joins");
    }
    for name in running {
        world.create(name, world.spec(name)).await;
    }
    let mut before = Vec::new();
    for name in running {
        before.push(world.until_capturing(name).await["status"]["sessions"][0]["sid"].clone());
    }
    let down = (world.mark().await, Instant::now());
    world.simulator.fault(json!({"down": true})).await.expect("an outage");
    for name in waiting {
        world.create(name, world.spec(name)).await;
    }
    for name in waiting {
        world.until_ready_is(name, "False", "VendorUnavailable").await;
    }
    for name in running {
        world.until(name, "the vendor to be called unreachable", SOON, |job| !is_reachable(job)).await;
    }
    let rest = Duration::from_secs(20 * 60) / SCALE;
    tokio::time::sleep(rest.saturating_sub(down.1.elapsed())).await;
    for name in running.iter().chain(&waiting) {
        let writes = world.writes_of(name, down.0).await;
        // 6 a minute would be an alert; this is one per attempt of growing waits, and those of the creation.
        assert!(writes.count() <= 20, "{name}: {}", told(&writes));
    }

    world.simulator.fault(json!({"down": false})).await.expect("the end of the outage");
    // The longest backoff, its jitter, and a start.
    let bound = Duration::from_secs(600) / SCALE;
    let up = Instant::now();
    for name in running.iter().chain(&waiting) {
        let is_well = |job: &Value| ready_reason(job) == Some("Capturing") && is_reachable(job);
        world.until(name, "it to recover", SOON, is_well).await;
    }
    assert!(up.elapsed() < bound, "it took {:?} until all had recovered", up.elapsed());

    for name in running.iter().chain(&waiting) {
        for version in world.versions_of(name) {
            assert_ne!(version["status"]["phase"], "Failed", "{version:#}");
            assert!(
                version["status"]["failures"].is_null(),
                "an outage is no failure of the job: {version:#}"
            );
            assert!(condition(&version, "Stalled").is_none(), "nobody has to help: {version:#}");
        }
    }
    for (name, sid) in running.iter().zip(&before) {
        let sessions = world.one_at_a_time(name).await;
        assert_eq!((sessions.len(), &sessions[0]["sid"]), (1, sid), "{name} goes on with its session");
        let confirmed =
            world.versions_of(name).into_iter().skip_while(|job| ready_reason(job) != Some("Capturing"));
        assert!(
            confirmed.into_iter().all(|job| ready_reason(&job) == Some("Capturing")),
            "{name} was not ready all the time"
        );
    }
    assert_eq!(world.sessions().await.len(), running.len() + waiting.len());
    world.end().await;
}

/// The outage begins between a start and its answer, and ends while the resourceId is good.
#[tokio::test(flavor = "multi_thread")]
async fn three_minutes_without_the_vendor_in_mid_start() {
    for lost in ["before", "after"] {
        let world = Plan::new("outage-start").faster(20).setting("alreadyStartedSid", "present").make().await;
        world.simulator.join("lobby", 7).await.expect("a user joins");
        let fault = json!({"verb": "start", "delayBeforeMs": 300, "drop": lost});
        world.simulator.fault(fault).await.expect("a fault");
        world.create("lobby", world.spec("lobby")).await;
        world.until_calls(&[("verb", "start"), ("answered", "true")], 1).await;
        world.simulator.fault(json!({"down": true})).await.expect("an outage");
        world.until_ready_is("lobby", "False", "VendorUnavailable").await;
        tokio::time::sleep(Duration::from_secs(180) / 20).await;
        world.simulator.fault(json!({"down": false})).await.expect("the end of the outage");
        let job = world.until_capturing("lobby").await;
        assert_eq!(world.calls("acquire").await.len(), 1, "the doubt was settled with the same resourceId");
        let sessions = world.sessions().await;
        assert_eq!(
            (sessions.len(), &sessions[0]["sid"]),
            (1, &job["status"]["sessions"][0]["sid"]),
            "{lost}"
        );
        assert!(job["status"]["failures"].is_null());
        world.end().await;
    }
}

/// The vendor moves the session to another server: not found for 30 to 90 s, then it goes on under the same sid.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_no_end() {
    let world = Plan::new("failover").faster(20).make().await;
    let sid = capturing_closely_watched(&world).await;
    world.simulator.fault(json!({"failover": sid})).await.expect("a failover");
    world.until("lobby", "the doubt", SOON, in_possible_failover).await;
    let job = world.until("lobby", "the end of the doubt", SOON, is_reachable).await;
    assert_eq!(job["status"]["sessions"][0]["sid"], sid);
    assert_ready_all_the_time(&world);
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!((sessions.len(), &sessions[0]["failovers"]), (1, &json!(1)));
    assert_ne!(sessions[0]["currentUid"], sessions[0]["uid"]);
    // What the other server writes is counted, too, under its own names.
    let of_backup = async || {
        let keys = world.testbed.s3().list(&world.bucket, "lobby").await.expect("a list");
        keys.iter().find(|key| key.starts_with("lobby/bak0_")).cloned()
    };
    world.eventually("a snapshot of the other server", SOON, of_backup).await;
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    let job = world.until_ready_is("lobby", "True", "Suspended").await;
    let keys = world.testbed.s3().list(&world.bucket, "lobby").await.expect("a list");
    assert_eq!(job["status"]["snapshots"]["count"], keys.len());
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}

/// The longest that the vendor documents: four answers of 404 over 90 s, and the fifth is well.
#[tokio::test(flavor = "multi_thread")]
async fn not_found_for_ninety_seconds_is_no_end() {
    let world = Plan::new("not-found").faster(20).make().await;
    let sid = capturing_closely_watched(&world).await;
    let not_found = json!({"status": 404, "body": {"code": 404, "reason": "failed to find worker"}});
    let fault = json!({"verb": "query", "times": 4, "answer": not_found});
    world.simulator.fault(fault).await.expect("a fault");
    world.until("lobby", "the doubt", SOON, in_possible_failover).await;
    world.until("lobby", "the end of the doubt", SOON, is_reachable).await;
    let answers: Vec<Value> = world.calls("query").await.iter().map(|call| call["status"].clone()).collect();
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 4, "{answers:?}");
    assert_ready_all_the_time(&world);
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!((sessions.len(), &sessions[0]["sid"]), (1, &sid));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_session_is_replaced_once_under_the_same_uid() {
    const SCALE: u32 = 20;
    let world = Plan::new("dead").faster(SCALE).make().await;
    let sid = capturing_closely_watched(&world).await;
    world.simulator.fault(json!({"kill": sid})).await.expect("a death");
    let killed = Instant::now();
    world.until("lobby", "the doubt", SOON, in_possible_failover).await;
    let is_replaced =
        |job: &Value| ready_reason(job) == Some("Capturing") && job["status"]["sessions"][0]["sid"] != sid;
    let job = world.until("lobby", "another session", SOON, is_replaced).await;
    assert!(
        killed.elapsed() * SCALE >= Duration::from_secs(120),
        "a failover may take 90 s, and looks the same"
    );
    let past = &job["status"]["history"][0];
    assert_eq!((&past["sid"], &past["endReason"]), (&sid, &json!("Lost")));
    assert!(job["status"]["failures"].is_null());
    let told =
        async || world.events("lobby").await.into_iter().find(|(_, reason, _)| reason == "SessionLost");
    world.eventually("an event", SOON, told).await;
    // Five more minutes change nothing.
    tokio::time::sleep(Duration::from_secs(300) / SCALE).await;
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["endReason"], "killed");
    assert_eq!(sessions[0]["uid"], sessions[1]["uid"]);
    assert_eq!(sessions[1]["state"], "live");
    world.end().await;
}

/// A session with somebody in its channel who sends video, that is queried every 15 s, and its sid: a failover of 30 s must
/// not fall between two queries.
async fn capturing_closely_watched(world: &World) -> Value {
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["idleTimeoutSeconds"] = json!(30);
    world.create("lobby", spec).await;
    let job = world.until_capturing("lobby").await;
    // The operator has heard of the first snapshot: no end can be taken for an idle one.
    world.until_sessions(&[("minFiles", "1")], 1).await;
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 1).await;
    job["status"]["sessions"][0]["sid"].clone()
}

fn assert_ready_all_the_time(world: &World) {
    let versions = world.versions_of("lobby");
    let mut since_ready = versions.iter().skip_while(|job| ready_reason(job) != Some("Capturing"));
    assert!(since_ready.all(|job| ready_reason(job) == Some("Capturing")), "{versions:#?}");
}

fn ready_reason(job: &Value) -> Option<&str> {
    condition(job, "Ready")?["reason"].as_str()
}

fn is_reachable(job: &Value) -> bool {
    condition(job, "ControlReachable").is_some_and(|reachable| reachable["status"] == "True")
}

fn in_possible_failover(job: &Value) -> bool {
    condition(job, "ControlReachable")
        .is_some_and(|reachable| reachable["status"] == "False" && reachable["reason"] == "PossibleFailover")
}

fn told(writes: &Writes) -> String {
    writes.iter().map(|write| format!("{} {} -> {}\n", write.verb, write.subresource, write.code)).collect()
}
