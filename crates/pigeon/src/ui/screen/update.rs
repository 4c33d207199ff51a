//! What the loop sends the screen, and what it calls the places that it refers to.

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

/// What the loop sends the screen.
#[derive(Debug)]
pub(crate) enum Update {
    /// A line in a place, which is made if it is new; in the one that is shown if `None`.
    Line(Option<PlaceId>, Line),
    /// The person is in this room now.
    Enter(Box<str>),
    /// The rooms there are, and how many are in each.
    Rooms(Vec<(String, u64)>),
    /// Who is in the room, and how many more.
    Members(Vec<String>, u64),
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
                Update::Line(_, line) => line.cost(),
                Update::Rooms(rooms) => rooms.iter().map(|(name, _)| name.len() + 32).sum(),
                Update::Members(names, _) | Update::Names(names) => {
                    names.iter().map(|name| name.len() + 24).sum()
                }
                _ => 64,
            }
    }

    /// Whether it may be lost where too many wait: what strangers can cause any number of. The rest
    /// comes as slowly as a person types, or the clock ticks.
    pub(crate) fn is_spare(&self) -> bool {
        matches!(
            self,
            Update::Line(..) | Update::About(..) | Update::Presence(..) | Update::Close(_)
        )
    }
}
