//! What goes to stdout and stderr. Data goes to stdout, everything else to stderr.
//!
//! - [`Spool`]: a bounded queue with a thread that writes, so that a reader who stops reading
//!   never stops a loop.
//!   `patient`: what a program says of itself goes on after its disk was full.
//! - [`Capture`]: datagrams as a pcapng file.
//! - [`file`]: what a path names that is to be written: a new file, stdout, a pipe.
//! - [`remark`]: a line about the program's own work, which `--quiet` leaves out.
//! - [`json`]: one flat object a line.
//! - [`wall`]: times of day.

mod capture;
pub(crate) mod file;
pub(crate) mod json;
mod patient;
mod remark;
mod spool;
pub(crate) mod wall;

use std::io::IsTerminal;

pub(crate) use capture::{Capture, Losses};
pub(crate) use remark::{be_quiet, is_quiet, remark};
pub(crate) use spool::Spool;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to colour what goes to `stream`. An outright wish beats NO_COLOR
    /// (<https://no-color.org>), and that beats the terminal.
    pub(crate) fn enabled(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !forbidden
            }
        }
    }
}
