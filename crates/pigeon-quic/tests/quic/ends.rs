//! An echo server, a collecting client, and the network between them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_guard::SourceRules;
use pigeon_netsim::simulation::{Network, Node};
use pigeon_quic::{
    Certificate, Client, ClientConfig, ConnId, Endpoint, Event, Limits, Pin, Server, ServerConfig,
};

/// The application of a machine in a test.
pub(crate) struct App<M> {
    pub(crate) machine: M,
    pub(crate) events: Vec<Event>,
    /// Bytes read, by connection.
    pub(crate) received: BTreeMap<ConnId, Vec<u8>>,
    /// Bytes to write, by connection.
    pub(crate) waiting: BTreeMap<ConnId, VecDeque<Bytes>>,
    pub(crate) echoes: bool,
    pub(crate) reads: bool,
    pub(crate) reads_at_the_end: bool,
    /// Datagrams sent, trains among the transmits, and datagrams of the longest train.
    pub(crate) sent: usize,
    pub(crate) trains: usize,
    pub(crate) largest_train: usize,
    pub(crate) largest_outbox: usize,
    now: Instant,
}

impl<M: Endpoint> App<M> {
    pub(crate) fn new(machine: M, echoes: bool) -> Self {
        App {
            machine,
            events: Vec::new(),
            received: BTreeMap::new(),
            waiting: BTreeMap::new(),
            echoes,
            reads: true,
            reads_at_the_end: false,
            sent: 0,
            trains: 0,
            largest_train: 0,
            largest_outbox: 0,
            now: Instant::ORIGIN,
        }
    }

    /// Writes as much as is accepted; the rest waits.
    pub(crate) fn say(&mut self, now: Instant, conn: ConnId, bytes: impl Into<Bytes>) {
        self.waiting.entry(conn).or_default().push_back(bytes.into());
        self.flush(now, conn);
    }

    pub(crate) fn flush(&mut self, now: Instant, conn: ConnId) {
        if let Some(waiting) = self.waiting.get_mut(&conn) {
            self.machine.write(now, conn, waiting.make_contiguous());
            waiting.retain(|chunk| !chunk.is_empty());
        }
    }

    pub(crate) fn read_all(&mut self, now: Instant, conn: ConnId) {
        while let Some(bytes) = self.machine.read(now, conn, 1000) {
            if self.echoes {
                self.say(now, conn, bytes.clone());
            }
            self.received.entry(conn).or_default().extend_from_slice(&bytes);
        }
    }

    pub(crate) fn text(&self, conn: ConnId) -> String {
        let bytes = self.received.get(&conn).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.machine.open().next().is_some()
    }

    fn take(&mut self) -> bool {
        let Some(event) = self.machine.poll_event() else { return false };
        let (now, conn) = (self.now, event.conn());
        match event {
            Event::Readable { .. } if self.reads => self.read_all(now, conn),
            Event::Closed { .. } if self.reads || self.reads_at_the_end => self.read_all(now, conn),
            Event::Writable { .. } => self.flush(now, conn),
            _ => {}
        }
        self.events.push(event);
        true
    }
}

impl<M: Endpoint> Machine for App<M> {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.now = now;
        self.machine.handle_datagram(now, datagram);
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.machine.handle_refused(now, socket);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.machine.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.machine.poll_transmit()?;
        self.sent += transmit.count();
        self.largest_outbox = self.largest_outbox.max(self.machine.outbox().len());
        self.trains += usize::from(transmit.count() > 1);
        self.largest_train = self.largest_train.max(transmit.count());
        Some(transmit)
    }

    fn outbox(&self) -> &[u8] {
        self.machine.outbox()
    }

    fn poll_event(&mut self) -> Option<()> {
        self.take().then_some(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) const SERVER: &str = "10.0.0.1:7401";
pub(crate) const CLIENT: &str = "10.0.0.2:4000";

/// Any point on the system's clock.
#[expect(clippy::disallowed_methods, reason = "quinn-proto counts from a point on this clock")]
pub(crate) fn base() -> std::time::Instant {
    std::time::Instant::now()
}

pub(crate) fn server(certificate: &Certificate, seed: u8, limits: Limits) -> App<Server> {
    let sources = SourceRules::default();
    let config = ServerConfig { certificate, seed: [seed; 32], base: base(), limits, sources };
    App::new(Server::new(config).unwrap(), true)
}

pub(crate) fn client(seed: u8) -> App<Client> {
    let config = ClientConfig { seed: [seed; 32], base: base(), limits: Limits::default() };
    App::new(Client::new(config).unwrap(), false)
}

/// A server and a client on one network.
pub(crate) struct Ends {
    pub(crate) network: Network,
    pub(crate) certificate: Certificate,
    pub(crate) server: Node<App<Server>>,
    pub(crate) client: Node<App<Client>>,
}

impl Ends {
    /// Both ends, on paths configured by `prepare`.
    pub(crate) fn new(seed: u64, prepare: impl FnOnce(&mut Network)) -> Ends {
        Ends::with_limits(seed, Limits::default(), prepare)
    }

    pub(crate) fn with_limits(
        seed: u64,
        limits: Limits,
        prepare: impl FnOnce(&mut Network),
    ) -> Ends {
        Ends::of(Certificate::generate().unwrap(), seed, limits, prepare)
    }

    pub(crate) fn of(
        certificate: Certificate,
        seed: u64,
        limits: Limits,
        prepare: impl FnOnce(&mut Network),
    ) -> Ends {
        let mut network = Network::new(seed);
        network.log_limit(0);
        prepare(&mut network);
        let server = network.add(address(SERVER), server(&certificate, seed as u8, limits));
        let client = network.add(address(CLIENT), client(seed as u8 + 100));
        Ends { network, certificate, server, client }
    }

    /// Starts a connection from the client.
    pub(crate) fn connect(&mut self, pin: Pin) -> ConnId {
        self.network.act(self.client, |client, now| {
            client.machine.connect(now, address(SERVER), pin).unwrap()
        })
    }

    /// Opens a connection from the client with the right key.
    pub(crate) fn open(&mut self) -> ConnId {
        let conn = self.connect(Pin::Key(self.certificate.fingerprint()));
        let is_open =
            |ends: &Ends| ends.network.machine(ends.client).machine.open().any(|open| open == conn);
        assert!(self.run_until(20, is_open), "{:?}", self.closed());
        conn
    }

    pub(crate) fn say(&mut self, conn: ConnId, bytes: impl Into<Bytes>) {
        self.network.act(self.client, |client, now| client.say(now, conn, bytes));
    }

    /// Runs until a condition holds, at most for some seconds.
    pub(crate) fn run_until(&mut self, seconds: u64, is_so: impl Fn(&Ends) -> bool) -> bool {
        let end = self.network.now() + Duration::from_secs(seconds);
        while !is_so(self) {
            if self.network.now() >= end || !self.network.step() {
                return false;
            }
        }
        true
    }

    /// The bytes the client has received.
    pub(crate) fn received(&self, conn: ConnId) -> &[u8] {
        let received = self.network.machine(self.client).received.get(&conn);
        received.map(Vec::as_slice).unwrap_or_default()
    }

    /// Why the client's connections ended.
    pub(crate) fn closed(&self) -> Vec<pigeon_quic::Why> {
        let client = self.network.machine(self.client);
        let why = |event: &Event| match event {
            Event::Closed { why, .. } => Some(why.clone()),
            _ => None,
        };
        client.events.iter().filter_map(why).collect()
    }
}

/// Bytes without repeating sections.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0u32..).flat_map(u32::to_le_bytes).take(length).collect()
}
