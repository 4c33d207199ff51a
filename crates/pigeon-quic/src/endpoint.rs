//! The interface of servers and clients: the stream of each connection.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::{Instant, Machine};

use crate::connections::Connections;
use crate::{ConnId, Event, Statistics};

/// A [`Server`](crate::Server) or a [`Client`](crate::Client). They have the same methods and
/// [`Event`]s, so that the layers above need not distinguish them.
pub trait Endpoint: Machine<Event = Event> + Sealed {
    /// Writes to the stream without copying. Returns the number of accepted bytes, and removes them
    /// from the chunks. [`Event::Writable`] follows if not all were accepted.
    fn write(&mut self, now: Instant, conn: ConnId, chunks: &mut [Bytes]) -> usize {
        self.connections_mut().write(now, conn, chunks)
    }

    /// Reads the next bytes of the stream, at most `limit`. `None` if nothing has arrived. Unread
    /// bytes block the peer once the receive window is full.
    ///
    /// If the peer has ended the stream and all of it has been read, this closes the connection,
    /// and [`Event::Closed`] follows.
    fn read(&mut self, now: Instant, conn: ConnId, limit: usize) -> Option<Bytes> {
        self.connections_mut().read(now, conn, limit)
    }

    /// Ends the stream, and closes the connection when everything written has been delivered, at
    /// the latest after three seconds. The peer reads to the end of the stream. Here nothing more
    /// is read or reported.
    fn end(&mut self, now: Instant, conn: ConnId) {
        self.connections_mut().end(now, conn);
    }

    /// Closes the connection at once; undelivered bytes are lost. Nothing more is reported.
    fn close(&mut self, now: Instant, conn: ConnId, code: u32, reason: impl Into<Bytes>) {
        self.connections_mut().close(now, conn, code, reason.into());
    }

    /// Sends a packet that the peer must acknowledge, unless one is on its way.
    fn ping(&mut self, now: Instant, conn: ConnId) {
        self.connections_mut().ping(now, conn);
    }

    /// Like [`ping`](Endpoint::ping), and closes the connection if nothing arrives within
    /// [`Limits::answer_time`](crate::Limits::answer_time): [`Event::Closed`] follows.
    fn probe(&mut self, now: Instant, conn: ConnId) {
        self.connections_mut().probe(now, conn);
    }

    /// The peer's address.
    fn peer(&self, conn: ConnId) -> Option<SocketAddr> {
        self.connections().peer(conn)
    }

    /// The smoothed round-trip time (RFC 9002 section 5.3).
    fn round_trip(&self, conn: ConnId) -> Option<Duration> {
        self.connections().round_trip(conn)
    }

    /// The open connections.
    fn open(&self) -> impl Iterator<Item = ConnId> {
        self.connections().open()
    }

    /// The counters.
    fn statistics(&self) -> Statistics {
        self.connections().statistics
    }
}

/// Prevents other implementations of [`Endpoint`].
pub trait Sealed {
    /// The connections.
    fn connections(&self) -> &Connections;

    /// The connections, mutable.
    fn connections_mut(&mut self) -> &mut Connections;
}
