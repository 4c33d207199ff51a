//! Interoperation: pigeon with common programs, and with scripts that people write.
//!
//! Everything runs as processes over loopback, as it would from a shell. Reading order:
//!
//! - `process`: a running program and its output; `pigeon`: our own; `peers`: other programs;
//!   `services`: our `serve`; `namespace`: private hosts and loopbacks; `bad_path`: bad networks
//!   between them; `user_mode_linux`: a private kernel; `book`: contacts.
//! - `contacts`: names for endpoints, and their file; `completions`: in bash, fish and zsh; `chat`:
//!   conversations without a hub.
//! - `room`, `membership`, `restart`: members of all kinds in one hub; `pause`: a hub that is
//!   stopped for a while; `join`: for scripts, and languages.
//! - `cut_off`: network errors from firewalls and routes.
//! - `media`: bytes and videos through a room, and forwarding loops.
//! - `moved`: names whose address changes.
//! - `screen`, `chat_screen`: the full screen on terminals (`pty`), with and without a hub.
//! - `keyboard`: terminal reports and garbage, at every command that reads keys; `tmux`: under a
//!   shell in tmux.
//! - `history`: stored messages, read beside a running hub.
//! - `ipmsg`: users of iptux as members of a hub, with iptux's own core.
//! - `operator`: a hub's console and settings; `service`: under systemd.
//! - `tutorial_server`: our client with a tutorial's server.
//! - `send_listen`: single datagrams, in both directions; `encodings`: in other encodings;
//!   `groups`: to many hosts, at a rate; `capture`: captures for Wireshark.
//! - `ask`: a request and its reply; `serve`: the small services; `time`: network time.
//! - `bench`: measurements compared with known facts; `judges`: with the kernel's and a program's
//!   counts; `bad_network`: a hub, its members and clients, across such a path.
//! - `relay`: a bad network in the middle; `replay`: a capture sent again.
//! - `sockets`: the processes and drops of sockets, compared with `ss`.
//! - `discover`: discovery across network namespaces.
//! - `escapes`, `refusals`: escaping, and immediate errors.
//! - `recipes`: every block of docs/recipes.md.
//!
//! The tests with netem are ignored by default (run them with `-- --ignored`), because they may
//! boot a kernel.
//!
//! A test whose program is not installed prints `SKIPPED`. With `PIGEON_REQUIRE_PEERS` it fails
//! instead, so that a machine that should have the programs cannot skip silently.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod bad_path;
mod book;
mod namespace;
mod peers;
mod pigeon;
mod process;
mod pty;
mod services;
mod user_mode_linux;

mod ask;
mod bad_network;
mod bench;
mod capture;
mod chat;
mod chat_screen;
mod classroom;
mod command_line;
mod completions;
mod contacts;
mod cut_off;
mod discover;
mod encodings;
mod escapes;
mod groups;
mod history;
mod ipmsg;
mod join;
mod judges;
mod kept;
mod keyboard;
mod media;
mod membership;
mod memory;
mod moved;
mod operator;
mod pause;
mod recipes;
mod refusals;
mod relay;
mod replay;
mod replies;
mod restart;
mod room;
mod screen;
mod send_listen;
mod serve;
mod service;
mod sockets;
mod time;
mod tmux;
mod tutorial_server;
