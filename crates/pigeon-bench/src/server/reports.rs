//! When a session is reported on: at multiples of a time, counted from the first test datagram. So what
//! a report counts is what the client sent by the same multiple of its own time.

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::wire::Report;

/// After which part of an interval a report is sent again: one that is lost is missed in every figure
/// of its interval.
const AGAIN: u32 = 8;

/// The reports of one session.
pub(super) struct Reports {
    epoch: Instant,
    every: Duration,
    /// So long before each multiple: see [`Pace::half_gap`](crate::Pace::half_gap).
    early: Duration,
    number: u64,
    /// No more until then.
    pause: Option<Instant>,
    /// The last report, and when it is sent again.
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

    /// A test datagram arrived: time is counted from the first.
    pub(super) fn arrived(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.counts_from_first, true) && self.number == 0 {
            self.epoch = now;
        }
    }

    /// The client stops: it asks for each report from now on.
    pub(super) fn pause_until(&mut self, until: Instant) {
        (self.pause, self.again) = (Some(until), None);
    }

    /// When there is something to send next.
    pub(super) fn next(&self) -> Instant {
        let next = self.pause.unwrap_or_else(|| self.next_multiple());
        self.again.map_or(next, |(_, at)| at.min(next))
    }

    /// What to send now, if anything: a report's number, and the report itself where it is a repetition.
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
        // After a pause of this program several are due; one will do.
        let passed = (now + self.early - self.epoch).as_nanos() / self.every.as_nanos().max(1);
        self.number = u64::try_from(passed).unwrap_or(u64::MAX).max(self.number + 1);
        Some((self.number, None))
    }

    /// This report was sent for the first time.
    pub(super) fn sent(&mut self, now: Instant, report: Report) {
        self.again = Some((report, now + self.every / AGAIN));
    }

    fn next_multiple(&self) -> Instant {
        let multiple = u32::try_from(self.number + 1).unwrap_or(u32::MAX);
        let after = self.every.saturating_mul(multiple).saturating_sub(self.early);
        self.epoch + after
    }
}
