//! Machines at addresses, paths between them, and virtual time: the basis of every state machine's
//! tests. Pure and seeded, so a failing test always fails the same way.
//!
//! Each machine is a *node* with its own up path and down path; a datagram travels the sender's up
//! path, then the receiver's down path. [`Peer`] is a ready-made machine like `nc -u` or a short
//! Python script.
//!
//! ```
//! # use std::time::Duration;
//! # use pigeon_netsim::simulation::{Network, Peer};
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
//! [`Network::step`] advances to the next instant at which anything is due, and acts as the driver.
//! First the up paths forward their due datagrams. Then each node with something due, in the order
//! of addition, gets up to [`BATCH`] datagrams and its timeout, and is drained once. Datagrams it
//! sends over a path without delay are handled in the next step, at the same instant.
//!
//! # Inside
//!
//! - here: [`Network`], its methods for tests, and a datagram's way through it.
//! - `node`: a node's handle, and its host: address, paths, and a machine of any type.
//! - `schedule`: the deadlines of all nodes.
//! - `log`: what happened to datagrams, and its text form.
//! - `peer`: the ready-made machine.

mod log;
mod node;
mod peer;
mod schedule;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::SeedableRng;
use rand_pcg::Pcg64;

use crate::path::{Conditions, ConditionsError, PathCounters};
use log::Log;
use node::{Host, Packet, Slot};
use pigeon_datagram::{Instant, Machine, Received};
use schedule::{Cause, Schedule};

pub use log::{Happening, LogEntry};
pub use node::{Direction, Node};
pub use peer::{Answer, Arrival, Peer};

/// Maximum number of datagrams passed to a node before it is drained: as many as the driver's
/// receive call takes at once, without trains.
pub const BATCH: usize = 64;

/// Maximum number of steps at one instant after the test last acted on a machine. Two machines that
/// answer each other for ever over paths without delay would stop time; this limit fails the test.
const MAX_STEPS_AT_ONE_INSTANT: u32 = 10_000;

/// A network of machines in virtual time.
///
/// Its methods panic if machines keep time from advancing, so that a test finds that fault. They
/// also panic for a [`Node`] of another network, unless this network has a machine of the same type
/// at the same index, which is then used.
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

impl Network {
    /// An empty network at [`Instant::ORIGIN`]. The seed determines all randomness.
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
            log: Log::new(),
        }
    }

    // Nodes.

    /// Adds a machine at an address, and drains it. Its paths' randomness depends on the seed and
    /// on the number of nodes before it. A taken address passes to the new node; the old one can
    /// still send from it but receives nothing.
    pub fn add<M: Machine + 'static>(&mut self, address: SocketAddr, machine: M) -> Node<M> {
        let index = self.hosts.len();
        let host = Host::new(address, machine, &self.default_conditions, &mut self.seeds);
        self.hosts.push(host);
        self.addresses.insert(address, index);
        self.drain(index);
        Node::new(index)
    }

    /// A node's machine; after [`remove`](Network::remove), in its final state.
    pub fn machine<M: Machine + 'static>(&self, node: Node<M>) -> &M {
        &self.slot(node).machine
    }

    /// Calls a function on a machine, such as typing a line, and drains it.
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

    /// All events that the node has reported and no call has taken, with their times.
    pub fn events<M: Machine + 'static>(&self, node: Node<M>) -> &[(Instant, M::Event)] {
        &self.slot(node).events
    }

    /// Takes the node's events.
    pub fn take_events<M: Machine + 'static>(&mut self, node: Node<M>) -> Vec<(Instant, M::Event)> {
        std::mem::take(&mut self.slot_mut(node).events)
    }

    /// Restarts a node with a new machine at the same address and paths, and drains it. Datagrams
    /// in flight stay in flight. Returns the old machine. A removed node becomes present again.
    pub fn replace<M: Machine + 'static>(&mut self, node: Node<M>, machine: M) -> M {
        let old = std::mem::replace(&mut self.slot_mut(node).machine, machine);
        let host = &mut self.hosts[node.index];
        host.is_present = true;
        self.addresses.insert(host.address, node.index);
        self.drain(node.index);
        old
    }

    /// Stops a node: its address has no listener any more (see [`refuses`](Network::refuses)), and
    /// its timers stop. Its datagrams in flight still arrive.
    pub fn remove<M: Machine + 'static>(&mut self, node: Node<M>) {
        self.hosts[node.index].is_present = false;
        self.reschedule(node.index);
    }

    /// Moves a node to another address, as when a client changes networks. The machine is not
    /// notified. Datagrams in flight to the old address are not delivered.
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

    /// Sets the conditions of both paths of every node added from now on; until then paths are
    /// perfect. A datagram between two nodes takes two paths, so these conditions apply twice.
    pub fn default_conditions(&mut self, conditions: Conditions) -> Result<(), ConditionsError> {
        conditions.check()?;
        self.default_conditions = conditions;
        Ok(())
    }

    /// Sets the conditions of one path of a node, for datagrams that enter it from now on.
    pub fn set_conditions<M: Machine + 'static>(
        &mut self,
        node: Node<M>,
        direction: Direction,
        conditions: Conditions,
    ) -> Result<(), ConditionsError> {
        let now = self.now;
        self.hosts[node.index].path_mut(direction).set_conditions(now, conditions)
    }

    /// The counters of one path of a node.
    pub fn statistics<M: Machine + 'static>(
        &self,
        node: Node<M>,
        direction: Direction,
    ) -> &PathCounters {
        self.hosts[node.index].path(direction).statistics()
    }

    /// Whether undeliverable datagrams are answered with ICMP port unreachable (RFC 792). The
    /// answer travels back over paths that may lose it, and then calls [`Machine::handle_refused`]
    /// at the sender. Off by default: undeliverable datagrams vanish, as behind a firewall.
    pub fn refuses(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    // Time.

    /// The current virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Advances to the next instant at which anything is due, and handles it. Returns false if
    /// nothing is due.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.schedule.next() else { return false };
        self.advance_to(at);
        self.count_step();
        while let Some(index) = self.schedule.up_path_due(at) {
            self.hand_on(index);
        }
        for index in self.schedule.nodes_due(at) {
            self.wake(index);
        }
        true
    }

    /// Handles everything due by `end`, and sets the time to `end`.
    pub fn run_until(&mut self, end: Instant) {
        while self.schedule.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.advance_to(end);
    }

    /// Runs for this duration.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs until no datagram is in flight, but for `limit` at most. Due timers fire, but are not
    /// waited for. Returns whether the network is quiet.
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

    /// Limits the log's size in bytes, payloads included; new entries replace the oldest. 4 MiB by
    /// default; zero turns the log off.
    pub fn log_limit(&mut self, bytes: usize) {
        self.log.limit(bytes);
    }

    /// The log entries, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LogEntry> {
        self.log.entries()
    }

    /// The log as text, one entry per line: time in seconds, from, to, event, and the payload with
    /// everything but printable ASCII escaped. Two runs with the same seed and the same calls have
    /// the same transcript.
    pub fn transcript(&self) -> String {
        self.log.transcript()
    }
}

impl Network {
    /// Moves due datagrams from a node's up path into the receivers' down paths.
    fn hand_on(&mut self, index: usize) {
        while let Some(packet) = self.hosts[index].up.poll(self.now) {
            match self.addresses.get(&packet.to()) {
                Some(&to) => self.enter(to, Direction::Down, packet),
                None => self.nobody_there(None, packet),
            }
        }
        self.reschedule(index);
    }

    /// Passes a node its due datagrams and timeout, and drains it.
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
        // The address may have moved to another node while the packet was in flight.
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

    /// Handles a packet without a receiver. If the network refuses, its sender is notified: from
    /// the node at `place` over both paths back, or, without a node, from the middle of the network
    /// over the last path. An undeliverable refusal is not refused in turn (RFC 1122, section
    /// 3.2.2).
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
        let fate = self.hosts[index].path_mut(direction).send(self.now, packet);
        if let Some(copy) = copy {
            let what = match direction {
                Direction::Up => Happening::Up(fate),
                Direction::Down => Happening::Down(fate),
            };
            self.log.record(self.now, copy, what);
        }
        self.reschedule(index);
    }

    /// Drains a machine like the driver does. Collects all transmits before it reads their bytes,
    /// as the contract allows.
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
        // An overdue deadline is due now.
        let soonest = |at: Instant| at.max(self.now);
        self.schedule.set(index, Cause::Up, host.up.poll_timeout().map(soonest));
        self.schedule.set(index, Cause::Down, host.down.poll_timeout().map(soonest));
        self.schedule.set(index, Cause::Timer, timer.map(soonest));
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
                "time stands still: machines answer each other without end, \
                 or a deadline stays in the past",
            );
        }
    }

    fn slot<M: Machine + 'static>(&self, node: Node<M>) -> &Slot<M> {
        self.hosts[node.index].slot()
    }

    fn slot_mut<M: Machine + 'static>(&mut self, node: Node<M>) -> &mut Slot<M> {
        self.hosts[node.index].slot_mut()
    }
}

#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "a test harness: what is wrong must fail the test, not hang it")]
fn fail(what: &str) -> ! {
    panic!("simulation: {what}")
}
