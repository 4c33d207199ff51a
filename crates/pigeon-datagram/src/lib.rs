//! What a datagram is, and the contract every state machine of pigeon keeps. Pure: no clock, no
//! socket, no randomness of its own.
//!
//! - [`Instant`]: the time passed to a machine; [`WallClock`]: what the wall clock reads then.
//! - [`Received`], [`Transmit`]: a datagram on its way in; one, or a train of them, on its way out;
//!   [`SocketId`] says at which socket.
//! - [`Machine`]: the contract, and what its driver owes it. [`PerSocket`]: several as one.
//! - [`Outbox`]: what a machine is about to send.
#![forbid(unsafe_code)]

mod datagram;
mod machine;
mod outbox;
mod per_socket;
mod time;
mod wall;

pub use datagram::{
    MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, MAX_TRAIN_SEGMENTS, Received, SocketId, Transmit, max_payload,
};
pub use machine::Machine;
pub use outbox::Outbox;
pub use per_socket::PerSocket;
pub use time::Instant;
pub use wall::WallClock;
