//! Network time: the server's replies byte by byte, and the client's evaluation of replies.

use std::time::Duration;

use jiff::SignedDuration;
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_services::sntp::{Leap, Measurement, Server, WhyNot, measure, request};
use pigeon_services::{Config, Ignored, Kind, WallClock};

use crate::harness::{NOW, address, ask, at, config, drain, service};

const CLIENT: &str = "127.0.0.1:123";
const NONCE: u64 = 0x0123_4567_89ab_cdef;

/// The first second of era 1: 7 February 2036, 06:28:16 UTC.
const ERA_1: Duration = Duration::from_secs(2_085_978_496);

/// Units of NTP's timestamps in a second.
const SECOND: u64 = 1 << 32;

/// `NOW` in NTP's seconds.
const NTP_NOW: u64 = (NOW.as_secs() + 2_208_988_800) * SECOND;

fn millis(millis: i64) -> SignedDuration {
    SignedDuration::from_millis(millis)
}

#[test]
fn a_request_tells_nothing_of_its_sender() {
    let mut expected = [0; 48];
    expected[0] = 0x23;
    expected[40..].copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    assert_eq!(request(NONCE), expected);
}

#[test]
fn a_reply_is_right_in_every_field() {
    let mut service = service(Kind::Sntp, config());
    service.set_wall(WallClock::new(NOW, at(0)));
    let mut question = request(NONCE);
    question[2] = 6;
    let kernel = NOW + Duration::from_millis(250);
    let received = Received { wall: Some(kernel), ..Received::new(address(CLIENT), &question) };
    service.handle_datagram(at(500), &received);
    let (to, reply) = drain(&mut service).remove(0);
    assert_eq!(to, address(CLIENT));
    let expected: Vec<u8> = [
        // No warning, version 4, server; stratum 10; poll as in the request; 2⁻²⁰ s.
        &[0x24, 10, 6, 0xec][..],
        &[0, 0, 0, 0],
        // 10 ms in units of 2⁻¹⁶ s.
        &[0, 0, 0x02, 0x8f],
        &[127, 127, 1, 1],
        &NTP_NOW.to_be_bytes(),
        &NONCE.to_be_bytes(),
        &(NTP_NOW + SECOND / 4).to_be_bytes(),
        &(NTP_NOW + SECOND / 2).to_be_bytes(),
    ]
    .concat();
    assert_eq!(reply, expected);
}

#[test]
fn versions_are_mirrored_and_settings_told() {
    let server = Server {
        stratum: 2,
        reference_id: [192, 0, 2, 1],
        root_delay: Duration::from_millis(1_500),
        ..Server::default()
    };
    let mut service = service(Kind::Sntp, Config { sntp: server, ..config() });
    for version in 1..=4 {
        let mut question = request(NONCE).to_vec();
        // The server ignores a request's leap indicator, and answers a longer request in 48 bytes.
        question[0] = 3 << 6 | version << 3 | 3;
        question.extend([9; 20]);
        let reply = ask(&mut service, CLIENT, &question).unwrap();
        assert_eq!(
            reply[..16],
            [version << 3 | 4, 2, 0, 0xec, 0, 1, 0x80, 0, 0, 0, 0x02, 0x8f, 192, 0, 2, 1]
        );
        assert_eq!(reply.len(), 48);
    }
}

#[test]
fn only_requests_are_answered() {
    for (first, length, reason) in [
        (0x23, 47, Ignored::NotRequest),
        (0x23, 0, Ignored::NotRequest),
        (0x03, 48, Ignored::NotRequest),
        (0x2b, 48, Ignored::NotRequest),
        (0x3b, 48, Ignored::NotRequest),
        (0x20, 48, Ignored::NotRequest),
        (0x21, 48, Ignored::NotRequest),
        (0x22, 48, Ignored::Reply),
        (0x24, 48, Ignored::Reply),
        (0x1c, 48, Ignored::Reply),
        (0x25, 48, Ignored::Reply),
        (0x26, 48, Ignored::NotRequest),
        (0x27, 48, Ignored::NotRequest),
    ] {
        let mut service = service(Kind::Sntp, config());
        let mut question = request(NONCE);
        question[0] = first;
        assert_eq!(ask(&mut service, CLIENT, &question[..length]), None, "{first:#x}");
        assert_eq!(service.snapshot().ignored(reason), 1, "{first:#x}");
    }
}

#[test]
fn times_stay_in_order_when_the_wall_clock_is_set_back() {
    let mut service = service(Kind::Sntp, config());
    let question = request(NONCE);
    let ahead = NOW + Duration::from_secs(100);
    let received = Received { wall: Some(ahead), ..Received::new(address(CLIENT), &question) };
    service.handle_datagram(at(1), &received);
    let reply = drain(&mut service).remove(0).1;
    let sent = WallClock::new(ahead, at(0));
    let measured = measure(&reply, &question, sent, at(0)).unwrap();
    assert_eq!((measured.offset, measured.delay), (millis(0), Duration::ZERO));
}

/// An exchange with a server that is ahead by `offset`: delays there and back, and the server's
/// processing time, in milliseconds.
fn exchange(
    begin: Duration,
    offset: i64,
    [there, server, back]: [u64; 3],
) -> Result<Measurement, WhyNot> {
    let question = request(NONCE);
    let sent = WallClock::new(begin, at(7));
    let true_time = |millis| {
        let begin = SignedDuration::try_from(begin + Duration::from_millis(millis)).unwrap();
        (begin + SignedDuration::from_millis(offset)).unsigned_abs()
    };
    let mut service = service(Kind::Sntp, config());
    // The server's clock was set long before.
    service.set_wall(WallClock::new(true_time(0), at(0)));
    let mut received = Received::new(address(CLIENT), &question);
    received.wall = Some(true_time(there));
    service.handle_datagram(at(there + server), &received);
    let reply = drain(&mut service).remove(0).1;
    measure(&reply, &question, sent, at(7 + there + server + back))
}

#[test]
fn offset_and_delay_follow_from_four_times() {
    for begin in [NOW, ERA_1 - Duration::from_millis(30), ERA_1, Duration::from_secs(5_000_000_000)]
    {
        for (offset, ways, expected_offset, expected_delay) in [
            (0, [0, 0, 0], 0, 0),
            (0, [20, 5, 20], 0, 40),
            (1_500, [20, 5, 20], 1_500, 40),
            (-1_500, [20, 0, 20], -1_500, 40),
            // If the directions differ in delay, half of the difference appears as an offset.
            (0, [30, 5, 10], 10, 40),
            (100, [10, 5, 30], 90, 40),
            (86_400_000, [1, 1_000, 1], 86_400_000, 2),
            // Thirty years behind, and thirty ahead.
            (-946_080_000_000, [20, 5, 20], -946_080_000_000, 40),
            (946_080_000_000, [20, 5, 20], 946_080_000_000, 40),
        ] {
            let measured = exchange(begin, offset, ways).unwrap();
            let error = (measured.offset - millis(expected_offset)).abs();
            assert!(error <= SignedDuration::from_nanos(1), "{begin:?} {offset} {measured:?}");
            let delay = Duration::from_millis(expected_delay);
            assert!(measured.delay.abs_diff(delay) <= Duration::from_nanos(1), "{measured:?}");
        }
    }
}

#[test]
fn a_measurement_says_what_the_server_says() {
    let measured = exchange(NOW, 0, [1, 1, 1]).unwrap();
    assert_eq!((measured.stratum, measured.leap), (10, Leap::None));
    assert_eq!(measured.reference.to_string(), "127.127.1.1");
    assert_eq!(measured.root_delay, Duration::ZERO);
    assert!(
        measured.root_dispersion.abs_diff(Duration::from_millis(10)) < Duration::from_micros(20)
    );
}

/// The result of a good reply, one second after the request, with one change.
fn changed(change: impl FnOnce(&mut [u8])) -> Result<Measurement, WhyNot> {
    let question = request(NONCE);
    let mut service = service(Kind::Sntp, config());
    let mut reply = ask(&mut service, CLIENT, &question).unwrap();
    change(&mut reply);
    measure(&reply, &question, WallClock::new(NOW, at(0)), at(1_000))
}

#[test]
fn a_reply_is_checked_before_it_is_believed() {
    assert!(changed(|_| {}).is_ok());
    let refused = |change: &dyn Fn(&mut [u8])| changed(change).unwrap_err();
    assert_eq!(refused(&|reply| reply[0] = 0x23), WhyNot::Mode { mode: 3 });
    assert_eq!(refused(&|reply| reply[0] = 0x25), WhyNot::Mode { mode: 5 });
    assert_eq!(refused(&|reply| reply[31] ^= 1), WhyNot::Originate);
    assert_eq!(refused(&|reply| reply[0] = 0x04), WhyNot::Version { version: 0 });
    assert_eq!(refused(&|reply| reply[0] = 0x2c), WhyNot::Version { version: 5 });
    assert_eq!(refused(&|reply| reply[0] = 0xe4), WhyNot::Unsynchronised);
    assert_eq!(refused(&|reply| reply[1] = 16), WhyNot::Unsynchronised);
    assert_eq!(refused(&|reply| reply[40..].fill(0)), WhyNot::Times);
    // Received after it was sent; the clock set after that.
    assert_eq!(refused(&|reply| reply[35] += 1), WhyNot::Times);
    assert_eq!(refused(&|reply| reply[19] += 1), WhyNot::Times);
    let distance = Duration::from_secs(16);
    assert_eq!(
        refused(&|reply| reply[4..12].copy_from_slice(&[0, 16, 0, 0, 0, 8, 0, 0])),
        WhyNot::TooFar { distance }
    );
    let kiss = |reply: &mut [u8]| {
        reply[0] = 0xe4;
        reply[1] = 0;
        reply[12..16].copy_from_slice(b"RATE");
    };
    assert_eq!(refused(&kiss), WhyNot::KissOfDeath { code: *b"RATE" });
    // A refusal (kiss of death) for another request is ignored.
    let forged = |reply: &mut [u8]| {
        kiss(reply);
        reply[24] ^= 1;
    };
    assert!(refused(&forged).is_strange());

    let leap = |first| changed(|reply| reply[0] = first).unwrap().leap;
    assert_eq!((leap(0x64), leap(0xa4)), (Leap::Insert, Leap::Delete));
    let reference = changed(|reply| {
        reply[1] = 1;
        reply[12..16].copy_from_slice(b"GPS\0");
        // Zero: unknown.
        reply[16..24].fill(0);
    });
    assert_eq!(reference.unwrap().reference.to_string(), "GPS");
}

#[test]
fn short_and_random_replies_do_no_harm() {
    let question = request(NONCE);
    let sent = WallClock::new(NOW, at(0));
    for length in 0..48 {
        let short = measure(&vec![0x24; length], &question, sent, at(1));
        assert_eq!(short, Err(WhyNot::TooShort { length }));
    }
    let mut dice = crate::harness::Dice(3);
    for _ in 0..20_000 {
        let mut reply: Vec<u8> = (0..48 + dice.below(30)).map(|_| dice.next() as u8).collect();
        reply[0] = 0x24;
        reply[1] = 1;
        reply[24..32].copy_from_slice(&NONCE.to_be_bytes());
        let begin = Duration::from_secs(dice.next() >> dice.below(64));
        let sent = WallClock::new(begin, Instant::from_nanos(dice.next()));
        let _ = measure(&reply, &question, sent, Instant::from_nanos(dice.next()));
    }
}
