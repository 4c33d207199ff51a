//! The relay in virtual time: which senders become clients, which datagrams pass, and which sockets
//! it requests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_netsim::path::{Conditions, Jitter, Loss, Probability, Timeline};
use pigeon_netsim::relay::{Config, Event, LISTEN, Relay, Step, Way};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_secs(60);

fn client(n: u16) -> SocketAddr {
    ([127, 0, 0, 1], 1_000 + n).into()
}

fn target() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 5).into()
}

fn config() -> Config {
    Config {
        target: target(),
        listen: listen(),
        local: vec![],
        max_clients: NonZeroUsize::new(3).unwrap(),
        idle: IDLE,
        up: Conditions::default(),
        down: Conditions::default(),
        seed: 1,
    }
}

/// The socket to the target of a slot's client.
fn socket(slot: usize) -> SocketId {
    SocketId::new(slot as u16 + 1)
}

/// A datagram from a client.
fn from_client(from: u16, payload: &[u8]) -> Received<'_> {
    Received::new(client(from), payload)
}

/// A datagram from the target to the client in a slot.
fn from_target(slot: usize, payload: &[u8]) -> Received<'_> {
    Received { socket: socket(slot), ..Received::new(target(), payload) }
}

fn at(after: Duration) -> Instant {
    Instant::ORIGIN + after
}

/// A relay and its driver.
struct Lab {
    relay: Relay,
    open: BTreeSet<SocketId>,
    told: Vec<Event>,
    sent: Vec<(SocketId, SocketAddr, Vec<u8>)>,
}

impl Lab {
    fn new(config: Config) -> Lab {
        let relay = Relay::new(config).unwrap();
        Lab { relay, open: BTreeSet::new(), told: Vec::new(), sent: Vec::new() }
    }

    fn up(&mut self, now: Instant, from: u16, payload: &[u8]) {
        self.relay.handle_datagram(now, &from_client(from, payload));
        self.drain();
    }

    fn down(&mut self, now: Instant, slot: usize, payload: &[u8]) {
        self.relay.handle_datagram(now, &from_target(slot, payload));
        self.drain();
    }

    fn timeout(&mut self, now: Instant) {
        self.relay.handle_timeout(now);
        self.drain();
    }

    /// Drains the relay by the contract: transmits, events, and again after any event.
    fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.relay.poll_transmit() {
                let socket = transmit.socket;
                let is_open = socket == LISTEN || self.open.contains(&socket);
                assert!(is_open, "a socket is open before it sends");
                for datagram in transmit.datagrams(self.relay.outbox()) {
                    self.sent.push((socket, transmit.to, datagram.to_vec()));
                }
            }
            let mut is_drained = true;
            while let Some(event) = self.relay.poll_event() {
                is_drained = false;
                match event {
                    Event::Open(socket) => {
                        self.open.insert(socket);
                        let port = 1_999 + socket.number();
                        self.relay.opened(socket, SocketAddr::from(([127, 0, 0, 1], port)));
                    }
                    Event::Close(socket) => {
                        self.open.remove(&socket);
                    }
                    event => self.told.push(event),
                }
            }
            if is_drained {
                return;
            }
        }
    }

    fn take(&mut self) -> Vec<(SocketId, SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }
}

#[test]
fn told_nothing_it_changes_nothing() {
    let mut lab = Lab::new(config());
    for n in 0..100_u8 {
        lab.up(at(MS), u16::from(n % 3), &vec![n; usize::from(n)]);
    }
    let sent = lab.take();
    assert_eq!(sent.len(), 100);
    for (n, (from, to, payload)) in (0..).zip(sent) {
        assert_eq!((from, to), (socket(usize::from(n % 3)), target()));
        assert_eq!(payload, vec![n; usize::from(n)]);
    }
    lab.down(at(MS), 1, b"answer");
    assert_eq!(lab.take(), [(LISTEN, client(1), b"answer".to_vec())]);
    let told: Vec<_> = (0..3).map(|n| Event::Joined(client(n))).collect();
    assert_eq!(lab.told, told);
    let counts = lab.relay.statistics();
    assert_eq!((counts.up.delivered, counts.down.delivered, counts.clients), (100, 1, 3));
}

#[test]
fn what_arrives_together_leaves_as_a_train() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"first");
    for _ in 0..64 {
        lab.relay.handle_datagram(at(MS), &from_client(0, b"same size"));
    }
    let train = lab.relay.poll_transmit().unwrap();
    assert_eq!(train.count(), 64);
    assert!(lab.relay.poll_transmit().is_none());
}

/// Joined datagrams have the same result as single ones.
#[test]
fn joined_datagrams_have_the_fates_of_single_ones() {
    let lossy =
        Conditions { loss: Loss::Random(Probability::new(0.3).unwrap()), ..Conditions::default() };
    let payload: Vec<u8> = (0..250).collect();
    for up in [Conditions::default(), lossy] {
        let [joined, single] = [250, 7].map(|piece| {
            let mut lab = Lab::new(Config { up: up.clone(), ..config() });
            for _ in 0..100 {
                // Pieces of 7: 35 of them joined and a shorter one; otherwise one by one.
                for part in payload.chunks(piece) {
                    lab.relay.handle_joined(at(MS), &from_client(0, part), 7);
                    lab.drain();
                }
            }
            (lab.take(), lab.relay.statistics())
        });
        assert_eq!(joined.1.up.sent, 3_600);
        assert!(joined == single);
    }
}

#[test]
fn who_comes_beyond_the_bound_is_turned_away_until_another_is_idle() {
    let mut lab = Lab::new(config());
    for n in 0..5 {
        lab.up(at(MS * u32::from(n)), n, b"hello");
    }
    assert_eq!(lab.take().len(), 3);
    assert_eq!(lab.told.last(), Some(&Event::Full(client(3))));
    assert_eq!(lab.relay.statistics().turned_away, 2);

    // The first two send again, the third is answered: none of them is idle a minute later.
    lab.up(at(MS * 500), 0, b"");
    lab.down(at(MS * 600), 2, b"");
    lab.timeout(at(IDLE + MS));
    assert_eq!(lab.told.last(), Some(&Event::Idle(client(1))));
    assert_eq!(lab.open, BTreeSet::from([0, 2].map(socket)));
    lab.up(at(IDLE + MS * 2), 3, b"now");
    assert_eq!(lab.told.last(), Some(&Event::Joined(client(3))));

    // In silence all clients expire, and no deadline is left.
    while let Some(deadline) = lab.relay.poll_timeout() {
        lab.timeout(deadline);
    }
    assert!(lab.open.is_empty());
    assert_eq!((lab.relay.statistics().clients, lab.relay.statistics().idle), (0, 4));
}

#[test]
fn delays_and_losses_are_those_of_the_path() {
    let delay = MS * 50;
    let up = Conditions {
        loss: Loss::Random(Probability::new(0.1).unwrap()),
        delay,
        jitter: Jitter::Uniform(MS * 10),
        ..Conditions::default()
    };
    let run = || {
        let mut lab = Lab::new(Config { up: up.clone(), ..config() });
        for n in 0..1_000_u32 {
            lab.up(at(MS * n), 0, &n.to_be_bytes());
        }
        while let Some(deadline) = lab.relay.poll_timeout().filter(|&d| d < at(MS * 2_000)) {
            lab.timeout(deadline);
        }
        let counts = lab.relay.statistics();
        assert_eq!(counts.up.sent, counts.up.delivered + counts.up.lost);
        assert_eq!(counts.in_flight, [0, 0]);
        // Five standard deviations of a binomial of 1,000 at a tenth.
        assert!(counts.up.lost.abs_diff(100) < 48, "{}", counts.up.lost);
        lab.take()
    };
    // The seed makes the run reproducible, including the order.
    assert_eq!(run(), run());
}

#[test]
fn what_is_on_the_way_to_a_client_that_left_is_counted() {
    let slow = Conditions { delay: IDLE * 2, ..Conditions::default() };
    let mut lab = Lab::new(Config { down: slow, ..config() });
    lab.up(at(MS), 0, b"question");
    lab.down(at(MS), 0, b"answer");
    lab.timeout(at(IDLE + MS));
    // Another client has the slot by then, and must not get it.
    lab.up(at(IDLE * 2), 1, b"question");
    lab.take();
    lab.timeout(at(IDLE * 2 + MS));
    assert_eq!(lab.take(), []);
    assert_eq!(lab.relay.statistics().gone, 1);
}

#[test]
fn a_handover_opens_every_socket_anew() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"a");
    lab.up(at(MS), 1, b"b");
    lab.relay.handover();
    let events: Vec<_> = std::iter::from_fn(|| lab.relay.poll_event()).collect();
    assert_eq!(events, [Event::Open(socket(0)), Event::Open(socket(1))]);
    assert_eq!(lab.relay.statistics().handovers, 1);
}

#[test]
fn a_timeline_changes_conditions_and_addresses() {
    let small = Conditions { mtu: Some(3), ..Conditions::default() };
    let step = |up: Conditions, handover, note: &str| Step {
        up,
        handover,
        note: note.into(),
        ..Step::default()
    };
    let changes = vec![
        (MS * 10, step(small, false, "narrow")),
        (MS * 20, step(Conditions::default(), true, "moved")),
    ];
    let mut lab = Lab::new(config());
    let timeline = Timeline::new(Instant::ORIGIN, changes, None).unwrap();
    lab.relay = lab.relay.with_timeline(timeline);
    lab.up(at(MS), 0, b"long");
    assert_eq!(lab.relay.poll_timeout(), Some(at(MS * 10)));
    lab.timeout(at(MS * 10));
    lab.up(at(MS * 11), 0, b"long");
    lab.up(at(MS * 11), 0, b"long");
    lab.up(at(MS * 11), 0, b"abc");
    lab.timeout(at(MS * 20));
    lab.up(at(MS * 21), 0, b"long");
    let told: Vec<_> = lab.told.drain(1..).collect();
    let too_large = Event::TooLarge { way: Way::Up, length: 4, mtu: 3 };
    assert_eq!(told, [Event::Step("narrow".into()), too_large, Event::Step("moved".into())]);
    let counts = lab.relay.statistics();
    assert_eq!((counts.up.dropped_mtu, counts.up.delivered, counts.handovers), (2, 3, 1));
}

#[test]
fn it_does_not_relay_to_itself() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"hello");
    // The target leads back: the listening socket receives from the client's own socket.
    lab.up(at(MS), 1_000, b"hello");
    lab.up(at(MS), 1_000, b"hello");
    assert_eq!(lab.told.last(), Some(&Event::Loop(client(1_000))));
    let counts = lab.relay.statistics();
    assert_eq!((counts.looped, counts.clients, counts.up.delivered), (2, 1, 1));
}

/// TFTP: a server answers each client from another port.
#[test]
fn an_answer_from_another_port_is_followed_for_its_client_alone() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"read a");
    lab.up(at(MS), 1, b"read b");
    let ports = [6_001, 6_002];
    let at_port = |port| SocketAddr::from(([127, 0, 0, 1], port));
    for (slot, port) in ports.into_iter().enumerate() {
        let answer = Received { from: at_port(port), ..from_target(slot, b"block 1") };
        lab.relay.handle_datagram(at(MS * 2), &answer);
        lab.drain();
    }
    lab.take();
    lab.up(at(MS * 3), 0, b"ack 1");
    lab.up(at(MS * 3), 1, b"ack 1");
    let acks = [0, 1].map(|slot| (socket(slot), at_port(ports[slot]), b"ack 1".to_vec()));
    assert_eq!(lab.take(), acks);
    let followed = [0, 1]
        .map(|slot| Event::Followed { client: client(slot as u16), from: at_port(ports[slot]) });
    assert_eq!(lab.told[2..], followed);

    // The server has closed the first transfer's port, so the next request goes to the target.
    lab.up(at(MS * 4), 0, b"read c");
    lab.take();
    lab.relay.handle_refused_by(at(MS * 5), socket(0), at_port(ports[0]));
    lab.drain();
    assert_eq!(lab.take(), [(socket(0), target(), b"read c".to_vec())]);
    lab.up(at(MS * 6), 0, b"read c");
    lab.up(at(MS * 6), 1, b"ack 2");
    let sent: Vec<_> = lab.take().into_iter().map(|(_, to, _)| to).collect();
    assert_eq!(sent, [target(), at_port(ports[1])]);
    // The refusal does not count as one by the target.
    let counts = lab.relay.statistics();
    assert_eq!((counts.refused, counts.followed, lab.told.len()), (1, 2, 4));
}

#[test]
fn only_the_host_of_the_target_answers() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"hello");
    lab.up(at(MS), 1, b"hello");
    lab.take();
    // Datagrams from another host; then, on the target's host, from the listening socket and
    // another client's socket.
    for from in ["192.0.2.1:9", "127.0.0.2:9", "127.0.0.1:5", "127.0.0.1:2001"] {
        let answer = Received { from: from.parse().unwrap(), ..from_target(0, b"hello") };
        lab.relay.handle_datagram(at(MS), &answer);
        lab.drain();
    }
    assert_eq!(lab.take(), []);
    let counts = lab.relay.statistics();
    assert_eq!((counts.strangers, counts.looped, counts.followed), (2, 2, 0));
    lab.up(at(MS), 0, b"hello");
    assert_eq!(lab.take(), [(socket(0), target(), b"hello".to_vec())]);
}

#[test]
fn a_target_with_another_address_has_old_clients_and_new_ones() {
    let mut lab = Lab::new(config());
    lab.up(at(MS), 0, b"hello");
    lab.take();
    let moved: SocketAddr = "192.0.2.7:9".parse().unwrap();
    lab.relay.set_target(moved);
    lab.up(at(MS), 0, b"old");
    lab.up(at(MS), 1, b"new");
    let sent: Vec<_> = lab.take().into_iter().map(|(_, to, _)| to).collect();
    assert_eq!(sent, [moved, moved]);
    // An answer from the old target address is a stranger's.
    lab.down(at(MS), 0, b"late");
    assert_eq!((lab.take(), lab.relay.statistics().strangers), (vec![], 1));
}

/// One datagram with a forged sender must not make the target answer itself through the relay.
#[test]
fn neither_the_target_nor_the_relay_is_a_client() {
    let mut lab = Lab::new(config());
    let mapped = "[::ffff:127.0.0.1]:9".parse().unwrap();
    let other = "127.0.0.2:9".parse().unwrap();
    for from in [target(), mapped, other, listen()] {
        lab.relay.handle_joined(at(MS), &Received::new(from, b"onetwo"), 3);
        lab.drain();
    }
    assert_eq!(lab.told, [Event::FromTarget(target()), Event::Loop(listen())]);
    assert_eq!(lab.take(), []);
    let counts = lab.relay.statistics();
    assert_eq!((counts.from_target, counts.looped, counts.joined), (6, 2, 0));
    assert_eq!((counts.up.sent, lab.open.len()), (0, 0));
    // Another port of the target's host is a client like any other.
    lab.up(at(MS), 0, b"hello");
    assert_eq!(lab.take(), [(socket(0), target(), b"hello".to_vec())]);
}

/// The system may give a new socket the port of a program that ended and still counts as a client.
#[test]
fn a_client_whose_port_the_relay_has_now_is_no_client_any_more() {
    let mut lab = Lab::new(config());
    // Port 2,001 is that of the socket in slot 1.
    lab.up(at(MS), 1_001, b"hello");
    lab.up(at(MS), 1, b"hello");
    lab.take();
    lab.up(at(MS), 1_001, b"round");
    assert_eq!(lab.take(), []);
    assert_eq!(
        (lab.told.last(), lab.relay.statistics().looped),
        (Some(&Event::Loop(client(1_001))), 1)
    );
}

#[test]
fn what_was_not_sent_is_not_counted_as_sent() {
    let mut relay = Relay::new(config()).unwrap();
    relay.opened(LISTEN, listen());
    relay.handle_joined(at(MS), &from_client(0, b"abcdef"), 2);
    relay.opened(socket(0), ([127, 0, 0, 1], 2_000).into());
    relay.handle_datagram(at(MS), &from_target(0, b"answer"));
    while let Some(transmit) = relay.poll_transmit() {
        let unsent = if transmit.socket == LISTEN { 1 } else { 2 };
        relay.handle_unsent(at(MS), &transmit, unsent);
    }
    let counts = relay.statistics();
    assert_eq!((counts.up.delivered, counts.down.delivered), (3, 1));
    assert_eq!((counts.out, counts.unsent), ([1, 0], [2, 1]));
}

#[test]
fn a_socket_that_cannot_be_opened_costs_what_waits_for_it() {
    let mut relay = Relay::new(config()).unwrap();
    relay.handle_datagram(at(MS), &from_client(0, b"hello"));
    assert_eq!(relay.poll_event(), Some(Event::Open(socket(0))));
    relay.cannot_open(socket(0));
    while relay.poll_event().is_some() || relay.poll_transmit().is_some() {}
    let counts = relay.statistics();
    assert_eq!((counts.clients, counts.joined, counts.no_socket), (1, 1, 1));
    assert_eq!((counts.up.sent, counts.out, counts.unsent, counts.gone), (1, [0, 0], [1, 0], 0));
    // A late answer or a refusal for the slot does no harm.
    relay.handle_datagram(at(MS), &from_target(0, b"late"));
    relay.handle_refused_by(at(MS), socket(0), target());
    relay.handle_refused_by(at(MS), socket(0), target());
    while relay.poll_event().is_some() || relay.poll_transmit().is_some() {}
    assert_eq!(relay.statistics().refused, 2);
    // The client retries without limit, and its memory stays bounded.
    for _ in 0..10_000 {
        relay.handle_datagram(at(MS), &from_client(0, b"hello"));
        relay.cannot_open(socket(0));
        while relay.poll_event().is_some() || relay.poll_transmit().is_some() {}
    }
    assert_eq!((relay.statistics().joined, relay.statistics().unsent[0]), (1, 10_001));
    relay.handle_datagram(at(MS), &from_client(0, b"hello"));
    let events: Vec<_> = std::iter::from_fn(|| relay.poll_event()).collect();
    assert!(events.contains(&Event::Open(socket(0))));
}

/// An input to a relay.
#[derive(Clone, Debug)]
enum Happening {
    Up { from: u16, length: usize, segment: usize },
    Down { slot: usize, from: SocketAddr, length: usize },
    Wait(u32),
    Refused(u16),
    Handover,
    CannotOpen(usize),
    Change(bool, usize),
}

/// Senders: the target, other ports of its host (among them one of the relay's own), and another
/// host.
fn answering() -> impl Strategy<Value = SocketAddr> {
    let addresses = ["127.0.0.1:9", "127.0.0.1:10", "127.0.0.1:11", "127.0.0.1:5", "192.0.2.1:9"];
    proptest::sample::select(addresses.map(|text| text.parse().unwrap()).to_vec())
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..6_u16, 0..300_usize, 0..100_usize)
            .prop_map(|(from, length, segment)| Happening::Up { from, length, segment }),
        4 => (0..4_usize, answering(), 0..300_usize)
            .prop_map(|(slot, from, length)| Happening::Down { slot, from, length }),
        4 => (0..40_000_u32).prop_map(Happening::Wait),
        1 => (9..12_u16).prop_map(Happening::Refused),
        1 => Just(Happening::Handover),
        1 => (0..4_usize).prop_map(Happening::CannotOpen),
        2 => (any::<bool>(), 0..4_usize).prop_map(|(up, which)| Happening::Change(up, which)),
    ]
}

fn some_conditions(which: usize) -> Conditions {
    let half = Probability::new(0.5).unwrap();
    match which {
        0 => Conditions::default(),
        1 => Conditions { loss: Loss::Random(half), mtu: Some(99), ..Conditions::default() },
        2 => Conditions { delay: MS * 70_000, duplicate: half, ..Conditions::default() },
        _ => Conditions { delay: MS * 5, jitter: Jitter::Pareto(MS * 5), ..Conditions::default() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// In any sequence of inputs, sockets are open when used, clients are bounded, and every
    /// datagram is counted.
    #[test]
    fn the_account_is_whole(happenings in proptest::collection::vec(happening(), 0..120)) {
        let mut lab = Lab::new(config());
        let mut now = Instant::ORIGIN;
        let mut arrived = 0_u64;
        for happening in happenings {
            match happening {
                Happening::Up { from, length, segment } => {
                    let payload = vec![1; length];
                    lab.relay.handle_joined(now, &from_client(from, &payload), segment);
                    arrived += length.div_ceil(segment.max(1)).max(1) as u64;
                }
                Happening::Down { slot, from, length } => {
                    let payload = vec![2; length];
                    let known = lab.relay.client(socket(slot)).is_some();
                    let answer = Received { from, ..from_target(slot, &payload) };
                    lab.relay.handle_datagram(now, &answer);
                    arrived += u64::from(known);
                }
                Happening::Wait(millis) => {
                    now = now + MS * millis;
                    lab.relay.handle_timeout(now);
                }
                Happening::Refused(port) => {
                    let by = SocketAddr::from(([127, 0, 0, 1], port));
                    lab.relay.handle_refused_by(now, socket(0), by);
                }
                Happening::Handover => lab.relay.handover(),
                Happening::CannotOpen(slot) => {
                    lab.relay.cannot_open(socket(slot));
                    lab.open.remove(&socket(slot));
                }
                Happening::Change(up, which) => {
                    let way = if up { Way::Up } else { Way::Down };
                    lab.relay.set_conditions(now, way, some_conditions(which)).unwrap();
                }
            }
            lab.drain();
            let counts = lab.relay.statistics();
            prop_assert!(counts.clients <= 3);
            // After its socket failed, a client has none until it sends again.
            prop_assert!(lab.open.len() <= counts.clients);
            for (path, in_flight) in [(counts.up, counts.in_flight[0]), (counts.down, counts.in_flight[1])] {
                prop_assert_eq!(
                    path.sent + path.duplicated,
                    path.delivered + path.lost + path.dropped() + in_flight as u64
                );
            }
            let entered = counts.up.sent + counts.down.sent;
            let not_taken = counts.turned_away + counts.looped + counts.strangers;
            prop_assert_eq!(arrived, entered + not_taken);
        }
        // Every delivered datagram was forwarded, unless its client had left.
        let counts = lab.relay.statistics();
        let delivered = counts.up.delivered + counts.down.delivered;
        // A refusal sends the last datagram again.
        prop_assert!(lab.sent.len() as u64 <= delivered + counts.refused);
        let sent = counts.out[0] + counts.out[1];
        prop_assert!(lab.sent.len() as u64 + counts.gone + counts.unsent[0] >= delivered);
        prop_assert!((sent..=sent + counts.refused).contains(&(lab.sent.len() as u64)));
    }
}
