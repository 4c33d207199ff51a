//! The handshake: which requests are answered, what a server grants, and when a client gives up.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_bench::{
    Client, ClientEvent, Declined, Failure, Kind, Mode, Plan, PlanError, Server, ServerConfig,
    ServerEvent,
};
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_netsim::simulation::{Direction, Network, Peer};

use crate::harness::{Bench, CLIENT, SERVER, adds_up, carry, config, lossy, millis, plan};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_handshake_survives_loss_and_is_quick_without() {
    let began = (0..50).filter(|seed| {
        let mut bench = Bench::new(*seed, plan(Mode::Up, 100))
            .way(Direction::Up, lossy(30, 10))
            .way(Direction::Down, lossy(30, 10));
        bench.network.run_for(seconds(7));
        matches!(bench.events().first(), Some(ClientEvent::Began { .. }))
    });
    // A handshake needs two exchanges, each with five attempts that succeed with probability
    // 0.49: 93 % succeed.
    assert!(began.count() >= 40);
    let mut bench = Bench::new(1, plan(Mode::Up, 100));
    bench.network.run_for(millis(1));
    assert!(bench.network.machine(bench.client).is_running());
}

#[test]
fn nobody_there_is_told_by_its_name() {
    let failure = |network: &mut Network| {
        let client = Client::new(network.now(), SERVER.into(), 1, plan(Mode::Up, 100)).unwrap();
        let client = network.add(CLIENT.into(), client);
        network.run_for(seconds(10));
        match network.events(client) {
            [(at, ClientEvent::Failed(failure))] => (at.as_nanos() / 1_000_000, *failure),
            events => panic!("{events:?}"),
        }
    };
    assert_eq!(failure(&mut Network::new(1)), (3_100, Failure::NoAnswer));
    let mut refusing = Network::new(1);
    refusing.refuses(true);
    assert_eq!(failure(&mut refusing), (0, Failure::Refused));
    let mut chatty = Network::new(1);
    chatty.add(SERVER.into(), Peer::new().answering(|_| Some(b"hello".to_vec())));
    assert_eq!(failure(&mut chatty), (3_100, Failure::Foreign));
}

#[test]
fn a_server_that_dies_is_missed() {
    for (refuses, wanted) in [(true, Failure::Refused), (false, Failure::Silent)] {
        let mut bench = Bench::new(1, Plan { duration: seconds(20), ..plan(Mode::Up, 100) });
        bench.network.refuses(refuses);
        bench.network.run_for(seconds(1));
        bench.network.remove(bench.far);
        let up = bench.run().up.unwrap();
        assert_eq!(bench.events().last(), Some(&ClientEvent::Failed(wanted)));
        assert!(up.received > 0, "the last report still counts");
        // Datagrams sent after the server died do not count as lost on the path.
        assert!(up.lost == 0 && up.unanswered > 0, "{up:?}");
        adds_up(&up);
    }
}

#[test]
fn figures_add_up_whenever_the_server_dies() {
    for mode in [Mode::Up, Mode::Down, Mode::Both, Mode::Ping] {
        let plan = Plan { duration: seconds(20), reports_every: seconds(1), ..plan(mode, 1_000) };
        let mut bench = Bench::new(1, plan).way(Direction::Down, lossy(5, 10));
        bench.network.run_for(Duration::from_millis(2_700));
        bench.network.remove(bench.far);
        let snapshot = bench.run();
        assert_eq!(bench.events().last(), Some(&ClientEvent::Failed(Failure::Silent)));
        for way in [snapshot.up, snapshot.down, snapshot.trip].into_iter().flatten() {
            adds_up(&way);
            // Datagrams known to be missing still count as lost.
            assert!(way.lost >= way.seen.lost, "{mode:?} {way:?}");
        }
    }
}

#[test]
fn a_server_tells_of_no_more_unsent_than_it_had_to_send() {
    let mut bench = Bench::new(1, plan(Mode::Ping, 100));
    bench.network.run_for(seconds(1));
    // The unsent datagrams belong to an earlier session.
    bench.network.act(bench.far, |server, _| server.unsent(CLIENT.into(), 1 << 40));
    let snapshot = bench.run();
    adds_up(&snapshot.down.unwrap());
    let (_, last) = bench.network.events(bench.far).last().unwrap();
    assert!(matches!(last, ServerEvent::Ended { sent: 0..200, .. }), "{last:?}");
}

#[test]
fn a_client_that_dies_is_not_sent_to_for_long() {
    let mut bench = Bench::new(1, Plan { duration: seconds(50), ..plan(Mode::Down, 100) });
    bench.network.run_for(seconds(2));
    bench.network.remove(bench.client);
    bench.network.run_for(seconds(20));
    // Two seconds until its death, and three until that was noticed.
    let sent = bench.truth(SERVER).sent;
    assert!((450..=505).contains(&sent), "{sent}");
    assert_eq!(bench.network.machine(bench.far).sessions(), 0);
    let (_, last) = bench.network.events(bench.far).last().unwrap();
    assert!(matches!(last, ServerEvent::Ended { sent: told, .. } if *told == sent), "{last:?}");
}

#[test]
fn sessions_are_bounded() {
    let mut network = Network::new(1);
    network.add(SERVER.into(), Server::new(ServerConfig { max_sessions: 2, ..config() }));
    let clients = [1, 2, 3].map(|n| {
        let client = Client::new(network.now(), SERVER.into(), n, plan(Mode::Up, 100)).unwrap();
        network.add(SocketAddr::from(([10, 0, 1, n as u8], 1)), client)
    });
    network.run_for(seconds(10));
    let ends = clients.map(|client| network.events(client).last().unwrap().1);
    let full = ClientEvent::Failed(Failure::Full);
    assert_eq!(ends, [ClientEvent::Finished, ClientEvent::Finished, full]);
}

#[test]
fn what_a_server_sends_is_bounded() {
    let bounds =
        ServerConfig { max_bytes_per_second: Some(64_000), max_duration: seconds(1), ..config() };
    for rate in [0, 5_000] {
        let far = Server::new(bounds.clone());
        let plan = Plan { duration: seconds(1), ..plan(Mode::Down, rate) };
        let mut bench = Bench::with(1, plan, far);
        let snapshot = bench.run();
        let ClientEvent::Began { duration, rate, .. } = bench.events()[0] else { panic!() };
        assert_eq!((duration, rate), (seconds(1), 1_000));
        assert_eq!(snapshot.down.unwrap().sent, 1_000);
    }
    // A second one finds no capacity.
    let mut network = Network::new(1);
    let server = network.add(SERVER.into(), Server::new(bounds));
    for n in [2, 3] {
        let plan = Plan { duration: seconds(1), ..plan(Mode::Down, 0) };
        let client = Client::new(network.now(), SERVER.into(), n, plan).unwrap();
        network.add(SocketAddr::from(([10, 0, 1, n as u8], 1)), client);
    }
    network.run_for(millis(10));
    let full = |event: &&(_, ServerEvent)| {
        matches!(event.1, ServerEvent::Declined { why: Declined::Full, .. })
    };
    assert_eq!(network.events(server).iter().filter(full).count(), 1);
}

/// A server that would measure for less time than requested declines.
#[test]
fn what_is_too_long_for_the_server_is_refused_with_its_bound() {
    let bounds = ServerConfig { max_duration: seconds(1), ..config() };
    for mode in [Mode::Up, Mode::Down] {
        let mut bench = Bench::with(1, plan(mode, 100), Server::new(bounds.clone()));
        bench.run();
        assert_eq!(bench.events(), [ClientEvent::Failed(Failure::TooLong(seconds(1)))]);
        assert_eq!(bench.network.machine(bench.far).sessions(), 0);
    }
}

#[test]
fn an_impossible_plan_is_refused() {
    for (size, length, error) in [
        (39, 1, PlanError::Size(39)),
        (65_508, 1, PlanError::Size(65_508)),
        (64, 0, PlanError::Duration),
    ] {
        let plan = Plan { size, duration: seconds(length), ..plan(Mode::Up, 1) };
        let made = Client::new(Instant::ORIGIN, SERVER.into(), 1, plan);
        assert_eq!(made.err(), Some(error));
    }
}

#[test]
fn a_token_is_good_for_its_own_address_only() {
    let now = Instant::ORIGIN;
    let mut server = Server::new(config());
    let mut client = Client::new(now, SERVER.into(), 1, plan(Mode::Down, 0)).unwrap();
    let hello = carry(now, (&mut client, CLIENT.into()), &mut server);
    let challenge = carry(now, (&mut server, SERVER.into()), &mut client);
    assert!(challenge[0].len() <= hello[0].len());
    let start = client.poll_transmit().unwrap();
    let start = &client.outbox()[start.range];
    assert_eq!(Kind::of(start), Some(Kind::Start));

    let stranger = SocketAddr::from(([203, 0, 113, 9], 9));
    server.handle_datagram(now, &Received::new(stranger, start));
    assert_eq!((server.poll_transmit(), server.sessions()), (None, 0));
    assert_eq!(server.ignored().unproved, 1);
    server.handle_datagram(now, &Received::new(CLIENT.into(), start));
    assert_eq!(server.sessions(), 1);
    assert!(server.poll_transmit().unwrap().range.len() <= start.len());
}
