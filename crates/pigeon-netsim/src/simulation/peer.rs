//! A ready-made machine for tests: a plain program that knows nothing of pigeon, as the other end
//! of the machine under test.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

/// A plain program, such as `nc -u` or a Python script: collects received datagrams, and sends
/// those a test requests. It has no events.
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

/// Computes a [`Peer`]'s answer to a datagram, if any.
pub type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// A datagram that a [`Peer`] received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the datagram arrived.
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
    /// A peer that receives from any sender and sends nothing on its own.
    pub fn new() -> Self {
        Peer::default()
    }

    /// A peer with a connected socket: it receives only from `peer`.
    pub fn connected(mut self, peer: SocketAddr) -> Self {
        self.connected = Some(peer);
        self
    }

    /// Makes the peer answer each datagram with the result of `answer`, if any: an echo service is
    /// `|payload| Some(payload.to_vec())`.
    pub fn answering(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }

    /// Makes the peer send a heartbeat now and at every interval. It has one heartbeat; the last
    /// call counts.
    pub fn every(mut self, interval: Duration, to: SocketAddr, payload: &[u8]) -> Self {
        // An interval of zero would stop time.
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

    /// The received datagrams that no call has taken, in order. Unbounded: the test controls what
    /// the peer receives.
    pub fn received(&self) -> &[Arrival] {
        &self.received
    }

    /// Takes the received datagrams.
    pub fn take_received(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.received)
    }

    /// The received datagrams as text; bytes that are not UTF-8 become U+FFFD.
    pub fn texts(&self) -> Vec<String> {
        let text = |arrival: &Arrival| String::from_utf8_lossy(&arrival.payload).into_owned();
        self.received.iter().map(text).collect()
    }

    /// The number of datagrams that a connected socket dropped because another sender sent them.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// The number of ICMP refusals received.
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
