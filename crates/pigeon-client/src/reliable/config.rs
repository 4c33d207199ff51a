//! Settings of a reliable session.

use std::time::Duration;

use pigeon_proto::{Language, RoomName};

/// The settings of a [`Session`](super::Session).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The client's program and version, for the hub's log.
    pub client: Box<str>,
    /// The requested name.
    pub name: Option<Box<str>>,
    /// The resume token of that name.
    pub word: Option<Box<str>>,
    /// The requested room.
    pub room: Option<RoomName>,
    /// The hub's password.
    pub password: Option<Box<str>>,
    /// The language of the hub's notices.
    pub language: Option<Language>,
    /// Maximum number of unacknowledged messages.
    pub window_messages: usize,
    /// Maximum bytes of unacknowledged text. One message is always allowed.
    pub window_bytes: usize,
    /// Maximum number of messages in the outbox; [`Session::say`](super::Session::say) rejects
    /// more.
    pub most_waiting: usize,
    /// Maximum bytes of text in the outbox.
    pub most_waiting_bytes: usize,
    /// Time limit for the hub's answers to `hello` and `prove`.
    pub patience: Duration,
    /// Delay before the first reconnection. It doubles, with jitter, up to `last_wait`.
    pub first_wait: Duration,
    /// Maximum delay before a reconnection.
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

/// The client's private key.
pub trait Key {
    /// The public key: an uncompressed P-256 point.
    fn point(&self) -> [u8; 65];

    /// Signs bytes: ECDSA with SHA-256, as r and s.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}
