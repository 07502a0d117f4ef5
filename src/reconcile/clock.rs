//! The time, read in one place.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::lifecycle::timing::Moment;

/// Reads a wall clock.
pub type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads the wall clock and the monotonic clock, which is the runtime's. `--time-scale` makes product time run faster
/// than either.
#[derive(Clone)]
pub struct Clock {
    started: Instant,
    wall: Wall,
    scale: u32,
}

impl Clock {
    /// A clock whose monotonic time begins now, with the system's wall clock. `scale` is 1 but in tests.
    pub fn new(scale: u32) -> Self {
        Self { started: Instant::now(), wall: Arc::new(Timestamp::now), scale: scale.max(1) }
    }

    /// The same with a wall clock of one's own.
    pub fn with_wall(wall: Wall) -> Self {
        Self { wall, ..Self::new(1) }
    }

    /// The time.
    pub fn now(&self) -> Moment {
        let mono = self.started.elapsed().saturating_mul(self.scale);
        Moment { wall: (self.wall)(), mono, scale: self.scale }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Clock")
            .field("elapsed", &self.started.elapsed())
            .field("scale", &self.scale)
            .finish()
    }
}
