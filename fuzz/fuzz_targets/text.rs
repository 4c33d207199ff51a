//! Random text: every decoder, the escapes, and encoding back to bytes.
//!
//! The first byte selects the encoding, the rest is the input. Invariants: no panic; the shown text
//! is harmless, and escaping it again changes nothing; encodable text survives decoding; an
//! unmappable character becomes an escape and leaves its neighbours unchanged.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use pigeon_fuzz::shown::assert_harmless;
use pigeon_text::{
    Auto, Encoding, decode_auto, escape, escape_to, guess, is_displayable, pad, width,
};

/// Enough for several times every state of every coder.
const MAX_BYTES: usize = 4_096;

/// Encodings that map two characters to one code, as their standards say, so that the other one
/// comes back. See `crates/pigeon-text/tests/encodings.rs`.
const MERGE: [&str; 6] = ["gb2312", "gbk", "gb18030", "shift_jis", "euc-jp", "iso-2022-jp"];

fuzz_target!(|data: &[u8]| {
    let [selector, bytes @ ..] = data else { return };
    if bytes.len() > MAX_BYTES {
        return;
    }
    let count = Encoding::all().count() as u8;
    let encoding = Encoding::from_index(selector % count).expect("an encoding of that number");

    escaped(bytes);
    let text = encoding.decode(bytes);
    escaped(text.as_bytes());
    returns(encoding, &text);
    // Any text, not only text in this encoding.
    returns(encoding, &String::from_utf8_lossy(bytes));
    automatic(bytes);
    label(bytes);
});

fn escaped(bytes: &[u8]) {
    let once = escape(bytes).to_string();
    assert_harmless(&once);
    assert_eq!(escape(&once).to_string(), once, "escaping twice");
    let mut appended = b"before".to_vec();
    escape_to(&mut appended, bytes);
    assert_eq!(appended, [b"before", once.as_bytes()].concat());
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(is_displayable)
    {
        assert_eq!(once, text, "displayable, and yet escaped");
    }
    let columns = width(&once);
    assert_eq!(width(&pad(&once, columns + 3)), columns + 3);
}

fn returns(encoding: Encoding, text: &str) {
    let mut lossy = b"before".to_vec();
    encoding.encode_lossy(text, &mut lossy);
    let lossy = lossy.strip_prefix(b"before").expect("bytes are appended");
    match encoding.encode(text) {
        Ok(bytes) => {
            assert_eq!(bytes, lossy, "{encoding}: nothing is lost, and yet it differs");
            same(encoding, &encoding.decode(&bytes), text);
        }
        Err(error) => {
            assert_eq!(error.encoding, encoding);
            assert_eq!(text.chars().nth(error.position), Some(error.character));
            let before: String = text.chars().take(error.position).collect();
            assert!(encoding.encode(&before).is_ok(), "{encoding}: {before:?}");
            assert_harmless(&error.to_string());
            let expected: String = text.chars().map(|c| in_words(encoding, c)).collect();
            same(encoding, &encoding.decode(lossy), &expected);
        }
    }
}

/// A character as written by `encode_lossy`.
fn in_words(encoding: Encoding, c: char) -> Cow<'static, str> {
    match encoding.encode(c.encode_utf8(&mut [0; 4])) {
        Ok(_) => c.to_string().into(),
        Err(_) if c.is_ascii() => format!("\\x{:02x}", u32::from(c)).into(),
        Err(_) => format!("\\u{{{:x}}}", u32::from(c)).into(),
    }
}

/// Whether a text survived, up to characters that share a code.
fn same(encoding: Encoding, returned: &str, text: &str) {
    if returned == text {
        return;
    }
    assert!(MERGE.contains(&encoding.name()), "{encoding}: {text:?} returned as {returned:?}");
    assert_eq!(returned.chars().count(), text.chars().count(), "{encoding}: {text:?}");
    for (there, back) in text.chars().zip(returned.chars()).filter(|(there, back)| there != back) {
        let code = |c: char| encoding.encode(c.encode_utf8(&mut [0; 4])).map(Cow::into_owned);
        assert_eq!(code(there), code(back), "{encoding}: {there:?} returned as {back:?}");
    }
}

fn automatic(bytes: &[u8]) {
    let (text, taken_for) = decode_auto(bytes);
    match std::str::from_utf8(bytes) {
        Ok(plain) => assert_eq!((text.as_ref(), taken_for), (plain, Encoding::UTF_8)),
        Err(_) => {
            assert!([Encoding::UTF_8, Encoding::GB18030].contains(&taken_for));
            assert_eq!(text, taken_for.decode(bytes));
            for before in [Encoding::UTF_8, Encoding::GB18030] {
                assert!([before, taken_for].contains(&guess(bytes, Some(before))));
            }
        }
    }
    let mut peer = Auto::default();
    assert_eq!(peer.decode(bytes), text);
    assert!([Encoding::UTF_8, taken_for].contains(&peer.last()));
}

fn label(bytes: &[u8]) {
    if let Err(error) = Encoding::for_label(&String::from_utf8_lossy(bytes)) {
        let message = error.to_string();
        assert_harmless(&message);
        assert!(message.len() < 600, "{} bytes about a label", message.len());
    }
}
