//! The loop of a measurement: machines, each with a socket, driven in one thread.
//!
//! Beside [`Driver`](pigeon_net::Driver) it is a loop of its own for what a measurement needs and a
//! hub does not: several sockets; a time read right after a datagram was received and not before;
//! waking to the microsecond; and what became of datagrams at this host told to the machine.

use std::time::Duration;

use anyhow::Context;
use pigeon_bench::{Endpoint, Kind};
use pigeon_datagram::{Instant, Transmit};
use pigeon_net::{Clock, Receipt, Socket, wait_readable};

/// Batches received from one socket before the others have their turn.
const BATCHES: usize = 4;

/// Transmits gathered before they are sent.
const GATHER: usize = 256;

/// How long one send may wait for room in the send buffer: a measurement has nothing better to do.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long before something is due the loop stops sleeping and looks at the clock instead: about
/// as late as the system wakes a thread.
const AWAKE: Duration = Duration::from_micros(60);

/// How often the kernel is asked what it has dropped, where nothing arrives that would tell.
const ASK_KERNEL: Duration = Duration::from_millis(10);

/// A machine and its socket.
pub(super) struct Line<M> {
    pub(super) machine: M,
    pub(super) socket: Socket,
    kernel_asked: Instant,
}

impl<M> Line<M> {
    pub(super) fn new(machine: M, socket: Socket) -> Self {
        Line { machine, socket, kernel_asked: Instant::ORIGIN }
    }
}

/// All lines of a measurement.
pub(super) struct Traffic<M> {
    pub(super) clock: Clock,
    pub(super) lines: Vec<Line<M>>,
    transmits: Vec<Transmit>,
}

impl<M: Endpoint> Traffic<M> {
    pub(super) fn new(clock: Clock, lines: Vec<Line<M>>) -> Self {
        Traffic { clock, lines, transmits: Vec::with_capacity(GATHER) }
    }

    /// One round over all lines, and a sleep if there was nothing to do, for `limit` at most. `each`
    /// gets what the machines report.
    ///
    /// # Errors
    /// When a socket is of no more use.
    pub(super) fn turn(
        &mut self,
        limit: Duration,
        each: &mut impl FnMut(M::Event),
    ) -> anyhow::Result<()> {
        let mut busy = false;
        for line in &mut self.lines {
            busy |= line.turn(self.clock, &mut self.transmits, each)?;
        }
        if !busy {
            self.sleep(limit);
        }
        Ok(())
    }

    fn sleep(&self, limit: Duration) {
        let due = self.lines.iter().filter_map(|line| line.machine.poll_timeout()).min();
        let left = due.map_or(limit, |due| due - self.clock.now());
        if left > AWAKE {
            wait_readable(self.lines.iter().map(|line| &line.socket), limit.min(left - AWAKE));
        }
    }
}

impl<M: Endpoint> Line<M> {
    /// Does what is due and receives what is there. False when there was nothing.
    fn turn(
        &mut self,
        clock: Clock,
        transmits: &mut Vec<Transmit>,
        each: &mut impl FnMut(M::Event),
    ) -> anyhow::Result<bool> {
        let now = clock.now();
        let mut busy = self.machine.poll_timeout().is_some_and(|due| due <= now);
        if busy {
            self.machine.handle_timeout(now);
        }
        self.drain(now, transmits, each);
        for _ in 0..BATCHES {
            let machine = &mut self.machine;
            // The time of the whole batch, once it is here: no datagram came later.
            let mut arrived = None;
            let receipt = self.socket.receive(&mut |datagram| {
                let now = *arrived.get_or_insert_with(|| clock.now());
                machine.handle_datagram(now, &datagram);
            });
            let now = arrived.unwrap_or(now);
            match receipt.context("cannot receive")? {
                Receipt::Datagrams(_) => busy = true,
                Receipt::Refused => {
                    busy = true;
                    self.machine.handle_refused(now);
                }
                Receipt::Empty => {
                    self.ask_kernel(now);
                    break;
                }
            }
            self.drain(now, transmits, each);
        }
        Ok(busy)
    }

    fn ask_kernel(&mut self, now: Instant) {
        if now - self.kernel_asked >= ASK_KERNEL {
            self.kernel_asked = now;
            self.machine.kernel_drops(self.socket.kernel_drops());
        }
    }

    /// Sends and reports everything the machine has.
    fn drain(
        &mut self,
        now: Instant,
        transmits: &mut Vec<Transmit>,
        each: &mut impl FnMut(M::Event),
    ) {
        let mut refused = false;
        loop {
            transmits.clear();
            transmits.extend(std::iter::from_fn(|| self.machine.poll_transmit()).take(GATHER));
            if transmits.is_empty() {
                break;
            }
            refused |= self.send(transmits);
        }
        while let Some(event) = self.machine.poll_event() {
            each(event);
        }
        if refused {
            self.machine.handle_refused(now);
            while let Some(event) = self.machine.poll_event() {
                each(event);
            }
        }
    }

    /// Sends transmits, those to one address together, test datagrams apart from others, so that
    /// whose did not go is known. Says whether the peer refused.
    fn send(&mut self, transmits: &[Transmit]) -> bool {
        let mut refused = false;
        let mut unsent = Vec::new();
        let outbox = self.machine.outbox();
        let is_test = |transmit: &Transmit| {
            outbox.get(transmit.range.clone()).and_then(Kind::of).is_some_and(Kind::is_test)
        };
        for run in transmits.chunk_by(|a, b| a.to == b.to && is_test(a) == is_test(b)) {
            let report = self.socket.send(outbox, run, PATIENCE);
            refused |= report.refused;
            if report.dropped > 0 && is_test(&run[0]) {
                unsent.push((run[0].to, report.dropped));
            }
        }
        for (to, datagrams) in unsent {
            self.machine.unsent(to, datagrams);
        }
        refused
    }
}
