//! People who type into `nc`: they send no heartbeats while they read, and know no commands.

use pigeon_hub::Config;
use pigeon_proto::Format::{Chat, Raw};
use pigeon_proto::Name;

use crate::harness::{Harness, SECOND, got, local, open, told};

const HINT: &str = "without a name; /nick NAME gives you one";

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_person_who_only_reads_stays_for_ten_minutes() {
    let mut h = Harness::chat();
    h.from(local(5001), "hello\n");
    h.from(local(5001), "/nick dog\n");
    h.join(&[local(5002)]);
    h.nick(local(5002), "cat");
    // A program that sends heartbeats stays as long as before, and so does a nameless sender.
    h.from(local(5003), "21.5");
    h.from(local(5003), "21.5");
    h.wait(31 * SECOND);
    assert!(h.is_member(local(5001)));
    assert!(!h.is_member(local(5002)) && !h.is_member(local(5003)));
    h.wait(560 * SECOND);
    assert!(h.is_member(local(5001)));
    h.wait(10 * SECOND);
    assert!(!h.is_member(local(5001)));
    // Speaking again, it is a person under its name.
    let sent = h.from(local(5001), "still here\n");
    assert_eq!(h.name_of(local(5001)).as_deref(), Some("dog"));
    assert!(got(&sent, local(5001)).concat().contains("dog: still here"));
    let who = got(&h.from(local(5001), "/who\n"), local(5001)).concat();
    assert!(who.contains("1 person") && !who.contains("sender"), "{who}");
}

#[test]
fn a_name_and_one_datagram_are_no_reason_to_stay_longer() {
    // As a flood of forged datagrams could have them.
    let mut h = Harness::chat();
    h.from(open(5001), "/nick dog\n");
    h.wait(31 * SECOND);
    assert!(!h.is_member(open(5001)));
    // Nor does anybody stay longer in a crowded hub.
    let mut h = Harness::new(Config { max_members: 3, ..Config::default() });
    h.from(local(5001), "hello\n");
    h.from(local(5001), "/nick dog\n");
    h.join(&[local(5002)]);
    h.wait(31 * SECOND);
    assert!(!h.is_member(local(5001)));
}

#[test]
fn a_typed_first_line_is_answered_once_with_how_to_get_a_name() {
    for first in ["hello\n", "大家好\n", "Is anybody here?\n"] {
        let mut h = Harness::with_members(Chat, &[local(5002)]);
        let sent = h.from(local(5001), first);
        let lines = told(&sent, local(5001));
        assert_eq!(lines.iter().filter(|line| line.contains(HINT)).count(), 1, "{lines:?}");
        assert!(!got(&sent, local(5002)).concat().contains(HINT));
        assert!(!got(&h.from(local(5001), first), local(5001)).concat().contains(HINT));
    }
}

#[test]
fn what_programs_send_first_is_not_answered() {
    let long = "x".repeat(300) + "\n";
    for first in ["hello", "21.5\n", "T=21 H=40\n", "{\"a\":1}\n", "\n", "^hb^\n", &long] {
        let mut h = Harness::chat();
        let sent = h.from(local(5001), first);
        assert!(!got(&sent, local(5001)).concat().contains(HINT), "{first:?}");
    }
    let mut h = Harness::with_members(Raw, &[local(5002)]);
    assert_eq!(got(&h.from(local(5001), "hello\n"), local(5001)), [""; 0]);
}

#[test]
fn nobody_is_called_as_the_operator_is() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    for name in ["hub", "管理员", "操作者", "operator", "OPERAT0R"] {
        h.from(local(5001), format!("/nick {name}"));
        assert_eq!(h.name_of(local(5001)), None, "{name}");
    }
    h.nick(local(5001), "老师");
}

#[test]
fn a_mute_is_listed_with_the_present_name_and_is_lifted_by_it() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.nick(local(5001), "dog");
    assert!(h.hub.mute(name("dog")));
    h.nick(local(5001), "cat");
    let muted = |h: &Harness| -> Vec<String> {
        let pair = |(name, now): (&Name, Option<&Name>)| {
            format!("{name} {}", now.map_or("-", Name::as_str))
        };
        h.hub.mutes().map(pair).collect()
    };
    assert_eq!(muted(&h), ["dog cat"]);
    assert!(h.hub.unmute(&name("cat")));
    assert_eq!(muted(&h), [""; 0]);
    assert!(got(&h.from(local(5001), "hi"), local(5001)).concat().contains("cat: hi"));
}
