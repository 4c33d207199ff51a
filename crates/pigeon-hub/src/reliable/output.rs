//! Outputs of a reliable link, and the types of their answers.

use std::time::Duration;

use bytes::Bytes;
use pigeon_proto::{
    Entry, Follow, Identity, Label, Language, Name, Position, Reason, RoomName, Seen,
};

use crate::core::input::Source;

/// An open connection. Its index is reused with another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnId {
    /// The connection's index in a table, unique among open connections.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Identifies a message until the hub has settled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SayId {
    pub(super) conn: ConnId,
    pub(super) serial: u64,
    /// Stored here because the connection may be gone by then, and another one may wait for the
    /// outcome.
    pub(super) author: u128,
    pub(super) outbox: u64,
}

/// Identifies a read until the log has answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId {
    pub(super) conn: ConnId,
    pub(super) serial: u64,
}

/// An output of [`Sessions`](super::Sessions); outputs must be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes, and report those that the transport has accepted with
    /// [`Sessions::sent`](super::Sessions::sent). Followers at the same position share the bytes.
    Send {
        /// The connection.
        conn: ConnId,
        /// Complete lines.
        bytes: Bytes,
    },
    /// Close the connection after everything queued has been sent. Do not report it as closed.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Read from the connection again: [`Sessions::wants`](super::Sessions::wants) was false and
    /// may be true now.
    Resume {
        /// The connection.
        conn: ConnId,
    },
    /// Ask the peer for a sign, and close the connection if none comes. Report it as closed then.
    Probe {
        /// The connection.
        conn: ConnId,
    },
    /// Add a member, and answer with [`Sessions::joined`](super::Sessions::joined).
    Join(Join),
    /// Handle a member's message, and answer with [`Sessions::settled`](super::Sessions::settled).
    Say(Say),
    /// A member's command: parse the line with [`Command::parse`](pigeon_proto::Command::parse).
    Command {
        /// The member.
        author: u128,
        /// The command, such as `/who`.
        line: Box<str>,
    },
    /// Report the members of a room with [`Sessions::here`](super::Sessions::here), now and after
    /// changes.
    Watch {
        /// The room.
        room: RoomName,
    },
    /// Nobody watches a room any more.
    Unwatch {
        /// The room.
        room: RoomName,
    },
    /// A member has left.
    Leave {
        /// The member.
        author: u128,
    },
    /// Read the log in a reader's thread, and answer with
    /// [`Sessions::answered`](super::Sessions::answered).
    Read {
        /// Identifies the read in the answer.
        id: ReadId,
        /// The read.
        read: Read,
    },
}

/// A client that has proved its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Join {
    /// The author of the key.
    pub author: u128,
    /// The member's address and origin.
    pub source: Source,
    /// The member's label without a name.
    pub label: Label,
    /// The requested name.
    pub name: Option<Name>,
    /// The resume token, which reclaims the name.
    pub word: Option<Box<str>>,
    /// The requested room.
    pub room: Option<RoomName>,
    /// The hub's password.
    pub password: Option<Box<str>>,
    /// The language of notices.
    pub language: Language,
}

impl std::fmt::Debug for Join {
    /// Hides tokens and passwords from logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Join { author, source, label, name, room, .. } = self;
        f.debug_struct("Join")
            .field("author", author)
            .field("source", source)
            .field("label", label)
            .field("name", name)
            .field("room", room)
            .finish_non_exhaustive()
    }
}

/// A new member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The member's name, if any.
    pub name: Option<Name>,
    /// The member's room.
    pub room: RoomName,
}

/// A member's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Identifies the message in the outcome.
    pub id: SayId,
    /// The room. The hub decides whether the member may speak there.
    pub room: RoomName,
    /// The payload.
    pub text: Box<[u8]>,
    /// The message's identity.
    pub identity: Identity,
    /// The number of the outbox's preceding message: `Numbering::ByAuthor` of the log.
    pub after: u64,
    /// The log holds this number already: the message is sent again because its acknowledgement was
    /// lost. The log compares it regardless of limits, or a stored message could be refused.
    pub is_known: bool,
}

/// The result of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On disk, now or before; or relayed, if nothing is stored.
    Stored,
    /// Another message with this identity is stored.
    Conflict,
    /// The message's number is not above the outbox's last one, and the log does not hold it: it
    /// was deleted, or was refused before.
    Deleted,
    /// Out of order: this number comes next.
    Expected(u64),
    /// Neither stored nor relayed.
    Refused {
        /// The reason.
        why: Reason,
        /// When to send the message again. `None`: never.
        again: Option<Duration>,
    },
}

impl Outcome {
    /// A refusal. The reason decides whether to send the message again.
    pub fn refused(why: Reason) -> Outcome {
        let again = match why {
            Reason::Rate { .. }
            | Reason::HubRate
            | Reason::Work
            | Reason::AnswersByItself
            | Reason::Overloaded => Some(Duration::from_millis(250)),
            Reason::NotStored => Some(Duration::from_secs(1)),
            Reason::Slow { seconds } | Reason::Wait { seconds } => {
                Some(Duration::from_secs(seconds.max(1)))
            }
            _ => None,
        };
        Outcome::Refused { why, again }
    }
}

/// A read of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The last number of an outbox: [`Answer::Last`].
    Outbox {
        /// The outbox's author.
        author: u128,
        /// The outbox.
        outbox: u64,
    },
    /// Where a follower continues: [`Answer::Follow`].
    Follow {
        /// The last message that the follower has.
        seen: Seen,
        /// The newest deletion that it has carried out.
        deletion: Position,
    },
    /// The position before the last `count` entries of a room: [`Answer::Before`].
    Before {
        /// The room.
        room: RoomName,
        /// The number of entries.
        count: usize,
    },
    /// A client's request for earlier entries: [`Answer::Earlier`].
    Earlier(Earlier),
    /// Entries of a room after a position, oldest first: [`Answer::Entries`].
    After {
        /// The room.
        room: RoomName,
        /// The position.
        after: Position,
        /// Maximum number of entries.
        limit: usize,
    },
}

/// A client's request for earlier entries of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The client's id of the request.
    pub id: u64,
    /// The room.
    pub room: RoomName,
    /// Only messages with all these words.
    pub words: Option<Box<str>>,
    /// Only entries before this position.
    pub before: Position,
    /// Maximum number of entries.
    pub limit: usize,
}

/// The log's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The outbox's last number; 0 if it is unknown.
    Last(u64),
    /// Where the follower continues.
    Follow(Follow),
    /// The position before the entries.
    Before(Position),
    /// The entries. Fewer than requested if the room has no more.
    Entries(Vec<Entry>),
    /// Earlier entries.
    Earlier {
        /// The entries, oldest first.
        entries: Vec<Entry>,
        /// The next request continues before this position.
        more: Option<Position>,
    },
    /// The log could not be read. The read is repeated later.
    Failed,
    /// The log does not know yet: other hubs decide. The read is repeated soon.
    NotYet,
}
