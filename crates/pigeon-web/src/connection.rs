//! One connection: a request, or a WebSocket.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Instant;

use crate::stream::Stream;
use crate::websocket::Decoder;

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    /// Whether the client is on this machine, at least the last one of a chain.
    pub(crate) is_own: bool,
    /// The address that its connections are counted by.
    pub(crate) counted: IpAddr,
    pub(crate) phase: Phase,
    /// When the awaited request may have begun.
    pub(crate) since: Instant,
    /// When something last arrived.
    pub(crate) heard: Instant,
    /// When something was last queued.
    pub(crate) sent: Instant,
    /// When the last ping was sent, and the one that is not answered yet.
    pub(crate) last_ping: Instant,
    pub(crate) pinged: Option<Instant>,
    /// When the peer last took something, or nothing waited for it.
    pub(crate) taken: Instant,
    /// Whether the socket may have unread bytes.
    pub(crate) is_readable: bool,
    /// Whether it is in the list of those that may have something to send.
    pub(crate) is_dirty: bool,
    /// Whether it has answered a request. The next one may take longer to begin.
    pub(crate) is_kept: bool,
    /// Whether a request waits until the answer to the one before was sent. Nothing is read until then:
    /// answers are a thousand times as large as requests.
    pub(crate) is_waiting: bool,
}

pub(crate) enum Phase {
    /// Waits for a request, whose first bytes these are.
    Request(Vec<u8>),
    /// A WebSocket.
    WebSocket(Decoder),
    /// Sends what is left, then ends. What arrives is not read by anybody.
    Closing {
        /// Whether the direction to the peer was ended.
        is_finished: bool,
    },
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        peer: SocketAddr,
        is_own: bool,
        counted: IpAddr,
        now: Instant,
    ) -> Self {
        Connection {
            stream,
            peer,
            is_own,
            counted,
            phase: Phase::Request(Vec::new()),
            since: now,
            heard: now,
            sent: now,
            last_ping: now,
            pinged: None,
            taken: now,
            is_readable: true,
            is_dirty: false,
            is_kept: false,
            is_waiting: false,
        }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self.phase, Phase::WebSocket(_))
    }
}
