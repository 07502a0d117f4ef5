//! A session of many thousand snapshots: what is loaded of it, scrolling, and the keyboard.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use agora_snapshot_operator::snapshots::file_name::time_in_name;

use crate::browser::Browser;
use crate::looks;
use crate::opened::Gallery;
use crate::user::User;
use crate::world::{Plan, SOON, World};

/// Snapshots of user 101, one every 5 s.
const MANY: i64 = 12_000;
const INTERVAL: i64 = 5_000;
/// Nothing was taken in the quarter of an hour before the last thousand.
const GAP: i64 = 15 * 60_000;

/// What WebDriver calls these keys.
const HOME: &str = "\u{e011}";
const END: &str = "\u{e010}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";
const PAGE_UP: &str = "\u{e00e}";

/// Puts many older snapshots of the running session beside those that it took, and gives their times, oldest first.
async fn fill(world: &World) -> Vec<i64> {
    let s3 = world.testbed.s3();
    let taken = world
        .eventually("a snapshot in the bucket", SOON, async || {
            let keys = s3.list(&world.bucket, "").await.expect("a list");
            keys.into_iter().find(|key| key.contains("__uid_s_101__") && key.ends_with(".jpg"))
        })
        .await;
    let content = bytes::Bytes::from(s3.get(&world.bucket, &taken).await.expect("the object"));
    let stem = taken.rsplit_once('_').expect("a time").0.to_owned();
    let end = Timestamp::now().as_millisecond() - 60_000;
    let times: Vec<i64> =
        (1..=MANY).rev().map(|n| end - n * INTERVAL - if n > 1_000 { GAP } else { 0 }).collect();
    let bucket = s3.bucket(&world.bucket, s3.root()).expect("a bucket");
    let puts = times.iter().map(|time| {
        let time = time_in_name(Timestamp::from_millisecond(*time).expect("a time"));
        let (path, content, bucket) = (Path::from(format!("{stem}_{time}.jpg")), content.clone(), &bucket);
        async move { bucket.put(&path, content.into()).await.expect("it is put") }
    });
    futures::stream::iter(puts).buffer_unordered(16).collect::<Vec<_>>().await;
    times
}

fn iso(time: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(time).expect("a time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_session_is_scrolled_through_in_pieces() {
    let world = Plan::new("gallery-long").make().await;
    let mut spec = world.spec("lobby");
    spec["intervalSeconds"] = json!(5);
    world.simulator.join("lobby", 101).await.expect("a user");
    world.simulator.join("lobby", 102).await.expect("a user");
    world.create("lobby", spec).await;
    world.until_capturing("lobby").await;
    let times = fill(&world).await;
    let (oldest, user) = (times[0], User::of(&world).await);
    let gallery = Gallery::of(&world, &user, "lobby").await;
    let page = Browser::open(&world, &gallery).await;
    let chosen_is = |time: i64| format!("$('#taken').dateTime === '{}'", iso(time));
    page.until("document.querySelectorAll('.card').length === 2").await;
    page.is("document.querySelectorAll('.card')[0].click()").await;
    page.until("$('#whose').textContent === '101' && document.querySelectorAll('#strip li').length >= 60")
        .await;
    page.until("Number($('.card .dim').textContent.replace(/\\D/g, '')) > 12000").await;
    assert!(page.is("document.querySelectorAll('#strip li').length").await.as_u64() < Some(260));

    // Scrolling to the left brings older ones, again and again, and the window stays bounded.
    page.is("$('#strip li button').focus()").await;
    for _ in 0..6 {
        let first = page.is("$('#strip time').dateTime").await;
        // Again and again, as a person would: the window may just be made anew.
        page.until(&format!("($('#strip').scrollLeft = 0, $('#strip time').dateTime < {first})")).await;
    }
    let held = page.is("document.querySelectorAll('#strip li').length").await;
    assert!(held.as_u64() <= Some(240), "{held}");

    // The keyboard: the oldest, one after the other, the newest, ten back.
    page.is("$('#strip [aria-current], #strip button').focus()").await;
    page.press(HOME).await;
    page.until(&chosen_is(oldest)).await;
    assert_eq!(page.is("$('#oldest').getAttribute('aria-disabled')").await, "true");
    page.press(LEFT).await;
    page.press(RIGHT).await;
    page.until(&chosen_is(times[1])).await;
    for _ in 0..5 {
        page.press(RIGHT).await;
    }
    page.until(&chosen_is(times[6])).await;
    assert_eq!(page.is("document.activeElement === $('#strip [aria-current]')").await, true);
    page.until("$('#large').complete && $('#large').naturalWidth > 100").await;
    page.press(END).await;
    page.until("$('#latest').getAttribute('aria-disabled') === 'true'").await;
    let newest = page.is("Date.parse($('#taken').dateTime)").await.as_i64().expect("a time");
    assert!(newest > *times.last().expect("a time"), "{newest}");
    page.press(PAGE_UP).await;
    page.until(&format!("Date.parse($('#taken').dateTime) < {newest}")).await;

    // To a time in the middle, by the slider; the one before the gap is marked.
    let middle = times[times.len() - 1_000];
    page.is(&format!(
        "($('#jump').value = {}, $('#jump').dispatchEvent(new Event('change')))",
        middle + 1_000
    ))
    .await;
    page.until(&format!("Math.abs(Date.parse($('#taken').dateTime) - {middle}) < 3000")).await;
    page.until(
        "[...document.querySelectorAll('.gap')].some((gap) => gap.textContent.includes('15 min later'))",
    )
    .await;
    page.until("[...document.querySelectorAll('#strip img')].filter((it) => it.complete && it.naturalWidth).length > 5")
        .await;
    page.picture("long-light").await;
    looks::assert_good(&page).await;

    let asked = page.assert_alone_and_content().await;
    let snapshots = asked.iter().filter(|url| url.contains("/snapshots/")).count();
    let pieces = asked.iter().filter(|url| url.contains("/times?")).count();
    assert!((20..600).contains(&snapshots) && (9..60).contains(&pieces), "{snapshots} {pieces}");
    page.close().await;
    tokio::time::timeout(Duration::from_secs(120), world.end()).await.expect("the world ends");
}
