//! The rate of all members of one origin: token buckets for messages and for bytes.

use pigeon_datagram::Instant;
use pigeon_guard::{Bucket, cost};

use crate::config::Rate;

/// The state of a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Buckets {
    messages: Bucket,
    bytes: Bucket,
}

impl Buckets {
    /// Whether one more message of this size fits both buckets.
    pub(crate) fn have_room(&self, now: Instant, rate: Rate, bytes: usize) -> bool {
        rate.messages.is_none_or(|most| self.messages.has_room(now, cost(1, most.into())))
            && rate.bytes.is_none_or(|most| self.bytes.has_room(now, cost(bytes as u64, most)))
    }

    /// Takes a message of this size from both buckets, or from neither.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate, bytes: usize) -> bool {
        if !self.have_room(now, rate, bytes) {
            return false;
        }
        if let Some(most) = rate.messages {
            self.messages.take(now, cost(1, most.into()));
        }
        if let Some(most) = rate.bytes {
            self.bytes.take(now, cost(bytes as u64, most));
        }
        true
    }

    /// Whether a whole burst is available.
    pub(crate) fn are_full(&self, now: Instant) -> bool {
        self.messages.is_full(now) && self.bytes.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn passed(rate: Rate, bytes: usize, times: impl Iterator<Item = u64>) -> usize {
        let mut buckets = Buckets::default();
        times.filter(|&millis| buckets.take(at(millis), rate, bytes)).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        let rate = Rate { messages: Some(20), bytes: None };
        assert_eq!(passed(rate, 9, std::iter::repeat_n(5_000, 100)), 20);
        // 10 s at ten times the rate: one burst, then 20 a second.
        assert_eq!(passed(rate, 9, (5_000..15_000).step_by(5)), 220 - 1);
        assert_eq!(passed(rate, 9, (0..10_000).step_by(50)), 200);
    }

    #[test]
    fn bytes_are_limited_apart_from_messages() {
        let rate = Rate { messages: None, bytes: Some(1_000) };
        assert_eq!(passed(rate, 100, std::iter::repeat_n(0, 100)), 10);
        // A message larger than the burst passes when both buckets are full, and is charged in
        // full.
        assert_eq!(passed(rate, 5_000, (0..20_000).step_by(100)), 4);
    }

    #[test]
    fn extremes_do_no_harm() {
        assert_eq!(passed(Rate { messages: Some(0), bytes: Some(0) }, usize::MAX, 0..5), 1);
        assert_eq!(passed(Rate::UNLIMITED, usize::MAX, 0..5), 5);
        let mut buckets = Buckets::default();
        let end = Instant::from_nanos(u64::MAX);
        assert!(buckets.take(end, Rate { messages: Some(1), bytes: None }, 1));
    }
}
