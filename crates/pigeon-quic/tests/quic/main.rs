//! Both ends in virtual time, over paths that lose, repeat, reorder, damage and delay, and among
//! strangers who send whatever they like.
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
