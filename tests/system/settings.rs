//! The vendor's documents leave facts open; the simulator can have each of them either way. The main road must not
//! depend on any: it is walked with every value of every setting.

use std::panic::AssertUnwindSafe;
use std::process::Command;

use agora_snapshot_testbed::simulator_program;
use futures::{FutureExt, StreamExt};
use regex::Regex;
use serde_json::{Value, json};

use crate::world::{Plan, SOON, World, condition};

/// Worlds of one test at the same time.
const SIDE_BY_SIDE: usize = 3;

/// The values are dealt out to this many tests.
const SHARES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn every_value_first_share() {
    walk(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_second_share() {
    walk(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_third_share() {
    walk(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_fourth_share() {
    walk(3).await;
}

/// The list that the tests above walk is that of the running simulator, whole.
#[tokio::test(flavor = "multi_thread")]
async fn no_setting_is_left_out() {
    let world = Plan::new("settings").make().await;
    let Value::Object(known) = world.simulator.settings().await.expect("the settings") else {
        panic!("the settings are no object")
    };
    let values = other_values();
    for (name, default) in &known {
        let others: Vec<_> = values.iter().filter(|(of, _)| of == name).map(|(_, value)| value).collect();
        assert!(!others.is_empty(), "{name} has no other value");
        assert!(others.iter().all(|value| *default != ***value), "{name} is {default} by default");
    }
    assert!(values.iter().all(|(name, _)| known.contains_key(name)));
    world.end().await;
}

/// Walks the main road with every value of this share.
async fn walk(share: usize) {
    let mine = other_values().into_iter().skip(share).step_by(SHARES);
    let walks = mine.map(|(name, value)| goes_wrong(name, value));
    let failed: Vec<Option<String>> =
        futures::stream::iter(walks).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The setting, if the main road with it fails: that must not hide the others, and what it said stands above.
///
/// No async closure of `walk`: over one in a chain of iterators rustc 1.95 falls when it builds incrementally
/// ("unstable fingerprints for evaluate_obligation").
async fn goes_wrong(name: String, value: String) -> Option<String> {
    let walked = AssertUnwindSafe(main_road(&name, &value)).catch_unwind().await;
    walked.err().map(|_| format!("{name}={value}"))
}

/// Created, capturing, counted, edited, replaced, deleted; no second session, none left, no call that the vendor had to
/// refuse, and no word of trouble.
async fn main_road(name: &str, value: &str) {
    let world = Plan::new("setting").faster(20).setting(name, value).make().await;
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("lobby", world.spec("lobby")).await;
    let first = world.until_capturing("lobby").await["status"]["sessions"][0]["sid"].clone();
    let counts = |job: &Value| job["status"]["snapshots"]["count"].as_i64().is_some_and(|count| count > 0);
    world.until("lobby", "snapshots to be counted", SOON, counts).await;

    // From snapshots alone to record and snapshot, so that both kinds of answers are met.
    let edit = json!({"spec": {"intervalSeconds": 5, "recording": {"format": "HLS"}}});
    world.patch("lobby", edit).await;
    let is_replaced = |job: &Value| {
        job["status"]["sessions"][0]["sid"] != first
            && condition(job, "Ready").is_some_and(|ready| ready["reason"] == "Capturing")
            && job["status"]["observedGeneration"] == 2
    };
    let job = world.until("lobby", "the new spec to be captured", SOON, is_replaced).await;
    let second = job["status"]["sessions"][0]["sid"].clone();
    world.until_sessions(&[("sid", second.as_str().expect("a sid")), ("minFiles", "2")], 1).await;

    world.delete("lobby").await;
    world.until_gone("lobby", SOON).await;
    assert_main_road(&world, name, [first, second]).await;
    world.end().await;
}

async fn assert_main_road(world: &World, setting: &str, sids: [Value; 2]) {
    let sessions = world.one_at_a_time_or_handed_over("lobby").await;
    assert_eq!(sessions.iter().map(|session| session["sid"].clone()).collect::<Vec<_>>(), sids);
    assert!(sessions.iter().all(|session| session["state"] == "ended" && session["endReason"] == "stopped"));
    assert_eq!((&sessions[0]["records"], &sessions[1]["records"]), (&json!(false), &json!(true)));
    for call in world.simulator.requests(&[]).await.expect("requests") {
        let limited = setting == "requestsPerSecond" && call["status"] == 429;
        // With room for one session alone the old one is stopped first.
        let no_room = setting == "concurrencyQuota" && call["code"] == 406;
        assert!(limited || no_room || call["status"] == 200 || call["status"] == 206, "{call:#}");
    }
    for version in world.versions_of("lobby") {
        let Some(ready) = condition(&version, "Ready") else { continue };
        let reason = ready["reason"].as_str().expect("a reason");
        let on_the_road = ["Acquiring", "Starting", "Capturing", "Replacing", "Stopping"].contains(&reason);
        assert!(on_the_road || setting == "requestsPerSecond", "{reason}: {ready:#}");
    }
    let trouble = world.events("lobby").await.into_iter().find(|(kind, _, _)| kind == "Warning");
    assert!(trouble.is_none() || setting == "requestsPerSecond", "{trouble:?}");
}

/// Every setting with every value that is not its default: name and value.
fn other_values() -> Vec<(String, String)> {
    let program = simulator_program().expect("the simulator is built");
    let listed = Command::new(program).arg("--list-settings").output().expect("the list of settings");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let line = Regex::new(r"(?m)^(?<name>\w+) = (?<default>\S+) \(of (?<values>.+)\)$").expect("a pattern");
    let values = line.captures_iter(&listed).flat_map(|setting| {
        let values: Vec<String> = match &setting["name"] {
            // Numbers: the least that one job needs.
            "concurrencyQuota" => vec!["1".into()],
            "requestsPerSecond" => vec!["2".into()],
            // Another number: both ends of what it may be.
            _ => setting["values"]
                .split(" | ")
                .flat_map(|value| value.split("..="))
                .map(str::to_owned)
                .collect(),
        };
        let (name, default) = (setting["name"].to_owned(), setting["default"].to_owned());
        values
            .into_iter()
            .filter(move |value| *value != default)
            .map(move |value| (name.clone(), value))
            .collect::<Vec<_>>()
    });
    values.collect()
}
