//! The time, read in one place.

use std::time::Instant;

use jiff::Timestamp;

use crate::lifecycle::timing::Moment;

/// Reads the wall clock and the monotonic clock. `--time-scale` makes product time run faster than either.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    scale: u32,
}

impl Clock {
    /// A clock whose monotonic time begins now. `scale` is 1 but in tests.
    pub fn new(scale: u32) -> Self {
        Self { started: Instant::now(), scale: scale.max(1) }
    }

    /// The time.
    pub fn now(&self) -> Moment {
        let mono = self.started.elapsed().saturating_mul(self.scale);
        Moment { wall: Timestamp::now(), mono, scale: self.scale }
    }
}
