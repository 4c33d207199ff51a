//! The log's entries, and the form in which they are submitted.

use std::sync::Arc;
use std::time::Duration;

use pigeon_proto::{LinkKind, RoomName};

use crate::Position;

/// A message's permanent identity, the same at every hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// A member's key; for members without one, the id of the hub's run that first received the
    /// message.
    pub author: u128,
    /// One of the author's outboxes: a process, a device, a browser tab.
    pub outbox: u64,
    /// Increases by one with each message of the outbox. At most 2^63 - 1.
    pub number: u64,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its position in the hub's order.
    pub position: Position,
    /// The room.
    pub room: RoomName,
    /// The speaker's name at the time.
    pub speaker: Box<str>,
    /// The link that the message arrived on.
    pub link: LinkKind,
    /// The time since the Unix epoch, in whole milliseconds.
    pub wall: Duration,
    /// The text in UTF-8, or in a raw room the payload.
    pub text: Box<[u8]>,
    /// Its identity.
    pub identity: Identity,
}

/// A gap marker: stands for messages that were relayed but could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The marker's own position.
    pub position: Position,
    /// The room of the missing messages.
    pub room: RoomName,
    /// The newest position stored before them, in any room.
    pub after: Position,
    /// The number of missing messages.
    pub count: u64,
    /// The time of the first of them.
    pub wall: Duration,
}

/// An entry of the log, at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message.
    Message(Arc<Message>),
    /// Missing messages.
    Gap(Gap),
}

impl Entry {
    /// The entry's position.
    pub fn position(&self) -> Position {
        match self {
            Entry::Message(message) => message.position,
            Entry::Gap(gap) => gap.position,
        }
    }

    /// The entry's room.
    pub fn room(&self) -> &RoomName {
        match self {
            Entry::Message(message) => &message.room,
            Entry::Gap(gap) => &gap.room,
        }
    }

    /// The message, unless this is a gap.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Entry::Message(message) => Some(message),
            Entry::Gap(_) => None,
        }
    }
}

/// A message submitted to the log, which assigns its position.
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
    /// Its identity.
    pub identity: Identity,
    /// The rule that its number must satisfy.
    pub numbering: Numbering,
}

/// How a message's number must follow the last one of its outbox, and what happens if the message
/// cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// The author numbers its messages and repeats unstored ones. Only the number after the last
    /// one is accepted, so that no message between two gets lost.
    ByAuthor,
    /// The hub numbers messages of members without a key, and nobody repeats them. Any larger
    /// number is accepted. A message that cannot be stored has been relayed anyway, so it counts
    /// for a [`Gap`].
    ByHub,
}

impl Append {
    /// The entry's size in a queue bounded in bytes.
    pub(crate) fn weight(&self) -> usize {
        weight(self.text.len(), &self.room, &self.speaker)
    }
}

impl Message {
    pub(crate) fn weight(&self) -> usize {
        weight(self.text.len(), &self.room, &self.speaker)
    }
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
        LinkKind::Page => 3,
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
