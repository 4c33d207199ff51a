//! What a machine has done, and what it refused for which reason.

/// Counters since the machine was made, and how many connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections now, those in the handshake and those that are closing included.
    pub connections: u64,
    /// Connections in the handshake now.
    pub handshakes: u64,
    /// Connections that opened.
    pub opened: u64,
    /// Connections that opened and are gone.
    pub closed: u64,
    /// Peers that moved to another address.
    pub moved: u64,
    /// Handshakes that failed.
    pub failed: u64,
    /// Handshakes that took too long, of those.
    pub slow: u64,
    /// Connections that said nothing for the idle timeout.
    pub silent: u64,
    /// Retry packets sent: strangers asked to prove their address.
    pub retries: u64,
    /// Connections refused because there are as many as may be.
    pub refused_full: u64,
    /// Connections refused because as many are in the handshake as may be.
    pub refused_handshakes: u64,
    /// Connections refused because their address has as many as it may.
    pub refused_address: u64,
    /// Initial packets dropped because strangers sent more than the rate.
    pub dropped_initials: u64,
    /// Datagrams dropped because nobody can have sent them from where they say.
    pub dropped_sources: u64,
    /// Datagrams dropped because they came without their end.
    pub dropped_truncated: u64,
    /// Datagrams dropped because they are not QUIC or belong to no connection.
    pub dropped_unknown: u64,
    /// Other answers to strangers: stateless resets, other versions, refusals.
    pub answers: u64,
    /// Datagrams that never left this host.
    pub unsent: u64,
    /// Bytes that the layers above wrote.
    pub written: u64,
    /// Bytes that they read.
    pub read: u64,
}
