//! The client machines in virtual time: sessions and searches with scripted hubs, over good and bad
//! networks; chats.
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
mod real_hub;
mod roster;
mod safety;
