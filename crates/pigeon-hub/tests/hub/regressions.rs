//! What once went wrong: loops, losses and leaks that a first reading of the promises found.

use crate::harness::*;
use pigeon_hub::Format::{Chat, Raw};
use pigeon_hub::*;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Hands the hub, `times` over, what an echo service at `echo` returns; how many came back in all.
fn bounce(h: &mut Harness, echo: SocketAddr, first: Vec<Sent>, most: usize) -> usize {
    let mut queue: VecDeque<Vec<u8>> =
        bytes_got(&first, echo).into_iter().map(<[u8]>::to_vec).collect();
    let mut count = 0;
    while let Some(payload) = queue.pop_front() {
        count += 1;
        if count >= most {
            break;
        }
        let sent = h.from(echo, payload);
        queue.extend(bytes_got(&sent, echo).into_iter().map(<[u8]>::to_vec));
    }
    count
}

// A refusal ("the hub is full") bounces for ever between the hub and an echo service.
#[test]
fn refusals_do_not_bounce_for_ever() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 1, format, ..Config::default() });
        h.join(&[local(5001)]);
        let first = h.from(local(7), "somebody forged this datagram");
        let count = bounce(&mut h, local(7), first, 1_000);
        assert!(count <= 3, "{format:?}: {count}");
    }
}
// two full hubs
#[test]
fn two_full_hubs_fall_silent() {
    for left in FORMATS {
        for right in FORMATS {
            let full = |format| {
                let mut h = Harness::new(Config { max_members: 1, format, ..Config::default() });
                h.join(&[local(5001)]);
                h
            };
            let (mut l, mut r) = (full(left), full(right));
            let mut payload =
                b"somebody forged this datagram to the left hub in the right one's name".to_vec();
            let mut count = 0;
            while let Some(p) = l.from(local(9002), &payload).pop() {
                count += 1;
                let Some(p) = r.from(local(9001), &p.1).pop() else { break };
                count += 1;
                payload = p.1;
                if count > 1_000 {
                    break;
                }
            }
            assert!(count <= 6, "{left:?} {right:?} {count}");
        }
    }
}

// A raw member's own readings are taken for echoes, though nothing of them was sent to it.
#[test]
fn a_sensor_with_a_constant_reading_is_heard() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    let mut heard = 0;
    for _ in 0..20 {
        heard += got(&h.from(local(5001), "temp 21.5 C"), local(5002)).len();
        h.now = h.now + SECOND;
    }
    assert_eq!(heard, 20);
}
#[test]
fn binary_packets_with_a_counter_all_arrive() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    let mut lost = Vec::new();
    for counter in 0..=255u8 {
        let packet = [b"\x80\x00\x00\x00\x00\x00\x00\x00".as_slice(), &[counter]].concat();
        if bytes_got(&h.from(local(5001), packet), local(5002)).is_empty() {
            lost.push(counter);
        }
        h.now = h.now + Duration::from_millis(20);
    }
    assert_eq!(lost, [0u8; 0]);
}

// bans that contain loopback
#[test]
fn no_ban_reaches_loopback() {
    for net in ["0.0.0.0/0", "126.0.0.0/7", "::/0", "::/127", "64.0.0.0/2"] {
        let mut h = Harness::with_members(Chat, &[local(5001), address("[::1]:5001")]);
        let result = h.hub.ban(h.now, net);
        h.drain();
        assert_eq!(h.hub.member_count(), 2, "{net}: {result:?}");
    }
}

// warnings
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
fn the_porch_is_told_once() {
    let config = Config { password: Some("s".into()), ..Config::default() };
    let mut h = Harness::new(config);
    let who = address("10.0.0.1:7");
    let mut told = 0;
    for _ in 0..20 {
        told += got(&h.from(who, "hello"), who).iter().filter(|l| l.starts_with("* ")).count();
        told +=
            got(&h.from(who, heartbeat(64)), who).iter().filter(|l| l.starts_with("* ")).count();
    }
    assert!(told <= 2, "{told}");
}

// resume
fn word(h: &mut Harness, who: SocketAddr, name: &str) -> String {
    let line = got(&h.from(who, format!("/nick {name}")), who).concat();
    line.split("/resume ").nth(1).unwrap().split(' ').next().unwrap().to_string()
}
fn keep(h: &mut Harness, who: &[SocketAddr], seconds: u64) {
    for _ in 0..seconds / 10 {
        h.wait(10 * SECOND);
        for &w in who {
            h.from(w, "^hb^");
        }
    }
}
fn has_name(h: &Harness, who: SocketAddr, name: &str) -> bool {
    h.hub.members().any(|m| m.address == who && m.name.as_ref().is_some_and(|n| n.as_str() == name))
}
#[test]
fn a_name_is_kept_ten_minutes_from_the_last_absence() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003), local(5004)]);
    h.from(local(5002), "/nick other");
    let w = word(&mut h, local(5001), "dog");
    // Gone for a minute, and back.
    h.from(local(5001), "quit");
    keep(&mut h, &[local(5002), local(5003)], 60);
    h.from(local(5003), format!("/resume {w}"));
    assert!(has_name(&h, local(5003), "dog"));
    // Nine minutes later gone again, and a minute later somebody else leaves.
    keep(&mut h, &[local(5002), local(5003)], 540);
    h.from(local(5003), "quit");
    keep(&mut h, &[local(5002), local(5004)], 20);
    h.from(local(5002), "quit");
    h.from(local(5004), format!("/resume {w}"));
    assert!(
        has_name(&h, local(5004), "dog"),
        "gone for twenty seconds, and the word is worth nothing"
    );
}
#[test]
fn a_word_is_good_for_ten_minutes_and_no_longer() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    let w = word(&mut h, local(5001), "dog");
    h.from(local(5001), "quit");
    h.wait(24 * 3600 * SECOND);
    h.from(local(5002), format!("/resume {w}"));
    assert!(!has_name(&h, local(5002), "dog"), "a day later");
}
// thirty right passwords at once
#[test]
fn a_class_that_joins_together_gets_in() {
    let mut h = Harness::new(Config { password: Some("s".into()), ..Config::default() });
    let mut refused = 0;
    for port in 5001..=5030 {
        let sent = h.from(local(port), "/pass s");
        refused += got(&sent, local(port)).iter().filter(|l| l.contains("too many")).count();
    }
    assert_eq!(refused, 0);
}
// raw: a repeated /pass is published
#[test]
fn raw_does_not_publish_the_password() {
    let mut h =
        Harness::new(Config { password: Some("secret".into()), format: Raw, ..Config::default() });
    h.join(&[local(5001), local(5002)]);
    h.from(local(5001), "/pass secret");
    h.from(local(5002), "/pass secret");
    // The answer was lost on the way, and the client tries again.
    let sent = h.from(local(5001), "/pass secret");
    assert_eq!(got(&sent, local(5002)), [""; 0]);
}
// encoded lines too long for a datagram
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
// what a member said just before its /join, in one batch, never comes back to it
#[test]
fn what_was_said_before_a_move_in_the_same_batch_is_acknowledged() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.hear(local(5001), "I go to the garden");
    h.hear(local(5001), "/join garden");
    let sent = h.drain();
    assert_eq!(got(&sent, local(5002)), ["127.0.0.1:5001: I go to the garden\n"]);
    assert!(
        got(&sent, local(5001)).contains(&"127.0.0.1:5001: I go to the garden\n".to_string()),
        "{:?}",
        got(&sent, local(5001))
    );
}
// Farewells
#[test]
fn an_echo_service_does_not_come_back_after_its_time_out() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        h.from(local(7), "forged datagram");
        let mut from_echo = 0;
        let mut seen = 0;
        for _ in 0..60 {
            h.from(local(5001), "^hb^");
            let mut queue: VecDeque<Sent> = h.wait(10 * SECOND).into();
            while let Some((to, bytes)) = queue.pop_front() {
                if to == local(7) {
                    from_echo += 1;
                    queue.extend(h.from(local(7), bytes));
                } else if to == local(5001) {
                    seen += 1;
                }
            }
        }
        assert!(from_echo <= 3, "{format:?}: {from_echo} in ten minutes, others saw {seen}");
    }
}
// An empty room of a refused join stays
#[test]
fn no_room_is_left_behind() {
    let mut h = Harness::new(Config {
        max_per_room: Some(0),
        password: Some("s".into()),
        ..Config::default()
    });
    h.from(local(5001), "/pass s");
    h.from(local(5001), "/join a");
    assert!(h.hub.rooms().count() <= 1);
}

// an unpadded question
#[test]
fn a_question_without_padding_makes_nobody_a_member() {
    let mut h = Harness::new(Config { discoverable: true, ..Config::default() });
    h.from(open(7), "/discover abc");
    assert!(!h.is_member(open(7)));
}
// a ban that can never match
#[test]
fn a_mapped_address_is_banned_as_its_ipv4_one() {
    let mut h = Harness::with_members(Chat, &[open(7)]);
    h.hub.ban(h.now, "::ffff:10.0.2.1").unwrap();
    h.drain();
    assert_eq!(h.hub.member_count(), 0);
}
// a rate of nothing
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
// a renamed hub
#[test]
fn room_and_member_may_not_pass_for_the_porch_or_hub() {
    let mut h = Harness::new(Config { name: Name::parse(b"school").unwrap(), ..Config::default() });
    h.from(local(5001), "/nick hub");
    assert_eq!(h.name_of(local(5001)), None, "docs: `hub` is the operator's");
}
// a token is forged for the porch: encoded echo
#[test]
fn an_encoded_echo_falls_silent() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    h.from(local(7), "/encoding gbk");
    let first = h.from(local(5001), "hello 😀 there");
    let n = bounce(&mut h, local(7), first, 100);
    assert!(n <= 3, "{n}");
}
// echo dropped members
#[test]
fn kicked_echo_stays_away() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(7)]);
        let sent = h.kick("127.0.0.1:7");
        let n = bounce(&mut h, local(7), sent, 100);
        assert!(!h.is_member(local(7)), "{format:?} {n}");
    }
}
// echo of one forged padded heartbeat by an upper-casing service is published
#[test]
fn answers_to_heartbeats_that_come_back_in_capitals_are_not_published() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    let answer =
        bytes_got(&h.from(local(7), heartbeat(64)), local(7)).concat().to_ascii_uppercase();
    assert_eq!(got(&h.from(local(7), answer), local(5001)), [""; 0]);
}
