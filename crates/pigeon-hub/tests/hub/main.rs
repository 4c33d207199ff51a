//! The hub from outside: datagrams and time go in, datagrams come out. Only behaviour promised to
//! members and operators is tested here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]

mod admission;
mod bounds;
mod commands;
mod control;
mod costs;
mod crowd;
mod discovery;
mod doors;
mod encodings;
mod forged;
mod formats;
mod harness;
mod history;
mod kept;
mod kicks;
mod limits;
mod links;
mod loops;
mod membership;
mod names;
mod notices;
mod password;
mod people;
mod random;
mod resume;
mod rooms;
mod scale;
mod silencing;
mod turns;
