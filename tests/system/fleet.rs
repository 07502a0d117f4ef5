//! Many jobs at once, and two that want the same recorder.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::telling::{assert_has, effort, message};
use crate::world::{Plan, SOON, condition};

/// As many as the vendor lets run at the same time for one App ID.
const JOBS: usize = 50;

/// Requests in one second of the vendor's clock: ten, and two that the way through a loaded machine may push together.
const MOST_IN_A_SECOND: usize = 12;

/// In real time, for the sake of the request rate.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_jobs_at_once() {
    let world = Plan::new("fleet").make().await;
    let names: Vec<String> = (1..=JOBS).map(|n| format!("room{n}")).collect();
    let applied = world.mark().await;
    join_all(names.iter().map(|name| world.create(name, world.spec(name)))).await;
    let jobs = join_all(names.iter().map(|name| world.until_capturing(name))).await;
    let audit = world.testbed.control_plane().audit_log();
    let writes = audit.writes_since(&world.client, applied).await.expect("the audit log");
    for name in &names {
        let writes = writes.of("snapshotjobs").object(&world.namespace, name).by("operator");
        assert!(writes.count() <= 4, "{name}: {writes:#?}");
    }

    let sessions = world.sessions().await;
    assert_eq!(sessions.len(), JOBS, "sessions that ever ran");
    let channels: BTreeSet<_> = sessions.iter().map(|session| session["cname"].as_str()).collect();
    assert_eq!(channels, names.iter().map(|name| Some(name.as_str())).collect());
    for (name, job) in names.iter().zip(&jobs) {
        let session = sessions.iter().find(|session| session["cname"] == *name).expect("a session");
        assert_eq!(job["status"]["sessions"][0]["sid"], session["sid"]);
        assert_eq!(session["state"], "live");
    }

    join_all(names.iter().map(|name| world.delete(name))).await;
    join_all(names.iter().map(|name| world.until_gone(name, SOON))).await;
    assert!(world.live_sessions().await.is_empty());
    assert_eq!(world.sessions().await.len(), JOBS);
    let calls = world.simulator.requests(&[]).await.expect("requests");
    assert!(calls.iter().all(|call| call["status"] != 429), "the vendor had to refuse a call for the rate");
    let most = most_in_a_second(&calls);
    assert!(most <= MOST_IN_A_SECOND, "{most} requests in one second");
    world.end().await;
}

/// The vendor would refuse the second session, or after a failover let both evict each other: only one is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_that_want_one_recorder_uid_take_turns() {
    let world = Plan::new("one-uid").faster(10).make().await;
    let mut spec = world.spec("lobby");
    spec["channel"]["recorders"] = json!([{"uid": 1001}]);
    world.simulator.join("lobby", 7).await.expect("a user joins");
    world.create("first", spec.clone()).await;
    world.until_capturing("first").await;
    world.create("second", spec).await;
    let waits = world.until_ready_is("second", "False", "RecorderUidInUse").await;
    assert_eq!(effort(&waits), "Reconciling");
    assert_has(message(&waits), &["first", "1001", "lobby", "spec.channel.recorders"]);
    assert_eq!(world.until_event("second", "RecorderUidInUse").await.0, "Warning");
    // A minute, in which the uid is looked at four times.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.calls("acquire").await.len(), 1, "nothing is asked for in vain");

    world.delete("first").await;
    world.until_gone("first", SOON).await;
    let job = world.until_capturing("second").await;
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[1]["sid"], job["status"]["sessions"][0]["sid"]);
    assert!(sessions.iter().all(|session| session["uid"] == "1001"));
    world.end().await;
}

/// Created at the same moment: one of them, and only one, is first.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_at_once_that_want_one_recorder_uid_one_runs() {
    let world = Plan::new("one-uid-race").faster(10).make().await;
    let mut spec = world.spec("lobby");
    spec["channel"]["recorders"] = json!([{"uid": 1001}]);
    world.simulator.join("lobby", 7).await.expect("a user joins");
    tokio::join!(world.create("one", spec.clone()), world.create("other", spec));
    let reason_and_words = |name: &str| {
        let job = world.versions_of(name).pop()?;
        let ready = condition(&job, "Ready")?;
        Some((ready["reason"].as_str()?.to_owned(), ready["message"].as_str()?.to_owned()))
    };
    let waits_for = |loser: &str, winner: &str| {
        let (of_winner, _) = reason_and_words(winner)?;
        let (of_loser, words) = reason_and_words(loser)?;
        let names_it = words.contains(&format!("{}/{winner}", world.namespace));
        (of_winner == "Capturing" && of_loser == "RecorderUidInUse" && names_it).then_some(())
    };
    let settled = async || waits_for("one", "other").or(waits_for("other", "one"));
    world.eventually("one to capture and the other to wait", SOON, settled).await;
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

/// The most requests that arrived in any one second.
fn most_in_a_second(calls: &[Value]) -> usize {
    let mut times: Vec<jiff::Timestamp> = calls
        .iter()
        .map(|call| call["time"].as_str().expect("a time").parse().expect("a time of RFC 3339"))
        .collect();
    times.sort();
    let within = |first: &jiff::Timestamp, time: &jiff::Timestamp| {
        time.duration_since(*first) < jiff::SignedDuration::from_secs(1)
    };
    times
        .iter()
        .enumerate()
        .map(|(n, first)| times[n..].iter().take_while(|time| within(first, time)).count())
        .max()
        .unwrap_or(0)
}
