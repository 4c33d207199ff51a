//! The messages passed to a log, their size in memory, and their form in SQLite.

use std::time::Duration;

use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};

/// A message submitted to the log, which assigns its position unless another authority has done so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The room.
    pub room: RoomName,
    /// The speaker's name.
    pub speaker: Box<str>,
    /// The link that the message arrived on.
    pub link: LinkKind,
    /// The time since the Unix epoch. The log keeps whole milliseconds.
    pub wall: Duration,
    /// The text or payload.
    pub text: Box<[u8]>,
    /// The message's identity.
    pub identity: Identity,
    /// The rule for the message's number.
    pub numbering: Numbering,
}

/// How a message's number must follow the last one of its outbox, and what happens if the message
/// cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// The author numbers its messages, and repeats those that were not stored: a larger number is
    /// accepted if the last one is exactly `after`, so that nothing is lost between two messages.
    /// An author may skip the numbers of messages that were refused permanently, so a message never
    /// changes its number.
    ByAuthor {
        /// The number of the author's message before this one, or 0.
        after: u64,
    },
    /// The hub numbers messages of members without a key, and never repeats one. A larger number is
    /// accepted. A message that cannot be stored was relayed anyway, so it is counted for a
    /// `Gap`.
    ByHub,
    /// Hubs that share rooms have decided, in one order for all: the message is stored at this
    /// position, unless its number is not larger than the last one.
    Decided {
        /// The position, after every stored one.
        position: Position,
    },
}

impl Append {
    /// The entry's size in a queue bounded in bytes.
    pub(crate) fn weight(&self) -> usize {
        weight(self.text.len(), &self.room, &self.speaker)
    }
}

/// What a stored message counts for in memory bounded in bytes.
pub(crate) fn weight_of(message: &Message) -> usize {
    weight(message.text.len(), &message.room, &message.speaker)
}

/// The bytes of an entry besides its strings, rounded up.
pub(crate) const OVERHEAD: usize = 192;

fn weight(text: usize, room: &RoomName, speaker: &str) -> usize {
    text + room.as_str().len() + speaker.len() + OVERHEAD
}

/// A link's code in SQLite. 0 marks a gap.
pub(crate) fn link_code(link: LinkKind) -> i64 {
    match link {
        LinkKind::Key => 1,
        LinkKind::Plain => 2,
        LinkKind::Page | LinkKind::PageHttp => 3,
        LinkKind::IpMessenger => 4,
        LinkKind::Import => 5,
    }
}

/// The link of a code. `None` for a gap, or in a damaged file.
pub(crate) fn link_of(code: i64) -> Option<LinkKind> {
    LinkKind::ALL.into_iter().find(|link| link_code(*link) == code)
}

pub(crate) fn millis(wall: Duration) -> i64 {
    i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn wall_of(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A position as SQLite stores it.
pub(crate) trait Sql {
    /// Converts to SQLite's integer.
    fn sql(self) -> i64;

    /// Converts from SQLite's integer. A damaged file may hold anything; an out-of-range number
    /// becomes the nearest valid one.
    fn from_sql(number: i64) -> Self;
}

impl Sql for Position {
    fn sql(self) -> i64 {
        self.get() as i64
    }

    fn from_sql(number: i64) -> Position {
        let number = u64::try_from(number).unwrap_or(0);
        Position::new(number).unwrap_or(Position::END)
    }
}
