//! Lines typed, and lines printed above the one being typed.
//!
//! On a terminal this is a line editor with history. Anywhere else lines come from stdin and go to
//! stdout and stderr as they are, so that a script can drive the same command.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::Instant;

use anyhow::anyhow;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Cmd, CompletionType, Config, Editor, ExternalPrinter, KeyEvent};

use super::suggestions::Suggestions;
use crate::base::terminal::{self, in_foreground};
use crate::output::{Spool, is_quiet};

/// The most bytes of one line from a pipe. No datagram carries as much; what is longer is no line.
const MAX_LINE: u64 = 1 << 20;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line, without its end. From a pipe it may be any bytes.
    Line(Vec<u8>),
    /// A line longer than anything that could be sent; it was not kept.
    TooLong,
    /// A key that is no UTF-8; the line being typed was lost with it.
    NotUtf8,
    /// Ctrl-C.
    Interrupted,
    /// Nothing can be read: stdin is a directory, or a disk is broken.
    Unreadable(io::ErrorKind),
    /// The terminal was closed.
    HungUp,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Where lines are printed without disturbing the one being typed.
#[derive(Clone)]
pub(crate) struct Printer {
    /// Data: stdout.
    pub(crate) data: Spool<Vec<u8>>,
    /// Everything else: stderr. On a terminal the same as `data`.
    pub(crate) notes: Spool<Vec<u8>>,
    /// Whether a person is looking.
    pub(crate) interactive: bool,
}

/// Where lines come from.
pub(crate) enum Reader {
    Editor {
        editor: Box<Editor<Suggestions, DefaultHistory>>,
        prompt: &'static str,
    },
    /// Stdin as it is, which may be a terminal that is not to be edited on.
    Pipe {
        stdin: io::BufReader<io::Stdin>,
        is_terminal: bool,
    },
}

/// Opens the terminal, or stdin, stdout and stderr where there is none, or none that can be used: a
/// dumb one has no cursor, and one with another job in its foreground would stop us.
pub(crate) fn open(
    prompt: &'static str,
    suggestions: Suggestions,
) -> anyhow::Result<(Reader, Printer)> {
    // As a shell does it: what all have in common, and at the second Tab a list.
    let settings = Config::builder().completion_type(CompletionType::List).build();
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && in_foreground()
        && let Ok(mut editor) = Editor::with_config(settings)
        && let Ok(above) = editor.create_external_printer()
    {
        terminal::remember();
        editor.set_helper(Some(suggestions));
        // Suspended with other threads running, it would come back with the terminal in the
        // shell's mode.
        editor.bind_sequence(KeyEvent::ctrl('Z'), Cmd::Noop);
        let spool = Spool::lines(Above(above))?;
        let notes = match io::stderr().is_terminal() {
            true => spool.clone(),
            false => Spool::log(io::stderr())?,
        };
        let printer = Printer { data: spool, notes, interactive: true };
        return Ok((Reader::Editor { editor: Box::new(editor), prompt }, printer));
    }
    let data = Spool::lines(io::stdout())?;
    let notes = Spool::log(io::stderr())?;
    let printer = Printer { data, notes, interactive: false };
    let is_terminal = io::stdin().is_terminal();
    Ok((Reader::Pipe { stdin: io::BufReader::new(io::stdin()), is_terminal }, printer))
}

/// Whether stdin is a terminal that belongs to another job: reading it would stop this one.
pub(crate) fn is_background() -> bool {
    io::stdin().is_terminal() && !in_foreground()
}

impl Printer {
    /// Says something that nobody sent and nobody asked for, unless remarks are left out.
    pub(crate) fn remark(&self, text: &str, dim: bool) {
        if !is_quiet() {
            self.note(text, dim);
        }
    }

    /// Says something that nobody sent, on stderr; on a terminal set apart from what was sent.
    pub(crate) fn note(&self, text: &str, dim: bool) {
        self.notes.line(match (self.interactive, dim) {
            (false, _) => text.to_string(),
            (true, false) => format!("-- {text}"),
            (true, true) => format!("\x1b[2m-- {text}\x1b[0m"),
        });
    }

    /// Writes out what is left, until `deadline`, and gives the terminal back. An error if what was
    /// said could not be written, but not if the terminal was closed, as then nobody misses it.
    pub(crate) fn close(&self, deadline: Instant) -> anyhow::Result<()> {
        let written = self.data.finish(deadline) & self.notes.finish(deadline);
        terminal::restore();
        if self.interactive && written {
            // The prompt, and the mode in which pasting is marked. Only where writing cannot block.
            let _ = io::stdout().write_all(b"\r\x1b[K\x1b[?2004l");
            let _ = io::stdout().flush();
        }
        match self.data.failure() {
            Some(_) if self.interactive && terminal::is_gone() => Ok(()),
            Some(kind) => Err(anyhow!("cannot write to stdout: {kind}")),
            None => Ok(()),
        }
    }
}

impl Reader {
    /// Waits for the next line.
    pub(crate) fn next(&mut self) -> Input {
        match self {
            Reader::Editor { editor, prompt } => {
                match editor.readline(*prompt) {
                    Ok(line) => {
                        // Fails only for a history that is a file.
                        let _ = editor.add_history_entry(line.as_str());
                        Input::Line(line.into_bytes())
                    }
                    Err(ReadlineError::Interrupted) => Input::Interrupted,
                    Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                        Input::NotUtf8
                    }
                    // It looks like Ctrl-D, and may come before SIGHUP does.
                    Err(_) if terminal::is_gone() => Input::HungUp,
                    Err(_) => Input::End,
                }
            }
            Reader::Pipe { stdin, is_terminal } => match next_line(stdin) {
                Input::End | Input::Unreadable(_) if *is_terminal && terminal::is_gone() => {
                    Input::HungUp
                }
                input => input,
            },
        }
    }
}

/// The next line of a pipe, whatever its bytes, if it is no longer than [`MAX_LINE`].
pub(crate) fn next_line(from: &mut impl BufRead) -> Input {
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
        Ok(_) => {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            Input::Line(line)
        }
    }
}

/// The editor's own printer as a place to write to.
struct Above<P>(P);

impl<P: ExternalPrinter> Write for Above<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match self.0.print(text) {
            Ok(()) => Ok(bytes.len()),
            // The editor has gone before the last words.
            Err(_) => io::stdout().write_all(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
