//! A relay's reports: events, and totals.

use std::net::SocketAddr;

use pigeon_datagram::SocketId;

use crate::path::PathCounters;

use super::Way;

/// What a relay reports, and what its sockets are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This socket is needed, with an address that the system chooses, and not connected where the
    /// target may answer from another port. It replaces the one with the same number, if there is
    /// one. The answer is
    /// [`Relay::opened`](super::Relay::opened) or
    /// [`Relay::cannot_open`](super::Relay::cannot_open).
    Open(SocketId),
    /// This socket is no longer needed.
    Close(SocketId),
    /// A client came.
    Joined(SocketAddr),
    /// A client was silent for too long.
    Idle(SocketAddr),
    /// Somebody was turned away; reported once until a place is free again.
    Full(SocketAddr),
    /// The relay hears its own sockets; reported once.
    Loop(SocketAddr),
    /// The target sent to the listening socket, which takes nothing from it; reported once.
    FromTarget(SocketAddr),
    /// The target answers a client from another port of its host, and what the client says goes there
    /// from now on, as in TFTP (RFC 1350, section 4); reported once a client.
    Followed {
        /// The client.
        client: SocketAddr,
        /// Where the answer came from.
        from: SocketAddr,
    },
    /// The target does not listen; reported once until it does.
    Refused,
    /// A datagram exceeded the MTU; reported once a direction until conditions change.
    TooLarge {
        /// Where it was going.
        way: Way,
        /// Its payload in bytes.
        length: usize,
        /// The most that is carried.
        mtu: usize,
    },
    /// A step of the timeline came, with its note.
    Step(String),
}

/// Totals since the beginning, in datagrams where nothing else is said.
///
/// For each direction, [`PathCounters::sent`] is what entered the path and `delivered` what came
/// out; what came out and found its client gone is `gone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Clients now.
    pub clients: usize,
    /// Clients that ever came.
    pub joined: u64,
    /// Clients that left for being idle.
    pub idle: u64,
    /// From addresses that were no client: there was no room for them, or they have port 0.
    pub turned_away: u64,
    /// From the relay's own sockets, or in their name: the target leads back here.
    pub looped: u64,
    /// From the target to the listening socket, or in its name: it is not a client.
    pub from_target: u64,
    /// From other hosts than the target to a client's socket towards the target.
    pub strangers: u64,
    /// How often a client's datagrams began to go to another port of the target's host.
    pub followed: u64,
    /// Sockets to the target that could not be opened, or failed.
    pub no_socket: u64,
    /// Delivered when their client had gone.
    pub gone: u64,
    /// How often the target's host refused (ICMP port unreachable).
    pub refused: u64,
    /// How often the clients' source addresses changed.
    pub handovers: u64,
    /// Sent on to the target and to clients: what came out of the paths, less `gone` and `unsent`.
    pub out: [u64; 2],
    /// Towards the target and towards clients, that never left this host: a local firewall, no route.
    /// No loss on the path.
    pub unsent: [u64; 2],
    /// Towards the target and towards clients, that met an error on their way (ICMP), other than a
    /// refusal.
    pub undelivered: [u64; 2],
    /// Bytes of payload that came from clients, and from the target.
    pub bytes: [u64; 2],
    /// What the path up did.
    pub up: PathCounters,
    /// What the path down did.
    pub down: PathCounters,
    /// Datagrams on the way now, up and down.
    pub in_flight: [usize; 2],
}
