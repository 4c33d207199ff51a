//! When each datagram is due.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use pigeon_datagram::Instant;

const SECOND: u128 = 1_000_000_000;

/// How many datagrams a second, and which share of them one flow has.
///
/// The n-th datagram is due at a time computed from n, never from when the one before was sent: a
/// late sender catches up, and its lateness is seen in what it measures (coordinated omission).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Datagrams a second, all flows together; `None` is as many as can be.
    pub rate: Option<NonZeroU32>,
    /// Among how many flows they are shared.
    pub flows: NonZeroU16,
    /// Which of the flows this is, from 0: they take turns.
    pub flow: u16,
}

impl Pace {
    /// All of `rate` in one flow.
    pub fn alone(rate: Option<NonZeroU32>) -> Self {
        Pace { rate, flows: NonZeroU16::MIN, flow: 0 }
    }

    /// How long after the beginning datagram `number` is due; at once where there is no rate.
    pub fn due(&self, number: u64) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let turn = u128::from(number) * u128::from(self.flows.get()) + u128::from(self.flow);
        // Rounded up, so that at its due time a datagram counts as due.
        let nanos = (turn * SECOND).div_ceil(u128::from(rate.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Half the time between two datagrams of a flow: who counts so long before the end of a second
    /// counts what belongs to it, even where timers are a little late. Zero where there is no rate.
    pub fn half_gap(&self) -> Duration {
        self.due(1).saturating_sub(self.due(0)) / 2
    }

    /// How many datagrams are due once `elapsed` has passed; `None` where there is no rate.
    pub fn count(&self, elapsed: Duration) -> Option<u64> {
        let turns = elapsed.as_nanos() * u128::from(self.rate?.get()) / SECOND;
        let flow = u128::from(self.flow);
        let count = turns.checked_sub(flow).map_or(0, |own| own / u128::from(self.flows.get()) + 1);
        Some(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

/// A [`Pace`] from a point in time on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) pace: Pace,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Schedule {
    /// When datagram `number` is due; the beginning where there is no rate.
    pub(crate) fn due(&self, number: u64) -> Instant {
        self.start + self.pace.due(number)
    }

    /// How many datagrams are due before `at`.
    pub(crate) fn count_before(&self, at: Instant) -> u64 {
        self.count(Instant::from_nanos(at.as_nanos().saturating_sub(1)))
    }

    /// How many datagrams are due by `now`, none of them at the end or later.
    pub(crate) fn count(&self, now: Instant) -> u64 {
        let last = Instant::from_nanos(self.end.as_nanos().saturating_sub(1));
        if now < self.start || self.end <= self.start {
            return 0;
        }
        self.pace.count(now.min(last) - self.start).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: u32, flows: u16, flow: u16) -> Pace {
        Pace { rate: NonZeroU32::new(rate), flows: NonZeroU16::new(flows).unwrap(), flow }
    }

    #[test]
    fn a_datagram_counts_from_when_it_is_due() {
        for (rate, flows, flow) in [(1_000, 1, 0), (3, 1, 0), (7, 3, 2), (999_983, 7, 4)] {
            let pace = pace(rate, flows, flow);
            for number in [0, 1, 2, 1_000, 123_456_789] {
                let due = pace.due(number);
                assert_eq!(pace.count(due), Some(number + 1), "{pace:?} {number}");
                if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
                    assert_eq!(pace.count(before), Some(number), "{pace:?} {number}");
                }
            }
        }
    }

    #[test]
    fn the_flows_together_send_the_whole_rate() {
        let second = Duration::from_nanos(999_999_999);
        let all: u64 = (0..7).map(|flow| pace(1_000, 7, flow).count(second).unwrap()).sum();
        assert_eq!(all, 1_000);
        assert_eq!(Pace::alone(None).count(second), None);
    }
}
