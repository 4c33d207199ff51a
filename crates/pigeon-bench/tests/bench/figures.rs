//! Loss, duplicates and reordering in one direction, exactly.

use std::time::Duration;

use pigeon_bench::{Client, ClientEvent, FarEnd, Kind, Mode, Plan, Server};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_netsim::path::{Conditions, Jitter, Reorder};
use pigeon_netsim::simulation::Direction;

use crate::harness::{
    Bench, CLIENT, SERVER, adds_up, carry, config, lossy, millis, percent, plan, sent_by,
};

fn unsteady() -> Conditions {
    Conditions { delay: millis(50), jitter: Jitter::Uniform(millis(10)), ..Conditions::default() }
}

/// Good and bad paths: lossy, slow with jitter, reordering, duplicating, and all at once.
fn ways() -> [Conditions; 6] {
    let reorder = Reorder { probability: percent(5), by: millis(3) };
    let duplicate = percent(2);
    [
        Conditions::default(),
        lossy(10, 0),
        unsteady(),
        Conditions { delay: millis(5), reorder, ..Conditions::default() },
        Conditions { duplicate, ..Conditions::default() },
        Conditions { loss: lossy(10, 0).loss, reorder, duplicate, ..unsteady() },
    ]
}

#[test]
fn each_direction_tells_exactly_what_its_link_did() {
    for (seed, conditions) in (1..).zip(ways()) {
        for (mode, direction) in [
            (Mode::Up, Direction::Up),
            (Mode::Down, Direction::Down),
            (Mode::Both, Direction::Up),
            (Mode::Both, Direction::Down),
        ] {
            let mut bench = Bench::new(seed, plan(mode, 1_000)).way(direction, conditions.clone());
            let snapshot = bench.run();
            let (way, from) = match direction {
                Direction::Up => (snapshot.up, CLIENT),
                Direction::Down => (snapshot.down, SERVER),
            };
            let way = way.expect("it was measured");
            bench.truth(from).is_told_by(&way);
            assert_eq!((way.sent, way.lost_in_kernel), (2_000, 0), "two seconds at this rate");
            assert_eq!(bench.events().last(), Some(&ClientEvent::Finished));
            assert_eq!(bench.network.machine(bench.far).sessions(), 0);
        }
    }
}

#[test]
fn jitter_is_that_of_the_way() {
    // Farther apart than the jitter, so that no datagram overtakes another.
    let jitter = |bench: Bench<Server>| bench.way(Direction::Up, unsteady()).run().up.unwrap();
    let jitter = jitter(Bench::new(9, plan(Mode::Up, 40))).jitter();
    // The mean difference of two draws from an interval is a third of its length: 6.7 ms.
    assert!(jitter > millis(3) && jitter < millis(11), "{jitter:?}");
    assert!(Bench::new(9, plan(Mode::Up, 40)).run().up.unwrap().jitter().is_zero());
}

#[test]
fn what_the_host_would_not_send_is_not_lost() {
    let mut bench = Bench::new(1, plan(Mode::Up, 1_000)).way(Direction::Up, lossy(10, 0));
    bench.network.run_for(millis(500));
    bench.network.act(bench.client, |client: &mut Client, _| client.unsent(7));
    let up = bench.run().up.unwrap();
    adds_up(&up);
    assert_eq!((up.sent, up.unsent), (1_993, 7));
    assert_eq!(up.lost, bench.truth(CLIENT).lost - 7, "as if these had been lost here");
}

#[test]
fn the_kernels_drops_are_told_apart_from_loss_on_the_way() {
    let mut bench = Bench::new(4, plan(Mode::Up, 1_000)).way(Direction::Up, lossy(10, 0));
    bench.network.run_for(millis(1_800));
    let before = bench.truth(CLIENT).lost;
    // The last 200 ms only reach the server's socket.
    bench.network.set_conditions(bench.client, Direction::Up, lossy(100, 0)).unwrap();
    bench.network.run_for(millis(201));
    bench.network.set_conditions(bench.client, Direction::Up, Conditions::default()).unwrap();
    bench.network.act(bench.far, |server: &mut Server, now| {
        server.handle_kernel_drops(now, SocketId::FIRST, 200);
    });
    let up = bench.run().up.unwrap();
    adds_up(&up);
    // If both kinds of loss fall into one gap, it counts for the kernel.
    assert!(up.lost_on_way <= before && up.lost_on_way + 3 > before, "{before} {up:?}");
}

/// The loop asks the kernel now and then, which may be too late for the last ones.
#[test]
fn the_request_to_stop_knows_of_the_last_drops() {
    let mut server = Server::new(config());
    let mut client = Client::new(Instant::ORIGIN, SERVER.into(), 1, plan(Mode::Up, 1_000)).unwrap();
    for at in 0..4_000 {
        let now = Instant::ORIGIN + millis(at);
        client.handle_timeout(now);
        let sent = sent_by(&mut client);
        for datagram in &sent {
            let is_test = Kind::of(datagram).is_some_and(Kind::is_test);
            // The last 200 ms find a full buffer.
            if is_test && at >= 1_800 {
                continue;
            }
            let kernel_drops = if at >= 1_800 { 200 } else { 0 };
            let from = Received::new(CLIENT.into(), datagram);
            server.handle_datagram(now, &Received { kernel_drops, ..from });
        }
        carry(now, (&mut server, SERVER.into()), &mut client);
    }
    let up = client.snapshot().up.unwrap();
    adds_up(&up);
    assert!(up.lost_in_kernel.abs_diff(200) < 3 && up.lost_on_way < 3, "{up:?}");
}

#[test]
fn an_interruption_ends_the_sending_and_keeps_the_figures() {
    for mode in [Mode::Up, Mode::Down, Mode::Both, Mode::Ping] {
        let mut bench = Bench::new(1, plan(mode, 1_000));
        bench.network.run_for(millis(500));
        assert!(bench.network.machine(bench.client).is_running());
        bench.network.act(bench.client, Client::interrupt);
        let snapshot = bench.run();
        let ways = [snapshot.up, snapshot.down, snapshot.trip];
        assert!(ways.iter().any(Option::is_some));
        for way in ways.into_iter().flatten() {
            adds_up(&way);
            assert!((490..=510).contains(&way.sent) && way.lost == 0, "{mode:?} {way:?}");
        }
    }
}

#[test]
fn flows_share_the_rate() {
    let sent = (0..3).map(|flow| {
        let mut plan = plan(Mode::Up, 1_000);
        (plan.pace.flows, plan.pace.flow) = (3.try_into().unwrap(), flow);
        Bench::new(1, plan).run().up.unwrap().sent
    });
    assert_eq!(sent.sum::<u64>(), 2_000);
}

#[test]
fn what_was_granted_is_told() {
    let mut bench = Bench::new(1, plan(Mode::Down, 1_000));
    bench.run();
    let duration = Duration::from_secs(2);
    let began = ClientEvent::Began { with: FarEnd::Server, duration, rate: 1_000 };
    assert_eq!(bench.events()[0], began);
}

#[test]
fn without_a_rate_something_is_always_due() {
    let mut server = Server::new(config());
    let plan = plan(Mode::Up, 0);
    let mut client = Client::new(Instant::ORIGIN, SERVER.into(), 1, plan).unwrap();
    let mut tests = 0;
    for at in 0..100 {
        let now = Instant::ORIGIN + millis(at);
        client.handle_timeout(now);
        let sent = carry(now, (&mut client, CLIENT.into()), &mut server);
        tests += sent.iter().filter(|sent| Kind::of(sent).is_some_and(Kind::is_test)).count();
        carry(now, (&mut server, SERVER.into()), &mut client);
        let always = client.poll_timeout().is_some_and(|at| at <= now);
        assert!(always || !client.is_running());
    }
    assert!(tests > 90 * 1_000, "{tests}");
}

/// The n-th report counts exactly what was sent in the first n intervals, however long the path is,
/// and even if reports get lost.
#[test]
fn a_report_counts_what_belongs_to_its_intervals() {
    for (rate, delay, loss) in [(1_000, 0, 0), (1_000, 130, 0), (300, 40, 0), (1_000, 10, 20)] {
        let every = millis(500);
        let plan = Plan { duration: 10 * every, reports_every: every, ..plan(Mode::Up, rate) };
        let mut bench = Bench::new(1, plan)
            .way(Direction::Up, lossy(0, delay))
            .way(Direction::Down, lossy(loss, delay));
        let mut reported = 0;
        for _ in 0..10_000 {
            bench.network.run_for(millis(1));
            let client = bench.network.machine(bench.client);
            if client.is_running() && client.reported() > reported {
                reported = client.reported();
                let received = client.snapshot().up.unwrap().received;
                assert_eq!(received, u64::from(rate) * reported / 2, "{rate} {delay}");
            }
        }
        assert!(reported >= 8, "{reported}");
    }
}
