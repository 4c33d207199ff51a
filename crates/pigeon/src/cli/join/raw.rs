//! `pigeon join --raw`: writes the room's payloads unchanged to stdout, and sends stdin's bytes
//! unchanged.
//!
//! Stdin is a stream without datagram boundaries, so each read becomes one datagram, of at most
//! [`MOST`] bytes. `pigeon send` can also write into a room, with other framings.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use pigeon_net::Waker;

use crate::base::status::{Status, UsageError};
use crate::base::thread;
use crate::output::Spool;
use crate::ui::lines::Printer;
use crate::ui::typist::Typed;
use crate::words::say;

/// Maximum bytes of stdin in one datagram: seven MPEG-TS packets, as players and encoders send
/// them. It fits every common MTU.
pub(super) const MOST: usize = 1_316;

/// Queue length of reads to the loop; when it is full, reading waits.
const WAITING: usize = 64;

/// Takes stdin and stdout. At the end of stdin it waits for `wait`, for replies.
pub(super) fn open(wait: Duration, waker: Waker) -> anyhow::Result<(Printer, Receiver<Typed>)> {
    if io::stdout().is_terminal() {
        return Err(UsageError(say!("join-raw-terminal")).into());
    }
    let closed = waker.clone();
    let write = |payloads: &mut dyn Iterator<Item = Vec<u8>>, out: &mut dyn Write| {
        for payload in payloads {
            out.write_all(&payload)?;
        }
        Ok(())
    };
    let data = Spool::new(io::stdout(), write, move || closed.wake())?;
    let notes = Spool::log(io::stderr())?;
    let printer = Printer { data, notes: notes.clone(), interactive: false };
    let (sender, typed) = sync_channel(WAITING);
    thread::spawn("input", move || {
        let give = |typed| {
            let given = sender.send(typed).is_ok();
            waker.wake();
            given
        };
        let mut buffer = [0; MOST];
        let status = loop {
            match io::stdin().read(&mut buffer) {
                Ok(0) => {
                    std::thread::sleep(wait);
                    break Status::Done;
                }
                Ok(length) if give(Typed::Line(buffer[..length].to_vec())) => {}
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    notes.line(say!("screen-input-unreadable", error = &error.kind()));
                    break Status::Usage;
                }
            }
        };
        give(Typed::Leave(status));
    })?;
    Ok((printer, typed))
}
