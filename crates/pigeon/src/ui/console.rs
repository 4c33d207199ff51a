//! A server's console: a thread that reads commands from a terminal or pipe for the loop.

use std::sync::mpsc::{Receiver, sync_channel};

use pigeon_net::Waker;

use super::lines::{self, Input, Printer, Reader};
use crate::base::thread;
use crate::words::say;

/// Maximum number of commands queued for the loop; then reading blocks.
pub(crate) const WAITING: usize = 16;

pub(crate) trait Command: PartialEq + Send + Sized + 'static {
    /// The command that ends the server and the console.
    const QUIT: Self;

    /// The key of the message shown when the end of input closes an interactive console.
    const CLOSED: &'static str;

    /// Parses a line. `None` if it is empty.
    fn parse(line: &str) -> Option<Self>;
}

/// Starts the thread, unless it is unwanted or the terminal belongs to another job. Commands arrive
/// at the receiver, and `waker` is called for each.
pub(crate) fn start<C: Command>(
    mut reader: Reader,
    printer: &Printer,
    waker: Waker,
    wanted: bool,
) -> anyhow::Result<Receiver<C>> {
    let (sender, commands) = sync_channel(WAITING);
    if wanted && (printer.interactive || !lines::is_background()) {
        let printer = printer.clone();
        let read = move || {
            read(&mut reader, &printer, |command| {
                // Fails only when the loop has ended.
                let _ = sender.send(command);
                waker.wake();
            });
            // The editor stays, because output goes through it.
            loop {
                std::thread::park();
            }
        };
        thread::spawn("console", read)?;
    }
    Ok(commands)
}

/// Reads commands until the end of input. The end is not a command: a server that has lost its
/// terminal continues, unless SIGHUP stops it. Ctrl-C at the editor is [`Command::QUIT`].
fn read<C: Command>(reader: &mut Reader, printer: &Printer, give: impl Fn(C)) {
    let (notes, interactive) = (&printer.notes, printer.interactive);
    loop {
        match reader.next() {
            Input::Line(line) => {
                // A paste may contain several commands.
                for line in String::from_utf8_lossy(&line).lines() {
                    let Some(command) = C::parse(line) else { continue };
                    let quits = command == C::QUIT;
                    give(command);
                    if quits {
                        return;
                    }
                }
            }
            Input::TooLong => drop(notes.line(say!("screen-input-too-long-command"))),
            Input::NotUtf8 => drop(notes.line(say!("screen-input-not-utf8"))),
            Input::Interrupted => return give(C::QUIT),
            Input::Unreadable(_) | Input::HungUp => return,
            Input::End => {
                if interactive {
                    notes.remark(say!(C::CLOSED));
                }
                return;
            }
        }
    }
}
