//! Frames: what reliable members and their hub say to each other over a stream of bytes in order,
//! such as a QUIC stream or a WebSocket.
//!
//! A frame is one JSON object in one line, UTF-8, at most [`MAX_FRAME`] bytes with its newline. Its
//! `type` says what it is. Readers pass over types and fields that they do not know. Numbers are below
//! 2^53, so that every JSON reader counts with them exactly.
//!
//! ```text
//!   client                                        hub
//!     │ ── hello ───────────────────────────────▶ │
//!     │ ◀─────────────────────────── challenge ── │  a nonce, and the hub's fingerprint
//!     │ ── prove ───────────────────────────────▶ │  key, signature, outbox
//!     │ ── follow lobby, after position 7 ──────▶ │
//!     │ ◀───────────────────── welcome, expect ── │  the number that the outbox goes on with
//!     │ ◀───────── message, message … and live ── │  the gap, then what is said from now on
//!     │ ── say 12, say 13 ──────────────────────▶ │
//!     │ ◀────────────────────────── stored 13 ── │  both are on the hub's disk
//!     │ ◀──────────────────────────── message ── │  as every follower gets it
//!     │ ── quit ────────────────────────────────▶ │
//! ```
//!
//! - [`ClientFrame`] and [`HubFrame`]: the frames of either side.
//! - [`Lines`]: cuts the stream into lines.

mod client;
mod field;
mod hub;
mod lines;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use client::{ClientFrame, Prove, Say};
pub use hub::{ByeReason, HubFrame, Refused};
pub use lines::{Lines, TooLong};

/// The version of the protocol that this crate speaks.
pub const VERSION: u64 = 1;

/// The most bytes of a frame, its newline included.
pub const MAX_FRAME: usize = 131_072;

/// The most bytes of a frame before the hub knows its sender.
pub const MAX_EARLY_FRAME: usize = 4_096;

/// The most rooms that one connection follows.
pub const MAX_FOLLOWED: usize = 16;

/// How many messages of before a follower gets that does not say after which one it goes on.
pub const USUAL_LAST: u64 = 20;

/// The most messages of before that it can ask for.
pub const MAX_LAST: u64 = 1_000;

/// The bytes that the client signs to prove that it has its key: `pigeon/1 NONCE FINGERPRINT`.
pub fn challenge_text(nonce: &str, fingerprint: &str) -> Vec<u8> {
    format!("pigeon/1 {nonce} {fingerprint}").into_bytes()
}

/// A line that is not a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError(Box<str>);

/// The most characters of a reason.
const MAX_REASON: usize = 160;

impl FrameError {
    /// Why, safe to show. What stands in it may be the other side's words.
    pub(crate) fn new(why: impl fmt::Display) -> FrameError {
        let shown = pigeon_text::escape(why.to_string().as_bytes()).to_string();
        FrameError(shown.chars().take(MAX_REASON).collect::<String>().into())
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a frame: {}", self.0)
    }
}

impl std::error::Error for FrameError {}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, FrameError> {
    if line.len() >= MAX_FRAME {
        return Err(FrameError::new(format_args!("longer than {MAX_FRAME} bytes")));
    }
    serde_json::from_slice(line).map_err(FrameError::new)
}

fn write(frame: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    // Frames have string keys and no maps of other types, so nothing can fail.
    if serde_json::to_writer(&mut *out, frame).is_err() {
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}
