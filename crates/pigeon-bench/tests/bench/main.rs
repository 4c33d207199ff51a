//! Both ends of a measurement in virtual time, checked against the counters of the simulated links.
//!
//! - `harness`: a client and a far end, and what the network's log knows of their datagrams.
//! - `figures`: loss, copies and disorder in one direction, to the datagram.
//! - `trips`: there and back; percentiles; plain echo services.
//! - `handshake`: who is answered, and who is not; bounds.
//! - `random`: whatever comes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod figures;
mod handshake;
mod harness;
mod random;
mod trips;
