//! Waiting until a socket can be read, a thread calls the waker, or a limit passes.
//!
//! ```text
//!   a few sockets    ppoll(2) over the sockets and the readiness queue, which has only the waker
//!   many sockets     the readiness queue (epoll(7) and its like) has them all
//! ```
//!
//! A readiness queue costs time for each datagram: the kernel notifies it whenever one arrives and
//! whenever a sent one is freed, even while the loop is awake. That takes 2 to 5 % of a hub's
//! fan-out. ppoll(2) watches a socket only while the loop sleeps, but checks every socket in each
//! call, so it suits only a few.

use std::io;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use pigeon_datagram::SocketId;

use crate::alarm::Alarm;
use crate::socket::Socket;
use crate::waker::Waker;

const WAKER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

/// Events taken from the system at once; the rest comes with the next call.
const EVENTS: usize = 256;

#[cfg(target_os = "linux")]
const A_DAY: Duration = Duration::from_secs(86_400);

/// Maximum number of sockets passed to ppoll(2).
pub(crate) const FEW: usize = 8;

/// The sleep of a loop.
#[derive(Debug)]
pub(crate) struct Wait {
    poll: Poll,
    events: Events,
    waker: Waker,
    /// `None`: limits are as precise as the system call's.
    alarm: Option<Alarm>,
    /// Whether the sockets are in the readiness queue.
    queued: bool,
}

impl Wait {
    /// Fails if the system has no more file descriptors.
    pub(crate) fn new() -> io::Result<Wait> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let events = Events::with_capacity(EVENTS);
        Ok(Wait { poll, events, waker, alarm: None, queued: !cfg!(target_os = "linux") })
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Makes the time limits of waits precise to some microseconds.
    pub(crate) fn make_precise(&mut self) {
        let registry = self.poll.registry();
        self.alarm.get_or_insert_with(|| Alarm::new(registry, ALARM));
    }

    /// Whether a socket is reported only once per arrival (edge-triggered): then an error behind
    /// the last datagram may be missed.
    pub(crate) fn is_edge_triggered(&self) -> bool {
        self.queued
    }

    /// Adds a socket to those waited for; `others` are the `count` sockets already present.
    pub(crate) fn add<'a>(
        &mut self,
        socket: &mut Socket,
        others: impl Iterator<Item = &'a mut Socket>,
        count: usize,
    ) -> io::Result<()> {
        if !self.queued && count < FEW {
            return Ok(());
        }
        // The queue is kept when few sockets remain: a relay that had many clients may have many
        // again.
        if !self.queued {
            for other in others {
                match self.register(other) {
                    // The socket is already registered by an earlier attempt, which failed at a
                    // later socket.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    registered => registered?,
                }
            }
            self.queued = true;
        }
        self.register(socket)
    }

    fn register(&self, socket: &mut Socket) -> io::Result<()> {
        let token = Token(socket.id.index());
        self.poll.registry().register(&mut socket.udp, token, Interest::READABLE)
    }

    /// Removes a socket from those waited for.
    pub(crate) fn remove(&mut self, socket: &mut Socket) {
        if self.queued {
            // Fails only for a socket that was never registered.
            let _ = self.poll.registry().deregister(&mut socket.udp);
        }
    }

    /// Waits, and fills `ready` with the sockets that may have datagrams. Any event of a socket
    /// counts: errors are read the same way.
    ///
    /// After a signal it checks once more without waiting: a stopped process that continues also
    /// gets here (signal(7)), and many datagrams may have arrived.
    pub(crate) fn wait<'a>(
        &mut self,
        limit: Option<Duration>,
        sockets: impl Iterator<Item = &'a Socket> + Clone,
        ready: &mut dyn FnMut(SocketId),
    ) -> io::Result<()> {
        match self.wait_once(limit, sockets.clone(), ready) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
        match self.wait_once(Some(Duration::ZERO), sockets, ready) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            ended => ended,
        }
    }

    fn wait_once<'a>(
        &mut self,
        limit: Option<Duration>,
        sockets: impl Iterator<Item = &'a Socket>,
        ready: &mut dyn FnMut(SocketId),
    ) -> io::Result<()> {
        let limit = match &mut self.alarm {
            Some(alarm) => alarm.set(limit),
            None => limit,
        };
        #[cfg(target_os = "linux")]
        if !self.queued {
            return self.wait_for_few(limit, sockets, ready);
        }
        let _ = sockets;
        self.wait_in_queue(limit, ready)
    }

    fn wait_in_queue(
        &mut self,
        limit: Option<Duration>,
        ready: &mut dyn FnMut(SocketId),
    ) -> io::Result<()> {
        self.poll.poll(&mut self.events, limit)?;
        // The tokens of the waker and the alarm are not socket numbers.
        let numbers = self.events.iter().filter_map(|event| u16::try_from(event.token().0).ok());
        numbers.for_each(|number| ready(SocketId::new(number)));
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn wait_for_few<'a>(
        &mut self,
        limit: Option<Duration>,
        sockets: impl Iterator<Item = &'a Socket>,
        ready: &mut dyn FnMut(SocketId),
    ) -> io::Result<()> {
        use std::os::fd::AsFd;

        use nix::poll::{PollFd, PollFlags, ppoll};
        use nix::sys::time::TimeSpec;

        // The readiness queue comes first, at a fixed index.
        let mut files = [self.poll.registry().as_fd(); FEW + 1];
        let mut ids = [SocketId::FIRST; FEW];
        let mut count = 0;
        for (socket, (file, id)) in sockets.zip(files[1..].iter_mut().zip(&mut ids)) {
            (*file, *id) = (socket.udp.as_fd(), socket.id);
            count += 1;
        }
        let mut files = files.map(|file| PollFd::new(file, PollFlags::POLLIN));
        let files = &mut files[..=count];
        // No sleep lasts a day; a longer time may not fit the kernel's structure.
        let limit = limit.map(|limit| TimeSpec::from_duration(limit.min(A_DAY)));
        if ppoll(files, limit, None)? == 0 {
            return Ok(());
        }
        let has_event = |file: &PollFd<'_>| file.any().unwrap_or(true);
        let readable = files[1..].iter().zip(ids).filter(|(file, _)| has_event(file));
        readable.for_each(|(_, id)| ready(id));
        match has_event(&files[0]) {
            true => self.wait_in_queue(Some(Duration::ZERO), ready),
            false => Ok(()),
        }
    }
}
