//! Who may not speak, and in which rooms one must wait between two messages: the operator's doing.

use std::collections::BTreeMap;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::{Name, RoomName};

use super::id::Slot;

/// The most names that can be muted, and rooms that can be slowed down.
const MOST: usize = 10_000;

/// Names that may not speak, and slow rooms.
///
/// A muted member has a trait too, so that it stays muted under another name.
pub(crate) struct Mutes {
    names: BTreeMap<Box<str>, Name>,
    rooms: BTreeMap<Box<str>, (RoomName, Duration)>,
    /// When members of slow rooms last spoke.
    spoke: HashMap<Slot, Instant, RandomState>,
}

impl Mutes {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let spoke = HashMap::with_hasher(RandomState::with_seeds(c, b, d, a));
        Mutes { names: BTreeMap::new(), rooms: BTreeMap::new(), spoke }
    }

    /// Mutes a name. False if there are too many.
    pub(crate) fn mute(&mut self, name: Name) -> bool {
        let has_place = self.names.len() < MOST || self.names.contains_key(&name.folded());
        has_place && {
            self.names.insert(name.folded(), name);
            true
        }
    }

    /// Lets a name speak again. `None` if it was not muted.
    pub(crate) fn unmute(&mut self, folded: &str) -> Option<Name> {
        self.names.remove(folded)
    }

    pub(crate) fn is_muted(&self, name: &Name) -> bool {
        !self.names.is_empty() && self.names.contains_key(&name.folded())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.values()
    }

    /// Slows a room down; a time of zero lifts it. False if there are too many.
    pub(crate) fn slow(&mut self, room: RoomName, time: Duration) -> bool {
        if time.is_zero() {
            self.rooms.remove(&room.folded());
            return true;
        }
        let has_place = self.rooms.len() < MOST || self.rooms.contains_key(&room.folded());
        has_place && {
            self.rooms.insert(room.folded(), (room, time));
            true
        }
    }

    /// How long one must wait in this room.
    pub(crate) fn wait_in(&self, room: &RoomName) -> Duration {
        if self.rooms.is_empty() {
            return Duration::ZERO;
        }
        self.rooms.get(&room.folded()).map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// Rooms that are slowed down.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&RoomName, Duration)> {
        self.rooms.values().map(|(room, time)| (room, *time))
    }

    /// Whether a member may speak again that must wait so long between two messages; if so, it has.
    pub(crate) fn speaks(&mut self, now: Instant, slot: Slot, wait: Duration) -> bool {
        let may = self.spoke.get(&slot).is_none_or(|&last| now - last >= wait);
        if may {
            self.spoke.insert(slot, now);
        }
        may
    }

    /// A member has gone.
    pub(crate) fn forget(&mut self, slot: Slot) {
        self.spoke.remove(&slot);
    }
}
