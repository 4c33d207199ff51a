//! Network simulation: a seeded model of what may happen to a datagram on the way, and virtual time
//! over it. Pure: no clock, no socket, no randomness of its own.
//!
//! - [`path`]: one direction of a network path, with loss, delay, a rate, and so on.
//! - [`relay`]: two such paths between many clients and a target. The only one that runs over real
//!   sockets, too.
//! - [`sequence`]: what a receiver can conclude from the numbers of the datagrams that arrived:
//!   loss, duplicates, reordering, jitter.
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
