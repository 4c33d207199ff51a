//! Persistent state: names with their grants, bans, mutes, slow rooms.

use std::time::Duration;

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Event, Input, Keep, MemberId, Origin, Source};
use pigeon_proto::{Command, Label, LinkKind, Name, RoomName};

use crate::harness::{Harness, SECOND, got, heartbeat, local};

fn config() -> Config {
    Config { keeps: true, secret: [7; 16], ..Config::default() }
}

/// A store's content after these changes: the last of each kind and key.
#[derive(Default)]
struct Store(Vec<Keep>);

impl Store {
    fn take(&mut self, h: &mut Harness) {
        while let Some(event) = h.hub.poll_event() {
            if let Event::Keep(keep) = event {
                self.apply(keep);
            }
        }
    }

    fn apply(&mut self, keep: Keep) {
        let is_same = |other: &Keep| match (other, &keep) {
            (Keep::Name(a), Keep::Name(b)) => a.grant == b.grant,
            (Keep::Name(a), Keep::NameGone(b)) => a.grant == *b,
            (Keep::Grants(_), Keep::Grants(_)) => true,
            (Keep::Ban(a), Keep::Ban(b) | Keep::BanGone(b)) => a == b,
            (Keep::Mute(a), Keep::Mute(b) | Keep::MuteGone(b)) => a.folded() == b.folded(),
            (Keep::Slow(a, _), Keep::Slow(b, _) | Keep::SlowGone(b)) => a == b,
            _ => false,
        };
        self.0.retain(|other| !is_same(other));
        let is_gone = matches!(
            keep,
            Keep::NameGone(_) | Keep::BanGone(_) | Keep::MuteGone(_) | Keep::SlowGone(_)
        );
        if !is_gone {
            self.0.push(keep);
        }
    }

    /// A hub restarted with the stored state.
    fn restart(&mut self) -> Harness {
        let mut h = Harness::new(config());
        let mut kept = self.0.clone();
        kept.sort_by_key(|keep| !matches!(keep, Keep::Grants(_)));
        h.hub.restore(h.now, kept);
        self.take(&mut h);
        h
    }
}

fn started(store: &mut Store) -> Harness {
    store.0.push(Keep::Grants(0));
    store.restart()
}

/// Sends `/nick`, and stores the changes.
fn nick(h: &mut Harness, store: &mut Store, port: u16, name: &str) -> String {
    h.hear(local(port), format!("/nick {name}"));
    store.take(h);
    let answer = got(&h.drain(), local(port)).concat();
    answer.split_once("/resume ").unwrap().1.split_whitespace().next().unwrap().to_string()
}

fn hear(h: &mut Harness, store: &mut Store, port: u16, text: &str) {
    h.hear(local(port), text);
    store.take(h);
    h.drain();
}

#[test]
fn a_word_takes_name_and_room_back_after_a_restart() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    let word = nick(&mut h, &mut store, 5001, "狗哥");
    hear(&mut h, &mut store, 5001, "/join Ops");
    let mut h = store.restart();
    let other = "192.168.1.5:6000".parse().unwrap();
    h.from(other, "/nick 狗哥");
    assert_eq!(h.name_of(other), None, "it waits for its holder");
    hear(&mut h, &mut store, 6001, &format!("/resume {word}"));
    assert_eq!(h.name_of(local(6001)).as_deref(), Some("狗哥"));
    assert_eq!(h.room_of(local(6001)).as_deref(), Some("Ops"));
    // A second restart: a used token stays valid.
    let mut h = store.restart();
    hear(&mut h, &mut store, 6002, &format!("/resume {word}"));
    assert_eq!(h.name_of(local(6002)).as_deref(), Some("狗哥"));
}

#[test]
fn a_script_that_brings_no_word_has_its_name_back_from_the_same_address() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    nick(&mut h, &mut store, 5001, "小明");
    let mut h = store.restart();
    h.hear(local(7001), heartbeat(64));
    hear(&mut h, &mut store, 5002, "/nick 小明");
    assert_eq!(h.name_of(local(5002)).as_deref(), Some("小明"));
}

#[test]
fn a_key_has_its_name_back_after_a_restart_from_any_address_and_no_other_key_has() {
    fn join(h: &mut Harness, author: u128, ip: &str) -> MemberId {
        let link = h.hub.add_link(LinkKind::Key).unwrap();
        let source = Source { ip: ip.parse().unwrap(), origin: Origin::Open };
        let label = Label::parse(&format!("key-{author}")).unwrap();
        h.hub.join_by_key(h.now, link, label, source, author, None).unwrap()
    }
    fn nick(h: &mut Harness, store: &mut Store, member: MemberId) -> Option<String> {
        let name = Name::parse("狗哥".as_bytes()).unwrap();
        h.hub.handle_input(h.now, member, Input::Command(Command::Nick(Some(name))));
        store.take(h);
        h.hub.member(member).unwrap().name.map(|name| name.to_string())
    }
    let mut store = Store::default();
    let mut h = started(&mut store);
    let dog = join(&mut h, 1, "10.0.0.1");
    nick(&mut h, &mut store, dog);
    // Twice: the name that was taken back is kept as the key's, too.
    for ip in ["192.168.7.7", "fd00::7"] {
        let mut h = store.restart();
        let eve = join(&mut h, 2, "10.0.0.1");
        assert_eq!(nick(&mut h, &mut store, eve), None, "it waits for its key");
        h.from("10.0.0.1:5000".parse().unwrap(), "/nick 狗哥");
        assert_eq!(h.name_of("10.0.0.1:5000".parse().unwrap()), None);
        let dog = join(&mut h, 1, ip);
        assert_eq!(nick(&mut h, &mut store, dog).as_deref(), Some("狗哥"));
    }
}

#[test]
fn names_that_were_given_up_are_free_after_a_restart() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    nick(&mut h, &mut store, 5001, "one");
    nick(&mut h, &mut store, 5001, "two");
    nick(&mut h, &mut store, 5002, "three");
    h.hub.kick(h.now, "three");
    store.take(&mut h);
    let names = |store: &Store| -> Vec<String> {
        let name = |keep: &Keep| match keep {
            Keep::Name(kept) => Some(kept.name.to_string()),
            _ => None,
        };
        store.0.iter().filter_map(name).collect()
    };
    assert_eq!(names(&store), ["two"]);
    let mut h = store.restart();
    h.wait(Duration::from_secs(700));
    // Names reserved for too long are given up at the next request for one.
    nick(&mut h, &mut store, 5003, "four");
    assert_eq!(names(&store), ["four"]);
}

#[test]
fn no_number_of_a_grant_is_given_out_twice_even_if_the_last_changes_were_lost() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    let mut words = Vec::new();
    for n in 0..50 {
        words.push(nick(&mut h, &mut store, 5001, &format!("name{n}")));
    }
    // Killed before any of this was stored, except the reservation at the start.
    store.0.retain(|keep| matches!(keep, Keep::Grants(_)));
    let mut h = store.restart();
    for n in 0..50 {
        let word = nick(&mut h, &mut store, 6001, &format!("other{n}"));
        assert!(!words.contains(&word), "{word}");
    }
    for word in words {
        hear(&mut h, &mut store, 6002, &format!("/resume {word}"));
        assert_eq!(h.name_of(local(6002)), None);
    }
}

#[test]
fn bans_mutes_and_slow_rooms_come_back_and_can_be_lifted() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    let (loud, lobby) = (Name::parse(b"loud").unwrap(), RoomName::lobby());
    h.hub.ban(h.now, "192.168.7.0/24").unwrap();
    assert!(h.hub.mute(loud.clone()));
    assert!(h.hub.slow(lobby.clone(), 2 * SECOND));
    store.take(&mut h);
    let mut h = store.restart();
    assert_eq!(h.hub.bans().count(), 1);
    assert!(h.from("192.168.7.9:5000".parse().unwrap(), "hi").is_empty());
    h.join(&[local(5002)]);
    nick(&mut h, &mut store, 5001, "LOUD");
    assert_eq!(
        got(&h.from(local(5001), "hi"), local(5001)),
        ["* not sent: the operator has muted you\n"]
    );
    assert_eq!(got(&h.from(local(5002), "one"), local(5001)).len(), 1);
    assert_eq!(
        got(&h.from(local(5002), "two"), local(5002)),
        ["* not sent: this room takes one message of each member in 2 s\n"]
    );
    assert!(h.hub.unban("192.168.7.0/24") && h.hub.unmute(&loud));
    assert!(h.hub.slow(lobby, Duration::ZERO));
    store.take(&mut h);
    assert_eq!(h.hub.bans().count() + h.hub.mutes().count() + h.hub.slow_rooms().count(), 0);
    let mut h = store.restart();
    assert_eq!(h.hub.bans().count() + h.hub.mutes().count() + h.hub.slow_rooms().count(), 0);
    h.join(&[local(5001), local(5002)]);
    for text in ["one", "two"] {
        assert_eq!(got(&h.from(local(5001), text), local(5002)).len(), 1);
    }
}

#[test]
fn a_muted_member_stays_muted_under_another_name_and_cannot_whisper() {
    let mut store = Store::default();
    let mut h = started(&mut store);
    h.join(&[local(5002)]);
    nick(&mut h, &mut store, 5001, "loud");
    nick(&mut h, &mut store, 5002, "dog");
    h.hub.mute(Name::parse(b"loud").unwrap());
    nick(&mut h, &mut store, 5001, "quiet");
    assert!(got(&h.from(local(5001), "hi"), local(5002)).is_empty());
    assert!(got(&h.from(local(5001), "/msg dog hi"), local(5002)).is_empty());
    assert!(h.hub.unmute(&Name::parse(b"quiet").unwrap()), "by its present name");
    assert_eq!(got(&h.from(local(5001), "hi"), local(5002)), ["quiet: hi\n"]);
    // Everyone else may send at any time, and the operator even in a slow room.
    h.hub.slow(RoomName::lobby(), 60 * SECOND);
    for _ in 0..3 {
        assert_eq!(got(&h.say("order"), local(5002)).len(), 1);
    }
}

#[test]
fn nothing_is_reported_where_nothing_is_kept() {
    let mut h = Harness::chat();
    h.hear(local(5001), "/nick dog");
    h.hub.ban(h.now, "10.0.0.0/8").unwrap();
    while let Some(event) = h.hub.poll_event() {
        assert!(!matches!(event, Event::Keep(_) | Event::Lookup(_)), "{event:?}");
    }
}
