//! Text that came from outside, made safe to show. Pure.
//!
//! - [`escape()`]: bytes from the network as printable text. Store raw, escape at the display.
//! - [`is_displayable`]: whether a character needs no escaping anywhere.
//! - [`width()`]: how many terminal columns a text takes, so that 中文 lines up.
#![forbid(unsafe_code)]

mod escape;
mod width;

pub use escape::{Escaped, escape, escape_to, is_displayable};
pub use width::{pad, width};
