//! Encoding: text to bytes, all of it or none, or with what does not fit shown as an escape.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::EncoderResult;

use super::{Encoding, gb2312};
use crate::escape::write_escape;
use crate::is_displayable;

impl Encoding {
    /// `text` as bytes, or the first character that this encoding does not have. UTF-8, and ASCII
    /// where that is the same, is borrowed. No byte order mark is written.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, Unmappable> {
        if self.is_utf8(text) {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        let mut out = Vec::new();
        match Encoder::new(self).append(text, true, &mut out) {
            None => Ok(Cow::Owned(out)),
            Some((character, behind)) => {
                let through = &text[..text.len() - behind.len()];
                let position = through.chars().count().saturating_sub(1);
                Err(Unmappable { character, position, encoding: self })
            }
        }
    }

    /// Appends `text` as bytes to `out`; a character that this encoding does not have as its
    /// escape `\u{1f600}`, so that the reader sees that there was one, and which.
    pub fn encode_lossy(self, text: &str, out: &mut Vec<u8>) {
        if self.is_utf8(text) {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        let mut encoder = Encoder::new(self);
        let mut escape = String::new();
        let mut rest = text;
        while let Some((c, behind)) = encoder.append(rest, true, out) {
            escape.clear();
            // Writing to a string cannot fail. The escape goes through the encoder too, since the
            // byte of a backslash is another ¥ where ISO-2022-JP has shifted to write a first.
            let _ = write_escape(&mut escape, c);
            let _ = encoder.append(&escape, false, out);
            rest = behind;
        }
    }

    /// Whether `text` is the same bytes in this encoding as in UTF-8.
    fn is_utf8(self, text: &str) -> bool {
        self == Encoding::UTF_8 || self.is_ascii_compatible() && text.is_ascii()
    }
}

/// A text does not fit an encoding; nothing of it was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmappable {
    /// The first character that the encoding does not have.
    pub character: char,
    /// How many characters stand before it.
    pub position: usize,
    /// The encoding.
    pub encoding: Encoding,
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmappable { character, position, encoding } = *self;
        write!(f, "{encoding} has no ")?;
        if is_displayable(character) {
            write!(f, "'{character}' (U+{:04X})", u32::from(character))?;
        } else {
            write_escape(f, character)?;
        }
        write!(f, ", which is character {} of the text", position.saturating_add(1))
    }
}

impl std::error::Error for Unmappable {}

/// What turns text into bytes, piece by piece.
enum Encoder {
    /// By hand: encoding_rs reads UTF-16 but writes UTF-8 in its place, as web forms do.
    Utf16(fn(u16) -> [u8; 2]),
    Gb2312,
    Whatwg(encoding_rs::Encoder),
}

impl Encoder {
    /// UTF-8 needs none.
    fn new(encoding: Encoding) -> Encoder {
        match encoding {
            Encoding::UTF_16LE => Encoder::Utf16(u16::to_le_bytes),
            Encoding::UTF_16BE => Encoder::Utf16(u16::to_be_bytes),
            Encoding::GB2312 => Encoder::Gb2312,
            _ => Encoder::Whatwg(encoding.coder().new_encoder()),
        }
    }

    /// Appends `text` up to the first character there is no code for, and returns that and the
    /// text behind it. `last`: no more text will follow this one, or what is returned of it.
    fn append<'t>(
        &mut self,
        text: &'t str,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Option<(char, &'t str)> {
        match self {
            Encoder::Utf16(bytes) => {
                out.reserve(text.len());
                out.extend(text.encode_utf16().flat_map(*bytes));
                None
            }
            Encoder::Gb2312 => append_gb2312(text, out),
            Encoder::Whatwg(encoder) => append_whatwg(encoder, text, last, out),
        }
    }
}

fn append_gb2312<'t>(text: &'t str, out: &mut Vec<u8>) -> Option<(char, &'t str)> {
    out.reserve(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if let Ok(ascii) = u8::try_from(c)
            && ascii.is_ascii()
        {
            out.push(ascii);
        } else if let Some(code) = gb2312::code(c) {
            out.extend(code);
        } else {
            return Some((c, chars.as_str()));
        }
    }
    None
}

/// Not `encoding_rs::Encoding::encode`: that replaces what does not fit by `&#128512;`. And by way
/// of a small buffer: `encode_from_utf8_to_vec_without_replacement` walks over all the spare room
/// of its vector at every call, and where nothing fits there is one call for each character.
fn append_whatwg<'t>(
    encoder: &mut encoding_rs::Encoder,
    text: &'t str,
    last: bool,
    out: &mut Vec<u8>,
) -> Option<(char, &'t str)> {
    let mut buffer = [0; 256];
    let mut read = 0;
    loop {
        let (result, more, written) =
            encoder.encode_from_utf8_without_replacement(&text[read..], &mut buffer, last);
        out.extend_from_slice(&buffer[..written]);
        read += more;
        match result {
            EncoderResult::InputEmpty => return None,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(c) => {
                // For the shifts of ISO-2022-JP it says U+FFFD instead of the character.
                let (through, behind) = text.split_at(read);
                return Some((through.chars().next_back().unwrap_or(c), behind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(label: &str) -> Encoding {
        Encoding::for_label(label).unwrap()
    }

    fn lossy(label: &str, text: &str) -> Vec<u8> {
        let mut out = b"> ".to_vec();
        encoding(label).encode_lossy(text, &mut out);
        out.split_off(2)
    }

    #[test]
    fn known_bytes() {
        for (label, text, bytes) in [
            ("gb2312", "你好", &b"\xc4\xe3\xba\xc3"[..]),
            ("gbk", "镕", b"\xe9\x46"),
            ("gb18030", "😀", b"\x94\x39\xfc\x36"),
            ("big5", "你好", b"\xa7\x41\xa6\x6e"),
            ("shift_jis", "テスト", b"\x83\x65\x83\x58\x83\x67"),
            ("euc-kr", "한국", b"\xc7\xd1\xb1\xb9"),
            ("latin1", "é€", b"\xe9\x80"),
            ("utf-16le", "a😀", b"a\0\x3d\xd8\x00\xde"),
            ("utf-16be", "a😀", b"\0a\xd8\x3d\xde\x00"),
            ("iso-2022-jp", "日a", b"\x1b$BF|\x1b(Ba"),
        ] {
            let encoding = encoding(label);
            assert_eq!(encoding.encode(text).unwrap().as_ref(), bytes, "{label}");
            assert_eq!(encoding.decode(bytes), text, "{label}");
            assert_eq!(lossy(label, text), bytes, "{label}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = encoding("gb2312").encode("你好😀！").unwrap_err();
        assert_eq!((error.character, error.position), ('😀', 2));
        assert_eq!(
            error.to_string(),
            "gb2312 has no '😀' (U+1F600), which is character 3 of the text"
        );
        let error = encoding("latin1").encode("\u{202e}").unwrap_err();
        assert_eq!(
            error.to_string(),
            r"windows-1252 has no \u{202e}, which is character 1 of the text"
        );
        let error = encoding("big5").encode("中国").unwrap_err();
        assert_eq!((error.character, error.position), ('国', 1));
    }

    #[test]
    fn what_does_not_fit_is_shown_in_its_place() {
        assert_eq!(lossy("gb2312", "好😀!"), b"\xba\xc3\\u{1f600}!");
        assert_eq!(lossy("big5", "中国"), b"\xa4\xa4\\u{56fd}");
        assert_eq!(lossy("latin1", "😀é😀"), b"\\u{1f600}\xe9\\u{1f600}");
        assert_eq!(lossy("utf-8", "😀"), "😀".as_bytes());
        let shifted = lossy("iso-2022-jp", "日😀本\x1b¥😀");
        assert_eq!(encoding("iso-2022-jp").decode(&shifted), r"日\u{1f600}本\x1b¥\u{1f600}");
    }

    #[test]
    fn ascii_is_borrowed() {
        assert!(matches!(encoding("gb2312").encode("hello"), Ok(Cow::Borrowed(b"hello"))));
        assert!(matches!(encoding("utf-8").encode("你好"), Ok(Cow::Borrowed(_))));
        assert!(matches!(encoding("utf-16le").encode("a"), Ok(Cow::Owned(_))));
    }
}
