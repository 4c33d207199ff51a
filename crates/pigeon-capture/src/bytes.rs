//! A byte range of a captured packet that knows whether the capture truncated it.

use crate::Skip;

/// Bytes of a packet, narrowed header by header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a> {
    pub(crate) held: &'a [u8],
    /// Whether the packet continued after `held` and the capture (snaplen) cut it there.
    pub(crate) is_cut: bool,
}

impl<'a> Bytes<'a> {
    /// The bytes after the first `count`.
    pub(crate) fn skip(self, count: usize) -> Result<Bytes<'a>, Skip> {
        let held = self.held.get(count..).ok_or(self.too_short())?;
        Ok(Bytes { held, ..self })
    }

    /// The first `count` bytes: a header's length field separates them from padding.
    pub(crate) fn first(self, count: usize) -> Result<Bytes<'a>, Skip> {
        match self.held.get(..count) {
            Some(held) => Ok(Bytes { held, is_cut: false }),
            None if self.is_cut => Ok(self),
            None => Err(Skip::Malformed),
        }
    }

    pub(crate) fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Skip> {
        let bytes = self.held.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or(self.too_short())
    }

    pub(crate) fn u8(self, at: usize) -> Result<u8, Skip> {
        Ok(u8::from_be_bytes(self.array(at)?))
    }

    pub(crate) fn u16(self, at: usize) -> Result<u16, Skip> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    /// The reason that a header does not fit.
    fn too_short(self) -> Skip {
        if self.is_cut { Skip::Cut } else { Skip::Malformed }
    }
}
