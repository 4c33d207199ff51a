//! What a reliable session is made with.

use std::time::Duration;

use pigeon_proto::{Language, RoomName};

/// The settings of a [`Session`](super::Session).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The client's program and its version, for the hub's log.
    pub client: Box<str>,
    /// The name it wants.
    pub name: Option<Box<str>>,
    /// The resume word of that name.
    pub word: Option<Box<str>>,
    /// The room it wants to be in.
    pub room: Option<RoomName>,
    /// The hub's password.
    pub password: Option<Box<str>>,
    /// The language of the hub's sentences.
    pub language: Option<Language>,
    /// The most messages that are sent and not acknowledged.
    pub window_messages: usize,
    /// The most bytes of text that are sent and not acknowledged. One message always may be.
    pub window_bytes: usize,
    /// The most messages that wait in the outbox; [`Session::say`](super::Session::say) refuses more.
    pub most_waiting: usize,
    /// The most bytes of text that wait in the outbox.
    pub most_waiting_bytes: usize,
    /// How long the hub may take for its answers to `hello` and `prove`.
    pub patience: Duration,
    /// The first wait before connecting again. It doubles, with jitter, up to `last_wait`.
    pub first_wait: Duration,
    /// The longest wait before connecting again.
    pub last_wait: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            client: concat!("pigeon ", env!("CARGO_PKG_VERSION")).into(),
            name: None,
            word: None,
            room: None,
            password: None,
            language: None,
            window_messages: 256,
            window_bytes: 262_144,
            most_waiting: 65_536,
            most_waiting_bytes: 64 << 20,
            patience: Duration::from_secs(10),
            first_wait: Duration::from_millis(200),
            last_wait: Duration::from_secs(10),
        }
    }
}

/// The key that the client is known by.
pub trait Key {
    /// The public key: a point of P-256, uncompressed.
    fn point(&self) -> [u8; 65];

    /// Signs bytes: ECDSA with SHA-256, as r and s.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}
