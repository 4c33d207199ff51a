//! The thread that reads input lines for a loop, from a terminal or a pipe.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use pigeon_net::Waker;

use super::lines::{Input, Printer, Reader};
use crate::base::status::Status;
use crate::base::thread;
use crate::words::say;

/// Maximum number of lines queued for the loop; then reading blocks.
const WAITING: usize = 64;

/// A message to the loop.
pub(crate) enum Typed {
    Line(Vec<u8>),
    /// A line was rejected; the user has seen the reason.
    Refused,
    Leave(Status),
}

/// The check of a line before the loop gets it.
pub(crate) enum Checked {
    Fine,
    /// The last line: reading ends after it.
    Last,
    /// Rejected, with the reason.
    Refused(String),
}

/// Starts the thread. After the end of a pipe it waits for `wait`, for replies.
pub(crate) fn start(
    reader: Reader,
    printer: Printer,
    waker: Waker,
    wait: Duration,
    check: impl Fn(&[u8]) -> Checked + Send + 'static,
) -> anyhow::Result<Receiver<Typed>> {
    let (sender, typed) = sync_channel(WAITING);
    let typist = Typist { reader, printer, check, sender, waker, wait };
    thread::spawn("input", move || typist.run())?;
    Ok(typed)
}

struct Typist<C> {
    reader: Reader,
    printer: Printer,
    check: C,
    sender: SyncSender<Typed>,
    waker: Waker,
    wait: Duration,
}

impl<C: Fn(&[u8]) -> Checked> Typist<C> {
    fn run(mut self) {
        let leave = loop {
            match self.reader.next() {
                Input::Line(line) => {
                    // A paste is one message per line.
                    for line in line.split(|&byte| self.printer.interactive && byte == b'\n') {
                        let checked = (self.check)(line);
                        if let Checked::Refused(why) = checked {
                            self.refuse(why);
                            continue;
                        }
                        let last = matches!(checked, Checked::Last);
                        if !self.give(Typed::Line(line.to_vec())) || last {
                            return;
                        }
                    }
                }
                Input::TooLong => {
                    self.refuse(say!("screen-input-too-long"));
                }
                Input::NotUtf8 => {
                    self.printer.notes.line(say!("screen-input-not-utf8"));
                }
                Input::Interrupted => break Status::Interrupted,
                Input::Unreadable(kind) => {
                    self.printer.notes.line(say!("screen-input-unreadable", error = &kind));
                    break Status::Usage;
                }
                Input::HungUp => break Status::HungUp,
                Input::End => {
                    if !self.printer.interactive {
                        std::thread::sleep(self.wait);
                    }
                    break Status::Done;
                }
            }
        };
        self.give(Typed::Leave(leave));
    }

    /// Shows why a line is rejected. The line does not return to the input: a long one would push
    /// the reason off the screen.
    fn refuse(&self, why: String) {
        self.printer.notes.line(match self.printer.interactive {
            true => say!("screen-input-brought-back", why = why),
            false => why,
        });
        self.give(Typed::Refused);
    }

    /// Returns false when the loop has ended.
    fn give(&self, typed: Typed) -> bool {
        let given = self.sender.send(typed).is_ok();
        self.waker.wake();
        given
    }
}
