//! Control messages (cmsg(3)): a datagram's metadata. Outgoing, the segment size of a train and the
//! source address; incoming, the kernel's reports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::name::array;

/// Bytes of the kernel's `struct cmsghdr`: a `size_t` and two `int`.
const HEADER: usize = align(size_of::<usize>() + 8);

/// Rounds up to the alignment of control messages, that of a `size_t`.
const fn align(bytes: usize) -> usize {
    bytes.next_multiple_of(size_of::<usize>())
}

/// Space for sending an `in6_pktinfo` and a `u16`.
const SEND_ROOM: usize = HEADER + align(20) + HEADER + align(2);

/// Space for receiving everything we enable, which is about 150 bytes.
pub(super) const RECEIVE_ROOM: usize = 192;

/// The control messages of one outgoing datagram or train.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub(super) struct SendControl {
    bytes: [u8; SEND_ROOM],
    length: usize,
}

impl SendControl {
    pub(super) fn new(from: Option<IpAddr>, segment: Option<NonZeroU16>) -> SendControl {
        let mut control = SendControl { bytes: [0; SEND_ROOM], length: 0 };
        match from {
            // struct in_pktinfo: interface index, source, unused. A dual-stack socket accepts it
            // too.
            Some(IpAddr::V4(ip)) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            // struct in6_pktinfo: source, interface index.
            Some(IpAddr::V6(ip)) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&ip.octets());
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        if let Some(size) = segment {
            control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &size.get().to_ne_bytes());
        }
        control
    }

    /// The bytes in use.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let Some(room) = self.bytes.get_mut(self.length..) else { return };
        if room.len() < HEADER + data.len() {
            return;
        }
        const WORD: usize = size_of::<usize>();
        room[..WORD].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        room[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        room[WORD + 4..WORD + 8].copy_from_slice(&kind.to_ne_bytes());
        room[HEADER..HEADER + data.len()].copy_from_slice(data);
        self.length += HEADER + align(data.len());
    }
}

/// Space for the control messages of one received message, aligned as required.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveControl(pub(super) [u8; RECEIVE_ROOM]);

/// The kernel's reports about a received message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ControlData {
    /// The segment size of joined datagrams (GRO).
    pub(super) segment: Option<usize>,
    /// Datagrams dropped since the socket was opened, modulo 2^32.
    pub(super) drops: Option<u32>,
    /// When the datagram was received, since the Unix epoch.
    pub(super) wall: Option<Duration>,
    /// The error number caused by an earlier datagram, and whether it may be temporary.
    pub(super) error: Option<(i32, bool)>,
    local_v4: Option<Ipv4Addr>,
    destination_v4: Option<Ipv4Addr>,
    /// The destination in the IPv6 header, of any kind.
    destination_v6: Option<Ipv6Addr>,
}

impl ControlData {
    /// The local address that the datagram was sent to, if it can be used to reply.
    pub(super) fn local(&self) -> Option<IpAddr> {
        // For an IPv4 datagram a dual-stack socket reports both forms. The IPv6 form holds the
        // plain destination, which may be a broadcast address; the IPv4 form holds the interface's
        // own address.
        let v6 = || self.destination_v6.map(IpAddr::V6).filter(|ip| ip.to_canonical() == *ip);
        self.local_v4.map(IpAddr::V4).or_else(v6).and_then(usable_source)
    }

    /// The destination in the IP header, which may be a group or a broadcast address.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        let v6 = || self.destination_v6.map(|ip| ip.to_canonical());
        self.destination_v4.map(IpAddr::V4).or_else(v6)
    }
}

/// Decodes control messages; skips truncated and unknown ones.
pub(super) fn decode(mut bytes: &[u8]) -> ControlData {
    let mut told = ControlData::default();
    while let Some((level, kind, data, rest)) = split_first(bytes) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                told.segment = int(data).and_then(|size| usize::try_from(size).ok());
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => told.drops = int(data).map(i32::cast_unsigned),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => told.wall = timespec(data),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                told.error = int(data).map(|code| (code, is_passing(data)));
            }
            // struct in_pktinfo: interface index, local address, header destination.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                told.local_v4 = array::<4>(data, 4).map(Ipv4Addr::from);
                told.destination_v4 = array::<4>(data, 8).map(Ipv4Addr::from);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                told.destination_v6 = array::<16>(data, 0).map(Ipv6Addr::from);
            }
            _ => {}
        }
        bytes = rest;
    }
    told
}

/// The level, kind and data of the first control message, and the bytes after it.
fn split_first(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    const WORD: usize = size_of::<usize>();
    let length = usize::from_ne_bytes(array(bytes, 0)?);
    let level = i32::from_ne_bytes(array(bytes, WORD)?);
    let kind = i32::from_ne_bytes(array(bytes, WORD + 4)?);
    let data = bytes.get(HEADER..length)?;
    let rest = bytes.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    Some((level, kind, data, rest))
}

/// Whether an error may be temporary, by its origin in `struct sock_extended_err`: error number,
/// origin, ICMP type, ICMP code.
fn is_passing(error: &[u8]) -> bool {
    match error.get(4..7) {
        // RFC 792: no route to the network or host, with or without a type of service; too long for
        // a link, and the next one will be sent in fragments.
        Some(&[libc::SO_EE_ORIGIN_ICMP, 3, code]) => matches!(code, 0 | 1 | 4 | 5 | 11 | 12),
        // RFC 4443: no route, beyond the scope, address unreachable; too long for a link.
        Some(&[libc::SO_EE_ORIGIN_ICMP6, 1, code]) => matches!(code, 0 | 2 | 3),
        Some(&[libc::SO_EE_ORIGIN_ICMP6, 2, _]) => true,
        // A routing loop has used up the hop limit.
        Some(&[libc::SO_EE_ORIGIN_ICMP, 11, _] | &[libc::SO_EE_ORIGIN_ICMP6, 3, _]) => true,
        _ => false,
    }
}

fn int(data: &[u8]) -> Option<i32> {
    Some(i32::from_ne_bytes(array(data, 0)?))
}

/// `struct timespec`: seconds and nanoseconds, of 64 bits each or, on old 32-bit systems, of 32.
fn timespec(data: &[u8]) -> Option<Duration> {
    let (seconds, nanos) = match data.len() {
        16 => (i64::from_ne_bytes(array(data, 0)?), i64::from_ne_bytes(array(data, 8)?)),
        8 => (i64::from(int(data)?), i64::from(int(&data[4..])?)),
        _ => return None,
    };
    let seconds = Duration::from_secs(u64::try_from(seconds).ok()?);
    seconds.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// The source address for a reply: the interface's own address after a broadcast, and none after
/// multicast.
fn usable_source(address: IpAddr) -> Option<IpAddr> {
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let control = SendControl::new(Some([127, 0, 0, 5].into()), NonZeroU16::new(1200));
        assert_eq!(decode(control.bytes()).local(), Some([127, 0, 0, 5].into()));
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        let control = SendControl::new(Some(v6), NonZeroU16::new(1200));
        assert_eq!(decode(control.bytes()).local(), Some(v6));
        assert!(SendControl::new(None, None).bytes().is_empty());
    }

    #[test]
    fn the_source_is_never_a_group_and_never_mapped() {
        let told = |v4: Option<[u8; 4]>, v6: &str| ControlData {
            local_v4: v4.map(Ipv4Addr::from),
            destination_v6: v6.parse().ok(),
            ..ControlData::default()
        };
        assert_eq!(told(None, "ff02::1").local(), None);
        assert_eq!(told(None, "::ffff:255.255.255.255").local(), None);
        let own = [192, 0, 2, 1];
        let broadcast = told(Some(own), "::ffff:255.255.255.255");
        assert_eq!(broadcast.local(), Some(own.into()));
        assert_eq!(broadcast.destination(), Some([255; 4].into()));
    }

    #[test]
    fn damaged_control_messages_are_skipped() {
        let control = SendControl::new(Some([127, 0, 0, 5].into()), NonZeroU16::new(1200));
        for end in 0..control.bytes().len() {
            decode(&control.bytes()[..end]);
        }
        for length in [0, 1, HEADER - 1, 1000, usize::MAX - 6, usize::MAX] {
            let mut bytes = control.bytes().to_vec();
            bytes[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(decode(&bytes), ControlData::default());
        }
    }
}
