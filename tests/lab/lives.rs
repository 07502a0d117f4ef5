//! Many lives on all cores, and what is told when one of them goes wrong.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use crate::life::{Life, Plan, lead};
use crate::script::Stage;

/// Failures that are told whole; of the others only the plan and what was wrong first.
const TOLD: usize = 2;

/// Whether everything is to be tried, however long it takes.
pub(crate) fn torture() -> bool {
    std::env::var("TORTURE").is_ok_and(|set| set == "1")
}

/// Its lives are led on all cores, so one test comes after another, and the time that it takes is its own.
pub(crate) struct Turn {
    begun: Instant,
    _alone: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits until no other test leads its lives.
    pub(crate) fn take() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        // One that failed is over, too.
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { begun: Instant::now(), _alone: alone }
    }

    /// Since its turn began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// Leads all these lives.
///
/// # Panics
/// Something was wrong in one of them, or it ended by a panic.
pub(crate) fn lead_all(stages: &'static [Stage], plans: Vec<Plan>) -> Vec<Life> {
    let (next, lives) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(plans.len())));
    let without_a_fence = std::env::var_os("AGORA_SNAPSHOT_REMOVED_FENCE").is_some();
    let work = || {
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Without one of its fences (tests/fences) the product is wrong, and one life says so as well as all.
            if without_a_fence
                && lives.lock().expect("the other worker is well").iter().any(|life: &Life| !life.is_well())
            {
                break;
            }
            let life = catch_unwind(|| lead(stages, plan.clone()))
                .unwrap_or_else(|_| panic!("a life ended by a panic, see above; again with LIFE={plan}"));
            if !life.is_well() {
                // At once, for the rest may take its time.
                eprintln!("LIFE={}: {}", life.plan, life.accusations[0]);
            }
            lives.lock().expect("the other worker is well").push(life);
        }
    };
    scope(|threads| {
        for _ in 0..available_parallelism().map_or(2, Into::into) {
            threads.spawn(work);
        }
    });
    let lives = lives.into_inner().expect("the workers are well");
    let mut wrong: Vec<&Life> = lives.iter().filter(|life| !life.is_well()).collect();
    wrong.sort_by_key(|life| life.plan.points.clone());
    for life in wrong.iter().take(TOLD) {
        eprintln!("{}", life.tell());
    }
    assert!(wrong.is_empty(), "{} of {} lives went wrong, see above", wrong.len(), lives.len());
    lives
}
