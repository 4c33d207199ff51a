//! Progress of long operations, on stderr if it is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::output::is_quiet;

/// Time between updates.
const EVERY: Duration = Duration::from_millis(200);

/// One line that is overwritten.
pub(super) struct Progress {
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Shows nothing if stderr is not a terminal, or is the same terminal as the output.
    pub(super) fn new(prints: bool) -> Progress {
        let wanted =
            !is_quiet() && io::stderr().is_terminal() && !(prints && io::stdout().is_terminal());
        Progress { next: wanted.then(|| Instant::now() + EVERY), shown: false }
    }

    /// Updates the line if it is due.
    pub(super) fn step(&mut self, line: impl FnOnce() -> String) {
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.next = Some(Instant::now() + EVERY);
            self.shown = true;
            // Ignored if stderr is closed.
            let _ = write!(io::stderr(), "\r{}\x1b[K", line());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
