//! What a hub's reliable link is made with.

use std::time::Duration;

use pigeon_guard::TokenKey;

/// The settings of [`Sessions`](super::Sessions).
#[derive(Clone)]
pub struct Config {
    /// What the hub is called.
    pub hub: Box<str>,
    /// The SHA-256 of the public key of the hub's certificate, in hexadecimal: clients sign it.
    pub fingerprint: Box<str>,
    /// Makes nonces. Its key must be drawn anew at each start.
    pub nonces: TokenKey,
    /// The functions of cryptography that a pure crate does not bring.
    pub crypto: Crypto,
    /// Whether messages are stored. Without, they are relayed from a [`MemoryLog`](super::MemoryLog).
    pub stores: bool,
    /// The most bytes of a message's text.
    pub max_text: usize,
    /// The most connections.
    pub max_connections: usize,
    /// The most connections from one address; of IPv6, from one /64.
    pub max_per_address: usize,
    /// How long a member stays one after its last connection broke. It comes back within this time
    /// when its program was restarted or its network changed, and nobody hears that it was away.
    pub linger: Duration,
}

/// Functions of cryptography.
#[derive(Clone, Copy)]
pub struct Crypto {
    /// Whether the key (a point of P-256, uncompressed) has signed the bytes: ECDSA with SHA-256, the
    /// signature as r and s.
    pub verify: fn(&[u8; 65], &[u8], &[u8; 64]) -> bool,
    /// The author that a key stands for: the first 16 bytes of its SHA-256.
    pub author: fn(&[u8; 65]) -> u128,
}

impl Config {
    /// The usual limits.
    pub fn new(hub: &str, fingerprint: &str, nonces: TokenKey, crypto: Crypto) -> Config {
        Config {
            hub: hub.into(),
            fingerprint: fingerprint.into(),
            nonces,
            crypto,
            stores: true,
            max_text: 8_192,
            max_connections: 10_000,
            max_per_address: 256,
            linger: Duration::from_secs(10),
        }
    }
}
