//! The vocabulary of a hub and its members, written and parsed in one place and used by both ends.
//!
//! What a member sends:
//! - [`Incoming`]: what a plain datagram means to a hub. The main entry: [`Incoming::parse`].
//! - [`Command`]: `/nick`, `/join` and the rest as typed values.
//! - [`heartbeat`]: the heartbeat, plain and padded, and its [`Answer`].
//! - [`Prove`], [`Discover`], [`Here`]: proofs of address, and the search for hubs.
//!
//! What a hub sends besides members' messages:
//! - [`Notice`]: everything a hub says of its own, as data. [`Notice::write`] makes a control line
//!   of it and [`Notice::parse`] reads one; both ends share the type.
//! - [`Refusal`]: the notice that says what was not done, and why.
//! - [`sentence`]: notices in words, in a [`Language`]. Sentences are written here and parsed
//!   nowhere.
//!
//! Links on which nothing is lost carry [`frame`]s instead of datagrams. What they repeat of a room is
//! an [`Entry`] at a [`Position`] of the hub's order; a message's [`Identity`] never changes.
//!
//! What both are made of: [`Name`] and [`RoomName`], [`Label`] (a name or an address), [`Format`].
//!
//! `docs/protocol.md` describes the same for those who write a client.
#![forbid(unsafe_code)]

mod command;
mod discovery;
mod entry;
mod format;
pub mod frame;
pub mod heartbeat;
mod incoming;
mod label;
mod language;
mod lookalike;
mod name;
mod notice;
mod position;
mod refusal;
pub mod sentence;
mod words;

pub use command::{Command, Query, Secret, Verb, Whisper, Word};
pub use discovery::{Discover, Door, Here, Nonce, Prove};
pub use entry::{Entry, Follow, Gap, Identity, Message, Seen};
pub use format::Format;
pub use heartbeat::{Answer, You};
pub use incoming::{Incoming, is_control_line};
pub use label::Label;
pub use language::Language;
pub use lookalike::fold;
pub use name::{MAX_NAME_CHARS, Name, NameError, RoomName};
pub use notice::{BYE, Change, Gone, LinkKind, News, Notice, Roster, Setting, Text};
pub use position::Position;
pub use refusal::{Detail, Reason, Refusal, Subject};

/// The most bytes of a control line, but for the text of a message. It crosses any network
/// unfragmented.
pub const MAX_LINE: usize = 1_200;
