//! An operator stands still for longer than a resourceId lives, while another one works, and then goes on as if nothing
//! had been: never two sessions for one job, and nothing of what the other one did is undone.

use std::cell::Cell;
use std::time::{Duration, Instant};

use agora_snapshot_testbed::{Operator, Process, evidence};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::crash::assert_one_session;
use crate::gate::Gate;
use crate::killing::{
    assert_accounted_for, change, number, spec, start, until_as_wished, until_silent, wish,
};
use crate::role;
use crate::telling::assert_has;
use crate::world::waiting::VISITS;
use crate::world::{Plan, SOON, World};

/// Half a minute of the vendor's clock in a second, by which stored times, that have whole seconds, may be wrong; the end
/// of a resourceId is overstated by as much.
const SCALE: u32 = 30;

/// Where no resourceId matters: the sleep is shorter than the limit of a call to the API server, so that its answer is
/// taken as if nothing had been.
const STOP_SCALE: u32 = 40;

/// Of the vendor's clock; a resourceId lives for five minutes.
const FROZEN: Duration = Duration::from_secs(330);

/// The moments in the life of a session at which an operator stops breathing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Acquire was answered, the claim not yet written.
    Acquired,
    /// The claim is stored, the start not yet sent.
    Claimed,
    /// The start is on its way, and arrives two minutes later.
    Sent,
    /// The session runs, the answer to its start is on its way.
    Started,
    /// That the session is being stopped is on its way to the API server, and arrives when all is over.
    Stopping,
    /// That the session is being stopped is stored, the stop not yet sent.
    StopStored,
}

impl Moment {
    fn scale(self) -> u32 {
        match self {
            Self::Acquired | Self::Claimed | Self::Sent | Self::Started => SCALE,
            Self::Stopping | Self::StopStored => STOP_SCALE,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_moment_of_a_session() {
    use Moment::{Acquired, Claimed, Sent, Started, StopStored, Stopping};
    // At the same time, since nearly all of it is waiting.
    tokio::join!(
        without_lease("frozen-acquired", Acquired),
        without_lease("frozen-claimed", Claimed),
        without_lease("frozen-sent", Sent),
        without_lease("frozen-started", Started),
        without_lease("frozen-stopping", Stopping),
        without_lease("frozen-stored", StopStored),
        with_lease("frozen-lease", Claimed),
    );
    evidence(format!(
        "frozen: 6 moments without leader election and 1 with it, {} s of the vendor's time each: no duplicate",
        FROZEN.as_secs()
    ));
}

/// Two replicas that both work, as in a rolling update that found a node asleep.
async fn without_lease(name: &'static str, moment: Moment) {
    let mut world = plan(name, moment.scale()).make_without_operator().await;
    let (mut frozen, gate) = first_operator(&world).await;
    freeze_at(&world, &mut frozen, &gate, moment).await;
    let began = Instant::now();
    world.start_operator().await;
    the_other_does_it(&world, moment).await;
    let session = current(&world).await;
    tokio::time::sleep_until((began + FROZEN / moment.scale()).into()).await;
    gate.requests.open();
    frozen.process().resume();

    let visits = async || (visits_of(&frozen).await > 1).then_some(());
    world.eventually("the one that slept to visit the job", SOON, visits).await;
    until_silent(&world, 2).await;
    assert_all_is_well(&world, moment, &session).await;
    let log = frozen.process().log_file().to_owned();
    assert!(frozen.process().stop(SOON).await.expect("it ends").success());
    world.keep_log(&log);
    world.end().await;
}

/// One leads and stands still, the standby takes its place.
async fn with_lease(name: &'static str, moment: Moment) {
    let election = [
        "--leader-election",
        "--leader-election-lease-duration=3s",
        "--leader-election-renew-deadline=2s",
        "--leader-election-retry-period=500ms",
    ];
    let plan =
        election.iter().fold(plan(name, moment.scale()), |plan, argument| plan.operator_argument(argument));
    let mut world = plan.make_without_operator().await;
    world.operator_options.arguments.push(format!("--operator-namespace={}", world.namespace));
    world.grant(role::leader_election()).await;
    let (mut frozen, gate) = first_operator(&world).await;
    // The standby.
    world.start_operator().await;
    freeze_at(&world, &mut frozen, &gate, moment).await;
    let began = Instant::now();
    the_other_does_it(&world, moment).await;
    let session = current(&world).await;
    tokio::time::sleep_until((began + FROZEN / moment.scale()).into()).await;
    frozen.process().resume();
    let status = frozen.process().ended_within(SOON).await.expect("it ends by itself");
    assert_eq!(status.code(), Some(1), "{}", frozen.process().log());
    assert_has(&frozen.process().log(), &["leadership is lost"]);
    until_silent(&world, 1).await;
    assert_all_is_well(&world, moment, &session).await;
    let log = frozen.process().log_file().to_owned();
    world.keep_log(&log);
    world.end().await;
}

fn plan(name: &'static str, scale: u32) -> Plan {
    let plan = Plan::new(name).faster(scale).setting("alreadyStartedSid", "present");
    plan.operator_argument("--snapshot-status-interval=24h")
}

/// The operator that will be frozen; its way to the API server has a gate.
async fn first_operator(world: &World) -> (Operator, Gate) {
    let gate = Gate::before(world).await;
    let program = agora_snapshot_testbed::operator_program().expect("the operator is built");
    let mut options = world.operator_options.clone();
    options.kubeconfig.clone_from(&gate.kubeconfig);
    let operator = Operator::start(&program, world.testbed.folder(), options).await;
    (operator.expect("the operator starts"), gate)
}

/// Brings a job to the moment, and the operator to a stand.
async fn freeze_at(world: &World, operator: &mut Operator, gate: &Gate, moment: Moment) {
    world.simulator.join("lobby", 7).await.expect("a user joins");
    let fault = match moment {
        Moment::Acquired | Moment::Claimed => Some(json!({"verb": "acquire", "delayAfterMs": 1_500})),
        Moment::Sent => Some(json!({"verb": "start", "delayBeforeMs": 4_000})),
        Moment::Started => Some(json!({"verb": "start", "delayAfterMs": 3_000})),
        Moment::Stopping | Moment::StopStored => None,
    };
    if let Some(fault) = fault {
        world.simulator.fault(fault).await.expect("a fault");
    }
    world.create("lobby", spec(world, "lobby", 180)).await;
    match moment {
        Moment::Acquired => {
            world.until_calls(&[("verb", "acquire"), ("answered", "false")], 1).await;
        }
        Moment::Claimed => {
            world.until_calls(&[("verb", "acquire"), ("answered", "false")], 1).await;
            gate.answers.close();
            let is_claimed = |job: &Value| job["status"]["sessions"][0]["state"] == "Claimed";
            world.until("lobby", "the claim", SOON, is_claimed).await;
        }
        Moment::Sent => {
            world.until_calls(&[("verb", "start"), ("answered", "false")], 1).await;
            assert!(world.sessions().await.is_empty(), "it has not arrived");
        }
        Moment::Started => {
            world.until_sessions(&[("state", "live")], 1).await;
            let job = world.jobs().get("lobby").await.expect("the job");
            assert_eq!(job.data["status"]["sessions"][0]["state"], "Claimed", "its sid is not known");
        }
        Moment::Stopping | Moment::StopStored => {
            world.until_capturing("lobby").await;
            // The first look into the bucket writes, too; then it is quiet but for queries.
            until_silent(world, 1).await;
            gate.requests.close();
            world.patch("lobby", json!({"spec": {"suspend": true}})).await;
            gate.requests.until_held().await;
            if moment == Moment::StopStored {
                gate.answers.close();
                gate.requests.open();
                let is_stopping = |job: &Value| job["status"]["sessions"][0]["state"] == "Stopping";
                world.until("lobby", "the stop to be stored", SOON, is_stopping).await;
            }
            assert!(world.calls("stop").await.is_empty(), "no stop was sent");
        }
    }
    operator.process().suspend();
    gate.answers.open();
    if matches!(moment, Moment::Acquired | Moment::Claimed) {
        assert!(world.calls("start").await.is_empty(), "no start was sent");
    }
}

/// What the one that is awake makes of it: the job captures; after a stop it captures again.
async fn the_other_does_it(world: &World, moment: Moment) {
    if matches!(moment, Moment::Stopping | Moment::StopStored) {
        world.until_ready_is("lobby", "True", "Suspended").await;
        world.patch("lobby", json!({"spec": {"suspend": false}})).await;
        let goes_on = |job: &Value| job["status"]["observedGeneration"] == 3;
        world.until("lobby", "it to go on", SOON, goes_on).await;
    }
    world.until_capturing("lobby").await;
}

async fn current(world: &World) -> Value {
    let job = world.jobs().get("lobby").await.expect("the job");
    job.data["status"]["sessions"][0].clone()
}

async fn visits_of(operator: &Operator) -> u64 {
    operator.samples(VISITS, &[]).await.unwrap_or_default().iter().sum()
}

async fn assert_all_is_well(world: &World, moment: Moment, session: &Value) {
    let (sessions, acquires) = match moment {
        // What it asked for is lost, and ends by itself.
        Moment::Acquired => (1, 2),
        Moment::Claimed | Moment::Sent | Moment::Started => (1, 1),
        Moment::Stopping | Moment::StopStored => (2, 2),
    };
    let ran = world.one_at_a_time("lobby").await;
    assert_eq!(ran.len(), sessions, "{moment:?}: {ran:#?}\n{}", world.log_tail());
    assert_eq!(world.calls("acquire").await.len(), acquires, "{moment:?}\n{}", world.log_tail());
    let now = current(world).await;
    assert_eq!((&now["sid"], &now["resourceId"]), (&session["sid"], &session["resourceId"]), "{moment:?}");
    let job = world.until_capturing("lobby").await;
    assert_accounted_for(world, "lobby", Some(&job)).await;
}

/// What is refused says nothing of what another process sent with the same resourceId. Who is awake keeps the sleeper's
/// claim, and starts its session, but is killed before it hears of it; who slept keeps the claim as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_settle_a_claim_that_another_may_have_started() {
    let mut world = plan("frozen-refused", SCALE).make_without_operator().await;
    world.simulator.set(json!({"alreadyStartedSid": "absent"})).await.expect("a setting");
    let (mut frozen, gate) = first_operator(&world).await;
    freeze_at(&world, &mut frozen, &gate, Moment::Claimed).await;
    let claim = current(&world).await;
    let bad = json!({"code": 2, "reason": "bad"});
    world.answer("start", 2, 400, bad.clone()).await;
    world.simulator.fault(json!({"verb": "start", "drop": "after"})).await.expect("a fault");
    world.start_operator().await;
    world.until_sessions(&[("state", "live")], 1).await;
    world.kill_operator().await;
    assert_eq!(current(&world).await["sid"], Value::Null, "nobody knows the sid");

    world.simulator.set(json!({"alreadyStartedSid": "present"})).await.expect("a setting");
    let sent = world.calls("start").await.len();
    world.answer("start", 1, 400, bad).await;
    frozen.process().resume();
    let starts = world.until_calls(&[("verb", "start"), ("answered", "true")], sent + 2).await;
    assert!(starts.iter().all(|start| start["resourceId"] == claim["resourceId"]), "{starts:#?}");
    assert_eq!(starts[sent]["status"], 400, "the sleeper's was refused");
    world.operator = Some(frozen);
    let job = world.until_capturing("lobby").await;
    until_silent(&world, 1).await;
    assert_one_session(&world, &job).await;
    world.end().await;
}

// === at random ===

/// Replicas that all work, and stand still at random, nearly all of the time.
const REPLICAS: u64 = 4;

const JOBS: usize = 6;

/// How long one works between two sleeps, at most.
const AWAKE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn at_random_moments() {
    let seed = number("FREEZING_SEED", rand::random_range(0..1_000_000));
    let sleeps = number("FREEZING_SLEEPS", 3);
    let mut world = plan("frozen-random", SCALE).make_without_operator().await;
    let names: Vec<String> = (1..=JOBS).map(|n| format!("room{n}")).collect();
    join_all(names.iter().map(async |name| {
        world.simulator.join(name, 7).await.expect("a user joins");
        world.create(name, spec(&world, name, 180)).await;
    }))
    .await;
    let done = Cell::new(false);
    let replicas = async {
        let replica = async |n: u64| {
            let process = start(&world, &format!("replica-{n}"));
            sleep_and_wake(process, sleeps, StdRng::seed_from_u64(seed + n)).await
        };
        let replicas = join_all((0..REPLICAS).map(replica)).await;
        done.set(true);
        replicas
    };
    let random = StdRng::seed_from_u64(seed + REPLICAS);
    let (mut replicas, changes) = tokio::join!(replicas, change(&world, &names, random, &done));
    // Two go on, two end.
    for replica in &mut replicas[2..] {
        assert!(replica.stop(SOON).await.expect("it ends").success(), "{}", replica.log());
    }
    for name in names.iter().step_by(2) {
        wish(&world, name, json!({"suspend": false})).await;
    }
    let running = until_as_wished(&world, &names).await;
    until_silent(&world, 2 * running).await;
    for name in &names {
        let job = world.jobs().get_opt(name).await.expect("an answer").map(|job| json!(job));
        assert_accounted_for(&world, name, job.as_ref()).await;
    }
    evidence(format!(
        "frozen at random (seed {seed}): {} sleeps of {} s of the vendor's time, {JOBS} jobs, {changes} changes, {} sessions",
        REPLICAS * sleeps,
        FROZEN.as_secs(),
        world.sessions().await.len(),
    ));
    for replica in &mut replicas {
        replica.stop(SOON).await.expect("it ends");
        let log = replica.log_file().to_owned();
        world.keep_log(&log);
    }
    world.end().await;
}

async fn sleep_and_wake(mut process: Process, sleeps: u64, mut random: StdRng) -> Process {
    for _ in 0..sleeps {
        tokio::time::sleep(AWAKE.mul_f64(random.random())).await;
        process.suspend();
        tokio::time::sleep(FROZEN / SCALE).await;
        process.resume();
    }
    process
}
