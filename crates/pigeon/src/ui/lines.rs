//! Input lines, and output lines above the one being edited.
//!
//! On a terminal this is a line editor with history. Otherwise lines come from stdin and go to
//! stdout and stderr unchanged, so that scripts can use the same command.

use std::io::{self, BufRead, IsTerminal, Read};
use std::time::Instant;

use anyhow::anyhow;

use super::editor::{Edited, Editor};
use super::suggestions::Suggestions;
use crate::base::terminal::{self, in_foreground};
use crate::output::{Spool, is_quiet};
use crate::words::say;

/// The longest line from a pipe, in bytes. No datagram is that long, so a longer line is an error.
const MAX_LINE: u64 = 1 << 20;

/// An event of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line, without its end. From a pipe it may be any bytes.
    Line(Vec<u8>),
    /// A line too long to send, which was discarded.
    TooLong,
    /// An invalid UTF-8 key, which was ignored.
    NotUtf8,
    /// Ctrl-C.
    Interrupted,
    /// Reading failed: stdin is a directory, or a disk is broken.
    Unreadable(io::ErrorKind),
    /// The terminal was closed.
    HungUp,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Prints lines without disturbing the input line.
#[derive(Clone)]
pub(crate) struct Printer {
    /// Data: stdout.
    pub(crate) data: Spool<Vec<u8>>,
    /// All else: stderr. On a terminal the same as `data`.
    pub(crate) notes: Spool<Vec<u8>>,
    /// Whether the output is for a person.
    pub(crate) interactive: bool,
}

/// The source of lines.
pub(crate) enum Reader {
    Editor(Box<Editor>),
    /// Plain stdin; may be a terminal that cannot be edited on.
    Pipe {
        stdin: io::BufReader<io::Stdin>,
        is_terminal: bool,
    },
}

/// Opens the terminal, or stdin, stdout and stderr if there is none or it is unusable: a dumb one
/// has no cursor, and one with another job in the foreground would stop us.
pub(crate) fn open(
    prompt: &'static str,
    suggestions: Suggestions,
) -> anyhow::Result<(Reader, Printer)> {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if !dumb && io::stdin().is_terminal() && io::stdout().is_terminal() && in_foreground() {
        let (editor, spool) = Editor::new(prompt, suggestions)?;
        let notes = match io::stderr().is_terminal() {
            true => spool.clone(),
            false => Spool::log(io::stderr())?,
        };
        let printer = Printer { data: spool, notes, interactive: true };
        return Ok((Reader::Editor(Box::new(editor)), printer));
    }
    let data = Spool::lines(io::stdout())?;
    let notes = Spool::log(io::stderr())?;
    let printer = Printer { data, notes, interactive: false };
    let is_terminal = io::stdin().is_terminal();
    Ok((Reader::Pipe { stdin: io::BufReader::new(io::stdin()), is_terminal }, printer))
}

/// Whether stdin is a terminal that belongs to another job: reading it would stop this process.
pub(crate) fn is_background() -> bool {
    io::stdin().is_terminal() && !in_foreground()
}

impl Printer {
    /// Prints a remark, unless remarks are suppressed.
    pub(crate) fn remark(&self, text: &str, dim: bool) {
        if !is_quiet() {
            self.note(text, dim);
        }
    }

    /// Prints a line of the program itself on stderr; on a terminal distinct from messages.
    pub(crate) fn note(&self, text: &str, dim: bool) {
        self.notes.line(match (self.interactive, dim) {
            (false, _) => text.to_string(),
            (true, false) => format!("-- {text}"),
            (true, true) => format!("\x1b[2m-- {text}\x1b[0m"),
        });
    }

    /// Flushes the output until `deadline`, and restores the terminal. Fails if output was lost,
    /// except by a closed terminal.
    pub(crate) fn close(&self, deadline: Instant) -> anyhow::Result<()> {
        self.data.finish(deadline);
        self.notes.finish(deadline);
        terminal::restore();
        match self.data.failure() {
            Some(_) if self.interactive && terminal::is_gone() => Ok(()),
            Some(kind) => Err(anyhow!(say!("screen-output-unwritable", error = &kind))),
            None => Ok(()),
        }
    }
}

impl Reader {
    /// Waits for the next line.
    pub(crate) fn next(&mut self) -> Input {
        match self {
            Reader::Editor(editor) => match editor.next() {
                Edited::Line(line) => Input::Line(line.into_bytes()),
                Edited::TooLong => Input::TooLong,
                Edited::NotUtf8 => Input::NotUtf8,
                Edited::Interrupted => Input::Interrupted,
                Edited::HungUp => Input::HungUp,
                Edited::End => Input::End,
            },
            Reader::Pipe { stdin, is_terminal } => match next_line(stdin) {
                Input::End | Input::Unreadable(_) if *is_terminal && terminal::is_gone() => {
                    Input::HungUp
                }
                input => input,
            },
        }
    }
}

/// The next line of a pipe, with any bytes, if it is no longer than [`MAX_LINE`].
pub(crate) fn next_line(from: &mut impl BufRead) -> Input {
    match next_line_with_end(from) {
        Input::Line(mut line) => {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            Input::Line(line)
        }
        input => input,
    }
}

/// Like `next_line`, with the line end.
pub(crate) fn next_line_with_end(from: &mut impl BufRead) -> Input {
    let mut line = Vec::new();
    match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) => Input::End,
        Err(error) => Input::Unreadable(error.kind()),
        Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE => {
            match from.skip_until(b'\n') {
                Ok(_) => Input::TooLong,
                Err(error) => Input::Unreadable(error.kind()),
            }
        }
        Ok(_) => Input::Line(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_as_they_are_whatever_ends_them() {
        let mut pipe = &b"one\r\n\ntwo\xff\nlast"[..];
        for line in [&b"one"[..], b"", b"two\xff", b"last"] {
            assert_eq!(next_line(&mut pipe), Input::Line(line.to_vec()));
        }
        assert_eq!(next_line(&mut pipe), Input::End);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut text = vec![b'x'; 3 * MAX_LINE as usize];
        text.extend_from_slice(b"\nnext\n");
        let mut pipe = &text[..];
        assert_eq!(next_line(&mut pipe), Input::TooLong);
        assert_eq!(next_line(&mut pipe), Input::Line(b"next".to_vec()));
    }
}
