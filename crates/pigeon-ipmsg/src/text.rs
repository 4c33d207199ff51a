//! Texts of packets: their encoding, and removal of FeiQ's markup.

use std::borrow::Cow;

use pigeon_text::Encoding;

use crate::packet::decimal;

/// Decodes a text. Programs without UTF-8 use their system's code page, which the packet does not
/// specify, so a text that is not valid UTF-8 is decoded as `legacy`. Invalid bytes become escapes.
pub(crate) fn decode(bytes: &[u8], legacy: Encoding) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => legacy.decode(bytes),
    }
}

/// Decodes the text of a packet marked as UTF-8.
pub(crate) fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    Encoding::UTF_8.decode(bytes)
}

/// Removes FeiQ's markup: the font at the end, `{/font;-16 0 … 微软雅黑 8404992;}`, emoticons,
/// `/:name`, and pictures, `/~#>…<B~`. Other programs cannot display it.
pub(crate) fn without_feiq(text: &str) -> String {
    let text = text.trim_end_matches('\0');
    let cut = match text.rfind("{/font;") {
        Some(start) if text.trim_end().ends_with(";}") => &text[..start],
        _ => text,
    };
    let mut kept = String::with_capacity(cut.len());
    let mut rest = cut;
    // Where the last picture ends: behind it, no end is searched in vain.
    let last = cut.rfind(PICTURE.1).unwrap_or(0);
    while let Some(slash) = rest.find('/') {
        let (before, from) = rest.split_at(slash);
        kept.push_str(before);
        let may_end = cut.len() - from.len() < last;
        match length_of_feiq(from, before.chars().next_back(), may_end) {
            Some(length) => rest = &from[length..],
            None => {
                kept.push('/');
                rest = &from[1..];
            }
        }
    }
    kept.push_str(rest);
    kept
}

/// How a picture begins and ends.
const PICTURE: (&str, &str) = ("/~#>", "<B~");

/// The length in bytes of an emoticon or picture at the start of a text. `may_end`: the end of a
/// picture follows.
fn length_of_feiq(text: &str, before: Option<char>, may_end: bool) -> Option<usize> {
    if text.starts_with(PICTURE.0) {
        let end = if may_end { text.find(PICTURE.1) } else { None };
        return end.map(|end| end + PICTURE.1.len());
    }
    let name = text.strip_prefix("/:")?;
    // Excludes paths such as `a/:b`; `http://…` has no colon after its slash.
    if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    // `/:)` and similar: a single punctuation mark.
    let is_mark = |c: &char| c.is_ascii_punctuation() && !matches!(c, '/' | ':');
    let mark = name.chars().next().filter(is_mark).map_or(0, char::len_utf8);
    (length.max(mark) > 0).then(|| "/:".len() + length.max(mark))
}

/// An offered file. Files are transferred over TCP, which is not implemented here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The file's name.
    pub name: String,
    /// The file's size in bytes; meaningless for a folder.
    pub size: u64,
    /// Whether the file is a folder.
    pub is_folder: bool,
}

/// Maximum number of files reported per message.
const MAX_OFFERS: usize = 16;

/// Parses the files of a message: `ID:NAME:SIZE:MTIME:ATTRIBUTES:`, with hexadecimal numbers except
/// ID, doubled colons in NAME, and BEL between files.
pub(crate) fn offers(bytes: &[u8], read: impl Fn(&[u8]) -> String) -> Vec<Offer> {
    bytes.split(|&byte| byte == 7).filter_map(|file| offer(file, &read)).take(MAX_OFFERS).collect()
}

fn offer(file: &[u8], read: &impl Fn(&[u8]) -> String) -> Option<Offer> {
    let mut fields: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = file;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            // Only a name may contain colons.
            (b':', [b':', more @ ..]) if fields.len() == 2 => {
                fields.last_mut()?.push(b':');
                rest = more;
            }
            (b':', _) => fields.push(Vec::new()),
            _ => fields.last_mut()?.push(byte),
        }
    }
    let [id, name, size, _, attributes, ..] = fields.as_slice() else { return None };
    decimal(id.trim_ascii_start())?;
    let hexadecimal = |bytes: &[u8]| u64::from_str_radix(std::str::from_utf8(bytes).ok()?, 16).ok();
    Some(Offer {
        name: read(name),
        size: hexadecimal(size)?,
        is_folder: hexadecimal(attributes).is_some_and(|attributes| attributes & 0xff == 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_label_is_utf8_or_in_the_code_page() {
        let gb = Encoding::GB18030;
        let kanji = Encoding::for_label("shift_jis").unwrap();
        assert_eq!(decode("你好😀".as_bytes(), gb), "你好😀");
        assert_eq!(decode(b"\xc4\xe3\xba\xc3", gb), "你好");
        assert_eq!(decode(b"\x82\xb1\x82\xf1", kanji), "こん");
        assert_eq!(decode(b"a\xff", gb), r"a\xff");
        assert_eq!(decode_utf8(b"\xc4\xe3"), r"\xc4\xe3");
    }

    #[test]
    fn the_font_and_emoticons_of_feiq_are_cut() {
        let font = "{/font;-16 0 0 0 400 0 0 0 134 0 0 2 32 微软雅黑 8404992;}";
        for (text, expected) in [
            (format!("你好{font}"), "你好"),
            (font.to_string(), ""),
            (
                format!("{font} 后面"),
                "{/font;-16 0 0 0 400 0 0 0 134 0 0 2 32 微软雅黑 8404992;} 后面",
            ),
            ("好/:weixiao吧/:)".into(), "好吧"),
            ("图/~#>abc123<B~完".into(), "图完"),
            ("/~#>没有结尾".into(), "/~#>没有结尾"),
            ("<B~/~#>".into(), "<B~/~#>"),
            ("/~#><B~/~#>".into(), "/~#>"),
            ("http://a/b 1/2 a/:b /: x".into(), "http://a/b 1/2 a/:b /: x"),
            ("{/font;".into(), "{/font;"),
            ("/".into(), "/"),
        ] {
            assert_eq!(without_feiq(&text), expected, "{text}");
        }
    }

    /// Eight times the length takes eight times as long if the cost is linear, 64 times if quadratic.
    #[test]
    #[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "measures real time")]
    fn what_begins_like_feiqs_markup_again_and_again_is_cut_in_one_go() {
        for piece in ["/~#>", "/~#><B~", "/:", "/", "{/font;", "{/font;;}", "<B~", "/~#>/:a"] {
            let cost = |length: usize| {
                let text = piece.repeat(length / piece.len());
                let start = std::time::Instant::now();
                std::hint::black_box(without_feiq(&text));
                start.elapsed().as_secs_f64()
            };
            // Pauses of a busy machine are no fault, so a short cost counts as a millisecond.
            let mut ratios = (0..5).map(|_| cost(64_000) / cost(8_000).max(1e-3));
            assert!(ratios.any(|ratio| ratio < 32.0), "{piece}");
        }
    }

    #[test]
    fn offered_files_are_read_and_what_is_none_is_left_out() {
        let read = |bytes: &[u8]| decode(bytes, Encoding::GB18030).into_owned();
        let files = offers("0:hello.txt:1b:5f:1:\x07\x311:a::b:0:5f:2:\x07\0".as_bytes(), read);
        let offer = |name: &str, size, is_folder| Offer { name: name.into(), size, is_folder };
        assert_eq!(files, [offer("hello.txt", 0x1b, false), offer("a:b", 0, true)]);
        assert_eq!(offers(b"x:y:1:2:1:\x07:\x07\x07", read), []);
        let many: Vec<u8> = b"1:n:1:1:1:\x07".repeat(100);
        assert_eq!(offers(&many, read).len(), MAX_OFFERS);
    }
}
