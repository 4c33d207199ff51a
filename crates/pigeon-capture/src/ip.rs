//! An IP packet's headers: source, destination and payload.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Skip;
use crate::bytes::Bytes;

/// Protocol numbers, which IPv6 also uses for its next headers (RFC 8200 section 4).
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const DESTINATION: u8 = 60;
    /// IPv4, IPv6, GRE, EtherIP, L2TP, MPLS.
    pub(crate) const TUNNELS: [u8; 6] = [4, 41, 47, 97, 115, 137];
}

/// The addresses and content of a packet.
pub(crate) struct IpPacket<'a> {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) content: Content<'a>,
}

pub(crate) enum Content<'a> {
    /// A UDP header and its payload.
    Udp(Bytes<'a>),
    Fragment(Fragment<'a>),
}

pub(crate) struct Fragment<'a> {
    /// The id that all fragments of a packet share.
    pub(crate) id: u32,
    pub(crate) offset: usize,
    /// Whether more fragments follow.
    pub(crate) more: bool,
    /// The protocol number of the reassembled payload.
    pub(crate) next: u8,
    pub(crate) body: Bytes<'a>,
}

/// Parses a packet, which padding may follow.
pub(crate) fn parse(packet: Bytes<'_>) -> Result<IpPacket<'_>, Skip> {
    match packet.u8(0)? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => Err(Skip::NotUdp),
    }
}

/// RFC 791.
fn v4(packet: Bytes<'_>) -> Result<IpPacket<'_>, Skip> {
    let header = usize::from(packet.u8(0)? & 0x0f) * 4;
    let length = usize::from(packet.u16(2)?);
    // Segmentation offload: the sender may leave the length at zero for its network card.
    let length = if length == 0 { usize::MAX } else { length };
    if header < 20 || length < header {
        return Err(Skip::Malformed);
    }
    let (flags, next) = (packet.u16(6)?, packet.u8(9)?);
    let address = |at| Ok(IpAddr::from(Ipv4Addr::from(packet.array::<4>(at)?)));
    let (from, to) = (address(12)?, address(16)?);
    let packet = if length == usize::MAX { packet } else { packet.first(length)? };
    let body = packet.skip(header)?;
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    let content = match (offset, more) {
        (0, false) => upper(next, body)?,
        _ if next != protocol::UDP => return Err(other(next)),
        _ => Content::Fragment(Fragment { id: packet.u16(4)?.into(), offset, more, next, body }),
    };
    Ok(IpPacket { from, to, content })
}

/// RFC 8200.
fn v6(packet: Bytes<'_>) -> Result<IpPacket<'_>, Skip> {
    let address = |at| Ok(IpAddr::from(Ipv6Addr::from(packet.array::<16>(at)?)));
    let (from, to) = (address(8)?, address(24)?);
    let (length, next) = (usize::from(packet.u16(4)?), packet.u8(6)?);
    let body = packet.skip(40)?;
    // The length is zero for a jumbogram, or if the network card splits the packet.
    let body = if length == 0 { body } else { body.first(length)? };
    Ok(IpPacket { from, to, content: upper(next, body)? })
}

/// Skips the headers between IP's and UDP's.
pub(crate) fn upper(mut next: u8, mut body: Bytes<'_>) -> Result<Content<'_>, Skip> {
    loop {
        let length = match next {
            protocol::UDP => return Ok(Content::Udp(body)),
            protocol::ROUTING => usize::from(body.u8(1)?) * 8 + 8,
            protocol::HOP_BY_HOP | protocol::DESTINATION => {
                let length = usize::from(body.u8(1)?) * 8 + 8;
                check_options(body.first(length)?, length)?;
                length
            }
            protocol::AUTHENTICATION => usize::from(body.u8(1)?) * 4 + 8,
            protocol::FRAGMENT => {
                let bits = body.u16(2)?;
                let (offset, more) = (usize::from(bits & !7), bits & 1 != 0);
                // A single fragment may be the whole packet (RFC 6946).
                if (offset, more) != (0, false) {
                    let (id, next) = (u32::from_be_bytes(body.array(4)?), body.u8(0)?);
                    let body = body.skip(8)?;
                    return Ok(Content::Fragment(Fragment { id, offset, more, next, body }));
                }
                8
            }
            _ => return Err(other(next)),
        };
        (next, body) = (body.u8(0)?, body.skip(length)?);
    }
}

/// Rejects options that exceed their header: every receiver drops such a packet.
fn check_options(header: Bytes<'_>, length: usize) -> Result<(), Skip> {
    const PAD1: u8 = 0;
    let mut at = 2;
    while at < length {
        at += match header.u8(at)? {
            PAD1 => 1,
            _ => 2 + usize::from(header.u8(at + 1)?),
        };
    }
    if at == length { Ok(()) } else { Err(Skip::Malformed) }
}

/// The reason to skip a packet that is not UDP.
fn other(next: u8) -> Skip {
    match next {
        protocol::ESP => Skip::Encrypted,
        _ if protocol::TUNNELS.contains(&next) => Skip::Tunnel,
        _ => Skip::NotUdp,
    }
}
