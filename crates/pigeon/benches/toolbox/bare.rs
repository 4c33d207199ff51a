//! The floors: programs with nothing in them but system calls.

use std::io::{IoSlice, IoSliceMut, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::sockopt::{RcvBuf, UdpGroSegment};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
    setsockopt,
};

/// Messages of one call.
const VECTOR: usize = 64;

/// What one received message is: where it came from, how many bytes, and GRO's segment size.
type Message = (Option<SockaddrIn>, usize, Option<u16>);

fn open() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    setsockopt(&socket, RcvBuf, &(4 << 20)).expect("a receive buffer");
    eprintln!("listening on {}", socket.local_addr().unwrap());
    socket
}

/// Waits for one batch.
fn receive(socket: &UdpSocket, buffers: &mut [Vec<u8>], messages: &mut Vec<Message>) {
    let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    // Made anew, as the kernel overwrites the lengths in it: a microsecond a batch.
    let mut headers = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(i32)));
    let flags = MsgFlags::MSG_WAITFORONE;
    let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None);
    messages.clear();
    messages.extend(received.expect("the socket works").map(|message| {
        let segment = message.cmsgs().expect("there is room").find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(size) => u16::try_from(size).ok(),
            _ => None,
        });
        (message.address, message.bytes, segment)
    }));
}

/// An echo: recvmmsg in, sendmmsg out; with trains, GRO in and GSO out.
pub(crate) fn echo(trains: bool) -> ! {
    let socket = open();
    if trains {
        setsockopt(&socket, UdpGroSegment, &true).expect("Linux 5.0 or later");
    }
    let mut buffers = vec![vec![0; 65_536]; VECTOR];
    let mut messages = Vec::with_capacity(VECTOR);
    let mut single = MultiHeaders::preallocate(VECTOR, None);
    let mut train = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(u16)));
    loop {
        receive(&socket, &mut buffers, &mut messages);
        let slices: Vec<_> =
            buffers.iter().zip(&messages).map(|(b, m)| [IoSlice::new(&b[..m.1])]).collect();
        let mut first = 0;
        for alike in messages.chunk_by(|one, next| one.2 == next.2) {
            let (mut slices, segment) = (&slices[first..first + alike.len()], alike[0].2);
            first += alike.len();
            let headers = if segment.is_some() { &mut train } else { &mut single };
            let control: Vec<_> = segment.iter().map(ControlMessage::UdpGsoSegments).collect();
            let to: Vec<_> = alike.iter().map(|message| message.0).collect();
            let mut to = &to[..];
            while !to.is_empty() {
                let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
                let sent = sendmmsg(fd, headers, slices.iter(), to, &control, flags);
                let sent = sent.expect("the socket works").count();
                (slices, to) = (&slices[sent..], &to[sent..]);
            }
        }
    }
}

/// Counts datagrams and throws them away. Says how many, whenever it is asked by a line.
pub(crate) fn receiver() -> ! {
    let socket = open();
    let mut buffers = vec![vec![0; 2_048]; VECTOR];
    let mut messages = Vec::with_capacity(VECTOR);
    let mut count = 0_u64;
    let mut out = std::io::stdout();
    loop {
        receive(&socket, &mut buffers, &mut messages);
        for (_, bytes, _) in &messages {
            match bytes {
                // The end of a run.
                0 => {
                    writeln!(out, "{count}").expect("somebody reads it");
                    count = 0;
                }
                _ => count += 1,
            }
        }
    }
}
