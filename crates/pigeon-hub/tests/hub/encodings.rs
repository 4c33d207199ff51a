//! Members of one room with different encodings: each gets every line in its own.

use pigeon_hub::{Config, Dropped};
use pigeon_proto::Format::{Chat, Classic};
use pigeon_proto::Language;

use crate::harness::{Harness, SECOND, Sent, bytes_got, got, heartbeat, local, told};

const UTF_8: u16 = 5001;
const GBK: u16 = 5002;
const BIG5: u16 = 5003;
const GB2312: u16 = 5004;

/// A room with one reader of each encoding.
fn mixed(format: pigeon_proto::Format) -> Harness {
    let ports = [(UTF_8, ""), (GBK, "gbk"), (BIG5, "big5"), (GB2312, "gb2312")];
    let mut h = Harness::with_members(format, &ports.map(|(port, _)| local(port)));
    for (port, label) in ports.into_iter().filter(|(_, label)| !label.is_empty()) {
        let answer = told(&h.from(local(port), format!("/encoding {label}")), local(port));
        assert!(answer.len() == 1 && answer[0].contains(label), "{answer:?}");
    }
    h.wait(2 * SECOND);
    h
}

/// A line with `from: ` in front and a newline at the end.
fn line(from: u16, text: &[u8]) -> Vec<u8> {
    [format!("127.0.0.1:{from}: ").as_bytes(), text, b"\n"].concat()
}

fn assert_all_get(h: &mut Harness, from: u16, sends: &[u8], expected: [&[u8]; 4]) {
    let sent = h.from(local(from), sends);
    for (port, bytes) in [UTF_8, GBK, BIG5, GB2312].into_iter().zip(expected) {
        assert_eq!(bytes_got(&sent, local(port)), [line(from, bytes)], "{port}");
    }
}

#[test]
fn everyone_gets_what_it_reads_byte_for_byte() {
    let hello: [&[u8]; 4] =
        ["你好".as_bytes(), b"\xc4\xe3\xba\xc3", b"\xa7\x41\xa6\x6e", b"\xc4\xe3\xba\xc3"];
    let mut h = mixed(Chat);
    for (from, sends) in [UTF_8, GBK, BIG5, GB2312].into_iter().zip(hello) {
        assert_all_get(&mut h, from, sends, hello);
    }
    let ascii: [&[u8]; 4] = [b"plain ASCII"; 4];
    assert_all_get(&mut h, BIG5, b"plain ASCII", ascii);
}

#[test]
fn what_an_encoding_cannot_show_is_replaced_visibly_and_others_get_it_whole() {
    let mut h = mixed(Chat);
    let sends = "狗😀!".as_bytes();
    let gb = b"\xb9\xb7\\u{1f600}!";
    assert_all_get(&mut h, UTF_8, sends, [sends, gb, b"\xaa\xaf\\u{1f600}!", gb]);
    // The character is in GBK, but neither in GB2312 nor in Big5.
    let sends = "镕".as_bytes();
    assert_all_get(&mut h, UTF_8, sends, [sends, b"\xe9\x46", b"\\u{9555}", b"\\u{9555}"]);
}

#[test]
fn what_does_not_decode_is_shown_and_never_lost() {
    let mut h = mixed(Chat);
    h.from(local(UTF_8), b"that it is not UTF-8 is said once: \xff");
    let shown = [b"a\\xffb".as_slice(); 4];
    assert_all_get(&mut h, GBK, b"a\xffb", shown);
    assert_all_get(&mut h, UTF_8, b"a\xffb", shown);
}

#[test]
fn bytes_that_look_like_ascii_inside_a_character_mean_nothing() {
    // The second byte of these Big5 and GBK characters is a backslash, a bar, or next to a slash.
    let mut h = mixed(Chat);
    for text in ["功", "許", "誠", "閱"] {
        let sent = h.from(local(UTF_8), text);
        let big5 = bytes_got(&sent, local(BIG5)).concat();
        let body = big5.strip_prefix(b"127.0.0.1:5001: ").unwrap().strip_suffix(b"\n").unwrap();
        assert_eq!(body.len(), 2, "{text}");
        let back = h.from(local(BIG5), body);
        assert_eq!(got(&back, local(UTF_8)), [format!("127.0.0.1:5003: {text}\n")]);
    }
}

#[test]
fn a_batch_arrives_whole_and_in_order_in_every_encoding() {
    let mut h = mixed(Chat);
    let texts = ["你", "ab", "好好", "x", "😀", "你", "你"];
    for (n, text) in texts.into_iter().cycle().take(100).enumerate() {
        h.hear(local(UTF_8), format!("{n} {text}"));
    }
    let sent = h.drain();
    let gbk = bytes_got(&sent, local(GBK));
    assert_eq!(gbk.len(), 100);
    let expected = |n: usize| match texts[n % 7] {
        "你" => b"\xc4\xe3".to_vec(),
        "好好" => b"\xba\xc3\xba\xc3".to_vec(),
        "😀" => b"\\u{1f600}".to_vec(),
        ascii => ascii.as_bytes().to_vec(),
    };
    for (n, bytes) in gbk.into_iter().enumerate() {
        assert_eq!(bytes, line(UTF_8, &[format!("{n} ").as_bytes(), &expected(n)].concat()));
    }
    assert_eq!(got(&sent, local(UTF_8)).len(), 100);
}

#[test]
fn names_notices_and_answers_are_encoded_too() {
    let mut h = mixed(Chat);
    let answer = bytes_got(&h.from(local(GBK), b"/nick \xb9\xb7\xb8\xe7"), local(GBK)).concat();
    assert!(answer.starts_with(b"* you are \xb9\xb7\xb8\xe7"), "{}", answer.escape_ascii());
    assert_eq!(h.name_of(local(GBK)).as_deref(), Some("狗哥"));
    let sent = h.wait(2 * SECOND);
    assert_eq!(bytes_got(&sent, local(GB2312)), [b"* 127.0.0.1:5002 is now \xb9\xb7\xb8\xe7\n"]);
    assert_eq!(got(&sent, local(UTF_8)), ["* 127.0.0.1:5002 is now 狗哥\n"]);
    // A room and a private message.
    h.from(local(GBK), b"/join \xb2\xe8");
    assert_eq!(h.room_of(local(GBK)).as_deref(), Some("茶"));
    let sent = h.from(local(UTF_8), "/msg 狗哥 你好");
    assert!(bytes_got(&sent, local(GBK)).concat().ends_with(b"\xc4\xe3\xba\xc3\n"));
}

#[test]
fn the_operator_is_read_by_all() {
    let mut h = mixed(Chat);
    let sent = h.say("你好");
    assert_eq!(bytes_got(&sent, local(BIG5)), [b"hub: \xa7\x41\xa6\x6e\n"]);
    assert_eq!(got(&sent, local(UTF_8)), ["hub: 你好\n"]);
}

#[test]
fn classic_members_have_encodings_too() {
    let mut h = mixed(Classic);
    let sent = h.from(local(GBK), b"a\xc4\xe3");
    assert_eq!(bytes_got(&sent, local(BIG5)), [b"Ack A\xa7\x41. from 127.0.0.1:5002"]);
    assert_eq!(got(&sent, local(UTF_8)), ["Ack A你. from 127.0.0.1:5002"]);
}

#[test]
fn an_encoding_goes_with_its_member_from_room_to_room_and_can_be_changed() {
    let mut h = mixed(Chat);
    for room in ["/join ops", "/leave", "/join tea"] {
        h.from(local(GBK), room);
        h.from(local(UTF_8), room);
        let sent = h.from(local(UTF_8), "你");
        assert_eq!(bytes_got(&sent, local(GBK)), [line(UTF_8, b"\xc4\xe3")]);
    }
    h.from(local(GBK), "/encoding big5");
    assert_eq!(bytes_got(&h.from(local(UTF_8), "你"), local(GBK)), [line(UTF_8, b"\xa7\x41")]);
    h.from(local(GBK), "/encoding utf-8");
    assert_eq!(got(&h.from(local(UTF_8), "你"), local(GBK)), ["127.0.0.1:5001: 你\n"]);
    // A member that returns, or gets the same slot, starts with UTF-8.
    h.from(local(GB2312), "quit");
    h.from(local(GB2312), "/join tea");
    assert_eq!(got(&h.from(local(UTF_8), "你"), local(GB2312)), ["127.0.0.1:5001: 你\n"]);
}

#[test]
fn encodings_without_ascii_are_refused_with_a_reason() {
    for label in ["utf-16le", "utf-16be", "utf-16", "iso-2022-jp"] {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        let answer = told(&h.from(local(5001), format!("/encoding {label}")), local(5001));
        assert!(answer.len() == 1 && answer[0].contains("you keep"), "{label}: {answer:?}");
        assert!(answer[0].contains("ASCII"), "{label}: {answer:?}");
        assert_eq!(got(&h.from(local(5002), "你"), local(5001)), ["127.0.0.1:5002: 你\n"]);
    }
}

#[test]
fn an_unknown_label_suggests_a_known_one_and_changes_nothing() {
    let mut h = mixed(Chat);
    let answer = told(&h.from(local(GBK), "/encoding bg5"), local(GBK)).concat();
    assert!(answer.contains("gbk") && answer.contains("big5"), "{answer:?}");
    let answer = told(&h.from(local(GBK), "/encoding gb2321"), local(GBK)).concat();
    assert!(answer.contains("gb2312"), "{answer:?}");
    let long = format!("/encoding {}\x1b[31m", "x".repeat(5_000));
    let answer = got(&h.from(local(GBK), long), local(GBK)).concat();
    assert!(answer.len() < 300 && !answer.contains('\x1b'), "{answer:?}");
    let answer = told(&h.from(local(GBK), "/encoding"), local(GBK)).concat();
    assert!(answer.contains("gbk"), "{answer:?}");
    assert_eq!(bytes_got(&h.from(local(UTF_8), "你"), local(GBK)), [line(UTF_8, b"\xc4\xe3")]);
}

#[test]
fn heartbeats_commands_and_quit_mean_the_same_in_every_encoding() {
    let labels = [
        "gb2312",
        "gbk",
        "gb18030",
        "big5",
        "shift_jis",
        "euc-jp",
        "euc-kr",
        "latin1",
        "koi8-r",
        "windows-1251",
        "ibm866",
        "x-user-defined",
    ];
    for label in labels {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        let answer = told(&h.from(local(5001), format!("/encoding {label}")), local(5001)).concat();
        assert!(answer.contains("you read and write"), "{answer:?}");
        assert_eq!(h.from(local(5001), "^hb^"), [], "{label}");
        let answer = got(&h.from(local(5001), heartbeat(64)), local(5001)).concat();
        assert!(answer.starts_with("^hb^ pigeon/1 2 0 chat - lobby "), "{answer:?}");
        assert_eq!(h.from(local(5001), heartbeat(63)), [], "{label}");
        assert_eq!(told(&h.from(local(5001), "/who"), local(5001)).len(), 1);
        assert_eq!(h.from(local(5001), "^hb^ pigeon/1 2 0"), []);
        h.from(local(5001), "quit\r\n");
        assert!(!h.is_member(local(5001)), "{label}");
    }
}

#[test]
fn trains_of_other_encodings_are_made_once() {
    let mut h = Harness::chat();
    for port in 5001..=5100 {
        h.from(local(port), "/encoding gbk");
    }
    h.from(local(6000), "^hb^");
    h.wait(2 * SECOND);
    for number in 10..74 {
        h.hear(local(6000), format!("你好 {number}"));
    }
    let trains = h.transmits();
    assert_eq!(trains.len(), 101);
    let gbk: Vec<_> = trains.iter().filter(|train| train.to != local(6000)).collect();
    assert!(gbk.iter().all(|train| train.count() == 64 && train.range == gbk[0].range));
}

/// In a batch with others, during a change of rooms, and in a private message.
#[test]
fn what_outgrows_a_datagram_in_an_encoding_is_never_lost_without_a_word() {
    let reader = local(GBK);
    let config = Config { max_text: Some(65_507), ..Config::default() };
    let mut h = Harness::new(config);
    h.join(&[local(UTF_8), reader]);
    h.from(reader, "/encoding gbk");
    h.wait(2 * SECOND);
    // Four bytes each in UTF-8, nine in GBK, which lacks the character and shows `\u{1f600}`.
    let faces = "\u{1f600}".repeat(10_000);
    let left_out = |sent: &[Sent]| {
        let notes = got(sent, reader);
        notes.iter().filter(|line| line.starts_with("* a message was left out")).count()
    };
    assert_eq!(left_out(&h.from(local(UTF_8), &faces)), 1);
    assert_eq!(left_out(&h.from(local(UTF_8), format!("/msg {reader} {faces}"))), 1);
    h.hear(local(UTF_8), &faces);
    assert_eq!(left_out(&h.from(reader, "/join ops")), 1);
}

#[test]
fn text_too_long_in_any_encoding_is_refused_before_it_is_converted() {
    for label in ["utf-8", "gbk", "gb18030", "latin1"] {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        h.from(local(5001), format!("/encoding {label}"));
        for text in [&b"x"[..], b"\xff", "你".as_bytes()] {
            let before = h.dropped(Dropped::TextTooLong);
            let sent = h.from(local(5001), text.repeat(65_000 / text.len()));
            assert_eq!(got(&sent, local(5002)), [""; 0], "{label}");
            let told = told(&sent, local(5001)).concat();
            assert!(told.contains("at most 8192"), "{label}: {told:?}");
            assert_eq!(h.dropped(Dropped::TextTooLong), before + 1);
        }
        // White space around it does not count as text, in any encoding.
        let sent = h.from(local(5001), format!("{:65000}", "short"));
        assert_eq!(got(&sent, local(5002)), ["127.0.0.1:5001: short\n"]);
    }
}

#[test]
fn what_grows_too_long_in_an_encoding_is_no_oversized_datagram() {
    let mut h = Harness::new(Config { max_text: Some(40_000), ..Config::default() });
    h.join(&[local(5001), local(5002)]);
    h.from(local(5002), "/encoding gb2312");
    h.from(local(5001), "ñ".repeat(15_000));
}

#[test]
fn a_private_line_that_grows_too_long_does_no_harm() {
    let mut h = Harness::new(Config { max_text: Some(40_000), ..Config::default() });
    h.join(&[local(5001), local(5002)]);
    h.from(local(5002), "/encoding gb2312");
    h.from(local(5001), format!("/msg 127.0.0.1:5002 {}", "ñ".repeat(15_000)));
}

/// `›` is 0x9b in most Windows code pages, which starts a sequence on a terminal with 8-bit
/// controls; 0xc29b is a character of GBK, and that control in UTF-8.
#[test]
fn no_line_of_any_kind_holds_a_control_in_the_encoding_that_is_read() {
    for label in ["latin1", "windows-1251", "windows-874", "ibm866", "macintosh", "koi8-r", "gbk"] {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        h.from(local(5002), format!("/encoding {label}"));
        let encoding = pigeon_text::Encoding::for_label(label).unwrap();
        // The encoding's character at 0x9b, and one that forms a UTF-8 control in GBK.
        let byte = encoding.decode(b"\x9b").into_owned();
        let tricky = ["›", "聸", &byte].concat();
        let mut sent = h.from(local(5001), format!("{tricky}31mRED"));
        sent.extend(h.from(local(5001), format!("/nick {tricky}31m")));
        sent.extend(h.wait(2 * SECOND));
        sent.extend(h.from(local(5001), "named"));
        sent.extend(h.from(local(5001), format!("/msg 127.0.0.1:5002 {tricky}")));
        sent.extend(h.from(local(5002), "/who"));
        sent.extend(h.from(local(5002), format!("/join {tricky}")));
        sent.extend(h.from(local(5002), format!("/nonsense{tricky}")));
        let lines = bytes_got(&sent, local(5002));
        assert!(lines.len() >= 6, "{label}: {}", lines.len());
        for line in lines {
            let text = line.strip_suffix(b"\n").expect("a line");
            let shown = || format!("{label}: {}", line.escape_ascii());
            assert!(!text.iter().any(u8::is_ascii_control), "{}", shown());
            let is_c1 = |byte: &u8| (0x80..0xa0).contains(byte);
            assert!(label == "gbk" || !text.iter().any(is_c1), "{}", shown());
            assert!(!String::from_utf8_lossy(text).contains(char::is_control), "{}", shown());
        }
        let red = bytes_got(&sent, local(5002))[0].to_vec();
        assert!(red.ends_with(b"31mRED\n") && red.contains(&b'\\'), "{}", red.escape_ascii());
    }
}

#[test]
fn what_is_said_of_a_message_left_out_is_in_the_readers_encoding() {
    let language = pigeon_proto::Language::Chinese;
    let mut h = Harness::new(Config { max_text: Some(65_507), language, ..Config::default() });
    h.join(&[local(UTF_8), local(GBK)]);
    h.from(local(GBK), "/encoding gbk");
    let sent = h.from(local(UTF_8), "\u{1f600}".repeat(10_000));
    let note = bytes_got(&sent, local(GBK)).concat();
    let text = pigeon_text::Encoding::for_label("gbk").unwrap().decode(&note).into_owned();
    assert_eq!(text, pigeon_proto::sentence::left_out(language));
}

// Eight encodings per room.

const LABELS: [&str; 9] =
    ["gbk", "big5", "shift_jis", "euc-jp", "euc-kr", "latin1", "koi8-r", "windows-1251", "gb2312"];

/// The hub's answer about a member's encoding; `None` if it refused.
fn choose(h: &mut Harness, port: u16, label: &str) -> Option<String> {
    let answer = told(&h.from(local(port), format!("/encoding {label}")), local(port)).concat();
    let refused = answer.contains("too many encodings");
    assert!(refused || answer.contains("you read and write") || label == "auto", "{answer:?}");
    (!refused).then_some(answer)
}

#[test]
fn a_room_takes_eight_encodings_and_those_of_everybody_always() {
    let mut h = Harness::chat();
    let chosen: Vec<bool> = (5001..)
        .zip(LABELS)
        .map(|(port, label)| {
            h.from(local(port), "^hb^");
            choose(&mut h, port, label).is_some()
        })
        .collect();
    // Two places are reserved for UTF-8 and GB18030.
    assert_eq!(chosen, [true, true, true, true, true, true, false, false, false]);
    assert_eq!(h.dropped(Dropped::EncodingsFull), 3);
    // One more reader of a known encoding needs no place.
    for label in ["gbk", "utf-8", "gb18030", "auto", "big5"] {
        assert!(choose(&mut h, 5100, label).is_some(), "{label}");
    }
    // Another room has places, and a freed place may be used by any member.
    h.from(local(5007), "/join tea");
    assert!(choose(&mut h, 5007, "koi8-r").is_some());
    h.from(local(5001), "quit");
    assert!(choose(&mut h, 5008, "windows-1251").is_some());
    let expected: [&[u8]; 2] = [b"127.0.0.1:5100: \\u{436}\n", b"127.0.0.1:5100: \xe6\n"];
    let sent = h.from(local(5100), "\u{436}".as_bytes());
    let _ = choose(&mut h, 5100, "utf-8");
    let sent = [sent, h.from(local(5100), "ж")].concat();
    assert_eq!(*bytes_got(&sent, local(5008)).last().unwrap(), expected[1]);
    assert_eq!(*bytes_got(&sent, local(5006)).last().unwrap(), expected[0]);
}

#[test]
fn who_comes_to_a_room_that_takes_no_further_encoding_reads_the_hubs() {
    let mut h = Harness::chat();
    for (port, label) in (5001..).zip(&LABELS[..6]) {
        choose(&mut h, port, label).unwrap();
    }
    h.from(local(5007), "/join tea");
    choose(&mut h, 5007, "koi8-r").unwrap();
    let answers = told(&h.from(local(5007), "/leave"), local(5007));
    assert_eq!(h.room_of(local(5007)).as_deref(), Some("lobby"));
    assert!(answers[0].contains("too many encodings"), "{answers:?}");
    assert!(answers[1].contains("you read and write utf-8"), "{answers:?}");
    let sent = h.from(local(5001), b"\xc4\xe3");
    assert_eq!(got(&sent, local(5007)), ["127.0.0.1:5001: 你\n"]);
}

#[test]
fn what_members_read_at_first_is_a_setting() {
    let of = |label: &str| Config {
        encoding: pigeon_text::Charset::for_label(label).unwrap(),
        max_members: 2,
        language: pigeon_proto::Language::Chinese,
        ..Config::default()
    };
    let mut h = Harness::new(of("gbk"));
    h.join(&[local(GBK), local(UTF_8)]);
    let sent = h.from(local(GBK), b"\xc4\xe3");
    assert_eq!(bytes_got(&sent, local(UTF_8)), [line(GBK, b"\xc4\xe3")]);
    // Refusals, too, use the reader's encoding.
    let refused = h.from(local(BIG5), "x".repeat(100));
    let encoding = pigeon_text::Encoding::for_label("gbk").unwrap();
    let text = encoding.decode(&bytes_got(&refused, local(BIG5)).concat()).into_owned();
    assert_eq!(text, "* hub 的成员已满\n");
    h.from(local(UTF_8), "/encoding utf-8");
    assert_eq!(got(&h.from(local(GBK), b"\xc4\xe3"), local(UTF_8)), ["127.0.0.1:5002: 你\n"]);
    // A room keeps a place for it.
    h.from(local(UTF_8), "/encoding gbk");
    assert_eq!(bytes_got(&h.from(local(GBK), b"\xba\xc3"), local(UTF_8)), [line(GBK, b"\xba\xc3")]);
    // Raw data has no encoding.
    let mut h = Harness::new(Config {
        encoding: of("gbk").encoding,
        ..Config::of(pigeon_proto::Format::Raw)
    });
    h.join(&[local(5001), local(5002)]);
    assert_eq!(bytes_got(&h.from(local(5001), b"\xff\x80"), local(5002)), [b"\xff\x80"]);
}

#[test]
fn newcomers_that_write_gbk_first_silence_nobody() {
    let encoding = pigeon_text::Charset::Auto;
    let mut h = Harness::new(Config { encoding, ..Config::default() });
    h.join(&[local(UTF_8)]);
    for port in 6001..6010 {
        assert_eq!(
            got(&h.from(local(port), b"\xc4\xe3"), local(UTF_8)),
            [format!("127.0.0.1:{port}: 你\n")]
        );
        h.from(local(port), "quit");
        h.wait(2 * SECOND);
        h.from(local(UTF_8), "^hb^");
    }
    assert_eq!(got(&h.from(local(6020), "hi"), local(UTF_8)), ["127.0.0.1:6020: hi\n"]);
}

#[test]
fn auto_reads_both_and_answers_in_kind() {
    for by_default in [false, true] {
        let encoding = if by_default { pigeon_text::Charset::Auto } else { Default::default() };
        let mut h = Harness::new(Config { encoding, ..Config::default() });
        h.join(&[local(UTF_8), local(GBK)]);
        h.from(local(UTF_8), "/encoding utf-8");
        if !by_default {
            h.from(local(GBK), "/encoding auto");
        }
        let ni = |sent: &[Sent]| bytes_got(sent, local(GBK)).concat();
        assert!(ni(&h.from(local(UTF_8), "你")).ends_with("你\n".as_bytes()));
        // The member's own text is returned unchanged, even in the batch in which it joins.
        let sent = h.from(local(GBK), b"\xc4\xe3");
        assert!(ni(&sent).ends_with(b"\xc4\xe3\n"), "{}", ni(&sent).escape_ascii());
        assert_eq!(got(&sent, local(UTF_8)), ["127.0.0.1:5002: 你\n"]);
        // ASCII and invalid bytes reveal no encoding.
        for text in [&b"ok"[..], b"\xff"] {
            h.from(local(GBK), text);
            assert!(ni(&h.from(local(UTF_8), "好")).ends_with(b"\xba\xc3\n"));
        }
        assert_eq!(got(&h.from(local(GBK), b"a\xff"), local(UTF_8)), ["127.0.0.1:5002: a\\xff\n"]);
        h.from(local(GBK), b"/nick \xb9\xb7");
        assert_eq!(h.name_of(local(GBK)).as_deref(), Some("狗"));
        h.from(local(GBK), "好");
        assert!(ni(&h.from(local(UTF_8), "好")).ends_with("好\n".as_bytes()));
    }
}

#[test]
fn auto_escapes_only_the_character_that_is_cut() {
    let encoding = pigeon_text::Charset::Auto;
    let mut h = Harness::new(Config { encoding, ..Config::default() });
    h.join(&[local(UTF_8), local(GBK)]);
    h.from(local(UTF_8), "今天");
    let cut = &"今天天气很好".as_bytes()[..17];
    let line = "127.0.0.1:5001: 今天天气很\\xe5\\xa5\n";
    assert_eq!(got(&h.from(local(UTF_8), cut), local(UTF_8)), [line]);
    // Half a character reveals nothing: a member that used GBK before has written a character.
    h.from(local(GBK), b"\xc4\xe3\xba\xc3");
    assert_eq!(got(&h.from(local(GBK), b"\xe4\xbb"), local(UTF_8)), ["127.0.0.1:5002: 浠\n"]);
}

#[test]
fn bytes_that_are_not_utf_8_get_one_hint() {
    for (format, count) in [(Chat, 1), (Classic, 1), (pigeon_proto::Format::Raw, 0)] {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        let mut hints = 0;
        for text in [&b"fine"[..], "你".as_bytes(), b"\xc4\xe3", b"\xba\xc3", b"/nick \xc4\xe3"] {
            let sent = h.from(local(5001), text);
            let is_hint = |line: &&String| line.contains("/encoding gbk");
            hints += told(&sent, local(5001)).iter().filter(is_hint).count();
            assert_eq!(told(&sent, local(5002)), [""; 0]);
        }
        assert_eq!(hints, count, "{format:?}");
        h.from(local(5001), heartbeat(64));
        h.from(local(5002), heartbeat(64));
        let sent = h.from(local(5002), b"\xc4\xe3");
        let hints = got(&sent, local(5002)).iter().filter(|l| *l == "^hb^ hint not-utf-8").count();
        assert_eq!(hints, count);
        // A member that has set its encoding needs no hint.
        h.from(local(5003), "/encoding gbk");
        assert_eq!(told(&h.from(local(5003), b"\xff"), local(5003)), [""; 0]);
    }
}

/// The hint must be readable for a program that writes GBK.
#[test]
fn the_hint_about_encodings_comes_in_what_the_program_writes() {
    let mut h = Harness::new(Config { language: Language::Chinese, ..Config::default() });
    let hint = bytes_got(&h.from(local(5001), b"\xb4\xf3\xbc\xd2\xba\xc3"), local(5001)).concat();
    let text = pigeon_text::Encoding::GB18030.decode(&hint);
    assert!(text.contains("/encoding gbk") && text.contains("不是 UTF-8"), "{text}");
    // Bytes of no known encoding get ASCII.
    let hint = bytes_got(&h.from(local(5002), b"\xff\xff\x80"), local(5002)).concat();
    assert!(hint.windows(10).any(|window| window == b"not UTF-8,"), "{hint:?}");
}
