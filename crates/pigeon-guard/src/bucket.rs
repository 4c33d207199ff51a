//! A token bucket, implemented as the generic cell rate algorithm (GCRA, ITU-T I.371). It stores
//! one time: when everything passed so far would have finished at exactly the permitted rate. That
//! time may be up to a second in the future, so a second's worth may pass in one burst.

use std::time::Duration;

use pigeon_datagram::Instant;

/// How far a bucket may run ahead of the clock: the burst is what the rate allows in this time.
const WINDOW: Duration = Duration::from_secs(1);

/// The state of one rate limit, in eight bytes. The rate itself is stored elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket(Instant);

impl Bucket {
    /// Whether something of this [`cost`] may pass. A full bucket admits any cost, even one of more
    /// than a second.
    pub fn has_room(self, now: Instant, cost: Duration) -> bool {
        self.0 <= now + WINDOW.saturating_sub(cost)
    }

    /// Charges a cost to the bucket.
    pub fn take(&mut self, now: Instant, cost: Duration) {
        self.0 = self.0.max(now) + cost;
    }

    /// When the bucket will allow a whole burst again.
    pub fn full_at(self) -> Instant {
        self.0
    }

    /// Whether the bucket allows a whole burst.
    pub fn is_full(self, now: Instant) -> bool {
        self.0 <= now
    }
}

/// The time that `amount` takes at `per_second`. A rate of zero is treated as one.
pub fn cost(amount: u64, per_second: u64) -> Duration {
    // Exact for any amount that a datagram can hold.
    Duration::from_nanos(amount.saturating_mul(1_000_000_000) / per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(cost: Duration, millis: impl Iterator<Item = u64>) -> usize {
        let mut bucket = Bucket::default();
        let at = |millis| Instant::ORIGIN + Duration::from_millis(millis);
        let mut pass = |now| {
            let passes = bucket.has_room(now, cost);
            if passes {
                bucket.take(now, cost);
            }
            passes
        };
        millis.filter(|&millis| pass(at(millis))).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        let twenty = cost(1, 20);
        assert_eq!(passed(twenty, std::iter::repeat_n(5_000, 100)), 20);
        // 10 s at ten times the rate: one burst, then 20 a second.
        assert_eq!(passed(twenty, (5_000..15_000).step_by(5)), 219);
        assert_eq!(passed(twenty, (0..10_000).step_by(50)), 200);
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_when_nothing_else_did_and_is_paid_for() {
        assert_eq!(passed(cost(5_000, 1_000), (0..20_000).step_by(100)), 4);
    }

    #[test]
    fn extremes_do_no_harm() {
        assert_eq!(passed(cost(0, 0), 0..5), 5);
        assert_eq!(passed(cost(u64::MAX, 1), 0..5), 1);
        let mut bucket = Bucket::default();
        bucket.take(Instant::from_nanos(u64::MAX), cost(1, 1));
        assert!(!bucket.is_full(Instant::ORIGIN));
    }
}
