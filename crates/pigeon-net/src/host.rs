//! The host: the machine's environment (console, logs, screen) while a loop drives it.

use std::io;
use std::ops::ControlFlow;

use pigeon_datagram::{Instant, Machine, Received, SocketId};

use crate::counters::Stats;
use crate::socket::Socket;
use crate::sockets::Sockets;

/// A [`Host`]'s access to the loop: the time and the sockets.
#[derive(Debug)]
pub struct Io<'a> {
    /// The time of the report.
    pub now: Instant,
    /// The loop's sockets; the host may add and remove some.
    pub sockets: &'a mut Sockets,
}

impl Io<'_> {
    /// The totals of all sockets. Asks the system for each.
    pub fn stats(&mut self) -> Stats {
        self.sockets.stats()
    }

    /// Turns [`SocketOptions::refusals`](crate::SocketOptions) off again. While it is on, Linux
    /// also reports datagrams dropped by a queue of this host as unsent (ENOBUFS); a measurement
    /// counts those with all other losses.
    pub fn ignore_refusals(&mut self, id: SocketId) {
        self.sockets.ignore_refusals(id);
    }

    /// Adds a socket, as [`Sockets::insert`] does. If the system cannot watch the socket, it is
    /// closed.
    pub fn open(&mut self, id: SocketId, socket: Socket) -> io::Result<()> {
        self.sockets.insert(id, socket)
    }

    /// Closes a socket.
    pub fn close(&mut self, id: SocketId) {
        self.sockets.remove(id);
    }
}

/// A machine's environment: console, logs, screen.
///
/// Every method may change the machine; the loop drains it afterwards. `Break` stops the loop after
/// a last drain.
pub trait Host<M: Machine> {
    /// Called after another thread used the [`Waker`](crate::Waker).
    fn woken(&mut self, machine: &mut M, io: &mut Io<'_>) -> ControlFlow<()> {
        let _ = (machine, io);
        ControlFlow::Continue(())
    }

    /// Called for each event of the machine, after everything it queued before is sent. An event
    /// may refer to bytes of the machine's outbox, which are still valid.
    fn event(&mut self, machine: &mut M, io: &mut Io<'_>, event: M::Event) -> ControlFlow<()>;

    /// When to call [`tick`](Host::tick) next, if ever.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Called at the deadline.
    fn tick(&mut self, machine: &mut M, io: &mut Io<'_>) -> ControlFlow<()> {
        let _ = (machine, io);
        ControlFlow::Continue(())
    }

    /// Called before datagrams are passed to the machine, joined as in [`Machine::handle_joined`]:
    /// to record them, or to pass the machine the wall clock.
    fn arrived(&mut self, machine: &mut M, now: Instant, joined: &Received<'_>, segment: usize) {
        let _ = (machine, now, joined, segment);
    }

    /// Called when a socket can no longer receive. After `Ok` the loop closes it and continues. An
    /// error ends the loop; the default returns the given one.
    fn failed(&mut self, machine: &mut M, socket: SocketId, error: io::Error) -> io::Result<()> {
        let _ = (machine, socket);
        Err(error)
    }
}
