//! The one loop that drives any [`Machine`] over a [`Socket`].
//!
//! ```text
//!          ┌──────────────────────────────────────────────┐
//!          ▼                                              │
//!   timeout due? ─▶ woken? ─▶ a batch? ─▶ drain ─▶ idle? ─┴─▶ sleep until the next deadline,
//!                                                             datagram or wake-up
//! ```
//!
//! Work between two looks at the clock and the waker is bounded, so a flood of datagrams holds up
//! neither timers nor a stop.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use pigeon_datagram::{Instant, Machine, Transmit};

use crate::{Clock, Receipt, Socket, Stats, Waker};

/// Batches received before timers and the waker are looked at again.
const BATCHES: usize = 4;

/// Batches thrown away at the most before a machine's turn: a peer that never stops sending does
/// not keep it from beginning.
const STALE_BATCHES: usize = 64;

/// Transmits gathered for one call of [`Socket::send`].
const GATHER: usize = 256;

/// How long one drain may wait for room in the send buffer. What it cannot send in that time is
/// dropped: a hub that waited for one slow link would stop receiving from all.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the last drain may take, so that a goodbye reaches everybody and a stop still ends
/// within a second.
const LAST_PATIENCE: Duration = Duration::from_millis(800);

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// What stands around a machine: console, logs, screen.
pub trait Host<M: Machine> {
    /// Somebody called the [`Waker`]: do what the other threads asked for. `Break` stops the loop
    /// after a last drain.
    fn woken(&mut self, machine: &mut M, now: Instant, stats: &Stats) -> ControlFlow<()>;

    /// The machine reported something. An event may name bytes of the machine's outbox, which are
    /// still there. `Break` stops the loop after a last drain.
    fn event(&mut self, machine: &M, now: Instant, event: M::Event) -> ControlFlow<()>;
}

/// Why a loop ended other than by a stop. The machine and the socket can still be taken back; what
/// the machine had left to send was not sent.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The socket is of no more use.
    #[error("cannot receive on {local}")]
    Receive {
        /// The socket's own address.
        local: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system's readiness queue failed.
    #[error("cannot wait for datagrams on {local}")]
    Wait {
        /// The socket's own address.
        local: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs a machine over a socket until it reports something, and returns that: what a program does
/// that wants one answer and has nothing else to do meanwhile. `clock` is the one the machine was
/// made with.
///
/// # Errors
/// When the socket or the readiness queue is of no more use.
pub fn first_event<M: Machine>(
    machine: M,
    socket: Socket,
    clock: Clock,
) -> Result<M::Event, DriveError> {
    let local = socket.local_addr();
    let failed = |source| DriveError::Wait { local, source };
    let mut driver = Driver::new(machine, socket).map_err(failed)?.with_clock(clock);
    driver.run_to_event()
}

/// A host that has seen enough with the first event.
struct First<E>(Option<E>);

impl<M: Machine> Host<M> for First<M::Event> {
    fn woken(&mut self, _: &mut M, _: Instant, _: &Stats) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: &M, _: Instant, event: M::Event) -> ControlFlow<()> {
        self.0.get_or_insert(event);
        ControlFlow::Break(())
    }
}

/// A machine, its socket, and the loop between them.
#[derive(Debug)]
pub struct Driver<M> {
    machine: M,
    socket: Socket,
    clock: Clock,
    poll: Poll,
    waker: Waker,
    /// Reused from drain to drain.
    transmits: Vec<Transmit>,
    /// Readiness is told once (edge-triggered), so it is kept until a receive finds nothing.
    readable: bool,
    /// The peer's refusal, met while sending, that the machine has not been told of yet.
    refused: bool,
}

impl<M: Machine> Driver<M> {
    /// Puts a machine and a socket together. Fails where the system has no more file descriptors.
    pub fn new(machine: M, mut socket: Socket) -> io::Result<Driver<M>> {
        let poll = Poll::new()?;
        poll.registry().register(&mut socket.udp, SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok(Driver {
            machine,
            socket,
            clock: Clock::start(),
            poll,
            waker,
            transmits: Vec::with_capacity(GATHER),
            readable: true,
            refused: false,
        })
    }

    /// Replaces the clock by one that started earlier, for a machine that was already told a time.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The clock the machine is told the time of.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, to be changed before or between runs.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The totals of the socket.
    pub fn stats(&mut self) -> Stats {
        self.socket.stats()
    }

    /// Takes the two apart again.
    pub fn into_parts(mut self) -> (M, Socket) {
        // Fails only if the socket was never registered, and it was.
        let _ = self.poll.registry().deregister(&mut self.socket.udp);
        (self.machine, self.socket)
    }

    /// Runs until the host says `Break`, then drains once more. It can be called again.
    ///
    /// # Errors
    /// When the socket or the readiness queue is of no more use.
    pub fn run(&mut self, host: &mut impl Host<M>) -> Result<(), DriveError> {
        // The capacity is the number of sources.
        let mut events = Events::with_capacity(2);
        loop {
            if self.turn(host)?.is_break() {
                self.drain_last(host);
                return Ok(());
            }
            if !self.is_busy() {
                self.sleep(&mut events)?;
            }
        }
    }

    /// Runs the next machine over the same socket until it reports something: for a program that
    /// asks again and again. What came before, such as a late reply to the last request, is thrown
    /// away first; what comes late after that cannot be told from a reply to this one.
    ///
    /// # Errors
    /// When the socket or the readiness queue is of no more use.
    pub fn next_event(&mut self, machine: M) -> Result<M::Event, DriveError> {
        self.machine = machine;
        self.refused = false;
        for _ in 0..STALE_BATCHES {
            match self.socket.receive(&mut |_| {}) {
                Ok(Receipt::Datagrams(_) | Receipt::Refused) => {}
                Ok(Receipt::Empty) => {
                    self.readable = false;
                    break;
                }
                Err(source) => return Err(self.cannot_receive(source)),
            }
        }
        self.run_to_event()
    }

    fn run_to_event(&mut self) -> Result<M::Event, DriveError> {
        let mut first = First(None);
        self.run(&mut first)?;
        // The loop ends only by an event.
        first.0.ok_or_else(|| DriveError::Wait {
            local: self.socket.local_addr(),
            source: io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn cannot_receive(&self, source: io::Error) -> DriveError {
        DriveError::Receive { local: self.socket.local_addr(), source }
    }

    /// One round: timers, the waker, a few batches; each is followed by a drain.
    fn turn(&mut self, host: &mut impl Host<M>) -> Result<ControlFlow<()>, DriveError> {
        let now = self.clock.now();
        if self.machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.machine.handle_timeout(now);
        }
        if std::mem::take(&mut self.refused) {
            self.machine.handle_refused(now);
        }
        if self.waker.take() {
            let stats = self.socket.stats();
            if host.woken(&mut self.machine, now, &stats).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // Also what was queued before the loop began, or by a host between two runs.
        if self.drain(host, now).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for _ in 0..BATCHES {
            if !self.readable || self.waker.is_pending() {
                break;
            }
            let now = self.clock.now();
            self.receive(now)?;
            if self.drain(host, now).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Hands the machine one batch.
    fn receive(&mut self, now: Instant) -> Result<(), DriveError> {
        let machine = &mut self.machine;
        let receipt = self.socket.receive(&mut |datagram| machine.handle_datagram(now, &datagram));
        match receipt {
            // None: an error was passed over, which the error queue may explain.
            Ok(receipt @ (Receipt::Empty | Receipt::Datagrams(0))) => {
                let more = self.socket.refusals(&mut |peer| machine.handle_refused_by(now, peer));
                self.readable = more || receipt != Receipt::Empty;
            }
            Ok(Receipt::Datagrams(_)) => {}
            Ok(Receipt::Refused) => self.machine.handle_refused(now),
            Err(source) => return Err(self.cannot_receive(source)),
        }
        Ok(())
    }

    /// Sends and reports everything the machine has.
    fn drain(&mut self, host: &mut impl Host<M>, now: Instant) -> ControlFlow<()> {
        let mut patience = PATIENCE;
        while self.gather() {
            let report = self.socket.send(self.machine.outbox(), &self.transmits, patience);
            patience = patience.saturating_sub(report.waited);
            self.refused |= report.refused;
        }
        let mut flow = ControlFlow::Continue(());
        // A stop is obeyed after the last event: a machine's outbox is settled only then.
        while let Some(event) = self.machine.poll_event() {
            if host.event(&self.machine, now, event).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        flow
    }

    /// Like `drain`, with a deadline of its own; what the host says no longer matters.
    fn drain_last(&mut self, host: &mut impl Host<M>) {
        let now = self.clock.now();
        let deadline = now + LAST_PATIENCE;
        while self.gather() {
            let patience = deadline - self.clock.now();
            if patience.is_zero() {
                self.transmits.iter().for_each(|transmit| self.socket.abandon(transmit));
            } else {
                self.socket.send(self.machine.outbox(), &self.transmits, patience);
            }
        }
        while let Some(event) = self.machine.poll_event() {
            let _ = host.event(&self.machine, now, event);
        }
    }

    /// Gathers the machine's next transmits. False when it has none.
    fn gather(&mut self) -> bool {
        self.transmits.clear();
        self.transmits.extend(std::iter::from_fn(|| self.machine.poll_transmit()).take(GATHER));
        !self.transmits.is_empty()
    }

    /// Whether there is something to do at once.
    fn is_busy(&self) -> bool {
        self.readable || self.refused || self.waker.is_pending()
    }

    /// Sleeps until the machine's deadline, a datagram, or a call of the waker.
    fn sleep(&mut self, events: &mut Events) -> Result<(), DriveError> {
        let timeout = self.machine.poll_timeout().map(|deadline| deadline - self.clock.now());
        // Also where the deadline has come: only this look tells that the socket can be read, and a
        // machine that always has something due would never hear of its peers.
        match self.poll.poll(events, timeout) {
            // Any event of the socket is a reason to read it: errors are read the same way.
            Ok(()) => self.readable |= events.iter().any(|event| event.token() == SOCKET),
            // A signal came first.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(DriveError::Wait { local: self.socket.local_addr(), source });
            }
        }
        Ok(())
    }
}
