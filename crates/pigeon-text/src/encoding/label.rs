//! Labels: from a user's input to an encoding, or to an error with a suggestion.

use std::fmt;

use super::{Encoding, TABLE};
use crate::escape;

/// Labels of GB2312 itself. The WHATWG maps them to GBK.
const GB2312: [&str; 7] =
    ["gb2312", "gb_2312", "gb_2312-80", "csgb2312", "csiso58gb231280", "iso-ir-58", "chinese"];

/// Names that the WHATWG lacks: code pages as in `chcp` and Python, and Unix names of GB2312.
/// Without them `cp936` would be taken for a typo of `cp866`.
const OTHERS: [(&str, &str); 6] = [
    ("cp936", "gbk"),
    ("cp950", "big5"),
    ("cp932", "shift_jis"),
    ("cp949", "euc-kr"),
    ("cp65001", "utf-8"),
    ("euc-cn", "gb2312"),
];

/// Encodings that an error lists even without a near match.
const USUAL: [&str; 9] =
    ["utf-8", "gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-kr", "latin1", "utf-16le"];

/// Longer input cannot be a label. It may be from the network, so it is neither compared nor shown
/// in full.
const MAX_LABEL_CHARS: usize = 32;

impl Encoding {
    /// Parses a label: any WHATWG label, in any case, with or without surrounding spaces, and
    /// Windows code pages such as `cp936`. `gb2312` is distinct from `gbk` here.
    pub fn for_label(label: &str) -> Result<Encoding, UnknownLabel> {
        let wanted = label.trim();
        let is_wanted = |name: &str| name.eq_ignore_ascii_case(wanted);
        if GB2312.into_iter().any(is_wanted) {
            return Ok(Encoding::GB2312);
        }
        let alias = OTHERS.into_iter().find(|(other, _)| is_wanted(other));
        let wanted = alias.map_or(wanted, |(_, name)| name);
        by_name(wanted)
            .or_else(|| {
                // Excludes `replacement`, which stands for encodings that are unsafe to read.
                let coder = encoding_rs::Encoding::for_label_no_replacement(wanted.as_bytes())?;
                by_name(coder.name())
            })
            .ok_or_else(|| UnknownLabel::new(wanted))
    }
}

fn by_name(name: &str) -> Option<Encoding> {
    Encoding::all().find(|encoding| encoding.name().eq_ignore_ascii_case(name))
}

/// An unknown label. The message suggests the nearest known label and the usual ones; the label
/// appears escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLabel {
    label: String,
    nearest: Option<&'static str>,
}

impl UnknownLabel {
    /// The labels that are used most.
    pub const USUAL: &[&str] = &USUAL;

    /// The label, cut to a sensible length.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The nearest label that there is.
    pub fn nearest(&self) -> Option<&'static str> {
        self.nearest
    }

    fn new(label: &str) -> UnknownLabel {
        let mut shown: String = label.chars().take(MAX_LABEL_CHARS).collect();
        if shown.len() < label.len() {
            shown.push('…');
            return UnknownLabel { label: shown, nearest: None };
        }
        UnknownLabel { nearest: nearest(&shown), label: shown }
    }
}

impl fmt::Display for UnknownLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no encoding is called \"{}\"", escape(&self.label))?;
        if let Some(nearest) = self.nearest {
            write!(f, ", did you mean {nearest}?")?;
        }
        write!(f, " (there are {} and others)", USUAL.join(", "))
    }
}

impl std::error::Error for UnknownLabel {}

/// The known label at the smallest edit distance, if that is 1 or 2.
fn nearest(label: &str) -> Option<&'static str> {
    let label = label.to_ascii_lowercase();
    let slips = if label.chars().count() < 5 { 1 } else { 2 };
    let names = TABLE.iter().map(|(name, _)| *name);
    USUAL
        .into_iter()
        .chain(names)
        .chain(OTHERS.into_iter().map(|(other, _)| other))
        .map(|name| (strsim::levenshtein(&label, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= slips)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(label: &str) -> &'static str {
        Encoding::for_label(label).unwrap().name()
    }

    #[test]
    fn labels_in_any_dress() {
        assert_eq!(name(" UTF8\n"), "utf-8");
        assert_eq!(name("GB2312"), "gb2312");
        assert_eq!(name("x-gbk"), "gbk");
        assert_eq!(name("GB18030"), "gb18030");
        assert_eq!(name("Big5-HKSCS"), "big5");
        assert_eq!(name("sjis"), "shift_jis");
        assert_eq!(name("ks_c_5601-1987"), "euc-kr");
        assert_eq!(name("latin1"), "windows-1252");
        assert_eq!(name("utf-16"), "utf-16le");
        assert_eq!(name("CP936"), "gbk");
    }

    #[test]
    fn every_name_and_every_label_offered_is_known() {
        for encoding in Encoding::all() {
            assert_eq!(Encoding::for_label(encoding.name()), Ok(encoding));
        }
        for label in GB2312 {
            assert_eq!(name(label), "gb2312");
        }
        for label in USUAL.into_iter().chain(OTHERS.map(|(label, _)| label)) {
            assert!(Encoding::for_label(label).is_ok(), "{label}");
        }
    }

    #[test]
    fn a_slip_is_recognised() {
        let nearest = |label| Encoding::for_label(label).unwrap_err().nearest;
        assert_eq!(nearest("gb2321"), Some("gb2312"));
        assert_eq!(nearest("GB-2312"), Some("gb2312"));
        assert_eq!(nearest("gkb"), None);
        assert_eq!(nearest("gbkk"), Some("gbk"));
        assert_eq!(nearest("big 5"), Some("big5"));
        assert_eq!(nearest("shiftjis"), Some("shift_jis"));
        assert_eq!(nearest("latin-1"), Some("latin1"));
        assert_eq!(nearest("cp9366"), Some("cp936"));
        assert_eq!(nearest("klingon"), None);
        assert_eq!(nearest(""), None);
    }

    #[test]
    fn the_message_helps_and_shows_nothing_raw() {
        let message = |label: &str| Encoding::for_label(label).unwrap_err().to_string();
        assert_eq!(
            message("gb2321"),
            "no encoding is called \"gb2321\", did you mean gb2312? (there are utf-8, gb2312, gbk, \
             gb18030, big5, shift_jis, euc-kr, latin1, utf-16le and others)"
        );
        assert!(message("\x1b[31m").starts_with(r#"no encoding is called "\x1b[31m" (there"#));
        assert!(message(&"长".repeat(100_000)).len() < 300);
        // The WHATWG considers it unsafe to read.
        assert!(Encoding::for_label("iso-2022-kr").is_err());
        assert!(Encoding::for_label("replacement").is_err());
    }
}
