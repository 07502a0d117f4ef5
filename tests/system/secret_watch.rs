//! `--watch-secrets`: what a job waits for is used as soon as it is there, not at the next look.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::role;
use crate::world::{Plan, SOON, World};

/// Looking again every 15 s cannot be so quick, right after a look.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn world(name: &'static str) -> World {
    let mut world = Plan::new(name).operator_argument("--watch-secrets").make_without_operator().await;
    world.grant(role::watch_secrets()).await;
    world.start_operator().await;
    world
}

/// Waits for the first call to the vendor about the channel, and tells how long that took.
async fn until_acquired(world: &World, channel: &str, since: Instant) -> Duration {
    world.until_calls(&[("verb", "acquire"), ("cname", channel)], 1).await;
    since.elapsed()
}

/// In real time, which is what this is about.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_appears_or_is_mended_wakes_its_jobs() {
    let world = world("secret-watch").await;
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    let mut spec = world.spec("appears");
    spec["credentialsRef"]["name"] = json!("late");
    world.create("appears", spec).await;
    world.until_ready_is("appears", "False", "WaitingForSecret").await;
    let made = Instant::now();
    world.secret("late", account.clone()).await;
    let took = until_acquired(&world, "appears", made).await;
    assert!(took < AT_ONCE, "a Secret that appeared was used after {took:?}");

    world.secret("half", json!({"customerId": account["customerId"]})).await;
    let mut spec = world.spec("mended");
    spec["credentialsRef"]["name"] = json!("half");
    world.create("mended", spec).await;
    world.until_ready_is("mended", "False", "WaitingForSecret").await;
    let mended = Instant::now();
    world.secret("half", account).await;
    let took = until_acquired(&world, "mended", mended).await;
    assert!(took < AT_ONCE, "a Secret that was mended was used after {took:?}");
    for name in ["appears", "mended"] {
        world.until_capturing(name).await;
    }
    world.end().await;
}

/// A role that is too small costs the speed, not the job, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_watch_it_says_so_and_looks_again_as_ever() {
    let mut world = Plan::new("secret-no-watch").faster(10).operator_argument("--watch-secrets").make().await;
    let mut spec = world.spec("lobby");
    spec["credentialsRef"]["name"] = json!("late");
    world.create("lobby", spec).await;
    world.until_ready_is("lobby", "False", "WaitingForSecret").await;
    let told = async || {
        world.log_tail().contains("its role needs the verbs list and watch on secrets").then_some(())
    };
    world.eventually("words about the right", SOON, told).await;
    let account = json!({"customerId": world.simulator.customer_id(), "customerSecret": world.simulator.customer_secret()});
    world.secret("late", account).await;
    world.until_capturing("lobby").await;
    // Not the end of the others: there a request that was refused is a fault.
    world.stop_operator().await;
}
