//! Events of a machine.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::Fingerprint;

/// A connection of one machine. An outdated id matches no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// An event of a connection.
///
/// ```text
///   Opened ─▶ (Readable | Writable | Moved)* ─▶ Closed
/// ```
///
/// A client's connection that never opens is reported as `Closed`; a server's is only counted.
/// After [`close`](crate::Endpoint::close) or [`end`](crate::Endpoint::end) nothing more is
/// reported for the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete and the stream exists.
    Opened {
        /// The connection.
        conn: ConnId,
        /// The peer's validated address.
        peer: SocketAddr,
    },
    /// There are bytes to `read`, or the peer has ended its side of the stream. Reported again when
    /// more arrives; unread bytes block the peer.
    Readable {
        /// The connection.
        conn: ConnId,
    },
    /// A `write` was not accepted completely, and more is accepted now.
    Writable {
        /// The connection.
        conn: ConnId,
    },
    /// The peer has a new address.
    Moved {
        /// The connection.
        conn: ConnId,
        /// The new address.
        peer: SocketAddr,
    },
    /// The connection is gone. Bytes received before can be read until the event has been handled.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The reason.
        why: Why,
    },
}

impl Event {
    /// The connection.
    pub fn conn(&self) -> ConnId {
        match self {
            Event::Opened { conn, .. }
            | Event::Readable { conn }
            | Event::Writable { conn }
            | Event::Moved { conn, .. }
            | Event::Closed { conn, .. } => *conn,
        }
    }
}

/// Why a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer ended its side of the stream, and everything was read.
    Ended,
    /// The peer closed the connection.
    ByPeer {
        /// The error code of the layers above.
        code: u64,
        /// The peer's text: any bytes. Escape it for display.
        reason: Bytes,
    },
    /// Nothing was received for the idle timeout, or the handshake took too long.
    TimedOut,
    /// The peer no longer knows the connection, because it was restarted.
    Forgotten,
    /// The server accepts no more connections.
    Refused,
    /// The port is closed (ICMP), and nothing had been received from the address.
    Unreachable,
    /// The server's certificate does not have the pinned key.
    WrongCertificate {
        /// The pinned key.
        expected: Fingerprint,
        /// The certificate's key.
        found: Fingerprint,
    },
    /// The server sent a certificate but does not have its private key.
    NotItsCertificate {
        /// The key of that certificate.
        found: Fingerprint,
    },
    /// The peer uses another protocol, or violated this one: quinn-proto's description, which may
    /// quote the peer.
    Protocol(String),
}
