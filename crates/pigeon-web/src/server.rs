//! The loop: accepts connections, reads requests, opens WebSockets.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use crate::assets::Assets;
use crate::connection::{Connection, Phase};
use crate::guard::{Guard, Site};
use crate::http::{Form, Get, Request, Response, switching};
use crate::io::{FIRST, Io, SocketId};
use crate::stream::{Certificate, Received, Stream};
use crate::websocket::{self, CloseCode, Decoder, Part};

/// The subprotocol of members' frames.
const PROTOCOL: &str = "pigeon.1";

/// Maximum bytes read from one connection before the others.
const READ: usize = 64 << 10;

/// Maximum number of connections accepted before others are served.
const ACCEPT: usize = 64;

/// Time between checks for overdue connections.
const TICK: Duration = Duration::from_secs(1);

/// Time limit for the goodbyes of a server that ends.
const LAST: Duration = Duration::from_millis(300);

const WAKER: Token = Token(0);
const LISTENER: usize = 1;

/// What a WebSocket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A member: `/ws`.
    Member,
    /// The operator's view: `/operator/ws`.
    Operator,
}

/// A request for a WebSocket.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What it is for.
    pub target: Target,
    /// The page's origin, which was checked.
    pub site: Site,
    /// The client's address.
    pub ip: IpAddr,
}

impl Opening {
    /// The address under which the client is counted: for IPv6 the /64 network.
    pub fn counted(&self) -> IpAddr {
        counted(self.ip)
    }
}

/// What WebSockets and paths mean.
pub trait Application {
    /// A WebSocket was opened. False refuses it.
    fn opened(&mut self, io: &mut Io, now: Instant, socket: SocketId, opening: &Opening) -> bool;

    /// Bytes of a message have arrived; `ends` with the last ones.
    fn received(&mut self, io: &mut Io, now: Instant, socket: SocketId, part: &[u8], ends: bool);

    /// Whether to read more from a WebSocket. After false, the application calls [`Io::resume`].
    fn wants(&self, socket: SocketId) -> bool;

    /// The client has accepted this many bytes of messages.
    fn sent(&mut self, socket: SocketId, bytes: usize);

    /// A WebSocket was closed by the client or lost.
    fn closed(&mut self, now: Instant, socket: SocketId);

    /// Answers a GET of a path that is not one of the page's files.
    fn get(&mut self, io: &Io, get: Get<'_>) -> Option<Response>;

    /// Called after anything has happened: results of other threads, a deadline.
    fn turn(&mut self, io: &mut Io, now: Instant);

    /// When to call [`turn`](Application::turn) at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Whether the server ends.
    fn is_over(&self) -> bool;
}

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections per IPv4 address or IPv6 /64.
    pub per_address: usize,
    /// Whether connections from this machine count there.
    pub loopback_counts: bool,
}

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port cannot be opened.
    #[error("cannot listen on TCP {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The system cannot wait for connections.
    #[error("cannot wait for connections")]
    Wait {
        /// The system's error.
        #[from]
        source: io::Error,
    },
}

/// A web server.
pub struct Server {
    poll: Poll,
    listeners: Vec<TcpListener>,
    waker: Waker,
    clock: Clock,
    guard: Guard,
    limits: Limits,
    certificate: Option<Certificate>,
    assets: Assets,
}

impl Server {
    /// Listens on addresses; `[::]` takes IPv4 too. Fails if one of them cannot be opened.
    pub fn listen(
        addresses: &[SocketAddr],
        guard: Guard,
        limits: Limits,
        certificate: Option<Certificate>,
        assets: Assets,
    ) -> Result<Server, ServerError> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listeners = Vec::new();
        for (number, &address) in addresses.iter().enumerate() {
            let failed = |source| ServerError::Listen { address, source };
            let mut listener = listener(address).map_err(failed)?;
            let token = Token(LISTENER + number);
            poll.registry().register(&mut listener, token, Interest::READABLE).map_err(failed)?;
            listeners.push(listener);
        }
        let clock = Clock::start();
        Ok(Server { poll, listeners, waker, clock, guard, limits, certificate, assets })
    }

    /// The addresses on which it listens.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Wakes the loop, which then calls [`Application::turn`].
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Serves until the application is over. Fails if the system cannot wait for connections.
    pub fn run(self, application: &mut impl Application) -> Result<(), ServerError> {
        let io = Io::new(self.poll.registry().try_clone()?, self.clock.now());
        let next_tick = self.clock.now() + TICK;
        let buffer = vec![0; READ].into();
        let is_accepting = vec![true; self.listeners.len()];
        let mut turn = Turn { server: self, io, application, buffer, next_tick, is_accepting };
        turn.run()
    }
}

/// A TCP port that is open at once after a restart, and for both families on `[::]`.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// A running server.
struct Turn<'a, A> {
    server: Server,
    io: Io,
    application: &'a mut A,
    buffer: Box<[u8]>,
    next_tick: Instant,
    /// Whether a listener may have connections that were not accepted yet.
    is_accepting: Vec<bool>,
}

impl<A: Application> Turn<'_, A> {
    fn run(&mut self) -> Result<(), ServerError> {
        let mut events = Events::with_capacity(1_024);
        let mut accepted = Vec::new();
        while !self.application.is_over() {
            self.wait(&mut events)?;
            self.io.now = self.server.clock.now();
            self.server.waker.take();
            for event in events.iter() {
                let number = event.token().0.wrapping_sub(LISTENER);
                if let Some(is_accepting) = self.is_accepting.get_mut(number) {
                    *is_accepting = true;
                } else if let Some(socket) = self.io.of_token(event.token()) {
                    if event.is_writable() {
                        self.io.writable(socket);
                    }
                    if event.is_readable() {
                        self.mark_readable(socket);
                    }
                }
            }
            self.accept();
            self.read();
            self.tick();
            self.settle(&mut accepted);
        }
        self.end(&mut events, &mut accepted)
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), ServerError> {
        let now = self.server.clock.now();
        let until = self.application.deadline().map_or(self.next_tick, |at| at.min(self.next_tick));
        let is_busy = self.io.has_work() || self.is_accepting.contains(&true);
        let timeout = if is_busy { Duration::ZERO } else { until - now };
        match self.server.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn mark_readable(&mut self, socket: SocketId) {
        if let Some(connection) = self.io.get_mut(socket) {
            connection.is_readable = true;
            self.io.readable.push(socket);
        }
    }

    /// Lets the application act until nothing more is sent.
    fn settle(&mut self, accepted: &mut Vec<(SocketId, usize)>) {
        loop {
            let now = self.io.now;
            self.application.turn(&mut self.io, now);
            let lost = self.io.flush(accepted);
            lost.into_iter().for_each(|socket| self.lose(socket));
            if accepted.is_empty() {
                return;
            }
            for (socket, bytes) in accepted.drain(..) {
                self.application.sent(socket, bytes);
            }
        }
    }

    fn lose(&mut self, socket: SocketId) {
        if self.io.remove(socket) {
            self.application.closed(self.io.now, socket);
        }
    }

    fn accept(&mut self) {
        for number in 0..self.is_accepting.len() {
            for _ in 0..ACCEPT {
                match self.server.listeners[number].accept() {
                    Ok((tcp, peer)) => self.admit(tcp, peer),
                    Err(error) => {
                        // Too many open files: the rest is accepted with the next tick.
                        self.is_accepting[number] = error.kind() == ErrorKind::ConnectionAborted;
                        break;
                    }
                }
            }
        }
    }

    fn admit(&mut self, tcp: mio::net::TcpStream, peer: SocketAddr) {
        let limits = self.server.limits;
        let ip = peer.ip().to_canonical();
        let counted = counted(ip);
        self.io.statistics.accepted += 1;
        let is_counted = limits.loopback_counts || !ip.is_loopback();
        if is_counted && self.io.count_of(counted) >= limits.per_address {
            self.io.statistics.refused_address += 1;
            return;
        }
        if self.io.len() >= limits.connections {
            let Some(oldest) = self.io.oldest_request() else {
                self.io.statistics.refused_full += 1;
                return;
            };
            self.io.statistics.displaced += 1;
            self.io.remove(oldest);
        }
        let local = tcp.local_addr().map(|local| local.ip().to_canonical());
        let is_own = ip.is_loopback() || local.is_ok_and(|local| local == ip);
        // Each write is a whole batch.
        let _ = tcp.set_nodelay(true);
        let Some(stream) = Stream::new(tcp, self.server.certificate.as_ref()) else { return };
        let peer = SocketAddr::new(ip, peer.port());
        let connection = Connection::new(stream, peer, is_own, counted, self.io.now);
        if let Ok(socket) = self.io.add(connection) {
            self.io.readable.push(socket);
        }
    }

    fn read(&mut self) {
        for socket in std::mem::take(&mut self.io.readable) {
            if self.read_one(socket).is_err() {
                self.lose(socket);
            }
        }
    }

    /// Reads a connection. Fails if it is lost.
    fn read_one(&mut self, socket: SocketId) -> io::Result<()> {
        let (mut budget, now) = (READ, self.io.now);
        if self.io.get_mut(socket).is_some_and(|connection| connection.is_waiting) {
            self.requests(socket);
        }
        loop {
            let Some(connection) = self.io.get_mut(socket) else { return Ok(()) };
            let wants = match connection.is_websocket() {
                true => self.application.wants(socket),
                false => !connection.is_waiting,
            };
            if !connection.is_readable || !wants {
                return Ok(());
            }
            if budget == 0 {
                self.io.readable.push(socket);
                return Ok(());
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let received = connection.stream.read(&mut buffer[..budget.min(READ)]);
            // A TLS handshake has something to send.
            let must_send = !connection.stream.is_empty();
            let outcome = match received {
                Ok(Received::Nothing) => {
                    connection.is_readable = false;
                    Ok(())
                }
                Ok(Received::Bytes(count)) => {
                    budget = budget.saturating_sub(count);
                    connection.heard = now;
                    self.io.statistics.read += count as u64;
                    self.received(socket, &mut buffer[..count]);
                    Ok(())
                }
                Ok(Received::End) => self.ended(socket),
                Err(error) => {
                    self.io.statistics.tls_failed +=
                        u64::from(error.kind() == ErrorKind::InvalidData);
                    Err(error)
                }
            };
            self.buffer = buffer;
            if must_send {
                self.io.writable(socket);
            }
            outcome?;
        }
    }

    /// The client sends no more. What waits for it is still sent; fails if nothing does.
    fn ended(&mut self, socket: SocketId) -> io::Result<()> {
        let Some(connection) = self.io.get_mut(socket) else { return Ok(()) };
        connection.is_readable = false;
        let is_waiting = match connection.phase {
            Phase::Request(_) => !connection.stream.is_empty(),
            Phase::WebSocket(_) => false,
            Phase::Closing { is_finished } => !is_finished,
        };
        match is_waiting {
            true => self.io.end(socket),
            false => return Err(ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn received(&mut self, socket: SocketId, bytes: &mut [u8]) {
        let Some(connection) = self.io.get_mut(socket) else { return };
        match &mut connection.phase {
            Phase::Request(request) => {
                request.extend_from_slice(bytes);
                self.requests(socket);
            }
            Phase::WebSocket(decoder) => {
                let decoder = std::mem::take(decoder);
                self.decode(socket, decoder, bytes);
            }
            Phase::Closing { .. } => {}
        }
    }

    /// Answers complete requests, each once the answer before was sent.
    fn requests(&mut self, socket: SocketId) {
        let now = self.io.now;
        loop {
            let Some(connection) = self.io.get_mut(socket) else { return };
            connection.is_waiting = false;
            let Phase::Request(bytes) = &mut connection.phase else { return };
            if bytes.is_empty() {
                return;
            }
            if connection.stream.has_queued() {
                connection.is_waiting = true;
                return;
            }
            let request = match Request::parse(bytes) {
                Ok(None) => return,
                Ok(Some((length, request))) => {
                    bytes.drain(..length);
                    request
                }
                Err(why) => {
                    self.io.statistics.bad_requests += 1;
                    let response = Response::refused(why).write(Form::default());
                    self.io.push(socket, response);
                    return self.io.end(socket);
                }
            };
            connection.since = now;
            connection.is_kept = true;
            self.io.statistics.requests += 1;
            self.request(socket, &request);
        }
    }

    fn request(&mut self, socket: SocketId, request: &Request) {
        let Some(connection) = self.io.get_mut(socket) else { return };
        let (peer, is_own) = (connection.peer.ip(), connection.is_own);
        // What a proxy on this machine says of its client is believed.
        let ip = request.forwarded_for.filter(|_| is_own).unwrap_or(peer);
        let is_local = is_own && !request.is_forwarded;
        let is_https = self.server.certificate.is_some();
        let response = match &*request.path {
            "/healthz" => Response::text(200, "ok\n"),
            _ if !self.server.guard.allows_host(&request.host) => {
                self.io.statistics.foreign_hosts += 1;
                Response::text(
                    421,
                    "This page is not served under this name. Open it by the hub's IP address, or \
                     start the hub with --page-name NAME.\n",
                )
            }
            "/ws" => match self.open(socket, request, Target::Member, ip, is_local) {
                None => return,
                Some(response) => response,
            },
            "/operator" | "/operator/ws" if !is_https && !is_local && !request.is_forwarded => {
                Response::text(
                    403,
                    "The operator's view is served over https, or to a browser on the hub's own \
                     machine.\n",
                )
            }
            "/operator/ws" => match self.open(socket, request, Target::Operator, ip, is_local) {
                None => return,
                Some(response) => response,
            },
            path => {
                let get = Get { path, is_local };
                let asset = self.server.assets.get(request);
                asset
                    .or_else(|| self.application.get(&self.io, get))
                    .unwrap_or_else(|| Response::text(404, "There is nothing here.\n"))
            }
        };
        self.answer(socket, request, &response);
    }

    fn answer(&mut self, socket: SocketId, request: &Request, response: &Response) {
        let is_allowed = self.server.guard.allows_host(&request.host);
        let host = is_allowed.then_some(&*request.host);
        let keeps_alive = request.keeps_alive && response.status < 400;
        let is_loopback = self.io.get_mut(socket).is_some_and(|it| it.peer.ip().is_loopback());
        let is_private = self.server.certificate.is_some() || is_loopback;
        let form = Form { is_head: request.is_head, keeps_alive, host, is_private };
        self.io.push(socket, response.write(form));
        if !keeps_alive {
            self.io.end(socket);
        }
    }

    /// Opens a WebSocket, or returns why not.
    fn open(
        &mut self,
        socket: SocketId,
        request: &Request,
        target: Target,
        ip: IpAddr,
        is_local: bool,
    ) -> Option<Response> {
        let Some(key) = request.websocket.as_deref() else {
            let response = Response::text(426, "This is the address of a WebSocket.\n");
            return Some(response.header("Upgrade", "websocket"));
        };
        let Some(site) = self.server.guard.site(&request.host, request.origin.as_deref()) else {
            self.io.statistics.foreign_origins += 1;
            return Some(Response::text(403, "The Origin is not this site.\n"));
        };
        let protocol = request.protocols.iter().find(|word| &***word == PROTOCOL);
        if protocol.is_none() && target == Target::Member {
            return Some(Response::text(400, "The subprotocol is pigeon.1.\n"));
        }
        if target == Target::Operator && !site.is_https && !is_local {
            return Some(Response::text(403, "The operator's view needs https.\n"));
        }
        let opening = Opening { target, site, ip };
        let now = self.io.now;
        if !self.application.opened(&mut self.io, now, socket, &opening) {
            return Some(Response::text(503, "The hub is full.\n"));
        }
        self.io.push(socket, switching(key, protocol.map(|word| &**word)));
        self.io.statistics.websockets += 1;
        let connection = self.io.get_mut(socket)?;
        let rest =
            match std::mem::replace(&mut connection.phase, Phase::WebSocket(Decoder::default())) {
                Phase::Request(mut rest) => std::mem::take(&mut rest),
                _ => Vec::new(),
            };
        if !rest.is_empty() {
            let mut rest = rest;
            self.decode(socket, Decoder::default(), &mut rest);
        }
        None
    }

    fn decode(&mut self, socket: SocketId, mut decoder: Decoder, bytes: &mut [u8]) {
        let (mut input, now) = (bytes, self.io.now);
        loop {
            let part = match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(part)) => part,
                Err(code) => {
                    self.io.statistics.broken += 1;
                    self.io.close_with(socket, code);
                    return self.application.closed(now, socket);
                }
            };
            match part {
                Part::Text(text) => {
                    self.application.received(&mut self.io, now, socket, text, false);
                }
                Part::End => self.application.received(&mut self.io, now, socket, b"", true),
                Part::Ping(payload) => self.pong(socket, &payload),
                Part::Pong(payload) => self.io.ponged(socket, &payload),
                Part::Close => {
                    self.io.close_with(socket, CloseCode::Normal);
                    return self.application.closed(now, socket);
                }
            }
        }
        if let Some(connection) = self.io.get_mut(socket)
            && connection.is_websocket()
        {
            connection.phase = Phase::WebSocket(decoder);
        }
    }

    /// Answers a ping, unless earlier answers were not taken: they may be left out (section 5.5.3).
    fn pong(&mut self, socket: SocketId, payload: &[u8]) {
        if self.io.get_mut(socket).is_some_and(|it| it.is_websocket() && it.stream.is_empty()) {
            self.io.push(socket, websocket::pong(payload));
        }
    }

    fn tick(&mut self) {
        if self.io.now < self.next_tick {
            return;
        }
        self.next_tick = self.io.now + TICK;
        self.is_accepting.fill(true);
        self.io.overdue().into_iter().for_each(|socket| self.lose(socket));
    }

    /// Sends the goodbyes.
    fn end(
        &mut self,
        events: &mut Events,
        accepted: &mut Vec<(SocketId, usize)>,
    ) -> Result<(), ServerError> {
        self.server.listeners.clear();
        for socket in self.io.all() {
            self.io.close_with(socket, CloseCode::Normal);
        }
        let until = self.server.clock.now() + LAST;
        loop {
            let lost = self.io.flush(accepted);
            for socket in lost {
                self.io.remove(socket);
            }
            let now = self.server.clock.now();
            let waits = self.io.all().into_iter().any(|socket| {
                self.io.get_mut(socket).is_some_and(|connection| !connection.stream.is_empty())
            });
            if !waits || now >= until {
                return Ok(());
            }
            self.server.poll.poll(events, Some(until - now))?;
            for event in events.iter() {
                if let Some(socket) = self.io.of_token(event.token()) {
                    self.io.writable(socket);
                }
            }
        }
    }
}

/// The address under which a connection is counted: for IPv6 the /64 network.
fn counted(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip => ip,
    }
}

const _: () = assert!(FIRST > LISTENER + 8, "tokens of listeners come first");
