//! `pigeon listen --reply`: every sender gets the text, within its rate.

use std::net::UdpSocket;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::{address_of, client, hex, installed, python_to, tools};
use crate::pigeon::{Serving, address_in, listen, pigeon};
use crate::process::{Process, SOON, Voice};

#[test]
fn every_tool_that_says_something_gets_the_reply() {
    let listener = listen(&["--reply", "收到"]);
    for tool in tools() {
        let mut peer = client(tool, listener.address);
        for text in ["one", "two"] {
            let heard = peer.output().matches("收到").count();
            peer.say(text);
            crate::process::wait_until("the reply", || {
                (peer.output().matches("收到").count() == heard + 1).then_some(())
            });
        }
        let lines = listener.lines(Voice::Out);
        assert!(lines.iter().any(|line| line.contains(": two")), "{tool}: {lines:?}");
    }
}

#[test]
fn the_reply_is_in_the_encoding_that_was_asked_for() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&["--reply", "你好", "--encoding", "gb2312"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    let _ = address_of(&peer);
    peer.say(&hex(b""));
    peer.expect_line(|line| line.ends_with(" c4e3bac3"), SOON);
    let mut refused =
        pigeon("pigeon listen", &["listen", "0", "--reply", "😀", "--encoding", "gbk"]);
    assert_eq!(refused.expect_end(SOON).code(), Some(2));
    assert!(refused.lines(Voice::Err).concat().contains('😀'));
}

#[test]
fn only_what_is_shown_is_answered() {
    let mut listener = listen(&["--reply", "ok", "--from", "127.0.0.5", "--count", "2"]);
    let [shown, passed_over] = ["127.0.0.5:0", "127.0.0.6:0"].map(|own| socket(own, &listener));
    for text in ["one", "two", "three"] {
        passed_over.send(text.as_bytes()).unwrap();
        let _ = shown.send(text.as_bytes());
    }
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    assert_eq!(replies(&shown), ["ok", "ok"]);
    assert!(replies(&passed_over).is_empty());
    let summary = listener.lines(Voice::Err).pop().unwrap();
    assert!(summary.contains("2 datagrams") && summary.contains("2 replies"), "{summary}");
}

#[test]
fn one_source_gets_no_more_than_its_rate_and_the_operator_is_told() {
    let mut listener = listen(&["--reply", "ok", "--per-source", "5/s"]);
    let socket = socket("127.0.0.5:0", &listener);
    for _ in 0..50 {
        socket.send(b"more").unwrap();
    }
    listener.expect_status(|line| line.contains("asks too often"), SOON);
    let got = replies(&socket).len();
    assert!((5..=10).contains(&got), "{got}");
    listener.signal("TERM");
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    let summary = listener.lines(Voice::Err).pop().unwrap();
    assert!(summary.contains("not answered (source's rate limit)"), "{summary}");
}

#[test]
fn two_that_answer_each_other_stop() {
    if !installed("python3") {
        return;
    }
    let Some(host) = Namespace::new() else { return };
    let listening = |text: &str| {
        let args = ["listen", "127.0.0.1:0", "--reply", text];
        let process = host.pigeon("pigeon listen", &args);
        let at = address_in(&process.expect_status(|line| line.contains("listening on "), SOON));
        (process, at)
    };
    let forge = |from: u16, to: u16| {
        let mut forger = host.python("forge.py", &[&from.to_string(), &to.to_string(), "hello"]);
        assert!(forger.expect_end(SOON).success());
    };
    // The two texts differ only in case, so each program recognises the other's reply as a reply to
    // its own, and does not answer.
    let ((mut one, at_one), (mut other, at_other)) = (listening("Noted."), listening("noted."));
    forge(at_one.port(), at_other.port());
    one.expect_line(|line| line.ends_with(": noted."), SOON);
    for process in [&mut one, &mut other] {
        process.signal("TERM");
        assert_eq!(process.expect_end(SOON).code(), Some(0));
    }
    let counts: Vec<String> = [&one, &other].map(|p| p.lines(Voice::Err).pop().unwrap()).into();
    assert!(counts[0].starts_with("1 datagram, 0 replies"), "{counts:?}");
    assert!(counts[1].starts_with("1 datagram, 1 reply"), "{counts:?}");
    // Two texts: the rate ends the loop, even on this host.
    let ((one, at_one), (other, at_other)) = (listening("ping"), listening("pong"));
    forge(at_one.port(), at_other.port());
    crate::process::wait_until("one of them says so", || {
        let said = |process: &Process| {
            process.lines(Voice::Err).iter().any(|line| line.contains("asks too often"))
        };
        (said(&one) || said(&other)).then_some(())
    });
    for mut process in [one, other] {
        process.signal("TERM");
        assert_eq!(process.expect_end(SOON).code(), Some(0));
        let summary = process.lines(Voice::Err).pop().unwrap();
        let count: u64 = summary.split(' ').next().unwrap().parse().unwrap();
        assert!((1_000..5_000).contains(&count), "{summary}");
    }
}

#[test]
fn what_belongs_to_replies_is_refused_without_one() {
    for flag in [["--per-source", "5/s"], ["--open", "10.0.0.0/8"]] {
        let mut ours = pigeon("pigeon listen", &["listen", "127.0.0.1:0", flag[0], flag[1]]);
        assert_eq!(ours.expect_end(SOON).code(), Some(2));
        assert!(ours.lines(Voice::Err).concat().contains("--reply"));
    }
}

fn socket(own: &str, listener: &Serving) -> UdpSocket {
    let socket = UdpSocket::bind(own).unwrap();
    socket.connect(listener.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket
}

/// Replies until there are none for a while.
fn replies(socket: &UdpSocket) -> Vec<String> {
    let mut buffer = [0; 2_048];
    let next = || {
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    std::iter::from_fn(next).collect()
}
