//! What a machine reports.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::Fingerprint;

/// A connection of one machine. An id that was kept too long finds no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What a machine reports of a connection.
///
/// ```text
///   Opened ─▶ (Readable | Writable | Moved)* ─▶ Closed
/// ```
///
/// A client's connection that never opens is reported as `Closed`, a server's not at all: it is
/// counted. After [`close`](crate::Endpoint::close) or [`end`](crate::Endpoint::end) nothing more is
/// reported of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is done and the stream is there.
    Opened {
        /// Which connection.
        conn: ConnId,
        /// The peer's address, which it has proved.
        peer: SocketAddr,
    },
    /// There is something to `read`, or the peer ended its side of the stream. Reported again when
    /// more arrives; what is left unread holds up the peer.
    Readable {
        /// Which connection.
        conn: ConnId,
    },
    /// A `write` took less than it was given, and takes more now.
    Writable {
        /// Which connection.
        conn: ConnId,
    },
    /// The peer has another address.
    Moved {
        /// Which connection.
        conn: ConnId,
        /// The new address.
        peer: SocketAddr,
    },
    /// The connection is gone. What arrived before it can be read until the event has been handled.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        why: Why,
    },
}

impl Event {
    /// The connection it is about.
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
    /// The peer ended its side of the stream, and everything it sent was read.
    Ended,
    /// The peer closed the connection, with a code and words of its own.
    ByPeer {
        /// The layers' own code.
        code: u64,
        /// The peer's words: any bytes. Escape them where they are shown.
        reason: Bytes,
    },
    /// Nothing was heard for the idle timeout, or the handshake took too long.
    TimedOut,
    /// The peer no longer knows the connection: it was restarted.
    Forgotten,
    /// The server takes no more connections.
    Refused,
    /// Nobody listens at the address (ICMP), and nothing had been heard from there.
    Unreachable,
    /// The server's certificate has another key than the pinned one.
    WrongCertificate {
        /// The pinned key.
        expected: Fingerprint,
        /// The certificate's.
        found: Fingerprint,
    },
    /// The server showed a certificate without having its private key.
    NotItsCertificate {
        /// Whose certificate it showed.
        found: Fingerprint,
    },
    /// The peer speaks another protocol, or broke the rules of this one: what quinn-proto says. It
    /// may hold the peer's words.
    Protocol(String),
}
