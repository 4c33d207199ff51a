//! Texts in other encodings, with Python programs that decode strictly.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::peers::{address_of, hex, installed, python, python_to};
use crate::pigeon::{listen, pigeon, send};
use crate::process::{Process, SOON, Voice};

/// 你好 in GB2312.
const HELLO: &str = "c4e3bac3";

#[test]
fn gb2312_is_sent_to_a_strict_server_and_its_reply_shown() {
    let Some((theirs, at)) = strict("gb2312") else { return };
    let mut ours = send(at, &["你好,A队!", "--encoding", "gb2312", "--wait", "4s"]);
    theirs.expect_line(|line| line == "你好,A队!", SOON);
    ours.expect_line(|line| line == "收到:你好,A队!", SOON);
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
}

#[test]
fn lines_of_stdin_are_sent_in_gb2312() {
    let Some((theirs, at)) = strict("gb2312") else { return };
    let mut ours = send(at, &["--encoding", "gb2312"]);
    ours.say("你好\n再见");
    ours.end_stdin();
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    assert_eq!(theirs.expect_lines(3, SOON)[1..], ["你好", "再见"]);
}

#[test]
fn other_encodings_reach_strict_servers_too() {
    for (ours, theirs, text) in [
        ("gbk", "gbk", "镕€"),
        ("gb18030", "gb18030", "😀好"),
        ("big5", "big5", "你好"),
        ("shift_jis", "shift_jis", "こんにちは"),
        ("euc-kr", "euc_kr", "안녕"),
        ("utf-16le", "utf-16-le", "你好😀"),
    ] {
        let Some((server, at)) = strict(theirs) else { return };
        // Not every encoding can express the reply, so only the received text is compared; gbk has
        // two forms of the euro.
        let text = if ours == "gbk" { "镕" } else { text };
        let sent = ended(send(at, &[text, "--encoding", ours]));
        assert_eq!(sent.0, Some(0), "{ours}");
        server.expect_line(|line| line == text, SOON);
    }
}

#[test]
fn gb2312_is_heard() {
    if !installed("python3") {
        return;
    }
    let lines = listen(&["--encoding", "gb2312"]);
    let objects = listen(&["--encoding", "gb2312", "--json"]);
    for listener in [&lines, &objects] {
        let mut peer = python_to("hex_peer.py", listener.address, &[]);
        peer.say(HELLO);
        listener.expect_lines(1, SOON);
        // Invalid GB2312 is shown as escapes, and does not end the program.
        peer.say("ff");
        listener.expect_lines(2, SOON);
        peer.say(HELLO);
        listener.expect_lines(3, SOON);
    }
    let heard = lines.lines(Voice::Out);
    assert!(heard[0].ends_with(" 4 bytes: 你好"), "{heard:?}");
    assert!(heard[1].ends_with(" 1 byte: \\xff"), "{heard:?}");
    assert!(heard[2].ends_with(": 你好"), "{heard:?}");
    let heard: Vec<Value> =
        objects.lines(Voice::Out).iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&heard[0]["text"], &heard[0]["len"]), (&"你好".into(), &4.into()));
    assert_eq!((&heard[1]["text"], &heard[1]["base64"]), (&Value::Null, &"/w==".into()));
}

#[test]
fn auto_hears_both_and_answers_in_what_the_peer_last_used() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&["--encoding", "auto"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    for bytes in [HELLO.to_string(), hex("你好".as_bytes()), HELLO.to_string()] {
        peer.say(&bytes);
    }
    let heard = listener.expect_lines(3, SOON);
    assert!(heard.iter().all(|line| line.ends_with(": 你好")), "{heard:?}");

    let mut theirs = python("hex_peer.py", &[]);
    let at = address_of(&theirs);
    let mut ours = send(at, &["--encoding", "auto", "--wait", "4s"]);
    let mut expected = Vec::new();
    for (text, theirs_in, ours_in) in [
        ("你好", HELLO.to_string(), hex("你好".as_bytes())),
        ("你好", hex("再见".as_bytes()), HELLO.to_string()),
        ("你好", HELLO.to_string(), hex("你好".as_bytes())),
    ] {
        ours.say(text);
        expected.push(ours_in);
        let lines = theirs.expect_lines(1 + expected.len(), SOON);
        let last = lines.last().unwrap();
        assert!(last.ends_with(expected.last().unwrap()), "{last}, not {expected:?}");
        theirs.say(&theirs_in);
        ours.expect_lines(expected.len(), SOON);
    }
    assert_eq!(ours.lines(Voice::Out), ["你好", "再见", "你好"]);
}

/// A datagram may be cut anywhere: only the cut character is escaped.
#[test]
fn auto_reads_cut_utf8_as_what_it_is() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&["--encoding", "auto"]);
    let mut peer = python_to("hex_peer.py", listener.address, &[]);
    let _ = address_of(&peer);
    let text = "今天天气很好".as_bytes();
    for bytes in [&text[..17], &text[1..], text, &text[..2], b"\xbd\xf1\xcc\xec"] {
        peer.say(&hex(bytes));
    }
    let heard = listener.expect_lines(5, SOON);
    let texts: Vec<&str> = heard.iter().map(|line| line.rsplit(": ").next().unwrap()).collect();
    assert_eq!(
        texts,
        [r"今天天气很\xe5\xa5", r"\xbb\x8a天天气很好", "今天天气很好", r"\xe4\xbb", "今天"]
    );
}

#[test]
fn input_that_is_no_utf8_is_told_the_way_out() {
    let listener = listen(&["--encoding", "gbk", "--count", "1"]);
    let to = listener.address.to_string();
    let pigeon = env!("CARGO_BIN_EXE_pigeon");
    for (encoding, code) in [("gbk", 1), ("utf-8", 0)] {
        let script =
            format!(r"printf '\304\343\272\303' | '{pigeon}' send {to} --encoding {encoding}");
        let (ended, ours) = ended(Process::spawn("sh", Command::new("sh").args(["-c", &script])));
        assert_eq!(ended, Some(code));
        let told = ours.lines(Voice::Err).concat();
        assert_eq!(told.contains("seems to be gbk already; `--encoding utf-8` sends"), code == 1);
    }
    listener.expect_line(|line| line.ends_with(": 你好"), SOON);
}

#[test]
fn a_character_that_the_encoding_lacks_is_named_and_nothing_is_sent() {
    let Some((theirs, at)) = strict("gb2312") else { return };
    // GBK has 镕, but GB2312 does not; nor the euro, which the WHATWG's table would accept.
    for character in ["镕", "€", "😀"] {
        for command in ["send", "ask"] {
            let text = format!("你好{character}");
            let args = [command, &at.to_string(), &text, "--encoding", "gb2312"];
            let (code, ours) = ended(pigeon(&format!("pigeon {command}"), &args));
            let note = ours.lines(Voice::Err).concat();
            assert!(note.contains(character), "{note}");
            assert!(matches!(code, Some(1 | 2)), "{code:?}");
        }
    }
    // Anything sent before would appear in front of this.
    assert_eq!(ended(send(at, &["完", "--encoding", "gb2312"])).0, Some(0));
    assert_eq!(theirs.expect_lines(2, SOON)[1..], ["完"]);
}

/// A strict server and its address; `None` without Python.
fn strict(encoding: &str) -> Option<(Process, SocketAddr)> {
    installed("python3").then(|| {
        let server = python("size_server.py", &["--encoding", encoding]);
        let address = address_of(&server);
        (server, address)
    })
}

#[track_caller]
fn ended(mut process: Process) -> (Option<i32>, Process) {
    let status = process.expect_end(SOON);
    (status.code(), process)
}
