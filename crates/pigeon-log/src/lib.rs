//! The room log of a hub: what was said, on the disk, in one order.
//!
//! One SQLite file in a folder. One thread writes it, in groups, each one transaction and one sync;
//! readers beside it make it wait for nothing.
//!
//! - [`Log`] opens a folder for writing. [`Log::try_append`] queues an [`Append`] and never waits;
//!   [`Report`]s say what is on the disk, and at which [`Position`]. An outcome other than
//!   [`Outcome::Stored`] and [`Outcome::Again`] means that the message is not stored.
//! - [`Reader`] reads, from the newest entries in memory or from the file: [`Reader::after`] and
//!   [`Reader::before`] a position, [`Reader::search`] for a [`Query`], [`Reader::follow`] from the
//!   last message [`Seen`]. [`Reader::export`] and [`Reader::backup`] copy the log, and
//!   [`Log::import`] reads it back.
//! - [`State`] is what the hub keeps besides messages, one [`Fact`] each.
//! - [`Log::forget`] deletes for good. Retention deletes by age and size, by [`Options`].
//! - [`check`] examines a folder and changes nothing.
//!
//! How a group is stored:
//!
//! ```text
//!   try_append ──▶ queue ──▶ writer ──▶ transaction: messages, outboxes ──▶ sync
//!                                           │                                 │
//!   Report::Settled { durable, outcomes } ◀─┴── tail in memory ◀──────────────┘
//!                                           then, when nothing waits: a slice of the index,
//!                                           of retention, of forgetting
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
pub use import::{ImportError, Imported};
pub use log::{AppendError, Log, NewestEntries, Options, Pending};
pub use pigeon_proto::{Entry, Follow, Gap, Identity, Message, Position, Seen};
pub use reader::{Found, ReadError, Reader};
pub use report::{Outcome, Report, Ticket};
pub use schema::{OpenError, check};
pub use state::{Fact, Key, RoomSettings, State};
pub use trouble::Trouble;
