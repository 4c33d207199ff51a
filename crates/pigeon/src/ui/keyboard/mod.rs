//! The keyboard: input from the terminal, and events of the terminal itself.
//!
//! [`decoder`] decodes the bytes; two threads here read the bytes and the signals. The terminal's
//! end and size changes are separate events, which no bytes can forge.

pub(crate) mod decoder;

use std::sync::Arc;

pub(crate) use decoder::{Input, MAX_PASTE};

use crate::base::thread;

/// An event from the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The user's input.
    Input(Input),
    /// The terminal's size has changed.
    Resized,
    /// The shell wants the program to stop; see [`crate::base::terminal::suspend`].
    Stop,
    /// The program continues after a stop. The terminal's content and modes are unknown.
    Continued,
    /// The terminal was closed.
    Gone,
}

/// Starts the threads. `take` may block; they end when it returns false.
pub(crate) fn start(take: impl Fn(Event) -> bool + Send + Sync + 'static) -> anyhow::Result<()> {
    let take = Arc::new(take);
    let watcher = Arc::clone(&take);
    source::watch(move |event| watcher(event))?;
    // The thread ends with the process: reading cannot be interrupted.
    thread::spawn("keys", move || source::read(&*take))?;
    Ok(())
}

#[cfg(unix)]
mod source {
    use std::fs::File;
    use std::io::{self, ErrorKind, Read};
    use std::os::fd::AsFd;

    use anyhow::Context;
    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};

    use super::Event;
    use super::decoder::Decoder;
    use crate::base::thread;
    use crate::words::say;

    /// Reports signals.
    pub(super) fn watch(take: impl Fn(Event) -> bool + Send + 'static) -> anyhow::Result<()> {
        let signals = signal_hook::iterator::Signals::new([SIGTSTP, SIGCONT, SIGWINCH]);
        let mut signals = signals.with_context(|| say!("errors-no-signals"))?;
        thread::spawn("stops", move || {
            let mut events = signals.forever().map(|signal| match signal {
                SIGTSTP => Event::Stop,
                SIGCONT => Event::Continued,
                _ => Event::Resized,
            });
            events.all(take)
        })?;
        Ok(())
    }

    /// Reads keys until the terminal is closed.
    pub(super) fn read(take: &impl Fn(Event) -> bool) {
        // Bypasses the buffer of `io::stdin`, which poll does not see.
        let terminal = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        if let Ok(mut terminal) = terminal
            && read_from(&mut terminal, take).is_err()
        {
            take(Event::Gone);
        }
    }

    /// Ends without an error when `take` returns false.
    fn read_from(terminal: &mut File, take: &impl Fn(Event) -> bool) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 4_096];
        loop {
            let patience = decoder.patience().map(PollTimeout::try_from);
            let patience = patience.and_then(Result::ok).unwrap_or(PollTimeout::NONE);
            let ready = poll(&mut [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)], patience);
            let mut goes_on = true;
            let mut give = |input| goes_on = goes_on && take(Event::Input(input));
            match ready {
                Ok(0) => decoder.give_up(&mut give),
                Ok(_) => match terminal.read(&mut buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => decoder.feed(&buffer[..length], &mut give),
                    Err(error) if is_passing(error.kind()) => {}
                    Err(error) => return Err(error),
                },
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn is_passing(kind: ErrorKind) -> bool {
        matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock)
    }
}

/// Other systems report keys instead of bytes.
#[cfg(not(unix))]
mod source {
    use crossterm::event::{Event as Crossterm, MouseEventKind};

    use super::{Event, Input};

    pub(super) fn watch(_take: impl Fn(Event) -> bool + Send + 'static) -> anyhow::Result<()> {
        Ok(())
    }

    pub(super) fn read(take: &impl Fn(Event) -> bool) {
        while let Ok(event) = crossterm::event::read() {
            let event = match event {
                Crossterm::Key(key) if key.is_release() => continue,
                Crossterm::Key(key) => Event::Input(Input::Key(key)),
                Crossterm::Paste(text) => Event::Input(Input::Paste(text)),
                Crossterm::Resize(..) => Event::Resized,
                Crossterm::Mouse(mouse) => {
                    let up = match mouse.kind {
                        MouseEventKind::ScrollUp => true,
                        MouseEventKind::ScrollDown => false,
                        _ => continue,
                    };
                    Event::Input(Input::Wheel { up, column: mouse.column })
                }
                _ => continue,
            };
            if !take(event) {
                return;
            }
        }
        take(Event::Gone);
    }
}
