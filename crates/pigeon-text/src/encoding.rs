//! Character encodings: [`Encoding`] and its table. `label` finds one by name, `decode` and
//! `encode` convert, and `auto` detects a peer's encoding.
//!
//! These are the WHATWG's encodings, plus GB2312. The WHATWG treats `gb2312` as an alias of GBK.
//! That suits reading, but a strict GB2312 receiver rejects GBK's additional characters. So here
//! `gb2312` reads like GBK and writes only GB2312's own characters (see `gb2312`).

mod auto;
mod charset;
mod codes;
mod decode;
mod encode;
mod gb2312;
mod label;

use std::fmt;

pub use auto::{Auto, decode_auto, guess};
pub use charset::{Charset, PeerCharset, Unwritable};
pub use encode::Unmappable;
pub use label::UnknownLabel;

/// A character encoding, stored in one byte per peer.
///
/// ```
/// use pigeon_text::Encoding;
///
/// let gb2312 = Encoding::for_label("GB2312")?;
/// assert_eq!(gb2312.encode("你好")?.as_ref(), b"\xc4\xe3\xba\xc3");
/// assert_eq!(gb2312.decode(b"\xc4\xe3\xff\xba\xc3"), r"你\xff好");
/// assert!(gb2312.encode("😀").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding(
    /// An index into [`TABLE`].
    u8,
);

/// Names and coders, the most common first: ties between suggestions go to the earlier entry.
/// GB2312 uses GBK's coder, and `encode` rejects what GB2312 lacks. encoding_rs only decodes
/// UTF-16; UTF-8 needs no conversion.
static TABLE: [(&str, &encoding_rs::Encoding); 40] = [
    ("utf-8", &encoding_rs::UTF_8_INIT),
    ("gb2312", &encoding_rs::GBK_INIT),
    ("gbk", &encoding_rs::GBK_INIT),
    ("gb18030", &encoding_rs::GB18030_INIT),
    ("big5", &encoding_rs::BIG5_INIT),
    ("utf-16le", &encoding_rs::UTF_16LE_INIT),
    ("utf-16be", &encoding_rs::UTF_16BE_INIT),
    ("shift_jis", &encoding_rs::SHIFT_JIS_INIT),
    ("euc-jp", &encoding_rs::EUC_JP_INIT),
    ("iso-2022-jp", &encoding_rs::ISO_2022_JP_INIT),
    ("euc-kr", &encoding_rs::EUC_KR_INIT),
    ("windows-1252", &encoding_rs::WINDOWS_1252_INIT),
    ("windows-1250", &encoding_rs::WINDOWS_1250_INIT),
    ("windows-1251", &encoding_rs::WINDOWS_1251_INIT),
    ("windows-1253", &encoding_rs::WINDOWS_1253_INIT),
    ("windows-1254", &encoding_rs::WINDOWS_1254_INIT),
    ("windows-1255", &encoding_rs::WINDOWS_1255_INIT),
    ("windows-1256", &encoding_rs::WINDOWS_1256_INIT),
    ("windows-1257", &encoding_rs::WINDOWS_1257_INIT),
    ("windows-1258", &encoding_rs::WINDOWS_1258_INIT),
    ("windows-874", &encoding_rs::WINDOWS_874_INIT),
    ("iso-8859-2", &encoding_rs::ISO_8859_2_INIT),
    ("iso-8859-3", &encoding_rs::ISO_8859_3_INIT),
    ("iso-8859-4", &encoding_rs::ISO_8859_4_INIT),
    ("iso-8859-5", &encoding_rs::ISO_8859_5_INIT),
    ("iso-8859-6", &encoding_rs::ISO_8859_6_INIT),
    ("iso-8859-7", &encoding_rs::ISO_8859_7_INIT),
    ("iso-8859-8", &encoding_rs::ISO_8859_8_INIT),
    ("iso-8859-8-i", &encoding_rs::ISO_8859_8_I_INIT),
    ("iso-8859-10", &encoding_rs::ISO_8859_10_INIT),
    ("iso-8859-13", &encoding_rs::ISO_8859_13_INIT),
    ("iso-8859-14", &encoding_rs::ISO_8859_14_INIT),
    ("iso-8859-15", &encoding_rs::ISO_8859_15_INIT),
    ("iso-8859-16", &encoding_rs::ISO_8859_16_INIT),
    ("koi8-r", &encoding_rs::KOI8_R_INIT),
    ("koi8-u", &encoding_rs::KOI8_U_INIT),
    ("ibm866", &encoding_rs::IBM866_INIT),
    ("macintosh", &encoding_rs::MACINTOSH_INIT),
    ("x-mac-cyrillic", &encoding_rs::X_MAC_CYRILLIC_INIT),
    ("x-user-defined", &encoding_rs::X_USER_DEFINED_INIT),
];

impl Encoding {
    /// UTF-8, the default.
    pub const UTF_8: Encoding = Encoding(0);
    /// GB2312: reads like GBK, writes only its own 7,445 characters.
    pub const GB2312: Encoding = Encoding(1);
    const GBK: Encoding = Encoding(2);
    /// GB18030, which covers all of Unicode and reads GBK and GB2312.
    pub const GB18030: Encoding = Encoding(3);
    const BIG5: Encoding = Encoding(4);
    const UTF_16LE: Encoding = Encoding(5);
    const UTF_16BE: Encoding = Encoding(6);
    const EUC_KR: Encoding = Encoding(10);

    /// The number that [`Encoding::from_index`] accepts. It may change between versions of pigeon,
    /// so do not store it in files.
    pub fn index(self) -> u8 {
        self.0
    }

    /// The encoding with this index.
    pub fn from_index(index: u8) -> Option<Encoding> {
        (usize::from(index) < TABLE.len()).then_some(Encoding(index))
    }

    /// All encodings.
    pub fn all() -> impl Iterator<Item = Encoding> {
        (0..=u8::MAX).map_while(Encoding::from_index)
    }

    /// The display name, in lower case: the WHATWG's, which is `windows-1252` for `latin1`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Whether ASCII text has the same bytes in this encoding. True for all but UTF-16 and
    /// ISO-2022-JP. The converse does not hold: in Big5, GBK and Shift_JIS the second byte of a
    /// character may equal an ASCII letter, backslash or bar, so decode before searching for one.
    /// Control characters, line ends and spaces are never part of another character.
    pub fn is_ascii_compatible(self) -> bool {
        self.coder().is_ascii_compatible()
    }

    fn coder(self) -> &'static encoding_rs::Encoding {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static encoding_rs::Encoding) {
        TABLE[usize::from(self.0)]
    }
}

impl Default for Encoding {
    fn default() -> Encoding {
        Encoding::UTF_8
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoding({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_name_their_rows() {
        assert_eq!(Encoding::default().name(), "utf-8");
        assert_eq!(Encoding::GB2312.name(), "gb2312");
        assert_eq!(Encoding::GB18030.name(), "gb18030");
        assert_eq!(Encoding::GBK.name(), "gbk");
        assert_eq!(Encoding::BIG5.name(), "big5");
        assert_eq!(Encoding::EUC_KR.name(), "euc-kr");
        assert_eq!(Encoding::UTF_16LE.name(), "utf-16le");
        assert_eq!(Encoding::UTF_16BE.name(), "utf-16be");
    }

    #[test]
    fn an_encoding_is_a_byte() {
        assert_eq!(size_of::<Encoding>(), 1);
        assert_eq!(Encoding::all().count(), TABLE.len());
        for encoding in Encoding::all() {
            assert_eq!(Encoding::from_index(encoding.index()), Some(encoding));
        }
        assert_eq!(Encoding::from_index(40), None);
        assert_eq!(Encoding::from_index(255), None);
    }

    #[test]
    fn names_are_those_of_the_coders() {
        for encoding in Encoding::all().filter(|&e| e != Encoding::GB2312) {
            assert_eq!(encoding.name(), encoding.coder().name().to_ascii_lowercase());
        }
    }

    #[test]
    fn line_ends_and_spaces_are_part_of_nothing_else() {
        for encoding in Encoding::all().filter(|e| e.is_ascii_compatible()) {
            for (lead, ascii) in (0x80..=0xff).flat_map(|lead| (0..0x30).map(move |b| (lead, b))) {
                let text = encoding.decode(&[lead, ascii]).into_owned();
                assert!(text.ends_with(char::from(ascii)), "{encoding} {lead:x} {ascii:x}");
            }
        }
    }

    #[test]
    fn ascii_compatible_means_ascii_is_itself() {
        let ascii: String = (0..0x80).map(char::from).collect();
        for encoding in Encoding::all().filter(|e| e.is_ascii_compatible()) {
            assert_eq!(encoding.encode(&ascii).unwrap().as_ref(), ascii.as_bytes(), "{encoding}");
            assert_eq!(encoding.decode(ascii.as_bytes()), ascii, "{encoding}");
        }
        let others: Vec<_> = Encoding::all().filter(|e| !e.is_ascii_compatible()).collect();
        assert_eq!(
            others.iter().map(|e| e.name()).collect::<Vec<_>>(),
            ["utf-16le", "utf-16be", "iso-2022-jp"]
        );
    }
}
