//! The server's end.

use std::sync::Arc;

use pigeon_datagram::{Instant, Machine, Received, Transmit};
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

/// What a server is made of.
#[derive(Debug)]
pub struct ServerConfig<'a> {
    /// The certificate it shows. Its private key also says which connections an earlier run had, so
    /// that their peers learn at once that they are gone.
    pub certificate: &'a Certificate,
    /// Bytes that nobody else knows, new in each run.
    pub seed: [u8; 32],
    /// The origin of the machine's time on the system's clock: any point in the past.
    pub base: std::time::Instant,
    /// The bounds.
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
    /// A server without connections.
    ///
    /// # Errors
    /// When TLS refuses the certificate, or a bound cannot be said in QUIC.
    pub fn new(config: ServerConfig<'_>) -> Result<Server, ConfigError> {
        let ServerConfig { certificate, seed, base, limits, sources } = config;
        let time = TokenTime::default();
        let mut tls = rustls::ServerConfig::builder_with_provider(config::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(certificate.chain(), certificate.key())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // No resumption: a pinned key is as fast to check, and a ticket is state for each member.
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

    /// The rules for senders, to be changed while it runs: interfaces come and go.
    pub fn sources_mut(&mut self) -> &mut SourceRules {
        &mut self.connections.sources
    }

    /// A stranger proves its address first; then it may be refused.
    fn newcomer(&mut self, incoming: Incoming) {
        if !incoming.remote_address_validated() {
            let (endpoint, buffer) = self.connections.endpoint_and_buffer();
            match endpoint.retry(incoming, buffer) {
                Ok(transmit) => {
                    self.connections.statistics.retries += 1;
                    self.connections.send(&transmit);
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
            return self.connections.send(&transmit);
        }
        let now = self.connections.std_now();
        let (endpoint, buffer) = self.connections.endpoint_and_buffer();
        match endpoint.accept(incoming, now, buffer, None) {
            Ok((handle, connection)) => {
                self.connections.insert(handle, connection, None);
            }
            Err(error) => {
                self.connections.statistics.failed += 1;
                if let Some(transmit) = error.response {
                    self.connections.send(&transmit);
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

/// Whether a datagram begins with an Initial packet (RFC 9000 section 17.2.2): a long header of type
/// 0. Of version 2 (RFC 9369) it would be type 1; quinn-proto does not speak it.
fn is_initial(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 0xb0 == 0x80)
}
