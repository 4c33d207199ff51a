//! A random request to a service, and its reply sent to another service of the same kind.
//!
//! The first byte selects the service, the next eight the time of day, the rest is the request.
//! Invariants: no panic; at most one reply, no longer than a datagram; a format's result is
//! bounded; outside the open networks a reply is not longer than its request; and a typed service's
//! reply is never answered.
#![no_main]

use std::time::Duration;

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, Machine, Received};
use pigeon_services::{Config, Kind, Service, WallClock, strftime};

const OPEN: &str = "192.168.1.7:5000";
const BEYOND: &str = "203.0.113.7:5000";

fuzz_target!(|data: &[u8]| {
    let Some((&[selector, a, b, c, d, e, f, g, h], request)) = data.split_first_chunk::<9>() else {
        return;
    };
    let kind = Kind::ALL[usize::from(selector) % Kind::ALL.len()];
    // Any time, even beyond all calendars.
    let unix = Duration::from_secs(u64::from_be_bytes([a, b, c, d, e, f, g, h]));

    let mut text = b"before".to_vec();
    let formatted = strftime::format(request, unix, &TimeZone::UTC, &mut text);
    assert!(text.starts_with(b"before") && text.len() <= 6 + strftime::MAX_OUTPUT);
    assert!(formatted.is_ok() || text == b"before");

    let reply = answer(kind, unix, OPEN, request);
    if let Some(reply) = &reply {
        assert!(reply.len() <= MAX_PAYLOAD_V4);
        let typed = matches!(kind, Kind::Size | Kind::Time | Kind::Daytime | Kind::Sntp);
        // `%%` in a format becomes a conversion in the reply; each round removes one sign.
        let formats = kind == Kind::Time && reply.contains(&b'%');
        if typed && !formats {
            assert_eq!(answer(kind, unix, OPEN, reply), None, "{kind} answers its own reply");
        }
    }
    if let Some(reply) = answer(kind, unix, BEYOND, request) {
        assert!(reply.len() <= request.len(), "{kind} amplifies");
    }
});

fn answer(kind: Kind, unix: Duration, from: &str, request: &[u8]) -> Option<Vec<u8>> {
    let now = Instant::ORIGIN;
    let mut service = Service::new(kind, Config::default(), WallClock::new(unix, now));
    let from = from.parse().expect("an address");
    service.handle_datagram(now, &Received::new(from, request));
    let reply = service.poll_transmit().map(|transmit| {
        assert_eq!((transmit.to, transmit.count()), (from, 1));
        service.outbox()[transmit.range].to_vec()
    });
    assert!(service.poll_transmit().is_none(), "two replies");
    reply
}
