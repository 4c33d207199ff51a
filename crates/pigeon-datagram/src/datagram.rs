//! An incoming datagram ([`Received`]) and an outgoing one ([`Transmit`]).

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Range;
use std::time::Duration;

/// Maximum number of bytes one UDP datagram carries over IPv4: 65,535 less 20 of IPv4 header and 8
/// of UDP (RFC 768, RFC 791).
pub const MAX_PAYLOAD_V4: usize = 65_507;

/// Maximum number of bytes one UDP datagram carries over IPv6 without jumbograms: 65,535 less 8 of
/// UDP (RFC 8200 section 3 does not count the IPv6 header in the length).
pub const MAX_PAYLOAD_V6: usize = 65_527;

/// Maximum number of datagrams in one train. Linux allowed 64 (`UDP_MAX_SEGMENTS`) before 6.9 and
/// 128 since.
pub const MAX_TRAIN_SEGMENTS: usize = 64;

/// Maximum number of bytes one datagram to `to` can carry.
pub fn max_payload(to: SocketAddr) -> usize {
    if to.is_ipv4() { MAX_PAYLOAD_V4 } else { MAX_PAYLOAD_V6 }
}

/// Identifies one of a machine's sockets.
///
/// The machine chooses the number when it asks for a socket to be opened, and its driver uses the
/// same number. A machine with a single socket uses [`SocketId::FIRST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u16);

impl SocketId {
    /// The first socket of every machine.
    pub const FIRST: SocketId = SocketId(0);

    /// A socket id with this number.
    pub const fn new(number: u16) -> Self {
        SocketId(number)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The number as an index into a table of sockets.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An incoming datagram.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The socket that received it.
    pub socket: SocketId,
    /// The sender. An IPv4-mapped IPv6 address has already been converted to IPv4.
    pub from: SocketAddr,
    /// The local address that the datagram reached, if the system reports it. A reply must come
    /// from this address: a peer with a connected socket drops replies from any other.
    pub local: Option<IpAddr>,
    /// The destination address in the IP header, if the system reports it: `local`, or a group or
    /// broadcast address, neither of which can send a reply.
    pub destination: Option<IpAddr>,
    /// The payload, cut to the size of the receive buffer.
    pub payload: &'a [u8],
    /// The datagram's true length in bytes; more than `payload.len()` if it was truncated.
    pub length: usize,
    /// When the kernel received it, since the Unix epoch. For display only: the wall clock jumps.
    pub wall: Option<Duration>,
    /// Total datagrams that the kernel had dropped at this socket, for lack of buffer space, when
    /// it queued this one. 0 where the system does not report it. The kernel counts datagrams that
    /// it has joined (GRO) as one.
    pub kernel_drops: u64,
}

impl<'a> Received<'a> {
    /// A whole datagram at the first socket, with every optional field empty: for tests and
    /// simulations.
    pub fn new(from: SocketAddr, payload: &'a [u8]) -> Self {
        Received {
            socket: SocketId::FIRST,
            from,
            local: None,
            destination: None,
            payload,
            length: payload.len(),
            wall: None,
            kernel_drops: 0,
        }
    }

    /// Whether the payload was cut because the receive buffer was too small.
    pub fn is_truncated(&self) -> bool {
        self.length > self.payload.len()
    }

    /// Splits joined datagrams: the payload holds datagrams of `segment` bytes in sequence, the
    /// last perhaps shorter. A datagram that was not joined is yielded unchanged.
    pub fn datagrams(&self, segment: usize) -> impl Iterator<Item = Received<'a>> + use<'a> {
        let joined = *self;
        // A truncated datagram is never a joined one. An empty datagram must be yielded too, but
        // `chunks` yields nothing for it.
        let single = joined.is_truncated() || joined.payload.len() <= segment;
        let cut = if single { &[][..] } else { joined.payload };
        single.then_some(joined).into_iter().chain(
            cut.chunks(segment.max(1)).map(move |payload| Received {
                payload,
                length: payload.len(),
                ..joined
            }),
        )
    }
}

/// An outgoing datagram, or a train of them to one destination.
///
/// The bytes are `outbox[range]` of the machine that returned it. With a `segment` they form a
/// train: datagrams of `segment` bytes each, the last one with the remainder (never empty). A
/// machine keeps a train within [`MAX_TRAIN_SEGMENTS`] datagrams and [`MAX_PAYLOAD_V4`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The socket to send from.
    pub socket: SocketId,
    /// The destination.
    pub to: SocketAddr,
    /// The local address to send from; `None` leaves the choice to the system.
    pub from: Option<IpAddr>,
    /// The position of the bytes in the machine's outbox.
    pub range: Range<usize>,
    /// The size of each datagram of a train; `None` for a single datagram.
    pub segment: Option<NonZeroU16>,
}

impl Transmit {
    /// The datagrams of this transmit, in order.
    pub fn datagrams<'a>(&self, outbox: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = outbox.get(self.range.clone()).unwrap_or_default();
        let size = self.segment.map_or(bytes.len(), |s| usize::from(s.get()));
        // An empty datagram must be yielded, but `chunks` yields nothing for it.
        let empty = bytes.is_empty().then_some(bytes);
        empty.into_iter().chain(bytes.chunks(size.max(1)))
    }

    /// The number of datagrams.
    pub fn count(&self) -> usize {
        match self.segment {
            Some(s) => self.range.len().div_ceil(usize::from(s.get())).max(1),
            None => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transmit(range: Range<usize>, segment: u16) -> Transmit {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let socket = SocketId::FIRST;
        Transmit { socket, to, from: None, range, segment: NonZeroU16::new(segment) }
    }

    #[test]
    fn a_train_is_cut_at_its_segment_size() {
        let outbox = b"aaabbbc";
        let train = transmit(0..7, 3);
        assert_eq!(train.count(), 3);
        assert_eq!(train.datagrams(outbox).collect::<Vec<_>>(), [&b"aaa"[..], b"bbb", b"c"]);
    }

    #[test]
    fn an_empty_datagram_is_one_datagram() {
        let empty = transmit(2..2, 0);
        assert_eq!(empty.count(), 1);
        assert_eq!(empty.datagrams(b"abcd").collect::<Vec<_>>(), [&b""[..]]);
    }

    #[test]
    fn joined_datagrams_come_apart_and_a_single_one_stays_whole() {
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let cut = |joined: Received<'static>, segment| {
            let one = |datagram: Received<'static>| (datagram.payload, datagram.length);
            joined.datagrams(segment).map(one).collect::<Vec<_>>()
        };
        let joined = Received::new(from, b"aabbc");
        assert_eq!(cut(joined, 2), [(&b"aa"[..], 2), (b"bb", 2), (b"c", 1)]);
        assert_eq!(cut(joined, 5), [(&b"aabbc"[..], 5)]);
        assert_eq!(cut(joined, 0).len(), 5);
        assert_eq!(cut(Received::new(from, b""), 0), [(&b""[..], 0)]);
        assert_eq!(cut(Received { length: 9, ..joined }, 2), [(&b"aabbc"[..], 9)]);
    }
}
