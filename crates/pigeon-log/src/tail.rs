//! The newest entries in memory, bounded in bytes. Up-to-date followers read them without touching
//! the disk.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pigeon_proto::RoomName;

use crate::entry::{OVERHEAD, weight_of};
use crate::{Entry, Position};

/// Every stored entry after a certain position.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    max_bytes: usize,
}

#[derive(Debug)]
struct Inner {
    /// All entries after this position are in memory.
    floor: Position,
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// Maximum number of entries read under one lock, so that a reader blocks the writer for some
/// microseconds only.
const STRIDE: usize = 256;

impl Tail {
    pub(crate) fn new(floor: Position, max_bytes: usize) -> Tail {
        let inner = Inner { floor, entries: VecDeque::new(), bytes: 0 };
        Tail { inner: Mutex::new(inner), max_bytes }
    }

    /// Adds newly stored entries.
    pub(crate) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut inner = self.lock();
        for entry in entries {
            inner.bytes += weight(&entry);
            inner.entries.push_back(entry);
        }
        while inner.bytes > self.max_bytes
            && let Some(oldest) = inner.entries.pop_front()
        {
            inner.bytes -= weight(&oldest);
            inner.floor = oldest.position();
        }
    }

    /// The entries after a position. `None` if some of them are no longer in memory.
    pub(crate) fn after(
        &self,
        mut position: Position,
        room: Option<&RoomName>,
        limit: usize,
    ) -> Option<Vec<Entry>> {
        let mut found = Vec::new();
        loop {
            let stride = self.stride(position)?;
            let Some(last) = stride.last() else { return Some(found) };
            position = last.position();
            let of_room = |entry: &Entry| room.is_none_or(|room| entry.room() == room);
            found.extend(stride.into_iter().filter(of_room).take(limit - found.len()));
            if found.len() >= limit {
                return Some(found);
            }
        }
    }

    fn stride(&self, after: Position) -> Option<Vec<Entry>> {
        let inner = self.lock();
        if after < inner.floor {
            return None;
        }
        let start = inner.entries.partition_point(|entry| entry.position() <= after);
        Some(inner.entries.range(start..).take(STRIDE).cloned().collect())
    }

    /// Removes deleted entries. The positions must be sorted.
    pub(crate) fn remove(&self, positions: &[Position]) {
        let mut inner = self.lock();
        if positions.last().is_none_or(|last| *last <= inner.floor) {
            return;
        }
        let mut freed = 0;
        inner.entries.retain(|entry| {
            let deleted = positions.binary_search(&entry.position()).is_ok();
            freed += if deleted { weight(entry) } else { 0 };
            !deleted
        });
        inner.bytes -= freed;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(entry: &Entry) -> usize {
    match entry {
        Entry::Message(message) => weight_of(message),
        Entry::Gap(gap) => OVERHEAD + gap.room.as_str().len(),
    }
}
