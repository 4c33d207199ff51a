//! Counts arrivals in one direction: loss, order and jitter, and whether the kernel or the path
//! lost the missing datagrams.
//!
//! # Kernel drops and path loss
//!
//! With each datagram the kernel reports its drop count at the socket. If the count has grown since
//! the previous datagram, a gap between the two is attributed to the kernel; otherwise to the path.
//! Where the kernel joins datagrams (GRO) it drops and counts whole trains, so the count alone may
//! be 64 times too low: one drop explains a gap of up to [`MAX_TRAIN_SEGMENTS`]. If both kinds of
//! loss fall into the same gap, the kernel may be blamed for loss on the path, within that bound.

use pigeon_datagram::MAX_TRAIN_SEGMENTS;
use pigeon_netsim::sequence::{Arrival, Jitter, Sequence};

use crate::figures::Figures;

#[derive(Debug)]
pub(crate) struct Arrivals {
    sequence: Sequence,
    jitter: Jitter,
    bytes: u64,
    damaged: u64,
    /// How many of the missing datagrams the kernel dropped, up to the last arrival.
    kernel: u64,
    /// The kernel's drop count when the last arrival was queued.
    drops_before: u64,
    /// The kernel's current drop count.
    drops: u64,
}

impl Arrivals {
    /// An empty count, at this drop count of the kernel.
    pub(crate) fn new(drops: u64) -> Self {
        Arrivals {
            sequence: Sequence::new(0),
            jitter: Jitter::new(),
            bytes: 0,
            damaged: 0,
            kernel: 0,
            drops_before: drops,
            drops,
        }
    }

    /// Counts an arriving datagram of `length` bytes; `transit` is in nanoseconds between two
    /// clocks, `drops` the kernel's count. Returns whether it is the first with its number.
    pub(crate) fn receive(&mut self, number: u64, length: usize, transit: i64, drops: u64) -> bool {
        self.bytes += length as u64;
        if drops <= self.drops_before {
            return self.place(number, transit).is_first();
        }
        let missing = self.missing_before_last();
        let arrival = self.place(number, transit);
        // A late or duplicate arrival says nothing about the gap before the next one.
        if matches!(arrival, Arrival::InOrder { .. }) {
            let skipped = self.missing_before_last().saturating_sub(missing);
            self.kernel += skipped.min(explained(drops - self.drops_before));
            self.drops_before = drops;
            self.drops = self.drops.max(drops);
        }
        arrival.is_first()
    }

    fn place(&mut self, number: u64, transit: i64) -> Arrival {
        let arrival = self.sequence.receive(number);
        if arrival.is_first() {
            self.jitter.observe(transit);
        }
        arrival
    }

    fn missing_before_last(&self) -> u64 {
        let report = self.sequence.report();
        report.lost - report.tail_lost
    }

    pub(crate) fn damaged(&mut self) {
        self.damaged += 1;
    }

    /// Sets the kernel's current drop count, once nothing is left to receive.
    pub(crate) fn kernel_drops(&mut self, drops: u64) {
        self.drops = self.drops.max(drops);
    }

    /// Sets how many numbers the sender has used.
    pub(crate) fn sender_sent(&mut self, sent: u64) {
        self.sequence.sender_sent(sent);
    }

    pub(crate) fn figures(&self) -> Figures {
        let report = self.sequence.report();
        let last = explained(self.drops.saturating_sub(self.drops_before));
        Figures {
            received: report.received,
            lost: report.lost,
            kernel: (self.kernel + report.tail_lost.min(last)).min(report.lost),
            duplicated: report.duplicated,
            reordered: report.reordered,
            max_extent: report.max_extent,
            // Arrivals with an implausible number cannot be placed either.
            beyond_window: report.beyond_window + report.implausible,
            damaged: self.damaged,
            bytes: self.bytes,
            jitter: self.jitter.nanos(),
        }
    }
}

/// Whether an arrival is the first with its number.
trait First {
    fn is_first(&self) -> bool;
}

impl First for Arrival {
    fn is_first(&self) -> bool {
        matches!(self, Arrival::InOrder { .. } | Arrival::Reordered { .. })
    }
}

/// The largest gap that a number of drops explains.
fn explained(drops: u64) -> u64 {
    drops.saturating_mul(MAX_TRAIN_SEGMENTS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(of: &[(u64, u64)]) -> Arrivals {
        let mut arrivals = Arrivals::new(0);
        for &(number, drops) in of {
            arrivals.receive(number, 100, 0, drops);
        }
        arrivals
    }

    #[test]
    fn a_gap_is_the_kernels_if_it_dropped_meanwhile() {
        let figures = arrivals(&[(0, 0), (3, 0), (4, 0), (14, 2), (20, 2)]).figures();
        assert_eq!((figures.lost, figures.kernel), (2 + 9 + 5, 9));
        assert_eq!((figures.received, figures.bytes), (5, 500));
    }

    #[test]
    fn one_drop_explains_one_train_and_no_more() {
        let figures = arrivals(&[(0, 0), (1_001, 1)]).figures();
        assert_eq!((figures.lost, figures.kernel), (1_000, 64));
    }

    #[test]
    fn what_was_dropped_at_the_end_is_the_kernels_too() {
        let mut arrivals = arrivals(&[(0, 0), (1, 0)]);
        arrivals.sender_sent(12);
        assert_eq!(arrivals.figures().kernel, 0);
        arrivals.kernel_drops(10);
        assert_eq!((arrivals.figures().lost, arrivals.figures().kernel), (10, 10));
    }

    #[test]
    fn late_is_not_lost_to_anybody() {
        let figures = arrivals(&[(0, 0), (5, 1), (1, 1), (2, 1), (3, 1), (4, 1)]).figures();
        assert_eq!((figures.lost, figures.kernel, figures.reordered), (0, 0, 4));
    }

    #[test]
    fn a_jump_that_is_believed_only_at_the_second_arrival_is_explained_as_well() {
        let far = 1 << 30;
        let figures = arrivals(&[(0, 0), (far, far), (far + 1, far)]).figures();
        assert_eq!((figures.lost, figures.kernel), (far - 1, far - 1));
    }
}
