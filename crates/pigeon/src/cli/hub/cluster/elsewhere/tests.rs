//! Several hubs in virtual time, which tell each other what they would tell over the brokers.

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Left};
use pigeon_log::Fact;
use pigeon_proto::{Change, Command, Name};

use super::*;

struct Site {
    hub: Hub,
    elsewhere: Elsewhere,
    link: LinkId,
    /// What its members were told.
    news: Vec<(Change, Vec<String>)>,
    messages: Vec<(MemberId, String)>,
    left: Vec<(MemberId, Left)>,
    /// Members that were asked for a sign.
    probes: BTreeSet<u128>,
}

struct World {
    sites: Vec<Site>,
    /// Sites that hear and tell nothing.
    cut: BTreeSet<usize>,
    now: Instant,
}

impl World {
    fn new(sites: usize) -> World {
        let now = Instant::ORIGIN + Duration::from_secs(1);
        let sites = (0..sites).map(|n| World::site(n, n as u128 + 1, now, &State::default()));
        World { sites: sites.collect(), cut: BTreeSet::new(), now }
    }

    fn site(n: usize, run: u128, now: Instant, state: &State) -> Site {
        let name = Name::parse(format!("hub{n}").as_bytes()).unwrap();
        let mut hub = Hub::new(Config { name, run, keeps: true, ..Config::default() });
        let bans = state.facts.iter().filter_map(|fact| match fact {
            Fact::Ban(banned) => Some(Keep::Ban(banned.parse().unwrap())),
            _ => None,
        });
        hub.restore(now, bans);
        let elsewhere = Elsewhere::start(&mut hub, now, state);
        let link = hub.add_link(LinkKind::Key).unwrap();
        let (news, messages) = (Vec::new(), Vec::new());
        let (left, probes) = (Vec::new(), BTreeSet::new());
        Site { hub, elsewhere, link, news, messages, left, probes }
    }

    fn run(&self, n: usize) -> u128 {
        self.sites[n].hub.config().run
    }

    fn join(&mut self, n: usize, author: u128, name: &str) -> MemberId {
        let now = self.now;
        let Site { hub, link, .. } = &mut self.sites[n];
        let label = Label::parse(&format!("key-{author}")).unwrap();
        let source = Source { ip: [10, 0, 0, 1].into(), origin: Origin::Open };
        let id = hub.join_by_key(now, *link, label, source, author, None).unwrap();
        let name = Name::parse(name.as_bytes()).unwrap();
        hub.handle_input(now, id, Input::Command(Command::Nick(Some(name))));
        self.drain(n);
        id
    }

    fn leave(&mut self, n: usize, id: MemberId) {
        let now = self.now;
        self.sites[n].hub.handle_input(now, id, Input::Leave);
        self.drain(n);
    }

    fn say(&mut self, n: usize, id: MemberId, command: &str) {
        let (now, hub) = (self.now, &mut self.sites[n].hub);
        let command = Command::parse(command.as_bytes()).unwrap();
        hub.handle_input(now, id, Input::Command(command));
        self.drain(n);
    }

    fn drain(&mut self, n: usize) {
        let now = self.now;
        let site = &mut self.sites[n];
        while site.hub.poll_transmit().is_some() {}
        while let Some(event) = site.hub.poll_event() {
            match &event {
                Event::News { news, .. } => {
                    site.news.extend(news.iter().map(|news| {
                        (news.change, news.names.iter().map(Label::to_string).collect())
                    }))
                }
                Event::Reply { to, notice: Notice::MsgFrom { name, text } }
                    if !site.elsewhere.members.contains_key(to) =>
                {
                    site.messages.push((*to, format!("{name}: {}", text.as_str())));
                }
                Event::Left { member, reason, .. } => site.left.push((*member, *reason)),
                _ => {}
            }
            site.elsewhere.event(&mut site.hub, now, &event);
        }
        site.probes.extend(site.elsewhere.take_probes());
    }

    /// One second.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_secs(1);
        let now = self.now;
        let mut tells = Vec::new();
        for n in 0..self.sites.len() {
            let Site { hub, elsewhere, .. } = &mut self.sites[n];
            hub.handle_timeout(now);
            elsewhere.tick(hub, now);
            self.drain(n);
            let Site { hub, elsewhere, .. } = &mut self.sites[n];
            let (about, bodies) = (elsewhere.about(hub), elsewhere.take_tells());
            if !self.cut.contains(&n) {
                tells.push((self.run(n), about, bodies));
            }
        }
        for n in 0..self.sites.len() {
            if self.cut.contains(&n) {
                continue;
            }
            let own = self.run(n);
            let Site { hub, elsewhere, .. } = &mut self.sites[n];
            for (run, about, bodies) in tells.iter().filter(|(run, ..)| *run != own) {
                elsewhere.about_other(hub, now, *run, about);
                bodies.iter().for_each(|body| elsewhere.told(hub, now, *run, body));
            }
            self.drain(n);
        }
    }

    fn turns(&mut self, turns: usize) {
        (0..turns).for_each(|_| self.turn());
    }

    /// A hub's lease ends at the others.
    fn gone(&mut self, run: u128) {
        for n in 0..self.sites.len() {
            let Site { hub, elsewhere, .. } = &mut self.sites[n];
            elsewhere.gone(hub, self.now, run);
            self.drain(n);
        }
    }

    fn who(&self, n: usize, room: &str) -> Vec<String> {
        let room = RoomName::parse(room.as_bytes()).unwrap();
        let roster = self.sites[n].hub.roster(&room, 100);
        let members = roster.into_iter().flat_map(|roster| roster.members);
        let mut names: Vec<String> = members.map(|(label, _)| label.to_string()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn expect(&self, names: &[&str]) {
        (0..self.sites.len()).for_each(|n| assert_eq!(self.who(n, "lobby"), names, "hub{n}"));
    }

    fn take_news(&mut self) -> Vec<(Change, Vec<String>)> {
        self.sites.iter_mut().flat_map(|site| std::mem::take(&mut site.news)).collect()
    }
}

#[test]
fn a_key_that_goes_on_at_another_hub_is_one_member_everywhere() {
    let mut world = World::new(3);
    let witness = world.join(2, 9, "ann");
    let stale = world.join(0, 7, "key2");
    world.turns(3);
    world.expect(&["ann", "key2"]);
    world.take_news();
    // The first hub has not noticed that its connection is dead.
    let fresh = world.join(1, 7, "key2");
    for _ in 0..5 {
        world.turn();
        world.expect(&["ann", "key2"]);
    }
    assert!(world.sites[0].probes.contains(&7), "it is asked for a sign");
    assert!(!world.sites[2].probes.contains(&9), "others are not");
    world.say(2, witness, "msg key2 hello");
    world.turn();
    assert_eq!(world.sites[1].messages, [(fresh, "ann: hello".to_string())]);
    world.leave(0, stale);
    world.expect(&["ann", "key2"]);
    world.turns(3);
    world.expect(&["ann", "key2"]);
    assert_eq!(world.take_news(), [], "nobody has come or gone");
    // It comes back to the first one, where its number of joins is behind.
    let again = world.join(0, 7, "key2");
    world.turns(2);
    world.leave(1, fresh);
    world.turns(3);
    world.expect(&["ann", "key2"]);
    assert_eq!(world.take_news(), []);
    world.leave(0, again);
    world.turns(3);
    world.expect(&["ann"]);
}

#[test]
fn two_living_windows_of_a_key_at_two_hubs_are_one_member_and_stay() {
    let mut world = World::new(3);
    let witness = world.join(2, 9, "ann");
    let windows = [world.join(0, 7, "key2"), world.join(1, 7, "key2")];
    world.turns(3);
    world.take_news();
    for _ in 0..100 {
        world.turn();
        world.expect(&["ann", "key2"]);
    }
    assert_eq!(world.take_news(), []);
    world.say(2, witness, "msg key2 both");
    world.turns(2);
    for (n, window) in windows.into_iter().enumerate() {
        assert_eq!(world.sites[n].messages, [(window, "ann: both".to_string())], "hub{n}");
        assert_eq!(world.sites[n].left, []);
    }
    // From a member of the hub with one of them.
    let other = world.join(0, 8, "bob");
    world.say(0, other, "msg key2 too");
    world.turns(2);
    for (n, window) in windows.into_iter().enumerate() {
        assert_eq!(world.sites[n].messages[1..], [(window, "bob: too".to_string())], "hub{n}");
    }
    // Where it joined last decides at the third hub.
    world.say(0, windows[0], "join one");
    world.say(1, windows[1], "join two");
    world.turns(2);
    assert_eq!((world.who(2, "one").len(), world.who(2, "two").len()), (0, 1));
    world.leave(1, windows[1]);
    world.turns(2);
    assert_eq!((world.who(2, "one").len(), world.who(2, "two").len()), (1, 0));
}

#[test]
fn members_of_a_hub_that_is_gone_go_unless_they_are_elsewhere() {
    let mut world = World::new(3);
    world.join(0, 7, "key2");
    world.join(0, 8, "bob");
    world.turns(2);
    world.cut.insert(0);
    let fresh = world.join(1, 7, "key2");
    world.turns(2);
    let run = world.run(0);
    world.gone(run);
    for n in [1, 2] {
        assert_eq!(world.who(n, "lobby"), ["key2"], "hub{n}");
    }
    // It was only cut off, and still has both.
    world.cut.clear();
    world.turns(3);
    world.expect(&["bob", "key2"]);
    world.leave(1, fresh);
    world.turns(2);
    world.expect(&["bob", "key2"]);
}

#[test]
fn the_names_of_two_keys_are_told_apart_and_a_program_stays_one() {
    let mut world = World::new(2);
    world.join(0, 7, "ann");
    world.join(1, 8, "ann");
    let (now, Site { hub, link, .. }) = (world.now, &mut world.sites[0]);
    let source = Source { ip: [10, 0, 0, 2].into(), origin: Origin::Open };
    let sensor = hub.join(now, *link, Label::parse("sensor").unwrap(), source).unwrap();
    let room = RoomName::parse(b"data").unwrap();
    hub.move_elsewhere(now, sensor, room.clone());
    world.turns(3);
    assert_eq!(world.who(0, "lobby"), ["ann", "ann@hub1"]);
    assert_eq!(world.who(1, "lobby"), ["ann", "ann@hub0"]);
    let roster = world.sites[1].hub.roster(&room, 10).unwrap();
    assert_eq!((roster.total, roster.people), (1, 0));
}

#[test]
fn a_ban_and_its_lift_that_are_heard_at_once_are_not_told_back() {
    let mut world = World::new(3);
    world.turns(2);
    let key = Banned::Key(7);
    for _ in 0..2 {
        let now = world.now;
        world.sites[0].hub.ban_exactly(now, key).unwrap();
        world.drain(0);
        assert!(world.sites[0].hub.unban(&key.to_string()));
        world.drain(0);
    }
    world.turns(20);
    for n in 0..3 {
        assert_eq!(world.sites[n].hub.bans().count(), 0, "hub{n}");
        let rows = world.sites[n].elsewhere.bans.rows(PART);
        assert_eq!(rows, [json!([[key.to_string(), 4, 0]])], "hub{n}");
    }
}

#[test]
fn a_banned_key_is_kept_out_everywhere_and_let_in_again_also_by_a_hub_that_was_away() {
    let mut world = World::new(3);
    let ann = world.join(1, 7, "ann");
    world.join(2, 8, "bob");
    world.turns(2);
    // By the name of a member of another hub.
    let now = world.now;
    let banned = world.sites[0].hub.ban(now, "ann").unwrap();
    assert_eq!(banned, Banned::Key(7));
    world.drain(0);
    world.turns(2);
    assert_eq!(world.sites[1].left, [(ann, Left::Banned)]);
    world.expect(&["bob"]);
    for n in 0..3 {
        assert_eq!(world.sites[n].hub.bans().collect::<Vec<_>>(), [banned], "hub{n}");
    }
    world.cut.insert(2);
    assert!(world.sites[0].hub.unban(&banned.to_string()));
    world.drain(0);
    world.turns(2);
    assert_eq!(world.sites[1].hub.bans().count(), 0);
    // The third one is restarted, and comes back.
    let value = world.sites[2].elsewhere.bans.take_unstored();
    let bans = Fact::Cluster { what: BANS.into(), value: value.unwrap().into() };
    let state = State { facts: vec![Fact::Ban(banned.to_string().into()), bans], unknown: 0 };
    world.sites[2] = World::site(2, 33, world.now, &state);
    world.cut.clear();
    world.gone(3);
    assert_eq!(world.sites[2].hub.bans().count(), 1);
    world.turns(10);
    for n in 0..3 {
        assert_eq!(world.sites[n].hub.bans().count(), 0, "hub{n}");
    }
    world.join(1, 7, "ann");
    world.turns(2);
    world.expect(&["ann"]);
}

impl World {
    /// A hub that is not of this test announces its members.
    fn faulty(&mut self, n: usize, author: u128, join: u64) {
        let (run, now) = (99, self.now);
        let Site { hub, elsewhere, .. } = &mut self.sites[n];
        elsewhere.about_other(hub, now, run, &json!({ "name": "faulty" }));
        let rows = json!([["key2", "lobby", "key", 1, hex(author), join]]);
        let version = join.wrapping_add(1);
        let list = json!({
            "kind": "members", "version": version, "part": 0, "parts": 1, "members": rows,
        });
        elsewhere.told(hub, now, run, &list);
        self.drain(n);
    }
}

#[test]
fn the_number_of_a_join_from_a_faulty_hub_wrecks_nothing() {
    let mut world = World::new(3);
    let first = world.join(0, 7, "key2");
    world.turns(2);
    for join in [LAST_JOIN - 1, LAST_JOIN, u64::MAX] {
        (0..3).for_each(|n| world.faulty(n, 7, join));
    }
    let second = world.join(1, 7, "key2");
    world.say(0, first, "join one");
    world.say(1, second, "join two");
    world.turns(8);
    assert_eq!((world.who(2, "one").len(), world.who(2, "two").len()), (0, 1));
    for site in &world.sites {
        assert_eq!(site.elsewhere.excessive(), 3);
        assert!(site.elsewhere.here.clock < 4 * FURTHEST);
    }
}

#[test]
fn a_hub_that_was_restarted_soon_orders_joins_as_an_old_cluster_does() {
    let mut world = World::new(3);
    world.sites[0].elsewhere.here.clock = 3 * FURTHEST;
    let first = world.join(0, 7, "key2");
    world.say(0, first, "join one");
    world.turns(25);
    let second = world.join(1, 7, "key2");
    world.say(1, second, "join two");
    world.turns(2);
    assert_eq!((world.who(2, "one").len(), world.who(2, "two").len()), (0, 1));
}

#[test]
fn a_list_goes_in_as_many_parts_as_the_brokers_want() {
    let mut world = World::new(2);
    world.sites[0].elsewhere.set_limit(4 * ROW);
    for n in 0..20 {
        world.join(0, 100 + n, &format!("member{n}"));
    }
    world.turns(3);
    assert_eq!(world.who(1, "lobby").len(), 20);
    world.sites[0].elsewhere.told_at = None;
    let Site { hub, elsewhere, .. } = &mut world.sites[0];
    elsewhere.tick(hub, world.now + LOOK);
    let lists = elsewhere.take_tells();
    assert_eq!(lists.len(), 5);
    assert!(lists.iter().all(|list| list.to_string().len() < 4 * ROW));
}
