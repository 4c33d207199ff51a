//! The clients of pigeon, as pure state machines. No clock, no socket, no randomness of their own.
//!
//! - [`Session`]: a member's session with a hub: heartbeats, control lines, name and room (`pigeon
//!   join`).
//! - [`reliable`]: a session that loses nothing, over a byte stream and a file.
//! - [`chat`]: conversations with many peers, without a hub: `pigeon chat`.
//! - [`Roster`]: the members of a room, from control lines; [`Spoken`]: the speaker of a line of
//!   chat.
//! - [`Listener`]: receives everything, until a time limit or a stop: `pigeon listen`.
//! - [`Sender`]: sends datagrams at a rate, and receives replies: `pigeon send`.
//! - [`Ask`]: a request, repeated until it is answered: `pigeon ask`.
//! - [`Discover`]: a request to many hosts at once: `pigeon discover`.
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
