//! A participant in virtual time: among real programs' packets, over bad networks, and before
//! forged ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it panics")]

mod bad_network;
mod conversation;
mod forged;
mod harness;
