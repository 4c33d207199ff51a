//! What the writer reports.

use crate::{Forgotten, Position, Trouble};

/// Stands for something that was queued, until its outcome is reported. Tickets grow in the order of
/// queueing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// Its number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// What became of something that was queued. Every ticket gets exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message is on the disk.
    Stored {
        /// Where.
        position: Position,
    },
    /// The message was on the disk before: it came again.
    Again {
        /// Where. `None` where retention or `forget` has removed it since; its text can no longer
        /// be compared then.
        position: Option<Position>,
    },
    /// Another message with this identity is on the disk. This one was not stored.
    Conflict {
        /// Where the other one is.
        position: Position,
    },
    /// A number before this one is missing. The message was not stored.
    Gap {
        /// The number that the outbox continues with.
        expected: u64,
    },
    /// The fact is on the disk.
    Kept,
    /// Nothing was stored: [`Report::Unable`] said why.
    NotStored,
}

/// What the writer reports, in order, from its own thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A group was stored, or refused.
    Settled {
        /// Everything up to this position is on the disk.
        durable: Position,
        /// What became of each, in the order of the tickets. Empty for a part of an import.
        outcomes: Vec<(Ticket, Outcome)>,
    },
    /// The log cannot store. Until [`Report::Healed`] everything is refused at once, while the writer
    /// tries again each second.
    Unable {
        /// What kind of trouble it is, with what to do.
        trouble: Trouble,
        /// What SQLite said.
        error: Box<str>,
    },
    /// The log stores again. Markers for what was lost are on the disk.
    ///
    /// This is reported without [`Report::Unable`] before it where messages found the queue full.
    Healed {
        /// How many relayed messages were not stored.
        lost: u64,
    },
    /// Messages were forgotten. Followers remove their copies.
    Forgotten(Forgotten),
}
