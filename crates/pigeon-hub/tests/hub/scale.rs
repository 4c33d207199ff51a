//! A hundred thousand members. Work is counted instead of timed: a timing test fails on a busy
//! machine and proves nothing on a fast one.

use std::net::SocketAddr;

use pigeon_datagram::Machine;
use pigeon_proto::Format::{Chat, Raw};

use crate::harness::{Harness, SECOND, heartbeat, local};

/// Maximum number of datagrams that a single call may make the hub send, however many members there
/// are.
const MOST_IN_A_CALL: usize = 2_048;

/// Private addresses, 200 members behind each.
fn member(number: u32) -> SocketAddr {
    let ip = (number / 200).to_be_bytes();
    SocketAddr::from(([10, ip[1], ip[2], ip[3]], 1_024 + (number % 200) as u16))
}

/// The work when `count` members join together and time out together.
struct Silence {
    calls: usize,
    told: usize,
    most_in_a_call: usize,
}

fn silence(count: u32) -> Silence {
    let mut h = Harness::chat();
    for number in 0..count {
        h.hear(member(number), "^hb^");
        assert_eq!(h.transmits().len(), 0, "a join makes nothing to send");
    }
    assert_eq!(h.hub.member_count(), count as usize);
    while h.hub.poll_event().is_some() {}

    let end = h.now + 60 * SECOND;
    let mut seen = Silence { calls: 0, told: 0, most_in_a_call: 0 };
    while h.hub.member_count() > 0 {
        h.now = h.now.max(h.hub.poll_timeout().expect("members, and no timer"));
        assert!(h.now <= end, "dropped too late");
        h.hub.handle_timeout(h.now);
        seen.calls += 1;
        let sent = h.transmits().len();
        seen.told += sent;
        seen.most_in_a_call = seen.most_in_a_call.max(sent);
        while h.hub.poll_event().is_some() {}
    }
    seen
}

#[test]
fn falling_silent_costs_in_proportion_to_how_many_do() {
    let (quarter, whole) = (silence(25_000), silence(100_000));
    assert_eq!((quarter.told, whole.told), (25_000, 100_000));
    assert!(whole.calls <= 4 * quarter.calls + 8, "{} and {}", quarter.calls, whole.calls);
    assert!(whole.most_in_a_call <= MOST_IN_A_CALL, "{} at once", whole.most_in_a_call);
}

#[test]
fn the_living_are_served_while_others_are_dropped() {
    let mut h = Harness::chat();
    for number in 0..20_000 {
        h.hear(member(number), "^hb^");
    }
    h.drain();
    h.now = h.now + 29 * SECOND;
    h.from(local(5001), "^hb^");
    h.now = h.now + 2 * SECOND;
    // The driver can receive a datagram between any two calls.
    let mut calls = 0;
    while h.hub.member_count() > 1 {
        h.hub.handle_timeout(h.now);
        assert!(h.transmits().len() <= MOST_IN_A_CALL);
        h.now = h.now + std::time::Duration::from_millis(125);
        let answer = h.from(local(5001), heartbeat(64));
        assert_eq!(answer.len(), 1);
        calls += 1;
    }
    assert!(calls > 1);
    assert!(h.is_member(local(5001)));
}

#[test]
fn heartbeats_of_a_crowd_wake_no_timer_before_its_time() {
    let mut h = Harness::format(Raw);
    let mut woken = 0;
    for _ in 0..6 {
        for number in 0..20_000 {
            h.hear(member(number), "^hb^");
        }
        assert_eq!(h.drain(), []);
        h.now = h.now + 10 * SECOND;
        while h.hub.poll_timeout().is_some_and(|deadline| deadline <= h.now) {
            h.timeout();
            woken += 1;
        }
    }
    assert_eq!(h.hub.member_count(), 20_000);
    // A timer that checks members that are still alive would be called for each of them.
    assert!(woken <= 60, "woken {woken} times");
}

#[test]
fn a_batch_for_a_thousand_members_leaves_as_a_train_each() {
    for (format, everyone) in [(Chat, 1_001), (Raw, 1_000)] {
        let mut h = Harness::format(format);
        for number in 0..1_000 {
            h.hear(member(number), "^hb^");
        }
        h.hear(local(5001), "^hb^");
        h.drain();
        h.wait(2 * SECOND);
        for number in 0..64 {
            h.hear(local(5001), format!("message {number:02}"));
        }
        let trains = h.transmits();
        // In the raw format the speaker gets no copy.
        assert_eq!(trains.len(), everyone, "{format:?}");
        assert!(trains.iter().all(|train| train.count() == 64));
        // All trains point at the same bytes: nothing is copied per member.
        assert!(trains.iter().all(|train| train.range == trains[0].range));
        assert_eq!(h.hub.statistics().sent, 64 * everyone as u64);
    }
}

#[test]
fn more_than_a_train_holds_leaves_as_several() {
    // Trains limited by number: 64 datagrams. By size: a datagram's maximum over IPv4.
    for (size, messages, trains) in [(20, 200, 4), (8_000, 64, 8)] {
        let mut h = Harness::format(Raw);
        h.join(&[local(5001), local(5002)]);
        for number in 0..messages {
            let mut payload = vec![b' '; size];
            payload[..4].copy_from_slice(format!("{number:04}").as_bytes());
            h.hear(local(5001), payload);
        }
        let sent = h.transmits();
        assert_eq!(sent.len(), trains, "{size} bytes");
        assert_eq!(sent.iter().map(|train| train.count()).sum::<usize>(), messages);
    }
}

#[test]
fn a_message_to_a_hundred_thousand_is_written_once() {
    let mut h = Harness::chat();
    for number in 0..100_000 {
        h.hear(member(number), "^hb^");
    }
    h.transmits();
    h.hear(member(0), "hello");
    let mut copies = 0;
    while let Some(transmit) = h.hub.poll_transmit() {
        assert_eq!(&h.hub.outbox()[transmit.range], b"10.0.0.0:1024: hello\n");
        copies += 1;
    }
    assert_eq!(copies, 100_000);
    assert!(h.hub.outbox().len() < 1_000);
}
