//! Text from outside, made safe to show. Pure.
//!
//! - [`Encoding`]: lossless conversion between text and bytes. Decode received bytes, then escape
//!   them; encode text before sending.
//! - [`decode_auto`], [`guess`] and [`Auto`]: detect the encoding.
//! - [`Charset`] and [`PeerCharset`]: the encoding chosen for a peer, fixed or detected.
//! - [`escape()`]: bytes from the network as printable text. Store raw, escape at the display.
//! - [`is_displayable`]: whether a character never needs escaping.
//! - [`shell`]: names quoted for a shell's command line.
//! - [`width()`]: the terminal columns of a text, to align 中文.
#![forbid(unsafe_code)]

mod encoding;
mod escape;
pub mod shell;
mod width;

pub use encoding::{
    Auto, Charset, Encoding, PeerCharset, UnknownLabel, Unmappable, Unwritable, decode_auto, guess,
};
pub use escape::{Escaped, escape, escape_to, is_displayable};
pub use width::{pad, width};
