//! The hub: members, rooms and messages, as a pure state machine. No clock, no socket, no
//! randomness of its own.
//!
//! ```text
//!   plain datagrams ─▶ plain ─┐                            ┌─▶ plain ─▶ trains to plain members
//!                             ├─▶ Input ─▶ core ─▶ Output ─┤
//!   other links ─────▶ Hub ───┘                            └─▶ Event ─▶ other links, console, logs
//! ```
//!
//! - [`Hub`] combines the two and is the [`Machine`](pigeon_datagram::Machine). Read it first.
//! - `core`: members of all links, names, rooms, message order, shared limits, commands. It is
//!   independent of addresses and datagrams.
//! - `plain`: the link for plain datagrams: addresses, formats and encodings, protection against
//!   loops, proofs of address, trains. `Plain::receive` handles one datagram.
//! - [`reliable`]: the link for members that lose nothing, over a byte stream and a log.
//! - [`Config`], [`Event`], [`Statistics`], [`MemberView`]: the settings, the reports, the counters
//!   and the current state.
//!
//! `docs/protocol.md` describes the protocol of plain members, and `pigeon-proto` implements it.
#![forbid(unsafe_code)]

mod config;
mod core;
mod event;
mod hub;
mod plain;
pub mod reliable;
mod statistics;
mod view;

pub use self::core::bans::{Banned, NotBannable};
pub use self::core::history::{Found, FoundLine, Lookup, Wanted};
pub use self::core::id::{LinkId, MemberId};
pub use self::core::input::{Input, Source};
pub use self::core::kept::{Keep, KeptKick, KeptName};
pub use self::core::message::Message;
pub use config::{Config, Discovery, Door, History, PerOrigin, Rate};
pub use event::{Event, Remark};
pub use hub::Hub;
pub use pigeon_guard::{Origin, SourceRules};
pub use pigeon_proto::Identity;
pub use statistics::{Dropped, Left, Statistics};
pub use view::{BanError, KickView, MemberView, RoomView, RosterView};
