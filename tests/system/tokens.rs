//! A channel whose project has its App Certificate on, and a recorder without a token: the vendor takes the start, and
//! what is wrong shows later. That tokens are made is shown in `lifecycle`.

use serde_json::json;

use crate::world::{Plan, condition};

/// 32 hexadecimal characters, as the vendor's console gives them.
const CERTIFICATE: &str = "5CFd2fd1755d40ecb72977518be15d3b";

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
