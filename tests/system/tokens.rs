//! Channels whose project has its App Certificate on: the recorder needs a token, and the simulator checks it.

use serde_json::json;

use crate::world::{Plan, SOON, condition};

/// 32 hexadecimal characters, as the vendor's console gives them.
const CERTIFICATE: &str = "5CFd2fd1755d40ecb72977518be15d3b";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_from_the_app_certificate() {
    let world = Plan::new("token-made").app_certificate(CERTIFICATE).make().await;
    let (id, secret) = (world.simulator.customer_id(), world.simulator.customer_secret());
    let values = json!({"customerId": id, "customerSecret": secret, "appCertificate": CERTIFICATE});
    world.secret("agora", values).await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let job = world.until_capturing("lobby").await;
    let session = &job["status"]["sessions"][0];
    assert!(session["tokenEndTime"].is_string(), "its hard end is known: {session}");
    assert!(!job["status"].to_string().contains(CERTIFICATE));
    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_session_dies_and_is_not_called_ready() {
    let world = Plan::new("token-missing").app_certificate(CERTIFICATE).faster(20).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let mut spec = world.spec("lobby");
    spec["backoffLimit"] = json!(0);
    world.create("lobby", spec).await;
    // The vendor takes the start; what is wrong shows later, as 404.
    let job = world.until_ready_is("lobby", "False", "StartNotConfirmed").await;
    assert_eq!(job["status"]["phase"], "Failed");
    let message = condition(&job, "Ready").expect("it was found")["message"].to_string();
    assert!(message.contains("token"), "the likely causes are named: {message}");
    assert!(world.live_sessions().await.is_empty());
    world.end().await;
}
