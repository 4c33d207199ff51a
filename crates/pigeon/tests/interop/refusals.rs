//! Errors that are reported at once, in one line with the necessary information.

use std::process::Command;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::{address_of, installed, python};
use crate::pigeon::{pigeon, send};
use crate::ports::ClosedPort;
use crate::process::{Process, SOON, Voice};

#[test]
fn a_port_in_use_is_named_with_its_holder() {
    if !installed("python3") {
        return;
    }
    let holder = python("hex_peer.py", &[]);
    let address = address_of(&holder).to_string();
    let mut hub = pigeon("hub", &["hub", "--listen", &address]);
    assert_eq!(hub.expect_end(SOON).code(), Some(1));
    let said = hub.lines(Voice::Err);
    let [line] = &said[..] else { panic!("not one line, but {}", said.len()) };
    for part in [&address, "python", &holder.id().to_string()] {
        assert!(line.contains(part), "{part:?} is missing in {line:?}");
    }
}

#[test]
fn join_is_refused_at_once_where_nobody_listens() {
    let dead = ClosedPort::new();
    let mut ada = pigeon("ada", &["join", &dead.address(), "--nick", "ada"]);
    assert_eq!(ada.expect_end(Duration::from_secs(2)).code(), Some(1));
    assert!(ada.lines(Voice::Err).iter().any(|line| line.contains("refused")));
    assert_eq!(ada.output(), "");
}

#[test]
fn programs_are_told_of_a_refusal_too() {
    let dead = ClosedPort::new();
    let at = dead.address();
    let told = format!(r#"{{"to":"{at}","result":"refused"}}"#);
    let away = format!(r#""kind":"away","hub":"{at}","reason":"refused"}}"#);
    let start = |command| pigeon(command, &[command, &dead.address(), "--json", "--wait", "0s"]);
    let mut chat = start("chat");
    chat.say("hello?");
    chat.expect_line(|line| line == told, SOON);
    chat.end_stdin();
    // `join` sends a heartbeat before any input.
    let mut join = start("join");
    join.expect_line(|line| line.ends_with(&away), SOON);
    for ours in [&mut chat, &mut join] {
        assert_eq!(ours.expect_end(SOON).code(), Some(1));
    }
}

#[test]
fn send_that_waits_is_refused_at_once_where_nobody_listens() {
    let dead = ClosedPort::new();
    // Several datagrams: a host sends at most a thousand ICMP messages per second, and another test
    // may use them up.
    let words = ["hello", "--count", "5", "--every", "100ms", "--wait", "30s"];
    let mut sender = send(dead.at(), &words);
    assert_eq!(sender.expect_end(SOON).code(), Some(1));
    assert!(sender.lines(Voice::Err).iter().any(|line| line.contains("refused")));
}

/// Permanent errors that the user must fix, in one line: exit status 2.
#[test]
fn a_wrong_command_line_or_file_is_wrong_usage() {
    let [nowhere, target] = ["/nowhere/run.pcapng", "127.0.0.1:9"];
    let everybody = "255.255.255.255:9";
    for (args, reason) in [
        (&["listen", "127.0.0.1:0", "--write", nowhere][..], "cannot write /nowhere/run.pcapng: "),
        (&["relay", "0", target, "--record", nowhere], "cannot write /nowhere/run.pcapng: "),
        (&["replay", nowhere, target], "cannot read /nowhere/run.pcapng: "),
        (&["hub", "--config", nowhere], "cannot read /nowhere/run.pcapng: "),
        (&["man", "/dev/null/pages"], "cannot create /dev/null/pages: "),
        (
            &["listen", "203.0.113.9:0"],
            "203.0.113.9 is not an address of this host; `ip addr` lists",
        ),
        (&["send", "255.255.255.255:9", "x"], "a broadcast address; add --broadcast to send"),
        (
            &["time", everybody],
            "a broadcast address, and this command talks to one host; `pigeon discover",
        ),
        (&["join", everybody], "a broadcast address, and this command"),
        (&["chat", everybody], "a broadcast address, and this command"),
        (&["bench", everybody], "a broadcast address, and this command"),
        (&["relay", "0", everybody], "a broadcast address, and this command"),
        (&["replay", "/dev/null", everybody], "a broadcast address, and this command"),
        (&["send", "-4", "::1", "9", "x"], "::1 is not an IPv4 address"),
        (&["ask", "-6", target], "127.0.0.1 is not an IPv6 address"),
        (&["time", "-4", "[::1]:9"], "::1 is not an IPv4 address"),
        (&["join", "-6", "127.0.0.1"], "127.0.0.1 is not an IPv6 address"),
        (&["chat", "-4", "[fe80::1%1]:9"], "fe80::1 is not an IPv4 address"),
        (&["bench", "-6", target], "127.0.0.1 is not an IPv6 address"),
        (&["listen", "-6", "0", "--join", "239.1.2.3"], "239.1.2.3 is not an IPv6 address"),
        (&["listen", "127.0.0.1:0", "--join", "ff02::1"], "are not of the same IP version"),
        (
            &["send", target, "x", "--source", "203.0.113.9:0"],
            "203.0.113.9 is not an address of this",
        ),
        (&["send", target, "x", "--source", "[::1]:0"], "are not of the same IP version"),
        (&["send", target, "x", "--count", "x"], "must be a whole number, at least 1"),
        (&["relay", "0", target, "--seed", "x"], "must be a whole number, at least 0"),
        (&["serve", "echo:7", "time:*:7"], "echo:127.0.0.1:7 and time:*:7 use the same port; give"),
        (&["send", "127.0.0.1", "99999", "x"], "`99999` is not a valid port"),
        (&["send", "300.1.1.1:9", "x"], "300.1.1.1 is not a valid IPv4 address"),
        (&["listen", "x"], "`x` is not a valid port; write [ADDR:]PORT"),
        (&["serve", ""], "nothing given; write NAME:PORT"),
        (&["discover", "x"], "`x` is not a valid port; write a number up to 65535"),
        (&["send", target, &"x".repeat(65_508)], "not sent: 65508 bytes, and a datagram there"),
    ] {
        let mut ours = pigeon(args[0], args);
        assert_eq!(ours.expect_end(SOON).code(), Some(2), "{}: {reason}", args[0]);
        let said = ours.lines(Voice::Err);
        assert!(said[0].contains(reason), "{said:?}");
    }
}

#[test]
fn a_stdin_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    for args in ["send 127.0.0.1:9", "send 127.0.0.1:9 --framing whole", "chat 127.0.0.1:9"] {
        let script = format!("exec '{}' {args} < /", env!("CARGO_BIN_EXE_pigeon"));
        let mut ours = Process::spawn(args, Command::new("sh").args(["-c", &script]));
        assert_eq!(ours.expect_end(SOON).code(), Some(2), "{args}");
        let said = ours.lines(Voice::Err).join("\n");
        assert!(said.contains("cannot read stdin: is a directory"), "{said}");
    }
}

/// The system's error for a firewall, with an explanation. It is never reported as silence.
#[test]
fn a_firewall_that_forbids_or_rejects_is_told_at_once() {
    let Some(host) = Namespace::new() else { return };
    if !host.nft(
        "add table inet wall
         add chain inet wall output { type filter hook output priority 0; }
         add chain inet wall input { type filter hook input priority 0; }
         add rule inet wall output udp dport 1 drop
         add rule inet wall output udp dport 2 reject
         add rule inet wall input udp dport 3 reject with icmpx admin-prohibited",
    ) {
        return;
    }
    let own = "Operation not permitted (os error 1): a firewall rule of this host forbids it";
    let other = "No route to host (os error 113): a firewall rejects it, there or on the way";
    let prohibited = "Permission denied (os error 13): a firewall rejects it, there or on the way";
    for (to, result, said) in [
        ("127.0.0.1:1", "not sent", own),
        ("127.0.0.1:2", "not sent", own),
        ("127.0.0.1:3", "not delivered", other),
        ("[::1]:3", "not delivered", prohibited),
    ] {
        for args in [
            &["ask", to, "hi"][..],
            &["time", to],
            &["time", to, "--sntp"],
            &["send", to, "hi"],
            &["send", to, "hi", "--wait", "30s"],
        ] {
            let mut ours = host.pigeon(args[0], args);
            // Long before its time limit.
            assert_eq!(ours.expect_end(SOON).code(), Some(1), "{args:?}");
            let line = ours.lines(Voice::Err).concat();
            assert!(line.contains(&format!("{result}: {said}")), "{args:?}: {line}");
            assert!(!line.contains("broadcast") && !line.contains("no reply"), "{args:?}: {line}");
        }
        let mut ours = host.pigeon("ask", &["ask", to, "hi", "--json"]);
        assert_eq!(ours.expect_end(SOON).code(), Some(1));
        let told: serde_json::Value = serde_json::from_str(&ours.output()).unwrap();
        assert_eq!(told["result"], result);
        assert!(told["error"].as_str().unwrap().starts_with(said), "{told}");
        let attempts = if result == "not sent" { 0 } else { 1 };
        assert_eq!(told["attempts"], attempts);
    }
}

/// Temporary errors cause retries, and appear in the final error.
#[test]
fn what_the_network_says_stands_beside_no_reply() {
    let Some([near, far]) = Namespace::pair() else { return };
    if !(far.reject(7101, "host-unreachable") && far.reject(7102, "no-route")) {
        return;
    }
    let no_host = "No route to host (os error 113): no host answers at that address";
    let no_route = "Network is unreachable (os error 101): a router on the way has no route there";
    for (to, cause) in [("10.77.1.2:7101", no_host), ("10.77.1.2:7102", no_route)] {
        let asking = [&["ask", to, "hi"][..], &["time", to], &["time", to, "--sntp"]];
        for mut ours in asking.map(|args| near.pigeon(args[0], args)) {
            assert_eq!(ours.expect_end(SOON).code(), Some(1));
            let said = ours.lines(Voice::Err);
            let last = said.last().unwrap();
            assert!(last.starts_with(&format!("pigeon: {to}: no reply after ")), "{said:?}");
            assert!(last.contains(&format!("; the system said: {cause}")), "{said:?}");
        }
    }
}
