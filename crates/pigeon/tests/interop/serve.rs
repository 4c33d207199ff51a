//! `pigeon serve`: common clients, the services' promises, and protection against loops.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespace::{Namespace, skipped};
use crate::peers::{address_of, client, hex, installed, python_to, tools};
use crate::pigeon::{address_in, pigeon};
use crate::process::{Process, SOON, Voice};
use crate::services::{Services, counts_in, serve};

const ALL: [&str; 7] =
    ["echo:0", "upper:0", "size:0", "time:0", "discard:0", "daytime:0", "sntp:0"];

/// The largest payload over IPv4.
const LARGEST: usize = 65_507;

/// How long a stopped server may take to end.
const A_SECOND: Duration = Duration::from_secs(1);

// Clients.

#[test]
fn every_tool_is_answered_by_every_service_of_one_process() {
    let services = serve(&ALL);
    for tool in tools() {
        for (service, says, expected) in [
            ("echo", "你好", "你好\n"),
            ("upper", "hello 你好", "HELLO 你好\n"),
            // The tools send a line with its end.
            ("size", "hello", "Your data was 6 bytes"),
        ] {
            let mut theirs = client(tool, services.at(service));
            theirs.say(says);
            theirs.expect_output(expected, SOON);
            assert_eq!(theirs.output(), expected, "{tool} at {service}");
        }
        let mut theirs = client(tool, services.at("time"));
        theirs.say("今年 %Y");
        let line = theirs.expect_line(|_| true, SOON);
        let year = line.strip_prefix("今年 ").expect("the text is kept");
        assert!(year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
        let mut theirs = client(tool, services.at("daytime"));
        theirs.say("");
        let line = theirs.expect_line(|_| true, SOON);
        assert!(line.contains("day, ") && line.ends_with('\r'), "{line:?}");
    }
}

#[test]
fn a_tutorial_client_that_tries_again_is_served() {
    if !installed("python3") {
        return;
    }
    let services = serve(&["size:0"]);
    let mut theirs = python_to("backoff_client.py", services.at("size"), &["你好"]);
    assert!(theirs.expect_end(SOON).success());
    assert_eq!(theirs.output(), "The server says 'Your data was 6 bytes'\n");
}

// The services' promises.

#[test]
fn echo_returns_the_empty_datagram_and_the_largest() {
    let services = serve(&["echo:0"]);
    let socket = socket_to(services.at("echo"));
    assert_eq!(asked(&socket, b""), b"");
    let largest: Vec<u8> = (0..LARGEST).map(|at| (at % 251) as u8).collect();
    assert!(asked(&socket, &largest) == largest, "it came back changed");
    assert_eq!(asked(&socket, b"a\0b\xff"), b"a\0b\xff");
}

#[test]
fn echo_returns_a_thousand_datagrams_in_order() {
    let services = serve(&["echo:0"]);
    let socket = socket_to(services.at("echo"));
    // As many at once as fit a default buffer.
    for start in (0..1_000).step_by(100) {
        for number in start..start + 100 {
            socket.send(format!("#{number:03}").as_bytes()).unwrap();
        }
        for number in start..start + 100 {
            assert_eq!(received(&socket), format!("#{number:03}").into_bytes());
        }
    }
}

#[test]
fn size_counts_bytes_of_any_number() {
    let services = serve(&["size:0"]);
    let socket = socket_to(services.at("size"));
    for length in [0, 1, 512, LARGEST] {
        let expected = format!("Your data was {length} bytes");
        assert_eq!(asked(&socket, &vec![b'x'; length]), expected.into_bytes());
    }
}

#[test]
fn time_is_told_in_the_format_that_was_sent() {
    let services = serve(&["time:0"]);
    let socket = socket_to(services.at("time"));
    let told = |format: &str| String::from_utf8(asked(&socket, format.as_bytes())).unwrap();
    let shape = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
    };
    for (format, expected) in [
        ("", "0000-00-00 00:00:00"),
        ("%Y-%m-%d %X", "0000-00-00 00:00:00"),
        ("%H:%M:%S", "00:00:00"),
        ("%F %T", "0000-00-00 00:00:00"),
        ("%j %y", "000 00"),
        ("今天是%Y年", "今天是0000年"),
        ("%Y%% %%Y", "0000% %Y"),
    ] {
        assert_eq!(shape(&told(format)), expected, "{format:?}");
    }
    assert!(told("%A").ends_with("day"));
    assert!(["AM", "PM"].contains(&told("%p").as_str()));
    // Characters, not bytes.
    for bad in ["%Y-%m-%Q", "今天是今天是%Q"] {
        assert_eq!(told(bad), "error: bad format at character 7");
    }
    assert!(told(&"%A".repeat(1_000)).len() <= 1_024);
}

#[test]
fn discard_answers_nothing_and_counts() {
    let mut services = serve(&["discard:0", "--verbose"]);
    let socket = socket_to(services.at("discard"));
    for text in ["one", "two", ""] {
        socket.send(text.as_bytes()).unwrap();
    }
    services.expect_status(|line| line.contains(": 0 bytes from "), SOON);
    services.signal("TERM");
    assert_eq!(services.expect_end(SOON).code(), Some(0));
    assert_eq!(counts_in(&services.summary("discard")), (3, 0));
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err());
}

#[test]
fn a_verbose_service_says_a_line_a_datagram() {
    let services = serve(&["size:0", "--verbose"]);
    let socket = socket_to(services.at("size"));
    asked(&socket, b"hello");
    let from = socket.local_addr().unwrap();
    let expected = format!("size: 5 bytes from {from}, 21 bytes back");
    services.expect_status(|line| line == expected, SOON);
}

#[test]
fn json_counts_every_second_and_in_the_end() {
    let mut services = serve(&["echo:0", "size:0", "--json"]);
    let socket = socket_to(services.at("echo"));
    for _ in 0..3 {
        asked(&socket, b"hello");
    }
    services.expect_line(|line| json(line)["requests"] == 3, SOON);
    asked(&socket, b"again");
    services.signal("TERM");
    assert_eq!(services.expect_end(SOON).code(), Some(0));
    let last = |name: &str| {
        let lines = services.lines(Voice::Out);
        lines.iter().rev().map(|line| json(line)).find(|counts| counts["service"] == name).unwrap()
    };
    let echo = last("echo");
    assert_eq!(echo["address"], services.at("echo").to_string());
    for (field, expected) in [
        ("requests", 4),
        ("request_bytes", 20),
        ("replies", 4),
        ("reply_bytes", 20),
        ("discarded", 0),
        ("not_answered", 0),
        ("kernel_drops", 0),
    ] {
        assert_eq!(echo[field], expected, "{field} of {echo}");
    }
    assert_eq!(last("size")["requests"], 0);
}

#[test]
fn all_services_stop_within_a_second_and_say_what_they_did() {
    for signal in ["TERM", "INT"] {
        let mut services = serve(&ALL);
        asked(&socket_to(services.at("echo")), b"hello");
        let began = Instant::now();
        services.signal(signal);
        let status = services.expect_end(SOON);
        assert!(began.elapsed() < A_SECOND, "{:?} after SIG{signal}", began.elapsed());
        assert_eq!(status.code(), Some(0));
        for service in ALL {
            let name = service.trim_end_matches(":0");
            let expected = if name == "echo" { (1, 1) } else { (0, 0) };
            assert_eq!(counts_in(&services.summary(name)), expected, "{name}");
        }
    }
}

#[test]
fn a_service_listens_on_this_machine_only_unless_told() {
    let services = serve(&["echo:0", "size:127.0.0.2:0", "upper:*:0"]);
    assert_eq!(services.at("echo").ip().to_string(), "127.0.0.1");
    assert_eq!(services.at("size").ip().to_string(), "127.0.0.2");
    let upper = services.at("upper");
    assert!(upper.ip().is_unspecified());
    // The service answers on every address of both families.
    for host in ["127.0.0.1", "127.0.0.3", "[::1]"] {
        let bind = if host.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(bind).unwrap();
        socket.connect(format!("{host}:{}", upper.port())).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(asked(&socket, b"hello"), b"HELLO");
    }
}

// Ignored requests.

#[test]
fn a_source_port_below_1024_is_not_answered() {
    let bound = (512..1_024).rev().map(|port| UdpSocket::bind(("127.0.0.1", port)));
    let Some(socket) = bound.flatten().next() else {
        skipped("no port below 1024 may be bound here");
        return;
    };
    let services = serve(&["echo:0", "--verbose"]);
    socket.send_to(b"hello", services.at("echo")).unwrap();
    services.expect_status(|line| line.ends_with("not answered: source port below 1024"), SOON);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err());
}

/// Services in one process know each other's addresses.
#[test]
fn sisters_do_not_answer_each_other() {
    let Some(host) = forging() else { return };
    let services = served(&host, &["echo:0", "upper:0", "--verbose"]);
    forge(&host, services.at("echo"), services.at("upper"), "hello");
    services.expect_status(|line| line.ends_with("not answered: own address"), SOON);
    let (_, upper) = stopped(services, "upper");
    assert_eq!(upper, (1, 0));
}

#[test]
fn two_echoes_set_upon_each_other_stay_within_the_rate_and_the_operator_is_told() {
    let Some(host) = forging() else { return };
    let args = ["echo:0", "--per-source", "100/s"];
    let (one, other) = (served(&host, &args), served(&host, &args));
    let began = Instant::now();
    forge(&host, one.at("echo"), other.at("echo"), "round and round");
    wait_for_either(&one, &other, "asks too often");
    let bounced = [stopped(one, "echo").1.1, stopped(other, "echo").1.1];
    // A burst of a second's worth may pass; one datagram was forged, and a loss ended the loop.
    let most = 100.0 * (1.0 + began.elapsed().as_secs_f64()) + 1.0;
    for replies in bounced {
        assert!((90.0..=most).contains(&(replies as f64)), "{bounced:?}, {most} allowed");
    }
}

/// On loopback too: the first datagram over the rate ends the loop.
#[test]
fn one_forged_datagram_between_two_echoes_dies_at_the_rate() {
    let Some(host) = forging() else { return };
    for (first, second) in [("echo", "echo"), ("echo", "upper"), ("upper", "upper")] {
        let [one, other] = [first, second].map(|name| served(&host, &[&format!("{name}:0")]));
        forge(&host, one.at(first), other.at(second), "round");
        wait_for_either(&one, &other, "asks too often");
        let [(_, (_, one)), (_, (_, other))] = [stopped(one, first), stopped(other, second)];
        assert!((1_000..5_000).contains(&one), "{first} and {second}: {one} and {other}");
        assert!(one.abs_diff(other) <= 1, "{first} and {second}: {one} and {other}");
    }
}

/// If the operator lifts the rate, a loop is reported.
#[test]
fn two_echoes_that_no_rate_bounds_are_told() {
    let Some(host) = forging() else { return };
    let args = ["echo:0", "--per-source", "unlimited"];
    let (one, other) = (served(&host, &args), served(&host, &args));
    forge(&host, one.at("echo"), other.at("echo"), "round");
    wait_for_either(&one, &other, "sends the same 5 bytes");
    let [(_, (requests, _)), (_, (_, replies))] = [stopped(one, "echo"), stopped(other, "echo")];
    assert!(requests.min(replies) >= 4_096, "{requests} and {replies}");
}

#[test]
fn an_echo_of_somebody_else_set_upon_ours_stays_within_the_rate() {
    let Some(host) = forging() else { return };
    let ours = served(&host, &["echo:0", "--per-source", "100/s"]);
    let theirs = host.python("echo_server.py", &[]);
    let began = Instant::now();
    forge(&host, address_of(&theirs), ours.at("echo"), "round and round");
    ours.expect_status(|line| line.contains("asks too often"), SOON);
    let (_, (requests, replies)) = stopped(ours, "echo");
    let most = 100.0 * (1.0 + began.elapsed().as_secs_f64());
    assert!((90.0..=most).contains(&(replies as f64)), "{replies}, {most} allowed");
    assert!(requests <= replies + 1, "{requests} requests");
}

#[test]
fn services_whose_replies_are_recognised_stop_after_one_each() {
    let Some(host) = forging() else { return };
    for (first, second, text) in [
        ("size", "time", "%H"),
        ("time", "size", "hello"),
        ("time", "daytime", "hello"),
        ("size", "daytime", "hello"),
        ("echo", "time", "%H"),
        ("upper", "time", "%A"),
        ("echo", "size", "hello"),
        ("upper", "size", "hello"),
        ("echo", "daytime", "hello"),
        ("upper", "daytime", "hello"),
    ] {
        let [one, other] =
            [first, second].map(|name| served(&host, &[&format!("{name}:0"), "--verbose"]));
        forge(&host, one.at(first), other.at(second), text);
        wait_for_either(&one, &other, "not answered: a reply");
        let [(_, one), (_, other)] = [stopped(one, first), stopped(other, second)];
        let replies = one.1 + other.1;
        assert!(replies <= 2, "{first} and {second}: {replies} replies");
    }
}

#[test]
fn a_service_set_upon_the_hub_falls_silent_after_a_few_datagrams() {
    let Some(host) = forging() else { return };
    for name in ["echo", "upper", "size", "time", "daytime"] {
        let hub = host.pigeon("hub", &["hub", "--listen", "127.0.0.1:0"]);
        let at = address_in(&hub.expect_status(|line| line.contains("listening on "), SOON));
        let service = served(&host, &[&format!("{name}:0"), "--verbose"]);
        forge(&host, service.at(name), at, "hello");
        // A member that joins and sends afterwards: by then, everything else has been sent.
        let heard = |line: &str| line.contains("later");
        let mut witness = host.pigeon("join", &["join", &at.to_string(), "--nick", "witness"]);
        witness.expect_status(|line| line.contains("joined "), SOON);
        witness.say("later");
        witness.expect_line(heard, SOON);
        let (_, (requests, replies)) = stopped(service, name);
        // Sixteen make a member suspect; then come probes, and the lines held back.
        assert!(requests <= 60, "{name}: {requests} datagrams, {replies} replies");
    }
}

#[test]
fn a_bench_server_and_the_hub_set_upon_each_other_fall_silent() {
    let Some(host) = forging() else { return };
    let serving = |name: &str, args: &[&str]| {
        let process = host.pigeon(name, args);
        let line = process.expect_status(|line| line.contains("listening on "), SOON);
        (process, address_in(&line))
    };
    let (mut hub, at_hub) = serving("hub", &["hub", "--listen", "127.0.0.1:0"]);
    let (_bench, at_bench) = serving("bench server", &["bench", "server", "0"]);
    // A datagram that the server answers: a real client's Hello.
    let ear = UdpSocket::bind("127.0.0.1:0").unwrap();
    ear.set_read_timeout(Some(SOON)).unwrap();
    let to = ear.local_addr().unwrap().to_string();
    let _client = pigeon("pigeon bench", &["bench", &to]);
    let mut hello = [0; 2_048];
    let length = crate::process::uninterrupted(|| ear.recv(&mut hello)).unwrap();
    let [from, to] = [at_hub, at_bench].map(|at| at.port().to_string());
    let mut forger = host.python("forge.py", &[&from, &to, "hex", &hex(&hello[..length])]);
    assert!(forger.expect_end(SOON).success());
    // The server's answer makes it a member of the hub; now a line is forged in its name, too.
    forge(&host, at_bench, at_hub, "hello");
    let mut witness = host.pigeon("join", &["join", &at_hub.to_string(), "--nick", "witness"]);
    witness.expect_status(|line| line.contains("joined "), SOON);
    witness.say("later");
    witness.expect_line(|line| line.contains("later"), SOON);
    hub.signal("TERM");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    let lines = hub.lines(Voice::Err);
    let stopped = lines.iter().rfind(|line| line.contains("stopped received=")).unwrap();
    let received = stopped.split("received=").nth(1).unwrap().split(' ').next().unwrap();
    let received: u64 = received.parse().unwrap();
    // The server's answer, the forged line, and the witness's heartbeats, name and line.
    assert!((3..=12).contains(&received), "{stopped}");
}

/// A namespace for forging senders.
fn forging() -> Option<Namespace> {
    if !installed("python3") {
        return None;
    }
    Namespace::new()
}

fn served(host: &Namespace, specs: &[&str]) -> Services {
    Services::new(host.pigeon("pigeon serve", &[&["serve"], specs].concat()), specs)
}

/// Sends one datagram to `to` with the forged sender `from`.
#[track_caller]
fn forge(host: &Namespace, from: SocketAddr, to: SocketAddr, text: &str) {
    let (from, to) = (from.port().to_string(), to.port().to_string());
    let mut forger = host.python("forge.py", &[&from, &to, text]);
    assert!(forger.expect_end(SOON).success());
}

#[track_caller]
fn wait_for_either(one: &Process, other: &Process, text: &str) {
    crate::process::wait_until(text, || {
        let said = |process: &Process| process.lines(Voice::Err).iter().any(|l| l.contains(text));
        (said(one) || said(other)).then_some(())
    });
}

/// Stops a service, and returns its numbers of datagrams and replies.
#[track_caller]
fn stopped(mut services: Services, name: &str) -> (Services, (u64, u64)) {
    services.signal("TERM");
    assert_eq!(services.expect_end(SOON).code(), Some(0));
    let counts = counts_in(&services.summary(name));
    (services, counts)
}

fn socket_to(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

#[track_caller]
fn asked(socket: &UdpSocket, request: &[u8]) -> Vec<u8> {
    socket.send(request).unwrap();
    received(socket)
}

#[track_caller]
fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let length = crate::process::uninterrupted(|| socket.recv(&mut buffer)).unwrap();
    buffer.truncate(length);
    buffer
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

/// This host's firewall: a forbidden reply does not count.
#[test]
fn a_reply_that_cannot_be_sent_is_told_and_not_counted_as_sent() {
    let Some(host) = Namespace::new() else { return };
    let args = ["serve", "echo:0", "--verbose", "--json"];
    let mut services = Services::new(host.pigeon("serve", &args), &["echo:0"]);
    let ask = |source: u16| {
        let (to, source) = (services.at("echo").to_string(), format!("127.0.0.1:{source}"));
        let args = ["send", &to, "hello", "--source", &source, "--wait", "100ms"];
        host.pigeon("send", &args).expect_end(SOON).code()
    };
    // The namespace is private, so these ports are free.
    if !host.forbid(2_001) {
        return;
    }
    assert_eq!([ask(2_001), ask(2_001), ask(2_002)], [Some(1), Some(1), Some(0)]);
    services.expect_status(|line| line.ends_with("5 bytes back could not be sent"), SOON);
    let told = "echo: a reply to 127.0.0.1:2001 is not sent: Operation not permitted";
    services.expect_status(|line| line.starts_with(told), SOON);
    services.signal("TERM");
    assert_eq!(services.expect_end(SOON).code(), Some(0));
    let last: Value = serde_json::from_str(services.lines(Voice::Out).last().unwrap()).unwrap();
    let counts = ["requests", "replies", "reply_bytes", "unsent", "not_answered"];
    assert_eq!(counts.map(|count| last[count].as_u64().unwrap()), [3, 1, 5, 2, 0]);
    let times = services.lines(Voice::Err).iter().filter(|line| line.starts_with(told)).count();
    assert_eq!(times, 1);
    assert!(services.summary("echo").contains("1 reply, 2 replies not sent"));
}
