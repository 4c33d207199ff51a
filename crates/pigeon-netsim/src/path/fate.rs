//! What became of a datagram, and how often each thing did.

use pigeon_datagram::Instant;

/// What a path decided about one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on its way.
    Carried {
        /// When it arrives.
        due: Instant,
        /// Whether it was held back, so that later ones may overtake it.
        held_back: bool,
        /// Which bit flipped, if one did: bit `i % 8` (0 the lowest) of byte `i / 8`.
        corrupted_bit: Option<usize>,
        /// When its copy arrives, if there is one.
        copy_due: Option<Instant>,
    },
    /// It will not arrive.
    Dropped(DropReason),
}

/// Why a datagram does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Its payload exceeds the path's MTU.
    Mtu,
    /// The queue before the bottleneck was full (tail drop).
    QueueFull,
    /// Lost on the way, at random.
    Lost,
    /// The model holds as much as it may; see [`InFlightLimit`](super::InFlightLimit).
    InFlightFull,
}

/// What has happened on a path, in datagrams.
///
/// `sent + duplicated = delivered + lost + dropped() + in flight` at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounters {
    /// Entered the path.
    pub sent: u64,
    /// Arrived and were taken out, copies included.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Went on with a bit flipped; a copy of such a one is not counted again.
    pub corrupted: u64,
    /// Held back, copies included.
    pub held_back: u64,
    /// Larger than the MTU.
    pub dropped_mtu: u64,
    /// Found the queue before the bottleneck full.
    pub dropped_queue_full: u64,
    /// Found the model full, copies included.
    pub dropped_in_flight_full: u64,
}

impl PathCounters {
    /// Dropped for their size or for want of room, not by chance: that is `lost`.
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
