//! The bottleneck of a path: bytes leave one after another at a fixed rate, after a bounded queue
//! with tail drop.
//!
//! No queue is stored. The time at which the line becomes free determines the number of waiting
//! bytes, so a datagram's departure is known when it enters.

use std::time::Duration;

use super::Rate;
use pigeon_datagram::Instant;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// When the line becomes free: at `free_at` plus `carry / bytes_per_second` nanoseconds.
///
/// Without the fraction, rounding errors would add up to a wrong rate: at 3 GB/s, ten bytes take
/// three and a third nanoseconds.
#[derive(Default)]
pub(super) struct Line {
    free_at: Instant,
    carry: u128,
}

impl Line {
    /// Returns when a datagram of `length` bytes leaves the line; `None` if the queue is full.
    ///
    /// An idle line accepts any datagram. Otherwise the waiting bytes and the datagram's must fit
    /// into the queue.
    pub(super) fn enqueue(&mut self, now: Instant, rate: Rate, length: usize) -> Option<Instant> {
        let waiting = self.waiting_bytes(now, rate);
        if waiting > 0 && waiting + length as u128 > rate.queue_bytes as u128 {
            return None;
        }
        if self.free_at < now {
            *self = Line { free_at: now, carry: 0 };
        }
        self.occupy(length as u128, rate);
        Some(self.free_at)
    }

    /// Changes the rate; waiting bytes leave at the new rate.
    pub(super) fn change_rate(&mut self, now: Instant, old: Option<Rate>, new: Option<Rate>) {
        let waiting = old.map_or(0, |old| self.waiting_bytes(now, old));
        if old.map(|old| old.bytes_per_second) == new.map(|new| new.bytes_per_second) {
            return;
        }
        *self = Line { free_at: now, carry: 0 };
        if let Some(new) = new {
            self.occupy(waiting, new);
        }
    }

    /// The bytes still on the line, partly sent ones included.
    fn waiting_bytes(&self, now: Instant, rate: Rate) -> u128 {
        if self.free_at <= now {
            return 0;
        }
        let nanos = (self.free_at - now).as_nanos();
        (nanos * u128::from(rate.bytes_per_second) + self.carry).div_ceil(NANOS_PER_SECOND)
    }

    fn occupy(&mut self, bytes: u128, rate: Rate) {
        let per_second = u128::from(rate.bytes_per_second).max(1);
        let work = bytes.saturating_mul(NANOS_PER_SECOND).saturating_add(self.carry);
        let nanos = u64::try_from(work / per_second).unwrap_or(u64::MAX);
        self.free_at = self.free_at + Duration::from_nanos(nanos);
        self.carry = work % per_second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { bytes_per_second: 3, queue_bytes: 10 };

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn fractions_of_a_nanosecond_add_up() {
        let mut line = Line::default();
        let departures: Vec<_> = (0..3).filter_map(|_| line.enqueue(at(0), RATE, 1)).collect();
        assert_eq!(departures, [at(333_333_333), at(666_666_666), at(1_000_000_000)]);
    }

    #[test]
    fn an_idle_line_takes_what_its_queue_could_not() {
        let mut line = Line::default();
        assert!(line.enqueue(at(0), RATE, 30).is_some());
        assert_eq!(line.enqueue(at(0), RATE, 1), None);
        // After nine of the ten seconds three bytes wait; seven more fit, eight do not.
        assert_eq!(line.enqueue(at(9_000_000_000), RATE, 8), None);
        assert!(line.enqueue(at(9_000_000_000), RATE, 7).is_some());
    }

    #[test]
    fn waiting_bytes_wait_at_the_new_rate() {
        let mut line = Line::default();
        line.enqueue(at(0), RATE, 30);
        let faster = Rate { bytes_per_second: 30, queue_bytes: 100 };
        line.change_rate(at(0), Some(RATE), Some(faster));
        assert_eq!(line.enqueue(at(0), faster, 30), Some(at(2_000_000_000)));
    }
}
