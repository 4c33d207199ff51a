//! Two servers that pass each WebSocket message on to all clients, for the bench `page` of `pigeon`:
//! what fan-out costs the loop of `pigeon-web`, and what it costs axum.
//!
//! ```text
//! pigeon-perf-axum own 127.0.0.1:0     pigeon-web: one loop, each message's bytes shared
//! pigeon-perf-axum axum 127.0.0.1:0    axum: a task a client, a broadcast channel
//! ```
//!
//! Both serve `/ws`, in one thread, without TLS, and store nothing.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement that fails ends")]

mod framework;
mod own;

use std::net::SocketAddr;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, address] = &words[..] else { return eprintln!("say own or axum, and an address") };
    let address: SocketAddr = address.parse().expect("an address");
    match kind.as_str() {
        "own" => own::serve(address),
        "axum" => framework::serve(address),
        _ => eprintln!("say own or axum"),
    }
}
