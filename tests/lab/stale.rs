//! Stale and missed: the watch misbehaves from every point of a life on, and at every point a third hand does something
//! to the object. The operator's knowledge is then old, or gone.

use agora_snapshot_testbed::evidence;

use crate::life::Plan;
use crate::lives::{Turn, lead_all};
use crate::script::WHOLE_LIFE;
use crate::third_hand::Deed;
use crate::world::{Fate, Mishap, Point};

const MISHAPS: [Mishap; 9] = [
    Mishap::OneBehind,
    Mishap::TwoBehind,
    Mishap::ThreeBehind,
    Mishap::Held,
    Mishap::Lost,
    Mishap::Doubled,
    Mishap::Swapped,
    Mishap::Broken,
    Mishap::Expired,
];

const DEEDS: [Deed; 6] = [
    Deed::WipeStatus,
    Deed::RestoreRecent,
    Deed::RestoreOldest,
    Deed::TakeFinalizer,
    Deed::Recreate,
    Deed::RecreateLater,
];

/// Leads a life for each of these fates at each point.
fn at_every_point(what: &str, fates: &[Fate]) {
    let turn = Turn::take();
    let [quiet] = lead_all(&WHOLE_LIFE, vec![Plan::new(&[], 3)]).try_into().ok().expect("one life");
    let points =
        (0..quiet.effects[0]).flat_map(|number| fates.iter().map(move |fate| Point::new(number, *fate)));
    let all: Vec<Plan> = points.map(|point| Plan::new(&[point], 3)).collect();
    let lives = lead_all(&WHOLE_LIFE, all);
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "{what}: {} points in {} ways, {} lives in {:.1} s; at most {} sessions",
        quiet.effects[0],
        fates.len(),
        lives.len(),
        turn.elapsed().as_secs_f64(),
        lives.iter().map(|life| life.sessions).max().unwrap_or_default(),
    ));
}

#[test]
fn the_watch_misbehaves_from_every_point_on() {
    at_every_point("stale and missed events", &MISHAPS.map(Fate::Watch));
}

#[test]
fn a_third_hand_meddles_at_every_point() {
    at_every_point("a third hand at the object", &DEEDS.map(Fate::Hand));
}
