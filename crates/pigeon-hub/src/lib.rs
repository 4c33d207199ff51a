//! The hub: members, rooms and messages, as a pure state machine. No clock, no socket, no
//! randomness of its own.
//!
//! ```text
//!   plain datagrams ─▶ plain ─┐                            ┌─▶ plain ─▶ trains to plain members
//!                             ├─▶ Input ─▶ core ─▶ Output ─┤
//!   other links ─────▶ Hub ───┘                            └─▶ Event ─▶ other links, console, logs
//! ```
//!
//! - [`Hub`] puts the two together and is the [`Machine`](pigeon_datagram::Machine). Read it first.
//! - `core`: members of all links, names, rooms, order, limits that hold for all, commands. It knows
//!   no address and no datagram.
//! - `plain`: the link for plain datagrams: addresses, formats and encodings, the guard against
//!   echoes, proofs of address, trains. `Plain::receive` is the life of one datagram.
//! - [`reliable`]: the link for members that lose nothing, over a stream of bytes and a log.
//! - [`Config`], [`Event`], [`Statistics`], [`MemberView`]: what goes in beside datagrams, and what
//!   can be seen.
//!
//! What plain members may send and what they get is described in `docs/protocol.md`; the words are
//! `pigeon-proto`'s.
#![forbid(unsafe_code)]

mod config;
mod core;
mod event;
mod hub;
mod plain;
pub mod reliable;
mod statistics;
mod view;

pub use self::core::history::{Found, FoundLine, Lookup, Wanted};
pub use self::core::id::{LinkId, MemberId};
pub use self::core::input::{Input, Source};
pub use self::core::kept::{Keep, KeptName};
pub use self::core::message::Message;
pub use config::{Config, Discovery, Door, History, PerOrigin, Rate};
pub use event::{Event, Remark};
pub use hub::Hub;
pub use pigeon_guard::{Origin, SourceRules};
pub use pigeon_proto::Identity;
pub use statistics::{Dropped, Left, Statistics};
pub use view::{BanError, MemberView, RoomView};
