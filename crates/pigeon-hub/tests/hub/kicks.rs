//! A kick lasts ten minutes, for address and port, and for the resume token.

use pigeon_hub::{Config, Dropped, Event, Keep, Left};
use pigeon_proto::Format::{Chat, Raw};
use pigeon_proto::{Notice, Reason, Refusal, Subject};

use crate::harness::{
    FORMATS, Harness, SECOND, address, beyond, bytes_got, got, heartbeat, local, open, told,
};

const REFUSED: &str = "^hb^ refused member kicked";

#[test]
fn a_kicked_member_hears_why_it_is_refused_at_most_once_a_second() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[open(5001), open(5002)]);
        h.from(open(5001), heartbeat(64));
        let sent = h.kick("10.0.2.1:5001");
        assert_eq!(got(&sent, open(5001)), ["^hb^ gone kicked"]);
        let why = Refusal::new(Subject::Member, Reason::Kicked);
        assert_eq!(Notice::Refused(why).to_bytes(), REFUSED.as_bytes());
        let mut lines = Vec::new();
        for _ in 0..100 {
            h.now = h.now + SECOND / 10;
            lines.extend(got(&h.from(open(5001), heartbeat(64)), open(5001)));
        }
        assert_eq!(lines, [REFUSED; 10], "{format:?}");
        assert_eq!(h.dropped(Dropped::Kicked), 100);
        assert!(!h.is_member(open(5001)) && h.is_member(open(5002)));
    }
}

#[test]
fn nothing_it_sends_brings_it_back_or_is_relayed() {
    let long = "x".repeat(200);
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let word = h.nick(local(5001), "dog");
    h.kick("dog");
    let resume = format!("/resume {word}");
    for payload in ["", "hello", "^hb^", "/nick dog", "/who", &resume, &long] {
        h.wait(2 * SECOND);
        let sent = h.from(local(5001), payload);
        assert!(got(&sent, local(5002)).is_empty(), "{payload}");
        let told = told(&sent, local(5001));
        // Never longer than the sender's datagram.
        assert_eq!(told.len(), usize::from(payload == long), "{payload}");
        assert!(told.iter().all(|line| line.contains("ten minutes")), "{told:?}");
        assert!(!h.is_member(local(5001)), "{payload}");
    }
    // Other members of that host may join.
    h.from(local(5003), "hello");
    assert!(h.is_member(local(5003)));
}

#[test]
fn a_kicked_member_that_comes_with_its_word_first_silences_nobody() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    let word = h.nick(local(5001), "dog");
    h.kick("dog");
    // From an untrusted address, so that one datagram both joins and gets removed.
    for port in 6001..6010 {
        h.from(local(port), format!("/resume {word}"));
        assert!(!h.is_member(local(port)));
    }
    let sent = h.from(local(5003), "hello");
    assert_eq!(got(&sent, local(5002)), ["127.0.0.1:5003: hello\n"]);
}

#[test]
fn a_kick_holds_at_every_door_and_for_every_way_to_write_the_address() {
    let doors = [Chat, Raw].map(pigeon_hub::Door::of).to_vec();
    let mut h = Harness::new(Config { doors, ..Config::default() });
    h.join(&[open(5001)]);
    h.kick("10.0.2.1:5001");
    h.hear_at(1, open(5001), "");
    h.hear_at(0, address("[::ffff:10.0.2.1]:5001"), "");
    h.drain();
    assert_eq!((h.hub.member_count(), h.dropped(Dropped::Kicked)), (0, 2));
}

#[test]
fn an_ipv6_address_with_a_zone_is_kept_away_too() {
    let (one, other) = (address("[fe80::1%7]:5001"), address("[fe80::1%8]:5001"));
    let mut h = Harness::with_members(Chat, &[one]);
    h.kick("[fe80::1%7]:5001");
    h.from(one, "");
    h.from(other, "");
    assert!(!h.is_member(one) && h.is_member(other));
}

#[test]
fn the_resume_word_shows_who_comes_from_elsewhere() {
    let mut h = Harness::with_members(Chat, &[open(5001), open(5002)]);
    let word = h.nick(open(5001), "dog");
    h.kick("dog");
    h.wait(100 * SECOND);
    h.join(&[open(5002)]);
    // The member returns from a new port, with its token, and is removed again.
    h.from(open(6001), heartbeat(64));
    assert!(h.is_member(open(6001)));
    let sent = h.from(open(6001), format!("/resume {word}"));
    assert_eq!(got(&sent, open(6001)), ["^hb^ gone kicked"]);
    assert_eq!(got(&h.from(open(6001), heartbeat(64)), open(6001)), [REFUSED]);
    assert_eq!(h.hub.statistics().left(Left::Kicked), 2);
    // The ten minutes count from the kick.
    h.keep(&[open(5002)], 495 * SECOND);
    h.from(open(6001), "");
    assert!(!h.is_member(open(6001)));
    h.keep(&[open(5002)], 10 * SECOND);
    h.from(open(6001), "");
    assert!(h.is_member(open(6001)));
    // The token has become invalid.
    h.from(open(6001), format!("/resume {word}"));
    assert_eq!(h.name_of(open(6001)), None);
}

#[test]
fn a_kick_frees_the_name_at_once_also_of_a_member_that_timed_out() {
    let other = address("10.0.3.1:7");
    let mut h = Harness::with_members(Chat, &[open(5001), other]);
    h.nick(open(5001), "dog");
    h.kick("dog");
    h.nick(other, "dog");

    let mut h = Harness::with_members(Chat, &[open(5001), other]);
    let word = h.nick(open(5001), "dog");
    h.keep(&[open(5001), other], 90 * SECOND);
    h.keep(&[other], 40 * SECOND);
    assert!(!h.is_member(open(5001)));
    h.from(other, "/nick dog");
    assert_eq!(h.name_of(other), None, "it is kept");
    // The member has returned, but without its name.
    h.from(open(5001), "");
    h.kick("DOG");
    assert!(!h.is_member(open(5001)));
    h.nick(other, "dog");
    h.from(open(6001), format!("/resume {word}"));
    assert!(!h.is_member(open(6001)));
    assert!(!h.hub.kick(h.now, "cat"));
}

#[test]
fn from_beyond_the_open_networks_a_kicked_one_gets_no_more_than_it_sent() {
    let mut h = Harness::chat();
    h.prove(beyond(5001));
    h.kick("203.0.113.5:5001");
    for length in [4, 25, 26, 64, 336] {
        h.wait(2 * SECOND);
        let sent = h.from(beyond(5001), heartbeat(length));
        let lines = bytes_got(&sent, beyond(5001));
        assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= length, "{length}");
        assert!(lines.iter().all(|line| *line == REFUSED.as_bytes()), "{length}");
        assert_eq!(lines.len(), usize::from(length >= 64));
    }
    // A proof requested before the kick does not help either.
    let mut h = Harness::chat();
    let proof = bytes_got(&h.from(beyond(5001), heartbeat(64)), beyond(5001)).concat();
    h.from(beyond(5001), &proof);
    h.kick("203.0.113.5:5001");
    h.from(beyond(5001), &proof);
    assert_eq!((h.hub.member_count(), h.dropped(Dropped::Kicked)), (0, 1));
}

#[test]
fn kicks_are_bounded_and_counted() {
    let mut h = Harness::new(Config { max_per_address: None, ..Config::default() });
    h.join(&[open(9_000)]);
    for n in 0..10_003_u16 {
        h.hear(open(10_000 + n), "");
        assert!(h.hub.kick(h.now, &open(10_000 + n).to_string()));
        h.now = h.now + SECOND / 1_000;
    }
    h.drain();
    assert_eq!(h.hub.statistics().kicks_forgotten, 3);
    h.from(open(10_002), "");
    h.from(open(10_003), "");
    assert!(h.is_member(open(10_002)) && !h.is_member(open(10_003)));
}

#[test]
fn a_new_port_does_not_evade_a_kick_where_nobody_else_is_behind_the_address() {
    let mut h = Harness::with_members(Chat, &[open(5001), local(5002)]);
    h.nick(open(5001), "dog");
    h.kick("dog");
    let sent = h.from(open(6001), "here I am again, with a new port");
    assert!(!h.is_member(open(6001)) && got(&sent, local(5002)).is_empty());
    assert_eq!(h.hub.kicks(h.now).count(), 1);
    // By name, or by address.
    assert!(!h.hub.unkick(h.now, "cat") && h.hub.unkick(h.now, "Dog"));
    h.from(open(6001), "");
    assert!(h.is_member(open(6001)) && h.hub.kicks(h.now).count() == 0);
}

#[test]
fn a_kick_behind_a_nat_locks_out_no_neighbour_and_keeps_the_name_from_them() {
    let mut h = Harness::with_members(Chat, &[open(5001), open(5002)]);
    h.nick(open(5001), "dog");
    h.kick("dog");
    h.from(open(6001), "hello");
    assert!(h.is_member(open(6001)) && h.is_member(open(5002)) && !h.is_member(open(5001)));
    for name in ["dog", "DOG"] {
        h.from(open(6001), format!("/nick {name}"));
        assert_eq!(h.name_of(open(6001)), None, "{name}");
    }
    h.nick(open(6001), "cat");
    h.keep(&[open(6001)], 601 * SECOND);
    h.nick(open(6001), "dog");
}

#[test]
fn kicks_outlive_a_restart_with_the_time_that_is_left() {
    let config = || Config { keeps: true, ..Config::default() };
    let mut h = Harness::new(config());
    h.join(&[open(5001)]);
    assert!(h.hub.kick(h.now, "10.0.2.1:5001"));
    let kick = |event| match event {
        Event::Keep(keep @ Keep::Kick(_)) => Some(keep),
        _ => None,
    };
    let kept: Vec<Keep> = h.events().into_iter().filter_map(kick).collect();
    assert_eq!(kept.len(), 1);
    let mut h = Harness::new(config());
    h.wait(100 * SECOND);
    h.hub.restore(h.now, kept.clone());
    h.from(open(6001), "");
    assert!(!h.is_member(open(6001)));
    h.wait(510 * SECOND);
    h.from(open(6001), "");
    assert!(h.is_member(open(6001)));
    // It is over already.
    h.hub.restore(h.now, kept.clone());
    assert_eq!(h.hub.kicks(h.now).count(), 0);
}
