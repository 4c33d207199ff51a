//! What the loop sends the screen, and what it calls the places that it refers to.

use pigeon_proto::Language;

use super::log::Line;

/// What a conversation is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlaceId {
    /// A room of a hub.
    Room(Box<str>),
    /// One other, by its name or address; nobody, if that is empty.
    Person(Box<str>),
}

impl PlaceId {
    pub(crate) fn name(&self) -> &str {
        match self {
            PlaceId::Room(name) | PlaceId::Person(name) => name,
        }
    }
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is unknown.
    #[default]
    Unknown,
    /// Was heard, and nothing has said since that nobody is there.
    Here,
    /// The network says that nobody listens there.
    Refused,
}

/// Who is in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// The people that are known by name, in order.
    pub(crate) people: Vec<String>,
    /// The programs that only send, in order.
    pub(crate) senders: Vec<String>,
    /// How many more there are.
    pub(crate) more: u64,
}

impl Members {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.more.saturating_add((self.people.len() + self.senders.len()) as u64)
    }
}

/// What the loop sends the screen.
#[derive(Debug)]
pub(crate) enum Update {
    /// A line in a place, which is made if it is new; in the one that is shown if `None`.
    Line(Option<PlaceId>, Line),
    /// Words between the person and one other. Shown in their conversation, and marked as private
    /// in the place that is shown, so that nobody answers in the room.
    Whisper(PlaceId, Line),
    /// Whether the hub lists the person as a member.
    IsIn(bool),
    /// The person is in this room now.
    Enter(Box<str>),
    /// The rooms there are, and how many are in each.
    Rooms(Vec<(String, u64)>),
    /// Who is in the room.
    Members(Members),
    /// What the hub calls the person.
    Me(Box<str>),
    /// A line that the hub keeps of a room.
    Kept(PlaceId, Line),
    /// Whether the hub keeps what is said.
    Keeps(bool),
    /// The hub keeps nothing older of a room than what was shown.
    Oldest(PlaceId),
    /// How far the room was read at the last visit: behind that everything is new.
    Seen(PlaceId, u64),
    /// The hub looks for these words; what it found so far is of no interest.
    Sought(Box<str>),
    /// A line that it has found.
    Hit(Line),
    /// Why it finds none.
    NoHits(Box<str>),
    /// The language of the screen.
    Language(Language),
    /// Who a person is beside the name: the address. The place is made if it is new.
    About(PlaceId, Box<str>),
    /// A place is called otherwise now. If there is one of that name already, only that one stays.
    Rename(PlaceId, PlaceId),
    /// Names that Tab knows beside those that are shown.
    Names(Vec<String>),
    /// Whether somebody is there.
    Presence(PlaceId, Presence),
    /// The person asked for this place: show it.
    Look(PlaceId),
    /// A conversation is over.
    Close(PlaceId),
    /// So many lines never came as far as this: the system or the loop had no room for them.
    Missed(u64),
    /// What the status line says, and whether something is wrong.
    Status { text: String, alarm: bool },
}

impl Update {
    /// About how many bytes it takes in a queue.
    pub(crate) fn cost(&self) -> usize {
        std::mem::size_of::<Update>()
            + match self {
                Update::Line(_, line) | Update::Kept(_, line) | Update::Hit(line) => line.cost(),
                // It is shown twice.
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

    /// Whether it may be lost where too many wait: what strangers can cause any number of. The rest
    /// comes as slowly as a person types, or the clock ticks.
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
