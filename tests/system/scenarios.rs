//! The two scenarios of the vendor's guide, from apply to nothing left running.

use serde_json::json;

use crate::world::{Plan, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_alone() {
    let world = Plan::new("snapshot-only").make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    let live = world.live_sessions().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["sid"], job["status"]["sessions"][0]["sid"]);
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert_eq!(world.live_sessions().await, Vec::<serde_json::Value>::new());
    assert_eq!(world.sessions().await[0]["endReason"], json!("stopped"));
    world.end().await;
}
