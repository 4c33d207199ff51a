//! Packets of a capture file, pcap (draft-ietf-opsawg-pcap) or pcapng (draft-ietf-opsawg-pcapng).

use std::io::{self, Chain, Cursor, Read};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{PcapError, TsResolution};

/// The most interfaces of one file whose packets are told apart.
const MAX_INTERFACES: usize = 65_536;

/// A capture, read from front to back.
pub struct Reader<R: Read> {
    format: Format<Rewound<R>>,
    /// Of a pcapng file's present section.
    interfaces: Vec<Interface>,
    last: Duration,
}

enum Format<R: Read> {
    Pcap(PcapReader<R>),
    PcapNg(Box<PcapNgReader<R>>),
}

/// The bytes by which the format is told, and the rest. So a pipe will do, which cannot seek.
type Rewound<R> = Chain<Cursor<[u8; 4]>, R>;

/// What a file says of where a packet was captured.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u32,
    /// Units of time in a second.
    units: u128,
    /// Seconds to add.
    offset: u64,
}

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
            [0x0a, 0x0d, 0x0d, 0x0a] => Format::PcapNg(Box::new(PcapNgReader::new(input)?)),
            // Microseconds or nanoseconds, in either byte order.
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => Format::Pcap(PcapReader::new(input)?),
            _ => return Err(ReadError::NoCapture),
        };
        Ok(Reader { format, interfaces: Vec::new(), last: Duration::ZERO })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    ///
    /// A capture that is damaged, ends within a packet, or cannot be read on.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        match &mut self.format {
            Format::Pcap(reader) => next_pcap(reader),
            Format::PcapNg(reader) => next_pcapng(reader, &mut self.interfaces, &mut self.last),
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
        link: u32::from(header.datalink),
        data: packet.data.into_owned(),
    }))
}

fn next_pcapng<R: Read>(
    reader: &mut PcapNgReader<R>,
    interfaces: &mut Vec<Interface>,
    last: &mut Duration,
) -> Result<Option<Packet>, ReadError> {
    while let Some(block) = reader.next_block() {
        match block? {
            Block::SectionHeader(_) => interfaces.clear(),
            Block::InterfaceDescription(block) => {
                if interfaces.len() == MAX_INTERFACES {
                    return Err(ReadError::Damaged("it has too many interfaces".into()));
                }
                interfaces.push(Interface::from(&block));
            }
            Block::EnhancedPacket(packet) => {
                let Some(interface) = interfaces.get(packet.interface_id as usize) else {
                    return Err(ReadError::Damaged("a packet of an interface it has not".into()));
                };
                // The library takes the file's units for nanoseconds, whatever they are.
                let time = interface.time(packet.timestamp.as_nanos());
                *last = time;
                let data = packet.data.into_owned();
                return Ok(Some(Packet { time, link: interface.link, data }));
            }
            // Without a time: as if it came with the one before.
            Block::SimplePacket(packet) => {
                let Some(interface) = interfaces.first() else {
                    return Err(ReadError::Damaged("a packet of an interface it has not".into()));
                };
                let data = packet.data.into_owned();
                return Ok(Some(Packet { time: *last, link: interface.link, data }));
            }
            _ => {}
        }
    }
    Ok(None)
}

impl From<&InterfaceDescriptionBlock<'_>> for Interface {
    fn from(block: &InterfaceDescriptionBlock<'_>) -> Self {
        // Microseconds unless it says otherwise.
        let (mut units, mut offset) = (1_000_000, 0);
        for option in &block.options {
            match option {
                InterfaceDescriptionOption::IfTsResol(resolution) => {
                    let (base, power): (u128, u32) = match resolution & 0x80 {
                        0 => (10, u32::from(*resolution)),
                        _ => (2, u32::from(resolution & 0x7f)),
                    };
                    units = base.checked_pow(power).unwrap_or(u128::MAX);
                }
                InterfaceDescriptionOption::IfTsOffset(seconds) => offset = *seconds,
                _ => {}
            }
        }
        Interface { link: u32::from(block.linktype), units, offset }
    }
}

impl Interface {
    fn time(&self, ticks: u128) -> Duration {
        let seconds = u64::try_from(ticks / self.units).unwrap_or(u64::MAX);
        // Ticks have 64 bits, so this fits.
        let nanos = (ticks % self.units) * 1_000_000_000 / self.units;
        let fraction = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        Duration::from_secs(seconds.saturating_add(self.offset)).saturating_add(fraction)
    }
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

    /// A pcapng file of one Ethernet interface with this resolution, and one packet.
    fn pcapng(resolution: Option<u8>, ticks: u64) -> Vec<u8> {
        let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
        let mut interface = vec![1, 0, 0, 0, 0, 0, 0, 0];
        if let Some(resolution) = resolution {
            interface.extend([9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
        }
        let mut packet = vec![0; 4];
        packet.extend(((ticks >> 32) as u32).to_le_bytes());
        packet.extend((ticks as u32).to_le_bytes());
        packet.extend([3, 0, 0, 0, 3, 0, 0, 0]);
        packet.extend(b"abc\0");
        [block(0x0a0d_0d0a, &section), block(1, &interface), block(6, &packet)].concat()
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
