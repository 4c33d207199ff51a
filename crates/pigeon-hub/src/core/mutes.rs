//! Muted names and slow rooms, set by the operator.

use std::collections::BTreeMap;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::{Name, RoomName};

use super::id::Slot;

/// Maximum number of muted names, and of slow rooms.
const MOST: usize = 10_000;

/// Muted names and slow rooms.
///
/// A muted member also has a flag, so that it stays muted under another name.
pub(crate) struct Mutes {
    names: BTreeMap<Box<str>, Name>,
    rooms: BTreeMap<Box<str>, (RoomName, Duration)>,
    /// The folded name by which a member was muted.
    held: HashMap<Slot, Box<str>, RandomState>,
    /// When members of slow rooms last sent a message.
    spoke: HashMap<Slot, Instant, RandomState>,
}

impl Mutes {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(c, b, d, a);
        let (held, spoke) = (HashMap::with_hasher(hasher.clone()), HashMap::with_hasher(hasher));
        Mutes { names: BTreeMap::new(), rooms: BTreeMap::new(), held, spoke }
    }

    /// Mutes a name. Returns false if there are too many.
    pub(crate) fn mute(&mut self, name: Name) -> bool {
        let has_place = self.names.len() < MOST || self.names.contains_key(&name.folded());
        has_place && {
            self.names.insert(name.folded(), name);
            true
        }
    }

    /// Unmutes a name. `None` if it was not muted.
    pub(crate) fn unmute(&mut self, folded: &str) -> Option<Name> {
        self.names.remove(folded)
    }

    /// Records by which name a member is muted.
    pub(crate) fn hold(&mut self, slot: Slot, name: &Name) {
        self.held.insert(slot, name.folded());
    }

    /// The folded name by which a member was muted; it is muted no longer.
    pub(crate) fn release(&mut self, slot: Slot) -> Option<Box<str>> {
        self.held.remove(&slot)
    }

    /// The member muted by this name.
    pub(crate) fn holder(&self, name: &Name) -> Option<Slot> {
        let folded = name.folded();
        self.held.iter().find(|(_, held)| **held == folded).map(|(slot, _)| *slot)
    }

    pub(crate) fn is_muted(&self, name: &Name) -> bool {
        !self.names.is_empty() && self.names.contains_key(&name.folded())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.values()
    }

    /// Puts a room into slow mode; a time of zero ends it. Returns false if there are too many.
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

    /// The time between two messages of a member in this room.
    pub(crate) fn wait_in(&self, room: &RoomName) -> Duration {
        if self.rooms.is_empty() {
            return Duration::ZERO;
        }
        self.rooms.get(&room.folded()).map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// The rooms in slow mode.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&RoomName, Duration)> {
        self.rooms.values().map(|(room, time)| (room, *time))
    }

    /// Whether a member may send again, with this time between two messages; if so, records it.
    pub(crate) fn speaks(&mut self, now: Instant, slot: Slot, wait: Duration) -> bool {
        let may = self.spoke.get(&slot).is_none_or(|&last| now - last >= wait);
        if may {
            self.spoke.insert(slot, now);
        }
        may
    }

    pub(crate) fn forget(&mut self, slot: Slot) {
        self.spoke.remove(&slot);
        self.held.remove(&slot);
    }
}
