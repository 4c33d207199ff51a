//! Changes at given times: a scenario.

use std::time::Duration;

use thiserror::Error;

use pigeon_datagram::Instant;

/// Changes `T`, each at a time after the start, optionally repeated.
///
/// A timeline draws no randomness and touches no path: the caller applies the result of
/// [`poll`](Timeline::poll). Because each setting of a path draws independently, changing one
/// leaves the effects of the others as they were.
#[derive(Clone, Debug)]
pub struct Timeline<T> {
    changes: Vec<(Duration, T)>,
    period: Option<Duration>,
    /// When the current round began.
    start: Instant,
    /// The next change of this round.
    next: usize,
}

/// Why changes are not a valid timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimelineError {
    /// A change comes after a later one.
    #[error("change {number} comes at {at:?}, before the one that stands above it")]
    OutOfOrder {
        /// The change's position, counted from 1.
        number: usize,
        /// The change's time.
        at: Duration,
    },
    /// A round would begin before the previous round's last change.
    #[error("it begins again after {period:?}, but its last change comes at {last:?}")]
    PeriodTooShort {
        /// The length of a round.
        period: Duration,
        /// The time of the last change.
        last: Duration,
    },
}

impl<T> Timeline<T> {
    /// A timeline of changes, in order of time, that starts at `start`. With a `period` it repeats
    /// for ever.
    pub fn new(
        start: Instant,
        changes: Vec<(Duration, T)>,
        period: Option<Duration>,
    ) -> Result<Self, TimelineError> {
        if let Some(index) = changes.windows(2).position(|pair| pair[1].0 < pair[0].0) {
            let (number, at) = (index + 2, changes[index + 1].0);
            return Err(TimelineError::OutOfOrder { number, at });
        }
        let last = changes.last().map_or(Duration::ZERO, |(at, _)| *at);
        match period {
            // A period of zero would repeat without end at one instant.
            Some(period) if period <= last => Err(TimelineError::PeriodTooShort { period, last }),
            _ => Ok(Timeline { changes, period, start, next: 0 }),
        }
    }

    /// The next change that is due by `now`.
    ///
    /// Each change is returned once a round. If several rounds have passed since the last call, for
    /// example while the machine slept, only the last round is returned, because it overrides the
    /// earlier ones.
    pub fn poll(&mut self, now: Instant) -> Option<&T> {
        self.skip_rounds(now);
        let due = self.poll_timeout().is_some_and(|due| due <= now);
        let (_, change) = due.then(|| self.changes.get(self.next))??;
        self.next += 1;
        if let Some(period) = self.period.filter(|_| self.next == self.changes.len()) {
            (self.start, self.next) = (self.start + period, 0);
        }
        Some(change)
    }

    /// When the next change is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.changes.get(self.next).map(|(at, _)| self.start + *at)
    }

    fn skip_rounds(&mut self, now: Instant) {
        let Some(period) = self.period else { return };
        let rounds = (now - self.start).as_nanos() / period.as_nanos().max(1);
        if rounds > 1 && self.next == 0 {
            let passed = period.as_nanos() * (rounds - 1);
            self.start = self.start + Duration::from_nanos(u64::try_from(passed).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const START: Instant = Instant::from_nanos(77);

    fn timeline(changes: &[(u32, char)], period: Option<u32>) -> Timeline<char> {
        let changes = changes.iter().map(|&(at, what)| (SECOND * at, what)).collect();
        Timeline::new(START, changes, period.map(|period| SECOND * period)).unwrap()
    }

    fn due(timeline: &mut Timeline<char>, second: u32) -> String {
        std::iter::from_fn(|| timeline.poll(START + SECOND * second).copied()).collect()
    }

    #[test]
    fn each_change_comes_once_at_its_time() {
        let mut timeline = timeline(&[(0, 'a'), (2, 'b'), (2, 'c'), (5, 'd')], None);
        assert_eq!(due(&mut timeline, 0), "a");
        assert_eq!(timeline.poll_timeout(), Some(START + SECOND * 2));
        assert_eq!(due(&mut timeline, 1), "");
        assert_eq!(due(&mut timeline, 2), "bc");
        assert_eq!(due(&mut timeline, 9), "d");
        assert_eq!(due(&mut timeline, 1_000), "");
        assert_eq!(timeline.poll_timeout(), None);
    }

    #[test]
    fn rounds_follow_one_another() {
        let mut timeline = timeline(&[(1, 'a'), (3, 'b')], Some(4));
        let seen: Vec<String> = (0..12).map(|second| due(&mut timeline, second)).collect();
        assert_eq!(seen, ["", "a", "", "b", "", "a", "", "b", "", "a", "", "b"]);
    }

    #[test]
    fn of_rounds_slept_through_the_last_one_counts() {
        let mut timeline = timeline(&[(1, 'a'), (3, 'b')], Some(4));
        assert_eq!(due(&mut timeline, 4_000_001), "aba");
        assert_eq!(timeline.poll_timeout(), Some(START + SECOND * 4_000_003));
        // The timeline can also be polled in the middle of a round.
        assert_eq!(due(&mut timeline, 8_000_001), "baba");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let new = |changes: &[u32], period: Option<u32>| {
            let changes = changes.iter().map(|&at| (SECOND * at, ())).collect();
            Timeline::new(START, changes, period.map(|period| SECOND * period)).err()
        };
        assert_eq!(
            new(&[1, 5, 4], None),
            Some(TimelineError::OutOfOrder { number: 3, at: SECOND * 4 })
        );
        let too_short = TimelineError::PeriodTooShort { period: SECOND * 5, last: SECOND * 5 };
        assert_eq!(new(&[1, 5], Some(5)), Some(too_short));
        assert!(new(&[], Some(0)).is_some());
        assert_eq!(new(&[], None), None);
    }
}
