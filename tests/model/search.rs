//! The searches: which bounds, how many states, and what a violation looks like.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use agora_snapshot_testbed::evidence;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::ending::Good;
use crate::situations::Situation;
use crate::world::{Action, Rules, World};

/// One search.
struct Search {
    rules: &'static Rules,
    good: Arc<Good>,
}

impl Model for Search {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.rules)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        Some(world.after(action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEVER, |_, world: &World| world.broken.is_none()),
            Property::always(IN_THE_END, |search: &Self, world: &World| {
                world.broken.is_some() || search.good.judge(world).is_ok()
            }),
        ]
    }
}

const NEVER: &str = "no fence is crossed";
const IN_THE_END: &str = "in the end what is wanted holds and stays";

/// Searches all of it, and tells how much there was. These situations must be met on the way.
fn search(rules: &'static Rules, situations: &[Situation]) {
    let begin = Instant::now();
    let good = Arc::new(Good::default());
    let checker = Search { rules, good: good.clone() }.checker();
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    evidence(format!(
        "model: {}: {} faults and {} edits at any moment: {} states, {} transitions, depth {}; {} states on their way \
         to rest; {:.1} s",
        rules.name,
        rules.faults,
        rules.edits,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        good.count(),
        begin.elapsed().as_secs_f64()
    ));
    let discoveries = checker.discoveries();
    if let Some((name, path)) = discoveries.into_iter().next() {
        panic!("{}: {name}: violated by\n{}", rules.name, story(&path.into_vec(), &good));
    }
    let missed: Vec<_> = situations.iter().filter(|situation| !good.has_met(**situation)).collect();
    assert!(
        missed.is_empty(),
        "{}: the search proves nothing of {missed:?}, which it did not meet",
        rules.name
    );
}

/// How it came to a violation, a line a step, and what it is.
fn story(steps: &[(World, Option<Action>)], good: &Good) -> String {
    let mut told = String::new();
    for (world, action) in steps {
        let _ = writeln!(told, "{:>6} s  {}  then {action:?}", world.now, scene(world));
    }
    if let Some((last, _)) = steps.last() {
        let why = last.broken.clone().map_or_else(|| good.judge(last), Err);
        let _ = writeln!(told, "=> {}", why.err().unwrap_or_default());
    }
    told
}

/// A state in a line.
fn scene(world: &World) -> String {
    let stored = world.api.object.as_ref().map_or("no object".to_owned(), |object| {
        let sessions = object.status.sessions.iter();
        let sessions: Vec<_> = sessions
            .map(|session| format!("{} {:?} {}", session.resource_id, session.state, session.recorder_uid))
            .collect();
        format!("v{} {:?} {sessions:?}", object.version, object.status.phase)
    });
    let visits = world.processes.iter().flatten().filter_map(|process| process.visit.as_ref());
    let next: Vec<_> =
        visits.map(|visit| format!("{:?}", visit.next).chars().take(40).collect::<String>()).collect();
    let lives: Vec<_> = world.vendor.resources.iter().map(|resource| resource.session.as_ref()).collect();
    let lives: Vec<_> =
        lives.iter().map(|session| session.map(|session| (session.uid, session.life))).collect();
    format!("{stored}, vendor {lives:?}, next {next:?}")
}

/// What most searches have in common. What they are given to spend is what `make test` has time for.
const COMMON: Rules = Rules {
    name: "",
    faults: 1,
    edits: 1,
    two_operators: false,
    one_uid: false,
    token_life: Some(7200),
    repeats_sid: false,
    snapshots: true,
    tells: true,
    jumps: false,
    all_times: true,
};

/// The bounds of `make torture` where it runs, else those of `make test`.
fn deeper(torture: &'static Rules, test: &'static Rules) -> &'static Rules {
    if std::env::var_os("TORTURE").is_some_and(|value| value == "1") { torture } else { test }
}

#[test]
fn a_life_with_edits() {
    static TEST: Rules = Rules { name: "a life with edits", jumps: true, ..COMMON };
    static TORTURE: Rules = Rules { edits: 2, ..TEST };
    let met = [Situation::Handover, Situation::SidLost, Situation::SidFound, Situation::ControlOver];
    let met = [&met[..], &[Situation::Stopping, Situation::Gone, Situation::RequestLate]].concat();
    search(deeper(&TORTURE, &TEST), &met);
}

#[test]
fn one_fault_upon_another() {
    static TEST: Rules =
        Rules { name: "one fault upon another", faults: 2, edits: 0, all_times: false, ..COMMON };
    static TORTURE: Rules = Rules { edits: 1, all_times: true, ..TEST };
    let met = [Situation::SidLost, Situation::SidFound, Situation::ControlOver, Situation::ForeignClaim];
    let met = [&met[..], &[Situation::ToldOfAnEnd]].concat();
    search(deeper(&TORTURE, &TEST), &met);
}

#[test]
fn two_operators() {
    static TEST: Rules = Rules { name: "two operators", faults: 2, edits: 0, two_operators: true, ..COMMON };
    static TORTURE: Rules = Rules { edits: 1, ..TEST };
    search(deeper(&TORTURE, &TEST), &[Situation::TwoVisits, Situation::ForeignClaim]);
}

#[test]
fn alone_in_the_channel() {
    static TEST: Rules = Rules {
        name: "alone in the channel, one uid, no token",
        one_uid: true,
        token_life: None,
        snapshots: false,
        ..COMMON
    };
    static TORTURE: Rules = Rules { faults: 2, ..TEST };
    search(deeper(&TORTURE, &TEST), &[Situation::SidLost, Situation::Gone]);
}
