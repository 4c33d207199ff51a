//! What fan-out costs: one message, a thousand copies. Ours beside the floor and its peers.
//!
//! ```text
//! cargo bench -p pigeon --bench fanout -- one      one message at a time
//! cargo bench -p pigeon --bench fanout -- burst    64 messages in flight
//! cargo bench -p pigeon --bench fanout -- mixed    64 in flight, of the sizes people write
//! cargo bench -p pigeon --bench fanout -- latency  one message, until the last member has it
//! cargo bench -p pigeon --bench fanout -- peers    64 in flight, beside NATS and Mosquitto
//! cargo bench -p pigeon --bench fanout -- all      one after the other, as without a word
//! ```
//!
//! Each takes less than two minutes and needs no root. A peer that is not installed is skipped.
//!
//! The figure is **deliveries for each second that the hub's CPU was busy**: copies counted where
//! members read them, over the time of the whole CPU that the hub is pinned to, as the kernel works
//! for a hub outside its process too. Everything else runs on another CPU. What else runs on the
//! hub's shows as `others`: a figure with more than a few per cent there is worth little, and then
//! `own`, by the time that the hub's process itself ran, says more.
//!
//! The floor (`bare_hub.rs`) is a hub of nothing but system calls, under the same load, in turn with
//! ours. Ratios are taken round by round. The program fails when a median misses its target,
//! but judges none where others took more than a tenth of the hub's CPU.
//!
//! - `server.rs`, `../support/cpu.rs`: where processes run, and for how long.
//! - `members.rs`, `brokers.rs`: the members, over UDP and of NATS and MQTT; `load.rs`: what they say.
//! - `turns.rs`, `latency.rs`: the two ways to measure; `report.rs`: what is printed and written.
//!
//! Linux only: it reads `/proc`, and the floor is made of Linux's calls.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails ends"
)]

#[cfg(target_os = "linux")]
mod bare_hub;
mod brokers;
#[path = "../support/cpu.rs"]
mod cpu;
mod latency;
mod load;
mod members;
mod report;
mod server;
#[path = "../support/spread.rs"]
mod spread;
mod turns;

use brokers::{Protocol, Subscribers};
use cpu::Cpus;
use load::Sizes;
use members::{Sockets, With};
use report::Report;
use server::Server;
use turns::{Contender, rounds};

/// Messages in flight where there are many.
const MANY: usize = 64;

const OURS: &str = "pigeon";
const BARE: &str = "bare";
const SINGLES: &str = "bare without trains";
const PYTHON: &str = "python";
const NATS: &str = "nats-server";
const MOSQUITTO: &str = "mosquitto";

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    #[cfg(target_os = "linux")]
    if let ["bare-hub", how] = words[..] {
        bare_hub::run(how == "trains");
    }
    let benchmarks: &[fn(&Bench) -> Report] = match words[..] {
        ["one"] => &[one],
        ["burst"] => &[burst],
        ["mixed"] => &[mixed],
        ["latency"] => &[latency],
        ["peers"] => &[peers],
        [] | ["all"] => &[one, burst, mixed, latency, peers],
        _ => {
            eprintln!("one word of: one, burst, mixed, latency, peers, all");
            std::process::exit(2);
        }
    };
    let Some(bench) = Bench::prepare() else {
        println!("skipped: this takes Linux and two CPUs");
        return;
    };
    // Every benchmark runs, whatever the one before has said.
    let missed = benchmarks.iter().filter(|benchmark| !benchmark(&bench).finish()).count();
    if missed > 0 {
        std::process::exit(1);
    }
}

struct Bench {
    cpus: Cpus,
    members: usize,
}

impl Bench {
    fn prepare() -> Option<Bench> {
        let cpus = Cpus::choose()?;
        cpus.stay_with_load();
        // Beside NATS and Mosquitto three sockets a member are open, and two otherwise.
        let members = if cpu::raise_file_limit() < 3_200 { 300 } else { 1_000 };
        println!("{members} members; the hub on CPU {}, the load on CPU {}", cpus.hub, cpus.load);
        Some(Bench { cpus, members })
    }

    fn sockets(&self, with: With) -> Sockets {
        Sockets::open(self.members, with)
    }

    fn ours(&self, sockets: &Sockets) -> Contender {
        let server = Server::pigeon(self.cpus);
        let members = sockets.of(server.address);
        Contender::new(OURS, server, members)
    }

    fn bare(&self, sockets: &Sockets, trains: bool) -> Contender {
        let server = Server::bare(self.cpus, trains);
        let members = sockets.of(server.address);
        Contender::new(if trains { BARE } else { SINGLES }, server, members)
    }

    fn python(&self, report: &mut Report, sockets: &Sockets) -> Option<Contender> {
        let Some(server) = Server::python(self.cpus) else {
            report.skipped(PYTHON);
            return None;
        };
        let members = sockets.of(server.address);
        Some(Contender::new(PYTHON, server, members))
    }

    fn broker(
        &self,
        report: &mut Report,
        name: &'static str,
        protocol: Protocol,
        server: Option<Server>,
    ) -> Option<Contender> {
        let Some(server) = server else {
            report.skipped(name);
            return None;
        };
        let members = Subscribers::connect(self.members, protocol, server.address);
        Some(Contender::new(name, server, Box::new(members)))
    }
}

fn one(bench: &Bench) -> Report {
    let mut report = Report::new("one");
    report.title("one message of 64 bytes at a time, receivers with GRO");
    let sockets = bench.sockets(With { gro: true, ..With::default() });
    let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, true)];
    hubs.extend(bench.python(&mut report, &sockets));
    rounds(bench.cpus, &mut hubs, Sizes::Equal(64), 1);
    report.hubs(&hubs);
    report.ratio(&hubs, OURS, BARE, Some(0.9));
    report.ratio(&hubs, OURS, PYTHON, None);
    report
}

fn burst(bench: &Bench) -> Report {
    let mut report = Report::new("burst");
    for gro in [true, false] {
        let with = if gro { "with" } else { "without" };
        report.title(&format!("{MANY} messages of 64 bytes in flight, receivers {with} GRO"));
        let sockets = bench.sockets(With { gro, ..With::default() });
        let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, gro)];
        if gro {
            hubs.extend(bench.python(&mut report, &sockets));
        }
        rounds(bench.cpus, &mut hubs, Sizes::Equal(64), MANY);
        report.hubs(&hubs);
        report.ratio(&hubs, OURS, BARE, Some(0.8));
        report.ratio(&hubs, OURS, SINGLES, Some(2.0));
        report.ratio(&hubs, OURS, PYTHON, None);
    }
    report
}

fn mixed(bench: &Bench) -> Report {
    let mut report = Report::new("mixed");
    for gro in [true, false] {
        let with = if gro { "with" } else { "without" };
        report
            .title(&format!("{MANY} messages of 40 to 400 bytes in flight, receivers {with} GRO"));
        let sockets = bench.sockets(With { gro, ..With::default() });
        let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, false)];
        rounds(bench.cpus, &mut hubs, Sizes::Chat, MANY);
        report.hubs(&hubs);
        report.ratio(&hubs, OURS, SINGLES, Some(1.0));
    }
    report
}

fn latency(bench: &Bench) -> Report {
    let mut report = Report::new("latency");
    report.title("one message of 64 bytes, until it stands before the last member");
    let sockets = bench.sockets(With { gro: true, timestamps: true });
    let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, true)];
    latency::measure(&mut report, &mut hubs);
    report
}

fn peers(bench: &Bench) -> Report {
    let mut report = Report::new("peers");
    report.title(&format!("{MANY} messages of 64 bytes in flight, members of ours with GRO"));
    let sockets = bench.sockets(With { gro: true, ..With::default() });
    let mut hubs = vec![bench.ours(&sockets)];
    let nats = Server::nats(bench.cpus);
    hubs.extend(bench.broker(&mut report, NATS, Protocol::Nats, nats));
    let mosquitto = Server::mosquitto(bench.cpus, &report::folder());
    hubs.extend(bench.broker(&mut report, MOSQUITTO, Protocol::Mqtt, mosquitto));
    rounds(bench.cpus, &mut hubs, Sizes::Equal(64), MANY);
    report.hubs(&hubs);
    report.ratio(&hubs, OURS, NATS, Some(5.0));
    report.ratio(&hubs, OURS, MOSQUITTO, Some(20.0));
    report
}
