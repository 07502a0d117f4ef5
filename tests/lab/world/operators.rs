//! Operators as the world sees them: which process of one is alive, whether it stands still or was told to end.

use jiff::Timestamp;
use tokio::time::sleep;

use super::{PAUSE, World};

/// An operator as the world sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operator {
    /// How many effects it had in mind so far.
    pub(crate) effects: usize,
    /// How many processes it had; the last one may be alive.
    pub(super) processes: usize,
    pub(super) alive: bool,
    pub(super) told_to_end: bool,
    /// Whether it shall run.
    pub(crate) wanted: bool,
    /// Until when it stands still.
    pub(super) paused: Option<Timestamp>,
}

/// A process of an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pub(crate) operator: usize,
    /// Of this operator's, from 1.
    pub(crate) number: usize,
}

impl Operator {
    /// Whether it was told to end.
    pub(crate) fn is_told_to_end(&self) -> bool {
        self.told_to_end
    }

    /// Whether its process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        !self.alive
    }
}

impl World {
    /// A process begins.
    pub(crate) fn begin(&self, operator: usize) -> Process {
        self.with(|world| {
            world.tell(format!("--- operator {operator} begins"));
            let one = &mut world.operators[operator];
            (one.alive, one.told_to_end, one.paused) = (true, false, None);
            one.processes += 1;
            Process { operator, number: one.processes }
        })
    }

    /// From now on nothing of it reaches the world.
    pub(crate) fn end(&self, process: Process) {
        self.with(|world| {
            world.tell(format!("--- operator {} ends", process.operator));
            world.operators[process.operator].alive = false;
        });
    }

    fn is_alive(&self, process: Process) -> bool {
        let one = self.lock().operators[process.operator];
        one.alive && one.processes == process.number
    }

    /// Waits until an operator is as it is asked for.
    pub(crate) async fn until_operator(&self, operator: usize, is: impl Fn(&Operator) -> bool) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let now = self.lock().operators[operator];
            if is(&now) {
                return;
            }
            changes.changed().await.expect("the world lasts");
        }
    }

    /// Until when it stands still, if it does.
    pub(crate) fn paused(&self, operator: usize) -> Option<Timestamp> {
        let inner = self.lock();
        inner.operators[operator].paused.filter(|until| *until > inner.now())
    }

    pub(super) fn pause(&self, process: Process) {
        self.with(|world| {
            let now = world.now();
            let until = now + PAUSE;
            world.script.stood_still(now);
            world.operators[process.operator].paused = Some(until);
        });
    }

    /// Lets a process go on as long as it lives and does not stand still.
    pub(crate) async fn gate(&self, process: Process) {
        loop {
            match (self.is_alive(process), self.paused(process.operator)) {
                (false, _) => std::future::pending().await,
                (true, None) => return,
                (true, Some(until)) => sleep(self.until(until)).await,
            }
        }
    }
}
