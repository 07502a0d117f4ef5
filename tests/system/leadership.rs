//! Two operators and one Lease: one works, the other takes over, and the vendor never sees two sessions for one job.

use std::time::{Duration, Instant};

use agora_snapshot_testbed::{Operator, Program, operator_program, samples};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::crash::{assert_one_session, capturing, claimed_with};
use crate::role;
use crate::telling::assert_has;
use crate::world::waiting::VISITS;
use crate::world::{Plan, SOON, World};

const LEASE_NAME: &str = "agora-snapshot-operator";
const LEASE: Duration = Duration::from_secs(6);
const RETRY: Duration = Duration::from_secs(1);

/// What a loaded machine may add.
const SLACK: Duration = Duration::from_secs(6);

/// A world whose operators elect a leader, with no operator in it yet.
async fn world(name: &'static str, lease: &str, deadline: &str) -> World {
    let arguments = [
        "--leader-election",
        &format!("--leader-election-lease-duration={lease}"),
        &format!("--leader-election-renew-deadline={deadline}"),
        "--leader-election-retry-period=1s",
    ];
    let plan = arguments.iter().fold(Plan::new(name).faster(10), |plan, it| plan.operator_argument(it));
    let mut world = plan.make_without_operator().await;
    let namespace = format!("--operator-namespace={}", world.namespace);
    world.operator_options.arguments.push(namespace);
    world
}

/// The same with a leader `pod-a`, which the world knows, and a standby `pod-b`.
async fn leader_and_standby(name: &'static str, lease: &str, deadline: &str) -> (World, Operator) {
    let mut world = world(name, lease, deadline).await;
    world.grant(role::leader_election()).await;
    world.operator_options.environment = vec![("POD_NAME".into(), "pod-a".into())];
    world.start_operator().await;
    until_leads(&world, world.operator.as_ref().expect("an operator")).await;
    world.operator_options.environment = vec![("POD_NAME".into(), "pod-b".into())];
    let standby = world.start_another_operator().await;
    (world, standby)
}

async fn master_status(operator: &Operator) -> Option<u64> {
    let status = operator.samples("leader_election_master_status", &[("name", LEASE_NAME)]).await;
    status.ok()?.first().copied()
}

async fn until_leads(world: &World, operator: &Operator) {
    let leads = async || (master_status(operator).await == Some(1)).then_some(());
    world.eventually("the operator to lead", SOON, leads).await;
}

fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

/// Holder and transitions.
async fn lease(world: &World) -> (String, i32) {
    let lease = leases(world).get(LEASE_NAME).await.expect("the Lease");
    let spec = lease.spec.expect("a spec");
    (spec.holder_identity.unwrap_or_default(), spec.lease_transitions.unwrap_or_default())
}

/// Sum of the series of a metric.
async fn sum(operator: &Operator, metric: &str) -> u64 {
    operator.samples(metric, &[]).await.expect("metrics").iter().sum()
}

/// The one that took over asks the vendor about the session that it found.
async fn until_queried_by(world: &World, operator: &Operator) {
    let asks = async || (sum(operator, "agora_snapshot_api_requests_total").await > 0).then_some(());
    world.eventually("the new leader to ask the vendor", SOON, asks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_leader_works_and_after_a_crash_the_other_does() {
    let (mut world, standby) = leader_and_standby("leader-crash", "6s", "4s").await;
    let before = capturing(&world).await;
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 2).await;
    assert_eq!(master_status(&standby).await, Some(0));
    for metric in [VISITS, "agora_snapshot_api_requests_total"] {
        assert_eq!(sum(&standby, metric).await, 0, "{metric} of the standby");
    }
    let (holder, transitions) = lease(&world).await;
    assert!(holder.starts_with("pod-a_") && transitions == 0, "{holder} {transitions}");

    world.kill_operator().await;
    let killed = Instant::now();
    until_leads(&world, &standby).await;
    let took = killed.elapsed();
    // It may have renewed up to a period ago, and the standby may have seen that a little later.
    assert!(
        took + RETRY * 2 > LEASE,
        "took over after {took:?}, while the other could still believe in itself"
    );
    assert!(took < LEASE + RETRY * 2 + SLACK, "took over only after {took:?}");
    until_queried_by(&world, &standby).await;
    let (holder, transitions) = lease(&world).await;
    assert!(holder.starts_with("pod-b_") && transitions == 1, "{holder} {transitions}");
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    assert_eq!(job["status"]["sessions"][0]["sid"], before["status"]["sessions"][0]["sid"]);
    world.operator = Some(standby);
    world.end().await;
}

/// The call in flight is finished and saved, then the Lease is given up; nobody waits for it to run out.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_asked_to_end_hands_over_at_once() {
    let (mut world, standby) = leader_and_standby("leader-end", "60s", "40s").await;
    claimed_with(&world, json!({"delayAfterMs": 2000})).await;
    world.until_sessions(&[], 1).await;
    // Asserts the clean end.
    world.stop_operator().await;
    let ended = Instant::now();
    let job = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert_eq!(job["status"]["sessions"][0]["sid"], world.sessions().await[0]["sid"], "{job:#}");
    until_leads(&world, &standby).await;
    assert!(ended.elapsed() < RETRY * 2 + SLACK, "took over only after {:?}", ended.elapsed());
    until_queried_by(&world, &standby).await;
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    assert_eq!(world.calls("start").await.len(), 1);
    let (holder, transitions) = lease(&world).await;
    assert!(holder.starts_with("pod-b_") && transitions == 1, "{holder} {transitions}");
    world.operator = Some(standby);
    world.end().await;
}

/// It stands still with a start on its way, for longer than the Lease lasts, and then goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stood_still_ends_and_starts_nothing_twice() {
    let (mut world, standby) = leader_and_standby("leader-pause", "6s", "4s").await;
    world.simulator.set(json!({"alreadyStartedSid": "present"})).await.expect("a setting");
    claimed_with(&world, json!({"delayBeforeMs": 1500})).await;
    let mut paused = world.operator.take().expect("an operator");
    paused.process().suspend();
    until_leads(&world, &standby).await;
    let job = world.until_capturing("lobby").await;
    world.simulator.join("hall", 7).await.expect("a user joins");
    world.create("hall", world.spec("hall")).await;
    world.until_capturing("hall").await;

    paused.process().resume();
    let status = paused.process().ended_within(SOON).await.expect("it ends by itself");
    assert_eq!(status.code(), Some(1), "{}", paused.process().log());
    assert_has(&paused.process().log(), &["leadership is lost", "could not be renewed within 4 s"]);
    assert_eq!(lease(&world).await.1, 1, "it took nothing back");
    // What it may have done at last would show in the next answers.
    let queries = world.calls("query").await.len();
    world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 3).await;
    for channel in ["lobby", "hall"] {
        assert_eq!(world.one_at_a_time(channel).await.len(), 1, "{channel}\n{}", world.log_tail());
        world.until_capturing(channel).await;
    }
    assert_eq!(world.live_sessions().await.len(), 2);
    let now = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert_eq!(now["status"]["sessions"][0]["sid"], job["status"]["sessions"][0]["sid"]);
    world.operator = Some(standby);
    world.end().await;
}

/// Somebody writes another holder into the Lease. The start that is in flight is saved before the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_finds_another_in_its_place_saves_what_it_began_and_ends() {
    let mut world = world("leader-taken", "6s", "4s").await;
    world.grant(role::leader_election()).await;
    world.start_operator().await;
    claimed_with(&world, json!({"delayAfterMs": 4000})).await;
    world.until_sessions(&[], 1).await;
    let taken = json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3}});
    let merge = Patch::Merge(taken);
    leases(&world).patch(LEASE_NAME, &PatchParams::default(), &merge).await.expect("the Lease is taken");
    let mut former = world.operator.take().expect("an operator");
    let status = former.process().ended_within(SOON).await.expect("it ends by itself");
    assert_eq!(status.code(), Some(1), "{}", former.process().log());
    assert_has(&former.process().log(), &["leadership is lost", "thief holds the Lease"]);
    let job = serde_json::to_value(world.jobs().get("lobby").await.expect("the job")).expect("an object");
    assert_eq!(job["status"]["sessions"][0]["sid"], world.sessions().await[0]["sid"], "{job:#}");
    assert_eq!(lease(&world).await.0, "thief", "what is another's is not given up");

    // As kubelet would.
    let began = Instant::now();
    world.start_operator().await;
    until_leads(&world, world.operator.as_ref().expect("an operator")).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "the thief bound itself for so long");
    let job = world.until_capturing("lobby").await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_leases_it_says_so_waits_and_begins_when_it_may() {
    let world = world("leader-forbidden", "6s", "4s").await;
    let folder = world.testbed.folder();
    let addresses = folder.join(format!("{}.addresses", world.namespace));
    let mut process = Program::new(
        "agora-snapshot-operator",
        &operator_program().expect("the operator is built"),
        folder.join(format!("{}.log", world.namespace)),
    )
    .env("KUBECONFIG", &world.operator_options.kubeconfig)
    .args([
        "run",
        "--metrics-bind-address=127.0.0.1:0",
        "--health-bind-address=127.0.0.1:0",
        "--time-scale=10",
    ])
    .arg(format!("--bound-addresses-file={}", addresses.display()))
    .arg(format!("--watch-namespace={}", world.namespace))
    .arg(format!("--agora-endpoint={}", world.simulator.url()))
    .args(&world.operator_options.arguments)
    .start()
    .expect("it starts");
    let written = async || std::fs::read_to_string(&addresses).ok();
    let written = process.ready("its addresses", SOON, written).await.expect("its addresses");
    let url = |name: &str| {
        let address = written.lines().find_map(|line| line.strip_prefix(name)).expect("an address");
        format!("http://{address}")
    };
    let (health, metrics) = (url("HEALTH_ADDRESS="), url("METRICS_ADDRESS="));
    world.create("lobby", world.spec("lobby")).await;
    let told = "its role needs the verbs get and update on leases.coordination.k8s.io named";
    let log = process.log_file().to_owned();
    let tells = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains(told));
    let words = process.ready("words about the right", SOON, tells).await.expect("words about the right");
    assert_has(&words, &[&format!("in namespace {}", world.namespace), "tried again"]);
    // Several periods.
    tokio::time::sleep(RETRY * 8).await;
    let refused = refusals(&metrics).await;
    assert!((1..=4).contains(&refused), "{refused} refusals in eight periods");
    assert_eq!(process.log().matches(told).count(), 1, "said once");
    let ready = reqwest::get(format!("{health}/readyz")).await.expect("an answer");
    assert_eq!(ready.status(), 503);
    assert_has(&ready.text().await.expect("words"), &["Lease"]);
    let job = world.jobs().get("lobby").await.expect("the job");
    assert_eq!(job.data["status"], json!({"observedGeneration": -1}), "nothing is visited");

    world.grant(role::leader_election()).await;
    process.answers(&format!("{health}/readyz"), SOON).await.expect("it is ready");
    world.until_capturing("lobby").await;
    process.terminate();
    let status = process.ended_within(SOON).await.expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(lease(&world).await.0, "", "it was given up");
    world.end().await;
}

/// 403s that the operator has met.
async fn refusals(metrics: &str) -> u64 {
    let text = reqwest::get(format!("{metrics}/metrics")).await.expect("metrics").text().await.expect("text");
    samples(&text, "rest_client_requests_total", &[("code", "403")]).iter().sum()
}

/// Without the flag there is no Lease and no request for one: the role of all other tests has no right to it.
#[tokio::test(flavor = "multi_thread")]
async fn without_leader_election_no_lease_is_touched() {
    let world = Plan::new("leader-none").faster(10).make().await;
    let job: Value = capturing(&world).await;
    assert_one_session(&world, &job).await;
    assert!(leases(&world).get_opt(LEASE_NAME).await.expect("an answer").is_none());
    let metrics = world.operator_metrics().await;
    assert!(!metrics.contains("leader_election_master_status{"), "{metrics}");
    world.end().await;
}
