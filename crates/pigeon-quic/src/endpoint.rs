//! What server and client have in common: the stream of each connection.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::{Instant, Machine};

use crate::connections::Connections;
use crate::{ConnId, Event, Statistics};

/// A [`Server`](crate::Server) or a [`Client`](crate::Client): the same methods and
/// [`Event`]s, so that the layers above need not know which end they are at.
pub trait Endpoint: Machine<Event = Event> + Sealed {
    /// Writes to the stream without copying, and returns how many bytes were taken. What was taken
    /// is cut off the chunks. [`Event::Writable`] says when more can be, if not all was.
    fn write(&mut self, now: Instant, conn: ConnId, chunks: &mut [Bytes]) -> usize {
        self.connections_mut().write(now, conn, chunks)
    }

    /// Reads the next bytes of the stream, `limit` at most. `None`: nothing is there now. What is
    /// not read holds up the peer once the receive window is full.
    ///
    /// Where the peer ended the stream and all of it was read, this closes the connection and
    /// [`Event::Closed`] follows.
    fn read(&mut self, now: Instant, conn: ConnId, limit: usize) -> Option<Bytes> {
        self.connections_mut().read(now, conn, limit)
    }

    /// Ends the stream and closes the connection once everything written has arrived, after three
    /// seconds at the latest. The peer reads to the end of the stream. Nothing more is read or
    /// reported here.
    fn end(&mut self, now: Instant, conn: ConnId) {
        self.connections_mut().end(now, conn);
    }

    /// Closes the connection at once; what the peer has not received is lost. Nothing more is
    /// reported.
    fn close(&mut self, now: Instant, conn: ConnId, code: u32, reason: impl Into<Bytes>) {
        self.connections_mut().close(now, conn, code, reason.into());
    }

    /// The peer's address.
    fn peer(&self, conn: ConnId) -> Option<SocketAddr> {
        self.connections().peer(conn)
    }

    /// How long a packet and its acknowledgement take, smoothed (RFC 9002 section 5.3).
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

/// Which machines are endpoints is decided here.
pub trait Sealed {
    /// The connections.
    fn connections(&self) -> &Connections;

    /// The connections, to be changed.
    fn connections_mut(&mut self) -> &mut Connections;
}
