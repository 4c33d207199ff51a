//! Text that came from outside, made safe to show. Pure.
//!
//! - [`Encoding`]: bytes of any encoding as text and back, without losing either. Decode what
//!   arrived, then escape it; encode what is to be sent.
//! - [`decode_auto`], [`guess`] and [`Auto`]: the same where the encoding is not known.
//! - [`Charset`] and [`PeerCharset`]: which of the two is chosen for a peer, and that choice at work.
//! - [`escape()`]: bytes from the network as printable text. Store raw, escape at the display.
//! - [`is_displayable`]: whether a character needs no escaping anywhere.
//! - [`shell`]: names quoted for a shell's command line.
//! - [`width()`]: how many terminal columns a text takes, so that 中文 lines up.
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
