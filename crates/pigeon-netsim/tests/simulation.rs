//! The simulation itself: machines that send, stop, restart and move, in virtual time.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of `#[test]`")]

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit};
use pigeon_netsim::path::{Conditions, Jitter, Loss, Probability, Reorder};
use pigeon_netsim::simulation::{BATCH, Direction, Happening, Network, Node, Peer};

const SECOND: Duration = Duration::from_secs(1);

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 7000))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN + ms(millis)
}

fn echo() -> Peer {
    Peer::new().answering(|payload| Some(payload.to_vec()))
}

fn delayed(millis: u64) -> Conditions {
    Conditions { delay: ms(millis), ..Conditions::default() }
}

/// Counts its inputs, and sends the count once per drain, which shows the batches.
#[derive(Default)]
struct Counter {
    answer_to: Option<SocketAddr>,
    batch: usize,
    outbox: Outbox,
    events: Vec<usize>,
}

impl Machine for Counter {
    type Event = usize;

    fn handle_datagram(&mut self, _now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        self.answer_to = Some(datagram.from);
        self.batch += 1;
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(to) = self.answer_to.take() {
            let batch = std::mem::take(&mut self.batch);
            self.outbox.send(to, None, batch.to_string().as_bytes());
            self.events.push(batch);
        }
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<usize> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

#[test]
fn an_echo_takes_both_paths_there_and_back() {
    let mut network = Network::new(1);
    network.default_conditions(delayed(10)).unwrap();
    let server = network.add(address(1), echo());
    let client = network.add(address(2), Peer::new().connected(address(1)));
    network.set_conditions(client, Direction::Up, delayed(5)).unwrap();
    network.act(client, |peer, _| peer.send(address(1), b"hello"));
    assert!(network.run_until_quiet(SECOND));
    assert_eq!(network.now(), at(35));
    assert_eq!(network.machine(server).received()[0].at, at(15));
    let echoed = &network.machine(client).received()[0];
    assert_eq!((echoed.at, echoed.from, &echoed.payload[..]), (at(35), address(1), &b"hello"[..]));
}

/// The transcript of a scenario that uses every feature.
fn scenario(seed: u64) -> (String, usize) {
    let mut network = Network::new(seed);
    let rough = Conditions {
        loss: Loss::Random(Probability::new(0.1).unwrap()),
        delay: ms(20),
        jitter: Jitter::Uniform(ms(15)),
        reorder: Reorder { probability: Probability::new(0.05).unwrap(), by: ms(30) },
        duplicate: Probability::new(0.05).unwrap(),
        corrupt: Probability::new(0.05).unwrap(),
        ..Conditions::default()
    };
    network.default_conditions(rough).unwrap();
    network.refuses(true);
    let server = network.add(address(1), echo());
    let client = network.add(address(2), Peer::new().every(ms(10), address(1), b"beat"));
    network.run_for(SECOND);
    network.remove(server);
    network.run_for(SECOND);
    network.replace(server, echo());
    network.readdress(client, address(3));
    network.run_for(SECOND);
    (network.transcript(), network.machine(client).received().len())
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let (transcript, received) = scenario(7);
    assert_eq!(scenario(7), (transcript.clone(), received));
    assert_ne!(scenario(8).0, transcript);
    for word in ["lost", "held back", "flipped", "copy due", "delivered", "nobody there", "refused"]
    {
        assert!(transcript.contains(word), "{word} does not occur in\n{transcript}");
    }
}

#[test]
fn an_echo_over_a_lossy_network_is_as_good_as_the_loss() {
    let mut network = Network::new(3);
    network.log_limit(0);
    let server = network.add(address(1), echo());
    let client = network.add(address(2), Peer::new());
    let lossy = Conditions { loss: Loss::Random(Probability::new(0.1).unwrap()), ..delayed(1) };
    for direction in [Direction::Up, Direction::Down] {
        network.set_conditions(client, direction, lossy.clone()).unwrap();
    }
    for number in 0..10_000_u32 {
        network.act(client, |peer, _| peer.send(address(1), &number.to_le_bytes()));
        network.run_for(ms(1));
    }
    assert!(network.run_until_quiet(SECOND));
    let (there, back) = (network.machine(server).received(), network.machine(client).received());
    // Within five standard deviations of 0.9 and 0.81.
    assert!(there.len().abs_diff(9_000) < 150, "{}", there.len());
    assert!(back.len().abs_diff(8_100) < 196, "{}", back.len());
    let lost = |direction| network.statistics(client, direction).lost as usize;
    assert_eq!(there.len(), 10_000 - lost(Direction::Up));
    assert_eq!(back.len(), there.len() - lost(Direction::Down));
}

#[test]
fn a_restarted_machine_takes_what_is_on_the_way() {
    let mut network = Network::new(4);
    network.default_conditions(delayed(10)).unwrap();
    let server = network.add(address(1), Peer::new());
    let client = network.add(address(2), Peer::new());
    network.act(client, |peer, _| peer.send(address(1), b"before"));
    network.run_for(SECOND);
    network.act(client, |peer, _| peer.send(address(1), b"across"));
    let old = network.replace(server, Peer::new());
    network.run_for(SECOND);
    assert_eq!(old.texts(), ["before"]);
    assert_eq!(network.machine(server).texts(), ["across"]);
}

#[test]
fn who_writes_to_nobody_is_refused_after_the_way_back() {
    let mut network = Network::new(5);
    network.default_conditions(delayed(10)).unwrap();
    let server = network.add(address(1), Peer::new());
    let client = network.add(address(2), Peer::new());
    network.remove(server);

    // By default such datagrams vanish.
    network.act(client, |peer, _| peer.send(address(1), b"?"));
    assert!(network.run_until_quiet(SECOND));
    assert_eq!((network.now(), network.machine(client).refused()), (at(20), 0));

    // A refusal by a removed machine takes two paths there and two back.
    network.refuses(true);
    network.act(client, |peer, _| peer.send(address(1), b"?"));
    network.run_for(ms(39));
    assert_eq!(network.machine(client).refused(), 0);
    network.run_for(ms(1));
    assert_eq!(network.machine(client).refused(), 1);

    // A refusal by an address without a machine takes one path there and one back.
    network.act(client, |peer, _| peer.send(address(9), b"?"));
    network.run_for(ms(20));
    assert_eq!(network.machine(client).refused(), 2);
    assert!(network.machine(server).received().is_empty());

    // A refusal that cannot be delivered causes no further refusal.
    network.act(client, |peer, _| peer.send(address(9), b"?"));
    network.remove(client);
    assert!(network.run_until_quiet(SECOND));
    assert_eq!(network.machine(client).refused(), 2);
}

#[test]
fn who_moves_is_heard_from_the_new_address_only() {
    let mut network = Network::new(6);
    network.default_conditions(delayed(10)).unwrap();
    let server = network.add(address(1), echo());
    let client = network.add(address(2), Peer::new());
    network.act(client, |peer, _| peer.send(address(1), b"old"));
    // The datagram is on its way back when the client moves.
    network.run_for(ms(35));
    network.readdress(client, address(3));
    network.run_for(SECOND);
    network.act(client, |peer, _| peer.send(address(1), b"new"));
    network.run_for(SECOND);
    let from: Vec<_> = network.machine(server).received().iter().map(|a| a.from).collect();
    assert_eq!(from, [address(2), address(3)]);
    assert_eq!(network.machine(client).texts(), ["new"]);
    assert_eq!(network.address(client), address(3));
    assert!(network.log().any(|entry| entry.what == Happening::NobodyThere));
}

#[test]
fn a_connected_peer_does_not_hear_strangers() {
    let mut network = Network::new(7);
    let client = network.add(address(1), Peer::new().connected(address(2)));
    for host in [2, 3] {
        let other = network.add(address(host), Peer::new());
        network.act(other, |peer, _| peer.send(address(1), &[host]));
    }
    network.run_for(SECOND);
    let client = network.machine(client);
    assert_eq!((client.received().len(), client.strangers()), (1, 1));
    assert_eq!(client.received()[0].from, address(2));
}

#[test]
fn a_heartbeat_beats_until_its_node_is_removed() {
    let mut network = Network::new(8);
    let server = network.add(address(1), Peer::new());
    let client = network.add(address(2), Peer::new().every(SECOND * 10, address(1), b"^hb^"));
    network.run_for(SECOND * 35);
    let times: Vec<_> = network.machine(server).received().iter().map(|a| a.at).collect();
    assert_eq!(times, [at(0), at(10_000), at(20_000), at(30_000)]);
    assert_eq!(network.now(), at(35_000));
    network.remove(client);
    network.run_for(SECOND * 35);
    assert_eq!(network.machine(server).received().len(), 4);
    assert!(!network.step());
}

#[test]
fn what_is_due_at_once_is_one_batch() {
    let mut network = Network::new(9);
    let counter = network.add(address(1), Counter::default());
    let peers: Vec<Node<Peer>> =
        (2..5).map(|host| network.add(address(host), Peer::new())).collect();
    for &peer in &peers {
        network.act(peer, |peer, _| {
            for _ in 0..30 {
                peer.send(address(1), b"x");
            }
        });
    }
    network.run_for(SECOND);
    assert_eq!(network.events(counter), [(at(0), BATCH), (at(0), 90 - BATCH)]);
    assert_eq!(network.machine(peers[2]).texts(), [BATCH.to_string(), (90 - BATCH).to_string()]);
    assert_eq!(network.take_events(counter).len(), 2);
    assert!(network.events(counter).is_empty());
}

#[test]
fn the_transcript_shows_every_byte_and_is_bounded() {
    let mut network = Network::new(10);
    network.add(address(1), Peer::new());
    let client = network.add(address(2), Peer::new());
    network.act(client, |peer, _| peer.send(address(1), b"a\n\"\x1b\xff"));
    network.run_for(SECOND);
    assert_eq!(
        network.transcript(),
        r#"0.000000000 10.0.0.2:7000 > 10.0.0.1:7000 up: due 0.000000000 "a\n\"\x1b\xff"
0.000000000 10.0.0.2:7000 > 10.0.0.1:7000 down: due 0.000000000 "a\n\"\x1b\xff"
0.000000000 10.0.0.2:7000 > 10.0.0.1:7000 delivered "a\n\"\x1b\xff"
"#
    );
    network.log_limit(400);
    for _ in 0..100 {
        network.act(client, |peer, _| peer.send(address(1), b"more"));
    }
    network.run_for(SECOND);
    assert!(network.log().count() < 5);
    assert!(network.transcript().contains("earlier entries forgotten"));
}

#[test]
fn a_node_added_later_changes_nothing_for_the_others() {
    let run = |more: bool| {
        let mut network = Network::new(11);
        let half = Conditions {
            loss: Loss::Random(Probability::new(0.5).unwrap()),
            ..Conditions::default()
        };
        network.default_conditions(half).unwrap();
        let server = network.add(address(1), Peer::new());
        network.add(address(2), Peer::new().every(ms(1), address(1), b"x"));
        if more {
            network.add(address(3), Peer::new());
        }
        network.run_for(SECOND);
        network.machine(server).received().to_vec()
    };
    assert_eq!(run(false), run(true));
}

#[test]
#[should_panic(expected = "time stands still")]
fn two_echoes_without_delay_fail_the_test() {
    let mut network = Network::new(12);
    network.log_limit(0);
    network.add(address(1), echo());
    let other = network.add(address(2), echo());
    network.act(other, |peer, _| peer.send(address(1), b"x"));
    network.run_for(SECOND);
}

#[test]
fn a_test_may_do_any_number_of_things_at_one_instant() {
    let mut network = Network::new(14);
    network.log_limit(0);
    let server = network.add(address(1), Peer::new());
    let client = network.add(address(2), Peer::new());
    for _ in 0..6_000 {
        network.act(client, |peer, _| peer.send(address(1), b"x"));
        assert!(network.run_until_quiet(SECOND));
    }
    assert_eq!(network.machine(server).received().len(), 6_000);
    assert_eq!(network.now(), Instant::ORIGIN);
}

#[test]
#[should_panic(expected = "another network")]
fn a_node_of_another_network_is_refused() {
    let mut one = Network::new(13);
    let node = one.add(address(1), Peer::new());
    let mut other = Network::new(13);
    other.add(address(1), Counter::default());
    other.machine(node);
}
