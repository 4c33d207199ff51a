//! Datagrams as a pcapng capture that Wireshark opens (draft-ietf-opsawg-pcapng).
//!
//! A socket sees payloads, not packets: the IP and UDP headers are written anew from what is known,
//! so the addresses, ports, lengths and times are true and everything else is what a plain sender
//! would put there (TTL 64, no options, no fragments).

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};

/// IP's number of UDP.
const UDP: u8 = 17;

/// A capture that is being written.
pub struct Writer<W: Write> {
    writer: PcapNgWriter<W>,
}

impl<W: Write> Writer<W> {
    /// Begins a capture.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn new(output: W) -> io::Result<Writer<W>> {
        let mut writer = PcapNgWriter::new(output).map_err(io::Error::other)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            // Times are in nanoseconds.
            options: vec![InterfaceDescriptionOption::IfTsResol(9)],
        };
        writer.write_pcapng_block(interface).map_err(io::Error::other)?;
        Ok(Writer { writer })
    }

    /// Appends a datagram at a time since 1970. `length` is its true length, of which `payload` may be
    /// the beginning.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn write(
        &mut self,
        time: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        length: usize,
    ) -> io::Result<()> {
        let packet = packet(from, to, payload, length);
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: time,
            original_len: (packet.len() - payload.len() + length) as u32,
            data: Cow::Owned(packet),
            options: vec![],
        };
        self.writer.write_pcapng_block(block).map(|_| ()).map_err(io::Error::other)
    }

    /// Where it is written.
    pub fn get_ref(&self) -> &W {
        self.writer.get_ref()
    }

    /// Writes out what is still in memory.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }
}

/// An IP packet with a UDP datagram in it (RFC 791, RFC 8200, RFC 768).
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8], length: usize) -> Vec<u8> {
    let udp_length = 8 + length;
    let mut packet = Vec::with_capacity(48 + payload.len());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend(((20 + udp_length) as u16).to_be_bytes());
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
        // Zero would mean that there is none.
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

/// The Internet checksum (RFC 1071) of pieces of even length but the last.
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
    use crate::{Datagram, Reader, Skip, datagram};

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

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let time = Duration::new(1_700_000_000, 123_456_789);
        let [from, to] = ["[fe80::1]:7", "[::1]:9"].map(|text| text.parse().unwrap());
        writer.write(time, from, to, "你好".as_bytes(), 6).unwrap();
        // Of a larger one only the beginning was kept.
        writer.write(time, from, to, b"begin", 9).unwrap();
        let mut reader = Reader::new(&writer.get_ref()[..]).unwrap();
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(packet.time, time);
        let whole = Datagram { from, to, payload: "你好".as_bytes() };
        assert_eq!(datagram(packet.link, &packet.data), Ok(whole));
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(datagram(packet.link, &packet.data), Err(Skip::Cut));
        assert_eq!(reader.next_packet().unwrap(), None);
    }
}
