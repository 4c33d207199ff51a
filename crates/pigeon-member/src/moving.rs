//! How soon a member is at another hub when its own dies, hangs or is slow, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_quic::{Certificate, Fingerprint, Limits, Server, ServerConfig};

use crate::{Event, Folder, Member, Options, open};

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq)]
enum Life {
    Answers,
    /// Such as a stopped process: datagrams wait for it.
    Hangs,
    /// Nothing comes back, not even a refusal.
    Vanished,
    /// Its port is closed, and its host says so.
    Refuses,
}

struct Hub {
    server: Server,
    fingerprint: Fingerprint,
    life: Life,
    /// Time of a datagram on its way.
    delay: Duration,
    /// What has arrived, or is to arrive: when, from which socket.
    incoming: VecDeque<(Instant, SocketId, Vec<u8>)>,
    outgoing: VecDeque<(Instant, SocketId, Vec<u8>)>,
}

/// A member, hubs, and the network between.
struct World {
    member: Member,
    now: Instant,
    start: Instant,
    hubs: BTreeMap<SocketAddr, Hub>,
    sockets: BTreeMap<SocketId, SocketAddr>,
    /// When the member was at which hub.
    met: Vec<(Duration, Fingerprint)>,
    _folder: tempfile::TempDir,
}

fn address(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9_000 + n))
}

fn socket_address(socket: SocketId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1_000 + socket.number()))
}

impl World {
    /// A member of the first of these hubs, which knows the others from before.
    fn new(lives: &[Life]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let hub = |(n, life): (usize, &Life)| {
            let certificate = Certificate::generate().unwrap();
            let server = Server::new(ServerConfig {
                certificate: &certificate,
                seed: [n as u8; 32],
                base: std::time::Instant::now(),
                limits: Limits::default(),
                sources: Default::default(),
            });
            let hub = Hub {
                server: server.unwrap(),
                fingerprint: certificate.fingerprint(),
                life: *life,
                delay: MILLISECOND,
                incoming: VecDeque::new(),
                outgoing: VecDeque::new(),
            };
            (address(n as u16), hub)
        };
        let hubs: BTreeMap<SocketAddr, Hub> = lives.iter().enumerate().map(hub).collect();
        let own = hubs[&address(0)].fingerprint;
        let known = Folder::open(folder.path()).unwrap().others(&own.to_string());
        std::fs::create_dir_all(known.parent().unwrap()).unwrap();
        let lines = hubs.iter().map(|(address, hub)| format!("{address} {}\n", hub.fingerprint));
        std::fs::write(known, lines.collect::<String>()).unwrap();
        let mut options =
            Options { fingerprint: Some(own), ..Options::new(address(0), folder.path()) };
        // No session answers here.
        options.session.patience = Duration::from_secs(3_600);
        let opened = open(options).unwrap();
        let start = opened.clock.now();
        World {
            member: opened.member,
            now: start,
            start,
            hubs,
            sockets: BTreeMap::from([(SocketId::FIRST, address(0))]),
            met: Vec::new(),
            _folder: folder,
        }
    }

    fn hub(&mut self, n: u16) -> &mut Hub {
        self.hubs.get_mut(&address(n)).unwrap()
    }

    /// Lets this much time pass.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
            self.now = self.now + MILLISECOND;
        }
    }

    fn step(&mut self) {
        let now = self.now;
        if self.member.poll_timeout().is_some_and(|due| due <= now) {
            self.member.handle_timeout(now);
        }
        for (address, hub) in &mut self.hubs {
            hub.step(now);
            while hub.outgoing.front().is_some_and(|(at, ..)| *at <= now) {
                let (_, socket, payload) = hub.outgoing.pop_front().unwrap();
                if self.sockets.get(&socket) == Some(address) {
                    let received = Received { socket, ..Received::new(*address, &payload) };
                    self.member.handle_datagram(now, &received);
                }
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        let now = self.now;
        loop {
            let mut refused = Vec::new();
            while let Some(transmit) = self.member.poll_transmit() {
                // Of an attempt that has ended meanwhile.
                let Some(to) = self.sockets.get(&transmit.socket) else { continue };
                let Some(hub) = self.hubs.get_mut(to) else { continue };
                match hub.life {
                    Life::Refuses => refused.push(transmit.socket),
                    Life::Vanished => {}
                    Life::Answers | Life::Hangs => {
                        for payload in transmit.datagrams(self.member.outbox()) {
                            let arrives = now + hub.delay;
                            hub.incoming.push_back((arrives, transmit.socket, payload.to_vec()));
                        }
                    }
                }
            }
            let mut is_over = refused.is_empty();
            refused.into_iter().for_each(|socket| self.member.handle_refused(now, socket));
            while let Some(event) = self.member.poll_event() {
                is_over = false;
                match event {
                    Event::Opens(socket, hub) => {
                        assert_eq!(self.sockets.insert(socket, hub), None, "a number in use");
                        self.member.opened(now, socket, true);
                    }
                    Event::Closes(socket) => drop(self.sockets.remove(&socket)),
                    Event::Met(fingerprint) => self.met.push((now - self.start, fingerprint)),
                    _ => {}
                }
            }
            if is_over {
                return;
            }
        }
    }

    /// Which hub the member was at, after which time.
    fn met(&self) -> Vec<(u16, Duration)> {
        let number = |fingerprint: &Fingerprint| {
            self.hubs.iter().find(|(_, hub)| hub.fingerprint == *fingerprint).unwrap().0.port()
        };
        self.met.iter().map(|(at, fingerprint)| (number(fingerprint) - 9_000, *at)).collect()
    }

    /// How long after the first hub's `life` has changed the member is at which hub.
    fn moves(&mut self, life: Life) -> (u16, Duration) {
        self.run(Duration::from_secs(4));
        assert_eq!(self.met().len(), 1);
        // Between two signs.
        let before = self.now - self.start;
        self.hub(0).life = life;
        self.run(Duration::from_secs(9));
        let (hub, at) = self.met()[1];

        (hub, at - before)
    }
}

impl Hub {
    fn step(&mut self, now: Instant) {
        if self.life != Life::Answers {
            return;
        }
        if self.server.poll_timeout().is_some_and(|due| due <= now) {
            self.server.handle_timeout(now);
        }
        while self.incoming.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, socket, payload) = self.incoming.pop_front().unwrap();
            let received = Received::new(socket_address(socket), &payload);
            self.server.handle_datagram(now, &received);
        }
        while let Some(transmit) = self.server.poll_transmit() {
            let socket = SocketId::new(transmit.to.port() - 1_000);
            for payload in transmit.datagrams(self.server.outbox()) {
                self.outgoing.push_back((now + self.delay, socket, payload.to_vec()));
            }
        }
        while self.server.poll_event().is_some() {}
    }
}

/// A silence until a sign is asked for, the time for it, and a handshake.
const SILENT: Duration = Duration::from_millis(1_250 + 700 + 50);

#[test]
fn a_killed_hub_is_left_once_its_host_says_so() {
    let mut world = World::new(&[Life::Answers; 3]);
    let (hub, after) = world.moves(Life::Refuses);
    assert!(hub != 0 && after < SILENT, "{after:?}");
}

#[test]
fn a_hub_that_vanishes_or_hangs_is_left_as_soon() {
    for life in [Life::Vanished, Life::Hangs] {
        let (hub, after) = World::new(&[Life::Answers; 3]).moves(life);
        assert!(hub != 0 && after < SILENT, "{after:?}");
    }
}

#[test]
fn hubs_that_are_dead_too_cost_a_quarter_of_a_second_each() {
    use Life::{Answers, Vanished};
    let mut world = World::new(&[Answers, Vanished, Vanished, Answers]);
    let (hub, after) = world.moves(Vanished);
    let most = SILENT + Duration::from_millis(2 * 250);
    assert!(hub == 3 && after < most, "{after:?}");
}

#[test]
fn many_dead_hubs_are_tried_a_few_at_a_time() {
    let mut lives = [Life::Vanished; 12];
    (lives[0], lives[11]) = (Life::Answers, Life::Answers);
    let mut world = World::new(&lives);
    let (hub, after) = world.moves(Life::Vanished);
    let most = SILENT + Duration::from_millis(10 * 250);
    assert!(hub == 11 && after < most, "{after:?}");
    assert!(world.sockets.len() <= 1, "{:?}", world.sockets);
}

#[test]
fn a_hub_a_second_away_is_reached_among_many_dead_ones() {
    let mut lives = [Life::Vanished; 20];
    (lives[0], lives[3]) = (Life::Answers, Life::Answers);
    let mut world = World::new(&lives);
    world.hub(3).delay = Duration::from_millis(500);
    let (hub, after) = world.moves(Life::Vanished);
    // Two round trips.
    let most = SILENT + Duration::from_millis(2 * 250 + 2_000);
    assert!(hub == 3 && after < most, "{after:?}");
    assert!(world.sockets.len() <= 1, "{:?}", world.sockets);
}

#[test]
fn a_hub_behind_more_refusing_and_silent_ones_than_are_tried_at_once_is_reached() {
    let mut lives = [Life::Vanished; 40];
    (lives[0], lives[39]) = (Life::Answers, Life::Answers);
    (1..39).step_by(2).for_each(|n| lives[n] = Life::Refuses);
    let mut world = World::new(&lives);
    let (hub, after) = world.moves(Life::Vanished);
    assert!(hub == 39 && after < SILENT + Duration::from_millis(19 * 250), "{after:?}");
}

#[test]
fn a_hub_that_was_only_slow_keeps_its_member() {
    let mut world = World::new(&[Life::Answers; 3]);
    (1..3).for_each(|n| world.hub(n).delay = Duration::from_millis(200));
    world.run(Duration::from_secs(4));
    // Shorter than a doubt and a handshake.
    for pause in [600, 1_000, 1_400] {
        world.hub(0).life = Life::Hangs;
        world.run(Duration::from_millis(pause));
        world.hub(0).life = Life::Answers;
        world.run(Duration::from_secs(4));
        assert_eq!((world.met().len(), world.sockets.len()), (1, 1), "paused {pause} ms");
    }
}

#[test]
fn forged_refusals_move_nobody() {
    let mut world = World::new(&[Life::Answers; 3]);
    world.run(Duration::from_secs(1));
    for _ in 0..2_000 {
        world.member.handle_refused(world.now, SocketId::FIRST);
        world.run(MILLISECOND);
    }
    assert_eq!((world.met().len(), world.sockets.len()), (1, 1));
}

#[test]
fn a_program_that_starts_while_its_hub_is_away_is_soon_at_another() {
    for life in [Life::Refuses, Life::Vanished] {
        let mut world = World::new(&[life, Life::Answers]);
        world.run(Duration::from_secs(1));
        let (hub, after) = world.met()[0];
        assert!(hub == 1 && after < Duration::from_millis(300), "{after:?}");
    }
}

#[test]
fn an_only_hub_that_comes_back_is_joined_again() {
    let mut world = World::new(&[Life::Answers]);
    world.run(Duration::from_secs(1));
    world.hub(0).life = Life::Refuses;
    world.member.handle_refused(world.now, SocketId::FIRST);
    world.run(Duration::from_secs(2));
    assert_eq!(world.met().len(), 1);
    world.hub(0).life = Life::Answers;
    world.run(Duration::from_secs(4));
    assert_eq!(world.met().len(), 2);
}

#[test]
fn a_hub_with_a_new_address_is_joined_there_also_while_the_old_one_is_tried() {
    let mut world = World::new(&[Life::Vanished]);
    world.run(Duration::from_secs(1));
    let mut hub = world.hubs.remove(&address(0)).unwrap();
    hub.life = Life::Answers;
    world.hubs.insert(address(5), hub);
    world.member.move_to(world.now, address(5));
    world.run(Duration::from_secs(1));
    assert_eq!(world.met()[0].0, 5);
}

#[test]
fn a_member_whose_hubs_are_all_away_finds_the_first_that_comes_back() {
    let mut world = World::new(&[Life::Answers; 2]);
    world.run(Duration::from_secs(1));
    (0..2).for_each(|n| world.hub(n).life = Life::Vanished);
    world.run(Duration::from_secs(30));
    assert_eq!(world.met().len(), 1);
    world.hub(0).life = Life::Answers;
    world.run(Duration::from_secs(14));
    assert_eq!(world.met()[1].0, 0);
}
