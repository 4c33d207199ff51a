//! What a text costs grows with its length, not with its square: a datagram holds up to 64 KiB of
//! the worst text that its sender can think of. Compares times within one run, since only their
//! ratio says anything on a shared machine.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "real time is what is measured"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::hint::black_box;
use std::time::Instant;

use pigeon_text::{Auto, Encoding, decode_auto, escape, pad, shell};

/// The longer text is eight times as long: eight times the cost if linear, 64 times if quadratic.
const LENGTHS: [usize; 2] = [2_000, 16_000];
const MOST: f64 = 32.0;

/// One encoding of each kind of coder.
const ENCODINGS: [&str; 12] = [
    "utf-8",
    "utf-16le",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "euc-kr",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "latin1",
    "ibm866",
];

/// What texts consist of: characters that encodings have, lack, or write in an unusual way.
const TEXTS: [&str; 34] = [
    "a",
    "\\",
    "'",
    "\n",
    "\x1b",
    "é",
    "я",
    "€",
    "¥",
    "‾",
    "›",
    "\u{301}",
    "ﾂ",
    "か",
    "“",
    "中",
    "国",
    "龴",
    "한",
    "\u{e000}",
    "\u{202e}",
    "\u{200d}",
    "\u{fe0f}",
    "😀",
    "𠀀",
    "👩\u{200d}🚀",
    "a\u{301}",
    "中a",
    "中\u{301}",
    "か中",
    "日😀",
    "a😀",
    "\u{1f1e6}",
    "中€",
];

/// Bytes that are no text in some encodings or in none.
const BYTES: [&[u8]; 16] = [
    b"\xff",
    b"\x80",
    b"\x81",
    b"\xe4",
    b"\xe4\xbd",
    b"\xc2",
    b"\xc4\xe3",
    b"\xc4\xe3\xff",
    b"\x81\x30",
    b"\x1b$B",
    b"\x1b$BF|\x1b(B",
    b"\x8f",
    b"\xd8\xdc",
    b"\0",
    b"a\xff",
    b"\xff\xc4\xe3",
];

/// Fails if the longer text costs too much more than the shorter one in each of five attempts: a
/// pause of the machine is no fault.
fn grows_linearly(what: &str, piece: &[u8], run: &dyn Fn(&[u8])) {
    let texts = LENGTHS.map(|length| piece.repeat(length / piece.len()));
    let ratio = || {
        let [short, long] = [&texts[0], &texts[1]].map(|text| {
            let start = Instant::now();
            run(text);
            start.elapsed().as_secs_f64()
        });
        // Shorter times are noise: a busy machine's pauses.
        long / short.max(1e-3)
    };
    let mut ratios = (0..5).map(|_| ratio());
    let least = ratios.find(|ratio| *ratio < MOST);
    assert!(
        least.is_some(),
        "{what}: eight times \"{}\" costs over {MOST} times",
        piece.escape_ascii()
    );
}

#[test]
fn reading() {
    for piece in TEXTS.map(str::as_bytes).into_iter().chain(BYTES) {
        grows_linearly("escape", piece, &|bytes| drop(black_box(escape(bytes).to_string())));
        grows_linearly("auto", piece, &|bytes| drop(black_box(decode_auto(bytes))));
        grows_linearly("a peer", piece, &|bytes| {
            let mut peer = Auto::default();
            drop(black_box(peer.decode(bytes)));
        });
        for encoding in ENCODINGS.map(|label| Encoding::for_label(label).unwrap()) {
            grows_linearly(encoding.name(), piece, &|bytes| {
                drop(black_box(encoding.decode(bytes)))
            });
        }
    }
}

#[test]
fn writing() {
    for piece in TEXTS {
        let grows = |what: &str, run: &dyn Fn(&str)| {
            grows_linearly(what, piece.as_bytes(), &|bytes| run(str::from_utf8(bytes).unwrap()));
        };
        grows("pad", &|text| drop(black_box(pad(text, 80))));
        grows("sh", &|text| drop(black_box(shell::single_quoted(text))));
        grows("fish", &|text| drop(black_box(shell::quote_fish(&shell::read_fish(text)))));
        grows("bash", &|text| {
            let (word, quoting) = shell::read_bash(text);
            drop(black_box(shell::quote_bash(&[word], quoting)));
        });
        for encoding in ENCODINGS.map(|label| Encoding::for_label(label).unwrap()) {
            let name = encoding.name();
            grows(name, &|text| drop(black_box(encoding.encode(text))));
            grows(name, &|text| encoding.encode_lossy(text, &mut Vec::new()));
            grows(name, &|text| encoding.encode_for_display(text, &mut Vec::new()));
        }
    }
}
