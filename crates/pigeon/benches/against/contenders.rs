//! The programs compared, each with its own far end or the echo of this benchmark.

use serde_json::Value;

use pigeon_perf::drops;
use pigeon_perf::process::{self, Process, find, free_port, program, run};
use pigeon_perf::report::Report;
use pigeon_perf::server::Server;

/// Whether a program is installed; otherwise the report notes that it is skipped.
pub(crate) fn is_installed(report: &mut Report, program: &str) -> bool {
    let found = find(program).is_some();
    if !found {
        report.skipped(program);
    }
    found
}

/// The result of sending one way at full speed.
pub(crate) struct Throughput {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    pub(crate) seconds: f64,
    /// CPU seconds of the sender and of the receiver.
    pub(crate) cpu: [f64; 2],
}

/// Round trips, one at a time, as counted by the sender.
pub(crate) struct Trips {
    /// The median, in microseconds.
    pub(crate) median: f64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

pub(crate) fn bench_server() -> Server {
    Server::announced(&[], process::pigeon("bench server 127.0.0.1:0"), "listening on ")
}

/// The summary of a `pigeon bench` run, and its CPU seconds.
pub(crate) fn pigeon_bench(args: &str) -> (Value, f64) {
    let (said, cpu) = run(process::pigeon(&format!("bench {args} --json")));
    let summary = serde_json::from_str(said.lines().last().expect("a summary"));
    (summary.expect("JSON"), cpu)
}

pub(crate) fn pigeon(size: usize, seconds: u64) -> Throughput {
    let server = bench_server();
    let before = server.process.own_seconds();
    let (summary, cpu) =
        pigeon_bench(&format!("{} --for {seconds}s --size {size}", server.address));
    let count = |field: &str| summary[field].as_u64().expect("a count");
    Throughput {
        sent: count("up_sent"),
        received: count("up_received"),
        // iperf3's own count, in which a dropped train counts as its datagrams.
        dropped: count("up_lost_in_kernel"),
        seconds: summary["elapsed"].as_f64().expect("a number"),
        cpu: [cpu, server.process.own_seconds() - before],
    }
}

pub(crate) fn iperf3(size: usize, seconds: u64) -> Throughput {
    let port = free_port();
    let args = format!("-s -B 127.0.0.1 -p {port} --forceflush");
    let server = Process::start(&[], program("iperf3", &args));
    server.wait_for("listening");
    // The server closes its socket at its end.
    let (before, dropped) = (server.own_seconds(), drops::of_host());
    let args = format!("-c 127.0.0.1 -p {port} -u -b 0 -l {size} -t {seconds} -J");
    let (said, cpu) = run(program("iperf3", &args));
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let sum = &report["end"]["sum"];
    let count = |field: &str| sum[field].as_u64().expect("a count");
    Throughput {
        sent: count("packets"),
        received: count("packets").saturating_sub(count("lost_packets")),
        dropped: drops::of_host() - dropped,
        seconds: sum["seconds"].as_f64().expect("a number"),
        cpu: [cpu, server.own_seconds() - before],
    }
}

pub(crate) fn sockperf(size: usize, seconds: u64) -> Throughput {
    let (server, port) = sockperf_server();
    let before = server.own_seconds();
    let args = format!("throughput -i 127.0.0.1 -p {port} -m {size} -t {seconds}");
    let (said, cpu) = run(program("sockperf", &args));
    let (server_cpu, dropped) = (server.own_seconds() - before, server.kernel_drops());
    server.interrupt();
    Throughput {
        sent: number_behind(&said, "Total of ") as u64,
        received: number_behind(&server.wait_for("Total "), "") as u64,
        dropped,
        seconds: number_behind(&said, "messages sent in "),
        cpu: [cpu, server_cpu],
    }
}

/// sockperf's own server, and its port.
pub(crate) fn sockperf_server() -> (Process, u16) {
    let port = free_port();
    let server =
        Process::start(&[], program("sockperf", &format!("server -i 127.0.0.1 -p {port}")));
    server.wait_for("to block on socket");
    (server, port)
}

/// Round trips of sockperf to a port, by a client that spins or sleeps meanwhile.
pub(crate) fn sockperf_trips(port: u16, seconds: u64, awake: bool) -> Trips {
    let awake = if awake { "--nonblocked" } else { "" };
    let args = format!("ping-pong -i 127.0.0.1 -p {port} -m 64 -t {seconds} --full-rtt {awake}");
    let (said, _) = run(program("sockperf", &args));
    Trips {
        median: number_behind(&said, "percentile 50.000 ="),
        sent: number_behind(&said, "SentMessages=") as u64,
        received: number_behind(&said, "ReceivedMessages=") as u64,
    }
}

/// Round trips with pigeon, to an echo at an address.
pub(crate) fn pigeon_trips(address: &str, seconds: u64) -> Trips {
    let args = format!("{address} --ping --rate unlimited --size 64 --for {seconds}s");
    let (summary, _) = pigeon_bench(&args);
    Trips {
        median: summary["rtt_p50"].as_f64().expect("a number") * 1e6,
        sent: summary["trip_sent"].as_u64().expect("a count"),
        received: summary["trip_received"].as_u64().expect("a count"),
    }
}

/// The number that follows these words in sockperf's output.
fn number_behind(said: &str, words: &str) -> f64 {
    let rest = said.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {said}")).1;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest[..end].parse().unwrap_or_else(|_| panic!("no number behind {words:?} in {said}"))
}
