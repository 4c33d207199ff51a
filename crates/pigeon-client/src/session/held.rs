//! Lines that wait until the hub is known, in the order of input.

use std::collections::VecDeque;

/// Maximum number of lines that wait. At the limit the session sends them at once.
const MAX_HELD: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Held {
    lines: VecDeque<Box<[u8]>>,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Keeps a line. Returns false if the queue is full.
    pub(super) fn keep(&mut self, line: &[u8]) -> bool {
        let fits = self.lines.len() < MAX_HELD;
        if fits {
            self.lines.push_back(line.into());
        }
        fits
    }

    /// Removes the lines that are `unwanted`. Returns true if there were any.
    pub(super) fn remove(&mut self, unwanted: impl Fn(&[u8]) -> bool) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| !unwanted(line));
        self.lines.len() < before
    }

    /// Takes the oldest line.
    pub(super) fn take(&mut self) -> Option<Box<[u8]>> {
        self.lines.pop_front()
    }
}
