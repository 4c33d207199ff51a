//! The wall clock for a machine that reads no clock: one reading, and the monotonic time at which
//! it was taken.

use std::time::Duration;

use crate::Instant;

/// A reading of the wall clock, tied to the monotonic clock.
///
/// From a reading on, time advances with the monotonic clock, so it neither jumps nor stops within
/// an exchange. A driver that serves time takes a new reading at least once a second, because the
/// wall clock may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// The wall clock's reading: the time since the Unix epoch, without leap seconds.
    pub unix: Duration,
    /// The monotonic time of the reading.
    pub at: Instant,
}

impl WallClock {
    /// A reading taken at `at`, `unix` after the Unix epoch.
    pub const fn new(unix: Duration, at: Instant) -> Self {
        WallClock { unix, at }
    }

    /// The wall-clock time at `now`, since the Unix epoch. A `now` before the reading returns the
    /// reading.
    pub fn read(self, now: Instant) -> Duration {
        self.unix.saturating_add(now - self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_on_from_the_reading() {
        let second = |n| Instant::ORIGIN + Duration::from_secs(n);
        let wall = WallClock::new(Duration::from_secs(1_000), second(7));
        assert_eq!(wall.read(second(9)), Duration::from_secs(1_002));
        assert_eq!(wall.read(second(5)), Duration::from_secs(1_000));
        let late = WallClock::new(Duration::MAX, second(0));
        assert_eq!(late.read(second(1)), Duration::MAX);
    }
}
