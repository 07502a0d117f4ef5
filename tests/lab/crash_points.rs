//! Every crash: the process ends before and after every write to the API server and every call of the vendor in the whole
//! life of a job, alone and in pairs, and begins anew.

use std::time::Instant;

use crate::life::{Plan, lead};
use crate::script::WHOLE_LIFE;

#[test]
fn a_life_without_a_crash() {
    let begun = Instant::now();
    let life = lead(&WHOLE_LIFE, Plan::asked_for().unwrap_or_else(|| Plan::new(&[], 3)));
    println!("{}", life.tell());
    println!(
        "{} effects, {} sessions, {} processes, {:?}",
        life.effects,
        life.sessions,
        life.processes,
        begun.elapsed()
    );
    life.assert_well();
}
