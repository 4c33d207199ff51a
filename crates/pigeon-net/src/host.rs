//! What stands around a machine while a loop drives it: console, logs, screen.

use std::io;
use std::ops::ControlFlow;

use pigeon_datagram::{Instant, Machine, Received, SocketId};

use crate::counters::Stats;
use crate::socket::Socket;
use crate::sockets::Sockets;

/// The loop as a [`Host`] sees it: the time, and the sockets.
#[derive(Debug)]
pub struct Io<'a> {
    /// The time of what is reported.
    pub now: Instant,
    /// The sockets of the loop, to which the host may add and from which it may remove.
    pub sockets: &'a mut Sockets,
}

impl Io<'_> {
    /// The totals of all sockets. Asks the system for each.
    pub fn stats(&mut self) -> Stats {
        self.sockets.stats()
    }

    /// Has a socket hear no longer what [`SocketOptions::refusals`](crate::SocketOptions) asked for. To
    /// one that does, Linux also reports what a queue of this host dropped, as not sent (ENOBUFS); a
    /// measurement counts that with all else that was lost on the way.
    pub fn ignore_refusals(&mut self, id: SocketId) {
        self.sockets.ignore_refusals(id);
    }

    /// Adds a socket, as [`Sockets::insert`] does.
    ///
    /// # Errors
    /// When the system cannot watch the socket; it is closed then.
    pub fn open(&mut self, id: SocketId, socket: Socket) -> io::Result<()> {
        self.sockets.insert(id, socket)
    }

    /// Closes a socket.
    pub fn close(&mut self, id: SocketId) {
        self.sockets.remove(id);
    }
}

/// What stands around a machine: console, logs, screen.
///
/// Every method may change the machine; the loop drains it afterwards. `Break` stops the loop after
/// a last drain.
pub trait Host<M: Machine> {
    /// Another thread called the [`Waker`](crate::Waker): do what it asked for.
    fn woken(&mut self, machine: &mut M, io: &mut Io<'_>) -> ControlFlow<()> {
        let _ = (machine, io);
        ControlFlow::Continue(())
    }

    /// The machine reported something. Everything it had to send before is sent. An event may name
    /// bytes of the machine's outbox, which are still there.
    fn event(&mut self, machine: &mut M, io: &mut Io<'_>, event: M::Event) -> ControlFlow<()>;

    /// When [`tick`](Host::tick) is to be called next, if ever.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has come.
    fn tick(&mut self, machine: &mut M, io: &mut Io<'_>) -> ControlFlow<()> {
        let _ = (machine, io);
        ControlFlow::Continue(())
    }

    /// Datagrams arrived and are about to be handed to the machine, joined as
    /// [`Machine::handle_joined`] has it: to record them, or to pass the machine the wall clock.
    fn arrived(&mut self, machine: &mut M, now: Instant, joined: &Received<'_>, segment: usize) {
        let _ = (machine, now, joined, segment);
    }

    /// A socket can no longer receive. With `Ok` the loop closes it and goes on.
    ///
    /// # Errors
    /// The error given, by default, or another: it ends the loop.
    fn failed(&mut self, machine: &mut M, socket: SocketId, error: io::Error) -> io::Result<()> {
        let _ = (machine, socket);
        Err(error)
    }
}
