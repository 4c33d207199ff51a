//! Remarks: what a program says of its own work on stderr, such as `listening on …`, a summary, a hint.
//! `--quiet` leaves them out, and only them: data and errors are printed all the same.
//!
//! One switch for the process, as for colour in the environment: every command makes remarks, some
//! of them deep inside, and a parameter would have to reach each of those places.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves remarks out from now on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether remarks are left out.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line on stderr, unless remarks are left out.
pub(crate) fn remark(line: impl Display) {
    if !is_quiet() {
        // If nobody reads stderr there is nobody to say it to.
        let _ = writeln!(io::stderr(), "{line}");
    }
}
