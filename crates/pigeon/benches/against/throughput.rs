//! One way at full speed: pigeon, iperf3 and sockperf.

use crate::contenders::{Throughput, iperf3, is_installed, pigeon, sockperf};
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::spread::Spread;

const ROUNDS: usize = 3;
const SECONDS: u64 = 3;

/// The target: pigeon's datagrams per second divided by iperf3's, at 64 bytes.
const WANTED: f64 = 2.0;

type Contender = (&'static str, fn(usize, u64) -> Throughput);

/// A run's rates in millions: sent and received per second; sent per CPU second of the sender,
/// received per one of the receiver, received per one of both.
fn rates(run: &Throughput) -> [f64; 5] {
    let [sender, receiver] = run.cpu.map(|cpu| cpu.max(0.01));
    let [sent, received] = [run.sent, run.received].map(|count| count as f64 / 1e6);
    let seconds = run.seconds;
    let both = sender + receiver;
    [sent / seconds, received / seconds, sent / sender, received / receiver, received / both]
}

/// The columns of these rates.
const RATES: [&str; 5] = [
    "million_sent_a_second",
    "received_a_second",
    "sent_a_cpu_second",
    "received_a_cpu_second",
    "received_a_cpu_second_of_both",
];

pub(crate) fn run() -> Report {
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
            (name.to_string(), row(&runs(at).collect::<Vec<_>>()))
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

fn row(runs: &[&Throughput]) -> Row {
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
