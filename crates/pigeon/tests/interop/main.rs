//! Interoperation: pigeon beside the real programs that people use, and beside their own.
//!
//! Everything runs as processes over loopback, as it would from a shell. Reading order:
//!
//! - `process`: a running program and all that it has said; `pigeon`: ours; `peers`: everybody else's.
//! - `room`, `membership`, `restart`: members of all kinds in one hub.
//! - `tutorial_server`: our client with somebody else's server.
//! - `send_listen`: single datagrams, both ways.
//! - `sockets`: who holds a port and what it loses, beside `ss`.
//! - `discover`: who is out there, across network namespaces.
//! - `escapes`, `refusals`: what must not reach a terminal, and what must be said at once.
//!
//! A peer that is not installed is left out and said to be `SKIPPED`; where `PIGEON_REQUIRE_PEERS`
//! is set it fails the test instead, so that a machine that should have them cannot skip in silence.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod peers;
mod pigeon;
mod process;

mod discover;
mod escapes;
mod membership;
mod refusals;
mod restart;
mod room;
mod send_listen;
mod sockets;
mod tutorial_server;
