//! Random inputs from any sender: invariants that always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Event, SourceRules};
use pigeon_proto::{Answer, Format, Notice};
use proptest::prelude::*;

use crate::harness::{FORMATS, Harness, SECOND, Sent, address, bytes_got, local};

const MAX_MEMBERS: usize = 6;

/// An input to a hub.
#[derive(Clone, Debug)]
enum Step {
    Datagram { from: usize, bytes: Vec<u8> },
    Time { passes: Duration, timer: bool },
    Drain,
    Say(String),
    Kick(usize),
}

/// Senders: many at one address, loopback, both families, and some that can never be members.
fn people() -> Vec<SocketAddr> {
    let mut people: Vec<SocketAddr> = (5001..=5005).map(local).collect();
    people.extend(["10.0.2.1:7", "10.0.2.1:8", "10.0.2.1:9", "[::1]:5001"].map(address));
    people.extend(["[fd00::7]:9", "[fd00::7]:10"].map(address));
    people.extend(bad());
    people
}

fn bad() -> [SocketAddr; 5] {
    ["127.0.0.1:0", "224.0.0.1:5", "[ff02::1]:5", "255.255.255.255:5", "10.0.2.99:9999"]
        .map(address)
}

fn config(format: Format) -> Config {
    Config {
        max_members: MAX_MEMBERS,
        max_per_address: Some(2),
        notices_up_to: 4,
        max_text: Some(1_500),
        sources: SourceRules { own: vec![address("10.0.2.99:9999")], ..SourceRules::default() },
        ..Config::of(format)
    }
}

/// Concatenated fragments with a meaning to some part of the hub, or to a terminal.
fn structured() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"^hb^"[..],
        b"^hb^ ",
        b"/nick ",
        b"/who",
        b"/help",
        b"/here 1 x 2 0",
        b"/",
        b"quit",
        b" ",
        b"\t",
        b"\r\n",
        b"\n* somebody left",
        b"127.0.0.1:5001: ",
        b"hub",
        b"dog",
        b"DOG",
        b":",
        b"\xe7\x8b\x97",
        b"\xe7\x8b",
        b"\x8b\x97",
        b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
        b"\xe2\x80\xae",
        b"\xe2\x80\xa8",
        b"\xc2\x9b31m",
        b"\x1b[31m",
        b"\x1b]0;t\x07",
        b"\0",
        b"\xff",
        b"                                                                ",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => structured(),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0..=2_000usize).prop_map(|(byte, length)| vec![byte; length]),
        1 => prop::collection::vec(any::<u8>(), 0..=2_000),
    ]
}

/// Commands that move members between rooms, and private messages. Not for comparing batches: a
/// member that leaves a room before its batch is sent does not get that batch.
fn moves() -> impl Strategy<Value = Vec<u8>> {
    let moves = [
        "/join ops",
        "/join OPS",
        "/join 茶",
        "/join lobby",
        "/leave",
        "/rooms",
        "/quiet on",
        "/quiet off",
        "/msg dog hi",
        "/msg 127.0.0.1:5001 psst",
        "/msg [::1]:5001 x",
        "/nick dog",
        "/nick cat",
        "/resume 1-abcdefghijklmnop",
        "/pass x",
        "/history",
        "/encoding utf-8",
    ];
    prop::sample::select(moves.map(|text| text.as_bytes().to_vec()).to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let from = 0..people().len();
    let passes = prop::sample::select(vec![0, 1, 400_000_000, 1_000_000_000, 10_000_000_000])
        .prop_map(Duration::from_nanos);
    prop_oneof![
        8 => (from.clone(), prop_oneof![3 => bytes(), 1 => moves()]).prop_map(|(from, bytes)| Step::Datagram { from, bytes }),
        2 => (passes, any::<bool>()).prop_map(|(passes, timer)| Step::Time { passes, timer }),
        3 => Just(Step::Drain),
        1 => "\\PC{0,9}|[\\x00-\\x20]{0,9}".prop_map(Step::Say),
        1 => from.prop_map(Step::Kick),
    ]
}

/// Checks a line of chat: one line, safe to show, and clearly the hub's or a member's.
fn check_chat(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("chat is UTF-8");
    let is_control = Notice::parse(bytes).is_some() || Answer::parse(bytes).is_some();
    if text == "Bye!" || is_control {
        assert!(!text.contains(char::is_control), "{text:?}");
        return;
    }
    let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("no newline: {text:?}"));
    assert!(!line.contains(char::is_control), "{text:?}");
    assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}']), "{text:?}");
    assert!(line.starts_with("* ") || line.contains(": "), "{text:?}");
}

/// A hub with checks of its behaviour beyond the harness's.
struct Watched {
    h: Harness,
    format: Format,
    spoke: BTreeSet<SocketAddr>,
}

impl Watched {
    fn check(&mut self, sent: &[Sent]) {
        for (to, bytes) in sent {
            assert!(self.spoke.contains(to), "{to} never sent anything");
            if self.format == Format::Chat {
                check_chat(bytes);
            }
        }
        let members: BTreeSet<SocketAddr> =
            self.h.hub.members().filter_map(|m| m.address).collect();
        assert_eq!(self.h.hub.members().count(), self.h.hub.member_count());
        assert_eq!(members.len(), self.h.hub.member_count(), "a member twice");
        assert!(members.len() <= MAX_MEMBERS);
        let in_rooms: usize = self.h.hub.rooms().map(|room| room.members).sum();
        assert_eq!(in_rooms, members.len(), "everyone is in one room");
        assert!(self.h.rooms().iter().all(|(name, here)| *here > 0 || name == "lobby"));
        assert!(members.is_subset(&self.spoke));
        assert!(bad().iter().all(|bad| !members.contains(bad)));
        if !members.is_empty() {
            assert!(self.h.hub.poll_timeout().is_some());
        }
        let mut names: Vec<String> = self
            .h
            .hub
            .members()
            .filter_map(|m| m.name)
            .map(|n| n.as_str().to_lowercase())
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "a name twice");
    }

    fn take(&mut self, step: &Step, people: &[SocketAddr]) {
        match step {
            Step::Datagram { from, bytes } => {
                // A datagram from an invalid sender permits no datagram to it.
                if !bad().contains(&people[*from]) {
                    self.spoke.insert(people[*from]);
                }
                self.h.hear(people[*from], bytes);
            }
            Step::Time { passes, timer } => {
                self.h.now = self.h.now + *passes;
                if *timer {
                    self.h.hub.handle_timeout(self.h.now);
                }
            }
            Step::Drain => {
                let sent = self.h.drain();
                self.check(&sent);
            }
            Step::Say(text) => {
                // Refused or not: the checks below apply.
                let _ = self.h.hub.say(text);
            }
            Step::Kick(who) => {
                self.h.hub.kick(self.h.now, &people[*who].to_string());
            }
        }
    }
}

fn settings(cases: u32) -> ProptestConfig {
    // A failing case is printed; a file for it would clutter the sources.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings(200))]

    #[test]
    fn whatever_comes_the_hub_keeps_its_promises(
        format in prop::sample::select(FORMATS.to_vec()),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let people = people();
        let mut w = Watched { h: Harness::new(config(format)), format, spoke: BTreeSet::new() };
        for step in &steps {
            w.take(step, &people);
        }
        let sent = w.h.drain();
        w.check(&sent);

        // After a stop every member, and no one else, gets a goodbye; in raw only members that read
        // control lines.
        let members: BTreeSet<SocketAddr> = w.h.hub.members().filter_map(|m| m.address).collect();
        let sent = w.h.stop();
        let told: BTreeSet<SocketAddr> = sent.iter().map(|(to, _)| *to).collect();
        prop_assert_eq!(sent.len(), told.len());
        let bye = |bytes: &[u8]| bytes == b"^hb^ gone stopped" || bytes == b"Bye!";
        prop_assert!(sent.iter().all(|(_, bytes)| bye(bytes)));
        match format {
            Format::Raw => {
                prop_assert!(told.is_subset(&members));
                prop_assert!(sent.iter().all(|(_, bytes)| bytes != b"Bye!"));
            }
            _ => prop_assert_eq!(told, members),
        }
    }

    #[test]
    fn everyone_who_falls_silent_is_gone_in_time(
        format in prop::sample::select(FORMATS.to_vec()),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let people = people();
        let mut w = Watched { h: Harness::new(config(format)), format, spoke: BTreeSet::new() };
        for step in &steps {
            w.take(step, &people);
        }
        w.h.drain();
        let sent = w.h.wait(30 * SECOND);
        w.check(&sent);
        // Only people who send no heartbeats stay longer.
        prop_assert!(w.h.hub.members().all(|member| member.name.is_some()));
        let sent = w.h.wait(570 * SECOND);
        w.check(&sent);
        prop_assert_eq!(w.h.hub.member_count(), 0);
        let last = w.h.wait(10 * SECOND);
        w.check(&last);
        prop_assert_eq!(w.h.hub.poll_timeout(), None);
    }

    #[test]
    fn a_batch_with_one_drain_gives_the_same_as_draining_after_each(
        format in prop::sample::select(FORMATS.to_vec()),
        batch in prop::collection::vec((0..people().len(), bytes()), 0..80),
    ) {
        let people = people();
        // A line quoted before it was sent is not an echo; afterwards it is.
        let quotes = |bytes: &[u8]| bytes.windows(2).any(|pair| pair == b": ");
        let batch: Vec<_> = batch.into_iter().filter(|(_, bytes)| !quotes(bytes)).collect();
        let mut together = Harness::new(config(format));
        let mut each = Harness::new(config(format));
        let first = [local(5001), local(5002), address("[::1]:5001")];
        together.join(&first);
        each.join(&first);

        let mut after_each = Vec::new();
        for (from, bytes) in &batch {
            together.hear(people[*from], bytes);
            after_each.extend(each.from(people[*from], bytes));
        }
        let left = |event| match event {
            Event::Left { label, .. } => label.as_str().parse().ok(),
            _ => None,
        };
        let left: BTreeSet<SocketAddr> = together.events().into_iter().filter_map(left).collect();
        let at_once = together.settle();
        // What waits lets others go first, and those who join or leave meanwhile get something else.
        if together.hub.statistics().held > 0 {
            return Ok(());
        }
        for &member in &people {
            let at_once = messages(&at_once, member);
            let after_each = messages(&after_each, member);
            if left.contains(&member) {
                // A member that has left when the batch is sent gets nothing of it, and one that
                // returned only later messages: never anything else, and nothing twice.
                prop_assert!(after_each.ends_with(&at_once));
            } else {
                prop_assert_eq!(at_once, after_each);
            }
        }
    }
}

/// One member's messages. Notices may overtake them.
fn messages(sent: &[Sent], to: SocketAddr) -> Vec<&[u8]> {
    let own = |bytes: &&[u8]| bytes.starts_with(b"^hb^ ") || bytes.starts_with(b"* ");
    bytes_got(sent, to).into_iter().filter(|bytes| !own(bytes)).collect()
}

#[test]
fn datagrams_of_every_length_are_survived() {
    let fills: [&[u8]; 7] = [b"x", b" ", b"/", b"\xff", "狗".as_bytes(), b"^hb^ ", b"\x1b["];
    for format in FORMATS {
        let people: Vec<SocketAddr> = (5001..=5003).map(local).collect();
        let mut w = Watched { h: Harness::new(config(format)), format, spoke: BTreeSet::new() };
        w.spoke.extend(people.clone());
        // Short ones, some around the limit of 1,500, and some in between.
        for length in (0..=300).chain((300..1_450).step_by(50)).chain(1_450..=1_550) {
            for (number, fill) in fills.iter().enumerate() {
                // Cut at any length, even within a character.
                let bytes: Vec<u8> = fill.iter().copied().cycle().take(length).collect();
                let sent = w.h.from(people[(length + number) % people.len()], bytes);
                // Checking every line would take longer than rendering it, so some of each are
                // checked.
                if length % 7 == number {
                    w.check(&sent);
                }
            }
        }
    }
}

#[test]
fn a_conversation_arrives_in_order_whatever_the_batches() {
    let people: Vec<SocketAddr> = (5001..=5004).map(local).collect();
    let mut expected: BTreeMap<SocketAddr, Vec<String>> = BTreeMap::new();
    for batch in [1, 2, 63, 64, 65, 200] {
        let mut h = Harness::with_members(Format::Chat, &people);
        let mut heard: BTreeMap<SocketAddr, Vec<String>> = BTreeMap::new();
        for number in 0..400usize {
            // Sizes that grow, shrink and repeat, so that trains begin and end everywhere.
            let text = format!("{number} {}", "x".repeat(number * 7 % 5));
            h.hear(people[number % 4], text);
            if number % batch == batch - 1 || number == 399 {
                let mut sent = h.drain();
                if number == 399 {
                    // Lines held back during a trial.
                    sent.extend(h.wait(SECOND));
                }
                for (to, bytes) in sent.into_iter().filter(|(_, bytes)| !bytes.starts_with(b"^hb^"))
                {
                    heard.entry(to).or_default().push(String::from_utf8(bytes).unwrap());
                }
            }
        }
        if expected.is_empty() {
            assert!(people.iter().all(|p| heard[p].len() == 400));
            expected = heard;
        } else {
            assert_eq!(heard, expected, "batches of {batch}");
        }
    }
}
