//! Rendering of messages for plain members, in a format and an encoding.

use std::io::Write;

use pigeon_datagram::MAX_PAYLOAD_V4;
use pigeon_proto::{Format, Language, sentence};
use pigeon_text::{Encoding, escape_to};

use super::run::Style;
use crate::core::message::{Caller, Entry};

/// Maximum number of bytes that a byte of text may grow to by escaping: `\xff` from one, `\u{200b}`
/// from three.
const MAX_GROWTH: usize = 4;

/// Maximum number of bytes of a line besides its text: the longest name, an address with its scope,
/// and words.
const MAX_AROUND: usize = 256;

/// Appends a message in a format, in UTF-8.
pub(super) fn line(entry: &Entry<'_>, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Chat => {
            match (entry.name, entry.caller) {
                // Writing to a vector cannot fail.
                ("", Caller::Address(address)) => drop(write!(out, "{address}")),
                (name, _) => out.extend_from_slice(name.as_bytes()),
            }
            out.extend_from_slice(b": ");
            escape_to(out, entry.text);
            out.push(b'\n');
        }
        Format::Classic => {
            out.extend_from_slice(b"Ack ");
            out.extend(entry.text.iter().map(u8::to_ascii_uppercase));
            out.extend_from_slice(b". from ");
            match entry.caller {
                Caller::Address(address) => drop(write!(out, "{address}")),
                Caller::Name => out.extend_from_slice(entry.name.as_bytes()),
            }
        }
        Format::Raw => out.extend_from_slice(entry.text),
    }
}

/// Whether a text certainly fits a datagram in this format, for any speaker.
pub(super) fn fits(text: &[u8], format: Format) -> bool {
    match format {
        Format::Chat => text.len() * MAX_GROWTH + MAX_AROUND <= MAX_PAYLOAD_V4,
        Format::Classic => text.len() + MAX_AROUND <= MAX_PAYLOAD_V4,
        Format::Raw => text.len() <= MAX_PAYLOAD_V4,
    }
}

/// Whether a text is printable ASCII, as most are: it is the same in all encodings, and needs no
/// escapes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic())
}

/// The cost of a byte of text in a style, in nanoseconds: measured with the most expensive text
/// known, by `cargo run --release -p pigeon-hub --example costs`.
pub(super) fn weight(style: Style, is_plain: bool) -> usize {
    match style {
        Style { format: Format::Raw, .. } => 1,
        Style { encoding: Encoding::UTF_8, .. } => {
            if is_plain {
                2
            } else {
                16
            }
        }
        _ => {
            if is_plain {
                4
            } else {
                52
            }
        }
    }
}

/// The longest rendering of a text in this format, in bytes.
pub(super) fn most(text: &[u8], format: Format) -> usize {
    match format {
        Format::Chat if !is_plain(text) => text.len() * MAX_GROWTH + MAX_AROUND,
        _ => text.len() + MAX_AROUND,
    }
}

/// Whether a text is too long in any encoding: as UTF-8 it may shrink by half, from four bytes of a
/// character in GB18030.
pub(super) fn is_too_long(payload: &[u8], most: usize) -> bool {
    payload.len() / 2 > most && payload.trim_ascii().len() / 2 > most
}

/// Appends a line in an encoding, without bytes that a terminal would take for controls. A line
/// that exceeds a datagram is replaced by a notice, neither cut nor dropped silently.
pub(super) fn encode(encoding: Encoding, line: &str, language: Language, out: &mut Vec<u8>) {
    let start = out.len();
    encoding.encode_for_display(line, out);
    bound(start, encoding, language, out);
}

/// Replaces the bytes appended since `start` if they exceed a datagram.
pub(super) fn bound(start: usize, encoding: Encoding, language: Language, out: &mut Vec<u8>) {
    if out.len() - start > MAX_PAYLOAD_V4 {
        out.truncate(start);
        encoding.encode_for_display(sentence::left_out(language), out);
    }
}
