//! Counters of a machine, with the reasons of refusals.

/// Counters since the machine was created, and the current number of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Current connections, including those in the handshake and those closing.
    pub connections: u64,
    /// Current handshakes.
    pub handshakes: u64,
    /// Connections that opened.
    pub opened: u64,
    /// Connections that opened and have ended.
    pub closed: u64,
    /// Peers that moved to another address.
    pub moved: u64,
    /// Handshakes that failed.
    pub failed: u64,
    /// Connections that a client closed after the handshake and before it wrote: it came to learn the
    /// server's key, at first contact.
    pub met: u64,
    /// Failed handshakes that took too long.
    pub slow: u64,
    /// Connections that reached the idle timeout.
    pub silent: u64,
    /// Retry packets sent, which validate addresses.
    pub retries: u64,
    /// Connections refused because the server is full.
    pub refused_full: u64,
    /// Connections refused because too many are in the handshake.
    pub refused_handshakes: u64,
    /// Connections refused because their address has too many.
    pub refused_address: u64,
    /// Initial packets dropped above the rate.
    pub dropped_initials: u64,
    /// Datagrams dropped because their source address is impossible.
    pub dropped_sources: u64,
    /// Datagrams dropped because they were truncated.
    pub dropped_truncated: u64,
    /// Datagrams dropped because they are not QUIC or belong to no connection.
    pub dropped_unknown: u64,
    /// Other answers to unknown addresses: stateless resets, version negotiation, refusals.
    pub answers: u64,
    /// Datagrams that the system did not send.
    pub unsent: u64,
    /// Bytes written by the layers above.
    pub written: u64,
    /// Bytes read by the layers above.
    pub read: u64,
}
