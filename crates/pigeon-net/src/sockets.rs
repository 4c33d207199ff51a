//! The sockets of one loop, by their numbers: waited for together, and received from in turn, so
//! that a busy one does not starve the others.

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
    /// Sockets that may have something, in turn.
    ready: VecDeque<SocketId>,
    /// What the last wait found. Reused.
    readable: Vec<SocketId>,
    /// Sockets that learned while sending that their peer refuses.
    refused: Vec<SocketId>,
    /// What sockets counted that are no longer here.
    closed: Stats,
}

#[derive(Debug)]
struct Entry {
    socket: Socket,
    /// Whether it is in the queue of those that may have something. It stays there until a receive
    /// has taken everything.
    is_ready: bool,
    is_refused: bool,
    /// When the kernel was last asked what it dropped.
    drops_asked: Instant,
}

/// What one receive from a socket brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) receipt: Receipt,
    /// Nothing more waits at the socket: the next wait says when something does.
    pub(crate) is_last: bool,
}

impl Sockets {
    /// None yet. Fails where the system has no more file descriptors.
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

    /// Ends of waits are kept to some microseconds from now on.
    pub(crate) fn make_precise(&mut self) {
        self.wait.make_precise();
    }

    /// A handle for other threads.
    pub fn waker(&self) -> Waker {
        self.wait.waker().clone()
    }

    /// Adds a socket; one that has its number already is closed. All sockets of a loop receive into
    /// the same buffers, as far as those are large enough.
    ///
    /// # Errors
    /// When the system cannot watch the socket; it is closed then.
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
        // It may have received before it was watched.
        self.queue(id);
        Ok(())
    }

    /// Closes a socket. Its counts stay in the totals.
    pub fn remove(&mut self, id: SocketId) {
        drop(self.take(id));
    }

    /// Takes a socket out of the loop. Its counts so far stay in the totals.
    pub fn take(&mut self, id: SocketId) -> Option<Socket> {
        let mut entry = self.entries.get_mut(id.index())?.take()?;
        self.wait.remove(&mut entry.socket);
        self.closed.add(&entry.socket.stats());
        self.count -= 1;
        self.ready.retain(|&ready| ready != id);
        self.refused.retain(|&refused| refused != id);
        Some(entry.socket)
    }

    /// A socket.
    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        Some(&self.entries.get(id.index())?.as_ref()?.socket)
    }

    /// The numbers of the sockets, lowest first.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.entries.iter().flatten().map(|entry| entry.socket.id)
    }

    /// The totals of one socket since it was opened. Asks the system.
    pub fn stats_of(&mut self, id: SocketId) -> Option<Stats> {
        Some(self.entry(id)?.socket.stats())
    }

    /// The totals of all sockets, those no longer here included. Asks the system for each.
    pub fn stats(&mut self) -> Stats {
        let mut all = self.closed;
        self.entries.iter_mut().flatten().for_each(|entry| all.add(&entry.socket.stats()));
        all
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One more than the highest number.
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    /// The socket with this number as an index.
    pub(crate) fn id_at(&self, place: usize) -> Option<SocketId> {
        Some(self.entries.get(place)?.as_ref()?.socket.id)
    }

    /// Whether a socket may have something.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a call of the [`Waker`] is pending.
    pub(crate) fn is_woken(&self) -> bool {
        self.wait.waker().is_pending()
    }

    /// The same, and the call is answered.
    pub(crate) fn take_woken(&mut self) -> bool {
        self.wait.waker().take()
    }

    /// The next socket that may have something, each in its turn. A receive from it must follow.
    pub(crate) fn next_ready(&mut self) -> Option<SocketId> {
        self.ready.front().copied()
    }

    /// Receives one batch from a socket, joined as [`Socket::receive_joined`] does. After it the
    /// others have their turn first. A socket that is not here has nothing.
    ///
    /// # Errors
    /// Only those after which the socket is of no more use.
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

    /// Hands `each` the datagrams that met an error on their way, as [`Socket::undelivered`] does.
    pub(crate) fn undelivered(&mut self, id: SocketId, each: &mut dyn FnMut(Undelivered)) {
        if self.entry(id).is_some_and(|entry| entry.socket.undelivered(each)) {
            self.queue(id);
        }
    }

    /// As [`Io::ignore_refusals`](crate::Io::ignore_refusals).
    pub(crate) fn ignore_refusals(&mut self, id: SocketId) {
        if let Some(entry) = self.entry(id) {
            entry.socket.ignore_refusals();
        }
    }

    /// How many datagrams the kernel has dropped at a socket so far, unless it was asked within
    /// `every`.
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

    /// Sends transmits of one socket, as [`Socket::send`] does, and hands `unsent` the place of each
    /// that was dropped, with how many of its datagrams. From a socket that is not here nothing is
    /// sent.
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

    /// Counts a transmit that will not be sent, as there is no more time.
    pub(crate) fn abandon(&mut self, transmit: &Transmit) {
        if let Some(entry) = self.entry(transmit.socket) {
            entry.socket.abandon(transmit);
        }
    }

    /// The next socket that learned while sending that its peer refuses.
    pub(crate) fn next_refused(&mut self) -> Option<SocketId> {
        let id = self.refused.pop()?;
        if let Some(entry) = self.entry(id) {
            entry.is_refused = false;
        }
        Some(id)
    }

    /// Whether there is such a socket.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Waits until a socket may have something, the waker was called, or `limit` has passed. With a
    /// limit of zero it is a look at what is ready.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        // What is readable is noted afterwards: the sockets are lent out meanwhile.
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
