//! Both ends of a measurement over a path with arbitrary loss, duplicates, delay and damage, and
//! strangers that replay or forge datagrams.
//!
//! Invariants: no panic; a stranger, which reads nothing sent to it, never gets more than it sent;
//! a client sends only to its server; timers do not spin; and when no datagrams arrive any more,
//! the client ends in bounded time, its figures add up exactly, and the server has no sessions
//! left.
#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_bench::{
    Client, HEADER, Header, Kind, Mode, OneWay, Pace, Plan, Server, ServerConfig, Unreadable,
};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::parse;
use pigeon_fuzz::drain::drain;

const SERVER: &str = "10.0.0.1:7777";
const CLIENT: &str = "10.0.0.2:4000";
const STRANGERS: [&str; 2] = ["203.0.113.5:9", "[2001:db8::1]:9"];

const MAX_OPERATIONS: usize = 200;

#[derive(Arbitrary, Debug)]
struct Input {
    mode: Way,
    /// Datagrams per second. An unlimited rate would take too long.
    rate: u8,
    size: u8,
    few_sessions: bool,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Way {
    Up,
    Down,
    Both,
    Ping,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    /// Delivers up to this many datagrams.
    Deliver(u8),
    Lose(u8),
    Repeat,
    /// Moves the first datagram in flight to the end.
    Overtake,
    Damage {
        at: u8,
        bit: u8,
    },
    /// A stranger replays an earlier datagram.
    Replay {
        who: bool,
        which: u8,
    },
    /// A stranger sends a valid but forged datagram.
    Forge {
        who: Sender,
        kind: u8,
        session: u8,
        number: u64,
        body: Vec<u8>,
    },
    Bytes {
        who: Sender,
        bytes: Vec<u8>,
    },
    Wait(u16),
    KernelDrops {
        at_client: bool,
        drops: u8,
    },
    Unsent(u8),
    Refused,
    Interrupt,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Sender {
    Server,
    Client,
    First,
    Second,
}

struct Model {
    now: Instant,
    client: Client,
    server: Server,
    /// The datagrams in flight: sender, destination and bytes.
    way: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Some earlier datagrams for replays.
    seen: Vec<Vec<u8>>,
    /// The bytes from minus those to each stranger.
    balances: BTreeMap<SocketAddr, (i64, i64)>,
    drops: [u64; 2],
}

fuzz_target!(|input: Input| {
    let mode = match input.mode {
        Way::Up => Mode::Up,
        Way::Down => Mode::Down,
        Way::Both => Mode::Both,
        Way::Ping => Mode::Ping,
    };
    let plan = Plan {
        mode,
        pace: Pace::alone(NonZeroU32::new(u32::from(input.rate) + 1)),
        size: HEADER + usize::from(input.size),
        duration: Duration::from_secs(1),
        reports_every: Duration::from_millis(200),
        tail: Duration::from_millis(300),
    };
    let now = Instant::ORIGIN + Duration::from_secs(100);
    let mut model = Model {
        now,
        client: Client::new(now, parse(SERVER), 1, plan).expect("the plan is sound"),
        server: Server::new(ServerConfig {
            key: [3; 16],
            max_sessions: if input.few_sessions { 1 } else { 4 },
            max_bytes_per_second: Some(100_000),
            max_duration: Duration::from_secs(60),
        }),
        way: VecDeque::new(),
        seen: Vec::new(),
        balances: BTreeMap::new(),
        drops: [0; 2],
    };
    model.drain();
    for operation in input.operations.into_iter().take(MAX_OPERATIONS) {
        model.take(operation);
    }
    model.ends();
});

fn address(sender: Sender) -> SocketAddr {
    parse(match sender {
        Sender::Server => SERVER,
        Sender::Client => CLIENT,
        Sender::First => STRANGERS[0],
        Sender::Second => STRANGERS[1],
    })
}

impl Model {
    fn take(&mut self, operation: Operation) {
        match operation {
            Operation::Deliver(count) => (0..=count).for_each(|_| self.deliver()),
            Operation::Lose(count) => {
                let count = self.way.len().min(usize::from(count) + 1);
                self.way.drain(..count);
            }
            Operation::Repeat => self.way.extend(self.way.front().cloned()),
            Operation::Overtake => {
                let first = self.way.pop_front();
                self.way.extend(first);
            }
            Operation::Damage { at, bit } => {
                if let Some((_, _, bytes)) = self.way.front_mut()
                    && let Some(byte) = bytes.get_mut(usize::from(at))
                {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Operation::Replay { who, which } => {
                let count = self.seen.len().max(1);
                if let Some(bytes) = self.seen.get(usize::from(which) % count).cloned() {
                    self.arrive(parse(STRANGERS[usize::from(who)]), &bytes);
                }
            }
            Operation::Forge { who, kind, session, number, body } => {
                let mut bytes = [vec![0; HEADER], body].concat();
                bytes[..5].copy_from_slice(&[b'p', b'g', b'b', 1, kind % 16]);
                if let Some(kind) = Kind::of(&bytes) {
                    let (session, time) = (session.into(), number ^ 0x5555);
                    Header { kind, session, number, time, origin: number }.write(&mut bytes);
                    // An impossible count makes a datagram foreign; those written here are never
                    // damaged.
                    match Header::read(&bytes) {
                        Ok(read) => assert_eq!((read.kind, read.number), (kind, number)),
                        Err(why) => assert_eq!((why, kind.is_test()), (Unreadable::Foreign, true)),
                    }
                }
                self.arrive(address(who), &bytes);
            }
            Operation::Bytes { who, bytes } => self.arrive(address(who), &bytes),
            Operation::Wait(millis) => self.wait(Duration::from_millis(u64::from(millis) % 500)),
            Operation::KernelDrops { at_client, drops } => {
                let total = &mut self.drops[usize::from(at_client)];
                *total += u64::from(drops);
                match at_client {
                    true => self.client.handle_kernel_drops(self.now, SocketId::FIRST, *total),
                    false => self.server.handle_kernel_drops(self.now, SocketId::FIRST, *total),
                }
            }
            Operation::Unsent(count) => self.client.unsent(count.into()),
            Operation::Refused => self.client.handle_refused(self.now, SocketId::FIRST),
            Operation::Interrupt => self.client.interrupt(self.now),
        }
        self.drain();
        self.client.snapshot();
    }

    fn deliver(&mut self) {
        let Some((from, to, bytes)) = self.way.pop_front() else { return };
        let datagram = Received::new(from, &bytes);
        if to == parse(SERVER) {
            self.server.handle_datagram(self.now, &datagram);
        } else {
            self.client.handle_datagram(self.now, &datagram);
        }
        self.drain();
    }

    /// Delivers a datagram that neither end sent, or not in this form.
    fn arrive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let datagram = Received::new(from, bytes);
        if from == parse(SERVER) {
            self.client.handle_datagram(self.now, &datagram);
        } else {
            let (datagrams, octets) = self.balances.entry(from).or_default();
            (*datagrams, *octets) = (*datagrams + 1, *octets + bytes.len() as i64);
            self.server.handle_datagram(self.now, &datagram);
        }
    }

    fn drain(&mut self) {
        for (to, bytes) in drain(&mut self.client) {
            assert_eq!(to, parse(SERVER), "a client speaks to its server");
            self.keep(&bytes);
            self.way.push_back((parse(CLIENT), to, bytes));
        }
        for (to, bytes) in drain(&mut self.server) {
            if to == parse(CLIENT) {
                self.way.push_back((parse(SERVER), to, bytes));
                continue;
            }
            let (datagrams, octets) = self.balances.entry(to).or_default();
            (*datagrams, *octets) = (*datagrams - 1, *octets - bytes.len() as i64);
            assert!(*datagrams >= 0 && *octets >= 0, "{to} gets more than it sent");
        }
        // The path is bounded like a real queue.
        self.way.truncate(4_096);
        while self.client.poll_event().is_some() {}
        while self.server.poll_event().is_some() {}
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.seen.len() < 64 {
            self.seen.push(bytes.to_vec());
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            let next = [self.client.poll_timeout(), self.server.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if self.client.poll_timeout().is_some_and(|due| due <= self.now) {
                self.client.handle_timeout(self.now);
            }
            if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
                self.server.handle_timeout(self.now);
            }
            self.drain();
        }
        panic!("a timer that is due again and again");
    }

    /// No input follows.
    fn ends(&mut self) {
        for _ in 0..12 {
            self.way.clear();
            self.wait(Duration::from_secs(10));
        }
        assert!(self.client.is_over(), "a client that waits for ever");
        assert_eq!(self.client.poll_timeout(), None);
        assert_eq!((self.server.sessions(), self.server.poll_timeout()), (0, None));
        let snapshot = self.client.snapshot();
        for OneWay { sent, received, lost, lost_in_kernel, lost_on_way, unanswered, .. } in
            [snapshot.up, snapshot.down, snapshot.trip].into_iter().flatten()
        {
            // Forged datagrams may have arrived besides the sent ones.
            assert!(received > sent || sent == received + lost + unanswered, "{snapshot:?}");
            assert_eq!(lost, lost_in_kernel + lost_on_way);
        }
    }
}
