//! The open connections, as applications use them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use pigeon_datagram::Instant;

use crate::connection::{Connection, Phase};
use crate::statistics::Statistics;
use crate::websocket::{self, CloseCode, MAX_MESSAGE};

/// How long a peer may take nothing of what waits for it.
const STUCK: Duration = Duration::from_secs(30);

/// How long the end of a connection may take.
const CLOSING: Duration = Duration::from_secs(3);

/// How long a request may take, and how long a connection may wait for the next one.
const REQUEST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);

/// How long a WebSocket may be silent, and after how long a sign of life is sent.
const SILENT: Duration = Duration::from_secs(45);
const QUIET: Duration = Duration::from_secs(15);

/// Time between two pings, which also measure round trips.
const PING: Duration = Duration::from_secs(10);

/// Number of round trips that are remembered.
const TRIPS: usize = 512;

/// An open WebSocket. Its index is reused with another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    generation: u32,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// The open connections.
pub struct Io {
    slots: Vec<Slot>,
    free: Vec<u32>,
    per_address: HashMap<IpAddr, usize>,
    /// Connections that may have something to send.
    dirty: Vec<SocketId>,
    /// Connections to read again.
    pub(crate) readable: Vec<SocketId>,
    pub(crate) statistics: Statistics,
    trips: VecDeque<(Instant, Duration)>,
    pub(crate) now: Instant,
    registry: Registry,
}

/// The tokens of connections begin here; below are the waker and the listeners.
pub(crate) const FIRST: usize = 64;

impl Io {
    pub(crate) fn new(registry: Registry, now: Instant) -> Io {
        Io {
            slots: Vec::new(),
            free: Vec::new(),
            per_address: HashMap::new(),
            dirty: Vec::new(),
            readable: Vec::new(),
            statistics: Statistics::default(),
            trips: VecDeque::new(),
            now,
            registry,
        }
    }

    /// Sends whole lines as one text message, or as several if they are too long for one.
    pub fn send(&mut self, socket: SocketId, mut lines: Bytes) {
        let now = self.now;
        let Some(connection) = self.get_mut(socket) else { return };
        if !connection.is_websocket() {
            return;
        }
        if connection.stream.is_empty() {
            connection.taken = now;
        }
        connection.sent = now;
        let most = MAX_MESSAGE as usize;
        while lines.len() > most {
            let end = lines[..most].iter().rposition(|&byte| byte == b'\n');
            let message = lines.split_to(end.map_or(most, |end| end + 1));
            connection.stream.push_text(message);
        }
        connection.stream.push_text(lines);
        self.touch(socket);
    }

    /// Closes a WebSocket after everything queued was sent. It is not reported as closed.
    pub fn close(&mut self, socket: SocketId) {
        self.close_with(socket, CloseCode::Normal);
    }

    /// Reads a WebSocket again, as the application wants more of it.
    pub fn resume(&mut self, socket: SocketId) {
        self.readable.push(socket);
    }

    /// The median and the 99th percentile of the round trips of the last twenty seconds.
    pub fn round_trips(&self) -> Option<[Duration; 2]> {
        let recent = |at: Instant| self.now - at < 2 * PING;
        let trips = self.trips.iter().filter(|(at, _)| recent(*at)).map(|(_, trip)| *trip);
        let mut trips: Vec<Duration> = trips.collect();
        trips.sort_unstable();
        let at = |percent: usize| trips.get(trips.len() * percent / 100).copied();
        Some([at(50)?, at(99)?])
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    pub(crate) fn close_with(&mut self, socket: SocketId, code: CloseCode) {
        let Some(connection) = self.get_mut(socket) else { return };
        if connection.is_websocket() {
            connection.stream.push(websocket::close(code));
            self.end(socket);
        }
    }

    /// Ends a connection after everything queued was sent.
    pub(crate) fn end(&mut self, socket: SocketId) {
        let now = self.now;
        let Some(connection) = self.get_mut(socket) else { return };
        let was_websocket = connection.is_websocket();
        connection.phase = Phase::Closing { is_finished: false };
        connection.since = now;
        self.statistics.websockets -= u64::from(was_websocket);
        self.touch(socket);
    }

    pub(crate) fn push(&mut self, socket: SocketId, bytes: Vec<u8>) {
        let now = self.now;
        if let Some(connection) = self.get_mut(socket) {
            if connection.stream.is_empty() {
                connection.taken = now;
            }
            connection.stream.push(bytes);
            self.touch(socket);
        }
    }

    fn touch(&mut self, socket: SocketId) {
        let Some(connection) = self.get_mut(socket) else { return };
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(socket);
        }
    }
}

/// The server's part.
impl Io {
    pub(crate) fn get_mut(&mut self, socket: SocketId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(socket.index as usize)?;
        let is_it = slot.generation == socket.generation;
        slot.connection.as_deref_mut().filter(|_| is_it)
    }

    /// The connection of an event.
    pub(crate) fn of_token(&self, token: Token) -> Option<SocketId> {
        let index = token.0.checked_sub(FIRST)?;
        let slot = self.slots.get(index)?;
        slot.connection.as_ref()?;
        Some(SocketId { index: index as u32, generation: slot.generation })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn count_of(&self, counted: IpAddr) -> usize {
        self.per_address.get(&counted).copied().unwrap_or(0)
    }

    /// Adds a connection. Fails if the system cannot watch it.
    pub(crate) fn add(&mut self, mut connection: Connection) -> std::io::Result<SocketId> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let token = Token(FIRST + index as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let tcp: &mut TcpStream = connection.stream.tcp();
        if let Err(error) = self.registry.register(tcp, token, interest) {
            self.free.push(index);
            return Err(error);
        }
        *self.per_address.entry(connection.counted).or_default() += 1;
        self.statistics.connections += 1;
        let slot = &mut self.slots[index as usize];
        slot.connection = Some(Box::new(connection));
        Ok(SocketId { index, generation: slot.generation })
    }

    /// Removes a connection at once. Returns whether it was a WebSocket.
    pub(crate) fn remove(&mut self, socket: SocketId) -> bool {
        if self.get_mut(socket).is_none() {
            return false;
        }
        let slot = &mut self.slots[socket.index as usize];
        let Some(mut connection) = slot.connection.take() else { return false };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(socket.index);
        // Fails only for a socket that is not watched.
        let _ = self.registry.deregister(connection.stream.tcp());
        if let Some(count) = self.per_address.get_mut(&connection.counted) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&connection.counted);
            }
        }
        self.statistics.connections -= 1;
        let was_websocket = connection.is_websocket();
        self.statistics.websockets -= u64::from(was_websocket);
        was_websocket
    }

    /// The answer to a ping has come.
    pub(crate) fn ponged(&mut self, socket: SocketId, payload: &[u8]) {
        let now = self.now;
        let Some(connection) = self.get_mut(socket) else { return };
        let sent = connection.pinged.filter(|at| payload == at.as_nanos().to_be_bytes());
        let Some(sent) = sent else { return };
        connection.pinged = None;
        if self.trips.len() >= TRIPS {
            self.trips.pop_front();
        }
        self.trips.push_back((now, now - sent));
    }

    /// The connection without a WebSocket that has been open for longest.
    pub(crate) fn oldest_request(&self) -> Option<SocketId> {
        let open = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let connection = slot.connection.as_deref().filter(|it| !it.is_websocket())?;
            let socket = SocketId { index: index as u32, generation: slot.generation };
            Some((connection.since, socket))
        });
        open.min().map(|(_, socket)| socket)
    }

    /// Sends what connections take. Reports accepted payloads to `accepted`, and returns the
    /// connections that were lost, and whether anything was sent.
    pub(crate) fn flush(&mut self, accepted: &mut Vec<(SocketId, usize)>) -> Vec<SocketId> {
        let mut lost = Vec::new();
        let now = self.now;
        for socket in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.get_mut(socket) else { continue };
            connection.is_dirty = false;
            match connection.stream.flush() {
                Ok(flushed) => {
                    let is_empty = connection.stream.is_empty();
                    if flushed.has_progress || is_empty {
                        connection.taken = now;
                    }
                    if flushed.payload > 0 {
                        accepted.push((socket, flushed.payload));
                    }
                    let is_resumed = connection.is_waiting && !connection.stream.has_queued();
                    if let Phase::Closing { is_finished } = &mut connection.phase
                        && is_empty
                        && !std::mem::replace(is_finished, true)
                    {
                        connection.since = now;
                        connection.stream.finish();
                    }
                    self.statistics.written += flushed.bytes as u64;
                    if is_resumed {
                        self.readable.push(socket);
                    }
                }
                Err(_) => lost.push(socket),
            }
        }
        lost
    }

    /// The peer may take more.
    pub(crate) fn writable(&mut self, socket: SocketId) {
        self.touch(socket);
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.readable.is_empty()
    }

    /// Sends signs of life, and returns the connections whose time is over. Called about once a
    /// second.
    pub(crate) fn overdue(&mut self) -> Vec<SocketId> {
        let (now, mut over, mut quiet, mut pings) = (self.now, Vec::new(), Vec::new(), Vec::new());
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(connection) = slot.connection.as_deref() else { continue };
            let socket = SocketId { index: index as u32, generation: slot.generation };
            let since = |at: Instant| now - at;
            let is_stuck = !connection.stream.is_empty() && since(connection.taken) > STUCK;
            let is_silent = match &connection.phase {
                Phase::Request(begun) => {
                    let has_begun = !begun.is_empty() && !connection.is_waiting;
                    let is_idle = !has_begun && connection.is_kept;
                    since(connection.since) > if is_idle { IDLE } else { REQUEST }
                }
                Phase::WebSocket(_) => since(connection.heard) > SILENT,
                Phase::Closing { is_finished: true } => since(connection.since) > CLOSING,
                Phase::Closing { is_finished: false } => false,
            };
            if is_stuck || is_silent {
                self.statistics.stuck += u64::from(is_stuck);
                let is_closing = matches!(connection.phase, Phase::Closing { .. });
                self.statistics.silent += u64::from(is_silent && !is_stuck && !is_closing);
                over.push(socket);
            } else if connection.is_websocket() && connection.stream.is_empty() {
                if since(connection.last_ping) >= PING {
                    pings.push(socket);
                }
                if since(connection.sent) >= QUIET {
                    quiet.push(socket);
                }
            }
        }
        for socket in pings {
            self.push(socket, websocket::ping(&now.as_nanos().to_be_bytes()));
            if let Some(connection) = self.get_mut(socket) {
                (connection.last_ping, connection.pinged) = (now, Some(now));
            }
        }
        for socket in quiet {
            // For scripts, which see no pings. Not counted, as it is no payload of the application.
            self.push(socket, [websocket::Head::text(1).bytes(), b"\n"].concat());
            if let Some(connection) = self.get_mut(socket) {
                connection.sent = now;
            }
        }
        over
    }

    /// Every connection.
    pub(crate) fn all(&self) -> Vec<SocketId> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.connection.is_some());
        open.map(|(index, slot)| SocketId { index: index as u32, generation: slot.generation })
            .collect()
    }
}
