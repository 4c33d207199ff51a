//! The writer's reports.

use crate::{Forgotten, Position, Trouble};

/// Identifies a queued item until its outcome is reported. Tickets increase in queueing order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The ticket's number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The outcome of a queued item. Every ticket gets exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message is on disk.
    Stored {
        /// The message's position.
        position: Position,
    },
    /// The message was already on disk: this is a repetition.
    Again {
        /// The message's position. `None` if retention or `forget` has deleted it since; then its
        /// text can no longer be compared.
        position: Option<Position>,
    },
    /// Another message with this identity is on disk. This one was not stored.
    Conflict {
        /// The other message's position.
        position: Position,
    },
    /// An earlier number is missing. The message was not stored.
    Gap {
        /// The next number that the outbox accepts.
        expected: u64,
    },
    /// The fact is on disk.
    Kept,
    /// The message was not stored: [`Report::Unable`] gave the reason.
    NotStored,
}

/// A report of the writer, sent from its thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A group was stored, or refused.
    Settled {
        /// The newest position on disk.
        durable: Position,
        /// The outcomes in the order of the tickets. Empty for a chunk of an import.
        outcomes: Vec<(Ticket, Outcome)>,
    },
    /// The log cannot store. Until [`Report::Healed`] everything is refused at once, and the writer
    /// retries each second.
    Unable {
        /// The kind of trouble, with advice.
        trouble: Trouble,
        /// SQLite's error.
        error: Box<str>,
    },
    /// The log can store again, and has stored gap markers for lost messages.
    ///
    /// Also reported without a previous [`Report::Unable`], if the queue was full.
    Healed {
        /// The number of relayed messages that were not stored.
        lost: u64,
    },
    /// Messages were deleted by `forget`. Followers must delete their copies.
    Forgotten(Forgotten),
}
