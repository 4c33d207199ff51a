//! Several sockets that one loop waits for together.
//!
//! [`Driver`](crate::Driver) is the loop of a machine with one socket. Where there are many, as a
//! relay has one a client, the loop is its owner's; this is what it waits with, and what keeps one
//! busy socket from starving the others.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use pigeon_datagram::{Received, Transmit};

use crate::alarm::Alarm;
use crate::{Receipt, SendReport, Socket, Stats, Waker};

const WAKER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

/// Events taken from the system at once; what is beyond comes with the next look.
const EVENTS: usize = 256;

/// Sockets by their keys: small numbers, given by the owner.
#[derive(Debug)]
pub struct Sockets {
    poll: Poll,
    events: Events,
    waker: Waker,
    alarm: Alarm,
    entries: Vec<Option<Entry>>,
    /// Keys of sockets that may have something, in turn.
    ready: VecDeque<usize>,
    /// What sockets counted that are no longer here.
    closed: Stats,
}

#[derive(Debug)]
struct Entry {
    socket: Socket,
    /// Whether its key is in the queue. Readiness is told once (edge-triggered), so a socket stays
    /// there until a receive finds nothing.
    is_queued: bool,
}

impl Sockets {
    /// None yet. Fails where the system has no more file descriptors.
    pub fn new() -> io::Result<Sockets> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let alarm = Alarm::new(poll.registry(), ALARM);
        Ok(Sockets {
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
            alarm,
            entries: Vec::new(),
            ready: VecDeque::new(),
            closed: Stats::default(),
        })
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Adds a socket; one that has its key already is closed.
    pub fn insert(&mut self, key: usize, mut socket: Socket) -> io::Result<()> {
        self.remove(key);
        self.poll.registry().register(&mut socket.udp, Token(key), Interest::READABLE)?;
        if self.entries.len() <= key {
            self.entries.resize_with(key + 1, || None);
        }
        // It may have received before it was registered.
        self.entries[key] = Some(Entry { socket, is_queued: false });
        self.queue(key);
        Ok(())
    }

    /// Closes a socket.
    pub fn remove(&mut self, key: usize) {
        let Some(mut entry) = self.entries.get_mut(key).and_then(Option::take) else { return };
        // Fails only if it was never registered, and it was.
        let _ = self.poll.registry().deregister(&mut entry.socket.udp);
        self.closed.add(&entry.socket.stats());
        self.ready.retain(|&ready| ready != key);
    }

    /// A socket.
    pub fn get(&self, key: usize) -> Option<&Socket> {
        self.entries.get(key)?.as_ref().map(|entry| &entry.socket)
    }

    /// How many datagrams the kernel has dropped at a socket so far, as [`Socket::kernel_drops`] says
    /// it; 0 for a key that is not here.
    pub fn kernel_drops(&mut self, key: usize) -> u64 {
        let entry = self.entries.get_mut(key).and_then(Option::as_mut);
        entry.map_or(0, |entry| entry.socket.kernel_drops())
    }

    /// The totals of all sockets, those no longer here included. Asks the system for each.
    pub fn stats(&mut self) -> Stats {
        let mut all = self.closed;
        self.entries.iter_mut().flatten().for_each(|entry| all.add(&entry.socket.stats()));
        all
    }

    /// Whether there is something to do at once.
    pub fn is_busy(&self) -> bool {
        !self.ready.is_empty() || self.waker.is_pending()
    }

    /// Whether the [`Waker`] was called since the last time this was asked.
    pub fn woken(&mut self) -> bool {
        self.waker.take()
    }

    /// The next socket that may have something, each in its turn. It is to be followed by a
    /// [`receive`](Sockets::receive).
    pub fn next_ready(&mut self) -> Option<usize> {
        self.ready.front().copied()
    }

    /// Receives one batch from a socket, as [`Socket::receive`] does. After it the others have their
    /// turn first. A key that is not here has nothing.
    ///
    /// # Errors
    /// Only those after which the socket is of no more use.
    pub fn receive(
        &mut self,
        key: usize,
        each: &mut dyn FnMut(Received<'_>),
    ) -> io::Result<Receipt> {
        self.receive_with(key, |socket| socket.receive(each))
    }

    /// The same, as [`Socket::receive_joined`] does.
    ///
    /// # Errors
    /// As [`receive`](Sockets::receive).
    pub fn receive_joined(
        &mut self,
        key: usize,
        each: &mut dyn FnMut(Received<'_>, usize),
    ) -> io::Result<Receipt> {
        self.receive_with(key, |socket| socket.receive_joined(each))
    }

    fn receive_with(
        &mut self,
        key: usize,
        receive: impl FnOnce(&mut Socket) -> io::Result<Receipt>,
    ) -> io::Result<Receipt> {
        let Some(entry) = self.entries.get_mut(key).and_then(Option::as_mut) else {
            return Ok(Receipt::Empty);
        };
        if self.ready.front() == Some(&key) {
            self.ready.pop_front();
            entry.is_queued = false;
        }
        let receipt = receive(&mut entry.socket);
        if !matches!(receipt, Ok(Receipt::Empty) | Err(_)) {
            self.queue(key);
        }
        receipt
    }

    /// Sends from a socket, as [`Socket::send`] does. `None` if it is not here.
    pub fn send(
        &mut self,
        key: usize,
        outbox: &[u8],
        transmits: &[Transmit],
        patience: Duration,
    ) -> Option<SendReport> {
        let entry = self.entries.get_mut(key)?.as_mut()?;
        Some(entry.socket.send(outbox, transmits, patience))
    }

    /// Waits until a socket may have something, the waker was called, or `limit` has passed.
    /// Returns at once when busy, after a look at what else is ready.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let limit = if self.is_busy() { Some(Duration::ZERO) } else { limit };
        let limit = self.alarm.set(limit);
        match self.poll.poll(&mut self.events, limit) {
            Ok(()) => {}
            // A signal came first.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let entries = &mut self.entries;
        for event in &self.events {
            let key = event.token().0;
            let entry = entries.get_mut(key).and_then(Option::as_mut);
            if let Some(entry) = entry.filter(|entry| !entry.is_queued) {
                entry.is_queued = true;
                self.ready.push_back(key);
            }
        }
        Ok(())
    }

    fn queue(&mut self, key: usize) {
        let entry = self.entries.get_mut(key).and_then(Option::as_mut);
        if let Some(entry) = entry.filter(|entry| !entry.is_queued) {
            entry.is_queued = true;
            self.ready.push_back(key);
        }
    }
}
