//! The hub's end of the reliable link, over a log in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_guard::TokenKey;
use pigeon_hub::reliable::{
    Config, ConnId, Crypto, Joined, MemoryAppend, MemoryLog, Outcome, Output, Sessions,
};
use pigeon_hub::{Left, Origin, Source};
use pigeon_proto::frame::{ByeReason, ClientFrame, HubFrame, Prove, Say, challenge_text};
use pigeon_proto::{Identity, LinkKind, Position, Reason, Refusal, RoomName, Subject};

fn verify(key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
    *signature == sign(key[0], message)
}

fn sign(key: u8, message: &[u8]) -> [u8; 64] {
    let mut signature = [key; 64];
    message.iter().enumerate().for_each(|(at, byte)| signature[at % 64] ^= byte);
    signature
}

fn author(key: &[u8; 65]) -> u128 {
    key[0].into()
}

struct World {
    sessions: Sessions,
    log: MemoryLog,
    now: Instant,
    /// What each connection was sent, and not read.
    sent: BTreeMap<ConnId, Vec<Bytes>>,
    closed: Vec<ConnId>,
    resumed: Vec<ConnId>,
    probed: Vec<ConnId>,
    left: Vec<u128>,
    /// The transport takes everything at once.
    takes: bool,
    /// Messages wait for [`World::store`].
    holds: bool,
    held: Vec<pigeon_hub::reliable::Say>,
    /// The hub takes nobody in.
    refuses: Option<Reason>,
}

impl World {
    fn new(change: impl FnOnce(&mut Config)) -> World {
        let crypto = Crypto { verify, author };
        let mut config = Config::new("hub", "f00d", TokenKey::new([1; 16]), crypto);
        change(&mut config);
        World {
            sessions: Sessions::new(config),
            log: MemoryLog::new(Position::at(1, 0).unwrap(), 64 << 20),
            now: Instant::ORIGIN,
            sent: BTreeMap::new(),
            closed: Vec::new(),
            resumed: Vec::new(),
            probed: Vec::new(),
            left: Vec::new(),
            takes: true,
            holds: false,
            held: Vec::new(),
            refuses: None,
        }
    }

    fn open(&mut self) -> ConnId {
        let source = Source { ip: [10, 0, 0, 1].into(), origin: Origin::Open };
        self.sessions.opened(self.now, source).expect("there is a place")
    }

    fn send(&mut self, conn: ConnId, frames: &[ClientFrame]) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        self.sessions.received(self.now, conn, &bytes);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            self.sessions.pump(self.now, &self.log);
            let Some(output) = self.sessions.poll_output() else { return };
            match output {
                Output::Send { conn, bytes } => {
                    if self.takes {
                        self.sessions.sent(conn, bytes.len());
                    }
                    self.sent.entry(conn).or_default().push(bytes);
                }
                Output::Close { conn } => self.closed.push(conn),
                Output::Resume { conn } => self.resumed.push(conn),
                Output::Probe { conn } => self.probed.push(conn),
                Output::Join(join) => {
                    let joined = Joined { name: join.name, room: RoomName::lobby() };
                    let joined = match &self.refuses {
                        Some(why) => Err(Refusal::new(Subject::Member, why.clone())),
                        None => Ok(joined),
                    };
                    self.sessions.joined(self.now, join.author, joined);
                }
                Output::Say(say) if self.holds => self.held.push(say),
                Output::Say(say) => self.store(say),
                Output::Read { id, read } => {
                    let answer = self.log.read(&read);
                    self.sessions.answered(self.now, id, answer);
                }
                Output::Leave { author } => self.left.push(author),
                Output::Command { .. } | Output::Watch { .. } | Output::Unwatch { .. } => {}
            }
        }
    }

    fn store(&mut self, say: pigeon_hub::reliable::Say) {
        let (outcome, _) = self.log.append(MemoryAppend {
            room: say.room,
            speaker: "dog".into(),
            link: LinkKind::Key,
            wall: Duration::ZERO,
            text: say.text,
            identity: say.identity,
            after: Some(say.after),
        });
        self.sessions.settled(say.id, outcome);
    }

    /// A plain member says something.
    fn plain(&mut self, number: u64, text: &str) {
        self.log.append(MemoryAppend {
            room: RoomName::lobby(),
            speaker: "cat".into(),
            link: LinkKind::Plain,
            wall: Duration::ZERO,
            text: text.as_bytes().into(),
            identity: Identity { author: 99, outbox: 0, number },
            after: None,
        });
    }

    fn read(&mut self, conn: ConnId) -> Vec<HubFrame> {
        let bytes = self.sent.remove(&conn).unwrap_or_default().concat();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| HubFrame::parse(line).unwrap()).collect()
    }

    fn join(&mut self, key: u8, outbox: u64) -> ConnId {
        let conn = self.open();
        self.send(conn, &[ClientFrame::Hello { version: 1, client: "test".into() }]);
        let [HubFrame::Challenge { nonce, .. }] = &self.read(conn)[..] else { panic!("challenge") };
        let prove = prove(key, key, nonce, outbox);
        self.send(conn, &[prove]);
        conn
    }

    fn joined(&mut self, key: u8, outbox: u64) -> ConnId {
        let conn = self.join(key, outbox);
        let frames = self.read(conn);
        assert!(matches!(frames[0], HubFrame::Welcome { .. }), "{frames:?}");
        assert!(matches!(frames[1], HubFrame::Expect { .. }), "{frames:?}");
        conn
    }

    fn follower(&mut self, key: u8) -> ConnId {
        let conn = self.joined(key, 1);
        let room = RoomName::lobby();
        self.send(
            conn,
            &[ClientFrame::Follow {
                room,
                after: None,
                last: Some(1_000),
                deletion: Position::START,
            }],
        );
        assert!(matches!(self.read(conn).last(), Some(HubFrame::Live { .. })));
        conn
    }
}

fn prove(key: u8, signer: u8, nonce: &str, outbox: u64) -> ClientFrame {
    ClientFrame::Prove(Box::new(Prove {
        key: [key; 65],
        signature: sign(signer, &challenge_text(nonce, "f00d")),
        outbox,
        name: None,
        word: None,
        room: None,
        password: None,
        language: None,
    }))
}

fn say(number: u64, text: &str) -> ClientFrame {
    let (room, text) = (RoomName::lobby(), text.as_bytes().into());
    ClientFrame::Say(Say { number, after: number - 1, room, text })
}

fn texts(frames: &[HubFrame]) -> Vec<String> {
    let text = |frame: &HubFrame| match frame {
        HubFrame::Message(message) => Some(String::from_utf8_lossy(&message.text).into_owned()),
        _ => None,
    };
    frames.iter().filter_map(text).collect()
}

fn reason(frames: &[HubFrame]) -> Option<ByeReason> {
    match frames.last() {
        Some(HubFrame::Bye { reason, .. }) => Some(*reason),
        _ => None,
    }
}

#[test]
fn what_is_said_together_is_acknowledged_once_and_relayed_in_order() {
    let mut w = World::new(|_| {});
    let (dog, cat) = (w.joined(1, 7), w.follower(2));
    w.send(dog, &[say(1, "one"), say(2, "two"), say(3, "three")]);
    assert_eq!(w.read(dog), [HubFrame::Stored { number: 3 }]);
    assert_eq!(texts(&w.read(cat)), ["one", "two", "three"]);
    // Again, on another connection.
    let dog = w.joined(1, 7);
    w.send(dog, &[say(2, "two"), say(3, "three"), say(4, "four")]);
    assert_eq!(w.read(dog), [HubFrame::Stored { number: 4 }]);
    assert_eq!(texts(&w.read(cat)), ["four"]);
}

#[test]
fn live_followers_share_the_same_bytes() {
    let mut w = World::new(|_| {});
    let followers: Vec<ConnId> = (1..=200).map(|key| w.follower(key)).collect();
    for number in 1..=64 {
        w.plain(number, "hello");
    }
    let before = w.sessions.statistics().encoded;
    w.drain();
    assert_eq!(w.sessions.statistics().encoded - before, 64);
    let first = w.sent[&followers[0]].clone();
    assert_eq!(first.len(), 1, "one write");
    for follower in &followers {
        let bytes = &w.sent[follower];
        assert_eq!((bytes.len(), bytes[0].as_ptr()), (1, first[0].as_ptr()));
    }
}

#[test]
fn a_slow_follower_falls_behind_alone_and_catches_up() {
    let mut w = World::new(|_| {});
    let (fast, slow) = (w.follower(1), w.follower(2));
    let text = "x".repeat(1_000);
    w.takes = false;
    for number in 1..=2_000 {
        w.plain(number, &text);
        if number % 100 == 0 {
            w.drain();
            let taken: usize = w.sent.get(&fast).map_or(0, |it| it.iter().map(Bytes::len).sum());
            w.sessions.sent(fast, taken);
            w.drain();
            assert_eq!(texts(&w.read(fast)).len(), 100);
        }
    }
    let held: usize = w.sent[&slow].iter().map(Bytes::len).sum();
    assert!(held < 512 << 10, "{held} bytes wait");
    w.takes = true;
    w.sessions.sent(slow, held);
    w.drain();
    let frames = w.read(slow);
    assert_eq!(texts(&frames).len(), 2_000);
    assert_eq!(frames.iter().filter(|it| matches!(it, HubFrame::Behind { .. })).count(), 1);
    assert!(matches!(frames.last(), Some(HubFrame::Live { .. })));
    w.plain(2_001, "live");
    w.drain();
    assert_eq!(texts(&w.read(slow)), ["live"]);
}

#[test]
fn what_waits_for_all_that_read_nothing_is_bounded_in_total() {
    const TOTAL: usize = 1 << 20;
    let mut w = World::new(|config| config.max_unsent = TOTAL);
    for number in 1..=1_000 {
        w.plain(number, &"x".repeat(1_000));
    }
    let count = 40;
    let stalled: Vec<ConnId> = (1..=count).map(|key| w.joined(key, 1)).collect();
    w.takes = false;
    let room = RoomName::lobby();
    for &conn in &stalled {
        let follow = ClientFrame::Follow {
            room: room.clone(),
            after: None,
            last: Some(900),
            deletion: Position::START,
        };
        let read = |id| ClientFrame::Read { id, room: room.clone(), before: None, limit: None };
        let frames: Vec<ClientFrame> = [follow].into_iter().chain((0..10).map(read)).collect();
        w.send(conn, &frames);
    }
    for number in 1_001..=3_000 {
        w.plain(number, &"x".repeat(1_000));
        w.drain();
    }
    let waits = |w: &World, conn| w.sent[conn].iter().map(Bytes::len).sum::<usize>();
    let all: usize = stalled.iter().map(|conn| waits(&w, conn)).sum();
    // One piece or one answer may be added to a window that is not full.
    let most = TOTAL + stalled.len() * (128 << 10);
    assert!(all <= most, "{all} bytes wait, at most {most}");
    assert!(w.closed.is_empty());
    // Each of them gets everything once it reads.
    w.takes = true;
    let conn = stalled[7];
    let held = waits(&w, &conn);
    w.sessions.sent(conn, held);
    w.drain();
    w.now = w.now + Duration::from_secs(60);
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert_eq!(texts(&w.read(conn)).len(), 2_900);
}

#[test]
fn nothing_live_overtakes_what_was_missed() {
    let mut w = World::new(|_| {});
    for number in 1..=700 {
        w.plain(number, &number.to_string());
    }
    let conn = w.joined(1, 1);
    let room = RoomName::lobby();
    w.plain(701, "701");
    w.send(
        conn,
        &[ClientFrame::Follow { room, after: None, last: Some(600), deletion: Position::START }],
    );
    w.plain(702, "702");
    w.drain();
    let expected: Vec<String> = (102..=702).map(|number| number.to_string()).collect();
    assert_eq!(texts(&w.read(conn)), expected);
}

#[test]
fn another_connection_with_the_same_outbox_replaces_the_first() {
    let mut w = World::new(|_| {});
    let first = w.joined(1, 7);
    let other = w.joined(1, 8);
    let second = w.joined(1, 7);
    assert_eq!(reason(&w.read(first)), Some(ByeReason::Replaced));
    assert_eq!(w.closed, [first]);
    w.send(other, &[say(1, "a")]);
    w.send(second, &[say(1, "b")]);
    w.send(first, &[say(2, "a ghost")]);
    assert_eq!(w.read(other), [HubFrame::Stored { number: 1 }]);
    assert_eq!(w.read(second), [HubFrame::Stored { number: 1 }]);
    assert_eq!(w.read(first), []);
}

#[test]
fn an_outbox_goes_on_once_everything_said_from_it_is_settled() {
    let mut w = World::new(|_| {});
    let first = w.joined(1, 7);
    w.holds = true;
    w.send(first, &[say(1, "one")]);
    let second = w.join(1, 7);
    let frames = w.read(second);
    assert!(matches!(&frames[..], [HubFrame::Welcome { .. }]), "{frames:?}");
    w.send(second, &[say(1, "one")]);
    assert_eq!(w.held.len(), 1, "not handed on while the first may be stored");
    w.holds = false;
    let held = w.held.remove(0);
    w.store(held);
    w.drain();
    let expected = [HubFrame::Expect { outbox: 7, number: 2 }, HubFrame::Stored { number: 1 }];
    assert_eq!(w.read(second), expected);
}

#[test]
fn a_member_that_says_more_than_is_stored_is_read_no_further() {
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.holds = true;
    w.resumed.clear();
    let all: Vec<ClientFrame> = (1..=600).map(|number| say(number, "x")).collect();
    w.send(dog, &all);
    assert_eq!(w.held.len(), 512);
    assert!(!w.sessions.wants(dog) && w.resumed.is_empty());
    w.holds = false;
    for held in std::mem::take(&mut w.held) {
        w.store(held);
    }
    w.drain();
    assert_eq!(w.read(dog).last(), Some(&HubFrame::Stored { number: 600 }));
    assert!(w.sessions.wants(dog) && w.resumed == [dog]);
}

#[test]
fn strangers_get_ten_seconds_and_short_lines() {
    let mut w = World::new(|config| config.max_connections = 5);
    let silent = w.open();
    let forger = w.open();
    w.send(forger, &[ClientFrame::Hello { version: 1, client: "".into() }]);
    let [HubFrame::Challenge { nonce, .. }] = &w.read(forger)[..] else { panic!("challenge") };
    w.send(forger, &[prove(1, 2, nonce, 7)]);
    assert_eq!(reason(&w.read(forger)), Some(ByeReason::Error));
    let long = w.open();
    w.sessions.received(w.now, long, &[b'x'; 5_000]);
    w.drain();
    assert_eq!(reason(&w.read(long)), Some(ByeReason::Error));
    let early = w.open();
    w.send(early, &[say(1, "x")]);
    assert_eq!(reason(&w.read(early)), Some(ByeReason::Error));
    let opened: Vec<_> = (0..10)
        .map_while(|_| {
            let source = Source { ip: [10, 0, 0, 1].into(), origin: Origin::Open };
            w.sessions.opened(w.now, source)
        })
        .collect();
    assert_eq!(opened.len(), 4, "and the silent one");
    assert_eq!(w.sessions.statistics().refused_full, 1);
    w.now = w.sessions.poll_timeout().unwrap();
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert_eq!(reason(&w.read(silent)), Some(ByeReason::Error));
    assert_eq!(w.sessions.statistics().silent, 5);
    assert_eq!(w.sessions.statistics().connections, 0);
}

#[test]
fn one_address_has_so_many_connections() {
    let mut w = World::new(|config| config.max_per_address = 2);
    let (first, _) = (w.open(), w.open());
    let source = |ip: &str| Source { ip: ip.parse().unwrap(), origin: Origin::Open };
    assert_eq!(w.sessions.opened(w.now, source("10.0.0.1")), None);
    assert_eq!(w.sessions.opened(w.now, source("::ffff:10.0.0.1")), None);
    assert!(w.sessions.opened(w.now, source("fd00::1")).is_some());
    assert!(w.sessions.opened(w.now, source("fd00::2")).is_some());
    assert_eq!(w.sessions.opened(w.now, source("fd00::3")), None);
    w.sessions.closed(w.now, first);
    assert!(w.sessions.opened(w.now, source("10.0.0.1")).is_some());
}

#[test]
fn a_member_leaves_some_time_after_its_connection() {
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.sessions.closed(w.now, dog);
    w.drain();
    assert!(w.left.is_empty());
    let dog = w.joined(1, 7);
    w.now = w.now + Duration::from_secs(60);
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert!(w.left.is_empty(), "it came back");
    w.sessions.closed(w.now, dog);
    w.now = w.now + Duration::from_secs(10);
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.left, [1]);
    let cat = w.joined(2, 7);
    w.send(cat, &[ClientFrame::Quit {}]);
    assert_eq!(w.left, [1, 2]);
}

#[test]
fn who_is_refused_or_removed_hears_why() {
    for (why, expected) in [
        (Reason::WrongPassword, ByeReason::Password),
        (Reason::HubFull, ByeReason::Full),
        (Reason::Banned, ByeReason::Banned),
    ] {
        let mut w = World::new(|_| {});
        w.refuses = Some(why);
        let conn = w.join(1, 7);
        assert_eq!(reason(&w.read(conn)), Some(expected));
    }
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.sessions.left(1, Left::Kicked);
    w.drain();
    assert_eq!(reason(&w.read(dog)), Some(ByeReason::Kicked));
    let cat = w.joined(2, 7);
    w.sessions.stop();
    w.drain();
    assert_eq!(reason(&w.read(cat)), Some(ByeReason::Stopped));
}

#[test]
fn a_text_that_is_too_long_is_refused_for_good_and_the_rest_goes_on() {
    let mut w = World::new(|config| config.max_text = 10);
    let dog = w.joined(1, 7);
    w.send(dog, &[say(1, "short"), say(2, "much longer than that"), say(3, "x")]);
    let frames = w.read(dog);
    assert!(frames.contains(&HubFrame::Stored { number: 1 }), "{frames:?}");
    let refused = frames.iter().find_map(|frame| match frame {
        HubFrame::Refused(refused) => Some((refused.number, refused.why(), refused.again_ms)),
        _ => None,
    });
    let why = Reason::TooLong { length: 21, most: 10 };
    assert_eq!(refused, Some((2, Some(why), None)));
    let (room, text) = (RoomName::lobby(), b"x"[..].into());
    w.send(dog, &[ClientFrame::Say(Say { number: 3, after: 1, room, text })]);
    assert_eq!(w.read(dog), [HubFrame::Stored { number: 3 }]);
}

#[test]
fn a_client_of_another_version_hears_which_one_the_hub_speaks() {
    for first in [
        &br#"{"type":"hello","version":2,"client":"of tomorrow"}"#[..],
        br#"{"type":"hello","version":0}"#,
        br#"{"type":"hello","version":"one"}"#,
        br#"{"type":"hello"}"#,
        br#"{"type":"prove"}"#,
        br#"{"type":"quit"}"#,
        b"GET / HTTP/1.1\r",
        b"\xff\x00",
    ] {
        let mut w = World::new(|_| {});
        let conn = w.open();
        w.sessions.received(w.now, conn, &[first, b"\n"].concat());
        w.drain();
        let frames = w.read(conn);
        let [HubFrame::Bye { reason: ByeReason::Error, text }] = &frames[..] else {
            panic!("{first:?}: {frames:?}");
        };
        assert!(text.ends_with("begin with hello, version 1"), "{text}");
        assert_eq!((w.closed.len(), w.sessions.statistics().broken), (1, 1));
    }
}

#[test]
fn what_comes_out_of_order_ends_the_connection_with_the_reason() {
    let hello = || ClientFrame::Hello { version: 1, client: "test".into() };
    let room = RoomName::lobby;
    let follow =
        || ClientFrame::Follow { room: room(), after: None, last: None, deletion: Position::START };
    for (frames, why) in [
        (vec![hello(), hello()], "the second frame is prove"),
        (vec![hello(), follow()], "the second frame is prove"),
        (vec![hello(), say(1, "x")], "the second frame is prove"),
        (vec![hello(), ClientFrame::Quit {}], "the second frame is prove"),
    ] {
        let mut w = World::new(|_| {});
        let conn = w.open();
        w.send(conn, &frames);
        let Some(HubFrame::Bye { text, .. }) = w.read(conn).pop() else { panic!("{why}") };
        assert_eq!(&*text, why);
    }
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.send(dog, &[prove(1, 1, "again", 7)]);
    assert_eq!(reason(&w.read(dog)), Some(ByeReason::Error));
    for line in [
        &br#"{"type":"say","number":0,"room":"lobby","text":"x"}"#[..],
        br#"{"type":"say","number":9007199254740992,"room":"lobby","text":"x"}"#,
        br#"{"type":"say","number":9007199254740991,"room":"lobby","text":"x"}"#,
        br#"{"type":"say","number":5,"after":5,"room":"lobby","text":"x"}"#,
        br#"{"type":"say","number":-1,"room":"lobby","text":"x"}"#,
        br#"{"type":"say","number":1.5,"room":"lobby","text":"x"}"#,
        br#"{"type":"say","number":1,"room":"lobby"}"#,
        br#"{"type":"outbox","outbox":"7"}"#,
    ] {
        let mut w = World::new(|_| {});
        let dog = w.joined(1, 7);
        w.sessions.received(w.now, dog, &[line, b"\n"].concat());
        w.drain();
        assert_eq!(reason(&w.read(dog)), Some(ByeReason::Error), "{line:?}");
    }
}

#[test]
fn the_last_number_there_is_can_be_said() {
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    let last = (1 << 53) - 2;
    let (room, text) = (RoomName::lobby(), b"x"[..].into());
    w.send(dog, &[ClientFrame::Say(Say { number: last, after: 0, room, text })]);
    assert_eq!(w.read(dog), [HubFrame::Stored { number: last }]);
    let again = w.join(1, 7);
    let expect = HubFrame::Expect { outbox: 7, number: last + 1 };
    assert_eq!(w.read(again).pop(), Some(expect));
}

#[test]
fn a_number_may_be_passed_over_before_its_refusal_is_heard() {
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.holds = true;
    let after = |number, after| {
        let (room, text) = (RoomName::lobby(), b"x"[..].into());
        ClientFrame::Say(Say { number, after, room, text })
    };
    w.send(dog, &[say(1, ""), after(2, 0)]);
    let (empty, second) = (w.held.remove(0), w.held.remove(0));
    w.holds = false;
    w.sessions.settled(empty.id, Outcome::refused(Reason::Usage));
    w.store(second);
    w.drain();
    w.send(dog, &[say(3, "and"), say(4, "on")]);
    assert_eq!(w.read(dog).last(), Some(&HubFrame::Stored { number: 4 }));
}

#[test]
fn an_outbox_can_be_changed_while_a_message_is_refused() {
    let mut w = World::new(|_| {});
    let dog = w.joined(1, 7);
    w.holds = true;
    w.send(dog, &[say(1, "a"), ClientFrame::Outbox { outbox: 8 }]);
    let first = w.held.remove(0);
    w.holds = false;
    w.sessions.settled(first.id, Outcome::refused(Reason::Muted));
    w.drain();
    assert_eq!(w.read(dog), [HubFrame::Expect { outbox: 8, number: 1 }]);
    w.send(dog, &[say(1, "b"), ClientFrame::Outbox { outbox: 7 }, say(1, "a")]);
    // What was not acknowledged before the change is compared when its outbox is named again.
    let (expect, stored) =
        (HubFrame::Expect { outbox: 7, number: 1 }, HubFrame::Stored { number: 1 });
    assert_eq!(w.read(dog), [expect, stored]);
}

#[test]
fn a_member_that_is_at_another_hub_too_must_give_a_sign_and_does_not_linger() {
    let mut w = World::new(|_| {});
    let (dog, cat) = (w.joined(1, 7), w.joined(2, 8));
    let second = w.joined(1, 9);
    w.sessions.elsewhere(w.now, 1);
    w.drain();
    assert_eq!(w.probed, [dog, second]);
    w.sessions.elsewhere(w.now, 5);
    w.sessions.closed(w.now, dog);
    w.sessions.closed(w.now, second);
    w.sessions.closed(w.now, cat);
    w.drain();
    assert_eq!(w.left, [], "they may come back");
    w.sessions.elsewhere(w.now, 1);
    w.drain();
    assert_eq!((&w.left[..], w.probed.len()), (&[1][..], 2));
    // It comes back, and lingers as long as any other.
    let dog = w.joined(1, 7);
    w.now = w.now + Duration::from_secs(5);
    w.sessions.closed(w.now, dog);
    w.now = w.now + Duration::from_secs(5);
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.left, [1, 2]);
    w.now = w.now + Duration::from_secs(5);
    w.sessions.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.left, [1, 2, 1]);
}
