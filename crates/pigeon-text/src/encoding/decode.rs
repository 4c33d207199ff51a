//! Decoding: bytes to text, with each invalid byte shown as `\xNN`.
//!
//! A byte order mark gets no special treatment: a datagram is not a file, and a mark that switched
//! the encoding would let a sender choose it.

use std::borrow::Cow;

use encoding_rs::DecoderResult;

use super::Encoding;
use crate::escape::write_byte;

impl Encoding {
    /// Decodes `bytes`. Each invalid byte becomes `\xNN`, as in [`escape()`](crate::escape());
    /// escape the result before showing it. Valid UTF-8 is borrowed.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        self.decode_strict(bytes).unwrap_or_else(|| {
            let mut text = String::new();
            self.decode_to(bytes, &mut text);
            Cow::Owned(text)
        })
    }

    /// Appends the decoded `bytes` to `text`, as [`decode`](Encoding::decode) does. Returns whether
    /// all bytes are valid.
    pub fn decode_to(self, bytes: &[u8], text: &mut String) -> bool {
        match self {
            Encoding::UTF_8 => decode_utf8(bytes, text),
            _ => decode_with(self.coder().new_decoder_without_bom_handling(), bytes, text),
        }
    }

    /// Decodes `bytes` if all are valid.
    pub(super) fn decode_strict(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        if self == Encoding::UTF_8 {
            return str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        self.coder().decode_without_bom_handling_and_without_replacement(bytes)
    }
}

/// Splits the bytes into the same chunks as `escape`, so that both show the same text.
fn decode_utf8(bytes: &[u8], text: &mut String) -> bool {
    let mut all = true;
    for chunk in bytes.utf8_chunks() {
        all &= chunk.invalid().is_empty();
        text.push_str(chunk.valid());
        push_escapes(text, chunk.invalid());
    }
    all
}

/// Decodes through a small buffer. `decode_to_string_without_replacement` clears all of its
/// string's spare capacity in every call, and bad input needs one call per byte.
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
            // `after` counts bytes behind the bad ones that the decoder has read and will still
            // deliver.
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
