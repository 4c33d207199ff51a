//! A token bucket, as the generic cell rate algorithm (GCRA, ITU-T I.371) keeps it: one number, the
//! time at which everything let through so far would have come at exactly the rate. It may run
//! ahead of the clock by a second, so a second's worth may come at once.

use std::time::Duration;

use pigeon_datagram::Instant;

/// How far a bucket may run ahead.
const WINDOW: Duration = Duration::from_secs(1);

/// What is left of a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket(Instant);

impl Bucket {
    /// Whether one more may pass. `None` is no limit; one of zero lets nothing through.
    pub(crate) fn has_room(self, now: Instant, per_second: Option<u32>) -> bool {
        match per_second {
            None => true,
            Some(0) => false,
            Some(most) => self.0 <= now + (WINDOW - interval(most)),
        }
    }

    /// Lets one pass.
    pub(crate) fn take(&mut self, now: Instant, per_second: Option<u32>) {
        if let Some(most) = per_second {
            self.0 = self.0.max(now) + interval(most);
        }
    }

    /// Whether a whole burst is free.
    pub(crate) fn is_full(self, now: Instant) -> bool {
        self.0 <= now
    }
}

/// The time that one takes at this rate.
fn interval(per_second: u32) -> Duration {
    WINDOW / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(per_second: Option<u32>, millis: impl Iterator<Item = u64>) -> usize {
        let mut bucket = Bucket::default();
        let at = |millis| Instant::ORIGIN + Duration::from_millis(millis);
        let mut pass = |now| {
            let passes = bucket.has_room(now, per_second);
            if passes {
                bucket.take(now, per_second);
            }
            passes
        };
        millis.filter(|&millis| pass(at(millis))).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        assert_eq!(passed(Some(20), std::iter::repeat_n(5_000, 100)), 20);
        // 10 s at ten times the rate: the burst, and then 20 a second.
        assert_eq!(passed(Some(20), (5_000..15_000).step_by(5)), 219);
        assert_eq!(passed(Some(20), (0..10_000).step_by(50)), 200);
    }

    #[test]
    fn extremes_do_no_harm() {
        assert_eq!(passed(Some(0), 0..5), 0);
        assert_eq!(passed(None, 0..5), 5);
        assert_eq!(passed(Some(u32::MAX), 0..5), 5);
        let mut bucket = Bucket::default();
        bucket.take(Instant::from_nanos(u64::MAX), Some(1));
        assert!(!bucket.is_full(Instant::ORIGIN));
    }
}
