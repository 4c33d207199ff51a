//! Settings common to both ends (TLS, transport parameters), and the limits.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{AckFrequencyConfig, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use ring::hmac;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};

use crate::ids::Ids;

/// The protocol's name in the TLS handshake (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"pigeon/1";

/// Number of packets after which a peer acknowledges, if it supports the acknowledgement frequency
/// extension. With one message at a time, fan-out costs the server a third less than with an
/// acknowledgement for every second packet.
const ACK_AFTER: u32 = 10;

/// Maximum delay of a peer's acknowledgement.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// The limits of a machine. The defaults are for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All connections, including those in the handshake and those closing. Default: 10,000.
    pub connections: usize,
    /// Connections in the handshake. Default: 1,000.
    pub handshakes: usize,
    /// Connections per address, as
    /// [`SourceRules::counted_as`](pigeon_guard::SourceRules::counted_as) counts. Default: 64.
    pub per_address: usize,
    /// Maximum time from the first datagram to the stream. Default: 10 s.
    pub handshake_time: Duration,
    /// Maximum initial packets processed per second; each costs about 10 µs. Default: 10,000.
    pub initials_per_second: u64,
    /// Idle timeout of a connection. Default: 30 s.
    pub idle: Duration,
    /// How long a client waits for any datagram once it has sent something that a server must
    /// acknowledge; or twelve round trips, if that is longer. Then the connection is lost: a host
    /// that vanished says nothing about it, and the idle timeout is for a server's silent members.
    /// Default: 5 s.
    pub answer_time: Duration,
    /// Interval of a client's keep-alive packets while it sends nothing else. Default: 10 s.
    pub keep_alive: Duration,
    /// Maximum bytes written to one connection and not acknowledged. Default: 1 MiB.
    pub send_window: u64,
    /// The same for all connections together: each may write its share, at least 16 KiB. The
    /// default, 128 MiB, leaves room for 10,000 connections within the 512 MiB of a hub's service.
    pub send_total: u64,
    /// Maximum bytes received on one connection and not read. Default: 256 KiB.
    pub receive_window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            handshakes: 1_000,
            per_address: 64,
            handshake_time: Duration::from_secs(10),
            initials_per_second: 10_000,
            idle: Duration::from_secs(30),
            answer_time: Duration::from_secs(5),
            keep_alive: Duration::from_secs(10),
            send_window: 1 << 20,
            send_total: 128 << 20,
            receive_window: 256 << 10,
        }
    }
}

impl Limits {
    /// The limits of a client, which has one connection and catches up over it.
    pub fn client() -> Limits {
        Limits { receive_window: 1 << 20, ..Limits::default() }
    }
}

/// Why a machine cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// TLS rejects the certificate or the key.
    #[error("cannot use the certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// QUIC cannot represent the idle timeout.
    #[error("the idle timeout is longer than 146 years")]
    Idle,
}

/// The role of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

pub(crate) fn transport(limits: &Limits, end: End) -> Result<TransportConfig, ConfigError> {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(ACK_AFTER.into()).max_ack_delay(Some(ACK_DELAY));
    let idle = IdleTimeout::try_from(limits.idle).map_err(|_| ConfigError::Idle)?;
    let is_server = end == End::Server;
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(is_server.into()))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .stream_receive_window(limits.receive_window.into())
        .receive_window(limits.receive_window.into())
        .send_window(limits.send_window)
        .ack_frequency_config(Some(acks))
        .max_idle_timeout(Some(idle))
        // Only the client sends keep-alives: the server has a public address, and the client's NAT
        // needs them.
        .keep_alive_interval((!is_server).then_some(limits.keep_alive));
    Ok(config)
}

/// `reset` is the key that recognizes connections of an earlier run.
pub(crate) fn endpoint(seed: &[u8; 32], reset: &[u8]) -> EndpointConfig {
    let (draw, check) = (half(derive(seed, b"ids")), half(derive(reset, b"ids")));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derive(reset, b"reset"));
    let mut config = EndpointConfig::new(Arc::new(key));
    config.cid_generator(move || Box::new(Ids::new(draw, check)));
    config.rng_seed(Some(derive(seed, b"endpoint")));
    config
}

/// Derives a key for one purpose.
pub(crate) fn derive(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
    let mut key = [0; 32];
    key.copy_from_slice(tag.as_ref());
    key
}

pub(crate) fn half(key: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|place| key[place])
}

/// `ring`, with the cheapest cipher first: QUIC requires AES-128-GCM anyway.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(provider)
}
