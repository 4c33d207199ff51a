//! What each service replies, byte for byte.

use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_services::{Config, Event, Kind, Outcome, WallClock};

use crate::harness::{NOW, address, ask, at, config, drain, service};

const CLIENT: &str = "127.0.0.1:5000";

fn reply(kind: Kind, request: &[u8]) -> Option<Vec<u8>> {
    ask(&mut service(kind, config()), CLIENT, request)
}

fn text(kind: Kind, request: &str) -> String {
    String::from_utf8(reply(kind, request.as_bytes()).unwrap()).unwrap()
}

#[test]
fn echo_returns_each_datagram() {
    for request in [&b""[..], b"hello\n", b"\0\xff\x80", &[7; 65_507]] {
        assert_eq!(reply(Kind::Echo, request).as_deref(), Some(request));
    }
}

#[test]
fn upper_returns_ascii_letters_in_capitals_and_leaves_the_rest() {
    assert_eq!(text(Kind::Upper, "Hello, 狗哥 ß é 1\n"), "HELLO, 狗哥 ß é 1\n");
    assert_eq!(reply(Kind::Upper, b"\xe1a\xff"), Some(b"\xe1A\xff".to_vec()));
    assert_eq!(reply(Kind::Upper, b""), Some(Vec::new()));
}

#[test]
fn size_says_how_many_bytes_came() {
    assert_eq!(text(Kind::Size, ""), "Your data was 0 bytes");
    assert_eq!(text(Kind::Size, "x"), "Your data was 1 bytes");
    assert_eq!(text(Kind::Size, "狗哥"), "Your data was 6 bytes");
    assert_eq!(text(Kind::Size, &"x".repeat(65_507)), "Your data was 65507 bytes");
}

#[test]
fn size_tells_the_true_length_of_what_was_cut_and_others_do_not_answer_it() {
    let cut = Received { length: 9_000, ..Received::new(address(CLIENT), b"%H hello") };
    for (kind, expected) in [
        (Kind::Size, Some("Your data was 9000 bytes")),
        (Kind::Daytime, Some("Friday, November 20, 2026 22:04:05-CET\r\n")),
        (Kind::Echo, None),
        (Kind::Upper, None),
        (Kind::Time, None),
    ] {
        let mut service = service(kind, config());
        service.handle_datagram(Instant::ORIGIN, &cut);
        let replies = drain(&mut service);
        let reply = replies.first().map(|(_, reply)| str::from_utf8(reply).unwrap());
        assert_eq!(reply, expected, "{kind}");
    }
}

#[test]
fn time_returns_local_time_in_the_format_asked_for() {
    for (request, expected) in [
        ("", "2026-11-20 22:04:05"),
        ("\n", "2026-11-20 22:04:05"),
        ("%Y-%m-%d %X", "2026-11-20 22:04:05"),
        ("%H:%M\n", "22:04\n"),
        ("现在 %H 点 %Z", "现在 22 点 CET"),
        ("%s", "1795208645"),
        ("%Y-%m-%Q", "error: bad format at character 7"),
        ("点%", "error: bad format at character 2"),
    ] {
        assert_eq!(text(Kind::Time, request), expected, "{request:?}");
    }
    let not_utf8 = reply(Kind::Time, b"\xb5\xe3 %H").unwrap();
    assert_eq!(not_utf8, b"error: format is not UTF-8");
    let long = text(Kind::Time, &"%c".repeat(30_000));
    assert_eq!(long, "error: result longer than 1024 bytes");
}

#[test]
fn time_runs_on_and_can_be_set() {
    let mut service = service(Kind::Time, Config::default());
    let mut time = |now, wall: Option<WallClock>| {
        wall.into_iter().for_each(|wall| service.set_wall(wall));
        service.handle_datagram(now, &Received::new(address(CLIENT), b"%T"));
        String::from_utf8(drain(&mut service).remove(0).1).unwrap()
    };
    assert_eq!(time(at(0), None), "21:04:05");
    assert_eq!(time(at(61_000), None), "21:05:06");
    let set_back = WallClock::new(NOW - Duration::from_secs(3_600), at(62_000));
    assert_eq!(time(at(63_000), Some(set_back)), "20:04:06");
}

#[test]
fn daytime_is_one_line_whatever_is_asked() {
    for request in ["", "anything", "%Y"] {
        assert_eq!(text(Kind::Daytime, request), "Friday, November 20, 2026 22:04:05-CET\r\n");
    }
}

#[test]
fn discard_counts_and_is_silent() {
    let mut service = service(Kind::Discard, config());
    // Holds even for senders that no service may answer.
    for from in [CLIENT, "8.8.8.8:53", "10.0.0.1:0"] {
        assert_eq!(ask(&mut service, from, b"12345"), None);
    }
    let statistics = service.snapshot();
    assert_eq!((statistics.requests, statistics.request_bytes), (3, 15));
    assert_eq!((statistics.discarded, statistics.replies), (3, 0));
}

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let local = Some("10.0.0.9".parse().unwrap());
    let mut service = service(Kind::Echo, config());
    let request = Received { local, ..Received::new(address(CLIENT), b"hello") };
    service.handle_datagram(Instant::ORIGIN, &request);
    assert_eq!(service.poll_transmit().unwrap().from, local);
}

#[test]
fn a_train_of_requests_is_answered_by_a_train() {
    let mut service = service(Kind::Upper, config());
    for n in 0..100 {
        let request = format!("message {n:02}");
        service
            .handle_datagram(Instant::ORIGIN, &Received::new(address(CLIENT), request.as_bytes()));
    }
    let transmits: Vec<_> = std::iter::from_fn(|| service.poll_transmit()).collect();
    let counts: Vec<_> = transmits.iter().map(|transmit| transmit.count()).collect();
    assert_eq!(counts, [64, 36]);
    let outbox = service.outbox();
    let replies = transmits.iter().flat_map(|transmit| transmit.datagrams(outbox));
    for (n, reply) in replies.enumerate() {
        assert_eq!(reply, format!("MESSAGE {n:02}").as_bytes());
    }
}

#[test]
fn every_datagram_is_reported_if_wished() {
    let config = Config { report_datagrams: true, ..config() };
    let mut service = service(Kind::Size, config);
    ask(&mut service, CLIENT, b"hello");
    let expected = Event::Datagram {
        from: address(CLIENT),
        length: 5,
        outcome: Outcome::Replied { length: 21 },
    };
    assert_eq!(service.poll_event(), Some(expected));
    for n in 0..20_000 {
        // Each request differs, because repeated ones would be reported as a loop.
        ask(&mut service, CLIENT, n.to_string().as_bytes());
    }
    let kept = std::iter::from_fn(|| service.poll_event()).count() as u64;
    assert_eq!(kept + service.snapshot().events_lost, 20_000);
    assert!(kept <= 16_384);
}

#[test]
fn a_fixed_reply_answers_all_but_replies() {
    let mut service = service(Kind::Fixed, config());
    for (request, expected) in [
        (&b"hello"[..], Some(b"Noted.".to_vec())),
        (b"", Some(b"Noted.".to_vec())),
        (b"\xff\x00", Some(b"Noted.".to_vec())),
        (b"Noted.", None),
        (b"NOTED.", None),
        (b"Your data was 5 bytes", None),
    ] {
        assert_eq!(ask(&mut service, CLIENT, request), expected, "{}", request.escape_ascii());
    }
}

#[test]
fn a_loop_that_no_rate_bounds_is_reported() {
    let unlimited = Config { per_source: None, ..config() };
    for (kind, config) in [(Kind::Echo, unlimited), (Kind::Size, config())] {
        let mut service = service(kind, config);
        for _ in 0..10_000 {
            assert!(ask(&mut service, "127.0.0.1:7007", b"hello").is_some());
        }
        let told: Vec<Event> = std::iter::from_fn(|| service.poll_event()).collect();
        let [Event::Repeating { source, length: 5, .. }] = told[..] else { panic!("{told:?}") };
        assert_eq!(source, address("127.0.0.1:7007"));
    }
}
