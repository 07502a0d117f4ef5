//! Whether snapshots arrive, and if not why: said of the bucket as it is, on real parts.

use serde_json::{Value, json};

use crate::telling::{assert_has, says};
use crate::world::{Plan, SOON, World, condition};

/// A judgement takes 90 s after the last snapshot, and the look that tells 5 min.
const SCALE: u32 = 20;

fn arriving(job: &Value) -> &str {
    condition(job, "SnapshotsArriving").map_or("", |one| one["message"].as_str().expect("a message"))
}

async fn put(world: &World, video: bool) {
    let user = json!({"video": video, "audio": true, "host": true});
    world.simulator.put_user("lobby", 7, user).await.expect("the user changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_video_is_called_that_until_somebody_sends() {
    let world = Plan::new("no-video").faster(SCALE).make().await;
    put(&world, false).await;
    world.create("lobby", world.spec("lobby")).await;
    world.until_capturing("lobby").await;
    let silent = |job: &Value| says(job, "SnapshotsArriving", "False", "NoVideo");
    let job = world.until("lobby", "the missing video to be told", SOON, silent).await;
    assert!(
        says(&job, "Ready", "True", "NoVideo"),
        "a channel without video is no fault of the job: {job:#}"
    );
    assert_has(arriving(&job), &["nobody sends it video"]);
    assert_eq!(world.until_event("lobby", "NoVideo").await.0, "Normal");

    put(&world, true).await;
    let flowing = |job: &Value| says(job, "SnapshotsArriving", "True", "Arriving");
    let job = world.until("lobby", "snapshots to arrive", SOON, flowing).await;
    assert!(says(&job, "Ready", "True", "Capturing"), "{job:#}");
    assert!(job["status"]["snapshots"]["count"].as_i64().is_some_and(|count| count > 0), "{job:#}");

    // Without notifications nobody can say whether the user or the bucket is the cause, and it is not guessed.
    put(&world, false).await;
    let ceased = |job: &Value| says(job, "SnapshotsArriving", "False", "Unknown");
    let job = world.until("lobby", "the end of the snapshots to be told", SOON, ceased).await;
    let last = job["status"]["snapshots"]["lastTime"].as_str().expect("a time");
    assert_has(arriving(&job), &[last]);
    assert!(says(&job, "Ready", "True", "Capturing"), "{job:#}");
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_list_leave_it_open_and_say_so() {
    let world = Plan::new("blind").faster(SCALE).make().await;
    put(&world, true).await;
    world.secret("blind", json!({"accessKey": "nobody", "secretKey": "CANARY7f3a-nothing"})).await;
    let mut spec = world.spec("lobby");
    spec["storage"]["readerCredentialsRef"] = json!({"name": "blind"});
    world.create("lobby", spec).await;
    let open = |job: &Value| says(job, "SnapshotsArriving", "Unknown", "Unknown");
    let job = world.until("lobby", "it to be left open", SOON, open).await;
    assert_has(arriving(&job), &["cannot be seen", "readerCredentialsRef"]);
    assert!(says(&job, "Ready", "True", "Capturing"), "{job:#}");

    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    let job = world.until_ready_is("lobby", "True", "Suspended").await;
    assert!(condition(&job, "SnapshotsArriving").is_none(), "{job:#}");
    world.end().await;
}
