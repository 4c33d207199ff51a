//! What time it is, for a machine that reads no clock and yet reports the time: one reading of the
//! wall clock, and the monotonic time at which it was taken, from which it counts on.

use std::time::Duration;

use crate::Instant;

/// A reading of the wall clock, tied to the monotonic clock.
///
/// Between two readings time runs at the monotonic clock's pace, so it neither jumps nor stops
/// within an exchange. The driver takes a new reading at least once a second while it serves time,
/// since the wall clock may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// What the wall clock read: the time since the Unix epoch, leap seconds not counted.
    pub unix: Duration,
    /// When it read that.
    pub at: Instant,
}

impl WallClock {
    /// A reading: at `at` it was `unix` since the Unix epoch.
    pub const fn new(unix: Duration, at: Instant) -> Self {
        WallClock { unix, at }
    }

    /// What the wall clock reads at `now`, since the Unix epoch. Times before the reading are
    /// taken for it.
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
