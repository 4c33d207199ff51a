//! A service at a fixed time, and its replies.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_services::{Config, Kind, Service, WallClock};

/// Friday, 20 November 2026, 21:04:05 UTC.
pub(crate) const NOW: Duration = Duration::from_secs(1_795_208_645);

/// Central European time in POSIX form, which needs no time zone database.
pub(crate) const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

pub(crate) fn at(millis: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(millis)
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn config() -> Config {
    Config { zone: TimeZone::posix(ZONE).unwrap(), reply: b"Noted.".to_vec(), ..Config::default() }
}

pub(crate) fn service(kind: Kind, config: Config) -> Service {
    Service::new(kind, config, WallClock::new(NOW, Instant::ORIGIN))
}

/// Everything that the service sends.
pub(crate) fn drain(service: &mut Service) -> Vec<(SocketAddr, Vec<u8>)> {
    let transmits: Vec<_> = std::iter::from_fn(|| service.poll_transmit()).collect();
    let outbox = service.outbox();
    let datagrams = transmits.iter().flat_map(|transmit| {
        transmit.datagrams(outbox).map(|datagram| (transmit.to, datagram.to_vec()))
    });
    datagrams.collect()
}

/// The reply to one datagram.
pub(crate) fn ask(service: &mut Service, from: &str, payload: &[u8]) -> Option<Vec<u8>> {
    let from = address(from);
    service.handle_datagram(Instant::ORIGIN, &Received::new(from, payload));
    let mut replies = drain(service);
    assert!(replies.len() <= 1);
    let (to, reply) = replies.pop()?;
    assert_eq!(to, from);
    Some(reply)
}

/// A client's request for network time.
pub(crate) fn sntp_request() -> Vec<u8> {
    pigeon_services::sntp::request(0x0123_4567_89ab_cdef).to_vec()
}

/// Reproducible pseudorandom numbers (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
