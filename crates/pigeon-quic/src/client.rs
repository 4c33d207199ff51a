//! The client.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_guard::{SourceRules, TokenKey};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ConnectionId, NoneTokenStore, TransportConfig};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;

use crate::config::{self, ALPN, ConfigError, End, Limits};
use crate::connections::Connections;
use crate::endpoint::{Endpoint, Sealed};
use crate::pin::Shown;
use crate::time::{Base, TokenTime};
use crate::{ConnId, Event, Fingerprint, Pin};

/// Marks codes that are used as a connection's first id.
const FIRST_ID: u8 = 2;

/// The server name for TLS. It is not sent: it would reveal the user's input, and the server is
/// identified by its key.
const SERVER_NAME: &str = "pigeon";

/// The settings of a client. They contain a secret, so there is no `Debug`.
pub struct ClientConfig {
    /// Secret bytes, new in each run.
    pub seed: [u8; 32],
    /// The system's time at the machine's time zero: any point in the past.
    pub base: std::time::Instant,
    /// The limits: [`Limits::client`]. Those on the number of connections apply to servers only.
    pub limits: Limits,
}

/// A client: a [`Machine`] that reports [`Event`]s. It may have several connections.
pub struct Client {
    connections: Connections,
    transport: Arc<TransportConfig>,
    provider: Arc<CryptoProvider>,
    ids: TokenKey,
    connected: Arc<AtomicU64>,
}

/// Why no connection could be started.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not a valid destination.
    #[error("cannot connect to {0}")]
    Address(SocketAddr),
    /// TLS reported an error.
    #[error("cannot begin a handshake: {0}")]
    Tls(#[from] rustls::Error),
}

impl Client {
    /// A client without connections. Fails if QUIC cannot represent a limit.
    pub fn new(config: ClientConfig) -> Result<Client, ConfigError> {
        let ClientConfig { seed, base, limits } = config;
        let transport = Arc::new(config::transport(&limits, End::Client)?);
        let endpoint = quinn_proto::Endpoint::new(
            Arc::new(config::endpoint(&seed, &config::derive(&seed, b"client"))),
            None,
            true,
            None,
        );
        let connections = Connections::new(
            End::Client,
            endpoint,
            limits,
            SourceRules::default(),
            Base::new(base),
            TokenTime::default(),
            &seed,
        );
        let ids = TokenKey::new(config::half(config::derive(&seed, b"first ids")));
        let (provider, connected) = (config::provider(), Arc::default());
        Ok(Client { connections, transport, provider, ids, connected })
    }

    /// Starts a connection over the first socket. [`Event::Opened`] or [`Event::Closed`] follows.
    /// Fails if the address is not a valid destination.
    pub fn connect(
        &mut self,
        now: Instant,
        server: SocketAddr,
        pin: Pin,
    ) -> Result<ConnId, ConnectError> {
        self.connect_over(now, SocketId::FIRST, server, pin)
    }

    /// Like [`connect`](Client::connect), over any socket.
    pub fn connect_over(
        &mut self,
        now: Instant,
        socket: SocketId,
        server: SocketAddr,
        pin: Pin,
    ) -> Result<ConnId, ConnectError> {
        self.connections.begin(now);
        let shown = Shown::new(pin, self.provider.clone());
        let mut tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(shown.clone())
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        tls.enable_sni = false;
        let tls = QuicClientConfig::try_from(tls)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = quinn_proto::ClientConfig::new(Arc::new(tls));
        let (ids, connected) = (self.ids.clone(), self.connected.clone());
        config
            .transport_config(self.transport.clone())
            .token_store(Arc::new(NoneTokenStore))
            .initial_dst_cid_provider(Arc::new(move || {
                let number = connected.fetch_add(1, Ordering::Relaxed);
                ConnectionId::new(&ids.code(FIRST_ID, &number.to_be_bytes()).bytes())
            }));
        let now = self.connections.std_now();
        let begun = self.connections.endpoint.connect(now, config, server, SERVER_NAME);
        let (handle, connection) = begun.map_err(|_| ConnectError::Address(server))?;
        Ok(self.connections.insert(handle, connection, socket, Some(shown)))
    }

    /// The fingerprint of the server's public key, if the connection is open.
    pub fn fingerprint(&self, conn: ConnId) -> Option<Fingerprint> {
        self.connections.shown(conn)?.found()
    }

    /// The client's own address or socket has changed: each connection sends a packet from it at
    /// once, with a new id that observers cannot link to the old one.
    pub fn rebind(&mut self, now: Instant) {
        self.connections.rebind(now);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Endpoint for Client {}

impl Sealed for Client {
    fn connections(&self) -> &Connections {
        &self.connections
    }

    fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }
}

impl Machine for Client {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        // An endpoint without a server has no new connections.
        if let Some(incoming) = self.connections.handle_datagram(now, datagram) {
            self.connections.endpoint.ignore(incoming);
        }
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.connections.refused(now, socket, None);
    }

    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        self.connections.refused(now, socket, Some(peer));
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
