//! Receiving and sending on sockets, in batches.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pigeon_datagram::{MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, SocketId, Transmit};
use pigeon_net::{
    BufferSize, DropReason, IoPath, OpenError, Operation, Receipt, SendReport, Socket,
    SocketOptions, Stats,
};

use crate::{closed_port, loopback, on_every_path, options, plain_peer, receive_plain, until};

on_every_path!(
    one_batch_reaches_many_destinations,
    more_than_one_batch_goes_out,
    a_train_arrives_as_separate_datagrams_in_order,
    joined_datagrams_are_received_one_by_one,
    an_empty_datagram_is_sent_and_received,
    the_largest_datagrams_pass_whole,
    a_truncated_datagram_keeps_its_true_length,
    kernel_drops_are_counted,
    answers_leave_from_the_address_that_was_asked,
    ipv4_peers_of_a_dual_stack_socket_look_like_ipv4,
    a_train_the_kernel_refuses_goes_datagram_by_datagram,
    a_train_too_long_for_one_packet_goes_datagram_by_datagram,
    bad_destinations_do_not_hold_up_the_others,
    a_closed_port_is_reported_on_a_connected_socket,
    a_refusal_does_not_cost_the_next_datagram,
    a_closed_port_means_nothing_to_an_unconnected_socket,
    a_connected_socket_hears_and_reaches_its_peer_only,
    a_socket_towards_a_host_hears_all_its_ports,
    a_taken_port_is_an_error_that_names_the_address,
    ttl_class_and_broadcast_can_be_set,
);

/// A received datagram, stored by a test.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    from: SocketAddr,
    local: Option<IpAddr>,
    payload: Vec<u8>,
    length: usize,
    wall: Option<Duration>,
}

fn bind(path: IoPath) -> Socket {
    Socket::bind(loopback(), &options(path)).unwrap()
}

/// Receives until there are `count` datagrams.
fn receive(socket: &mut Socket, count: usize) -> Vec<Kept> {
    let mut kept = Vec::new();
    until(|| {
        receive_batch(socket, &mut kept);
        (kept.len() >= count).then_some(())
    });
    kept
}

fn receive_batch(socket: &mut Socket, kept: &mut Vec<Kept>) -> Receipt {
    let before = kept.len();
    let receipt = socket
        .receive(&mut |datagram| {
            kept.push(Kept {
                from: datagram.from,
                local: datagram.local,
                payload: datagram.payload.to_vec(),
                length: datagram.length,
                wall: datagram.wall,
            });
        })
        .unwrap();
    if let Receipt::Datagrams(count) = receipt {
        assert_eq!(count, kept.len() - before);
    }
    receipt
}

fn payloads(kept: &[Kept]) -> Vec<&[u8]> {
    kept.iter().map(|datagram| &datagram.payload[..]).collect()
}

fn send(socket: &mut Socket, outbox: &[u8], transmits: &[Transmit]) -> SendReport {
    socket.send(outbox, transmits, Duration::from_secs(1))
}

fn whole(to: SocketAddr, outbox: &[u8]) -> Transmit {
    Transmit { socket: SocketId::FIRST, to, from: None, range: 0..outbox.len(), segment: None }
}

fn train(to: SocketAddr, outbox: &[u8], segment: u16) -> Transmit {
    Transmit { segment: NonZeroU16::new(segment), ..whole(to, outbox) }
}

/// Bytes in which no two consecutive datagrams are equal.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 7 % 251) as u8).collect()
}

fn stats(socket: &mut Socket) -> Stats {
    socket.stats()
}

fn one_batch_reaches_many_destinations(path: IoPath) {
    let peers: Vec<_> = (0..200).map(|_| plain_peer("127.0.0.1:0")).collect();
    let mut socket = bind(path);
    let outbox = b"hello";
    let transmits: Vec<_> =
        peers.iter().map(|peer| whole(peer.local_addr().unwrap(), outbox)).collect();
    let report = send(&mut socket, outbox, &transmits);
    assert_eq!((report.sent, report.dropped), (200, 0));
    for peer in &peers {
        assert_eq!(receive_plain(peer), outbox);
    }
    let sent = stats(&mut socket).sent;
    assert_eq!((sent.datagrams, sent.bytes, sent.trains), (200, 1000, 0));
}

fn more_than_one_batch_goes_out(path: IoPath) {
    let mut receiver = bind(path);
    let mut sender = bind(path);
    let outbox = pattern(150);
    let transmits: Vec<_> = (0..150)
        .map(|n| Transmit { range: n..n + 1, ..whole(receiver.local_addr(), &outbox) })
        .collect();
    assert_eq!(send(&mut sender, &outbox, &transmits).sent, 150);
    let kept = receive(&mut receiver, 150);
    assert_eq!(payloads(&kept).concat(), outbox);
    assert_eq!(receive_batch(&mut receiver, &mut Vec::new()), Receipt::Empty);
    assert_eq!(stats(&mut receiver).received.datagrams, 150);
}

fn a_train_arrives_as_separate_datagrams_in_order(path: IoPath) {
    let peer = plain_peer("127.0.0.1:0");
    let mut socket = bind(path);
    let outbox = pattern(63 * 100 + 40);
    let report = send(&mut socket, &outbox, &[train(peer.local_addr().unwrap(), &outbox, 100)]);
    assert_eq!(report.sent, 64);
    for expected in outbox.chunks(100) {
        assert_eq!(receive_plain(&peer), expected);
    }
    let gso = socket.capabilities().gso;
    assert_eq!(stats(&mut socket).sent.trains, u64::from(gso));
}

fn joined_datagrams_are_received_one_by_one(path: IoPath) {
    let mut receiver = bind(path);
    let mut sender = bind(IoPath::Best);
    let outbox = pattern(20 * 1000 + 1);
    let to = receiver.local_addr();
    let trains = [train(to, &outbox, 1000), train(to, &outbox, 7000), whole(to, b"single")];
    assert_eq!(send(&mut sender, &outbox, &trains).sent, 21 + 3 + 1);
    let kept = receive(&mut receiver, 25);
    let expected: Vec<&[u8]> =
        outbox.chunks(1000).chain(outbox.chunks(7000)).chain([&outbox[..6]]).collect();
    assert_eq!(payloads(&kept), expected);
    assert!(kept.iter().all(|datagram| datagram.from == sender.local_addr()));
    assert!(kept.iter().all(|datagram| datagram.length == datagram.payload.len()));
}

fn an_empty_datagram_is_sent_and_received(path: IoPath) {
    let mut receiver = bind(path);
    let mut sender = bind(path);
    let to = receiver.local_addr();
    let transmits = [whole(to, b""), whole(to, b"x"), train(to, b"", 5), whole(to, b"")];
    assert_eq!(send(&mut sender, b"x", &transmits).sent, 4);
    assert_eq!(payloads(&receive(&mut receiver, 4)), [&b""[..], b"x", b"", b""]);
}

fn the_largest_datagrams_pass_whole(path: IoPath) {
    for (address, size) in
        [(loopback(), MAX_PAYLOAD_V4), ((Ipv6Addr::LOCALHOST, 0).into(), MAX_PAYLOAD_V6)]
    {
        let mut receiver = Socket::bind(address, &options(path)).unwrap();
        let mut sender = Socket::bind(address, &options(path)).unwrap();
        let outbox = pattern(size + 1);
        let to = receiver.local_addr();
        let largest = Transmit { range: 0..size, ..whole(to, &outbox) };
        let report = send(&mut sender, &outbox, &[whole(to, &outbox), largest]);
        assert_eq!((report.sent, report.dropped), (1, 1));
        assert_eq!(stats(&mut sender).sent.dropped.get(DropReason::TooLarge), 1);
        let kept = receive(&mut receiver, 1);
        assert_eq!((&kept[0].payload[..], kept[0].length), (&outbox[..size], size));
    }
}

fn a_truncated_datagram_keeps_its_true_length(path: IoPath) {
    let small = SocketOptions { receive_size: 10, ..options(path) };
    let mut receiver = Socket::bind(loopback(), &small).unwrap();
    let mut sender = bind(IoPath::Best);
    let outbox = pattern(4000);
    let to = receiver.local_addr();
    send(&mut sender, &outbox, &[whole(to, &outbox), whole(to, b"0123456789")]);
    send(&mut sender, &outbox, &[train(to, &outbox, 1500)]);
    let kept = receive(&mut receiver, 5);
    let lengths: Vec<_> = kept.iter().map(|datagram| datagram.length).collect();
    assert_eq!(lengths, [4000, 10, 1500, 1500, 1000]);
    assert!(kept.iter().all(|datagram| datagram.payload.len() == 10));
    assert_eq!(kept[3].payload, outbox[1500..1510]);
    let received = stats(&mut receiver).received;
    assert_eq!((received.truncated, received.bytes), (4, 8010));
}

fn kernel_drops_are_counted(path: IoPath) {
    let small = SocketOptions { receive_buffer: BufferSize::Bytes(10_000), ..options(path) };
    let mut receiver = Socket::bind(loopback(), &small).unwrap();
    let mut sender = bind(IoPath::NoOffload);
    let outbox = pattern(500);
    let many = vec![whole(receiver.local_addr(), &outbox); 1000];
    assert_eq!(send(&mut sender, &outbox, &many).sent, 1000);
    let mut kept = Vec::new();
    while receive_batch(&mut receiver, &mut kept) != Receipt::Empty {}
    assert!(!kept.is_empty() && kept.len() < 1000);
    if receiver.capabilities().kernel_drops {
        assert_eq!(receiver.kernel_drops(), 1000 - kept.len() as u64);
        assert_eq!(stats(&mut receiver).kernel_drops, receiver.kernel_drops());
        // The next datagram carries the same count, which must not be added again.
        send(&mut sender, &outbox, &many[..1]);
        receive(&mut receiver, 1);
        assert_eq!(receiver.kernel_drops(), 1000 - kept.len() as u64);
    } else {
        assert_eq!(receiver.kernel_drops(), 0);
    }
}

fn answers_leave_from_the_address_that_was_asked(path: IoPath) {
    let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
    let sockets =
        [Socket::bind(any, &options(path)).unwrap(), Socket::bind_any(0, &options(path)).unwrap()];
    for (mut socket, own) in sockets.into_iter().zip(["127.0.0.5", "127.0.0.6"]) {
        let own: IpAddr = own.parse().unwrap();
        // A connected peer receives an answer only from the address it sent to.
        let peer = plain_peer("127.0.0.1:0");
        peer.connect((own, socket.local_addr().port())).unwrap();
        peer.send(b"?").unwrap();
        let asked = receive(&mut socket, 1).remove(0);
        if !socket.capabilities().local_address {
            assert_eq!((path, asked.local), (IoPath::Portable, None));
            continue;
        }
        assert_eq!(asked.local, Some(own));
        let answer = Transmit { from: asked.local, ..whole(asked.from, b"123") };
        let parts = Transmit { from: asked.local, ..train(asked.from, b"123", 2) };
        assert_eq!(send(&mut socket, b"123", &[answer, parts]).sent, 3);
        for expected in [&b"123"[..], b"12", b"3"] {
            assert_eq!(receive_plain(&peer), expected);
        }
    }
}

fn ipv4_peers_of_a_dual_stack_socket_look_like_ipv4(path: IoPath) {
    let mut socket = Socket::bind_any(0, &options(path)).unwrap();
    assert!(socket.local_addr().is_ipv6());
    let port = socket.local_addr().port();
    let hosts: [(IpAddr, &str); 2] =
        [(Ipv4Addr::LOCALHOST.into(), "127.0.0.1:0"), (Ipv6Addr::LOCALHOST.into(), "[::1]:0")];
    for (host, address) in hosts {
        let peer = plain_peer(address);
        peer.send_to(b"?", (host, port)).unwrap();
        let asked = receive(&mut socket, 1).remove(0);
        assert_eq!(asked.from, peer.local_addr().unwrap());
        if socket.capabilities().local_address {
            assert_eq!(asked.local, Some(host));
        }
        assert_eq!(send(&mut socket, b"abc", &[train(asked.from, b"abc", 2)]).sent, 2);
        assert_eq!(receive_plain(&peer), b"ab");
        assert_eq!(receive_plain(&peer), b"c");
    }
}

/// More segments than any kernel takes (`UDP_MAX_SEGMENTS`): EINVAL.
fn a_train_the_kernel_refuses_goes_datagram_by_datagram(path: IoPath) {
    falls_back(path, &pattern(2000), 10);
}

/// More bytes than a packet holds before it is split: EMSGSIZE.
fn a_train_too_long_for_one_packet_goes_datagram_by_datagram(path: IoPath) {
    falls_back(path, &pattern(66_000), 2000);
}

fn falls_back(path: IoPath, outbox: &[u8], segment: u16) {
    let mut receiver = bind(path);
    let mut sender = bind(path);
    let gso = u64::from(sender.capabilities().gso);
    let to = receiver.local_addr();
    let expected: Vec<_> = outbox.chunks(usize::from(segment)).collect();
    // The second time the destination is remembered, and the same train is not tried.
    for _ in 0..2 {
        let transmits = [whole(to, b"a"), train(to, outbox, segment), whole(to, b"b")];
        let report = send(&mut sender, outbox, &transmits);
        assert_eq!((report.sent, report.dropped), (expected.len() as u64 + 2, 0));
        let kept = receive(&mut receiver, expected.len() + 2);
        assert_eq!(payloads(&kept)[1..=expected.len()], expected);
        let sent = stats(&mut sender).sent;
        assert_eq!((sent.fallbacks, sent.trains), (gso, 0));
    }
    // Smaller segments still leave as a train, and so do trains to other destinations.
    let other = plain_peer("127.0.0.2:0");
    let transmits = [train(to, b"abc", 2), train(other.local_addr().unwrap(), b"abc", 2)];
    assert_eq!(send(&mut sender, b"abc", &transmits).sent, 4);
    assert_eq!(stats(&mut sender).sent.trains, 2 * gso);
}

/// A train from an address that this host no longer has fails like one that is too large. It must
/// not count against the destination, which accepts trains again from the next address on.
#[cfg(target_os = "linux")]
#[test]
fn a_vanished_source_costs_a_destination_its_datagrams_and_not_its_trains() {
    for (bound, not_ours) in [("127.0.0.1:0", "192.0.2.1"), ("[::1]:0", "2001:db8::1")] {
        let bound = bound.parse().unwrap();
        let mut receiver = Socket::bind(bound, &options(IoPath::Best)).unwrap();
        let mut sender = Socket::bind(bound, &options(IoPath::Best)).unwrap();
        let to = receiver.local_addr();
        let vanished = Transmit { from: not_ours.parse().ok(), ..train(to, b"abc", 2) };
        let report = send(&mut sender, b"abc", &[vanished, train(to, b"abc", 2)]);
        assert_eq!((report.sent, report.dropped), (2, 2));
        assert_eq!(payloads(&receive(&mut receiver, 2)), [&b"ab"[..], b"c"]);
        let sent = stats(&mut sender).sent;
        assert_eq!(sent.trains, u64::from(sender.capabilities().gso));
    }
}

fn bad_destinations_do_not_hold_up_the_others(path: IoPath) {
    let mut receiver = bind(path);
    let mut sender = bind(path);
    let to = receiver.local_addr();
    let port_0 = (Ipv4Addr::LOCALHOST, 0).into();
    let other_family = (Ipv6Addr::LOCALHOST, 9).into();
    let forbidden_broadcast = (Ipv4Addr::BROADCAST, 9).into();
    let outside = Transmit { range: 2..9, ..whole(to, b"ab") };
    let transmits = [
        whole(port_0, b"ab"),
        train(to, b"ab", 1),
        whole(other_family, b"ab"),
        train(port_0, b"ab", 1),
        whole(to, b"ab"),
        outside,
        whole(forbidden_broadcast, b"ab"),
        whole(to, b"ab"),
    ];
    let report = send(&mut sender, b"ab", &transmits);
    assert_eq!((report.sent, report.dropped, report.refused), (4, 6, false));
    assert_eq!(payloads(&receive(&mut receiver, 4)), [&b"a"[..], b"b", b"ab", b"ab"]);
    let sent = stats(&mut sender).sent;
    // A host with only loopback has no route to a broadcast address; any other host forbids it.
    let broadcast =
        sent.dropped.get(DropReason::NotPermitted) + sent.dropped.get(DropReason::Unreachable);
    assert_eq!((sent.dropped.get(DropReason::Invalid), broadcast), (5, 1));
    let failure = sent.last_failure.unwrap();
    assert_eq!(failure.to, forbidden_broadcast);
    assert!(failure.to_string().starts_with("cannot send to 255.255.255.255:9: "), "{failure}");
}

fn connect(path: IoPath, to: SocketAddr) -> Socket {
    Socket::connect(to, None, &options(path)).unwrap()
}

fn a_closed_port_is_reported_on_a_connected_socket(path: IoPath) {
    let to = closed_port();
    let mut socket = connect(path, to);
    assert_eq!(socket.peer_addr(), Some(to));
    assert_eq!(send(&mut socket, b"?", &[whole(to, b"?")]).sent, 1);
    until(|| (receive_batch(&mut socket, &mut Vec::new()) == Receipt::Refused).then_some(()));
    assert_eq!(receive_batch(&mut socket, &mut Vec::new()), Receipt::Empty);
}

fn a_refusal_does_not_cost_the_next_datagram(path: IoPath) {
    let to = closed_port();
    let mut socket = connect(path, to);
    send(&mut socket, b"?", &[whole(to, b"?")]);
    // The port is open now. The refusal has not been reported yet.
    let peer = plain_peer(&to.to_string());
    let report = send(&mut socket, b"!", &[whole(to, b"!")]);
    assert_eq!((report.sent, report.refused), (1, true));
    assert_eq!(receive_plain(&peer), b"!");
}

/// A router's error for an earlier datagram (a smaller path MTU, or a firewall) is returned by a
/// later send call, but does not concern its datagram. Writing ICMP by hand needs root.
#[cfg(target_os = "linux")]
#[test]
fn an_earlier_datagrams_error_does_not_cost_the_next_one() {
    use socket2::{Domain, Protocol, Type};

    let Ok(router) = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)) else {
        // Not `eprintln!`: the test harness hides its output when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: raw sockets need root");
        return;
    };
    // An address of its own, because the kernel remembers its path MTU.
    let peer = plain_peer("127.0.0.78:0");
    let to = peer.local_addr().unwrap();
    for path in [IoPath::Best, IoPath::NoOffload, IoPath::Portable] {
        let mut socket = connect(path, to);
        for (kind, code) in [(3, 4), (3, 10), (3, 13), (12, 0)] {
            let message = icmp(kind, code, socket.local_addr(), to);
            router.send_to(&message, &socket.local_addr().into()).unwrap();
            let report = send(&mut socket, b"small", &[whole(to, b"small")]);
            assert_eq!((report.sent, report.dropped), (1, 0), "{path:?}, {kind}, {code}");
            assert_eq!(receive_plain(&peer), b"small");
            let earlier = stats(&mut socket).received.last_error.unwrap();
            assert_eq!(
                (earlier.to, earlier.passing),
                (Some(to), (kind, code) == (3, 4)),
                "{kind}, {code}"
            );
            assert_eq!(report.undelivered, Some(earlier.os_error));
            router.send_to(&message, &socket.local_addr().into()).unwrap();
            assert_eq!(send(&mut socket, b"abc", &[train(to, b"abc", 2)]).sent, 2);
            assert_eq!([receive_plain(&peer), receive_plain(&peer)], [&b"ab"[..], b"c"]);
        }
        assert_eq!(stats(&mut socket).sent.fallbacks, 0, "{path:?}");
    }
}

/// A socket with error reports learns of other errors too, and whether they may be temporary.
#[cfg(target_os = "linux")]
#[test]
fn what_meets_an_error_on_its_way_is_told_with_its_destination() {
    use socket2::{Domain, Protocol, Type};

    let Ok(router) = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: raw sockets need root");
        return;
    };
    let to = SocketAddr::from(([127, 0, 0, 79], 9));
    let asking = SocketOptions { refusals: true, ..options(IoPath::Best) };
    for (connected, local) in [(false, loopback()), (true, loopback())] {
        let mut socket = match connected {
            true => Socket::connect(to, Some(local), &asking).unwrap(),
            false => Socket::bind(local, &asking).unwrap(),
        };
        for (kind, code, passing) in [
            (3, 0, true),
            (3, 1, true),
            (3, 4, true),
            (3, 10, false),
            (3, 13, false),
            (11, 0, true),
        ] {
            let message = icmp(kind, code, socket.local_addr(), to);
            router.send_to(&message, &socket.local_addr().into()).unwrap();
            let told = until(|| {
                receive_batch(&mut socket, &mut Vec::new());
                let mut told = Vec::new();
                socket.undelivered(&mut |error| told.push(error));
                told.pop()
            });
            assert_eq!((told.to, told.passing), (Some(to), passing), "{kind}, {code}");
            assert_eq!(stats(&mut socket).received.last_error, Some(told));
        }
    }
}

/// An ICMP message (RFC 792) about an empty UDP datagram.
#[cfg(target_os = "linux")]
fn icmp(kind: u8, code: u8, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => unreachable!("the test is one of IPv4"),
    };
    let next_mtu = 1400_u16.to_be_bytes();
    let ip = [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0];
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let mut message =
        [&[kind, code, 0, 0, 0, 0][..], &next_mtu, &ip, &octets(from), &octets(to)].concat();
    message.extend([&ports[..], &[0, 8, 0, 0]].concat());
    let words = message.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

fn a_closed_port_means_nothing_to_an_unconnected_socket(path: IoPath) {
    let mut socket = bind(path);
    let own = socket.local_addr();
    for _ in 0..3 {
        let transmits = [whole(closed_port(), b"?"), whole(own, b"?")];
        let report = send(&mut socket, b"?", &transmits);
        assert_eq!((report.sent, report.refused), (2, false));
        assert_eq!(payloads(&receive(&mut socket, 1)), [b"?"]);
    }
}

fn a_connected_socket_hears_and_reaches_its_peer_only(path: IoPath) {
    let peer = plain_peer("127.0.0.1:0");
    let mut socket = connect(path, peer.local_addr().unwrap());
    let own = socket.local_addr();
    UdpSocket::bind(loopback()).unwrap().send_to(b"stranger", own).unwrap();
    peer.send_to(b"peer", own).unwrap();
    assert_eq!(payloads(&receive(&mut socket, 1)), [b"peer"]);
    assert_eq!(send(&mut socket, b"abc", &[train(peer.local_addr().unwrap(), b"abc", 2)]).sent, 2);
    assert_eq!(receive_plain(&peer), b"ab");
    assert_eq!(receive_plain(&peer), b"c");
}

fn a_socket_towards_a_host_hears_all_its_ports(path: IoPath) {
    let [peer, other] = [plain_peer("127.0.0.1:0"), plain_peer("127.0.0.1:0")];
    let to = peer.local_addr().unwrap();
    let mut socket = Socket::bind_towards(to, &options(path)).unwrap();
    // The local address is known before anything is sent, and is not a wildcard.
    let own = socket.local_addr();
    assert!(own.ip() == to.ip() && own.port() != 0 && socket.peer_addr().is_none());
    other.send_to(b"from another port", own).unwrap();
    assert_eq!(payloads(&receive(&mut socket, 1)), [b"from another port"]);
    for (port, text) in [(&peer, &b"one"[..]), (&other, b"two")] {
        let to = port.local_addr().unwrap();
        assert_eq!(send(&mut socket, text, &[whole(to, text)]).sent, 1);
        assert_eq!(receive_plain(port), text);
    }
}

fn a_taken_port_is_an_error_that_names_the_address(path: IoPath) {
    let taken = bind(path);
    let address = taken.local_addr();
    let error: OpenError = Socket::bind(address, &options(path)).unwrap_err();
    assert_eq!(error.operation, Operation::Bind);
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), format!("cannot bind to {address}"));
    // A taken dual-stack port must fail, not yield half of it.
    let error = Socket::bind_any(address.port(), &options(path)).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
}

fn ttl_class_and_broadcast_can_be_set(path: IoPath) {
    let options = SocketOptions { ttl: Some(1), dscp: Some(46), broadcast: true, ..options(path) };
    for mut socket in [
        Socket::bind(loopback(), &options).unwrap(),
        Socket::bind((Ipv6Addr::LOCALHOST, 0).into(), &options).unwrap(),
        Socket::bind_any(0, &options).unwrap(),
    ] {
        let to = match socket.local_addr() {
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                (Ipv4Addr::LOCALHOST, v6.port()).into()
            }
            other => other,
        };
        assert_eq!(send(&mut socket, b"self", &[whole(to, b"self")]).sent, 1);
        assert_eq!(payloads(&receive(&mut socket, 1)), [b"self"]);
    }
}

#[test]
fn the_kernel_tells_when_a_datagram_arrived() {
    let mut socket = bind(IoPath::Best);
    let to = socket.local_addr();
    send(&mut socket, b"abc", &[train(to, b"abc", 1)]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for datagram in receive(&mut socket, 3) {
        let wall = datagram.wall;
        assert_eq!(wall.is_some(), socket.capabilities().timestamps);
        assert!(wall.is_none_or(|wall| wall.abs_diff(now) < Duration::from_secs(60)));
    }
    let silent = SocketOptions { timestamps: false, ..SocketOptions::default() };
    assert!(!Socket::bind(loopback(), &silent).unwrap().capabilities().timestamps);
}

#[test]
fn buffers_are_as_large_as_asked_or_as_allowed() {
    let asked = SocketOptions {
        receive_buffer: BufferSize::Bytes(50_000),
        send_buffer: BufferSize::Bytes(60_000),
        ..SocketOptions::default()
    };
    let granted = Socket::bind(loopback(), &asked).unwrap().capabilities();
    assert_eq!((granted.receive_buffer, granted.send_buffer), (50_000, 60_000));
    let largest = bind(IoPath::Best).capabilities();
    assert!(largest.receive_buffer > 50_000 && largest.send_buffer > 60_000);
    // A size beyond the system's integer: 4 GiB, if `usize` can hold it.
    let more = BufferSize::Bytes(1_usize.checked_shl(32).unwrap_or(usize::MAX));
    let asked = SocketOptions { receive_buffer: more, send_buffer: more, ..asked };
    let granted = Socket::bind(loopback(), &asked).unwrap().capabilities();
    assert!(granted.receive_buffer > 50_000 && granted.send_buffer > 60_000, "{granted:?}");
}

#[test]
fn a_socket_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&bind(IoPath::Best));
}

/// Sockets bound to a group receive nothing for a host's address, so they do not block the port.
#[cfg(target_os = "linux")]
#[test]
fn groups_are_shared_beside_a_port_that_one_socket_has_alone() {
    use std::io::ErrorKind;

    let options = options(IoPath::Best);
    let sharing = SocketOptions { share: true, ..options.clone() };
    let bind = |address: [u8; 4], port: u16, options: &SocketOptions| {
        Socket::bind((address, port).into(), options).map_err(|error| error.source.kind())
    };
    let bind_any = |port| Socket::bind_any(port, &options).map_err(|error| error.source.kind());
    let group = [239, 1, 2, 3];

    let everywhere = bind_any(0).unwrap();
    let port = everywhere.local_addr().port();
    assert_eq!(bind(group, port, &sharing).unwrap_err(), ErrorKind::AddrInUse);
    everywhere.let_groups_share().unwrap();
    let _beside = [(); 2].map(|()| bind(group, port, &sharing).unwrap());
    assert_eq!(bind_any(port).unwrap_err(), ErrorKind::AddrInUse);
    assert_eq!(bind([127, 0, 0, 1], port, &options).unwrap_err(), ErrorKind::AddrInUse);

    // The other way round.
    let first = bind(group, 0, &sharing).unwrap();
    let port = first.local_addr().port();
    let everywhere = bind_any(port).unwrap();
    assert_eq!(bind_any(port).unwrap_err(), ErrorKind::AddrInUse);
    assert_eq!(bind([127, 0, 0, 1], port, &options).unwrap_err(), ErrorKind::AddrInUse);
    drop(everywhere);
    let host = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    host.set_reuse_address(true).unwrap();
    host.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    assert_eq!(bind_any(port).unwrap_err(), ErrorKind::AddrInUse, "a host's datagrams are taken");
}

#[test]
fn a_group_is_joined_on_an_interface_once() {
    let socket = bind(IoPath::Best);
    let interfaces = pigeon_net::local_addresses().unwrap().only("127.0.0.1").unwrap();
    let group = "239.1.2.3".parse().unwrap();
    let joins = socket.join_group(group, &interfaces);
    assert_eq!((joins.joined.len(), joins.before, joins.failed.len()), (1, 0, 0), "{joins:?}");
    let joins = socket.join_group(group, &interfaces);
    assert_eq!((joins.joined.len(), joins.before), (0, 1), "{joins:?}");
    assert!(socket.serves(group) && !socket.serves("ff02::1".parse().unwrap()));
}
