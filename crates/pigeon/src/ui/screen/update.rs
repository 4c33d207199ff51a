//! Updates from the loop to the screen, and ids of places.

use pigeon_proto::Language;

use super::log::Line;

/// The id of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlaceId {
    /// A room of a hub.
    Room(Box<str>),
    /// Another person, by name or address; empty means none.
    Person(Box<str>),
}

impl PlaceId {
    pub(crate) fn name(&self) -> &str {
        match self {
            PlaceId::Room(name) | PlaceId::Person(name) => name,
        }
    }
}

/// Whether a peer is present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Unknown.
    #[default]
    Unknown,
    /// The peer was heard, and has not refused since.
    Here,
    /// The peer's port is closed.
    Refused,
}

/// The members of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// The known people, in order.
    pub(crate) people: Vec<String>,
    /// The known programs that only send, in order.
    pub(crate) senders: Vec<String>,
    /// The number of further members.
    pub(crate) more: u64,
}

impl Members {
    /// The number of all members.
    pub(crate) fn count(&self) -> u64 {
        self.more.saturating_add((self.people.len() + self.senders.len()) as u64)
    }
}

/// An update from the loop.
#[derive(Debug)]
pub(crate) enum Update {
    /// A line in a place, which is created if new; `None` means the shown one.
    Line(Option<PlaceId>, Line),
    /// A private message. Shown in its conversation, and marked as private in the shown place, so
    /// that nobody answers in the room by mistake.
    Whisper(PlaceId, Line),
    /// Whether the user is a member of the hub.
    IsIn(bool),
    /// The user's current room.
    Enter(Box<str>),
    /// The rooms with their numbers of members.
    Rooms(Vec<(String, u64)>),
    /// The room's members.
    Members(Members),
    /// The user's name at the hub.
    Me(Box<str>),
    /// A stored line of a room.
    Kept(PlaceId, Line),
    /// Whether the hub stores messages.
    Keeps(bool),
    /// The hub stores nothing older of this room.
    Oldest(PlaceId),
    /// The last position read in a room at the last visit: later lines are new.
    Seen(PlaceId, u64),
    /// The hub searches for these words; earlier results are dropped.
    Sought(Box<str>),
    /// A search result.
    Hit(Line),
    /// Why there are no results.
    NoHits(Box<str>),
    /// The screen's language.
    Language(Language),
    /// Further information on a person: the address. The place is created if new.
    About(PlaceId, Box<str>),
    /// A place has a new id. If a place with the new id exists, only that place stays.
    Rename(PlaceId, PlaceId),
    /// Additional names for Tab.
    Names(Vec<String>),
    /// A peer's presence.
    Presence(PlaceId, Presence),
    /// The user selected this place: show it.
    Look(PlaceId),
    /// Closes a conversation.
    Close(PlaceId),
    /// Lines lost before the screen, by the system or the loop.
    Missed(u64),
    /// The status line's text, and whether something is wrong.
    Status { text: String, alarm: bool },
}

impl Update {
    /// The update's approximate size in a queue, in bytes.
    pub(crate) fn cost(&self) -> usize {
        std::mem::size_of::<Update>()
            + match self {
                Update::Line(_, line) | Update::Kept(_, line) | Update::Hit(line) => line.cost(),
                // A whisper is shown twice.
                Update::Whisper(_, line) => 2 * line.cost(),
                Update::Rooms(rooms) => rooms.iter().map(|(name, _)| name.len() + 32).sum(),
                Update::Members(members) => {
                    let names = members.people.iter().chain(&members.senders);
                    names.map(|name| name.len() + 24).sum()
                }
                Update::Names(names) => names.iter().map(|name| name.len() + 24).sum(),
                _ => 64,
            }
    }

    /// Whether it may be dropped if too many are queued: those that strangers can cause in any
    /// number. The others arrive at the pace of a person or a clock.
    pub(crate) fn is_spare(&self) -> bool {
        matches!(
            self,
            Update::Line(..)
                | Update::Whisper(..)
                | Update::Kept(..)
                | Update::Hit(_)
                | Update::About(..)
                | Update::Presence(..)
                | Update::Close(_)
        )
    }
}
