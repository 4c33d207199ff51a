//! The hub: group chat over plain datagrams, as a pure state machine. No clock, no socket, no
//! randomness of its own.
//!
//! Read [`Hub`] first: its `receive` is the life of one datagram. Then, in the order a datagram
//! meets them:
//!
//! - `admission`: which senders are never members, and the bounds of the table.
//! - `wire`: what a datagram means, and the lines the hub itself says.
//! - `members`: who is here, found by address, oldest first for the time-out.
//! - `names`: what a member may be called.
//! - `commands`: `/nick`, `/who`, `/help`.
//! - `run`: the messages of one batch, and the trains that carry them to each member.
//! - `notices`: joins and leaves, gathered for a second into one line.
//! - [`Config`], [`Statistics`], [`Event`]: what goes in beside datagrams, and what can be seen.
//!
//! What plain members may send and what they get is described in `docs/protocol.md`.
#![forbid(unsafe_code)]

mod admission;
mod commands;
mod config;
mod event;
mod hub;
mod members;
mod names;
mod notices;
mod run;
mod statistics;
mod wire;

pub use config::{Config, Format};
pub use event::{Event, Left};
pub use hub::{Hub, MemberView};
pub use names::{MAX_NAME_CHARS, Name, NameError};
pub use statistics::{Dropped, Statistics};
