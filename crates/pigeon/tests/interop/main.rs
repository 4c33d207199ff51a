//! Interoperation: pigeon beside the real programs that people use, and beside their own.
//!
//! Everything runs as processes over loopback, as it would from a shell. Reading order:
//!
//! - `process`: a running program and all that it has said; `pigeon`: ours; `peers`: everybody else's;
//!   `services`: our `serve`; `namespace`: hosts and loopbacks of a test's own.
//! - `room`, `membership`, `restart`: members of all kinds in one hub.
//! - `tutorial_server`: our client with somebody else's server.
//! - `send_listen`: single datagrams, both ways; `encodings`: in other encodings; `groups`: to many
//!   hosts, at some pace; `capture`: kept for Wireshark.
//! - `ask`: a request and its reply; `serve`: the small services; `time`: what time it is.
//! - `bench`: a path measured, beside whoever knows the truth about it.
//! - `relay`: a bad network in the middle; `replay`: a capture sent again.
//! - `sockets`: who holds a port and what it loses, beside `ss`.
//! - `discover`: who is out there, across network namespaces.
//! - `escapes`, `refusals`: what must not reach a terminal, and what must be said at once.
//!
//! A peer that is not installed is left out and said to be `SKIPPED`; where `PIGEON_REQUIRE_PEERS`
//! is set it fails the test instead, so that a machine that should have them cannot skip in silence.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod namespace;
mod peers;
mod pigeon;
mod process;
mod services;

mod ask;
mod bench;
mod capture;
mod discover;
mod encodings;
mod escapes;
mod groups;
mod membership;
mod refusals;
mod relay;
mod replay;
mod restart;
mod room;
mod send_listen;
mod serve;
mod sockets;
mod time;
mod tutorial_server;
