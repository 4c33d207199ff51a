//! The server.

use std::sync::Arc;

use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_guard::{Bucket, SourceRules, cost};
use quinn_proto::Incoming;
use quinn_proto::crypto::rustls::QuicServerConfig;
use ring::hkdf;
use rustls::server::NoServerSessionStorage;

use crate::config::{self, ALPN, ConfigError, End, Limits};
use crate::connections::Connections;
use crate::endpoint::{Endpoint, Sealed};
use crate::time::{Base, TokenTime};
use crate::{Certificate, Event};

/// The settings of a server. They contain a secret, so there is no `Debug`.
pub struct ServerConfig<'a> {
    /// The server's certificate. The private key also identifies connections of an earlier run, so
    /// that their peers learn at once that they are gone.
    pub certificate: &'a Certificate,
    /// Secret bytes, new in each run.
    pub seed: [u8; 32],
    /// The system's time at the machine's time zero: any point in the past.
    pub base: std::time::Instant,
    /// The limits.
    pub limits: Limits,
    /// Which senders may be answered, and how their addresses are counted.
    pub sources: SourceRules,
}

/// A server: a [`Machine`] that reports [`Event`]s.
#[derive(Debug)]
pub struct Server {
    connections: Connections,
    initials: Bucket,
}

impl Server {
    /// A server without connections. Fails if TLS rejects the certificate, or QUIC cannot represent
    /// a limit.
    pub fn new(config: ServerConfig<'_>) -> Result<Server, ConfigError> {
        let ServerConfig { certificate, seed, base, limits, sources } = config;
        let time = TokenTime::default();
        let mut tls = rustls::ServerConfig::builder_with_provider(config::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(certificate.chain(), certificate.key())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // No resumption: checking a pinned key is as fast, and tickets would be state per member.
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        let tls = QuicServerConfig::try_from(tls)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let token_key =
            hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&config::derive(&seed, b"tokens"));
        let mut server = quinn_proto::ServerConfig::new(Arc::new(tls), Arc::new(token_key));
        server
            .transport_config(Arc::new(config::transport(&limits, End::Server)?))
            .time_source(Arc::new(time.clone()));
        let key = certificate.key();
        let endpoint = quinn_proto::Endpoint::new(
            Arc::new(config::endpoint(&seed, key.secret_der())),
            Some(Arc::new(server)),
            true,
            None,
        );
        let base = Base::new(base);
        let connections =
            Connections::new(End::Server, endpoint, limits, sources, base, time, &seed);
        Ok(Server { connections, initials: Bucket::default() })
    }

    /// The rules for senders, which may change when interfaces change.
    pub fn sources_mut(&mut self) -> &mut SourceRules {
        &mut self.connections.sources
    }

    /// Validates a new client's address first, then accepts or refuses it.
    fn newcomer(&mut self, incoming: Incoming) {
        if !incoming.remote_address_validated() {
            let (endpoint, buffer) = self.connections.endpoint_and_buffer();
            match endpoint.retry(incoming, buffer) {
                Ok(transmit) => {
                    self.connections.statistics.retries += 1;
                    self.connections.send(SocketId::FIRST, &transmit);
                }
                Err(error) => endpoint.ignore(error.into_incoming()),
            }
            return;
        }
        let limits = &self.connections.limits;
        let statistics = &mut self.connections.statistics;
        let counted = self.connections.sources.counted_as(incoming.remote_address().ip());
        let (all, handshakes) = (limits.connections as u64, limits.handshakes as u64);
        let per_address = limits.per_address;
        let refused = if statistics.connections >= all {
            Some(&mut statistics.refused_full)
        } else if statistics.handshakes >= handshakes {
            Some(&mut statistics.refused_handshakes)
        } else if self.connections.of_address(counted) >= per_address {
            Some(&mut self.connections.statistics.refused_address)
        } else {
            None
        };
        if let Some(counter) = refused {
            *counter += 1;
            let (endpoint, buffer) = self.connections.endpoint_and_buffer();
            let transmit = endpoint.refuse(incoming, buffer);
            return self.connections.send(SocketId::FIRST, &transmit);
        }
        let now = self.connections.std_now();
        let (endpoint, buffer) = self.connections.endpoint_and_buffer();
        match endpoint.accept(incoming, now, buffer, None) {
            Ok((handle, connection)) => {
                self.connections.insert(handle, connection, SocketId::FIRST, None);
            }
            Err(error) => {
                self.connections.statistics.failed += 1;
                if let Some(transmit) = error.response {
                    self.connections.send(SocketId::FIRST, &transmit);
                }
            }
        }
    }
}

impl Endpoint for Server {}

impl Sealed for Server {
    fn connections(&self) -> &Connections {
        &self.connections
    }

    fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        if is_initial(datagram.payload) {
            let cost = cost(1, self.connections.limits.initials_per_second);
            if !self.initials.has_room(now, cost) {
                self.connections.statistics.dropped_initials += 1;
                return;
            }
            self.initials.take(now, cost);
        }
        if let Some(incoming) = self.connections.handle_datagram(now, datagram) {
            self.newcomer(incoming);
        }
    }

    fn handle_unsent(&mut self, _: Instant, _: &Transmit, datagrams: u64) {
        self.connections.handle_unsent(datagrams);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connections.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.connections.poll_transmit()
    }

    fn outbox(&self) -> &[u8] {
        self.connections.outbox()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.connections.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.connections.poll_timeout()
    }
}

/// Whether a datagram begins with an Initial packet (RFC 9000 section 17.2.2): a long header of
/// type 0. In version 2 (RFC 9369) the type would be 1, but quinn-proto does not support that.
fn is_initial(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 0xb0 == 0x80)
}
