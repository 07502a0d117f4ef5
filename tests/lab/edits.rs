//! Edits of the spec, good ones and bad ones, in any order and at any time: what comes of them is what a new job with the
//! last spec would have, and on the way there are never more than two sessions and no storm of handovers.

use agora_snapshot_testbed::evidence;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::kstatus::{self, Health};
use crate::process;
use crate::script::Script;
use crate::world::{Inner, World};

/// Sequences that are tried: about fifteen seconds of them.
const SEQUENCES: u32 = 40;

/// So many more under `TORTURE=1`.
const TORTURE: u32 = 40;

/// After the last edit: the longest backoff, a start, and the ten minutes after which failures are forgotten.
const REST: Duration = Duration::from_secs(30 * 60);

/// Between the begins of two sessions that overlap; a start takes the operator two seconds at most.
const HANDOVER: Duration = Duration::from_secs(58);

/// An edit. What it says replaces what an earlier one of its kind said.
#[derive(Clone, Debug, PartialEq)]
enum Edit {
    Interval(u32),
    Lists(Option<&'static [u32]>),
    Channel(&'static str),
    Prefix(&'static str),
    /// A region that Agora has, or one that nobody has: the operator refuses that without a call.
    Region(bool),
    Recorders(Option<&'static [u32]>),
    /// A recording beside the snapshots, which another session has to make.
    Recording(bool),
    SessionLimit(u32),
    Suspend(bool),
    Restart,
    /// The Secret with the vendor's credentials is taken away, or given back.
    Credentials(bool),
}

fn edits() -> impl Strategy<Value = Vec<(Duration, Edit)>> {
    let edit = prop_oneof![
        4 => prop::sample::select(vec![600, 700, 900]).prop_map(Edit::Interval),
        3 => prop::sample::select(vec![None, Some(&[42][..]), Some(&[42, 43][..])]).prop_map(Edit::Lists),
        2 => prop::sample::select(vec!["lobby", "studio"]).prop_map(Edit::Channel),
        2 => prop::sample::select(vec!["lobby", "archive"]).prop_map(Edit::Prefix),
        3 => any::<bool>().prop_map(Edit::Region),
        2 => prop::sample::select(vec![None, Some(&[1001, 1002][..]), Some(&[1001][..])]).prop_map(Edit::Recorders),
        1 => any::<bool>().prop_map(Edit::Recording),
        1 => prop::sample::select(vec![24, 72]).prop_map(Edit::SessionLimit),
        3 => any::<bool>().prop_map(Edit::Suspend),
        2 => Just(Edit::Restart),
        2 => any::<bool>().prop_map(Edit::Credentials),
    ];
    // In the middle of a visit, of a confirmation, of a handover, and long after.
    let wait = prop_oneof![0_u64..3_000, 0_u64..30_000, 30_000_u64..400_000].prop_map(Duration::from_millis);
    prop::collection::vec((wait, edit), 1..12)
}

impl Edit {
    fn make(&self, world: &mut Inner) {
        let recorders = |uids: &[u32]| uids.iter().map(|uid| json!({"uid": uid})).collect::<Vec<_>>();
        match self {
            Self::Interval(seconds) => world.edit(json!({"intervalSeconds": seconds})),
            Self::Lists(None) => world.edit(json!({"subscription": null})),
            Self::Lists(Some(uids)) => world.edit(json!({"subscription": {"videoUids": uids}})),
            Self::Channel(name) => world.edit(json!({"channel": {"name": name}})),
            Self::Prefix(prefix) => world.edit(json!({"storage": {"prefix": prefix}})),
            Self::Region(true) => world.edit(json!({"storage": {"region": "us-east-1"}})),
            Self::Region(false) => world.edit(json!({"storage": {"region": "nowhere-1"}})),
            Self::Recorders(None) => world.edit(json!({"channel": {"recorders": null}})),
            Self::Recorders(Some(uids)) => world.edit(json!({"channel": {"recorders": recorders(uids)}})),
            Self::Recording(false) => world.edit(json!({"recording": null})),
            Self::Recording(true) => world.edit(json!({"recording": {"format": "HLS", "streams": "Video"}})),
            Self::SessionLimit(hours) => world.edit(json!({"sessionLimitHours": hours})),
            Self::Suspend(suspend) => world.edit(json!({"suspend": suspend})),
            Self::Restart => world.restart(),
            Self::Credentials(true) => world.give_credentials(),
            Self::Credentials(false) => world.take_credentials(),
        }
    }
}

/// A job at rest: what the vendor does for it, and what it says of itself, without counts, times and names.
#[derive(Debug, PartialEq)]
struct Rested {
    running: Vec<Value>,
    said: Value,
}

struct Life {
    rested: Rested,
    sessions: Vec<(Timestamp, Option<Timestamp>)>,
    accusations: Vec<String>,
    story: Vec<String>,
}

/// Leads the life of a job under these edits, mends what is bad, and waits until nothing more is to be done. A new job has
/// all of it at once.
fn lead(edits: &[(Duration, Edit)], new: bool) -> Life {
    let world = World::new(Script::new(&[]), Vec::new(), 1, false);
    let runtime = process::runtime();
    runtime.block_on(async {
        world.begin_time();
        tokio::select! {
            biased;
            () = user(world.clone(), edits, new) => {}
            () = process::run(world.clone(), 0) => unreachable!("nobody ends it"),
        }
        world.end_time(Duration::ZERO);
    });
    let life = world.read(|world| Life {
        rested: rested(world),
        sessions: sessions(world),
        accusations: std::mem::take(&mut world.witness.accusations),
        story: std::mem::take(&mut world.story),
    });
    drop(runtime);
    life
}

async fn user(world: Arc<World>, edits: &[(Duration, Edit)], new: bool) {
    world.with_script(|world| {
        world.prepare();
        world.somebody_joins("studio");
        world.create_job();
        if new {
            edits.iter().for_each(|(_, edit)| edit.make(world));
            mend(world);
        }
    });
    if !new {
        for (number, (wait, edit)) in edits.iter().enumerate() {
            pass(&world, *wait).await;
            world.with_script(|world| {
                world.tell(format!("=== edit {number}: {edit:?}"));
                edit.make(world);
            });
        }
        pass(&world, Duration::from_secs(5)).await;
        world.with_script(|world| {
            world.tell("=== all is mended".to_owned());
            mend(world);
        });
    }
    pass(&world, REST).await;
}

fn mend(world: &mut Inner) {
    Edit::Region(true).make(world);
    Edit::Credentials(true).make(world);
}

/// Time passes. The vendor moves by itself, and is looked at.
async fn pass(world: &World, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        let step = Duration::from_secs(10).min(end - tokio::time::Instant::now());
        tokio::time::sleep(step).await;
        world.with_script(|_| ());
    }
}

fn rested(world: &mut Inner) -> Rested {
    let job = world.job().expect("nobody deleted it").clone();
    let now = world.millis();
    let running = world.vendor.live(now).into_iter().map(|session| {
        let mut task = world.vendor.task(&session.resource_id).expect("somebody started it").clone();
        let updated = task["recordingConfig"]["updated"]["streamSubscribe"].take();
        let lists = updated["videoUidList"].get("subscribeVideoUids").cloned();
        let config = task["recordingConfig"].as_object_mut().expect("an object");
        config.remove("updated");
        let started_with = config.remove("subscribeVideoUids");
        let everybody = json!(["#allstream#"]);
        let lists = lists.or(started_with).unwrap_or(everybody);
        json!({"channel": session.cname, "running": matches!(session.status, 4 | 5), "lists": lists, "task": task})
    });
    Rested { running: running.collect(), said: said(&job) }
}

fn said(job: &Value) -> Value {
    let status = &job["status"];
    let mut conditions: Vec<String> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("{} {} {}", one["type"], one["status"], one["reason"]))
        .collect();
    conditions.sort();
    let sessions: Vec<Value> = status["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| json!([one["state"], one["appId"], one["channel"], one["specHash"], one["stopReason"]]))
        .collect();
    json!({
        "health": matches!(kstatus::health(job), Health::Current),
        "acted upon": status["observedGeneration"] == job["metadata"]["generation"],
        "phase": status["phase"],
        "conditions": conditions,
        "sessions": sessions,
        // Where the snapshots of the past are is said of a job that rests, too.
        "storage": if sessions.is_empty() { &Value::Null } else { &status["storage"] },
        "waits": !status["nextAttemptTime"].is_null(),
        "failures": status["failures"],
        "began": [!status["startTime"].is_null(), !status["captureStartTime"].is_null()],
    })
}

fn sessions(world: &mut Inner) -> Vec<(Timestamp, Option<Timestamp>)> {
    let now = world.millis();
    let time = |text: &str| text.parse::<Timestamp>().expect("the simulator's times are RFC 3339");
    let mut all: Vec<_> = world
        .vendor
        .sessions(now)
        .iter()
        .map(|session| (time(&session.start_time), session.stop_time.as_deref().map(time)))
        .collect();
    all.sort();
    all
}

/// Handovers: sessions that began while another ran. The least time between two of them.
fn handovers(sessions: &[(Timestamp, Option<Timestamp>)]) -> (usize, Option<Duration>) {
    let begins: Vec<Timestamp> = sessions
        .iter()
        .enumerate()
        .filter(|(at, (start, _))| {
            sessions[..*at].iter().any(|(_, stop)| stop.is_none_or(|stop| stop > *start))
        })
        .map(|(_, (start, _))| *start)
        .collect();
    let gap = begins.windows(2).map(|two| two[1].duration_since(two[0]).unsigned_abs()).min();
    (begins.len(), gap)
}

#[test]
fn what_comes_of_edits_is_what_a_new_job_would_have() {
    let begun = Instant::now();
    let torture = std::env::var_os("TORTURE").is_some_and(|value| value == "1");
    let cases = if torture { SEQUENCES * TORTURE } else { SEQUENCES };
    let seed = if torture { RngSeed::Random } else { RngSeed::Fixed(5) };
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: seed,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let (made, ran, handed_over) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let result = TestRunner::new(config).run(&edits(), |edits| {
        let evolved = lead(&edits, false);
        let fresh = lead(&edits, true);
        let story = || evolved.story.join("\n");
        prop_assert!(evolved.accusations.is_empty(), "{}\n{:?}", story(), evolved.accusations);
        prop_assert!(fresh.accusations.is_empty(), "{:?}", fresh.accusations);
        prop_assert!(fresh.rested.said["health"] == true, "a good spec is healthy: {:#?}", fresh.rested);
        prop_assert_eq!(&evolved.rested, &fresh.rested, "evolved, and fresh\n{}", story());
        let (count, gap) = handovers(&evolved.sessions);
        prop_assert!(gap.is_none_or(|gap| gap >= HANDOVER), "{:?} between two handovers\n{}", gap, story());
        made.set(made.get() + edits.len());
        ran.set(ran.get() + evolved.sessions.len());
        handed_over.set(handed_over.get() + count);
        Ok(())
    });
    evidence(format_args!(
        "edits: {cases} sequences of {} edits, {} sessions, {} handovers, {:.1} s",
        made.get(),
        ran.get(),
        handed_over.get(),
        begun.elapsed().as_secs_f32()
    ));
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(handed_over.get() > 0, "no edit made a handover: that they keep their distance is not shown");
}
