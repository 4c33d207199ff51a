//! Frames between reliable members and their hub, over an ordered byte stream such as a QUIC stream
//! or a WebSocket.
//!
//! A frame is one JSON object in one line, UTF-8, at most [`MAX_FRAME`] bytes with its newline. Its
//! field `type` is its type. Readers ignore unknown types and fields. Numbers are below 2^53, so
//! that every JSON parser represents them exactly.
//!
//! ```text
//!   client                                        hub
//!     │ ── hello ───────────────────────────────▶ │
//!     │ ◀─────────────────────────── challenge ── │  a nonce, and the hub's fingerprint
//!     │ ── prove ───────────────────────────────▶ │  key, signature, outbox
//!     │ ── follow lobby, after position 7 ──────▶ │
//!     │ ◀───────────────────── welcome, expect ── │  the number that the outbox continues with
//!     │ ◀───────── message, message … and live ── │  missed messages, then live ones
//!     │ ── say 12, say 13 ──────────────────────▶ │
//!     │ ◀────────────────────────── stored 13 ── │  both are on the hub's disk
//!     │ ◀──────────────────────────── message ── │  as to every follower
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
pub use hub::{ByeReason, Here, HubFrame, OtherHub, Present, Refused, RoomCount};
pub use lines::{Lines, TooLong};

/// The protocol version of this crate.
pub const VERSION: u64 = 1;

/// Maximum bytes of a frame, including its newline.
pub const MAX_FRAME: usize = 131_072;

/// Maximum bytes of a frame before the client is a member.
pub const MAX_EARLY_FRAME: usize = 4_096;

/// Maximum number of rooms that one connection follows.
pub const MAX_FOLLOWED: usize = 16;

/// Default number of previous messages for a follower without a position.
pub const USUAL_LAST: u64 = 20;

/// Maximum number of previous messages that a follower without a position can request.
pub const MAX_LAST: u64 = 1_000;

/// Number of entries in an answer to `read` and `search` without a limit, and the maximum.
pub const USUAL_ENTRIES: u64 = 100;

/// Maximum bytes of the words of a search.
pub const MAX_WORDS: usize = 256;

/// The bytes that the client signs to prove that it has its key: `pigeon/1 NONCE FINGERPRINT`.
pub fn challenge_text(nonce: &str, fingerprint: &str) -> Vec<u8> {
    format!("pigeon/1 {nonce} {fingerprint}").into_bytes()
}

/// A line that is not a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError(Box<str>);

/// Maximum characters of a reason.
const MAX_REASON: usize = 160;

impl FrameError {
    /// The reason, escaped for display, because it may quote the peer.
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
    // Frames have string keys and no maps of other types, so this cannot fail.
    if serde_json::to_writer(&mut *out, frame).is_err() {
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}
