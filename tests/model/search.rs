//! The searches: which bounds, how many states, and what a violation looks like.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use stateright::{Checker, Model, Property};

use crate::ending::Good;
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

/// Searches all of it, and tells how much there was.
fn search(rules: &'static Rules) {
    let begin = Instant::now();
    let good = Arc::new(Good::default());
    let checker = Search { rules, good: good.clone() }.checker().spawn_bfs().join();
    let line = format!(
        "model: {}, {} faults, {} edits: {} states, {} transitions, depth {}; {} states on the way to rest; {:.1} s\n",
        rules.name,
        rules.faults,
        rules.edits,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        good.count(),
        begin.elapsed().as_secs_f64()
    );
    // Past the capture of the test harness: the counts are part of the evidence.
    drop(std::io::stderr().write_all(line.as_bytes()));
    for (name, path) in checker.discoveries() {
        let mut told = format!("{}: {name}: violated after\n", rules.name);
        let steps = path.into_vec();
        for (world, action) in &steps {
            let _ = writeln!(told, "  {:>6} s  {:?}  {}", world.now, action, tell(world));
        }
        if let Some((last, _)) = steps.last() {
            let why = last.broken.clone().map_or_else(|| good.judge(last), Err);
            let _ = writeln!(told, "=> {}", why.err().unwrap_or_default());
        }
        panic!("{told}");
    }
}

/// A state in a line.
fn tell(world: &World) -> String {
    let stored = world.api.object.as_ref().map(|object| {
        let sessions = object.status.sessions.iter();
        let sessions: Vec<_> = sessions
            .map(|session| format!("{}:{:?}/{}", session.resource_id, session.state, session.recorder_uid))
            .collect();
        format!("v{} {:?} [{}]", object.version, object.status.phase, sessions.join(" "))
    });
    let next = world.processes.iter().flatten().filter_map(|process| process.visit.as_ref());
    let next: Vec<_> = next.map(|visit| format!("{:?}", visit.next).chars().take(60).collect::<String>()).collect();
    let lives: Vec<_> = world.vendor.resources.iter().map(|resource| {
        resource.session.as_ref().map_or("-".to_owned(), |session| format!("{}/{:?}", session.uid, session.life))
    }).collect();
    format!("{} vendor {lives:?} next {next:?}", stored.unwrap_or_default())
}

const PLAIN: Rules = Rules {
    name: "plain",
    faults: 1,
    edits: 0,
    two_operators: false,
    one_uid: false,
    token_life: Some(7200),
    repeats_sid: false,
    snapshots: true,
    jumps: false,
};

#[test]
fn one_fault() {
    static RULES: Rules = PLAIN;
    search(&RULES);
}

#[test]
fn one_edit_and_one_fault() {
    static RULES: Rules = Rules { name: "edit", edits: 1, ..PLAIN };
    search(&RULES);
}

#[test]
fn two_faults() {
    static RULES: Rules = Rules { name: "two faults", faults: 2, ..PLAIN };
    search(&RULES);
}

#[test]
fn two_operators() {
    static RULES: Rules = Rules { name: "two operators", faults: 2, two_operators: true, ..PLAIN };
    search(&RULES);
}
