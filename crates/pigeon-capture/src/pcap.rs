//! Packets of a pcap file (draft-ietf-opsawg-pcap): a header of 24 bytes, then records, each with a
//! header of 16 bytes before the packet's.

use std::io::Read;
use std::time::Duration;

use crate::input::{ByteOrder, append, fill, fill_unless_at_end};
use crate::{Packet, ReadError};

/// A pcap file, read from front to back.
pub(crate) struct Pcap<R> {
    input: R,
    variant: Variant,
    /// The link type of every packet.
    link: u32,
    /// Whether the two lengths of a packet may be swapped, as in files from the nineties.
    is_old: bool,
}

/// What the first four bytes (the magic number) encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    order: ByteOrder,
    /// Nanoseconds per unit of a timestamp's fraction.
    unit: u64,
}

impl Variant {
    /// The variant of this magic number; `None` if the file is not pcap.
    pub(crate) fn of(magic: [u8; 4]) -> Option<Variant> {
        let (order, unit) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, 1_000),
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, 1_000),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, 1),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, 1),
            _ => return None,
        };
        Some(Variant { order, unit })
    }
}

impl<R: Read> Pcap<R> {
    /// Opens a file after its first four bytes have been read, and reads the rest of its header.
    pub(crate) fn new(variant: Variant, mut input: R) -> Result<Self, ReadError> {
        // Version, two unused fields, snaplen, link type.
        let mut rest = [0; 20];
        fill(&mut input, &mut rest)?;
        let [_, _, e, f, .., a, b, c, d] = rest;
        // The upper bits say whether frames end with a checksum.
        let link = variant.order.u32([a, b, c, d]) & 0xffff;
        let is_old = variant.order.u16([e, f]) < 4;
        Ok(Pcap { input, variant, link, is_old })
    }

    /// The next packet; `None` at the end.
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        let mut header = [0; 16];
        if !fill_unless_at_end(&mut self.input, &mut header)? {
            return Ok(None);
        }
        let (words, _) = header.as_chunks::<4>();
        let number = |at: usize| self.variant.order.u32(words[at]);
        let [seconds, fraction, kept, length] = [number(0), number(1), number(2), number(3)];
        let kept = if self.is_old { kept.min(length) } else { kept };
        let fraction = Duration::from_nanos(u64::from(fraction) * self.variant.unit);
        let mut data = Vec::new();
        append(&mut self.input, kept, &mut data)?;
        let time = Duration::from_secs(seconds.into()) + fraction;
        let length = number(2).max(length) as usize;
        Ok(Some(Packet { time: Some(time), link: self.link, data, length }))
    }
}
