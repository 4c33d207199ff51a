//! `pigeon chat` with other programs, and with itself.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use serde_json::Value;

use crate::book::Book;
use crate::peers::{address_of, client, hex, installed, listener, python, python_to};
use crate::pigeon::address_in;
use crate::ports::ClosedPort;
use crate::process::{Process, SOON, Voice, hears_hangup};

/// A chat with these contacts, and its address.
fn chat(book: &Book, args: &[&str]) -> (Process, SocketAddr) {
    let args = [&["chat", "--bind", "127.0.0.1:0", "--wait", "100ms"], args].concat();
    let chat = book.pigeon("pigeon chat", &args);
    let line = chat.expect_status(|line| line.starts_with("listening on "), SOON);
    (chat, address_in(&line))
}

fn add(book: &Book, name: &str, at: SocketAddr, encoding: &str) {
    let args = ["contacts", "add", name, &at.to_string(), "--encoding", encoding];
    assert_eq!(book.ended(&args).0, Some(0));
}

/// Waits for a chat line with this text after the time.
#[track_caller]
fn expect_said(chat: &Process, said: &str) {
    let line = chat.expect_line(|line| line.ends_with(&format!("] {said}")), SOON);
    // [2026-11-20 21:04:05]
    let time = line.split_once("] ").unwrap().0;
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "[9999-99-99 99:99:99", "{line}");
}

#[test]
fn a_strict_gb2312_program_is_talked_with_by_name() {
    if !installed("python3") {
        return;
    }
    let theirs = python("size_server.py", &["--encoding", "gb2312"]);
    let at = address_of(&theirs);
    let book = Book::new();
    add(&book, "狗哥", at, "gb2312");
    let (mut chat, _) = chat(&book, &["狗哥"]);
    chat.expect_status(
        |line| line == format!("what you type goes to 狗哥 ({at}), in gb2312"),
        SOON,
    );
    chat.say("你好");
    theirs.expect_line(|line| line == "你好", SOON);
    expect_said(&chat, &format!("狗哥 ({at}): 收到:你好"));
    // Not a single byte of the unencodable text is sent.
    chat.say("镕");
    chat.expect_status(|line| line.starts_with("not sent: ") && line.contains('镕'), SOON);
    chat.say("再见");
    expect_said(&chat, &format!("狗哥 ({at}): 收到:再见"));
    chat.end_stdin();
    // The exit status shows that something was not sent.
    assert_eq!(chat.expect_end(SOON).code(), Some(1));
}

#[test]
fn a_program_that_answers_by_hand_gets_its_time() {
    if !installed("python3") {
        return;
    }
    let mut theirs = python("hand_server.py", &[]);
    let at = address_of(&theirs).to_string();
    let (mut chat, ours) = chat(&Book::new(), &[&at]);
    // All three lines are entered before the first is answered.
    chat.say("one\ntwo\nthree");
    for (word, answer) in [("one", "一"), ("two", "二"), ("three", "三")] {
        theirs.expect_line(|line| line == format!("{ours} {word}"), SOON);
        theirs.say(answer);
        expect_said(&chat, &format!("{at}: {answer}"));
    }
    chat.end_stdin();
    assert_eq!(chat.expect_end(SOON).code(), Some(0));
}

#[test]
fn nc_talks_and_is_answered_both_ways() {
    if !installed("nc") {
        return;
    }
    // The peer writes first.
    let (mut chat, ours) = chat(&Book::new(), &[]);
    let mut nc = client("nc", ours);
    nc.say("hello from nc");
    chat.expect_status(|line| line.starts_with("what you type goes to 127.0.0.1:"), SOON);
    chat.expect_line(|line| line.ends_with(": hello from nc"), SOON);
    chat.say("你好, nc");
    nc.expect_output("你好, nc", SOON);
    // We write first.
    let (mut nc, at) = listener("nc");
    chat.say(&format!("/to {at}"));
    chat.say("and you?");
    nc.expect_output("and you?", SOON);
    nc.say("fine");
    expect_said(&chat, &format!("{at}: fine"));
}

#[test]
fn two_pigeons_and_a_third_talk_and_leave() {
    let book = Book::new();
    let (mut ada, ada_at) = chat(&book, &[]);
    add(&book, "ada", ada_at, "utf-8");
    let (mut bob, bob_at) = chat(&book, &["ada"]);
    let (mut eve, eve_at) = chat(&book, &[&ada_at.to_string()]);
    bob.say("hi, I am bob\n//me waves\n\n   ");
    expect_said(&ada, &format!("{bob_at}: hi, I am bob"));
    expect_said(&ada, &format!("{bob_at}: /me waves"));
    eve.say("and I am eve");
    expect_said(&ada, &format!("{eve_at}: and I am eve"));
    ada.expect_status(|line| line == format!("{eve_at} writes; /to 2 answers"), SOON);
    ada.say("hello bob");
    expect_said(&bob, &format!("ada ({ada_at}): hello bob"));
    ada.say("/to 2\nhello eve");
    expect_said(&eve, &format!("ada ({ada_at}): hello eve"));
    ada.say("/list");
    ada.expect_status(|line| line == format!("  1  {bob_at}  utf-8"), SOON);
    ada.expect_status(|line| line == format!("* 2  {eve_at}  utf-8"), SOON);
    // An empty line is not sent, and no peer got another's message.
    assert_eq!((ada.lines(Voice::Out).len(), bob.lines(Voice::Out).len()), (3, 1));

    ada.say("quit\nto nobody");
    ada.expect_status(|line| line.starts_with(&format!("left {eve_at}; quit again")), SOON);
    ada.expect_status(|line| line.starts_with("not sent: nobody is chosen"), SOON);
    ada.say("quit");
    assert_eq!(ada.expect_end(SOON).code(), Some(1));
    bob.say("quit\nquit");
    assert_eq!(bob.expect_end(SOON).code(), Some(0));
    assert_eq!(eve.lines(Voice::Out).len(), 1);
}

#[test]
fn a_refused_peer_is_marked_and_the_chat_goes_on() {
    let closed = ClosedPort::new();
    let dead = closed.at();
    let book = Book::new();
    add(&book, "狗哥", dead, "utf-8");
    let (friend, friend_at) = chat(&book, &[]);
    // A dual-stack socket, the default.
    let mut chat = book.pigeon("pigeon chat", &["chat", "狗哥", "--wait", "100ms"]);
    chat.say("hello?");
    let refused = format!("狗哥 ({dead}) refused: nobody listens there; the message was lost");
    chat.expect_status(|line| line == refused, SOON);
    chat.say(&format!("/list\n/to {friend_at}\nare you there?"));
    chat.expect_status(|line| line == format!("* 1  狗哥 ({dead})  utf-8, refused"), SOON);
    friend.expect_line(|line| line.ends_with(": are you there?"), SOON);
    chat.end_stdin();
    assert_eq!(chat.expect_end(SOON).code(), Some(1));
}

#[test]
fn an_unknown_contact_is_told_with_the_nearest() {
    let book = Book::saying("\"狗哥\" = \"127.0.0.1:9\"\n");
    let (code, process) = book.ended(&["chat", "狗歌"]);
    let said = process.lines(Voice::Err);
    assert_eq!(code, Some(2));
    assert!(said[0].contains("there is no contact 狗歌; did you mean 狗哥?"), "{said:?}");
    // The chat corrects names, too, and knows contacts added meanwhile.
    let (mut chat, ours) = chat(&book, &["狗哥"]);
    chat.say("/to 狗歌");
    chat.expect_status(|line| line.contains("did you mean 狗哥?"), SOON);
    add(&book, "镜子", ours, "utf-8");
    chat.say("/to 镜子\nme");
    expect_said(&chat, &format!("镜子 ({ours}): me"));
}

#[test]
fn auto_answers_in_kind_and_json_is_json() {
    if !installed("python3") {
        return;
    }
    let book = Book::new();
    let (mut chat, ours) = chat(&book, &["--encoding", "auto", "--json"]);
    let mut peer = python_to("hex_peer.py", ours, &[]);
    peer.say("c4e3bac3");
    let line = chat.expect_lines(1, SOON).remove(0);
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&object["text"], &object["len"]), (&"你好".into(), &4.into()));
    assert_eq!(object["to"], ours.to_string());
    chat.say("你好");
    peer.expect_line(|line| line.ends_with(" c4e3bac3"), SOON);
    peer.say(&hex("\x1b[2J好".as_bytes()));
    let line = chat.expect_lines(2, SOON).remove(1);
    assert!(!line.contains('\x1b') && line.contains(r"\u001b"), "{line}");
}

#[test]
fn strangers_beyond_the_networks_are_not_heard_but_friends_are() {
    let (mut chat, ours) = chat(&Book::new(), &["--from", "10.0.0.0/8"]);
    let [stranger, friend] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let at = friend.local_addr().unwrap();
    chat.say(&format!("/to {at}\nhello"));
    friend.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(crate::process::uninterrupted(|| friend.recv(&mut [0; 9])).unwrap(), 5);
    stranger.send_to(b"buy this", ours).unwrap();
    friend.send_to(b"hi", ours).unwrap();
    expect_said(&chat, &format!("{at}: hi"));
    chat.end_stdin();
    assert_eq!(chat.expect_end(SOON).code(), Some(0));
    assert_eq!(chat.lines(Voice::Out).len(), 1);
    let notes = chat.lines(Voice::Err);
    assert!(notes.contains(&"messages from other networks not shown: 1".to_string()), "{notes:?}");
}

#[test]
fn what_would_move_a_terminal_is_shown_as_text() {
    let (chat, ours) = chat(&Book::new(), &[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = peer.local_addr().unwrap();
    peer.send_to("\x1b]0;owned\x07 a\u{202e}b\r\nforged\r\n".as_bytes(), ours).unwrap();
    expect_said(&chat, &format!(r"{at}: \x1b]0;owned\x07 a\u{{202e}}b\r\nforged"));
}

#[test]
fn no_terminal_at_all_is_none_needed() {
    let (friend, at) = chat(&Book::new(), &[]);
    let book = Book::new();
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_pigeon"), "chat", &at.to_string()]);
    command.args(["--wait", "100ms"]).env("PIGEON_CONTACTS", book.path());
    command.env_remove("TERM").env_remove("HOME");
    let mut lone = Process::spawn("lone chat", &mut command);
    lone.say("hello");
    friend.expect_line(|line| line.ends_with(": hello"), SOON);
    lone.end_stdin();
    assert_eq!(lone.expect_end(SOON).code(), Some(0));
}

#[test]
fn a_signal_ends_it_and_the_status_says_which() {
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        if signal == "HUP" && !hears_hangup() {
            continue;
        }
        let (mut chat, _) = chat(&Book::new(), &[]);
        chat.signal(signal);
        assert_eq!(chat.expect_end(SOON).code(), Some(status), "SIG{signal}");
    }
}
