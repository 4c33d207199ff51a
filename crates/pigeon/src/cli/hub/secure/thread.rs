//! The loop of the QUIC link, in its own thread: moves bytes between connections and sessions.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_hub::reliable::ConnId;
use pigeon_net::{Driver, Host, Io, Socket, Waker};
use pigeon_quic::{Endpoint, Event, Server, Statistics};
use tracing::debug;

use super::super::ending::Ending;
use super::super::reliable::{Carrier, Transport};
use crate::words::say;

/// Maximum bytes read from one connection before the others.
const READ: usize = 64 << 10;

/// The counters of QUIC as of the last turn, for the hub's loop.
pub(super) type Shared = Arc<Mutex<Statistics>>;

pub(super) fn start(
    server: Server,
    socket: Socket,
    hub: Arc<OnceLock<Waker>>,
    carrier: impl FnOnce(Waker) -> anyhow::Result<Carrier>,
) -> anyhow::Result<(Waker, Shared, Ending)> {
    let mut driver = Driver::new(server, socket).with_context(|| say!("errors-watch-socket"))?;
    let waker = driver.waker();
    let statistics = Shared::default();
    let mut host = LinkHost {
        statistics: Arc::clone(&statistics),
        carrier: carrier(waker.clone())?,
        connections: Connections::default(),
        by_quic: HashMap::new(),
        held: BTreeSet::new(),
    };
    let ending = Ending::of("secure", hub, move || {
        let result = driver.run(&mut host);
        debug!(statistics = ?driver.machine().statistics(), "QUIC: ended");
        Ok(result?)
    })?;
    Ok((waker, statistics, ending))
}

/// The host of the QUIC server.
struct LinkHost {
    statistics: Shared,
    carrier: Carrier,
    connections: Connections,
    by_quic: HashMap<pigeon_quic::ConnId, ConnId>,
    /// Connections that may have unread bytes, because the hub had not accepted the previous ones.
    held: BTreeSet<ConnId>,
}

/// Bytes that connections have not accepted yet.
#[derive(Default)]
struct Connections {
    /// By the index of the session's connection: every message looks up every follower.
    by_index: Vec<Option<Connection>>,
    /// Bytes accepted since the sessions were last informed.
    taken: Vec<(ConnId, usize)>,
}

struct Connection {
    conn: ConnId,
    quic: pigeon_quic::ConnId,
    unsent: VecDeque<Bytes>,
}

impl Connections {
    fn insert(&mut self, conn: ConnId, quic: pigeon_quic::ConnId) {
        if conn.index() >= self.by_index.len() {
            self.by_index.resize_with(conn.index() + 1, || None);
        }
        self.by_index[conn.index()] = Some(Connection { conn, quic, unsent: VecDeque::new() });
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let place = self.by_index.get_mut(conn.index())?;
        place.as_mut().filter(|connection| connection.conn == conn)
    }

    fn remove(&mut self, conn: ConnId) -> Option<Connection> {
        self.by_index.get_mut(conn.index())?.take_if(|connection| connection.conn == conn)
    }

    /// Buffers bytes, and writes as much as the connection accepts.
    fn send(&mut self, server: &mut Server, now: Instant, conn: ConnId, bytes: Bytes) {
        if let Some(connection) = self.get_mut(conn) {
            connection.unsent.push_back(bytes);
            self.flush(server, now, conn);
        }
    }

    /// Writes buffered bytes as far as the connection accepts them.
    fn flush(&mut self, server: &mut Server, now: Instant, conn: ConnId) {
        let Some(connection) = self.get_mut(conn) else { return };
        let chunks = connection.unsent.make_contiguous();
        if chunks.is_empty() {
            return;
        }
        let taken = server.write(now, connection.quic, chunks);
        while connection.unsent.front().is_some_and(Bytes::is_empty) {
            connection.unsent.pop_front();
        }
        self.taken.push((conn, taken));
    }
}

/// The transport: the connections, and the server that carries them.
struct Wire<'a> {
    server: &'a mut Server,
    connections: &'a mut Connections,
    by_quic: &'a mut HashMap<pigeon_quic::ConnId, ConnId>,
    held: &'a mut BTreeSet<ConnId>,
}

impl Transport for Wire<'_> {
    fn send(&mut self, now: Instant, conn: ConnId, bytes: Bytes) {
        self.connections.send(self.server, now, conn, bytes);
    }

    fn resume(&mut self, conn: ConnId) {
        self.held.insert(conn);
    }

    fn probe(&mut self, now: Instant, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(conn) {
            self.server.probe(now, connection.quic);
        }
    }

    fn close(&mut self, now: Instant, conn: ConnId) {
        let Some(connection) = self.connections.remove(conn) else { return };
        self.by_quic.remove(&connection.quic);
        self.server.end(now, connection.quic);
    }
}

impl LinkHost {
    fn turn(&mut self, server: &mut Server, now: Instant) {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = server.statistics();
        loop {
            let LinkHost { carrier, connections, by_quic, held, .. } = self;
            carrier.turn(now, &mut Wire { server, connections, by_quic, held });
            let taken = std::mem::take(&mut connections.taken);
            let mut is_done = taken.iter().all(|&(_, bytes)| bytes == 0);
            taken.into_iter().for_each(|(conn, bytes)| carrier.sent(conn, bytes));
            // These connections were held until the hub accepts their earlier messages, which it may
            // have done. What they send is answered in another round: nothing else may wake this
            // loop for seconds.
            for conn in std::mem::take(&mut self.held) {
                is_done &= !self.read(server, now, conn);
            }
            if is_done {
                break;
            }
        }
    }

    /// Reads a connection while the hub accepts more. Returns whether there was something.
    fn read(&mut self, server: &mut Server, now: Instant, conn: ConnId) -> bool {
        let Some(quic) = self.connections.get_mut(conn).map(|it| it.quic) else { return false };
        let mut has_read = false;
        while self.carrier.wants(conn) {
            match server.read(now, quic, READ) {
                Some(bytes) => self.carrier.received(now, conn, &bytes),
                None => return has_read,
            }
            has_read = true;
        }
        self.held.insert(conn);
        has_read
    }

    fn over(&self) -> ControlFlow<()> {
        match self.carrier.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Host<Server> for LinkHost {
    fn woken(&mut self, server: &mut Server, io: &mut Io<'_>) -> ControlFlow<()> {
        self.turn(server, io.now);
        self.over()
    }

    fn event(&mut self, server: &mut Server, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        let now = io.now;
        match event {
            Event::Opened { conn: quic, peer } => match self.carrier.opened(now, peer) {
                Some(conn) => {
                    self.by_quic.insert(quic, conn);
                    self.connections.insert(conn, quic);
                }
                None => server.close(now, quic, 1, &b"full"[..]),
            },
            Event::Readable { conn } => {
                if let Some(&conn) = self.by_quic.get(&conn) {
                    self.read(server, now, conn);
                }
            }
            Event::Writable { conn } => {
                if let Some(&conn) = self.by_quic.get(&conn) {
                    self.connections.flush(server, now, conn);
                }
            }
            Event::Moved { .. } => {}
            Event::Closed { conn, .. } => {
                if let Some(conn) = self.by_quic.remove(&conn) {
                    self.connections.remove(conn);
                    self.held.remove(&conn);
                    self.carrier.closed(now, conn);
                }
            }
        }
        self.turn(server, now);
        self.over()
    }

    fn deadline(&self) -> Option<Instant> {
        self.carrier.deadline()
    }

    fn tick(&mut self, server: &mut Server, io: &mut Io<'_>) -> ControlFlow<()> {
        self.turn(server, io.now);
        self.over()
    }
}
