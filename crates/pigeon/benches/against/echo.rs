//! A common echo for sockperf and `pigeon bench`, so that only the clients are compared: a blocking
//! recvfrom and a sendto.
//!
//! sockperf's client accepts only replies with a server's flag, and its server answers only
//! sockperf's messages. So the echo clears one bit in sockperf's messages, and returns all others
//! unchanged.

use std::net::UdpSocket;

use pigeon_perf::bare::announce;

/// sockperf's header (`MsgHeader` in its `message.h`), in network order: a 64-bit sequence number,
/// 16 bits of flags, and the 32-bit length of the whole datagram.
const FLAGS: usize = 8;
const LENGTH: usize = 10;
const HEADER: usize = 14;

/// The lowest flag: sent by a client.
const CLIENT: u8 = 1;

pub(crate) fn run() -> ! {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    announce(&socket);
    let mut buffer = vec![0; 65_536];
    loop {
        // An ICMP error from a client that has ended must not stop the echo.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = &mut buffer[..length];
        answer_sockperf(datagram);
        let _ = socket.send_to(datagram, from);
    }
}

/// Turns a sockperf client's message into a server's. In a datagram of `pigeon bench`, a part of
/// the random session number is in the place of the length: once in four billion runs one is taken
/// for sockperf's, and that run fails for lack of replies.
fn answer_sockperf(datagram: &mut [u8]) {
    let length = u32::try_from(datagram.len()).expect("a datagram's size");
    if datagram.len() >= HEADER && datagram[LENGTH..HEADER] == length.to_be_bytes() {
        datagram[FLAGS + 1] &= !CLIENT;
    }
}
