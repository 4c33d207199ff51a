//! A participant in virtual time: real programs' packets, bad networks, and forged packets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it panics")]

mod bad_network;
mod conversation;
mod forged;
mod harness;
