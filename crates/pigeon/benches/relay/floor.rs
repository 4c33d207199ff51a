//! The floor: two sockets, and nothing between them but system calls.
//!
//! What comes in by recvmmsg on one goes out by sendmmsg on the other. Datagrams that GRO joined
//! stay joined and go out as one GSO train, so nothing is looked at or copied. The first sender is
//! the only client; an error ends it. Built on nix's wrappers and not on `pigeon_net`, so that what
//! that crate costs shows too.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, UdpGroSegment};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
    setsockopt,
};

/// Messages of one call, in both directions.
pub(crate) const VECTOR: usize = 64;

/// A buffer takes what GRO joined.
pub(crate) const MESSAGE: usize = 65_536;

/// Runs until it is killed.
pub(crate) fn run(target: SocketAddr) -> ! {
    let clients = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    prepare(&clients);
    prepare(&upstream);
    upstream.connect(target).expect("the target");
    eprintln!("listening on {}", clients.local_addr().expect("it is bound"));
    let (_, client) = clients.peek_from(&mut [0; 1]).expect("a client comes");
    clients.connect(client).expect("the client");

    let mut buffers = vec![vec![0; MESSAGE]; VECTOR];
    loop {
        let mut fds = [&clients, &upstream].map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::NONE).expect("poll works");
        forward(&clients, &upstream, &mut buffers);
        forward(&upstream, &clients, &mut buffers);
    }
}

/// One batch from one socket to the other.
fn forward(from: &UdpSocket, to: &UdpSocket, buffers: &mut [Vec<u8>]) {
    let mut sizes = Vec::with_capacity(VECTOR);
    receive(from, buffers, |length, segment| sizes.push((length, segment)));
    if sizes.is_empty() {
        return;
    }
    let slices: Vec<[IoSlice<'_>; 1]> = sizes
        .iter()
        .zip(buffers.iter())
        .map(|((length, _), buffer)| [IoSlice::new(&buffer[..*length])])
        .collect();
    let nobody: Vec<Option<SockaddrIn>> = vec![None; VECTOR];
    // All messages of a call share their control data, so neighbours of one segment size go together.
    let mut start = 0;
    for group in sizes.chunk_by(|one, other| one.1 == other.1) {
        let range = start..start + group.len();
        start = range.end;
        let segment = group[0].1;
        let control: Vec<_> = segment.iter().map(ControlMessage::UdpGsoSegments).collect();
        let (slices, nobody) = (&slices[range.clone()], &nobody[range]);
        let fd = to.as_raw_fd();
        // Without a segment size there may be no room for one either: the kernel would read it.
        let room = segment.map(|_| cmsg_space!(u16));
        let mut headers = MultiHeaders::preallocate(VECTOR, room);
        let sent = sendmmsg(fd, &mut headers, slices, nobody, control, MsgFlags::empty());
        // Nothing is waited for: what has no room is lost, as it is in a floor.
        drop(sent);
    }
}

/// Receives one batch, and says how long each message is and of which segments, if GRO joined it.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffers: &mut [Vec<u8>],
    mut each: impl FnMut(usize, Option<u16>),
) {
    let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(VECTOR, Some(cmsg_space!(i32)));
    let flags = MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let received = match recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None) {
        Ok(received) => received,
        Err(Errno::EAGAIN) => return,
        Err(error) => panic!("cannot receive: {error}"),
    };
    for message in received {
        let segment = message.cmsgs().expect("there is room").find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(size) => u16::try_from(size).ok(),
            _ => None,
        });
        each(message.bytes, segment);
    }
}

/// GRO, and a receive buffer as large as a program may ask for.
pub(crate) fn prepare(socket: &UdpSocket) {
    setsockopt(socket, UdpGroSegment, &true).expect("Linux 5.0 or later");
    setsockopt(socket, RcvBuf, &(4 << 20)).expect("a receive buffer");
}
