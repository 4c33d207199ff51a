//! A hub's room log: messages on disk, in one order.
//!
//! The log is one SQLite file in a folder. One thread writes it, in groups of one transaction and
//! one sync each; readers never block it.
//!
//! - [`Log`] opens a folder for writing. [`Log::try_append`] queues an [`Append`] without blocking;
//!   [`Report`]s say which messages are durable, and at which [`Position`]. Only
//!   [`Outcome::Stored`] and [`Outcome::Again`] mean that a message is stored.
//! - [`Reader`] reads the newest entries from memory and older ones from the file:
//!   [`Reader::after`] and [`Reader::before`] a position, [`Reader::search`] for a [`Query`],
//!   [`Reader::follow`] from the last message [`Seen`]. [`Reader::export`] and [`Reader::backup`]
//!   copy the log, and [`Log::import`] reads an export.
//! - [`State`] holds the hub's other data, one [`Fact`] each.
//! - [`Log::forget`] deletes permanently. Retention deletes by age and size, as configured in
//!   [`Options`].
//! - [`check`] examines a folder without changing it.
//!
//! How a group is stored:
//!
//! ```text
//!   try_append ──▶ queue ──▶ writer ──▶ transaction: messages, outboxes ──▶ sync
//!                                           │                                 │
//!   Report::Settled { durable, outcomes } ◀─┴── tail in memory ◀──────────────┘
//!                                           then, while the queue is empty: a slice
//!                                           of the index, of retention, of forgetting
//! ```
#![forbid(unsafe_code)]

mod entry;
mod export;
mod folder;
mod forget;
mod grams;
mod import;
mod index;
mod log;
mod lost;
mod outboxes;
mod queue;
mod reader;
mod report;
mod retention;
mod schema;
mod state;
mod store;
mod tail;
mod trouble;
mod writer;

pub use entry::{Append, Numbering};
pub use export::{BackupError, ExportError};
pub use forget::{Forget, ForgetError, Forgotten};
pub use grams::Query;
pub use import::{BadLine, ImportError, Imported};
pub use log::{AppendError, DecidedEntries, Log, NewestEntries, Options, Pending};
pub use outboxes::OutboxEnd;
pub use pigeon_proto::{Entry, Follow, Gap, Identity, Message, Position, Seen};
pub use reader::{Found, ReadError, Reader};
pub use report::{Outcome, Report, Ticket};
pub use schema::{OpenError, check, in_a_line};
pub use state::{Fact, Key, RoomSettings, State};
pub use trouble::Trouble;
