//! `pigeon bench` before judges: the same bad ways made by the kernel's netem, by a packet filter
//! that counts what it drops, and by a program that counts all it does. Where the judge counts,
//! `bench` must tell the same to the datagram; where chance alone is known, what chance makes of it.
//! Then `pigeon relay` beside them, on the same knobs.
//!
//! netem is a part of the kernel that some leave out: those tests then say so and end, also where
//! `PIGEON_REQUIRE_PEERS` is set.

mod cases;

use serde_json::Value;

pub(crate) use cases::expect_share;
use cases::seconds;
use cases::{Case, DELAY_50, DUPLICATE_1, Due, LATE, LOSS_1, LOSS_10, MEDIAN, REORDER_5};

use crate::bad_path::{BadNetwork, filter, filtered};
use crate::bench::{adds_up, count, measured, server, summary};
use crate::namespace::Namespace;
use crate::peers::installed;
use crate::pigeon::{address_in, pigeon};
use crate::process::{Process, SOON, Voice};

// By netem.

#[test]
fn loss_of_one_percent_by_netem() {
    loss_judged_by_netem(&LOSS_1);
}

#[test]
fn loss_of_ten_percent_by_netem() {
    loss_judged_by_netem(&LOSS_10);
}

#[test]
fn delay_by_netem() {
    judged_by_netem(&DELAY_50);
}

#[test]
fn reordering_by_netem() {
    judged_by_netem(&REORDER_5);
}

#[test]
fn duplicates_by_netem() {
    judged_by_netem(&DUPLICATE_1);
}

fn loss_judged_by_netem(case: &Case) {
    let Some(hosts) = by_netem(case) else { return };
    let before = hosts.near.dropped("near");
    let summary = hosts.measure(case.args);
    let dropped = hosts.near.dropped("near") - before;
    case.judge(&summary);
    // It counts everything it dropped: a heartbeat or a question at the end as well.
    let lost = count(&summary, "up_lost_on_way");
    assert!(lost <= dropped && dropped <= lost + 20, "{dropped} dropped: {summary}");
    if let Some([lost, sent]) = hosts.iperf3(2_000, 2) {
        expect_share(lost, sent, case.share(), "iperf3");
    }
}

fn judged_by_netem(case: &Case) {
    if let Some(hosts) = by_netem(case) {
        case.judge(&hosts.measure(case.args));
    }
}

fn by_netem(case: &Case) -> Option<Hosts> {
    let hosts = Hosts::new()?;
    let ways = [(&hosts.near, "near"), (&hosts.far, "far")];
    let discipline = case.netem.replacen("netem", "netem limit 10000", 1);
    ways.iter().all(|(host, interface)| host.shape(interface, &discipline)).then_some(hosts)
}

// By the packet filter.

/// The test datagrams of `pigeon bench`, which alone it counts: the fifth byte behind the header of
/// 8 is 6, 7 or 8.
const TEST_DATAGRAMS: &str = "udp dport 7777 @th,96,8 { 6, 7, 8 }";

/// The datagrams of `iperf3 -l 64`, and not those with which it begins.
const IPERF3_DATAGRAMS: &str = "udp dport 5201 udp length 72";

#[test]
fn loss_of_one_percent_by_the_packet_filter() {
    judged_by_filter(&LOSS_1, 10);
}

#[test]
fn loss_of_ten_percent_by_the_packet_filter() {
    judged_by_filter(&LOSS_10, 100);
}

fn judged_by_filter(case: &Case, per_mille: u32) {
    if !installed("nft") {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    // A train would be one packet to the filter, and dropped as a whole.
    assert!(hosts.near.ip(&["link", "set", "near", "gso_max_segs", "1"]));
    if !filter(&hosts.far, TEST_DATAGRAMS, per_mille) {
        return;
    }
    let summary = hosts.measure(case.args);
    let [dropped, passed] = filtered(&hosts.far);
    assert_eq!(count(&summary, "up_lost_on_way"), dropped, "{passed} passed: {summary}");
    assert_eq!(count(&summary, "up_received"), passed, "{dropped} dropped: {summary}");
    case.judge(&summary);

    assert!(filter(&hosts.far, IPERF3_DATAGRAMS, per_mille));
    let Some([lost, sent]) = hosts.iperf3(2_000, 2) else { return };
    let [dropped, _] = filtered(&hosts.far);
    expect_share(lost, sent, case.share(), "iperf3");
    // What is lost at the very end iperf3 does not miss.
    assert!(lost <= dropped && dropped <= lost + 10, "iperf3 tells {lost} of {dropped} lost");
}

// By a program.

#[test]
fn loss_by_a_program() {
    for case in [LOSS_1, LOSS_10] {
        judged_by_program(&case);
    }
}

#[test]
fn delay_by_a_program() {
    judged_by_program(&DELAY_50);
}

#[test]
fn reordering_by_a_program() {
    judged_by_program(&REORDER_5);
}

#[test]
fn duplicates_by_a_program() {
    judged_by_program(&DUPLICATE_1);
}

#[test]
fn everything_at_once_by_a_program() {
    let Some((summary, _)) = by_program(
        "loss=0.1 duplicate=0.05 delay=0.05 jitter=0.01 reorder=0.05",
        "--for 3s --rate 1k/s --both",
    ) else {
        return;
    };
    for (way, field) in [("up", "late"), ("down", "late"), ("up", "lost"), ("down", "duplicated")] {
        assert!(count(&summary, &format!("{way}_{field}")) > 0, "{summary}");
    }
}

fn judged_by_program(case: &Case) {
    let Some((summary, mean)) = by_program(case.program, case.args) else { return };
    // How exactly the pace is kept decides who overtakes whom; then only the program knows.
    if !matches!(case.due, Due::Reordering) {
        case.judge(&summary);
    }
    if let Due::Delay = case.due {
        // All that came went through both ways, so the means add up; a histogram of three digits
        // is off by a thousandth at most.
        let told = seconds(&summary, "rtt_mean");
        assert!((mean * 0.999..mean + LATE).contains(&told), "{mean} s on the way: {summary}");
    }
}

/// A measurement across `bad_network.py`, which has told the same to the datagram; and the mean
/// time that it held them, both ways together.
fn by_program(knobs: &str, args: &str) -> Option<(Value, f64)> {
    let mut network = BadNetwork::new(knobs)?;
    let server = bench_server(&network.far);
    let summary = measure(&network.near, args);
    drop(server);
    let counts = network.settled();
    let ways = [("up", "there"), ("down", "back")];
    for (way, name) in ways.into_iter().filter(|(way, _)| has(&summary, way)) {
        let told = |field: &str| count(&summary, &format!("{way}_{field}"));
        let truth = |field: &str| counts.of(name, "test", field);
        adds_up(&summary, way);
        assert_eq!(told("sent"), truth("came"), "{way} {counts} {summary}");
        assert_eq!(told("lost_on_way"), truth("lost"), "{way} {counts} {summary}");
        assert_eq!(told("lost_in_kernel"), 0, "{way} {counts} {summary}");
        assert_eq!(told("received") + told("duplicated"), truth("passed"), "{counts} {summary}");
        assert_eq!(told("duplicated"), truth("repeated"), "{way} {counts} {summary}");
        // What is sent back has the numbers of what was sent, whose order the way there changed.
        if way == "up" || !has(&summary, "trip") {
            assert_eq!(told("late"), truth("late"), "{way} {counts} {summary}");
        }
    }
    Some((summary, counts.mean("there", "test") + counts.mean("back", "test")))
}

// The relay beside them.

#[test]
fn a_relays_loss_of_one_percent_is_that_of_the_judge() {
    loss_relayed(&LOSS_1);
}

#[test]
fn a_relays_loss_of_ten_percent_is_that_of_the_judge() {
    loss_relayed(&LOSS_10);
}

fn loss_relayed(case: &Case) {
    let Some((judged, _)) = by_program(case.program, case.args) else { return };
    let relayed = by_relay(case);
    let [one, other] = [&judged, &relayed].map(|summary| count(summary, "up_lost") as f64);
    let sent = adds_up(&relayed, "up") as f64;
    let deviation = (2.0 * sent * case.share() * (1.0 - case.share())).sqrt();
    let off = (one - other).abs();
    assert!(off <= 5.0 * deviation, "{one} lost by the judge, {other} by the relay of {sent}");
}

#[test]
fn a_relays_delay_is_that_of_the_judge() {
    let Some((judged, _)) = by_program(DELAY_50.program, DELAY_50.args) else { return };
    let relayed = by_relay(&DELAY_50);
    let [one, other] = [&judged, &relayed].map(|summary| seconds(summary, "rtt_p50"));
    let bound = 2.0_f64.sqrt() * MEDIAN + LATE;
    assert!((one - other).abs() <= bound, "{one} s by the judge, {other} s by the relay");
}

/// A measurement through `pigeon relay`, judged as any other.
fn by_relay(case: &Case) -> Value {
    let (_server, to) = server();
    let to = to.to_string();
    let args = ["relay", "0", &to, "--seed", "7"].into_iter().chain(case.relay.split(' '));
    let relay = pigeon("pigeon relay", &args.collect::<Vec<_>>());
    let line = relay.expect_status(|line| line.contains("listening on "), SOON);
    let summary = measured(address_in(&line), case.args);
    case.judge(&summary);
    summary
}

/// Whether a direction was measured.
fn has(summary: &Value, way: &str) -> bool {
    summary.get(format!("{way}_sent")).is_some()
}

// Hosts and a cable.

/// Two hosts, and a bench server on the second.
struct Hosts {
    _server: Process,
    near: Namespace,
    far: Namespace,
}

const FAR: &str = "10.77.1.2:7777";

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

impl Hosts {
    /// `None` where they cannot be, which is said.
    fn new() -> Option<Hosts> {
        let [near, far] = Namespace::pair()?;
        let hosts = Hosts { _server: bench_server(&far), near, far };
        // So that both know each other's hardware address, as ARP would be lost and delayed too.
        hosts.measure("--for 100ms --rate 100/s");
        Some(hosts)
    }

    #[track_caller]
    fn measure(&self, args: &str) -> Value {
        measure(&self.near, args)
    }

    /// What iperf3 says was lost, of how many, at the same pace; `None` where it is not installed.
    fn iperf3(&self, per_second: u64, seconds: u64) -> Option<[u64; 2]> {
        if !installed("iperf3") {
            return None;
        }
        let server = self.far.run("iperf3 -s", "iperf3", &["-s", "-1", "--forceflush"]);
        server.expect_line(|line| line.contains("listening"), SOON);
        let [bits, seconds] = [per_second * 64 * 8, seconds].map(|number| number.to_string());
        let args = ["-c", "10.77.1.2", "-u", "-l", "64", "-b", &bits, "-t", &seconds, "-J"];
        let mut client = self.near.run("iperf3 -c", "iperf3", &args);
        assert_eq!(client.expect_end(SOON + SOON).code(), Some(0));
        let report: Value = serde_json::from_str(&client.output()).unwrap();
        let sum = &report["end"]["sum"];
        Some(["lost_packets", "packets"].map(|field| sum[field].as_u64().unwrap()))
    }
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
    // Of 5,000 datagrams of 106 bytes a second the bottleneck carries 2,358.
    if !hosts.near.shape("near", "tbf rate 2mbit burst 2kb limit 20kb") {
        return;
    }
    let before = hosts.near.dropped("near");
    let summary = hosts.measure("--for 2s --rate 5k/s");
    let dropped = hosts.near.dropped("near") - before;
    assert_eq!(adds_up(&summary, "up"), 10_000);
    assert_eq!(count(&summary, "up_lost_in_kernel"), 0, "{summary}");
    // The kernel counts everything it dropped: a heartbeat or a question at the end as well.
    let lost = count(&summary, "up_lost_on_way");
    assert!(lost <= dropped && dropped <= lost + 20, "{dropped} dropped: {summary}");
    assert!((0.45..0.6).contains(&(lost as f64 / 10_000.0)), "{summary}");
}
