//! Entries of a hub's log: messages and gaps, each with its position; and where a follower
//! continues.

use std::sync::Arc;
use std::time::Duration;

use crate::{LinkKind, Position, RoomName};

/// The identity of a message, permanent and the same at every hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// A member's key, or for members without one the hub's run that first received it.
    pub author: u128,
    /// One of the author's outboxes: a process, a device, a tab.
    pub outbox: u64,
    /// Increases by one with each message of the outbox. At most 2^63 - 1.
    pub number: u64,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's place in the hub's order.
    pub position: Position,
    /// The message's room.
    pub room: RoomName,
    /// The speaker's name at the time.
    pub speaker: Box<str>,
    /// The link that delivered it.
    pub link: LinkKind,
    /// The time since the Unix epoch, in whole milliseconds.
    pub wall: Duration,
    /// The payload: UTF-8, or any bytes in a raw room.
    pub text: Box<[u8]>,
    /// The message's identity.
    pub identity: Identity,
}

/// Stands for messages that were relayed but could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The gap's own place in the order.
    pub position: Position,
    /// The room of the missing messages.
    pub room: RoomName,
    /// The newest position stored before them, in any room.
    pub after: Position,
    /// The number of missing messages.
    pub count: u64,
    /// When the first of them was sent.
    pub wall: Duration,
}

/// An entry of the log.
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

    /// The message; `None` for a gap.
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
    /// The message's position.
    pub position: Position,
    /// The message's identity.
    pub identity: Identity,
}

/// Where a follower continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// After this position: the log holds the message there.
    From(Position),
    /// The log does not hold that message there: it was deleted, or this is another log, such as a
    /// restored backup.
    Reset {
        /// The newest message that the log holds at or before that position. `None`: the follower
        /// starts over, and recognizes duplicates by identity.
        last_common: Option<Seen>,
        /// Messages that the follower may have were deleted: it removes its copies of everything after
        /// `last_common`, and reads it again. The position marks the newest deletion: whoever names
        /// it need not hear of this one again. [`Position::START`] while a deletion is under way.
        forgotten: Option<Position>,
    },
}
