//! Reads the bytes and integers of a capture, in its writer's byte order.

use std::io::{self, Read};

use crate::ReadError;

/// The largest packet or block accepted, in bytes: libpcap's limit for a block.
pub(crate) const LARGEST: u32 = 16 << 20;

/// The byte order of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Big,
    Little,
}

impl ByteOrder {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Big => u16::from_be_bytes(bytes),
            ByteOrder::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Big => u32::from_be_bytes(bytes),
            ByteOrder::Little => u32::from_le_bytes(bytes),
        }
    }

    pub(crate) fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            ByteOrder::Big => i64::from_be_bytes(bytes),
            ByteOrder::Little => i64::from_le_bytes(bytes),
        }
    }
}

/// Fills the buffer; fails if the capture ends first.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<(), ReadError> {
    input.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::CutShort,
        _ => error.into(),
    })
}

/// Fills the buffer. Returns false if the capture ends exactly here, between two records.
pub(crate) fn fill_unless_at_end(
    input: &mut impl Read,
    buffer: &mut [u8],
) -> Result<bool, ReadError> {
    let (first, rest) = buffer.split_at_mut(1);
    match input.read_exact(first) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    fill(input, rest)?;
    Ok(true)
}

/// Appends the next `size` bytes. Memory grows with what the capture holds, not with what it claims.
pub(crate) fn append(
    input: &mut impl Read,
    size: u32,
    bytes: &mut Vec<u8>,
) -> Result<(), ReadError> {
    if size > LARGEST {
        return Err(ReadError::Damaged("a packet that is far too large".into()));
    }
    let read = input.by_ref().take(size.into()).read_to_end(bytes)?;
    if read as u64 == u64::from(size) { Ok(()) } else { Err(ReadError::CutShort) }
}
