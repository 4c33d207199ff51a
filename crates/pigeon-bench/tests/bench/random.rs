//! Random datagrams: neither end panics, and no unproved address gets more than it sent.

use std::net::SocketAddr;

use pigeon_bench::{Client, HEADER, Header, Kind, Mode, Server};
use pigeon_datagram::{Instant, Machine, Received};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::harness::{CLIENT, SERVER, carry, config, millis, plan};

fn kinds() -> Vec<Kind> {
    let named = |kind: u8| {
        let mut datagram = [0; HEADER];
        datagram[..5].copy_from_slice(&[b'p', b'g', b'b', 1, kind]);
        Kind::of(&datagram)
    };
    (0..=u8::MAX).filter_map(named).collect()
}

/// A forged datagram: valid, cut, damaged, or random bytes.
fn forged() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![any::<u64>(), 0..1_000_u64, Just(u64::MAX)];
    let zeros = (0..200_usize).prop_map(|length| vec![0; length]);
    let body = prop_oneof![vec(any::<u8>(), 0..200), zeros];
    let sound = (prop::sample::select(kinds()), 0..3_u64, number, body);
    let sound = sound.prop_map(|(kind, session, number, body)| {
        let mut datagram = [vec![0; HEADER], body].concat();
        Header { kind, session, number, time: number, origin: 0 }.write(&mut datagram);
        datagram
    });
    let cut = (sound.clone(), 0..240_usize).prop_map(|(mut datagram, length)| {
        datagram.truncate(length);
        datagram
    });
    let damaged = (sound.clone(), any::<prop::sample::Index>()).prop_map(|(mut datagram, at)| {
        let at = at.index(datagram.len());
        datagram[at] ^= 1;
        datagram
    });
    prop_oneof![4 => sound, 1 => cut, 1 => damaged, 1 => vec(any::<u8>(), 0..200)]
}

/// The numbers of datagrams and bytes sent, which must all go to this address.
fn sent(machine: &mut impl Machine, to: SocketAddr) -> (usize, usize) {
    let (mut datagrams, mut bytes) = (0, 0);
    while let Some(transmit) = machine.poll_transmit() {
        assert_eq!(transmit.to, to);
        datagrams += transmit.count();
        bytes += transmit.range.len();
    }
    while machine.poll_event().is_some() {}
    (datagrams, bytes)
}

proptest! {
    /// Strangers cannot compute a token: each of their datagrams gets at most one answer, no longer
    /// than it, and nothing is stored.
    #[test]
    fn a_stranger_never_gets_more_than_it_sent(
        datagrams in vec((0..4_u8, forged(), 0..2_000_u64), 1..80),
    ) {
        let mut server = Server::new(config());
        let mut now = Instant::ORIGIN;
        for (host, datagram, wait) in datagrams {
            now = now + millis(wait);
            let from = SocketAddr::from(([203, 0, 113, host], 9));
            server.handle_datagram(now, &Received::new(from, &datagram));
            let (count, bytes) = sent(&mut server, from);
            prop_assert!(count <= 1 && bytes <= datagram.len());
            server.handle_timeout(now);
            prop_assert_eq!(sent(&mut server, from), (0, 0));
            prop_assert_eq!((server.sessions(), server.poll_timeout()), (0, None));
        }
    }

    /// Even a proved client's datagram draws no longer answer: it gets the requested data only over
    /// time, and other addresses still get nothing.
    #[test]
    fn a_client_cannot_break_its_server(
        datagrams in vec((forged(), 0..400_u64), 1..80),
        mode in prop::sample::select(vec![Mode::Up, Mode::Down, Mode::Both, Mode::Ping]),
    ) {
        let mut now = Instant::ORIGIN;
        let mut server = Server::new(config());
        let mut client = Client::new(now, SERVER.into(), 1, plan(mode, 100)).unwrap();
        for _ in 0..2 {
            carry(now, (&mut client, CLIENT.into()), &mut server);
            carry(now, (&mut server, SERVER.into()), &mut client);
        }
        prop_assert_eq!(server.sessions(), 1);
        for (datagram, wait) in datagrams {
            now = now + millis(wait);
            server.handle_datagram(now, &Received::new(CLIENT.into(), &datagram));
            let (count, bytes) = sent(&mut server, CLIENT.into());
            prop_assert!(count <= 1 && bytes <= datagram.len());
            server.handle_timeout(now);
            // A hundred datagrams a second of 64 bytes, for at most the silence limit, and a
            // report.
            let (count, _) = sent(&mut server, CLIENT.into());
            prop_assert!(count as u64 <= wait / 10 + 2, "{} after {} ms", count, wait);
            prop_assert!(server.sessions() <= 1);
        }
    }

    /// A client accepts datagrams only from its server, and survives any of them.
    #[test]
    fn a_client_survives_any_server(
        datagrams in vec((forged(), 0..300_u64), 1..80),
        mode in prop::sample::select(vec![Mode::Up, Mode::Down, Mode::Both, Mode::Ping]),
    ) {
        let mut client = Client::new(Instant::ORIGIN, SERVER.into(), 1, plan(mode, 100)).unwrap();
        let mut now = Instant::ORIGIN;
        for (datagram, wait) in datagrams {
            now = now + millis(wait);
            client.handle_datagram(now, &Received::new(CLIENT.into(), &datagram));
            client.handle_datagram(now, &Received::new(SERVER.into(), &datagram));
            sent(&mut client, SERVER.into());
            client.handle_timeout(now);
            sent(&mut client, SERVER.into());
            client.snapshot();
        }
    }
}
