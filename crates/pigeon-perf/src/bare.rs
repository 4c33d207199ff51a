//! Sockets and batches by bare system calls, for the floors: the least work that a program can do
//! for the same datagrams.
//!
//! Built on nix's wrappers and not on `pigeon_net`, so that a comparison shows the cost of that
//! crate too. An error ends the program.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, UdpGroSegment};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
    setsockopt,
};

/// Messages per system call, in both directions.
pub const VECTOR: usize = 64;

/// The size in bytes of a buffer that takes any message that GRO joined.
pub const JOINED: usize = 65_536;

/// Opens a socket on loopback with a receive buffer of 4 MiB (the kernel may cap it), with or without
/// GRO.
pub fn open(gro: bool) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    setsockopt(&socket, RcvBuf, &(4 << 20)).expect("a receive buffer");
    if gro {
        setsockopt(&socket, UdpGroSegment, &true).expect("Linux 5.0 or later");
    }
    socket
}

/// Prints a floor's address on stderr, as `pigeon hub` does.
pub fn announce(socket: &UdpSocket) {
    eprintln!("listening on {}", socket.local_addr().expect("it is bound"));
}

/// What the kernel reports about one received message.
#[derive(Clone, Copy)]
pub struct Message {
    /// The sender's address.
    pub from: Option<SockaddrIn>,
    /// Bytes in the message.
    pub length: usize,
    /// The size in bytes of each datagram in it, if GRO joined several.
    pub segment: Option<u16>,
}

/// One batch of received messages.
pub struct Batch {
    buffers: Vec<Vec<u8>>,
    messages: Vec<Message>,
}

impl Batch {
    /// A batch of [`VECTOR`] buffers of `size` bytes each.
    pub fn new(size: usize) -> Batch {
        Batch { buffers: vec![vec![0; size]; VECTOR], messages: Vec::with_capacity(VECTOR) }
    }

    /// Waits for the first message, and takes what has arrived by then.
    pub fn wait(&mut self, socket: &UdpSocket) {
        self.receive(socket, MsgFlags::MSG_WAITFORONE);
    }

    /// Takes what has arrived, without waiting.
    pub fn take(&mut self, socket: &UdpSocket) {
        self.receive(socket, MsgFlags::MSG_DONTWAIT);
    }

    fn receive(&mut self, socket: &UdpSocket, flags: MsgFlags) {
        self.messages.clear();
        let mut slices: Vec<_> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        // Allocated for each call, because the kernel overwrites the lengths in it. Costs a
        // microsecond a batch.
        let mut headers = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(i32)));
        let fd = socket.as_raw_fd();
        let received = match recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => return,
            Err(error) => panic!("cannot receive: {error}"),
        };
        self.messages.extend(received.map(|message| {
            let mut controls = message.cmsgs().expect("there is room");
            let segment = controls.find_map(|control| match control {
                ControlMessageOwned::UdpGroSegments(size) => u16::try_from(size).ok(),
                _ => None,
            });
            Message { from: message.address, length: message.bytes, segment }
        }));
    }

    /// The messages of the last call.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages of the last call with their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&Message, &[u8])> {
        self.messages.iter().zip(&self.buffers).map(|(message, buffer)| {
            let bytes = &buffer[..message.length];
            (message, bytes)
        })
    }
}

/// The payload of one message for the kernel.
pub type Payload<'a> = [IoSlice<'a>; 1];

/// The headers that sendmmsg needs, kept from call to call.
pub struct Sender {
    single: MultiHeaders<SockaddrIn>,
    train: MultiHeaders<SockaddrIn>,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender::new()
    }
}

impl Sender {
    /// Headers for [`VECTOR`] messages.
    pub fn new() -> Sender {
        // Without a segment size there must be no space for one either: the kernel would read it.
        let single = MultiHeaders::preallocate(VECTOR, None);
        let train = MultiHeaders::preallocate(VECTOR, Some(cmsg_space!(u16)));
        Sender { single, train }
    }

    /// Sends one payload to each receiver, at most [`VECTOR`] of them; `None` is the peer of a
    /// connected socket. With a `segment` size in bytes, each payload leaves as a train of
    /// datagrams. Repeats the system call for datagrams that it left unsent.
    pub fn send(
        &mut self,
        socket: &UdpSocket,
        mut payloads: &[Payload<'_>],
        mut to: &[Option<SockaddrIn>],
        segment: Option<u16>,
    ) {
        let headers = if segment.is_some() { &mut self.train } else { &mut self.single };
        let control: Vec<_> = segment.iter().map(ControlMessage::UdpGsoSegments).collect();
        while !to.is_empty() {
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
            let sent = sendmmsg(fd, headers, payloads.iter(), to, &control, flags);
            let sent = sent.expect("the socket works").count();
            (payloads, to) = (&payloads[sent..], &to[sent..]);
        }
    }

    /// Forwards a batch unchanged, joined datagrams as one train: `back` to each message's sender,
    /// or to the peer of a connected socket.
    pub fn forward(&mut self, socket: &UdpSocket, batch: &Batch, back: bool) {
        let payloads: Vec<Payload<'_>> =
            batch.iter().map(|(_, bytes)| [IoSlice::new(bytes)]).collect();
        let mut first = 0;
        // All messages of one system call share control data, so only neighbours of one segment
        // size go together.
        for alike in batch.messages().chunk_by(|one, next| one.segment == next.segment) {
            let to: Vec<_> = alike.iter().map(|message| message.from.filter(|_| back)).collect();
            let payloads = &payloads[first..first + alike.len()];
            first += alike.len();
            self.send(socket, payloads, &to, alike[0].segment);
        }
    }
}
