//! Writes datagrams as a pcapng capture that Wireshark opens (draft-ietf-opsawg-pcapng).
//!
//! A socket sees only payloads, so the writer makes up IP and UDP headers. Addresses, ports,
//! lengths and times are true; everything else is a plain sender's default (TTL 64, no options, no
//! fragments).

use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// UDP's IP protocol number.
const UDP: u8 = 17;

/// The capture's first blocks, little-endian.
#[rustfmt::skip]
const BEGINNING: [u8; 60] = [
    // Section header: type, length, byte order, version 1.0, unknown section length, length.
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
    // Interface: type, length, raw IP, no snaplen;
    1, 0, 0, 0, 32, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0,
    // timestamps in nanoseconds, end of options, length.
    9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0,
];

/// The type of a block that holds a packet.
const ENHANCED_PACKET: u32 = 6;

/// Bytes of an enhanced packet block besides the packet and its padding.
const AROUND: usize = 32;

/// Bytes of the option that counts packets lost before this one, with the end of options.
const DROPS: usize = 16;

/// A capture being written.
pub struct Writer<W: Write> {
    output: W,
    /// The block being written; the memory is reused.
    block: Vec<u8>,
    /// Datagrams missing before the next one.
    missing: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the capture's header. Fails if the output does.
    pub fn new(mut output: W) -> io::Result<Writer<W>> {
        output.write_all(&BEGINNING)?;
        Ok(Writer { output, block: Vec::new(), missing: 0 })
    }

    /// Appends a datagram. `length` is its original length; `payload` may be only its
    /// beginning. The format ends with the year 2554; a later time becomes its last moment. Fails
    /// if the output does.
    pub fn write(
        &mut self,
        time: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        length: usize,
    ) -> io::Result<()> {
        let packet = packet(from, to, payload, length);
        let kept = packet.len();
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let missing = std::mem::take(&mut self.missing);
        let options = if missing == 0 { 0 } else { DROPS };
        let block_length = (AROUND + kept.next_multiple_of(4) + options) as u32;
        self.block.clear();
        for word in [
            ENHANCED_PACKET,
            block_length,
            // Interface number.
            0,
            (nanos >> 32) as u32,
            nanos as u32,
            kept as u32,
            (kept - payload.len() + length) as u32,
        ] {
            self.block.extend(word.to_le_bytes());
        }
        self.block.extend(packet);
        self.block.resize(block_length as usize - 4 - options, 0);
        if missing > 0 {
            self.block.extend([4, 0, 8, 0]);
            self.block.extend(missing.to_le_bytes());
            // End of options.
            self.block.extend([0; 4]);
        }
        self.block.extend(block_length.to_le_bytes());
        self.output.write_all(&self.block)
    }

    /// Records that datagrams are missing at this place. Wireshark shows the number as the next
    /// packet's drop count.
    pub fn note_missing(&mut self, datagrams: u64) {
        self.missing = self.missing.saturating_add(datagrams);
    }

    /// The output, for example to take out the written bytes.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.output
    }

    /// The output.
    pub fn get_ref(&self) -> &W {
        &self.output
    }

    /// Flushes the output. Fails if the output does.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// An IP packet with a UDP datagram in it (RFC 791, RFC 8200, RFC 768).
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8], length: usize) -> Vec<u8> {
    let udp_length = 8 + length;
    let mut packet = Vec::with_capacity(48 + payload.len());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            // A length beyond IPv4's maximum becomes 0, as with segmentation offload.
            packet.extend(u16::try_from(20 + udp_length).unwrap_or(0).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            let sum = checksum(&[&packet]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((udp_length as u16).to_be_bytes());
            packet.extend([UDP, 64]);
            packet.extend(v6(from).octets());
            packet.extend(v6(to).octets());
        }
    }
    let addresses = if from.is_ipv4() && to.is_ipv4() { 12..20 } else { 8..40 };
    let mut udp = [0; 8];
    udp[0..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&(udp_length as u16).to_be_bytes());
    if payload.len() == length {
        let pseudo = [&[0, UDP][..], &(udp_length as u16).to_be_bytes()].concat();
        let sum = checksum(&[&packet[addresses], &pseudo, &udp, payload]);
        // Zero would mean that there is no checksum.
        let sum = if sum == 0 { 0xffff } else { sum };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend(udp);
    packet.extend(payload);
    packet
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The Internet checksum (RFC 1071) of the concatenated pieces; all but the last must have even
/// length.
fn checksum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let sum: u64 = words
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Datagram, Decoder, Reader, Skip};

    #[test]
    fn a_checksum_over_a_packet_that_holds_it_is_zero() {
        for (from, to) in [("10.0.0.1:7", "10.0.0.2:9"), ("[fe80::1]:7", "[::1]:9")] {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let packet = packet(from, to, b"odd", 3);
            let (header, addresses) = if from.is_ipv4() { (20, 12..20) } else { (40, 8..40) };
            if from.is_ipv4() {
                assert_eq!(checksum(&[&packet[..20]]), 0);
            }
            let pseudo = [0, UDP, 0, 11];
            assert_eq!(checksum(&[&packet[addresses], &pseudo, &packet[header..]]), 0);
        }
    }

    /// The bytes equal those of the crate `pcap-file` 2.0, which an earlier version used and
    /// Wireshark opened.
    #[test]
    fn a_capture_is_these_bytes() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let [from, to] = ["10.0.0.1:7", "10.0.0.2:9"].map(|text| text.parse().unwrap());
        writer.write(Duration::new(1_700_000_000, 123_456_789), from, to, b"odd", 9).unwrap();
        #[rustfmt::skip]
        let block = [
            6, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 254, 156, 151, 23, 21, 205, 133, 61,
            31, 0, 0, 0, 37, 0, 0, 0,
            69, 0, 0, 37, 0, 0, 64, 0, 64, 17, 38, 198, 10, 0, 0, 1, 10, 0, 0, 2,
            0, 7, 0, 9, 0, 17, 0, 0, 111, 100, 100, 0,
            64, 0, 0, 0,
        ];
        assert_eq!(*writer.get_ref(), [&BEGINNING[..], &block].concat());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let time = Duration::new(1_700_000_000, 123_456_789);
        let [from, to] = ["[fe80::1]:7", "[::1]:9"].map(|text| text.parse().unwrap());
        writer.write(time, from, to, "你好".as_bytes(), 6).unwrap();
        // A truncated datagram.
        writer.note_missing(3);
        writer.write(time, from, to, b"begin", 9).unwrap();
        writer.write(time, from, to, b"", 0).unwrap();
        let mut reader = Reader::new(&writer.get_ref()[..]).unwrap();
        let mut decoder = Decoder::new();
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(packet.time, Some(time));
        let whole = Datagram { from, to, payload: "你好".as_bytes(), fragments: 0 };
        assert_eq!(decoder.decode(&packet), Ok(whole));
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(decoder.decode(&packet), Err(Skip::Cut));
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(decoder.decode(&packet).unwrap().payload, b"");
        assert_eq!(reader.next_packet().unwrap(), None);
    }
}
