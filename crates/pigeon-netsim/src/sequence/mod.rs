//! Receiver statistics from sequence numbers: lost, late and duplicate datagrams, and jitter.
//!
//! A sender numbers its datagrams consecutively; [`Sequence`] takes each number in the order of
//! arrival. By three rules the counts add up exactly:
//!
//! - **Late is not lost.** A number that is missing when a later one arrives counts as lost until
//!   it arrives; then it counts as reordered.
//! - **Missing numbers at the end are lost too** (tail loss), once [`Sequence::sender_sent`] states
//!   the total.
//! - **Each number is either received or lost**, so at any moment `expected = received + lost`
//!   ([`SequenceReport`]).
//!
//! # Memory
//!
//! One bit for each of the last [`DEFAULT_WINDOW`] numbers (or another window), and the last
//! thousand gaps: memory is bounded, whatever arrives. For a number older than the window it is
//! unknown whether it arrived before. It stays received or lost as it was, and its arrival is
//! counted separately ([`SequenceReport::beyond_window`]).
//!
//! # Implausible numbers
//!
//! A number far ahead may be the first after an outage, or may contain a flipped bit. Accepting a
//! damaged one would count billions as lost and make all following numbers too old. So a jump of a
//! window or more waits for a second number close to it, as in RFC 3550 appendix A.1; then both
//! count. If numbers in the old range follow instead, it stays
//! [`implausible`](SequenceReport::implausible).
//!
//! Numbers are compared as RFC 1982 serial numbers of 64 bits, so a sender may begin anywhere and
//! wrap. A restart must be reported ([`Sequence::restart`]): from the numbers alone it looks like
//! very late datagrams.

mod gaps;
mod jitter;
mod window;

use gaps::Gaps;
use window::Window;

pub use jitter::Jitter;

/// The default window of a [`Sequence`], in numbers: as many as a [`Path`](crate::path::Path) ever
/// holds, in 32 KiB.
pub const DEFAULT_WINDOW: usize = 1 << 18;

/// No sender sends as many: larger offsets or claims are rejected, so that no sum within a session
/// overflows.
const MOST: u64 = 1 << 62;

/// Statistics of one sender's numbered datagrams, in the order of arrival.
///
/// ```
/// # use pigeon_netsim::sequence::Sequence;
/// let mut sequence = Sequence::new(0);
/// for number in [0, 1, 4, 3, 3] {
///     sequence.receive(number);
/// }
/// sequence.sender_sent(6);
/// let report = sequence.report();
/// assert_eq!((report.expected, report.received, report.lost, report.tail_lost), (6, 4, 2, 1));
/// assert_eq!((report.reordered, report.duplicated), (1, 1));
/// ```
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The number at offset 0. All else is stored as an offset from it.
    first: u64,
    /// One more than the greatest offset received: RFC 4737's NextExp.
    next: u64,
    /// The sender's claim of datagrams sent since `first`.
    sent: u64,
    /// Distinct numbers received since `first`.
    received: u64,
    /// An implausible offset that waits for confirmation.
    suspect: Option<u64>,
    window: Window,
    gaps: Gaps,
    /// The sums over all sessions. Its `expected`, `received` and losses cover only ended sessions;
    /// the other counters are always current.
    totals: SequenceReport,
}

/// The classification of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A new number, greater than all before.
    InOrder {
        /// How many numbers the arrival skipped; they are lost unless they arrive late.
        skipped: u64,
    },
    /// A new number, after a greater one: reordered (Type-P-Reordered, RFC 4737 section 3.3).
    Reordered {
        /// How many arrivals ago the first one with a greater number came (RFC 4737 section
        /// 4.2.1). At least this, if more gaps are open than are remembered.
        extent: u64,
    },
    /// A number that has arrived before. RFC 4737 excludes it from all other counts.
    Duplicate,
    /// Older than the window or than the first number, so it may be a duplicate.
    BeyondWindow,
    /// Too far ahead to be accepted alone. It counts after all if the next arrival is close to it.
    Implausible,
}

/// Counters of a [`Sequence`] since its start, restarts included.
///
/// Between two reports `lost` may fall, when missing numbers arrive late. The numbers newly missing
/// in an interval are the difference of `lost + reordered`; the late arrivals are the difference of
/// `reordered`. Neither is negative if [`tail_lost`](SequenceReport::tail_lost) is excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceReport {
    /// Numbers known to have been sent: up to the greatest that arrived, or the sender's claim.
    /// Always `received + lost`.
    pub expected: u64,
    /// Distinct numbers received.
    pub received: u64,
    /// Numbers that have not arrived, including `tail_lost`.
    pub lost: u64,
    /// Numbers after the greatest received that have not arrived.
    pub tail_lost: u64,
    /// Arrivals of a number that had arrived before.
    pub duplicated: u64,
    /// Numbers that arrived after a greater one: late, and so not lost (RFC 4737 section 3.3).
    pub reordered: u64,
    /// The greatest reordering extent, in arrivals (RFC 4737 section 4.2.1).
    pub max_extent: u64,
    /// Arrivals too old to be classified: they changed nothing else.
    pub beyond_window: u64,
    /// Arrivals with an implausible number: they changed nothing else.
    pub implausible: u64,
    /// The sender's restarts.
    pub restarts: u64,
}

impl SequenceReport {
    /// All arrivals.
    pub fn arrivals(&self) -> u64 {
        self.received + self.duplicated + self.beyond_window + self.implausible
    }

    /// The share of sent numbers that have not arrived, from 0 to 1; 0 if none was sent.
    pub fn loss_share(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.lost as f64 / self.expected as f64 }
    }
}

impl Sequence {
    /// The statistics of a sender with the first number `first`.
    pub fn new(first: u64) -> Self {
        Sequence::with_window(first, DEFAULT_WINDOW)
    }

    /// The same with a window of `window` numbers, rounded up to a multiple of 64.
    pub fn with_window(first: u64, window: usize) -> Self {
        Sequence {
            first,
            next: 0,
            sent: 0,
            received: 0,
            suspect: None,
            window: Window::new(window),
            gaps: Gaps::default(),
            totals: SequenceReport::default(),
        }
    }

    /// Records the arrival of a number.
    pub fn receive(&mut self, number: u64) -> Arrival {
        let offset = number.wrapping_sub(self.first);
        let ahead = offset.wrapping_sub(self.next) as i64;
        if ahead < 0 {
            self.suspect = None;
            return self.receive_behind(ahead.unsigned_abs());
        }
        if offset < self.sent || (ahead as u64) < self.window.len() {
            self.suspect = None;
            return self.receive_ahead(offset);
        }
        self.receive_far_ahead(offset)
    }

    /// Records the sender's claim of having sent `sent` datagrams since its first number. A smaller
    /// claim than before, or than what has arrived, changes nothing.
    pub fn sender_sent(&mut self, sent: u64) {
        let sent = sent.min(MOST);
        self.sent = self.sent.max(sent);
        if let Some(suspect) = self.suspect.take_if(|suspect| *suspect < sent) {
            self.believe(suspect);
        }
    }

    /// Records that the sender restarted at `first`. Its missing earlier numbers stay lost.
    pub fn restart(&mut self, first: u64) {
        self.totals = SequenceReport { restarts: self.totals.restarts + 1, ..self.report() };
        self.totals.tail_lost = 0;
        (self.first, self.next, self.sent, self.received) = (first, 0, 0, 0);
        self.suspect = None;
        self.window.clear();
        self.gaps = Gaps::default();
    }

    /// The counters so far.
    pub fn report(&self) -> SequenceReport {
        let expected = self.next.max(self.sent);
        SequenceReport {
            expected: self.totals.expected.saturating_add(expected),
            received: self.totals.received + self.received,
            lost: self.totals.lost.saturating_add(expected - self.received),
            tail_lost: expected - self.next,
            ..self.totals
        }
    }

    /// An arrival behind the next expected number.
    fn receive_behind(&mut self, behind: u64) -> Arrival {
        if behind > self.next || behind > self.window.len() {
            self.totals.beyond_window += 1;
            return Arrival::BeyondWindow;
        }
        let offset = self.next - behind;
        if !self.window.insert(offset) {
            self.totals.duplicated += 1;
            return Arrival::Duplicate;
        }
        self.totals.reordered += 1;
        let extent = self.gaps.extent(offset, self.received);
        self.totals.max_extent = self.totals.max_extent.max(extent);
        self.received += 1;
        Arrival::Reordered { extent }
    }

    /// The next expected number, or a later one.
    fn receive_ahead(&mut self, offset: u64) -> Arrival {
        let skipped = offset - self.next;
        if skipped > 0 {
            self.gaps.open(self.next, self.received);
        }
        self.window.advance(self.next, offset + 1);
        self.window.insert(offset);
        self.next = offset + 1;
        self.received += 1;
        Arrival::InOrder { skipped }
    }

    /// Handles a number far ahead. A damaged datagram may have it, so the jump is accepted only if
    /// the next arrival is near it.
    fn receive_far_ahead(&mut self, offset: u64) -> Arrival {
        let near = |suspect: &u64| {
            suspect.abs_diff(offset) < self.window.len() && offset.max(*suspect) < MOST
        };
        match self.suspect.replace(offset).filter(near) {
            // The same number twice proves nothing: a damaged datagram may have been duplicated.
            Some(suspect) if suspect != offset => {
                self.suspect = None;
                self.believe(suspect);
                self.receive(offset.wrapping_add(self.first))
            }
            _ => {
                self.totals.implausible += 1;
                Arrival::Implausible
            }
        }
    }

    /// Counts a previously implausible number.
    fn believe(&mut self, suspect: u64) {
        self.totals.implausible -= 1;
        self.receive_ahead(suspect);
    }
}
