//! A sid is lost: it is found by the names in the bucket, or a start under the same uid tells whether its session runs.

use serde_json::{Value, json};

use crate::crash::{assert_one_session, assert_one_session_ever};
use crate::telling::says;
use crate::world::{Plan, SOON, World};

/// The vendor took the start, its answer was lost, and the vendor does not repeat the sid.
async fn lose_a_sid(world: &World, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let fault = json!({"verb": "start", "cname": name, "times": 1, "drop": "after"});
    world.simulator.fault(fault).await.expect("a fault");
    let mut spec = world.spec(name);
    change(&mut spec);
    world.create(name, spec).await;
    world.until_ready_is(name, "False", "RecoveringSid").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sid_is_found_in_the_bucket() {
    let world = Plan::new("lost-sid").faster(20).setting("alreadyStartedSid", "absent").make().await;
    // A neighbour writes into the same folder; its sid is a candidate, too, and not the one.
    world.simulator.join("other", 8).await.expect("a user joins");
    let mut neighbour = world.spec("other");
    neighbour["storage"]["prefix"] = json!("shared");
    world.create("other", neighbour).await;
    world.until_capturing("other").await;

    let shown = lose_a_sid(&world, "lobby", |spec| spec["storage"]["prefix"] = json!("shared")).await;
    assert_eq!(shown["status"]["phase"], "Recovering");
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let job = world.until_capturing("lobby").await;
    let sessions = world.until_sessions(&[("cname", "lobby")], 1).await;
    assert_eq!(job["status"]["sessions"][0]["sid"], sessions[0]["sid"]);
    assert_eq!(
        world.simulator.requests(&[("verb", "acquire"), ("cname", "lobby")]).await.expect("requests").len(),
        1
    );
    let told =
        async || world.events("lobby").await.into_iter().find(|(_, reason, _)| reason == "SidRecovered");
    world.eventually("the event", SOON, told).await;
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    world.until_sessions(&[("cname", "lobby"), ("state", "ended")], 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sid_is_found_for_a_new_process_too() {
    let mut world = Plan::new("lost-sid-kill").faster(20).setting("alreadyStartedSid", "absent").make().await;
    lose_a_sid(&world, "lobby", |_| {}).await;
    world.kill_operator().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.start_operator().await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_finds_its_lost_sid_and_stops_it() {
    let world = Plan::new("lost-sid-del").faster(20).setting("alreadyStartedSid", "absent").make().await;
    lose_a_sid(&world, "lobby", |_| {}).await;
    world.delete("lobby").await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.until_gone("lobby", SOON).await;
    let session = assert_one_session_ever(&world).await;
    assert_eq!(session["endReason"], "stopped");
    world.end().await;
}

/// Nothing can be listed: refused with code 53 as long as the old session runs, and accepted when it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_bucket_to_look_into_a_start_under_the_same_uid_tells() {
    let world = Plan::new("lost-sid-blind").faster(60).setting("alreadyStartedSid", "absent").make().await;
    world.secret("blind", json!({"accessKey": "nobody", "secretKey": "CANARY7f3a-nothing"})).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let blind = |spec: &mut Value| spec["storage"]["readerCredentialsRef"] = json!({"name": "blind"});
    lose_a_sid(&world, "lobby", blind).await;
    let refused = |calls: &[Value]| calls.iter().filter(|call| call["code"] == 53).count();
    let probed = async || (refused(&world.calls("start").await) >= 2).then_some(());
    world.eventually("two starts to be refused", SOON, probed).await;
    let lost = assert_one_session_ever(&world).await;
    let job = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert!(says(&job, "Ready", "False", "RecoveringSid"), "{job:#}");
    // Everybody leaves, the session ends by itself, and the next start is accepted.
    world.simulator.leave("lobby", 7).await.expect("the user leaves");
    world.until_sessions(&[("sid", lost["sid"].as_str().expect("a sid")), ("state", "ended")], 1).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let job = world.until_capturing("lobby").await;
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    assert_eq!(sessions[0]["uid"], sessions[1]["uid"], "the uid is the fence");
    assert_eq!(job["status"]["sessions"][0]["sid"], sessions[1]["sid"]);
    assert_eq!(job["status"]["history"][0]["endReason"], "Lost");
    world.end().await;
}
