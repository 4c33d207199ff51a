//! Which datagrams are served first while a message to many members is on its way: the hub pauses
//! and receives, and an address that has something in the batch waits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Dropped, Event, MemberId};
use proptest::prelude::*;

use crate::harness::{Harness, SECOND, Sent, bytes_got};

/// Somebody in an open network, on a host of its own.
fn host(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 8, (n >> 8) as u8, n as u8], 5_000))
}

/// A hub with `readers` members. If it is `shared`, two more have just spoken.
fn room(readers: usize, shared: bool) -> Harness {
    let mut h = Harness::new(Config { notices_up_to: 0, ..Config::default() });
    let members: Vec<SocketAddr> = (0..readers).map(host).collect();
    h.join(&members);
    if shared {
        for n in [1, 0] {
            h.hear(host(n), "/nick");
            h.settle();
        }
        h.now = h.now + SECOND;
    }
    h
}

/// The datagrams that leave until the hub pauses or has sent everything.
fn slice(h: &mut Harness) -> Vec<Sent> {
    if h.is_due() { h.timeout() } else { h.drain() }
}

/// The texts that one member got.
fn texts(sent: &[Sent], by: SocketAddr) -> Vec<String> {
    let text = |bytes: &[u8]| {
        let line = String::from_utf8_lossy(bytes);
        Some(line.trim_end().split_once(":5000: ")?.1.to_owned())
    };
    bytes_got(sent, by).into_iter().filter_map(text).collect()
}

#[test]
fn a_word_overtakes_a_message_that_is_on_its_way_and_all_read_them_in_one_order() {
    let mut h = room(300, true);
    h.hear(host(0), "a message to many");
    let mut sent = slice(&mut h);
    assert!((1..300).contains(&sent.len()), "{}", sent.len());
    h.hear(host(1), "a word");
    let early = slice(&mut h);
    assert_eq!(texts(&early, sent[0].0), ["a word"], "before the last have the message");
    sent.extend(early);
    sent.extend(h.settle());
    for n in 0..300 {
        assert_eq!(texts(&sent, host(n)), ["a message to many", "a word"], "{n}");
    }
}

#[test]
fn a_sender_waits_until_its_message_has_been_sent() {
    let mut h = room(300, true);
    h.hear(host(0), "one");
    let mut sent = h.drain();
    for text in ["two", "three"] {
        h.hear(host(0), text);
        sent.extend(slice(&mut h));
    }
    assert_eq!(h.hub.statistics().held, 2);
    h.hear(host(1), "a word");
    sent.extend(h.settle());
    for n in 0..300 {
        assert_eq!(texts(&sent, host(n)), ["one", "a word", "two", "three"], "{n}");
    }
}

#[test]
fn the_quiet_go_before_the_rest_of_a_burst() {
    let mut h = room(256, true);
    for n in 0..7 {
        h.hear(host(0), format!("{n}"));
    }
    h.hear(host(1), "a word");
    let sent = h.settle();
    for n in 0..256 {
        assert_eq!(texts(&sent, host(n)), ["0", "1", "2", "3", "a word", "4", "5", "6"], "{n}");
    }
}

#[test]
fn a_single_speaker_waits_for_nothing() {
    let mut h = room(300, false);
    for n in 0..10 {
        h.hear(host(0), format!("{n}"));
    }
    let trains = h.transmits();
    // One train each, in one go.
    assert_eq!((trains.len(), h.hub.statistics().held), (300, 0));
    assert!(!h.is_due());
    // A speaker of more than ten seconds ago does not count.
    h.hear(host(1), "a word");
    h.settle();
    h.now = h.now + 11 * SECOND;
    h.hear(host(0), "one");
    assert_eq!((h.transmits().len(), h.is_due()), (300, false));
}

#[test]
fn more_than_may_wait_is_refused_and_what_waits_is_sent() {
    let mut h = room(300, true);
    h.hear(host(0), "one");
    let mut sent = h.drain();
    let long = "x".repeat(8_000);
    for _ in 0..100 {
        h.hear(host(0), &long);
    }
    let (held, refused) = (h.hub.statistics().held, h.dropped(Dropped::WorkLimited));
    assert_eq!(held + refused, 100);
    assert!((10..40).contains(&held), "{held}");
    sent.extend(h.settle());
    assert_eq!(texts(&sent, host(0)).len() as u64, h.hub.statistics().messages);
}

#[test]
fn a_goodbye_waits_behind_what_was_said_before() {
    let mut h = room(300, true);
    h.hear(host(0), "one");
    let mut sent = h.drain();
    h.hear(host(0), "two");
    h.hear(host(0), "quit");
    sent.extend(h.settle());
    assert_eq!(texts(&sent, host(7)), ["one", "two"]);
    assert!(!h.is_member(host(0)));
}

#[test]
fn a_hub_that_stops_pauses_no_more() {
    let mut h = room(300, true);
    h.hear(host(0), "one");
    let mut sent = h.drain();
    sent.extend(h.stop());
    for n in 0..300 {
        assert_eq!(texts(&sent, host(n)), ["one"]);
        assert_eq!(bytes_got(&sent, host(n)).last(), Some(&&b"Bye!"[..]));
    }
}

/// So many that a message is sent in slices.
const IDLE: usize = 150;

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Send(usize, &'static str),
    Slice,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..12_usize;
    let word = prop::sample::select(vec![
        "quit",
        "^hb^",
        "/join other",
        "/leave",
        "/encoding gbk",
        "/encoding utf-8",
    ]);
    prop_oneof![
        4 => who.clone().prop_map(Step::Say),
        3 => (who, word).prop_map(|(who, word)| Step::Send(who, word)),
        4 => Just(Step::Slice),
        1 => Just(Step::Settle),
    ]
}

/// The messages that each member should get according to the hub's events, and those that it got.
#[derive(Default)]
struct Account {
    /// The address and the room of each member.
    rooms: BTreeMap<MemberId, (SocketAddr, String)>,
    due: BTreeMap<MemberId, Vec<String>>,
    got: BTreeMap<SocketAddr, Vec<String>>,
}

impl Account {
    /// Drains the hub.
    fn drain(&mut self, h: &mut Harness) {
        let transmits = h.transmits();
        for transmit in &transmits {
            for bytes in transmit.datagrams(h.hub.outbox()) {
                let got = texts(&[(transmit.to, bytes.to_vec())], transmit.to);
                self.got.entry(transmit.to).or_default().extend(got);
            }
        }
        for event in h.events() {
            match event {
                Event::Joined { member, label, room } => {
                    let at = label.as_str().parse().unwrap();
                    self.rooms.insert(member, (at, room.unwrap().to_string()));
                }
                Event::Moved { member, room } => {
                    self.rooms.get_mut(&member).unwrap().1 = room.to_string();
                }
                Event::Left { member, .. } => {
                    self.rooms.remove(&member);
                }
                Event::Message(message) => {
                    for (member, (_, room)) in &self.rooms {
                        if *room == *message.room.to_string() {
                            let text = String::from_utf8(message.text.to_vec()).unwrap();
                            self.due.entry(*member).or_default().push(text);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn members_that_come_and_go_meanwhile_get_everything_once_and_in_order(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let work = Duration::from_secs(3_600);
        let config = Config { notices_up_to: 0, work, report_messages: true, ..Config::default() };
        let (mut h, mut account) = (Harness::new(config), Account::default());
        for n in 0..12 + IDLE {
            h.hear(host(n), "^hb^");
            h.hear(host(n), "^hb^");
            account.drain(&mut h);
        }
        h.now = h.now + 2 * SECOND;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say(who) => h.hear(host(who), format!("message {number}")),
                Step::Send(who, word) => h.hear(host(who), word),
                Step::Slice => {
                    h.hub.handle_timeout(h.now);
                    account.drain(&mut h);
                }
                Step::Settle => {
                    account.drain(&mut h);
                    while h.is_due() {
                        h.hub.handle_timeout(h.now);
                        account.drain(&mut h);
                    }
                    h.now = h.now + SECOND / 100;
                }
            }
        }
        account.drain(&mut h);
        while h.is_due() {
            h.hub.handle_timeout(h.now);
            account.drain(&mut h);
        }
        let numbers = |texts: &[String]| -> Vec<u32> {
            texts.iter().map(|text| text.rsplit(' ').next().unwrap().parse().unwrap()).collect()
        };
        for (member, (at, _)) in &account.rooms {
            let got = numbers(account.got.get(at).map_or(&[], Vec::as_slice));
            let due = numbers(account.due.get(member).map_or(&[], Vec::as_slice));
            // An address that was a member before may have got something then.
            prop_assert!(got.ends_with(&due), "{at}: {got:?} instead of {due:?}");
            let mut once = got.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), got.len(), "twice");
        }
        prop_assert_eq!(h.dropped(Dropped::WorkLimited), 0);
    }
}
