//! Crowds: forged members that fill a hub, strangers that request lines, and newcomers that must
//! get in anyway.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use pigeon_hub::{Config, Dropped, Left, SourceRules};
use pigeon_proto::Format::Chat;

use crate::harness::{
    FORMATS, Harness, SECOND, address, beyond, bytes_got, got, heartbeat, local, open,
};

/// One of any number of untrusted addresses.
fn stranger(n: u32) -> SocketAddr {
    let [a, b, c, d] = n.wrapping_mul(2_654_435_761).to_be_bytes();
    SocketAddr::from(([11 + a % 100, b, c, d], 1_024 + (n % 60_000) as u16))
}

/// An address of an open network.
fn neighbour(n: u32) -> SocketAddr {
    let [_, b, c, d] = n.to_be_bytes();
    SocketAddr::from(([10, b, c, d], 7))
}

// A full hub.

#[test]
fn a_newcomer_takes_the_place_of_the_member_that_was_heard_once_longest_ago() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 4, ..Config::of(format) });
        h.join(&[local(5001), local(5002)]);
        h.from(local(5003), "once");
        h.wait(SECOND);
        h.from(local(5004), "once, later");
        assert_eq!(h.from(local(5005), "").len(), 0, "{format:?}: nobody is told");
        assert!(h.is_member(local(5005)) && !h.is_member(local(5003)), "{format:?}");
        h.from(local(5006), "");
        assert!(h.is_member(local(5006)) && !h.is_member(local(5004)));
        assert_eq!(h.hub.statistics().left(Left::Displaced), 2);
        assert_eq!((h.hub.member_count(), h.dropped(Dropped::HubFull)), (4, 0));
        // The next datagram makes the address a member again, and its previous slot is in order.
        assert_eq!(bytes_got(&h.from(local(5003), "again"), local(5001)).len(), 1);
        assert!(!h.is_member(local(5005)));
        h.from(local(5006), "heard again");
        h.from(local(5003), "heard again");
        let refused = h.from(local(5007), "x".repeat(100));
        assert!(!h.is_member(local(5007)) && refused.iter().all(|(to, _)| *to == local(5007)));
        assert_eq!(h.dropped(Dropped::HubFull), 1);
        for member in [local(5001), local(5002)] {
            assert!(h.is_member(member));
        }
    }
}

#[test]
fn for_a_newcomer_that_is_refused_anyway_nobody_gives_way() {
    let config = Config { max_members: 3, max_per_address: Some(1), ..Config::default() };
    let mut h = Harness::new(config);
    h.join(&[open(7)]);
    h.from(local(5001), "once");
    h.from(local(5002), "once");
    h.from(open(8), "too many from there");
    assert_eq!(h.dropped(Dropped::AddressFull), 1);
    assert_eq!(h.hub.statistics().left(Left::Displaced), 0);
}

#[test]
fn a_flood_of_forged_members_pushes_out_itself_and_nobody_else() {
    let mut h = Harness::new(Config { max_members: 1_000, ..Config::default() });
    let living: Vec<SocketAddr> = (5_001..5_011).map(local).collect();
    h.join(&living);
    for n in 0..20_000 {
        h.hear(neighbour(n), "^hb^");
        if n % 500 == 0 {
            h.transmits();
        }
    }
    assert!(living.iter().all(|&member| h.is_member(member)));
    assert_eq!(h.hub.member_count(), 1_000);
    // A newcomer gets in, and stays once it is heard again.
    h.from(local(6_000), "^hb^");
    h.from(local(6_000), "^hb^");
    (20_000..25_000).for_each(|n| h.hear(neighbour(n), "^hb^"));
    assert!(h.is_member(local(6_000)));
    assert_eq!(bytes_got(&h.from(local(6_000), "hello"), living[0]).len(), 1);
}

#[test]
fn strangers_leave_a_quarter_to_those_nearby() {
    let mut h = Harness::new(Config { max_members: 100, ..Config::default() });
    for n in 0..200 {
        let from = stranger(n);
        if h.try_to_join(from) {
            h.from(from, "^hb^");
        }
    }
    assert_eq!(h.hub.member_count(), 75);
    for n in 0..25 {
        h.from(neighbour(n), "^hb^");
        h.from(neighbour(n), "^hb^");
    }
    assert_eq!(h.hub.member_count(), 100);
    assert_eq!(h.hub.statistics().left(Left::Displaced), 0);
    // A member that leaves frees a place.
    let gone = (0..200).map(stranger).find(|&from| h.is_member(from)).unwrap();
    h.from(gone, "quit");
    assert!(h.try_to_join(stranger(500)));
    assert_eq!(h.hub.member_count(), 100);
}

#[test]
fn at_their_bound_strangers_push_out_strangers_only() {
    let mut h = Harness::new(Config { max_members: 8, ..Config::default() });
    // Each address is heard once: its proof.
    (0..6).for_each(|n| assert!(h.try_to_join(stranger(n))));
    h.from(neighbour(1), "^hb^");
    assert!(h.try_to_join(stranger(6)) && !h.is_member(stranger(0)), "six is their bound");
    assert!(h.is_member(neighbour(1)));
    h.from(neighbour(2), "^hb^");
    assert_eq!(h.hub.member_count(), 8);
    (1..7).for_each(|n| drop(h.from(stranger(n), "^hb^")));
    assert!(!h.try_to_join(stranger(7)), "nobody of theirs was heard once");
    assert!(h.is_member(neighbour(1)) && h.is_member(neighbour(2)));
    // Members of open networks displace each other first.
    h.from(neighbour(3), "^hb^");
    assert!(h.is_member(neighbour(3)) && !h.is_member(neighbour(1)));
}

#[test]
fn a_hub_of_few_takes_strangers_too() {
    for (most, expected) in [(1, 1), (2, 2), (3, 3), (4, 3), (8, 6)] {
        let mut h = Harness::new(Config { max_members: most, ..Config::default() });
        for n in 0..9 {
            if h.try_to_join(stranger(n)) {
                h.from(stranger(n), "^hb^");
            }
        }
        assert_eq!(h.hub.member_count(), expected, "of {most}");
    }
}

#[test]
fn an_open_ipv6_network_of_64_bits_does_not_fill_the_hub() {
    let mut h = Harness::chat();
    let host = |net: u16, n: u32| {
        let [hi, lo] = [(n >> 16) as u16, n as u16];
        SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, net, 0, 0, hi, lo), 7))
    };
    for n in 1..=10_000 {
        h.hear(host(1, n), "^hb^");
        if n % 1_000 == 0 {
            h.transmits();
        }
    }
    assert_eq!(h.hub.member_count(), 4_096);
    assert_eq!(h.dropped(Dropped::AddressFull), 10_000 - 4_096);
    // Members join from another network, and one leaves this network.
    h.from(host(2, 1), "^hb^");
    assert!(h.is_member(host(2, 1)));
    h.from(host(1, 1), "quit");
    h.from(host(1, 20_000), "^hb^");
    assert!(h.is_member(host(1, 20_000)));
    // The limit per /64 does not apply to IPv4 addresses.
    (0..300).for_each(|n| h.hear(neighbour(256 * n), "^hb^"));
    assert_eq!(h.hub.member_count(), 4_097 + 300);
}

// Lines to addresses that are not members.

/// The number of lines to an address that answers every line with `answer`, in this time.
fn converse(h: &mut Harness, with: SocketAddr, answer: &[u8], time: Duration) -> usize {
    let (end, mut lines) = (h.now + time, 0);
    let mut waiting = bytes_got(&h.from(with, answer), with).len();
    while h.now < end {
        for _ in 0..waiting.min(1_000) {
            lines += 1;
            waiting += bytes_got(&h.from(with, answer), with).len();
            waiting -= 1;
        }
        h.wait(Duration::from_millis(10));
    }
    lines + waiting
}

#[test]
fn whatever_answers_a_refusal_gets_one_a_second() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
        h.join(&[local(5001)]);
        for answer in
            [&b"Your data was 42 bytes, and that is all I say of it, always"[..], &heartbeat(64)]
        {
            let lines = converse(&mut h, local(5002), answer, 10 * SECOND);
            assert!(lines <= 11, "{format:?}: {lines}");
            h.from(local(5001), "");
        }
    }
}

#[test]
fn whatever_answers_a_demand_for_proof_gets_one_a_second() {
    let mut h = Harness::chat();
    let lines = converse(&mut h, beyond(7), &[b'x'; 64], 10 * SECOND);
    assert!((1..=11).contains(&lines), "{lines}");
    for second in 0..3 {
        for _ in 0..1_000 {
            h.from(beyond(8), heartbeat(64));
        }
        assert_eq!(h.hub.statistics().proofs_asked, lines as u64 + second + 1);
        h.wait(SECOND);
    }
    assert!(h.hub.statistics().lines_withheld >= 2_900);
}

#[test]
fn an_address_gets_twenty_lines_a_second_whatever_its_ports() {
    for full in [false, true] {
        let max_members = if full { 1 } else { 100 };
        let sources =
            SourceRules { open: vec!["127.0.0.0/8".parse().unwrap()], ..SourceRules::default() };
        let mut h = Harness::new(Config { max_members, sources, ..Config::default() });
        h.join(&[local(5001)]);
        let from = |port| if full { local(port) } else { open(port) };
        let lines = |h: &mut Harness| -> usize {
            (6_000..7_000).map(|port| h.from(from(port), heartbeat(64)).len()).sum()
        };
        assert_eq!(lines(&mut h), 20, "full: {full}");
        h.wait(SECOND);
        assert_eq!(lines(&mut h), 20);
        h.wait(SECOND / 2);
        assert_eq!(lines(&mut h), 10);
    }
    // An untrusted IPv6 /64 counts as one address.
    let mut h = Harness::chat();
    let asked =
        (1..1_000).map(|n| h.from(address(&format!("[2001:db8::{n:x}]:7")), heartbeat(64)).len());
    assert_eq!(asked.sum::<usize>(), 20);
}

#[test]
fn forty_pupils_behind_one_address_get_in_within_five_seconds() {
    let mut h = Harness::chat();
    h.join(&[local(5001)]);
    let pupils: Vec<SocketAddr> = (0..40).map(|n| beyond(20_000 + n)).collect();
    let mut members = 0;
    // Like a client: at once, and every two seconds until it is a member, during a flood of
    // strangers.
    for second in 0..5 {
        for &pupil in pupils.iter().filter(|_| second % 2 == 0) {
            members += usize::from(!h.is_member(pupil) && h.try_to_join(pupil));
        }
        (0..20_000).for_each(|n| h.hear(stranger(20_000 * second + n), heartbeat(64)));
        h.transmits();
        h.from(local(5001), "");
        h.wait(SECOND);
    }
    assert_eq!(members, 40);
}

#[test]
fn a_million_forged_strangers_lock_no_newcomer_out() {
    let mut h = Harness::chat();
    for n in 0..1_000_000 {
        h.hear(stranger(n), heartbeat(64));
        if n % 1_024 == 0 {
            h.transmits();
        }
    }
    h.transmits();
    let newcomers = (0..1_000).map(|n| SocketAddr::from(([203, 0, 113, (n % 250) as u8], 100 + n)));
    let joined = newcomers.filter(|&newcomer| h.try_to_join(newcomer)).count();
    assert_eq!(joined, 1_000);
}

#[test]
fn questions_for_hubs_are_answered_as_seldom() {
    let discovery = Some(pigeon_hub::Discovery { id: 7, port: 9999, ..Default::default() });
    let mut h = Harness::new(Config { discovery, ..Config::of(Chat) });
    let mut answers: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for n in 0..200 {
        h.hear(open(7 + n % 2), format!("{:256}", format!("/discover n{n}")));
    }
    for (to, bytes) in h.wait(SECOND) {
        assert!(bytes.starts_with(b"/here "));
        *answers.entry(to).or_default() += 1;
    }
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [1, 1]);
    assert_eq!(got(&h.from(open(7), ""), open(7)), [""; 0]);
}
