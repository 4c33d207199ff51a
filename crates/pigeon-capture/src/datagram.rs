//! From a captured packet to the UDP datagram in it, past link layer and IP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a packet is no datagram that could be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Something else: TCP, ARP, ICMP.
    NotUdp,
    /// A part of a datagram. Fragments are not put together again: a socket sends whole datagrams,
    /// and the kernel cuts them anew.
    Fragment,
    /// The capture holds only its beginning (snaplen).
    Cut,
    /// Its headers contradict themselves.
    Malformed,
    /// A link layer that is not known here.
    UnknownLink,
}

impl Skip {
    /// All of them, in the order of their numbers.
    pub const ALL: [Skip; 5] =
        [Skip::NotUdp, Skip::Fragment, Skip::Cut, Skip::Malformed, Skip::UnknownLink];

    /// In words that go behind a count: "3 fragments".
    pub fn describe(self) -> &'static str {
        match self {
            Skip::NotUdp => "not UDP",
            Skip::Fragment => "fragments",
            Skip::Cut => "cut short by the capture (snaplen)",
            Skip::Malformed => "malformed",
            Skip::UnknownLink => "of a link layer not known here",
        }
    }
}

/// A datagram in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Link types by their numbers (draft-ietf-opsawg-pcaplinktype).
mod link {
    pub(super) const NULL: u32 = 0;
    pub(super) const ETHERNET: u32 = 1;
    pub(super) const RAW: u32 = 101;
    pub(super) const LOOP: u32 = 108;
    pub(super) const LINUX_SLL: u32 = 113;
    pub(super) const IPV4: u32 = 228;
    pub(super) const IPV6: u32 = 229;
    pub(super) const LINUX_SLL2: u32 = 276;
}

/// EtherTypes.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// IP's numbers of protocols and of IPv6 extension headers (RFC 8200 section 4).
const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Takes a packet of this link type apart.
pub fn datagram(link: u32, packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    match link {
        link::RAW | link::IPV4 | link::IPV6 => ip(packet),
        // Four bytes of address family, in the byte order of the capturing host. Both orders are
        // accepted, as the IP header that follows says which version it is.
        link::NULL | link::LOOP => ip(rest(packet, 4)?),
        link::ETHERNET => ether(number(packet, 12)?, rest(packet, 14)?),
        link::LINUX_SLL => ether(number(packet, 14)?, rest(packet, 16)?),
        link::LINUX_SLL2 => ether(number(packet, 0)?, rest(packet, 20)?),
        _ => Err(Skip::UnknownLink),
    }
}

fn ether(mut kind: u16, mut packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    while VLAN.contains(&kind) {
        kind = number(packet, 2)?;
        packet = rest(packet, 4)?;
    }
    match kind {
        IPV4 | IPV6 => ip(packet),
        _ => Err(Skip::NotUdp),
    }
}

fn ip(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    match packet.first().ok_or(Skip::Cut)? >> 4 {
        4 => ipv4(packet),
        6 => ipv6(packet),
        _ => Err(Skip::NotUdp),
    }
}

/// RFC 791.
fn ipv4(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    let header = usize::from(*packet.first().ok_or(Skip::Cut)? & 0x0f) * 4;
    if header < 20 {
        return Err(Skip::Malformed);
    }
    let (protocol, fragment) = (*packet.get(9).ok_or(Skip::Cut)?, number(packet, 6)?);
    if protocol != UDP {
        return Err(Skip::NotUdp);
    }
    // "More fragments", or an offset.
    if fragment & 0x3fff != 0 {
        return Err(Skip::Fragment);
    }
    let address = |at| Ok(IpAddr::from(Ipv4Addr::from(bytes::<4>(packet, at)?)));
    udp(address(12)?, address(16)?, rest(packet, header)?)
}

/// RFC 8200.
fn ipv6(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    let address = |at| Ok(IpAddr::from(Ipv6Addr::from(bytes::<16>(packet, at)?)));
    let (from, to) = (address(8)?, address(24)?);
    let mut next = *packet.get(6).ok_or(Skip::Cut)?;
    let mut body = rest(packet, 40)?;
    loop {
        match next {
            UDP => return udp(from, to, body),
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let length = usize::from(*body.get(1).ok_or(Skip::Cut)?) * 8 + 8;
                next = *body.first().ok_or(Skip::Cut)?;
                body = rest(body, length)?;
            }
            FRAGMENT => {
                // An offset, or "more": but a fragment may also be all there is (RFC 6946).
                if number(body, 2)? & 0xfff9 != 0 {
                    return Err(Skip::Fragment);
                }
                next = *body.first().ok_or(Skip::Cut)?;
                body = rest(body, 8)?;
            }
            _ => return Err(Skip::NotUdp),
        }
    }
}

/// RFC 768. Behind the datagram there may be padding, of Ethernet's shortest frame.
fn udp(from: IpAddr, to: IpAddr, body: &[u8]) -> Result<Datagram<'_>, Skip> {
    let length = usize::from(number(body, 4)?);
    let (from, to) = ((from, number(body, 0)?), (to, number(body, 2)?));
    if length < 8 {
        return Err(Skip::Malformed);
    }
    let payload = body.get(8..length).ok_or(Skip::Cut)?;
    Ok(Datagram { from: from.into(), to: to.into(), payload })
}

fn rest(bytes: &[u8], from: usize) -> Result<&[u8], Skip> {
    bytes.get(from..).ok_or(Skip::Cut)
}

fn bytes<const N: usize>(of: &[u8], at: usize) -> Result<[u8; N], Skip> {
    of.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).ok_or(Skip::Cut)
}

fn number(of: &[u8], at: usize) -> Result<u16, Skip> {
    Ok(u16::from_be_bytes(bytes::<2>(of, at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet from 10.0.0.1:7 to 10.0.0.2:9 with "hello" in it.
    fn v4() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, UDP, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0, 7, 0, 9, 0, 13, 0, 0]);
        packet.extend(b"hello");
        packet
    }

    fn v6(next: u8, extension: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 13, next, 64];
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(extension);
        packet.extend(&v4()[20..]);
        packet
    }

    fn expect(link: u32, head: &[u8], packet: &[u8]) {
        let whole = [head, packet].concat();
        let found = datagram(link, &whole).unwrap();
        assert_eq!((found.payload, found.from.port(), found.to.port()), (&b"hello"[..], 7, 9));
        // Padding changes nothing; a truncated packet is an error, never a panic.
        assert_eq!(datagram(link, &[&whole[..], &[0; 9]].concat()).unwrap().payload, b"hello");
        for length in 0..whole.len() {
            assert_eq!(datagram(link, &whole[..length]).unwrap_err(), Skip::Cut, "{length}");
        }
    }

    #[test]
    fn every_link_layer_leads_to_the_datagram() {
        let v4 = v4();
        expect(link::RAW, &[], &v4);
        expect(link::IPV4, &[], &v4);
        expect(link::NULL, &[2, 0, 0, 0], &v4);
        expect(link::LOOP, &[0, 0, 0, 24], &v6(UDP, &[]));
        expect(link::ETHERNET, &[[0; 12].as_slice(), &[8, 0]].concat(), &v4);
        let tagged = [[0; 12].as_slice(), &[0x81, 0, 0, 5, 0x86, 0xdd]].concat();
        expect(link::ETHERNET, &tagged, &v6(UDP, &[]));
        expect(link::LINUX_SLL, &[[0; 14].as_slice(), &[8, 0]].concat(), &v4);
        expect(link::LINUX_SLL2, &[[8, 0].as_slice(), &[0; 18]].concat(), &v4);
        assert_eq!(datagram(9_999, &v4), Err(Skip::UnknownLink));
    }

    #[test]
    fn extension_headers_are_passed_over() {
        expect(link::RAW, &[], &v6(HOP_BY_HOP, &[UDP, 0, 0, 0, 0, 0, 0, 0]));
        expect(link::RAW, &[], &v6(FRAGMENT, &[UDP, 0, 0, 0, 0, 0, 0, 1]));
        let fragment = v6(FRAGMENT, &[UDP, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(datagram(link::RAW, &fragment), Err(Skip::Fragment));
    }

    #[test]
    fn what_is_no_datagram_says_why() {
        let changed = |at: usize, byte: u8| {
            let mut packet = v4();
            packet[at] = byte;
            packet
        };
        for (packet, skip) in [
            (changed(9, 6), Skip::NotUdp),
            (changed(6, 0x20), Skip::Fragment),
            (changed(7, 1), Skip::Fragment),
            (changed(0, 0x44), Skip::Malformed),
            (changed(0, 0x15), Skip::NotUdp),
            (changed(25, 7), Skip::Malformed),
            (changed(24, 1), Skip::Cut),
        ] {
            assert_eq!(datagram(link::RAW, &packet), Err(skip));
        }
        let arp = [[0; 12].as_slice(), &[8, 6], &[0; 28]].concat();
        assert_eq!(datagram(link::ETHERNET, &arp), Err(Skip::NotUdp));
    }

    #[test]
    fn nothing_panics() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for _ in 0..20_000 {
            let length = usize::from(random());
            let mut packet: Vec<u8> = (0..length).map(|_| random()).collect();
            for (byte, fixed) in packet.iter_mut().zip(v6(random() & 63, &[])) {
                if random() > 20 {
                    *byte = fixed;
                }
            }
            for link in [0, 1, 101, 113, 276] {
                let _ = datagram(link, &packet);
            }
        }
    }
}
