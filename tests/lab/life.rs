//! A whole life of a job under a plan: processes of the operator, one after the other, until the script is done.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::process;
use crate::script::{Script, Stage, Turn};
use crate::world::{Point, World};

/// How a life is led.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) points: Vec<Point>,
    /// Between the end of a process and the begin of the next.
    pub(crate) downtime: Duration,
}

/// What came of it.
pub(crate) struct Life {
    plan: Plan,
    /// How many effects there were.
    pub(crate) effects: usize,
    /// How many sessions were started.
    pub(crate) sessions: usize,
    pub(crate) processes: usize,
    pub(crate) accusations: Vec<String>,
    pub(crate) story: Vec<String>,
}

/// More processes than any plan has ends.
const MOST_PROCESSES: usize = 8;

/// Leads a life.
pub(crate) fn lead(stages: &'static [Stage], plan: Plan) -> Life {
    let world = World::new(Script::new(stages), plan.points.clone(), 1);
    let mut processes = 0;
    loop {
        let runtime = process::runtime();
        let done = runtime.block_on(async {
            world.begin_process();
            let (_end, ended) = watch::channel(false);
            let done = tokio::select! {
                biased;
                () = process::run(world.clone(), 0, processes, ended) => false,
                () = script(world.clone()) => true,
            };
            world.end_process(plan.downtime);
            done
        });
        drop(runtime);
        processes += 1;
        if done || processes == MOST_PROCESSES as u64 {
            break;
        }
    }
    world.read(|world| {
        let now = world.millis();
        Life {
            plan,
            effects: world.operators[0].effects,
            sessions: world.vendor.sessions(now).len(),
            processes: processes as usize,
            accusations: std::mem::take(&mut world.witness.accusations),
            story: std::mem::take(&mut world.story),
        }
    })
}

/// The user, as long as the process lives; goes on with the next one. Ends with the script, or with the first thing that
/// is wrong.
async fn script(world: Arc<World>) {
    let mut changes = world.changes();
    loop {
        changes.mark_unchanged();
        let (turn, wrong) = world.with_script(|world| (world.turn(), !world.witness.accusations.is_empty()));
        let until = match turn {
            _ if wrong => return,
            Turn::Done => return,
            Turn::Wait(until) => world.until(until),
        };
        tokio::select! {
            biased;
            changed = changes.changed() => changed.expect("the world lasts"),
            // The vendor moves by itself.
            () = tokio::time::sleep(until.min(Duration::from_secs(10))) => {}
        }
    }
}

impl Life {
    /// # Panics
    /// Something was wrong in it; with the whole story.
    pub(crate) fn assert_well(&self) {
        assert!(self.accusations.is_empty(), "{}", self.tell());
    }

    /// What was wrong, and all that happened.
    pub(crate) fn tell(&self) -> String {
        let mut text = String::new();
        let points: Vec<String> = self.plan.points.iter().map(ToString::to_string).collect();
        let plan = format!("LIFE={}@{}", points.join(","), self.plan.downtime.as_secs());
        for line in &self.story {
            writeln!(text, "{line}").expect("a String takes everything");
        }
        for wrong in &self.accusations {
            writeln!(text, "WRONG: {wrong}").expect("a String takes everything");
        }
        text + &format!("again with {plan}\n")
    }
}

impl Plan {
    pub(crate) fn new(points: &[Point], downtime: u64) -> Self {
        Self { points: points.to_vec(), downtime: Duration::from_secs(downtime) }
    }

    /// The life that `$LIFE` asks for.
    pub(crate) fn asked_for() -> Option<Self> {
        let text = std::env::var("LIFE").ok()?;
        let (points, downtime) = text.split_once('@').expect("LIFE is points@seconds");
        let points: Vec<Point> = points
            .split(',')
            .filter(|point| !point.is_empty())
            .map(|point| point.parse().unwrap_or_else(|why| panic!("{why}")))
            .collect();
        Some(Self::new(&points, downtime.parse().expect("seconds of downtime")))
    }
}
