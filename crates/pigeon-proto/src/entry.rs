//! What a hub has stored: messages and gaps, each at its place in the hub's order; and where a
//! follower goes on.

use std::sync::Arc;
use std::time::Duration;

use crate::{LinkKind, Position, RoomName};

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

/// The last message that a follower has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it stands.
    pub position: Position,
    /// Which message it is.
    pub identity: Identity,
}

/// Where a follower goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// After this position: the log holds the message that was seen there.
    From(Position),
    /// The log does not hold that message there: it was deleted, or this is another log, such as a
    /// restored backup.
    Reset {
        /// The newest message that the log holds at or before that position. `None`: the follower
        /// begins anew. It finds by identity what it has already.
        last_common: Option<Seen>,
        /// Whether messages that the follower may have were forgotten. It removes its copies of all
        /// that stands after `last_common`, and reads it again.
        forgotten: bool,
    },
}
