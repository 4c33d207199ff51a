//! A session as lines: above the input line on a terminal, or through pipes.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use pigeon_client::Session;
use pigeon_proto::{Language, Notice, Setting, sentence};
use pigeon_text::escape;
use rand_pcg::Pcg64;

use super::connection::Connection;
use super::note::{Note, without_word};
use super::{raw, record};
use crate::output::{Color, wall};
use crate::ui::lines::{self, Printer};
use crate::ui::suggestions::Suggestions;
use crate::ui::typist::{self, Checked, Typed};
use crate::words::{self, say_in};

/// How messages of a room are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// One line each.
    Text,
    /// One JSON object each.
    Json,
    /// The messages' bytes without separators. Notices go to stderr.
    Raw,
    Hidden,
}

pub(super) struct Lines {
    printer: Printer,
    dim: bool,
    messages: Messages,
    hub: SocketAddr,
    language: Language,
}

impl Lines {
    /// Starts the thread that reads input. At the end of a pipe it waits for `wait`, for replies.
    pub(super) fn open(
        connection: Connection,
        wait: Duration,
        messages: Messages,
        color: Color,
    ) -> anyhow::Result<(Lines, Receiver<Typed>)> {
        let Connection { hub, waker, language, .. } = connection;
        if messages == Messages::Raw {
            let (printer, typed) = raw::open(wait, waker)?;
            return Ok((Lines { printer, dim: false, messages, hub, language }, typed));
        }
        let (reader, printer) = lines::open("> ", Suggestions::default())?;
        let check = move |line: &[u8]| match Session::<Pcg64>::check_line(hub, line) {
            Err(error) => Checked::Refused(Note::NotSent(error).words(hub, language)),
            Ok(()) if Session::<Pcg64>::is_last_line(hub, line) => Checked::Last,
            Ok(()) => Checked::Fine,
        };
        let typed = typist::start(reader, printer.clone(), waker, wait, check)?;
        let dim = printer.interactive && color.enabled(&std::io::stdout());
        Ok((Lines { printer, dim, messages, hub, language }, typed))
    }

    /// The hub has a new address.
    pub(super) fn moved(&mut self, hub: SocketAddr) {
        self.hub = hub;
    }

    pub(super) fn received(&self, session: &Session<Pcg64>, payload: &[u8]) {
        match self.messages {
            Messages::Json => {
                let (room, format) = (session.room(), session.format());
                self.printer.data.line(record::message(&wall::local(None), room, format, payload));
            }
            Messages::Raw => drop(self.printer.data.push(payload.to_vec(), payload.len())),
            Messages::Hidden => {}
            Messages::Text => {
                let text = payload.strip_suffix(b"\n").unwrap_or(payload);
                let text = escape(text.strip_suffix(b"\r").unwrap_or(text)).to_string();
                self.print(&text);
            }
        }
    }

    /// Prints a notice, as text or JSON.
    pub(super) fn notice(&mut self, session: &Session<Pcg64>, notice: &Notice) {
        if let Notice::Set(Setting::Language(language)) = notice {
            self.language = *language;
            words::set_language(*language);
        }
        if self.is_data() {
            self.printer.data.line(record::notice(&wall::local(None), session.room(), notice));
            return;
        }
        let sentence = sentence::line(&without_word(notice), self.language);
        let sentence = escape(&sentence);
        match notice {
            Notice::Refused(_) if self.is_raw() => {
                self.printer.note(&sentence.to_string(), self.dim);
            }
            Notice::Said { time, .. } => {
                let said = wall::local(Some(Duration::from_secs(*time)));
                let said = format!("[{}]", wall::date_and_seconds(&said));
                // The time of the notice itself instead of the time of arrival.
                self.print_at(&said, &sentence.to_string());
            }
            _ => self.print(&sentence.to_string()),
        }
        // Adds this program's own commands.
        if let Notice::Help = notice {
            self.print(&format!("* {}", say_in!(self.language, "join-help-me")));
        }
    }

    /// Prints a note about the session, as text or JSON.
    pub(super) fn note(&self, note: &Note) {
        let record =
            self.is_data().then(|| record::note(&wall::local(None), self.hub, note)).flatten();
        let is_new = record.is_none() || note.is_failure();
        if let Some(line) = record {
            self.printer.data.line(line);
        }
        let words = || note.words(self.hub, self.language);
        match note.is_remark() {
            _ if !is_new => {}
            true => self.printer.remark(&words(), self.dim),
            false => self.printer.note(&words(), self.dim),
        }
    }

    /// Whether the output is for programs.
    pub(super) fn is_data(&self) -> bool {
        self.messages == Messages::Json
    }

    /// Whether stdin is read as raw bytes instead of lines.
    pub(super) fn is_raw(&self) -> bool {
        self.messages == Messages::Raw
    }

    /// Whether the reader of the room's bytes is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.is_raw() && self.printer.data.closed().is_some()
    }

    /// Whether no user is present.
    pub(super) fn is_script(&self) -> bool {
        !self.printer.interactive
    }

    /// Writes remaining output; `lost` events were not queued.
    pub(super) fn close(self, deadline: Instant, lost: u64) -> anyhow::Result<()> {
        let lost = self.printer.data.dropped() + lost;
        if lost > 0 {
            let lost = say_in!(self.language, "join-lines-lost", lines = lost);
            self.printer.notes.line(lost);
        }
        self.printer.close(deadline)
    }

    fn print(&self, text: &str) {
        match self.printer.interactive {
            // Stdout holds only payloads.
            false if self.is_raw() => self.printer.remark(text, false),
            false => drop(self.printer.data.line(text.to_string())),
            true => self.print_at(&wall::time_of_day(&wall::local(None)), text),
        }
    }

    fn print_at(&self, time: &str, text: &str) {
        if self.is_raw() {
            return self.printer.remark(text, self.dim);
        }
        self.printer.data.line(match self.dim {
            false => format!("{time} {text}"),
            true => format!("\x1b[2m{time}\x1b[0m {text}"),
        });
    }
}
