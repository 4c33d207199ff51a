//! Round trips: the direction of each loss, the times, and plain echo services.

use pigeon_bench::{Client, ClientEvent, Failure, FarEnd, Mode, Server};
use pigeon_datagram::{Instant, Machine};
use pigeon_netsim::path::{Conditions, Probability};
use pigeon_netsim::simulation::{Direction, Peer};

use crate::harness::{Bench, CLIENT, SERVER, adds_up, carry, config, lossy, millis, plan};

fn echo() -> Peer {
    Peer::new().answering(|payload| Some(payload.to_vec()))
}

#[test]
fn a_server_tells_which_way_lost_what() {
    let mut bench = Bench::new(3, plan(Mode::Ping, 1_000))
        .way(Direction::Up, lossy(5, 20))
        .way(Direction::Down, lossy(10, 30));
    let snapshot = bench.run();
    let (there, back) = (bench.truth(CLIENT), bench.truth(SERVER));
    there.is_told_by(&snapshot.up.unwrap());
    back.is_told_by(&snapshot.down.unwrap());
    let trip = snapshot.trip.unwrap();
    adds_up(&trip);
    assert_eq!((trip.sent, trip.lost), (2_000, there.lost + back.lost));
    let times: Vec<_> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            ClientEvent::Back { trip, since_due } => Some((trip, since_due)),
            _ => None,
        })
        .collect();
    assert_eq!(times.len() as u64, trip.received);
    assert!(times.iter().all(|times| *times == (millis(50), millis(50))));
}

#[test]
fn copies_made_on_the_way_there_are_not_sent_back() {
    let copies = Conditions { duplicate: Probability::ALWAYS, ..Conditions::default() };
    let mut bench = Bench::new(3, plan(Mode::Ping, 100)).way(Direction::Up, copies);
    assert_eq!(bench.run().up.unwrap().seen.duplicated, 200);
    assert_eq!(bench.truth(SERVER).sent, 200);
}

#[test]
fn a_plain_echo_service_is_recognised_and_measured() {
    let mut bench = Bench::with(5, plan(Mode::Ping, 1_000), echo())
        .way(Direction::Up, lossy(5, 10))
        .way(Direction::Down, lossy(5, 10));
    let snapshot = bench.run();
    let began =
        |event: &ClientEvent| matches!(event, ClientEvent::Began { with: FarEnd::Echo, .. });
    assert!(began(&bench.events()[0]));
    assert_eq!((snapshot.up, snapshot.down), (None, None));
    let trip = snapshot.trip.unwrap();
    adds_up(&trip);
    let lost = bench.truth(CLIENT).lost + bench.truth(SERVER).lost;
    assert_eq!((trip.sent, trip.lost), (2_000, lost));
    assert!(lost > 100);
}

#[test]
fn what_only_a_server_can_do_an_echo_service_is_not_asked_for() {
    for mode in [Mode::Down, Mode::Both] {
        let mut bench = Bench::with(5, plan(mode, 1_000), echo());
        bench.run();
        assert_eq!(bench.events(), [ClientEvent::Failed(Failure::OnlyEcho)]);
    }
    let mut bench = Bench::with(5, plan(Mode::Up, 1_000), echo());
    assert_eq!(bench.run().trip.unwrap().received, 2_000);
}

#[test]
fn without_a_rate_the_next_goes_when_the_one_before_is_back() {
    let plan = plan(Mode::Ping, 0);
    let ways = |bench: Bench<_>| bench.way(Direction::Down, lossy(2, 5)).run().trip;
    let server = ways(Bench::new(7, plan).way(Direction::Up, lossy(0, 5)));
    let bench = Bench::with(7, plan, echo()).way(Direction::Up, lossy(0, 5));
    let echo = bench.way(Direction::Down, lossy(2, 5)).run().trip;
    for trip in [server, echo].map(Option::unwrap) {
        adds_up(&trip);
        // Each round trip takes 10 ms, and each lost one 200 ms.
        let millis = trip.received * 10 + trip.lost * 200;
        assert!(trip.lost > 0 && (1_980..2_300).contains(&millis), "{trip:?}");
    }
}

#[test]
fn a_late_client_cannot_hide_it() {
    // The server's driver sleeps for 100 ms in the middle: a hundred datagrams leave late, and each
    // is timed from its due time.
    let mut server = Server::new(config());
    let plan = plan(Mode::Ping, 1_000);
    let mut client = Client::new(Instant::ORIGIN, SERVER.into(), 1, plan).unwrap();
    let mut since_due = Vec::new();
    for at in (0..200).chain(300..500) {
        let now = Instant::ORIGIN + millis(at);
        client.handle_timeout(now);
        // Repeated twice, for the handshake.
        for _ in 0..3 {
            carry(now, (&mut client, CLIENT.into()), &mut server);
            carry(now, (&mut server, SERVER.into()), &mut client);
        }
        while let Some(event) = client.poll_event() {
            if let ClientEvent::Back { trip, since_due: late } = event {
                assert!(trip.is_zero(), "the way takes no time");
                since_due.push(late);
            }
        }
    }
    assert_eq!(since_due.len(), 500);
    assert_eq!(since_due.iter().filter(|late| !late.is_zero()).count(), 100);
    assert_eq!(since_due.iter().max(), Some(&millis(100)));
}
