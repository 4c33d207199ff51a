//! Packets of a pcapng file (draft-ietf-opsawg-pcapng), from any of its three packet blocks.
//!
//! Hand-written: the crate `pcap-file` 2.0 rejects a file for details that do not matter here (a
//! comment that is not UTF-8, an unknown option), or keeps a block of many megabytes in memory.
//! This reader keeps only a packet's bytes, time and link type.

use std::io::{self, Read};
use std::time::Duration;

use crate::input::{ByteOrder, append, fill, fill_unless_at_end};
use crate::{Packet, ReadError};

/// The type of a section header block, the same in either byte order.
pub(crate) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Block types.
const INTERFACE: u32 = 1;
/// In files written before 2012.
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Interface options.
const END_OF_OPTIONS: u16 = 0;
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;

/// Maximum number of interfaces distinguished in one section.
const MAX_INTERFACES: usize = 65_536;

/// A pcapng file, read from front to back.
pub(crate) struct PcapNg<R> {
    input: R,
    /// The current section's byte order.
    order: ByteOrder,
    /// The current section's interfaces.
    interfaces: Vec<Interface>,
    /// The current block without type and lengths; the memory is reused.
    body: Vec<u8>,
}

/// An interface description.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u32,
    /// Maximum number of bytes kept of a packet; 0 means no limit.
    snaplen: u32,
    /// Timestamp units per second.
    units: u128,
    /// Seconds to add to each timestamp.
    offset: i64,
}

impl<R: Read> PcapNg<R> {
    /// A file that begins with a section.
    pub(crate) fn new(input: R) -> Self {
        let (interfaces, body) = (Vec::new(), Vec::new());
        PcapNg { input, order: ByteOrder::Little, interfaces, body }
    }

    /// The next packet; `None` at the end.
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        while let Some(kind) = self.next_block()? {
            match kind {
                INTERFACE => self.add_interface()?,
                ENHANCED_PACKET => return self.packet(self.u32(0)?).map(Some),
                // An obsolete packet block differs only in its shorter interface number.
                OBSOLETE_PACKET => return self.packet(u32::from(self.u16(0)?)).map(Some),
                SIMPLE_PACKET => return self.simple_packet().map(Some),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Reads the next block and returns its type. Reads the body only of the types used here.
    fn next_block(&mut self) -> Result<Option<u32>, ReadError> {
        let mut head = [0; 8];
        if !fill_unless_at_end(&mut self.input, &mut head)? {
            return Ok(None);
        }
        // Type and length, and the length again at the end.
        let mut around = 12;
        if head[..4] == SECTION {
            let mut magic = [0; 4];
            fill(&mut self.input, &mut magic)?;
            around += 4;
            self.order = match magic {
                [0x1a, 0x2b, 0x3c, 0x4d] => ByteOrder::Big,
                [0x4d, 0x3c, 0x2b, 0x1a] => ByteOrder::Little,
                _ => return Err(damaged("a section of no byte order")),
            };
            self.interfaces.clear();
        }
        let [a, b, c, d, length @ ..] = head;
        let (kind, length) = (self.order.u32([a, b, c, d]), self.order.u32(length));
        let Some(size) = length.checked_sub(around).filter(|_| length % 4 == 0) else {
            return Err(damaged("a block of an impossible length"));
        };
        self.read_body(kind, size)?;
        let mut again = [0; 4];
        fill(&mut self.input, &mut again)?;
        match self.order.u32(again) == length {
            true => Ok(Some(kind)),
            false => Err(damaged("a block with two lengths")),
        }
    }

    fn read_body(&mut self, kind: u32, size: u32) -> Result<(), ReadError> {
        self.body.clear();
        if let INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET = kind {
            return append(&mut self.input, size, &mut self.body);
        }
        let passed = io::copy(&mut self.input.by_ref().take(size.into()), &mut io::sink())?;
        if passed == u64::from(size) { Ok(()) } else { Err(ReadError::CutShort) }
    }

    fn add_interface(&mut self) -> Result<(), ReadError> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(damaged("too many interfaces"));
        }
        let (link, snaplen) = (u32::from(self.u16(0)?), self.u32(4)?);
        // The default unit is a microsecond.
        let mut interface = Interface { link, snaplen, units: 1_000_000, offset: 0 };
        let mut at = 8;
        while at < self.body.len() {
            let (option, length) = (self.u16(at)?, usize::from(self.u16(at + 2)?));
            match (option, self.bytes(at + 4, length)?) {
                (END_OF_OPTIONS, _) => break,
                (TIME_RESOLUTION, &[resolution]) => interface.units = units(resolution),
                (TIME_OFFSET, &[a, b, c, d, e, f, g, h]) => {
                    interface.offset = self.order.i64([a, b, c, d, e, f, g, h]);
                }
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&mut self, interface: u32) -> Result<Packet, ReadError> {
        let interface = self.interface(interface)?;
        let ticks = u64::from(self.u32(4)?) << 32 | u64::from(self.u32(8)?);
        let data = self.bytes(20, self.u32(12)? as usize)?.to_vec();
        let (time, length) = (Some(interface.time(ticks)), self.u32(16)? as usize);
        Ok(Packet { time, link: interface.link, data, length })
    }

    /// A packet without a time, from the first interface. Padding follows, so the kept length must
    /// be computed.
    fn simple_packet(&mut self) -> Result<Packet, ReadError> {
        let interface = self.interface(0)?;
        let length = self.u32(0)?;
        let kept = if interface.snaplen == 0 { length } else { length.min(interface.snaplen) };
        let data = self.bytes(4, kept as usize)?.to_vec();
        Ok(Packet { time: None, link: interface.link, data, length: length as usize })
    }

    fn interface(&self, number: u32) -> Result<Interface, ReadError> {
        let found = self.interfaces.get(number as usize).copied();
        found.ok_or_else(|| damaged("a packet of an interface it has not"))
    }

    fn bytes(&self, at: usize, length: usize) -> Result<&[u8], ReadError> {
        let end = at.checked_add(length);
        let bytes = end.and_then(|end| self.body.get(at..end));
        bytes.ok_or_else(|| damaged("a block that is too short for what it says"))
    }

    fn u16(&self, at: usize) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        bytes.copy_from_slice(self.bytes(at, 2)?);
        Ok(self.order.u16(bytes))
    }

    fn u32(&self, at: usize) -> Result<u32, ReadError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.bytes(at, 4)?);
        Ok(self.order.u32(bytes))
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Duration {
        let ticks = u128::from(ticks);
        // Ticks have 64 bits, so neither overflows.
        let seconds = u64::try_from(ticks / self.units).unwrap_or(u64::MAX);
        let nanos = (ticks % self.units) * 1_000_000_000 / self.units;
        let fraction = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        Duration::from_secs(seconds.saturating_add_signed(self.offset)).saturating_add(fraction)
    }
}

/// Units per second: a power of ten, or of two if the highest bit is set.
fn units(resolution: u8) -> u128 {
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(resolution & 0x7f)).unwrap_or(u128::MAX)
}

fn damaged(what: &str) -> ReadError {
    ReadError::Damaged(what.into())
}
