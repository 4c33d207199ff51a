//! Every service against every other, and against a stranger's echo, after one datagram with a
//! forged sender.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_netsim::path::Conditions;
use pigeon_netsim::simulation::{Network, Node, Peer};
use pigeon_services::{Config, Event, Ignored, Kind, Service};

use crate::harness::{address, config, service, sntp_request};

const A: &str = "10.0.0.1:7000";
const B: &str = "10.0.0.2:7000";

/// On one host, where there is no network to protect.
const A_HERE: &str = "127.0.0.1:7000";
const B_HERE: &str = "127.0.0.1:7001";

/// How long each pair is watched.
const WATCH: Duration = Duration::from_secs(5);

/// Every service, including `fixed` with its text.
fn all() -> impl Iterator<Item = Kind> + Clone {
    Kind::ALL.into_iter().chain([Kind::Fixed])
}

/// Requests that start a loop: each would get a reply from the service.
fn lures(kind: Kind) -> Vec<Vec<u8>> {
    match kind {
        Kind::Sntp => vec![sntp_request()],
        Kind::Time => vec![b"".to_vec(), b"%Y".to_vec(), b"%Q".to_vec(), b"\xff".to_vec()],
        _ => vec![b"hello".to_vec(), b"".to_vec(), b"%Y".to_vec(), sntp_request()],
    }
}

/// A network with delays that let a loop turn about 2,500 times a second.
fn network() -> Network {
    let mut network = Network::new(1);
    let delay = Duration::from_micros(100);
    network.default_conditions(Conditions { delay, ..Conditions::default() }).unwrap();
    network.log_limit(0);
    network
}

/// Sends a datagram to `to` `times` times, with `from` as the forged sender.
fn forge(network: &mut Network, from: &str, to: &str, payload: &[u8], times: usize) {
    // Datagrams already sent stay in flight when another peer takes the address.
    let forger = network.add(address(from), Peer::new());
    network.act(forger, |peer, _| (0..times).for_each(|_| peer.send(address(to), payload)));
}

fn replies(network: &Network, node: Node<Service>) -> u64 {
    network.machine(node).snapshot().replies
}

/// The number of replies of each, after one datagram to `a` with `b` as the forged sender.
fn pair(a: Kind, b: Kind, lure: &[u8]) -> (u64, u64, Vec<Event>) {
    pair_at([A, B], [a, b], lure)
}

fn pair_at(at: [&str; 2], [a, b]: [Kind; 2], lure: &[u8]) -> (u64, u64, Vec<Event>) {
    let mut network = network();
    forge(&mut network, at[1], at[0], lure, 1);
    let a = network.add(address(at[0]), service(a, config()));
    // A text of its own, so that neither recognises the other's reply as its own.
    let other = Config { reply: b"So it is.".to_vec(), ..config() };
    let b = network.add(address(at[1]), service(b, other));
    network.run_for(WATCH);
    let told = [a, b].into_iter().flat_map(|node| network.take_events(node));
    let told = told.map(|(_, event)| event).collect();
    (replies(&network, a), replies(&network, b), told)
}

fn is_untyped(kind: Kind) -> bool {
    matches!(kind, Kind::Echo | Kind::Upper | Kind::Fixed)
}

/// Every pair, on a network and on one host: replies that look like requests loop between two
/// services until they exceed the rate, and the first request over it ends the loop.
#[test]
fn one_forged_datagram_draws_a_bounded_number_from_every_pair() {
    for at in [[A, B], [A_HERE, B_HERE]] {
        for (a, b) in all().flat_map(|a| all().map(move |b| (a, b))) {
            for lure in lures(a) {
                let (from_a, from_b, _) = pair_at(at, [a, b], &lure);
                let most = if is_untyped(a) && is_untyped(b) { 4_000 } else { 2 };
                let what = format!("{a} and {b} at {at:?} after {}", lure.escape_ascii());
                assert!(from_a <= most && from_b <= most, "{what}: {from_a} and {from_b} replies");
            }
        }
    }
}

#[test]
fn pairs_whose_replies_can_be_recognised_stop_after_one_reply_each() {
    for a in all() {
        for b in all().filter(|&b| !(is_untyped(a) && is_untyped(b))) {
            for lure in lures(a) {
                let (from_a, from_b, told) = pair(a, b, &lure);
                let what = format!("{a} and {b} after {:?}", lure.escape_ascii().to_string());
                // A reply of an untyped service is itself a request.
                let most = if is_untyped(a) || is_untyped(b) { 2 } else { 1 };
                assert!(from_a <= most && from_b <= most, "{what}: {from_a} and {from_b} replies");
                assert!(told.is_empty(), "{what}: {told:?}");
            }
        }
    }
}

#[test]
fn formats_within_formats_come_to_an_end() {
    // Each reply equals the request before it, but its percent signs double every time, so this
    // ends.
    let mut lure = "%H".to_owned();
    for _ in 0..6 {
        lure = format!("%H {}", lure.replace('%', "%%"));
    }
    let (from_a, from_b, _) = pair(Kind::Time, Kind::Time, lure.as_bytes());
    assert_eq!((from_a, from_b), (4, 3));
}

#[test]
fn what_a_reply_says_in_so_many_words_is_not_even_answered_once() {
    let texts = [Kind::Size, Kind::Time, Kind::Daytime, Kind::Sntp, Kind::Discard];
    for a in [Kind::Size, Kind::Daytime, Kind::Sntp] {
        for b in texts {
            let lure = if a == Kind::Sntp { sntp_request() } else { b"hello".to_vec() };
            let (from_a, from_b, _) = pair(a, b, &lure);
            // Services that measure or discard requests accept an SNTP reply as one.
            let answers = u64::from(a == Kind::Sntp && b != Kind::Sntp && b != Kind::Discard);
            assert_eq!((from_a, from_b), (1, answers), "{a} and {b}");
        }
    }
}

#[test]
fn echo_against_echo_keeps_within_the_rate_and_says_so() {
    for (a, b) in [(Kind::Echo, Kind::Echo), (Kind::Echo, Kind::Upper), (Kind::Upper, Kind::Upper)]
    {
        let mut network = network();
        // Enough datagrams to keep the loop going when single ones are dropped.
        forge(&mut network, B, A, b"hello", 5_000);
        let a = network.add(address(A), service(a, config()));
        let b = network.add(address(B), service(b, config()));
        network.run_for(WATCH);
        // A burst of one second's worth, and then the rate.
        let most = 1_000 * (WATCH.as_secs() + 1);
        let (from_a, from_b) = (replies(&network, a), replies(&network, b));
        assert!(from_a <= most && from_b <= most, "{from_a} and {from_b}");
        let limited = network.machine(a).snapshot().ignored(Ignored::SourceRate);
        assert!(from_a >= 1_000 && limited > 0);
        let bound = Ignored::SourceRate;
        let (_, told) = network.take_events(a).remove(0);
        assert_eq!(told, Event::Limited { source: address(B), bound, requests: 1 });
    }
}

#[test]
fn one_forged_datagram_between_two_echoes_dies_at_the_rate() {
    let (from_a, from_b, told) = pair(Kind::Echo, Kind::Echo, b"hello");
    // The loop exceeds the rate, and the first request over it ends the loop.
    assert!((1_000..4_000).contains(&from_a), "{from_a}");
    assert!(from_a.abs_diff(from_b) <= 1);
    let sources: Vec<SocketAddr> = told
        .iter()
        .filter_map(|event| match event {
            Event::Limited { source, bound: Ignored::SourceRate, .. } => Some(*source),
            _ => None,
        })
        .collect();
    assert_eq!(sources.len(), 1);
}

#[test]
fn a_strangers_echo_starts_nothing_that_lasts() {
    for kind in all() {
        for lure in lures(kind) {
            for (port, is_low) in [(7, true), (7_007, false)] {
                let mut network = network();
                let stranger = format!("10.0.0.2:{port}");
                forge(&mut network, &stranger, A, &lure, 1);
                let echo = Peer::new().answering(|payload| Some(payload.to_vec()));
                network.add(address(&stranger), echo);
                let node = network.add(address(A), service(kind, config()));
                network.run_for(WATCH);
                let most = match kind {
                    // inetd's own services use ports below 1024.
                    _ if is_low && kind != Kind::Sntp => 0,
                    _ if is_untyped(kind) => 1_000 * (WATCH.as_secs() + 1),
                    _ => 1,
                };
                let replies = replies(&network, node);
                assert!(replies <= most, "{kind} on {port}: {replies}");
            }
        }
    }
}

#[test]
fn a_stranger_that_answers_anything_with_a_request_meets_the_rate() {
    for kind in [Kind::Size, Kind::Time, Kind::Daytime] {
        let mut network = network();
        forge(&mut network, B, A, b"%H", 1);
        network.add(address(B), Peer::new().answering(|_| Some(b"100% of %H".to_vec())));
        let node = network.add(address(A), service(kind, config()));
        network.run_for(WATCH);
        let statistics = network.machine(node).snapshot();
        assert!((1_000..6_000).contains(&statistics.replies), "{kind}: {}", statistics.replies);
        assert_eq!(statistics.ignored(Ignored::SourceRate), 1);
        assert_eq!(network.events(node).len(), 1);
    }
}
