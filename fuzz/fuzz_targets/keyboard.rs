//! Random bytes from a terminal, in pieces with and without silences in between.
//!
//! Invariants: no panic; bounded memory; the split into pieces does not matter; a silence ends any
//! open sequence, so that keys work again; Ctrl-C is always recognised.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use decoder::{Decoder, Input};
use libfuzzer_sys::fuzz_target;

// Included by path: the binary has no library, and the decoder depends on nothing else in it.
#[path = "../../crates/pigeon/src/ui/keyboard/decoder.rs"]
mod decoder;

#[derive(Arbitrary, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Sequence(u8),
    Silence,
}

/// Starts of sequences, which random bytes rarely contain.
const SEQUENCES: [&[u8]; 20] = [
    b"\x1b[200~",
    b"\x1b[201~",
    b"\x1b[<64;1;1M",
    b"\x1b[<",
    b"\x1b[?1;2c",
    b"\x1b[M",
    b"\x1b[97;5:3u",
    b"\x1b[97:65;2u",
    b"\x1b[27;6;67~",
    b"\x1b[[",
    b"\x1bO",
    b"\x1bO5",
    b"\x1b]52;c;",
    b"\x1b\\",
    b"\x1bP",
    b"\x1b_",
    b"\x1b\x1b",
    b"\x03",
    b"\xf0\x9f\x91",
    b"\x9b",
];

fuzz_target!(|pieces: Vec<Piece>| {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let (mut in_pieces, mut by_bytes) = (Decoder::default(), Decoder::default());
    // The bytes since the last silence.
    let mut run = Vec::new();
    let mut length = 0;
    for piece in &pieces {
        match piece {
            Piece::Bytes(bytes) => run.extend_from_slice(bytes),
            Piece::Sequence(n) => {
                run.extend_from_slice(SEQUENCES[usize::from(*n) % SEQUENCES.len()]);
            }
            Piece::Silence => {
                length += run.len();
                feed(&mut in_pieces, &mut by_bytes, &run, &mut whole, &mut cut);
                run.clear();
                give_up(&mut in_pieces, &mut whole);
                give_up(&mut by_bytes, &mut cut);
            }
        }
    }
    length += run.len();
    feed(&mut in_pieces, &mut by_bytes, &run, &mut whole, &mut cut);
    assert_eq!(whole, cut, "the pieces changed something");
    // A byte yields at most two keys: Esc and the following one.
    assert!(whole.len() <= length + 1, "{whole:?}");
    let pasted: usize = whole.iter().map(|input| text_of(input).len()).sum();
    // An invalid byte becomes U+FFFD, of three bytes.
    assert!(pasted <= 3 * length);

    let mut last = Vec::new();
    by_bytes.feed(b"\x03", &mut |input| last.push(input));
    give_up(&mut by_bytes, &mut last);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(last.last(), Some(&Input::Key(ctrl_c)));

    last.clear();
    give_up(&mut in_pieces, &mut last);
    in_pieces.feed(b"a", &mut |input| last.push(input));
    let a = KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE);
    assert_eq!(last.last(), Some(&Input::Key(a)));
    assert_eq!(in_pieces.patience(), None);
});

/// Feeds the same bytes at once and one by one.
fn feed(
    in_pieces: &mut Decoder,
    by_bytes: &mut Decoder,
    bytes: &[u8],
    whole: &mut Vec<Input>,
    cut: &mut Vec<Input>,
) {
    in_pieces.feed(bytes, &mut |input| whole.push(input));
    bytes.chunks(1).for_each(|byte| by_bytes.feed(byte, &mut |input| cut.push(input)));
    assert_eq!(in_pieces.patience(), by_bytes.patience());
}

fn give_up(decoder: &mut Decoder, inputs: &mut Vec<Input>) {
    // A paste has two: one behind a key, one of its own.
    for _ in 0..2 {
        if let Some(patience) = decoder.patience() {
            assert!((Duration::from_millis(10)..=Duration::from_secs(2)).contains(&patience));
            decoder.give_up(&mut |input| inputs.push(input));
        }
    }
    assert_eq!(decoder.patience(), None, "something is open after a silence");
}

fn text_of(input: &Input) -> &str {
    match input {
        Input::Paste(text) => text,
        _ => "",
    }
}
