//! `pigeon ask` with other programs' servers: prompt, late and silent ones.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peers::{address_of, hex, installed, python};
use crate::pigeon::pigeon;
use crate::ports::ClosedPort;
use crate::process::{Process, SOON, Voice};

/// The largest payload over IPv4.
const LARGEST: usize = 65_507;

/// The tolerance for late datagrams on a busy machine. An interval can be shorter than planned only
/// if the previous datagram was late.
const LATE: f64 = 0.25;

#[test]
fn a_tutorial_server_is_asked_and_its_reply_printed() {
    let Some((_server, address)) = server("size_server.py", &[]) else { return };
    for (text, expected) in [("hello", 5), ("你好", 6), ("", 0)] {
        let (code, ours) = ended(ask(address, &[text]));
        assert_eq!(ours.output(), format!("Your data was {expected} bytes\n"));
        assert_eq!(code, Some(0));
        let note = ours.lines(Voice::Err).concat();
        assert!(note.starts_with(&format!("reply from {address} after 1 attempt, ")), "{note}");
    }
}

#[test]
fn no_text_at_all_is_an_empty_request() {
    let Some((_server, address)) = server("size_server.py", &[]) else { return };
    let (code, ours) = ended(ask(address, &[]));
    assert_eq!((code, ours.output().as_str()), (Some(0), "Your data was 0 bytes\n"));
}

#[test]
fn host_and_port_may_be_two_words() {
    let Some((_server, address)) = server("size_server.py", &[]) else { return };
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let (code, ours) = ended(pigeon("pigeon ask", &["ask", &host, &port, "two", "words"]));
    assert_eq!((code, ours.output().as_str()), (Some(0), "Your data was 9 bytes\n"));
}

#[test]
fn the_largest_datagram_is_asked_and_replied_and_a_larger_one_is_not_begun() {
    let Some((_server, address)) = server("echo_server.py", &[]) else { return };
    let text: String = (0..20_000).map(|number| format!("{number},")).collect();
    let (code, ours) = ended(ask(address, &[&text[..LARGEST]]));
    assert_eq!(code, Some(0));
    assert!(ours.output().trim_end() == &text[..LARGEST], "it came back changed");
    let (code, ours) = ended(ask(address, &[&text[..=LARGEST]]));
    assert_ne!(code, Some(0));
    assert!(ours.lines(Voice::Err).concat().contains("at most 65507"));
}

#[test]
fn silence_is_asked_five_times_in_three_seconds_and_exit_status_one() {
    let Some((server, address)) = server("slow_server.py", &[]) else { return };
    let (code, ours) = ended(ask(address, &["anybody?"]));
    assert_eq!(code, Some(1));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains("no reply after 5 attempts in 3.1 s"), "{note}");
    assert_eq!(ours.output(), "");
    let times = arrivals(&server, b"anybody?", 5);
    // After the last attempt it waits 1.6 s more without sending.
    assert_eq!(server.lines(Voice::Out).len(), 1 + 5);
    for (pair, wait) in times.windows(2).zip([0.1, 0.2, 0.4, 0.8]) {
        let gap = pair[1] - pair[0];
        assert!((gap - wait).abs() < LATE.min(wait), "{gap} s instead of {wait} s: {times:?}");
    }
}

#[test]
fn the_schedule_can_be_chosen() {
    let Some((server, address)) = server("slow_server.py", &[]) else { return };
    for (args, attempts, total) in [
        (["--first", "20ms", "--max", "50ms"], 2, "0.1 s"),
        (["--first", "200ms", "--attempts", "1"], 1, "0.2 s"),
    ] {
        let before = server.lines(Voice::Out).len();
        let (code, ours) = ended(ask(address, &[&["x"], &args[..]].concat()));
        assert_eq!(code, Some(1));
        let s = if attempts == 1 { "" } else { "s" };
        let expected = format!("no reply after {attempts} attempt{s} in {total}");
        let note = ours.lines(Voice::Err).concat();
        assert!(note.contains(&expected), "{note}");
        assert_eq!(server.expect_lines(before + attempts, SOON).len(), before + attempts);
    }
}

/// The server holds its only reply back until attempt 3 arrives.
#[test]
fn a_late_reply_to_the_first_attempt_is_accepted_while_the_third_waits() {
    let Some((server, address)) = server("slow_server.py", &["--answer-at", "3"]) else { return };
    let (code, ours) = ended(ask(address, &["hello", "--json"]));
    assert_eq!(code, Some(0));
    let outcome = json(&ours);
    assert_eq!(outcome["text"], "the reply");
    assert_eq!(outcome["attempts"], 3);
    let elapsed = outcome["elapsed"].as_f64().unwrap();
    assert!((0.29..0.3 + LATE).contains(&elapsed), "{elapsed}");
    arrivals(&server, b"hello", 3);
}

/// Another socket answers each attempt before the server answers the second.
#[test]
fn what_a_stranger_sends_is_no_reply() {
    let args = ["--answer-at", "2", "--stranger"];
    let Some((_server, address)) = server("slow_server.py", &args) else { return };
    let (code, ours) = ended(ask(address, &["hello"]));
    assert_eq!((code, ours.output().as_str()), (Some(0), "the reply\n"));
    assert!(ours.lines(Voice::Err).concat().contains("after 2 attempts"));
}

/// A TFTP server's reply from another port: shown at once, and accepted if the requested port does
/// not answer one more attempt.
#[test]
fn a_reply_from_another_port_is_told_with_its_address() {
    let Some((_server, address)) = server("slow_server.py", &["--stranger"]) else { return };
    let (code, ours) = ended(ask(address, &["hello"]));
    assert_eq!((code, ours.output().as_str()), (Some(0), "from a stranger\n"));
    let notes = ours.lines(Voice::Err);
    let told = format!(", another port of {address}, says: from a stranger");
    assert!(notes[0].starts_with("127.0.0.1:") && notes[0].ends_with(&told), "{notes:?}");
    let last = notes.last().unwrap();
    assert!(last.contains(&format!("another port of {address}, after 2 attempts")), "{last}");

    let (code, ours) = ended(ask(address, &["hello", "--max", "300ms", "--json"]));
    assert_eq!(code, Some(0));
    let outcome = json(&ours);
    assert_eq!(
        (&outcome["result"], &outcome["text"]),
        (&"reply".into(), &"from a stranger".into())
    );
    assert_ne!(outcome["from"], address.to_string());
}

/// It ignores all hosts but the requested one.
#[test]
fn another_host_alone_is_silence() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.2:0").unwrap();
    let ours = ask(server.local_addr().unwrap(), &["hello", "--max", "300ms", "--json"]);
    let (_, asker) = server.recv_from(&mut [0; 9]).unwrap();
    other.send_to(b"from another host", asker).unwrap();
    let (code, ours) = ended(ours);
    assert_eq!(code, Some(1));
    assert_eq!(json(&ours)["result"], "timed out");
}

#[test]
fn the_source_can_be_chosen() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let own = UdpSocket::bind("127.0.0.3:0").unwrap().local_addr().unwrap();
    let ours = ask(server.local_addr().unwrap(), &["hello", "--source", &own.to_string()]);
    let (_, asker) = server.recv_from(&mut [0; 9]).unwrap();
    assert_eq!(asker, own);
    server.send_to(b"welcome", asker).unwrap();
    assert_eq!(ended(ours).0, Some(0));
    let (code, ours) = ended(ask(own, &["hello", "--source", "[::1]:0"]));
    assert_eq!(code, Some(2));
    assert!(ours.lines(Voice::Err).concat().contains("are not of the same IP version"));
}

#[test]
fn stdin_is_the_request_where_a_dash_stands_for_it() {
    let Some((_server, address)) = server("echo_server.py", &[]) else { return };
    let mut ours = ask(address, &["-", "--hex"]);
    ours.say("# a comment\n00:ff 0x7e-80");
    ours.end_stdin();
    let (code, ours) = ended(ours);
    assert_eq!((code, ours.output().as_str()), (Some(0), "00ff7e80\n"));
}

/// Replies from any address are accepted: mDNS, SSDP, CoAP.
#[test]
fn a_group_and_a_broadcast_address_are_answered_by_anybody() {
    let Some([near, far]) = Namespace::pair() else { return };
    let silent = near.pigeon("pigeon ask", &["ask", "224.0.0.251:5353", "who?"]);
    let (code, silent) = ended(silent);
    let note = silent.lines(Voice::Err).concat();
    assert_eq!(code, Some(1));
    for part in ["not sent: Network is unreachable", "--multicast-interface", "ip route add 224"] {
        assert!(note.contains(part), "{note}");
    }
    let args = ["listen", "5353", "--join", "224.0.0.251", "--reply", "me"];
    let answering = far.pigeon("pigeon listen", &args);
    answering.expect_status(|line| line.contains("listening on "), SOON);
    for (to, more) in
        [("224.0.0.251:5353", &["--multicast-interface", "near"][..]), ("10.77.1.255:5353", &[])]
    {
        let args = [&["ask", to, "who?"], more].concat();
        let (code, ours) = ended(near.pigeon("pigeon ask", &args));
        let note = ours.lines(Voice::Err).concat();
        assert_eq!((code, ours.output().as_str()), (Some(0), "me\n"), "{note}");
        assert!(note.contains(&format!("reply from 10.77.1.2:5353 to {to} after ")), "{note}");
    }
}

#[test]
fn nobody_there_is_said_at_once() {
    let nobody = ClosedPort::new();
    let (code, ours) = ended(ask(nobody.at(), &["hello"]));
    assert_eq!(code, Some(1));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains("refused") && !note.contains("no reply"), "{note}");

    let (code, ours) = ended(ask(nobody.at(), &["hello", "--json"]));
    assert_eq!(code, Some(1));
    let outcome = json(&ours);
    assert_eq!(outcome["result"], "refused");
    assert_eq!(outcome["attempts"], 1);
    assert!(outcome["elapsed"].as_f64().unwrap() < 0.1, "{outcome}");
}

#[test]
fn json_tells_how_it_went() {
    let Some((_server, address)) = server("size_server.py", &[]) else { return };
    let (code, ours) = ended(ask(address, &["hello", "--json"]));
    assert_eq!(code, Some(0));
    let outcome = json(&ours);
    assert_eq!(outcome["to"], address.to_string());
    assert_eq!(outcome["result"], "reply");
    assert_eq!(outcome["attempts"], 1);
    assert_eq!(outcome["len"], "Your data was 5 bytes".len());
    assert_eq!(outcome["text"], "Your data was 5 bytes");
    assert!((0.0..1.0).contains(&outcome["elapsed"].as_f64().unwrap()), "{outcome}");

    let Some((_silent, address)) = server("slow_server.py", &[]) else { return };
    let (code, ours) = ended(ask(address, &["hello", "--max", "100ms", "--json"]));
    assert_eq!(code, Some(1));
    let outcome = json(&ours);
    assert_eq!((&outcome["result"], &outcome["attempts"]), (&"timed out".into(), &1.into()));
    assert_eq!((&outcome["text"], &outcome["len"]), (&Value::Null, &Value::Null));
}

#[test]
fn gb2312_is_asked_and_understood_both_ways() {
    let args = ["--encoding", "gb2312"];
    let Some((server, address)) = server("size_server.py", &args) else { return };
    let (code, ours) = ended(ask(address, &["你好,世界", "--encoding", "gb2312"]));
    assert_eq!((code, ours.output().as_str()), (Some(0), "收到:你好,世界\n"));
    server.expect_line(|line| line == "你好,世界", SOON);

    let (_, ours) = ended(ask(address, &["再见", "--encoding", "gb2312", "--json"]));
    assert_eq!(json(&ours)["text"], "收到:再见");
}

#[test]
fn bytes_are_asked_in_hexadecimal_and_base64() {
    let Some((_server, address)) = server("echo_server.py", &[]) else { return };
    for (form, written) in [("--hex", "00ff7e80"), ("--base64", "AP9+gA==")] {
        let (code, ours) = ended(ask(address, &[written, form]));
        assert_eq!((code, ours.output()), (Some(0), format!("{written}\n")));
    }
}

fn ask(to: SocketAddr, args: &[&str]) -> Process {
    pigeon("pigeon ask", &[&["ask", &to.to_string()], args].concat())
}

/// A Python server and its address; `None` without Python.
fn server(program: &str, args: &[&str]) -> Option<(Process, SocketAddr)> {
    installed("python3").then(|| {
        let server = python(program, args);
        let address = address_of(&server);
        (server, address)
    })
}

#[track_caller]
fn ended(mut process: Process) -> (Option<i32>, Process) {
    let status = process.expect_end(SOON + Duration::from_secs(3));
    (status.code(), process)
}

#[track_caller]
fn json(ours: &Process) -> Value {
    let lines = ours.lines(Voice::Out);
    assert_eq!(lines.len(), 1, "one object, one line");
    serde_json::from_str(&lines[0]).unwrap()
}

/// The arrival times of the datagrams in seconds; all must have the same bytes.
#[track_caller]
fn arrivals(server: &Process, expected: &[u8], count: usize) -> Vec<f64> {
    let lines = server.expect_lines(1 + count, SOON);
    let times = lines[1..].iter().map(|line| {
        let (time, bytes) = line.split_once(' ').unwrap();
        assert_eq!(bytes, hex(expected));
        time.parse().unwrap()
    });
    times.collect()
}
