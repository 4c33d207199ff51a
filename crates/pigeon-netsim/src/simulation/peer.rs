//! A ready-made machine for tests: what a plain program that knows nothing of pigeon does. With it
//! a test of one machine needs no second one of its own.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

/// A plain program, such as `nc -u` or a Python script: collects what it receives, and sends what a
/// test asks it to. It has no events.
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

    /// A peer that sends this at once and then at every interval, as a heartbeat. It has one
    /// heartbeat; the last call counts.
    pub fn every(mut self, interval: Duration, to: SocketAddr, payload: &[u8]) -> Self {
        // At an interval of zero time would stand still.
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

    /// What it has received and nobody took, in order. The test that lets it receive bounds it.
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

    /// How often it learned that nobody listens at the far side.
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

    fn handle_refused(&mut self, _now: Instant, _: SocketId) {
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
