//! A stranger's bytes never reach a terminal unescaped, in any of our programs.

use crate::peers::{address_of, hex, installed, python, python_to};
use crate::pigeon::{hub, join_nameless, listen, send};
use crate::process::{Process, SOON, Voice, wait_until};

/// A colour, an 8-bit CSI, and reversed text.
const HOSTILE: &str = "\x1b[31mred \u{9b}2J \u{202e}txt.exe";

/// Its escaped form. Upper-casing by a hub leaves the relevant characters unchanged.
const SHOWN: &str = r"\x1b[31";

#[test]
fn escape_sequences_are_shown_as_text_in_every_format() {
    if !installed("python3") {
        return;
    }
    for format in ["chat", "classic", "raw"] {
        let hub = hub(&["--format", format, "--messages", "on"]);
        let ada = join_nameless(hub.address);
        let mut stranger = python_to("hex_peer.py", hub.address, &[]);
        stranger.say(&hex(HOSTILE.as_bytes()));
        stranger.say(&hex(format!("/nick {HOSTILE}").as_bytes()));
        stranger.say(&hex(b"that is all"));
        let last = |line: &str| line.to_ascii_lowercase().contains("that is all");
        ada.expect_line(last, SOON);
        assert!(ada.output().contains(SHOWN), "{format}: it was not shown at all");
        wait_until("the hub shows the message", || {
            let shows = |voice| hub.lines(voice).iter().any(|line| line.contains(SHOWN));
            (shows(Voice::Out) || shows(Voice::Err)).then_some(())
        });
        assert_nothing_raw(&ada);
        assert_nothing_raw(&hub);
    }
}

#[test]
fn listen_shows_escape_sequences_as_text() {
    if !installed("python3") {
        return;
    }
    let listener = listen(&[]);
    let mut stranger = python_to("hex_peer.py", listener.address, &[]);
    stranger.say(&hex(HOSTILE.as_bytes()));
    listener.expect_line(|line| line.contains(SHOWN), SOON);
    assert_nothing_raw(&listener);
}

#[test]
fn send_shows_a_reply_with_escape_sequences_as_text() {
    if !installed("python3") {
        return;
    }
    let mut stranger = python("hex_peer.py", &[]);
    let sender = send(address_of(&stranger), &["hello", "--wait", "5s"]);
    stranger.expect_line(|line| line.ends_with(&hex(b"hello")), SOON);
    stranger.say(&hex(HOSTILE.as_bytes()));
    sender.expect_line(|line| line.contains(SHOWN), SOON);
    assert_nothing_raw(&sender);
}

#[track_caller]
fn assert_nothing_raw(process: &Process) {
    for voice in [Voice::Out, Voice::Err] {
        let bytes = process.bytes(voice);
        assert!(!bytes.contains(&0x1b), "{} let an ESC through", process.name());
        let text = String::from_utf8_lossy(&bytes);
        let raw = text.chars().find(|&c| c == '\u{9b}' || c == '\u{202e}');
        assert_eq!(raw, None, "{} let a control character through", process.name());
    }
}
