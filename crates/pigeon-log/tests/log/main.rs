//! The log on real files. `kill` and `power` also run this same program as child processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of tests ends the test that it helps"
)]

mod append;
mod damage;
mod deleting;
mod files;
mod kill;
mod power;
mod search;
mod support;
mod transfer;
mod trouble;
mod upgrade;
