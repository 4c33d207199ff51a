//! The times of a session's reports: multiples of an interval, counted from the first test
//! datagram. So a report counts what the client sent by the same multiple of its own time.

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::wire::Report;

/// The fraction of an interval after which a report is repeated: losing one would affect every
/// figure of its interval.
const AGAIN: u32 = 8;

/// The reports of one session.
pub(super) struct Reports {
    epoch: Instant,
    every: Duration,
    /// How long before each multiple to report: see [`Pace::half_gap`](crate::Pace::half_gap).
    early: Duration,
    number: u64,
    /// No reports until then.
    pause: Option<Instant>,
    /// The last report, and when to repeat it.
    again: Option<(Report, Instant)>,
    counts_from_first: bool,
}

impl Reports {
    pub(super) fn new(now: Instant, every: Duration, half_gap: Duration) -> Reports {
        Reports {
            epoch: now,
            every,
            early: half_gap.min(every / 4),
            number: 0,
            pause: None,
            again: None,
            counts_from_first: false,
        }
    }

    /// Records a test datagram's arrival: the first one starts the time.
    pub(super) fn arrived(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.counts_from_first, true) && self.number == 0 {
            self.epoch = now;
        }
    }

    /// Pauses when the client stops: from then on it requests each report.
    pub(super) fn pause_until(&mut self, until: Instant) {
        (self.pause, self.again) = (Some(until), None);
    }

    /// When the next report or repetition is due.
    pub(super) fn next(&self) -> Instant {
        let next = self.pause.unwrap_or_else(|| self.next_multiple());
        self.again.map_or(next, |(_, at)| at.min(next))
    }

    /// The due report's number, with the report if this is a repetition.
    pub(super) fn due(&mut self, now: Instant) -> Option<(u64, Option<Report>)> {
        if let Some((report, at)) = self.again
            && at <= now
        {
            self.again = None;
            return Some((self.number, Some(report)));
        }
        if self.next() > now {
            return None;
        }
        self.pause = None;
        // If this program was paused, several reports are due; one is enough.
        let passed = (now + self.early - self.epoch).as_nanos() / self.every.as_nanos().max(1);
        self.number = u64::try_from(passed).unwrap_or(u64::MAX).max(self.number + 1);
        Some((self.number, None))
    }

    /// Records the first sending of a report.
    pub(super) fn sent(&mut self, now: Instant, report: Report) {
        self.again = Some((report, now + self.every / AGAIN));
    }

    fn next_multiple(&self) -> Instant {
        let multiple = u32::try_from(self.number + 1).unwrap_or(u32::MAX);
        let after = self.every.saturating_mul(multiple).saturating_sub(self.early);
        self.epoch + after
    }
}
