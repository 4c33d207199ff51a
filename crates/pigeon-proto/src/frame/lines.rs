//! Splits a byte stream into lines.

use std::fmt;

/// Received bytes. Holds at most one line of the allowed length and the bytes pushed after it.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Bytes before this index have been taken.
    taken: usize,
    /// The search for the next newline continues at this index.
    searched: usize,
}

/// A line is too long. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Maximum bytes, including the newline.
    pub most: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.most)
    }
}

impl std::error::Error for TooLong {}

/// Maximum capacity kept for further bytes.
const KEEP: usize = 16_384;

impl Lines {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
            self.bytes.shrink_to(KEEP);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete line, without its newline. Skips empty lines. Fails, now and on every
    /// further call, if the line is longer than `most` bytes.
    pub fn next_line(&mut self, most: usize) -> Result<Option<&[u8]>, TooLong> {
        loop {
            let newline = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n');
            let Some(newline) = newline.map(|at| at + self.searched) else {
                self.searched = self.bytes.len();
                let is_too_long = self.searched - self.taken >= most;
                return if is_too_long { Err(TooLong { most }) } else { Ok(None) };
            };
            let start = self.taken;
            if newline - start >= most {
                self.searched = newline;
                return Err(TooLong { most });
            }
            (self.taken, self.searched) = (newline + 1, newline + 1);
            if self.bytes[start..newline].iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(&self.bytes[start..newline]));
            }
        }
    }

    /// Number of bytes that were not taken.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether all bytes were taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line(most).unwrap() {
            found.push(String::from_utf8_lossy(line).into_owned());
        }
        found
    }

    #[test]
    fn lines_come_whole_however_the_stream_is_cut() {
        let stream = b"one\n\r\n\ntwo and more\nthree";
        for cut in 1..stream.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for part in stream.chunks(cut) {
                lines.push(part);
                found.extend(all(&mut lines, 100));
            }
            assert_eq!(found, ["one", "two and more"]);
            assert_eq!(lines.len(), 5);
        }
    }

    #[test]
    fn a_line_may_have_so_many_bytes_with_its_newline() {
        let mut lines = Lines::default();
        lines.push(b"123456789\n1234567890\n");
        assert_eq!(lines.next_line(10), Ok(Some(&b"123456789"[..])));
        assert_eq!(lines.next_line(10), Err(TooLong { most: 10 }));
        assert_eq!(lines.next_line(10), Err(TooLong { most: 10 }));
        let mut lines = Lines::default();
        lines.push(b"1234567890");
        assert_eq!(lines.next_line(10), Err(TooLong { most: 10 }), "its newline is still to come");
    }
}
