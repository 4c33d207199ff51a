//! The cost of fan-out: one message, a thousand copies. Compares our hub with the floor and with
//! other programs.
//!
//! ```text
//! cargo bench -p pigeon --bench fanout -- one      one message at a time
//! cargo bench -p pigeon --bench fanout -- burst    64 messages in flight
//! cargo bench -p pigeon --bench fanout -- mixed    64 in flight, sizes as in chats
//! cargo bench -p pigeon --bench fanout -- latency  the time until the last member has a message
//! cargo bench -p pigeon --bench fanout -- history  with a log and without; -- slow-disk: its latency
//! cargo bench -p pigeon --bench fanout -- peers    64 in flight, beside NATS and Mosquitto
//! cargo bench -p pigeon --bench fanout -- all      all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root. A peer that is not installed is skipped.
//! `PIGEON_BEFORE=PATH` adds the `pigeon` of another build, in the same turns: `one`, `burst`,
//! `mixed` and `latency` then show the cost of a change, as the median of the ratios with its 95 %
//! confidence interval.
//!
//! The figure is **deliveries for each second that the hub's CPU was busy**: copies counted where
//! members read them, divided by the busy time of the whole CPU that the hub is pinned to, because
//! the kernel also works for a hub outside its process. Everything else runs on another CPU.
//! `others` is other work on the hub's CPU: above a few per cent the figure is unreliable, and
//! `own`, by the time of the hub's process alone, is better. Copies `due` but not delivered were
//! dropped: by the kernel at the hub or a member, or by the hub.
//!
//! The floor (`bare_hub.rs`) is a hub made only of system calls, under the same load, in turns with
//! ours. Each round yields a ratio. The program fails if a median misses its target, but judges
//! none if others took more than a tenth of the hub's CPU.
//!
//! - `server.rs`: the hubs and brokers; `members.rs`: members over UDP.
//! - `latency.rs`, `history.rs`: other ways to measure.
//! - The crate `pigeon-perf`: the load, members of NATS and MQTT brokers, turns and how they compare;
//!   processes, CPUs, the report.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails ends")]

mod bare_hub;
mod history;
mod latency;
mod members;
mod server;

use members::{Sockets, With};
use pigeon_perf::cpu::{Cpus, raise_file_limit};
use pigeon_perf::fanout::{
    Contender, Protocol, Sizes, Subscribers, interval, ratio, rounds, table,
};
use pigeon_perf::parts;
use pigeon_perf::report::{self, Report, Wanted};
use pigeon_perf::server::Server;

/// The number of messages in flight in `burst` and `mixed`.
const MANY: usize = 64;

const OURS: &str = "pigeon";
const BARE: &str = "bare";
const BEFORE: &str = "before";
const SINGLES: &str = "bare without trains";
const PYTHON: &str = "python";
const NATS: &str = "nats-server";
const MOSQUITTO: &str = "mosquitto";

type Part = fn(&Bench) -> Report;

const PARTS: &[(&str, Part)] = &[
    ("one", one),
    ("burst", burst),
    ("mixed", mixed),
    ("latency", latency),
    ("history", history::measure),
    ("slow-disk", history::slow_disk),
    ("peers", peers),
];

fn main() {
    pigeon_perf::begin!();
    let words = parts::words();
    if let [floor, how] = &words[..]
        && floor == "bare-hub"
    {
        bare_hub::run(how == "trains");
    }
    let chosen = parts::chosen(&words, PARTS);
    let bench = Bench::prepare();
    report::end(chosen.iter().map(|part| part(&bench)));
}

struct Bench {
    cpus: Cpus,
    members: usize,
}

impl Bench {
    fn prepare() -> Bench {
        let cpus = Cpus::choose("the hub");
        // With NATS and Mosquitto three sockets per member are open, otherwise two.
        let members = if raise_file_limit() < 3_200 { 300 } else { 1_000 };
        println!("{members} members");
        Bench { cpus, members }
    }

    fn sockets(&self, with: With) -> Sockets {
        Sockets::open(self.members, with)
    }

    fn ours(&self, sockets: &Sockets) -> Contender {
        let server = server::pigeon(self.cpus);
        let members = sockets.of(server.address);
        Contender::new(OURS, server, members)
    }

    /// The hub of another build, if given.
    fn before(&self, sockets: &Sockets) -> Option<Contender> {
        let server = server::before(self.cpus)?;
        let members = sockets.of(server.address);
        Some(Contender::new(BEFORE, server, members))
    }

    fn bare(&self, sockets: &Sockets, trains: bool) -> Contender {
        let server = server::bare(self.cpus, trains);
        let members = sockets.of(server.address);
        Contender::new(if trains { BARE } else { SINGLES }, server, members)
    }

    fn python(&self, report: &mut Report, sockets: &Sockets) -> Option<Contender> {
        let Some(server) = server::tutorial(self.cpus) else {
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
    let mut report = Report::new("fanout-one");
    report.section("one message of 64 bytes at a time, receivers with GRO");
    let sockets = bench.sockets(With { gro: true, ..With::default() });
    let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, true)];
    hubs.extend(bench.before(&sockets));
    hubs.extend(bench.python(&mut report, &sockets));
    rounds(bench.cpus, &mut hubs, Sizes::Equal(64), 1);
    table(&mut report, &hubs);
    interval(&mut report, &hubs, OURS, BEFORE);
    ratio(&mut report, &hubs, OURS, BARE, Some(Wanted::AtLeast(0.9)));
    ratio(&mut report, &hubs, OURS, PYTHON, None);
    report
}

fn burst(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-burst");
    for gro in [true, false] {
        let with = if gro { "with" } else { "without" };
        report.section(&format!("{MANY} messages of 64 bytes in flight, receivers {with} GRO"));
        let sockets = bench.sockets(With { gro, ..With::default() });
        let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, gro)];
        hubs.extend(bench.before(&sockets));
        if gro {
            hubs.extend(bench.python(&mut report, &sockets));
        }
        rounds(bench.cpus, &mut hubs, Sizes::Equal(64), MANY);
        table(&mut report, &hubs);
        interval(&mut report, &hubs, OURS, BEFORE);
        ratio(&mut report, &hubs, OURS, BARE, Some(Wanted::AtLeast(0.8)));
        ratio(&mut report, &hubs, OURS, SINGLES, Some(Wanted::AtLeast(2.0)));
        ratio(&mut report, &hubs, OURS, PYTHON, None);
    }
    report
}

fn mixed(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-mixed");
    for gro in [true, false] {
        let with = if gro { "with" } else { "without" };
        report.section(&format!(
            "{MANY} messages of 40 to 400 bytes in flight, receivers {with} GRO"
        ));
        let sockets = bench.sockets(With { gro, ..With::default() });
        let mut hubs =
            vec![bench.ours(&sockets), bench.bare(&sockets, false), bench.bare(&sockets, true)];
        hubs.extend(bench.before(&sockets));
        rounds(bench.cpus, &mut hubs, Sizes::Chat, MANY);
        table(&mut report, &hubs);
        interval(&mut report, &hubs, OURS, BEFORE);
        ratio(&mut report, &hubs, OURS, SINGLES, Some(Wanted::AtLeast(1.0)));
        ratio(&mut report, &hubs, OURS, BARE, None);
    }
    report
}

fn latency(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-latency");
    report.section("one message of 64 bytes, until it stands before the last member");
    let sockets = bench.sockets(With { gro: true, timestamps: true });
    let mut hubs = vec![bench.ours(&sockets), bench.bare(&sockets, true)];
    hubs.extend(bench.before(&sockets));
    latency::measure(&mut report, &mut hubs);
    report
}

fn peers(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-peers");
    report.section(&format!("{MANY} messages of 64 bytes in flight, members of ours with GRO"));
    let sockets = bench.sockets(With { gro: true, ..With::default() });
    let mut hubs = vec![bench.ours(&sockets)];
    let nats = server::nats(bench.cpus);
    hubs.extend(bench.broker(&mut report, NATS, Protocol::Nats, nats));
    let mosquitto = server::mosquitto(bench.cpus);
    hubs.extend(bench.broker(&mut report, MOSQUITTO, Protocol::Mqtt, mosquitto));
    rounds(bench.cpus, &mut hubs, Sizes::Equal(64), MANY);
    table(&mut report, &hubs);
    ratio(&mut report, &hubs, OURS, NATS, Some(Wanted::AtLeast(5.0)));
    ratio(&mut report, &hubs, OURS, MOSQUITTO, Some(Wanted::AtLeast(20.0)));
    report
}
