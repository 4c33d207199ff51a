//! Single datagrams between `send` and `listen` and other programs, in both directions.

use std::fs::{self, File};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::peers::{TOOLS, address_of, client, hex, installed, listener, python, python_to, tools};
use crate::pigeon::{Serving, address_in, listen, pigeon, send};
use crate::process::{Process, SOON, Voice};
use crate::services::serve;

/// The largest payload over IPv4.
const LARGEST: usize = 65_507;

/// As many small datagrams as fit a socket's default buffer.
const MANY: usize = 200;

// From other programs to ours.

#[test]
fn one_listener_hears_every_peer() {
    let listener = listen(&["--json"]);
    let mut peers: Vec<Process> =
        tools().into_iter().map(|tool| client(tool, listener.address)).collect();
    if installed("python3") {
        peers.push(python_to("plain_member.py", listener.address, &[]));
    }
    let mut senders = Vec::new();
    for round in 1..=2 {
        for peer in &mut peers {
            let line = format!("{} 说 {round} 次:你好", peer.name());
            peer.say(&line);
            // The tools send a line with its end.
            let heard = expect_text(&listener, &line);
            let text = heard["text"].as_str().unwrap();
            assert_eq!(heard["len"], text.len());
            assert_eq!(heard["truncated"], false);
            assert_eq!(heard["to"], listener.address.to_string());
            senders.push(heard["from"].as_str().unwrap().to_string());
        }
    }
    let (first, second) = senders.split_at(peers.len());
    assert_eq!(first, second, "a peer changed its address");
}

#[test]
fn listen_shows_time_sender_length_and_text() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&[]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    let from = address_of(&peer);
    peer.say(&hex(b"hello"));
    let line = listener.expect_line(|_| true, SOON);
    let (time, rest) = line.split_once("] ").expect("the time stands in brackets");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "[0000-00-00 00:00:00.000");
    assert_eq!(rest, format!("{from} 5 bytes: hello"));
}

#[test]
fn listen_tells_bytes_that_are_no_text_in_base64() {
    if !installed("python3") {
        return;
    }
    let mut listener = listen(&["--json", "--count", "1"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    peer.say("fffe");
    let heard = expect_json(&listener, |heard| heard["len"] == 2);
    assert_eq!(heard["base64"], "//4=");
    assert_eq!(heard["text"], Value::Null);
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
}

#[test]
fn an_empty_datagram_is_heard() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&["--json"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    peer.say("");
    let heard = expect_json(&listener, |heard| heard["len"] == 0);
    assert_eq!(heard["text"], "");
}

#[test]
fn the_largest_datagram_of_python_is_heard_whole() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&["--json"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    peer.say(&hex(largest().as_bytes()));
    expect_largest(&listener);
}

#[test]
fn the_largest_datagram_of_socat_is_heard_whole() {
    if !installed("socat") {
        return;
    }
    let listener = listen(&["--json"]);
    let file = scratch("from-socat");
    fs::write(&file, largest()).unwrap();
    // Without `-b` socat sends nine datagrams.
    let to = format!("UDP4:{}", listener.address);
    let from = format!("OPEN:{}", file.display());
    let mut socat =
        Process::spawn("socat", Command::new("socat").args(["-u", "-b", "65536", &from, &to]));
    assert!(socat.expect_end(SOON).success());
    expect_largest(&listener);
    fs::remove_file(file).unwrap();
}

#[test]
fn many_datagrams_of_python_are_heard_in_order() {
    if !installed("python3") {
        return;
    }
    let mut listener = listen(&["--json", "--count", &MANY.to_string()]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    for number in numbers() {
        peer.say(&hex(number.as_bytes()));
    }
    expect_numbers(&mut listener);
}

// From ours to other programs.

#[test]
fn tools_hear_what_is_sent_and_their_reply_is_shown() {
    for tool in tools() {
        let (mut theirs, address) = listener(tool);
        let mut ours = send(address, &["你好", tool, "--wait", "4s"]);
        // Several words are one text.
        theirs.expect_output(&format!("你好 {tool}"), SOON);
        theirs.say("再见");
        ours.expect_line(|line| line.contains("再见"), SOON);
        assert_eq!(ours.expect_end(SOON).code(), Some(0));
        assert_eq!(theirs.output(), format!("你好 {tool}"));
    }
}

#[test]
fn python_hears_what_is_sent_and_its_reply_is_shown() {
    if !installed("python3") {
        return;
    }
    let mut theirs = python("hex_peer.py", &[]);
    let mut ours = send(address_of(&theirs), &["你好", "--wait", "4s"]);
    theirs.expect_line(|line| line.ends_with(&format!(" {}", hex("你好".as_bytes()))), SOON);
    theirs.say(&hex("再见".as_bytes()));
    ours.expect_line(|line| line.contains("再见"), SOON);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
}

#[test]
fn silence_is_exit_status_one() {
    if !installed("python3") {
        return;
    }
    let theirs = python("hex_peer.py", &[]);
    let mut ours = send(address_of(&theirs), &["anybody?", "--wait", "300ms"]);
    assert_eq!(ours.expect_end(SOON).code(), Some(1));
    assert!(theirs.lines(Voice::Out)[1].ends_with(&hex(b"anybody?")));
}

/// The tools would send the whole pipe as one datagram.
#[test]
fn each_line_is_a_datagram_and_an_empty_line_an_empty_one() {
    if !installed("python3") {
        return;
    }
    let theirs = python("hex_peer.py", &[]);
    let address = address_of(&theirs);
    let mut ours = send(address, &[]);
    ours.say("one\n\n三");
    ours.end_stdin();
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let heard = theirs.expect_lines(4, SOON);
    let heard: Vec<_> = heard[1..].iter().filter_map(|line| line.split_once(' ')).collect();
    let bytes: Vec<_> = heard.iter().map(|(_, bytes)| bytes.to_string()).collect();
    assert_eq!(bytes, [hex(b"one"), String::new(), hex("三".as_bytes())]);
    assert!(heard.iter().all(|(from, _)| *from == heard[0].0), "they came from one socket");
}

#[test]
fn the_largest_datagram_reaches_python_and_a_larger_one_is_not_begun() {
    if !installed("python3") {
        return;
    }
    let theirs = python("hex_peer.py", &[]);
    let address = address_of(&theirs);
    let mut too_large = send(address, &[&format!("{}x", largest())]);
    assert!(!too_large.expect_end(SOON).success());
    let mut ours = send(address, &[&largest()]);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let heard = theirs.expect_lines(2, SOON);
    let (_, bytes) = heard[1].split_once(' ').unwrap();
    assert!(bytes == hex(largest().as_bytes()), "{} bytes came first", bytes.len() / 2);
}

/// `nc` is left out, because it silently cuts received datagrams at 16,384 bytes.
#[test]
fn the_largest_datagram_reaches_ncat_and_socat() {
    for tool in ["ncat", "socat"] {
        if !installed(tool) {
            continue;
        }
        let (theirs, address) = listener(tool);
        let mut ours = send(address, &[&largest()]);
        assert_eq!(ours.expect_end(SOON).code(), Some(0));
        theirs.expect_output(&largest(), SOON);
        assert_eq!(theirs.output().len(), LARGEST);
    }
}

#[test]
fn many_datagrams_reach_every_listener_in_order() {
    for tool in TOOLS {
        if !installed(tool) {
            continue;
        }
        let (theirs, address) = listener(tool);
        send_numbers(address.to_string());
        // A datagram has no line end, and these listeners add none.
        let all: String = numbers().collect();
        theirs.expect_output(&all, SOON);
        assert_eq!(theirs.output(), all);
    }
    if installed("python3") {
        let theirs = python("hex_peer.py", &[]);
        send_numbers(address_of(&theirs).to_string());
        let heard = theirs.expect_lines(1 + MANY, SOON);
        let heard = heard[1..].iter().filter_map(|line| Some(line.split_once(' ')?.1.to_string()));
        assert!(heard.eq(numbers().map(|number| hex(number.as_bytes()))), "lost or out of order");
    }
}

#[test]
fn many_datagrams_of_our_own_are_heard_in_order() {
    let mut listener = listen(&["--json", "--count", &MANY.to_string()]);
    send_numbers(listener.address.to_string());
    expect_numbers(&mut listener);
}

// Streams.

/// Each unsendable item is reported with its number; the rest is sent.
#[test]
fn one_bad_item_does_not_end_a_stream() {
    let long = format!("a\n{}\nb\n", "x".repeat(70_000));
    for (args, input, heard, told) in [
        (
            &["--encoding", "gb2312"][..],
            "你好\n😀\n再见\n",
            &["c4e3bac3", "d4d9bcfb"][..],
            "line 2: gb2312 has no '😀'",
        ),
        (&[], &long, &["61", "62"], "line 2: not sent: 70000 bytes, and a datagram there carries"),
        (
            &["--framing", "hex-lines"],
            "00:ff # two\nzz\n# nothing\n0x7e\n",
            &["00ff", "7e"],
            "line 2: `z` at byte 1 is not a hexadecimal digit",
        ),
        (
            &["--framing", "size:3", "--encoding", "gbk"],
            "你好a再见",
            &["c4e3", "bac3"],
            "datagram 3: byte 2 is not valid UTF-8",
        ),
    ] {
        let listener = listen(&["--hex"]);
        let mut ours = send(listener.address, args);
        // `say` adds a line end, which does not matter when cutting by size.
        ours.say(input.trim_end_matches('\n'));
        ours.end_stdin();
        assert_eq!(ours.expect_end(SOON).code(), Some(1), "{args:?}");
        let notes = ours.lines(Voice::Err);
        assert!(notes[0].contains(told), "{notes:?}");
        let summary = notes.last().unwrap();
        assert!(summary.contains("sent to") && summary.contains("could not be made"), "{summary}");
        let lines = listener.expect_lines(heard.len(), SOON);
        let payloads = lines.iter().map(|line| line.rsplit(' ').next().unwrap());
        assert!(payloads.take(heard.len()).eq(heard.iter().copied()), "{lines:?}");
    }
}

/// A receiver that restarts loses only the datagrams sent meanwhile.
#[test]
fn a_refusal_does_not_cost_the_lines_behind_it() {
    let at = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = at.local_addr().unwrap();
    at.set_read_timeout(Some(SOON)).unwrap();
    let mut ours = send(address, &[]);
    let hear = |socket: &UdpSocket| {
        let mut buffer = [0; 9];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    ours.say("1");
    assert_eq!(hear(&at), "1");
    drop(at);
    ours.say("2");
    ours.expect_status(
        |line| line.contains("line 2, or one before it") && line.contains("refused"),
        SOON,
    );
    let back = UdpSocket::bind(address).unwrap();
    back.set_read_timeout(Some(SOON)).unwrap();
    for line in ["3", "4", "5"] {
        ours.say(line);
        assert_eq!(hear(&back), line);
    }
    ours.end_stdin();
    assert_eq!(ours.expect_end(SOON).code(), Some(1));
    let summary = ours.lines(Voice::Err).pop().unwrap();
    assert!(
        summary.contains("5 of 5 lines sent") && summary.contains("refused 1 time"),
        "{summary}"
    );
}

#[test]
fn a_pace_without_a_count_goes_on_until_it_is_stopped() {
    for pace in [["--every", "20ms"], ["--rate", "50/s"]] {
        let mut listener = listen(&["--count", "5"]);
        let mut ours = send(listener.address, &[&["tick"], &pace[..]].concat());
        assert_eq!(listener.expect_end(SOON).code(), Some(0));
        ours.signal("INT");
        assert_eq!(ours.expect_end(SOON).code(), Some(130));
    }
}

#[test]
fn lines_are_kept_whole_and_escapes_are_read() {
    let listener = listen(&["--hex"]);
    let mut kept = send(listener.address, &["--framing", "keep", "-"]);
    kept.say("a\r\n\nb");
    kept.end_stdin();
    assert_eq!(kept.expect_end(SOON).code(), Some(0));
    let mut ours = send(listener.address, &["--escapes", r"AT\r\n\x00\\", "--encoding", "gbk"]);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let mut ours = send(listener.address, &["--hex", "ff:ff-0x0a 0b,0c # end"]);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let heard = listener.expect_lines(5, SOON);
    let payloads: Vec<&str> = heard.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(payloads, ["610d0a", "0a", "620a", "41540d0a005c", "ffff0a0b0c"]);
}

/// Without `--wait` nothing is printed, however quick an answer is.
#[test]
fn replies_are_printed_only_where_they_are_waited_for() {
    let services = serve(&["echo:0"]);
    let to = services.at("echo");
    let mut ours = send(to, &["hello", "--count", "20", "--every", "10ms"]);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    assert_eq!(ours.output(), "");
    let mut ours = send(to, &["hello", "--wait", "300ms"]);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    assert_eq!(ours.output(), "hello\n");
}

/// The reply comes from another port, like a TFTP server's.
#[test]
fn a_reply_from_another_port_is_printed_with_its_address() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let [other, stranger] = ["127.0.0.1:0", "127.0.0.2:0"].map(|at| UdpSocket::bind(at).unwrap());
    let mut ours = send(server.local_addr().unwrap(), &["hello", "--wait", "1s"]);
    let (_, from) = server.recv_from(&mut [0; 9]).unwrap();
    stranger.send_to(b"stranger", from).unwrap();
    other.send_to(b"elsewhere", from).unwrap();
    server.send_to(b"here", from).unwrap();
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let elsewhere = other.local_addr().unwrap();
    assert_eq!(ours.lines(Voice::Out), [format!("{elsewhere}: elsewhere"), "here".to_string()]);
    assert!(ours.lines(Voice::Err).concat().contains("another port of 127.0.0.1:"));
}

/// Waits for a datagram reported by `listen --json`.
#[track_caller]
fn expect_json(listener: &Serving, wished: impl Fn(&Value) -> bool) -> Value {
    let line = listener.expect_line(|line| wished(&json(line)), SOON);
    json(&line)
}

/// Like `expect_json`, by the text, with or without a line end.
#[track_caller]
fn expect_text(listener: &Serving, text: &str) -> Value {
    expect_json(listener, |heard| {
        heard["text"].as_str().is_some_and(|heard| heard.trim_end_matches('\n') == text)
    })
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

fn numbers() -> impl Iterator<Item = String> {
    (0..MANY).map(|number| format!("#{number:03}"))
}

fn send_numbers(to: String) {
    let file = scratch(&to);
    fs::write(&file, numbers().map(|number| number + "\n").collect::<String>()).unwrap();
    // The input arrives at once, not at the speed of a pipe.
    let status = Command::new(env!("CARGO_BIN_EXE_pigeon"))
        .args(["send", &to])
        .stdin(Stdio::from(File::open(&file).unwrap()))
        .status()
        .unwrap();
    assert!(status.success());
    fs::remove_file(file).unwrap();
}

#[track_caller]
fn expect_numbers(listener: &mut Serving) {
    let lines = listener.expect_lines(MANY, SOON);
    let heard = lines.iter().map(|line| json(line)["text"].as_str().unwrap().to_string());
    assert!(heard.eq(numbers()), "lost or out of order");
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
}

/// Varied text, so that a lost or duplicated part shows.
fn largest() -> String {
    let text: String = (0..20_000).map(|number| format!("{number},")).collect();
    text[..LARGEST].to_string()
}

#[track_caller]
fn expect_largest(listener: &Serving) {
    let heard = json(&listener.expect_line(|_| true, SOON));
    assert_eq!(heard["len"], LARGEST);
    assert_eq!(heard["truncated"], false);
    assert!(heard["text"] == largest(), "the text was changed");
}

/// A path of this test's own.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// `-4` and `-6` select the family, and `-u` is accepted.
#[test]
fn the_version_of_ip_can_be_chosen() {
    let mut listener = pigeon("pigeon listen", &["listen", "-u", "-6", "0", "--count", "1"]);
    let at = address_in(&listener.expect_status(|line| line.contains("listening on "), SOON));
    assert!(at.is_ipv6(), "{at}");
    let port = at.port().to_string();
    let mut refused = pigeon("pigeon send", &["send", "-4", "::1", &port, "lost"]);
    assert_eq!(refused.expect_end(SOON).code(), Some(2));
    assert!(refused.lines(Voice::Err).concat().contains("not an IPv4 address"));
    let mut sent = pigeon("pigeon send", &["send", "-u", "-6", "::1", &port, "hello"]);
    assert_eq!(sent.expect_end(SOON).code(), Some(0));
    listener.expect_line(|line| line.ends_with(" 5 bytes: hello"), SOON);
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    for (flag, at) in [("-4", "[::1]:0"), ("-6", "127.0.0.1:0")] {
        for command in [&["listen", flag, at][..], &["chat", flag, "--bind", at]] {
            let mut refused = pigeon("of the other family", command);
            assert_eq!(refused.expect_end(SOON).code(), Some(2));
            assert!(refused.lines(Voice::Err).concat().contains("is not an IPv"));
        }
    }
    let mut old = pigeon("pigeon listen", &["listen", "-4", "0", "--for", "100ms"]);
    let at = address_in(&old.expect_status(|line| line.contains("listening on "), SOON));
    assert_eq!(at.ip().to_string(), "0.0.0.0");
    assert_eq!(old.expect_end(SOON).code(), Some(1));
}

#[test]
fn a_hexdump_is_what_xxd_shows() {
    if !installed("xxd") {
        return;
    }
    let mut listener = listen(&["--hexdump", "--count", "3"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let all: Vec<u8> = (0..=255).collect();
    let mut expected = Vec::new();
    for payload in [&all[..], b"", b"odd"] {
        socket.send_to(payload, listener.address).unwrap();
        let mut xxd = Command::new("xxd");
        let mut xxd = xxd.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        xxd.stdin.take().unwrap().write_all(payload).unwrap();
        let output = xxd.wait_with_output().unwrap().stdout;
        let lines = String::from_utf8(output).unwrap();
        expected.push(format!("{} bytes:", payload.len()));
        expected.extend(lines.lines().map(String::from));
    }
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    let lines = listener.lines(Voice::Out);
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.ends_with(expected), "{line:?} {expected:?}");
    }
    let mut wrong = pigeon("pigeon listen", &["listen", "0", "--hexdump", "--json"]);
    assert_eq!(wrong.expect_end(SOON).code(), Some(2));
}
