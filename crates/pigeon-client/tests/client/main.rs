//! The client machines seen from outside, in virtual time: sessions and searches beside hubs that
//! follow a script, over good and bad networks; chats.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]

mod chat;
mod discover;
mod harness;
mod hub;
mod identity;
mod lines;
mod presence;
mod roster;
mod safety;
