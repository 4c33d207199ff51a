//! A hub with a password: a sender without it stays unauthenticated and gets no messages.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Dropped, PerOrigin, Rate};
use pigeon_proto::Format;
use pigeon_proto::Format::{Chat, Raw};

use crate::harness::{
    FORMATS, Harness, SECOND, address, bytes_got, got, heartbeat, is_hubs, local, open, told,
};

const NOTHING: [&str; 0] = [];

fn with_password(format: Format) -> Harness {
    Harness::new(Config { password: Some("open sesame".into()), ..Config::of(format) })
}

/// A hub with one authenticated member; a second one waits.
fn one_in_one_out(format: Format) -> Harness {
    let mut h = with_password(format);
    h.from(local(5001), "/pass open sesame");
    h.from(local(5002), "^hb^");
    h.wait(2 * SECOND);
    h
}

#[test]
fn nothing_goes_in_or_out_before_the_password() {
    for format in FORMATS {
        let mut h = one_in_one_out(format);
        assert_eq!(h.room_of(local(5001)).as_deref(), Some("lobby"), "{format:?}");
        assert_eq!(h.room_of(local(5002)), None);
        assert_eq!(got(&h.from(local(5001), "a secret"), local(5002)), NOTHING);
        assert_eq!(got(&h.from(local(5002), "let me in"), local(5001)), NOTHING);
        assert_eq!(h.dropped(Dropped::NoPassword), 1);
        assert_eq!(got(&h.say("only those inside"), local(5002)), NOTHING);
        assert_eq!(h.hub.statistics().messages, 2);
    }
}

#[test]
fn the_porch_learns_nothing_of_those_inside() {
    let mut h = one_in_one_out(Chat);
    h.nick(local(5001), "dog");
    h.from(local(5001), "/join ops");
    let commands = [
        "/who",
        "/rooms",
        "/nick dog",
        "/join ops",
        "/leave",
        "/msg dog hi",
        "/encoding gbk",
        "/quiet on",
        "/history",
        "/resume 1-abcdefghijklmnop",
        "/help",
        "/nonsense",
    ];
    for command in commands {
        let sent = h.from(local(5002), command);
        assert_eq!(got(&sent, local(5001)), NOTHING, "{command}");
        let answer = got(&sent, local(5002)).concat();
        for secret in ["127.0.0.1:5001", "dog", "ops"] {
            assert!(!answer.contains(secret), "{command}: {answer:?}");
        }
        assert_eq!(h.room_of(local(5002)), None);
        assert_eq!(h.name_of(local(5002)), None);
    }
    let sent = h.wait(5 * SECOND);
    assert_eq!(got(&sent, local(5002)), NOTHING);
    // Members cannot reach it either: it is not a member yet.
    let sent = h.from(local(5001), "/msg 127.0.0.1:5002 psst");
    assert_eq!(got(&sent, local(5002)), NOTHING);
    let who = told(&h.from(local(5001), "/who"), local(5001)).concat();
    assert!(!who.contains("5002"), "{who:?}");
}

#[test]
fn those_inside_hear_of_a_newcomer_when_it_is_let_in() {
    let mut h = one_in_one_out(Chat);
    h.from(local(5002), "/pass open sesame");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5002 joined\n"]);
    // Nor does anybody learn of a sender that never became a member.
    h.from(local(5003), "^hb^");
    h.wait(2 * SECOND);
    h.from(local(5003), "quit");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), NOTHING);
}

#[test]
fn a_newcomer_is_told_once_what_is_asked_of_it() {
    // In the raw format, a sender without padded heartbeats gets no notice: see `control`.
    for format in [Chat, Format::Classic] {
        let mut h = with_password(format);
        let sent = h.from(local(5001), "^hb^");
        let line = told(&sent, local(5001));
        assert!(line.len() == 1 && line[0].contains("/pass"), "{format:?} {line:?}");
        assert!(!line[0].contains("sesame"));
        assert_eq!(line[0].ends_with('\n'), format == Chat);
        let mut more = 0;
        for n in 0..50 {
            more += got(&h.from(local(5001), format!("message {n}")), local(5001)).len();
            more += got(&h.from(local(5001), "^hb^"), local(5001)).len();
        }
        // The hub asks a sender for the password once when it joins, and once at its first message.
        assert!(more <= 1, "{format:?}: told {more} times more");
        assert_eq!(h.dropped(Dropped::NoPassword), 50);
    }
}

#[test]
fn heartbeats_keep_those_who_wait_and_silence_ends_it() {
    for format in FORMATS {
        let mut h = one_in_one_out(format);
        h.keep(&[local(5002)], 60 * SECOND);
        assert!(h.is_member(local(5002)) && !h.is_member(local(5001)));
        let answer = got(&h.from(local(5002), heartbeat(64)), local(5002));
        assert_eq!(answer, [format!("^hb^ pigeon/1 1 0 {format} - - 0 0")]);
        h.wait(30 * SECOND);
        assert!(!h.is_member(local(5002)));
    }
}

#[test]
fn the_right_password_lets_in_and_a_wrong_one_does_not() {
    for format in FORMATS {
        let mut h = one_in_one_out(format);
        for wrong in [
            "/pass",
            "/pass ",
            "/pass open",
            "/pass open sesame!",
            "/pass OPEN SESAME",
            "/pass open  sesame",
        ] {
            h.from(local(5002), wrong);
            assert_eq!(h.room_of(local(5002)), None, "{format:?} {wrong}");
            h.wait(SECOND);
        }
        let sent = h.from(local(5002), " /pass open sesame\r\n");
        assert_eq!(h.room_of(local(5002)).as_deref(), Some("lobby"), "{format:?}");
        assert!(told(&sent, local(5002)).len() <= 1);
        assert_eq!(got(&h.from(local(5001), "welcome"), local(5002)).len(), 1);
        assert_eq!(got(&h.from(local(5002), "thank you"), local(5001)).len(), 1);
    }
}

#[test]
fn the_first_datagram_may_be_the_password() {
    for format in FORMATS {
        let mut h = with_password(format);
        h.from(open(7), "/pass open sesame");
        assert_eq!(h.room_of(open(7)).as_deref(), Some("lobby"), "{format:?}");
    }
}

#[test]
fn the_password_is_asked_again_after_leaving() {
    for format in FORMATS {
        let mut h = one_in_one_out(format);
        h.from(local(5001), "quit");
        h.from(local(5001), "hello");
        assert_eq!(h.room_of(local(5001)), None);
    }
}

#[test]
fn the_password_is_never_said_aloud() {
    for format in FORMATS {
        let mut h = one_in_one_out(format);
        for attempt in ["/pass open sesame", "/pass open", "open sesame"] {
            let sent = h.from(local(5003), attempt);
            assert_eq!(got(&sent, local(5001)), NOTHING, "{format:?}");
            assert!(!got(&sent, local(5003)).concat().contains("sesame"));
            h.from(local(5003), "quit");
        }
    }
}

/// Makes wrong guesses in turn, every half a millisecond; returns how many are checked.
fn guess(h: &mut Harness, guessers: &[SocketAddr], times: usize) -> u64 {
    let before = h.dropped(Dropped::GuessLimited);
    for n in 0..times {
        h.from(guessers[n % guessers.len()], format!("/pass guess{n}"));
        h.now = h.now + Duration::from_micros(500);
    }
    times as u64 - (h.dropped(Dropped::GuessLimited) - before)
}

#[test]
fn members_of_one_address_guess_five_times_a_second() {
    for format in FORMATS {
        let mut h = with_password(format);
        let guessers: Vec<_> = (5001..=5100).map(local).collect();
        // A burst of one second's worth, and then ten seconds of five.
        let looked_at = guess(&mut h, &guessers, 20_000);
        assert!((54..=55).contains(&looked_at), "{format:?}: {looked_at}");
        // A member with the right password gets in when the guesses stop.
        h.now = h.now + SECOND;
        h.from(guessers[0], "/pass open sesame");
        assert_eq!(h.room_of(guessers[0]).as_deref(), Some("lobby"));
    }
}

#[test]
fn who_knows_the_password_gets_in_while_others_guess() {
    for format in FORMATS {
        let mut h = with_password(format);
        let guessers: Vec<_> = (1..=30).map(|n| SocketAddr::from(([10, 7, 7, n], 7))).collect();
        // Guesses from one address, and from so many that they use up the common rate.
        for guessers in [&guessers[..1], &guessers] {
            let mut looked_at = guess(&mut h, guessers, 2_000);
            for n in 0..60 {
                looked_at += guess(&mut h, guessers, 20);
                let honest = local(6_000 + n);
                h.from(honest, "/pass open sesame");
                assert_eq!(h.room_of(honest).as_deref(), Some("lobby"), "{format:?} {n}");
                h.from(honest, "quit");
            }
            // Guesses allowed in 1.6 seconds: a burst, the rate, and one from each address.
            let most = if guessers.len() == 1 { 5 + 8 } else { 20 + 32 + 30 };
            assert!((8..=most).contains(&looked_at), "{format:?}: {looked_at}");
        }
    }
}

#[test]
fn neighbours_on_one_link_do_not_guess_for_one_another_and_strangers_of_one_network_do() {
    for (net, gets_in) in [("fe80::", true), ("2001:db8:1:2::", false)] {
        let rate = PerOrigin { untrusted: Rate::UNLIMITED, ..Config::default().rate };
        let password = Some("open sesame".into());
        let hub_rate = rate;
        let mut h = Harness::new(Config { password, rate, hub_rate, ..Config::default() });
        let [guesser, honest] = [1, 2].map(|n| address(&format!("[{net}{n}]:7")));
        assert!(h.try_to_join(guesser) && h.try_to_join(honest));
        guess(&mut h, &[guesser], 2_000);
        // Guesses until the allowance is used up.
        while guess(&mut h, &[guesser], 1) == 0 {}
        h.from(honest, "/pass open sesame");
        assert_eq!(h.room_of(honest).is_some(), gets_in, "{net}");
    }
}

#[test]
fn a_right_guess_among_too_many_lets_nobody_in() {
    let mut h = with_password(Chat);
    for n in 0..100 {
        h.from(local(5001), format!("/pass {n}"));
    }
    let sent = h.from(local(5001), "/pass open sesame");
    assert_eq!(h.room_of(local(5001)), None);
    assert_eq!(told(&sent, local(5001)).len(), 1);
}

#[test]
fn bye_reaches_those_who_wait() {
    for format in [Chat, Format::Classic] {
        let mut h = one_in_one_out(format);
        let sent = h.stop();
        assert_eq!(got(&sent, local(5001)), ["Bye!"]);
        assert_eq!(got(&sent, local(5002)), ["Bye!"], "{format:?}");
    }
}

#[test]
fn the_porch_can_be_kicked_and_counts_as_a_member() {
    let mut h = Harness::new(Config {
        password: Some("s".into()),
        max_members: 2,
        max_per_room: Some(1),
        ..Config::default()
    });
    h.from(local(5001), "/pass s");
    h.from(local(5001), "^hb^");
    h.from(local(5002), "^hb^");
    h.from(local(5002), "^hb^");
    h.from(local(5003), "^hb^");
    assert!(!h.is_member(local(5003)));
    // The lobby is full: the password is right, but there is no capacity.
    let sent = h.from(local(5002), "/pass s");
    assert_eq!(h.room_of(local(5002)), None);
    assert_eq!(told(&sent, local(5002)).len(), 1);
    h.kick("127.0.0.1:5002");
    assert_eq!(h.hub.member_count(), 1);
}

#[test]
fn pass_without_a_password_to_give_does_nothing() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), "/pass anything");
    assert_eq!(told(&sent, local(5001)).len(), 1);
    assert_eq!(sent.len(), 1);
}

#[test]
fn raw_passes_everything_else_untouched_once_inside() {
    let mut h = one_in_one_out(Raw);
    h.from(local(5002), "/pass open sesame");
    for payload in [&b"/who"[..], b"\x00\x01", b" x "] {
        assert_eq!(bytes_got(&h.from(local(5002), payload), local(5001)), [payload]);
    }
    assert!(got(&h.from(local(5002), "* x"), local(5001)).iter().all(|line| is_hubs(line)));
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

#[test]
fn raw_does_not_publish_the_password() {
    let mut h = Harness::new(Config { password: Some("secret".into()), ..Config::of(Raw) });
    h.join(&[local(5001), local(5002)]);
    h.from(local(5001), "/pass secret");
    h.from(local(5002), "/pass secret");
    // The answer was lost, and the client tries again.
    let sent = h.from(local(5001), "/pass secret");
    assert_eq!(got(&sent, local(5002)), [""; 0]);
}
