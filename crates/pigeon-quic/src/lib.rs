//! QUIC (RFC 9000) as state machines on `quinn-proto`: a server and a client with one bidirectional
//! byte stream per connection. The layers above define frames.
//!
//! ```text
//!   layers above ── write, read, end ──▶ Server / Client ── Transmit ──▶ the loop (pigeon-net), or
//!                ◀───── Event ─────────     (Machine)    ◀── Received ──  a simulated network
//! ```
//!
//! - [`Server`], [`Client`]: both ends, as [`Machine`](pigeon_datagram::Machine)s with the same
//!   [`Event`]s and, in [`Endpoint`], the same methods.
//! - [`Certificate`], [`Fingerprint`]: the server's self-signed certificate, and the public key
//!   that clients pin ([`Pin`]). [`ClientKey`], [`verify`]: a member's key, which it proves in a
//!   frame of the layers above.
//! - [`Limits`]: all limits. [`Statistics`]: a counter for each.
//!
//! # Driver
//!
//! A driver passes datagrams and the time to a machine and sends its output, as for every
//! [`Machine`](pigeon_datagram::Machine). Methods that may cause a datagram take `now`, because
//! quinn-proto measures round trips from it. Between two drains any number of connections may be
//! written to; a drain then takes datagrams from each of them once, in trains.
//!
//! # Limits
//!
//! | resource | limit |
//! | --- | --- |
//! | connections, those of one address, those in the handshake | [`Limits::connections`], [`Limits::per_address`], [`Limits::handshakes`] |
//! | time from the first datagram to the stream | [`Limits::handshake_time`] |
//! | work for strangers | [`Limits::initials_per_second`] |
//! | what a connection holds unacknowledged | [`Limits::send_window`], and a share of [`Limits::send_total`] |
//! | what a connection holds unread | [`Limits::receive_window`] |
//! | bytes of one drain | 512 KiB and a connection more; the rest follows at once |
//! | events | at most one of each kind a connection |
//!
//! A new address is validated by a Retry packet (RFC 9000 section 8.1.2) before any state is
//! stored, and each answer before that is shorter than its request. 0-RTT is disabled.
//!
//! # Randomness
//!
//! Connection ids, tokens and packet numbers come from the seed in the configuration. The keys of a
//! handshake come from the system, through `ring`: a seed for these would be a backdoor. So two
//! runs with the same seed have the same events, but different ciphertext.
#![forbid(unsafe_code)]

mod certificate;
mod client;
mod client_key;
mod config;
mod connections;
mod deadlines;
mod endpoint;
mod event;
mod ids;
mod pin;
mod server;
mod statistics;
mod time;

pub use certificate::{Certificate, CertificateError, Fingerprint};
pub use client::{Client, ClientConfig, ConnectError};
pub use client_key::{
    BadKey, ClientKey, POINT_LENGTH, SIGNATURE_LENGTH, author, author_with, verify,
};
pub use config::{ALPN, ConfigError, Limits};
pub use endpoint::Endpoint;
pub use event::{ConnId, Event, Why};
pub use pin::Pin;
pub use server::{Server, ServerConfig};
pub use statistics::Statistics;
