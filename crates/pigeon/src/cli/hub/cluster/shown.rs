//! How far followers may read the log, and where those that come from another hub continue.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pigeon_cluster::{Resume, Saved};
use pigeon_log::{Follow, ReadError, Reader, Seen};
use pigeon_proto::{Entry, Position};

/// Shared by the threads that read the log.
#[derive(Clone)]
pub(in crate::cli::hub) struct Shown(Arc<Inner>);

struct Inner {
    /// Followers may read entries before this position.
    before: AtomicU64,
    is_in_order: AtomicBool,
    place: Mutex<Saved>,
}

impl Shown {
    /// The place as it is on disk, and the newest position there.
    pub(super) fn new(place: Saved, newest: Position) -> Shown {
        // A hub that has never been in a cluster shows its own messages until it has read those of
        // the others.
        let before = match place.epoch {
            0 => Position::at(newest.epoch() + 1, 0).unwrap_or(Position::END),
            _ => place.shown_before(),
        };
        Shown(Arc::new(Inner {
            before: AtomicU64::new(before.get()),
            is_in_order: AtomicBool::new(false),
            place: Mutex::new(place),
        }))
    }

    fn place(&self) -> MutexGuard<'_, Saved> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log is stored up to this place.
    pub(super) fn stored(&self, place: Saved) {
        if place.epoch > 0 {
            self.0.before.store(place.shown_before().get(), Ordering::Release);
        }
        *self.place() = place;
    }

    pub(super) fn set_in_order(&self, is_in_order: bool) {
        self.0.is_in_order.store(is_in_order, Ordering::Release);
    }

    /// Whether the log holds what the other hubs hold.
    pub(in crate::cli::hub) fn is_in_order(&self) -> bool {
        self.0.is_in_order.load(Ordering::Acquire)
    }

    /// Followers may read entries before this position.
    pub(in crate::cli::hub) fn before(&self) -> Position {
        let before = self.0.before.load(Ordering::Acquire);
        Position::new(before).unwrap_or(Position::END)
    }

    /// Removes entries that followers may not read yet.
    pub(in crate::cli::hub) fn cut(&self, entries: &mut Vec<Entry>) {
        let before = self.before();
        entries.retain(|entry| entry.position() < before);
    }

    /// Where a follower continues that the log would let continue there. `None`: it is not known
    /// yet. `waits`: whether the follower can wait.
    pub(in crate::cli::hub) fn follow(
        &self,
        reader: &Reader,
        seen: Seen,
        follow: Follow,
        waits: bool,
    ) -> Result<Option<Follow>, ReadError> {
        let (is_held, deletion) = match follow {
            Follow::From(_) => (true, None),
            Follow::Reset { forgotten, .. } => (forgotten.is_some(), forgotten),
        };
        let newest = reader.newest(None)?;
        let back = match self.place().resume(seen.position, is_held, newest) {
            Resume::Next => return Ok(Some(follow)),
            Resume::Unknown(_) if waits => return Ok(None),
            Resume::Unknown(back) | Resume::Back(back) => back,
        };
        let back = match follow {
            Follow::Reset { last_common: Some(last), .. } => back.min(last.position),
            _ => back,
        };
        // The last message up to there.
        let mut before = back.next().unwrap_or(Position::END);
        let last_common = loop {
            let entries = reader.before(before, None, 1)?;
            match entries.first() {
                None => break None,
                Some(Entry::Message(message)) => {
                    break Some(Seen { position: message.position, identity: message.identity });
                }
                Some(Entry::Gap(gap)) => before = gap.position,
            }
        };
        Ok(Some(Follow::Reset { last_common, forgotten: deletion }))
    }
}
