//! The person at the terminal.
//!
//! - [`lines`]: lines typed, and lines printed above the one being typed.

pub(crate) mod lines;
