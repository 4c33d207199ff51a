//! Machines at addresses, links between them, and virtual time: what tests of every state machine
//! stand on. Pure and seeded, so that a test that failed once fails always.
//!
//! Each machine is a *node* with an up link and a down link of its own; a datagram travels the
//! sender's up link, then the receiver's down link. [`Peer`] is a ready-made machine that does
//! what `nc -u` or ten lines of Python do.
//!
//! ```
//! # use std::time::Duration;
//! # use pigeon_datagram::simulation::{Network, Peer};
//! let mut network = Network::new(1);
//! let (a, b) = ("10.0.0.1:1000".parse()?, "10.0.0.2:2000".parse()?);
//! let alice = network.add(a, Peer::new());
//! let bob = network.add(b, Peer::new());
//! network.act(alice, |peer, _| peer.send(b, b"hello"));
//! network.run_for(Duration::from_secs(1));
//! assert_eq!(network.machine(bob).texts(), ["hello"]);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! # Time
//!
//! [`Network::step`] goes to the next instant at which anything is due, and there plays the
//! driver: first the up links hand on what has arrived; then each node, in the order in which they
//! were added, is handed up to [`BATCH`] datagrams and its timeout, and is then drained once. What
//! it sends at that instant over a link without delay belongs to the next step.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::SeedableRng;
use rand_pcg::Pcg64;

use crate::link::{Conditions, ConditionsError, Datagram, DropReason, Fate, Link, LinkCounters};
use crate::{Instant, Machine, Outbox, Received, Transmit};

/// The most datagrams a node is handed before it is drained: as many as the driver's receive call
/// takes at once.
pub const BATCH: usize = 64;

/// How many steps one instant may take after the test last acted on a machine. Two machines that answer each other for ever over links
/// without delay would never let time go on; here they fail the test.
const MAX_STEPS_AT_ONE_INSTANT: u32 = 10_000;

/// How many events of a node may wait to be taken. A machine that reports more fails the test.
const MAX_EVENTS: usize = 1 << 20;

/// How many bytes the log keeps unless told otherwise.
const LOG_BYTES: usize = 4 << 20;

/// What an entry of the log costs beside its payload.
const LOG_ENTRY_BYTES: usize = size_of::<LogEntry>();

/// A deadline that never comes: [`Instant`] saturates there.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// A network of machines in virtual time.
///
/// Its methods panic if they are given a [`Node`] of another network, and if machines keep it
/// from ever moving on: both are mistakes of the test, or what the test is there to find.
pub struct Network {
    now: Instant,
    steps_now: u32,
    seeds: Pcg64,
    default_conditions: Conditions,
    refuses: bool,
    hosts: Vec<Host>,
    addresses: BTreeMap<SocketAddr, usize>,
    schedule: Schedule,
    log: Log,
}

/// A machine's place in a [`Network`], typed so that the machine comes back as what it is.
pub struct Node<M> {
    index: usize,
    machine: PhantomData<fn() -> M>,
}

/// One of a node's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the node into the network.
    Up,
    /// From the network to the node.
    Down,
}

impl Network {
    /// An empty network at [`Instant::ORIGIN`]. The seed decides all that chance decides.
    pub fn new(seed: u64) -> Self {
        Network {
            now: Instant::ORIGIN,
            steps_now: 0,
            seeds: Pcg64::seed_from_u64(seed),
            default_conditions: Conditions::default(),
            refuses: false,
            hosts: Vec::new(),
            addresses: BTreeMap::new(),
            schedule: Schedule::default(),
            log: Log { limit: LOG_BYTES, ..Log::default() },
        }
    }

    // Nodes.

    /// Puts a machine at an address, and drains it. Its links' randomness depends on the seed and
    /// on how many nodes were added before it. A taken address passes to the newcomer; whoever
    /// had it still sends from it, but hears nothing.
    pub fn add<M: Machine + 'static>(&mut self, address: SocketAddr, machine: M) -> Node<M> {
        let index = self.hosts.len();
        self.hosts.push(Host {
            address,
            is_present: true,
            program: Box::new(Slot { machine, events: Vec::new() }),
            up: new_link(&self.default_conditions, &mut self.seeds),
            down: new_link(&self.default_conditions, &mut self.seeds),
        });
        self.addresses.insert(address, index);
        self.drain(index);
        Node { index, machine: PhantomData }
    }

    /// The machine at a node; after [`remove`](Network::remove), as it was at the end.
    pub fn machine<M: Machine + 'static>(&self, node: Node<M>) -> &M {
        &self.slot(node).machine
    }

    /// Does something to a machine, such as typing a line, and drains it.
    pub fn act<M: Machine + 'static, R>(
        &mut self,
        node: Node<M>,
        action: impl FnOnce(&mut M, Instant) -> R,
    ) -> R {
        self.steps_now = 0;
        let now = self.now;
        let result = action(&mut self.slot_mut(node).machine, now);
        self.drain(node.index);
        result
    }

    /// Everything the node has reported and when, but what was taken.
    pub fn events<M: Machine + 'static>(&self, node: Node<M>) -> &[(Instant, M::Event)] {
        &self.slot(node).events
    }

    /// Takes what the node has reported.
    pub fn take_events<M: Machine + 'static>(&mut self, node: Node<M>) -> Vec<(Instant, M::Event)> {
        std::mem::take(&mut self.slot_mut(node).events)
    }

    /// Restarts a node: the same address and links, another machine, which is drained. Datagrams
    /// on the way stay on the way. Returns the old machine. A removed node comes back.
    pub fn replace<M: Machine + 'static>(&mut self, node: Node<M>, machine: M) -> M {
        let old = std::mem::replace(&mut self.slot_mut(node).machine, machine);
        let host = &mut self.hosts[node.index];
        host.is_present = true;
        self.addresses.insert(host.address, node.index);
        self.drain(node.index);
        old
    }

    /// Ends a node: nobody listens there any more (see [`refuses`](Network::refuses)), and its
    /// timers stop. What it has sent still arrives.
    pub fn remove<M: Machine + 'static>(&mut self, node: Node<M>) {
        self.hosts[node.index].is_present = false;
        self.reschedule(node.index);
    }

    /// Moves a node to another address, as when a client's network changes. The machine is not
    /// told. What is on the way to the old address finds nobody.
    pub fn readdress<M: Machine + 'static>(&mut self, node: Node<M>, address: SocketAddr) {
        let old = std::mem::replace(&mut self.hosts[node.index].address, address);
        if self.addresses.get(&old) == Some(&node.index) {
            self.addresses.remove(&old);
        }
        self.addresses.insert(address, node.index);
    }

    /// A node's address.
    pub fn address<M: Machine + 'static>(&self, node: Node<M>) -> SocketAddr {
        self.hosts[node.index].address
    }

    // The network.

    /// Sets the conditions of both links of every node added from now on. The first is a perfect
    /// link. A datagram between two nodes travels two links, and meets these conditions twice.
    pub fn default_conditions(&mut self, conditions: Conditions) -> Result<(), ConditionsError> {
        conditions.check()?;
        self.default_conditions = conditions;
        Ok(())
    }

    /// Sets the conditions of one link of a node, for what enters it from now on.
    pub fn set_conditions<M: Machine + 'static>(
        &mut self,
        node: Node<M>,
        direction: Direction,
        conditions: Conditions,
    ) -> Result<(), ConditionsError> {
        let now = self.now;
        self.hosts[node.index].link_mut(direction).set_conditions(now, conditions)
    }

    /// What has happened on one link of a node.
    pub fn statistics<M: Machine + 'static>(
        &self,
        node: Node<M>,
        direction: Direction,
    ) -> &LinkCounters {
        let host = &self.hosts[node.index];
        match direction {
            Direction::Up => host.up.statistics(),
            Direction::Down => host.down.statistics(),
        }
    }

    /// Whether a datagram that finds nobody is answered with ICMP port unreachable (RFC 792),
    /// which calls [`Machine::handle_refused`] at its sender once it has found its way back, over
    /// links that may lose it. At first it is not: such datagrams vanish, as behind a firewall.
    pub fn refuses(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    // Time.

    /// The present.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Goes to the next instant at which anything is due and lets it happen. `false`: nothing is.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.schedule.next() else { return false };
        self.advance_to(at);
        self.count_step();
        while let Some(index) = self.schedule.due(at, Cause::Up) {
            self.hand_on(index);
        }
        for index in self.schedule.nodes_due(at) {
            self.wake(index);
        }
        true
    }

    /// Lets everything happen that is due by `end`, which is then the present.
    pub fn run_until(&mut self, end: Instant) {
        while self.schedule.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.advance_to(end);
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs until no datagram is on the way any more, but for `limit` at most. Timers count as
    /// time passes, but are not waited for. Returns whether it is quiet.
    pub fn run_until_quiet(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        while self.schedule.has_datagrams() {
            if self.schedule.next().is_none_or(|at| at > end) {
                self.advance_to(end);
                return false;
            }
            self.step();
        }
        true
    }

    // The log.

    /// Sets how many bytes the log keeps, payloads included; the oldest entries make room for new
    /// ones. At first 4 MiB; zero turns it off.
    pub fn log_limit(&mut self, bytes: usize) {
        self.log.limit = bytes;
        self.log.shrink();
    }

    /// What has happened to datagrams, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LogEntry> {
        self.log.entries.iter()
    }

    /// The log as text, an entry a line: time in seconds, from, to, what happened, and the payload
    /// with all but printable ASCII escaped. Two runs with the same seed and the same calls have the same transcript.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        if self.log.forgotten > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "({} earlier entries forgotten)", self.log.forgotten);
        }
        for entry in &self.log.entries {
            let _ = writeln!(text, "{entry}");
        }
        text
    }
}

// A derive would ask for `M: Copy`.
impl<M> Clone for Node<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Node<M> {}

impl<M> PartialEq for Node<M> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<M> Eq for Node<M> {}

impl<M> fmt::Debug for Node<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.index)
    }
}

/// One thing that happened to one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Instant,
    /// The sender.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// The bytes, as they were then: a bit that flips shows from the next entry on.
    pub payload: Vec<u8>,
    /// What happened.
    pub what: Happening,
}

/// What may happen to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It entered the sender's up link.
    Up(Fate),
    /// It entered the receiver's down link.
    Down(Fate),
    /// A machine was handed it.
    Delivered,
    /// Nobody was there to take it.
    NobodyThere,
    /// A machine was told that nobody takes what it sends. `from` is who said so; no payload.
    Refused,
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogEntry { at, from, to, payload, what } = self;
        write!(f, "{} {from} > {to} {what} \"{}\"", Seconds(*at), payload.escape_ascii())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Up(fate) => write!(f, "up: {}", FateText(fate)),
            Happening::Down(fate) => write!(f, "down: {}", FateText(fate)),
            Happening::Delivered => f.write_str("delivered"),
            Happening::NobodyThere => f.write_str("nobody there"),
            Happening::Refused => f.write_str("refused"),
        }
    }
}

struct FateText<'a>(&'a Fate);

impl fmt::Display for FateText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.0 {
            Fate::Carried { due, held_back, corrupted_bit, copy_due } => {
                write!(f, "due {}", Seconds(due))?;
                if held_back {
                    f.write_str(", held back")?;
                }
                if let Some(bit) = corrupted_bit {
                    write!(f, ", bit {bit} flipped")?;
                }
                if let Some(copy_due) = copy_due {
                    write!(f, ", copy due {}", Seconds(copy_due))?;
                }
                Ok(())
            }
            Fate::Dropped(reason) => f.write_str(match reason {
                DropReason::Mtu => "larger than the MTU",
                DropReason::QueueFull => "queue full",
                DropReason::Lost => "lost",
                DropReason::InFlightFull => "too much in flight",
            }),
        }
    }
}

struct Seconds(Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

/// A plain program, such as `nc -u` or a Python script: collects what it receives, and sends what
/// a test tells it to. It has no events.
#[derive(Debug, Default)]
pub struct Peer {
    connected: Option<SocketAddr>,
    answer: Option<Answer>,
    heartbeat: Option<Heartbeat>,
    received: Vec<Arrival>,
    strangers: u64,
    refused: u64,
    outbox: Outbox,
}

/// What a [`Peer`] makes of a datagram it hears: its answer, if it has one.
pub type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// A datagram that a [`Peer`] received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// The sender.
    pub from: SocketAddr,
    /// The bytes.
    pub payload: Vec<u8>,
}

#[derive(Debug)]
struct Heartbeat {
    next: Instant,
    interval: Duration,
    to: SocketAddr,
    payload: Vec<u8>,
}

impl Peer {
    /// A peer that hears everyone and says nothing by itself.
    pub fn new() -> Self {
        Peer::default()
    }

    /// A peer with a connected socket: it hears only `peer`.
    pub fn connected(mut self, peer: SocketAddr) -> Self {
        self.connected = Some(peer);
        self
    }

    /// A peer that answers each datagram it hears with what `answer` makes of it, if anything:
    /// an echo service is `|payload| Some(payload.to_vec())`.
    pub fn answering(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }

    /// A peer that sends this at once and then at every interval, as a heartbeat. It has one such
    /// datagram; the last call counts.
    pub fn every(mut self, interval: Duration, to: SocketAddr, payload: &[u8]) -> Self {
        // An interval of zero would keep time from going on.
        let interval = interval.max(Duration::from_nanos(1));
        let payload = payload.to_vec();
        self.heartbeat = Some(Heartbeat { next: Instant::ORIGIN, interval, to, payload });
        self
    }

    /// Sends a datagram.
    pub fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        self.outbox.reset_if_drained();
        self.outbox.send(to, None, payload);
    }

    /// What it has received, but what was taken, in order. The test that lets it receive bounds it.
    pub fn received(&self) -> &[Arrival] {
        &self.received
    }

    /// Takes what it has received.
    pub fn take_received(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.received)
    }

    /// What it has received as text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn texts(&self) -> Vec<String> {
        let text = |arrival: &Arrival| String::from_utf8_lossy(&arrival.payload).into_owned();
        self.received.iter().map(text).collect()
    }

    /// How many datagrams a connected socket kept from it, because others had sent them.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// How often it was told that nobody listens at the far side.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Machine for Peer {
    type Event = std::convert::Infallible;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        if self.connected.is_some_and(|peer| peer != datagram.from) {
            self.strangers += 1;
            return;
        }
        let payload = datagram.payload.to_vec();
        if let Some(answer) = self.answer.and_then(|answer| answer(&payload)) {
            self.outbox.send(datagram.from, datagram.local, &answer);
        }
        self.received.push(Arrival { at: now, from: datagram.from, payload });
    }

    fn handle_refused(&mut self, _now: Instant) {
        self.outbox.reset_if_drained();
        self.refused += 1;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        if let Some(heartbeat) = &mut self.heartbeat
            && heartbeat.next <= now
        {
            heartbeat.next = now + heartbeat.interval;
            self.outbox.send(heartbeat.to, None, &heartbeat.payload);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.heartbeat.as_ref().map(|heartbeat| heartbeat.next)
    }
}

// What the network does inside.

impl Network {
    /// What has come out of a node's up link enters the down links of those it is for.
    fn hand_on(&mut self, index: usize) {
        while let Some(packet) = self.hosts[index].up.poll(self.now) {
            match self.addresses.get(&packet.to()) {
                Some(&to) => self.enter(to, Direction::Down, packet),
                None => self.nobody_there(None, packet),
            }
        }
        self.reschedule(index);
    }

    /// A node is handed what is due, and drained.
    fn wake(&mut self, index: usize) {
        for _ in 0..BATCH {
            let Some(packet) = self.hosts[index].down.poll(self.now) else { break };
            self.deliver(index, packet);
        }
        let host = &mut self.hosts[index];
        if host.is_present && host.program.poll_timeout().is_some_and(|at| at <= self.now) {
            host.program.handle_timeout(self.now);
        }
        self.drain(index);
    }

    fn deliver(&mut self, index: usize, packet: Packet) {
        let host = &mut self.hosts[index];
        // The address may have changed hands while the packet was on the way.
        if !host.is_present || host.address != packet.to() {
            return self.nobody_there(Some(index), packet);
        }
        let what = match &packet {
            Packet::Datagram(datagram) => {
                let local = Some(datagram.to.ip());
                let received =
                    Received { local, ..Received::new(datagram.from, &datagram.payload) };
                host.program.handle_datagram(self.now, &received);
                Happening::Delivered
            }
            Packet::Unreachable { .. } => {
                host.program.handle_refused(self.now);
                Happening::Refused
            }
        };
        self.log.record(self.now, packet, what);
    }

    /// Nobody takes a packet. If the network refuses, its sender is told: by the node at `place`
    /// where it ended, over both links of the way back, or from the middle of the network, over
    /// the last of them. Of a lost refusal nobody is told (RFC 1122, section 3.2.2).
    fn nobody_there(&mut self, place: Option<usize>, packet: Packet) {
        let (from, to) = (packet.from(), packet.to());
        let is_refused = self.refuses && matches!(packet, Packet::Datagram(_));
        self.log.record(self.now, packet, Happening::NobodyThere);
        if !is_refused {
            return;
        }
        let refusal = Packet::Unreachable { from: to, to: from };
        match (place, self.addresses.get(&from)) {
            (Some(place), _) => self.enter(place, Direction::Up, refusal),
            (None, Some(&sender)) => self.enter(sender, Direction::Down, refusal),
            (None, None) => {}
        }
    }

    fn enter(&mut self, index: usize, direction: Direction, packet: Packet) {
        let copy = self.log.is_kept().then(|| packet.clone());
        let fate = self.hosts[index].link_mut(direction).send(self.now, packet);
        if let Some(copy) = copy {
            let what = match direction {
                Direction::Up => Happening::Up(fate),
                Direction::Down => Happening::Down(fate),
            };
            self.log.record(self.now, copy, what);
        }
        self.reschedule(index);
    }

    /// Empties a machine after it was handed something, as the driver does. All transmits are
    /// gathered before the first of their bytes is read: the contract allows it.
    fn drain(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let transmits = host.program.drain(self.now);
        if host.is_present {
            for transmit in &transmits {
                for datagram in self.hosts[index].datagrams(transmit) {
                    self.enter(index, Direction::Up, Packet::Datagram(datagram));
                }
            }
        }
        self.reschedule(index);
    }

    fn reschedule(&mut self, index: usize) {
        let host = &self.hosts[index];
        let timer = host.program.poll_timeout().filter(|_| host.is_present);
        let soonest = |at: Option<Instant>| Some(at?.max(self.now)).filter(|&at| at < NEVER);
        self.schedule.set(index, Cause::Up, soonest(host.up.poll_timeout()));
        self.schedule.set(index, Cause::Down, soonest(host.down.poll_timeout()));
        self.schedule.set(index, Cause::Timer, soonest(timer));
    }

    fn advance_to(&mut self, at: Instant) {
        if at > self.now {
            self.now = at;
            self.steps_now = 0;
        }
    }

    fn count_step(&mut self) {
        self.steps_now += 1;
        if self.steps_now > MAX_STEPS_AT_ONE_INSTANT {
            fail(
                "time stands still: machines answer each other without end, or a deadline stays in the past",
            );
        }
    }

    fn slot<M: Machine + 'static>(&self, node: Node<M>) -> &Slot<M> {
        let program: &dyn Any = &*self.hosts[node.index].program;
        program.downcast_ref().unwrap_or_else(|| fail("this node belongs to another network"))
    }

    fn slot_mut<M: Machine + 'static>(&mut self, node: Node<M>) -> &mut Slot<M> {
        let program: &mut dyn Any = &mut *self.hosts[node.index].program;
        program.downcast_mut().unwrap_or_else(|| fail("this node belongs to another network"))
    }
}

#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "a test harness: what is wrong must fail the test, not hang it")]
fn fail(what: &str) -> ! {
    panic!("simulation: {what}")
}

/// A node from inside.
struct Host {
    address: SocketAddr,
    is_present: bool,
    program: Box<dyn Program>,
    up: Link<Packet>,
    down: Link<Packet>,
}

impl Host {
    fn link_mut(&mut self, direction: Direction) -> &mut Link<Packet> {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn datagrams(&self, transmit: &Transmit) -> Vec<Datagram> {
        let ip = transmit.from.unwrap_or(self.address.ip());
        let from = SocketAddr::new(ip, self.address.port());
        let datagram =
            |payload: &[u8]| Datagram { from, to: transmit.to, payload: payload.to_vec() };
        transmit.datagrams(self.program.outbox()).map(datagram).collect()
    }
}

fn new_link(conditions: &Conditions, seeds: &mut Pcg64) -> Link<Packet> {
    // `default_conditions` let only sound ones in.
    Link::new(conditions.clone(), seeds)
        .unwrap_or_else(|_| fail("the default conditions are unsound"))
}

/// What travels: a datagram, or the news that one was refused.
#[derive(Clone)]
enum Packet {
    Datagram(Datagram),
    Unreachable { from: SocketAddr, to: SocketAddr },
}

impl Packet {
    fn from(&self) -> SocketAddr {
        match self {
            Packet::Datagram(datagram) => datagram.from,
            Packet::Unreachable { from, .. } => *from,
        }
    }

    fn to(&self) -> SocketAddr {
        match self {
            Packet::Datagram(datagram) => datagram.to,
            Packet::Unreachable { to, .. } => *to,
        }
    }
}

// To a link a refusal is an empty datagram: it may be lost, but has no bit to flip.
impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        match self {
            Packet::Datagram(datagram) => datagram.as_ref(),
            Packet::Unreachable { .. } => &[],
        }
    }
}

impl AsMut<[u8]> for Packet {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Packet::Datagram(datagram) => datagram.as_mut(),
            Packet::Unreachable { .. } => &mut [],
        }
    }
}

/// A machine and its events, whatever their types; [`Network::slot`] finds the types again.
trait Program: Any {
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>);
    fn handle_refused(&mut self, now: Instant);
    fn handle_timeout(&mut self, now: Instant);
    fn drain(&mut self, now: Instant) -> Vec<Transmit>;
    fn outbox(&self) -> &[u8];
    fn poll_timeout(&self) -> Option<Instant>;
}

struct Slot<M: Machine> {
    machine: M,
    events: Vec<(Instant, M::Event)>,
}

impl<M: Machine + 'static> Program for Slot<M> {
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.machine.handle_datagram(now, datagram);
    }

    fn handle_refused(&mut self, now: Instant) {
        self.machine.handle_refused(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
    }

    fn drain(&mut self, now: Instant) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        // Until both are empty: to take an event may bring out another transmit.
        loop {
            let before = (transmits.len(), self.events.len());
            transmits.extend(std::iter::from_fn(|| self.machine.poll_transmit()));
            self.events.extend(std::iter::from_fn(|| Some((now, self.machine.poll_event()?))));
            if before == (transmits.len(), self.events.len()) {
                break;
            }
        }
        if self.events.len() > MAX_EVENTS {
            fail("a machine reports without end, and nobody takes its events");
        }
        transmits
    }

    fn outbox(&self) -> &[u8] {
        self.machine.outbox()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }
}

/// What is due when: for each node its two links and its timer. Ordered, so that the next thing
/// is found without asking every node.
#[derive(Default)]
struct Schedule {
    deadlines: BTreeMap<(usize, Cause), Instant>,
    order: BTreeSet<(Instant, Cause, usize)>,
    /// How many of the deadlines are links'.
    datagrams: usize,
}

/// In the order in which they are seen to at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Up,
    Down,
    Timer,
}

impl Schedule {
    fn set(&mut self, index: usize, cause: Cause, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.deadlines.insert((index, cause), at),
            None => self.deadlines.remove(&(index, cause)),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, cause, index));
            self.datagrams -= usize::from(cause != Cause::Timer);
        }
        if let Some(at) = at {
            self.order.insert((at, cause, index));
            self.datagrams += usize::from(cause != Cause::Timer);
        }
    }

    fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, ..)| at)
    }

    /// The first node for which this cause is due at `at`.
    fn due(&self, at: Instant, cause: Cause) -> Option<usize> {
        let &(_, _, index) = self.order.range((at, cause, 0)..=(at, cause, usize::MAX)).next()?;
        Some(index)
    }

    /// The nodes with a datagram or a timer due at `at`, each once.
    fn nodes_due(&self, at: Instant) -> BTreeSet<usize> {
        let due = self.order.range((at, Cause::Down, 0)..=(at, Cause::Timer, usize::MAX));
        due.map(|&(_, _, index)| index).collect()
    }

    fn has_datagrams(&self) -> bool {
        self.datagrams > 0
    }
}

/// What has happened, as far as `limit` bytes reach back.
#[derive(Default)]
struct Log {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    limit: usize,
    forgotten: u64,
}

impl Log {
    fn is_kept(&self) -> bool {
        self.limit > 0
    }

    fn record(&mut self, at: Instant, packet: Packet, what: Happening) {
        if !self.is_kept() {
            return;
        }
        let (from, to) = (packet.from(), packet.to());
        let payload = match packet {
            Packet::Datagram(datagram) => datagram.payload,
            Packet::Unreachable { .. } => Vec::new(),
        };
        self.bytes += LOG_ENTRY_BYTES + payload.len();
        self.entries.push_back(LogEntry { at, from, to, payload, what });
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= LOG_ENTRY_BYTES + oldest.payload.len();
            self.forgotten += 1;
        }
    }
}
