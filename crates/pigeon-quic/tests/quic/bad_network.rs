//! Bytes arrive once and in order over networks that lose, duplicate, reorder, corrupt and delay,
//! and from changing addresses.

use std::time::Duration;

use pigeon_netsim::path::{Conditions, Jitter, Loss, Probability, Reorder};
use pigeon_quic::{Certificate, Endpoint, Event, Limits, Pin, Why};

use crate::ends::{Ends, address, pattern, server};

fn percent(percent: u32) -> Probability {
    Probability::new(f64::from(percent) / 100.0).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Loss, reordering, duplication and corruption in percent, and the delay of one of two paths.
fn conditions(loss: u32, reorder: u32, duplicate: u32, corrupt: u32, delay: u64) -> Conditions {
    Conditions {
        loss: Loss::Random(percent(loss)),
        reorder: Reorder { probability: percent(reorder), by: ms(30) },
        duplicate: percent(duplicate),
        corrupt: percent(corrupt),
        delay: ms(delay),
        jitter: Jitter::Uniform(ms(delay / 4)),
        ..Conditions::default()
    }
}

#[test]
fn everything_arrives_once_and_in_order_over_bad_networks() {
    // Each datagram passes two paths, so it meets the conditions twice.
    for (number, (bad, bytes)) in [
        (conditions(0, 0, 0, 0, 250), 300_000),
        (conditions(3, 0, 0, 0, 10), 300_000),
        (conditions(10, 0, 0, 0, 10), 100_000),
        (conditions(16, 0, 0, 0, 20), 20_000),
        (conditions(0, 30, 0, 0, 10), 300_000),
        (conditions(0, 0, 10, 0, 10), 300_000),
        (conditions(0, 0, 0, 1, 10), 300_000),
        (conditions(5, 30, 10, 1, 60), 50_000),
    ]
    .into_iter()
    .enumerate()
    {
        for seed in 0..4 {
            let mut ends = Ends::new(10 * number as u64 + seed, |network| {
                network.default_conditions(bad.clone()).unwrap();
            });
            let conn = ends.connect(Pin::FirstUse);
            let bytes = pattern(bytes);
            assert!(
                ends.run_until(20, |ends| ends.network.machine(ends.client).is_open()),
                "no handshake over {bad:?}, seed {seed}: {:?}",
                ends.closed()
            );
            ends.say(conn, bytes.clone());
            assert!(
                ends.run_until(600, |ends| ends.received(conn).len() >= bytes.len()),
                "{} of {} bytes over {bad:?}, seed {seed}: {:?}",
                ends.received(conn).len(),
                bytes.len(),
                ends.closed()
            );
            assert!(ends.received(conn) == bytes, "{bad:?}, seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_has_the_same_course() {
    let certificate = Certificate::generate().unwrap().to_pem();
    let course = |seed| {
        let mut ends = Ends::of(
            Certificate::from_pem(certificate.as_bytes()).unwrap(),
            seed,
            Limits::default(),
            |network| network.default_conditions(conditions(5, 10, 5, 0, 20)).unwrap(),
        );
        let conn = ends.connect(Pin::FirstUse);
        ends.run_until(20, |ends| ends.network.machine(ends.client).is_open());
        ends.say(conn, pattern(20_000));
        ends.run_until(100, |ends| ends.received(conn).len() == 20_000);
        (ends.network.now(), ends.network.machine(ends.server).machine.statistics())
    };
    assert_eq!(course(1), course(1));
    assert_ne!(course(1), course(2));
}

#[test]
fn a_client_that_moves_goes_on_at_once() {
    let mut ends = Ends::new(40, |network| {
        network.default_conditions(conditions(0, 0, 0, 0, 20)).unwrap();
    });
    let conn = ends.open();
    ends.say(conn, "before");
    ends.network.run_for(Duration::from_secs(2));
    for (turn, (new, says)) in
        [("10.0.0.2:4001", false), ("10.9.9.9:5000", true), ("[2001:db8::1]:6000", true)]
            .into_iter()
            .enumerate()
    {
        ends.network.readdress(ends.client, address(new));
        if says {
            ends.network.act(ends.client, |client, now| client.machine.rebind(now));
        }
        let moved = ends.network.now();
        let text = format!(" after {turn}");
        ends.say(conn, text.clone());
        let is_back = |ends: &Ends| ends.network.machine(ends.client).text(conn).ends_with(&text);
        assert!(ends.run_until(5, is_back), "{new}");
        assert!(ends.network.now() - moved < Duration::from_secs(1), "{new}");
        let server = ends.network.machine(ends.server);
        let last = server.events.iter().rev().find_map(|event| match event {
            Event::Moved { peer, .. } => Some(*peer),
            _ => None,
        });
        assert_eq!(last, Some(address(new)));
        ends.network.run_for(Duration::from_secs(2));
    }
    let server = ends.network.machine(ends.server);
    assert_eq!(server.machine.statistics().moved, 3);
    let here = server.machine.open().next().unwrap();
    assert_eq!(server.machine.peer(here), Some(address("[2001:db8::1]:6000")));
}

#[test]
fn a_silent_client_that_moves_shows_itself() {
    let mut ends = Ends::new(41, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(2));
    ends.network.readdress(ends.client, address("10.9.9.9:5000"));
    ends.network.act(ends.client, |client, now| client.machine.rebind(now));
    ends.network.run_for(Duration::from_secs(1));
    ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.say(now, conn, " found you");
    });
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.network.machine(ends.client).text(conn), "x found you");
}

#[test]
fn a_restarted_server_says_that_it_forgot() {
    let mut ends = Ends::new(42, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    let restarted = server(&ends.certificate, 99, Limits::default());
    ends.network.replace(ends.server, restarted);
    // The keep-alive would show it soon; a message shows it at once.
    ends.say(conn, "are you there?");
    assert!(ends.run_until(1, |ends| !ends.closed().is_empty()), "nothing was said");
    assert_eq!(ends.closed(), [Why::Forgotten]);
    let again = ends.open();
    ends.say(again, "y");
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.network.machine(ends.client).text(again), "y");
}

#[test]
fn a_server_with_another_certificate_forgets_in_silence() {
    let mut ends = Ends::new(43, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    let other = server(&Certificate::generate().unwrap(), 99, Limits::default());
    ends.network.replace(ends.server, other);
    ends.say(conn, "are you there?");
    ends.network.run_for(Duration::from_millis(4_900));
    assert!(ends.closed().is_empty());
    ends.network.run_for(Duration::from_millis(200));
    assert_eq!(ends.closed(), [Why::TimedOut]);
}

#[test]
fn a_client_misses_a_vanished_server_within_seconds() {
    let vanish = |says: bool, seconds: f64| {
        let mut ends = Ends::new(45, |_| {});
        let conn = ends.open();
        ends.say(conn, "x");
        ends.network.run_for(Duration::from_secs(1));
        ends.network.remove(ends.server);
        if says {
            ends.say(conn, "are you there?");
        }
        ends.network.run_for(Duration::from_secs_f64(seconds - 0.1));
        assert!(ends.closed().is_empty(), "{:?}", ends.closed());
        ends.network.run_for(Duration::from_millis(200));
        assert_eq!(ends.closed(), [Why::TimedOut]);
    };
    vanish(true, 5.0);
    // The server acknowledged the last message at the beginning of that second. The keep-alive ten
    // seconds later has no answer.
    vanish(false, 14.0);
}

#[test]
fn an_answer_may_take_twelve_round_trips() {
    let mut ends = Ends::new(46, |network| {
        // Two paths each way: a round trip of 1.2 s.
        network.default_conditions(Conditions { delay: ms(300), ..Conditions::default() }).unwrap();
    });
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(60));
    ends.network.remove(ends.server);
    ends.say(conn, "are you there?");
    ends.network.run_for(Duration::from_secs(12));
    assert!(ends.closed().is_empty());
    ends.network.run_for(Duration::from_secs(4));
    assert_eq!(ends.closed(), [Why::TimedOut]);
}

#[test]
fn an_ended_connection_keeps_its_place_for_ten_seconds_at_the_most() {
    let mut ends = Ends::new(47, |network| {
        // A round trip of 4.4 s: three probe timeouts are more than thirteen.
        network
            .default_conditions(Conditions { delay: ms(1_100), ..Conditions::default() })
            .unwrap();
    });
    let conn = ends.open();
    for _ in 0..4 {
        ends.say(conn, "x");
        ends.network.run_for(Duration::from_secs(5));
    }
    assert!(ends.closed().is_empty(), "{:?}", ends.closed());
    ends.network.act(ends.client, |client, now| client.machine.close(now, conn, 0, &b""[..]));
    let connections = |ends: &Ends| {
        let client = ends.network.machine(ends.client).machine.statistics().connections;
        (client, ends.network.machine(ends.server).machine.statistics().connections)
    };
    ends.network.run_for(Duration::from_secs(9));
    assert_eq!(connections(&ends), (1, 1));
    ends.network.run_for(ms(3_500));
    assert_eq!(connections(&ends), (0, 0));
}

#[test]
fn where_nobody_listens_the_client_learns_it() {
    let mut ends = Ends::new(44, |network| network.refuses(true));
    ends.network.remove(ends.server);
    ends.connect(Pin::FirstUse);
    ends.network.run_for(Duration::from_millis(10));
    assert_eq!(ends.closed(), [Why::Unreachable]);
    // A silent firewall: it takes as long as a handshake may.
    ends.network.refuses(false);
    ends.connect(Pin::FirstUse);
    ends.network.run_for(Duration::from_millis(9_900));
    assert_eq!(ends.closed().len(), 1);
    ends.network.run_for(Duration::from_millis(200));
    assert_eq!(ends.closed()[1], Why::TimedOut);
    // Forged errors must not end an open connection.
    let certificate = Certificate::generate().unwrap();
    ends.network.replace(ends.server, server(&certificate, 5, Limits::default()));
    ends.connect(Pin::FirstUse);
    ends.network.run_for(Duration::from_secs(1));
    assert!(ends.network.machine(ends.client).is_open());
    ends.network.refuses(true);
    ends.network.remove(ends.server);
    ends.network.run_for(Duration::from_secs(8));
    assert!(ends.network.machine(ends.client).is_open());
}
