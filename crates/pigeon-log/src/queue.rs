//! The writer's queue, bounded in bytes. The hub's data loop adds messages without blocking: either
//! side holds the lock for a few instructions only.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::import::Chunk;
use crate::lost::Lost;
use crate::state::Change;
use crate::writer::Job;
use crate::{Append, Numbering, Ticket};

/// An item to store.
pub(crate) enum Item {
    Message(Append),
    Change(Change),
    /// Messages and the fact that they are stored: all in one transaction.
    Decided(Vec<Append>, Change),
}

/// A batch taken from the queue by the writer.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) items: Vec<(Ticket, Item)>,
    /// Messages rejected by the full queue after these items.
    pub(crate) lost: Lost,
    pub(crate) chunk: Option<Chunk>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) closed: bool,
}

/// Maximum number of items per transaction, so that the first does not wait long.
const MAX_GROUP: usize = 8_192;

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    max_bytes: usize,
}

#[derive(Default)]
struct Inner {
    items: VecDeque<(Ticket, Item)>,
    bytes: usize,
    lost: Lost,
    chunks: VecDeque<Chunk>,
    jobs: Vec<Job>,
    tickets: u64,
    closed: bool,
    waiting: bool,
}

/// Why an item was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full,
    Closed,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Queue {
        Queue { inner: Mutex::default(), work: Condvar::new(), max_bytes }
    }

    /// Queues a message, or returns it. A returned message numbered by the hub counts as lost.
    #[expect(clippy::result_large_err, reason = "the message is handed back, not boxed for it")]
    pub(crate) fn push(&self, append: Append) -> Result<Ticket, (PushError, Append)> {
        let mut inner = self.lock();
        let pushed = self.push_locked(&mut inner, append);
        self.wake(&mut inner);
        pushed
    }

    /// Queues messages like [`push`](Queue::push), under one lock: the writer takes them together.
    pub(crate) fn push_all(&self, appends: Vec<Append>) -> Vec<Result<Ticket, PushError>> {
        let mut inner = self.lock();
        let push = |append| self.push_locked(&mut inner, append).map_err(|(why, _)| why);
        let pushed = appends.into_iter().map(push).collect();
        self.wake(&mut inner);
        pushed
    }

    #[expect(clippy::result_large_err, reason = "the message is handed back, not boxed for it")]
    fn push_locked(
        &self,
        inner: &mut Inner,
        append: Append,
    ) -> Result<Ticket, (PushError, Append)> {
        match self.room_for(inner, append.weight()) {
            Ok(()) => Ok(inner.add(append.weight(), Item::Message(append))),
            Err(why) => {
                if append.numbering == Numbering::ByHub {
                    inner.lost.add(&append.room, append.wall);
                }
                Err((why, append))
            }
        }
    }

    pub(crate) fn push_change(&self, change: Change) -> Result<Ticket, PushError> {
        let mut inner = self.lock();
        self.room_for(&inner, change.weight())?;
        let ticket = inner.add(change.weight(), Item::Change(change));
        self.wake(&mut inner);
        Ok(ticket)
    }

    /// Queues messages and the fact that they are stored.
    pub(crate) fn push_decided(
        &self,
        appends: Vec<Append>,
        change: Change,
    ) -> Result<Ticket, PushError> {
        let item = Item::Decided(appends, change);
        let mut inner = self.lock();
        self.room_for(&inner, item.weight())?;
        let ticket = inner.add(item.weight(), item);
        self.wake(&mut inner);
        Ok(ticket)
    }

    /// Queues a job. Returns false if the queue is closed.
    pub(crate) fn push_job(&self, job: Job) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        inner.jobs.push(job);
        self.wake(&mut inner);
        true
    }

    /// Queues a chunk of an import. Returns false if the queue is closed.
    pub(crate) fn push_chunk(&self, chunk: Chunk) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        inner.chunks.push_back(chunk);
        self.wake(&mut inner);
        true
    }

    /// Closes the queue for new items. Items already queued are still taken.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.wake(&mut inner);
    }

    /// Takes the queued items; waits up to `patience` if there are none. `None` waits for ever.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken {
        let mut inner = self.lock();
        if inner.is_idle() && patience != Some(Duration::ZERO) {
            inner.waiting = true;
            inner = match patience {
                Some(patience) => {
                    let waited = self.work.wait_timeout_while(inner, patience, |it| it.is_idle());
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.work.wait_while(inner, |it| it.is_idle());
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            inner.waiting = false;
        }
        let group = inner.items.len().min(MAX_GROUP);
        let items: Vec<_> = inner.items.drain(..group).collect();
        let freed: usize = items.iter().map(|(_, item)| item.weight()).sum();
        inner.bytes -= freed;
        let all = inner.items.is_empty();
        Taken {
            items,
            // The losses came after everything in the queue.
            lost: if all { std::mem::take(&mut inner.lost) } else { Lost::default() },
            chunk: inner.chunks.pop_front(),
            // A flush must wait for everything before it.
            jobs: if all { std::mem::take(&mut inner.jobs) } else { Vec::new() },
            closed: inner.closed && all && inner.chunks.is_empty(),
        }
    }

    fn room_for(&self, inner: &Inner, bytes: usize) -> Result<(), PushError> {
        if inner.closed {
            return Err(PushError::Closed);
        }
        // An empty queue accepts even a message larger than its limit.
        let fits = inner.bytes == 0 || inner.bytes + bytes <= self.max_bytes;
        if fits { Ok(()) } else { Err(PushError::Full) }
    }

    /// Wakes the writer if it waits and has work. A busy writer needs no wake-up, which saves the system call.
    fn wake(&self, inner: &mut Inner) {
        if !inner.is_idle() && std::mem::take(&mut inner.waiting) {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add(&mut self, bytes: usize, item: Item) -> Ticket {
        self.tickets += 1;
        self.bytes += bytes;
        let ticket = Ticket(self.tickets);
        self.items.push_back((ticket, item));
        ticket
    }

    fn is_idle(&self) -> bool {
        self.items.is_empty()
            && self.lost.is_empty()
            && self.chunks.is_empty()
            && self.jobs.is_empty()
            && !self.closed
    }
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Item::Message(append) => append.weight(),
            Item::Change(change) => change.weight(),
            Item::Decided(appends, change) => {
                appends.iter().map(Append::weight).sum::<usize>() + change.weight()
            }
        }
    }
}
