//! Datagrams, and the contract that every state machine of pigeon keeps. Pure: no clock, no socket,
//! no randomness of its own.
//!
//! - [`Instant`]: the time passed to a machine; [`WallClock`]: the time of day at such an instant.
//! - [`Received`]: an incoming datagram; [`Transmit`]: an outgoing one, or a train of them;
//!   [`SocketId`]: the socket of either.
//! - [`Machine`]: the contract between a state machine and its driver. [`PerSocket`]: several
//!   machines as one.
//! - [`Outbox`]: the bytes that a machine has queued to send.
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
