//! GB2312's repertoire: 682 symbols and 6,763 hanzi, in rows of GBK's lower right quarter. GBK's
//! table within these bounds equals GB2312's table, so there is no second table here.
//!
//! Two codes map to two characters each, because tables disagree. Chinese keyboards produce · and
//! —, and every GBK table has them; Python and glibc read the same codes as ・ and ―. Both are
//! encoded as that code, so the receiver shows its own middle dot and dash. They decode as · and —.

use super::Encoding;
use super::codes::{Code, Codes};

const MIDDLE_DOT: [u8; 2] = [0xa1, 0xa4];
const DASH: [u8; 2] = [0xa1, 0xaa];

/// The code of a non-ASCII character in GB2312.
pub(super) fn code(c: char) -> Option<[u8; 2]> {
    match c {
        '\u{30fb}' => return Some(MIDDLE_DOT),
        '\u{2015}' => return Some(DASH),
        _ => {}
    }
    let codes = Codes::of(Encoding::GB2312)?;
    match codes.code(c) {
        Code::TwoBytes([row, cell]) => return is_ours(row, cell).then_some([row, cell]),
        Code::Absent => return None,
        Code::Elsewhere => {}
    }
    let mut utf8 = [0; 4];
    // The coder requires space for its longest code: four bytes.
    let mut gbk = [0; 4];
    let (result, _, written) = encoding_rs::GBK.new_encoder().encode_from_utf8_without_replacement(
        c.encode_utf8(&mut utf8),
        &mut gbk,
        true,
    );
    match (result, gbk) {
        (encoding_rs::EncoderResult::InputEmpty, [row, cell, ..]) if written == 2 => {
            is_ours(row, cell).then_some([row, cell])
        }
        _ => None,
    }
}

/// Whether GB2312 assigns this code. The gaps hold GBK's additions, such as ⅰ and ︵.
fn is_ours(row: u8, cell: u8) -> bool {
    match row {
        // Punctuation; numbers with dots, in brackets and Roman; full-width ASCII.
        0xa1 | 0xa3 => cell >= 0xa1,
        0xa2 => matches!(cell, 0xb1..=0xe2 | 0xe5..=0xee | 0xf1..=0xfc),
        // Hiragana, katakana, Greek, Cyrillic.
        0xa4 => matches!(cell, 0xa1..=0xf3),
        0xa5 => matches!(cell, 0xa1..=0xf6),
        0xa6 => matches!(cell, 0xa1..=0xb8 | 0xc1..=0xd8),
        0xa7 => matches!(cell, 0xa1..=0xc1 | 0xd1..=0xf1),
        // Pinyin vowels and zhuyin; box drawing.
        0xa8 => matches!(cell, 0xa1..=0xba | 0xc5..=0xe9),
        0xa9 => matches!(cell, 0xa4..=0xef),
        // Hanzi by sound, then by radical.
        0xb0..=0xd6 | 0xd8..=0xf7 => cell >= 0xa1,
        0xd7 => matches!(cell, 0xa1..=0xf9),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::{self, Write};
    use std::process::Command;

    fn codes() -> BTreeMap<char, [u8; 2]> {
        ('\u{80}'..=char::MAX).filter_map(|c| Some((c, code(c)?))).collect()
    }

    #[test]
    fn the_repertoire_is_complete_and_no_more() {
        let codes = codes();
        assert_eq!(codes.len(), 682 + 6763 + 2, "two characters are known under two names");
        assert_eq!(codes.values().collect::<BTreeSet<_>>().len(), 682 + 6763);
        assert_eq!(codes.values().filter(|code| code[0] >= 0xb0).count(), 6763);
        for (c, code) in codes {
            let back = match c {
                '・' => '·',
                '―' => '—',
                c => c,
            };
            assert_eq!(Encoding::GB2312.decode(&code), back.to_string());
        }
        for c in ['€', '镕', '喆', '國', 'ⅰ', '︵', 'ǹ', 'ɡ', '\u{e5e5}', '㐀', '😀', '𠀀']
        {
            assert_eq!(code(c), None, "{c}");
        }
    }

    /// Python's codec, like many programs built on it, rejects characters that GB2312 lacks.
    #[test]
    fn python_agrees_on_every_character() {
        let script = "
for n in range(0x80, 0x110000):
    try: print('%x %s' % (n, chr(n).encode('gb2312').hex()))
    except UnicodeEncodeError: pass
for row in range(0xa1, 0xff):
    for cell in range(0xa1, 0xff):
        try: print('%02x%02x %x' % (row, cell, ord(bytes([row, cell]).decode('gb2312'))))
        except UnicodeDecodeError: pass
";
        let Ok(python) = Command::new("python3").args(["-c", script]).output() else {
            let required = std::env::var_os("PIGEON_REQUIRE_PEERS").is_some();
            assert!(!required, "python3 is not installed, and PIGEON_REQUIRE_PEERS is set");
            // Not `eprintln!`: the test harness hides its output when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED: python3 is not installed");
            return;
        };
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        let text = String::from_utf8(python.stdout).unwrap();
        let theirs: Vec<(&str, &str)> = text.lines().map(|l| l.split_once(' ').unwrap()).collect();
        assert_eq!(theirs.len(), 7445 * 2);
        let (encoded, decoded) = theirs.split_at(7445);

        let hex = |code: [u8; 2]| format!("{:02x}{:02x}", code[0], code[1]);
        let mut ours: BTreeMap<String, String> = codes()
            .into_iter()
            .map(|(c, code)| (format!("{:x}", u32::from(c)), hex(code)))
            .collect();
        // Characters that Python encodes decode to the same here, except the two named at the top.
        let decoded: BTreeMap<&str, &str> = decoded.iter().copied().collect();
        for (character, code) in &ours {
            let read = match character.as_str() {
                "b7" => "30fb",
                "2014" => "2015",
                same => same,
            };
            assert_eq!(decoded.get(code.as_str()), Some(&read), "{character} as {code}");
        }
        // Python's codes equal ours, and those two are extra.
        assert_eq!(ours.remove("b7").as_deref(), Some("a1a4"));
        assert_eq!(ours.remove("2014").as_deref(), Some("a1aa"));
        let encoded: BTreeMap<String, String> =
            encoded.iter().map(|(c, code)| (c.to_string(), code.to_string())).collect();
        assert_eq!(ours, encoded);
    }
}
