//! Detects the encoding of a text: UTF-8 if the bytes are valid, else GB18030, which includes GBK
//! and GB2312. Text in one is hardly ever valid in the other. Big5 and Shift_JIS are not detected:
//! GB18030 decodes them to wrong characters without an error.
//!
//! UTF-8 that was cut within a character, at its start or end, still counts as UTF-8, because a
//! sender may cut a datagram anywhere. GB18030 also decodes half of such texts, to wrong
//! characters, so both readings are scored:
//!
//! - The peer's previous encoding wins.
//! - Otherwise each whole sequence scores for UTF-8: two points for two bytes, four for a longer
//!   one. One common hanzi in five is also a valid sequence of two bytes; longer ones rarely occur
//!   by chance. The characters that GB18030 would read score too: common ones, which make up nearly
//!   all Chinese text, score two points against UTF-8; rare ones, which cut UTF-8 mostly yields,
//!   score three points for it.
//! - Without a whole sequence, UTF-8 scores nothing.
//!
//! The tests below measure error rates on 10,000 random texts each that are not valid UTF-8. GBK
//! text of frequent hanzi is never read as UTF-8. Of GBK texts from all of GB2312, 235 of two
//! hanzi, 12 of four and none of ten are misread. Cut UTF-8 of two or more hanzi is never read as
//! GBK.

use std::borrow::Cow;

use super::Encoding;

/// Decodes `bytes` and returns the detected encoding, UTF-8 or GB18030. Bytes that decode as
/// neither become escapes.
pub fn decode_auto(bytes: &[u8]) -> (Cow<'_, str>, Encoding) {
    let encoding = guess(bytes, None);
    (encoding.decode(bytes), encoding)
}

/// Detects the encoding of bytes, UTF-8 or GB18030. `before` is the encoding of the sender's
/// earlier texts.
pub fn guess(bytes: &[u8], before: Option<Encoding>) -> Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return Encoding::UTF_8;
    }
    let gb18030 = Gb18030::read(bytes);
    match (Utf8::read_cut(bytes), before) {
        (Some(_), _) if gb18030.faults > 0 => Encoding::UTF_8,
        (Some(_), Some(before)) => before,
        (Some(utf8), None) if utf8.weight() + 3 * gb18030.rare > 2 * gb18030.common => {
            // A weight of zero means that UTF-8 has no whole sequence, only cut characters.
            if utf8.weight() > 0 { Encoding::UTF_8 } else { Encoding::GB18030 }
        }
        (Some(_), None) => Encoding::GB18030,
        (None, _) if gb18030.faults == 0 => Encoding::GB18030,
        (None, before) => {
            let faults = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum::<usize>();
            match faults.cmp(&gb18030.faults) {
                std::cmp::Ordering::Less => Encoding::UTF_8,
                std::cmp::Ordering::Equal => before.unwrap_or(Encoding::GB18030),
                std::cmp::Ordering::Greater => Encoding::GB18030,
            }
        }
    }
}

/// Decodes like [`decode_auto`], and remembers the peer's encoding to read and answer it in the
/// same one.
///
/// ```
/// use pigeon_text::{Auto, Encoding};
///
/// let mut peer = Auto::default();
/// assert_eq!(peer.decode(b"\xc4\xe3\xba\xc3"), "你好");
/// assert_eq!(peer.decode(b"ok"), "ok");
/// assert_eq!(peer.last(), Encoding::GB18030);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auto(Option<Encoding>);

impl Auto {
    /// Decodes `bytes`. ASCII, which is the same in both encodings, and bytes that are valid in
    /// neither leave the remembered encoding unchanged.
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        let encoding = self.guess(bytes);
        match encoding.decode_strict(bytes) {
            Some(text) => {
                if !bytes.is_ascii() {
                    self.0 = Some(encoding);
                }
                text
            }
            None => encoding.decode(bytes),
        }
    }

    /// Detects the encoding of these bytes.
    pub(super) fn guess(self, bytes: &[u8]) -> Encoding {
        guess(bytes, self.0)
    }

    /// The peer's last known encoding; UTF-8 at first.
    pub fn last(self) -> Encoding {
        self.0.unwrap_or_default()
    }
}

/// Statistics of bytes read as UTF-8 with a cut character at the start, the end or both.
struct Utf8 {
    /// The number of whole sequences of two bytes; `longer` counts those of three or four.
    twos: usize,
    longer: usize,
}

impl Utf8 {
    fn read_cut(bytes: &[u8]) -> Option<Utf8> {
        // The tail of a cut character: up to three continuation bytes.
        let start = bytes.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
        let whole = match std::str::from_utf8(&bytes[start..]) {
            Ok(whole) => whole,
            // No length: the bytes end within a sequence.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&bytes[start..start + error.valid_up_to()]).ok()?
            }
            Err(_) => return None,
        };
        let count = |lengths: std::ops::RangeInclusive<usize>| {
            whole.chars().filter(|c| lengths.contains(&c.len_utf8())).count()
        };
        Some(Utf8 { twos: count(2..=2), longer: count(3..=4) })
    }

    fn weight(&self) -> usize {
        2 * self.twos + 4 * self.longer
    }
}

/// Statistics of bytes read as GB18030, by the shape of the codes alone.
#[derive(Default)]
struct Gb18030 {
    /// GB2312's symbols and its level 1 hanzi, the frequent ones.
    common: usize,
    /// All other non-ASCII characters.
    rare: usize,
    /// Bytes that start no valid code. A code cut at the end is not counted.
    faults: usize,
}

impl Gb18030 {
    fn read(bytes: &[u8]) -> Gb18030 {
        let mut read = Gb18030::default();
        let mut rest = bytes;
        while let [first, behind @ ..] = rest {
            let length = match (first, behind) {
                (..=0x7f, _) => 1,
                (0x80 | 0xff, _) => {
                    read.faults += 1;
                    1
                }
                (_, []) => 1,
                (0xa1..=0xa3 | 0xb0..=0xd7, [0xa1..=0xfe, ..]) => {
                    read.common += 1;
                    2
                }
                (_, [0x40..=0x7e | 0x80..=0xfe, ..]) => {
                    read.rare += 1;
                    2
                }
                (_, [b'0'..=b'9', 0x81..=0xfe, b'0'..=b'9', ..]) => {
                    read.rare += 1;
                    4
                }
                (_, [b'0'..=b'9'] | [b'0'..=b'9', 0x81..=0xfe]) => rest.len(),
                _ => {
                    read.faults += 1;
                    1
                }
            };
            rest = &rest[length..];
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_first_then_gb18030() {
        assert_eq!(decode_auto("你好".as_bytes()), (Cow::from("你好"), Encoding::UTF_8));
        assert_eq!(decode_auto(b"\xc4\xe3\xba\xc3"), (Cow::from("你好"), Encoding::GB18030));
        assert_eq!(decode_auto(b"ok"), (Cow::from("ok"), Encoding::UTF_8));
        assert_eq!(decode_auto(b""), (Cow::from(""), Encoding::UTF_8));
        assert_eq!(decode_auto(b"\xff\xc4\xe3"), (Cow::from(r"\xff你"), Encoding::GB18030));
    }

    #[test]
    fn of_cut_utf8_only_the_cut_character_is_escaped() {
        let text = "今天天气很好";
        let bytes = text.as_bytes();
        assert_eq!(decode_auto(&bytes[..17]).0, r"今天天气很\xe5\xa5");
        assert_eq!(decode_auto(&bytes[..16]).0, r"今天天气很\xe5");
        assert_eq!(decode_auto(&bytes[1..]).0, r"\xbb\x8a天天气很好");
        assert_eq!(decode_auto(&bytes[2..17]).0, r"\x8a天天气很\xe5\xa5");
        assert_eq!(decode_auto("你好".as_bytes().split_last().unwrap().1).0, r"你\xe5\xa5");
        assert_eq!(decode_auto(b"caf\xc3").0, r"caf\xc3");
        assert_eq!(
            decode_auto("Привет, мир, как".as_bytes().split_last().unwrap().1).0,
            r"Привет, мир, ка\xd0"
        );
        // Cut GBK is detected, too.
        assert_eq!(decode_auto(b"\xbd\xf1\xcc\xec\xcc\xec\xc6\xf8\xba").0, r"今天天气\xba");
    }

    #[test]
    fn a_peer_is_read_in_what_it_used_before_where_both_are_possible() {
        let cut = b"\xe4\xbb";
        assert_eq!(Auto::default().decode(cut), "浠");
        let mut peer = Auto::default();
        assert_eq!(peer.decode("今天".as_bytes()), "今天");
        assert_eq!(peer.decode(cut), r"\xe4\xbb");
        assert_eq!(peer.decode(b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(peer.decode(cut), "浠");
        assert_eq!(peer.last(), Encoding::GB18030);
    }

    #[test]
    fn only_text_that_tells_is_remembered() {
        let mut peer = Auto::default();
        let mut last = |bytes: &[u8]| {
            assert_eq!(peer.decode(bytes), decode_auto(bytes).0);
            peer.last().name()
        };
        assert_eq!(last(b"\xff"), "utf-8");
        assert_eq!(last(b"\xc4\xe3\xba\xc3"), "gb18030");
        assert_eq!(last(b"ok"), "gb18030");
        assert_eq!(last("好".as_bytes()), "utf-8");
        assert_eq!(last(b"\xff\xc4\xe3"), "utf-8");
    }

    /// How many of 10,000 `bytes` that are not valid UTF-8 are taken for another encoding.
    fn wrong(expected: Encoding, mut bytes: impl FnMut() -> Vec<u8>) -> usize {
        let is_wrong = |bytes: &Vec<u8>| {
            std::str::from_utf8(bytes).is_err() && decode_auto(bytes).1 != expected
        };
        (0..10_000).filter(|_| is_wrong(&bytes())).count()
    }

    /// Random numbers below a bound, the same in each run (a linear congruential generator).
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 1_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        }
    }

    /// Random GB2312 codes, from the frequent hanzi or from all, are rarely read as UTF-8.
    #[test]
    fn random_gbk_text_is_read_as_gb18030() {
        for (rows, length, at_most) in [
            (40, 1, 0),
            (40, 2, 5),
            (40, 4, 5),
            (40, 10, 1),
            (72, 2, 300),
            (72, 4, 25),
            (72, 10, 1),
        ] {
            let mut number = numbers();
            let mut text = || {
                let hanzi = |_| [0xb0 + number(rows) as u8, 0xa1 + number(94) as u8];
                (0..length).flat_map(hanzi).collect()
            };
            let wrong = wrong(Encoding::GB18030, &mut text);
            println!("{length} of {rows} rows of hanzi in GBK: {wrong} of 10,000 read as UTF-8");
            assert!(wrong <= at_most, "{wrong} of {length} out of {rows} rows");
        }
    }

    /// Random Unicode hanzi, cut at the end, the start or both.
    #[test]
    fn random_cut_utf8_is_read_as_utf8() {
        for (length, start, end, at_most) in
            [(2, 0, 1, 0), (2, 0, 2, 0), (2, 1, 0, 0), (3, 1, 1, 100), (4, 2, 2, 0), (10, 2, 1, 0)]
        {
            let mut number = numbers();
            let mut text = || {
                let hanzi = |_| char::from_u32(0x4e00 + number(20_902) as u32);
                let text: String = (0..length).filter_map(hanzi).collect();
                text.as_bytes()[start..text.len() - end].to_vec()
            };
            let wrong = wrong(Encoding::UTF_8, &mut text);
            println!(
                "{length} hanzi in UTF-8, cut by {start} and {end}: {wrong} of 10,000 read as GBK"
            );
            assert!(wrong <= at_most, "{wrong} of {length}, cut by {start} and {end}");
        }
    }
}
