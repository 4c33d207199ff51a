//! The thread that reads lines, where there is no full screen.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use pigeon_net::Waker;

use super::Typed;
use crate::cli::exit::Status;
use crate::ui::lines::{Input, Printer, Reader};

/// Reads lines until the person leaves or the pipe ends.
pub(super) struct Typist<C> {
    pub(super) reader: Reader,
    pub(super) printer: Printer,
    /// Says why a line cannot be sent.
    pub(super) check: C,
    pub(super) sender: SyncSender<Typed>,
    pub(super) waker: Waker,
    /// How long to stay after the end of a pipe.
    pub(super) wait: Duration,
}

impl<C: Fn(&[u8]) -> Result<(), String>> Typist<C> {
    pub(super) fn run(mut self) {
        let leave = loop {
            match self.reader.next() {
                Input::Line(line) => {
                    // What was pasted at once is still one message a line.
                    for line in line.split(|&byte| self.printer.interactive && byte == b'\n') {
                        match (self.check)(line) {
                            Ok(()) => {
                                let quits = matches!(line.trim_ascii(), b"quit" | b"/quit");
                                if !self.give(Typed::Line(line.to_vec())) || quits {
                                    return;
                                }
                            }
                            Err(why) => self.refuse(why),
                        }
                    }
                }
                Input::TooLong => {
                    self.refuse("not sent: a line longer than any datagram".to_string());
                }
                Input::NotUtf8 => {
                    self.refuse("that was no UTF-8; set the terminal to UTF-8".to_string());
                }
                Input::Interrupted => break Status::Interrupted,
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

    /// Says why a line is not sent. It is not put back under the cursor: so long a line would push
    /// the reason off the screen.
    fn refuse(&self, why: String) {
        let kept = if self.printer.interactive { "; arrow up brings it back" } else { "" };
        self.printer.notes.line(format!("{why}{kept}"));
        self.give(Typed::Refused);
    }

    /// False when the loop has ended.
    fn give(&self, typed: Typed) -> bool {
        let given = self.sender.send(typed).is_ok();
        self.waker.wake();
        given
    }
}
