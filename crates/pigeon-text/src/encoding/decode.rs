//! Decoding: bytes to text, with every byte that does not decode shown as `\xNN`.
//!
//! A byte order mark gets no special treatment: a datagram is no file, and a mark that switched
//! the encoding would let a sender choose it.

use std::borrow::Cow;

use encoding_rs::DecoderResult;

use super::Encoding;
use crate::escape::write_byte;

impl Encoding {
    /// The text in `bytes`. What does not decode appears as [`escape()`](crate::escape()) spells
    /// it, `\xNN` for each byte; escape the result before showing it. UTF-8 without faults
    /// is borrowed.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        self.decode_strict(bytes).unwrap_or_else(|| {
            let mut text = String::new();
            self.decode_to(bytes, &mut text);
            Cow::Owned(text)
        })
    }

    /// Appends the text in `bytes` to `text`, as [`decode`](Encoding::decode) reads it. Returns
    /// whether all of them decode.
    pub fn decode_to(self, bytes: &[u8], text: &mut String) -> bool {
        match self {
            Encoding::UTF_8 => decode_utf8(bytes, text),
            _ => decode_with(self.coder().new_decoder_without_bom_handling(), bytes, text),
        }
    }

    /// The text in `bytes` if all of them decode.
    pub(super) fn decode_strict(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        if self == Encoding::UTF_8 {
            return str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        self.coder().decode_without_bom_handling_and_without_replacement(bytes)
    }
}

/// By the same division into chunks as `escape`, so that both show the same.
fn decode_utf8(bytes: &[u8], text: &mut String) -> bool {
    let mut all = true;
    for chunk in bytes.utf8_chunks() {
        all &= chunk.invalid().is_empty();
        text.push_str(chunk.valid());
        push_escapes(text, chunk.invalid());
    }
    all
}

/// By way of a small buffer: `decode_to_string_without_replacement` walks over all the spare room
/// of its string at every call, and where every byte is bad there is one call for each.
fn decode_with(mut decoder: encoding_rs::Decoder, bytes: &[u8], text: &mut String) -> bool {
    let mut all = true;
    let mut buffer = [0; 256];
    let mut read = 0;
    loop {
        let (result, more, written) =
            decoder.decode_to_utf8_without_replacement(&bytes[read..], &mut buffer, true);
        text.push_str(&String::from_utf8_lossy(&buffer[..written]));
        read += more;
        match result {
            DecoderResult::InputEmpty => return all,
            DecoderResult::OutputFull => {}
            // `after` are bytes behind the bad ones, which the decoder keeps and will yet deliver.
            DecoderResult::Malformed(length, after) => {
                all = false;
                let end = read - usize::from(after);
                push_escapes(text, &bytes[end - usize::from(length)..end]);
            }
        }
    }
}

fn push_escapes(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        // Writing to a string cannot fail.
        let _ = write_byte(text, byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(label: &str, bytes: &[u8]) -> String {
        Encoding::for_label(label).unwrap().decode(bytes).into_owned()
    }

    #[test]
    fn bytes_that_do_not_decode_are_never_lost() {
        assert_eq!(decode("utf-8", b"ok\xe4\xbd"), r"ok\xe4\xbd");
        assert_eq!(decode("gb2312", b"\xc4\xe3\xff\xba\xc3\xba"), r"你\xff好\xba");
        assert_eq!(decode("gb18030", b"\x81\x30\x81"), r"\x81\x30\x81");
        assert_eq!(decode("gb18030", b"\x81\x30\x81a"), r"\x810乤");
        assert_eq!(decode("big5", b"\xa7A\xa6n\xff"), r"你好\xff");
        assert_eq!(decode("utf-16le", b"a\0\x3d\xd8b\0\xfe"), r"a\x3d\xd8b\xfe");
        assert_eq!(decode("iso-2022-jp", b"\x1b$B\x1b(Ba\x1b"), r"\x1b\x24\x42a\x1b");
    }

    #[test]
    fn a_byte_order_mark_is_a_character_like_others() {
        assert_eq!(decode("utf-8", b"\xef\xbb\xbfa"), "\u{feff}a");
        assert_eq!(decode("gbk", b"\xef\xbb\xbfa"), "锘縜");
        assert_eq!(decode("utf-16le", b"\xff\xfea\0"), "\u{feff}a");
        assert_eq!(decode("utf-16be", b"\xff\xfe\0a"), "\u{fffe}a");
    }

    #[test]
    fn appending_reads_the_same() {
        for encoding in Encoding::all() {
            for bytes in [&b"a\xc4\xe3\xff"[..], b"", b"hello", "你好".as_bytes()] {
                let mut text = "before ".to_string();
                let all = encoding.decode_to(bytes, &mut text);
                assert_eq!(all, encoding.decode_strict(bytes).is_some(), "{encoding}");
                assert_eq!(text, format!("before {}", encoding.decode(bytes)), "{encoding}");
            }
        }
    }

    #[test]
    fn clean_utf8_is_borrowed() {
        assert!(matches!(Encoding::UTF_8.decode("你好".as_bytes()), Cow::Borrowed("你好")));
        assert!(matches!(Encoding::GB2312.decode(b"hello"), Cow::Borrowed("hello")));
    }
}
