//! How often an object is written: every write costs the API server, and everybody who watches, something.

use agora_snapshot_testbed::Writes;
use serde_json::{Value, json};

use crate::telling::says;
use crate::world::{Plan, SOON, World};

/// In real time: 5 s between the sid and the confirmation leave no doubt which write belongs to what.
#[tokio::test(flavor = "multi_thread")]
async fn from_apply_to_ready_in_four_and_to_the_sid_in_three() {
    let world = Plan::new("writes").make().await;
    let applied = world.mark().await;
    world.create("lobby", world.spec("lobby")).await;
    let has_sid = |job: &Value| job["status"]["sessions"][0]["sid"].is_string();
    let job = world.until("lobby", "the sid", SOON, has_sid).await;
    assert!(job["status"]["sessions"][0]["confirmTime"].is_null(), "the sid is not held back: {job:#}");
    let to_sid = world.writes_of("lobby", applied).await;
    assert!(to_sid.count() <= 3, "{}", told(&to_sid));
    world.until_capturing("lobby").await;
    let to_ready = world.writes_of("lobby", applied).await;
    assert!(to_ready.count() <= 4, "{}", told(&to_ready));
    assert_eq!(to_ready.count(), to_ready.accepted().count(), "{}", told(&to_ready));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spurious_visit_writes_nothing() {
    let world = Plan::new("spurious").make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    // After the first look into the bucket there is nothing to write for five minutes.
    let arriving = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    world.until("lobby", "snapshots to arrive", SOON, arriving).await;
    for touch in ["one", "two", "three"] {
        let quiet = world.mark_at_rest().await;
        touch_with(&world, json!({"annotations": {"example.com/touched": touch}})).await;
        let writes = world.writes_of("lobby", quiet).await;
        assert_eq!(writes.count(), 0, "{}", told(&writes));
    }
    world.end().await;
}

/// The wait for a vendor that refuses is kept by the object, so a visit in it does nothing either.
#[tokio::test(flavor = "multi_thread")]
async fn a_spurious_visit_in_a_backoff_writes_and_calls_nothing() {
    let world = Plan::new("spurious-wait").make().await;
    let full = json!({"status": 400, "body": {"code": 406, "reason": "vendor_over_load"}});
    world.simulator.fault(json!({"verb": "acquire", "times": 100, "answer": full})).await.expect("a fault");
    world.create("lobby", world.spec("lobby")).await;
    world.until_ready_is("lobby", "False", "QuotaQueued").await;
    // A wait may end between two looks of a loaded machine; the next is longer.
    for touch in ["one", "two", "three", "four"] {
        let quiet = world.mark_at_rest().await;
        let calls = world.calls("acquire").await.len();
        touch_with(&world, json!({"labels": {"touched": touch}})).await;
        let writes = world.writes_of("lobby", quiet).await;
        if world.calls("acquire").await.len() == calls {
            assert_eq!(writes.count(), 0, "{}", told(&writes));
            return world.end().await;
        }
    }
    panic!("every visit calls the vendor:\n{}", world.log_tail());
}

/// Changes metadata that the job does not depend on, and waits for a visit after that.
async fn touch_with(world: &World, metadata: Value) {
    let visits = world.visits().await;
    world.patch("lobby", json!({ "metadata": metadata })).await;
    let more = async || (world.visits().await > visits).then_some(());
    world.eventually("a visit after the touch", SOON, more).await;
}

fn told(writes: &Writes) -> String {
    writes.iter().map(|write| format!("{} {} -> {}\n", write.verb, write.subresource, write.code)).collect()
}
