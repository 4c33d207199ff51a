//! The sending schedule.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use pigeon_datagram::Instant;

const SECOND: u128 = 1_000_000_000;

/// A rate of datagrams, and the share of one flow.
///
/// The n-th datagram is due at a time computed from n, never relative to the previous one. So a
/// late sender catches up, and its delay shows in its measurements (no coordinated omission).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Datagrams per second of all flows together; `None` means unlimited.
    pub rate: Option<NonZeroU32>,
    /// The number of flows that share the rate.
    pub flows: NonZeroU16,
    /// This flow's index from 0: the flows take turns.
    pub flow: u16,
}

impl Pace {
    /// A single flow with the whole rate.
    pub fn alone(rate: Option<NonZeroU32>) -> Self {
        Pace { rate, flows: NonZeroU16::MIN, flow: 0 }
    }

    /// How long after the start datagram `number` is due; zero without a rate.
    pub fn due(&self, number: u64) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let turn = u128::from(number) * u128::from(self.flows.get()) + u128::from(self.flow);
        // Rounded up, so that a datagram counts as due at its due time.
        let nanos = (turn * SECOND).div_ceil(u128::from(rate.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Half the time between two datagrams of a flow. Counting this much before the end of a second
    /// includes all of that second's datagrams even if timers are a little late. Zero without a
    /// rate.
    pub fn half_gap(&self) -> Duration {
        self.due(1).saturating_sub(self.due(0)) / 2
    }

    /// How many datagrams are due after `elapsed`; `None` without a rate.
    pub fn count(&self, elapsed: Duration) -> Option<u64> {
        let turns = elapsed.as_nanos() * u128::from(self.rate?.get()) / SECOND;
        let flow = u128::from(self.flow);
        let count = turns.checked_sub(flow).map_or(0, |own| own / u128::from(self.flows.get()) + 1);
        Some(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

/// A [`Pace`] with a start time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) pace: Pace,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Schedule {
    /// When datagram `number` is due; the start without a rate.
    pub(crate) fn due(&self, number: u64) -> Instant {
        self.start + self.pace.due(number)
    }

    /// How many datagrams are due before `at`.
    pub(crate) fn count_before(&self, at: Instant) -> u64 {
        self.count(Instant::from_nanos(at.as_nanos().saturating_sub(1)))
    }

    /// How many datagrams are due by `now`; none at or after the end.
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
