//! The one loop that drives any [`Machine`] over its sockets.
//!
//! ```text
//!          ┌─────────────────────────────────────────────────┐
//!          ▼                                                 │
//!   woken? ─▶ a few batches, socket by socket ─▶ timers ─▶ idle? ─▶ sleep until the next deadline,
//!             (each is followed by a drain)                           datagram or wake-up
//! ```
//!
//! Datagrams come before timers: those that arrived before a deadline are handled before it.
//! Otherwise a process that was stopped (SIGSTOP, a suspended laptop, a paused virtual machine)
//! would time out its peers while their heartbeats wait in the socket.
//!
//! Work between two checks of the clock and the waker is bounded, so a flood of datagrams delays
//! neither timers nor a stop.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, SocketId, Transmit};

use crate::clock::Clock;
use crate::counters::Stats;
use crate::host::{Host, Io};
use crate::receive::Receipt;
use crate::socket::Socket;
use crate::sockets::{Batch, Sockets};
use crate::waker::Waker;

/// Batches received before timers and the waker are checked again.
const BATCHES: usize = 4;

/// Maximum number of batches discarded before a machine starts, so that a peer that sends without
/// pause cannot prevent the start.
const STALE_BATCHES: usize = 64;

/// Transmits gathered for one call of [`Socket::send`].
const GATHER: usize = 256;

/// How often one drain sends again because an event made the machine send more. The rest follows in
/// the next turn: a host that always answers would prevent the loop from receiving.
const ROUNDS: usize = 4;

/// Time limit of the last drain, so that goodbyes are sent and a stop still ends within a second.
const LAST_PATIENCE: Duration = Duration::from_millis(800);

/// A timer later than this indicates a pause: the loop checks again for received datagrams. A sleep
/// ends within a millisecond or two of its time.
const PAUSE: Duration = Duration::from_millis(10);

/// Maximum delay of timers for datagrams that arrived during a pause. A hub takes about a fifth of
/// a second to read a full receive buffer of 64 MiB; a second leaves time for slower machines, and
/// is as long as people accept.
const HOLD: Duration = Duration::from_secs(1);

/// How often in a row the loop polls for an awaited answer before it checks other work: some
/// microseconds.
const LOOKS: usize = 8;

/// How a loop spends time. The default is for programs that wait for people and networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long one drain may wait for room in the send buffers. Then it drops the rest: a hub that
    /// waited for one slow link would stop receiving from all. 100 ms by default.
    pub patience: Duration,
    /// Whether deadlines are kept to some microseconds. Otherwise they may come a millisecond late,
    /// which saves a system call per sleep.
    pub precise: bool,
    /// How long before a deadline the loop stops sleeping and polls the clock instead: about the
    /// delay of a thread's wake-up. Zero by default.
    pub early: Duration,
    /// How often to ask the kernel for its drop count, for [`Machine::handle_kernel_drops`].
    /// `None`, the default: never.
    pub kernel_drops: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            patience: Duration::from_millis(100),
            precise: false,
            early: Duration::ZERO,
            kernel_drops: None,
        }
    }
}

/// Why a loop ended other than by a stop. The machine and the sockets can still be taken back; the
/// machine's pending datagrams were not sent.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A socket can no longer receive.
    #[error("cannot receive on {local}")]
    Receive {
        /// The socket's own address.
        local: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The system cannot wait for the sockets.
    #[error("cannot wait for datagrams")]
    Wait {
        /// The system's error.
        source: io::Error,
    },
}

impl DriveError {
    fn wait(source: io::Error) -> DriveError {
        DriveError::Wait { source }
    }
}

/// Runs a machine over a socket until its first event, and returns it, for a program that needs one
/// answer. `clock` must be the one that the machine was created with. Fails if the socket fails, or
/// the system cannot wait for it.
pub fn first_event<M: Machine>(
    machine: M,
    socket: Socket,
    clock: Clock,
) -> Result<M::Event, DriveError> {
    Driver::new(machine, socket).map_err(DriveError::wait)?.with_clock(clock).run_to_event()
}

/// A host that stops at the first event.
struct First<E>(Option<E>);

impl<M: Machine> Host<M> for First<M::Event> {
    fn event(&mut self, _: &mut M, _: &mut Io<'_>, event: M::Event) -> ControlFlow<()> {
        self.0.get_or_insert(event);
        ControlFlow::Break(())
    }
}

/// A machine, its sockets, and the loop between them.
#[derive(Debug)]
pub struct Driver<M> {
    machine: M,
    sockets: Sockets,
    clock: Clock,
    timing: Timing,
    /// Transmits of one socket, about to be sent. Reused between drains.
    transmits: Vec<Transmit>,
    /// A polled transmit of another socket than the gathered ones.
    pending: Option<Transmit>,
    /// Indices in `transmits` of unsent transmits, with the number of their datagrams. Reused.
    unsent: Vec<(usize, u64)>,
    /// The machine may still have something to send or report.
    undrained: bool,
    /// When this turn began.
    began: Instant,
    /// When the loop last checked the timers without delaying any.
    looked: Instant,
    /// Until when a due timer waits for datagrams that arrived earlier.
    held: Option<Instant>,
}

impl<M: Machine> Driver<M> {
    /// Creates a driver with one socket. Fails if the system has no more file descriptors.
    pub fn new(machine: M, socket: Socket) -> io::Result<Driver<M>> {
        Driver::over(machine, [socket])
    }

    /// Creates a driver with several sockets, numbered from 0. The host may add more. Fails if the
    /// system has no more file descriptors, or there are more than 65,536 sockets.
    pub fn over(machine: M, sockets: impl IntoIterator<Item = Socket>) -> io::Result<Driver<M>> {
        let mut all = Sockets::new()?;
        for (number, socket) in sockets.into_iter().enumerate() {
            let number = u16::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?;
            all.insert(SocketId::new(number), socket)?;
        }
        Ok(Driver {
            machine,
            sockets: all,
            clock: Clock::start(),
            timing: Timing::default(),
            transmits: Vec::with_capacity(GATHER),
            pending: None,
            unsent: Vec::new(),
            undrained: false,
            began: Instant::ORIGIN,
            looked: Instant::ORIGIN,
            held: None,
        })
    }

    /// Replaces the clock by one that started earlier, for a machine that already has its time.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the timing.
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        if timing.precise {
            self.sockets.make_precise();
        }
        self
    }

    /// The clock that the machine's time comes from.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// The sockets.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, mutably, before or between runs.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The totals of all sockets, including closed ones.
    pub fn stats(&mut self) -> Stats {
        self.sockets.stats()
    }

    /// Returns the machine and the sockets.
    pub fn into_parts(self) -> (M, Sockets) {
        (self.machine, self.sockets)
    }

    /// Runs until the host returns `Break`, then drains once more. It can be called again. Fails if
    /// a socket fails and the host does not continue without it, or the system cannot wait for the
    /// sockets.
    pub fn run(&mut self, host: &mut impl Host<M>) -> Result<(), DriveError> {
        (self.looked, self.held) = (self.clock.now(), None);
        while self.turn(host)?.is_continue() && self.rest(host)?.is_continue() {}
        self.drain_last(host);
        Ok(())
    }

    /// Runs the next machine over the same sockets until its first event, for a program that sends
    /// several requests. Discards earlier datagrams first, such as a late reply to the last
    /// request; a late reply that arrives afterwards looks like a reply to this request. Fails like
    /// [`run`](Driver::run).
    pub fn next_event(&mut self, machine: M) -> Result<M::Event, DriveError> {
        self.machine = machine;
        (self.pending, self.undrained) = (None, false);
        while self.sockets.next_refused().is_some() {}
        for place in 0..self.sockets.places() {
            let Some(id) = self.sockets.id_at(place) else { continue };
            // Until the queue is empty: a refusal of the last request may be queued behind
            // datagrams.
            for _ in 0..STALE_BATCHES {
                let received = self.sockets.receive(id, &mut |_, _| {});
                let batch = received.map_err(|error| self.cannot_receive(id, error))?;
                if batch.receipt == Receipt::Empty {
                    break;
                }
            }
        }
        self.run_to_event()
    }

    fn run_to_event(&mut self) -> Result<M::Event, DriveError> {
        let mut first = First(None);
        self.run(&mut first)?;
        // The loop ends only with an event.
        first.0.ok_or_else(|| DriveError::wait(io::ErrorKind::UnexpectedEof.into()))
    }

    fn cannot_receive(&self, id: SocketId, source: io::Error) -> DriveError {
        match self.sockets.get(id) {
            Some(socket) => DriveError::Receive { local: socket.local_addr(), source },
            None => DriveError::Wait { source },
        }
    }

    /// One round: the waker, a few batches, timers; each is followed by a drain.
    fn turn(&mut self, host: &mut impl Host<M>) -> Result<ControlFlow<()>, DriveError> {
        let now = self.clock.now();
        self.began = now;
        while let Some(id) = self.sockets.next_refused() {
            self.machine.handle_refused(now, id);
        }
        if self.sockets.take_woken() {
            let mut io = Io { now, sockets: &mut self.sockets };
            if host.woken(&mut self.machine, &mut io).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // Also sends data queued before the loop began, or by a host between two runs.
        if self.drain(host, now).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for _ in 0..BATCHES {
            let Some(id) = self.sockets.next_ready() else { break };
            let (_, flow) = self.receive(host, id)?;
            if flow.is_break() {
                return Ok(flow);
            }
            if self.sockets.is_woken() {
                break;
            }
        }
        self.fire(host)
    }

    /// Passes one batch to the machine, and drains it. Returns whether there was one.
    fn receive(
        &mut self,
        host: &mut impl Host<M>,
        id: SocketId,
    ) -> Result<(bool, ControlFlow<()>), DriveError> {
        let (machine, clock) = (&mut self.machine, self.clock);
        // One time for the whole batch, after it was received: no datagram of it arrived later.
        let mut arrived = None;
        let received = self.sockets.receive(id, &mut |joined, segment| {
            let now = *arrived.get_or_insert_with(|| clock.now());
            host.arrived(machine, now, &joined, segment);
            machine.handle_joined(now, &joined, segment);
        });
        let now = arrived.unwrap_or_else(|| clock.now());
        let batch = match received {
            Ok(batch) => batch,
            Err(error) => {
                host.failed(&mut self.machine, id, error)
                    .map_err(|error| self.cannot_receive(id, error))?;
                self.sockets.remove(id);
                Batch { receipt: Receipt::Empty, is_last: true }
            }
        };
        match batch.receipt {
            Receipt::Refused => self.machine.handle_refused(now, id),
            // The error queue may have the reason, for example for an ignored error.
            Receipt::Empty | Receipt::Datagrams(0) => {
                let machine = &mut self.machine;
                self.sockets.undelivered(id, &mut |error| match error.to {
                    Some(peer) if error.is_refusal() => machine.handle_refused_by(now, id, peer),
                    to => machine.handle_undelivered(now, id, to, error.passing),
                });
            }
            Receipt::Datagrams(_) => {}
        }
        if batch.is_last
            && let Some(every) = self.timing.kernel_drops
            && let Some(total) = self.sockets.kernel_drops(id, now, every)
        {
            self.machine.handle_kernel_drops(now, id, total);
        }
        Ok((batch.receipt != Receipt::Empty, self.drain(host, now)))
    }

    /// Calls due timers, once earlier datagrams have been handled.
    fn fire(&mut self, host: &mut impl Host<M>) -> Result<ControlFlow<()>, DriveError> {
        let Some(deadline) = self.deadline(host) else {
            (self.looked, self.held) = (self.began, None);
            return Ok(ControlFlow::Continue(()));
        };
        let now = self.clock.now();
        if deadline <= now && self.is_held(now, deadline)? {
            return Ok(ControlFlow::Continue(()));
        }
        (self.looked, self.held) = (now, None);
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if !is_due(Some(deadline)) {
            return Ok(ControlFlow::Continue(()));
        }
        if is_due(self.machine.poll_timeout()) {
            self.machine.handle_timeout(now);
        }
        if is_due(host.deadline()) {
            let mut io = Io { now, sockets: &mut self.sockets };
            if host.tick(&mut self.machine, &mut io).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(self.drain(host, now))
    }

    /// Whether a due timer waits until more received datagrams are handled.
    ///
    /// It waits while a socket has more, and at most for as long as the loop was away, asleep or
    /// stopped: a loop that keeps up reads the datagrams of a period in less time. In a flood the
    /// loop is never away, so a timer waits for one turn. A constant limit was rejected: it would
    /// be too long in a flood, or too short after a pause. [`HOLD`] ends it in any case.
    fn is_held(&mut self, now: Instant, deadline: Instant) -> Result<bool, DriveError> {
        let held = match self.held {
            Some(held) => held,
            None => {
                if now - deadline.max(self.looked) >= PAUSE {
                    // The known state of the sockets may be from before a pause.
                    self.sockets.wait(Some(Duration::ZERO)).map_err(DriveError::wait)?;
                }
                // The turn itself counts only if it contained the pause.
                let turn_end = if now - self.began < PAUSE { self.began } else { now };
                *self.held.insert(now + (turn_end - self.looked).min(HOLD))
            }
        };
        Ok(now < held && self.sockets.is_ready())
    }

    fn deadline(&self, host: &impl Host<M>) -> Option<Instant> {
        [self.machine.poll_timeout(), host.deadline()].into_iter().flatten().min()
    }

    /// Sends and reports everything the machine has.
    fn drain(&mut self, host: &mut impl Host<M>, now: Instant) -> ControlFlow<()> {
        let mut patience = self.timing.patience;
        self.undrained = false;
        for _ in 0..ROUNDS {
            while let Some(id) = self.gather() {
                patience = patience.saturating_sub(self.send(now, id, patience));
            }
            let mut reported = false;
            let mut flow = ControlFlow::Continue(());
            // A stop takes effect after the last event: only then is a machine's outbox complete.
            while let Some(event) = self.machine.poll_event() {
                reported = true;
                let mut io = Io { now, sockets: &mut self.sockets };
                if host.event(&mut self.machine, &mut io, event).is_break() {
                    flow = ControlFlow::Break(());
                }
            }
            if !reported || flow.is_break() {
                return flow;
            }
        }
        self.undrained = true;
        ControlFlow::Continue(())
    }

    /// Sends the gathered transmits. Returns the time spent waiting for room.
    fn send(&mut self, now: Instant, id: SocketId, patience: Duration) -> Duration {
        let Driver { machine, sockets, transmits, unsent, .. } = self;
        let note = |place, datagrams| unsent.push((place, datagrams));
        let report = sockets.send(id, machine.outbox_of(id), transmits, patience, note);
        for (place, datagrams) in unsent.drain(..) {
            if let Some(transmit) = transmits.get(place) {
                machine.handle_unsent(now, transmit, datagrams);
            }
        }
        report.waited
    }

    /// Like `drain`, with its own deadline, and ignoring the host's result.
    fn drain_last(&mut self, host: &mut impl Host<M>) {
        let deadline = self.clock.now() + LAST_PATIENCE;
        for _ in 0..ROUNDS {
            while let Some(id) = self.gather() {
                let now = self.clock.now();
                let patience = deadline - now;
                if patience.is_zero() {
                    self.transmits.iter().for_each(|transmit| self.sockets.abandon(transmit));
                } else {
                    self.send(now, id, patience);
                }
            }
            let mut reported = false;
            while let Some(event) = self.machine.poll_event() {
                reported = true;
                let mut io = Io { now: self.clock.now(), sockets: &mut self.sockets };
                let _ = host.event(&mut self.machine, &mut io, event);
            }
            if !reported {
                return;
            }
        }
    }

    /// Gathers the next transmits of one socket, and returns the socket.
    fn gather(&mut self) -> Option<SocketId> {
        self.transmits.clear();
        let first = self.pending.take().or_else(|| self.machine.poll_transmit())?;
        let id = first.socket;
        self.transmits.push(first);
        while self.transmits.len() < GATHER
            && let Some(transmit) = self.machine.poll_transmit()
        {
            if transmit.socket != id {
                self.pending = Some(transmit);
                break;
            }
            self.transmits.push(transmit);
        }
        Some(id)
    }

    /// Sleeps until the next deadline, a datagram, or a wake-up. Does not sleep if there is work.
    fn rest(&mut self, host: &mut impl Host<M>) -> Result<ControlFlow<()>, DriveError> {
        // The only socket is known to be readable.
        if self.sockets.is_ready() && self.sockets.len() == 1 {
            return Ok(ControlFlow::Continue(()));
        }
        let now = self.clock.now();
        if self.machine.awaits(now) {
            return self.look(host);
        }
        let is_busy = self.undrained
            || self.sockets.is_ready()
            || self.sockets.has_refused()
            || self.sockets.is_woken();
        let limit = match is_busy {
            true => Some(Duration::ZERO),
            false => self.deadline(host).map(|at| (at - now).saturating_sub(self.timing.early)),
        };
        // Also called if there is work: only this call finds readable sockets, and a machine that
        // always has a due timer would otherwise never receive.
        self.sockets.wait(limit).map_err(DriveError::wait)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Polls for datagrams until some arrive, or something else may be due. Asking which socket is
    /// readable would take as long as polling, and would add half the polling interval to each
    /// round trip.
    fn look(&mut self, host: &mut impl Host<M>) -> Result<ControlFlow<()>, DriveError> {
        for _ in 0..LOOKS {
            let mut arrived = false;
            for place in 0..self.sockets.places() {
                let Some(id) = self.sockets.id_at(place) else { continue };
                let (came, flow) = self.receive(host, id)?;
                arrived |= came;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            if arrived {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
