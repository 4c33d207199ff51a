//! Who and where, as numbers that are never mistaken for another's.
//!
//! A slot is reused when its member has gone, and so is a room's. The generation beside it grows each
//! time, so an id that was kept too long finds nobody instead of somebody else.

/// A member, for as long as it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    slot: Slot,
    generation: u32,
}

/// A member's place in the tables. Only for those who are here at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u32);

/// A room, for as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomId {
    index: u16,
    generation: u32,
}

/// One of the links through which members are reached.
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
