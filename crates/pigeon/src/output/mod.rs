//! Output: data goes to stdout, everything else to stderr.
//!
//! - [`Spool`]: a bounded queue with a writer thread, so that a blocked reader never blocks a loop.
//!   `patient`: logging that survives a full disk.
//! - [`Capture`]: datagrams as a pcapng file.
//! - [`file`]: opens an output path: a new file, stdout or a pipe.
//! - [`remark`]: a line about the program's own work, which `--quiet` suppresses.
//! - [`json`]: one flat object per line.
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
    /// Whether to colour output to `stream`. An explicit setting overrides NO_COLOR
    /// (<https://no-color.org>), which overrides the terminal's default.
    pub(crate) fn enabled(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !forbidden && crate::base::terminal::shows_escapes()
            }
        }
    }
}
