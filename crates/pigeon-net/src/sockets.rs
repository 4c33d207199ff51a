//! The sockets of one loop, by number: waited for together, and received from in turn, so that a
//! busy one does not starve the others.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use pigeon_datagram::{Instant, Received, SocketId, Transmit};

use crate::counters::{DropReason, Stats, Undelivered};
use crate::receive::Receipt;
use crate::send::{SendReport, drop_datagrams};
use crate::socket::Socket;
use crate::wait::Wait;
use crate::waker::Waker;

/// Sockets by their numbers.
#[derive(Debug)]
pub struct Sockets {
    wait: Wait,
    entries: Vec<Option<Entry>>,
    count: usize,
    /// Sockets that may have datagrams, in turn.
    ready: VecDeque<SocketId>,
    /// The result of the last wait. Reused.
    readable: Vec<SocketId>,
    /// Sockets that were refused while sending.
    refused: Vec<SocketId>,
    /// The totals of removed sockets.
    closed: Stats,
}

#[derive(Debug)]
struct Entry {
    socket: Socket,
    /// Whether the socket is in the ready queue. It stays there until a receive empties it.
    is_ready: bool,
    is_refused: bool,
    /// When the kernel's drop count was last read.
    drops_asked: Instant,
}

/// The result of one receive call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) receipt: Receipt,
    /// Nothing is left at the socket: the next wait reports new datagrams.
    pub(crate) is_last: bool,
}

impl Sockets {
    /// An empty set. Fails if the system has no more file descriptors.
    pub(crate) fn new() -> io::Result<Sockets> {
        Ok(Sockets {
            wait: Wait::new()?,
            entries: Vec::new(),
            count: 0,
            ready: VecDeque::new(),
            readable: Vec::new(),
            refused: Vec::new(),
            closed: Stats::default(),
        })
    }

    /// Makes waits end within some microseconds of their limit.
    pub(crate) fn make_precise(&mut self) {
        self.wait.make_precise();
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.wait.waker().clone()
    }

    /// Adds a socket, and closes any other with its number. The sockets of a loop share receive
    /// buffers, if large enough. If the system cannot watch the socket, it is closed.
    pub fn insert(&mut self, id: SocketId, mut socket: Socket) -> io::Result<()> {
        self.remove(id);
        socket.id = id;
        if let Some(first) = self.entries.iter().flatten().next() {
            socket.share_buffers(&first.socket);
        }
        let others = self.entries.iter_mut().flatten().map(|entry| &mut entry.socket);
        self.wait.add(&mut socket, others, self.count)?;
        if self.entries.len() <= id.index() {
            self.entries.resize_with(id.index() + 1, || None);
        }
        self.entries[id.index()] = Some(Entry {
            socket,
            is_ready: false,
            is_refused: false,
            drops_asked: Instant::ORIGIN,
        });
        self.count += 1;
        // Datagrams may have arrived before the socket was watched.
        self.queue(id);
        Ok(())
    }

    /// Closes a socket. Its totals are kept.
    pub fn remove(&mut self, id: SocketId) {
        drop(self.take(id));
    }

    /// Removes a socket without closing it. Its totals so far are kept.
    pub fn take(&mut self, id: SocketId) -> Option<Socket> {
        let mut entry = self.entries.get_mut(id.index())?.take()?;
        self.wait.remove(&mut entry.socket);
        self.closed.add(&entry.socket.stats());
        self.count -= 1;
        self.ready.retain(|&ready| ready != id);
        self.refused.retain(|&refused| refused != id);
        Some(entry.socket)
    }

    /// The socket with this number.
    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        Some(&self.entries.get(id.index())?.as_ref()?.socket)
    }

    /// The sockets' numbers in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.entries.iter().flatten().map(|entry| entry.socket.id)
    }

    /// The totals of one socket since it was opened. Asks the system.
    pub fn stats_of(&mut self, id: SocketId) -> Option<Stats> {
        Some(self.entry(id)?.socket.stats())
    }

    /// The totals of all sockets, including removed ones. Asks the system for each.
    pub fn stats(&mut self) -> Stats {
        let mut all = self.closed;
        self.entries.iter_mut().flatten().for_each(|entry| all.add(&entry.socket.stats()));
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One more than the highest number.
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    /// The socket at this index.
    pub(crate) fn id_at(&self, place: usize) -> Option<SocketId> {
        Some(self.entries.get(place)?.as_ref()?.socket.id)
    }

    /// Whether any socket may have datagrams.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a call of the [`Waker`] is pending.
    pub(crate) fn is_woken(&self) -> bool {
        self.wait.waker().is_pending()
    }

    /// Takes a pending call of the [`Waker`], and returns whether there was one.
    pub(crate) fn take_woken(&mut self) -> bool {
        self.wait.waker().take()
    }

    /// The next socket that may have datagrams, in turn. A receive from it must follow.
    pub(crate) fn next_ready(&mut self) -> Option<SocketId> {
        self.ready.front().copied()
    }

    /// Receives one batch from a socket, as [`Socket::receive_joined`] does, and moves it behind
    /// the others. A missing socket has nothing. Fails only if the socket is unusable.
    pub(crate) fn receive(
        &mut self,
        id: SocketId,
        each: &mut dyn FnMut(Received<'_>, usize),
    ) -> io::Result<Batch> {
        let errors_may_hide = self.wait.is_edge_triggered();
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else {
            return Ok(Batch { receipt: Receipt::Empty, is_last: true });
        };
        if self.ready.front() == Some(&id) {
            self.ready.pop_front();
            entry.is_ready = false;
        }
        let receipt = entry.socket.receive_joined(each)?;
        let is_last = match receipt {
            Receipt::Empty => true,
            Receipt::Datagrams(_) => {
                let has_errors = errors_may_hide && entry.socket.hears_errors()
                    || entry.socket.undelivered.is_some();
                entry.socket.exhausted && !has_errors
            }
            Receipt::Refused => false,
        };
        if !is_last {
            self.queue(id);
        }
        Ok(Batch { receipt, is_last })
    }

    /// Passes `each` the datagrams that failed on their way, as [`Socket::undelivered`] does.
    pub(crate) fn undelivered(&mut self, id: SocketId, each: &mut dyn FnMut(Undelivered)) {
        if self.entry(id).is_some_and(|entry| entry.socket.undelivered(each)) {
            self.queue(id);
        }
    }

    /// See [`Io::ignore_refusals`](crate::Io::ignore_refusals).
    pub(crate) fn ignore_refusals(&mut self, id: SocketId) {
        if let Some(entry) = self.entry(id) {
            entry.socket.ignore_refusals();
        }
    }

    /// The kernel's drop count of a socket; `None` if it was read within `every`.
    pub(crate) fn kernel_drops(
        &mut self,
        id: SocketId,
        now: Instant,
        every: Duration,
    ) -> Option<u64> {
        let entry = self.entry(id).filter(|entry| now - entry.drops_asked >= every)?;
        entry.drops_asked = now;
        Some(entry.socket.kernel_drops())
    }

    /// Sends transmits of one socket, as [`Socket::send`] does, and passes `unsent` the index of
    /// each dropped one, with the number of its datagrams. A missing socket sends nothing.
    pub(crate) fn send(
        &mut self,
        id: SocketId,
        outbox: &[u8],
        transmits: &[Transmit],
        patience: Duration,
        mut unsent: impl FnMut(usize, u64),
    ) -> SendReport {
        let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else {
            for (place, transmit) in transmits.iter().enumerate() {
                let (counters, datagrams) = (&mut self.closed.sent, transmit.count() as u64);
                drop_datagrams(counters, transmit, datagrams, DropReason::Closed, None);
                unsent(place, datagrams);
            }
            return SendReport::default();
        };
        let report = entry.socket.send(outbox, transmits, patience);
        if report.dropped > 0 {
            entry.socket.unsent().iter().for_each(|&(place, datagrams)| unsent(place, datagrams));
        }
        if report.refused && !std::mem::replace(&mut entry.is_refused, true) {
            self.refused.push(id);
        }
        if report.undelivered.is_some() {
            // The next receive reports it.
            self.queue(id);
        }
        report
    }

    /// Counts a transmit as dropped for lack of time.
    pub(crate) fn abandon(&mut self, transmit: &Transmit) {
        if let Some(entry) = self.entry(transmit.socket) {
            entry.socket.abandon(transmit);
        }
    }

    /// The next socket that was refused while sending.
    pub(crate) fn next_refused(&mut self) -> Option<SocketId> {
        let id = self.refused.pop()?;
        if let Some(entry) = self.entry(id) {
            entry.is_refused = false;
        }
        Some(id)
    }

    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Waits until a socket may have datagrams, the waker was called, or `limit` has passed. A
    /// limit of zero only checks.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        // Collected first, because the sockets are borrowed meanwhile.
        let mut readable = std::mem::take(&mut self.readable);
        readable.clear();
        let sockets = self.entries.iter().flatten().map(|entry| &entry.socket);
        let waited = self.wait.wait(limit, sockets, &mut |id| readable.push(id));
        readable.iter().for_each(|&id| self.queue(id));
        self.readable = readable;
        waited
    }

    fn entry(&mut self, id: SocketId) -> Option<&mut Entry> {
        self.entries.get_mut(id.index())?.as_mut()
    }

    fn queue(&mut self, id: SocketId) {
        let entry = self.entries.get_mut(id.index()).and_then(Option::as_mut);
        if let Some(entry) = entry.filter(|entry| !entry.is_ready) {
            entry.is_ready = true;
            self.ready.push_back(id);
        }
    }
}
