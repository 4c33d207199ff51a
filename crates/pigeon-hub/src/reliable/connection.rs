//! One connection: how far its client has come, what it says and follows, and what waits for it.

use pigeon_datagram::Instant;
use pigeon_guard::Bucket;
use pigeon_proto::frame::{HubFrame, Lines, MAX_EARLY_FRAME, MAX_FRAME};
use pigeon_proto::{Language, Position, Seen};

use super::saying::Saying;
use crate::core::input::Source;

/// The most bytes that wait for a connection while more entries are sent to it. A follower for which
/// more waits is no longer live.
pub(super) const WINDOW: usize = 256 << 10;

/// The bytes below which a follower that is behind gets more.
pub(super) const REFILL: usize = 64 << 10;

/// The most bytes that wait for a connection. What is left above [`WINDOW`] is for answers and notices.
const MOST_UNSENT: usize = 2 << 20;

/// The most bytes of whole lines that wait until a client is a member.
const MOST_EARLY: usize = 64 << 10;

pub(super) struct Connection {
    pub(super) source: Source,
    pub(super) phase: Phase,
    pub(super) nonce: Box<str>,
    pub(super) language: Language,
    pub(super) lines: Lines,
    pub(super) saying: Saying,
    pub(super) commands: Bucket,
    pub(super) follows: Vec<Followed>,
    /// The question to the log that followers of this connection wait for.
    pub(super) reading: Option<Reading>,
    /// The question for the outbox's last number.
    pub(super) asking: Option<u64>,
    /// Frames of the hub's own that are not on their way yet.
    pub(super) frames: Vec<u8>,
    /// Whether it stands in the list of those that have something to flush.
    pub(super) is_dirty: bool,
    /// Whether it stands in the queue of those that may get entries.
    pub(super) is_queued: bool,
    /// Whether its transport was not asked to read any more.
    pub(super) is_blocked: bool,
    /// What the transport has not taken.
    pub(super) unsent: usize,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not said hello.
    Greeting,
    /// It has to prove its key.
    Challenged,
    /// The hub decides whether it becomes a member.
    Joining(u128),
    /// It is a member.
    Member(u128),
}

/// A room that a connection follows.
pub(super) struct Followed {
    /// The room, as names are compared.
    pub(super) room: Box<str>,
    pub(super) place: Place,
    /// Whether the client knows that it is live.
    pub(super) told_live: bool,
    /// What the room had had when the follower fell behind: messages and bytes.
    pub(super) fell_at: Option<(u64, u64)>,
}

/// Where a follower stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It goes on after a message, if the log holds that.
    Seen(Seen),
    /// It begins with so many messages of before.
    Last(u64),
    /// It has everything up to here.
    Behind(Position),
    /// It has everything that any live follower has.
    Live,
}

/// A question to the log.
pub(super) struct Reading {
    pub(super) serial: u64,
    pub(super) room: Box<str>,
    /// How far live followers were when it was asked.
    pub(super) live: Position,
    /// Where entries are read from.
    pub(super) after: Option<Position>,
}

impl Connection {
    pub(super) fn new(source: Source, nonce: Box<str>) -> Connection {
        Connection {
            source,
            phase: Phase::Greeting,
            nonce,
            language: Language::default(),
            lines: Lines::default(),
            saying: Saying::new(0),
            commands: Bucket::default(),
            follows: Vec::new(),
            reading: None,
            asking: None,
            frames: Vec::new(),
            is_dirty: false,
            is_queued: false,
            is_blocked: false,
            unsent: 0,
        }
    }

    /// Whether its next line may be handled now.
    pub(super) fn handles(&self) -> bool {
        !matches!(self.phase, Phase::Joining(_))
            && self.saying.has_room()
            && self.unsent + self.frames.len() < MOST_UNSENT / 2
    }

    /// Whether the transport should read more.
    pub(super) fn wants(&self) -> bool {
        match self.phase {
            Phase::Joining(_) => self.lines.len() < MOST_EARLY,
            _ => self.handles() && self.lines.len() < MAX_FRAME,
        }
    }

    /// The most bytes of its next line.
    pub(super) fn most_line(&self) -> usize {
        match self.phase {
            Phase::Greeting | Phase::Challenged => MAX_EARLY_FRAME,
            _ => MAX_FRAME,
        }
    }

    /// Its author, once it is a member.
    pub(super) fn member(&self) -> Option<u128> {
        match self.phase {
            Phase::Member(author) => Some(author),
            _ => None,
        }
    }

    /// Its author, once it has proved its key.
    pub(super) fn author(&self) -> Option<u128> {
        match self.phase {
            Phase::Joining(author) | Phase::Member(author) => Some(author),
            _ => None,
        }
    }

    pub(super) fn follow(&mut self, room: &str) -> Option<&mut Followed> {
        self.follows.iter_mut().find(|follow| &*follow.room == room)
    }

    /// Writes the acknowledgement that is due.
    pub(super) fn acknowledge(&mut self, stores: bool) {
        if let Some(number) = self.saying.take_acknowledgement() {
            let frame = match stores {
                true => HubFrame::Stored { number },
                false => HubFrame::Relayed { number },
            };
            frame.write(&mut self.frames);
        }
    }

    /// Whether so much waits for it that it will hardly ever read it.
    pub(super) fn overflows(&self) -> bool {
        self.unsent + self.frames.len() > MOST_UNSENT
    }

    /// Whether another command may be handled.
    pub(super) fn may_command(&mut self, now: Instant, a_second: u64) -> bool {
        let cost = pigeon_guard::cost(1, a_second);
        let passes = self.commands.has_room(now, cost);
        if passes {
            self.commands.take(now, cost);
        }
        passes
    }
}
