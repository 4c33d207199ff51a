//! `/discover NONCE`, padded to 200 bytes, gets one answer: `/here NONCE NAME MEMBERS SECUREPORT`.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Machine, Received, SocketId};
use pigeon_hub::{Config, Discovery, Door, Dropped, SourceRules};
use pigeon_proto::{Format, Name, RoomName};

use crate::harness::{
    FORMATS, Harness, SECOND, Sent, address, beyond, bytes_got, got, heartbeat, local, open,
};

fn discoverable(format: Format) -> Harness {
    Harness::new(Config {
        discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
        ..Config::of(format)
    })
}

fn question(nonce: &str, length: usize) -> Vec<u8> {
    format!("{:length$}", format!("/discover {nonce}")).into_bytes()
}

/// Sends a request, and waits as long as an answer may take.
fn ask(h: &mut Harness, from: SocketAddr, nonce: &str) -> Vec<Sent> {
    let mut sent = h.from(from, question(nonce, 200));
    assert_eq!(sent, [], "answered at once");
    sent.extend(h.wait(Duration::from_millis(200)));
    sent
}

#[test]
fn a_question_is_answered_within_200_ms() {
    for format in FORMATS {
        let mut h = discoverable(format);
        h.join(&[local(5001), local(5002)]);
        for asker in [local(7), open(7), beyond(7), address("[2001:db8::5]:7"), local(5001)] {
            let sent = ask(&mut h, asker, "7f3a");
            assert_eq!(sent.len(), 1, "{format:?} {asker}");
            let here = got(&sent, asker).concat();
            let words: Vec<_> = here.split_whitespace().collect();
            assert_eq!(words.len(), 8, "{here:?}");
            assert_eq!((words[0], words[1], words[3], words[4]), ("/here", "7f3a", "2", "0"));
            assert_eq!(words[5..], ["0000000000000007", "9999", format.word()]);
        }
    }
}

#[test]
fn the_answer_tells_the_hubs_name() {
    let name = Name::parse("班级".as_bytes()).unwrap();
    let mut h = Harness::new(Config {
        discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
        name,
        ..Config::default()
    });
    assert_eq!(
        got(&ask(&mut h, local(7), "1"), local(7)),
        ["/here 1 班级 0 0 0000000000000007 9999 chat"]
    );
}

#[test]
fn a_nonce_is_answered_once_for_each_who_asks() {
    let mut h = discoverable(Format::Chat);
    let mut sent = Vec::new();
    // Requests arrive on every interface and in both families, and once more later.
    for _ in 0..5 {
        for asker in [local(7), local(8)] {
            h.hear(asker, question("abc", 200));
        }
    }
    sent.extend(h.wait(SECOND));
    sent.extend(ask(&mut h, local(7), "abc"));
    assert_eq!(got(&sent, local(7)).len(), 1);
    assert_eq!(got(&sent, local(8)).len(), 1);
    assert_eq!(h.dropped(Dropped::AskedBefore), 9);
    assert_eq!(ask(&mut h, local(7), "abd").len(), 1);
}

#[test]
fn answers_are_spread_over_200_ms() {
    let mut waits = Vec::new();
    for n in 0..200u16 {
        let mut h = Harness::new(Config {
            discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
            secret: [n as u8; 16],
            ..Config::default()
        });
        let begun = h.now;
        h.from(local(7), question(&format!("n{n}"), 200));
        let due = h.hub.poll_timeout().unwrap();
        assert!(due <= begun + Duration::from_millis(200));
        waits.push((due - begun).as_millis());
    }
    // Some answers are early, some late, and some in between.
    for range in [0..50, 50..100, 100..150, 150..201] {
        let here = waits.iter().filter(|wait| range.contains(*wait)).count();
        assert!(here > 20, "{here} of 200 in {range:?}");
    }
}

#[test]
fn an_answer_is_never_longer_than_its_question() {
    let name = Name::parse("狗".repeat(32).as_bytes()).unwrap();
    let mut h = Harness::new(Config {
        discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
        name,
        ..Config::default()
    });
    for length in 11..=300 {
        let nonce = format!("{length:03}");
        let asked = question(&nonce, length);
        let mut sent = h.from(beyond(7), &asked);
        sent.extend(h.wait(SECOND));
        let bytes = bytes_got(&sent, beyond(7)).concat().len();
        assert!(bytes <= asked.len(), "{bytes} for {}", asked.len());
        assert_eq!(sent.is_empty(), length < 64 || bytes == 0);
    }
    assert_eq!(ask(&mut h, beyond(7), "last").len(), 1);
}

#[test]
fn a_question_makes_nobody_a_member_and_is_told_to_nobody() {
    for format in FORMATS {
        for discoverable in [false, true] {
            let mut h = Harness::new(Config {
                discovery: discoverable.then_some(Discovery {
                    id: 7,
                    port: 9999,
                    ..Default::default()
                }),
                ..Config::of(format)
            });
            h.join(&[local(5001)]);
            let mut sent = ask(&mut h, open(7), "x1");
            sent.extend(h.wait(3 * SECOND));
            assert!(!h.is_member(open(7)));
            assert_eq!(got(&sent, local(5001)), [""; 0], "{format:?}");
            assert_eq!(got(&sent, open(7)).len(), usize::from(discoverable));
        }
    }
}

#[test]
fn a_question_keeps_nobody_a_member() {
    let mut h = discoverable(Format::Chat);
    h.join(&[local(5001)]);
    for n in 0..5 {
        h.wait(9 * SECOND);
        h.from(local(5001), question(&format!("n{n}"), 200));
    }
    assert!(!h.is_member(local(5001)));
}

#[test]
fn bad_sources_and_the_banned_are_not_answered() {
    let config = Config {
        discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
        sources: SourceRules {
            own: vec![address("192.168.1.1:9999")],
            never: vec!["192.168.1.255".parse().unwrap()],
            ..SourceRules::default()
        },
        ..Config::default()
    };
    let mut h = Harness::new(config);
    h.hub.ban(h.now, "203.0.113.0/24").unwrap();
    let bad = [
        "255.255.255.255:7",
        "192.168.1.255:7",
        "224.0.0.1:7",
        "239.255.99.99:9999",
        "[ff02::9999]:9999",
        "127.0.0.1:0",
        "192.168.1.1:9999",
        "0.0.0.0:7",
        "203.0.113.5:7",
    ];
    for source in bad {
        assert_eq!(ask(&mut h, address(source), "x"), [], "{source}");
    }
    assert_eq!(h.hub.poll_timeout(), None);
}

#[test]
fn nonces_are_words_of_letters_and_digits() {
    let mut h = discoverable(Format::Chat);
    let long = "x".repeat(33);
    for nonce in ["", "a b", "\u{1b}[31m", "a-b", "*", "你", &long] {
        let mut sent = h.from(beyond(7), question(nonce, 200));
        sent.extend(h.wait(SECOND));
        // The request counts as an ordinary datagram: its sender is asked to prove its address.
        assert!(sent.iter().all(|(_, bytes)| bytes.starts_with(b"/prove ")), "{nonce:?}: {sent:?}");
    }
    assert_eq!(ask(&mut h, beyond(7), &long[..32]).len(), 1);
}

#[test]
fn floods_of_questions_are_bounded() {
    let mut h = discoverable(Format::Chat);
    let mut answered = 0;
    for n in 0..50_000u32 {
        let ip = n.to_be_bytes();
        h.hear(SocketAddr::from(([9, ip[1], ip[2], ip[3]], 7)), question("x", 200));
    }
    answered += h.wait(SECOND).len();
    assert!(answered <= 1_000, "{answered}");
    assert_eq!(answered as u64 + h.dropped(Dropped::QuestionsFull), 50_000);
    assert_eq!((h.hub.member_count(), h.hub.poll_timeout()), (0, None));
}

#[test]
fn an_answer_is_never_answered() {
    for format in [Format::Chat, Format::Classic] {
        let mut h = discoverable(format);
        h.join(&[local(5001)]);
        for here in ["/here 1 hub 0 0", "/here 1 班级 5 10000\n", "/here", "/here x"] {
            let padded = format!("{here:300}");
            for payload in [here, &padded] {
                for from in [local(5001), open(7), beyond(7)] {
                    assert_eq!(h.from(from, payload), [], "{payload:?}");
                }
            }
        }
        assert_eq!(h.hub.member_count(), 1);
        assert_eq!(h.dropped(Dropped::Reply), 24);
    }
}

#[test]
fn hubs_that_ask_one_another_fall_silent() {
    for (one, other) in FORMATS.into_iter().flat_map(|a| FORMATS.map(|b| (a, b))) {
        let (mut left, mut right) = (discoverable(one), discoverable(other));
        // A request from one hub to the other, with a forged sender.
        let mut to_right = ask(&mut left, local(9002), "x");
        let mut exchanged = 0;
        while let Some((_, bytes)) = to_right.pop() {
            exchanged += 1;
            let mut to_left = right.from(local(9001), bytes);
            to_left.extend(right.wait(Duration::from_millis(500)));
            for (_, bytes) in to_left.into_iter().filter(|(to, _)| *to == local(9001)) {
                exchanged += 1;
                let answers = left.from(local(9002), bytes);
                to_right.extend(answers.into_iter().filter(|(to, _)| *to == local(9002)));
            }
            assert!(exchanged < 10, "{one:?} {other:?}");
        }
    }
}

#[test]
fn the_answer_leaves_from_the_address_that_was_asked() {
    let mut h = discoverable(Format::Chat);
    let ours = "192.168.1.1".parse().ok();
    let asked = question("x", 200);
    h.hub.handle_datagram(h.now, &Received { local: ours, ..Received::new(open(7), &asked) });
    h.now = h.now + SECOND;
    h.hub.handle_timeout(h.now);
    let sent = h.transmits();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].from, ours);
}

#[test]
fn a_padded_heartbeat_is_no_question() {
    let mut h = discoverable(Format::Chat);
    let answer = got(&h.from(local(7), heartbeat(200)), local(7));
    assert_eq!(answer, ["^hb^ pigeon/1 1 0 chat - lobby 2 0"]);
}

#[test]
fn a_question_without_padding_makes_nobody_a_member() {
    let mut h = Harness::new(Config {
        discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
        ..Config::default()
    });
    h.from(open(7), "/discover abc");
    assert!(!h.is_member(open(7)));
}

#[test]
fn a_question_beside_the_doors_is_answered_by_the_door_that_others_can_reach() {
    let doors = [Format::Chat, Format::Raw]
        .map(|format| Door { format, room: RoomName::parse(format.word().as_bytes()).unwrap() });
    let ours = "192.168.1.1".parse().ok();
    let mut h = Harness::new(Config {
        doors: doors.into(),
        discovery: Some(Discovery { id: 7, port: 9998, door: SocketId::new(1), address: ours }),
        ..Config::default()
    });
    let beside = SocketId::new(2);
    let mut hear = |payload: &[u8], local: Option<&str>| {
        let local = local.and_then(|local| local.parse().ok());
        let socket = beside;
        let received = Received { socket, local, ..Received::new(open(7), payload) };
        h.hub.handle_datagram(h.now, &received);
        h.now = h.now + SECOND;
        h.hub.handle_timeout(h.now);
        let sent = h.transmits();
        sent.into_iter().map(|transmit| transmit.socket).collect::<Vec<_>>()
    };
    // The system reports where it would answer from, or nothing.
    assert_eq!(hear(&question("x", 200), Some("192.168.1.1")), [SocketId::new(1)]);
    assert_eq!(hear(&question("y", 200), None), [SocketId::new(1)]);
    assert_eq!(hear(&question("z", 200), Some("10.0.0.1")), []);
    for payload in [&b"hello"[..], b"", b"^hb^", b"/who", b"quit", b"/discover x"] {
        assert_eq!(hear(payload, None), [], "{payload:?}");
    }
    let counted = [Dropped::OutOfReach, Dropped::NotAQuestion].map(|reason| h.dropped(reason));
    assert_eq!((counted, h.hub.member_count()), ([1, 6], 0));
}
