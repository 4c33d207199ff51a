//! The parts of the benchmark: who takes turns, and what is wanted.

use crate::contenders::{
    Throughput, Trips, bench_server, iperf3, pigeon, pigeon_bench, pigeon_trips, sockperf,
    sockperf_server, sockperf_trips,
};
use crate::support::process::{Process, find};
use crate::support::report::{Report, Row, Wanted};
use crate::support::server::Server;
use crate::support::spread::Spread;

/// Rounds of each part, and the seconds of a turn: short turns for round trips, whose medians need
/// few seconds but many rounds on a machine that does other things too.
const ROUNDS: usize = 3;
const SECONDS: u64 = 3;
const TRIP_ROUNDS: usize = 5;
const TRIP_SECONDS: u64 = 2;

/// Datagrams a second of pigeon, over those of iperf3, at 64 bytes.
const WANTED: f64 = 2.0;

/// How far the medians of two round trips may be apart.
const NEAR: f64 = 0.05;

/// Whether a program is installed; the report says so if it is to be left out.
fn is_installed(report: &mut Report, program: &str) -> bool {
    let found = find(program).is_some();
    if !found {
        report.skipped(program);
    }
    found
}

type Contender = (&'static str, fn(usize, u64) -> Throughput);

/// Rates of a run, in millions: sent and received a second; sent a CPU second of the sender,
/// received one of the receiver, received one of both.
fn rates(run: &Throughput) -> [f64; 5] {
    let [sender, receiver] = run.cpu.map(|cpu| cpu.max(0.01));
    let [sent, received] = [run.sent, run.received].map(|count| count as f64 / 1e6);
    let seconds = run.seconds;
    let both = sender + receiver;
    [sent / seconds, received / seconds, sent / sender, received / receiver, received / both]
}

/// What each of these is called in a table.
const RATES: [&str; 5] = [
    "million_sent_a_second",
    "received_a_second",
    "sent_a_cpu_second",
    "received_a_cpu_second",
    "received_a_cpu_second_of_both",
];

/// As fast as it goes.
pub(crate) fn throughput() -> Report {
    let mut report = Report::new("against-throughput");
    for size in [64, 1_400] {
        report.section(&format!(
            "as fast as it goes over loopback, {size} bytes, {ROUNDS} rounds of {SECONDS} s"
        ));
        let mut contenders: Vec<Contender> = vec![("pigeon", pigeon)];
        if is_installed(&mut report, "iperf3") {
            contenders.push(("iperf3", iperf3));
        }
        if is_installed(&mut report, "sockperf") {
            contenders.push(("sockperf", sockperf));
        }
        let rounds: Vec<Vec<Throughput>> = (0..ROUNDS)
            .map(|_| contenders.iter().map(|(_, run)| run(size, SECONDS)).collect())
            .collect();
        let runs = |at: usize| rounds.iter().map(move |round| &round[at]);
        let row = |(at, (name, _)): (usize, &Contender)| {
            (name.to_string(), throughput_row(&runs(at).collect::<Vec<_>>()))
        };
        report.table(contenders.iter().enumerate().map(row).collect());
        for (at, (name, _)) in contenders.iter().enumerate().skip(1) {
            for (figure, rate) in RATES.iter().enumerate() {
                let of = |run: &Throughput| rates(run)[figure];
                let pairs = runs(0).zip(runs(at));
                let ratio = Spread::of(pairs.map(|(ours, theirs)| of(ours) / of(theirs)));
                let words = format!("pigeon / {name}, {}", rate.replace('_', " "));
                match size == 64 && *name == "iperf3" {
                    true => report.judge(&words, ratio, Wanted::AtLeast(WANTED)),
                    false => report.ratio(&words, ratio),
                }
            }
        }
    }
    report
}

fn throughput_row(runs: &[&Throughput]) -> Row {
    let sum = |of: fn(&Throughput) -> u64| runs.iter().map(|run| of(run)).sum::<u64>();
    let (sent, received) = (sum(|run| run.sent), sum(|run| run.received));
    let rate = |at: usize| Spread::of(runs.iter().map(|run| rates(run)[at])).median;
    let rates = RATES.iter().enumerate().map(|(at, name)| (*name, rate(at).into()));
    let counts: Row = vec![
        ("sent", sent.into()),
        ("received", received.into()),
        ("lost", sent.saturating_sub(received).into()),
        ("dropped_by_kernel", sum(|run| run.dropped).into()),
    ];
    rates.chain(counts).collect()
}

const OURS: &str = "pigeon, bare echo";
const AWAKE: &str = "sockperf --nonblocked, bare echo";
const ASLEEP: &str = "sockperf that sleeps, bare echo";

/// Who asks whom for a while.
struct Pair<'p> {
    name: &'static str,
    echo: &'p Process,
    ask: Box<dyn Fn() -> Trips + 'p>,
    turns: Vec<Trips>,
    /// By the kernel, before the echo.
    dropped: u64,
}

impl<'p> Pair<'p> {
    fn pigeon(name: &'static str, echo: &'p Server) -> Pair<'p> {
        let address = echo.address.to_string();
        let ask = Box::new(move || pigeon_trips(&address, TRIP_SECONDS));
        Pair { name, echo: &echo.process, ask, turns: Vec::new(), dropped: 0 }
    }

    fn sockperf(name: &'static str, echo: &'p Process, port: u16, awake: bool) -> Pair<'p> {
        let ask = Box::new(move || sockperf_trips(port, TRIP_SECONDS, awake));
        Pair { name, echo, ask, turns: Vec::new(), dropped: 0 }
    }

    fn turn(&mut self) {
        // Others ask the same echo.
        let before = self.echo.kernel_drops();
        self.turns.push((self.ask)());
        self.dropped += self.echo.kernel_drops() - before;
    }

    fn row(&self) -> Row {
        let sum = |of: fn(&Trips) -> u64| self.turns.iter().map(of).sum::<u64>();
        vec![
            ("median_us", Spread::of(self.turns.iter().map(|turn| turn.median)).into()),
            ("sent", sum(|turn| turn.sent).into()),
            ("received", sum(|turn| turn.received).into()),
            ("dropped_at_echo", self.dropped.into()),
        ]
    }
}

/// One by one, there and back.
pub(crate) fn trips() -> Report {
    let mut report = Report::new("against-trips");
    report.section(&format!(
        "round trips of 64 bytes, one by one, {TRIP_ROUNDS} rounds of {TRIP_SECONDS} s: who asks, who echoes"
    ));
    let (bare, serve, server) =
        (Server::floor(&[], "bare-echo"), Server::echo(&[]), bench_server());
    let own = is_installed(&mut report, "sockperf").then(sockperf_server);
    let mut pairs = vec![Pair::pigeon(OURS, &bare)];
    if let Some((own, port)) = &own {
        let bare_port = bare.address.port();
        pairs.push(Pair::sockperf(AWAKE, &bare.process, bare_port, true));
        pairs.push(Pair::sockperf(ASLEEP, &bare.process, bare_port, false));
        pairs.push(Pair::sockperf("sockperf --nonblocked, its own server", own, *port, true));
    }
    pairs.push(Pair::pigeon("pigeon, pigeon serve echo", &serve));
    pairs.push(Pair::pigeon("pigeon, pigeon bench server", &server));
    for round in 0..TRIP_ROUNDS {
        // There and back, so that nobody always follows the same neighbour.
        match round % 2 {
            0 => pairs.iter_mut().for_each(Pair::turn),
            _ => pairs.iter_mut().rev().for_each(Pair::turn),
        }
    }
    report.table(pairs.iter().map(|pair| (pair.name.to_string(), pair.row())).collect());
    for (name, wanted) in [(AWAKE, Some(Wanted::NearOne(NEAR))), (ASLEEP, None)] {
        let Some(theirs) = pairs.iter().find(|pair| pair.name == name) else { continue };
        let rounds = pairs[0].turns.iter().zip(&theirs.turns);
        let ratio = Spread::of(rounds.map(|(ours, theirs)| ours.median / theirs.median));
        let words = format!("{OURS} / {name}");
        match wanted {
            Some(wanted) => report.judge(&words, ratio, wanted),
            None => report.ratio(&words, ratio),
        }
    }
    report
}

/// What a hundred runs came to, in one direction or both.
#[derive(Default)]
struct Sums {
    sent: u64,
    received: u64,
    dropped: u64,
    lossy: u64,
    wrong: u64,
}

/// Sent = received + lost, and lost = in the kernel + on the way, a hundred times.
pub(crate) fn sums() -> Report {
    let mut report = Report::new("against-sums");
    report.section("a hundred runs as fast as it goes: do they add up?");
    let server = bench_server();
    let kinds = ["", "--size 1400", "--reverse", "--both --flows 2"];
    let mut sums = Sums::default();
    for run in 0..100 {
        let args = format!("{} --for 200ms {}", server.address, kinds[run % kinds.len()]);
        let (summary, _) = pigeon_bench(&args);
        let count = |way: &str, name: &str| summary[format!("{way}_{name}")].as_u64();
        for way in ["up", "down"] {
            let Some(sent) = count(way, "sent") else { continue };
            let of = |name| count(way, name).expect("it stands beside");
            let adds_up = sent == of("received") + of("lost")
                && of("lost") == of("lost_on_way") + of("lost_in_kernel");
            // Loopback itself loses nothing.
            if !adds_up || of("lost_on_way") > 0 {
                sums.wrong += 1;
                report.remark(&format!("{args}: {summary}"));
            }
            sums.sent += sent;
            sums.received += of("received");
            sums.dropped += of("lost_in_kernel");
            sums.lossy += u64::from(of("lost") > 0);
        }
    }
    let row: Row = vec![
        ("sent", sums.sent.into()),
        ("received", sums.received.into()),
        ("lost", (sums.sent - sums.received).into()),
        ("dropped_by_kernel", sums.dropped.into()),
        ("lossy_ways", sums.lossy.into()),
    ];
    report.table(vec![("pigeon bench".into(), row)]);
    report.judge("ways that do not add up", sums.wrong as f64, Wanted::AtMost(0.0));
    report
}
