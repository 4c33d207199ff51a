//! Encoding: text to bytes, either completely or with escapes for unmappable characters.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::EncoderResult;

use super::codes::{Code, Codes};
use super::{Encoding, gb2312};
use crate::escape::write_escape;
use crate::is_displayable;

impl Encoding {
    /// Encodes `text`, or returns the first character that this encoding lacks. UTF-8 text, and
    /// ASCII text in an ASCII-compatible encoding, is borrowed. Writes no byte order mark.
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

    /// Appends the encoded `text` to `out`. A character that this encoding lacks becomes its
    /// escape, such as `\u{1f600}`, so that the reader can identify it.
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

    /// Appends displayable text as bytes that no terminal takes for controls: as
    /// [`encode_lossy`](Encoding::encode_lossy) does, and a character with bytes that a terminal
    /// might act on becomes its escape too. `text` has been escaped before.
    ///
    /// A character can be displayable and its bytes not: `›` is 0x9b in windows-1252, which starts a
    /// control sequence on a terminal that reads 8-bit controls (C1). The rules:
    ///
    /// - **No character leaves as one byte of 0x80 to 0x9f.** So single-byte encodings lose what
    ///   they hold there, also letters (А to Я in IBM866): the Linux console acts on 0x9b whatever
    ///   its font shows. GBK loses `€`, which is 0x80 alone.
    /// - **0xc2 is never followed by 0x80 to 0x9f.** The two are a C1 control in UTF-8, which is
    ///   what a terminal reads until its user has chosen an encoding.
    /// - Inside characters of several bytes 0x80 to 0x9f stay otherwise. A terminal that shows such an
    ///   encoding reads whole characters, and without these bytes Shift_JIS would lose most kanji
    ///   and GBK most traditional ones.
    ///
    /// Big5, GB2312 and EUC-KR's KS X 1001 use none of these bytes. Encodings without ASCII are for
    /// files and pipes: they are written as by `encode_lossy`.
    pub fn encode_for_display(self, text: &str, out: &mut Vec<u8>) {
        let start = out.len();
        self.encode_lossy(text, out);
        if self.is_ascii_compatible()
            && self != Encoding::UTF_8
            && !self.is_surely_harmless(text, &out[start..])
        {
            out.truncate(start);
            self.encode_each(text, out);
        }
    }

    /// Whether no terminal acts on `bytes`, the encoded `text`. False if each character must be
    /// checked.
    fn is_surely_harmless(self, text: &str, bytes: &[u8]) -> bool {
        match self.coder().is_single_byte() {
            true => !bytes.iter().any(is_c1),
            false => {
                let is_pair = |pair: &[u8]| pair[0] == UTF_8_C1 && is_c1(&pair[1]);
                !text.contains('€') && !bytes.windows(2).any(is_pair)
            }
        }
    }

    /// Encodes character by character, and checks each one's bytes.
    fn encode_each(self, text: &str, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(self);
        let mut one = [0; 4];
        let mut rest = text;
        loop {
            // Copies ASCII in one piece: escapes, which may be many, are ASCII.
            let ascii = rest.bytes().take_while(u8::is_ascii).count();
            out.extend_from_slice(&rest.as_bytes()[..ascii]);
            let mut chars = rest[ascii..].chars();
            let Some(c) = chars.next() else { return };
            rest = chars.as_str();
            let (start, before) = (out.len(), out.last().copied().unwrap_or_default());
            let lacks = encoder.append(c.encode_utf8(&mut one), false, out).is_some();
            let pair = |(before, byte): (&u8, &u8)| *before == UTF_8_C1 && is_c1(byte);
            let is_harmful = match &out[start..] {
                [byte] => is_c1(byte),
                bytes => [before].iter().chain(bytes).zip(bytes).any(pair),
            };
            if lacks || is_harmful {
                out.truncate(start);
                // Writing to a vector cannot fail.
                let _ = write_escape(&mut Ascii(out), c);
            }
        }
    }

    /// Whether `text` has the same bytes in this encoding as in UTF-8.
    fn is_utf8(self, text: &str) -> bool {
        self == Encoding::UTF_8 || self.is_ascii_compatible() && text.is_ascii()
    }
}

/// The first byte of C1 controls in UTF-8.
const UTF_8_C1: u8 = 0xc2;

/// Whether a terminal with 8-bit controls takes this byte for a control.
fn is_c1(byte: &u8) -> bool {
    matches!(byte, 0x80..=0x9f)
}

/// Writes ASCII to a vector.
struct Ascii<'a>(&'a mut Vec<u8>);

impl fmt::Write for Ascii<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.extend_from_slice(s.as_bytes());
        Ok(())
    }
}

/// A character that the encoding lacks; nothing of the text was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmappable {
    /// The first such character.
    pub character: char,
    /// The number of characters before the unmappable one.
    pub position: usize,
    /// The encoding that lacks the character.
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

/// Converts text to bytes, piece by piece.
enum Encoder {
    /// Hand-written: encoding_rs decodes UTF-16, but encodes it as UTF-8 like web forms do.
    Utf16(fn(u16) -> [u8; 2]),
    Gb2312,
    /// A coder without state, and the codes that it would search for.
    Ideographs(&'static Codes, encoding_rs::Encoder),
    Whatwg(encoding_rs::Encoder),
}

impl Encoder {
    fn new(encoding: Encoding) -> Encoder {
        match encoding {
            Encoding::UTF_16LE => Encoder::Utf16(u16::to_le_bytes),
            Encoding::UTF_16BE => Encoder::Utf16(u16::to_be_bytes),
            Encoding::GB2312 => Encoder::Gb2312,
            _ => {
                let encoder = encoding.coder().new_encoder();
                match Codes::of(encoding) {
                    Some(codes) => Encoder::Ideographs(codes, encoder),
                    None => Encoder::Whatwg(encoder),
                }
            }
        }
    }

    /// Encodes `text` up to the first unmappable character, and returns that character and the
    /// remaining text. `last`: no more text will follow.
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
            Encoder::Ideographs(codes, encoder) => append_ideographs(codes, encoder, text, out),
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

/// How many characters outside the table are encoded in one piece. The end of a piece is searched
/// anew behind each character that the encoding lacks: unbounded, a datagram of 64 KiB that has only
/// such characters would take a second.
const MOST_OTHERS: usize = 32;

fn append_ideographs<'t>(
    codes: &Codes,
    encoder: &mut encoding_rs::Encoder,
    text: &'t str,
    out: &mut Vec<u8>,
) -> Option<(char, &'t str)> {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match codes.code(c) {
            Code::TwoBytes(code) => {
                out.extend(code);
                rest = &rest[c.len_utf8()..];
            }
            Code::Absent => return Some((c, &rest[c.len_utf8()..])),
            Code::Elsewhere => {
                let others = rest.char_indices().take(MOST_OTHERS);
                let others = others.take_while(|&(_, c)| codes.code(c) == Code::Elsewhere);
                let end = others.last().map_or(0, |(start, c)| start + c.len_utf8());
                let (others, more) = rest.split_at(end);
                if let Some((c, behind)) = append_whatwg(encoder, others, false, out) {
                    return Some((c, &rest[end - behind.len()..]));
                }
                rest = more;
            }
        }
    }
    None
}

/// Does not use `encoding_rs::Encoding::encode`, which replaces unmappable characters by
/// `&#128512;`. Encodes through a small buffer, because
/// `encode_from_utf8_to_vec_without_replacement` clears all of its vector's spare capacity in every
/// call, and unmappable text needs one call per character.
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
                // For the escape characters of ISO-2022-JP it reports U+FFFD instead of the
                // character.
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

    fn displayed(encoding: Encoding, text: &str) -> Vec<u8> {
        let mut out = b"> ".to_vec();
        encoding.encode_for_display(text, &mut out);
        out.split_off(2)
    }

    #[test]
    fn what_a_terminal_would_act_on_is_shown_in_its_place() {
        for (label, text, bytes) in [
            ("latin1", "›31mRED", &b"\\u{203a}31mRED"[..]),
            ("latin1", "é€Â›", b"\xe9\\u{20ac}\xc2\\u{203a}"),
            ("windows-1256", "a\u{200d}", b"a\\u{200d}"),
            ("koi8-r", "Жё█", b"\xf6\xa3\\u{2588}"),
            ("ibm866", "Ыы", b"\\u{42b}\xeb"),
            ("gbk", "5€", b"5\\u{20ac}"),
            ("gb18030", "5€", b"5\xa2\xe3"),
            // 0xc29b is both a character of GBK and a UTF-8 control; 0x9bc2 is only the former.
            ("gbk", "聸", b"\\u{8078}"),
            ("gbk", "浡", b"\x9b\xc2"),
            ("gbk", "浡浡", b"\x9b\xc2\\u{6d61}"),
            ("shift_jis", "一日", b"\x88\xea\x93\xfa"),
            ("shift_jis", "ﾂ一", b"\xc2\\u{4e00}"),
            ("euc-kr", "한국😀", b"\xc7\xd1\xb1\xb9\\u{1f600}"),
            ("utf-8", "›é", "›é".as_bytes()),
        ] {
            let shown = displayed(encoding(label), text);
            assert_eq!(shown, bytes, "{label} {text}: {}", shown.escape_ascii());
        }
    }

    /// Tests every character that `escape` leaves unchanged, next to others that could form a
    /// control with it.
    #[test]
    fn no_character_of_any_encoding_leaves_as_a_control() {
        let chars = || (' '..=char::MAX).filter(|&c| is_displayable(c));
        for encoding in Encoding::all().filter(|e| e.is_ascii_compatible() && *e != Encoding::UTF_8)
        {
            let is_single = encoding.coder().is_single_byte();
            let bytes_of = |c: char| encoding.encode(c.encode_utf8(&mut [0; 4])).map(Vec::from);
            // A sample suffices for characters that the encoding lacks: all become escapes.
            let tried: Vec<char> = chars()
                .filter(|&c| u32::from(c) % 97 == 0 || c < '\u{10000}' && bytes_of(c).is_ok())
                .filter(|&c| !c.is_ascii())
                .collect();
            let ends = |c: &&char| bytes_of(**c).is_ok_and(|bytes| bytes.ends_with(&[0xc2]));
            let mut befores: Vec<char> = tried.iter().filter(ends).take(1).copied().collect();
            befores.push('x');
            for (c, before) in tried.iter().flat_map(|&c| befores.iter().map(move |&b| (c, b))) {
                let text: String = [before, c, '3', '1', 'm'].iter().collect();
                let bytes = displayed(encoding, &text);
                let shown = || format!("{encoding} {text} {}", bytes.escape_ascii());
                let back = encoding.decode(&bytes);
                assert_eq!(crate::escape(back.as_bytes()).to_string(), back, "{}", shown());
                assert!(!bytes.iter().any(|b| *b < 0x20 || *b == 0x7f), "{}", shown());
                assert!(!is_single || !bytes.iter().any(is_c1), "{}", shown());
                let as_utf_8 = String::from_utf8_lossy(&bytes).into_owned();
                assert!(!as_utf_8.contains(char::is_control), "{}", shown());
            }
        }
    }
}
