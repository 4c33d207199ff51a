//! The loop of a measurement: machines, each with a socket, driven in one thread.
//!
//! Beside [`Driver`](pigeon_net::Driver) it is a loop of its own for what a measurement needs and a
//! hub does not: several sockets; a time read right after a datagram was received and not before;
//! waking to the microsecond; and what became of datagrams at this host told to the machine.

use std::time::Duration;

use anyhow::Context;
use pigeon_bench::{Endpoint, Kind};
use pigeon_datagram::{Instant, Transmit};
use pigeon_net::{Clock, Receipt, Socket, Sockets, Waker};

/// Batches received before what is due has its turn.
const BATCHES: usize = 4;

/// Transmits gathered before they are sent.
const GATHER: usize = 256;

/// How long one send may wait for room in the send buffer: a measurement has nothing better to do.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long before something is due the loop stops sleeping and looks at the clock instead: about
/// as late as the system wakes a thread.
const AWAKE: Duration = Duration::from_micros(60);

/// How often in a row the loop looks for datagrams that it awaits, before it looks what else is due:
/// some microseconds.
const LOOKS: usize = 8;

/// How often the kernel is asked what it has dropped, where nothing arrives that would tell.
const ASK_KERNEL: Duration = Duration::from_millis(10);

/// All machines of a measurement, and their sockets.
pub(super) struct Traffic<M> {
    pub(super) clock: Clock,
    lines: Vec<Line<M>>,
    /// By the machines' places.
    sockets: Sockets,
    /// Reused from drain to drain.
    transmits: Vec<Transmit>,
}

struct Line<M> {
    machine: M,
    kernel_asked: Instant,
}

impl<M: Endpoint> Traffic<M> {
    /// Fails where the system has no more file descriptors.
    pub(super) fn new(clock: Clock, lines: Vec<(M, Socket)>) -> anyhow::Result<Self> {
        let mut sockets = Sockets::new().context("cannot watch sockets")?;
        let mut machines = Vec::new();
        for (key, (machine, mut socket)) in lines.into_iter().enumerate() {
            if let Some(first) = sockets.get(0) {
                socket.share_buffers(first);
            }
            sockets.insert(key, socket).context("cannot watch the socket")?;
            machines.push(Line { machine, kernel_asked: Instant::ORIGIN });
        }
        Ok(Traffic { clock, lines: machines, sockets, transmits: Vec::with_capacity(GATHER) })
    }

    /// Ends a sleep from another thread.
    pub(super) fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// The machines.
    pub(super) fn machines(&self) -> impl Iterator<Item = &M> {
        self.lines.iter().map(|line| &line.machine)
    }

    /// The machines, to be told something before the next turn.
    pub(super) fn machines_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.lines.iter_mut().map(|line| &mut line.machine)
    }

    /// One round: what is due, a few batches, and a sleep if there is nothing to do, for `limit` at
    /// most. `each` gets what the machines report.
    ///
    /// # Errors
    /// When a socket is of no more use.
    pub(super) fn turn(
        &mut self,
        limit: Duration,
        each: &mut impl FnMut(M::Event),
    ) -> anyhow::Result<()> {
        for key in 0..self.lines.len() {
            let now = self.clock.now();
            let machine = &mut self.lines[key].machine;
            if machine.poll_timeout().is_some_and(|due| due <= now) {
                machine.handle_timeout(now);
            }
            self.drain(key, now, each);
        }
        for _ in 0..BATCHES.max(self.lines.len()) {
            let Some(key) = self.sockets.next_ready() else { break };
            self.receive(key, each)?;
        }
        let due = self.machines().filter_map(|machine| machine.poll_timeout()).min();
        let now = self.clock.now();
        if self.machines().any(|machine| machine.awaits(now)) {
            return self.look(each);
        }
        let left = due.map_or(limit, |due| limit.min(due - now));
        // Who is awake still looks at what has arrived.
        self.sockets.wait(Some(left.saturating_sub(AWAKE))).context("cannot wait for datagrams")?;
        self.sockets.woken();
        Ok(())
    }

    /// Looks for datagrams until there are some, or something else may be due. Asking which socket has
    /// one would take as long as to look, and half the time between two looks is added to each trip.
    fn look(&mut self, each: &mut impl FnMut(M::Event)) -> anyhow::Result<()> {
        for _ in 0..LOOKS {
            let mut arrived = false;
            for key in 0..self.lines.len() {
                arrived |= self.receive(key, each)?;
            }
            if arrived {
                break;
            }
        }
        Ok(())
    }

    /// Hands a machine one batch. Says whether there was one.
    fn receive(&mut self, key: usize, each: &mut impl FnMut(M::Event)) -> anyhow::Result<bool> {
        let line = &mut self.lines[key];
        let clock = self.clock;
        // The time of the whole batch, once it is here: no datagram of it came later.
        let mut arrived = None;
        let receipt = self.sockets.receive(key, &mut |datagram| {
            let now = *arrived.get_or_insert_with(|| clock.now());
            line.machine.handle_datagram(now, &datagram);
        });
        let now = arrived.unwrap_or_else(|| clock.now());
        match receipt.context("cannot receive")? {
            Receipt::Datagrams(_) => {}
            Receipt::Refused => line.machine.handle_refused(now),
            Receipt::Empty => {
                if now - line.kernel_asked >= ASK_KERNEL {
                    line.kernel_asked = now;
                    line.machine.kernel_drops(self.sockets.kernel_drops(key));
                }
                return Ok(false);
            }
        }
        self.drain(key, now, each);
        Ok(true)
    }

    /// Sends and reports everything a machine has.
    fn drain(&mut self, key: usize, now: Instant, each: &mut impl FnMut(M::Event)) {
        let mut refused = false;
        loop {
            let machine = &mut self.lines[key].machine;
            self.transmits.clear();
            self.transmits.extend(std::iter::from_fn(|| machine.poll_transmit()).take(GATHER));
            if self.transmits.is_empty() {
                break;
            }
            refused |= self.send(key);
        }
        let machine = &mut self.lines[key].machine;
        std::iter::from_fn(|| machine.poll_event()).for_each(&mut *each);
        if refused {
            machine.handle_refused(now);
            std::iter::from_fn(|| machine.poll_event()).for_each(each);
        }
    }

    /// Sends what was gathered: what goes to one address together, test datagrams apart from
    /// others, so that whose did not go is known. Says whether the peer refused.
    fn send(&mut self, key: usize) -> bool {
        let machine = &mut self.lines[key].machine;
        let outbox = machine.outbox();
        let is_test = |transmit: &Transmit| {
            outbox.get(transmit.range.clone()).and_then(Kind::of).is_some_and(Kind::is_test)
        };
        let mut refused = false;
        // Rarely anything, and then nothing is allocated.
        let mut unsent = Vec::new();
        for run in self.transmits.chunk_by(|a, b| a.to == b.to && is_test(a) == is_test(b)) {
            let report = self.sockets.send(key, outbox, run, PATIENCE).unwrap_or_default();
            refused |= report.refused;
            if report.dropped > 0 && is_test(&run[0]) {
                unsent.push((run[0].to, report.dropped));
            }
        }
        unsent.into_iter().for_each(|(to, datagrams)| machine.unsent(to, datagrams));
        refused
    }
}
