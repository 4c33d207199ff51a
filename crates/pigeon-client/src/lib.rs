//! The other end, as pure state machines. No clock, no socket, no randomness of its own.
//!
//! - [`Session`]: what `pigeon join` does: heartbeats, what is heard, and whether the hub is there.
//! - [`Listener`]: everything that arrives, for a time or until it is stopped: `pigeon listen`, and
//!   the replies that `pigeon send --wait` waits for.
#![forbid(unsafe_code)]

mod heartbeat;
mod listener;
mod session;

pub use heartbeat::Answer;
pub use listener::{Arrival, Heard, Listener};
pub use session::{Event, LineError, Said, Session, SessionConfig};
