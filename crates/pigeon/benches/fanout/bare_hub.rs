//! The floor: a hub made only of system calls.
//!
//! Received datagrams, after splitting GRO's joined ones, form one contiguous run. It is sent as
//! one GSO train per member in vectors of sendmmsg; or, without trains, each message as its own
//! datagram. `^hb^` makes a member. There are no names, limits, time-outs or rooms; the program
//! blocks in the receive call.

use std::collections::HashSet;
use std::io::IoSlice;
use std::net::{SocketAddrV4, UdpSocket};

use nix::sys::socket::SockaddrIn;

use pigeon_perf::bare::{Batch, JOINED, Payload, Sender, VECTOR, announce, open};

/// Maximum number of segments of a train that every kernel accepts (`UDP_MAX_SEGMENTS`), and of
/// bytes.
const SEGMENTS: usize = 64;
const TRAIN_BYTES: usize = 65_507;

pub(crate) fn run(trains: bool) -> ! {
    let socket = open(true);
    announce(&socket);
    let (mut batch, mut sender) = (Batch::new(JOINED), Sender::new());
    let mut known = HashSet::new();
    let mut members = Vec::new();
    let (mut run, mut sizes) = (Vec::new(), Vec::new());
    loop {
        run.clear();
        sizes.clear();
        batch.wait(&socket);
        for (message, bytes) in batch.iter() {
            let from = message.from.expect("UDP has senders");
            let size = message.segment.map_or(bytes.len(), usize::from);
            for datagram in bytes.chunks(size.max(1)) {
                if datagram != b"^hb^" {
                    run.extend_from_slice(datagram);
                    sizes.push(datagram.len());
                } else if known.insert(SocketAddrV4::from(from)) {
                    members.push(Some(from));
                }
            }
        }
        let parts = parts(&run, &sizes, if trains { SEGMENTS } else { 1 });
        send(&mut sender, &socket, &members, &parts);
    }
}

/// One message for the kernel, and its segment size if it is a train.
type Part<'a> = (Payload<'a>, Option<u16>);

/// Splits a run into groups of equal size, `most` datagrams each.
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

/// Sends every part to every member, in vectors of maximum length.
fn send(
    sender: &mut Sender,
    socket: &UdpSocket,
    members: &[Option<SockaddrIn>],
    parts: &[Part<'_>],
) {
    if let [(payload, segment)] = parts {
        let same = [*payload; VECTOR];
        members.chunks(VECTOR).for_each(|members| sender.send(socket, &same, members, *segment));
        return;
    }
    // A member's parts are consecutive, so that its socket stays in the cache.
    for member in members {
        for alike in parts.chunk_by(|one, next| one.1 == next.1) {
            for alike in alike.chunks(VECTOR) {
                let payloads: Vec<_> = alike.iter().map(|(payload, _)| *payload).collect();
                sender.send(socket, &payloads, &[*member; VECTOR][..alike.len()], alike[0].1);
            }
        }
    }
}
