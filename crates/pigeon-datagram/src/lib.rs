//! What a datagram is, and the contract every state machine of pigeon keeps. Pure: no clock, no
//! socket, no randomness of its own.
//!
//! - [`Instant`]: the time a machine is told.
//! - [`Received`], [`Transmit`]: a datagram on its way in; one, or a train of them, on its way out.
//! - [`Machine`]: the contract, and what its driver owes it.
//! - [`Outbox`]: what a machine is about to send.
#![forbid(unsafe_code)]

mod datagram;
mod machine;
mod outbox;
mod time;

pub use datagram::{
    MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, MAX_TRAIN_SEGMENTS, Received, Transmit, max_payload,
};
pub use machine::Machine;
pub use outbox::Outbox;
pub use time::Instant;
