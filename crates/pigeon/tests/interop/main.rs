//! Interoperation: pigeon with common programs, and with scripts that people write.
//!
//! Everything runs as processes over loopback, as it would from a shell. Reading order:
//!
//! - `process`: a running program and all that it has said; `ports`: where it listens; `pigeon`:
//!   ours; `peers`: everybody else's; `services`: our `serve`; `namespace`: hosts and loopbacks of a test's own; `bad_path`:
//!   and what makes the way between them bad; `user_mode_linux`: a kernel of a test's own; `book`:
//!   contacts.
//! - `contacts`: names for endpoints, and the file they are kept in; `completions`: in bash, fish
//!   and zsh; `chat`: straight to others.
//! - `room`, `membership`, `restart`: members of all kinds in one hub; `pause`: a hub that is
//!   stopped for a while; `join`: ours, for scripts and in a language.
//! - `cut_off`: what the system says of the way, by firewalls and routes.
//! - `media`: bytes and videos through a room, and forwarders aimed back at it.
//! - `moved`: names that come to stand for another address.
//! - `screen`, `chat_screen`: the full screen on terminals of its own (`pty`), with a hub and
//!   without; `student`: in Chinese.
//! - `keyboard`: what terminals send beside keys, at every command that reads them; `tmux`: under a
//!   shell in a terminal of another's.
//! - `history`: what was said, read beside the hub that keeps it; `invite`: how to join it.
//! - `reliable`: members with a key, killed at random; `secure`: those who `join`.
//! - `cluster`: hubs that share rooms over nats-server; `brokers`: with TLS and credentials; `chaos`:
//!   while hubs, brokers and links fail.
//! - `page`: the hub's page in real browsers; `page_link`: its frames, its guards and its bounds, by
//!   a client of the test's own; `page_hostile`: what hostile clients cost the others.
//! - `ipmsg`: users of iptux as members of a hub, judged by iptux's own core.
//! - `operator`: a hub's operator: its console and its settings; `service`: under systemd.
//! - `tutorial_server`: our client with somebody else's server.
//! - `send_listen`: single datagrams, both ways; `encodings`: in other encodings; `groups`: to many
//!   hosts, at some pace; `capture`: kept for Wireshark.
//! - `ask`: a request and its reply; `serve`: the small services; `time`: what time it is.
//! - `bench`: a path measured, compared with the truth about it; `judges`: by the kernel and by a
//!   program; `bad_network`: a hub, its members and those who ask, across such a path.
//! - `relay`: a bad network in the middle; `replay`: a capture sent again.
//! - `sockets`: who holds a port and what it loses, beside `ss`.
//! - `discover`: who is out there, across network namespaces.
//! - `escapes`, `refusals`: what must not reach a terminal, and what must be said at once.
//! - `chinese`: output in a Chinese locale.
//! - `recipes`: every block of docs/recipes.md; `examples`: those of the other pages; `shell`: how
//!   both are read and run.
//!
//! The tests with netem are ignored by default (run them with `-- --ignored`), because they may
//! boot a kernel.
//!
//! A test without its program installed prints `SKIPPED`. With `PIGEON_REQUIRE_PEERS` it fails
//! instead, so that a machine that should have the programs cannot skip silently.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "so does a test fail")]

mod bad_path;
mod book;
mod namespace;
mod peers;
mod pigeon;
mod ports;
mod process;
mod pty;
mod services;
mod shell;
mod user_mode_linux;
mod windows;

mod ask;
mod bad_network;
mod bench;
mod brokers;
mod capture;
mod chaos;
mod chat;
mod chat_screen;
mod chinese;
mod classroom;
mod cluster;
mod command_line;
mod completions;
mod contacts;
mod cut_off;
mod discover;
mod encodings;
mod escapes;
mod examples;
mod groups;
mod history;
mod invite;
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
mod page;
mod page_hostile;
mod page_link;
mod pause;
mod recipes;
mod refusals;
mod relay;
mod reliable;
mod replay;
mod replies;
mod restart;
mod room;
mod screen;
mod secure;
mod send_listen;
mod serve;
mod service;
mod sockets;
mod student;
mod time;
mod tmux;
mod tutorial_server;
