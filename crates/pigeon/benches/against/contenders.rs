//! Those who measure, each with its own far end.

use std::net::UdpSocket;

use serde_json::Value;

use crate::process::{Server, free_port, run};

const PIGEON: &str = env!("CARGO_BIN_EXE_pigeon");

/// One way, as fast as it goes.
pub(crate) struct Throughput {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) seconds: f64,
    /// CPU seconds of the sender and of the receiver.
    pub(crate) cpu: [f64; 2],
}

/// `pigeon bench server`, and where it listens.
pub(crate) fn bench_server() -> (Server, String) {
    let server = Server::start(PIGEON, "bench server 0", "");
    let address = server.wait_for("listening on ").trim().to_string();
    (server, address)
}

/// The summary of a `pigeon bench`, and its CPU seconds.
pub(crate) fn pigeon_bench(args: &str) -> (Value, f64) {
    let (said, cpu) = run(PIGEON, &format!("bench {args} --json"));
    let summary = serde_json::from_str(said.lines().last().expect("a summary"));
    (summary.expect("JSON"), cpu)
}

pub(crate) fn pigeon(size: usize, seconds: u64) -> Throughput {
    let (server, address) = bench_server();
    let before = server.seconds();
    let (summary, cpu) = pigeon_bench(&format!("{address} --for {seconds}s --size {size}"));
    Throughput {
        sent: summary["up_sent"].as_u64().expect("a count"),
        received: summary["up_received"].as_u64().expect("a count"),
        seconds: summary["elapsed"].as_f64().expect("a number"),
        cpu: [cpu, server.seconds() - before],
    }
}

pub(crate) fn iperf3(size: usize, seconds: u64) -> Throughput {
    let port = free_port();
    let server =
        Server::start("iperf3", &format!("-s -B 127.0.0.1 -p {port} --forceflush"), "listening");
    let before = server.seconds();
    let args = format!("-c 127.0.0.1 -p {port} -u -b 0 -l {size} -t {seconds} -J");
    let (said, cpu) = run("iperf3", &args);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let sum = &report["end"]["sum"];
    let count = |field: &str| sum[field].as_u64().expect("a count");
    Throughput {
        sent: count("packets"),
        received: count("packets").saturating_sub(count("lost_packets")),
        seconds: sum["seconds"].as_f64().expect("a number"),
        cpu: [cpu, server.seconds() - before],
    }
}

pub(crate) fn sockperf(size: usize, seconds: u64) -> Throughput {
    let server = sockperf_server();
    let before = server.0.seconds();
    let args = format!("throughput -i 127.0.0.1 -p {} -m {size} -t {seconds}", server.1);
    let (said, cpu) = run("sockperf", &args);
    let behind = |words: &str| said.split_once(words).expect("sockperf says so").1;
    let sent = behind("Total of ").split(' ').next().and_then(|word| word.parse().ok());
    let seconds = behind("messages sent in ").split(' ').next().and_then(|word| word.parse().ok());
    let server_cpu = server.0.seconds() - before;
    server.0.interrupt();
    let received = server.0.wait_for("Total ");
    let received = received.split(' ').next().and_then(|word| word.parse().ok());
    Throughput {
        sent: sent.expect("a count"),
        received: received.expect("a count"),
        seconds: seconds.expect("a number"),
        cpu: [cpu, server_cpu],
    }
}

fn sockperf_server() -> (Server, u16) {
    let port = free_port();
    let server =
        Server::start("sockperf", &format!("server -i 127.0.0.1 -p {port}"), "to block on socket");
    (server, port)
}

/// The median round trip, in microseconds, of a client that stays awake or sleeps meanwhile.
pub(crate) fn sockperf_trip(seconds: u64, awake: bool) -> f64 {
    let (_server, port) = sockperf_server();
    let awake = if awake { "--nonblocked" } else { "" };
    let args = format!("ping-pong -i 127.0.0.1 -p {port} -m 64 -t {seconds} --full-rtt {awake}");
    let (said, _) = run("sockperf", &args);
    let line = said.lines().find(|line| line.contains("percentile 50.000"));
    line.and_then(|line| line.rsplit('=').next()?.trim().parse().ok()).expect("a median")
}

/// The same by pigeon, to whoever echoes at an address.
pub(crate) fn pigeon_trip(address: &str, seconds: u64) -> f64 {
    let args = format!("{address} --ping --rate unlimited --size 64 --for {seconds}s");
    let (summary, _) = pigeon_bench(&args);
    summary["rtt_p50"].as_f64().expect("a number") * 1e6
}

/// `pigeon serve echo`, and where it listens.
pub(crate) fn serve_echo() -> (Server, String) {
    let server = Server::start(PIGEON, "serve echo:0", "");
    let address = server.wait_for("echo on ").trim().to_string();
    (server, address)
}

/// What sockperf's server does, and nothing else; it lives as long as this program.
pub(crate) fn bare_echo() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // A client that has gone is no reason to stop.
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    address
}
