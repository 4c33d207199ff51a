//! A link besides the plain one, made of queues on top of the hub's interface for links. Its
//! members and plain ones share rooms, names and limits.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Machine;
use pigeon_hub::{
    BanError, Banned, Config, Door, Dropped, Event, Identity, Input, Left, LinkId, MemberId,
    Message, Origin, PerOrigin, Rate, Source,
};
use pigeon_proto::Format::{Chat, Classic, Raw};
use pigeon_proto::{
    Change, Command, Label, LinkKind, Name, News, Notice, Reason, Refusal, RoomName, Subject, Text,
    Verb,
};

use crate::harness::{Harness, SECOND, address, got, heartbeat, local, told};

const DOG: u16 = 5001;
const CAT: u16 = 5002;

/// An item in a member's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// A message in its room: speaker and text.
    Said(String, String),
    Notice(Notice),
    News(Vec<News>),
    Gone(Left),
    Stopped,
}

/// A minimal link, which learns its members' rooms from the hub.
struct Queues {
    link: LinkId,
    queues: BTreeMap<MemberId, Vec<Item>>,
    rooms: BTreeMap<MemberId, RoomName>,
    /// Every reported message.
    messages: Vec<Message>,
}

/// A hub with plain members and one such link.
struct World {
    h: Harness,
    link: Queues,
}

impl World {
    fn new(config: Config) -> World {
        let mut h = Harness::new(config);
        let link = h.hub.add_link(LinkKind::Key).expect("the first link");
        let (queues, rooms, messages) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        World { h, link: Queues { link, queues, rooms, messages } }
    }

    /// A world with plain members, and no pending notices.
    fn with_plain(config: Config, members: &[SocketAddr]) -> World {
        let mut world = World::new(config);
        members.iter().for_each(|&member| (0..2).for_each(|_| world.h.hear(member, "^hb^")));
        world.h.drain();
        world.h.wait(2 * SECOND);
        world
    }

    fn try_join(&mut self, label: &str, ip: &str) -> Result<MemberId, Refusal> {
        let source = Source { ip: ip.parse().unwrap(), origin: Origin::Open };
        let label = Label::parse(label).unwrap();
        let member = self.h.hub.join(self.h.now, self.link.link, label, source)?;
        self.link.queues.insert(member, Vec::new());
        self.collect();
        Ok(member)
    }

    /// A member with a key.
    fn join_by_key(&mut self, author: u128, password: Option<&str>) -> Result<MemberId, Reason> {
        let source = Source { ip: "10.0.3.1".parse().unwrap(), origin: Origin::Open };
        let label = Label::parse(&format!("key-{author}")).unwrap();
        let (now, link) = (self.h.now, self.link.link);
        let joined = self.h.hub.join_by_key(now, link, label, source, author, password);
        let member = joined.map_err(|refusal| refusal.why)?;
        self.link.queues.insert(member, Vec::new());
        self.collect();
        Ok(member)
    }

    fn join(&mut self, label: &str) -> MemberId {
        self.try_join(label, "10.0.3.1").expect("a place")
    }

    /// Adds these members, and waits until their joins have been reported.
    fn joined<const N: usize>(&mut self, labels: [&str; N]) -> [MemberId; N] {
        let members = labels.map(|label| self.join(label));
        self.wait();
        members.iter().for_each(|&member| drop(self.take(member)));
        members
    }

    /// Passes each event to the queues of its recipients.
    fn collect(&mut self) {
        let Queues { queues, rooms, messages, .. } = &mut self.link;
        for event in self.h.events() {
            let in_room = |room: &RoomName| -> Vec<MemberId> {
                let here = rooms.iter().filter(|(_, place)| *place == room);
                here.map(|(&member, _)| member).collect()
            };
            let (to, item) = match event {
                Event::Message(message) => {
                    let text = String::from_utf8_lossy(&message.text).into_owned();
                    let said = Item::Said(message.label.to_string(), text);
                    let readers = in_room(&message.room);
                    messages.push(message);
                    (readers, said)
                }
                Event::News { room, news, own } => {
                    for member in in_room(&room) {
                        let own = own.iter().find(|(about, _)| *about == member);
                        let news = own.map_or(&news, |(_, news)| news);
                        if !news.is_empty() {
                            let queue = queues.get_mut(&member).expect("a queue");
                            queue.push(Item::News(news.clone()));
                        }
                    }
                    continue;
                }
                Event::Reply { to, notice } => {
                    assert!(queues.contains_key(&to), "told to somebody else's member");
                    (vec![to], Item::Notice(notice))
                }
                Event::Joined { member, room: Some(room), .. } | Event::Moved { member, room }
                    if queues.contains_key(&member) =>
                {
                    rooms.insert(member, room);
                    continue;
                }
                Event::Stopped => {
                    queues.values_mut().for_each(|queue| queue.push(Item::Stopped));
                    continue;
                }
                Event::Left { member, reason, .. } if queues.contains_key(&member) => {
                    rooms.remove(&member);
                    (vec![member], Item::Gone(reason))
                }
                _ => continue,
            };
            for member in to {
                queues.get_mut(&member).expect("a queue").push(item.clone());
            }
        }
    }

    /// A member's queue.
    fn take(&mut self, member: MemberId) -> Vec<Item> {
        self.collect();
        std::mem::take(self.link.queues.get_mut(&member).expect("a queue"))
    }

    /// The notices in a member's queue.
    fn notices(&mut self, member: MemberId) -> Vec<Notice> {
        let notice = |item| match item {
            Item::Notice(notice) => Some(notice),
            _ => None,
        };
        self.take(member).into_iter().filter_map(notice).collect()
    }

    fn input(&mut self, member: MemberId, input: Input<'_>) {
        self.h.hub.handle_input(self.h.now, member, input);
        self.collect();
    }

    fn says(&mut self, member: MemberId, text: &str) {
        self.input(member, Input::Say { text: text.as_bytes(), identity: None });
    }

    /// Sends a command, without the slash.
    fn commands(&mut self, member: MemberId, line: &str) {
        let command = Command::parse(line.as_bytes()).expect("a command");
        self.input(member, Input::Command(command));
    }

    /// Sends a command, and returns its only answer.
    fn asks(&mut self, member: MemberId, line: &str) -> Notice {
        self.take(member);
        self.commands(member, line);
        let mut notices = self.notices(member);
        assert_eq!(notices.len(), 1, "{line}: {notices:?}");
        notices.remove(0)
    }

    /// Waits for collected changes. Discards plain members' datagrams.
    fn wait(&mut self) {
        self.h.now = self.h.now + 2 * SECOND;
        self.h.hub.handle_timeout(self.h.now);
        self.collect();
        self.h.drain();
    }

    /// The resume token of a name.
    fn nick(&mut self, member: MemberId, name: &str) -> String {
        match self.asks(member, &format!("nick {name}")) {
            Notice::Name { name: Some(now), word: Some(word), .. } if now.as_str() == name => {
                word.into()
            }
            other => panic!("{other:?}"),
        }
    }

    fn name_of(&self, member: MemberId) -> Option<String> {
        self.h.hub.member(member)?.name.map(|name| name.to_string())
    }

    fn room_of(&self, member: MemberId) -> Option<String> {
        self.h.hub.member(member)?.room.map(|room| room.to_string())
    }
}

fn said(who: &str, text: &str) -> Item {
    Item::Said(who.into(), text.into())
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn text(said: &str) -> Text {
    Text::of(said.as_bytes()).unwrap()
}

fn refused(what: Subject, why: Reason) -> Notice {
    Notice::Refused(Refusal::new(what, why))
}

// Messages.

#[test]
fn messages_pass_both_ways_and_to_the_speaker_too() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann, bob] = w.joined(["ann@key", "bob@key"]);
    w.says(ann, "hello");
    assert_eq!(got(&w.h.drain(), dog), ["ann@key: hello\n"]);
    w.h.hear(dog, "hello yourself\n");
    for member in [ann, bob] {
        let heard = [said("ann@key", "hello"), said("127.0.0.1:5001", "hello yourself")];
        assert_eq!(w.take(member), heard);
    }
    w.nick(ann, "ann");
    w.h.from(dog, "/nick dog");
    w.take(bob);
    w.says(ann, "again");
    assert_eq!(got(&w.h.drain(), dog), ["ann: again\n"]);
    w.h.hear(dog, "again");
    assert_eq!(w.take(bob), [said("ann", "again"), said("dog", "again")]);
}

#[test]
fn a_message_is_reported_once_however_many_read_it() {
    let mut w = World::new(Config { run: 77, ..Config::default() });
    let members: Vec<MemberId> = (0..20).map(|n| w.join(&format!("key{n}"))).collect();
    w.h.hear(local(DOG), "one");
    w.says(members[3], "two");
    w.h.hub.say("three").unwrap();
    let identity = Identity { author: 5, outbox: 6, number: 7 };
    w.input(members[0], Input::Say { text: b"four", identity: Some(identity) });
    w.take(members[0]);
    let messages = &w.link.messages;
    assert_eq!(messages.len(), 4);
    let view = |m: &Message| (m.label.to_string(), m.link, m.text.to_vec(), m.speaker.is_some());
    let expected = [
        ("127.0.0.1:5001", LinkKind::Plain, "one", true),
        ("key3", LinkKind::Key, "two", true),
        ("hub", LinkKind::Plain, "three", false),
        ("key0", LinkKind::Key, "four", true),
    ];
    for (message, (who, link, text, is_member)) in messages.iter().zip(expected) {
        assert_eq!(view(message), (who.into(), link, text.as_bytes().to_vec(), is_member));
        assert_eq!(message.room, RoomName::lobby());
    }
    assert_eq!(messages[1].speaker, Some(members[3]));
    assert_eq!(messages[3].identity, identity, "a member's own number is its message's");
    assert!(messages[..3].iter().all(|message| message.identity.author == 77));
    assert!(messages[..3].is_sorted_by(|a, b| a.identity < b.identity));
}

#[test]
fn a_batch_of_both_links_reaches_everybody_in_its_order() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann"]);
    for n in 0..100 {
        match n % 2 {
            0 => w.h.hear(dog, format!("n{n}")),
            _ => w.says(ann, &format!("n{n}")),
        }
    }
    let who = |n: usize| ["127.0.0.1:5001", "ann"][n % 2];
    let line = |n| format!("{}: n{n}\n", who(n));
    assert_eq!(got(&w.h.drain(), dog), (0..100).map(line).collect::<Vec<_>>());
    let item = |n| said(who(n), &format!("n{n}"));
    assert_eq!(w.take(ann), (0..100).map(item).collect::<Vec<_>>());
}

#[test]
fn each_door_writes_what_other_links_say_in_its_format() {
    let doors = vec![Door::of(Chat), Door::of(Classic)];
    let mut w = World::new(Config { doors, ..Config::default() });
    w.h.hear_at(0, local(DOG), "^hb^");
    w.h.hear_at(1, local(CAT), "^hb^");
    let ann = w.join("ann@key");
    w.h.drain();
    w.says(ann, "a\x1bb\nc 你好");
    let sent = w.h.drain();
    assert_eq!(got(&sent, local(DOG)), ["ann@key: a\\x1bb\\nc 你好\n"]);
    assert_eq!(got(&sent, local(CAT)), ["Ack A\x1bB\nC 你好. from ann@key"]);
}

#[test]
fn a_text_too_long_is_refused_to_the_member_of_a_link() {
    let mut w = World::new(Config { max_text: Some(10), ..Config::default() });
    let [ann] = w.joined(["ann"]);
    w.says(ann, "0123456789a");
    let why = Reason::TooLong { length: 11, most: 10 };
    assert_eq!(w.take(ann), [Item::Notice(refused(Subject::Say, why))]);
    assert_eq!(w.h.dropped(Dropped::TextTooLong), 1);
}

#[test]
fn private_messages_pass_both_ways_and_are_reported_to_nobody_else() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann, bob] = w.joined(["ann@key", "bob@key"]);
    w.nick(ann, "ann");
    w.h.from(dog, "/nick dog");
    w.take(bob);
    let to = w.asks(ann, "msg dog psst\x1b");
    assert_eq!(to, Notice::MsgTo { name: label("dog"), text: text("psst\x1b") });
    assert_eq!(got(&w.h.drain(), dog), ["ann (to you): psst\\x1b\n"]);

    w.take(ann);
    w.h.hear(dog, "/msg ann  psst  back");
    let from = Notice::MsgFrom { name: label("dog"), text: text("psst  back") };
    assert_eq!(w.notices(ann), [from]);
    assert_eq!(got(&w.h.drain(), dog), ["you (to ann): psst  back\n"]);
    // A member without a name is addressed by its link's label, within the link.
    w.h.hear(dog, "/msg bob@key hi");
    let to = w.asks(ann, "msg bob@key hello");
    assert_eq!(to, Notice::MsgTo { name: label("bob@key"), text: text("hello") });
    assert_eq!(w.link.messages, []);
    w.h.hear(dog, "/msg bob@key hi");
    let from = Notice::MsgFrom { name: label("dog"), text: text("hi") };
    assert_eq!(w.notices(bob).last(), Some(&from));
    let nobody = Reason::Nobody(pigeon_proto::Detail::of(b"carl"));
    let verb = Subject::Command(Verb::Msg);
    assert_eq!(w.asks(ann, "msg carl hi"), refused(verb, nobody));
}

// Names.

#[test]
fn names_are_one_namespace_over_all_links() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    w.h.from(dog, "/nick Dog");
    let in_use = |holder: &str| {
        let holder = Name::parse(holder.as_bytes()).unwrap();
        refused(Subject::Command(Verb::Nick), Reason::InUse(holder))
    };
    assert_eq!(w.asks(ann, "nick dog"), in_use("Dog"));
    assert_eq!(w.asks(ann, "nick hub"), in_use("hub"));
    w.nick(ann, "Ann");
    assert!(told(&w.h.from(dog, "/nick ANN"), dog)[0].contains("in use"));
    w.nick(ann, "Other");
    assert!(told(&w.h.from(dog, "/nick ann"), dog)[0].contains("you are ann"));
}

#[test]
fn a_plain_members_name_is_taken_back_by_a_member_of_the_link() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let word = w.h.nick(dog, "dog");
    w.h.from(dog, "/join ops");
    w.commands(ann, &format!("resume {word}"));
    assert_eq!(got(&w.h.drain(), dog), ["* your name was taken back from another address\n"]);
    assert!(!w.h.is_member(dog));
    assert_eq!(w.name_of(ann).as_deref(), Some("dog"));
    assert_eq!(w.room_of(ann).as_deref(), Some("ops"), "the room comes with the name");
    let is_dog = |notice: &Notice| {
        matches!(notice, Notice::Name { name: Some(name), room, word: Some(again) }
            if name.as_str() == "dog" && room.as_str() == "ops" && **again == *word)
    };
    assert!(w.notices(ann).iter().any(is_dog));
}

#[test]
fn a_name_of_the_link_is_taken_back_by_a_plain_member() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let word = w.nick(ann, "ann");
    w.commands(ann, "join ops");
    w.take(ann);
    let answer = told(&w.h.from(dog, format!("/resume {word}")), dog).concat();
    assert!(answer.starts_with("* you are ann, in ops; /resume "), "{answer}");
    assert_eq!(w.h.hub.member_count(), 1);

    // Repeats the check for the link's events, because a drain discards them.
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let word = w.nick(ann, "ann");
    w.h.hear(dog, format!("/resume {word}"));
    assert_eq!(w.take(ann), [Item::Gone(Left::Moved)]);
}

#[test]
fn a_name_waits_for_who_left_the_link() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let word = w.nick(ann, "ann");
    w.input(ann, Input::Leave);
    assert_eq!(w.take(ann), [Item::Gone(Left::Quit)]);
    w.h.now = w.h.now + 60 * SECOND;
    let again = w.join("ann@key");
    w.commands(again, &format!("resume {word}"));
    assert_eq!(w.name_of(again).as_deref(), Some("ann"));
}

#[test]
fn a_link_calls_its_member_something_else_and_the_room_hears_of_it() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann, bob] = w.joined(["ann@10.0.3.1", "bob@10.0.3.2"]);
    w.h.hub.relabel(w.h.now, ann, label("anna@10.0.3.1"));
    w.wait();
    let renamed = |item: &Item| match item {
        Item::News(news) => Some((news[0].change, news[0].names.clone())),
        _ => None,
    };
    let expected = (Change::Renamed, vec![label("ann@10.0.3.1"), label("anna@10.0.3.1")]);
    assert_eq!(w.take(bob).iter().find_map(renamed), Some(expected));
    w.says(ann, "hi");
    assert_eq!(w.take(bob), [said("anna@10.0.3.1", "hi")]);
    // A member with a name is labelled by it.
    w.nick(ann, "ann");
    w.wait();
    w.take(bob);
    w.h.hub.relabel(w.h.now, ann, label("other@10.0.3.1"));
    w.wait();
    assert_eq!(w.take(bob), []);
}

// Rooms and presence.

#[test]
fn members_of_all_links_meet_in_rooms() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann, bob] = w.joined(["ann@key", "bob@key"]);
    w.h.from(dog, "/join ops");
    let here = w.asks(ann, "join OPS");
    assert!(matches!(&here, Notice::Name { room, .. } if room.as_str() == "ops"), "{here:?}");
    w.take(bob);
    w.says(ann, "hi");
    assert_eq!(got(&w.h.drain(), dog), ["ann@key: hi\n"]);
    assert_eq!(w.take(bob), [], "it is in the lobby");
    w.h.hear(dog, "hi");
    assert_eq!(w.take(ann), [said("ann@key", "hi"), said("127.0.0.1:5001", "hi")]);
    let Notice::Roster(roster) = w.asks(ann, "who") else { panic!() };
    assert_eq!((roster.people, roster.senders), (2, 0));
    let links = roster.members().map(|(name, link)| (name.to_string(), link));
    let mut links: Vec<_> = links.collect();
    links.sort();
    let key = Some(LinkKind::Key);
    assert_eq!(links, [("127.0.0.1:5001".into(), None), ("ann@key".into(), key)]);
    let Notice::Rooms { rooms, .. } = w.asks(bob, "rooms") else { panic!() };
    assert_eq!(rooms.iter().map(|(_, count)| count).sum::<u32>(), 3);
    w.commands(ann, "leave");
    assert_eq!(w.room_of(ann).as_deref(), Some("lobby"));
}

#[test]
fn a_member_of_a_link_counts_as_a_person_once_somebody_may_be_reading() {
    let mut w = World::new(Config::default());
    let [ann, bob] = w.joined(["ann", "bob"]);
    let counts = |w: &mut World| {
        let Notice::Roster(roster) = w.asks(bob, "who") else { panic!() };
        (roster.people, roster.senders)
    };
    assert_eq!(counts(&mut w), (1, 1));
    w.says(ann, "data");
    assert_eq!(counts(&mut w), (1, 1));
    w.input(ann, Input::Alive);
    assert_eq!(counts(&mut w), (2, 0));
}

#[test]
fn who_comes_and_goes_is_told_to_all_links() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let news = |w: &mut World| -> Vec<(Change, Vec<Label>)> {
        w.h.now = w.h.now + SECOND;
        w.h.hub.handle_timeout(w.h.now);
        let items = w.take(ann);
        w.h.drain();
        let parts = |item| match item {
            Item::News(news) => news,
            _ => Vec::new(),
        };
        let news: Vec<News> = items.into_iter().flat_map(parts).collect();
        news.into_iter().map(|news| (news.change, news.names)).collect()
    };
    w.h.hear(cat, "/nick cat");
    assert_eq!(news(&mut w), [(Change::Joined, vec![label("cat")])]);
    w.h.hear(cat, "/nick tom");
    assert_eq!(news(&mut w), [(Change::Renamed, vec![label("cat"), label("tom")])]);
    w.h.hear(cat, "quit");
    assert_eq!(news(&mut w), [(Change::Left, vec![label("tom")])]);

    let plain = |w: &mut World| {
        let lines = got(&w.h.wait(2 * SECOND), dog);
        lines.concat()
    };
    let bob = w.join("bob@key");
    assert_eq!(plain(&mut w), "", "a program that only sends, as far as is known");
    w.input(bob, Input::Alive);
    assert_eq!(plain(&mut w), "* bob@key joined\n");
    w.commands(bob, "nick bob");
    assert_eq!(plain(&mut w), "* bob@key is now bob\n");
    w.input(bob, Input::Leave);
    assert_eq!(plain(&mut w), "* bob left\n");
}

#[test]
fn a_member_of_a_link_is_never_too_silent_for_the_hub() {
    let mut w = World::with_plain(Config::default(), &[local(DOG)]);
    let [ann] = w.joined(["ann"]);
    w.h.wait(3_600 * SECOND);
    assert_eq!(w.h.hub.member_count(), 1, "the plain one is gone");
    assert_eq!(w.room_of(ann).as_deref(), Some("lobby"));
    assert_eq!(w.h.hub.poll_timeout(), None);
}

#[test]
fn the_console_sees_members_of_every_link() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let views: Vec<_> = w.h.hub.members().collect();
    assert_eq!(views.len(), 2);
    assert_eq!((views[0].address, views[0].label.as_str()), (Some(dog), "127.0.0.1:5001"));
    assert_eq!((views[1].id, views[1].label.as_str()), (ann, "ann@key"));
    assert_eq!((views[1].address, views[1].heard), (None, None));
    assert_eq!(w.h.rooms(), [("lobby".to_string(), 2)]);
}

// The operator.

#[test]
fn the_operator_speaks_to_members_of_every_link() {
    let mut w = World::with_plain(Config::default(), &[local(DOG)]);
    let [ann] = w.joined(["ann"]);
    w.h.hub.say("attention").unwrap();
    assert_eq!(w.take(ann), [said("hub", "attention")]);
    assert_eq!(got(&w.h.drain(), local(DOG)), ["hub: attention\n"]);
}

#[test]
fn a_member_of_a_link_is_kicked_by_its_name_or_label() {
    let dog = local(DOG);
    for who in ["ann", "ANN", "ann@key"] {
        let mut w = World::with_plain(Config::default(), &[dog]);
        let [ann, bob] = w.joined(["ann@key", "bob@key"]);
        w.nick(ann, "ann");
        w.wait();
        w.take(ann);
        w.take(bob);
        assert!(w.h.hub.kick(w.h.now, who), "{who}");
        assert_eq!(w.take(ann), [Item::Gone(Left::Kicked)]);
        assert_eq!(w.take(bob), []);
        assert_eq!(got(&w.h.wait(2 * SECOND), dog), ["* ann removed by the operator\n"]);
        assert!(!w.h.hub.kick(w.h.now, who));
        // The kicked member stays away for ten minutes, the other does not.
        let again = w.try_join("ann@key", "10.0.3.1");
        assert_eq!(again, Err(Refusal::new(Subject::Member, Reason::Kicked)), "{who}");
        w.try_join("carl@key", "10.0.3.1").unwrap();
        w.h.wait(601 * SECOND);
        w.try_join("ann@key", "10.0.3.1").unwrap();
    }
}

#[test]
fn a_ban_holds_for_every_link() {
    let (dog, far) = (address("10.0.3.1:7"), address("10.0.4.1:7"));
    // The operator can ban by a name of either link, and by network.
    for who in ["ann", "dog", "10.0.3.0/24", "10.0.3.1"] {
        let mut w = World::with_plain(Config::default(), &[dog, far]);
        let [ann] = w.joined(["ann@key"]);
        let carl = w.try_join("carl@key", "10.0.4.1").unwrap();
        w.nick(ann, "ann");
        w.h.from(dog, "/nick dog");
        w.take(ann);
        w.h.hub.ban(w.h.now, who).unwrap();
        assert_eq!(w.take(ann), [Item::Gone(Left::Banned)], "{who}");
        assert_eq!(got(&w.h.drain(), dog), ["* you were banned by the operator\n"]);
        assert!(w.h.is_member(far) && w.room_of(carl).is_some());
        assert_eq!(w.h.hub.member_count(), 2);
        // All input from that network is ignored, on any link.
        assert!(w.try_join("ann@key", "10.0.3.1").is_err(), "{who}");
        assert_eq!(w.h.from(dog, heartbeat(64)), []);
        assert_eq!(w.h.hub.member_count(), 2);
        assert_eq!(w.h.dropped(Dropped::Banned), 2);
        let net = w.h.hub.bans().next().unwrap().to_string();
        assert!(w.h.hub.unban(&net));
        w.try_join("ann@key", "10.0.3.1").unwrap();
    }
}

#[test]
fn a_member_with_a_key_is_banned_by_its_key_wherever_it_comes_from() {
    let config = Config { password: Some("sesame".into()), ..Config::default() };
    let mut w = World::new(config);
    let (ann, bob) =
        (w.join_by_key(1, Some("sesame")).unwrap(), w.join_by_key(2, Some("sesame")).unwrap());
    w.nick(ann, "ann");
    w.take(ann);
    assert_eq!(w.h.hub.ban(w.h.now, "ann"), Ok(Banned::Key(1)));
    w.collect();
    assert_eq!(w.take(ann), [Item::Gone(Left::Banned)]);
    assert!(w.room_of(bob).is_some(), "another key at the same address");
    // No password is tried.
    for password in [None, Some("guess"), Some("sesame")] {
        assert_eq!(w.join_by_key(1, password), Err(Reason::Banned));
    }
    let shown: Vec<String> = w.h.hub.bans().map(|banned| banned.to_string()).collect();
    assert_eq!(shown, [format!("{:032x}", 1)]);
    // By the key itself, also of nobody who is here.
    assert_eq!(w.h.hub.ban(w.h.now, &format!("{:032x}", 2)), Ok(Banned::Key(2)));
    w.collect();
    assert!(w.room_of(bob).is_none());
    assert!(w.h.hub.unban(&shown[0]) && !w.h.hub.unban(&shown[0]));
    w.join_by_key(1, Some("sesame")).unwrap();
    assert_eq!(w.join_by_key(2, Some("sesame")), Err(Reason::Banned));
}

#[test]
fn a_name_that_looks_like_a_key_or_a_network_shields_neither() {
    for who in [format!("{:032x}", 1), "203.0.113.0/24".into()] {
        let dog = address("10.0.3.1:7");
        let mut w = World::with_plain(Config::default(), &[dog]);
        let ann = w.join_by_key(1, None).unwrap();
        w.h.from(dog, format!("/nick {who}"));
        assert_eq!(w.h.hub.ban(w.h.now, &who), Ok(who.parse().unwrap()));
        w.collect();
        assert!(w.h.is_member(dog), "{who}");
        assert_eq!(w.room_of(ann).is_some(), who.contains('/'));
    }
}

#[test]
fn a_member_of_another_hub_is_banned_by_its_key_alone() {
    let mut w = World::new(Config::default());
    let source = Source { ip: "fd70::1".parse().unwrap(), origin: Origin::Loopback };
    let join = |w: &mut World, label: &str, author| {
        let label = Label::parse(label).unwrap();
        let link = w.link.link;
        let member = w.h.hub.join_elsewhere(w.h.now, link, label, source, author).unwrap();
        w.link.queues.insert(member, Vec::new());
        w.collect();
        member
    };
    let (ann, bob) = (join(&mut w, "ann", Some(1)), join(&mut w, "bob", None));
    assert_eq!(w.h.hub.ban(w.h.now, "bob"), Err(BanError::Elsewhere));
    assert_eq!(w.h.hub.ban(w.h.now, "ann"), Ok(Banned::Key(1)));
    w.collect();
    assert!(w.room_of(ann).is_none() && w.room_of(bob).is_some());
    // Its address here is made up.
    w.h.hub.ban(w.h.now, "fd00::/8").unwrap();
    w.collect();
    assert!(w.room_of(bob).is_some());
    join(&mut w, "carl", Some(3));
}

// Limits.

#[test]
fn limits_of_members_hold_over_both_links() {
    let full = |config: Config, why: Reason, dropped: Dropped| {
        let (dog, cat) = (address("10.0.3.1:7"), address("10.0.3.1:8"));
        let mut w = World::with_plain(config, &[dog]);
        let [ann] = w.joined(["ann"]);
        let refusal = w.try_join("bob", "10.0.3.1").unwrap_err();
        assert_eq!(refusal, Refusal::new(Subject::Member, why.clone()));
        assert_eq!(w.h.hub.member_count(), 2);
        let line = w.h.from(cat, heartbeat(64));
        let refused = refused(Subject::Member, why);
        assert_eq!(Notice::parse(&line[0].1), Some(refused));
        assert_eq!(w.h.dropped(dropped), 2, "each is counted");
        // A place freed on one link is free on the other.
        w.h.from(dog, "quit");
        let bob = w.try_join("bob", "10.0.3.1").unwrap();
        w.input(ann, Input::Leave);
        w.h.from(cat, "^hb^");
        assert!(w.h.is_member(cat) && w.room_of(bob).is_some());
    };
    full(Config { max_members: 2, ..Config::default() }, Reason::HubFull, Dropped::HubFull);
    full(
        Config { max_per_address: Some(2), ..Config::default() },
        Reason::AddressFull,
        Dropped::AddressFull,
    );
    full(
        Config { max_per_room: Some(2), ..Config::default() },
        Reason::RoomFull,
        Dropped::RoomFull,
    );
}

#[test]
fn a_full_room_refuses_members_of_either_link() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config { max_per_room: Some(1), ..Config::default() }, &[dog]);
    w.h.from(dog, "/join ops");
    let ann = w.join("ann");
    let full = refused(Subject::Command(Verb::Join), Reason::RoomFull);
    assert_eq!(w.asks(ann, "join ops"), full);
    assert_eq!(w.room_of(ann).as_deref(), Some("lobby"));
    assert!(told(&w.h.from(dog, "/leave"), dog)[0].contains("full"));
}

#[test]
fn a_raw_room_is_for_raw_members() {
    let video = Door { format: Raw, room: RoomName::parse(b"video").unwrap() };
    let mut w = World::new(Config { doors: vec![Door::of(Chat), video], ..Config::default() });
    let [ann] = w.joined(["ann"]);
    let refused = refused(Subject::Command(Verb::Join), Reason::RawRoom);
    assert_eq!(w.asks(ann, "join video"), refused);
}

#[test]
fn the_password_is_asked_of_every_link() {
    let dog = local(DOG);
    let mut w = World::new(Config { password: Some("sesame".into()), ..Config::default() });
    w.h.from(dog, "/pass sesame");
    let ann = w.join("ann");
    let asked = refused(Subject::Member, Reason::Password);
    assert_eq!(w.take(ann), [Item::Notice(asked)]);
    w.h.hear(dog, "secrets");
    w.says(ann, "let me in");
    assert_eq!(w.take(ann), [Item::Notice(refused(Subject::Say, Reason::Password))]);
    assert_eq!(got(&w.h.drain(), dog), ["127.0.0.1:5001: secrets\n"]);
    for (verb, command) in
        [(Verb::Nick, "nick x"), (Verb::Who, "who"), (Verb::Msg, "msg x y"), (Verb::Join, "join x")]
    {
        let refused = refused(Subject::Command(verb), Reason::Password);
        assert_eq!(w.asks(ann, command), refused, "{command}");
    }
    let wrong = refused(Subject::Command(Verb::Pass), Reason::WrongPassword);
    assert_eq!(w.asks(ann, "pass x"), wrong);
    assert!(matches!(w.asks(ann, "pass sesame"), Notice::Name { .. }));
    w.h.hear(dog, "hello");
    assert_eq!(w.take(ann), [said("127.0.0.1:5001", "hello")]);
}

#[test]
fn a_password_given_with_the_key_is_not_asked_for_again() {
    let mut w = World::new(Config { password: Some("sesame".into()), ..Config::default() });
    assert_eq!(w.join_by_key(1, None), Err(Reason::Password));
    assert_eq!(w.join_by_key(1, Some("open")), Err(Reason::WrongPassword));
    assert_eq!(w.join_by_key(1, Some("")), Err(Reason::WrongPassword));
    assert_eq!(w.h.hub.member_count(), 0);
    let ann = w.join_by_key(1, Some("sesame")).unwrap();
    assert_eq!(w.take(ann), []);
    w.says(ann, "hello");
    assert_eq!(w.take(ann), [said("key-1", "hello")]);
    for _ in 0..100 {
        w.join_by_key(2, Some("guess")).unwrap_err();
    }
    assert_eq!(w.join_by_key(2, Some("sesame")), Err(Reason::Guesses));
    let statistics = w.h.hub.statistics();
    assert!(statistics.dropped(Dropped::GuessLimited) > 0);
}

#[test]
fn members_do_not_read_news_about_themselves() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let ann = w.join("ann@key");
    w.nick(ann, "ann");
    w.wait();
    assert_eq!(w.take(ann), [], "it joined alone");
    let bob = w.join("bob@key");
    w.nick(bob, "bob");
    w.nick(ann, "anna");
    w.wait();
    let news = |items: Vec<Item>| -> Vec<(Change, Vec<Label>)> {
        let of = |item| match item {
            Item::News(news) => news,
            _ => Vec::new(),
        };
        let news = items.into_iter().flat_map(of);
        news.map(|news| (news.change, news.names)).collect()
    };
    assert_eq!(news(w.take(bob)), [(Change::Renamed, vec![label("ann"), label("anna")])]);
    assert_eq!(news(w.take(ann)), [(Change::Joined, vec![label("bob")])]);
}

#[test]
fn a_name_comes_back_to_its_key_without_a_word() {
    let mut w = World::new(Config::default());
    let ann = w.join_by_key(1, None).unwrap();
    let word = w.nick(ann, "ann");
    // A second member of the same key, whose first one is lost.
    let again = w.join_by_key(1, None).unwrap();
    w.nick(again, "ann");
    assert_eq!(w.name_of(again).as_deref(), Some("ann"));
    assert!(w.h.hub.member(ann).is_none());
    let eve = w.join_by_key(2, None).unwrap();
    let kept = |verb| refused(Subject::Command(verb), Reason::InUse(Name::parse(b"ann").unwrap()));
    assert_eq!(w.asks(eve, "nick ann"), kept(Verb::Nick));
    assert_eq!(w.asks(eve, "nick Ann"), kept(Verb::Nick));
    // The word of the first grant is void: the name has another one now.
    assert_eq!(
        w.asks(eve, &format!("resume {word}")),
        refused(Subject::Command(Verb::Resume), Reason::Expired)
    );
}

// Ids.

#[test]
fn an_id_that_was_kept_too_long_finds_nobody() {
    let mut w = World::new(Config::default());
    let [ann, eve] = w.joined(["ann@key", "eve@key"]);
    let word = w.nick(ann, "ann");
    w.input(ann, Input::Leave);
    // Members of both links may take the slot now.
    w.h.from(local(DOG), "^hb^");
    let bob = w.join("bob@key");
    w.wait();
    for member in [ann, bob, eve] {
        w.take(member);
    }
    let (before, count) = (w.h.rooms(), w.h.hub.member_count());
    w.says(ann, "a ghost");
    w.commands(ann, "nick ghost");
    w.commands(ann, "join ops");
    w.commands(ann, &format!("resume {word}"));
    w.input(ann, Input::Alive);
    w.input(ann, Input::Leave);
    assert_eq!((w.h.rooms(), w.h.hub.member_count()), (before, count));
    assert_eq!(w.h.drain(), []);
    for member in [ann, bob, eve] {
        assert_eq!(w.take(member), []);
        assert_eq!(w.name_of(member), None);
    }
}

#[test]
fn a_plain_members_id_is_not_for_other_links_to_keep() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let id = w.h.hub.members().next().unwrap().id;
    w.h.from(dog, "quit");
    w.h.from(dog, "^hb^");
    w.says(id, "a ghost");
    assert_eq!(w.h.drain(), []);
    assert_ne!(w.h.hub.members().next().unwrap().id, id);
}

#[test]
fn one_label_at_two_links_is_two_members_and_links_are_bounded() {
    let mut w = World::new(Config::default());
    let other = w.h.hub.add_link(LinkKind::Page).unwrap();
    let ip: IpAddr = "10.0.3.1".parse().unwrap();
    let source = Source { ip, origin: Origin::Open };
    let ann = w.join("x");
    let page = w.h.hub.join(w.h.now, other, label("x"), source).unwrap();
    assert_ne!(ann, page);
    w.link.queues.insert(page, Vec::new());
    w.says(page, "from the page");
    assert_eq!(w.take(ann), [said("x", "from the page")]);
    assert_eq!(w.link.messages[0].link, LinkKind::Page);
    let mut links = 1;
    while w.h.hub.add_link(LinkKind::Page).is_some() {
        links += 1;
    }
    assert!(links < 255);
}

#[test]
fn a_link_hears_that_the_hub_stops() {
    let mut w = World::with_plain(Config::default(), &[local(DOG)]);
    let [fox] = w.joined(["fox"]);
    w.h.hub.stop();
    assert_eq!(w.take(fox), [Item::Stopped]);
    assert_eq!(got(&w.h.drain(), local(DOG)), ["Bye!"]);
}

// Messages that are relayed after they are stored.

fn identity(number: u64) -> Identity {
    Identity { author: 9, outbox: 1, number }
}

impl World {
    fn admit(&mut self, member: MemberId, room: &str, text: &str) -> Result<Message, Reason> {
        let room = RoomName::parse(room.as_bytes()).unwrap();
        let (now, id) = (self.h.now, identity(1));
        let admitted = self.h.hub.admit(now, member, &room, text.as_bytes(), id);
        self.collect();
        admitted.map_err(|refusal| refusal.why)
    }
}

#[test]
fn an_admitted_message_is_relayed_once_it_is_stored_and_not_before() {
    let dog = local(DOG);
    let mut w = World::with_plain(Config::default(), &[dog]);
    let [ann] = w.joined(["ann@key"]);
    let message = w.admit(ann, "lobby", "hello").unwrap();
    assert_eq!((message.identity, &*message.label), (identity(1), "ann@key"));
    assert_eq!(w.h.drain(), []);
    assert!(w.h.hub.relay(w.h.now, message.clone()));
    w.collect();
    assert_eq!(got(&w.h.drain(), dog), ["ann@key: hello\n"]);
    let last = w.link.messages.last().unwrap();
    assert_eq!(last, &Message { is_stored: true, ..message }, "the log must not store it again");
}

#[test]
fn a_message_for_a_closed_room_is_stored_and_relayed_to_nobody() {
    let mut w = World::new(Config::default());
    let [ann] = w.joined(["ann@key"]);
    let message = w.admit(ann, "nowhere", "hello").unwrap();
    assert_eq!(message.room.as_str(), "nowhere");
    assert!(!w.h.hub.relay(w.h.now, message));
}

#[test]
fn what_the_hub_refuses_is_not_admitted() {
    let rate = Rate { messages: Some(2), bytes: None };
    let rate = PerOrigin { loopback: rate, open: rate, untrusted: rate };
    let mut w = World::new(Config { max_text: Some(10), rate, ..Config::default() });
    let [ann, bob] = w.joined(["ann", "bob"]);
    let long = Reason::TooLong { length: 11, most: 10 };
    assert_eq!(w.admit(ann, "lobby", "0123456789a"), Err(long));
    assert_eq!(w.admit(ann, "lobby", ""), Err(Reason::Usage));
    for _ in 0..2 {
        w.admit(ann, "lobby", "hi").unwrap();
    }
    let over = Reason::Rate { messages: Some(2), bytes: None };
    assert_eq!(w.admit(ann, "lobby", "hi"), Err(over));
    assert_eq!(w.h.dropped(Dropped::RateLimited), 1);
    w.nick(bob, "bob");
    w.h.hub.mute(Name::parse(b"bob").unwrap());
    assert_eq!(w.admit(bob, "lobby", "hi"), Err(Reason::Muted));
    w.wait();
    w.h.hub.slow(RoomName::lobby(), 30 * SECOND);
    w.admit(ann, "lobby", "hi").unwrap();
    assert_eq!(w.admit(ann, "lobby", "hi"), Err(Reason::Slow { seconds: 30 }));
    w.input(ann, Input::Leave);
    assert!(w.admit(ann, "lobby", "hi").is_err());
}

#[test]
fn the_password_comes_before_what_is_stored() {
    let mut w = World::new(Config { password: Some("secret".into()), ..Config::default() });
    let ann = w.join("ann");
    assert_eq!(w.admit(ann, "lobby", "hi"), Err(Reason::Password));
}
