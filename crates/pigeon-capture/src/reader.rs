//! Packets of a capture file, pcap (draft-ietf-opsawg-pcap) or pcapng (draft-ietf-opsawg-pcapng).

use std::io::{self, BufReader, Chain, Cursor, Read};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::{PcapError, TsResolution};

use crate::pcapng::{self, PcapNg};

/// A capture, read from front to back.
pub struct Reader<R: Read> {
    format: Format<Rewound<R>>,
}

enum Format<R: Read> {
    Pcap(PcapReader<R>),
    PcapNg(PcapNg<BufReader<R>>),
}

/// The bytes by which the format is told, and the rest. So a pipe will do, which cannot seek.
type Rewound<R> = Chain<Cursor<[u8; 4]>, R>;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was captured, since some origin: mostly 1970.
    pub time: Duration,
    /// What its first bytes are: a number of draft-ietf-opsawg-pcaplinktype.
    pub link: u32,
    /// Its bytes, as many as the capture kept.
    pub data: Vec<u8>,
}

/// Why a capture could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is something else.
    #[error("is no capture: neither pcap nor pcapng")]
    NoCapture,
    /// It ends within a packet.
    #[error("is cut short")]
    CutShort,
    /// It contradicts itself.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<PcapError> for ReadError {
    fn from(error: PcapError) -> Self {
        match error {
            PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                ReadError::CutShort
            }
            PcapError::IncompleteBuffer => ReadError::CutShort,
            PcapError::IoError(error) => ReadError::Io(error),
            error => ReadError::Damaged(error.to_string()),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the beginning, and sees by it which format it is.
    ///
    /// # Errors
    ///
    /// Whatever is no capture, or cannot be read.
    pub fn new(mut input: R) -> Result<Reader<R>, ReadError> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::NoCapture,
            _ => error.into(),
        })?;
        let input = Cursor::new(magic).chain(input);
        let format = match magic {
            pcapng::SECTION => Format::PcapNg(PcapNg::new(BufReader::new(input))),
            // Microseconds or nanoseconds, in either byte order.
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => Format::Pcap(PcapReader::new(input)?),
            _ => return Err(ReadError::NoCapture),
        };
        Ok(Reader { format })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    ///
    /// A capture that is damaged, ends within a packet, or cannot be read on.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        match &mut self.format {
            Format::Pcap(reader) => next_pcap(reader),
            Format::PcapNg(reader) => reader.next_packet(),
        }
    }
}

fn next_pcap<R: Read>(reader: &mut PcapReader<R>) -> Result<Option<Packet>, ReadError> {
    let header = reader.header();
    // Not the library's `next_packet`, which refuses packets that were longer than the capture kept.
    let Some(packet) = reader.next_raw_packet() else { return Ok(None) };
    let packet = packet?;
    let unit = match header.ts_resolution {
        TsResolution::MicroSecond => 1_000,
        TsResolution::NanoSecond => 1,
    };
    let fraction = Duration::from_nanos(u64::from(packet.ts_frac) * unit);
    Ok(Some(Packet {
        time: Duration::from_secs(u64::from(packet.ts_sec)) + fraction,
        // The rest of the field says whether there are checksums behind the packets.
        link: u32::from(header.datalink) & 0xffff,
        data: packet.data.into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All packets, and how the capture ended.
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

    /// A pcap file of raw IP in little-endian order, one packet of which 3 bytes of 9 were kept.
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

    /// A pcapng file of one Ethernet interface with this resolution, and one packet.
    fn pcapng(resolution: Option<u8>, ticks: u64) -> Vec<u8> {
        let option = resolution.map(|resolution| [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
        pcapng_with(option.as_ref().map_or(&[], |option| &option[..]), ticks)
    }

    /// The same with these options.
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
            assert_eq!((packets[0].time, &packets[0].data[..]), (time, &b"abc"[..]), "{name}");
        }
        // A power of two.
        let (packets, _) = read(&pcapng(Some(0x80 | 10), 12 * 1024 + 512));
        assert_eq!(packets[0].time, Duration::from_millis(12_500));
    }

    #[test]
    fn an_offset_of_seconds_may_go_either_way() {
        for (offset, seconds) in [(5_i64, 17), (-5, 7), (-100, 0)] {
            let option = [&[14, 0, 8, 0][..], &offset.to_le_bytes(), &[0; 4]].concat();
            let (packets, error) = read(&pcapng_with(&option, 12_345_000));
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets[0].time, Duration::new(seconds, 345_000_000), "{offset}");
        }
    }

    #[test]
    fn the_padding_of_a_simple_packet_is_none_of_its_bytes() {
        // Of how long the packet was, and what was kept at the most; 0 is no limit.
        for (length, snaplen, kept) in [(6, 0, 6), (7, 6, 6), (6, 7, 6), (8, 9, 8)] {
            let mut interface = vec![1, 0, 0, 0];
            interface.extend(u32::to_le_bytes(snaplen));
            let mut simple = u32::to_le_bytes(length).to_vec();
            simple.extend(b"abcdef??");
            let file = [&section()[..], &block(1, &interface), &block(3, &simple)].concat();
            let (packets, error) = read(&file);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets[0].data, b"abcdef??"[..kept]);
        }
    }

    #[test]
    fn what_is_of_no_concern_keeps_no_packet_away() {
        let options: [&[u8]; 3] = [
            // A comment that is no UTF-8, a time zone, and one without the end that should follow.
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
        let expected = Packet { time: Duration::from_micros(7), link: 1, data: b"abc".to_vec() };
        assert_eq!(read(&file).0, [expected]);
        // What else the link type's field of a pcap file says is no part of the link type.
        let mut file = pcap(0xa1b2_c3d4, 0);
        file[23] = 0x54;
        assert_eq!(read(&file).0[0].link, 101);
    }

    #[test]
    fn what_is_no_capture_or_not_whole_says_so() {
        for bytes in [&b""[..], b"abc", b"GIF89a and so on", &[0; 100]] {
            assert!(matches!(read(bytes).1, Some(ReadError::NoCapture)), "{bytes:?}");
        }
        for file in [pcap(0xa1b2_c3d4, 0), pcapng(None, 0)] {
            for length in 5..file.len() {
                let (packets, error) = read(&file[..length]);
                // Between two blocks a file may simply end.
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
