//! Unknown senders and impostors can cost either end a bounded amount, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_guard::SourceRules;
use pigeon_netsim::simulation::Happening;
use pigeon_quic::{
    ALPN, Certificate, Client, ClientConfig, Endpoint, Event, Limits, Pin, Server, ServerConfig,
    Why,
};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::ends::{Ends, SERVER, address, base, pattern};
use crate::raw::Raw;

/// The datagrams that a machine sends.
pub(crate) fn sent(machine: &mut impl Machine) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(transmit) = machine.poll_transmit() {
        datagrams.extend(transmit.datagrams(machine.outbox()).map(<[u8]>::to_vec));
    }
    datagrams
}

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

fn new_server(limits: Limits) -> Server {
    let (certificate, sources) = (Certificate::generate().unwrap(), SourceRules::default());
    let certificate = &certificate;
    Server::new(ServerConfig { certificate, seed: [1; 32], base: base(), limits, sources }).unwrap()
}

fn new_client() -> Client {
    let limits = Limits::default();
    Client::new(ClientConfig { seed: [2; 32], base: base(), limits }).unwrap()
}

/// The first datagram of a client's new connection.
fn initial(client: &mut Client, now: Instant) -> Vec<u8> {
    client.connect(now, address(SERVER), Pin::FirstUse).unwrap();
    sent(client).concat()
}

fn hand(machine: &mut impl Machine, now: Instant, from: SocketAddr, payload: &[u8]) {
    machine.handle_datagram(now, &Received::new(from, payload));
}

/// The address of a test sender, in 198.18.0.0/15 (RFC 2544).
fn stranger(number: u32) -> SocketAddr {
    let [.., high, low] = number.to_be_bytes();
    SocketAddr::from(([198, 18, high, low], 5000))
}

#[test]
fn a_stranger_is_sent_less_than_it_sends() {
    let mut server = new_server(Limits::default());
    let mut client = new_client();
    let first = initial(&mut client, at(0));
    assert!(first.len() >= 1200);
    let mut seeds = Pcg64::seed_from_u64(1);
    let mut worst = 0.0f64;
    let mut answered = 0;
    let mut ask = |server: &mut Server, number: u32, datagram: &[u8]| {
        hand(server, at(number.into()), stranger(number), datagram);
        let answer: usize = sent(server).iter().map(Vec::len).sum();
        worst = worst.max(answer as f64 / datagram.len() as f64);
        answered += u32::from(answer > 0);
        answer
    };
    // A valid Initial: Retry.
    let retry = ask(&mut server, 0, &first);
    assert!((50..200).contains(&retry), "{retry}");
    // An Initial that is too short to be answered.
    assert_eq!(ask(&mut server, 1, &first[..1199]), 0);
    // An Initial of another version.
    let mut other = first.clone();
    other[1..5].copy_from_slice(&[0xff, 0, 0, 1]);
    assert!(ask(&mut server, 2, &other) > 0);
    assert_eq!(ask(&mut server, 3, &other[..1199]), 0);
    // A connection id that is too short.
    let mut short = first.clone();
    short[5] = 4;
    ask(&mut server, 4, &short);
    // Random lengths and bits.
    for number in 5..20_000 {
        let mut datagram = first.clone();
        for _ in 0..seeds.next_u32() % 4 {
            let bit = seeds.next_u32() as usize % (60 * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        if seeds.next_u32() % 4 == 0 {
            datagram.truncate(1 + seeds.next_u32() as usize % datagram.len());
        }
        ask(&mut server, number, &datagram);
    }
    assert!(answered > 1_000, "{answered}");
    assert!(worst <= 1.0, "{worst}");
    println!("amplification before the address is validated: {worst:.3} at the most");
    let statistics = server.statistics();
    assert_eq!((statistics.connections, statistics.handshakes), (0, 0));
}

#[test]
fn a_token_is_good_for_its_address_and_its_time() {
    let mut server = new_server(Limits::default());
    let mut client = new_client();
    let here = stranger(1);
    hand(&mut server, at(0), here, &initial(&mut client, at(0)));
    let retry = sent(&mut server).concat();
    hand(&mut client, at(0), address(SERVER), &retry);
    let with_token = sent(&mut client).concat();
    // The token from another address is refused, without state.
    hand(&mut server, at(1), stranger(2), &with_token);
    assert!(sent(&mut server).concat().len() < with_token.len());
    assert_eq!(server.statistics().connections, 0);
    // An expired token is refused, too.
    hand(&mut server, at(16_000), here, &with_token);
    assert_eq!(server.statistics().connections, 0);
    // A valid token in time is accepted.
    let mut server = new_server(Limits::default());
    let mut client = new_client();
    hand(&mut server, at(0), here, &initial(&mut client, at(0)));
    hand(&mut client, at(0), address(SERVER), &sent(&mut server).concat());
    hand(&mut server, at(14_000), here, &sent(&mut client).concat());
    assert_eq!(server.statistics().handshakes, 1);
}

#[test]
fn ten_thousand_forged_strangers_leave_nothing_behind() {
    let mut server = new_server(Limits::default());
    let mut client = new_client();
    let datagrams: Vec<_> = (0..100).map(|_| initial(&mut client, at(0))).collect();
    for number in 0..10_000 {
        hand(&mut server, at(number.into()), stranger(number), &datagrams[number as usize % 100]);
        sent(&mut server);
    }
    let statistics = server.statistics();
    assert_eq!((statistics.retries, statistics.connections), (10_000, 0));
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_flood_of_strangers_has_a_rate() {
    let limits = Limits { initials_per_second: 100, ..Limits::default() };
    let mut server = new_server(limits);
    let first = initial(&mut new_client(), at(0));
    for number in 0..10_000 {
        hand(&mut server, at(u64::from(number) / 10), stranger(number), &first);
        sent(&mut server);
    }
    let statistics = server.statistics();
    assert!((150..=202).contains(&statistics.retries), "{statistics:?}");
    assert_eq!(statistics.retries + statistics.dropped_initials, 10_000);
}

#[test]
fn handshakes_that_go_no_further_are_bounded_and_end() {
    let limits =
        Limits { handshakes: 200, connections: 400, per_address: 100, ..Limits::default() };
    let mut server = new_server(limits);
    // Each address receives, and stops after the server's first flight.
    for number in 0..1_000 {
        let mut client = new_client();
        // Half of them from one address.
        let from = if number % 2 == 0 { stranger(number) } else { stranger(1) };
        hand(&mut server, at(0), from, &initial(&mut client, at(0)));
        hand(&mut client, at(0), address(SERVER), &sent(&mut server).concat());
        hand(&mut server, at(0), from, &sent(&mut client).concat());
        sent(&mut server);
        let statistics = server.statistics();
        assert!(statistics.handshakes <= 200 && statistics.connections <= 400);
    }
    let statistics = server.statistics();
    assert_eq!(statistics.retries, 1_000);
    assert_eq!(statistics.handshakes, 200, "{statistics:?}");
    assert_eq!(statistics.refused_handshakes + statistics.refused_address, 800, "{statistics:?}");
    // The handshakes time out after ten seconds, and are dropped a little later.
    let mut now = Instant::ORIGIN;
    while let Some(next) = server.poll_timeout().filter(|&next| next < at(60_000)) {
        now = now.max(next);
        server.handle_timeout(now);
        sent(&mut server);
        assert!(server.poll_event().is_none(), "nobody asked about them");
    }
    let statistics = server.statistics();
    assert_eq!((statistics.handshakes, statistics.connections), (0, 0), "{statistics:?}");
    assert_eq!((statistics.slow, statistics.failed), (200, 200));
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let limits = Limits { per_address: 3, ..Limits::default() };
    let mut ends = Ends::with_limits(50, limits, |_| {});
    let first = ends.open();
    ends.open();
    ends.open();
    ends.connect(Pin::FirstUse);
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.closed(), [Why::Refused]);
    // A closed connection makes room.
    ends.network.act(ends.client, |client, now| client.machine.close(now, first, 0, ""));
    ends.network.run_for(Duration::from_secs(5));
    ends.open();
    // On the local network each address counts separately.
    ends.network.readdress(ends.client, address("10.0.0.3:4000"));
    let moved = ends.network.machine(ends.server).machine.statistics();
    assert_eq!((moved.connections, moved.refused_address), (3, 1));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let limits = Limits { per_address: 2, ..Limits::default() };
    let mut ends = Ends::with_limits(51, limits, |_| {});
    for (client, opens) in
        [("[2001:db8::1]:1", true), ("[2001:db8::2]:1", true), ("[2001:db8::3]:1", false)]
    {
        let node = ends.network.add(address(client), crate::ends::client(7));
        ends.network.act(node, |client, now| {
            client.machine.connect(now, address(SERVER), Pin::FirstUse).unwrap();
        });
        ends.network.run_for(Duration::from_secs(1));
        assert_eq!(ends.network.machine(node).is_open(), opens, "{client}");
    }
}

#[test]
fn a_full_server_says_so() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let mut ends = Ends::with_limits(52, limits, |_| {});
    ends.open();
    ends.open();
    ends.connect(Pin::FirstUse);
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.closed(), [Why::Refused]);
    assert_eq!(ends.network.machine(ends.server).machine.statistics().refused_full, 1);
}

#[test]
fn garbage_changes_nothing_at_either_end() {
    let mut ends = Ends::new(53, |network| network.log_limit(64 << 20));
    let conn = ends.open();
    ends.say(conn, pattern(20_000));
    ends.network.run_for(Duration::from_secs(5));
    let real: Vec<(SocketAddr, SocketAddr, Vec<u8>)> = ends
        .network
        .log()
        .filter(|entry| matches!(entry.what, Happening::Delivered))
        .map(|entry| (entry.from, entry.to, entry.payload.clone()))
        .collect();
    assert!(real.len() > 30);
    ends.network.log_limit(0);
    let mut seeds = Pcg64::seed_from_u64(53);
    let mut draw = |below: usize| seeds.next_u64() as usize % below;
    let strange = stranger(7);
    for round in 0..30_000 {
        let (from, to, payload) = &real[draw(real.len())];
        let mut payload = payload.clone();
        match round % 5 {
            // Replayed unchanged.
            0 => {}
            1 => payload.truncate(draw(payload.len() + 1)),
            2 => (0..1 + draw(8)).for_each(|_| {
                let bit = draw(payload.len() * 8);
                payload[bit / 8] ^= 1 << (bit % 8);
            }),
            3 => payload = (0..draw(1500)).map(|_| draw(256) as u8).collect(),
            _ => payload.extend((0..draw(60_000)).map(|n| n as u8)),
        }
        let from = if draw(4) == 0 { strange } else { *from };
        let is_to_server = *to == address(SERVER);
        let received =
            Received { length: payload.len() + draw(20) / 19, ..Received::new(from, &payload) };
        match is_to_server {
            true => ends.network.act(ends.server, |end, now| end.handle_datagram(now, &received)),
            false => ends.network.act(ends.client, |end, now| end.handle_datagram(now, &received)),
        }
        if round % 1000 == 0 {
            ends.network.run_for(Duration::from_millis(200));
        }
    }
    ends.network.run_for(Duration::from_secs(15));
    ends.say(conn, "still here");
    ends.network.run_for(Duration::from_secs(5));
    assert_eq!(ends.closed(), []);
    assert!(ends.network.machine(ends.client).text(conn).ends_with("still here"));
    let statistics = ends.network.machine(ends.server).machine.statistics();
    assert_eq!((statistics.opened, statistics.closed), (1, 0), "{statistics:?}");
    assert!(statistics.dropped_truncated > 100 && statistics.dropped_unknown > 100);
    assert!(statistics.connections < 10, "{statistics:?}");
}

#[test]
fn nobody_answers_addresses_that_cannot_have_sent() {
    let mut server = new_server(Limits::default());
    let first = initial(&mut new_client(), at(0));
    for from in ["0.0.0.0:1", "10.0.0.1:0", "224.0.0.1:5", "255.255.255.255:5", "[ff02::1]:5"] {
        hand(&mut server, at(0), address(from), &first);
        assert_eq!(sent(&mut server), [[0u8; 0]; 0], "{from}");
    }
    assert_eq!(server.statistics().dropped_sources, 5);
}

#[test]
fn another_certificate_is_refused_before_a_word_is_said() {
    let mut ends = Ends::new(54, |_| {});
    let expected = Certificate::generate().unwrap().fingerprint();
    let found = ends.certificate.fingerprint();
    ends.connect(Pin::Key(expected));
    ends.network.run_for(Duration::from_secs(1));
    assert_eq!(ends.closed(), [Why::WrongCertificate { expected, found }]);
    assert_eq!(ends.network.machine(ends.client).machine.statistics().opened, 0);
    let statistics = ends.network.machine(ends.server).machine.statistics();
    assert_eq!((statistics.opened, statistics.failed), (0, 1));
}

#[test]
fn a_copied_certificate_without_its_key_is_refused() {
    let (owner, thief) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    let found = owner.fingerprint();
    let key = PrivateKeyDer::from_pem_slice(thief.to_pem().as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).unwrap();
    let both = CertifiedKey::new(vec![owner.der().to_vec().into()], key);
    let mut tls = rustls::ServerConfig::builder_with_provider(ring())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(both)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = quinn_proto::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let tls = Arc::new(tls);
    for pin in [Pin::Key(found), Pin::FirstUse] {
        let config = quinn_proto::ServerConfig::with_crypto(tls.clone());
        let mut server = Raw::new(address(SERVER), Some(config));
        let mut client = new_client();
        let conn = client.connect(at(0), address(SERVER), pin).unwrap();
        server.talk(&mut client, stranger(1));
        let why = Why::NotItsCertificate { found };
        assert_eq!(client.poll_event(), Some(Event::Closed { conn, why }), "{pin:?}");
        assert!(server.lost.is_some());
    }
}

#[test]
fn a_client_of_another_protocol_gets_no_connection() {
    let mut tls = rustls::ClientConfig::builder_with_provider(ring())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = quinn_proto::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut server = new_server(Limits::default());
    let mut client = Raw::new(stranger(1), None);
    client.connect(quinn_proto::ClientConfig::new(Arc::new(tls)), address(SERVER));
    client.talk(&mut server, address(SERVER));
    let lost = client.lost.unwrap();
    assert!(lost.contains("no application protocol") || lost.contains("120"), "{lost}");
    let statistics = server.statistics();
    assert_eq!((statistics.handshakes, statistics.failed), (0, 1), "{statistics:?}");
    assert_eq!(server.poll_event(), None);
}

fn ring() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
