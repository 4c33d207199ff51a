//! A session as lines: above the one being typed on a terminal, or through pipes.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use pigeon_client::{NoReply, Session};
use pigeon_text::escape;
use rand_pcg::Pcg64;

use super::{Args, People};
use crate::output::{Color, json, wall};
use crate::ui::lines::{self, Printer};
use crate::ui::typist::{self, Checked, Typed};

/// Lines, and what shapes them.
pub(super) struct Lines {
    printer: Printer,
    dim: bool,
    json: bool,
    local: SocketAddr,
}

impl Lines {
    /// Starts the thread that reads.
    pub(super) fn open(
        people: People,
        args: &Args,
        color: Color,
    ) -> anyhow::Result<(Lines, Receiver<Typed>)> {
        let (reader, printer) = lines::open("> ")?;
        let People { hub, local, waker } = people;
        let check = move |line: &[u8]| match Session::<Pcg64>::check_line(hub, line) {
            Err(error) => Checked::Refused(error.to_string()),
            Ok(()) if matches!(line.trim_ascii(), b"quit" | b"/quit") => Checked::Last,
            Ok(()) => Checked::Fine,
        };
        let typed = typist::start(reader, printer.clone(), waker, args.wait, check)?;
        let dim = printer.interactive && color.enabled(&std::io::stdout());
        Ok((Lines { printer, dim, json: args.json, local }, typed))
    }

    /// Prints what somebody said.
    pub(super) fn received(&self, hub: SocketAddr, payload: &[u8]) {
        let now = wall::local(None);
        if self.json {
            let text = std::str::from_utf8(payload).ok().map(str::to_string);
            let (from, to, length) = (hub, self.local, payload.len());
            let line = json::datagram(json::Datagram {
                time: &now,
                from,
                to,
                payload,
                length,
                text,
                name: None,
            });
            self.printer.data.line(line);
            return;
        }
        let text = payload.strip_suffix(b"\n").unwrap_or(payload);
        let text = escape(text.strip_suffix(b"\r").unwrap_or(text));
        self.printer.data.line(match (self.printer.interactive, self.dim) {
            (false, _) => text.to_string(),
            (true, false) => format!("{} {text}", wall::time_of_day(&now)),
            (true, true) => format!("\x1b[2m{}\x1b[0m {text}", wall::time_of_day(&now)),
        });
    }

    /// Tells a program that the hub does not answer.
    pub(super) fn no_reply(&self, hub: SocketAddr, why: NoReply) {
        if self.json {
            self.printer.data.line(json::no_reply(hub, why));
        }
    }

    /// Says something about the session itself.
    pub(super) fn note(&self, text: &str) {
        self.printer.note(text, self.dim);
    }

    /// Whether nobody is looking.
    pub(super) fn is_script(&self) -> bool {
        !self.printer.interactive
    }

    /// Writes what is left; `lost` events were never even queued.
    pub(super) fn close(self, deadline: Instant, lost: u64) -> anyhow::Result<()> {
        let lost = self.printer.data.dropped() + lost;
        if lost > 0 {
            self.printer.notes.line(format!("{lost} lines were not shown: output too slow"));
        }
        self.printer.close(deadline)
    }
}
