//! The operator is removed: nothing runs on unseen, nothing is left half done, and one that is installed again goes on.

use std::time::Duration;

use serde_json::{Value, json};

use agora_snapshot_operator::api::FINALIZER;

use crate::kstatus::{Health, health};
use crate::release::{Drain, NAME, Release};
use crate::telling::{assert_has, message, says};
use crate::vendor::ALL;
use crate::world::{Plan, SOON, World};

const STOP: &str = "--sessions=Stop";

fn has_finalizer(job: &Value) -> bool {
    job["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == FINALIZER))
}

/// A running job of the name of its channel.
async fn capturing(world: &World, name: &str) -> Value {
    world.simulator.join(name, 7).await.expect("a user joins");
    world.create(name, world.spec(name)).await;
    world.until_capturing(name).await
}

async fn suspended(world: &World, name: &str) {
    let mut spec = world.spec(name);
    spec["suspend"] = json!(true);
    world.create(name, spec).await;
    world.until_ready_is(name, "True", "Suspended").await;
}

/// A job whose run is over.
async fn finished(world: &World, name: &str) -> Value {
    let mut spec = world.spec(name);
    spec["durationSeconds"] = json!(20);
    world.simulator.join(name, 7).await.expect("a user joins");
    world.create(name, spec).await;
    world.until_ready_is(name, "True", "Completed").await
}

/// What the object is now, at the API server itself.
async fn now(world: &World, name: &str) -> Value {
    serde_json::to_value(world.jobs().get(name).await.expect("the job")).expect("an object")
}

async fn assert_withdrawn(world: &World, name: &str) {
    let job = now(world, name).await;
    assert!(!has_finalizer(&job), "{job:#}");
    assert!(job["status"].get("sessions").is_none(), "{job:#}");
    assert!(says(&job, "Ready", "False", "OperatorRemoved"), "{job:#}");
    assert_eq!(health(&job), Health::InProgress);
}

/// The session that the job's status names, in the words of a list of them.
fn assert_lists(said: &str, job: &Value) {
    let session = &job["status"]["sessions"][0];
    let text = |field: &str| session[field].as_str().expect(field);
    assert_has(said, &[text("sid"), text("resourceId"), &session["recorderUid"].to_string()]);
    let (namespace, name) = (&job["metadata"]["namespace"], &job["metadata"]["name"]);
    assert_has(
        said,
        &[&format!("{}/{}", namespace.as_str().expect("a name"), name.as_str().expect("a name"))],
    );
}

// === Refuse and Leave ===

#[tokio::test(flavor = "multi_thread")]
async fn a_running_session_is_listed_and_nothing_is_changed() {
    let mut world = Plan::new("drain-refuse").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    let job = capturing(&world, "lobby").await;
    suspended(&world, "idle").await;
    for (flags, may_go, words) in [
        (&[][..], false, "must not be removed, for 1 session"),
        (&["--sessions=Leave"], true, "1 session left running"),
    ] {
        let (drained, said) = release.drain(&mut world, flags).ended().await;
        assert_eq!(drained, may_go, "{said}");
        assert_has(&said, &[words, "Nothing was changed"]);
        assert_lists(&said, &job);
        assert_eq!(release.replicas().await, 1);
        let after = world.until_capturing("lobby").await;
        assert!(has_finalizer(&after));
        assert_eq!(after["status"]["sessions"][0]["sid"], job["status"]["sessions"][0]["sid"]);
        assert!(!says(&now(&world, "idle").await, "Ready", "False", "OperatorRemoved"));
    }
    assert!(world.calls("stop").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_runs_the_finalizers_go_once_the_pods_have() {
    let mut world = Plan::new("drain-idle").faster(20).make().await;
    let release = Release::install(&world, 2).await;
    release.pod("one").await;
    release.pod("evicted").await;
    release.pod_is("evicted", "Failed").await;
    suspended(&world, "idle").await;
    let mut spec = world.spec("waiting");
    spec["credentialsRef"]["name"] = json!("nowhere");
    world.create("waiting", spec).await;
    let waiting = world.until_ready_is("waiting", "False", "WaitingForSecret").await;
    assert!(has_finalizer(&waiting), "{waiting:#}");
    let before = finished(&world, "done").await;
    assert!(has_finalizer(&before), "{before:#}");
    let mut drain = release.drain(&mut world, &[]);
    release.until_replicas(&world, 0).await;
    world.stop_operator().await;
    release.end_pod("one").await;
    // A terminating pod may still be at work, however long it takes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(drain.runs());
    assert!(has_finalizer(&now(&world, "done").await));
    release.pod_ended("one").await;
    let (drained, said) = drain.ended().await;
    assert!(drained, "{said}");
    assert_has(&said, &["scaled from 2 to 0", "No pod of the operator is left", "Drained: 3 SnapshotJobs"]);
    assert_eq!(release.replicas().await, 0);
    assert_withdrawn(&world, "idle").await;
    assert_withdrawn(&world, "waiting").await;
    let after = now(&world, "done").await;
    assert!(!has_finalizer(&after));
    assert_eq!(after["status"], before["status"], "a finished job keeps its words");
    world.start_operator().await;
    world.until_ready_is("idle", "True", "Suspended").await;
    world.until_ready_is("waiting", "False", "WaitingForSecret").await;
    assert_eq!(world.calls("start").await.len(), 1, "of the one that is done");
    world.end().await;
}

/// Between the list and the end of its pods the operator is at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_begins_meanwhile_is_refused_too() {
    let mut world = Plan::new("drain-late").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    release.pod("working").await;
    suspended(&world, "idle").await;
    let mut drain = release.drain(&mut world, &["--sessions=Refuse"]);
    drain.until_says("to be gone: working").await;
    let job = capturing(&world, "late").await;
    release.pod_ended("working").await;
    let (drained, said) = drain.ended().await;
    assert!(!drained, "{said}");
    assert_has(&said, &["a session began while the operator was being ended", "scaled up to 1 again"]);
    assert_lists(&said, &job);
    assert_eq!(release.replicas().await, 1);
    assert!(has_finalizer(&now(&world, "late").await));
    assert!(says(&now(&world, "idle").await, "Ready", "True", "Suspended"));
    assert_eq!(world.one_at_a_time("late").await.len(), 1);
    assert!(world.calls("stop").await.is_empty());
    world.end().await;
}

// === Stop ===

#[tokio::test(flavor = "multi_thread")]
async fn every_session_is_ended_and_an_operator_that_comes_back_goes_on() {
    let plan = Plan::new("drain-stop").faster(20).setting("alreadyStartedSid", "present");
    let mut world = plan.make().await;
    let release = Release::install(&world, 1).await;
    for name in ["one", "two"] {
        capturing(&world, name).await;
    }
    suspended(&world, "idle").await;
    let done = finished(&world, "done").await;
    capturing(&world, "going").await;
    let late = json!({"status": 206, "body": {"code": 65, "reason": "request not completed"}});
    world.fault(json!({"verb": "stop", "cname": "going", "times": ALL, "answer": late})).await;
    world.delete("going").await;
    world.until_calls(&[("verb", "stop"), ("cname", "going")], 1).await;
    // The start of this one is under way when its operator dies.
    world.fault(json!({"verb": "start", "cname": "claimed", "times": 1, "delayAfterMs": 600_000})).await;
    world.create("claimed", world.spec("claimed")).await;
    world.until_sessions(&[("cname", "claimed"), ("state", "live")], 1).await;
    world.kill_operator().await;
    assert_eq!(now(&world, "claimed").await["status"]["sessions"][0]["state"], "Claimed");
    world.mend().await;

    let (drained, said) = release.drain(&mut world, &[STOP]).ended().await;
    assert!(drained, "{said}");
    assert_eq!(release.replicas().await, 0);
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    for name in ["one", "two", "claimed", "idle"] {
        assert_withdrawn(&world, name).await;
    }
    let one = now(&world, "one").await;
    let sid = one["status"]["history"][0]["sid"].as_str().expect("a sid");
    assert_eq!(one["status"]["history"][0]["endReason"], "Stopped");
    assert_has(&said, &[&format!("/one: session {sid} stopped after"), "Drained: 6 SnapshotJobs"]);
    assert_eq!(now(&world, "done").await["status"], done["status"]);
    world.until_gone("going", SOON).await;
    for name in ["one", "two", "claimed", "done", "going"] {
        assert_eq!(world.one_at_a_time(name).await.len(), 1, "{name}: nothing is started by a drain");
    }

    world.start_operator().await;
    for name in ["one", "two"] {
        let job = world.until_capturing(name).await;
        assert!(has_finalizer(&job));
        let sessions = world.one_at_a_time(name).await;
        assert_eq!(sessions.len(), 2, "{name}");
        assert_eq!(sessions[1]["sid"], job["status"]["sessions"][0]["sid"]);
    }
    world.until_ready_is("idle", "True", "Suspended").await;
    assert_eq!(world.one_at_a_time("idle").await.len(), 0);
    assert_eq!(now(&world, "done").await["status"], done["status"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stopped_is_listed_and_the_operator_comes_back() {
    let mut world = Plan::new("drain-silent").faster(20).make().await;
    let release = Release::install(&world, 3).await;
    let job = capturing(&world, "lobby").await;
    suspended(&world, "idle").await;
    world.stop_operator().await;
    world.fault(json!({"down": true})).await;
    let (drained, said) = release.drain(&mut world, &[STOP, "--timeout=5s"]).ended().await;
    assert!(!drained, "{said}");
    assert_has(&said, &["Not drained: ending the sessions took longer than --timeout 5s"]);
    assert_has(&said, &["1 session may still be running", "could not be reached", "scaled up to 3 again"]);
    assert_lists(said.split("Not drained").nth(1).expect("the list"), &job);
    assert_eq!(release.replicas().await, 3);
    let held = now(&world, "lobby").await;
    assert!(has_finalizer(&held) && message(&held).contains("operator is being removed"), "{held:#}");
    assert_withdrawn(&world, "idle").await;
    world.mend().await;
    world.start_operator().await;
    let after = world.until_capturing("lobby").await;
    let sessions = world.one_at_a_time("lobby").await;
    assert_eq!(sessions.len(), 2, "the stop that was begun is finished first");
    assert_eq!(sessions[1]["sid"], after["status"]["sessions"][0]["sid"]);
    world.until_ready_is("idle", "True", "Suspended").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_ended_brings_the_operator_back() {
    let mut world = Plan::new("drain-sigterm").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    release.pod("stuck").await;
    let job = capturing(&world, "lobby").await;
    let mut drain = release.drain(&mut world, &[STOP]);
    drain.until_says("to be gone: stuck").await;
    drain.terminate();
    let (drained, said) = drain.ended().await;
    assert!(!drained, "{said}");
    assert_has(&said, &["was interrupted by SIGTERM", "scaled up to 1 again"]);
    assert_lists(&said, &job);
    assert_eq!(release.replicas().await, 1);
    assert!(world.calls("stop").await.is_empty(), "an operator that may be at work is not interfered with");
    assert_eq!(world.one_at_a_time("lobby").await.len(), 1);
    world.end().await;
}

// === somebody else scales the operator up meanwhile ===

/// What reconciles a release from a repository brings the operator back; it has begun a new session when it is ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_comes_back_meanwhile_is_ended_again() {
    let mut world = Plan::new("drain-heal").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    let mut drain = in_mid_stop(&mut world, &release, ALL).await;
    assert_eq!(release.replicas().await, 0);
    release.pod("healed").await;
    release.scale(2).await;
    drain.until_says("to be gone: healed").await;
    assert_eq!(release.replicas().await, 0);
    // The pod is at work until its end.
    world.start_operator().await;
    world.mend().await;
    world
        .until("lobby", "a second session", SOON, |job| {
            job["status"]["sessions"][0]["attempt"].as_i64().is_some_and(|attempt| attempt > 1)
        })
        .await;
    world.until_capturing("lobby").await;
    assert!(drain.runs());
    world.stop_operator().await;
    release.pod_ended("healed").await;
    let (drained, said) = drain.ended().await;
    assert!(drained, "{said}");
    assert_has(
        &said,
        &["scaled from 1 to 0", "brought an operator back", "scaled from 2 to 0", "Drained: 1 "],
    );
    assert_eq!(release.replicas().await, 0);
    assert_withdrawn(&world, "lobby").await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    assert_eq!(world.one_at_a_time("lobby").await.len(), 2);
    world.end().await;
}

/// Not even an operator that was scaled up and down again, and has left a pod, goes unseen.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_came_meanwhile_is_waited_for() {
    let mut world = Plan::new("drain-pod").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    let mut drain = in_mid_stop(&mut world, &release, ALL).await;
    release.pod("left").await;
    world.mend().await;
    drain.until_says("to be gone: left").await;
    assert!(drain.runs());
    release.pod_ended("left").await;
    let (drained, said) = drain.ended().await;
    assert!(drained, "{said}");
    assert_has(&said, &["once more", "is at 0 replicas"]);
    assert_withdrawn(&world, "lobby").await;
    world.end().await;
}

/// What the Deployment shall have again is judged by what came meanwhile, not only by the beginning.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_scaled_up_meanwhile_comes_back_when_the_drain_fails() {
    for (healed, words) in
        [(true, "is scaled up to 2 again"), (false, "is at 0 replicas, as it was before, and stays so")]
    {
        let mut world = Plan::new("drain-zero").faster(20).make().await;
        let release = Release::install(&world, 0).await;
        capturing(&world, "lobby").await;
        world.stop_operator().await;
        world.fault(json!({"down": true})).await;
        let mut drain = release.drain(&mut world, &[STOP, "--timeout=8s"]);
        drain.until_says("could not be reached").await;
        if healed {
            release.scale(2).await;
            drain.until_says("scaled from 2 to 0").await;
        }
        let (drained, said) = drain.ended().await;
        assert!(!drained, "{said}");
        assert_has(&said, &["longer than --timeout 8s", words]);
        assert_eq!(release.replicas().await, if healed { 2 } else { 0 });
        world.mend().await;
        world.end().await;
    }
}

// === what is not as usual ===

/// Who installed without the chart may have taken the Deployment away before; other namespaces are others' affair.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_deployment_the_watched_jobs_are_withdrawn_and_no_other() {
    let mut world = Plan::new("drain-alone").faster(20).make().await;
    let other = Plan::new("drain-other").faster(20).make().await;
    let release = Release::without_deployment(&world).await;
    capturing(&world, "lobby").await;
    capturing(&other, "lobby").await;
    world.stop_operator().await;
    let (drained, said) = release.drain(&mut world, &[STOP]).ended().await;
    assert!(drained, "{said}");
    assert_has(&said, &[&format!("There is no Deployment {}/{NAME}", release.namespace)]);
    assert_withdrawn(&world, "lobby").await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    assert!(has_finalizer(&now(&other, "lobby").await));
    assert_eq!(other.live_sessions().await.len(), 1);
    other.end().await;
    world.end().await;
}

/// An object taken away by force while it is being withdrawn: what it had is stopped from memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_vanishes_meanwhile_leaves_nothing_running() {
    let mut world = Plan::new("drain-forced").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    let mut drain = in_mid_stop(&mut world, &release, 3).await;
    world.patch("lobby", json!({"metadata": {"finalizers": null}})).await;
    world.delete("lobby").await;
    let (drained, said) = drain.ended().await;
    assert!(drained, "{said}");
    world.until_gone("lobby", SOON).await;
    assert_eq!(world.live_sessions().await, Vec::<Value>::new());
    assert_eq!(world.one_at_a_time("lobby").await[0]["endReason"], "stopped");
    world.end().await;
}

/// The rights went with the namespace; what is billed in the others must not depend on somebody guessing so.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_namespace_that_may_be_deleted_is_named() {
    let mut world = Plan::new("drain-gone").faster(20).make().await;
    let release = Release::install(&world, 1).await;
    capturing(&world, "lobby").await;
    world.operator_options.namespaces.push("drain-was-here".into());
    let (drained, said) = release.drain(&mut world, &[STOP]).ended().await;
    assert!(!drained, "{said}");
    assert_has(
        &said,
        &[
            "nothing was changed: the right to list snapshotjobs.agora-snapshot.dev in namespace drain-was-here is \
             missing",
            "if the namespace was deleted, take it out of the chart's watchNamespaces",
        ],
    );
    assert_eq!(release.replicas().await, 1);
    assert!(world.calls("stop").await.is_empty());
    world.forget_log();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_knows_no_jobs_needs_no_drain() {
    let bare = agora_snapshot_testbed::Testbed::start().await.expect("servers of its own");
    let kubeconfig = bare.control_plane().kubeconfig("admin").expect("a kubeconfig");
    let program = agora_snapshot_testbed::operator_program().expect("the operator is built");
    let output = tokio::process::Command::new(program)
        .args(["drain", "--deployment", NAME, STOP])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_has(&said, &["knows no SnapshotJobs"]);
}

/// A drain that has ended the operator of a running session, and whose first so many stops are not completed.
async fn in_mid_stop(world: &mut World, release: &Release, times: u64) -> Drain {
    capturing(world, "lobby").await;
    world.stop_operator().await;
    world.answer("stop", times, 206, json!({"code": 65, "reason": "request not completed"})).await;
    let drain = release.drain(world, &[STOP]);
    world.until_calls(&[("verb", "stop"), ("answered", "true")], 1).await;
    drain
}
