//! What the page says when there is nothing to show, or when it cannot be had.

use serde_json::json;

use crate::browser::Browser;
use crate::opened::Gallery;
use crate::user::User;
use crate::world::Plan;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_in_words() {
    let world = Plan::new("gallery-states").make_without_operator().await;
    world.create("lobby", world.spec("lobby")).await;
    world.delete_secret("bucket").await;
    let user = User::of(&world).await;
    let mut gallery = Gallery::of(&world, &user, "lobby").await;
    let page = Browser::open(&world, &gallery).await;
    let says = |title: &str, words: &str| {
        format!(
            "$('#words strong')?.textContent === '{title}' && $('#words').textContent.includes('{words}')"
        )
    };
    page.until(&says(
        "The bucket cannot be read",
        "Secret bucket, which the job names for its bucket, does not exist",
    ))
    .await;
    assert_eq!(page.is("$('#pulse').textContent").await, "Out of date");
    page.picture("unreadable").await;

    let keys = world.testbed.s3().root();
    world.secret("bucket", json!({"accessKey": keys.access_key, "secretKey": keys.secret_key})).await;
    page.until(&says("No snapshots yet", "No operator has looked at the job yet.")).await;
    assert_eq!(
        page.is("$('#words code').textContent").await,
        format!("kubectl snapshotjob doctor lobby --namespace {}", world.namespace)
    );
    assert_eq!(page.is("$('#newest').hidden && $('#timeline').hidden").await, true);
    page.picture("empty").await;

    let message = "the channel has nobody who sends <b>video</b>";
    let condition = json!({"type": "SnapshotsArriving", "status": "Unknown", "reason": "NoVideo", "message": message,
        "lastTransitionTime": "2026-07-01T09:00:00Z", "observedGeneration": 1});
    let status = json!({"status": {"conditions": [condition]}});
    let patch = kube::api::Patch::Merge(status);
    world.jobs().patch_status("lobby", &kube::api::PatchParams::default(), &patch).await.expect("a status");
    page.until(&says("No snapshots yet", "The channel has nobody who sends <b>video</b>.")).await;

    world.delete("lobby").await;
    page.until(&says("The job is gone", "There is no SnapshotJob lobby in namespace")).await;
    page.assert_alone_and_content().await;

    let printed = gallery.end().await;
    assert!(printed.contains("Ctrl-C ends it"), "{printed}");
    page.until(&says("The connection is lost", "run it again")).await;
    assert_eq!(page.is("$('#pulse').textContent").await, "Not connected");
    page.picture("lost").await;
    page.close().await;
    world.end().await;
}
