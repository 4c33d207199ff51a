//! The hub: group chat over plain datagrams, as a pure state machine. No clock, no socket, no
//! randomness of its own.
//!
//! Read [`Hub`] first: its `receive` is the life of one datagram. Then, in the order a datagram
//! meets them:
//!
//! - [`SourceRules`]: who is never a member, and who must prove itself first; `admission`: bans, and
//!   the bounds of the table.
//! - `wire`: what a datagram means.
//! - `echo`: the guard against loops; `limits`: token buckets.
//! - `membership`: joining, leaving, moving; `members` is the table, `locals` to which of the hub's
//!   addresses they speak, `rooms` who is in which room, `names` what either may be called, `resume`
//!   how a name comes back.
//! - `commands`: what a member may ask for; `guesses`: how often it may guess the password.
//! - `outgoing`: what is said, by whom, in whose words; `run` is the messages of one batch and the
//!   trains that carry them; `notices` gathers joins and leaves into one line a second; `wording` puts
//!   numbers and lists into words.
//! - `discovery`: hubs that are looked for.
//! - `operator`: what can be seen of a hub, and what its operator can do.
//! - [`Config`], [`Statistics`], [`Event`]: what goes in beside datagrams, and what can be seen.
//!
//! What plain members may send and what they get is described in `docs/protocol.md`.
#![forbid(unsafe_code)]

mod admission;
mod commands;
mod config;
mod discovery;
mod echo;
mod event;
mod guesses;
mod hub;
mod limits;
mod locals;
mod members;
mod membership;
mod names;
mod notices;
mod operator;
mod outgoing;
mod resume;
mod rooms;
mod run;
mod statistics;
mod wire;
mod wording;

pub use admission::PerOrigin;
pub use config::{Config, Format};
pub use event::{Event, Left};
pub use hub::Hub;
pub use limits::Rate;
pub use names::{MAX_NAME_CHARS, Name, NameError};
pub use operator::{BanError, MemberView, RoomView};
pub use pigeon_guard::{Origin, SourceRules};
pub use statistics::{Dropped, Statistics};
