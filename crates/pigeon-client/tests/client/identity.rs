//! The name and the room: requested, kept, lost and reclaimed, without parsing sentences.

use std::net::SocketAddr;

use pigeon_client::{Event, LeftOff, LineError, Said};
use pigeon_netsim::path::Conditions;
use pigeon_netsim::simulation::{Direction, Network};

use crate::harness::{
    after, heard, hub_address, join, loses, member_address, name, notices, say, session, told,
};
use crate::hub::{Hub, Script};

#[test]
fn a_hub_replaced_between_two_heartbeats_has_the_name_and_the_room_with_the_next() {
    let mut network = Network::new(7);
    let hub = network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    network.run_for(after(1));
    say(&mut network, dog, "/join 7b");
    network.run_for(after(1));
    network.replace(hub, Hub::new());
    say(&mut network, dog, "first");
    network.run_for(after(11));
    say(&mut network, dog, "second");
    network.run_for(after(1));
    assert_eq!(heard(&network, dog), ["10.0.1.1:40000: first\n", "dog: second\n"]);
    assert_eq!(network.machine(hub).room_of("dog").as_deref(), Some("7b"));
    // The token was another hub's.
    assert_eq!(network.machine(hub).commands, ["resume 0-word", "nick dog", "join 7b"]);
    assert!(matches!(told(&network, dog)[..], [Event::Joined(_)]), "nothing else tells of it");
}

/// Any of the request, its answer, the token and its answer may be lost.
#[test]
fn a_name_comes_back_through_loss_after_an_outage() {
    for seed in 0..100 {
        let mut network = Network::new(seed);
        let hub = network.add(hub_address(), Hub::new());
        // Heartbeats so frequent that the hub never times it out.
        let session = session(&network, 1, |config| {
            (config.nick, config.heartbeat) = (Some(name("dog")), after(2));
        });
        let dog = network.add(member_address(1), session);
        network.run_for(after(1));
        for direction in [Direction::Up, Direction::Down] {
            network.set_conditions(dog, direction, loses(1.0)).unwrap();
        }
        network.run_for(after(60));
        assert_eq!(network.machine(hub).member_count(), 0);
        for direction in [Direction::Up, Direction::Down] {
            network.set_conditions(dog, direction, loses(0.4)).unwrap();
        }
        // One exchange in three succeeds; fifty are tried.
        network.run_for(after(100));
        assert_eq!(network.machine(hub).names(), ["dog"], "seed {seed}");
        for direction in [Direction::Up, Direction::Down] {
            network.set_conditions(dog, direction, Conditions::default()).unwrap();
        }
        network.run_for(after(10));
        // From then on the session requests nothing.
        let before = network.machine(hub).commands.len();
        network.run_for(after(300));
        assert_eq!(network.machine(hub).commands.len(), before, "seed {seed}");
    }
}

#[test]
fn a_refused_name_is_asked_for_once_a_minute() {
    let mut network = Network::new(8);
    let hub = network.add(hub_address(), Hub::new());
    let first = join(&mut network, 1, "dog");
    network.run_for(after(1));
    let second = join(&mut network, 2, "dog");
    network.run_for(after(1));
    for _ in 0..50 {
        say(&mut network, second, "woof");
        network.run_for(after(1));
    }
    assert_eq!(network.machine(hub).commands, ["nick dog", "nick dog"]);
    network.run_for(after(240));
    let asked = network.machine(hub).commands.len();
    assert!((5..=6).contains(&asked), "asked {asked} times in five minutes");
    // The user sees it once.
    assert_eq!(notices(&network, second), ["refused nick in-use dog"]);
    say(&mut network, first, "quit");
    network.run_for(after(75));
    assert_eq!(network.machine(hub).names(), ["dog"]);
}

#[test]
fn a_wish_for_a_name_that_is_lost_is_repeated() {
    let mut network = Network::new(21);
    network.default_conditions(loses(0.05)).unwrap();
    let hub = network.add(hub_address(), Hub::new());
    let members: Vec<_> = (1..=20).map(|n| join(&mut network, n, &format!("m{n}"))).collect();
    network.run_for(after(60));
    // Each datagram takes two paths, and each loses a tenth. Of 20 requests sent only once, four
    // would be lost.
    for (n, member) in (1..).zip(members) {
        let granted = format!("name m{n} lobby");
        let notices = notices(&network, member);
        assert!(notices.iter().any(|notice| notice.starts_with(&granted)), "m{n}: {notices:?}");
    }
    assert_eq!(network.machine(hub).names().len(), 20);
}

#[test]
fn a_name_and_a_room_are_taken_back_from_a_former_self_behind_another_port() {
    let mut network = Network::new(19);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(5));
    say(&mut network, member, "/join 7b");
    network.run_for(after(1));
    // The new address acts like a NAT that has dropped a mapping. There is no input.
    network.readdress(member, "10.0.1.1:41000".parse().unwrap());
    network.run_for(after(11));
    say(&mut network, member, "still me");
    network.run_for(after(1));
    assert_eq!(heard(&network, member), ["dog: still me\n"]);
    let hub = network.machine(hub);
    assert_eq!((hub.member_count(), hub.room_of("dog").as_deref()), (1, Some("7b")));
    assert_eq!(hub.commands, ["nick dog", "join 7b", "resume 0-word"]);
}

#[test]
fn a_name_that_is_in_use_when_typed_is_taken_back_with_the_word() {
    let mut network = Network::new(26);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(5));
    for (port, commands) in [(41_000, 3), (42_000, 5)] {
        network.readdress(member, format!("10.0.1.1:{port}").parse().unwrap());
        say(&mut network, member, "/nick dog");
        network.run_for(after(60));
        // The name, the name from another address, the token, which stays valid.
        assert_eq!(network.machine(hub).commands.len(), commands);
        assert_eq!(network.machine(hub).names(), ["dog"]);
    }
}

#[test]
fn a_refused_wish_does_not_cost_the_name_one_has() {
    let mut network = Network::new(20);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    say(&mut network, member, "/nick a:b");
    network.run_for(after(1));
    network.act(hub, |hub, _| hub.stop());
    network.run_for(after(0));
    network.replace(hub, Hub::new());
    network.run_for(after(12));
    say(&mut network, member, "here");
    network.run_for(after(1));
    assert_eq!(heard(&network, member).last().unwrap(), "dog: here\n");
}

#[test]
fn what_the_person_typed_is_wanted_from_then_on() {
    let mut network = Network::new(35);
    let hub = network.add(hub_address(), Hub::new());
    let session = session(&network, 1, |_| {});
    let member = network.add(member_address(1), session);
    network.run_for(after(1));
    for line in ["/nick dog", "/join 7b", "/nick cat"] {
        say(&mut network, member, line);
        network.run_for(after(1));
    }
    network.replace(hub, Hub::new());
    network.run_for(after(12));
    assert_eq!(network.machine(hub).room_of("cat").as_deref(), Some("7b"));
    say(&mut network, member, "/leave");
    network.run_for(after(1));
    network.replace(hub, Hub::new());
    network.run_for(after(12));
    assert_eq!(network.machine(hub).room_of("cat").as_deref(), Some("lobby"));
}

#[test]
fn a_typed_command_that_is_lost_is_repeated_and_a_private_word_never() {
    let mut network = Network::new(36);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    join(&mut network, 2, "cat");
    network.run_for(after(1));
    network.set_conditions(member, Direction::Down, loses(1.0)).unwrap();
    let before = network.machine(hub).commands.len();
    for line in ["/join 7b", "/msg cat psst"] {
        say(&mut network, member, line);
    }
    network.run_for(after(5));
    let asked = network.machine(hub).commands[before..].to_vec();
    assert_eq!(asked, ["join 7b", "msg cat psst", "join 7b", "join 7b"]);
    // Every answer was lost; the next answer to a heartbeat contains the room.
    network.set_conditions(member, Direction::Down, Conditions::default()).unwrap();
    network.run_for(after(15));
    network.replace(hub, Hub::new());
    network.run_for(after(12));
    assert_eq!(network.machine(hub).room_of("dog").as_deref(), Some("7b"));
}

#[test]
fn nothing_is_asked_before_the_password_is_given() {
    let mut network = Network::new(37);
    let hub = network
        .add(hub_address(), Hub::with(Script { asks_for_password: true, ..Script::default() }));
    let member = join(&mut network, 1, "dog");
    network.run_for(after(60));
    assert_eq!(network.machine(hub).commands, [""; 0]);
    say(&mut network, member, "/pass sesame");
    network.run_for(after(1));
    assert_eq!(network.machine(hub).names(), ["dog"]);
}

/// Neither the resume token nor the password is sent to the new address of the hub's name.
#[test]
fn a_hub_that_moved_gets_name_and_room_but_no_word_and_no_password() {
    let password = || Some(b"sesame".as_slice().into());
    for asks_for_password in [false, true] {
        let mut network = Network::new(38);
        let hub = network.add(hub_address(), Hub::new());
        let elsewhere = SocketAddr::from(([10, 0, 0, 2], 9999));
        let script = Script { asks_for_password, ..Script::default() };
        let moved = network.add(elsewhere, Hub::with(script));
        let session = session(&network, 1, |config| {
            (config.nick, config.password) = (Some(name("dog")), password());
        });
        let dog = network.add(member_address(1), session);
        network.run_for(after(1));
        say(&mut network, dog, "/join 7b");
        network.run_for(after(1));
        network.remove(hub);
        assert!(!network.machine(dog).is_lost());
        network.run_for(after(30));
        assert!(network.machine(dog).is_lost());
        network.act(dog, |session, now| session.move_to(now, elsewhere, None));
        network.run_for(after(1));
        assert!(!network.machine(dog).is_lost());
        assert_eq!(network.machine(dog).hub(), elsewhere);
        let asked: &[&str] = if asks_for_password { &[] } else { &["nick dog", "join 7b"] };
        assert_eq!(network.machine(moved).commands, asked);
        say(&mut network, dog, "/pass sesame");
        say(&mut network, dog, "here I am");
        network.run_for(after(2));
        assert_eq!(network.machine(moved).room_of("dog").as_deref(), Some("7b"));
        assert!(matches!(
            told(&network, dog)[..],
            [Event::Joined(_), Event::Silent { .. }, Event::Joined(_)]
        ));
    }
}

/// A token from the new address itself stays valid.
#[test]
fn a_hub_that_moved_back_is_given_its_own_word() {
    let mut network = Network::new(39);
    let elsewhere = SocketAddr::from(([10, 0, 0, 2], 9999));
    network.add(hub_address(), Hub::new());
    let moved = network.add(elsewhere, Hub::new());
    let dog = join(&mut network, 1, "dog");
    network.run_for(after(1));
    let left_off = LeftOff { name: name("dog"), room: None, word: "7-abc".into() };
    network.act(dog, |session, now| session.move_to(now, elsewhere, Some(left_off)));
    network.run_for(after(1));
    assert_eq!(network.machine(moved).commands, ["resume 7-abc", "nick dog"]);
}

#[test]
fn a_password_that_waits_for_a_hub_is_not_sent_to_another() {
    let mut network = Network::new(40);
    let elsewhere = SocketAddr::from(([10, 0, 0, 2], 9999));
    let moved = network.add(elsewhere, Hub::new());
    let session = session(&network, 1, |_| {});
    let dog = network.add(member_address(1), session);
    for line in ["/pass sesame", "/resume 7-abc", "hi"] {
        assert_eq!(say(&mut network, dog, line), Said::Sent);
    }
    network.act(dog, |session, now| session.move_to(now, elsewhere, None));
    network.run_for(after(1));
    assert_eq!(network.machine(moved).commands, [""; 0]);
    let not_sent = Event::NotSent(LineError::Moved);
    assert!(matches!(&told(&network, dog)[..], [first, Event::Joined(_)] if *first == not_sent));
    assert_eq!(heard(&network, dog), ["10.0.1.1:40000: hi\n"]);
}
