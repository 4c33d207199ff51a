//! Rates of one member, and of all members of an origin; and inputs that cost the hub nothing.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Door, Dropped, PerOrigin, Rate};

use crate::harness::{
    FORMATS, Harness, SECOND, beyond, bytes_got, got, heartbeat, local, open, told,
};

const MILLISECOND: Duration = Duration::from_millis(1);

fn messages(most: u32) -> Rate {
    Rate { messages: Some(most), bytes: None }
}

fn bytes(most: u64) -> Rate {
    Rate { messages: None, bytes: Some(most) }
}

/// A configuration with only this limit, for members on this host.
fn limited(rate: Rate, hub_rate: Rate) -> Config {
    let for_loopback = |loopback| PerOrigin { loopback, ..PerOrigin::default() };
    Config { rate: for_loopback(rate), hub_rate: for_loopback(hub_rate), ..Config::default() }
}

/// Sends a text repeatedly at an interval; returns how many were relayed.
fn flood(h: &mut Harness, from: SocketAddr, times: usize, apart: Duration, text: &str) -> u64 {
    let before = h.hub.statistics().messages;
    for n in 0..times {
        h.from(from, format!("{text} {n:08}"));
        h.now = h.now + apart;
    }
    h.hub.statistics().messages - before
}

#[test]
fn a_second_of_the_rate_may_come_at_once_and_then_the_rate_holds() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            doors: vec![Door::of(format)],
            ..limited(messages(20), Rate::UNLIMITED)
        });
        h.join(&[local(5001), local(5002)]);
        assert_eq!(flood(&mut h, local(5001), 100, Duration::ZERO, "at once"), 20, "{format:?}");
        assert_eq!(h.dropped(Dropped::RateLimited), 80);
        h.now = h.now + 2 * SECOND;
        // Ten seconds at ten times the rate.
        let passed = flood(&mut h, local(5001), 2_000, 5 * MILLISECOND, "faster");
        assert!((218..=221).contains(&passed), "{format:?}: {passed}");
        assert_eq!(h.dropped(Dropped::RateLimited), 80 + 2_000 - passed);
        // Other members are unaffected.
        assert_eq!(flood(&mut h, local(5002), 10, Duration::ZERO, "calmly"), 10);
    }
}

#[test]
fn whoever_keeps_to_the_rate_loses_nothing() {
    let mut h = Harness::new(limited(messages(20), Rate::UNLIMITED));
    assert_eq!(flood(&mut h, local(5001), 400, 50 * MILLISECOND, "steady"), 400);
    assert_eq!(h.dropped(Dropped::RateLimited), 0);
}

#[test]
fn bytes_are_limited_apart_from_messages() {
    let mut h = Harness::new(limited(bytes(1_000), Rate::UNLIMITED));
    // 100 bytes each, including the number.
    let text = "x".repeat(91);
    assert_eq!(flood(&mut h, local(5001), 50, Duration::ZERO, &text), 10);
    h.now = h.now + 2 * SECOND;
    let passed = flood(&mut h, local(5001), 1_000, 10 * MILLISECOND, &text);
    assert!((108..=111).contains(&passed), "{passed}");
    // One message larger than a second's worth passes after some silence.
    h.now = h.now + 10 * SECOND;
    assert_eq!(flood(&mut h, local(5001), 1, Duration::ZERO, &"x".repeat(5_000)), 1);
    assert_eq!(flood(&mut h, local(5001), 40, 100 * MILLISECOND, &text), 0);
}

#[test]
fn all_of_one_origin_together_have_a_rate_of_their_own() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            doors: vec![Door::of(format)],
            ..limited(messages(1_000), messages(50))
        });
        h.join(&[local(5001), local(5002), open(7)]);
        let mut passed = flood(&mut h, local(5001), 40, Duration::ZERO, "one");
        passed += flood(&mut h, local(5002), 40, Duration::ZERO, "other");
        assert_eq!(passed, 50, "{format:?}");
        assert_eq!(h.dropped(Dropped::HubRateLimited), 30);
        assert_eq!(h.dropped(Dropped::RateLimited), 0);
        // Another origin is unaffected.
        assert_eq!(flood(&mut h, open(7), 40, Duration::ZERO, "from elsewhere"), 40);
        h.now = h.now + 2 * SECOND;
        assert_eq!(flood(&mut h, local(5002), 80, Duration::ZERO, "again"), 50);
    }
}

#[test]
fn bytes_of_all_together_are_limited_too() {
    let mut h = Harness::new(limited(Rate::UNLIMITED, bytes(1_000)));
    let text = "x".repeat(91);
    let mut passed = 0;
    for port in 5001..=5010 {
        passed += flood(&mut h, local(port), 5, Duration::ZERO, &text);
    }
    assert_eq!(passed, 10);
    assert_eq!(h.dropped(Dropped::HubRateLimited), 40);
}

#[test]
fn answers_cost_as_much_as_messages() {
    for command in ["/who", "/nonsense", "/msg 127.0.0.1:5001 x"] {
        let mut h = Harness::new(limited(messages(10), Rate::UNLIMITED));
        h.join(&[local(5001)]);
        let mut answered = 0;
        for _ in 0..100 {
            let sent = h.from(local(5001), command);
            answered += usize::from(!sent.is_empty());
        }
        // The warning is one more line.
        assert!((10..=11).contains(&answered), "{command}: {answered}");
    }
}

#[test]
fn beyond_its_rate_a_member_is_not_listened_to_at_all() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            doors: vec![Door::of(format)],
            ..limited(messages(1), Rate::UNLIMITED)
        });
        h.join(&[local(5001), local(5002)]);
        let line = bytes_got(&h.from(local(5002), "hello to everybody"), local(5001)).concat();
        h.from(local(5001), "all that it may say");
        // Reading it as an echo would cost more than its own text, and would not be charged.
        for n in 1..=5 {
            h.from(local(5001), &line);
            assert_eq!(h.dropped(Dropped::RateLimited), n, "{format:?}");
        }
        assert_eq!(h.dropped(Dropped::AnswersByItself), 0);
    }
}

#[test]
fn a_flooding_member_and_the_others_stay_alive() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            doors: vec![Door::of(format)],
            ..limited(messages(1), messages(1))
        });
        h.join(&[local(5001), local(5002), local(5003)]);
        for n in 0..900 {
            h.from(local(5001), format!("flood {n}"));
            if n % 100 == 0 {
                h.from(local(5002), "^hb^");
                // Answered or not, the member was heard.
                h.from(local(5003), heartbeat(64));
            }
            h.wait(100 * MILLISECOND);
        }
        for port in 5001..=5003 {
            assert!(h.is_member(local(port)), "{format:?} {port}");
        }
        assert_eq!(h.hub.statistics().joined, 3);
        assert!(h.dropped(Dropped::RateLimited) > 700);
    }
}

#[test]
fn a_flood_is_warned_of_once() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            doors: vec![Door::of(format)],
            ..limited(messages(20), Rate::UNLIMITED)
        });
        h.join(&[local(5001)]);
        for episode in 0..3 {
            let mut warned = 0;
            for n in 0..1_000 {
                let sent = h.from(local(5001), format!("episode {episode} message {n}"));
                warned += told(&sent, local(5001)).len();
                h.now = h.now + 10 * MILLISECOND;
            }
            // In the raw format everything is data, except for members that read control lines.
            assert_eq!(
                warned,
                usize::from(format != pigeon_proto::Format::Raw),
                "{format:?} {episode}"
            );
            h.now = h.now + 3 * SECOND;
        }
    }
}

#[test]
fn warnings_come_no_faster_than_one_a_second() {
    // Bursts with pauses of any length: each may count as a new episode.
    for pause in [10, 100, 500, 900, 1_000, 1_100, 2_000] {
        let mut h = Harness::new(limited(messages(20), Rate::UNLIMITED));
        let mut warned_at = Vec::new();
        for n in 0..30 {
            for m in 0..40 {
                let sent = h.from(local(5001), format!("burst {n} message {m}"));
                warned_at.extend(told(&sent, local(5001)).iter().map(|_| h.now));
            }
            h.now = h.now + pause * MILLISECOND;
        }
        assert!(!warned_at.is_empty());
        // A message may have been held back until the end of a trial, so two can arrive together.
        let is_slow = |three: &[pigeon_datagram::Instant]| three[2] - three[0] >= SECOND;
        assert!(warned_at.windows(3).all(is_slow), "pauses of {pause} ms: {warned_at:?}");
    }
}

#[test]
fn by_default_a_program_on_this_machine_says_fifty_thousand_a_second_and_all_are_unlimited() {
    let mut h = Harness::chat();
    h.join(&[local(5001)]);
    assert_eq!(flood(&mut h, local(5001), 60_000, Duration::ZERO, "fast"), 50_000);
    assert_eq!(flood(&mut h, local(5002), 60_000, Duration::ZERO, "fast"), 50_000);
    assert_eq!(h.dropped(Dropped::RateLimited), 20_000);
    assert_eq!(h.dropped(Dropped::HubRateLimited), 0);
    let rate = Config::default().rate.loopback;
    assert_eq!((rate.messages, rate.bytes), (Some(50_000), Some(256 << 20)));
}

#[test]
fn by_default_a_member_of_an_open_network_says_five_thousand_a_second() {
    let mut h = Harness::chat();
    h.join(&[open(7)]);
    assert_eq!(flood(&mut h, open(7), 6_000, Duration::ZERO, "fast"), 5_000);
    assert_eq!(h.dropped(Dropped::RateLimited), 1_000);
    h.now = h.now + 2 * SECOND;
    // The limit of 8 MiB a second, in messages of 8,000 bytes and 9 bytes of number.
    let passed = flood(&mut h, open(7), 1_100, Duration::ZERO, &"x".repeat(8_000));
    assert_eq!(passed, (8 << 20) / (8_000 + 9));
}

#[test]
fn by_default_all_open_networks_together_say_fifty_thousand_a_second() {
    let mut h = Harness::chat();
    let mut passed = 0;
    for port in 0..12 {
        passed += flood(&mut h, open(7 + port), 5_000, Duration::ZERO, "fast");
    }
    assert_eq!(passed, 50_000);
    assert_eq!(h.dropped(Dropped::HubRateLimited), 10_000);
}

#[test]
fn by_default_fifty_beyond_may_speak_at_their_full_rate() {
    let mut h = Harness::chat();
    let speakers: Vec<SocketAddr> =
        (0..60).map(|n| SocketAddr::from(([203, 0, 113, n], 7))).collect();
    speakers.iter().for_each(|&speaker| h.prove(speaker));
    h.now = h.now + 2 * SECOND;
    let say = |speaker: &SocketAddr| flood(&mut h, *speaker, 30, Duration::ZERO, "all at once");
    assert_eq!(speakers.iter().map(say).sum::<u64>(), 50 * 20);
    assert_eq!(h.dropped(Dropped::HubRateLimited), 10 * 30);
}

#[test]
fn idle_clients_cost_those_who_speak_nothing() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        let clients: Vec<SocketAddr> =
            (0..250).map(|n| SocketAddr::from(([203, 0, 113, n], 7))).collect();
        clients.iter().for_each(|&client| h.prove(client));
        h.wait(2 * SECOND);
        let mut got = 0;
        for second in 0..13 {
            // Each member sends a heartbeat every ten seconds, all in the same second.
            let asks = second % 10 == 0;
            let answered = clients.iter().filter(|&&client| {
                asks && bytes_got(&h.from(client, heartbeat(336)), client).len() == 1
            });
            assert_eq!(answered.count(), if asks { 250 } else { 0 });
            got += bytes_got(&h.from(clients[0], format!("at {second}")), clients[1]).len();
            h.wait(SECOND);
        }
        assert_eq!(got, 13, "{format:?}");
        assert_eq!(h.dropped(Dropped::HubRateLimited), 0);
    }
}

#[test]
fn heartbeats_are_not_messages_and_their_answers_are_bounded() {
    for format in FORMATS {
        let rate = limited(messages(2), messages(2));
        let mut h = Harness::new(Config { doors: vec![Door::of(format)], ..rate });
        h.join(&[local(5001), local(5002)]);
        let ask =
            |h: &mut Harness| bytes_got(&h.from(local(5001), heartbeat(64)), local(5001)).len();
        assert_eq!((0..1_000).map(|_| ask(&mut h)).sum::<usize>(), 8);
        assert_eq!(h.dropped(Dropped::HeartbeatUnanswered), 992);
        // The member's earlier allowance is unchanged.
        assert_eq!(flood(&mut h, local(5001), 5, Duration::ZERO, "said"), 2);
        h.now = h.now + 2 * SECOND;
        assert_eq!(flood(&mut h, local(5001), 5, Duration::ZERO, "again"), 2);
        assert_eq!(
            (0..10_000)
                .map(|_| {
                    h.now = h.now + MILLISECOND;
                    ask(&mut h)
                })
                .sum::<usize>(),
            88
        );
        assert!(h.is_member(local(5001)));
        assert_eq!(h.dropped(Dropped::RateLimited), 6);
    }
}

#[test]
fn by_default_those_beyond_say_twenty_a_second() {
    let mut h = Harness::chat();
    h.prove(beyond(7));
    h.now = h.now + 2 * SECOND;
    assert_eq!(flood(&mut h, beyond(7), 100, Duration::ZERO, "fast"), 20);
    h.now = h.now + 2 * SECOND;
    assert_eq!(flood(&mut h, beyond(7), 400, 50 * MILLISECOND, "steady"), 400);
}

#[test]
fn leaving_and_coming_again_is_no_way_around_the_rate() {
    for format in FORMATS {
        let rate = limited(messages(20), Rate::UNLIMITED);
        let mut h = Harness::new(Config { doors: vec![Door::of(format)], ..rate });
        h.join(&[local(5001)]);
        let before = h.hub.statistics().messages;
        for n in 0..10_000 {
            h.from(local(5002), format!("message {n}"));
            if n % 15 == 14 {
                h.from(local(5002), "quit");
            }
            h.now = h.now + MILLISECOND;
        }
        // Ten seconds of the rate, and two bursts.
        let passed = h.hub.statistics().messages - before;
        assert!((200..=240).contains(&passed), "{format:?}: {passed}");
        // A member that quits after a few words may return at once.
        h.from(local(5003), "a few words");
        h.from(local(5003), "quit");
        h.from(local(5003), "and a few more");
        assert!(h.is_member(local(5003)));
    }
}

// Free inputs.

#[test]
fn a_million_forged_sources_leave_nothing_behind() {
    let mut h = Harness::chat();
    let forged = |n: u32| {
        let [a, b, c, d] = n.wrapping_mul(2_654_435_761).to_be_bytes();
        SocketAddr::from(([11 + a % 100, b, c, d], 1_024 + (n % 60_000) as u16))
    };
    let padded = heartbeat(64);
    for n in 0..1_000_000u32 {
        match n % 16 {
            0 => h.hear(forged(n), &padded),
            1 => h.hear(forged(n), "/prove abcdefghijklmnop"),
            2 => h.hear(forged(n), "quit"),
            _ => h.hear(forged(n), "^hb^"),
        }
        if n % 1_024 == 0 {
            h.transmits();
        }
    }
    h.transmits();
    assert_eq!(h.hub.member_count(), 0);
    assert_eq!(h.hub.poll_timeout(), None);
    assert_eq!(h.hub.statistics().joined, 0);
    assert!(h.hub.poll_event().is_none());
}

#[test]
fn members_stay_while_forged_sources_come() {
    let mut h = Harness::chat();
    h.join(&[local(5001), open(7)]);
    h.prove(beyond(7));
    for second in 0..60u8 {
        for n in 0..1_000u16 {
            let [a, b] = n.to_be_bytes();
            h.hear(SocketAddr::from(([198, second, a, b], 7)), heartbeat(200));
        }
        h.transmits();
        if second % 10 == 0 {
            for member in [local(5001), open(7), beyond(7)] {
                h.from(member, "^hb^");
            }
        }
        h.wait(SECOND);
    }
    assert_eq!(h.hub.member_count(), 3);
    let sent = h.from(local(5001), "still here?");
    assert!([local(5001), open(7), beyond(7)].iter().all(|&m| bytes_got(&sent, m).len() == 1));
    assert_eq!(got(&h.from(beyond(7), heartbeat(64)), beyond(7)).len(), 1);
}

#[test]
fn the_hubs_rate_warns_no_more_than_once_a_second() {
    for rate in [Rate::UNLIMITED, Rate { messages: Some(1_000), bytes: None }] {
        let mut config = Config::default();
        config.rate.loopback = rate;
        config.hub_rate.loopback = Rate { messages: Some(10), bytes: None };
        let mut h = Harness::new(config);
        h.join(&[local(5001)]);
        let mut warned = 0;
        for n in 0..100 {
            let sent = h.from(local(5001), format!("message {n}"));
            warned += got(&sent, local(5001)).iter().filter(|l| l.starts_with("* ")).count();
            h.now = h.now + Duration::from_millis(5);
        }
        assert!(warned <= 1, "{rate:?}: {warned} warnings in half a second");
    }
}

#[test]
fn the_members_rate_is_not_spent_on_what_the_hub_refuses() {
    let mut config = Config::default();
    config.rate.loopback = Rate { messages: Some(10), bytes: None };
    config.hub_rate.loopback = Rate { messages: Some(1), bytes: None };
    let mut h = Harness::new(config);
    for n in 0..10 {
        h.from(local(5001), format!("message {n}"));
    }
    assert_eq!(h.dropped(Dropped::HubRateLimited), 9);
    h.from(local(5001), "another");
    assert_eq!(h.dropped(Dropped::RateLimited), 0);
}

// Work.

/// An address in an open network, on a host of its own.
fn host(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 7, 0, n], 5_000))
}

/// A hub with eight encodings in its lobby, most of them used by one address.
fn in_many_encodings() -> Harness {
    let mut h = Harness::chat();
    for (port, label) in
        (1..).zip(["utf-8", "gbk", "big5", "shift_jis", "euc-kr", "latin1", "koi8-r"])
    {
        let member = SocketAddr::from((host(1).ip(), port));
        h.join(&[member]);
        h.from(member, format!("/encoding {label}"));
    }
    h
}

#[test]
fn costly_messages_of_one_address_are_bounded_and_others_lose_nothing() {
    let mut h = in_many_encodings();
    h.join(&[host(2)]);
    let costly = "ɐ".repeat(4_000);
    let from = SocketAddr::from((host(1).ip(), 1));
    let (mut relayed, mut others) = (0, 0);
    for millis in 0..300 {
        relayed += got(&h.from(from, &costly), host(2)).len();
        if millis % 30 == 0 {
            others += got(&h.from(host(2), "a word of mine"), host(2)).len();
        }
        h.now = h.now + MILLISECOND;
    }
    assert_eq!(others, 10);
    // Two or three milliseconds each, a noticeable delay for others.
    assert!((1..10).contains(&relayed), "{relayed}");
    assert_eq!(h.dropped(Dropped::WorkLimited), 300 - relayed as u64);
}

#[test]
fn who_has_the_hub_for_himself_is_refused_nothing_for_work() {
    let mut h = in_many_encodings();
    let costly = "ɐ".repeat(4_000);
    let from = SocketAddr::from((host(1).ip(), 1));
    for n in 1..=40 {
        h.from(from, &costly);
        assert_eq!(h.hub.statistics().messages, n);
        h.now = h.now + 2 * MILLISECOND;
    }
    assert_eq!(h.dropped(Dropped::WorkLimited), 0);
}

#[test]
fn who_is_refused_for_work_learns_it_once_until_it_has_rested() {
    let mut h = in_many_encodings();
    h.join(&[host(2)]);
    let from = SocketAddr::from((host(1).ip(), 1));
    for _ in 0..3 {
        let mut warned = Vec::new();
        for _ in 0..100 {
            warned.extend(told(&h.from(from, "ɐ".repeat(4_000)), from));
            warned.extend(told(&h.wait(MILLISECOND), from));
        }
        let line = "* not sent: what your address sends keeps the hub too busy\n";
        assert_eq!(warned, [line]);
        h.now = h.now + 3 * SECOND;
        h.from(from, "a word after a rest");
        h.now = h.now + SECOND;
    }
}

#[test]
fn this_host_is_its_operators_own_and_works_as_much_as_it_wants() {
    let mut h = in_many_encodings();
    h.join(&[local(5001)]);
    for n in 1..=20 {
        h.from(local(5001), "ɐ".repeat(4_000));
        assert_eq!(h.hub.statistics().messages, n);
    }
}

#[test]
fn limits_can_change_while_members_are_there() {
    let mut h = Harness::chat();
    h.join(&[local(5001), local(5002)]);
    let other = Config {
        max_text: Some(3),
        password: Some("open sesame".into()),
        doors: vec![pigeon_hub::Door::of(pigeon_proto::Format::Raw)],
        ..Config::default()
    };
    h.hub.reconfigure(&other);
    assert_eq!(got(&h.from(local(5001), "abc"), local(5002)), ["127.0.0.1:5001: abc\n"]);
    assert!(got(&h.from(local(5001), "abcd"), local(5001))[0].contains("at most 3"));
    assert!(got(&h.from(local(5003), "hi"), local(5003))[0].contains("asks for a password"));
    // Listening sockets and members stay unchanged.
    assert_eq!(h.hub.config().doors.len(), 1);
    h.hub.reconfigure(&Config::default());
    assert_eq!(got(&h.from(local(5001), "abcd"), local(5002)), ["127.0.0.1:5001: abcd\n"]);
}
