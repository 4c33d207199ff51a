//! The fates of datagrams, and their counters.

use pigeon_datagram::Instant;

/// A path's decision about one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The datagram is in flight.
    Carried {
        /// When the datagram arrives.
        due: Instant,
        /// Whether the datagram was held back, so that later ones may overtake it.
        held_back: bool,
        /// The flipped bit, if any: bit `i % 8` (0 the lowest) of byte `i / 8`.
        corrupted_bit: Option<usize>,
        /// When the datagram's copy arrives, if there is one.
        copy_due: Option<Instant>,
    },
    /// Dropped.
    Dropped(DropReason),
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The datagram's payload exceeds the path's MTU.
    Mtu,
    /// The queue before the bottleneck was full (tail drop).
    QueueFull,
    /// Lost on the way, at random.
    Lost,
    /// The model's own limit was reached; see [`InFlightLimit`](super::InFlightLimit).
    InFlightFull,
}

/// A path's counters, in datagrams.
///
/// `sent + duplicated = delivered + lost + dropped() + in flight` at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounters {
    /// Sent into the path.
    pub sent: u64,
    /// Delivered to the caller, copies included.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Corrupted by a flipped bit; the copy of a corrupted datagram is not counted again.
    pub corrupted: u64,
    /// Held back, copies included.
    pub held_back: u64,
    /// Larger than the MTU.
    pub dropped_mtu: u64,
    /// Dropped because the bottleneck's queue was full.
    pub dropped_queue_full: u64,
    /// Dropped by the model's own limit, copies included.
    pub dropped_in_flight_full: u64,
}

impl PathCounters {
    /// Dropped by size or by a full queue. Random loss is counted in `lost`.
    pub fn dropped(&self) -> u64 {
        self.dropped_mtu + self.dropped_queue_full + self.dropped_in_flight_full
    }

    pub(super) fn count_drop(&mut self, reason: DropReason) {
        *match reason {
            DropReason::Mtu => &mut self.dropped_mtu,
            DropReason::QueueFull => &mut self.dropped_queue_full,
            DropReason::Lost => &mut self.lost,
            DropReason::InFlightFull => &mut self.dropped_in_flight_full,
        } += 1;
    }
}
