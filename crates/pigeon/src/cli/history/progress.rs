//! How far long work has come, on stderr where a person looks at it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::output::is_quiet;

/// How often it is shown anew.
const EVERY: Duration = Duration::from_millis(200);

/// One line that is written over.
pub(super) struct Progress {
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Nothing is shown where stderr is not a terminal, or shares it with what is printed.
    pub(super) fn new(prints: bool) -> Progress {
        let wanted =
            !is_quiet() && io::stderr().is_terminal() && !(prints && io::stdout().is_terminal());
        Progress { next: wanted.then(|| Instant::now() + EVERY), shown: false }
    }

    /// Shows how far it is, if it is time to.
    pub(super) fn step(&mut self, line: impl FnOnce() -> String) {
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.next = Some(Instant::now() + EVERY);
            self.shown = true;
            // If nobody reads stderr there is nobody to show it to.
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
