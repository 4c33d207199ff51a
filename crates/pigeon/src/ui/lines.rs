//! Lines typed, and lines printed above the one being typed.
//!
//! On a terminal this is a line editor with history. Anywhere else lines come from stdin and go to
//! stdout and stderr as they are, so that a script can drive the same command.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Context;
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::output::Spool;

/// The most bytes of one line from a pipe. No datagram carries as much; what is longer is no line.
const MAX_LINE: u64 = 1 << 20;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line, without its end. From a pipe it may be any bytes.
    Line(Vec<u8>),
    /// A line longer than anything that could be sent; it was not kept.
    TooLong,
    /// Ctrl-C.
    Interrupted,
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
    Editor { editor: Box<DefaultEditor>, prompt: &'static str },
    Pipe(io::BufReader<io::Stdin>),
}

/// Opens the terminal, or stdin, stdout and stderr where there is none.
pub(crate) fn open(prompt: &'static str) -> anyhow::Result<(Reader, Printer)> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        keep_terminal_mode();
        let mut editor = DefaultEditor::new().context("cannot use the terminal")?;
        let above = editor.create_external_printer().context("cannot use the terminal")?;
        let spool = Spool::lines(Above(above)).context("cannot start a thread")?;
        let printer = Printer { data: spool.clone(), notes: spool, interactive: true };
        return Ok((Reader::Editor { editor: Box::new(editor), prompt }, printer));
    }
    let data = Spool::lines(io::stdout()).context("cannot start a thread")?;
    let notes = Spool::lines(io::stderr()).context("cannot start a thread")?;
    let printer = Printer { data, notes, interactive: false };
    Ok((Reader::Pipe(io::BufReader::new(io::stdin())), printer))
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
                    Err(_) => Input::End,
                }
            }
            Reader::Pipe(stdin) => next_line(stdin),
        }
    }
}

fn next_line(from: &mut impl BufRead) -> Input {
    let mut line = Vec::new();
    match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => Input::End,
        Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE => {
            match from.skip_until(b'\n') {
                Ok(_) => Input::TooLong,
                Err(_) => Input::End,
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
        self.0.print(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
static MODE: OnceLock<Option<Mutex<nix::sys::termios::Termios>>> = OnceLock::new();

/// Remembers how the terminal was, also for a panic.
#[cfg(unix)]
fn keep_terminal_mode() {
    MODE.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore_terminal();
            before(panic);
        }));
        nix::sys::termios::tcgetattr(io::stdin()).ok().map(Mutex::new)
    });
}

/// Gives the terminal back as it was. To be called before the process ends while another thread
/// may be editing a line.
#[cfg(unix)]
pub(crate) fn restore_terminal() {
    if let Some(Some(mode)) = MODE.get() {
        let mode = mode.lock().unwrap_or_else(PoisonError::into_inner);
        // If the terminal is gone there is nothing to give back.
        let _ =
            nix::sys::termios::tcsetattr(io::stdin(), nix::sys::termios::SetArg::TCSANOW, &mode);
        let _ = io::stdout().write_all(b"\r\x1b[K");
        let _ = io::stdout().flush();
    }
}

#[cfg(not(unix))]
fn keep_terminal_mode() {}

#[cfg(not(unix))]
pub(crate) fn restore_terminal() {}

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
