//! `pigeon bench`: a path measured, compared with those who know the truth about it: the sums
//! themselves, a program that loses datagrams and counts them, our own relay. Its other judges are
//! in `judges`.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::judges::expect_share;
use crate::peers::{address_of, installed, python, python_to};
use crate::pigeon::{address_in, pigeon};
use crate::process::{Process, SOON, Voice};
use crate::services::serve;

/// `pigeon bench server` on a port that the system chooses.
pub(crate) fn server() -> (Process, SocketAddr) {
    let server = pigeon("bench server", &["bench", "server", "0"]);
    let line = server.expect_status(|line| line.starts_with("listening on "), SOON);
    (server, address_in(&line))
}

/// The summary of a measurement that succeeds.
#[track_caller]
pub(crate) fn measured(to: SocketAddr, args: &str) -> Value {
    let to = to.to_string();
    let args: Vec<&str> = ["bench", &to, "--json"].into_iter().chain(args.split(' ')).collect();
    summary(pigeon("pigeon bench", &args))
}

#[track_caller]
pub(crate) fn summary(mut bench: Process) -> Value {
    assert_eq!(bench.expect_end(SOON + SOON).code(), Some(0));
    let lines = bench.lines(Voice::Out);
    let summary: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(summary["type"], "summary");
    summary
}

/// A count of the summary.
#[track_caller]
pub(crate) fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} is missing in {summary}"))
}

/// Sent = received + lost, and lost = by the kernel + on the way. Returns how many were sent.
#[track_caller]
pub(crate) fn adds_up(summary: &Value, way: &str) -> u64 {
    let count = |name| count(summary, &format!("{way}_{name}"));
    assert_eq!(count("sent"), count("received") + count("lost"), "{summary}");
    assert_eq!(count("lost"), count("lost_on_way") + count("lost_in_kernel"), "{summary}");
    count("sent")
}

#[test]
fn as_fast_as_it_goes_it_adds_up_to_the_datagram() {
    let (_server, to) = server();
    for (args, ways) in [
        ("", vec!["up"]),
        ("--size 1400", vec!["up"]),
        ("--reverse", vec!["down"]),
        ("--reverse --size 65507", vec!["down"]),
        ("--both --flows 3", vec!["up", "down"]),
    ] {
        let summary = measured(to, format!("--for 300ms {args}").trim_end());
        for way in ways {
            assert!(adds_up(&summary, way) > 0, "{summary}");
            assert_eq!(summary[format!("{way}_lost_on_way")], 0, "on loopback: {summary}");
        }
    }
}

#[test]
fn the_pace_is_kept_and_shared_by_the_flows() {
    let (_server, to) = server();
    for flows in [1, 4] {
        let summary = measured(to, &format!("--for 1s --rate 2k/s --both --flows {flows}"));
        for way in ["up", "down"] {
            // The flows' beginnings and ends need not coincide.
            assert!(adds_up(&summary, way).abs_diff(2_000) < 8, "{summary}");
        }
    }
}

#[test]
fn what_the_receivers_kernel_dropped_is_told_apart() {
    let (server, to) = server();
    let to = to.to_string();
    let args = ["bench", &to, "--json", "--for", "3s", "--size", "1400"];
    let bench = pigeon("pigeon bench", &args);
    server.expect_status(|line| line.ends_with(" begins"), SOON);
    // Meanwhile its receive buffer fills, and the rest is dropped there.
    server.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    server.signal("CONT");
    let summary = summary(bench);
    adds_up(&summary, "up");
    assert!(count(&summary, "up_lost_in_kernel") > 0, "{summary}");
    assert_eq!(summary["up_lost_on_way"], 0, "{summary}");
}

#[test]
fn round_trips_by_a_server_and_by_plain_echo_services() {
    let (_server, to) = server();
    let echo = serve(&["echo:0"]);
    let mut far_ends = vec![("server", to), ("pigeon serve echo", echo.at("echo"))];
    let mut others = Vec::new();
    if installed("python3") {
        others.push(python("echo_server.py", &[]));
        far_ends.push(("python", address_of(&others[0])));
    }
    if installed("socat") {
        let (process, address) = socat_echo();
        others.push(process);
        far_ends.push(("socat", address));
    }
    for (name, to) in far_ends {
        // No faster, as socat starts a process for each.
        let summary = measured(to, "--for 1s --ping --rate 50/s");
        assert_eq!(adds_up(&summary, "trip"), 50, "{name}");
        assert_eq!(summary["trip_lost"], 0, "{name}: {summary}");
        let seconds = |field: &str| summary[field].as_f64().unwrap();
        let [min, median, max] = ["rtt_min", "rtt_p50", "rtt_max"].map(seconds);
        assert!(0.0 < min && min <= median && median <= max && max < 2.0, "{name}: {summary}");
        assert!(seconds("rtt_since_sent_p50") <= median * 1.01, "{name}: {summary}");
        // The way there alone is known to a server only.
        assert_eq!(summary.get("up_sent").is_some(), name == "server");
    }
}

/// An echo service that is a `cat` for each client.
fn socat_echo() -> (Process, SocketAddr) {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("UDP4-RECVFROM:{port},bind=127.0.0.1,fork");
    let mut command = std::process::Command::new("socat");
    let socat = Process::spawn("socat", command.args(["-d", "-d", &listen, "PIPE"]));
    socat.expect_status(|line| line.contains("receiving on"), SOON);
    (socat, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn one_by_one_the_next_goes_when_the_last_is_back() {
    let (_server, to) = server();
    let summary = measured(to, "--for 500ms --ping --rate unlimited");
    assert_eq!(summary["rate"], Value::Null);
    let trips = adds_up(&summary, "trip");
    let mean = summary["rtt_mean"].as_f64().unwrap();
    assert!(trips > 1 && trips as f64 * mean < 0.6, "{summary}");
}

#[test]
fn intervals_sum_up_to_the_summary() {
    let (_server, to) = server();
    let to = to.to_string();
    let args = "--for 700ms --rate 1k/s --both --json --interval 200ms".split(' ');
    let args: Vec<&str> = ["bench", to.as_str()].into_iter().chain(args).collect();
    let mut bench = pigeon("pigeon bench", &args);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let lines: Vec<Value> =
        bench.lines(Voice::Out).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, intervals) = lines.split_last().unwrap();
    assert!(intervals.len() >= 3, "{lines:#?}");
    for field in ["up_sent", "up_received", "up_bytes", "down_sent", "down_received"] {
        let sum: u64 = intervals.iter().map(|interval| count(interval, field)).sum();
        assert_eq!(sum, count(summary, field), "{field}");
    }
    assert!(intervals.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]));
}

#[test]
fn what_is_said_goes_to_stderr_and_the_table_to_stdout() {
    let (_server, to) = server();
    let mut bench = pigeon("pigeon bench", &["bench", &to.to_string(), "--for", "100ms"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let table = bench.output();
    for row in ["there", "sent", "received", "lost", "  in the receiver", "jitter"] {
        assert!(table.lines().any(|line| line.trim_end().contains(row)), "{row}: {table}");
    }
    assert!(bench.lines(Voice::Err)[0].starts_with(&format!("to {to} for 0.1 s")));
}

#[test]
fn on_a_terminal_it_plots_and_gives_the_terminal_back() {
    if !installed("script") {
        return;
    }
    let (_server, to) = server();
    let run = |args: &str| {
        let line = format!("{} bench {to} --for 500ms {args}", env!("CARGO_BIN_EXE_pigeon"));
        let mut command = std::process::Command::new("script");
        let mut bench = Process::spawn("bench", command.args(["-qec", &line, "/dev/null"]));
        assert_eq!(bench.expect_end(SOON).code(), Some(0));
        bench.output()
    };
    let said = run("--ping --interval 100ms");
    let (_, plotted) = said.split_once("\x1b[?1049h").expect("another screen");
    let (plotted, after) = plotted.split_once("\x1b[?1049l").expect("the terminal given back");
    assert!(plotted.contains("received a second") && plotted.contains("round trip"));
    assert!(after.contains("there and back") && !after.contains('\x1b'), "{after}");
    assert!(!run("--line --rate 100/s").contains("\x1b[?1049h"));
}

#[test]
fn who_does_not_serve_is_told_at_once() {
    let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    dead.connect(dead.local_addr().unwrap()).unwrap();
    let to = dead.local_addr().unwrap().to_string();
    let mut bench = pigeon("pigeon bench", &["bench", &to]);
    assert_eq!(bench.expect_end(Duration::from_secs(2)).code(), Some(1));
    let said = bench.lines(Voice::Err);
    assert_eq!(said, [format!("pigeon: {to} refused: nobody listens there")]);
    let mut bench = pigeon("pigeon bench", &["bench", &to, "--json"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    let told: Value = serde_json::from_str(&bench.lines(Voice::Out).concat()).unwrap();
    assert_eq!((&told["result"], &told["to"]), (&"refused".into(), &to.as_str().into()));

    let echo = serve(&["echo:0"]);
    let to = echo.at("echo").to_string();
    let mut bench = pigeon("pigeon bench", &["bench", &to, "--reverse"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    assert!(bench.lines(Voice::Err)[0].contains("only an echo service is there"));
}

#[test]
fn a_server_that_goes_away_leaves_what_was_measured() {
    let (mut server, to) = server();
    let mut bench =
        pigeon("pigeon bench", &["bench", &to.to_string(), "--rate", "100/s", "--json"]);
    bench.expect_lines(1, SOON);
    server.signal("TERM");
    assert_eq!(server.expect_end(Duration::from_secs(2)).code(), Some(0));
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    assert!(bench.lines(Voice::Err).last().unwrap().contains("refused"));
    let summary: Value = serde_json::from_str(bench.lines(Voice::Out).last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["result"]), (&"summary".into(), &"refused".into()));
}

#[test]
fn why_a_server_went_away_is_read_before_what_was_lost() {
    let (mut server, to) = server();
    let line = format!("exec '{}' bench {to} --rate 100/s 2>&1", env!("CARGO_BIN_EXE_pigeon"));
    let mut bench = Process::spawn("pigeon bench", Command::new("sh").args(["-c", &line]));
    bench.expect_lines(2, SOON);
    server.signal("TERM");
    server.expect_end(SOON);
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    let said = bench.lines(Voice::Out);
    let reason = said.iter().position(|line| line.ends_with("refused: nobody listens there"));
    let lost = said.iter().position(|line| line.starts_with("lost "));
    assert!(reason.is_some() && reason < lost, "{said:?}");
}

#[test]
fn ctrl_c_ends_it_with_the_summary_so_far() {
    let (_server, to) = server();
    let mut bench = pigeon("pigeon bench", &["bench", &to.to_string(), "--rate", "1k/s", "--json"]);
    bench.expect_lines(1, SOON);
    bench.signal("INT");
    assert_eq!(bench.expect_end(Duration::from_secs(2)).code(), Some(130));
    let summary: Value = serde_json::from_str(bench.lines(Voice::Out).last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["interrupted"]), (&"summary".into(), &true.into()));
    assert!(adds_up(&summary, "up") >= 1_000);
    assert_eq!(summary["up_lost"], 0);
}

#[test]
fn impossible_wishes_are_refused_in_a_line() {
    for (args, said) in [
        ("--size 10", "--size: a test datagram has from 40 to 65507 bytes, not 10"),
        ("--size 70000", "--size: a test datagram has from 40 to 65507 bytes, not 70000"),
        ("--rate 0/s", "a rate is a number a second"),
        ("--for 10", "a duration is a number with its unit"),
        ("--interval 1ms", "must be at least 100ms"),
        ("--flows 0", "must be a whole number from 1 to 256"),
        ("--reverse --both", "cannot be used with"),
    ] {
        let args: Vec<&str> = ["bench", "127.0.0.1:9"].into_iter().chain(args.split(' ')).collect();
        let mut bench = pigeon("pigeon bench", &args);
        assert_eq!(bench.expect_end(SOON).code(), Some(2), "{args:?}");
        assert!(bench.lines(Voice::Err)[0].contains(said), "{args:?}");
    }
}

/// The counts that `bad_way.py` prints at its end: came, lost, repeated.
#[track_caller]
fn truth_of(mut way: Process) -> [u64; 3] {
    way.end_stdin();
    let line = way.expect_line(|line| line.starts_with("came "), SOON);
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn it_tells_exactly_what_a_bad_way_did() {
    if !installed("python3") {
        return;
    }
    let (_server, server) = server();
    for knobs in ["loss=0.01", "loss=0.1 duplicate=0.01", "delay=0.05 jitter=0.01 hold=0.05"] {
        let way = python_to("bad_way.py", server, &knobs.split(' ').collect::<Vec<_>>());
        let summary = measured(address_of(&way), "--for 2s --rate 1k/s");
        let [came, lost, repeated] = truth_of(way);
        assert_eq!(adds_up(&summary, "up"), came, "{knobs}");
        assert_eq!(count(&summary, "up_lost"), lost, "{knobs}: {summary}");
        assert_eq!(count(&summary, "up_duplicated"), repeated, "{knobs}: {summary}");
        assert_eq!(count(&summary, "up_lost_in_kernel"), 0, "{knobs}: {summary}");
        assert_eq!(count(&summary, "up_late") > 0, knobs.contains("jitter"), "{knobs}: {summary}");
    }
}

/// A measurement through `pigeon relay` with these conditions on the way there, and its totals.
fn through_relay(conditions: &str, args: &str) -> (Value, Value) {
    let (_server, server) = server();
    let server = server.to_string();
    let args_of_relay =
        ["relay", "127.0.0.1:0", &server, "--up", conditions, "--json", "--console", "off"];
    let mut relay = pigeon("pigeon relay", &args_of_relay);
    let line = relay.expect_status(|line| line.contains("listening on "), SOON);
    let summary = measured(address_in(&line), args);
    relay.signal("TERM");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));
    let totals = serde_json::from_str(relay.lines(Voice::Out).last().unwrap()).unwrap();
    (summary, totals)
}

#[test]
fn loss_and_copies_by_our_own_relay() {
    for (conditions, told, done, probability) in [
        ("loss=1%", "up_lost_on_way", "up_lost", 0.01),
        ("loss=10%", "up_lost_on_way", "up_lost", 0.1),
        ("duplicate=1%", "up_duplicated", "up_duplicated", 0.01),
    ] {
        let (summary, totals) = through_relay(conditions, "--for 2s --rate 5k/s");
        let sent = adds_up(&summary, "up");
        assert_eq!((sent, count(&summary, "up_lost_in_kernel")), (10_000, 0), "{conditions}");
        let (told, done) = (count(&summary, told), count(&totals, done));
        expect_share(told, sent, probability, conditions);
        // What the relay did to the few others, such as heartbeats, is in its count as well.
        assert!(told <= done && done <= told + 20, "{conditions}: {told} of {done}: {summary}");
    }
}

#[test]
fn disorder_by_our_own_relay() {
    let conditions = "delay=10ms,reorder=5%:10ms";
    let (summary, totals) = through_relay(conditions, "--for 2s --rate 5k/s");
    let sent = adds_up(&summary, "up");
    assert_eq!((sent, &summary["up_lost"]), (10_000, &0.into()));
    // Those held back for 10 ms are overtaken by the next that is not.
    let (told, done) = (count(&summary, "up_late"), count(&totals, "up_held_back"));
    expect_share(told, sent, 0.05, conditions);
    assert!(told <= done && done <= told + 20, "{told} of {done}: {summary}");
}
