//! Which texts count as one name, and which only look like one.
//!
//! Commands such as `/msg` look a name up by [`fold`]: they must find exactly the member that was
//! meant, so nothing but capitals and the order of combining marks is set aside. Whether a name is
//! free is asked with [`skeletons`], which also set aside what the eye cannot tell apart (UTS #39).
//!
//! The skeletons say more than is always true: `rn` and `m` look alike, `l`, `I` and `1`, and also
//! `土` and `士`. Their price is a refusal that names the holder; the price of the opposite is a member
//! who speaks as somebody else.

use std::net::Ipv6Addr;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// Characters that leave a blank, although Unicode does not count them as white space or ignorable.
const BLANK: [char; 6] = [
    '\u{2800}',  // Braille pattern blank
    '\u{fffc}',  // object replacement character
    '\u{13441}', // Egyptian hieroglyph full blank
    '\u{13442}', // Egyptian hieroglyph half blank
    '\u{16fe4}', // Khitan small script filler
    '\u{1d159}', // musical symbol null notehead
];

/// A text without the difference of capitals, by Unicode's full case folding: `Straße` is `STRASSE`,
/// and a final sigma is a sigma.
///
/// The result is in form NFC, so `ë` as one character and as two are the same: nobody can see the
/// difference, and keyboards differ in which they send. Compatibility forms (`ｂｏｂ`, `ﬁ`) stay
/// themselves: they show, and whoever is meant can be typed.
pub fn fold(text: &str) -> Box<str> {
    match text.is_ascii() {
        true => text.to_ascii_lowercase().into(),
        // Canonical caseless matching, definition D145 of the Unicode Standard.
        false => text.nfd().default_case_fold().nfc().collect(),
    }
}

/// `skeleton(casefold(NFKC(text)))` and `casefold(skeleton(NFKC(text)))`.
///
/// Both, because neither finds everything: capitals have look-alikes of their own. The first finds
/// `HUB` for `hub` and the second `ΗUB` with a Greek Η. `0` becomes `O` in a skeleton, so only the
/// second finds `b0b` for `bob`.
pub(crate) fn skeletons(text: &str) -> [Box<str>; 2] {
    let compatible: String = text.nfkc().collect();
    let folded: String = compatible.chars().default_case_fold().collect();
    [skeleton(&folded).collect(), skeleton(&compatible).default_case_fold().collect()]
}

/// The characters that a character stands for in form NFKC.
pub(crate) fn compatible(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c).nfkc()
}

/// Whether a character leaves no mark of its own on a display.
pub(crate) fn is_invisible(c: char) -> bool {
    // A skeleton leaves out exactly the default-ignorable characters.
    let is_ignorable = || skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    !c.is_ascii() && (BLANK.contains(&c) || is_ignorable())
}

/// Whether a text looks like an IP address, with a port or without, in whichever digits and dots.
pub(crate) fn is_address(text: &str) -> bool {
    let compatible: String = text.nfkc().collect();
    // In a skeleton 0 is `O` and 1 is `l`.
    // A zone follows the address, and `%` is three characters in a skeleton.
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

/// Four groups of digits and perhaps a port. 999 is no part of an address, but looks like one.
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
