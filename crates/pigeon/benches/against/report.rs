//! The parts of the benchmark: who takes turns, what is printed, what is wanted.

use crate::contenders::{
    Throughput, bare_echo, bench_server, iperf3, pigeon, pigeon_bench, pigeon_trip, serve_echo,
    sockperf, sockperf_trip,
};
use crate::process::installed;

const ROUNDS: usize = 3;
const SECONDS: u64 = 3;

/// Datagrams a second of pigeon, over those of iperf3, at 64 bytes.
const WANTED: f64 = 2.0;

/// How far the medians of two round trips may be apart.
const NEAR: f64 = 0.05;

type Contender = (&'static str, fn(usize, u64) -> Throughput);

/// The rates of a run: sent and received a second, received a CPU second of sender, of receiver,
/// and of both.
fn rates(run: &Throughput) -> [f64; 5] {
    let [sender, receiver] = run.cpu.map(|cpu| cpu.max(0.01));
    let (sent, received) = (run.sent as f64, run.received as f64);
    [
        sent / run.seconds,
        received / run.seconds,
        sent / sender,
        received / receiver,
        received / (sender + receiver),
    ]
}

fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// As fast as it goes.
pub(crate) fn throughput() -> bool {
    println!("\nas fast as it goes over loopback, medians of {ROUNDS} rounds of {SECONDS} s");
    let mut contenders: Vec<Contender> = vec![("pigeon", pigeon)];
    if installed("iperf3") {
        contenders.push(("iperf3", iperf3));
    }
    if installed("sockperf") {
        contenders.push(("sockperf", sockperf));
    }
    let mut reached = true;
    for size in [64, 1_400] {
        let runs: Vec<Vec<[f64; 5]>> = (0..ROUNDS)
            .map(|_| contenders.iter().map(|(_, run)| rates(&run(size, SECONDS))).collect())
            .collect();
        println!("\n  {size} bytes; millions a second");
        println!(
            "  {:<24}{:>9}{:>9}{:>16}{:>18}{:>14}",
            "", "sent", "received", "sent/CPU·s", "received/CPU·s", "both/CPU·s"
        );
        let columns = |of: &dyn Fn(&[[f64; 5]], usize) -> f64| {
            [0, 1, 2, 3, 4].map(|figure| median(runs.iter().map(|round| of(round, figure))))
        };
        let print = |name: &str, [a, b, c, d, e]: [f64; 5]| {
            println!("  {name:<24}{a:>9.2}{b:>9.2}{c:>16.2}{d:>18.2}{e:>14.2}");
        };
        for (at, (name, _)) in contenders.iter().enumerate() {
            print(name, columns(&|round, figure| round[at][figure] / 1e6));
        }
        for (at, (name, _)) in contenders.iter().enumerate().skip(1) {
            let ratios = columns(&|round, figure| round[0][figure] / round[at][figure]);
            print(&format!("pigeon / {name}"), ratios);
            if size == 64 && *name == "iperf3" {
                let is_reached = ratios.iter().all(|ratio| *ratio >= WANTED);
                let verdict = if is_reached { "reached" } else { "MISSED" };
                println!("  at least {WANTED} wanted of each: {verdict}");
                reached &= is_reached;
            }
        }
    }
    reached
}

/// One by one, there and back.
pub(crate) fn trips() -> bool {
    println!("\nmedian round trips of 64 bytes, one by one, in µs: {ROUNDS} rounds of {SECONDS} s");
    let sockperf = installed("sockperf");
    let bare = bare_echo();
    let (_echo, echo) = serve_echo();
    let (_server, server) = bench_server();
    let ours = [
        ("pigeon to a bare echo", &bare),
        ("pigeon to pigeon serve echo", &echo),
        ("pigeon to its bench server", &server),
    ];
    let rounds: Vec<(Vec<f64>, Option<[f64; 2]>)> = (0..ROUNDS)
        .map(|_| {
            let trips = ours.iter().map(|(_, address)| pigeon_trip(address, SECONDS)).collect();
            (trips, sockperf.then(|| [true, false].map(|awake| sockperf_trip(SECONDS, awake))))
        })
        .collect();
    for (at, (name, _)) in ours.iter().enumerate() {
        println!("  {name:<36}{:>8.2}", median(rounds.iter().map(|(trips, _)| trips[at])));
    }
    if !sockperf {
        return true;
    }
    let theirs = |at: usize| rounds.iter().filter_map(move |(_, trips)| Some(trips.as_ref()?[at]));
    println!("  {:<36}{:>8.2}", "sockperf --nonblocked to its server", median(theirs(0)));
    println!("  {:<36}{:>8.2}", "sockperf, which sleeps, to its server", median(theirs(1)));
    let ours = || rounds.iter().map(|(trips, _)| trips[0]);
    let ratio = |at| median(ours().zip(theirs(at)).map(|(ours, theirs)| ours / theirs));
    let near = (ratio(0) - 1.0).abs() <= NEAR;
    let verdict = if near { "reached" } else { "MISSED" };
    println!("  pigeon to a bare echo / sockperf --nonblocked: {:.3}", ratio(0));
    println!("  within {NEAR} of 1 wanted: {verdict}; / sockperf that sleeps: {:.3}", ratio(1));
    near
}

/// Sent = received + lost, and lost = in the kernel + on the way, a hundred times.
pub(crate) fn sums() -> bool {
    println!("\na hundred runs as fast as it goes: do they add up?");
    let (_server, address) = bench_server();
    let kinds = ["", "--size 1400", "--reverse", "--both --flows 2"];
    let (mut wrong, mut lossy, mut sent, mut lost) = (0, 0, 0, 0);
    for run in 0..100 {
        let args = format!("{address} --for 200ms {}", kinds[run % kinds.len()]);
        let (summary, _) = pigeon_bench(&args);
        let count = |way: &str, name: &str| summary[format!("{way}_{name}")].as_u64();
        for way in ["up", "down"] {
            let Some(all) = count(way, "sent") else { continue };
            let of = |name| count(way, name).expect("it stands beside");
            let adds_up = all == of("received") + of("lost")
                && of("lost") == of("lost_on_way") + of("lost_in_kernel");
            // Loopback itself loses nothing.
            if !adds_up || of("lost_on_way") > 0 {
                wrong += 1;
                println!("  {args}: {summary}");
            }
            sent += all;
            lost += of("lost");
            lossy += u64::from(of("lost") > 0);
        }
    }
    println!("  {sent} datagrams sent, {lost} lost in {lossy} of the runs; {wrong} do not add up");
    wrong == 0
}
