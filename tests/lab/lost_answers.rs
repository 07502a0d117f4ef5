//! Every lost answer: each write to the API server and each call of the vendor in the whole life of a job is lost before
//! or after its effect, answered or carried out when nobody waits any more, or carried out twice.

use agora_snapshot_testbed::evidence;

use crate::life::Plan;
use crate::lives::{Turn, lead_all};
use crate::script::WHOLE_LIFE;
use crate::world::{Fate, Point};

const FATES: [Fate; 6] =
    [Fate::Refused, Fate::RequestLost, Fate::AnswerLost, Fate::AnswerLate, Fate::EffectLate, Fate::Twice];

#[test]
fn every_answer_is_lost_in_every_way() {
    let turn = Turn::take();
    let [quiet] = lead_all(&WHOLE_LIFE, vec![Plan::new(&[], 3)]).try_into().ok().expect("one life");
    let points = (0..quiet.effects[0]).flat_map(|number| FATES.map(|fate| Point::new(number, fate)));
    let all: Vec<Plan> = points.map(|point| Plan::new(&[point], 3)).collect();
    let lives = lead_all(&WHOLE_LIFE, all);
    assert!(lives.iter().all(|life| life.missed == 0), "every point is met");
    evidence(format_args!(
        "lost answers: {} requests, each lost in {} ways: {} lives in {:.0} s",
        quiet.effects[0],
        FATES.len(),
        lives.len(),
        turn.elapsed().as_secs_f64(),
    ));
}
