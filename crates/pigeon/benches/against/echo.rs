//! One echo that both sockperf and `pigeon bench` measure, so that what is compared is them alone: a
//! blocking recvfrom, and a sendto of what came.
//!
//! sockperf's client takes only replies with a header that marks them as a server's, and its own
//! server answers sockperf's messages only. So in those one bit is cleared on the way. Everything
//! else goes back as it is.

use std::net::UdpSocket;

use pigeon_perf::bare::announce;

/// sockperf's header (`MsgHeader` in its `message.h`), in network order: a 64-bit sequence number,
/// 16 bits of flags, and the 32-bit length of the whole datagram.
const FLAGS: usize = 8;
const LENGTH: usize = 10;
const HEADER: usize = 14;

/// Whether a client sent it; the lowest of the flags.
const CLIENT: u8 = 1;

/// Runs until it is killed.
pub(crate) fn run() -> ! {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    announce(&socket);
    let mut buffer = vec![0; 65_536];
    loop {
        // What a client that has gone leaves behind (ICMP) is no reason to stop.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = &mut buffer[..length];
        answer_sockperf(datagram);
        let _ = socket.send_to(datagram, from);
    }
}

/// Makes a server's message of a client's, if it is sockperf's at all. In a datagram of `pigeon bench`
/// a part of the session's random number stands where the length would be: once in four billion runs
/// one is taken for sockperf's, and then fails for want of replies.
fn answer_sockperf(datagram: &mut [u8]) {
    let length = u32::try_from(datagram.len()).expect("a datagram's size");
    if datagram.len() >= HEADER && datagram[LENGTH..HEADER] == length.to_be_bytes() {
        datagram[FLAGS + 1] &= !CLIENT;
    }
}
