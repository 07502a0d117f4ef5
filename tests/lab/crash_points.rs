//! Every crash: the process ends before and after every write to the API server and every call of the vendor in the whole
//! life of a job, alone and in pairs, and begins anew. Also its orderly end by SIGTERM at each of them.

use std::time::{Duration, Instant};

use agora_snapshot_testbed::evidence;

use crate::life::{Life, Plan, lead};
use crate::lives::{Turn, lead_all, torture};
use crate::script::{LONG_LIFE, QUIET_LIFE, REFUSED_LIFE, RENEWED_LIFE, Stage, WHOLE_LIFE};
use crate::world::{Fate, Point};

/// Until the next process begins: at once, later than vendor and operator take for granted, and later than a
/// resourceId lives. Every point of the whole life is tried with each of them; what takes longer with one, or with
/// `TORTURE=1` with each.
const DOWNTIMES: [u64; 3] = [3, 100, 400];

const CRASHES: [Fate; 2] = [Fate::DieBefore, Fate::DieAfter];

#[test]
fn a_life_that_is_asked_for() {
    let Some(plan) = Plan::asked_for() else { return };
    let begun = Instant::now();
    let stages: &'static [Stage] = match std::env::var("SCRIPT").as_deref() {
        Ok("quiet") => &QUIET_LIFE,
        Ok("long") => &LONG_LIFE,
        Ok("renewed") => &RENEWED_LIFE,
        Ok("refused") => &REFUSED_LIFE,
        Ok(_) | Err(_) => &WHOLE_LIFE,
    };
    let life = lead(stages, plan);
    println!("{}{:?} effects, {} sessions, {:?}", life.tell(), life.effects, life.sessions, begun.elapsed());
    assert!(life.is_well());
}

#[test]
fn the_process_ends_at_every_point() {
    let turn = Turn::take();
    let effects = undisturbed(&WHOLE_LIFE).effects[0];
    let alone = lead_all(&WHOLE_LIFE, at_every_point(effects, &CRASHES));
    let orderly = lead_all(&WHOLE_LIFE, at_every_point(effects, &[Fate::Terminate]));
    // The second point is one of the life that the first one made.
    let mut pairs: Vec<Plan> =
        alone.iter().filter(|life| is_due(&life.plan)).flat_map(with_another).collect();
    pairs.sort_by_key(|plan| plan.points.clone());
    let in_pairs = lead_all(&WHOLE_LIFE, pairs);
    assert!(alone.iter().chain(&orderly).chain(&in_pairs).all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "crash points: {} points, {} lives with one, {} with two, every pair, {} ends by SIGTERM in {:.0} s; at most {} \
         sessions in a life",
        effects * CRASHES.len(),
        alone.len(),
        in_pairs.len(),
        orderly.len(),
        turn.elapsed().as_secs_f64(),
        alone.iter().chain(&in_pairs).map(|life| life.sessions).max().unwrap_or_default(),
    ));
}

#[test]
fn the_process_ends_at_every_point_of_a_life_with_renewals() {
    let turn = Turn::take();
    let effects = undisturbed(&RENEWED_LIFE).effects[0];
    let plans = at_every_point(effects, &CRASHES).into_iter().filter(is_due).collect();
    let lives = lead_all(&RENEWED_LIFE, plans);
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "crash points of a life with renewals: {} points, {} lives in {:.0} s; at most {} sessions in a life",
        effects * CRASHES.len(),
        lives.len(),
        turn.elapsed().as_secs_f64(),
        lives.iter().map(|life| life.sessions).max().unwrap_or_default(),
    ));
}

#[test]
fn the_process_ends_at_every_point_of_a_life_that_is_told_of() {
    let turn = Turn::take();
    let quiet = lead_all(&WHOLE_LIFE, vec![Plan::new(&[], DOWNTIMES[0]).told()]).remove(0);
    let effects = quiet.effects[0];
    let plans = at_every_point(effects, &CRASHES).into_iter().map(Plan::told).collect();
    let lives = lead_all(&WHOLE_LIFE, plans);
    evidence(format_args!(
        "crash points with notifications (a fifth lost, doubled, out of order): {} points, {} lives in {:.0} s; at most {} \
         sessions in a life",
        effects * CRASHES.len(),
        lives.len(),
        turn.elapsed().as_secs_f64(),
        lives.iter().map(|life| life.sessions).max().unwrap_or_default(),
    ));
}

/// Whatever it has been through, a job at rest is not written, and one that is suspended not even asked about.
#[test]
fn nothing_is_written_at_rest() {
    let turn = Turn::take();
    let plans = at_every_point(undisturbed(&QUIET_LIFE).effects[0], &CRASHES);
    let lives = lead_all(&QUIET_LIFE, plans);
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "at rest: no write in an hour of running and one of suspension, in {} lives in {:.0} s",
        lives.len() + 1,
        turn.elapsed().as_secs_f64(),
    ));
}

/// While the bucket takes nothing no session is asked for, whatever the operator goes through.
#[test]
fn nothing_is_started_into_a_bucket_that_takes_no_files() {
    let turn = Turn::take();
    let plans = at_every_point(undisturbed(&REFUSED_LIFE).effects[0], &CRASHES).into_iter().filter(is_due);
    let lives = lead_all(&REFUSED_LIFE, plans.collect());
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "a bucket that takes no files: no call to the vendor in an hour, in {} lives in {:.0} s",
        lives.len() + 1,
        turn.elapsed().as_secs_f64(),
    ));
}

/// The life in which nothing goes wrong.
fn undisturbed(stages: &'static [Stage]) -> Life {
    lead_all(stages, vec![Plan::new(&[], DOWNTIMES[0])]).remove(0)
}

/// A life for each of these fates of each effect, with each of the downtimes.
fn at_every_point(effects: usize, fates: &[Fate]) -> Vec<Plan> {
    let points = (0..effects).flat_map(|number| fates.iter().map(move |fate| Point::new(number, *fate)));
    points.flat_map(|point| DOWNTIMES.map(|downtime| Plan::new(&[point], downtime))).collect()
}

/// Whether this downtime is the one of its first point, where not all of them are tried.
fn is_due(plan: &Plan) -> bool {
    let downtime = DOWNTIMES[plan.points[0].number % DOWNTIMES.len()];
    torture() || plan.downtime == Duration::from_secs(downtime)
}

/// The lives that begin as this one, with a second crash behind the first.
fn with_another(life: &Life) -> impl Iterator<Item = Plan> + use<> {
    let (first, downtime) = (life.plan.points[0], life.plan.downtime.as_secs());
    (first.number + 1..life.effects[0])
        .flat_map(|number| CRASHES.map(|fate| Point::new(number, fate)))
        .map(move |second| Plan::new(&[first, second], downtime))
}
