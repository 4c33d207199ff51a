//! Compares names: equal ones, and confusable ones.
//!
//! Commands such as `/msg` look a name up by [`fold`]. They must find exactly the intended member,
//! so folding only ignores case and the order of combining marks. A new name must also differ in
//! its [`skeletons`] from names in use: skeletons treat confusable characters as equal (UTS #39).
//!
//! Skeletons treat some distinct names as equal: `rn` and `m`; `l`, `I` and `1`; `土` and `士`. The
//! cost is a refusal that shows the holder's name. Without them a member could impersonate another.

use std::net::Ipv6Addr;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

include!(concat!(env!("OUT_DIR"), "/prototypes.rs"));

/// Blank characters that Unicode counts neither as white space nor as ignorable.
const BLANK: [char; 6] = [
    '\u{2800}',  // Braille pattern blank
    '\u{fffc}',  // object replacement character
    '\u{13441}', // Egyptian hieroglyph full blank
    '\u{13442}', // Egyptian hieroglyph half blank
    '\u{16fe4}', // Khitan small script filler
    '\u{1d159}', // musical symbol null notehead
];

/// Folds case, by Unicode's full case folding: `Straße` becomes `STRASSE`, and a final sigma a
/// sigma.
///
/// The result is in form NFC, so `ë` as one character equals `ë` as two: they look the same, and
/// keyboards differ in which they send. Compatibility forms (`ｂｏｂ`, `ﬁ`) stay distinct: the
/// difference is visible, and both can be typed.
pub fn fold(text: &str) -> Box<str> {
    match text.is_ascii() {
        true => text.to_ascii_lowercase().into(),
        // Canonical caseless matching, definition D145 of the Unicode Standard.
        false => text.nfd().default_case_fold().nfc().collect(),
    }
}

/// `skeleton(casefold(NFKC(text)))` and `casefold(skeleton(NFKC(text)))`.
///
/// Each detects pairs that the other misses, because capitals have confusables of their own. The
/// first equates `HUB` with `hub`, the second `ΗUB` with a Greek Η. A skeleton turns `0` into `O`,
/// so only the second equates `b0b` with `bob`.
pub(crate) fn skeletons(text: &str) -> [Box<str>; 2] {
    let compatible: String = text.nfkc().collect();
    let folded: String = compatible.chars().default_case_fold().collect();
    [skeleton(&folded).collect(), skeleton(&compatible).default_case_fold().collect()]
}

/// A text whose confusable characters are replaced by their prototypes, without the ignorable ones.
///
/// `unicode_security::skeleton` does the same, from a table with a pointer for each of its 6,700
/// characters.
fn skeleton(text: &str) -> impl Iterator<Item = char> {
    let prototype = |c: char| match CONFUSABLES.binary_search(&c) {
        Ok(place) => {
            let [start, end] = [PLACES[place], PLACES[place + 1]].map(usize::from);
            (None, &PROTOTYPES[start..end])
        }
        Err(_) if is_ignorable(c) => (None, ""),
        Err(_) => (Some(c), ""),
    };
    text.chars()
        .nfd()
        .flat_map(move |c| {
            let (same, other) = prototype(c);
            same.into_iter().chain(other.chars())
        })
        .nfd()
}

/// Whether Unicode counts a character as default-ignorable.
fn is_ignorable(c: char) -> bool {
    let after = IGNORABLE.partition_point(|&(_, last)| last < c);
    IGNORABLE.get(after).is_some_and(|&(first, _)| first <= c)
}

/// A character's compatibility decomposition (NFKC).
pub(crate) fn compatible(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c).nfkc()
}

/// Whether a character is invisible on a display.
pub(crate) fn is_invisible(c: char) -> bool {
    !c.is_ascii() && (BLANK.contains(&c) || is_ignorable(c))
}

/// Whether a text looks like an IP address, with or without a port, in any form of digits and dots.
pub(crate) fn is_address(text: &str) -> bool {
    let compatible: String = text.nfkc().collect();
    // A skeleton turns 0 into `O` and 1 into `l`. The zone after `%` is cut off, because `%`
    // becomes three characters in a skeleton.
    let ip = compatible.split('%').next().unwrap_or_default();
    let plain = skeleton(ip).map(|c| match c {
        'O' | 'o' => '0',
        'l' => '1',
        '。' | '·' | '・' | '•' | '‧' | '˳' => '.',
        c => c,
    });
    let plain: String = plain.collect();
    is_v4(&plain) || is_v6(&plain)
}

/// Four groups of digits and optionally a port. 999 is not valid in an address, but looks like it.
fn is_v4(text: &str) -> bool {
    let ip = text.split_once(':').map_or(text, |(ip, _)| ip);
    let is_group =
        |group: &str| (1..=3).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit());
    ip.split('.').count() == 4 && ip.split('.').all(is_group)
}

/// `::1`, `[::1]`, `[::1]:9`.
fn is_v6(text: &str) -> bool {
    let ip = text.strip_prefix('[').map_or(text, |rest| rest.split(']').next().unwrap_or(rest));
    ip.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skeletons_are_those_of_unicode_security() {
        for c in '\0'..=char::MAX {
            let text = [c, 'l', c].iter().collect::<String>();
            assert!(skeleton(&text).eq(unicode_security::skeleton(&text)), "{c:?}");
            let omitted = unicode_security::skeleton(&c.to_string()).next().is_none();
            assert_eq!(is_ignorable(c), omitted, "{c:?}");
        }
    }
}
