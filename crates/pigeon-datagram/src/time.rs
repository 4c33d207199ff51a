//! The time passed to a state machine.
//!
//! Machines are handed `now` and never read a clock. They have a type of their own for it, and not
//! `std::time::Instant`, so that a test can say "second 30" outright and a stored time costs eight
//! bytes, not sixteen.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the driver's monotonic clock: nanoseconds since an origin the driver chose.
///
/// 64 bits of nanoseconds reach 584 years. Arithmetic saturates: a deadline too far away is
/// "never", and an earlier point minus a later one is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ORIGIN: Instant = Instant(0);

    /// The point `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, rhs: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let early = Instant::from_nanos(5);
        let late = early + Duration::from_secs(1);
        assert_eq!(late - early, Duration::from_secs(1));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(late + Duration::MAX, Instant::from_nanos(u64::MAX));
    }
}
