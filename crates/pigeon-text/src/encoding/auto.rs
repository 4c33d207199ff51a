//! Finding out the encoding: strict UTF-8 if it is that, else GB18030, of which GBK and GB2312 are
//! part. Text of the one hardly ever passes for the other, unlike that of Big5 or Shift_JIS, which
//! GB18030 would read as other characters without a complaint.

use std::borrow::Cow;

use super::Encoding;

/// The text in `bytes`, and which encoding it was taken for: UTF-8 or GB18030. What decodes as
/// neither is read as GB18030 with escapes.
pub fn decode_auto(bytes: &[u8]) -> (Cow<'_, str>, Encoding) {
    match Encoding::UTF_8.decode_strict(bytes) {
        Some(text) => (text, Encoding::UTF_8),
        None => (Encoding::GB18030.decode(bytes), Encoding::GB18030),
    }
}

/// Reads as [`decode_auto`] does, and remembers what a peer used, to answer it in kind.
///
/// ```
/// use pigeon_text::{Auto, Encoding};
///
/// let mut peer = Auto::default();
/// assert_eq!(peer.decode(b"\xc4\xe3\xba\xc3"), "你好");
/// assert_eq!(peer.decode(b"ok"), "ok");
/// assert_eq!(peer.last(), Encoding::GB18030);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auto(Encoding);

impl Auto {
    /// The text in `bytes`. ASCII, which is the same in both, and bytes that are no text in either
    /// change nothing about what the peer is known to use.
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        if let Some(text) = Encoding::UTF_8.decode_strict(bytes) {
            if !text.is_ascii() {
                self.0 = Encoding::UTF_8;
            }
            return text;
        }
        match Encoding::GB18030.decode_strict(bytes) {
            Some(text) => {
                self.0 = Encoding::GB18030;
                text
            }
            None => Encoding::GB18030.decode(bytes),
        }
    }

    /// What the peer last used; UTF-8 until it is known.
    pub fn last(self) -> Encoding {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_first_then_gb18030() {
        assert_eq!(decode_auto("你好".as_bytes()), (Cow::from("你好"), Encoding::UTF_8));
        assert_eq!(decode_auto(b"\xc4\xe3\xba\xc3"), (Cow::from("你好"), Encoding::GB18030));
        assert_eq!(decode_auto(b"ok"), (Cow::from("ok"), Encoding::UTF_8));
        assert_eq!(decode_auto(b""), (Cow::from(""), Encoding::UTF_8));
        assert_eq!(decode_auto(b"\xff\xc4\xe3"), (Cow::from(r"\xff你"), Encoding::GB18030));
    }

    #[test]
    fn only_text_that_tells_is_remembered() {
        let mut peer = Auto::default();
        let mut last = |bytes: &[u8]| {
            assert_eq!(peer.decode(bytes), decode_auto(bytes).0);
            peer.last().name()
        };
        assert_eq!(last(b"\xff"), "utf-8");
        assert_eq!(last(b"\xc4\xe3\xba\xc3"), "gb18030");
        assert_eq!(last(b"ok"), "gb18030");
        assert_eq!(last("好".as_bytes()), "utf-8");
        assert_eq!(last(b"\xff\xc4\xe3"), "utf-8");
    }
}
