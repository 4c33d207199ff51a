//! A relay's events and counters.

use std::net::SocketAddr;

use pigeon_datagram::SocketId;

use crate::path::PathCounters;

use super::Way;

/// An event: a report, or a request to the driver about sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Requests a socket on a system-chosen address, unconnected if the target may answer from
    /// another port. It replaces any socket with this number. Answer with
    /// [`Relay::opened`](super::Relay::opened) or
    /// [`Relay::cannot_open`](super::Relay::cannot_open).
    Open(SocketId),
    /// A socket is no longer needed.
    Close(SocketId),
    /// A new client.
    Joined(SocketAddr),
    /// A client was removed for being idle.
    Idle(SocketAddr),
    /// A client was turned away because the table is full; reported once until a slot is free
    /// again.
    Full(SocketAddr),
    /// The relay received its own datagrams; reported once.
    Loop(SocketAddr),
    /// The target sent to the listening socket, which accepts only clients; reported once.
    FromTarget(SocketAddr),
    /// The target answered a client from another port of its host, and the client's datagrams go
    /// there from now on, as in TFTP (RFC 1350, section 4); reported once per client.
    Followed {
        /// The client.
        client: SocketAddr,
        /// The address of the answer.
        from: SocketAddr,
    },
    /// The target's port is closed; reported once until it answers.
    Refused,
    /// A datagram exceeded the MTU; reported once per direction until conditions change.
    TooLarge {
        /// The datagram's direction.
        way: Way,
        /// The datagram's payload in bytes.
        length: usize,
        /// The MTU.
        mtu: usize,
    },
    /// A step of the timeline was applied; its note.
    Step(String),
}

/// Totals since the start, in datagrams unless stated otherwise.
///
/// For each direction, [`PathCounters::sent`] counts datagrams that entered the path, and
/// `delivered` those that left it; `gone` counts those of clients that had left by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Current clients.
    pub clients: usize,
    /// All clients so far.
    pub joined: u64,
    /// Clients removed for being idle.
    pub idle: u64,
    /// Datagrams from senders that could not become clients: the table was full, or their port is
    /// 0.
    pub turned_away: u64,
    /// Datagrams from the relay's own sockets, or forged in their name: the target leads back here.
    pub looped: u64,
    /// Datagrams from the target to the listening socket, or forged in its name: the target cannot
    /// be a client.
    pub from_target: u64,
    /// Datagrams from hosts other than the target, to a client's socket.
    pub strangers: u64,
    /// How often a client's datagrams were redirected to another port of the target's host.
    pub followed: u64,
    /// Sockets to the target that failed or could not be opened.
    pub no_socket: u64,
    /// Delivered after their client had left.
    pub gone: u64,
    /// How often the target's host refused (ICMP port unreachable).
    pub refused: u64,
    /// How often the clients' source addresses changed.
    pub handovers: u64,
    /// Forwarded to the target and to clients: datagrams that left the paths, minus `gone` and
    /// `unsent`.
    pub out: [u64; 2],
    /// Datagrams, to the target and to clients, that could not leave this host: a local firewall,
    /// or no route. Not counted as path loss.
    pub unsent: [u64; 2],
    /// Datagrams, to the target and to clients, that failed on their way with an ICMP error other
    /// than a refusal.
    pub undelivered: [u64; 2],
    /// Payload bytes from clients, and from the target.
    pub bytes: [u64; 2],
    /// The counters of the path up.
    pub up: PathCounters,
    /// The counters of the path down.
    pub down: PathCounters,
    /// Datagrams in flight, up and down.
    pub in_flight: [usize; 2],
}
