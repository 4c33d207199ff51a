//! Outgoing datagrams: a buffer for their bytes, and lines to single addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use pigeon_datagram::{Outbox, Received, SocketId, Transmit, max_payload};

use crate::core::message::MAX_BATCH_BYTES;
use crate::statistics::{Dropped, Statistics};

/// Maximum number of lines to single addresses in one batch.
const MAX_LINES: usize = 65_536;

/// A datagram's destination and source.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) socket: SocketId,
    pub(super) to: SocketAddr,
    /// The hub's own address. `None`: the system chooses.
    pub(super) from: Option<IpAddr>,
}

impl Route {
    /// The route back to the sender of a datagram.
    pub(super) fn back(datagram: &Received<'_>) -> Route {
        Route { socket: datagram.socket, to: datagram.from, from: datagram.local }
    }

    pub(super) fn transmit(self, range: Range<usize>) -> Transmit {
        let Route { socket, to, from } = self;
        Transmit { socket, to, from, range, segment: None }
    }
}

/// An outbox with limits.
#[derive(Default)]
pub(super) struct Outgoing(Outbox);

impl Outgoing {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// The outbox, for bytes without a single destination.
    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.0
    }

    /// The next line to a single address.
    pub(super) fn poll(&mut self) -> Option<Transmit> {
        self.0.poll()
    }

    pub(super) fn reset_if_drained(&mut self) {
        self.0.reset_if_drained();
    }

    /// Sends the bytes that `write` appends. Drops and counts it if the batch is full, or if it
    /// exceeds a datagram.
    pub(super) fn send(
        &mut self,
        statistics: &mut Statistics,
        route: Route,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        // A driver drains long before; without drains, the hub must not grow.
        if self.0.queued() >= MAX_LINES || self.0.bytes().len() >= MAX_BATCH_BYTES {
            return statistics.count_dropped(Dropped::AnswersFull);
        }
        let range = self.0.append(write);
        if range.len() > max_payload(route.to) {
            // Only possible in an encoding that lengthens text, with a larger --max-text.
            self.0.truncate(range.start);
            return statistics.count_dropped(Dropped::TextTooLong);
        }
        self.0.push(route.transmit(range));
    }
}
