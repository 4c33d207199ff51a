//! The members of all links: link, room and settings of each.
//!
//! A record is 12 bytes. Data for the link only (an address, when it was last heard) is in the
//! link's own table; the plain link's uses the same slots. So a silent plain member takes 12 bytes
//! here, 52 there, and 4 in its room's member list.

use super::id::{LinkId, MemberId, Slot};

/// A member's flags, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Trait {
    /// The slot is in use.
    Live = 1,
    /// The member has a name.
    Named = 2,
    /// The member has sent a heartbeat or a command, or has a name, so it may have a reader.
    Person = 4,
    /// The member has turned notices off.
    Quiet = 8,
    /// The member's notices are in Chinese.
    Chinese = 16,
    /// The operator has muted it.
    Muted = 32,
    /// The member has been shown the backlog.
    Greeted = 64,
    /// The member keeps itself alive: it has sent a heartbeat, or an empty datagram.
    Beats = 128,
}

/// The room index of a member without a room.
const NOWHERE: u16 = u16::MAX;

const NOBODY: u32 = u32::MAX;

struct Record {
    generation: u32,
    /// The member's index in its room's member list; in a free slot the next free slot.
    place: u32,
    /// The room's index.
    room: u16,
    link: u8,
    traits: u8,
}

/// The table of members.
pub(crate) struct Members {
    records: Vec<Record>,
    len: usize,
    free: u32,
}

impl Members {
    pub(crate) fn new() -> Self {
        Members { records: Vec::new(), len: 0, free: NOBODY }
    }

    // Lookups.

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The slot of a member, if it still exists.
    pub(crate) fn find(&self, id: MemberId) -> Option<Slot> {
        let record = self.records.get(id.slot().index())?;
        let live = record.traits & Trait::Live as u8 != 0;
        (live && record.generation == id.generation()).then_some(id.slot())
    }

    pub(crate) fn id(&self, slot: Slot) -> MemberId {
        MemberId::new(slot, self.record(slot).generation)
    }

    pub(crate) fn link(&self, slot: Slot) -> LinkId {
        LinkId::new(self.record(slot).link)
    }

    pub(crate) fn has(&self, slot: Slot, which: Trait) -> bool {
        self.record(slot).traits & which as u8 != 0
    }

    /// The index of the member's room. `None` for a member that has not sent the password.
    pub(crate) fn room(&self, slot: Slot) -> Option<u16> {
        Some(self.record(slot).room).filter(|&room| room != NOWHERE)
    }

    pub(crate) fn place(&self, slot: Slot) -> u32 {
        self.record(slot).place
    }

    /// Every member, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let live = |record: &Record| record.traits & Trait::Live as u8 != 0;
        let slots = (0_u32..).zip(&self.records).filter(move |(_, record)| live(record));
        slots.map(|(index, _)| Slot::new(index))
    }

    // Changes.

    /// Adds a member without a room.
    pub(crate) fn insert(&mut self, link: LinkId) -> MemberId {
        let link = link.number();
        let traits = Trait::Live as u8;
        self.len += 1;
        let slot = match self.free {
            NOBODY => {
                let record = Record { generation: 0, place: 0, room: NOWHERE, link, traits };
                self.records.push(record);
                Slot::new(self.records.len() as u32 - 1)
            }
            free => {
                let slot = Slot::new(free);
                let record = self.record_mut(slot);
                let next = record.place;
                record.generation = record.generation.wrapping_add(1);
                (record.place, record.room) = (0, NOWHERE);
                (record.link, record.traits) = (link, traits);
                self.free = next;
                slot
            }
        };
        self.id(slot)
    }

    /// Removes a member, which must have left its room.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let free = self.free;
        let record = self.record_mut(slot);
        (record.traits, record.place) = (0, free);
        self.free = slot.number();
        self.len -= 1;
    }

    pub(crate) fn set(&mut self, slot: Slot, which: Trait, on: bool) {
        let traits = &mut self.record_mut(slot).traits;
        *traits = if on { *traits | which as u8 } else { *traits & !(which as u8) };
    }

    pub(crate) fn set_room(&mut self, slot: Slot, room: Option<u16>) {
        self.record_mut(slot).room = room.unwrap_or(NOWHERE);
    }

    pub(crate) fn set_place(&mut self, slot: Slot, place: usize) {
        self.record_mut(slot).place = place as u32;
    }

    fn record(&self, slot: Slot) -> &Record {
        &self.records[slot.index()]
    }

    fn record_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.records[slot.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_twelve_bytes() {
        assert_eq!(size_of::<Record>(), 12);
    }

    #[test]
    fn an_id_that_was_kept_too_long_finds_nobody() {
        let mut members = Members::new();
        let ids: Vec<MemberId> = (0..100).map(|_| members.insert(LinkId::PLAIN)).collect();
        for id in ids.iter().step_by(3) {
            members.remove(id.slot());
        }
        let again: Vec<MemberId> = (0..34).map(|_| members.insert(LinkId::new(1))).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(members.find(*id).is_some(), n % 3 != 0);
        }
        for id in again {
            assert!(ids.iter().any(|old| old.slot() == id.slot() && *old != id));
            assert_eq!(members.find(id), Some(id.slot()));
            assert_eq!(members.link(id.slot()), LinkId::new(1));
        }
        assert_eq!((members.len(), members.iter().count()), (100, 100));
    }
}
