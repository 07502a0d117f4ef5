//! A namespace goes with its jobs in every state of their lives, at the worst of times: the real namespace controller
//! takes the Secrets as it likes. It is gone within a bound, and what could not be stopped is told, by name.

use std::time::{Duration, Instant};

use agora_snapshot_testbed::Testbed;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::killing::spec;
use crate::vendor::ALL;
use crate::world::{Plan, SOON, World, condition};

const MINUTE: Duration = Duration::from_secs(60);

/// Jobs whose sessions are known by their sid, so that they can be stopped by whoever has the credentials.
const KNOWN: [&str; 4] = ["unconfirmed", "capturing", "handover", "stopping"];

/// A world with one job in every state, its channel being the state's name, and the namespace where orphans are told.
async fn in_every_state(name: &'static str, scale: u32) -> (World, String) {
    let testbed = Testbed::from_env().await.expect("a testbed");
    let operators = testbed.create_namespace(&format!("{name}-operator")).await.expect("a namespace");
    let plan = Plan::new(name).faster(scale).operator_argument(&format!("--operator-namespace={operators}"));
    let world = plan.make().await;
    let jobs = ["early", "claimed", "lost", "suspended"].into_iter().chain(KNOWN);
    let not_in_time = json!({"status": 504, "body": {"code": 62, "reason": "request timeout"}});
    for fault in [
        json!({"verb": "start", "cname": "claimed", "times": ALL, "drop": "before"}),
        json!({"verb": "start", "cname": "lost", "times": 1, "drop": "after"}),
        json!({"verb": "query", "cname": "unconfirmed", "times": ALL, "answer": not_in_time}),
        json!({"verb": "stop", "cname": "stopping", "times": ALL, "answer": not_in_time}),
    ] {
        world.fault(fault).await;
    }
    join_all(jobs.map(async |name| {
        world.simulator.join(name, 7).await.expect("a user joins");
        let mut spec = spec(&world, name, 180);
        if name == "early" {
            spec["credentialsRef"]["name"] = json!("nowhere");
        }
        if name == "lost" {
            // Else it would be found.
            spec["storage"]["readerCredentialsRef"] = json!({"name": "nowhere"});
        }
        world.create(name, spec).await;
    }))
    .await;
    for name in ["suspended", "handover", "stopping", "capturing"] {
        world.until_capturing(name).await;
    }
    world.fault(json!({"verb": "query", "cname": "handover", "times": ALL, "answer": not_in_time})).await;
    world.patch("handover", json!({"spec": {"intervalSeconds": 240}})).await;
    for name in ["suspended", "stopping"] {
        world.patch(name, json!({"spec": {"suspend": true}})).await;
    }
    world.until_ready_is("suspended", "True", "Suspended").await;
    for (name, states) in [
        ("unconfirmed", json!(["Running"])),
        ("handover", json!(["Running", "Running"])),
        ("stopping", json!(["Stopping"])),
    ] {
        let is_so = |job: &Value| {
            let sessions = job["status"]["sessions"].as_array().into_iter().flatten();
            Value::Array(sessions.map(|session| session["state"].clone()).collect()) == states
        };
        world.until(name, &format!("{name} to have {states}"), SOON, is_so).await;
    }
    for name in ["claimed", "lost"] {
        let session = |job: &Value| job["status"]["sessions"][0].clone();
        let is_so = |job: &Value| session(job)["resourceId"].is_string() && session(job)["sid"].is_null();
        world.until(name, "a claim without a sid", SOON, is_so).await;
    }
    (world, operators)
}

/// Every session that ever ran is stopped, or told of in an event of its own, with its channel and resourceId. Returns the
/// channels of those that are told.
async fn stopped_or_told(world: &World, operators: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(world.client.clone(), operators);
    let told = async || {
        let events = events.list(&ListParams::default()).await.expect("events").items;
        let orphans = events.into_iter().filter(|event| event.reason.as_deref() == Some("OrphanRisk"));
        let notes: Vec<String> = orphans.filter_map(|event| event.message).collect();
        let live = world.live_sessions().await;
        let named = |session: &Value| {
            let text = |field: &str| session[field].as_str().expect(field);
            let parts = [format!("cname {},", text("cname")), format!("resourceId {},", text("resourceId"))];
            notes.iter().any(|note| parts.iter().all(|part| note.contains(part)))
        };
        live.iter().all(named).then(|| {
            live.iter().map(|session| session["cname"].as_str().expect("a channel").to_owned()).collect()
        })
    };
    world.eventually("every session to be stopped or told", SOON, told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_vendor_away_for_an_hour() {
    const SCALE: u32 = 120;
    let (world, operators) = in_every_state("going-hour", SCALE).await;
    world.fault(json!({"down": true})).await;
    let asked = Instant::now();
    world.testbed.delete_namespace(&world.namespace).await.expect("it is asked for");
    tokio::time::sleep_until((asked + 60 * MINUTE / SCALE).into()).await;
    for name in KNOWN {
        let job = world.jobs().get(name).await.expect("who can still be stopped is waited for");
        let job = json!(job);
        let words = condition(&job, "Ready").expect("Ready")["message"].as_str().expect("words").to_owned();
        assert!(words.contains("could not be reached"), "{name}: {words}");
    }
    for name in ["early", "suspended"] {
        assert!(
            world.jobs().get_opt(name).await.expect("an answer").is_none(),
            "{name} had nothing to wait for"
        );
    }
    world.mend().await;
    world.until_namespace_is_gone(&world.namespace, SOON).await;
    let told = stopped_or_told(&world, &operators).await;
    assert!(told.iter().all(|channel| !KNOWN.contains(&channel.as_str())), "given up too early: {told:?}");
    for name in KNOWN {
        let sessions = world.simulator.sessions(&[("cname", name)]).await.expect("sessions");
        assert!(sessions.iter().all(|session| session["endReason"] == "stopped"), "{name}: {sessions:#?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_credentials_that_nobody_knows() {
    const SCALE: u32 = 90;
    let (mut world, operators) = in_every_state("going-unknown", SCALE).await;
    // What is held up until now would go on as soon as nothing holds it.
    world.kill_operator().await;
    world.mend().await;
    world.delete_secret("agora").await;
    world.start_operator().await;
    let asked = Instant::now();
    world.testbed.delete_namespace(&world.namespace).await.expect("it is asked for");
    world.until_namespace_is_gone(&world.namespace, SOON).await;
    let took = asked.elapsed();
    assert!(took >= 15 * MINUTE / SCALE, "credentials may come back: {took:?}");
    let mut told = stopped_or_told(&world, &operators).await;
    told.sort();
    assert_eq!(told, ["capturing", "handover", "handover", "lost", "stopping", "unconfirmed"]);
    world.end().await;
}
