//! What goes out of a reliable link and comes back as an answer.

use std::time::Duration;

use bytes::Bytes;
use pigeon_proto::{
    Entry, Follow, Identity, Label, Language, Name, Position, Reason, RoomName, Seen,
};

use crate::core::input::Source;

/// A connection, for as long as it is open. Its place is used again, with another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnId {
    /// Its place in a table. Of connections that are open at the same time each has another.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Stands for a message until the hub says what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SayId {
    pub(super) conn: ConnId,
    pub(super) serial: u64,
}

/// Stands for a question to the log until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId {
    pub(super) conn: ConnId,
    pub(super) serial: u64,
}

/// What [`Sessions`](super::Sessions) wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes. Report with [`Sessions::sent`](super::Sessions::sent) what the transport has
    /// taken. Members that stand at the same place get the same shared bytes.
    Send {
        /// To whom.
        conn: ConnId,
        /// Whole lines.
        bytes: Bytes,
    },
    /// Close the connection once everything before is sent. It is not to be reported as closed.
    Close {
        /// Which one.
        conn: ConnId,
    },
    /// Read from the connection again: [`Sessions::wants`](super::Sessions::wants) was false and may be
    /// true now.
    Resume {
        /// Which one.
        conn: ConnId,
    },
    /// Make somebody a member, and answer with [`Sessions::joined`](super::Sessions::joined).
    Join(Join),
    /// Let a member say something, and answer with [`Sessions::settled`](super::Sessions::settled).
    Say(Say),
    /// A member asks for something: [`Command::parse`](pigeon_proto::Command::parse) reads the line.
    Command {
        /// Who.
        author: u128,
        /// The command, such as `/who`.
        line: Box<str>,
    },
    /// A member has left.
    Leave {
        /// Who.
        author: u128,
    },
    /// Ask the log on a reader's thread, and answer with
    /// [`Sessions::answered`](super::Sessions::answered).
    Read {
        /// To be given back with the answer.
        id: ReadId,
        /// What.
        read: Read,
    },
}

/// Somebody who has proved to have a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Join {
    /// The author that the key stands for.
    pub author: u128,
    /// Where it is.
    pub source: Source,
    /// What it is called without a name.
    pub label: Label,
    /// The name that it wants.
    pub name: Option<Name>,
    /// The resume word that takes the name back.
    pub word: Option<Box<str>>,
    /// The room that it wants to be in.
    pub room: Option<RoomName>,
    /// The password that it gives.
    pub password: Option<Box<str>>,
    /// The language it reads.
    pub language: Language,
}

impl std::fmt::Debug for Join {
    /// Words and passwords are never written to a log.
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

/// Who somebody is that has become a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Its room.
    pub room: RoomName,
}

/// A message that a member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// To be given back with the outcome.
    pub id: SayId,
    /// The room. The hub decides whether the member may speak there.
    pub room: RoomName,
    /// What is said.
    pub text: Box<[u8]>,
    /// Which message it is.
    pub identity: Identity,
    /// The number of the outbox's message before it: `Numbering::ByAuthor` of the log.
    pub after: u64,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the disk, now or since before; or, where nothing is stored, it was relayed.
    Stored,
    /// Another message with this identity is stored.
    Conflict,
    /// Its number is not larger than the outbox's last one, and the log does not hold it: it was
    /// deleted, or was refused at the time.
    Deleted,
    /// Another number comes next.
    Expected(u64),
    /// It was neither stored nor relayed.
    Refused {
        /// Why.
        why: Reason,
        /// When it should come again. `None`: never.
        again: Option<Duration>,
    },
}

impl Outcome {
    /// A refusal. The reason decides whether the message should come again.
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

/// A question to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The last number of an outbox: [`Answer::Last`].
    Outbox {
        /// The outbox's author.
        author: u128,
        /// The outbox.
        outbox: u64,
    },
    /// Where a follower goes on: [`Answer::Follow`].
    Follow {
        /// The last message that it has.
        seen: Seen,
    },
    /// The place before the last `count` entries of a room: [`Answer::Before`].
    Before {
        /// The room.
        room: RoomName,
        /// How many.
        count: usize,
    },
    /// Entries of a room after a position, the oldest first: [`Answer::Entries`].
    After {
        /// The room.
        room: RoomName,
        /// The position.
        after: Position,
        /// The most of them.
        limit: usize,
    },
}

/// The log's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The last number of the outbox; 0 for one that is not known.
    Last(u64),
    /// Where the follower goes on.
    Follow(Follow),
    /// The place before the entries.
    Before(Position),
    /// The entries. Fewer than asked for where the room has no more.
    Entries(Vec<Entry>),
    /// The log could not be read. The question is asked again later.
    Failed,
}
