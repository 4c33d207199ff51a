//! Ordered bytes in both directions, with flow control.

use std::time::Duration;

use bytes::Bytes;
use pigeon_quic::{Endpoint, Event, Limits, Pin, Why};

use crate::ends::{CLIENT, Ends, address, pattern};

#[test]
fn what_is_written_comes_back() {
    let mut ends = Ends::new(1, |_| {});
    let conn = ends.connect(Pin::FirstUse);
    assert!(ends.run_until(5, |ends| ends.network.machine(ends.client).is_open()));
    let client = ends.network.machine(ends.client);
    assert_eq!(client.machine.fingerprint(conn), Some(ends.certificate.fingerprint()));
    // Only the handshake was sent: the server learns of the stream with its first byte.
    assert!(ends.network.machine(ends.server).events.is_empty());
    ends.say(conn, "hello");
    assert!(ends.run_until(5, |ends| ends.network.machine(ends.client).text(conn) == "hello"));
    let server = ends.network.machine(ends.server);
    let opened = server.machine.open().next().unwrap();
    let peer = address(CLIENT);
    let expected = [Event::Opened { conn: opened, peer }, Event::Readable { conn: opened }];
    assert_eq!(server.events, expected);
    let statistics = server.machine.statistics();
    assert_eq!((statistics.opened, statistics.retries, statistics.handshakes), (1, 1, 0));
    assert_eq!((statistics.read, statistics.written), (5, 5));
}

#[test]
fn much_comes_back_in_trains() {
    let mut ends = Ends::new(2, |_| {});
    let conn = ends.open();
    let bytes = pattern(3_000_000);
    ends.say(conn, bytes.clone());
    let is_back = |ends: &Ends| ends.received(conn).len() == bytes.len();
    assert!(ends.run_until(60, is_back));
    assert!(ends.received(conn) == bytes);
    let server = ends.network.machine(ends.server);
    assert!(server.trains > 0, "no train was sent");
    assert!(server.largest_train <= 64, "{}", server.largest_train);
}

#[test]
fn a_server_that_does_not_read_holds_up_the_client() {
    let mut ends = Ends::new(3, |_| {});
    let conn = ends.open();
    ends.network.act(ends.server, |server, _| server.reads = false);
    let bytes = pattern(1_000_000);
    ends.say(conn, bytes.clone());
    ends.network.run_for(Duration::from_secs(20));
    let server = ends.network.machine(ends.server);
    assert_eq!(server.machine.statistics().read, 0);
    let waiting = ends.network.machine(ends.client).waiting[&conn].len();
    assert_eq!(waiting, 1, "the client could write everything");
    let written = ends.network.machine(ends.client).machine.statistics().written;
    assert_eq!(written, u64::from(Limits::default().receive_window));
    ends.network.act(ends.server, |server, now| {
        server.reads = true;
        let conn = server.machine.open().next().unwrap();
        server.read_all(now, conn);
    });
    assert!(ends.run_until(30, |ends| ends.received(conn).len() == bytes.len()));
    assert!(ends.received(conn) == bytes);
}

#[test]
fn a_client_that_does_not_read_costs_the_server_one_window() {
    let limits = Limits { send_window: 100_000, ..Limits::default() };
    let mut ends = Ends::with_limits(4, limits, |_| {});
    let conn = ends.open();
    ends.network.act(ends.client, |client, _| client.reads = false);
    ends.say(conn, "x");
    assert!(ends.run_until(5, |ends| ends.network.machine(ends.server).is_open()));
    let bytes = pattern(1_000_000);
    // Before an answer arrives, at most the window is accepted.
    let taken = ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        let before = server.machine.statistics().written;
        server.say(now, conn, bytes.clone());
        server.machine.statistics().written - before
    });
    assert!(taken <= 100_000, "{taken}");
    ends.network.run_for(Duration::from_secs(20));
    // Unread bytes of the client fill its own window.
    let written = ends.network.machine(ends.server).machine.statistics().written;
    assert_eq!(written, u64::from(Limits::default().receive_window));
    ends.network.act(ends.client, |client, now| {
        client.reads = true;
        client.read_all(now, conn);
    });
    assert!(ends.run_until(30, |ends| ends.received(conn).len() == 1 + bytes.len()));
    assert!(ends.received(conn)[1..] == bytes[..]);
}

#[test]
fn the_more_connections_the_smaller_each_window() {
    let limits = Limits { send_total: 3 << 20, ..Limits::default() };
    let mut ends = Ends::with_limits(5, limits, |_| {});
    ends.network.act(ends.server, |server, _| server.echoes = false);
    let mut taken = Vec::new();
    for _ in 0..4 {
        let conn = ends.open();
        ends.say(conn, "x");
        ends.network.run_for(Duration::from_secs(1));
        let last = ends.network.act(ends.server, |server, now| {
            let conn = server.machine.open().last().unwrap();
            server.machine.write(now, conn, &mut [pattern(4 << 20).into()])
        });
        taken.push(last);
    }
    // Until then the client's receive window is the narrower one.
    let window = Limits::default().receive_window as usize;
    assert_eq!(taken, [window, window, window, window]);
    let limits = Limits { send_total: 300_000, ..Limits::default() };
    let mut ends = Ends::with_limits(5, limits, |_| {});
    ends.network.act(ends.server, |server, _| server.echoes = false);
    let mut taken = Vec::new();
    for _ in 0..24 {
        let conn = ends.open();
        ends.say(conn, "x");
        ends.network.run_for(Duration::from_secs(1));
        taken.push(ends.network.act(ends.server, |server, now| {
            let conn = server.machine.open().last().unwrap();
            server.machine.write(now, conn, &mut [pattern(4 << 20).into()])
        }));
    }
    assert_eq!(taken[..4], [window, 150_000, 100_000, 75_000]);
    assert_eq!(taken[20..], [16_384; 4], "the smallest");
    // The first connection, which wrote a large window while it was alone, has the same share now.
    ends.network.run_for(Duration::from_secs(5));
    let first = ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.machine.write(now, conn, &mut [pattern(4 << 20).into()])
    });
    assert_eq!(first, 16_384);
}

#[test]
fn the_last_words_arrive_before_the_end() {
    let mut ends = Ends::new(6, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    assert!(ends.run_until(5, |ends| ends.network.machine(ends.server).is_open()));
    let bytes = pattern(200_000);
    ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.say(now, conn, bytes.clone());
        server.machine.end(now, conn);
    });
    assert!(ends.run_until(5, |ends| !ends.closed().is_empty()));
    assert_eq!(ends.closed(), [Why::Ended]);
    assert!(ends.received(conn)[1..] == bytes[..]);
    ends.network.run_for(Duration::from_secs(10));
    let server = &ends.network.machine(ends.server).machine;
    let statistics = server.statistics();
    assert_eq!((statistics.connections, statistics.closed), (0, 1));
    // Nothing is reported to the server, which closed the connection itself.
    let is_closed = |event: &Event| matches!(event, Event::Closed { .. });
    assert!(!ends.network.machine(ends.server).events.iter().any(is_closed));
    assert_eq!(ends.network.machine(ends.client).machine.statistics().connections, 0);
}

#[test]
fn who_does_not_take_the_last_words_is_given_up_after_three_seconds() {
    let mut ends = Ends::new(7, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    ends.network.remove(ends.client);
    ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.say(now, conn, "goodbye");
        server.machine.end(now, conn);
    });
    let counts = |ends: &Ends| {
        let statistics = ends.network.machine(ends.server).machine.statistics();
        (statistics.closed, statistics.connections)
    };
    ends.network.run_for(Duration::from_millis(2_900));
    assert_eq!(counts(&ends), (0, 1));
    ends.network.run_for(Duration::from_millis(200));
    assert_eq!(counts(&ends).0, 1);
    ends.network.run_for(Duration::from_secs(10));
    assert_eq!(counts(&ends), (1, 0));
}

#[test]
fn what_arrived_before_the_end_can_be_read_when_it_is_reported() {
    let mut ends = Ends::new(12, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    ends.network.act(ends.client, |client, _| client.reads = false);
    ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.say(now, conn, "goodbye");
        server.machine.end(now, conn);
    });
    // All bytes have arrived, so the connection is closed; the client reads them when that is
    // reported.
    ends.network.act(ends.client, |client, _| client.reads_at_the_end = true);
    ends.network.run_for(Duration::from_secs(1));
    assert!(matches!(ends.closed()[..], [Why::ByPeer { code: 0, .. }]));
    assert_eq!(ends.network.machine(ends.client).text(conn), "xgoodbye");
    ends.network.run_for(Duration::from_secs(10));
    assert_eq!(ends.network.machine(ends.client).machine.statistics().connections, 0);
}

#[test]
fn a_close_comes_with_its_code_and_words() {
    let mut ends = Ends::new(8, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    ends.network.act(ends.server, |server, now| {
        let conn = server.machine.open().next().unwrap();
        server.machine.close(now, conn, 7, "enough");
    });
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.closed(), [Why::ByPeer { code: 7, reason: "enough".into() }]);
    // The same in the other direction, from the client.
    let conn = ends.open();
    ends.say(conn, "y");
    ends.network.run_for(Duration::from_secs(1));
    ends.network.act(ends.client, |client, now| client.machine.close(now, conn, 9, ""));
    ends.network.run_for(Duration::from_secs(1));
    let server = ends.network.machine(ends.server);
    let Some(Event::Closed { why, .. }) = server.events.last() else { panic!("not closed") };
    assert_eq!(*why, Why::ByPeer { code: 9, reason: "".into() });
    assert_eq!(ends.closed().len(), 1, "what the client closed itself is not reported to it");
}

#[test]
fn a_client_that_only_learns_the_key_is_no_failed_handshake() {
    let mut ends = Ends::new(10, |_| {});
    let conn = ends.open();
    ends.network.act(ends.client, |client, now| client.machine.close(now, conn, 0, "met"));
    ends.network.run_for(Duration::from_secs(1));
    let statistics = ends.network.machine(ends.server).machine.statistics();
    assert_eq!((statistics.met, statistics.failed, statistics.opened), (1, 0, 0));
}

#[test]
fn an_id_that_was_kept_too_long_finds_nobody() {
    let mut ends = Ends::new(9, |_| {});
    let old = ends.open();
    ends.network.act(ends.client, |client, now| client.machine.close(now, old, 0, ""));
    ends.network.run_for(Duration::from_secs(10));
    let new = ends.open();
    assert_ne!(old, new);
    ends.network.act(ends.client, |client, now| {
        let client = &mut client.machine;
        assert_eq!(client.write(now, old, &mut ["x".into()]), 0);
        assert_eq!(client.read(now, old, 10), None);
        client.end(now, old);
        client.close(now, old, 0, "");
        assert_eq!((client.peer(old), client.round_trip(old)), (None, None));
        assert!(client.peer(new).is_some() && client.round_trip(new).is_some());
    });
    assert!(ends.network.machine(ends.client).is_open());
}

#[test]
fn a_silent_connection_lives_by_few_datagrams_and_dies_with_its_client() {
    let mut ends = Ends::new(10, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(60));
    let before = ends.network.machine(ends.client).sent;
    ends.network.run_for(Duration::from_secs(3_600));
    let keep_alive = ends.network.machine(ends.client).sent - before;
    // One keep-alive every ten seconds.
    assert!((350..=420).contains(&keep_alive), "{keep_alive}");
    assert!(ends.network.machine(ends.server).is_open());
    ends.network.remove(ends.client);
    ends.network.run_for(Duration::from_secs(20));
    assert!(ends.network.machine(ends.server).is_open());
    ends.network.run_for(Duration::from_secs(11));
    let server = ends.network.machine(ends.server);
    let Some(Event::Closed { why, .. }) = server.events.last() else { panic!("not closed") };
    assert_eq!(*why, Why::TimedOut);
    let statistics = server.machine.statistics();
    assert_eq!((statistics.silent, statistics.closed, statistics.connections), (1, 1, 0));
}

#[test]
fn a_client_that_gives_no_sign_when_it_is_asked_is_gone_within_seconds() {
    let mut ends = Ends::new(14, |_| {});
    let conn = ends.open();
    ends.say(conn, "x");
    ends.network.run_for(Duration::from_secs(1));
    let probe = |ends: &mut Ends| {
        ends.network.act(ends.server, |server, now| {
            let conn = server.machine.open().next().unwrap();
            server.machine.probe(now, conn);
        });
        ends.network.run_for(Duration::from_secs(2));
    };
    (0..10).for_each(|_| probe(&mut ends));
    assert!(ends.network.machine(ends.server).is_open(), "it answers");
    ends.network.remove(ends.client);
    // Asking again prolongs nothing.
    (0..2).for_each(|_| probe(&mut ends));
    assert!(ends.network.machine(ends.server).is_open());
    probe(&mut ends);
    let server = ends.network.machine(ends.server);
    let closed = server.events.iter().find(|event| matches!(event, Event::Closed { .. }));
    assert!(matches!(closed, Some(Event::Closed { why: Why::TimedOut, .. })), "{closed:?}");
}

#[test]
fn one_drain_has_a_bound_and_the_next_goes_on() {
    let mut ends = Ends::new(13, |_| {});
    let conns: Vec<_> = (0..60)
        .map(|_| {
            let conn = ends.open();
            ends.say(conn, "x");
            conn
        })
        .collect();
    ends.network.run_for(Duration::from_secs(1));
    let bytes = Bytes::from(pattern(30_000));
    ends.network.act(ends.server, |server, now| {
        for conn in server.machine.open().collect::<Vec<_>>() {
            server.say(now, conn, bytes.clone());
        }
    });
    ends.network.run_for(Duration::from_secs(5));
    for conn in conns {
        assert!(ends.received(conn)[1..] == bytes[..]);
    }
    let largest = ends.network.machine(ends.server).largest_outbox;
    assert!((512 << 10..600 << 10).contains(&largest), "{largest}");
}

#[test]
fn one_client_may_have_several_connections() {
    let mut ends = Ends::new(11, |_| {});
    let conns: Vec<_> = (0..5).map(|_| ends.open()).collect();
    for (number, &conn) in conns.iter().enumerate() {
        ends.say(conn, format!("number {number}"));
    }
    ends.network.run_for(Duration::from_secs(1));
    for (number, &conn) in conns.iter().enumerate() {
        assert_eq!(ends.network.machine(ends.client).text(conn), format!("number {number}"));
    }
}
