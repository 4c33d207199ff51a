//! The loop between a [`Relay`] and its sockets: moves bytes, decides nothing.
//!
//! ```text
//!   timers ─▶ woken? ─▶ a few batches, a socket at a time ─▶ drain after each ─▶ sleep
//! ```

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::{Instant, Received, Transmit};
use pigeon_net::{Clock, Receipt, Socket, SocketOptions, Sockets, Stats, Waker};
use pigeon_netsim::relay::{Event, Port, Relay};

/// Batches received before timers and the waker are looked at again.
const BATCHES: usize = 4;

/// Transmits gathered for one call, all of one socket.
const GATHER: usize = 256;

/// How long one drain may wait for room in a send buffer; what then has none is dropped and
/// counted, or one slow side would stop the other.
const PATIENCE: Duration = Duration::from_millis(100);

/// What stands around a relay: console, statistics, a file that records.
pub(super) trait Host {
    /// Somebody called the waker. `Break` ends the loop.
    fn woken(&mut self, relay: &mut Relay, now: Instant, stats: &Stats) -> ControlFlow<()>;

    /// When [`tick`](Host::tick) is to be called next, if ever.
    fn next_tick(&self) -> Option<Instant>;

    /// That time has come.
    fn tick(&mut self, relay: &Relay, now: Instant, stats: &Stats);

    /// The relay reports something that is not about its sockets.
    fn event(&mut self, event: Event);

    /// A socket could not be opened.
    fn cannot_open(&mut self, error: &anyhow::Error);

    /// Datagrams arrived, joined from such of `segment` bytes, and nothing has been done to them.
    fn arrived(&mut self, relay: &Relay, port: Port, joined: &Received<'_>, segment: usize);
}

/// A relay and its sockets.
pub(super) struct Pump {
    pub(super) relay: Relay,
    sockets: Sockets,
    options: SocketOptions,
    clock: Clock,
    transmits: Vec<Transmit>,
    /// Polled, but of another socket than those gathered.
    pending: Option<(Port, Transmit)>,
}

impl Pump {
    /// Puts a relay and the socket that it listens on together.
    pub(super) fn new(
        relay: Relay,
        listen: Socket,
        options: SocketOptions,
        clock: Clock,
    ) -> io::Result<Pump> {
        let mut sockets = Sockets::new()?;
        sockets.insert(key(Port::Listen), listen)?;
        let transmits = Vec::with_capacity(GATHER);
        Ok(Pump { relay, sockets, options, clock, transmits, pending: None })
    }

    pub(super) fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// The totals of all sockets.
    pub(super) fn stats(&mut self) -> Stats {
        self.sockets.stats()
    }

    /// Runs until the host says `Break`.
    ///
    /// # Errors
    /// When the listening socket or the readiness queue is of no more use.
    pub(super) fn run(&mut self, host: &mut impl Host) -> anyhow::Result<()> {
        loop {
            if self.turn(host)?.is_break() {
                return Ok(());
            }
            let deadlines = [self.relay.poll_timeout(), host.next_tick()];
            let deadline = deadlines.into_iter().flatten().min();
            let limit = deadline.map(|deadline| deadline - self.clock.now());
            self.sockets.wait(limit).context("cannot wait for datagrams")?;
        }
    }

    fn turn(&mut self, host: &mut impl Host) -> anyhow::Result<ControlFlow<()>> {
        let now = self.clock.now();
        if is_due(self.relay.poll_timeout(), now) {
            self.relay.handle_timeout(now);
        }
        if is_due(host.next_tick(), now) {
            let stats = self.sockets.stats();
            host.tick(&self.relay, now, &stats);
        }
        if self.sockets.woken() {
            let stats = self.sockets.stats();
            if host.woken(&mut self.relay, now, &stats).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.drain(host);
        for _ in 0..BATCHES {
            let Some(key) = self.sockets.next_ready() else { break };
            self.receive(host, key)?;
            self.drain(host);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Hands the relay one batch.
    fn receive(&mut self, host: &mut impl Host, key: usize) -> anyhow::Result<()> {
        let (now, port) = (self.clock.now(), port(key));
        let relay = &mut self.relay;
        let receipt = self.sockets.receive_joined(key, &mut |joined, segment| {
            host.arrived(relay, port, &joined, segment);
            relay.handle_joined(now, port, &joined, segment);
        });
        match (receipt, port) {
            (Ok(Receipt::Refused), _) => relay.handle_refused(now, port),
            (Ok(_), _) => {}
            (Err(error), Port::Listen) => return Err(error).context("cannot receive from clients"),
            (Err(error), Port::Client(slot)) => {
                self.sockets.remove(key);
                self.relay.cannot_open(slot);
                host.cannot_open(&anyhow::Error::new(error));
            }
        }
        Ok(())
    }

    /// Opens and closes sockets, then sends everything.
    fn drain(&mut self, host: &mut impl Host) {
        let mut patience = PATIENCE;
        loop {
            while let Some(event) = self.relay.poll_event() {
                match event {
                    Event::Open(slot) => self.open(host, slot),
                    Event::Close(slot) => self.sockets.remove(key(Port::Client(slot))),
                    event => host.event(event),
                }
            }
            let Some(port) = self.gather() else { return };
            let (outbox, transmits) = (self.relay.outbox(), &self.transmits);
            // A socket that could not be opened has lost its client, who is counted.
            let Some(report) = self.sockets.send(key(port), outbox, transmits, patience) else {
                continue;
            };
            patience = patience.saturating_sub(report.waited);
            if report.refused {
                self.relay.handle_refused(self.clock.now(), port);
            }
        }
    }

    /// Gathers what one socket is to send next, and says which.
    fn gather(&mut self) -> Option<Port> {
        self.transmits.clear();
        let (port, first) = self.pending.take().or_else(|| self.relay.poll_transmit())?;
        self.transmits.push(first);
        while self.transmits.len() < GATHER {
            match self.relay.poll_transmit() {
                Some((same, transmit)) if same == port => self.transmits.push(transmit),
                other => {
                    self.pending = other;
                    break;
                }
            }
        }
        Some(port)
    }

    fn open(&mut self, host: &mut impl Host, slot: usize) {
        let socket = Socket::connect(self.relay.target(), None, &self.options);
        let opened = socket.map_err(anyhow::Error::new).and_then(|mut socket| {
            if let Some(listen) = self.sockets.get(key(Port::Listen)) {
                socket.share_buffers(listen);
            }
            let local = socket.local_addr();
            self.sockets.insert(key(Port::Client(slot)), socket)?;
            Ok(local)
        });
        match opened {
            Ok(local) => self.relay.opened(slot, local),
            Err(error) => {
                self.sockets.remove(key(Port::Client(slot)));
                self.relay.cannot_open(slot);
                host.cannot_open(&error);
            }
        }
    }
}

fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

fn key(port: Port) -> usize {
    match port {
        Port::Listen => 0,
        Port::Client(slot) => slot + 1,
    }
}

fn port(key: usize) -> Port {
    match key.checked_sub(1) {
        None => Port::Listen,
        Some(slot) => Port::Client(slot),
    }
}
