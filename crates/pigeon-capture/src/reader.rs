//! Packets of a capture file, pcap (draft-ietf-opsawg-pcap) or pcapng (draft-ietf-opsawg-pcapng).

use std::io::{self, BufReader, Chain, Cursor, Read};
use std::time::Duration;

use crate::foreign::{self, Foreign};
use crate::input::fill_unless_at_end;
use crate::pcap::{Pcap, Variant};
use crate::pcapng::{self, PcapNg};

/// A capture file, read from front to back.
pub struct Reader<R: Read> {
    format: Format<BufReader<R>>,
}

enum Format<R: Read> {
    Pcap(Pcap<R>),
    PcapNg(PcapNg<Rewound<R>>),
}

/// The four bytes that identify the format, then the rest of the input: pipes, which cannot seek,
/// work too.
type Rewound<R> = Chain<Cursor<[u8; 4]>, R>;

/// A captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The capture time, usually since 1970. A simple packet block of pcapng has none.
    pub time: Option<Duration>,
    /// The link type: a number of draft-ietf-opsawg-pcaplinktype.
    pub link: u32,
    /// The captured bytes; may be fewer than `length`.
    pub data: Vec<u8>,
    /// The packet's original length.
    pub length: usize,
}

/// Why reading a capture failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Neither pcap nor pcapng.
    #[error("is not a capture: neither pcap nor pcapng")]
    NoCapture,
    /// Another kind of file.
    #[error("{0}")]
    Foreign(Foreign),
    /// The file ends within a packet.
    #[error("is cut short")]
    CutShort,
    /// The file contradicts itself.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: Read> Reader<R> {
    /// Reads the first bytes and detects the format. Fails if the input is not a capture, or cannot
    /// be read.
    pub fn new(input: R) -> Result<Reader<R>, ReadError> {
        let mut input = BufReader::new(input);
        let mut magic = [0; 4];
        match fill_unless_at_end(&mut input, &mut magic) {
            Ok(true) => {}
            Ok(false) => return Err(ReadError::Foreign(Foreign::Empty)),
            Err(ReadError::CutShort) => return Err(ReadError::NoCapture),
            Err(error) => return Err(error),
        }
        let format = if magic == pcapng::SECTION {
            Format::PcapNg(PcapNg::new(Cursor::new(magic).chain(input)))
        } else {
            let foreign = || foreign::describe(magic);
            let variant = Variant::of(magic).ok_or_else(foreign)?;
            Format::Pcap(Pcap::new(variant, input)?)
        };
        Ok(Reader { format })
    }

    /// The next packet; `None` at the end. Fails if the capture is damaged, ends within a packet,
    /// or cannot be read.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        match &mut self.format {
            Format::Pcap(reader) => reader.next_packet(),
            Format::PcapNg(reader) => reader.next_packet(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All packets, and the error that ended the capture.
    fn read(bytes: &[u8]) -> (Vec<Packet>, Option<ReadError>) {
        let mut packets = Vec::new();
        let outcome = Reader::new(bytes).and_then(|mut reader| {
            while let Some(packet) = reader.next_packet()? {
                packets.push(packet);
            }
            Ok(())
        });
        (packets, outcome.err())
    }

    /// A little-endian pcap file of raw IP, with one packet that was cut to 3 of 9 bytes.
    fn pcap(magic: u32, fraction: u32) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0]);
        for word in [0, 0, 3, 101, 12, fraction, 3, 9_u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"abc");
        bytes
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }

    fn section() -> Vec<u8> {
        let body = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
        block(0x0a0d_0d0a, &body)
    }

    /// A pcapng file with one Ethernet interface of this time resolution, and one packet.
    fn pcapng(resolution: Option<u8>, ticks: u64) -> Vec<u8> {
        let option = resolution.map(|resolution| [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
        pcapng_with(option.as_ref().map_or(&[], |option| &option[..]), ticks)
    }

    /// Like `pcapng`, with these interface options.
    fn pcapng_with(options: &[u8], ticks: u64) -> Vec<u8> {
        let interface = [&[1, 0, 0, 0, 0, 0, 0, 0], options].concat();
        let mut packet = vec![0; 4];
        packet.extend(((ticks >> 32) as u32).to_le_bytes());
        packet.extend((ticks as u32).to_le_bytes());
        packet.extend([3, 0, 0, 0, 3, 0, 0, 0]);
        packet.extend(b"abc\0");
        [section(), block(1, &interface), block(6, &packet)].concat()
    }

    #[test]
    fn times_are_in_the_units_that_the_file_says() {
        let time = Duration::new(12, 345_000_000);
        for (name, file) in [
            ("micro", pcap(0xa1b2_c3d4, 345_000)),
            ("nano", pcap(0xa1b2_3c4d, 345_000_000)),
            ("ng-default", pcapng(None, 12_345_000)),
            ("ng-nano", pcapng(Some(9), 12_345_000_000)),
            ("ng-milli", pcapng(Some(3), 12_345)),
        ] {
            let (packets, error) = read(&file);
            assert!(error.is_none(), "{name}: {error:?}");
            assert_eq!(packets.len(), 1, "{name}");
            assert_eq!(
                (packets[0].time, &packets[0].data[..]),
                (Some(time), &b"abc"[..]),
                "{name}"
            );
        }
        // A power of two.
        let (packets, _) = read(&pcapng(Some(0x80 | 10), 12 * 1024 + 512));
        assert_eq!(packets[0].time, Some(Duration::from_millis(12_500)));
    }

    #[test]
    fn a_pcap_file_may_be_big_endian() {
        let mut file = pcap(0xa1b2_3c4d, 345_000_000);
        file[4..8].copy_from_slice(&[0, 2, 0, 4]);
        let (numbers, data) = file.split_at_mut(40);
        let words = numbers.chunks_mut(4).enumerate().filter(|(at, _)| *at != 1);
        words.for_each(|(_, word)| word.reverse());
        assert_eq!(data, b"abc");
        let time = Some(Duration::new(12, 345_000_000));
        let expected = Packet { time, link: 101, data: b"abc".to_vec(), length: 9 };
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, [expected]);
    }

    #[test]
    fn a_packet_is_as_large_as_the_file_and_no_larger_than_the_bound() {
        let claims = |size: u32| {
            let mut file = pcap(0xa1b2_c3d4, 0);
            file[32..36].copy_from_slice(&size.to_le_bytes());
            read(&file).1
        };
        assert!(matches!(claims(16 << 20), Some(ReadError::CutShort)));
        assert!(matches!(claims((16 << 20) + 1), Some(ReadError::Damaged(_))));
        assert!(matches!(claims(u32::MAX), Some(ReadError::Damaged(_))));
    }

    #[test]
    fn an_offset_of_seconds_may_go_either_way() {
        for (offset, seconds) in [(5_i64, 17), (-5, 7), (-100, 0)] {
            let option = [&[14, 0, 8, 0][..], &offset.to_le_bytes(), &[0; 4]].concat();
            let (packets, error) = read(&pcapng_with(&option, 12_345_000));
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets[0].time, Some(Duration::new(seconds, 345_000_000)), "{offset}");
        }
    }

    #[test]
    fn the_padding_of_a_simple_packet_is_none_of_its_bytes() {
        // The packet's length, the snaplen (0 means no limit), and the kept length.
        for (length, snaplen, kept) in [(6, 0, 6), (7, 6, 6), (6, 7, 6), (8, 9, 8)] {
            let mut interface = vec![1, 0, 0, 0];
            interface.extend(u32::to_le_bytes(snaplen));
            let mut simple = u32::to_le_bytes(length).to_vec();
            simple.extend(b"abcdef??");
            let file = [&section()[..], &block(1, &interface), &block(3, &simple)].concat();
            let (packets, error) = read(&file);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets[0].data, b"abcdef??"[..kept]);
            assert_eq!((packets[0].length, packets[0].time), (length as usize, None));
        }
    }

    /// Before version 2.3 the two lengths of a packet came in the other order.
    #[test]
    fn lengths_of_very_old_files_are_in_either_order() {
        let mut file = pcap(0xa1b2_c3d4, 0);
        file[6] = 2;
        file[32..40].rotate_left(4);
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!((&packets[0].data[..], packets[0].length), (&b"abc"[..], 9));
    }

    #[test]
    fn what_is_of_no_concern_keeps_no_packet_away() {
        let options: [&[u8]; 3] = [
            // A comment that is not UTF-8, a time zone, and no end-of-options marker.
            &[1, 0, 2, 0, 0xe9, 0xe9, 0, 0, 0, 0, 0, 0],
            &[10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0],
        ];
        for option in options {
            let (packets, error) = read(&pcapng_with(option, 0));
            assert!(error.is_none() && packets.len() == 1, "{option:?}: {error:?}");
        }
        // A block of another type, larger than any packet.
        let mut file = section();
        file.extend(block(0xbad, &vec![0; 20 << 20]));
        file.extend(pcapng(None, 0));
        assert_eq!(read(&file).0.len(), 1);
    }

    #[test]
    fn packets_of_old_files_are_packets() {
        let mut packet = vec![0, 0, 9, 9, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0];
        packet.extend(b"abc\0");
        let file = [section(), block(1, &[1, 0, 0, 0, 0, 0, 0, 0]), block(2, &packet)].concat();
        let time = Some(Duration::from_micros(7));
        let expected = Packet { time, link: 1, data: b"abc".to_vec(), length: 3 };
        assert_eq!(read(&file).0, [expected]);
        // The upper bits of the link type field are not part of the link type.
        let mut file = pcap(0xa1b2_c3d4, 0);
        file[23] = 0x54;
        assert_eq!(read(&file).0[0].link, 101);
    }

    #[test]
    fn what_is_no_capture_or_not_whole_says_so() {
        for bytes in [&b"abc"[..], b"GIF89a and so on", &[0; 100]] {
            assert!(matches!(read(bytes).1, Some(ReadError::NoCapture)), "{bytes:?}");
        }
        for file in [pcap(0xa1b2_c3d4, 0), pcapng(None, 0)] {
            for length in 5..file.len() {
                let (packets, error) = read(&file[..length]);
                // A file may end between two blocks.
                assert!(packets.is_empty() && !matches!(error, Some(ReadError::NoCapture)));
                if length > file.len() - 3 {
                    assert!(matches!(error, Some(ReadError::CutShort)), "{length}: {error:?}");
                }
            }
        }
    }

    #[test]
    fn no_damage_is_fatal() {
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        for round in 0..400 {
            let whole = match round % 2 {
                0 => pcap(0xa1b2_c3d4, 5),
                _ => pcapng(Some(random() as u8), u64::from(random()) << 40),
            };
            let mut file = whole.clone();
            for _ in 0..=random() % 4 {
                let at = random() as usize % file.len();
                file[at] = random() as u8;
            }
            let _ = read(&file);
        }
    }
}
