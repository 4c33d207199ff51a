//! What both ends agree on (TLS, transport parameters), and the bounds.

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

/// How many packets a peer receives before it acknowledges them, where it knows the acknowledgement
/// frequency extension. Fan-out one message at a time costs the server a third less than with every
/// second packet acknowledged.
const ACK_AFTER: u32 = 10;

/// How long a peer may wait with an acknowledgement.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// Every bound of a machine. The defaults are a server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, those in the handshake and those that are closing included. 10,000.
    pub connections: usize,
    /// Connections in the handshake. 1,000.
    pub handshakes: usize,
    /// Connections of one address, as
    /// [`SourceRules::counted_as`](pigeon_guard::SourceRules::counted_as) counts. 64.
    pub per_address: usize,
    /// From the first datagram to the stream. 10 s.
    pub handshake_time: Duration,
    /// Initial packets a second that are looked at; each costs about 10 us. 10,000.
    pub initials_per_second: u64,
    /// How long a connection may be silent. 30 s.
    pub idle: Duration,
    /// How often a client says that it is there, where nothing else is said. 10 s.
    pub keep_alive: Duration,
    /// Bytes written to one connection and not acknowledged yet. 1 MiB.
    pub send_window: u64,
    /// The same of all connections together: with so many connections that their windows would
    /// exceed it, a newcomer's window is smaller, but never below 64 KiB. 512 MiB.
    pub send_total: u64,
    /// Bytes received on one connection and not read yet. 256 KiB.
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
            keep_alive: Duration::from_secs(10),
            send_window: 1 << 20,
            send_total: 512 << 20,
            receive_window: 256 << 10,
        }
    }
}

/// Why a machine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// TLS refuses the certificate or the key.
    #[error("cannot use the certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// The idle timeout is longer than QUIC can say.
    #[error("the idle timeout is longer than 146 years")]
    Idle,
}

/// Which end a machine is.
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
        // The one that can be reached from everywhere stays silent.
        .keep_alive_interval((!is_server).then_some(limits.keep_alive));
    Ok(config)
}

/// `reset` is the key under which connections of an earlier run are recognized.
pub(crate) fn endpoint(seed: &[u8; 32], reset: &[u8]) -> EndpointConfig {
    let (draw, check) = (half(derive(seed, b"ids")), half(derive(reset, b"ids")));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derive(reset, b"reset"));
    let mut config = EndpointConfig::new(Arc::new(key));
    config.cid_generator(move || Box::new(Ids::new(draw, check)));
    config.rng_seed(Some(derive(seed, b"endpoint")));
    config
}

/// A key for one purpose.
pub(crate) fn derive(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
    let mut key = [0; 32];
    key.copy_from_slice(tag.as_ref());
    key
}

pub(crate) fn half(key: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|place| key[place])
}

/// `ring`, with the cheapest cipher first: QUIC needs AES-128-GCM in any case.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(provider)
}
