//! Every crash: the process ends before and after every write to the API server and every call of the vendor in the whole
//! life of a job, alone and in pairs, and begins anew. Also its orderly end by SIGTERM at each of them.

use std::time::Instant;

use crate::life::{Plan, lead};
use crate::lives::{lead_all, spread, torture};
use crate::script::WHOLE_LIFE;
use crate::world::{Fate, Point};

/// Until the next process begins: at once, later than vendor and operator take for granted, and later than a
/// resourceId lives.
const DOWNTIMES: [u64; 3] = [3, 100, 400];

/// Pairs that are tried in `make test`.
const PAIRS: usize = 1200;

#[test]
fn a_life_that_is_asked_for() {
    let Some(plan) = Plan::asked_for() else { return };
    let begun = Instant::now();
    let life = lead(&WHOLE_LIFE, plan);
    println!("{}{:?} effects, {} sessions, {:?}", life.tell(), life.effects, life.sessions, begun.elapsed());
    assert!(life.is_well());
}

#[test]
fn the_process_ends_at_every_point() {
    let begun = Instant::now();
    let [quiet] = lead_all(&WHOLE_LIFE, vec![Plan::new(&[], 3)]).try_into().ok().expect("one life");
    let fates = [Fate::DieBefore, Fate::DieAfter, Fate::Terminate];
    let points = (0..quiet.effects[0]).flat_map(|number| fates.map(|fate| Point::new(number, fate)));
    let plans: Vec<Plan> =
        points.flat_map(|point| DOWNTIMES.map(|downtime| Plan::new(&[point], downtime))).collect();
    let alone = lead_all(&WHOLE_LIFE, plans);
    assert!(alone.iter().all(|life| life.missed == 0), "every point is met");

    // The second point is one of the life that the first one made.
    let seconds = |first: &Point, effects: usize| {
        let first = *first;
        (first.number + 1..effects)
            .flat_map(|number| [Fate::DieBefore, Fate::DieAfter].map(|fate| Point::new(number, fate)))
            .map(move |second| [first, second])
    };
    let of_crashes = alone.iter().filter(|life| {
        life.plan.downtime.as_secs() == DOWNTIMES[0] && life.plan.points[0].fate != Fate::Terminate
    });
    let mut pairs: Vec<[Point; 2]> =
        of_crashes.flat_map(|life| seconds(&life.plan.points[0], life.effects[0])).collect();
    pairs.sort();
    let all_pairs = pairs.len();
    let tried = spread(pairs, if torture() { usize::MAX } else { PAIRS });
    let plans = tried
        .iter()
        .enumerate()
        .map(|(index, pair)| Plan::new(pair, DOWNTIMES[index % DOWNTIMES.len()]))
        .collect();
    let in_pairs = lead_all(&WHOLE_LIFE, plans);
    println!(
        "crash points: {} points, {} alone and {} of {all_pairs} in pairs tried in {:.1} s; at most {} sessions",
        quiet.effects[0] * 2,
        alone.len(),
        in_pairs.len(),
        begun.elapsed().as_secs_f64(),
        alone.iter().chain(&in_pairs).map(|life| life.sessions).max().unwrap_or_default(),
    );
}
