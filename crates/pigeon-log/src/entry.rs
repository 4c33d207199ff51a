//! What a log holds, and what is handed to it.

use std::sync::Arc;
use std::time::Duration;

use pigeon_proto::{LinkKind, RoomName};

use crate::Position;

/// Which message it is, for ever and at every hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// A member's key, or for members without one the run of the hub that first heard it.
    pub author: u128,
    /// One of the author's outboxes: a process, a device, a tab.
    pub outbox: u64,
    /// Grows by one with each message of the outbox. Stored up to 2^63 - 1.
    pub number: u64,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the hub's order.
    pub position: Position,
    /// The room in which it was said.
    pub room: RoomName,
    /// What the speaker was called at the time.
    pub speaker: Box<str>,
    /// The link by which it came.
    pub link: LinkKind,
    /// The time since the Unix epoch, in whole milliseconds.
    pub wall: Duration,
    /// What was said: UTF-8, or in a raw room the payload.
    pub text: Box<[u8]>,
    /// Which message it is.
    pub identity: Identity,
}

/// Takes the place of messages that were relayed but could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its own place in the order.
    pub position: Position,
    /// The room in which they were said.
    pub room: RoomName,
    /// The newest position that was stored before them, in any room.
    pub after: Position,
    /// How many messages are missing.
    pub count: u64,
    /// When the first of them was said.
    pub wall: Duration,
}

/// One place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message.
    Message(Arc<Message>),
    /// Messages that are missing.
    Gap(Gap),
}

impl Entry {
    /// Its place.
    pub fn position(&self) -> Position {
        match self {
            Entry::Message(message) => message.position,
            Entry::Gap(gap) => gap.position,
        }
    }

    /// Its room.
    pub fn room(&self) -> &RoomName {
        match self {
            Entry::Message(message) => &message.room,
            Entry::Gap(gap) => &gap.room,
        }
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Entry::Message(message) => Some(message),
            Entry::Gap(_) => None,
        }
    }
}

/// A message on its way into the log, which draws its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The room in which it was said.
    pub room: RoomName,
    /// What the speaker is called.
    pub speaker: Box<str>,
    /// The link by which it came.
    pub link: LinkKind,
    /// The time since the Unix epoch. The log keeps whole milliseconds.
    pub wall: Duration,
    /// What was said.
    pub text: Box<[u8]>,
    /// Which message it is.
    pub identity: Identity,
    /// How its number must follow the outbox's last one.
    pub numbering: Numbering,
}

/// How the number of a message must follow the last one of its outbox, and what happens to a message
/// that cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// The author numbers, and repeats what was not stored: exactly the number after the last one is
    /// accepted, so that nothing gets lost between two messages.
    ByAuthor,
    /// The hub numbers messages of members without a key, and nobody repeats them. A larger number
    /// is accepted. A message that cannot be stored was relayed all the same, so it is counted for a
    /// [`Gap`].
    ByHub,
}

impl Append {
    /// What it counts for in a queue bounded in bytes.
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

/// A link as SQLite stores it. 0 marks a gap.
pub(crate) fn link_code(link: LinkKind) -> i64 {
    match link {
        LinkKind::Key => 1,
        LinkKind::Plain => 2,
        LinkKind::Page => 3,
        LinkKind::IpMessenger => 4,
        LinkKind::Import => 5,
    }
}

/// The link of a code. `None` for a gap, and in damaged files.
pub(crate) fn link_of(code: i64) -> Option<LinkKind> {
    LinkKind::ALL.into_iter().find(|link| link_code(*link) == code)
}

/// Milliseconds as SQLite stores them.
pub(crate) fn millis(wall: Duration) -> i64 {
    i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)
}

/// The time of stored milliseconds.
pub(crate) fn wall_of(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
