//! What silent members and forged senders cost a real `pigeon hub` in resident memory.
//!
//! ```text
//! cargo bench -p pigeon --bench memory            a million members
//! cargo bench -p pigeon --bench memory -- 100000  so many
//! ```
//!
//! One socket plays everybody, by sending each datagram from another address of 127.0.0.0/8
//! (IP_PKTINFO).
//!
//! - **A silent member**: the growth from a thousand members, when every buffer has been used, to
//!   all of them; the hub's own answer to a padded heartbeat says how many it has. Once as this
//!   machine's programs, whose addresses are not counted, and once with every address counted.
//! - **A forged sender**: a hub that has nobody's network open is sent a heartbeat from each of a
//!   million addresses that prove nothing. It may grow by 16 MiB, and members that proved
//!   themselves must still be members.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use pigeon_datagram::Transmit;
use pigeon_net::{Receipt, Socket, SocketOptions};
use support::{HubProcess, loopback_ip};

const WARM: usize = 1_000;
const MEMBER_TARGET: f64 = 100.0;
const FORGED_TARGET: f64 = 16.0;

fn main() {
    let members: usize =
        std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let mut met = true;
    for (name, counted) in [("this machine's", false), ("counted by address", true)] {
        met &= silent_members(members, name, counted);
    }
    met &= forged_senders(members);
    if !met {
        std::process::exit(1);
    }
}

fn silent_members(members: usize, name: &str, counted: bool) -> bool {
    let most = members.to_string();
    let mut flags = vec!["--timeout", "1h", "--max-members", &most];
    if counted {
        flags.extend(["--max-per-address", "256"]);
    }
    let hub = HubProcess::start(&flags);
    let mut crowd = Crowd::new(&hub);
    crowd.join(WARM);
    let before = hub.resident_bytes();
    let start = Instant::now();
    crowd.join(members);
    let seconds = start.elapsed().as_secs_f64();
    let after = hub.resident_bytes();

    let each = (after - before) as f64 / (members - WARM) as f64;
    println!("silent members, {name}");
    println!("  members           {members}");
    println!("  resident          {before} bytes with {WARM} members, {after} with all");
    println!("  each              {each:.1} bytes (at most {MEMBER_TARGET} wanted)");
    println!("  joining took      {seconds:.1} s, generator included");
    println!(
        r#"{{"bench":"silent members","counted":{counted},"members":{members},"before":{before},"after":{after},"bytes_per_member":{each:.1}}}"#
    );
    each <= MEMBER_TARGET
}

fn forged_senders(senders: usize) -> bool {
    let hub = HubProcess::start(&["--open", "", "--timeout", "1h"]);
    let mut crowd = Crowd::new(&hub);
    let live = 100;
    for n in 0..live {
        crowd.prove(n);
    }
    assert_eq!(crowd.count(), live, "those who proved themselves are members");
    // Heartbeats from everybody else, once to warm up every buffer, then for the measurement.
    crowd.heartbeats(live..live + WARM);
    let before = hub.resident_bytes();
    crowd.heartbeats(live..live + senders);
    // And padded ones, which are answered with a proof to send back.
    crowd.padded_heartbeats(live..live + senders / 10);
    crowd.heartbeats(0..live);
    let members = crowd.count();
    let after = hub.resident_bytes();

    let grown = after.saturating_sub(before) as f64 / f64::from(1 << 20);
    println!("forged senders");
    println!("  senders           {senders}, none of which proved its address");
    println!(
        "  resident          {before} bytes before, {after} after: {grown:.1} MiB more (at most {FORGED_TARGET} wanted)"
    );
    println!("  members           {members} of {live} that had proved theirs");
    println!(
        r#"{{"bench":"forged senders","senders":{senders},"before":{before},"after":{after},"members":{members}}}"#
    );
    grown <= FORGED_TARGET && members == live
}

/// One socket that plays everybody.
struct Crowd {
    socket: Socket,
    hub: std::net::SocketAddr,
    transmits: Vec<Transmit>,
}

const HEARTBEAT: &[u8] = b"^hb^";
const PADDED: &[u8; 64] = b"^hb^                                                            ";

impl Crowd {
    fn new(hub: &HubProcess) -> Crowd {
        let any = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
        let socket = Socket::bind(any, &SocketOptions::default()).expect("a socket");
        Crowd { socket, hub: hub.address, transmits: Vec::new() }
    }

    /// Sends heartbeats from addresses 0 to `members` until the hub has them all. The kernel may
    /// drop some, so everyone is sent for until nobody is missing.
    fn join(&mut self, members: usize) {
        let deadline = Instant::now() + Duration::from_secs(100);
        while self.count() < members {
            assert!(Instant::now() < deadline, "the hub took too long");
            self.heartbeats(0..members);
        }
    }

    fn heartbeats(&mut self, who: std::ops::Range<usize>) {
        self.send_from(who, HEARTBEAT);
    }

    fn padded_heartbeats(&mut self, who: std::ops::Range<usize>) {
        self.send_from(who, PADDED);
    }

    fn send_from(&mut self, who: std::ops::Range<usize>, payload: &[u8]) {
        for first in who.clone().step_by(256) {
            let hub = self.hub;
            self.transmits.clear();
            self.transmits.extend((first..who.end.min(first + 256)).map(|n| Transmit {
                to: hub,
                from: Some(loopback_ip(n)),
                range: 0..payload.len(),
                segment: None,
            }));
            self.socket.send(payload, &self.transmits, Duration::from_secs(1));
            if first % 32_768 < 256 {
                // Its answer shows that the hub has read what came before.
                self.count();
            }
        }
    }

    /// How many members the hub has, by its answer to the first member's padded heartbeat.
    fn count(&mut self) -> usize {
        self.ask(0, PADDED, |answer| {
            let rest = answer.strip_prefix("^hb^ pigeon/1 ")?;
            rest.split(' ').next()?.parse().ok()
        })
    }

    /// Proves the n-th address.
    fn prove(&mut self, n: usize) {
        let proof = self.ask(n, PADDED, |answer| {
            Some(answer.to_string()).filter(|answer| answer.starts_with("/prove "))
        });
        let proof = proof.as_bytes();
        let once = Transmit {
            to: self.hub,
            from: Some(loopback_ip(n)),
            range: 0..proof.len(),
            segment: None,
        };
        self.socket.send(proof, &[once], Duration::from_secs(1));
    }

    /// Sends until there is an answer of the wanted kind.
    fn ask<T>(&mut self, n: usize, question: &[u8], read: impl Fn(&str) -> Option<T>) -> T {
        let range = 0..question.len();
        let ask = Transmit { to: self.hub, from: Some(loopback_ip(n)), range, segment: None };
        loop {
            self.socket.send(question, std::slice::from_ref(&ask), Duration::from_secs(1));
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_secs(1) {
                let mut found = None;
                let receipt = self.socket.receive(&mut |datagram| {
                    let to_us = datagram.local == Some(loopback_ip(n));
                    let text = std::str::from_utf8(datagram.payload).ok().filter(|_| to_us);
                    found = text.and_then(&read).or(found.take());
                });
                match (found, receipt.expect("the socket works")) {
                    (Some(found), _) => return found,
                    (None, Receipt::Empty) => std::thread::sleep(Duration::from_micros(200)),
                    (None, _) => {}
                }
            }
        }
    }
}
