//! Properties of every encoding, for any bytes and any text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::collections::BTreeMap;

use pigeon_text::{Auto, Encoding, decode_auto, escape};
use proptest::prelude::*;

fn any_encoding() -> impl Strategy<Value = Encoding> {
    prop::sample::select(Encoding::all().collect::<Vec<_>>())
}

/// Random bytes, mixed with likely beginnings, middles and ends of characters.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling =
        prop::sample::select(&b"\x1b$B(J@\x81\x30\xfe\xff\xd8\xdc\0\n\x80\xa1\x8e\x8f"[..]);
    prop::collection::vec(prop_oneof![any::<u8>(), telling], 0..120)
}

/// Random text, with much Chinese, Japanese and Korean.
fn any_text() -> impl Strategy<Value = String> {
    "[\\x00-\\x7f]{0,8}(\\PC|[一-龥ぁ-ヶ가-힣Ａ-ｚа-я“”—·¥‾é😀\\x1b]){0,30}[ -~]{0,4}"
}

/// Characters that an encoding maps back to a different character, as its standard says. Japanese
/// code pages show 0x5C and 0x7E as ¥ and an overline, and mail has no narrow katakana. Unicode
/// later assigned codes to some characters that GBK had mapped to private ones.
fn returns_otherwise(encoding: Encoding) -> BTreeMap<char, char> {
    let pairs: &[(char, char)] = match encoding.name() {
        "gb2312" => &[('―', '—'), ('・', '·')],
        "gbk" | "gb18030" => {
            let private = ('\u{e78d}'..='\u{e796}')
                .chain("\u{e81e}\u{e826}\u{e82b}\u{e82c}\u{e832}\u{e843}\u{e854}\u{e864}".chars());
            return private.zip("︐︒︑︓︔︕︖︗︘︙龴龵龶龷龸龹龺龻".chars()).collect();
        }
        "shift_jis" | "euc-jp" => &[('¥', '\\'), ('‾', '~'), ('−', '－')],
        "iso-2022-jp" => {
            let narrow = '｡'..='\u{ff9f}';
            let wide = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜";
            return narrow.zip(wide.chars()).chain([('−', '－')]).collect();
        }
        _ => &[],
    };
    pairs.iter().copied().collect()
}

#[test]
fn every_character_returns() {
    for encoding in Encoding::all() {
        let mut returned = BTreeMap::new();
        let (mut code, mut text) = (Vec::new(), [0; 4]);
        // No encoding maps to characters beyond plane 2.
        for c in '\0'..='\u{2ffff}' {
            let c_text: &str = c.encode_utf8(&mut text);
            let Ok(bytes) = encoding.encode(c_text) else { continue };
            code.clear();
            encoding.encode_lossy(c_text, &mut code);
            assert_eq!(code, bytes.as_ref(), "{encoding} {c:?}");
            let back = encoding.decode(&bytes);
            if back != c_text {
                returned.insert(c, back.into_owned());
            }
        }
        let expected = returns_otherwise(encoding);
        let expected: BTreeMap<_, _> = expected.iter().map(|(c, d)| (*c, d.to_string())).collect();
        assert_eq!(returned, expected, "{encoding}");
    }
}

/// Whether `text` consists of pieces of `bytes` that decode strictly, with `\xNN` escapes for
/// exactly the bytes between them.
fn accounts_for(encoding: &'static encoding_rs::Encoding, bytes: &[u8], text: &str) -> bool {
    let strict = |piece| encoding.decode_without_bom_handling_and_without_replacement(piece);
    // Tries the longest pieces first; a piece's decoded text must continue `text`.
    let mut ways = vec![(bytes, text)];
    while let Some((bytes, text)) = ways.pop() {
        if strict(bytes).is_some_and(|whole| whole == text) {
            return true;
        }
        for end in 0..bytes.len() {
            let shown = format!("\\x{:02x}", bytes[end]);
            let Some(piece) = strict(&bytes[..end]) else { continue };
            let Some(behind) = text.strip_prefix(piece.as_ref()) else { continue };
            let Some(behind) = behind.strip_prefix(shown.as_str()) else { continue };
            ways.push((&bytes[end + 1..], behind));
        }
    }
    false
}

proptest! {
    #[test]
    fn no_byte_is_lost(encoding in any_encoding(), bytes in any_bytes()) {
        let text = encoding.decode(&bytes);
        let coder = match encoding.name() {
            "gb2312" => encoding_rs::GBK,
            // Shift sequences affect the text behind bad bytes, so pieces cannot be decoded alone.
            "iso-2022-jp" => return Ok(()),
            name => encoding_rs::Encoding::for_label(name.as_bytes()).unwrap(),
        };
        prop_assert!(accounts_for(coder, &bytes, &text), "{encoding} {bytes:x?} {text:?}");
    }

    /// In ISO-2022-JP too, bytes outside shifts and characters appear escaped.
    #[test]
    fn no_foreign_byte_is_lost(bytes in prop::collection::vec(0x80..=0xffu8, 0..40)) {
        let encoding = Encoding::for_label("iso-2022-jp").unwrap();
        let shown: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        prop_assert_eq!(encoding.decode(&bytes), shown);
    }

    #[test]
    fn what_is_shown_has_no_controls(encoding in any_encoding(), bytes in any_bytes()) {
        for text in [encoding.decode(&bytes), decode_auto(&bytes).0, Auto::default().decode(&bytes)] {
            let shown = escape(text.as_bytes()).to_string();
            prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
    }

    #[test]
    fn text_returns_or_is_refused(encoding in any_encoding(), text in any_text()) {
        let otherwise = returns_otherwise(encoding);
        let mut lossy = Vec::new();
        encoding.encode_lossy(&text, &mut lossy);
        match encoding.encode(&text) {
            Ok(bytes) => {
                let expected: String = text.chars().map(|c| *otherwise.get(&c).unwrap_or(&c)).collect();
                prop_assert_eq!(encoding.decode(&bytes), expected);
                prop_assert_eq!(lossy, bytes.into_owned());
            }
            Err(error) => {
                prop_assert_eq!(text.chars().nth(error.position), Some(error.character));
                let before: String = text.chars().take(error.position).collect();
                prop_assert!(encoding.encode(&before).is_ok());
                prop_assert!(encoding.encode(&error.character.to_string()).is_err());
                prop_assert_eq!(error.encoding, encoding);
            }
        }
    }

    /// An unmappable character leaves the rest of the text unchanged.
    #[test]
    fn lossy_text_is_the_text_with_escapes(encoding in any_encoding(), text in any_text()) {
        let otherwise = returns_otherwise(encoding);
        let expected: String = text.chars().map(|c| match encoding.encode(c.encode_utf8(&mut [0; 4])) {
            Ok(_) => otherwise.get(&c).unwrap_or(&c).to_string(),
            Err(_) if c.is_ascii() => format!("\\x{:02x}", u32::from(c)),
            Err(_) => format!("\\u{{{:x}}}", u32::from(c)),
        }).collect();
        let mut bytes = Vec::new();
        encoding.encode_lossy(&text, &mut bytes);
        prop_assert_eq!(encoding.decode(&bytes), expected);
    }

    #[test]
    fn ascii_takes_no_memory(encoding in any_encoding().prop_filter("ASCII is itself", |e| e.is_ascii_compatible()), text in "[\\x00-\\x7f]{0,50}") {
        let mut out = Vec::with_capacity(text.len());
        let capacity = out.capacity();
        encoding.encode_lossy(&text, &mut out);
        prop_assert_eq!(&out, text.as_bytes());
        prop_assert_eq!(out.capacity(), capacity);
    }
}
