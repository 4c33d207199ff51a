//! A roster with a member's events and its own requests.

use pigeon_client::{Event, Roster};
use pigeon_netsim::path::Conditions;
use pigeon_netsim::simulation::{Direction, Network, Node};
use pigeon_proto::{Gone, Label, RoomName};

use crate::harness::{Member, after, hub_address, join, loses, say, told};
use crate::hub::{Hub, Script};

struct Follower {
    roster: Roster,
    seen: usize,
}

impl Follower {
    fn new() -> Self {
        Follower { roster: Roster::default(), seen: 0 }
    }

    fn follow(&mut self, network: &mut Network, member: Node<Member>, seconds: u64) -> Vec<String> {
        for _ in 0..seconds {
            network.run_for(after(1));
            let events: Vec<_> = network.events(member)[self.seen..].to_vec();
            self.seen += events.len();
            events.iter().for_each(|(at, event)| self.roster.hear(*at, event));
            network.act(member, |session, now| {
                self.roster.questions(now, |command| session.ask(now, command));
            });
        }
        self.roster.people().map(Label::to_string).collect()
    }
}

#[test]
fn a_roster_follows_a_hub() {
    let mut network = Network::new(23);
    let hub = network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    let ape = join(&mut network, 2, "猴哥");
    let mut follower = Follower::new();
    let mut follow = |network: &mut Network| {
        let names = follower.follow(network, dog, 8);
        (follower.roster.room().map(RoomName::to_string), names)
    };
    let lobby = Some("lobby".to_string());
    let both = ["dog", "猴哥"].map(str::to_string).to_vec();
    assert_eq!(follow(&mut network), (lobby.clone(), both));
    say(&mut network, ape, "/nick ape");
    join(&mut network, 3, "cat");
    let all = ["ape", "cat", "dog"].map(str::to_string).to_vec();
    assert_eq!(follow(&mut network), (lobby.clone(), all));
    network.act(hub, |hub, _| hub.remove("cat", Gone::Kicked));
    say(&mut network, ape, "/join 7b");
    assert_eq!(follow(&mut network), (lobby, vec!["dog".into()]));
    say(&mut network, dog, "/join 7b");
    let both = ["ape", "dog"].map(str::to_string).to_vec();
    assert_eq!(follow(&mut network), (Some("7b".to_string()), both));
    follower.follow(&mut network, dog, 60);
    let roster = follower.roster;
    assert_eq!(roster.me().unwrap().as_str(), "dog");
    let room = RoomName::parse(b"7b").unwrap();
    assert!(roster.rooms().contains(&(room, 2)), "{:?}", roster.rooms());
}

#[test]
fn a_room_that_changes_little_is_asked_for_once() {
    let mut network = Network::new(42);
    let hub = network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    let mut follower = Follower::new();
    follower.follow(&mut network, dog, 10);
    for n in 2..20 {
        join(&mut network, n, &format!("m{n}"));
        follower.follow(&mut network, dog, 5);
    }
    let whos = network.machine(hub).commands.iter().filter(|line| *line == "who").count();
    assert_eq!(whos, 1);
    assert_eq!(follower.roster.people().count(), 19);
}

#[test]
fn a_long_list_comes_in_parts() {
    let mut network = Network::new(43);
    network.add(hub_address(), Hub::with(Script { page: Some(7), ..Script::default() }));
    for n in 2..40 {
        join(&mut network, n, &format!("m{n}"));
    }
    network.run_for(after(1));
    let dog = join(&mut network, 1, "dog");
    let mut follower = Follower::new();
    assert_eq!(follower.follow(&mut network, dog, 20).len(), 39);
    assert_eq!(follower.roster.more(), 0);
}

#[test]
fn a_roster_asks_nothing_for_whom_the_hub_has_sent_away() {
    let mut network = Network::new(28);
    let hub = network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    let mut follower = Follower::new();
    assert_eq!(follower.follow(&mut network, dog, 10), ["dog"]);
    network.act(hub, |hub, _| hub.remove("dog", Gone::Kicked));
    let asked = network.machine(hub).commands.len();
    follower.follow(&mut network, dog, 120);
    assert_eq!(network.machine(hub).member_count(), 0);
    assert_eq!(network.machine(hub).commands.len(), asked);
    network.act(hub, |hub, _| hub.pardon());
    join(&mut network, 2, "cat");
    assert_eq!(follower.follow(&mut network, dog, 80), ["cat", "dog"]);
}

#[test]
fn who_moves_to_another_address_stays_in_the_roster() {
    let mut network = Network::new(29);
    network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    let cat = join(&mut network, 2, "cat");
    let mut follower = Follower::new();
    assert_eq!(follower.follow(&mut network, dog, 10), ["cat", "dog"]);
    network.readdress(cat, "10.0.1.2:41000".parse().unwrap());
    assert_eq!(follower.follow(&mut network, dog, 30), ["cat", "dog"]);
    // Left and returned from another address before the news was sent.
    say(&mut network, cat, "quit");
    join(&mut network, 3, "cat");
    assert_eq!(follower.follow(&mut network, dog, 20), ["cat", "dog"]);
}

#[test]
fn a_roster_that_missed_who_left_finds_out() {
    let mut network = Network::new(30);
    network.add(hub_address(), Hub::new());
    let dog = join(&mut network, 1, "dog");
    let cat = join(&mut network, 2, "cat");
    let mut follower = Follower::new();
    assert_eq!(follower.follow(&mut network, dog, 10), ["cat", "dog"]);
    network.set_conditions(dog, Direction::Down, loses(1.0)).unwrap();
    say(&mut network, cat, "quit");
    follower.follow(&mut network, dog, 2);
    network.set_conditions(dog, Direction::Down, Conditions::default()).unwrap();
    assert_eq!(follower.follow(&mut network, dog, 15), ["dog"]);
    assert!(matches!(told(&network, dog)[..], [Event::Joined(_)]), "nothing else told of it");
}
