//! Extracts the IP packet from a captured frame, through link layers and encapsulations.
//!
//! | link type (draft-ietf-opsawg-pcaplinktype) | |
//! | --- | --- |
//! | Ethernet, Linux cooked (both versions), Apple's FireWire | with VLAN tags, MPLS, PPPoE, MAC-in-MAC, FabricPath, LLC/SNAP |
//! | raw IP, BSD's loopback, NFLOG, PFLOG, ENC | IP behind a header of the system |
//! | PPP, Cisco HDLC, frame relay, ATM, FDDI, Fibre Channel, MPLS | serial lines and backbones |
//! | 802.11, also behind radiotap, AVS, Prism or PPI | unencrypted data frames, one MSDU each |
//! | PKTAP | any of the above behind macOS' header |

use crate::Skip;
use crate::bytes::Bytes;

/// Link-type numbers.
pub(crate) mod number {
    pub(crate) const NULL: u32 = 0;
    pub(crate) const ETHERNET: u32 = 1;
    pub(crate) const PPP: u32 = 9;
    pub(crate) const FDDI: u32 = 10;
    /// Numbers that BSDs used for [`RAW`] before it had its own.
    pub(crate) const OLD_RAW: [u32; 2] = [12, 14];
    pub(crate) const PPP_HDLC: u32 = 50;
    pub(crate) const PPP_ETHER: u32 = 51;
    pub(crate) const ATM_RFC1483: u32 = 100;
    pub(crate) const RAW: u32 = 101;
    pub(crate) const C_HDLC: u32 = 104;
    pub(crate) const IEEE802_11: u32 = 105;
    pub(crate) const FRELAY: u32 = 107;
    pub(crate) const LOOP: u32 = 108;
    pub(crate) const ENC: u32 = 109;
    pub(crate) const LINUX_SLL: u32 = 113;
    pub(crate) const PFLOG: u32 = 117;
    pub(crate) const IEEE802_11_PRISM: u32 = 119;
    pub(crate) const IP_OVER_FC: u32 = 122;
    pub(crate) const SUNATM: u32 = 123;
    pub(crate) const IEEE802_11_RADIOTAP: u32 = 127;
    pub(crate) const APPLE_IP_OVER_IEEE1394: u32 = 138;
    pub(crate) const IEEE802_11_AVS: u32 = 163;
    /// macOS's number for [`PKTAP`], from the range for private use.
    pub(crate) const OLD_PKTAP: u32 = 149;
    pub(crate) const PPP_PPPD: u32 = 166;
    pub(crate) const PPI: u32 = 192;
    pub(crate) const PPP_WITH_DIR: u32 = 204;
    pub(crate) const MPLS: u32 = 219;
    pub(crate) const IPV4: u32 = 228;
    pub(crate) const IPV6: u32 = 229;
    pub(crate) const NFLOG: u32 = 239;
    pub(crate) const PKTAP: u32 = 258;
    pub(crate) const LINUX_SLL2: u32 = 276;
}

/// The IP packet in a frame of this link type, including trailing bytes.
pub(crate) fn ip(link: u32, frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    match link {
        number::PPI => {
            let [a, b] = frame.array(2)?;
            let inner = u32::from_le_bytes(frame.array(4)?);
            inside(inner, frame.skip(u16::from_le_bytes([a, b]).into())?)
        }
        number::PKTAP | number::OLD_PKTAP => {
            let length = u32::from_le_bytes(frame.array(0)?);
            let inner = u32::from_le_bytes(frame.array(8)?);
            inside(inner, frame.skip(length as usize)?)
        }
        _ => inside(link, frame),
    }
}

fn inside(link: u32, frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    match link {
        number::RAW => Ok(frame),
        number::IPV4 => version(frame, 4),
        number::IPV6 => version(frame, 6),
        _ if number::OLD_RAW.contains(&link) => Ok(frame),
        number::NULL | number::LOOP => family(frame),
        number::ETHERNET => ethernet(frame),
        number::LINUX_SLL => ether_type(frame.u16(14)?, frame.skip(16)?),
        number::LINUX_SLL2 => ether_type(frame.u16(0)?, frame.skip(20)?),
        number::APPLE_IP_OVER_IEEE1394 => ether_type(frame.u16(16)?, frame.skip(18)?),
        number::C_HDLC => ether_type(frame.u16(2)?, frame.skip(4)?),
        number::ATM_RFC1483 => llc(frame),
        number::SUNATM => llc(frame.skip(4)?),
        number::FDDI => llc(frame.skip(13)?),
        number::IP_OVER_FC => llc(frame.skip(16)?),
        number::FRELAY => frame_relay(frame),
        number::MPLS => mpls(frame),
        number::PPP | number::PPP_HDLC => ppp(frame),
        // The first byte is the packet's direction.
        number::PPP_PPPD | number::PPP_WITH_DIR => ppp(frame.skip(1)?),
        number::PPP_ETHER => pppoe(frame),
        number::NFLOG => nflog(frame),
        // The header's length comes first, without its padding to four bytes.
        number::PFLOG => frame.skip(usize::from(frame.u8(0)?).next_multiple_of(4)),
        number::ENC => frame.skip(12),
        number::IEEE802_11 => wireless(frame, false),
        number::IEEE802_11_RADIOTAP => radiotap(frame),
        number::IEEE802_11_PRISM | number::IEEE802_11_AVS => prism(frame),
        _ => Err(Skip::UnknownLink),
    }
}

/// A packet that must be of this IP version.
fn version(packet: Bytes<'_>, version: u8) -> Result<Bytes<'_>, Skip> {
    if packet.u8(0)? >> 4 == version { Ok(packet) } else { Err(Skip::Malformed) }
}

/// BSD loopback: four bytes of address family, in the capturing host's byte order.
fn family(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let family = frame.array(0)?;
    match family {
        // isdn4bsd writes a serial line's header here instead.
        [0xff, 3, _, _] => return ppp(frame),
        [0x0f | 0x8f, 0, a, b] => return ether_type(u16::from_be_bytes([a, b]), frame.skip(4)?),
        _ => {}
    }
    // IPv4 is 2 everywhere. IPv6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS.
    match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        2 | 10 | 24 | 28 | 30 => frame.skip(4),
        _ => Err(Skip::NotUdp),
    }
}

fn ethernet(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    ether_type(frame.u16(12)?, frame.skip(14)?)
}

fn ether_type(mut kind: u16, mut frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    loop {
        match kind {
            0x0800 | 0x86dd => return Ok(frame),
            // VLAN tags (IEEE 802.1Q and 802.1ad), any number of them.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                (kind, frame) = (frame.u16(2)?, frame.skip(4)?);
            }
            // A provider's frame around a customer's (IEEE 802.1ah): a service tag, then two
            // addresses.
            0x88e7 => (kind, frame) = (frame.u16(16)?, frame.skip(18)?),
            // Cisco FabricPath: a tree number and a hop count, then a frame.
            0x8903 => (kind, frame) = (frame.u16(14)?, frame.skip(16)?),
            0x8847 | 0x8848 => return mpls(frame),
            0x8864 => return pppoe(frame),
            0x88e5 => (kind, frame) = macsec(frame)?,
            // A service function chain (RFC 8300): the packet takes a path of its own.
            0x894f => return Err(Skip::Tunnel),
            // Linux's type for a frame with a length.
            4 => return llc(frame),
            // A length instead of a type (IEEE 802.3).
            3..=1_500 => return llc(frame.first(kind.into())?),
            _ => return Err(Skip::NotUdp),
        }
    }
}

/// The type and payload of a MACsec frame (IEEE 802.1AE) that is signed but not encrypted.
fn macsec(frame: Bytes<'_>) -> Result<(u16, Bytes<'_>), Skip> {
    let control = frame.u8(0)?;
    if control & 0x0c != 0 {
        return Err(Skip::Encrypted);
    }
    // The tag may have the sender's identifier.
    let tag = if control & 0x20 == 0 { 6 } else { 14 };
    Ok((frame.u16(tag)?, frame.skip(tag + 2)?))
}

/// IEEE 802.2, with SNAP (RFC 1042) or IP's own SAP number.
fn llc(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    match frame.array(0)? {
        [0xaa, 0xaa, 3] => {
            let [organization @ .., a, b] = frame.array::<5>(3)?;
            match organization {
                // Ethernet types, including those that bridges write (IEEE 802.1H).
                [0, 0, 0 | 0xf8] => ether_type(u16::from_be_bytes([a, b]), frame.skip(8)?),
                _ => Err(Skip::NotUdp),
            }
        }
        [6, 6, 3] => frame.skip(3),
        _ => Err(Skip::NotUdp),
    }
}

/// RFC 2427, with addresses of two bytes.
fn frame_relay(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    match frame.array(2)? {
        [3, 0xcc | 0x8e] => frame.skip(4),
        [3, 0] if frame.u8(4)? == 0x80 => ether_type(frame.u16(8)?, frame.skip(10)?),
        _ => Err(Skip::NotUdp),
    }
}

/// MPLS labels of four bytes, the last one marked (RFC 3032). The payload's type is not stated: a
/// leading IP version number means IP, anything else a pseudowire.
fn mpls(mut frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    while frame.u8(2)? & 1 == 0 {
        frame = frame.skip(4)?;
    }
    let packet = frame.skip(4)?;
    match packet.u8(0)? >> 4 {
        4 | 6 => Ok(packet),
        _ => Err(Skip::Tunnel),
    }
}

/// A session's frame (RFC 2516).
fn pppoe(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let length = frame.u16(4)?;
    ppp(frame.skip(6)?.first(length.into())?)
}

/// RFC 1661 and 1662. The address and control bytes may be missing, and so may the protocol
/// number's first byte.
fn ppp(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let frame = match frame.array(0)? {
        [0xff, 3] => frame.skip(2)?,
        // pppd overwrites the address byte, and the control byte stays.
        [3, _] => frame.skip(1)?,
        _ => frame,
    };
    let (protocol, packet) = match frame.u8(0)? {
        short if short & 1 == 1 => (short.into(), frame.skip(1)?),
        _ => (frame.u16(0)?, frame.skip(2)?),
    };
    match protocol {
        0x21 | 0x57 => Ok(packet),
        0x0281 | 0x0283 => mpls(packet),
        _ => Err(Skip::NotUdp),
    }
}

/// netfilter's log: TLVs in the capturing host's byte order.
fn nflog(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let values = frame.skip(4)?;
    let little = nflog_payload(values, u16::from_le_bytes);
    // A length that is invalid in one byte order is valid in the other.
    if little.is_ok() { little } else { nflog_payload(values, u16::from_be_bytes) }
}

fn nflog_payload(mut values: Bytes<'_>, number: fn([u8; 2]) -> u16) -> Result<Bytes<'_>, Skip> {
    const PAYLOAD: u16 = 9;
    while !values.held.is_empty() {
        let (length, kind) = (usize::from(number(values.array(0)?)), number(values.array(2)?));
        if length < 4 {
            return Err(Skip::Malformed);
        }
        if kind == PAYLOAD {
            return values.first(length)?.skip(4);
        }
        values = values.skip(length.next_multiple_of(4))?;
    }
    Err(Skip::NotUdp)
}

/// Reads from a radiotap header whether the 802.11 header after it is padded.
fn radiotap(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let present = |at| Ok(u32::from_le_bytes(frame.array(at)?));
    let [time, flags, more] = [1, 1 << 1, 1 << 31];
    let first = present(4)?;
    let mut fields = 8;
    let mut last = first;
    while last & more != 0 {
        last = present(fields)?;
        fields += 4;
    }
    if first & time != 0 {
        fields = fields.next_multiple_of(8) + 8;
    }
    let is_padded = first & flags != 0 && frame.u8(fields)? & 0x20 != 0;
    wireless(frame.skip(u16::from_le_bytes(frame.array(2)?).into())?, is_padded)
}

/// AVS stores its length in network byte order; Prism stores 144, in the capturing host's.
fn prism(frame: Bytes<'_>) -> Result<Bytes<'_>, Skip> {
    let length = match frame.array(0)? {
        [0x80, 0x21, 0x10, _] => u32::from_be_bytes(frame.array(4)?) as usize,
        _ => 144,
    };
    wireless(frame.skip(length)?, false)
}

/// A data frame of IEEE 802.11.
fn wireless(frame: Bytes<'_>, is_padded: bool) -> Result<Bytes<'_>, Skip> {
    let [kind, flags] = frame.array(0)?;
    let is = |flag| flags & flag != 0;
    // Accepts data frames with data only.
    if kind & 0x0c != 0x08 || kind & 0x40 != 0 {
        return Err(Skip::NotUdp);
    }
    if is(0x40) {
        return Err(Skip::Encrypted);
    }
    // A fragment: "more fragments" is set, or its number is not zero.
    if is(0x04) || frame.u8(22)? & 0x0f != 0 {
        return Err(Skip::Fragment);
    }
    let mut header = if is(0x01) && is(0x02) { 30 } else { 24 };
    if kind & 0x80 != 0 {
        // Several packets in one frame (A-MSDU).
        if frame.u8(header)? & 0x80 != 0 {
            return Err(Skip::UnknownLink);
        }
        header += if is(0x80) { 6 } else { 2 };
    }
    if is_padded {
        header = header.next_multiple_of(4);
    }
    llc(frame.skip(header)?)
}
