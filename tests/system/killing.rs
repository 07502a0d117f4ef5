//! The real program is killed again and again at random moments while its jobs are created, edited, suspended, resumed
//! and deleted: never two sessions for one job, never a lost one, and in the end all is as it should be.
//!
//! `KILLING_SEED` repeats the choices of a run (not the machine's timing), `KILLING_ROUNDS` makes more of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agora_snapshot_testbed::{Process, Program, evidence, operator_program};
use futures::future::join_all;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::world::{Plan, SOON, World, condition};

/// Less than half of what the vendor lets run at the same time for one App ID: no quota hides a session too many.
const JOBS: usize = 20;

/// A minute of the vendor's clock in a second. No faster: stored times have whole seconds, and what is held back by them
/// until a resourceId has ended must not begin while the process that asked for it may still be at work.
const SCALE: u32 = 60;

/// How long a process lives at most after it could have begun to work, mostly shorter: it begins with a visit to every
/// job ...
const LIFE: Duration = Duration::from_millis(800);

/// ... but each tenth, which has the time to prove that what was stopped unheard is dead: two minutes and a query.
const LONG_LIFE: Duration = Duration::from_millis(2_800);

/// Between two changes of the jobs; each of them is changed every three seconds, three minutes of the vendor's clock.
const BETWEEN_CHANGES: Duration = Duration::from_millis(150);

/// Seconds between snapshots that edits choose from: long, for the sake of the machine that draws them.
const INTERVALS: [u64; 3] = [120, 180, 240];

/// Half of the rounds with a vendor that tells the sid of a running session again, half with one that does not; both at
/// the same time, since most of it is waiting.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_while_its_jobs_change() {
    let seed = number("KILLING_SEED", rand::random_range(0..1_000_000));
    let rounds = number("KILLING_ROUNDS", 200);
    tokio::join!(
        life("killing-told", "present", rounds / 2, seed),
        life("killing-untold", "absent", rounds - rounds / 2, seed + 1)
    );
}

async fn life(name: &'static str, sid: &str, rounds: u64, seed: u64) {
    let plan = Plan::new(name).faster(SCALE).setting("alreadyStartedSid", sid);
    let mut world = plan.operator_argument("--snapshot-status-interval=24h").make_without_operator().await;
    let names: Vec<String> = (1..=JOBS).map(|n| format!("room{n}")).collect();
    join_all(names.iter().map(async |name| {
        world.simulator.join(name, 7).await.expect("a user joins");
        world.create(name, spec(&world, name, INTERVALS[0])).await;
    }))
    .await;

    let began = Instant::now();
    let startup = startup(&world).await;
    let killed = Cell::new(false);
    let (logs, changes) = tokio::join!(
        kill(&world, rounds, startup, StdRng::seed_from_u64(seed), &killed),
        change(&world, &names, StdRng::seed_from_u64(seed), &killed)
    );
    let took = began.elapsed();
    for log in &logs {
        world.keep_log(log);
    }
    world.start_operator().await;
    let rested = Instant::now();
    for name in names.iter().step_by(2) {
        wish(&world, name, json!({"suspend": false})).await;
    }
    let running = until_as_wished(&world, &names).await;
    let rested = rested.elapsed();
    until_silent(&world, running).await;

    for name in &names {
        let job = world.jobs().get_opt(name).await.expect("an answer").map(|job| json!(job));
        assert_accounted_for(&world, name, job.as_ref()).await;
    }
    let (sessions, starts) = (world.sessions().await.len(), world.calls("start").await);
    let repeated = starts.iter().filter(|start| start["code"] == 7).count();
    evidence(format!(
        "killing ({name}, seed {seed}): {rounds} rounds, {JOBS} jobs, {changes} changes in {:.0} s; a process begins to work \
         after {} ms; {sessions} sessions, {} starts of which {repeated} found theirs running; as wished {:.0} s later, \
         {running} captures",
        took.as_secs_f64(),
        startup.as_millis(),
        starts.len(),
        rested.as_secs_f64(),
    ));
    assert!(sessions > JOBS * 2, "hardly anything happened: {sessions}");
    world.end().await;
}

/// Starts the operator, lets it work for a moment, kills it; so often. Returns the logs.
async fn kill(
    world: &World,
    rounds: u64,
    startup: Duration,
    mut random: StdRng,
    done: &Cell<bool>,
) -> Vec<PathBuf> {
    let mut logs = Vec::new();
    for round in 1..=rounds {
        let life =
            if round.is_multiple_of(10) { LONG_LIFE } else { LIFE.mul_f64(random.random::<f64>().powi(2)) };
        let mut process = start(world, &format!("round-{round}"));
        // Some die before they begin.
        tokio::time::sleep(startup.mul_f64(random.random_range(0.5..1.0)) + life).await;
        assert_eq!(process.exit_status(), None, "it ended by itself:\n{}", process.log());
        process.kill();
        process.ended_within(SOON).await.expect("it is dead");
        logs.push(process.log_file().to_owned());
    }
    done.set(true);
    logs
}

/// How long after its start a process calls the vendor; on a machine that does much else, how long it may take.
async fn startup(world: &World) -> Duration {
    let began = Instant::now();
    let mut process = start(world, "startup");
    world.until_calls(&[], 1).await;
    let took = began.elapsed().min(Duration::from_millis(500));
    process.kill();
    process.ended_within(SOON).await.expect("it is dead");
    took
}

/// A process of the program that may end at any moment: it is not waited for.
pub fn start(world: &World, name: &str) -> Process {
    let log = world.testbed.folder().join(format!("{}-{name}.log", world.namespace));
    Program::new("agora-snapshot-operator", &operator_program().expect("the operator is built"), log)
        .env("KUBECONFIG", &world.operator_options.kubeconfig)
        .args(["run", "--metrics-bind-address=127.0.0.1:0", "--health-bind-address=127.0.0.1:0"])
        .args(world.reach())
        .args(&world.operator_options.arguments)
        .start()
        .expect("it starts")
}

/// Changes one job after the other, and returns how many changes there were.
pub async fn change(world: &World, names: &[String], mut random: StdRng, done: &Cell<bool>) -> usize {
    let mut changes = 0;
    while !done.get() {
        tokio::time::sleep(BETWEEN_CHANGES.mul_f64(random.random_range(0.0..2.0))).await;
        let name = &names[random.random_range(0..names.len())];
        let interval = INTERVALS[random.random_range(0..INTERVALS.len())];
        match random.random_range(0..12) {
            0..5 => wish(world, name, json!({"intervalSeconds": interval})).await,
            5..7 => wish(world, name, json!({"suspend": true})).await,
            7..10 => wish(world, name, json!({"suspend": false})).await,
            10 => wish(world, name, json!({"suspend": false, "intervalSeconds": interval})).await,
            _ => match world.jobs().delete(name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => panic!("{name} cannot be deleted: {error}"),
            },
        }
        changes += 1;
    }
    changes
}

/// Changes a job's spec so; one that is gone comes back under its name.
pub async fn wish(world: &World, name: &str, change: Value) {
    let patch = Patch::Merge(json!({"spec": change}));
    match world.jobs().patch(name, &PatchParams::default(), &patch).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            world.create(name, spec(world, name, INTERVALS[0])).await;
        }
        Err(error) => panic!("{name} cannot be changed: {error}"),
    }
}

/// Waits until every job is as its spec wants it, and tells how many capture.
pub async fn until_as_wished(world: &World, names: &[String]) -> usize {
    let jobs = world.jobs().list(&ListParams::default()).await.expect("the jobs").items;
    let jobs: BTreeMap<_, _> = jobs.into_iter().map(|job| (job.name_any(), json!(job))).collect();
    let wishes = names.iter().map(async |name| {
        let Some(job) = jobs.get(name) else { return 0 };
        if job["metadata"]["deletionTimestamp"].is_string() {
            world.until_gone(name, SOON).await;
            return 0;
        }
        let suspended = job["spec"]["suspend"] == true;
        let (reason, generation) =
            (if suspended { "Suspended" } else { "Capturing" }, &job["metadata"]["generation"]);
        let is_so = |job: &Value| {
            job["status"]["observedGeneration"] == *generation
                && condition(job, "Ready")
                    .is_some_and(|ready| ready["status"] == "True" && ready["reason"] == reason)
        };
        world.until(name, &format!("{name} to be {reason}"), SOON, is_so).await;
        usize::from(!suspended)
    });
    join_all(wishes).await.into_iter().sum()
}

/// Waits for a time in which every session is queried twice and nothing is written. The first looks into buckets and
/// the last words of a hurried life may take a while.
pub async fn until_silent(world: &World, running: usize) {
    let audit = world.testbed.control_plane().audit_log();
    let mut last = String::new();
    for _ in 0..4 {
        let quiet = world.mark().await;
        let queries = world.calls("query").await.len();
        world.until_calls(&[("verb", "query"), ("answered", "true")], queries + 2 * running).await;
        let writes = audit.writes_since(&world.client, quiet).await.expect("the audit log");
        let writes = writes.of("snapshotjobs").in_namespace(&world.namespace).by("operator");
        if writes.count() == 0 {
            return;
        }
        last = format!("{writes:#?}");
    }
    panic!("the operator does not come to rest: {last}\n{}", world.log_tail());
}

/// By the witness: no two sessions of a job at the same time but in a handover that its status declared, and each of
/// them stopped but the one that it names.
pub async fn assert_accounted_for(world: &World, name: &str, job: Option<&Value>) {
    let sessions = world.simulator.sessions(&[("cname", name)]).await.expect("sessions");
    let versions = world.versions_of(name);
    let names_both = |one: &Value, other: &Value| {
        let names = |job: &Value, session: &Value| {
            let known = job["status"]["sessions"].as_array().into_iter().flatten();
            known.into_iter().any(|it| it["resourceId"] == session["resourceId"])
        };
        versions.iter().any(|job| names(job, one) && names(job, other))
    };
    // Times of one form sort as text; a session without an end runs.
    let text = |value: &Value| value.as_str().unwrap_or("~").to_owned();
    for (n, second) in sessions.iter().enumerate() {
        let at_once: Vec<_> = sessions[..n]
            .iter()
            .filter(|first| text(&first["stopTime"]) > text(&second["startTime"]))
            .collect();
        let declared = at_once.len() <= 1 && at_once.iter().all(|first| names_both(first, second));
        assert!(declared, "{name}: sessions at once: {at_once:#?}\n{second:#}\n{}", world.log_tail());
    }
    let current = job.filter(|job| job["spec"]["suspend"] != true);
    let current = current.map(|job| &job["status"]["sessions"][0]["sid"]);
    for session in &sessions {
        if current == Some(&session["sid"]) {
            assert_eq!(session["state"], "live", "{name}: {session:#}");
        } else {
            assert_eq!(session["endReason"], "stopped", "{name}: {session:#}\n{}", world.log_tail());
        }
    }
    let live = sessions.iter().filter(|session| session["state"] == "live").count();
    assert_eq!(live, usize::from(current.is_some()), "{name}: {job:#?}\n{}", world.log_tail());
}

/// A spec whose snapshots come so seldom that the machine does not notice them.
pub fn spec(world: &World, name: &str, interval: u64) -> Value {
    let mut spec = world.spec(name);
    spec["intervalSeconds"] = json!(interval);
    spec
}

pub fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
        Err(_) => otherwise,
    }
}
