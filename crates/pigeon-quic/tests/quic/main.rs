//! Both ends in virtual time, over paths that lose, duplicate, reorder, corrupt and delay, and
//! among hostile senders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it panics"
)]

mod bad_network;
mod ends;
mod exchange;
mod raw;
mod strangers;
