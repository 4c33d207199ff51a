//! Several sockets in one loop.

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use pigeon_datagram::{Received, Transmit};
use pigeon_net::{IoPath, Receipt, Socket, Sockets};

use crate::{loopback, on_every_path, options, plain_peer, receive_plain, until};

on_every_path!(
    each_socket_has_its_own_datagrams_and_its_turn,
    a_socket_that_was_removed_is_gone_but_still_counted,
    a_train_may_arrive_joined,
);

fn bind(path: IoPath) -> Socket {
    Socket::bind(loopback(), &options(path)).unwrap()
}

fn set(path: IoPath, count: usize) -> (Sockets, Vec<SocketAddr>) {
    let mut sockets = Sockets::new().unwrap();
    let first = bind(path);
    let mut addresses = Vec::new();
    for key in 1..count {
        let mut socket = bind(path);
        socket.share_buffers(&first);
        addresses.push(socket.local_addr());
        sockets.insert(key, socket).unwrap();
    }
    addresses.insert(0, first.local_addr());
    sockets.insert(0, first).unwrap();
    (sockets, addresses)
}

/// One turn: the first bytes of what it brought, and from which socket.
fn turn(sockets: &mut Sockets) -> Option<(usize, Vec<u8>)> {
    sockets.wait(Some(Duration::from_secs(10))).unwrap();
    let key = sockets.next_ready()?;
    let mut bytes = Vec::new();
    sockets.receive(key, &mut |datagram| bytes.push(datagram.payload[0])).unwrap();
    Some((key, bytes))
}

fn each_socket_has_its_own_datagrams_and_its_turn(path: IoPath) {
    let (mut sockets, addresses) = set(path, 3);
    let peer = plain_peer("127.0.0.1:0");
    let (mut heard, mut turns) = (vec![Vec::new(); 3], Vec::new());
    // More than a batch each.
    for n in 0..100_u8 {
        for to in &addresses {
            peer.send_to(&[n], to).unwrap();
        }
    }
    until(|| {
        if let Some((key, bytes)) = turn(&mut sockets)
            && !bytes.is_empty()
        {
            heard[key].extend(bytes);
            turns.push(key);
        }
        heard.iter().all(|bytes| bytes.len() == 100).then_some(())
    });
    assert!(heard.iter().all(|bytes| bytes.iter().copied().eq(0..100)));
    // Nobody had a second batch before everybody had a first.
    let mut first: Vec<usize> = turns[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
}

fn a_socket_that_was_removed_is_gone_but_still_counted(path: IoPath) {
    let (mut sockets, addresses) = set(path, 2);
    let peer = plain_peer("127.0.0.1:0");
    let to = peer.local_addr().unwrap();
    let transmit = Transmit { to, from: None, range: 0..5, segment: None };
    let patience = Duration::from_secs(1);
    let report = sockets.send(1, b"hello", std::slice::from_ref(&transmit), patience).unwrap();
    assert_eq!(report.sent, 1);
    assert_eq!(receive_plain(&peer), b"hello");
    sockets.remove(1);
    assert!(sockets.get(1).is_none() && sockets.get(0).is_some());
    assert!(sockets.send(1, b"hello", &[transmit], patience).is_none());
    assert_eq!(sockets.receive(1, &mut |_| {}).unwrap(), Receipt::Empty);
    assert_eq!(sockets.stats().sent.datagrams, 1);
    // The port is free again.
    UdpSocket::bind(addresses[1]).unwrap();
}

/// However much of it the kernel joins: the bytes are the same, and cut at the size told they are the
/// datagrams that were sent.
fn a_train_may_arrive_joined(path: IoPath) {
    let (mut sockets, addresses) = set(path, 2);
    let bytes: Vec<u8> = (0..95).collect();
    let segment = NonZeroU16::new(10);
    let train = Transmit { to: addresses[0], from: None, range: 0..95, segment };
    sockets.send(1, &bytes, &[train], Duration::from_secs(1)).unwrap();
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    until(|| {
        let each = &mut |joined: Received<'_>, segment: usize| {
            datagrams.extend(joined.payload.chunks(segment).map(<[u8]>::to_vec));
        };
        sockets.receive_joined(0, each).unwrap();
        (datagrams.len() >= 10).then_some(())
    });
    assert_eq!(datagrams, bytes.chunks(10).collect::<Vec<_>>());
    assert_eq!(sockets.stats().received.datagrams, 10);
}

#[test]
fn a_wait_is_neither_shorter_nor_forgotten() {
    let mut sockets = Sockets::new().unwrap();
    for micros in [1, 300, 5_000] {
        let limit = Duration::from_micros(micros);
        let start = Instant::now();
        // An alarm set before may wake it early, once.
        while start.elapsed() < limit {
            sockets.wait(Some(limit.saturating_sub(start.elapsed()))).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn another_thread_ends_a_wait() {
    let mut sockets = Sockets::new().unwrap();
    let waker = sockets.waker();
    let thread = std::thread::spawn(move || waker.wake());
    until(|| {
        sockets.wait(Some(Duration::from_secs(60))).unwrap();
        sockets.woken().then_some(())
    });
    assert!(!sockets.woken());
    thread.join().unwrap();
}
