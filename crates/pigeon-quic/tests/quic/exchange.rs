//! What a connection is there for.

use pigeon_quic::{Endpoint, Event, Pin};

use crate::ends::{CLIENT, Ends, address};

#[test]
fn what_is_written_comes_back() {
    let mut ends = Ends::new(1, |_| {});
    let conn = ends.connect(Pin::FirstUse);
    assert!(ends.run_until(5, |ends| ends.network.machine(ends.client).is_open()));
    let client = ends.network.machine(ends.client);
    assert_eq!(client.machine.fingerprint(conn), Some(ends.certificate.fingerprint()));
    // Nothing but the handshake was sent: the server hears of the stream with its first byte.
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
}
