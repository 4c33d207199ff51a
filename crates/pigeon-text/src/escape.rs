//! Escaping of received text before a terminal, a log or a page shows it.
//!
//! Escaped are bytes that are not valid UTF-8, and characters of the Unicode categories Cc
//! (control), Cf (format: bidi overrides, zero-width joiners, tags), Zl, Zp (line and paragraph
//! separators), Cn (unassigned), Co (private use), and the few letters and marks that are
//! invisible. A joiner or variation selector within an emoji stays. Marks beyond [`MAX_MARKS`] on
//! one character are escaped, because a terminal draws them over other lines.
//!
//! An escape is `\n`, `\r`, `\t`, `\xNN` for a control character below U+0080 or an invalid byte,
//! and `\u{N}` for everything else. A backslash stays unchanged: the output is for display, not for
//! decoding, and escaping twice equals escaping once.
//!
//! `char::is_control` is not enough: it covers only Cc, and lets U+202E through, which reverses the
//! rest of a line (CVE-2021-42574). `char::escape_default` is too much: it escapes every 中文
//! character.

use std::fmt::{self, Write};

// `FATES` and `EMOJI`: ranges of characters, ascending. The tables of `unicode_properties` name
// every category, and are five times as large.
include!(concat!(env!("OUT_DIR"), "/categories.rs"));

/// How many combining marks may stand on one character. Vietnamese needs two, Hebrew with
/// cantillation four or five.
const MAX_MARKS: usize = 8;

const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Bytes from outside that `{}` formats escaped.
#[derive(Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

/// Escapes bytes from outside for display.
///
/// ```
/// assert_eq!(pigeon_text::escape(b"\x1b[31mred\xff").to_string(), r"\x1b[31mred\xff");
/// assert_eq!(pigeon_text::escape("你好 👩‍🚀".as_bytes()).to_string(), "你好 👩‍🚀");
/// ```
pub fn escape<T: AsRef<[u8]> + ?Sized>(bytes: &T) -> Escaped<'_> {
    Escaped(bytes.as_ref())
}

/// Appends the escaped form of `bytes` to `out`.
pub fn escape_to(out: &mut Vec<u8>, bytes: &[u8]) {
    struct Bytes<'a>(&'a mut Vec<u8>);
    impl Write for Bytes<'_> {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            self.0.extend_from_slice(s.as_bytes());
            Ok(())
        }
    }
    // Writing to a vector cannot fail.
    let _ = write!(Bytes(out), "{}", Escaped(bytes));
}

/// Whether `c` is visible in any context, so that a name may contain it. False for joiners and
/// variation selectors, which depend on their neighbours.
pub fn is_displayable(c: char) -> bool {
    fate(None, c, None) == Fate::Plain
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            escape_str(f, chunk.valid())?;
            for &byte in chunk.invalid() {
                write_byte(f, byte)?;
            }
        }
        Ok(())
    }
}

fn escape_str(out: &mut impl Write, text: &str) -> fmt::Result {
    let mut rest = text;
    let mut before = None;
    let mut marks = 0;
    while !rest.is_empty() {
        // Copies runs of printable ASCII, the bulk of most traffic, at once.
        let plain = rest.bytes().take_while(|b| (0x20..0x7f).contains(b)).count();
        if plain > 0 {
            out.write_str(&rest[..plain])?;
            before = rest[..plain].chars().next_back();
            rest = &rest[plain..];
            marks = 0;
        }
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { break };
        if c.is_ascii() {
            // A control is escaped whatever its neighbours.
            write_escape(out, c)?;
            before = None;
            rest = chars.as_str();
            continue;
        }
        let after = chars.clone().next();
        before = match fate(before, c, after) {
            Fate::Plain => {
                marks = 0;
                Some(c)
            }
            Fate::Mark if marks < MAX_MARKS => {
                marks += 1;
                Some(c)
            }
            // An escaped character cannot be joined to the next.
            Fate::Mark | Fate::Escape => None,
        };
        match before {
            Some(c) => out.write_char(c)?,
            None => write_escape(out, c)?,
        }
        rest = chars.as_str();
    }
    Ok(())
}

/// Writes one character as an escape, whether it needs one or not.
pub(crate) fn write_escape(out: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\0'..='\x7f' => write_byte(out, c as u8),
        _ => {
            out.write_str("\\u{")?;
            let digits = (u32::from(c).ilog2() / 4 + 1).max(1);
            for digit in (0..digits).rev() {
                out.write_char(char::from(hex((u32::from(c) >> (4 * digit)) as u8)))?;
            }
            out.write_char('}')
        }
    }
}

/// Writes one byte as an escape. Hand-written, because `write!` takes ten times as long and a
/// datagram may consist of escapes.
pub(crate) fn write_byte(out: &mut impl Write, byte: u8) -> fmt::Result {
    let mut escape = *b"\\x00";
    escape[2] = hex(byte >> 4);
    escape[3] = hex(byte);
    out.write_str(std::str::from_utf8(&escape).unwrap_or_default())
}

/// The low four bits as a hex digit.
fn hex(bits: u8) -> u8 {
    b"0123456789abcdef"[usize::from(bits % 16)]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Plain,
    /// Combines with the character before it, up to [`MAX_MARKS`].
    Mark,
    Escape,
}

/// Decides how to show `c` between its neighbours.
fn fate(before: Option<char>, c: char, after: Option<char>) -> Fate {
    if c == ZERO_WIDTH_JOINER {
        // 👩‍🚀 is woman, joiner, rocket. Elsewhere a joiner is invisible.
        let glues = before.is_some_and(joins_left) && after.is_some_and(is_pictograph);
        return if glues { Fate::Plain } else { Fate::Escape };
    }
    if is_variation_selector(c) {
        let selects = before.is_some_and(|b| is_emoji(b) || is_ideograph(b));
        return if selects { Fate::Mark } else { Fate::Escape };
    }
    if is_blank(c) {
        return Fate::Escape;
    }
    range(&FATES, c).unwrap_or(Fate::Plain)
}

/// The value of the range that holds `c`.
fn range<T: Copy>(ranges: &[(char, char, T)], c: char) -> Option<T> {
    let &(first, _, value) = ranges.get(ranges.partition_point(|&(_, last, _)| last < c))?;
    (first <= c).then_some(value)
}

fn is_pictograph(c: char) -> bool {
    !c.is_ascii() && is_emoji(c)
}

fn is_emoji(c: char) -> bool {
    range(&EMOJI, c).is_some()
}

/// Whether a joiner may follow `c`: a pictograph, or the variation selector after one.
fn joins_left(c: char) -> bool {
    is_pictograph(c) || c == '\u{fe0f}'
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Ideographs take variation selectors too (UTS 37): 葛 has two shapes in Japanese names.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Letters, marks and symbols that are invisible although their category is a visible one.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'
            ..='\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_properties::{GeneralCategory as Gc, UnicodeEmoji, UnicodeGeneralCategory};

    #[test]
    fn ranges_hold_what_unicode_says() {
        for c in '\0'..=char::MAX {
            let wanted = match c.general_category() {
                Gc::NonspacingMark | Gc::EnclosingMark => Some(Fate::Mark),
                Gc::Control | Gc::Format | Gc::PrivateUse | Gc::Unassigned => Some(Fate::Escape),
                Gc::LineSeparator | Gc::ParagraphSeparator => Some(Fate::Escape),
                _ => None,
            };
            assert!(range(&FATES, c) == wanted, "{c:?}");
            assert_eq!(is_emoji(c), c.is_emoji_char(), "{c:?}");
        }
    }

    fn shown(bytes: impl AsRef<[u8]>) -> String {
        escape(bytes.as_ref()).to_string()
    }

    #[test]
    fn ordinary_text_passes_untouched() {
        for text in [
            "hello, \\n",
            "你好，狗哥！",
            "ひらがな",
            "한국어",
            "é e\u{301}",
            "👋🏽 👨‍👩‍👧 ❤️ 🏳️‍🌈 1️⃣",
            "葛\u{e0100}",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn what_moves_a_terminal_is_shown() {
        assert_eq!(shown("a\x1b]0;title\x07b"), r"a\x1b]0;title\x07b");
        assert_eq!(shown("one\r\ntwo\tthree"), r"one\r\ntwo\tthree");
        assert_eq!(shown("\u{9b}31m \u{7f}"), r"\u{9b}31m \x7f");
        assert_eq!(shown("abc\u{202e}fed"), r"abc\u{202e}fed");
        assert_eq!(shown("a\u{2028}b\u{feff}"), r"a\u{2028}b\u{feff}");
        assert_eq!(shown("\u{e000}\u{3164}"), r"\u{e000}\u{3164}");
    }

    #[test]
    fn joiners_stay_only_inside_emoji() {
        assert_eq!(shown("狗\u{200d}哥"), r"狗\u{200d}哥");
        assert_eq!(shown("👩\u{200d}"), "👩\\u{200d}");
        assert_eq!(shown("a\u{fe0f}"), r"a\u{fe0f}");
        assert_eq!(shown("\u{fe0f}\u{200d}👩"), "\\u{fe0f}\\u{200d}👩");
        assert_eq!(shown("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}\\u{fe0f}");
    }

    #[test]
    fn stacked_marks_are_capped() {
        let zalgo = format!("a{}b", "\u{301}".repeat(MAX_MARKS + 2));
        assert_eq!(shown(&zalgo), format!("a{}\\u{{301}}\\u{{301}}b", "\u{301}".repeat(MAX_MARKS)));
    }

    #[test]
    fn bytes_that_do_not_decode_are_never_lost() {
        assert_eq!(shown(b"\xc4\xe3\xba\xc3"), r"\xc4\xe3\xba\xc3");
        assert_eq!(shown(b"ok\xe4\xbd"), r"ok\xe4\xbd");
    }

    proptest! {
        #[test]
        fn escaping_is_safe_and_stable(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let once = shown(&bytes);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(shown(&once), once);
        }

        #[test]
        fn every_string_is_safe_and_stable(text in "\\PC{0,20}|[\\u{200c}-\\u{2030}👩🚀a\\u{301}\\u{fe0f}]{0,30}") {
            let once = shown(&text);
            let bidi = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{200e}' | '\u{200f}');
            prop_assert!(!once.chars().any(bidi));
            prop_assert_eq!(shown(&once), once);
        }
    }
}
