//! Both ends of QUIC and what lies between them: datagrams that are lost, repeated, reordered, cut,
//! damaged and made up, and layers above that write, read, end and close whenever they like.
#![no_main]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Machine, Received};
use pigeon_guard::SourceRules;
use pigeon_quic::{
    Certificate, Client, ClientConfig, ConnId, Endpoint, Event, Limits, Pin, Server, ServerConfig,
};

#[derive(Arbitrary, Debug)]
enum Step {
    /// The next datagram arrives, or a later one.
    Deliver {
        to_server: bool,
        place: u8,
    },
    Lose {
        to_server: bool,
    },
    /// A datagram of the past comes once more, changed in some places, cut, or followed by something.
    Replay {
        to_server: bool,
        from_stranger: bool,
        place: u8,
        flips: Vec<(u16, u8)>,
        length: u16,
    },
    Garbage {
        to_server: bool,
        from_stranger: bool,
        bytes: Vec<u8>,
    },
    Connect,
    Write {
        server: bool,
        conn: u8,
        length: u16,
    },
    Read {
        server: bool,
        conn: u8,
        limit: u16,
    },
    End {
        server: bool,
        conn: u8,
    },
    Close {
        server: bool,
        conn: u8,
    },
    Move {
        port: u8,
    },
    Pass {
        ms: u16,
    },
}

/// The bound of connections, and of what a datagram in the past is kept for.
const CONNECTIONS: usize = 4;
const PAST: usize = 64;

const SERVER: &str = "10.0.0.1:7401";
const STRANGER: &str = "203.0.113.9:5000";

/// One end of the connections, and the model's knowledge of it.
struct End<M> {
    machine: M,
    /// Written and read on each connection.
    written: BTreeMap<ConnId, usize>,
    read: BTreeMap<ConnId, usize>,
    conns: Vec<ConnId>,
    over: BTreeSet<ConnId>,
}

/// Byte `n` of every stream.
fn byte(n: usize) -> u8 {
    (n ^ (n >> 8)) as u8
}

impl<M: Endpoint> End<M> {
    fn new(machine: M) -> Self {
        let (written, read) = (BTreeMap::new(), BTreeMap::new());
        End { machine, written, read, conns: Vec::new(), over: BTreeSet::new() }
    }

    fn conn(&self, number: u8) -> Option<ConnId> {
        self.conns.get(usize::from(number) % self.conns.len().max(1)).copied()
    }

    fn write(&mut self, now: Instant, number: u8, length: u16) {
        let Some(conn) = self.conn(number) else { return };
        let at = self.written.entry(conn).or_default();
        let bytes: Vec<u8> = (*at..*at + usize::from(length)).map(byte).collect();
        let mut chunks = [Bytes::from(bytes)];
        let taken = self.machine.write(now, conn, &mut chunks);
        assert_eq!(taken + chunks[0].len(), usize::from(length));
        assert!(taken == 0 || !self.over.contains(&conn));
        *at += taken;
    }

    fn read(&mut self, now: Instant, number: u8, limit: u16) {
        let Some(conn) = self.conn(number) else { return };
        let Some(bytes) = self.machine.read(now, conn, usize::from(limit)) else { return };
        assert!(bytes.len() <= usize::from(limit));
        let at = self.read.entry(conn).or_default();
        for got in bytes {
            assert_eq!(got, byte(*at), "the stream is not in order");
            *at += 1;
        }
    }

    /// What it sends.
    fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        for round in 0.. {
            assert!(round < 1000, "it reports without end");
            let before = sent.len();
            while let Some(transmit) = self.machine.poll_transmit() {
                assert!(transmit.count() <= MAX_TRAIN_SEGMENTS);
                assert!(!transmit.range.is_empty() && transmit.range.len() <= MAX_PAYLOAD_V4);
                let outbox = self.machine.outbox();
                sent.extend(transmit.datagrams(outbox).map(|bytes| (transmit.to, bytes.to_vec())));
            }
            let mut reported = false;
            while let Some(event) = self.machine.poll_event() {
                reported = true;
                let conn = event.conn();
                assert!(!self.over.contains(&conn), "{event:?} after the end");
                match event {
                    Event::Opened { .. } if !self.conns.contains(&conn) => self.conns.push(conn),
                    Event::Closed { .. } => _ = self.over.insert(conn),
                    _ => assert!(self.conns.contains(&conn), "{event:?} before it opened"),
                }
            }
            if !reported && sent.len() == before {
                break;
            }
        }
        sent
    }
}

struct World {
    now: Instant,
    server: End<Server>,
    client: End<Client>,
    client_address: SocketAddr,
    to_server: VecDeque<(SocketAddr, Vec<u8>)>,
    to_client: VecDeque<Vec<u8>>,
    past: VecDeque<Vec<u8>>,
    /// What the stranger sent and got.
    stranger: (usize, usize),
}

impl World {
    fn drain(&mut self) {
        for (_, bytes) in self.client.drain() {
            self.to_server.push_back((self.client_address, bytes));
        }
        for (to, bytes) in self.server.drain() {
            if to == STRANGER.parse().unwrap() {
                self.stranger.1 += bytes.len();
            } else {
                assert_eq!(to.ip(), self.client_address.ip(), "sent to who sent nothing");
                self.to_client.push_back(bytes);
            }
        }
        // A replayed datagram may make the server look for its client at the stranger's address: a
        // challenge (RFC 9000 section 8.2), and up to three times what came from there.
        assert!(self.stranger.1 <= 3 * self.stranger.0 + 1_500, "{:?}", self.stranger);
        let statistics = self.server.machine.statistics();
        assert!(statistics.connections <= CONNECTIONS as u64);
        assert!(statistics.handshakes <= 2);
        assert!(self.server.machine.open().count() as u64 <= statistics.connections);
    }

    fn server_gets(&mut self, from: SocketAddr, bytes: &[u8]) {
        if from == STRANGER.parse().unwrap() {
            self.stranger.0 += bytes.len();
        }
        self.server.machine.handle_datagram(self.now, &Received::new(from, bytes));
        self.drain();
    }

    fn client_gets(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.client.machine.handle_datagram(self.now, &Received::new(from, bytes));
        self.drain();
    }

    fn gets(&mut self, to_server: bool, from_stranger: bool, bytes: &[u8]) {
        let stranger = STRANGER.parse().unwrap();
        match (to_server, from_stranger) {
            (true, true) => self.server_gets(stranger, bytes),
            (true, false) => self.server_gets(self.client_address, bytes),
            (false, true) => self.client_gets(stranger, bytes),
            (false, false) => self.client_gets(SERVER.parse().unwrap(), bytes),
        }
    }

    /// Time passes, with every timer at its time.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for step in 0.. {
            assert!(step < 100_000, "a timer spins");
            let timers = [self.server.machine.poll_timeout(), self.client.machine.poll_timeout()];
            let Some(next) = timers.into_iter().flatten().min().filter(|&next| next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if timers[0].is_some_and(|at| at <= self.now) {
                self.server.machine.handle_timeout(self.now);
            }
            if timers[1].is_some_and(|at| at <= self.now) {
                self.client.machine.handle_timeout(self.now);
            }
            self.drain();
        }
        self.now = end;
    }

    fn deliver(&mut self, to_server: bool, place: usize) -> bool {
        let bytes = if to_server {
            let place = place % self.to_server.len().max(1);
            let Some((from, bytes)) = self.to_server.remove(place) else { return false };
            self.server_gets(from, &bytes);
            bytes
        } else {
            let place = place % self.to_client.len().max(1);
            let Some(bytes) = self.to_client.remove(place) else { return false };
            self.client_gets(SERVER.parse().unwrap(), &bytes);
            bytes
        };
        self.past.push_back(bytes);
        if self.past.len() > PAST {
            self.past.pop_front();
        }
        true
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Deliver { to_server, place } => {
                self.deliver(to_server, usize::from(place) % 4);
            }
            Step::Lose { to_server: true } => _ = self.to_server.pop_front(),
            Step::Lose { to_server: false } => _ = self.to_client.pop_front(),
            Step::Replay { to_server, from_stranger, place, flips, length } => {
                let place = usize::from(place) % self.past.len().max(1);
                let Some(mut bytes) = self.past.get(place).cloned() else { return };
                for (at, mask) in flips {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] ^= mask;
                }
                if usize::from(length) < 2 * bytes.len() {
                    bytes.resize(length.into(), 0);
                }
                self.gets(to_server, from_stranger, &bytes);
            }
            Step::Garbage { to_server, from_stranger, bytes } => {
                self.gets(to_server, from_stranger, &bytes);
            }
            Step::Connect => {
                if self.client.conns.len() < 8 {
                    let server = SERVER.parse().unwrap();
                    let conn = self.client.machine.connect(now, server, Pin::FirstUse).unwrap();
                    self.client.conns.push(conn);
                }
            }
            Step::Write { server: true, conn, length } => self.server.write(now, conn, length),
            Step::Write { server: false, conn, length } => self.client.write(now, conn, length),
            Step::Read { server: true, conn, limit } => self.server.read(now, conn, limit),
            Step::Read { server: false, conn, limit } => self.client.read(now, conn, limit),
            Step::End { server, conn } | Step::Close { server, conn } => {
                let is_end = matches!(step, Step::End { .. });
                let over = if server {
                    let Some(conn) = self.server.conn(conn) else { return };
                    match is_end {
                        true => self.server.machine.end(now, conn),
                        false => self.server.machine.close(now, conn, 1, "closed"),
                    }
                    self.server.over.insert(conn)
                } else {
                    let Some(conn) = self.client.conn(conn) else { return };
                    match is_end {
                        true => self.client.machine.end(now, conn),
                        false => self.client.machine.close(now, conn, 1, "closed"),
                    }
                    self.client.over.insert(conn)
                };
                let _ = over;
            }
            Step::Move { port } => {
                self.client_address.set_port(4000 + u16::from(port));
                self.client.machine.rebind(now);
            }
            Step::Pass { ms } => self.pass(Duration::from_millis(ms.into())),
        }
        self.drain();
    }
}

fuzz_target!(|steps: Vec<Step>| {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().unwrap());
    let base = std::time::Instant::now();
    let limits = Limits { connections: CONNECTIONS, handshakes: 2, ..Limits::default() };
    let server =
        ServerConfig { certificate, seed: [1; 32], base, limits, sources: SourceRules::default() };
    let client = ClientConfig { seed: [2; 32], base, limits: Limits::client() };
    let mut world = World {
        now: Instant::ORIGIN,
        server: End::new(Server::new(server).unwrap()),
        client: End::new(Client::new(client).unwrap()),
        client_address: "10.0.0.2:4000".parse().unwrap(),
        to_server: VecDeque::new(),
        to_client: VecDeque::new(),
        past: VecDeque::new(),
        stranger: (0, 0),
    };
    // Every run begins with an open connection: few random inputs would open one.
    world.step(Step::Connect);
    for turn in 0..40 {
        if turn == 20 {
            world.step(Step::Write { server: false, conn: 0, length: 10 });
        }
        while world.deliver(true, 0) || world.deliver(false, 0) {}
        world.pass(Duration::from_millis(10));
    }
    assert_eq!(world.server.machine.open().count(), 1);
    for step in steps {
        world.step(step);
    }
    // Nobody hears anybody any more: in the end nobody is there, and no timer.
    world.to_server.clear();
    world.to_client.clear();
    world.pass(Duration::from_secs(200));
    for statistics in [world.server.machine.statistics(), world.client.machine.statistics()] {
        assert_eq!((statistics.connections, statistics.handshakes), (0, 0));
        assert_eq!(statistics.opened, statistics.closed);
    }
    assert_eq!(world.server.machine.poll_timeout(), None);
    assert_eq!(world.client.machine.poll_timeout(), None);
});
