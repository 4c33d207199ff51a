//! The services seen from outside: datagrams and time go in, datagrams come out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]

mod harness;
mod loops;
mod random;
mod replies;
mod rules;
mod sntp;
mod strftime;
