//! Sessions and rosters with pigeon's real hub, to verify the scripted one of `hub`.

use std::time::Duration;

use pigeon_client::{Contact, Discover, Event, LineError, Question, Roster, Search};
use pigeon_hub::{Config, Discovery, Hub, SourceRules};
use pigeon_netsim::simulation::{Direction, Network, Node};
use pigeon_proto::{Format, Label, Verb};

use crate::harness::{
    Member, after, heard, hub_address, join, loses, member_address, notices, say, session, told,
};

fn hub() -> Hub {
    Hub::new(Config::default())
}

/// Another hub, with other tokens.
fn other_hub() -> Hub {
    Hub::new(Config { secret: [9; 16], ..Config::default() })
}

/// The members' names and rooms, in order.
fn members(network: &Network, hub: Node<Hub>) -> Vec<String> {
    let members = network.machine(hub).members();
    let called = |member: pigeon_hub::MemberView| {
        let name = member.name.map_or(member.label.to_string(), |name| name.to_string());
        format!("{name} in {}", member.room.map_or("-".to_string(), |room| room.to_string()))
    };
    let mut members: Vec<String> = members.map(called).collect();
    members.sort();
    members
}

#[test]
fn members_hear_one_another_and_themselves() {
    let mut network = Network::new(1);
    network.add(hub_address(), hub());
    let dog = join(&mut network, 1, "狗哥");
    let ape = join(&mut network, 2, "猴哥");
    network.run_for(after(1));
    say(&mut network, dog, "你好");
    say(&mut network, ape, "/msg 狗哥 psst");
    network.run_for(after(1));
    for member in [dog, ape] {
        assert_eq!(heard(&network, member), ["狗哥: 你好\n"]);
    }
    assert!(notices(&network, dog).contains(&"msg from 猴哥 psst".to_string()));
    assert!(notices(&network, ape).contains(&"msg to 狗哥 psst".to_string()));
}

#[test]
fn name_and_room_come_back_whatever_happened() {
    let mut network = Network::new(2);
    let hub = network.add(hub_address(), hub());
    let dog = join(&mut network, 1, "dog");
    network.run_for(after(1));
    say(&mut network, dog, "/join 7b");
    network.run_for(after(1));
    assert_eq!(members(&network, hub), ["dog in 7b"]);
    // Replaced by another hub at the same address, between two heartbeats.
    network.replace(hub, other_hub());
    network.run_for(after(12));
    assert_eq!(members(&network, hub), ["dog in 7b"]);
    // Our own address changes.
    network.readdress(dog, "10.0.1.1:41000".parse().unwrap());
    network.run_for(after(12));
    assert_eq!(members(&network, hub), ["dog in 7b"]);
    // An outage, during which the hub drops the member.
    for direction in [Direction::Up, Direction::Down] {
        network.set_conditions(dog, direction, loses(1.0)).unwrap();
    }
    network.run_for(after(60));
    assert_eq!(network.machine(hub).member_count(), 0);
    for direction in [Direction::Up, Direction::Down] {
        network.set_conditions(dog, direction, loses(0.0)).unwrap();
    }
    network.run_for(after(15));
    assert_eq!(members(&network, hub), ["dog in 7b"]);
    // The hub stops, and is started again.
    network.act(hub, |hub, _| hub.stop());
    network.run_for(Duration::from_millis(100));
    network.remove(hub);
    network.run_for(after(30));
    network.replace(hub, other_hub());
    network.run_for(after(15));
    assert_eq!(members(&network, hub), ["dog in 7b"]);
}

#[test]
fn who_is_kicked_stays_away_for_a_minute_at_least() {
    let mut network = Network::new(3);
    let hub = network.add(hub_address(), hub());
    let dog = join(&mut network, 1, "dog");
    network.run_for(after(5));
    network.act(hub, |hub, now| hub.kick(now, "dog"));
    network.run_for(after(30));
    assert_eq!(network.machine(hub).member_count(), 0);
    assert_eq!(network.machine(dog).contact(), Contact::Removed);
    assert!(notices(&network, dog).contains(&"gone kicked".to_string()));
}

#[test]
fn a_raw_hub_is_joined_without_a_command() {
    let mut network = Network::new(4);
    let hub = network.add(hub_address(), Hub::new(Config::of(Format::Raw)));
    let dog = join(&mut network, 1, "dog");
    let listener = session(&network, 2, |_| {});
    let listener = network.add(member_address(2), listener);
    network.run_for(after(60));
    let typed = |session: &mut Member, now| session.handle_line(now, b"/nick dog");
    assert_eq!(network.act(dog, typed), Err(LineError::Raw(Verb::Nick)));
    say(&mut network, dog, "data");
    network.run_for(after(1));
    assert_eq!(heard(&network, listener), ["data"]);
    assert_eq!(network.machine(hub).statistics().commands, 0);
    assert!(matches!(told(&network, dog)[..], [Event::Joined(_)]));
}

#[test]
fn an_address_is_proved_where_it_must_be() {
    let mut network = Network::new(5);
    let sources = SourceRules { open: vec![], ..SourceRules::default() };
    let hub = network.add(hub_address(), Hub::new(Config { sources, ..Config::default() }));
    join(&mut network, 1, "dog");
    network.run_for(after(1));
    assert_eq!(members(&network, hub), ["dog in lobby"]);
}

#[test]
fn a_full_hub_is_tried_again() {
    let mut network = Network::new(6);
    let hub = Hub::new(Config { max_members: 1, ..Config::default() });
    let hub = network.add(hub_address(), hub);
    let dog = join(&mut network, 1, "dog");
    network.run_for(after(15));
    let cat = join(&mut network, 2, "cat");
    network.run_for(after(15));
    assert!(notices(&network, cat).contains(&"refused member hub-full".to_string()));
    assert_eq!(told(&network, cat), [Event::Unheard]);
    say(&mut network, dog, "quit");
    network.run_for(after(15));
    assert_eq!(members(&network, hub), ["cat in lobby"]);
}

#[test]
fn a_roster_follows_the_hub() {
    let mut network = Network::new(7);
    let hub = network.add(hub_address(), hub());
    let dog = join(&mut network, 1, "dog");
    let (mut roster, mut seen) = (Roster::default(), 0);
    let mut follow = |network: &mut Network, seconds: u64| {
        for _ in 0..seconds {
            network.run_for(after(1));
            let events: Vec<_> = network.events(dog)[seen..].to_vec();
            seen += events.len();
            events.iter().for_each(|(at, event)| roster.hear(*at, event));
            network.act(dog, |session, now| {
                roster.questions(now, |command| session.ask(now, command));
            });
        }
        roster.people().map(Label::to_string).collect::<Vec<_>>()
    };
    assert_eq!(follow(&mut network, 10), ["dog"]);
    let cat = join(&mut network, 2, "cat");
    join(&mut network, 3, "ape");
    assert_eq!(follow(&mut network, 15), ["ape", "cat", "dog"]);
    say(&mut network, cat, "/nick 猫");
    assert_eq!(follow(&mut network, 15), ["ape", "dog", "猫"]);
    network.readdress(cat, "10.0.1.2:41000".parse().unwrap());
    assert_eq!(follow(&mut network, 30), ["ape", "dog", "猫"]);
    network.act(hub, |hub, now| hub.kick(now, "ape"));
    say(&mut network, cat, "/join 7b");
    assert_eq!(follow(&mut network, 15), ["dog"]);
    // The version reveals lost notices.
    network.set_conditions(dog, Direction::Down, loses(1.0)).unwrap();
    say(&mut network, cat, "/leave");
    follow(&mut network, 3);
    network.set_conditions(dog, Direction::Down, loses(0.0)).unwrap();
    assert_eq!(follow(&mut network, 20), ["dog", "猫"]);
    // A kicked member returns after ten minutes.
    follow(&mut network, 660);
    // Without changes only the list of rooms is requested.
    let before = network.machine(hub).statistics().commands;
    follow(&mut network, 600);
    let asked = network.machine(hub).statistics().commands - before;
    assert!(asked <= 11, "{asked} questions in ten quiet minutes");
}

#[test]
fn a_hub_is_found_with_its_door() {
    let mut network = Network::new(8);
    let discovery = Some(Discovery { id: 0xfeed, port: 9998, ..Default::default() });
    network.add(hub_address(), Hub::new(Config { discovery, ..Config::default() }));
    let search = Discover::new(network.now(), vec![hub_address()], Question::Hubs(7), after(1));
    let search = network.add(member_address(1), search);
    network.run_for(after(2));
    let found = network.events(search).iter().find_map(|(_, event)| match event {
        Search::Found(found) => found.hub.clone(),
        Search::Over => None,
    });
    let hub = found.unwrap();
    let door = hub.door.unwrap();
    assert_eq!((hub.name.as_str(), door.id, door.port), ("hub", 0xfeed, 9998));
}
