//! In the end: when faults and edits cease, what is wanted comes to be within a bound, and then nothing is written any
//! more. Every state that leads there is remembered as good, so that most runs are a few steps long.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use agora_snapshot_operator::api::ConditionType;
use agora_snapshot_operator::api::status::{Phase, SessionState};
use agora_snapshot_operator::lifecycle::conditions;

use crate::canonical;
use crate::situations::{self, Situation};
use crate::visit::resource_number;
use crate::world::{Action, World};

/// Nothing is written for so long: longer than the longest wait of an operator that has something to do.
const QUIET: i64 = 1500;

/// What is wanted has come to be by then: the longest doubt is that of a lost sid, which ends with the token.
const AT_MOST: i64 = 20_000;

/// And it takes no more than so many steps: a hot loop is not an end.
const STEPS: u32 = 4_000;

/// States that were shown to end well, and the situations that were met on the way.
#[derive(Debug, Default)]
pub struct Good {
    marks: Mutex<HashSet<u64>>,
    met: AtomicU32,
}

impl Good {
    /// Why this state does not end well, if it does not.
    pub fn judge(&self, world: &World) -> Result<(), String> {
        let mut world = World { faults: 0, edits: 0, ..world.clone() };
        let begin = world.now;
        let mut passed = Vec::new();
        let mut last_write = (world.api.writes, world.now);
        for _ in 0..STEPS {
            if let Some(why) = &world.broken {
                return Err(format!("left to itself: {why}"));
            }
            let mark = canonical::fingerprint(&world);
            if world.beyond || self.knows(mark) || is_over(&world) {
                self.keep(passed);
                return Ok(());
            }
            passed.push(mark);
            self.met.fetch_or(situations::met(&world), Ordering::Relaxed);
            if world.api.writes != last_write.0 {
                last_write = (world.api.writes, world.now);
            }
            let quiet = world.now - last_write.1 >= QUIET;
            if quiet && wrong(&world).is_none() {
                self.keep(passed);
                return Ok(());
            }
            if world.now - begin > AT_MOST {
                let why = wrong(&world).unwrap_or_else(|| "it is written again and again".into());
                return Err(format!("{AT_MOST} s after the last fault {why}"));
            }
            world.happen(fair(&world));
        }
        Err(format!("{STEPS} steps in {} s and no rest", world.now - begin))
    }

    /// Whether a situation was met.
    pub fn has_met(&self, situation: Situation) -> bool {
        self.met.load(Ordering::Relaxed) & situation.bit() != 0
    }

    /// How many of them there are.
    pub fn count(&self) -> usize {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn knows(&self, mark: u64) -> bool {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).contains(&mark)
    }

    fn keep(&self, passed: Vec<u64>) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).extend(passed);
    }
}

/// What happens next when nothing goes wrong any more: late requests land, one operator remains.
fn fair(world: &World) -> Action {
    if !world.vendor.late.is_empty() {
        return Action::Land(0);
    }
    if world.processes.iter().all(Option::is_some) {
        return Action::Crash(1);
    }
    world.natural().unwrap_or(Action::Pass)
}

/// Whether the object is gone and nothing of it can run unreported.
fn is_over(world: &World) -> bool {
    world.api.object.is_none() && world.vendor.late.is_empty() && crate::fences::moment(world).is_none()
}

/// How the world differs from what is wanted.
fn wrong(world: &World) -> Option<String> {
    let Some(object) = &world.api.object else { return None };
    let status = &object.status;
    let living = world.vendor.living();
    if object.deleting {
        return Some("the deleted object is still there".into());
    }
    let ready = conditions::get(status, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    let finished = matches!(status.phase, Some(Phase::Succeeded | Phase::Failed));
    if object.wanted.suspend || finished {
        let rests = status.sessions.is_empty() && living.is_empty();
        return (!rests).then(|| format!("a session stands or lives in phase {:?}", status.phase));
    }
    let running = match (status.sessions.as_slice(), living.as_slice()) {
        ([session], [resource]) => {
            session.state == SessionState::Running
                && resource_number(&session.resource_id) == Some(*resource)
                && world.vendor.resources[*resource]
                    .living()
                    .is_some_and(|living| living.orders == object.wanted.orders && living.comes_up)
        }
        (_, _) => false,
    };
    let observed = status.observed_generation == Some(object.generation);
    (!running || !ready || !observed).then(|| {
        let states: Vec<_> = status.sessions.iter().map(|session| session.state).collect();
        format!(
            "{:?} is wanted; phase {:?}, ready {ready}, sessions {states:?}, living {living:?}",
            object.wanted, status.phase
        )
    })
}
