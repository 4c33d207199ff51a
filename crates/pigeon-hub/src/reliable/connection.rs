//! One connection: its handshake, its outbox, the rooms it follows, and its output queue.

use std::collections::VecDeque;

use pigeon_datagram::Instant;
use pigeon_guard::Bucket;
use pigeon_proto::frame::{HubFrame, Lines, MAX_EARLY_FRAME, MAX_FRAME};
use pigeon_proto::{Language, Position, Seen};

use super::output::Earlier;
use super::saying::Saying;
use crate::core::input::Source;

/// Maximum bytes queued for a connection while entries are added. A follower beyond it is not live
/// any more.
pub(super) const WINDOW: usize = 256 << 10;

/// The smallest window, however many connections share the total. Holds the longest entry of 8 KiB of text.
pub(super) const LEAST_WINDOW: usize = 16 << 10;

/// Below this part of the window, a follower that is behind gets more.
pub(super) const REFILL: usize = 4;

/// Beyond so many windows of queued bytes, no frame of the connection is handled.
const MOST_ANSWERS: usize = 4;

/// Beyond so many windows of queued bytes, and at least [`LEAST_UNSENT`], the connection is closed. The
/// part above one window is for answers and notices.
const MOST_UNSENT: usize = 8;
const LEAST_UNSENT: usize = 4 * MAX_FRAME;

/// Maximum bytes of complete lines queued until a client is a member.
const MOST_EARLY: usize = 64 << 10;

/// The id of a read to repeat. No real read has it.
pub(super) const UNREAD: u64 = 0;

pub(super) struct Connection {
    pub(super) source: Source,
    pub(super) phase: Phase,
    pub(super) nonce: Box<str>,
    /// The page's origin, which its client signs.
    pub(super) origin: Option<Box<str>>,
    pub(super) language: Language,
    pub(super) lines: Lines,
    pub(super) saying: Saying,
    pub(super) commands: Bucket,
    pub(super) follows: Vec<Followed>,
    /// The log read that followers of this connection wait for.
    pub(super) reading: Option<Reading>,
    /// Whether messages of another connection from the same outbox are not settled yet.
    pub(super) settles: bool,
    /// The read for the outbox's last number.
    pub(super) asking: Option<u64>,
    /// Requests for earlier entries, in order.
    pub(super) requests: VecDeque<Earlier>,
    /// The read of the first of them.
    pub(super) requested: Option<u64>,
    /// Bytes of earlier entries.
    pub(super) requests_rate: Bucket,
    /// The folded name of the watched room.
    pub(super) watched: Option<Box<str>>,
    /// Whether the member list was left out because the output queue was long.
    pub(super) owes_here: bool,
    /// Frames that are not sent yet.
    pub(super) frames: Vec<u8>,
    /// Whether the connection is in `Sessions::dirty`.
    pub(super) is_dirty: bool,
    /// Whether the connection is in `Sessions::queue`.
    pub(super) is_queued: bool,
    /// Whether the transport was told to stop reading.
    pub(super) is_blocked: bool,
    /// Bytes that the transport has not accepted.
    pub(super) unsent: usize,
}

/// The handshake state of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No `hello` yet.
    Greeting,
    /// Must prove its key.
    Challenged,
    /// The hub decides whether it becomes a member.
    Joining(u128),
    /// A member.
    Member(u128),
}

pub(super) struct Followed {
    /// The folded name of the room.
    pub(super) room: Box<str>,
    pub(super) place: Place,
    /// The message after which the client has asked to continue, and the deletion.
    pub(super) began: Option<(Seen, Position)>,
    /// Whether the client was told that it is live.
    pub(super) told_live: bool,
    /// The room's message and byte counters when the follower fell behind.
    pub(super) fell_at: Option<(u64, u64)>,
}

/// The position of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Continues after a message, if the log holds it and nothing was deleted since a deletion.
    Seen(Seen, Position),
    /// Starts with this number of previous messages.
    Last(u64),
    /// Has everything up to this position.
    Behind(Position),
    /// Has everything that any live follower has.
    Live,
}

/// A read of the log.
pub(super) struct Reading {
    pub(super) serial: u64,
    pub(super) room: Box<str>,
    /// The position of live followers when the read started.
    pub(super) live: Position,
    /// The position after which entries are read.
    pub(super) after: Option<Position>,
}

impl Connection {
    pub(super) fn new(source: Source, nonce: Box<str>, origin: Option<Box<str>>) -> Connection {
        Connection {
            source,
            phase: Phase::Greeting,
            nonce,
            origin,
            language: Language::default(),
            lines: Lines::default(),
            saying: Saying::new(0),
            commands: Bucket::default(),
            follows: Vec::new(),
            reading: None,
            settles: false,
            asking: None,
            requests: VecDeque::new(),
            requested: None,
            requests_rate: Bucket::default(),
            watched: None,
            owes_here: false,
            frames: Vec::new(),
            is_dirty: false,
            is_queued: false,
            is_blocked: false,
            unsent: 0,
        }
    }

    /// Whether the connection's next line may be handled now.
    pub(super) fn handles(&self, window: usize) -> bool {
        !matches!(self.phase, Phase::Joining(_))
            && !self.settles
            && self.asking.is_none()
            && self.saying.has_room()
            && self.unsent + self.frames.len() < MOST_ANSWERS * window
    }

    /// Whether the transport should read more.
    pub(super) fn wants(&self, window: usize) -> bool {
        match self.phase {
            Phase::Joining(_) => self.lines.len() < MOST_EARLY,
            _ => self.handles(window) && self.lines.len() < MAX_FRAME,
        }
    }

    /// Maximum length of its next line.
    pub(super) fn most_line(&self) -> usize {
        match self.phase {
            Phase::Greeting | Phase::Challenged => MAX_EARLY_FRAME,
            _ => MAX_FRAME,
        }
    }

    /// The client's author, if it is a member.
    pub(super) fn member(&self) -> Option<u128> {
        match self.phase {
            Phase::Member(author) => Some(author),
            _ => None,
        }
    }

    /// The client's author, if it has proved its key.
    pub(super) fn author(&self) -> Option<u128> {
        match self.phase {
            Phase::Joining(author) | Phase::Member(author) => Some(author),
            _ => None,
        }
    }

    pub(super) fn follow(&mut self, room: &str) -> Option<&mut Followed> {
        self.follows.iter_mut().find(|follow| &*follow.room == room)
    }

    /// Writes the pending acknowledgement.
    pub(super) fn acknowledge(&mut self, stores: bool) {
        if let Some(number) = self.saying.take_acknowledgement() {
            let frame = match stores {
                true => HubFrame::Stored { number },
                false => HubFrame::Relayed { number },
            };
            frame.write(&mut self.frames);
        }
    }

    /// Whether the output queue is so long that the client seems stuck.
    pub(super) fn overflows(&self, window: usize) -> bool {
        self.unsent + self.frames.len() > (MOST_UNSENT * window).max(LEAST_UNSENT)
    }

    /// Whether another command is within the rate.
    pub(super) fn may_command(&mut self, now: Instant, a_second: u64) -> bool {
        let cost = pigeon_guard::cost(1, a_second);
        let passes = self.commands.has_room(now, cost);
        if passes {
            self.commands.take(now, cost);
        }
        passes
    }
}
