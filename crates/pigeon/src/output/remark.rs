//! Remarks: a program's lines about its own work on stderr, such as `listening on …`, a summary, a
//! hint. `--quiet` suppresses only these: data and errors are always printed.
//!
//! A single switch for the process, like the environment's setting for colour: every command makes
//! remarks, some deep inside, and a parameter would have to reach all of those places.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);

/// Suppresses remarks from now on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line on stderr, unless remarks are suppressed.
pub(crate) fn remark(line: impl Display) {
    if !is_quiet() {
        // Nothing can be done if stderr fails.
        let _ = writeln!(io::stderr(), "{line}");
    }
}
