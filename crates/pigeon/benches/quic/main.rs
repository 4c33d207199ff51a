//! The cost of reliable members for a server over QUIC: fan-out, handshakes, and memory of silent
//! members.
//!
//! ```text
//! cargo bench -p pigeon --bench quic -- one         one message at a time to 200 members
//! cargo bench -p pigeon --bench quic -- burst       64 messages in flight
//! cargo bench -p pigeon --bench quic -- handshakes  connections per second
//! cargo bench -p pigeon --bench quic -- memory      10,000 silent members; -- memory 1000: another number
//! cargo bench -p pigeon --bench quic -- half-open   10,000 unfinished handshakes
//! cargo bench -p pigeon --bench quic -- hub-one     the real hub, which stores, to 200 members
//! cargo bench -p pigeon --bench quic -- hub-burst   64 messages in flight
//! cargo bench -p pigeon --bench quic -- durable     messages stored per second, and how soon
//! cargo bench -p pigeon --bench quic -- catch-up    a member that missed 100,000 messages
//! cargo bench -p pigeon --bench quic -- plain-one   what plain members pay for the secure port
//! cargo bench -p pigeon --bench quic -- plain-burst 64 messages in flight
//! cargo bench -p pigeon --bench quic -- all         all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root. nats-server is skipped if it is not
//! installed.
//!
//! Fan-out is counted as in the bench `fanout`: deliveries for each second that the server's CPU
//! was busy. The floor (`bare.rs`) is quinn-proto under nothing but system calls, with the same TLS
//! and transport parameters, and sends the same bytes. nats-server speaks TLS. Messages are
//! measured in two forms: as 64 plain bytes, for the cost of the link itself, and as JSON frames of
//! 270 bytes, as a hub sends them to members. nats-server sends 64 bytes in both cases, without the
//! message's author, room and time.
//!
//! - `relay.rs`: the work of both servers per message. `ours.rs`: the machine of `pigeon-quic` in
//!   the project's loop. `bare.rs`: the baseline.
//! - `members.rs`: the clients. `handshakes.rs`, `memory.rs`: the other figures.
//! - `hub.rs`, `durable.rs`, `catch_up.rs`, `plain.rs`: the real hub. `keyed.rs`: its members.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

mod bare;
mod catch_up;
mod durable;
mod handshakes;
mod hub;
mod keyed;
mod members;
mod memory;
mod ours;
mod plain;
mod relay;
#[path = "../fanout/members.rs"]
mod udp;

use pigeon_perf::cpu::{Cpus, raise_file_limit};
use pigeon_perf::fanout::{Contender, Protocol, Sizes, Subscribers, ratio, rounds, table};
use pigeon_perf::parts;
use pigeon_perf::process::{find, free_port};
use pigeon_perf::report::{self, Report, Wanted, folder};
use pigeon_perf::server::Server;
use pigeon_quic::Certificate;

/// Members in the fan-out test.
const MEMBERS: usize = 200;

const OURS: &str = "pigeon-quic";
const BARE: &str = "bare quinn-proto";
const NATS: &str = "nats-server, TLS";

type Part = fn(Cpus) -> Report;

const PARTS: &[(&str, Part)] = &[
    ("one", one),
    ("burst", burst),
    ("handshakes", handshakes::measure),
    ("memory", memory::silent),
    ("half-open", memory::half_open),
    ("hub-one", hub::one),
    ("hub-burst", hub::burst),
    ("durable", durable::measure),
    ("catch-up", catch_up::measure),
    ("plain-one", plain::one),
    ("plain-burst", plain::burst),
];

fn main() {
    pigeon_perf::begin!();
    let mut words = parts::words();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ours", how] => ours::run(how),
        ["bare", how] => bare::run(how),
        ["silent-members", address, count] => members::be_silent(address, count),
        ["memory", count] => {
            memory::COUNT.get_or_init(|| count.parse().expect("how many members"));
            words.truncate(1);
        }
        _ => {}
    }
    let chosen = parts::chosen(&words, PARTS);
    let cpus = Cpus::choose("the server");
    raise_file_limit();
    report::end(chosen.iter().map(|part| part(cpus)));
}

fn one(cpus: Cpus) -> Report {
    fan_out("quic-one", "one message of 64 bytes at a time", cpus, 1)
}

fn burst(cpus: Cpus) -> Report {
    fan_out("quic-burst", "64 messages of 64 bytes in flight", cpus, 64)
}

fn fan_out(name: &str, title: &str, cpus: Cpus, in_flight: usize) -> Report {
    let mut report = Report::new(name);
    for (how, words) in [("lines", "as they are"), ("frames", "as frames of JSON")] {
        report.section(&format!("{title}, {words}, to {MEMBERS} members"));
        compare(&mut report, how, cpus, in_flight);
    }
    report
}

fn compare(report: &mut Report, how: &str, cpus: Cpus, in_flight: usize) {
    let mut servers: Vec<Contender> = [(OURS, "ours"), (BARE, "bare")]
        .into_iter()
        .map(|(name, who)| {
            let server = Server::floor(&[cpus.hub], &format!("{who} {how}"));
            let members = members::Quic::connect(server.address, MEMBERS);
            Contender::new(name, server, Box::new(members))
        })
        .collect();
    match nats(cpus) {
        Some(server) => {
            let members = Subscribers::connect(MEMBERS, Protocol::NatsTls, server.address);
            servers.push(Contender::new(NATS, server, Box::new(members)));
        }
        None => report.skipped(NATS),
    }
    rounds(cpus, &mut servers, Sizes::Equal(64), in_flight);
    table(report, &servers);
    ratio(report, &servers, OURS, BARE, Some(Wanted::AtLeast(0.8)));
    ratio(report, &servers, OURS, NATS, None);
    ratio(report, &servers, BARE, NATS, None);
}

/// nats-server with its defaults and a certificate like ours.
fn nats(cpus: Cpus) -> Option<Server> {
    let program = find("nats-server")?;
    let (port, folder) = (free_port(), folder());
    let (pem, config) = (folder.join("nats.pem"), folder.join("nats.conf"));
    let certificate = Certificate::generate().expect("the system gives randomness");
    std::fs::write(&pem, certificate.to_pem()).expect("the folder is ours");
    let path = pem.display();
    let tls = format!("tls {{ cert_file: \"{path}\", key_file: \"{path}\" }}\n");
    std::fs::write(&config, tls).expect("the folder is ours");
    let mut command = std::process::Command::new(program);
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]).arg("--config").arg(config);
    Some(Server::accepting(&[cpus.hub], command, port))
}
