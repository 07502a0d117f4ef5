//! Each rule of the product that keeps sessions from being doubled or lost is taken away in turn, and a suite has to notice:
//! a fence that nothing would miss is not held by anything.
//!
//! The tree is copied to target/fences/tree, where every fence gets a switch (`switches`); it is built once, its suites pass
//! with every fence in place, and fail with any one removed. The fences are told in `table`; `FENCE=nonce` tries those of
//! such a name alone, `TORTURE=1` runs all suites for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use agora_snapshot_testbed::evidence;

mod suites;
mod switches;
mod table;
mod tree;

use suites::{Built, Verdict};
use table::{FENCES, Fence, MISSED_BY_MODEL, Suite};

/// As many runs at once as this: each has threads of its own.
const AT_ONCE: usize = 2;

/// Who noticed that a fence was gone.
struct Caught {
    suite: Suite,
    test: String,
    seconds: f32,
}

#[test]
fn every_fence_is_missed() {
    let begun = Instant::now();
    let torture = std::env::var_os("TORTURE").is_some_and(|value| value == "1");
    for (name, _) in MISSED_BY_MODEL {
        assert!(FENCES.iter().any(|fence| fence.name == *name), "there is no fence {name:?}");
    }
    let mut copy = tree::copy();
    switches::set_in(&mut copy, FENCES);
    copy.write();
    let built = suites::build();
    let in_place = begun.elapsed();
    assert_suites_pass(&built);
    let caught = run_all(&Bench { built, passing: Mutex::default() }, torture);
    let unmissed: Vec<&str> =
        caught.iter().filter(|(_, caught)| caught.is_empty()).map(|(name, _)| *name).collect();
    print_table(&caught);
    let by_model: Vec<&str> = asked_for()
        .into_iter()
        .filter_map(|fence| MISSED_BY_MODEL.iter().find(|(name, _)| *name == fence.name))
        .map(|(name, _)| *name)
        .collect();
    evidence(format_args!(
        "fences: {} fences, {} missed by a suite when removed, {} of them by the model too, {:.0} s (of which {:.0} s to \
         build)",
        caught.len(),
        caught.len() - unmissed.len(),
        by_model.len(),
        begun.elapsed().as_secs_f32(),
        in_place.as_secs_f32()
    ));
    let unseen: Vec<&str> = by_model
        .into_iter()
        .filter(|name| !caught[name].iter().any(|caught| caught.suite == Suite::Model))
        .collect();
    assert!(unseen.is_empty(), "the model does not notice when these are removed: {unseen:?}");
    assert!(unmissed.is_empty(), "no suite notices when these are removed: {unmissed:?}");
    assert!(!caught.is_empty(), "there is no fence of that name");
}

/// The suites, and which of their tests are known to pass, or to fail, with every fence in place.
struct Bench {
    built: Built,
    passing: Mutex<BTreeMap<(Suite, String), bool>>,
}

impl Bench {
    /// Whether a test passes with every fence in place: one that fails in any case has missed nothing.
    fn passes(&self, suite: Suite, test: &str) -> bool {
        let key = (suite, test.to_owned());
        let known = self.passing.lock().expect("no other thread panicked").get(&key).copied();
        if let Some(passes) = known {
            return passes;
        }
        let passes = match suites::run(&self.built, suite, &[test], None) {
            Verdict::Passed { tests } => tests > 0,
            Verdict::Failed { .. } | Verdict::Endless => false,
        };
        self.passing.lock().expect("no other thread panicked").insert(key, passes);
        passes
    }
}

/// With every fence in place, what is to miss one has to be content.
fn assert_suites_pass(built: &Built) {
    for suite in Suite::ALL {
        let named = FENCES.iter().filter(|fence| fence.suite == suite).flat_map(|fence| fence.tests);
        let tests: BTreeSet<&str> = suite
            .sample()
            .map_or_else(|| named.copied().collect(), |sample| sample.iter().copied().collect());
        let tests: Vec<&str> = tests.into_iter().collect();
        match suites::run(built, suite, &tests, None) {
            Verdict::Passed { tests: passed } => {
                assert!(passed >= tests.len(), "{suite:?} has not all of {tests:?}")
            }
            Verdict::Endless => panic!("{suite:?}: {tests:?} do not end in target/fences/tree"),
            Verdict::Failed { test } => {
                panic!("{suite:?}: {test} fails in target/fences/tree although no fence is removed")
            }
        }
    }
}

fn run_all(bench: &Bench, torture: bool) -> BTreeMap<&'static str, Vec<Caught>> {
    let asked_for = asked_for();
    let next = AtomicUsize::new(0);
    let caught = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(fence) = asked_for.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = if torture {
                        in_every_suite(bench, fence)
                    } else {
                        let found = in_any_suite(bench, fence);
                        found.into_iter().chain(in_model(bench, fence)).collect()
                    };
                    caught.lock().expect("no other thread panicked").insert(fence.name, found);
                }
            });
        }
    });
    caught.into_inner().expect("no thread panicked")
}

/// Those whose names contain `$FENCE`; all if it is not set.
fn asked_for() -> Vec<&'static Fence> {
    let part = std::env::var("FENCE").unwrap_or_default();
    FENCES.iter().filter(|fence| fence.name.contains(&part)).collect()
}

/// The tests that the table names first; where these notice nothing, all others.
fn in_any_suite(bench: &Bench, fence: &Fence) -> Vec<Caught> {
    let named = attempt(bench, fence, fence.suite, fence.tests);
    named.map_or_else(|| in_every_suite(bench, fence).into_iter().take(1).collect(), |caught| vec![caught])
}

fn in_every_suite(bench: &Bench, fence: &Fence) -> Vec<Caught> {
    Suite::ALL.into_iter().filter_map(|suite| attempt(bench, fence, suite, &[])).collect()
}

/// The search that has to notice, too, if there is one.
fn in_model(bench: &Bench, fence: &Fence) -> Option<Caught> {
    let (_, search) = MISSED_BY_MODEL.iter().find(|(name, _)| *name == fence.name)?;
    attempt(bench, fence, Suite::Model, &[search])
}

fn attempt(bench: &Bench, fence: &Fence, suite: Suite, tests: &[&str]) -> Option<Caught> {
    let begun = Instant::now();
    match suites::run(&bench.built, suite, tests, Some(fence.name)) {
        Verdict::Passed { .. } | Verdict::Endless => None,
        Verdict::Failed { test } => {
            let seconds = begun.elapsed().as_secs_f32();
            bench.passes(suite, &test).then_some(Caught { suite, test, seconds })
        }
    }
}

fn print_table(caught: &BTreeMap<&str, Vec<Caught>>) {
    for fence in FENCES.iter().filter(|fence| caught.contains_key(fence.name)) {
        println!("fence: {} ({})", fence.name, fence.promise);
        for Caught { suite, test, seconds } in &caught[fence.name] {
            println!("    missed by {} {test}, {seconds:.1} s", suite.name());
        }
    }
}
