//! Which requests are answered, how often and at what length.

use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_services::{Config, Event, Ignored, Kind, Outcome};

use crate::harness::{address, ask, at, config, drain, service, sntp_request};

const OPEN: &str = "10.0.0.1:5000";
const BEYOND: &str = "8.8.8.8:5000";

/// Why a request from a source is ignored; `None` if it gets a reply.
fn ignored(kind: Kind, from: &str, request: &[u8]) -> Option<Ignored> {
    let mut service = service(kind, config());
    let is_answered = ask(&mut service, from, request).is_some();
    let statistics = service.snapshot();
    let reason = Ignored::ALL.into_iter().find(|&reason| statistics.ignored(reason) == 1);
    assert_eq!(reason.is_none(), is_answered);
    reason
}

#[test]
fn beyond_the_open_networks_no_reply_is_longer_than_its_request() {
    let long = Some(Ignored::LongerThanRequest);
    for (kind, request, expected) in [
        (Kind::Echo, &b""[..], None),
        (Kind::Echo, b"hello", None),
        (Kind::Upper, b"hello", None),
        (Kind::Size, b"hello", long),
        (Kind::Size, &[b'x'; 21], long),
        (Kind::Size, &[b'x'; 22], None),
        (Kind::Time, b"", long),
        (Kind::Time, b"%Y", long),
        (Kind::Time, b"%H", None),
        (Kind::Time, b"%c", long),
        (Kind::Time, b"%Q", long),
        (Kind::Daytime, b"", long),
        (Kind::Daytime, &[b' '; 40], None),
    ] {
        assert_eq!(ignored(kind, BEYOND, request), expected, "{kind} {}", request.escape_ascii());
        assert_eq!(ignored(kind, OPEN, request), None, "{kind} {}", request.escape_ascii());
    }
    assert_eq!(ignored(Kind::Sntp, BEYOND, &sntp_request()), None);
}

#[test]
fn forged_sources_are_not_answered() {
    for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Discard) {
        let request = if kind == Kind::Sntp { sntp_request() } else { b"%H".to_vec() };
        let reason = |from: &str| ignored(kind, from, &request);
        assert_eq!(reason("10.0.0.1:0"), Some(Ignored::BadSource));
        assert_eq!(reason("224.0.0.5:5000"), Some(Ignored::BadSource));
        assert_eq!(reason("255.255.255.255:5000"), Some(Ignored::BadSource));
        let low = (kind != Kind::Sntp).then_some(Ignored::LowPort);
        assert_eq!(reason("10.0.0.1:123"), low, "{kind}");
    }
}

#[test]
fn replies_are_not_answered() {
    let mut sntp_reply = sntp_request();
    sntp_reply[0] = 4 << 3 | 4;
    let is_reply = Some(Ignored::Reply);
    for (kind, request, expected) in [
        (Kind::Size, &b"Your data was 12 bytes"[..], is_reply),
        (Kind::Size, b"YOUR DATA WAS 12 BYTES\n", is_reply),
        (Kind::Size, b"10.0.0.1:7: Your data was 12 bytes\n", is_reply),
        (Kind::Size, b"error: bad format at character 7", is_reply),
        (Kind::Size, b"2026-11-20 21:04:05", is_reply),
        (Kind::Size, b"Friday, November 20, 2026 22:04:05-CET\r\n", is_reply),
        (Kind::Daytime, b"Your data was 12 bytes", is_reply),
        (Kind::Daytime, b"Friday, November 20, 2026 22:04:05-CET\r\n", is_reply),
        (Kind::Time, b"Your data was 12 bytes", is_reply),
        (Kind::Time, b"error: bad format at character 7", is_reply),
        (Kind::Time, b"hello", is_reply),
        (Kind::Time, b"100 %%", is_reply),
        (Kind::Sntp, &sntp_reply, is_reply),
        // Echo returns each datagram; the rate ends its loops.
        (Kind::Echo, b"Your data was 12 bytes", None),
    ] {
        assert_eq!(ignored(kind, OPEN, request), expected, "{kind} {}", request.escape_ascii());
    }
}

#[test]
fn one_source_has_its_rate_and_the_operator_is_told() {
    let mut echo = service(Kind::Echo, config());
    let (mut replies, mut told) = (0, Vec::new());
    // Ten seconds at five times the rate, from two ports of one address.
    for n in 0..50_000_u64 {
        let now = Instant::ORIGIN + Duration::from_micros(200 * n);
        let from = address(if n % 2 == 0 { "10.0.0.1:5000" } else { "10.0.0.1:5001" });
        echo.handle_datagram(now, &Received::new(from, b"x"));
        replies += drain(&mut echo).len() as u64;
        told.extend(std::iter::from_fn(|| echo.poll_event()));
    }
    assert_eq!(replies, 1_000 + 10_000 - 1);
    let statistics = echo.snapshot();
    assert_eq!(statistics.replies + statistics.ignored(Ignored::SourceRate), 50_000);
    assert_eq!(told.len(), 10);
    let limited = |event: &Event| match *event {
        Event::Limited { bound: Ignored::SourceRate, requests, .. } => requests,
        _ => 0,
    };
    assert!(told.iter().skip(1).all(|event| limited(event) == 4_000), "{told:?}");

    // Another source is unaffected. On loopback the same rate applies, but not to services with
    // recognisable replies.
    let now = at(10_000);
    echo.handle_datagram(now, &Received::new(address("10.0.0.2:5000"), b"x"));
    assert_eq!(drain(&mut echo).len(), 1);
    for _ in 0..5_000 {
        echo.handle_datagram(now, &Received::new(address("127.0.0.1:5000"), b"x"));
    }
    assert_eq!(drain(&mut echo).len(), 1_000);
    let mut size = service(Kind::Size, config());
    for _ in 0..5_000 {
        size.handle_datagram(now, &Received::new(address("127.0.0.1:5000"), b"x"));
    }
    assert_eq!(drain(&mut size).len(), 5_000);
}

#[test]
fn a_flood_from_forged_sources_meets_the_bound_in_all() {
    let mut echo = service(Kind::Echo, Config { in_all: Some(500), ..config() });
    let mut replies = 0;
    for n in 0..10_000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let from = (std::net::Ipv4Addr::new(10, b, c, d), 5_000).into();
        echo.handle_datagram(at(1), &Received::new(from, b"x"));
        replies += drain(&mut echo).len();
    }
    assert_eq!(replies, 500);
    assert_eq!(echo.snapshot().ignored(Ignored::TotalRate), 9_500);
    let told: Vec<_> = std::iter::from_fn(|| echo.poll_event()).collect();
    assert!(matches!(told[..], [Event::Limited { bound: Ignored::TotalRate, requests: 1, .. }]));
}

#[test]
fn a_batch_that_is_never_drained_is_bounded() {
    let unlimited = Config { per_source: None, ..config() };
    let mut echo = service(Kind::Echo, unlimited);
    let request = Received::new(address("127.0.0.1:5000"), &[0; 60_000]);
    for _ in 0..1_000 {
        echo.handle_datagram(Instant::ORIGIN, &request);
    }
    assert!(echo.outbox().len() <= 16 << 20);
    let statistics = echo.snapshot();
    assert!(statistics.ignored(Ignored::BatchFull) > 700);
    assert_eq!(drain(&mut echo).len() as u64, statistics.replies);
    assert_eq!(ask(&mut echo, "127.0.0.1:5000", b"again").as_deref(), Some(&b"again"[..]));
}

#[test]
fn a_reply_that_did_not_leave_does_not_count_as_sent() {
    let mut service = service(Kind::Echo, Config { report_datagrams: true, ..config() });
    for payload in [&b"four"[..], b"four", b"on"] {
        service.handle_datagram(Instant::ORIGIN, &Received::new(address(OPEN), payload));
    }
    let train = service.poll_transmit().unwrap();
    assert_eq!(train.count(), 3);
    service.handle_unsent(Instant::ORIGIN, &train, 2);
    let statistics = service.snapshot();
    assert_eq!((statistics.replies, statistics.reply_bytes, statistics.unsent), (1, 2, 2));
    let outcomes: Vec<Outcome> = std::iter::from_fn(|| service.poll_event())
        .filter_map(|event| match event {
            Event::Datagram { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    let unsent = |length| Outcome::Unsent { length };
    assert_eq!(outcomes, [Outcome::Replied { length: 4 }, unsent(4), unsent(2)]);
}
