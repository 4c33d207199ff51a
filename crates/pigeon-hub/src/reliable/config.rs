//! Settings of a hub's reliable link.

use std::time::Duration;

use pigeon_guard::TokenKey;

/// The settings of [`Sessions`](super::Sessions).
#[derive(Clone)]
pub struct Config {
    /// The hub's name.
    pub hub: Box<str>,
    /// The SHA-256 of the hub certificate's public key, in hexadecimal: clients sign it. On a link
    /// whose connections have an origin, they sign that instead.
    pub fingerprint: Box<str>,
    /// The word before a nameless member's digits, such as `key`.
    pub label: &'static str,
    /// Makes nonces. Its key must be new at each start.
    pub nonces: TokenKey,
    /// Cryptographic functions, which this crate does not implement.
    pub crypto: Crypto,
    /// Whether messages are stored. If not, they are relayed from a
    /// [`MemoryLog`](super::MemoryLog).
    pub stores: bool,
    /// Maximum bytes of a message's text.
    pub max_text: usize,
    /// Maximum number of connections.
    pub max_connections: usize,
    /// Maximum number of connections per IPv4 address or IPv6 /64.
    pub max_per_address: usize,
    /// Bytes that may wait to be sent to all connections together; answers and entries under way may
    /// double that. Each connection has an equal share, between 16 and 256 KiB.
    pub max_unsent: usize,
    /// How long a member stays after its last connection was lost. If it reconnects within this
    /// time, after a restart or a change of network, others do not notice.
    pub linger: Duration,
}

/// Cryptographic functions.
#[derive(Clone, Copy)]
pub struct Crypto {
    /// Verifies a signature: ECDSA with SHA-256 over an uncompressed P-256 point, the bytes, and
    /// the signature as r and s.
    pub verify: fn(&[u8; 65], &[u8], &[u8; 64]) -> bool,
    /// The author of a key: the first 16 bytes of its SHA-256.
    pub author: fn(&[u8; 65]) -> u128,
}

impl Config {
    /// The default limits.
    pub fn new(hub: &str, fingerprint: &str, nonces: TokenKey, crypto: Crypto) -> Config {
        Config {
            hub: hub.into(),
            fingerprint: fingerprint.into(),
            label: "key",
            nonces,
            crypto,
            stores: true,
            max_text: 8_192,
            max_connections: 10_000,
            max_per_address: 256,
            max_unsent: 256 << 20,
            linger: Duration::from_secs(10),
        }
    }
}
