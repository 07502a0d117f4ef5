//! The newest snapshot of each user is on the page, is what lies in the bucket, and is followed by the next by itself.

use std::time::Duration;

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use crate::browser::Browser;
use crate::opened::Gallery;
use crate::user::User;
use crate::world::{CANARY, Plan, World};

/// A world in which two users send video, a snapshot of each every second, and a gallery of it.
async fn world(name: &'static str) -> (World, Gallery) {
    let world = Plan::new(name).make().await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(1);
    for uid in [101, 102] {
        world.simulator.join("lobby", uid).await.expect("a user");
    }
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    let user = User::of(&world).await;
    let gallery = Gallery::of(&world, &user, "lobby").await;
    (world, gallery)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_snapshot_of_each_user_is_shown_and_followed_by_the_next() {
    let (world, gallery) = world("gallery-newest").await;
    let page = Browser::open(&world, &gallery).await;
    page.until("document.querySelectorAll('.card').length === 2").await;
    page.until("[...document.images].every((image) => image.complete && image.naturalWidth > 100)").await;
    assert_eq!(page.is("$('#name').textContent").await, "lobby");
    assert_eq!(
        page.is("[...document.querySelectorAll('.card strong')].map((name) => name.textContent)").await,
        json!(["User 101", "User 102"])
    );
    page.until(
        "$('#pulse').textContent === 'Running' && $('.card.live .age').textContent.endsWith(' s ago')",
    )
    .await;

    // What is shown is what lies in the bucket under this user's name and this time.
    let source = page.is("$('.card img').getAttribute('src')").await;
    let source = source.as_str().expect("a source").to_owned();
    let shown = reqwest::get(format!("{}{source}", gallery.address())).await.expect("an answer");
    assert_eq!(shown.headers()["content-type"], "image/jpeg");
    let shown = shown.bytes().await.expect("a snapshot");
    let mut same = false;
    for key in world.testbed.s3().list(&world.bucket, "").await.expect("a list") {
        if key.contains("__uid_s_101__") && key.ends_with(".jpg") {
            same |= world.testbed.s3().get(&world.bucket, &key).await.expect("an object") == shown;
        }
    }
    assert!(same && shown[..2] == [0xff, 0xd8], "{source}");

    // The next one comes by itself: the page is not loaded again.
    page.is("window.mark = 1").await;
    page.until(&format!("window.mark === 1 && $('.card img').getAttribute('src') !== '{source}'")).await;
    // So it does in the time line, until somebody goes back in it.
    page.until("$('#taken').dateTime > new Date(Number($('.card .age').dataset.age) - 60000).toISOString()")
        .await;
    let chosen = page.is("$('#taken').dateTime").await;
    page.until(&format!("$('#taken').dateTime > {chosen}")).await;
    page.is("$('#earlier').click()").await;
    let chosen = page.is("$('#taken').dateTime").await;
    let source = page.is("$('.card img').getAttribute('src')").await;
    page.until(&format!("$('.card img').getAttribute('src') !== {source}")).await;
    assert_eq!(page.is("$('#taken').dateTime").await, chosen);

    // Another user's time line, and a user who comes later.
    page.is("document.querySelectorAll('.card')[1].click()").await;
    page.until("$('#whose').textContent === '102' && $('#large').src.includes('/snapshots/102/')").await;
    assert_eq!(page.is("$('.card[aria-pressed=true] strong').textContent").await, "User 102");
    world.simulator.join("lobby", 103).await.expect("a user");
    page.until("document.querySelectorAll('.card').length === 3").await;
    page.until("[...document.images].every((image) => image.complete && image.naturalWidth > 100)").await;
    page.picture("light").await;
    page.media("dark", "no-preference").await;
    page.picture("dark").await;

    let asked = page.assert_alone_and_content().await;
    for url in asked {
        assert!(!url.contains("__uid") && !url.contains(CANARY), "{url}");
    }
    page.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_could_not_be_had_is_asked_for_again_though_no_newer_one_comes() {
    let (world, gallery) = world("gallery-again").await;
    for uid in [101, 102] {
        world.simulator.leave("lobby", uid).await.expect("a user leaves");
    }
    world.patch("lobby", json!({"spec": {"suspend": true}})).await;
    world.until_ready_is("lobby", "True", "Suspended").await;
    // The plugin knows them all; then those of one user cannot be had for a while.
    let state = format!("{}state", gallery.address());
    reqwest::get(&state).await.expect("an answer").error_for_status().expect("a state");
    let bucket = world.testbed.s3().bucket(&world.bucket, world.testbed.s3().root()).expect("a bucket");
    let mut taken_away = vec![];
    for key in world.testbed.s3().list(&world.bucket, "").await.expect("a list") {
        if key.contains("__uid_s_101__") && key.ends_with(".jpg") {
            let path = Path::from(key.clone());
            taken_away.push((path, world.testbed.s3().get(&world.bucket, &key).await.expect("an object")));
            bucket.delete(&taken_away[taken_away.len() - 1].0).await.expect("it is deleted");
        }
    }
    let page = Browser::open(&world, &gallery).await;
    page.until("document.querySelectorAll('.card').length === 2").await;
    page.is("document.querySelectorAll('.card')[0].click()").await;
    page.until(
        "$('.card img').className === 'broken' && $('#large').className === 'broken' && $('#strip img.broken') !== null",
    )
    .await;
    page.requests().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = page.requests().await;
    let of = |part: &str| asked.iter().filter(|url| url.contains(part)).count();
    let (polls, source) = (of("/state"), page.is("$('.card img').getAttribute('src')").await);
    let again = of(source.as_str().expect("a source"));
    // The newest is on the card, large, and in the strip.
    assert!((2..20).contains(&polls) && again <= 3 * (polls + 1), "{again} times in {polls} polls");

    for (path, content) in taken_away {
        bucket.put(&path, content.into()).await.expect("it is put back");
    }
    page.until("[...document.images].every((image) => image.complete && image.naturalWidth > 100)").await;
    page.until("!$('img.broken') && $('#missing').hidden").await;
    page.close().await;
    world.end().await;
}
