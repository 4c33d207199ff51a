//! Counters of a web server since its start.

/// Counters of a web server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections that are open, of which so many are WebSockets.
    pub connections: u64,
    /// WebSockets that are open.
    pub websockets: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections refused because there were too many.
    pub refused_full: u64,
    /// Connections refused because their address had too many.
    pub refused_address: u64,
    /// Connections without a WebSocket that gave way to newer ones.
    pub displaced: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that were not valid.
    pub bad_requests: u64,
    /// Requests for a `Host` that is not allowed.
    pub foreign_hosts: u64,
    /// WebSockets refused because of their `Origin`.
    pub foreign_origins: u64,
    /// Connections that did not send a request in time, or were silent for too long.
    pub silent: u64,
    /// Connections of peers that did not take what was sent.
    pub stuck: u64,
    /// WebSockets closed because the client broke the protocol.
    pub broken: u64,
    /// TLS handshakes that failed.
    pub tls_failed: u64,
    /// Bytes read, without TLS.
    pub read: u64,
    /// Bytes written, without TLS.
    pub written: u64,
}
