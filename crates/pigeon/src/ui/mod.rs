//! The person at the terminal.
//!
//! - [`lines`]: lines typed, and lines printed above the one being typed. [`typist`]: the thread that
//!   reads them for a loop.

pub(crate) mod lines;
pub(crate) mod typist;
