//! Both ends of a measurement in virtual time, checked against the counters of the simulated links.
//!
//! - `harness`: a client and a far end, and their datagrams in the network's log.
//! - `figures`: loss, duplicates and reordering in one direction, exactly.
//! - `trips`: round trips; percentiles; plain echo services.
//! - `handshake`: answers, grants and limits.
//! - `random`: random and forged datagrams.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod figures;
mod handshake;
mod harness;
mod random;
mod trips;
