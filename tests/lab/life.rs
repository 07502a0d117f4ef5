//! A whole life of a job under a plan: operators come and go until the script is done.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use crate::process;
use crate::script::{Script, Stage, Turn};
use crate::world::{Operator, Point, World};

/// How a life is led.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) points: Vec<Point>,
    /// Between the end of a process and the begin of the next.
    pub(crate) downtime: Duration,
    pub(crate) operators: Operators,
    /// Whether the vendor's notifications come: some of them, doubled and out of order.
    pub(crate) told: bool,
}

/// How many operators there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operators {
    /// One.
    One,
    /// Two from the begin on, neither of which knows of the other.
    Two,
    /// One, and another when its time has come.
    OneThenAnother,
}

/// What came of it.
pub(crate) struct Life {
    pub(crate) plan: Plan,
    /// How many effects there were, by operator.
    pub(crate) effects: Vec<usize>,
    /// How many sessions were started.
    pub(crate) sessions: usize,
    /// What was wrong.
    pub(crate) accusations: Vec<String>,
    /// Points of the plan that were not met.
    pub(crate) missed: usize,
    story: Vec<String>,
}

/// Leads a life.
pub(crate) fn lead(stages: &'static [Stage], plan: Plan) -> Life {
    let operators = if plan.operators == Operators::One { 1 } else { 2 };
    let world = World::new(Script::new(stages), plan.points.clone(), operators, plan.told);
    let log = Log::default();
    let _as_long_as_it_lasts = tracing::subscriber::set_default(log.clone().subscriber());
    if plan.operators == Operators::OneThenAnother {
        world.with(|world| world.operators[1].wanted = false);
    }
    loop {
        let runtime = process::runtime();
        let done = runtime.block_on(async {
            world.begin_time();
            let done = match plan.operators {
                // The end of its only process is the end of the runtime, and of all that is in it.
                Operators::One => tokio::select! {
                    biased;
                    () = process::run(world.clone(), 0) => false,
                    () = script(world.clone()) => true,
                },
                Operators::Two | Operators::OneThenAnother => {
                    tokio::select! {
                        biased;
                        () = again_and_again(world.clone(), 0, plan.downtime) => {}
                        () = again_and_again(world.clone(), 1, plan.downtime) => {}
                        () = script(world.clone()) => {}
                    }
                    true
                }
            };
            world.end_time(plan.downtime);
            done
        });
        drop(runtime);
        if done {
            break;
        }
    }
    world.read(|world| {
        let now = world.millis();
        world.witness.read_log(&log.text());
        let sessions = world.vendor.sessions(now);
        if world.witness.accusations.is_empty() {
            world.witness.saw_all(&sessions);
        }
        Life {
            plan,
            effects: world.operators.iter().map(|operator| operator.effects).collect(),
            sessions: sessions.len(),
            accusations: std::mem::take(&mut world.witness.accusations),
            missed: world.points_left(),
            story: std::mem::take(&mut world.story),
        }
    })
}

/// What is logged in a life.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(self) -> impl tracing::Subscriber {
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_env_filter("info,agora_snapshot_operator=debug")
            .with_writer(move || self.clone())
            .finish()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("whole lines are written")).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole lines are written").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An operator as long as it is wanted, one process after the other.
async fn again_and_again(world: Arc<World>, operator: usize, downtime: Duration) {
    loop {
        world.until_operator(operator, |operator: &Operator| operator.wanted).await;
        process::run(world.clone(), operator).await;
        sleep(downtime).await;
    }
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
            () = sleep(until.min(Duration::from_secs(10))) => {}
        }
    }
}

impl Life {
    pub(crate) fn is_well(&self) -> bool {
        self.accusations.is_empty()
    }

    /// All that happened, what was wrong, and how to see it again.
    pub(crate) fn tell(&self) -> String {
        let mut text = String::new();
        for line in &self.story {
            writeln!(text, "{line}").expect("a String takes everything");
        }
        for wrong in &self.accusations {
            writeln!(text, "WRONG: {wrong}").expect("a String takes everything");
        }
        text + &format!("again with LIFE={}\n", self.plan)
    }
}

impl Plan {
    pub(crate) fn new(points: &[Point], downtime: u64) -> Self {
        let downtime = Duration::from_secs(downtime);
        Self { points: points.to_vec(), downtime, operators: Operators::One, told: false }
    }

    pub(crate) fn told(self) -> Self {
        Self { told: true, ..self }
    }

    pub(crate) fn with(self, operators: Operators) -> Self {
        Self { operators, ..self }
    }

    /// The life that `$LIFE` asks for.
    pub(crate) fn asked_for() -> Option<Self> {
        let text = std::env::var("LIFE").ok()?;
        let mut parts = text.split('@');
        let mut part =
            || parts.next().expect("LIFE is points@seconds@operators, and @told if notifications come");
        let (points, downtime, operators) = (part(), part(), part());
        let told = parts.next() == Some("told");
        let points: Vec<Point> = points
            .split(',')
            .filter(|point| !point.is_empty())
            .map(|point| point.parse().unwrap_or_else(|why| panic!("{why}")))
            .collect();
        let operators = match operators {
            "1" => Operators::One,
            "2" => Operators::Two,
            "1+1" => Operators::OneThenAnother,
            other => panic!("there are 1, 2 or 1+1 operators, not {other}"),
        };
        let plan = Self::new(&points, downtime.parse().expect("seconds of downtime")).with(operators);
        Some(Self { told, ..plan })
    }
}

/// As `LIFE` takes it.
impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points: Vec<String> = self.points.iter().map(ToString::to_string).collect();
        let operators = match self.operators {
            Operators::One => "1",
            Operators::Two => "2",
            Operators::OneThenAnother => "1+1",
        };
        let told = if self.told { "@told" } else { "" };
        write!(formatter, "{}@{}@{operators}{told}", points.join(","), self.downtime.as_secs())
    }
}
