//! `pigeon bench`, compared with known facts: the sums themselves, a program that drops and counts
//! datagrams, and our own relay. More comparisons are in `judges`.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::judges::expect_share;
use crate::namespace::Namespace;
use crate::peers::{address_of, installed, python, python_to};
use crate::pigeon::{address_in, pigeon};
use crate::ports::{ClosedPort, lasting};
use crate::process::{Process, SOON, Voice};
use crate::services::serve;

pub(crate) fn server() -> (Process, SocketAddr) {
    let server = pigeon("bench server", &["bench", "server", "0"]);
    let line = server.expect_status(|line| line.starts_with("listening on "), SOON);
    (server, address_in(&line))
}

/// The summary of a successful measurement.
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

/// A count in the summary.
#[track_caller]
pub(crate) fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} is missing in {summary}"))
}

/// Checks sent = received + lost + unanswered, and lost = by the kernel + on the way. Returns the
/// number sent.
#[track_caller]
pub(crate) fn adds_up(summary: &Value, way: &str) -> u64 {
    let count = |name| count(summary, &format!("{way}_{name}"));
    let ends = count("received") + count("lost") + count("unanswered");
    assert_eq!(count("sent"), ends, "{summary}");
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
            // The flows may start and end at slightly different times.
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
    // Meanwhile its receive buffer fills, and the kernel drops the rest.
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
        // A low rate, because socat starts a process for each.
        let summary = measured(to, "--for 1s --ping --rate 50/s");
        assert_eq!(adds_up(&summary, "trip"), 50, "{name}");
        assert_eq!(summary["trip_lost"], 0, "{name}: {summary}");
        let seconds = |field: &str| summary[field].as_f64().unwrap();
        let [min, median, max] = ["rtt_min", "rtt_p50", "rtt_max"].map(seconds);
        assert!(0.0 < min && min <= median && median <= max && max < 2.0, "{name}: {summary}");
        assert!(seconds("rtt_since_sent_p50") <= median * 1.01, "{name}: {summary}");
        // Only a server knows the figures of one direction.
        assert_eq!(summary.get("up_sent").is_some(), name == "server");
    }
}

/// An echo service that runs a `cat` for each client.
fn socat_echo() -> (Process, SocketAddr) {
    let [port] = lasting();
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
    let dead = ClosedPort::new();
    let to = dead.address();
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
    let said = bench.lines(Voice::Err);
    assert!(said.last().unwrap().contains(" stopped answering after "), "{said:?}");
    let summary: Value = serde_json::from_str(bench.lines(Voice::Out).last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["result"]), (&"summary".into(), &"refused".into()));
    // Datagrams without a receiver are not counted as lost on the way.
    adds_up(&summary, "up");
    assert!(count(&summary, "up_unanswered") > 0, "{summary}");
    assert_eq!(count(&summary, "up_lost"), 0, "{summary}");
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
    let reason = said.iter().position(|line| line.contains("nobody listens there any more"));
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
        ("--rate 0/s", "write a number of datagrams or bits a second"),
        ("--rate 100bit/s", "are fewer than one datagram of 64 bytes a second"),
        ("--dscp 64", "write EF, AF11"),
        ("--bind ::1", "are not of the same IP version"),
        ("--bind nowhere", "write an address"),
        ("--omit 1500ms", "is not a multiple of the --interval"),
        ("--csv --json", "cannot be used with"),
        ("--for 10", "write a number with its unit"),
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

/// The counts that `bad_way.py` prints at its end: arrived, lost, duplicated.
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

/// A measurement through `pigeon relay` with these conditions upwards, and the relay's totals.
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
        // The relay's count includes a few other datagrams, such as heartbeats.
        assert!(told <= done && done <= told + 20, "{conditions}: {told} of {done}: {summary}");
    }
}

#[test]
fn disorder_by_our_own_relay() {
    let conditions = "delay=10ms,reorder=5%:10ms";
    let (summary, totals) = through_relay(conditions, "--for 2s --rate 5k/s");
    let sent = adds_up(&summary, "up");
    assert_eq!((sent, &summary["up_lost"]), (10_000, &0.into()));
    // A datagram held back for 10 ms is overtaken by the next one that is not.
    let (told, done) = (count(&summary, "up_late"), count(&totals, "up_held_back"));
    expect_share(told, sent, 0.05, conditions);
    assert!(told <= done && done <= told + 20, "{told} of {done}: {summary}");
}

/// The objects that a measurement prints.
#[track_caller]
fn objects(bench: &Process) -> Vec<Value> {
    bench.lines(Voice::Out).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// On a perfect path each second's report has all datagrams sent in it.
#[test]
fn a_second_counts_what_belongs_to_it() {
    let (_server, to) = server();
    let to = to.to_string();
    let mut bench = pigeon("bench", &["bench", &to, "--rate", "1k/s", "--for", "4s", "--json"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    for interval in &objects(&bench)[..3] {
        assert_eq!(interval["up_sent"], 1_000, "{interval}");
        // On a busy machine the server wakes up late.
        assert!(count(interval, "up_received").abs_diff(1_000) < 100, "{interval}");
    }
}

/// Overtaken datagrams are not reported as lost; at any time only those in flight may be.
#[test]
fn live_figures_take_nothing_late_for_lost() {
    let (_server, server) = server();
    let relay = crate::pigeon::relay(server, &["--delay", "10ms", "--up", "reorder=5%:10ms"]);
    let to = relay.address.to_string();
    let mut bench = pigeon("bench", &["bench", &to, "--rate", "5k/s", "--for", "3s", "--json"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let objects = objects(&bench);
    let (summary, intervals) = objects.split_last().unwrap();
    assert!(count(summary, "up_late") > 400 && summary["up_lost"] == 0, "{summary}");
    // One in twenty of 5,000 per second, for ten milliseconds, is two or three.
    for interval in intervals {
        assert!(count(interval, "up_lost_so_far") < 60, "{interval}");
    }
}

#[test]
fn what_was_asked_for_is_measured_or_refused_with_the_bound() {
    let (_server, to) = server();
    let mut bench = pigeon("bench", &["bench", &to.to_string(), "--for", "20m", "--rate", "10/s"]);
    bench.expect_status(|line| line.starts_with(&format!("to {to} for 1200 s")), SOON);
    bench.signal("INT");
    assert_eq!(bench.expect_end(SOON).code(), Some(130));

    let short = pigeon("bench server", &["bench", "server", "0", "--max-for", "10m"]);
    let to = address_in(&short.expect_status(|line| line.starts_with("listening on "), SOON));
    let mut bench = pigeon("bench", &["bench", &to.to_string(), "--for", "20m"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    let said = bench.lines(Voice::Err).concat();
    assert!(said.contains("the server measures for at most 600 s; ask for less (--for)"), "{said}");
}

#[test]
fn text_fits_eighty_columns() {
    let (_server, to) = server();
    for args in ["--ping", "--both", "--ping --rate unlimited"] {
        let to = to.to_string();
        let args = [
            &["bench", &to, "--for", "300ms", "--interval", "100ms"],
            &args.split(' ').collect::<Vec<_>>()[..],
        ]
        .concat();
        let mut bench = pigeon("bench", &args);
        assert_eq!(bench.expect_end(SOON).code(), Some(0));
        let title = |line: &String| line.starts_with("to ");
        for line in [bench.lines(Voice::Out), bench.lines(Voice::Err)].concat() {
            assert!(title(&line) || line.chars().count() <= 80, "{line}");
        }
        let has = |text: &str| bench.output().contains(text);
        assert_eq!(has("  p99.99 "), args.contains(&"--ping"));
    }
}

#[test]
fn a_rate_in_bits_is_shown_in_both() {
    let (_server, to) = server();
    let to = to.to_string();
    let args = ["bench", &to, "--for", "300ms", "--rate", "10M", "--size", "1250"];
    let mut bench = pigeon("bench", &args);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let title = &bench.lines(Voice::Err)[0];
    assert!(title.ends_with("1250 bytes, 1,000/s, 10.0Mbit/s"), "{title}");
    let sent = bench.lines(Voice::Out).into_iter().find(|line| line.starts_with("  Mbit/s"));
    assert!(sent.is_some_and(|line| line.ends_with(" 10.0")));
}

#[test]
fn datagrams_leave_from_the_address_that_was_given() {
    let (server, to) = server();
    let summary = measured(to, "--for 200ms --rate 100/s --bind 127.0.0.2 --flows 2");
    adds_up(&summary, "up");
    server.expect_status(|line| line.starts_with("127.0.0.2:") && line.ends_with(" begins"), SOON);
}

#[test]
fn datagrams_ask_for_their_class_of_service() {
    if !installed("python3") {
        return;
    }
    let echo = python("class_echo.py", &[]);
    let to = address_of(&echo).to_string();
    let mut bench = pigeon("bench", &["bench", &to, "--ping", "--for", "100ms", "--dscp", "EF"]);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    echo.expect_line(|line| line == "class 46", SOON);
    assert!(!echo.output().contains("class 0"));
}

#[test]
fn the_first_seconds_can_be_left_out() {
    let (_server, to) = server();
    let to = to.to_string();
    let args = "--for 600ms --omit 400ms --interval 200ms --rate 1k/s --json".split(' ');
    let args: Vec<&str> = ["bench", to.as_str()].into_iter().chain(args).collect();
    let mut bench = pigeon("bench", &args);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let objects = objects(&bench);
    let (summary, intervals) = objects.split_last().unwrap();
    let omitted = |interval: &&Value| interval["omitted"] == true;
    assert!(omitted(&&intervals[0]) && !omitted(&intervals.last().unwrap()));
    let kept = intervals.iter().filter(|interval| !omitted(interval));
    let sent: u64 = kept.map(|interval| count(interval, "up_sent")).sum();
    assert_eq!((adds_up(summary, "up"), &summary["omit"]), (sent, &0.4.into()));
    assert!(sent.abs_diff(600) < 250, "{summary}");
}

#[test]
fn comma_separated_values_have_a_row_an_interval_and_way() {
    let (_server, to) = server();
    let to = to.to_string();
    let args = "--for 500ms --interval 200ms --rate 1k/s --both --csv".split(' ');
    let args: Vec<&str> = ["bench", to.as_str()].into_iter().chain(args).collect();
    let mut bench = pigeon("bench", &args);
    assert_eq!(bench.expect_end(SOON).code(), Some(0));
    let rows: Vec<Vec<String>> = bench
        .lines(Voice::Out)
        .iter()
        .map(|line| line.split(',').map(str::to_string).collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    let sum = |kind: &str, name: &str| -> i64 {
        let of = |row: &&Vec<String>| row[0] == kind && row[column("way")] == "up";
        rows.iter().filter(of).map(|row| row[column(name)].parse::<i64>().unwrap()).sum()
    };
    for name in ["sent", "received", "lost", "bytes"] {
        assert_eq!(sum("interval", name), sum("summary", name), "{name}: {rows:?}");
    }
    assert!(sum("summary", "sent").abs_diff(500) < 8);
}

/// This host's firewall rejects datagrams before and during a measurement.
#[test]
fn what_a_firewall_forbids_is_told_and_is_no_loss() {
    let Some(host) = Namespace::new() else { return };
    let server = host.pigeon("bench server", &["bench", "server", "0"]);
    let to = address_in(&server.expect_status(|line| line.starts_with("listening on "), SOON));
    let at = to.to_string();
    let mut bench =
        host.pigeon("bench", &["bench", &at, "--rate", "100/s", "--for", "3s", "--json"]);
    bench.expect_lines(1, SOON);
    if !host.forbid(to.port()) {
        return;
    }
    let told = format!("datagrams to {to} do not arrive: Operation not permitted");
    bench.expect_status(|line| line.starts_with(&told), SOON);
    bench.expect_end(SOON);
    let objects = objects(&bench);
    let summary = objects.last().unwrap();
    adds_up(summary, "up");
    assert!(count(summary, "up_unsent") > 0 && summary["up_lost"] == 0, "{summary}");

    let mut bench = host.pigeon("bench", &["bench", &at]);
    assert_eq!(bench.expect_end(SOON).code(), Some(1));
    let said = bench.lines(Voice::Err).concat();
    assert!(said.starts_with(&format!("pigeon: {to}: Operation not permitted")), "{said}");
}

/// Temporary errors do not end the handshake, but appear in the final error.
#[test]
fn what_the_network_says_stands_beside_no_answer() {
    let Some([near, far]) = Namespace::pair() else { return };
    if !(far.reject(7101, "host-unreachable") && far.reject(7102, "no-route")) {
        return;
    }
    let [no_host, no_route] =
        ["No route to host (os error 113): no host", "Network is unreachable (os error 101): a"];
    // The last host is absent: nobody answers ARP for its address.
    for (to, cause) in
        [("10.77.1.2:7101", no_host), ("10.77.1.2:7102", no_route), ("10.77.1.9:7101", no_host)]
    {
        let start = |args: &[&str]| near.pigeon("bench", &[&["bench", to], args].concat());
        let [mut text, mut ping, mut json] = [&[][..], &["--ping"], &["--json"]].map(start);
        for bench in [&mut text, &mut ping, &mut json] {
            assert_eq!(bench.expect_end(SOON).code(), Some(1));
            let said = bench.lines(Voice::Err).concat();
            let reason = "no answer after 5 attempts in 3.1 s; the system said";
            assert!(said.contains(&format!("pigeon: {to}: {reason}: {cause}")), "{said}");
        }
        let told: Value = serde_json::from_str(&json.output()).unwrap();
        assert_eq!(told["result"], "timed out");
        assert!(told["error"].as_str().unwrap().starts_with(cause), "{told}");
    }
}
