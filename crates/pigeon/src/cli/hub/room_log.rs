//! What reliable members read: the log on disk, or, on a hub that keeps no history, the newest
//! messages in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pigeon_hub::Message;
use pigeon_hub::reliable::{MemoryAppend, MemoryLog, Outcome as InMemory, RoomLog};
use pigeon_log::{NewestEntries, Outcome, Reader};
use pigeon_proto::{Entry, Position, RoomName};

use super::cluster::Shown;

/// Maximum bytes of messages in memory.
const MOST_BYTES: usize = 4 << 20;

/// The messages of a hub without history, shared by its loop and those of its links.
#[derive(Clone)]
pub(super) struct Memory(Arc<Mutex<MemoryLog>>);

impl Memory {
    /// `random` must be drawn at each start.
    pub(super) fn new(random: [u8; 8]) -> Memory {
        // Below 2^52, so that at least as many positions follow.
        let start = Position::new(u64::from_be_bytes(random) >> 12).unwrap_or_default();
        Memory(Arc::new(Mutex::new(MemoryLog::new(start, MOST_BYTES))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, MemoryLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest entries, for a loop that must not wait.
pub(super) enum Newest {
    /// And what followers may read of it, if other hubs decide.
    Disk(NewestEntries, Option<Shown>),
    Memory(Memory),
}

/// All entries, for one thread.
pub(super) enum All {
    Disk(Reader, Option<Shown>),
    Memory(Memory),
}

impl RoomLog for Newest {
    fn newest(&self) -> Position {
        match self {
            Newest::Disk(log, None) => log.durable(),
            Newest::Disk(log, Some(shown)) => log.durable().min(before(shown.before())),
            Newest::Memory(log) => log.lock().newest(),
        }
    }

    fn tail(&self, after: Position, room: Option<&RoomName>, limit: usize) -> Option<Vec<Entry>> {
        match self {
            Newest::Disk(log, shown) => {
                let mut entries = log.after(after, room, limit)?;
                shown.iter().for_each(|shown| shown.cut(&mut entries));
                Some(entries)
            }
            Newest::Memory(log) => log.lock().tail(after, room, limit),
        }
    }
}

/// The last position before another one.
fn before(position: Position) -> Position {
    Position::new(position.get().saturating_sub(1)).unwrap_or_default()
}

/// A message for the log in memory. `after` is the preceding number of its author.
pub(super) fn in_memory(message: &Message, after: Option<u64>) -> MemoryAppend {
    let Message { room, label, link, wall, text, identity, .. } = message;
    MemoryAppend {
        room: room.clone(),
        speaker: label.clone(),
        link: *link,
        wall: *wall,
        text: text.clone(),
        identity: *identity,
        after,
    }
}

/// The outcome in memory, as the log on disk reports it.
pub(super) fn relayed((outcome, is_new): (InMemory, bool)) -> Outcome {
    let position = Position::START;
    match outcome {
        InMemory::Stored if is_new => Outcome::Stored { position },
        InMemory::Stored => Outcome::Again { position: Some(position) },
        InMemory::Deleted => Outcome::Again { position: None },
        InMemory::Conflict => Outcome::Conflict { position },
        InMemory::Expected(expected) => Outcome::Gap { expected },
        InMemory::Refused { .. } => Outcome::NotStored,
    }
}
