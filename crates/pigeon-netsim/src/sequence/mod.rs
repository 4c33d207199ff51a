//! Statistics of the numbers of the datagrams that arrived: how many were lost, came late, came
//! twice, and how unsteady their transit was.
//!
//! A sender numbers its datagrams one after another; [`Sequence`] takes each number in the order of
//! arrival and keeps account. Three rules make the account add up to the datagram:
//!
//! - **Late is not lost.** A number that is missing when a later one arrives is lost until it comes;
//!   then it was reordered.
//! - **What never came at the end is lost too** (tail loss), once [`Sequence::sender_sent`] says how
//!   many there were.
//! - **Each number is received once or lost**, never both, so at any moment
//!   `expected = received + lost` ([`SequenceReport`]).
//!
//! # What is remembered
//!
//! One bit for each of the last [`DEFAULT_WINDOW`] numbers (or as many as asked for), and the last
//! thousand gaps. So memory is bounded, whatever arrives. Of a number older than the window nobody
//! can say whether it came before: it stays received or lost as it was when it fell out, and its
//! arrival is counted apart ([`SequenceReport::beyond_window`]).
//!
//! # Numbers that cannot be believed
//!
//! A number far ahead may be the first after an outage, or have had a bit flipped; taken at its word,
//! one such datagram would make billions lost and all that follow too old. So a jump of a window or
//! more waits for a second datagram from the same neighbourhood, as RFC 3550 appendix A.1 does; then
//! both count. If others of the known neighbourhood follow instead, it stays
//! [`implausible`](SequenceReport::implausible).
//!
//! Numbers are compared as RFC 1982 serial numbers of 64 bits, so a sender may begin anywhere and
//! wrap. One that begins anew has to say so ([`Sequence::restart`]): numbers alone cannot
//! distinguish it from datagrams that are very late.

mod gaps;
mod jitter;
mod window;

use gaps::Gaps;
use window::Window;

pub use jitter::Jitter;

/// How many numbers a [`Sequence`] distinguishes by default: as many as a
/// [`Path`](crate::path::Path) of ours ever holds, in 32 KiB.
pub const DEFAULT_WINDOW: usize = 1 << 18;

/// No sender sends as many: an offset or a claim beyond is not believed whatever supports it, so
/// that no sum of one session overflows.
const MOST: u64 = 1 << 62;

/// The account of one sender's numbered datagrams, in the order of arrival.
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
    /// The number at offset 0. Everything else is kept as an offset from it.
    first: u64,
    /// One more than the greatest offset received: RFC 4737's NextExp.
    next: u64,
    /// How many datagrams the sender says it sent since `first`.
    sent: u64,
    /// How many different numbers came since `first`.
    received: u64,
    /// An offset too far ahead to be believed alone.
    suspect: Option<u64>,
    window: Window,
    gaps: Gaps,
    /// The sums over all sessions. Its `expected`, `received` and losses are those of the sessions
    /// that have ended; the rest is kept here directly.
    totals: SequenceReport,
}

/// What an arrival was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of this number, and newer than all before.
    InOrder {
        /// How many numbers it left out, which are lost unless they come late.
        skipped: u64,
    },
    /// The first of this number, but one with a greater number came before it: reordered
    /// (Type-P-Reordered, RFC 4737 section 3.3).
    Reordered {
        /// How many arrivals ago the first one with a greater number came (RFC 4737 section
        /// 4.2.1). At least this, if more gaps are open than are remembered.
        extent: u64,
    },
    /// This number came before. RFC 4737 leaves it out of everything else.
    Duplicate,
    /// Too old to say whether it came before, or older than the first number.
    BeyondWindow,
    /// Too far ahead to be believed alone. It counts after all if the next arrival is from there too.
    Implausible,
}

/// Figures of a [`Sequence`] since it began, restarts included.
///
/// Between two reports, `lost` may fall, when missing numbers came. The numbers found missing in an
/// interval are the difference of `lost + reordered`; those that came late are the difference of
/// `reordered`; neither is ever negative as long as [`tail_lost`](SequenceReport::tail_lost) is
/// left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceReport {
    /// How many numbers are known to have been sent: up to the greatest that came, or as many as
    /// the sender said. Always `received + lost`.
    pub expected: u64,
    /// How many different numbers came.
    pub received: u64,
    /// How many have not come, `tail_lost` included.
    pub lost: u64,
    /// How many have not come and were sent after the greatest that came.
    pub tail_lost: u64,
    /// Arrivals of a number that had come before.
    pub duplicated: u64,
    /// Numbers that came after a greater one: late, and so not lost (RFC 4737 section 3.3).
    pub reordered: u64,
    /// The greatest reordering extent, in arrivals (RFC 4737 section 4.2.1).
    pub max_extent: u64,
    /// Arrivals too old to be distinguished: they changed nothing else.
    pub beyond_window: u64,
    /// Arrivals with a number that could not be believed: they changed nothing else.
    pub implausible: u64,
    /// How often the sender restarted.
    pub restarts: u64,
}

impl SequenceReport {
    /// How many datagrams arrived in all.
    pub fn arrivals(&self) -> u64 {
        self.received + self.duplicated + self.beyond_window + self.implausible
    }

    /// The share of the numbers sent that have not come, from 0 to 1; 0 if none was sent.
    pub fn loss_share(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.lost as f64 / self.expected as f64 }
    }
}

impl Sequence {
    /// The account of a sender that begins with the number `first`.
    pub fn new(first: u64) -> Self {
        Sequence::with_window(first, DEFAULT_WINDOW)
    }

    /// The same, distinguishing the last `window` numbers; rounded up to a multiple of 64.
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

    /// A datagram with this number arrived.
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

    /// The sender says that it has sent `sent` datagrams since its first number. What was said
    /// before, or has arrived, is not taken back by saying less.
    pub fn sender_sent(&mut self, sent: u64) {
        let sent = sent.min(MOST);
        self.sent = self.sent.max(sent);
        if let Some(suspect) = self.suspect.take_if(|suspect| *suspect < sent) {
            self.believe(suspect);
        }
    }

    /// The sender begins anew at `first`. What is missing of its earlier numbers stays lost.
    pub fn restart(&mut self, first: u64) {
        self.totals = SequenceReport { restarts: self.totals.restarts + 1, ..self.report() };
        self.totals.tail_lost = 0;
        (self.first, self.next, self.sent, self.received) = (first, 0, 0, 0);
        self.suspect = None;
        self.window.clear();
        self.gaps = Gaps::default();
    }

    /// The figures so far.
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

    /// One number or more behind the next expected.
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

    /// The next expected number, or one further on.
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

    /// Further on than is believed of one datagram alone.
    fn receive_far_ahead(&mut self, offset: u64) -> Arrival {
        let near = |suspect: &u64| {
            suspect.abs_diff(offset) < self.window.len() && offset.max(*suspect) < MOST
        };
        match self.suspect.replace(offset).filter(near) {
            // The same number twice proves nothing: it may be one damaged datagram and its copy.
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

    /// What was implausible when it came counts after all.
    fn believe(&mut self, suspect: u64) {
        self.totals.implausible -= 1;
        self.receive_ahead(suspect);
    }
}
