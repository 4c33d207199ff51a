//! A line editor at the bottom of the terminal, below scrolling output.
//!
//! Replaces rustyline, which waits without limit for the end of a sequence or a paste, inserts the
//! terminal's replies into the line, and loses the line at an invalid byte.
//!
//! The line takes one row and scrolls sideways, so a wrong character width cannot push it over the
//! row's end. Only the printing thread writes to the terminal, so a blocked terminal does not delay
//! Ctrl-C.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keyboard::{self, Event};
use super::screen::input::{History, Input, View};
use super::suggestions::Suggestions;
use crate::base::terminal::{self, Use};
use crate::output::Spool;

/// Maximum number of events queued for the editor.
const WAITING: usize = 64;

/// Printed to redraw the line.
const REDRAW: &[u8] = b"\r";

/// An event of the editor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// A line; a paste may contain newlines.
    Line(String),
    /// A line longer than any datagram, which was discarded.
    TooLong,
    /// An invalid UTF-8 key, which was ignored.
    NotUtf8,
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D on an empty line.
    End,
    /// The terminal was closed.
    HungUp,
}

/// The editor. It takes over the terminal when the first line is read.
pub(crate) struct Editor {
    line: Shared,
    printer: Spool<Vec<u8>>,
    events: Option<Receiver<Event>>,
    history: History,
    suggestions: Suggestions,
    /// Whether Tab was the last key: a second one lists the candidates.
    tabbed: bool,
}

/// The line and its display.
struct Line {
    prompt: &'static str,
    input: Input,
    /// Whether the line is shown.
    active: bool,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Line>>);

impl Editor {
    /// An editor, and a printer for output above its line.
    pub(crate) fn new(
        prompt: &'static str,
        suggestions: Suggestions,
    ) -> anyhow::Result<(Editor, Spool<Vec<u8>>)> {
        terminal::remember();
        let line = Line { prompt, input: Input::default(), active: false };
        let line = Shared(Arc::new(Mutex::new(line)));
        let printer = Spool::lines(line.clone())?;
        let editor = Editor {
            line,
            printer: printer.clone(),
            events: None,
            history: History::default(),
            suggestions,
            tabbed: false,
        };
        Ok((editor, printer))
    }

    /// Reads the next line. [`Edited::Interrupted`], [`Edited::End`] and [`Edited::HungUp`] restore
    /// the terminal.
    pub(crate) fn next(&mut self) -> Edited {
        let edited = self.read();
        if matches!(edited, Edited::Interrupted | Edited::End | Edited::HungUp) {
            self.line.lock().active = false;
            // Dropping it ends the keyboard's threads.
            self.events = None;
            terminal::restore();
        }
        edited
    }

    fn read(&mut self) -> Edited {
        if self.events.is_none() && self.begin().is_err() {
            return Edited::HungUp;
        }
        loop {
            let Some(Ok(event)) = self.events.as_ref().map(Receiver::recv) else {
                return Edited::HungUp;
            };
            let edited = match event {
                Event::Input(input) => self.take(input),
                Event::Resized => None,
                Event::Stop => {
                    self.suspend();
                    None
                }
                Event::Continued => {
                    // The keyboard reports a terminal that is gone.
                    let _ = terminal::enter(Use::Line);
                    None
                }
                Event::Gone => Some(Edited::HungUp),
            };
            if let Some(edited) = edited {
                return edited;
            }
            self.redraw();
        }
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        terminal::enter(Use::Line)?;
        let (sender, events) = sync_channel(WAITING);
        keyboard::start(move |event| sender.send(event).is_ok())?;
        self.events = Some(events);
        self.line.lock().active = true;
        self.redraw();
        Ok(())
    }

    fn redraw(&self) {
        self.printer.push(REDRAW.to_vec(), REDRAW.len());
    }

    fn suspend(&mut self) {
        self.line.lock().active = false;
        terminal::suspend(Use::Line);
        self.line.lock().active = true;
    }

    fn take(&mut self, input: keyboard::Input) -> Option<Edited> {
        let tabbed = std::mem::take(&mut self.tabbed);
        match input {
            keyboard::Input::Key(key) => self.press(key, tabbed),
            keyboard::Input::Paste(text) => {
                let text: String = text.replace("\r\n", "\n").replace('\r', "\n");
                let text = text.trim_end_matches('\n').replace('\t', " ");
                let is_kept = |c: &char| *c == '\n' || !c.is_control();
                let text: String = text.chars().filter(is_kept).collect();
                (!self.line.lock().input.insert(&text)).then_some(Edited::TooLong)
            }
            keyboard::Input::PasteTooLong => Some(Edited::TooLong),
            keyboard::Input::Wheel { .. } => None,
            keyboard::Input::NotUtf8 => Some(Edited::NotUtf8),
        }
    }

    fn press(&mut self, key: KeyEvent, tabbed: bool) -> Option<Edited> {
        let mut line = self.line.lock();
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => {
                let text = line.enter(&self.printer);
                if !text.trim().is_empty() {
                    self.history.push(&text);
                }
                return Some(Edited::Line(text));
            }
            KeyCode::Char('c') if ctrl => return Some(Edited::Interrupted),
            KeyCode::Char('d') if ctrl && line.input.is_empty() => return Some(Edited::End),
            KeyCode::Char('z') if ctrl => {
                drop(line);
                self.suspend();
            }
            KeyCode::Char('l') if ctrl => {
                let clear = b"\x1b[H\x1b[2J".to_vec();
                let bytes = clear.len();
                self.printer.push(clear, bytes);
            }
            KeyCode::Char('r') if ctrl => self.history.search(&mut line.input),
            KeyCode::Up => self.history.older(&mut line.input),
            KeyCode::Char('p') if ctrl => self.history.older(&mut line.input),
            KeyCode::Down => self.history.newer(&mut line.input),
            KeyCode::Char('n') if ctrl => self.history.newer(&mut line.input),
            KeyCode::Tab => {
                let list = line.complete(&self.suggestions);
                self.tabbed = true;
                if tabbed && let Some(list) = list {
                    self.printer.line(list);
                }
            }
            _ => line.input.press(key),
        }
        None
    }
}

impl Line {
    /// Takes the text, and prints it above the line.
    fn enter(&mut self, printer: &Spool<Vec<u8>>) -> String {
        self.input.end();
        // Masked and escaped as before, but complete.
        let shown = self.input.view(usize::from(u16::MAX)).shown;
        printer.line(format!("{}{shown}", self.prompt));
        self.input.take()
    }

    /// Completes the word before the cursor up to the candidates' common prefix. Returns the
    /// candidates if there are several and the prefix adds nothing.
    fn complete(&mut self, suggestions: &Suggestions) -> Option<String> {
        let typed = self.input.text().get(..self.input.cursor())?;
        let (from, words) = suggestions.of(typed);
        let word = typed.get(from..)?;
        let common = words.iter().skip(1).fold(words.first()?.as_str(), |common, other| {
            let same = common.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
            let end = same.map_or(common.len().min(other.len()), |((at, _), _)| at);
            common.get(..end).unwrap_or_default()
        });
        let list = words.iter().map(|word| pigeon_text::escape(word.trim_end()).to_string());
        let list = (words.len() > 1).then(|| list.collect::<Vec<_>>().join("  "));
        if common.len() <= word.len() {
            return list;
        }
        self.input.replace(from, common);
        None
    }

    /// Draws the line and the cursor. A character wider than expected does not wrap.
    fn draw(&self, out: &mut Vec<u8>, columns: usize) {
        let prompt = pigeon_text::width(self.prompt);
        // The prompt takes at most half, and the last column stays free.
        let (prompt, shown) = if columns >= 2 * prompt { (prompt, self.prompt) } else { (0, "") };
        let View { shown: text, cursor } = self.input.view(columns.saturating_sub(prompt + 1));
        out.extend_from_slice(format!("\x1b[?7l{shown}{text}\x1b[?7h\r").as_bytes());
        if prompt + cursor > 0 {
            out.extend_from_slice(format!("\x1b[{}C", prompt + cursor).as_bytes());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        // A panic elsewhere leaves the line consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints complete lines above the input line.
impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::new();
        let line = self.lock();
        if line.active {
            out.extend_from_slice(b"\r\x1b[K");
        }
        out.extend_from_slice(bytes);
        if line.active {
            let columns = terminal::size().map_or(80, |(columns, _)| columns.into());
            line.draw(&mut out, if columns == 0 { 80 } else { columns });
        }
        drop(line);
        terminal::write(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line { prompt: "hub> ", input: Input::default(), active: true };
        assert!(line.input.insert(text));
        line
    }

    #[test]
    fn tab_completes_what_all_have_in_common_and_lists_them() {
        let suggestions = Suggestions::new(["members", "msg", "mute", "kick"].into_iter());
        let mut typed = line("ki");
        assert_eq!(typed.complete(&suggestions), None);
        assert_eq!(typed.input.text(), "kick ");
        let mut typed = line("m");
        assert_eq!(typed.complete(&suggestions).unwrap(), "members  msg  mute");
        suggestions.set_names(vec!["狗哥".into(), "狗狗".into(), "狗\u{1b}".into()]);
        let mut typed = line("kick 狗哥");
        assert_eq!((typed.complete(&suggestions), typed.input.text()), (None, "kick 狗哥 "));
        assert_eq!(line("kick 狗").complete(&suggestions).unwrap(), r"狗哥  狗狗  狗\x1b");
        assert_eq!(line("dance").complete(&suggestions), None);
    }

    #[test]
    fn the_line_fits_a_row_of_any_width_with_the_cursor_where_typing_happens() {
        for text in ["", "stats", &"字".repeat(200), &"x".repeat(500), "❤\u{fe0f}a", "\x1b[2J"] {
            for columns in 1..100 {
                let mut out = Vec::new();
                line(text).draw(&mut out, columns.into());
                let size = |n| std::num::NonZero::new(n).unwrap();
                let mut parser = vt100::Parser::new(size(3), size(columns), 0);
                parser.process(&out);
                let screen = parser.screen();
                assert_eq!(screen.cursor_position().0, 0, "{text} in {columns}");
                assert_eq!(screen.contents().lines().count().max(1), 1, "{text} in {columns}");
            }
        }
        let mut out = Vec::new();
        line("stats").draw(&mut out, 80);
        assert_eq!(out, b"\x1b[?7lhub> stats\x1b[?7h\r\x1b[10C");
    }
}
