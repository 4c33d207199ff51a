//! Compares `pigeon bench` with known bad paths: the kernel's netem, a packet filter that counts
//! drops, and a program that counts everything. With exact counts, `bench` must agree exactly;
//! otherwise within the statistical error. Then compares `pigeon relay` with the same conditions.

mod cases;
mod netem;
mod packet_filter;
mod program;
mod relay;

use serde_json::{Value, json};

pub(crate) use cases::expect_share;

use crate::bench::{adds_up, count, summary};
use crate::namespace::{Namespace, skipped};
use crate::peers::installed;
use crate::process::{Process, SOON, Voice};

/// Two connected hosts, with a bench server on the second.
struct Hosts {
    _server: Process,
    near: Namespace,
    far: Namespace,
}

const FAR: &str = "10.77.1.2:7777";

impl Hosts {
    /// `None`, with a note, if impossible.
    fn new() -> Option<Hosts> {
        let [near, far] = Namespace::pair()?;
        Some(Hosts { _server: bench_server(&far), near, far })
    }

    #[track_caller]
    fn measure(&self, args: &str) -> Value {
        measure(&self.near, args)
    }
}

fn bench_server(host: &Namespace) -> Process {
    let server = host.pigeon("bench server", &["bench", "server", "*:7777"]);
    server.expect_status(|line| line.starts_with("listening on "), SOON);
    server
}

#[track_caller]
fn measure(from: &Namespace, args: &str) -> Value {
    let args: Vec<&str> = ["bench", FAR, "--json"].into_iter().chain(args.split(' ')).collect();
    summary(from.pigeon("pigeon bench", &args))
}

/// iperf3's report.
struct Iperf3 {
    packets: u64,
    lost: u64,
    late: u64,
    /// Jitter in seconds.
    jitter: f64,
}

/// Runs iperf3 between two hosts with 64-byte datagrams at a rate. They are sent from far to near,
/// because only the receiver reports late ones. `None`, with a note, if it is not installed.
fn iperf3(near: &Namespace, far: &Namespace, (per_second, seconds): (u64, u64)) -> Option<Iperf3> {
    if !installed("iperf3") {
        return None;
    }
    let [bits, seconds] = [per_second * 64 * 8, seconds].map(|number| number.to_string());
    let args = ["-c", "10.77.1.2", "-u", "-l", "64", "-b", &bits, "-t", &seconds, "-R", "-J"];
    let try_once = || -> Value {
        let server = far.run("iperf3 -s", "iperf3", &["-s", "-1", "--forceflush"]);
        server.expect_line(|line| line.contains("listening"), SOON);
        // If its control connection loses too much, it takes more than half a minute.
        let args = [&["15", "iperf3"], &args[..]].concat();
        let mut client = near.run("iperf3 -c", "timeout", &args);
        client.expect_end(SOON + SOON);
        serde_json::from_str(&client.output()).unwrap_or_else(|_| json!({ "error": "too slow" }))
    };
    // iperf3 sends its first datagram once, and fails if that or the answer is lost.
    let report = (0..10).map(|_| try_once()).find(|report| report["error"].is_null());
    let report = report.expect("iperf3 connects within ten attempts");
    let udp = &report["end"]["streams"][0]["udp"];
    let count = |field: &str| udp[field].as_u64().unwrap_or_else(|| panic!("{field}: {udp}"));
    Some(Iperf3 {
        packets: count("packets"),
        lost: count("lost_packets"),
        late: count("out_of_order"),
        jitter: udp["jitter_ms"].as_f64().unwrap() / 1_000.0,
    })
}

#[test]
fn to_another_machine_the_pace_is_safe() {
    let Some(hosts) = Hosts::new() else { return };
    let args = ["bench", FAR, "--for", "500ms", "--json"];
    let mut bench = hosts.near.pigeon("pigeon bench", &args);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let said = bench.lines(Voice::Err);
    assert!(said[0].contains("1000 datagrams a second"), "{said:?}");
    let summary: Value = serde_json::from_str(bench.lines(Voice::Out).last().unwrap()).unwrap();
    assert_eq!((adds_up(&summary, "up"), &summary["up_lost"]), (500, &0.into()));
}

#[test]
fn what_a_bottleneck_drops_was_lost_on_the_way() {
    let Some(hosts) = Hosts::new() else { return };
    // Of 5,000 datagrams of 106 bytes per second the bottleneck carries 2,358.
    if hosts.near.tc("qdisc add dev near root tbf rate 2mbit burst 2kb limit 20kb").is_none() {
        skipped("this kernel has no token bucket filter");
        return;
    }
    let summary = hosts.measure("--for 2s --rate 5k/s");
    let dropped = hosts.near.queue("near", "tbf")["drops"].as_u64().unwrap();
    assert_eq!(adds_up(&summary, "up"), 10_000);
    assert_eq!(count(&summary, "up_lost_in_kernel"), 0, "{summary}");
    // The kernel counts every drop, including heartbeats and final requests.
    let lost = count(&summary, "up_lost_on_way");
    assert!(lost <= dropped && dropped <= lost + 20, "{dropped} dropped: {summary}");
    assert!((0.45..0.6).contains(&(lost as f64 / 10_000.0)), "{summary}");
}
