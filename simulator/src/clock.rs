//! Time as the simulator counts it. Owns the step from the wall clock to virtual time and the two ways in which
//! a time is written. Reads no clock: the binary passes the wall clock in, tests pass what they like.

use std::num::NonZeroU32;

use jiff::Timestamp;

/// Milliseconds since the Unix epoch, on the virtual clock unless a name says `wall`.
pub type Millis = u64;

/// One second of virtual time.
pub const SECOND: Millis = 1000;
/// One minute of virtual time.
pub const MINUTE: Millis = 60 * SECOND;
/// One hour of virtual time.
pub const HOUR: Millis = 60 * MINUTE;

/// Virtual time runs `speed` times as fast as the wall clock, and both agree at `origin`.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Millis,
    speed: NonZeroU32,
}

impl Clock {
    /// A clock whose virtual time equals the wall clock at `origin` (wall milliseconds since the Unix epoch).
    pub fn new(origin: Millis, speed: NonZeroU32) -> Self {
        Self { origin, speed }
    }

    /// The virtual time at a wall time; times before the origin count as the origin.
    pub fn virtual_at(&self, wall: Millis) -> Millis {
        self.origin + wall.saturating_sub(self.origin) * Millis::from(self.speed.get())
    }

    /// The wall time at which the virtual clock shows `time`, rounded up so that a sleeper never wakes too early.
    pub fn wall_at(&self, time: Millis) -> Millis {
        self.origin + time.saturating_sub(self.origin).div_ceil(Millis::from(self.speed.get()))
    }
}

/// A wall time as RFC 3339 in UTC with milliseconds, as the control interface prints times.
pub fn rfc3339(wall: Millis) -> String {
    format!("{:.3}", timestamp(wall))
}

/// A wall time as file names carry it: `yyyyMMddHHmmssSSS`, UTC [API §10].
pub fn file_stamp(wall: Millis) -> String {
    timestamp(wall).strftime("%Y%m%d%H%M%S%3f").to_string()
}

fn timestamp(wall: Millis) -> Timestamp {
    let wall = i64::try_from(wall).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(wall).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_runs_at_speed_and_back() {
        let clock = Clock::new(1_000, NonZeroU32::new(20).unwrap());
        assert_eq!(clock.virtual_at(1_000), 1_000);
        assert_eq!(clock.virtual_at(1_500), 11_000);
        assert_eq!(clock.wall_at(11_000), 1_500);
        assert_eq!(clock.wall_at(11_001), 1_501, "a sleeper must not wake before its time");
        assert_eq!(clock.virtual_at(10), 1_000, "a clock set back does not go below the origin");
    }

    #[test]
    fn times_are_written_as_the_vendor_writes_them() {
        // 2019-06-11T07:32:46.073Z, the example of the vendor's snapshot guide.
        assert_eq!(file_stamp(1_560_238_366_073), "20190611073246073");
        assert_eq!(rfc3339(1_560_238_366_073), "2019-06-11T07:32:46.073Z");
    }
}
