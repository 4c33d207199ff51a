//! Extracts the UDP datagram from a captured packet, through link layer and IP.

use std::net::{IpAddr, SocketAddr};

use crate::Packet;
use crate::bytes::Bytes;
use crate::fragments::Fragments;
use crate::ip::{self, Content};
use crate::link;

/// Why a packet yields no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Another protocol: TCP, ARP, ICMP.
    NotUdp,
    /// A fragment of a datagram that is still incomplete.
    Fragment,
    /// A packet that the capture truncated (snaplen).
    Cut,
    /// A packet with headers that contradict each other, or claim more bytes than were sent.
    Malformed,
    /// IP in IP, GRE or a pseudowire: the inner addresses belong to another network.
    Tunnel,
    /// Wi-Fi, MACsec or IPsec without the key.
    Encrypted,
    /// An unsupported link layer.
    UnknownLink,
}

impl Skip {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Skip; 7] = [
        Skip::NotUdp,
        Skip::Fragment,
        Skip::Cut,
        Skip::Malformed,
        Skip::Tunnel,
        Skip::Encrypted,
        Skip::UnknownLink,
    ];

    /// A phrase to follow a count: "3 fragments of incomplete datagrams".
    pub fn describe(self) -> &'static str {
        match self {
            Skip::NotUdp => "not UDP",
            Skip::Fragment => "fragments of incomplete datagrams",
            Skip::Cut => "cut short by the capture (snaplen)",
            Skip::Malformed => "malformed",
            Skip::Tunnel => "inside a tunnel",
            Skip::Encrypted => "encrypted",
            Skip::UnknownLink => "of a link layer that is not read",
        }
    }
}

/// A captured datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// The payload.
    pub payload: &'a [u8],
    /// How many earlier packets, each reported as [`Skip::Fragment`], are parts of it.
    pub fragments: u64,
}

/// Finds the datagrams in the packets of a capture, and reassembles fragments.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    /// The payload of the last reassembled packet.
    whole: Vec<u8>,
}

impl Decoder {
    /// A decoder without pending fragments.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Decodes the next packet, or returns the reason that it yields no datagram.
    pub fn decode<'a>(&'a mut self, packet: &'a Packet) -> Result<Datagram<'a>, Skip> {
        let Packet { time, link, data, length } = packet;
        let frame = Bytes { held: data, is_cut: data.len() < *length };
        let ip = ip::parse(link::ip(*link, frame)?)?;
        let ends = [ip.from, ip.to];
        let fragment = match ip.content {
            Content::Udp(body) => return udp(ends, body, 0),
            Content::Fragment(fragment) => fragment,
        };
        let whole = self.fragments.add(*time, ends, &fragment)?;
        self.whole = whole.bytes;
        match ip::upper(whole.next, Bytes { held: &self.whole, is_cut: false })? {
            Content::Udp(body) => udp(ends, body, whole.earlier),
            Content::Fragment(_) => Err(Skip::Malformed),
        }
    }
}

/// Parses a UDP header (RFC 768). The datagram ends where its length field says, or at the end of
/// the IP packet.
fn udp([from, to]: [IpAddr; 2], body: Bytes<'_>, fragments: u64) -> Result<Datagram<'_>, Skip> {
    let (from, to) = ((from, body.u16(0)?), (to, body.u16(2)?));
    let length = usize::from(body.u16(4)?);
    if length < 8 {
        return Err(Skip::Malformed);
    }
    let body = body.first(length).unwrap_or(body);
    if body.is_cut {
        return Err(Skip::Cut);
    }
    let payload = body.skip(8)?.held;
    Ok(Datagram { from: from.into(), to: to.into(), payload, fragments })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::time::Duration;

    use super::*;
    use crate::ip::protocol;
    use crate::link::number as link;

    /// An IPv4 packet from 10.0.0.1:7 to 10.0.0.2:9 with "hello" in it.
    fn v4() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, protocol::UDP, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0, 7, 0, 9, 0, 13, 0, 0]);
        packet.extend(b"hello");
        packet
    }

    fn v6(next: u8, extension: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 13 + extension.len() as u8, next, 64];
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(extension);
        packet.extend(&v4()[20..]);
        packet
    }

    /// A fragment of IPv4: `bytes` of the payload at `offset`.
    fn part(id: u8, offset: u16, more: bool, bytes: &[u8]) -> Vec<u8> {
        let mut packet = v4()[..20].to_vec();
        packet[3] = 20 + bytes.len() as u8;
        packet[5] = id;
        packet[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
        [&packet[..], bytes].concat()
    }

    fn packet(link: u32, data: &[u8]) -> Packet {
        Packet { time: None, link, data: data.to_vec(), length: data.len() }
    }

    /// Decodes one packet with a new decoder.
    fn alone(link: u32, data: &[u8]) -> Result<Vec<u8>, Skip> {
        Ok(Decoder::new().decode(&packet(link, data))?.payload.to_vec())
    }

    #[track_caller]
    fn expect(link: u32, head: &[u8], rest: &[u8]) {
        let whole = [head, rest].concat();
        let (mut decoder, packet) = (Decoder::new(), packet(link, &whole));
        let found = decoder.decode(&packet).unwrap();
        assert_eq!((found.payload, found.from.port(), found.to.port()), (&b"hello"[..], 7, 9));
        // Padding changes nothing; a truncated packet is an error, never a panic.
        assert_eq!(alone(link, &[&whole[..], &[0; 9]].concat()), Ok(b"hello".to_vec()));
        for length in 0..whole.len() {
            let mut short = packet.clone();
            short.data.truncate(length);
            assert_eq!(Decoder::new().decode(&short), Err(Skip::Cut), "{length}");
            assert!(alone(link, &short.data).is_err(), "{length}");
        }
    }

    #[test]
    fn every_link_layer_leads_to_the_datagram() {
        let v4 = v4();
        let v6 = v6(protocol::UDP, &[]);
        let zeros = [0; 32];
        let behind = |count: usize, rest: &[u8]| [&zeros[..count], rest].concat();
        expect(link::RAW, &[], &v4);
        expect(link::OLD_RAW[0], &[], &v4);
        expect(link::IPV4, &[], &v4);
        expect(link::NULL, &[2, 0, 0, 0], &v4);
        for family in [10, 24, 28, 30] {
            expect(link::NULL, &[family, 0, 0, 0], &v6);
            expect(link::NULL, &[0, 0, 0, family], &v6);
            expect(link::LOOP, &[0, 0, 0, family], &v6);
        }
        // isdn4bsd: Cisco HDLC and PPP.
        expect(link::NULL, &[0x0f, 0, 8, 0], &v4);
        expect(link::NULL, &[0x8f, 0, 0x86, 0xdd], &v6);
        expect(link::NULL, &[0xff, 3, 0, 0x21], &v4);
        expect(link::ETHERNET, &behind(12, &[8, 0]), &v4);
        expect(link::LINUX_SLL, &behind(14, &[8, 0]), &v4);
        expect(link::LINUX_SLL2, &behind(0, &[&[8, 0], &zeros[..18]].concat()), &v4);
        expect(link::APPLE_IP_OVER_IEEE1394, &behind(16, &[8, 0]), &v4);
        expect(link::C_HDLC, &[0x0f, 0, 8, 0], &v4);
        expect(link::PPP, &[0xff, 3, 0, 0x21], &v4);
        expect(link::PPP, &[0x57], &v6);
        expect(link::PPP_PPPD, &[1, 3, 0, 0x21], &v4);
        expect(link::PPP_ETHER, &[0x11, 0, 0, 1, 0, 35, 0, 0x21], &v4);
        expect(link::FRELAY, &[0x18, 0x41, 3, 0xcc], &v4);
        expect(link::FRELAY, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &v4);
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        expect(link::ATM_RFC1483, &snap, &v4);
        expect(link::SUNATM, &behind(4, &snap), &v4);
        expect(link::FDDI, &behind(13, &[6, 6, 3]), &v4);
        expect(link::IP_OVER_FC, &behind(16, &snap), &v4);
        expect(link::MPLS, &[0, 1, 0x00, 9, 0, 2, 0x01, 9], &v4);
        expect(link::PFLOG, &behind(0, &[&[45], &[0; 31][..], &[0; 16]].concat()), &v4);
        expect(link::ENC, &zeros[..12], &v4);
        expect(link::PPI, &[0, 0, 8, 0, 101, 0, 0, 0], &v4);
        expect(
            link::PKTAP,
            &[&[16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &[2, 0, 0, 0]].concat(),
            &v4,
        );
        assert_eq!(alone(link::IPV6, &v4), Err(Skip::Malformed));
        assert_eq!(alone(9_999, &v4), Err(Skip::UnknownLink));
        assert_eq!(alone(link::NULL, &[&[7, 0, 0, 0], &v4[..]].concat()), Err(Skip::NotUdp));
    }

    #[test]
    fn what_stands_between_ethernet_and_ip_is_passed_over() {
        let v4 = v4();
        let ethernet = |rest: &[u8]| [&[0; 12], rest].concat();
        expect(link::ETHERNET, &ethernet(&[0x81, 0, 0, 5, 8, 0]), &v4);
        // QinQ.
        let tagged = ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd]);
        expect(link::ETHERNET, &tagged, &v6(protocol::UDP, &[]));
        expect(link::ETHERNET, &ethernet(&[0x88, 0x47, 0, 1, 0x01, 9]), &v4);
        expect(link::ETHERNET, &ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 35, 0, 0x21]), &v4);
        expect(link::ETHERNET, &ethernet(&[0, 41, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]), &v4);
        expect(link::ETHERNET, &ethernet(&[&[0x88, 0xe7][..], &[0; 16], &[8, 0]].concat()), &v4);
        expect(link::ETHERNET, &ethernet(&[&[0x89, 3][..], &[0; 14], &[8, 0]].concat()), &v4);
        for (kind, skip) in
            [([8, 6], Skip::NotUdp), ([0x88, 0x63], Skip::NotUdp), ([0x88, 0xe5], Skip::Encrypted)]
        {
            assert_eq!(alone(link::ETHERNET, &[&ethernet(&kind)[..], &v4].concat()), Err(skip));
        }
        // MACsec that only signs, with the sender's identifier; then MACsec that encrypts.
        expect(link::ETHERNET, &ethernet(&[0x88, 0xe5, 0, 0, 0, 0, 0, 1, 8, 0]), &v4);
        let named = [&[0x88, 0xe5, 0x20][..], &[0; 13], &[8, 0]].concat();
        expect(link::ETHERNET, &ethernet(&named), &v4);
        let hidden = ethernet(&[0x88, 0xe5, 0x0c, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!(alone(link::ETHERNET, &[&hidden[..], &v4].concat()), Err(Skip::Encrypted));
        // A pseudowire frame.
        let wire = ethernet(&[0x88, 0x47, 0, 1, 0x01, 9, 0, 0, 0, 0]);
        assert_eq!(alone(link::ETHERNET, &[&wire[..], &v4].concat()), Err(Skip::Tunnel));
    }

    #[test]
    fn nflog_is_read_in_both_byte_orders() {
        let v4 = v4();
        let prefix = |order: fn(u16) -> [u8; 2]| {
            let mut head = vec![2, 0, 0, 0];
            head.extend([order(5), order(10), [0; 2], [0; 2]].concat());
            head.extend([order(4 + v4.len() as u16), order(9)].concat());
            head
        };
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let whole = [&prefix(order)[..], &v4].concat();
            assert_eq!(alone(link::NFLOG, &whole), Ok(b"hello".to_vec()));
            for length in 0..whole.len() {
                assert!(alone(link::NFLOG, &whole[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn wireless_frames_are_read_if_nothing_hides_what_they_carry() {
        let v4 = v4();
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        let frame = |kind: u8, flags: u8, header: usize| {
            let mut frame = vec![0; header];
            (frame[0], frame[1]) = (kind, flags);
            [&frame[..], &snap].concat()
        };
        expect(link::IEEE802_11, &frame(0x08, 0x01, 24), &v4);
        expect(link::IEEE802_11, &frame(0x08, 0x03, 30), &v4);
        expect(link::IEEE802_11, &frame(0x88, 0x02, 26), &v4);
        expect(link::IEEE802_11, &frame(0x88, 0x82, 30), &v4);
        let plain = [0, 0, 8, 0, 0, 0, 0, 0];
        expect(link::IEEE802_11_RADIOTAP, &[&plain[..], &frame(0x08, 1, 24)].concat(), &v4);
        // A timestamp of eight bytes, then flags that announce padding of the next header to four
        // bytes.
        let padded = [0, 0, 20, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0];
        expect(link::IEEE802_11_RADIOTAP, &[&padded[..], &frame(0x88, 1, 28)].concat(), &v4);
        let avs = [0x80, 0x21, 0x10, 1, 0, 0, 0, 8];
        expect(link::IEEE802_11_AVS, &[&avs[..], &frame(0x08, 1, 24)].concat(), &v4);
        expect(link::IEEE802_11_PRISM, &[&[0; 144][..], &frame(0x08, 1, 24)].concat(), &v4);
        for (kind, flags, skip) in [
            (0x08, 0x41, Skip::Encrypted),
            (0x08, 0x05, Skip::Fragment),
            (0x80, 0x00, Skip::NotUdp),
            (0x48, 0x01, Skip::NotUdp),
        ] {
            let whole = [&frame(kind, flags, 24)[..], &v4].concat();
            assert_eq!(alone(link::IEEE802_11, &whole), Err(skip));
        }
    }

    #[test]
    fn extension_headers_are_passed_over() {
        expect(link::RAW, &[], &v6(protocol::HOP_BY_HOP, &[17, 0, 0, 0, 0, 0, 0, 0]));
        expect(
            link::RAW,
            &[],
            &v6(protocol::AUTHENTICATION, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        );
        expect(link::RAW, &[], &v6(protocol::FRAGMENT, &[17, 0, 0, 0, 0, 0, 0, 1]));
        expect(link::RAW, &[], &v6(protocol::DESTINATION, &[17, 0, 1, 2, 0, 0, 0, 0]));
        // An option that exceeds its header.
        let option = v6(protocol::DESTINATION, &[17, 0, 1, 2, 0, 0, 0xca, 0x90]);
        assert_eq!(alone(link::RAW, &option), Err(Skip::Malformed));
        let fragment = v6(protocol::FRAGMENT, &[17, 0, 0, 9, 0, 0, 0, 1]);
        assert_eq!(alone(link::RAW, &fragment[..fragment.len() - 5]), Err(Skip::Malformed));
    }

    /// A datagram ends at its own length or at the end of its IP packet, whatever follows in the
    /// frame.
    #[test]
    fn no_payload_reaches_beyond_its_packet() {
        let mut packet = v4()[..30].to_vec();
        packet[3] = 30;
        packet[25] = 18;
        packet.extend(b"trailer!");
        assert_eq!(alone(link::RAW, &packet), Ok(b"he".to_vec()));
        packet[25] = 9;
        assert_eq!(alone(link::RAW, &packet), Ok(b"h".to_vec()));
        // The length is too short for a UDP header.
        packet[3] = 27;
        assert_eq!(alone(link::RAW, &packet), Err(Skip::Malformed));
        // An IP packet longer than its frame, though the capture is complete.
        packet[3] = 60;
        assert_eq!(alone(link::RAW, &packet), Err(Skip::Malformed));
        // Length zero: the network card would have filled it in.
        packet[3] = 0;
        assert_eq!(alone(link::RAW, &packet), Ok(b"h".to_vec()));
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
            (changed(9, 4), Skip::Tunnel),
            (changed(9, 47), Skip::Tunnel),
            (changed(9, 50), Skip::Encrypted),
            (changed(0, 0x44), Skip::Malformed),
            (changed(0, 0x15), Skip::NotUdp),
            (changed(25, 7), Skip::Malformed),
        ] {
            assert_eq!(alone(link::RAW, &packet), Err(skip));
        }
    }

    #[test]
    fn fragments_become_the_datagram_in_any_order() {
        let content: Vec<u8> = [0, 7, 0, 9, 0, 24, 0, 0].into_iter().chain(1..=16).collect();
        let parts = [
            part(1, 0, true, &content[..8]),
            part(1, 8, true, &content[8..16]),
            part(1, 16, false, &content[16..]),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut decoder = Decoder::new();
            // Fragments of another datagram come in between, and one of them arrives twice.
            for (count, at) in order.into_iter().enumerate() {
                let mut other = packet(link::RAW, &parts[at]);
                other.data[5] = 2;
                if count < 2 {
                    assert_eq!(decoder.decode(&other), Err(Skip::Fragment));
                    assert_eq!(decoder.decode(&other), Err(Skip::Fragment));
                }
                let packet = packet(link::RAW, &parts[at]);
                let found = decoder.decode(&packet);
                match count {
                    2 => {
                        let found = found.unwrap();
                        assert_eq!((found.payload, found.fragments), (&content[8..], 2));
                    }
                    _ => assert_eq!(found, Err(Skip::Fragment)),
                }
            }
        }
    }

    #[test]
    fn fragments_of_ipv6_become_a_datagram() {
        let head = |offset: u8, more: u8| [17, 0, 0, offset | more, 0, 0, 0, 1];
        let whole = v6(protocol::FRAGMENT, &head(0, 1));
        let mut first = whole[..56].to_vec();
        first[5] = 16;
        let mut second = [&whole[..40], &head(8, 0), &whole[56..]].concat();
        second[5] = 13;
        let at = |seconds, data: &[u8]| {
            let time = Some(Duration::from_secs(seconds));
            Packet { time, ..packet(link::RAW, data) }
        };
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&at(1, &first)), Err(Skip::Fragment));
        assert_eq!(decoder.decode(&at(61, &second)).unwrap().payload, b"hello");
        // Incomplete packets expire after a minute.
        assert_eq!(decoder.decode(&at(70, &first)), Err(Skip::Fragment));
        assert_eq!(decoder.decode(&at(131, &second)), Err(Skip::Fragment));
    }

    /// Fragments that a receiver would reject are not reassembled.
    #[test]
    fn fragments_that_do_not_fit_are_no_datagram() {
        let content = &v4()[20..];
        let decode = |parts: &[Vec<u8>]| {
            let mut decoder = Decoder::new();
            let found = parts
                .iter()
                .map(|part| Ok(decoder.decode(&packet(link::RAW, part))?.payload.to_vec()));
            found.last().unwrap()
        };
        let first = part(1, 0, true, &content[..8]);
        let last = part(1, 8, false, &content[8..]);
        assert_eq!(decode(&[first.clone(), last.clone()]), Ok(b"hello".to_vec()));
        let overlap = part(1, 0, true, content);
        assert_eq!(decode(&[first.clone(), overlap]), Err(Skip::Malformed));
        let wide = part(1, 0, true, &[&content[..8], &[0; 8]].concat());
        assert_eq!(decode(&[first.clone(), wide, last.clone()]), Err(Skip::Fragment));
        let behind = part(1, 16, true, &[0; 8]);
        assert_eq!(decode(&[last.clone(), behind]), Err(Skip::Malformed));
        assert_eq!(decode(&[part(1, 65_528, false, &[0; 16])]), Err(Skip::Malformed));
    }

    #[test]
    fn numbers_of_fragments_come_round_again() {
        let content = &v4()[20..];
        let at = |seconds, data: Vec<u8>| {
            let time = Some(Duration::from_secs(seconds));
            Packet { time, link: link::RAW, length: data.len(), data }
        };
        let mut decoder = Decoder::new();
        let first = at(0, part(1, 0, true, &content[..8]));
        let last = at(31, part(1, 8, false, &content[8..]));
        assert_eq!(decoder.decode(&first), Err(Skip::Fragment));
        assert_eq!(decoder.decode(&last), Err(Skip::Fragment));
        // Incomplete packets push out the oldest.
        for id in 2..=65 {
            let part = packet(link::RAW, &part(id, 0, true, &content[..8]));
            assert_eq!(decoder.decode(&part), Err(Skip::Fragment));
        }
        assert_eq!(decoder.decode(&first), Err(Skip::Fragment));
    }

    #[test]
    fn nothing_panics() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let mut decoder = Decoder::new();
        for _ in 0..20_000 {
            let length = usize::from(random());
            let mut data: Vec<u8> = (0..length).map(|_| random()).collect();
            for (byte, fixed) in data.iter_mut().zip(v6(random() & 63, &[])) {
                if random() > 20 {
                    *byte = fixed;
                }
            }
            for link in [0, 1, 9, 51, 101, 105, 107, 113, 119, 127, 163, 192, 219, 239, 258, 276] {
                let _ = decoder.decode(&packet(link, &data));
            }
        }
    }
}
