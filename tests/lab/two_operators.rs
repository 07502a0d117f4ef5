//! Two operators that do not know of each other: both at work, one that stands still for longer than a resourceId lives
//! and goes on with what it knew, one that takes the place of the other.

use agora_snapshot_testbed::evidence;

use crate::life::{Operators, Plan};
use crate::lives::{Turn, lead_all};
use crate::script::{LONG_LIFE, QUIET_LIFE, WHOLE_LIFE};
use crate::world::{Fate, Point};

#[test]
fn one_stands_still_at_every_point_while_the_other_goes_on() {
    let turn = Turn::take();
    let plan = |points: &[Point]| Plan::new(points, 5).with(Operators::Two);
    let [quiet] = lead_all(&LONG_LIFE, vec![plan(&[])]).try_into().ok().expect("one life");
    let fates = [Fate::PauseBefore, Fate::PauseAfter, Fate::DieBefore, Fate::DieAfter, Fate::Terminate];
    let points = (0..2).flat_map(|operator| {
        (0..quiet.effects[operator])
            .flat_map(move |number| fates.map(|fate| Point { operator, number, fate }))
    });
    let all: Vec<Plan> = points.map(|point| plan(&[point])).collect();
    let lives = lead_all(&LONG_LIFE, all);
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "two operators: {} effects, at which one of them stood still or ended: {} lives in {:.0} s",
        quiet.effects.iter().sum::<usize>(),
        lives.len(),
        turn.elapsed().as_secs_f64(),
    ));
}

/// A failover is one for whoever asks in those 90 s: neither undoes what the other one says of it.
#[test]
fn both_lead_a_whole_life() {
    lead_all(&WHOLE_LIFE, vec![Plan::new(&[], 5).with(Operators::Two)]);
}

/// Two are as silent at rest as one.
#[test]
fn both_write_nothing_at_rest() {
    lead_all(&QUIET_LIFE, vec![Plan::new(&[], 5).with(Operators::Two)]);
}

#[test]
fn another_takes_over_at_every_point() {
    let turn = Turn::take();
    let plan = |points: &[Point]| Plan::new(points, 5).with(Operators::OneThenAnother);
    let [quiet] = lead_all(&WHOLE_LIFE, vec![plan(&[])]).try_into().ok().expect("one life");
    let points = (0..quiet.effects[0]).map(|number| Point::new(number, Fate::Replace));
    let lives = lead_all(&WHOLE_LIFE, points.map(|point| plan(&[point])).collect());
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "rolling update: at each of {} effects, in {:.0} s",
        lives.len(),
        turn.elapsed().as_secs_f64()
    ));
}
