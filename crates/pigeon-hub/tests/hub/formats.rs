//! Members' datagrams in each format, byte for byte.

use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{Harness, Sent, address, bytes_got, got, local};

/// A second member's datagrams when a first one sends `bytes`.
fn relayed(format: pigeon_proto::Format, bytes: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let (speaker, listener) = (local(5001), local(5002));
    let mut h = Harness::with_members(format, &[speaker, listener]);
    let sent = h.from(speaker, bytes);
    bytes_got(&sent, listener).into_iter().map(<[u8]>::to_vec).collect()
}

fn chat_shows(text: impl AsRef<[u8]>, shown: &str) {
    let text = text.as_ref();
    let line = format!("127.0.0.1:5001: {shown}\n").into_bytes();
    assert_eq!(relayed(Chat, text), [line], "{:?}", text.escape_ascii().to_string());
}

/// The ports of all recipients, sorted.
fn reached(sent: &[Sent]) -> Vec<u16> {
    let mut ports: Vec<u16> = sent.iter().map(|(to, _)| to.port()).collect();
    ports.sort_unstable();
    ports
}

// The chat format.

#[test]
fn a_chat_line_goes_to_everyone_the_sender_included() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    let sent = h.from(local(5002), "hello");
    assert_eq!(reached(&sent), [5001, 5002, 5003]);
    assert!(sent.iter().all(|(_, bytes)| bytes == b"127.0.0.1:5002: hello\n"));
}

#[test]
fn a_first_message_makes_its_sender_a_member_and_comes_back_to_it() {
    let mut h = Harness::chat();
    assert_eq!(h.from(local(5001), "hello"), [(local(5001), b"127.0.0.1:5001: hello\n".to_vec())]);
}

#[test]
fn a_chat_line_names_an_ipv6_sender_in_brackets() {
    for sender in ["[::1]:5001", "[fd00::7]:9"] {
        let mut h = Harness::chat();
        let sent = h.from(address(sender), "hi");
        assert_eq!(got(&sent, address(sender)), [format!("{sender}: hi\n")]);
    }
}

#[test]
fn a_chat_line_bears_the_name_that_was_chosen() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/nick 狗哥");
    assert_eq!(got(&h.from(local(5001), "你好"), local(5001)), ["狗哥: 你好\n"]);
}

#[test]
fn chat_trims_ascii_white_space_at_both_ends_and_nowhere_else() {
    chat_shows("hello\n", "hello");
    chat_shows("hello\r\n", "hello");
    chat_shows(" \t\r\n hello  there \n\n", "hello  there");
    // Other scripts' white space counts as text.
    chat_shows("\u{3000}hello\u{3000}", "\u{3000}hello\u{3000}");
}

#[test]
fn ordinary_text_of_any_script_passes_untouched() {
    for text in ["naïve café", "你好，世界", "👩‍🚀 ❤️", "tiếng Việt", "a\\b", "100%"]
    {
        chat_shows(text, text);
    }
}

#[test]
fn what_is_no_utf8_is_shown_as_escapes_and_never_lost() {
    chat_shows(b"\xc4\xe3\xba\xc3", r"\xc4\xe3\xba\xc3");
    chat_shows(b"a\xffb", r"a\xffb");
    // A character cut in half, at either end.
    chat_shows(&"你好".as_bytes()[..5], r"你\xe5\xa5");
    chat_shows(&"你好".as_bytes()[1..], r"\xbd\xa0好");
    chat_shows(b"\xc0\xaf\xed\xa0\x80", r"\xc0\xaf\xed\xa0\x80");
}

#[test]
fn what_would_move_a_terminal_is_shown_as_escapes() {
    chat_shows("\x1b[31mred\x07", r"\x1b[31mred\x07");
    chat_shows("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b");
    chat_shows("nul\0del\x7fback\x08.", r"nul\x00del\x7fback\x08.");
    chat_shows("\u{9b}31m", r"\u{9b}31m");
    chat_shows("abc\u{202e}fed\u{200b}.", r"abc\u{202e}fed\u{200b}.");
    chat_shows("\u{e000}\u{2066}x", r"\u{e000}\u{2066}x");
}

#[test]
fn a_message_of_several_lines_is_one_line() {
    chat_shows("one\ntwo\r\nthree\ttab", r"one\ntwo\r\nthree\ttab");
    chat_shows("one\u{2028}two\u{2029}three\u{85}four\x0cfive\x0b.", {
        r"one\u{2028}two\u{2029}three\u{85}four\x0cfive\x0b."
    });
}

#[test]
fn nobody_can_forge_a_notice_or_another_ones_line() {
    let attempts = [
        "* 127.0.0.1:5002 left",
        "\n* 127.0.0.1:5002 left",
        "x\n* 127.0.0.1:5002 left",
        "x\r* 127.0.0.1:5002 left",
        "x\u{85}* 127.0.0.1:5002 left",
        "x\u{2028}* 127.0.0.1:5002 left",
        "x\x0b* left",
        "127.0.0.1:5002: I said that",
        "x\n127.0.0.1:5002: I said that",
        "x\r\x1b[2K127.0.0.1:5002: I said that",
        "hub: leave at once",
        "\x08\x08\x08\x08hub: leave at once",
        "Bye!",
    ];
    for attempt in attempts {
        let lines = relayed(Chat, attempt);
        assert_eq!(lines.len(), 1, "{attempt:?}");
        let line = String::from_utf8(lines[0].clone()).unwrap();
        assert!(line.starts_with("127.0.0.1:5001: "), "{line:?}");
        let text = line.strip_suffix('\n').expect("a line ends");
        assert!(!text.contains(|c: char| c.is_control()), "{line:?}");
        assert!(!text.contains(['\u{2028}', '\u{2029}']), "{line:?}");
    }
}

#[test]
fn the_operator_speaks_as_hub() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let sent = h.say("lunch at noon");
    assert_eq!(reached(&sent), [5001, 5002]);
    assert!(sent.iter().all(|(_, bytes)| bytes == b"hub: lunch at noon\n"));
    assert_eq!(got(&h.say("one\ntwo\x1b[m"), local(5001)), ["hub: one\\ntwo\\x1b[m\n"]);
}

#[test]
fn an_empty_word_of_the_operator_does_not_shift_what_stands_beside_it() {
    // In the raw format the line is an empty datagram, which cannot be part of a train.
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    h.hear(local(5001), "x");
    h.hub.say("").unwrap();
    h.hub.say("").unwrap();
    h.hear(local(5001), "y");
    assert_eq!(got(&h.drain(), local(5002)), ["x", "", "", "y"]);
}

// The classic format.

#[test]
fn classic_acknowledges_in_capitals_to_everyone_and_adds_no_newline() {
    let mut h = Harness::with_members(Classic, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), "hello, World 7");
    assert_eq!(reached(&sent), [5001, 5002]);
    assert!(sent.iter().all(|(_, bytes)| bytes == b"Ack HELLO, WORLD 7. from 127.0.0.1:5001"));
}

#[test]
fn classic_raises_ascii_letters_only() {
    let expected = "Ack NAïVE CAFé ß 你好. from 127.0.0.1:5001".as_bytes();
    assert_eq!(relayed(Classic, "naïve café ß 你好"), [expected]);
}

#[test]
fn classic_trims_what_it_acknowledges() {
    assert_eq!(relayed(Classic, " \t hi \r\n"), [b"Ack HI. from 127.0.0.1:5001"]);
}

#[test]
fn classic_names_the_address_whatever_its_owner_is_called() {
    let mut h = Harness::with_members(Classic, &[local(5001)]);
    h.from(local(5001), "/nick 狗哥");
    assert_eq!(got(&h.from(local(5001), "hi"), local(5001)), ["Ack HI. from 127.0.0.1:5001"]);
    let v6 = address("[fd00::7]:9");
    assert_eq!(got(&h.from(v6, "hi"), v6), ["Ack HI. from [fd00::7]:9"]);
}

#[test]
fn classic_passes_bytes_of_other_encodings_on() {
    // 你好 in GB2312, as sent by the tutorials' Windows programs.
    let expected = b"Ack \xc4\xe3\xba\xc3. from 127.0.0.1:5001";
    assert_eq!(relayed(Classic, b"\xc4\xe3\xba\xc3"), [expected]);
}

// The raw format.

#[test]
fn raw_goes_untouched_to_everyone_but_its_sender() {
    let payloads: [&[u8]; 9] = [
        b"hello",
        b" \t hello \r\n",
        b"\x00\x01\xff\xfe",
        b"one\ntwo",
        b"\x1b[31m",
        b" ",
        b"\n",
        b"quit now",
        b"^hb^x",
    ];
    for payload in payloads {
        let mut h = Harness::with_members(Raw, &[local(5001), local(5002), local(5003)]);
        let sent = h.from(local(5002), payload);
        assert_eq!(reached(&sent), [5001, 5003], "{:?}", payload.escape_ascii().to_string());
        assert!(sent.iter().all(|(_, bytes)| bytes == payload));
    }
}

#[test]
fn raw_passes_commands_through() {
    for payload in ["/who", "/nick x", "/help", "/", "/nonsense"] {
        assert_eq!(relayed(Raw, payload), [payload.as_bytes()]);
        let mut h = Harness::with_members(Raw, &[local(5001)]);
        assert_eq!(h.from(local(5001), payload), []);
    }
}

#[test]
fn raw_recognises_heartbeats_replies_and_quit_with_white_space_around_them() {
    for payload in [" ^hb^\n", "^hb^ pigeon/1 3 0\n", " quit\r\n", "quit"] {
        assert_eq!(relayed(Raw, payload), [b""; 0], "{payload:?}");
    }
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    h.from(local(5001), " quit\r\n");
    assert!(!h.is_member(local(5001)) && h.is_member(local(5002)));
}

#[test]
fn raw_carries_the_largest_datagram() {
    let payload = vec![0xa5; 65_507];
    let mut h = Harness::new(pigeon_hub::Config {
        max_text: Some(usize::MAX),
        ..pigeon_hub::Config::of(Raw)
    });
    h.join(&[local(5001), local(5002)]);
    assert_eq!(bytes_got(&h.from(local(5001), &payload), local(5002)), [&payload[..]]);
}

// All formats.

#[test]
fn an_empty_datagram_is_told_to_nobody() {
    for format in crate::harness::FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        assert_eq!(h.from(local(5001), ""), [], "{format:?}");
    }
    for format in [Chat, Classic] {
        assert_eq!(relayed(format, " \r\n\t "), [b""; 0], "{format:?}");
    }
}

#[test]
fn quit_and_heartbeats_are_words_of_their_own() {
    // Only the exact words have a meaning; longer texts that contain them are messages.
    for text in ["quitter", "quit now", "I quit", "QUIT", "^hb^^hb^", "^hb^x", "a ^hb^ b", "^HB^"] {
        chat_shows(text, text);
    }
}
