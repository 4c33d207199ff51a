//! The hub seen from outside: datagrams and time go in, datagrams come out. Only what members and
//! operators are promised is tested here; how the hub does it is its own affair.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]

mod bounds;
mod commands;
mod formats;
mod harness;
mod membership;
mod notices;
mod random;
mod scale;
