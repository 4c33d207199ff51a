//! History: members request earlier messages, the hub passes the request to the driver, and the
//! answer follows later.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Door, Event, Found, FoundLine, History, Lookup, Wanted};
use pigeon_proto::Format::{Chat, Classic, Raw};
use pigeon_proto::{Format, Label, LinkKind, Notice, RoomName, Text, Verb};

use crate::harness::{Harness, SECOND, bytes_got, got, heartbeat, local};

fn config(format: Format) -> Config {
    let history = Some(History { backlog: 20, keeps_raw: false });
    Config { doors: vec![Door::of(format)], history, ..Config::default() }
}

fn hub() -> Harness {
    let mut h = Harness::new(config(Chat));
    h.join(&[local(5001), local(5002)]);
    h
}

/// Passes the hub a datagram and returns its lookups.
fn asks(h: &mut Harness, from: SocketAddr, text: impl AsRef<[u8]>) -> Vec<Lookup> {
    h.hear(from, text);
    lookups(h)
}

fn lookups(h: &mut Harness) -> Vec<Lookup> {
    let mut found = Vec::new();
    while let Some(event) = h.hub.poll_event() {
        if let Event::Lookup(lookup) = event {
            found.push(lookup);
        }
    }
    found
}

fn line(position: u64, text: &str) -> FoundLine {
    let (name, text) = (Label::parse("狗哥").unwrap(), Text::of(text.as_bytes()).unwrap());
    let notice = Notice::Said { position, time: 1_795_845_460, link: LinkKind::Plain, name, text };
    FoundLine { notice, when: "2026-11-28 05:57".into() }
}

fn found(texts: &[&str]) -> Option<Found> {
    let lines = (7..).zip(texts).map(|(position, text)| line(position, text)).collect();
    Some(Found { lines, has_earlier: false })
}

#[test]
fn a_question_is_answered_later_line_by_line() {
    let mut h = hub();
    let asked = asks(&mut h, local(5001), "/history 2 9");
    let [lookup] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((lookup.room.clone(), lookup.most), (RoomName::lobby(), 2));
    assert_eq!((&lookup.wanted, lookup.verb), (&Wanted::Before(Some(9)), Some(Verb::History)));
    assert!(h.drain().is_empty(), "nothing is said before it is found");
    h.hub.found(h.now, lookup.clone(), found(&["你好", "a\x1b[31mred"]));
    let sent = h.drain();
    assert_eq!(
        got(&sent, local(5001)),
        [
            "* 2026-11-28 05:57 狗哥 (plain): 你好\n",
            "* 2026-11-28 05:57 狗哥 (plain): a\\x1b[31mred\n",
        ]
    );
    assert!(got(&sent, local(5002)).is_empty());
}

#[test]
fn those_with_padded_heartbeats_get_control_lines_and_learn_where_more_is() {
    let mut h = hub();
    h.from(local(5001), heartbeat(336));
    let lookup = asks(&mut h, local(5001), "/history").remove(0);
    h.drain();
    let found = found(&["hi"]).map(|found| Found { has_earlier: true, ..found });
    h.hub.found(h.now, lookup, found);
    assert_eq!(
        bytes_got(&h.drain(), local(5001)),
        ["^hb^ earlier 7".as_bytes(), "^hb^ said 7 1795845460 plain 狗哥 hi".as_bytes()]
    );
}

#[test]
fn a_search_finds_words_or_says_that_it_found_nothing() {
    let mut h = hub();
    let lookup = asks(&mut h, local(5001), "/search 温度  21").remove(0);
    assert_eq!(lookup.wanted, Wanted::Matching("温度  21".into()));
    h.hub.found(h.now, lookup, found(&[]));
    assert_eq!(got(&h.drain(), local(5001)), ["* no message in this room contains that\n"]);
    let lookup = asks(&mut h, local(5001), "/search x").remove(0);
    h.hub.found(h.now, lookup, None);
    assert_eq!(got(&h.drain(), local(5001)), ["* the hub is overloaded\n"]);
}

#[test]
fn numbers_are_bounded_and_nonsense_is_refused() {
    let mut h = hub();
    for (text, most) in [("/history 0", 1), ("/history 60000", 100), ("/history", 20)] {
        let lookup = asks(&mut h, local(5001), text).remove(0);
        assert_eq!(lookup.most, most, "{text}");
        h.hub.found(h.now, lookup, found(&[]));
    }
    for text in ["/history x", "/history -1", "/history 1 2 3", "/history 99999", "/search"] {
        assert!(asks(&mut h, local(5001), text).is_empty(), "{text}");
    }
}

#[test]
fn one_member_gets_so_much_in_ten_seconds() {
    let mut h = hub();
    let long = "x".repeat(1_000);
    let lookup = asks(&mut h, local(5001), "/history 100").remove(0);
    let other = asks(&mut h, local(5001), "/search x").remove(0);
    assert!(asks(&mut h, local(5001), "/search y").is_empty());
    assert!(got(&h.drain(), local(5001))[0].contains("ask again in 1 s"));
    h.hub.found(h.now, other, found(&[]));
    h.drain();
    h.hub.found(h.now, lookup, found(&[&long[..]; 100]));
    let sent = h.drain();
    let lines = got(&sent, local(5001));
    // The newest messages, preceded by a line that says how to get the rest.
    assert!(lines[0].starts_with("* /history 20 ") && (7..=8).contains(&(lines.len() - 1)));
    let bytes: usize = sent.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= 8 * 1_024 + 100, "{bytes}");
    h.wait(Duration::from_secs(4));
    let lookup = asks(&mut h, local(5001), "/history").remove(0);
    h.hub.found(h.now, lookup, found(&[&long[..]; 3]));
    assert!(asks(&mut h, local(5001), "/history").is_empty());
    h.drain();
    // Another member has a separate limit.
    assert_eq!(asks(&mut h, local(5002), "/history").len(), 1);
    h.wait(7 * SECOND);
    assert_eq!(asks(&mut h, local(5001), "/history").len(), 1);
}

#[test]
fn a_newcomer_is_shown_what_was_said_once_it_has_a_name() {
    let mut h = hub();
    let asked = asks(&mut h, local(5001), "/nick dog");
    let [lookup] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((lookup.most, lookup.verb), (20, None));
    h.drain();
    h.hub.found(h.now, lookup.clone(), found(&["hi"]));
    assert_eq!(got(&h.drain(), local(5001)).len(), 1);
    assert!(asks(&mut h, local(5001), "/nick cat").is_empty(), "not again under another name");
    // Nothing is stored for the room yet, so there is no notice.
    let lookup = asks(&mut h, local(5002), "/nick bee").remove(0);
    h.drain();
    h.hub.found(h.now, lookup, found(&[]));
    assert!(h.drain().is_empty());
}

#[test]
fn no_backlog_and_no_history_where_none_is_wanted() {
    let history = Some(History { backlog: 0, keeps_raw: false });
    let mut h = Harness::new(Config { history, ..Config::default() });
    assert!(asks(&mut h, local(5001), "/nick dog").is_empty());
    let mut h = Harness::chat();
    h.hear(local(5001), "/nick dog");
    h.drain();
    for text in ["/history", "/search x"] {
        assert_eq!(got(&h.from(local(5001), text), local(5001)), ["* this hub keeps no history\n"]);
    }
}

#[test]
fn an_answer_to_somebody_who_has_gone_reaches_nobody() {
    let mut h = hub();
    let lookup = asks(&mut h, local(5001), "/history").remove(0);
    h.from(local(5001), "quit");
    h.from(local(5001), "^hb^");
    h.hub.found(h.now, lookup, found(&["secret"]));
    assert!(h.drain().is_empty());
}

#[test]
fn messages_are_reported_for_the_history_and_raw_data_only_where_it_is_kept() {
    let said = |h: &mut Harness| {
        h.hear(local(5001), "hello");
        let mut texts = Vec::new();
        while let Some(event) = h.hub.poll_event() {
            if let Event::Message(message) = event {
                texts.push((message.text, message.is_raw));
            }
        }
        texts
    };
    for format in [Chat, Classic] {
        assert_eq!(said(&mut Harness::new(config(format))), [(b"hello"[..].into(), false)]);
    }
    assert!(said(&mut Harness::new(config(Raw))).is_empty());
    let history = Some(History { backlog: 20, keeps_raw: true });
    assert_eq!(said(&mut Harness::new(Config { history, ..config(Raw) })).len(), 1);
    assert!(said(&mut Harness::chat()).is_empty());
}

#[test]
fn heartbeats_say_up_to_which_position_a_room_is_stored() {
    let mut h = hub();
    let last = |h: &mut Harness| {
        let answer = h.from(local(5001), heartbeat(336)).remove(0).1;
        let answer = String::from_utf8(answer).unwrap();
        answer.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(last(&mut h), 0);
    h.hub.set_newest(&RoomName::lobby(), 41);
    let ops = RoomName::parse("Ops".as_bytes()).unwrap();
    h.hub.set_newest(&ops, 17);
    assert_eq!(last(&mut h), 41);
    h.from(local(5001), "/join ops");
    assert_eq!(last(&mut h), 17, "known before it was opened, in whatever capitals");
    h.hub.set_newest(&ops, 19);
    assert_eq!(last(&mut h), 19);
}

#[test]
fn everybody_hears_that_the_history_stops_and_goes_on() {
    let mut h = hub();
    h.from(local(5002), heartbeat(336));
    h.hub.announce_history(h.now, false);
    let sent = h.drain();
    assert!(got(&sent, local(5001))[0].contains("is not kept"));
    assert_eq!(bytes_got(&sent, local(5002)), [b"^hb^ set history off"]);
    h.hub.announce_history(h.now, true);
    assert_eq!(bytes_got(&h.drain(), local(5002)), [b"^hb^ set history on"]);
}
