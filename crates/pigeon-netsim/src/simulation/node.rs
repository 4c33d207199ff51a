//! A node: the handle that a test holds, and the host with its address, its two paths and its
//! machine.
//!
//! One list holds hosts with machines of any type, so a host's machine is type-erased; the handle
//! keeps the type, and [`Host::slot`] casts back.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use rand_pcg::Pcg64;

use super::fail;
use crate::path::{Conditions, Datagram, Path};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};

/// Maximum number of events that may wait at a node. A machine that reports more fails the test.
const MAX_EVENTS: usize = 1 << 20;

/// A machine's index in a [`Network`](super::Network), with its type.
pub struct Node<M> {
    pub(super) index: usize,
    machine: PhantomData<fn() -> M>,
}

/// One of a node's two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the node into the network.
    Up,
    /// From the network to the node.
    Down,
}

impl<M> Node<M> {
    pub(super) fn new(index: usize) -> Self {
        Node { index, machine: PhantomData }
    }
}

// A derive would require `M: Clone`.
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

/// A node's state.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    pub(super) is_present: bool,
    pub(super) program: Box<dyn Program>,
    pub(super) up: Path<Packet>,
    pub(super) down: Path<Packet>,
}

impl Host {
    pub(super) fn new<M: Machine + 'static>(
        address: SocketAddr,
        machine: M,
        conditions: &Conditions,
        seeds: &mut Pcg64,
    ) -> Self {
        Host {
            address,
            is_present: true,
            program: Box::new(Slot { machine, events: Vec::new() }),
            up: new_path(conditions, seeds),
            down: new_path(conditions, seeds),
        }
    }

    /// The machine and its events, cast to their types.
    pub(super) fn slot<M: Machine + 'static>(&self) -> &Slot<M> {
        let program: &dyn Any = &*self.program;
        program.downcast_ref().unwrap_or_else(|| fail("this node belongs to another network"))
    }

    pub(super) fn slot_mut<M: Machine + 'static>(&mut self) -> &mut Slot<M> {
        let program: &mut dyn Any = &mut *self.program;
        program.downcast_mut().unwrap_or_else(|| fail("this node belongs to another network"))
    }

    pub(super) fn path(&self, direction: Direction) -> &Path<Packet> {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    pub(super) fn path_mut(&mut self, direction: Direction) -> &mut Path<Packet> {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// A transmit's datagrams, from the requested address or else the host's, and always from the
    /// host's port.
    pub(super) fn datagrams(&self, transmit: &Transmit) -> Vec<Datagram> {
        let ip = transmit.from.unwrap_or(self.address.ip());
        let from = SocketAddr::new(ip, self.address.port());
        let datagram =
            |payload: &[u8]| Datagram { from, to: transmit.to, payload: payload.to_vec() };
        transmit.datagrams(self.program.outbox()).map(datagram).collect()
    }
}

fn new_path(conditions: &Conditions, seeds: &mut Pcg64) -> Path<Packet> {
    // `Network::default_conditions` accepts only valid ones.
    Path::new(conditions.clone(), seeds)
        .unwrap_or_else(|_| fail("the default conditions are unsound"))
}

/// A packet in flight: a datagram, or an ICMP refusal.
#[derive(Clone)]
pub(super) enum Packet {
    Datagram(Datagram),
    Unreachable { from: SocketAddr, to: SocketAddr },
}

impl Packet {
    pub(super) fn from(&self) -> SocketAddr {
        match self {
            Packet::Datagram(datagram) => datagram.from,
            Packet::Unreachable { from, .. } => *from,
        }
    }

    pub(super) fn to(&self) -> SocketAddr {
        match self {
            Packet::Datagram(datagram) => datagram.to,
            Packet::Unreachable { to, .. } => *to,
        }
    }

    pub(super) fn into_payload(self) -> Vec<u8> {
        match self {
            Packet::Datagram(datagram) => datagram.payload,
            Packet::Unreachable { .. } => Vec::new(),
        }
    }
}

// To a path a refusal is an empty datagram: it may be lost, but has no bit to flip.
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

/// The network's interface to a type-erased machine.
pub(super) trait Program: Any {
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>);
    fn handle_refused(&mut self, now: Instant);
    fn handle_timeout(&mut self, now: Instant);
    /// Stores the machine's events and returns its transmits.
    fn drain(&mut self, now: Instant) -> Vec<Transmit>;
    fn outbox(&self) -> &[u8];
    fn poll_timeout(&self) -> Option<Instant>;
}

/// A machine and its events with their times.
pub(super) struct Slot<M: Machine> {
    pub(super) machine: M,
    pub(super) events: Vec<(Instant, M::Event)>,
}

impl<M: Machine + 'static> Program for Slot<M> {
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.machine.handle_datagram(now, datagram);
    }

    fn handle_refused(&mut self, now: Instant) {
        self.machine.handle_refused(now, SocketId::FIRST);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
    }

    fn drain(&mut self, now: Instant) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        // Repeats until both are empty: polling an event may produce another transmit.
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
