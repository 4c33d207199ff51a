//! What one datagram costs the hub grows with its length, not with its square: for any
//! content and any reader's encoding. Compares times within one run, since only their ratio says
//! anything on a shared machine.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "real time is what is measured"
)]

use std::time::Instant;

use pigeon_proto::Format::{self, Chat, Classic};

use crate::harness::{Harness, SECOND, local};

/// Both are short enough to be said. Eight times the cost if linear, 64 times if quadratic.
const LENGTHS: [usize; 2] = [1_000, 8_000];
const MOST: f64 = 32.0;

/// What a datagram may begin with.
const BEGINS: [&str; 14] = [
    "",
    "/nick ",
    "/join ",
    "/msg 127.0.0.1:5002 ",
    "/msg ",
    "/encoding ",
    "/password ",
    "/who ",
    "/",
    "/?",
    "^hb^",
    "^who^ ",
    "^msg^ ",
    "{",
];

/// What it goes on with, again and again.
const PIECES: [&[u8]; 24] = [
    b"a",
    b" ",
    b"/",
    b"\n",
    b"\\",
    b"\x1b",
    b"\xff",
    b"a\xff",
    b"\xc4\xe3",
    b"\x81\x30",
    "\u{301}".as_bytes(),
    "é".as_bytes(),
    "中".as_bytes(),
    "か".as_bytes(),
    "한".as_bytes(),
    "😀".as_bytes(),
    "\u{202e}".as_bytes(),
    "中😀".as_bytes(),
    "€a".as_bytes(),
    b"\x1b]0;",
    b"a\n",
    b"\r\n",
    b"{\"",
    b"^",
];

const READERS: [(u16, &str); 6] = [
    (5001, ""),
    (5002, "gbk"),
    (5003, "big5"),
    (5004, "gb2312"),
    (5005, "latin1"),
    (5006, "euc-kr"),
];

/// A hub with readers of different encodings.
fn hub(format: Format) -> Harness {
    let mut h = Harness::with_members(format, &READERS.map(|(port, _)| local(port)));
    for (port, label) in &READERS[1..] {
        h.from(local(*port), format!("/encoding {label}"));
    }
    h.wait(5 * SECOND);
    h
}

#[test]
fn a_datagram_costs_what_its_length_says() {
    for format in [Chat, Classic] {
        for (begin, piece) in BEGINS.into_iter().flat_map(|b| PIECES.map(|piece| (b, piece))) {
            let cost = |length: usize| {
                let mut h = hub(format);
                let text = [begin.as_bytes(), &piece.repeat(length / piece.len())].concat();
                let start = Instant::now();
                h.hear(local(5001), &text);
                let sent = h.transmits().len();
                let elapsed = start.elapsed().as_secs_f64();
                let is_said = begin.is_empty() && !piece.trim_ascii().is_empty();
                assert!(sent > 1 || !is_said, "\"{}\" is not told", piece.escape_ascii());
                elapsed
            };
            let mut ratios = (0..5).map(|_| {
                let [short, long] = LENGTHS.map(cost);
                // Pauses of a busy machine are no fault.
                long / short.max(1e-3)
            });
            assert!(
                ratios.any(|ratio| ratio < MOST),
                "{format:?}: eight times {begin:?} and \"{}\" costs over {MOST} times",
                piece.escape_ascii()
            );
        }
    }
}
