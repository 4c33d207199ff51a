//! The other end, as pure state machines. No clock, no socket, no randomness of its own.
//!
//! - [`Session`]: what `pigeon join` does: heartbeats, control lines, name and room.
//! - [`reliable`]: a member that loses nothing, over a stream of bytes and a file.
//! - [`chat`]: conversations with many peers, without a hub: `pigeon chat`.
//! - [`Roster`]: who is where, according to control lines; [`Spoken`]: who said a line of chat.
//! - [`Listener`]: everything that arrives, for a time or until it is stopped: `pigeon listen`.
//! - [`Sender`]: datagrams at a pace, and what comes back: `pigeon send`.
//! - [`Ask`]: a request that is sent again until somebody answers: `pigeon ask`.
//! - [`Discover`]: a question to everybody at once, and the answers: `pigeon discover`.
#![forbid(unsafe_code)]

mod arrivals;
mod ask;
pub mod chat;
mod discover;
mod listener;
pub mod reliable;
mod roster;
mod sender;
mod session;
mod spoken;

pub use arrivals::{Arrival, Arrivals};
pub use ask::{Ask, Asked, NoReply, Outcome, Request, RetryPolicy, Verdict};
pub use discover::{Discover, Discovered, HubAnswer, Question, Search};
pub use listener::{Heard, Listener};
pub use roster::Roster;
pub use sender::{SENDER_QUEUE, Sender};
pub use session::{Contact, Event, LeftOff, LineError, Said, Session, SessionConfig, action};
pub use spoken::Spoken;
