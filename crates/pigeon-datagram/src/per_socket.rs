//! Several machines of one kind as one machine, each with its own socket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::{Instant, Machine, Received, SocketId, Transmit};

/// One machine per socket: the socket's number is the machine's index. One loop drives them all;
/// separate loops would need a thread each.
///
/// Events carry the socket of the machine that reported them. Datagrams at a socket without a
/// machine are ignored.
#[derive(Debug)]
pub struct PerSocket<M> {
    machines: Vec<M>,
    /// Machines that may have something to send.
    to_send: Turns,
    /// Machines that may have an event. Separate from `to_send`, because a machine may get
    /// something to send between two events.
    to_report: Turns,
}

/// Indices of machines in round-robin order, without duplicates.
#[derive(Debug)]
struct Turns {
    queue: VecDeque<u16>,
    is_queued: Vec<bool>,
}

impl Turns {
    fn of_all(count: usize) -> Turns {
        Turns { queue: (0..=u16::MAX).take(count).collect(), is_queued: vec![true; count] }
    }

    fn add(&mut self, socket: SocketId) {
        if let Some(is_queued) = self.is_queued.get_mut(socket.index())
            && !std::mem::replace(is_queued, true)
        {
            self.queue.push_back(socket.number());
        }
    }

    /// Polls the machines in turn, and returns the first result. Machines without a result leave
    /// the queue.
    fn poll<T>(&mut self, mut poll: impl FnMut(SocketId) -> Option<T>) -> Option<(SocketId, T)> {
        while let Some(&place) = self.queue.front() {
            let socket = SocketId::new(place);
            if let Some(polled) = poll(socket) {
                return Some((socket, polled));
            }
            self.queue.pop_front();
            self.is_queued[socket.index()] = false;
        }
        None
    }
}

impl<M> PerSocket<M> {
    /// The machines, in the order of their sockets. Machines beyond 65,536 are dropped.
    pub fn new(machines: impl IntoIterator<Item = M>) -> Self {
        let machines: Vec<M> = machines.into_iter().zip(0..=u16::MAX).map(|(m, _)| m).collect();
        // Every machine is polled once at the start: it may have something to send at once.
        let turns = || Turns::of_all(machines.len());
        PerSocket { to_send: turns(), to_report: turns(), machines }
    }

    /// The machine of a socket.
    pub fn get(&self, socket: SocketId) -> Option<&M> {
        self.machines.get(socket.index())
    }

    /// The machine of a socket, mutably.
    pub fn get_mut(&mut self, socket: SocketId) -> Option<&mut M> {
        let machine = self.machines.get_mut(socket.index())?;
        self.to_send.add(socket);
        self.to_report.add(socket);
        Some(machine)
    }

    /// The machines, in the order of their sockets.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.machines.iter()
    }

    /// The machines' sockets.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> + use<M> {
        (0..=u16::MAX).take(self.machines.len()).map(SocketId::new)
    }
}

impl<M: Machine> Machine for PerSocket<M> {
    type Event = (SocketId, M::Event);

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        if let Some(machine) = self.get_mut(datagram.socket) {
            machine.handle_datagram(now, datagram);
        }
    }

    fn handle_joined(&mut self, now: Instant, joined: &Received<'_>, segment: usize) {
        if let Some(machine) = self.get_mut(joined.socket) {
            machine.handle_joined(now, joined, segment);
        }
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        if let Some(machine) = self.get_mut(socket) {
            machine.handle_refused(now, socket);
        }
    }

    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        if let Some(machine) = self.get_mut(socket) {
            machine.handle_refused_by(now, socket, peer);
        }
    }

    fn handle_undelivered(
        &mut self,
        now: Instant,
        socket: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        if let Some(machine) = self.get_mut(socket) {
            machine.handle_undelivered(now, socket, peer, passing);
        }
    }

    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        if let Some(machine) = self.get_mut(transmit.socket) {
            machine.handle_unsent(now, transmit, datagrams);
        }
    }

    fn handle_kernel_drops(&mut self, now: Instant, socket: SocketId, total: u64) {
        if let Some(machine) = self.get_mut(socket) {
            machine.handle_kernel_drops(now, socket, total);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        for socket in self.sockets() {
            let deadline = self.get(socket).and_then(M::poll_timeout);
            if deadline.is_some_and(|deadline| deadline <= now)
                && let Some(machine) = self.get_mut(socket)
            {
                machine.handle_timeout(now);
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let machines = &mut self.machines;
        let polled = self.to_send.poll(|socket| machines.get_mut(socket.index())?.poll_transmit());
        polled.map(|(socket, transmit)| Transmit { socket, ..transmit })
    }

    /// The outbox of the first socket. Each machine has its own: see
    /// [`outbox_of`](Machine::outbox_of).
    fn outbox(&self) -> &[u8] {
        self.outbox_of(SocketId::FIRST)
    }

    fn outbox_of(&self, socket: SocketId) -> &[u8] {
        self.get(socket).map_or(&[], |machine| machine.outbox())
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        let machines = &mut self.machines;
        self.to_report.poll(|socket| machines.get_mut(socket.index())?.poll_event())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.iter().filter_map(M::poll_timeout).min()
    }

    fn awaits(&self, now: Instant) -> bool {
        self.iter().any(|machine| machine.awaits(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outbox;

    /// A test machine that echoes each datagram and reports its first byte.
    #[derive(Default)]
    struct Echo {
        outbox: Outbox,
        events: VecDeque<u8>,
    }

    impl Machine for Echo {
        type Event = u8;

        fn handle_datagram(&mut self, _: Instant, datagram: &Received<'_>) {
            self.outbox.reset_if_drained();
            self.outbox.send(datagram.from, None, datagram.payload);
            self.events.push_back(datagram.payload[0]);
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self) -> Option<Transmit> {
            self.outbox.poll()
        }

        fn outbox(&self) -> &[u8] {
            self.outbox.bytes()
        }

        fn poll_event(&mut self) -> Option<u8> {
            self.events.pop_front()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    fn arrive(machines: &mut PerSocket<Echo>, socket: u16, payload: &[u8]) {
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let datagram = Received { socket: SocketId::new(socket), ..Received::new(from, payload) };
        machines.handle_datagram(Instant::ORIGIN, &datagram);
    }

    fn sent(machines: &mut PerSocket<Echo>) -> Vec<(usize, Vec<u8>)> {
        let transmits: Vec<Transmit> = std::iter::from_fn(|| machines.poll_transmit()).collect();
        let bytes = |t: Transmit| machines.outbox_of(t.socket)[t.range].to_vec();
        transmits.into_iter().map(|t| (t.socket.index(), bytes(t))).collect()
    }

    #[test]
    fn each_machine_has_its_socket_and_its_outbox() {
        let mut machines = PerSocket::new([Echo::default(), Echo::default(), Echo::default()]);
        arrive(&mut machines, 2, b"two");
        arrive(&mut machines, 0, b"zero");
        arrive(&mut machines, 3, b"nobody there");
        arrive(&mut machines, 2, b"more");
        let expected = [(0, &b"zero"[..]), (2, b"two"), (2, b"more")];
        assert_eq!(sent(&mut machines), expected.map(|(place, bytes)| (place, bytes.to_vec())));
        let events: Vec<_> = std::iter::from_fn(|| machines.poll_event()).collect();
        assert_eq!(
            events.iter().map(|(socket, byte)| (socket.index(), *byte)).collect::<Vec<_>>(),
            [(0, b'z'), (2, b't'), (2, b'm')]
        );
    }

    #[test]
    fn what_a_machine_is_given_between_two_events_is_sent() {
        let mut machines = PerSocket::new([Echo::default(), Echo::default()]);
        assert!(machines.poll_transmit().is_none());
        arrive(&mut machines, 0, b"a");
        arrive(&mut machines, 1, b"b");
        assert_eq!(sent(&mut machines).len(), 2);
        assert!(machines.poll_event().is_some());
        arrive(&mut machines, 1, b"c");
        assert!(machines.poll_event().is_some());
        assert!(machines.poll_event().is_some());
        assert!(machines.poll_event().is_none());
        assert_eq!(sent(&mut machines), [(1, b"c".to_vec())]);
    }
}
