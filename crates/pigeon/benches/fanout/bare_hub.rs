//! The floor: a hub with nothing in it but system calls.
//!
//! What comes in by recvmmsg, GRO's joined datagrams cut apart, stands in one contiguous run. What
//! goes out is that run, one GSO train a member, in vectors of sendmmsg; or, asked not to use
//! trains, every message as a datagram of its own. `^hb^` makes a member. There are no names, no
//! limits, no time-outs, no rooms; it waits in the receiving call itself, and an error ends it.
//!
//! It is built on nix's wrappers and not on `pigeon_net`, so that what that crate costs shows too.

use std::collections::HashSet;
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::sockopt::{RcvBuf, UdpGroSegment};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
    setsockopt,
};

/// Messages of one call, in both directions.
const VECTOR: usize = 64;

/// The most segments of a train on every kernel (`UDP_MAX_SEGMENTS`), and its most bytes.
const SEGMENTS: usize = 64;
const TRAIN_BYTES: usize = 65_507;

/// Runs until it is killed.
pub(crate) fn run(trains: bool) -> ! {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    setsockopt(&socket, UdpGroSegment, &true).expect("Linux 5.0 or later");
    setsockopt(&socket, RcvBuf, &(4 << 20)).expect("a receive buffer");
    eprintln!("listening on {}", socket.local_addr().unwrap());

    let mut buffers = vec![vec![0; 65_536]; VECTOR];
    let mut sender = Sender::new(&socket);
    let mut known = HashSet::new();
    let mut members = Vec::new();
    let (mut run, mut sizes) = (Vec::new(), Vec::new());
    loop {
        run.clear();
        sizes.clear();
        receive(&socket, &mut buffers, |from, datagram| {
            if datagram != b"^hb^" {
                run.extend_from_slice(datagram);
                sizes.push(datagram.len());
            } else if known.insert(SocketAddrV4::from(from)) {
                members.push(Some(from));
            }
        });
        let parts = parts(&run, &sizes, if trains { SEGMENTS } else { 1 });
        sender.send(&members, &parts);
    }
}

/// Waits for one batch.
fn receive(socket: &UdpSocket, buffers: &mut [Vec<u8>], mut each: impl FnMut(SockaddrIn, &[u8])) {
    let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    // Made anew, as the kernel overwrites the lengths in it: a microsecond a batch.
    let mut headers = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(i32)));
    let flags = MsgFlags::MSG_WAITFORONE;
    let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None);
    for message in received.expect("the socket works") {
        let from: SockaddrIn = message.address.expect("UDP has senders");
        let joined = message.cmsgs().expect("there is room").find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
            _ => None,
        });
        let bytes = message.iovs().next().unwrap_or_default();
        bytes
            .chunks(joined.unwrap_or(bytes.len()).max(1))
            .for_each(|datagram| each(from, datagram));
    }
}

/// What one message for the kernel carries, and the size of its segments if it is a train.
type Part<'a> = ([IoSlice<'a>; 1], Option<u16>);

/// Cuts a run into neighbours of equal size, `most` at a time.
fn parts<'a>(mut run: &'a [u8], sizes: &[usize], most: usize) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for equal in sizes.chunk_by(|one, next| one == next) {
        let size = equal[0];
        for train in equal.chunks(most.min(TRAIN_BYTES / size.max(1)).max(1)) {
            let (bytes, rest) = run.split_at(size * train.len());
            run = rest;
            let segment = (train.len() > 1).then(|| u16::try_from(size).unwrap());
            parts.push(([IoSlice::new(bytes)], segment));
        }
    }
    parts
}

struct Sender<'s> {
    socket: &'s UdpSocket,
    single: MultiHeaders<SockaddrIn>,
    train: MultiHeaders<SockaddrIn>,
}

impl Sender<'_> {
    fn new(socket: &UdpSocket) -> Sender<'_> {
        let single = MultiHeaders::preallocate(VECTOR, None);
        let train = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(u16)));
        Sender { socket, single, train }
    }

    /// Sends every part to every member, in vectors as long as can be.
    fn send(&mut self, members: &[Option<SockaddrIn>], parts: &[Part<'_>]) {
        if let [(bytes, segment)] = parts {
            let same = [bytes; VECTOR];
            members.chunks(VECTOR).for_each(|members| self.call(&same, members, *segment));
            return;
        }
        // A member's parts one after another find its socket in the cache.
        for member in members {
            for alike in parts.chunk_by(|one, next| one.1 == next.1) {
                for alike in alike.chunks(VECTOR) {
                    let slices: Vec<_> = alike.iter().map(|(bytes, _)| bytes).collect();
                    self.call(&slices, &[*member; VECTOR][..alike.len()], alike[0].1);
                }
            }
        }
    }

    /// One sendmmsg, and again for what it left.
    fn call(
        &mut self,
        mut slices: &[&[IoSlice<'_>; 1]],
        mut to: &[Option<SockaddrIn>],
        segment: Option<u16>,
    ) {
        let headers = if segment.is_some() { &mut self.train } else { &mut self.single };
        let control: Vec<_> = segment.iter().map(ControlMessage::UdpGsoSegments).collect();
        while !to.is_empty() {
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let sent = sendmmsg(fd, headers, slices.iter().copied(), to, &control, flags);
            let sent = sent.expect("the socket works").count();
            (slices, to) = (&slices[sent..], &to[sent..]);
        }
    }
}
