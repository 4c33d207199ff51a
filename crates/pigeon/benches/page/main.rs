//! The cost of the page's members for the hub: 2,000 WebSockets, beside nats-server's.
//!
//! ```text
//! cargo bench -p pigeon --bench page -- one         one message at a time to 2,000 members
//! cargo bench -p pigeon --bench page -- burst       64 messages in flight
//! cargo bench -p pigeon --bench page -- latency     one message a second from one member
//! cargo bench -p pigeon --bench page -- plain-one   what plain members pay for the page
//! cargo bench -p pigeon --bench page -- plain-burst 64 messages in flight
//! cargo bench -p pigeon --bench page -- all         all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root. nats-server is skipped if it is not installed.
//!
//! The hub stores each message before it sends it, and sends JSON frames with author, room, time and
//! position. nats-server stores nothing, and sends the text alone, as do two servers without a hub:
//! the page's loop alone, and axum. All speak plain HTTP. `-- one 500`: another number of members.
//!
//! The two are skipped until they are built: `cargo build --release -p pigeon-perf-axum`.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

mod latency;
mod members;
mod plain;
#[path = "../fanout/members.rs"]
mod udp;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use pigeon_perf::cpu::{Cpus, raise_file_limit};
use pigeon_perf::fanout::{Contender, Sizes, ratio, rounds, table};
use pigeon_perf::parts;
use pigeon_perf::process::{find, free_port, pigeon};
use pigeon_perf::report::{self, Report, Wanted, folder};
use pigeon_perf::server::Server;

use members::{Sockets, Talk};

const HUB: &str = "pigeon hub --page";
const NATS: &str = "nats-server, WebSocket";
const LOOP: &str = "pigeon-web alone";
const AXUM: &str = "axum";

/// The number of members.
static COUNT: OnceLock<usize> = OnceLock::new();

/// The flags of every hub, without its folder and page.
const FLAGS: &str = "hub --listen 127.0.0.1:0 --console off --format chat --notices-up-to 0 \
    --timeout 1h --rate unlimited --rate-bytes unlimited --secure off";

type Part = fn(Cpus) -> Report;

const PARTS: &[(&str, Part)] = &[
    ("one", one),
    ("burst", burst),
    ("latency", latency::measure),
    ("plain-one", plain::one),
    ("plain-burst", plain::burst),
];

fn main() {
    pigeon_perf::begin!();
    let mut words = parts::words();
    if let [_, count] = &words[..] {
        COUNT.get_or_init(|| count.parse().expect("how many members"));
        words.truncate(1);
    }
    let chosen = parts::chosen(&words, PARTS);
    let cpus = Cpus::choose("the server");
    raise_file_limit();
    report::end(chosen.iter().map(|part| part(cpus)));
}

fn count() -> usize {
    *COUNT.get_or_init(|| 2_000)
}

fn one(cpus: Cpus) -> Report {
    fan_out("page-one", "one message of 64 bytes at a time", cpus, 1)
}

fn burst(cpus: Cpus) -> Report {
    fan_out("page-burst", "64 messages of 64 bytes in flight", cpus, 64)
}

fn fan_out(name: &str, title: &str, cpus: Cpus, in_flight: usize) -> Report {
    let mut report = Report::new(name);
    report.section(&format!("{title}, to {} WebSockets", count()));
    let mut servers = contenders(&mut report, cpus, name);
    rounds(cpus, &mut servers, Sizes::Equal(64), in_flight);
    table(&mut report, &servers);
    ratio(&mut report, &servers, HUB, NATS, Some(Wanted::AtLeast(1.0)));
    ratio(&mut report, &servers, HUB, AXUM, Some(Wanted::AtLeast(1.0)));
    ratio(&mut report, &servers, LOOP, AXUM, None);
    report
}

/// Both servers with their members.
fn contenders(report: &mut Report, cpus: Cpus, name: &str) -> Vec<Contender> {
    let (server, page) = hub(cpus, name, true);
    let members = Sockets::connect(count(), Talk::Pigeon, page.expect("a page"));
    let mut servers = vec![Contender::new(HUB, server, Box::new(members))];
    match nats(cpus) {
        Some((server, address)) => {
            let members = Sockets::connect(count(), Talk::Nats, address);
            servers.push(Contender::new(NATS, server, Box::new(members)));
        }
        None => report.skipped(NATS),
    }
    for (name, kind) in [(LOOP, "own"), (AXUM, "axum")] {
        match without_hub(cpus, kind) {
            Some(server) => {
                let members = Sockets::connect(count(), Talk::Text, server.address);
                servers.push(Contender::new(name, server, Box::new(members)));
            }
            None => report.skipped(name),
        }
    }
    servers
}

/// A server that only passes messages on, if it is built.
fn without_hub(cpus: Cpus, kind: &str) -> Option<Server> {
    let bench = std::env::current_exe().expect("this program has a path");
    let program = bench.ancestors().nth(2)?.join("pigeon-perf-axum");
    let mut command = Command::new(&program);
    command.args([kind, "127.0.0.1:0"]);
    program.exists().then(|| Server::announced(&[cpus.hub], command, "listening on "))
}

/// A hub with an empty log, and its page's address.
fn hub(cpus: Cpus, name: &str, has_page: bool) -> (Server, Option<SocketAddr>) {
    let page = has_page.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let data = empty(name);
    let with =
        page.map_or_else(String::new, |page| format!("--page {page} --max-per-address 9999"));
    let command = pigeon(&format!("{FLAGS} {with} --data {}", data.display()));
    (Server::announced(&[cpus.hub], command, "listening on "), page)
}

/// A new folder.
fn empty(name: &str) -> PathBuf {
    let data = folder().join(format!("page-{name}"));
    // Removes a folder from an earlier run.
    let _ = std::fs::remove_dir_all(&data);
    data
}

/// nats-server with its defaults, and the address of its WebSockets.
fn nats(cpus: Cpus) -> Option<(Server, SocketAddr)> {
    let program = find("nats-server")?;
    let (port, web) = (free_port(), free_port());
    let config = folder().join("nats-page.conf");
    let text = format!("websocket {{ listen: \"127.0.0.1:{web}\", no_tls: true }}\n");
    std::fs::write(&config, text).expect("the folder is ours");
    let mut command = Command::new(program);
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]).arg("--config").arg(config);
    let server = Server::accepting(&[cpus.hub], command, port);
    Some((server, SocketAddr::from((Ipv4Addr::LOCALHOST, web))))
}
