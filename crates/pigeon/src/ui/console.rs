//! The console of a server: a thread that reads commands from its terminal, or a pipe, for its loop.

use std::sync::mpsc::{Receiver, sync_channel};

use pigeon_net::Waker;

use super::lines::{self, Input, Printer, Reader};
use crate::base::thread;
use crate::words::say;

/// How many commands wait for the loop; then reading waits.
pub(crate) const WAITING: usize = 16;

/// What a server's console reads.
pub(crate) trait Command: PartialEq + Send + Sized + 'static {
    /// The one that ends the server, and the console with it.
    const QUIT: Self;

    /// The key of what is said when the end of the input closes the console of a person.
    const CLOSED: &'static str;

    /// Reads one line. `None` if it says nothing.
    fn parse(line: &str) -> Option<Self>;
}

/// Starts the thread, unless it is not wanted, or the terminal belongs to another job. What it reads
/// comes out of the receiver; `waker` is called for each.
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
                // Fails only when the loop has ended, and then nobody waits for an answer.
                let _ = sender.send(command);
                waker.wake();
            });
            // The editor stays: what is printed goes through it.
            loop {
                std::thread::park();
            }
        };
        thread::spawn("console", read)?;
    }
    Ok(commands)
}

/// Reads commands until the end of input. The end is no command: a server that has lost its
/// terminal goes on, unless SIGHUP stops it. Ctrl-C at the terminal's editor is [`Command::QUIT`].
fn read<C: Command>(reader: &mut Reader, printer: &Printer, give: impl Fn(C)) {
    let (notes, interactive) = (&printer.notes, printer.interactive);
    loop {
        match reader.next() {
            Input::Line(line) => {
                // What was pasted at once is several commands.
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
