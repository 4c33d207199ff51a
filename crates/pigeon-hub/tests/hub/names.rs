//! Names: no impersonation, and names that members keep.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Left};
use pigeon_proto::Format::Chat;
use pigeon_proto::{Language, Name, NameError, Notice, Reason};

use crate::harness::{Harness, SECOND, got, heartbeat, open, told};

/// An address on its own host.
fn machine(n: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 3, n], port))
}

/// The hub's answer to `/nick`, as a control line.
fn ask(h: &mut Harness, from: SocketAddr, name: &str) -> Notice {
    h.from(from, heartbeat(336));
    let sent = h.from(from, format!("/nick {name}"));
    let lines = got(&sent, from);
    Notice::parse(lines.last().unwrap().as_bytes()).unwrap()
}

/// Why the hub refused a name.
fn refused(h: &mut Harness, from: SocketAddr, name: &str) -> Reason {
    match ask(h, from, name) {
        Notice::Refused(refusal) => refusal.why,
        other => panic!("{name}: {other:?}"),
    }
}

fn in_use(holder: &str) -> Reason {
    Reason::InUse(Name::parse(holder.as_bytes()).unwrap())
}

fn kept(holder: &str) -> Reason {
    Reason::Kept(Name::parse(holder.as_bytes()).unwrap())
}

fn is(h: &Harness, from: SocketAddr, name: &str) -> bool {
    h.name_of(from).as_deref() == Some(name)
}

// Impersonation.

#[test]
fn nobody_speaks_as_the_hub() {
    let name = Name::parse("狗哥".as_bytes()).unwrap();
    let mut h = Harness::new(Config { name, ..Config::default() });
    let mallory = open(5001);
    for (name, why) in [
        ("狗哥", in_use("狗哥")),
        ("狗哥\u{fe00}", Reason::Name(NameError::Invisible('\u{fe00}'))),
        ("狗\u{fe00}哥", Reason::Name(NameError::Invisible('\u{fe00}'))),
        ("狗哥\u{3164}", Reason::Name(NameError::Unprintable)),
        ("狗哥：大家好", Reason::Name(NameError::Reserved('：'))),
        ("狗哥＠", Reason::Name(NameError::Reserved('＠'))),
        ("⽝哥", Reason::Usage), // 犬, which is another word
        ("hub", in_use("hub")),
        ("HUB", in_use("hub")),
        ("һub", in_use("hub")),
        ("hυb", in_use("hub")),
        ("ΗUB", in_use("hub")),
        ("ｈｕｂ", in_use("hub")),
        ("𝐡𝐮𝐛", in_use("hub")),
        ("hub\u{1d159}", Reason::Name(NameError::Invisible('\u{1d159}'))),
        ("hub\u{2800}", Reason::Name(NameError::Unprintable)),
    ] {
        if why == Reason::Usage {
            assert!(matches!(ask(&mut h, mallory, name), Notice::Name { .. }), "{name}");
        } else {
            assert_eq!(refused(&mut h, mallory, name), why, "{name}");
        }
    }
    // The hub's names can be neither kicked nor written to.
    assert!(!h.hub.kick(h.now, "狗哥") && !h.hub.kick(h.now, "hub"));
}

#[test]
fn a_hub_with_a_name_of_one_letter_is_protected_too() {
    let mut h = Harness::new(Config { name: Name::parse(b"I").unwrap(), ..Config::default() });
    for like in ["i", "l", "1", "Ⅰ", "І"] {
        assert_eq!(refused(&mut h, open(5001), like), in_use("I"), "{like}");
    }
}

#[test]
fn nobody_speaks_as_another_member_and_the_refusal_names_it() {
    for (holder, other) in [
        ("Zoë", "Zoe\u{308}"),
        ("Νίκος", "ΝΊΚΟΣ"),
        ("Straße", "STRASSE"),
        ("Éva", "éva"),
        ("bob", "bоb"),
        ("bob", "b0b"),
        ("mike", "rnike"),
        ("土豆", "士豆"),
        ("한", "\u{1112}\u{1161}\u{11ab}"),
    ] {
        let mut h = Harness::with_members(Chat, &[open(5001), open(5002)]);
        h.nick(open(5001), holder);
        assert_eq!(refused(&mut h, open(5002), other), in_use(holder), "{other}");
        assert_eq!(h.name_of(open(5002)), None);
        // The reverse.
        let mut h = Harness::with_members(Chat, &[open(5001), open(5002)]);
        h.nick(open(5001), other);
        assert_eq!(refused(&mut h, open(5002), holder), in_use(other), "{holder}");
    }
}

#[test]
fn a_refusal_names_the_holder_in_either_language() {
    for language in Language::ALL {
        let mut h = Harness::new(Config { language, ..Config::default() });
        h.nick(open(5001), "bob");
        let sent = h.from(open(5002), "/nick b0b");
        assert!(told(&sent, open(5002)).concat().contains("bob"), "{sent:?}");
    }
}

#[test]
fn ordinary_names_stand_beside_one_another() {
    let names = ["狗哥", "猴哥", "小明", "小红", "bob", "bob1", "bobby", "Zoe", "Zoë", "🐶", "🐕"];
    let mut h = Harness::chat();
    for (port, name) in (5001..).zip(names) {
        h.nick(open(port), name);
    }
    for (port, name) in (5001..).zip(names) {
        assert!(is(&h, open(port), name), "{name}");
    }
}

#[test]
fn one_may_take_what_looks_like_ones_own_name() {
    let mut h = Harness::with_members(Chat, &[open(5001)]);
    for name in ["bob", "Bob", "b0b", "bоb", "BOB"] {
        h.nick(open(5001), name);
        assert!(is(&h, open(5001), name), "{name}");
    }
    h.nick(open(5001), "ann");
    h.nick(open(5002), "bob");
    assert!(is(&h, open(5002), "bob"), "nothing of the old names is left");
}

#[test]
fn msg_kick_and_join_find_by_capitals_alone() {
    let mut h = Harness::with_members(Chat, &[open(5001), open(5002)]);
    h.nick(open(5001), "Straße");
    h.from(open(5001), "/join Küche");
    h.from(open(5002), "/join KU\u{308}CHE");
    assert_eq!(h.room_of(open(5002)).as_deref(), Some("Küche"));
    for who in ["Straße", "STRASSE", "strasse"] {
        let sent = h.from(open(5002), format!("/msg {who} psst"));
        assert!(got(&sent, open(5001)).concat().contains("psst"), "{who}");
    }
    // `ｓ` is confusable with `s`, but a message for one must not reach the other.
    for nobody in ["ｓtrasse", "Straβe", &"s".repeat(900)] {
        let sent = h.from(open(5002), format!("/msg {nobody} psst"));
        assert_eq!(got(&sent, open(5001)), [""; 0], "{nobody}");
        assert!(!h.hub.kick(h.now, nobody), "{nobody}");
    }
    h.from(open(5002), "/join Кuche");
    assert_eq!(h.room_of(open(5002)).as_deref(), Some("Кuche"), "rooms that look alike are two");
    h.kick("STRASSE");
    assert!(!h.is_member(open(5001)));
}

// Keeping and losing a name.

/// A hub where `dog`, on its own host, had its name for `seconds` seconds, then timed out.
fn timed_out_after(seconds: u32, padded: bool) -> (Harness, String) {
    let mut h = Harness::with_members(Chat, &[machine(1, 7)]);
    let word = h.nick(machine(1, 7), "dog");
    h.keep(&[machine(1, 7)], seconds * SECOND);
    h.from(machine(1, 7), if padded { heartbeat(64) } else { heartbeat(4) });
    h.wait(31 * SECOND);
    assert_eq!(h.hub.statistics().left(Left::TimedOut), 1);
    (h, word)
}

#[test]
fn a_name_is_kept_for_whoever_timed_out() {
    let (mut h, word) = timed_out_after(60, false);
    for like in ["dog", "DOG", "d0g", "ԁog"] {
        assert_eq!(refused(&mut h, machine(2, 7), like), kept("dog"), "{like}");
    }
    // The member is absent, so nobody gets the message.
    assert!(told(&h.from(machine(2, 7), "/msg dog hi"), machine(2, 7)).is_empty());
    // The token reclaims the name from anywhere, and the reservation ends.
    h.from(machine(3, 7), format!("/resume {word}"));
    assert!(is(&h, machine(3, 7), "dog"));
    h.from(machine(3, 7), "quit");
    assert!(matches!(ask(&mut h, machine(2, 7), "d0g"), Notice::Name { .. }));
}

#[test]
fn a_name_is_kept_for_ten_minutes() {
    let (mut h, _) = timed_out_after(60, false);
    h.keep(&[machine(2, 7)], 595 * SECOND);
    assert_eq!(refused(&mut h, machine(2, 7), "dog"), kept("dog"));
    h.keep(&[machine(2, 7)], 10 * SECOND);
    h.nick(machine(2, 8), "dog");
}

#[test]
fn a_name_is_free_if_it_was_held_for_less_than_a_minute_or_its_holder_quit() {
    let (mut h, _) = timed_out_after(20, false);
    h.nick(machine(2, 7), "dog");
    assert!(is(&h, machine(2, 7), "dog"));
    h.keep(&[machine(2, 7)], 300 * SECOND);
    h.from(machine(2, 7), "quit");
    h.nick(machine(1, 7), "dog");
    assert!(is(&h, machine(1, 7), "dog"));
}

#[test]
fn the_same_machine_takes_a_kept_name_back_without_the_word_unless_its_client_has_it() {
    let (mut h, _) = timed_out_after(60, false);
    h.nick(machine(1, 8), "DOG");
    assert!(is(&h, machine(1, 8), "DOG"));
    let (mut h, word) = timed_out_after(60, true);
    assert_eq!(refused(&mut h, machine(1, 8), "dog"), kept("dog"));
    h.from(machine(1, 8), format!("/resume {word}"));
    assert!(is(&h, machine(1, 8), "dog"));
}

#[test]
fn a_script_that_is_killed_and_started_again_has_its_name_within_twelve_seconds() {
    for heartbeats in [false, true] {
        let mut h = Harness::with_members(Chat, &[machine(2, 7)]);
        let (old, new) = (machine(1, 40_000), machine(1, 40_001));
        h.from(old, "/nick 小明");
        if heartbeats {
            h.keep(&[old], 90 * SECOND);
        }
        let killed = h.now;
        // One host tries once a second, like a script in a loop. Another host tries all the time.
        let mut moved = Vec::new();
        while !is(&h, new, "小明") {
            moved.extend(h.wait(SECOND));
            h.from(machine(2, 7), "/nick 小明");
            moved.extend(h.from(new, "/nick 小明"));
            assert!(h.now - killed <= 12 * SECOND);
        }
        assert!(h.now - killed >= 11 * SECOND, "before that it may only be late");
        assert!(!h.is_member(old) && h.name_of(machine(2, 7)).is_none());
        let told = told(&moved, old).into_iter().filter(|line| line.contains("taken back"));
        assert_eq!(told.count(), 1);
        assert_eq!(h.hub.statistics().left(Left::Moved), 1);
        assert_eq!(got(&h.from(new, "我回来了"), machine(2, 7)), ["小明: 我回来了\n"]);
    }
}

#[test]
fn a_holder_that_is_there_keeps_its_name_from_its_neighbours() {
    // Silent, but its client pads its heartbeats; or not silent for long enough.
    for (beat, silence) in [(64, 25), (4, 10)] {
        let mut h = Harness::with_members(Chat, &[machine(1, 7), machine(1, 8)]);
        h.nick(machine(1, 7), "dog");
        h.from(machine(1, 7), heartbeat(beat));
        h.wait(silence * SECOND);
        assert_eq!(refused(&mut h, machine(1, 8), "dog"), in_use("dog"));
        assert!(is(&h, machine(1, 7), "dog"));
    }
    // Silent and without padding: but the request comes from another host, or for a confusable
    // name.
    let mut h = Harness::with_members(Chat, &[machine(1, 7), machine(1, 8), machine(2, 7)]);
    h.nick(machine(1, 7), "dog");
    h.wait(15 * SECOND);
    assert_eq!(refused(&mut h, machine(2, 7), "dog"), in_use("dog"));
    assert_eq!(refused(&mut h, machine(1, 8), "d0g"), in_use("dog"));
    assert!(is(&h, machine(1, 7), "dog"));
}

#[test]
fn churn_from_one_address_costs_nobody_else_a_name() {
    let (mut h, word) = timed_out_after(60, false);
    let mut churn = Vec::new();
    for n in 0..10_100 {
        churn.push(h.nick(machine(9, 7), &format!("churn{n}")));
        h.from(machine(9, 7), "quit");
        // Within its rate.
        h.wait(Duration::from_millis(1));
    }
    assert_eq!(h.hub.statistics().names_given_up, 101);
    assert_eq!(refused(&mut h, machine(2, 7), "dog"), kept("dog"));
    h.from(machine(3, 7), format!("/resume {word}"));
    assert!(is(&h, machine(3, 7), "dog"));
    // The host's own oldest names are gone, and its latest are not.
    for (n, is_kept) in [(0, false), (100, false), (101, true), (10_099, true)] {
        let port = 8_000 + n as u16;
        h.from(machine(9, port), format!("/resume {}", churn[n]));
        assert_eq!(h.name_of(machine(9, port)).is_some(), is_kept, "{n}");
    }
}

#[test]
fn one_address_keeps_eight_names_from_others() {
    let mut h = Harness::chat();
    let many: Vec<SocketAddr> = (5001..5013).map(|port| machine(1, port)).collect();
    for &one in &many {
        h.nick(one, &format!("dog{}x", one.port()));
    }
    h.nick(machine(2, 7), "cat");
    h.keep(&many, 61 * SECOND);
    h.wait(31 * SECOND);
    assert_eq!(h.hub.member_count(), 0);
    assert_eq!(h.hub.statistics().names_freed, 4);
    let kept = |h: &mut Harness, port: u16| {
        let answer = ask(h, machine(3, port), &format!("dog{port}x"));
        matches!(answer, Notice::Refused(_))
    };
    let count = (5001..5013).filter(|&port| kept(&mut h, port)).count();
    assert_eq!(count, 8);
}
