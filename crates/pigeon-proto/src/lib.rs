//! The protocol between a hub and its members: both ends write and parse it with this crate.
//!
//! Sent by a member:
//! - [`Incoming`]: the meaning of a plain datagram. The main entry: [`Incoming::parse`].
//! - [`Command`]: `/nick`, `/join` and the rest as typed values.
//! - [`heartbeat`]: the heartbeat, plain and padded, and its [`Answer`].
//! - [`Prove`], [`Discover`], [`Here`]: proofs of address, and hub discovery.
//!
//! Sent by a hub, besides members' messages:
//! - [`Notice`]: everything that a hub itself says, as data. [`Notice::write`] produces a control
//!   line and [`Notice::parse`] reads one.
//! - [`Refusal`]: a notice about something not done, with the reason.
//! - [`sentence`]: notices in words, in a [`Language`]. Sentences are written here and never
//!   parsed.
//!
//! Reliable links carry [`frame`]s instead of datagrams. Messages of a room are [`Entry`]s, each at a
//! [`Position`] of the hub's order; a message's [`Identity`] never changes.
//!
//! Both use [`Name`] and [`RoomName`], [`Label`] (a name or an address), [`Format`].
//!
//! `docs/protocol.md` describes the protocol for authors of clients.
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

/// The longest control line in bytes, excluding the text of a message. It crosses any network
/// unfragmented.
pub const MAX_LINE: usize = 1_200;
