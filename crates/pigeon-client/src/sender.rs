//! Sends datagrams at a rate, and receives replies.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

use crate::listener::{Heard, Listener};

/// Maximum number of datagrams queued in a sender.
pub const SENDER_QUEUE: usize = 256;

/// Sends datagrams in order, and reports arrivals.
///
/// Its events are a [`Listener`]'s: arrivals, a refusal, and `Over` after everything has been sent
/// and the wait for replies has ended.
#[derive(Debug)]
pub struct Sender {
    to: SocketAddr,
    /// The time between two datagrams; zero means without delay.
    every: Duration,
    /// How long to wait for replies after the last datagram was sent.
    wait: Duration,
    queue: VecDeque<(u64, Box<[u8]>)>,
    /// The positions and numbers of the datagrams in the outbox.
    leaving: Vec<(Range<usize>, u64)>,
    /// When the next datagram is due.
    next: Instant,
    finished: bool,
    sent: u64,
    listener: Listener,
    is_waiting: bool,
    outbox: Outbox,
}

impl Sender {
    /// A sender of datagrams to one address.
    pub fn new(now: Instant, to: SocketAddr, every: Duration, wait: Duration) -> Self {
        Sender {
            to,
            every,
            wait,
            queue: VecDeque::new(),
            leaving: Vec::new(),
            next: now,
            finished: false,
            sent: 0,
            listener: Listener::default(),
            is_waiting: false,
            outbox: Outbox::new(),
        }
    }

    /// The number of datagrams passed to the driver.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether one more datagram may be pushed.
    pub fn has_room(&self) -> bool {
        self.queue.len() < SENDER_QUEUE
    }

    /// Queues a datagram, with a number for events about it. Returns it if the queue is full.
    pub fn push(&mut self, now: Instant, number: u64, payload: Box<[u8]>) -> Result<(), Box<[u8]>> {
        self.reset_if_drained();
        if !self.has_room() {
            return Err(payload);
        }
        if self.queue.is_empty() {
            // After a pause in the input there is no burst to catch up.
            self.next = self.next.max(now);
        }
        self.queue.push_back((number, payload));
        self.go_on(now);
        Ok(())
    }

    /// Declares the input complete.
    pub fn finish(&mut self, now: Instant) {
        self.reset_if_drained();
        self.finished = true;
        self.go_on(now);
    }

    /// Whether everything has been sent, so that only replies are awaited.
    pub fn is_done(&self) -> bool {
        self.is_waiting
    }

    fn reset_if_drained(&mut self) {
        if self.outbox.is_drained() {
            self.leaving.clear();
        }
        self.outbox.reset_if_drained();
    }

    /// Sends the due datagrams.
    fn go_on(&mut self, now: Instant) {
        let was_full = !self.has_room();
        while self.next <= now {
            let Some((number, payload)) = self.queue.pop_front() else { break };
            let range = self.outbox.append(|bytes| bytes.extend_from_slice(&payload));
            self.leaving.push((range.clone(), number));
            self.outbox.queue(self.to, None, range);
            self.sent += 1;
            // Counted from the due time, so that a late timer does not lower the rate.
            self.next = self.next + self.every;
        }
        if was_full && self.has_room() {
            self.listener.report(Heard::Room);
        }
        if self.finished && self.queue.is_empty() && !self.is_waiting {
            self.is_waiting = true;
            self.listener = std::mem::take(&mut self.listener).until(now + self.wait);
        }
    }
}

impl Machine for Sender {
    type Event = Heard;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.reset_if_drained();
        self.listener.handle_datagram(now, datagram);
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.reset_if_drained();
        self.listener.handle_refused(now, socket);
    }

    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        self.reset_if_drained();
        if peer == self.to {
            self.listener.handle_refused(now, socket);
        }
    }

    fn handle_undelivered(
        &mut self,
        _: Instant,
        _: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        self.reset_if_drained();
        if peer.is_none_or(|peer| peer == self.to) {
            self.listener.report(Heard::Undelivered { passing });
        }
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, _: u64) {
        let place = self.leaving.iter().position(|(range, _)| *range == transmit.range);
        if let Some(place) = place {
            // Empty datagrams may have the same range.
            let (_, number) = self.leaving.swap_remove(place);
            self.listener.report(Heard::Unsent(number));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.reset_if_drained();
        self.go_on(now);
        self.listener.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Heard> {
        self.listener.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = (!self.queue.is_empty()).then_some(self.next);
        next.into_iter().chain(self.listener.poll_timeout()).min()
    }
}

#[cfg(test)]
mod tests {
    use pigeon_netsim::simulation::{Network, Node, Peer};

    use super::*;

    fn network(every: u64, wait: u64) -> (Network, Node<Peer>, Node<Sender>) {
        let mut network = Network::new(1);
        let to = SocketAddr::from(([10, 0, 0, 1], 7));
        let peer = network.add(to, Peer::new().answering(|payload| Some(payload.to_vec())));
        let [every, wait] = [every, wait].map(Duration::from_millis);
        let sender = Sender::new(network.now(), to, every, wait);
        let sender = network.add(SocketAddr::from(([10, 0, 0, 2], 8)), sender);
        (network, peer, sender)
    }

    fn push(network: &mut Network, sender: Node<Sender>, text: &str) -> bool {
        let payload = text.as_bytes().into();
        network.act(sender, |sender, now| sender.push(now, 1, payload).is_ok())
    }

    #[test]
    fn the_pace_is_kept_from_the_first_datagram_on() {
        let (mut network, peer, sender) = network(100, 500);
        for n in 0..5 {
            assert!(push(&mut network, sender, &n.to_string()));
        }
        network.act(sender, |sender, now| sender.finish(now));
        network.run_for(Duration::from_secs(5));
        let times: Vec<u64> =
            network.machine(peer).received().iter().map(|a| a.at.as_nanos() / 1_000_000).collect();
        assert_eq!(times, [0, 100, 200, 300, 400]);
        let events = network.events(sender);
        assert_eq!(events.len(), 6, "five replies and the end");
        let (end, last) = events.last().unwrap();
        assert_eq!((end.as_nanos() / 1_000_000, last), (900, &Heard::Over));
    }

    #[test]
    fn a_pause_in_the_input_is_not_made_up_for() {
        let (mut network, peer, sender) = network(100, 0);
        push(&mut network, sender, "a");
        network.run_for(Duration::from_secs(2));
        push(&mut network, sender, "b");
        push(&mut network, sender, "c");
        network.run_for(Duration::from_secs(1));
        let times: Vec<u64> =
            network.machine(peer).received().iter().map(|a| a.at.as_nanos() / 1_000_000).collect();
        assert_eq!(times, [0, 2_000, 2_100]);
    }

    #[test]
    fn what_does_not_leave_is_reported_by_its_number() {
        let to = SocketAddr::from(([10, 0, 0, 1], 7));
        let now = Instant::ORIGIN;
        let mut sender = Sender::new(now, to, Duration::ZERO, Duration::ZERO);
        for (number, text) in [(3, "three"), (5, "five"), (8, "eight")] {
            sender.push(now, number, text.as_bytes().into()).unwrap();
        }
        let transmits: Vec<Transmit> = std::iter::from_fn(|| sender.poll_transmit()).collect();
        sender.handle_unsent(now, &transmits[1], 1);
        assert_eq!(sender.poll_event(), Some(Heard::Unsent(5)));
        // The error concerns the datagram's destination.
        let other = SocketAddr::from(([10, 0, 0, 9], 7));
        sender.handle_undelivered(now, SocketId::FIRST, Some(other), false);
        sender.handle_refused_by(now, SocketId::FIRST, other);
        assert_eq!(sender.poll_event(), None);
        sender.handle_undelivered(now, SocketId::FIRST, Some(to), true);
        assert_eq!(sender.poll_event(), Some(Heard::Undelivered { passing: true }));
        sender.handle_refused_by(now, SocketId::FIRST, to);
        assert_eq!(sender.poll_event(), Some(Heard::Refused));
    }

    #[test]
    fn the_queue_is_bounded_and_without_a_pace_always_empty() {
        let (mut network, _, sender) = network(1_000, 0);
        let taken = (0..1_000).filter(|n| push(&mut network, sender, &n.to_string())).count();
        assert_eq!(taken, SENDER_QUEUE + 1);
        let (mut network, peer, sender) = self::network(0, 0);
        assert!((0..1_000).all(|n| push(&mut network, sender, &n.to_string())));
        network.act(sender, |sender, now| sender.finish(now));
        network.run_for(Duration::from_secs(1));
        assert_eq!(network.machine(peer).texts().len(), 1_000);
    }
}
