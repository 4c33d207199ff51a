//! QUIC (RFC 9000) as state machines: a server and a client that carry one bidirectional stream of
//! bytes a connection, on `quinn-proto`. Frames are the business of the layers above.
//!
//! ```text
//!   layers above ── write, read, end ──▶ Server / Client ── Transmit ──▶ the loop (pigeon-net), or
//!                ◀───── Event ─────────     (Machine)    ◀── Received ──  a simulated network
//! ```
//!
//! - [`Server`], [`Client`]: both ends, as [`Machine`](pigeon_datagram::Machine)s with the same
//!   [`Event`]s and, in [`Endpoint`], the same methods.
//! - [`Certificate`], [`Fingerprint`]: the server's self-signed certificate, and the public key that
//!   clients pin ([`Pin`]). [`ClientKey`], [`verify`]: the key by which a member proves who it is, in
//!   a frame of the layers above.
//! - [`Limits`]: every bound. [`Statistics`]: a counter for each.
//!
//! # Who drives it
//!
//! A driver hands datagrams and the time to a machine and sends what it wants sent, as for every
//! [`Machine`](pigeon_datagram::Machine). The methods that may cause a datagram take `now`, because
//! quinn-proto measures round trips from it. Between two drains any number of connections may be
//! written to; a drain then asks each of them once for its datagrams, in trains.
//!
//! # What is bounded
//!
//! | what grows | bound |
//! | --- | --- |
//! | connections, those of one address, those in the handshake | [`Limits::connections`], [`Limits::per_address`], [`Limits::handshakes`] |
//! | time from the first datagram to the stream | [`Limits::handshake_time`] |
//! | work for strangers | [`Limits::initials_per_second`] |
//! | what a connection holds unacknowledged | [`Limits::send_window`], and a share of [`Limits::send_total`] |
//! | what a connection holds unread | [`Limits::receive_window`] |
//! | bytes of one drain | 4 MiB; the rest follows at once |
//! | events | at most one of each kind a connection |
//!
//! A stranger's address is validated by a Retry packet (RFC 9000 section 8.1.2) before anything is
//! remembered, and each answer before that is shorter than what it answers. There is no 0-RTT.
//!
//! # Randomness
//!
//! Connection ids, tokens and packet numbers come from the seed in the configuration. The keys of a
//! handshake come from the system, through `ring`: a seed for these would be a backdoor. So two runs
//! with one seed have the same events, and other ciphertext.
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
pub use client_key::{BadKey, ClientKey, POINT_LENGTH, SIGNATURE_LENGTH, author, verify};
pub use config::{ALPN, ConfigError, Limits};
pub use endpoint::Endpoint;
pub use event::{ConnId, Event, Why};
pub use pin::Pin;
pub use server::{Server, ServerConfig};
pub use statistics::Statistics;
