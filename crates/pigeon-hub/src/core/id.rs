//! Ids of members, rooms and links that are never mistaken for another's.
//!
//! A slot is reused when its member has left, and so is a room's. The generation beside it
//! increases each time, so an outdated id matches nothing.

/// Identifies a member while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    slot: Slot,
    generation: u32,
}

/// A member's index in the tables. Only valid while the member exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u32);

/// Identifies a room while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomId {
    index: u16,
    generation: u32,
}

/// Identifies a link, such as plain datagrams or IP Messenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u8);

impl MemberId {
    pub(crate) const fn new(slot: Slot, generation: u32) -> Self {
        MemberId { slot, generation }
    }

    pub(crate) fn slot(self) -> Slot {
        self.slot
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

impl Slot {
    pub(crate) const fn new(index: u32) -> Self {
        Slot(index)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl RoomId {
    pub(crate) const fn new(index: u16, generation: u32) -> Self {
        RoomId { index, generation }
    }

    pub(crate) fn index(self) -> usize {
        self.index.into()
    }

    pub(crate) fn number(self) -> u16 {
        self.index
    }
}

impl LinkId {
    /// The link for plain datagrams, which every hub has.
    pub(crate) const PLAIN: LinkId = LinkId(0);

    pub(crate) fn new(number: u8) -> Self {
        LinkId(number)
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }
}
