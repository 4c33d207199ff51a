//! Network simulation: a seeded model of a network path, and virtual time on top of it. Pure: no
//! clock, no socket, no randomness of its own.
//!
//! - [`path`]: one direction of a network path, with loss, delay, a rate, and so on.
//! - [`relay`]: two such paths between many clients and a target. Only this one also runs over real
//!   sockets.
//! - [`sequence`]: receiver statistics from the sequence numbers of arrived datagrams: loss,
//!   duplicates, reordering, jitter.
//! - [`simulation`]: machines at addresses, paths between them, and virtual time.
//!
//! ```text
//!   sequence        simulation    relay
//!                            ╲    ╱
//!                             path
//! ```
#![forbid(unsafe_code)]

pub mod path;
pub mod relay;
pub mod sequence;
pub mod simulation;
