//! The full screen: conversations and members, messages, an input line.
//!
//! ```text
//!   the loop ──Update──▶ Feed ──▶ this thread: Model ──draw──▶ cells ──paint──▶ terminal
//!   terminal ──Event───▶          │
//!                                 └──Action──▶ the loop
//! ```
//!
//! - [`update`]: updates from the loop. [`model`]: the screen's whole state; [`log`]: the lines of
//!   one conversation; [`input`]: the input line.
//! - [`keys`]: handles keys; [`help`]: their descriptions. [`draw`]: draws the model as cells, in
//!   the areas of [`layout`] and [`side`], wrapped by [`wrap`], in [`colors`]; [`people`]: the list
//!   of members. All of these are independent of a terminal.
//! - [`paint`]: cells as bytes. [`bare`]: messages alone, for copying. [`feed`]: input from other
//!   threads. [`wall_clock`]: times of lines.
//!
//! Messages are drawn at most thirty times a second; a key is drawn at once, with all updates until
//! then.

mod bare;
mod colors;
mod draw;
mod feed;
pub(crate) mod help;
pub(crate) mod input;
mod keys;
mod layout;
mod log;
mod model;
mod paint;
mod people;
mod side;
mod update;
mod wall_clock;
pub(crate) mod wrap;

#[cfg(test)]
mod terminal_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::base::status::Status;
use crate::base::terminal::{self, Use};
use crate::base::thread;
use crate::ui::keyboard::{self, Event};
use crate::words::say;
pub(crate) use colors::Look;
use feed::{Batch, Feed};
pub(crate) use keys::Action;
pub(crate) use log::{Kind, Line};
use model::Mode;
pub(crate) use model::{MAX_PLACES, Model};
pub(crate) use update::{Members, PlaceId, Presence, Update};
pub(crate) use wall_clock::WallClock;

/// The least time between two frames without a key.
const FRAME: Duration = Duration::from_millis(33);

/// The least time between two rings of the bell.
const BELL_EVERY: Duration = Duration::from_secs(2);

/// How often the status line is updated.
const REFRESH: Duration = Duration::from_secs(1);

/// A running screen. Dropping it does not close it; only [`Screen::close`], a signal or a panic
/// restores the terminal.
pub(crate) struct Screen {
    feed: Arc<Feed>,
    ended: Receiver<()>,
}

impl Screen {
    /// Takes over the terminal. `act` is called on the screen's own thread with the user's actions,
    /// once a second with [`Action::Refresh`], and with [`Action::Look`] whenever another place is
    /// shown; it returns false when the loop has ended.
    pub(crate) fn open(
        model: Model,
        look: Look,
        act: impl FnMut(Action) -> bool + Send + 'static,
    ) -> anyhow::Result<Screen> {
        let feed = Arc::new(Feed::default());
        terminal::enter(Use::Full).with_context(|| say!("errors-no-terminal"))?;
        let typed = Arc::clone(&feed);
        let started = keyboard::start(move |event| typed.press(event));
        let (sender, ended) = sync_channel(1);
        let mut painter = Painter {
            feed: Arc::clone(&feed),
            looked: model.place().id.clone(),
            clock: WallClock::default(),
            shown: Shown::Unknown,
            title: String::new(),
            rang: None,
            model,
            look,
            act,
        };
        let started = started.and_then(|()| {
            thread::spawn("screen", move || {
                // Dropped when the thread ends.
                let _sender = sender;
                let run = std::panic::AssertUnwindSafe(|| painter.run());
                if std::panic::catch_unwind(run).is_err() {
                    // The error was reported and the terminal restored; the session is no longer
                    // visible.
                    painter.feed.close();
                    (painter.act)(Action::Leave(Status::Panicked));
                }
            })
        });
        if let Err(error) = started {
            terminal::restore();
            return Err(error);
        }
        Ok(Screen { feed, ended })
    }

    /// Sends the screen an update without blocking.
    pub(crate) fn tell(&self, update: Update) {
        self.feed.tell(update);
    }

    /// Restores the terminal. Waits for the last frame, but no later than `deadline`.
    pub(crate) fn close(self, deadline: Instant) {
        self.feed.close();
        // An error also means that the thread has ended.
        let _ = self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        terminal::restore();
    }
}

/// The terminal's current view.
enum Shown {
    Unknown,
    Cells(Buffer),
    /// Messages alone, by [`bare`].
    Bare,
}

/// The drawing thread.
struct Painter<A> {
    feed: Arc<Feed>,
    model: Model,
    look: Look,
    act: A,
    /// The place last reported to the loop.
    looked: PlaceId,
    clock: WallClock,
    shown: Shown,
    /// The window's title.
    title: String,
    /// When the bell last rang.
    rang: Option<Instant>,
}

impl<A: FnMut(Action) -> bool> Painter<A> {
    fn run(&mut self) {
        self.measure();
        let mut refresh = Instant::now();
        let mut drawn = Instant::now();
        let mut waiting = false;
        if self.draw().is_err() {
            return self.leave_lost();
        }
        loop {
            if Instant::now() >= refresh {
                refresh = Instant::now() + REFRESH;
                if !(self.act)(Action::Refresh) {
                    return;
                }
            }
            let frame = drawn + FRAME;
            let deadline = if waiting { frame.min(refresh) } else { refresh };
            let batch = self.feed.wait(deadline, !waiting);
            let closed = batch.closed;
            waiting |= !batch.updates.is_empty();
            let urgent = !batch.events.is_empty();
            if !self.take(batch) || closed {
                return;
            }
            if urgent || (waiting && Instant::now() >= frame) {
                if self.draw().is_err() {
                    return self.leave_lost();
                }
                drawn = Instant::now();
                waiting = false;
            }
        }
    }

    /// Handles all input. Returns false when the loop has ended.
    fn take(&mut self, batch: Batch) -> bool {
        self.model.dropped = batch.dropped;
        self.model.time = self.clock.time();
        for update in batch.updates {
            self.model.apply(update);
        }
        for event in batch.events {
            let action = match event {
                Event::Input(input) => keys::take(&mut self.model, input),
                Event::Resized => Some(Action::Redraw),
                Event::Stop => Some(Action::Suspend),
                Event::Continued => {
                    // The shell has changed modes, and written at the cursor. The keyboard reports
                    // a terminal that is gone.
                    let _ = terminal::enter(Use::Full);
                    Some(Action::Redraw)
                }
                Event::Gone => Some(Action::Leave(Status::HungUp)),
            };
            let goes_on = match action {
                None => true,
                Some(Action::Suspend) => {
                    terminal::suspend(Use::Full);
                    self.measure();
                    true
                }
                Some(Action::Redraw) => {
                    self.measure();
                    true
                }
                // A message belongs to the place that is shown.
                Some(action) => self.tell_look() && (self.act)(action),
            };
            if !goes_on {
                return false;
            }
        }
        self.tell_look()
    }

    /// Reports a change of the shown place. Returns false when the loop has ended.
    fn tell_look(&mut self) -> bool {
        let shown = &self.model.place().id;
        if *shown == self.looked {
            return true;
        }
        self.looked = shown.clone();
        (self.act)(Action::Look(self.looked.clone()))
    }

    /// Reads the terminal's size, and invalidates its content.
    fn measure(&mut self) {
        self.model.size = self.size();
        self.shown = Shown::Unknown;
        self.title.clear();
    }

    fn size(&self) -> (u16, u16) {
        let size = terminal::size().unwrap_or(self.model.size);
        // Larger sizes than any real screen are capped.
        (size.0.min(1_000), size.1.min(500))
    }

    fn draw(&mut self) -> io::Result<()> {
        // The event of a resize may be late.
        if self.size() != self.model.size {
            self.measure();
        }
        let mut bytes = match (&self.model.mode, &self.shown) {
            // A redraw would clear the selection.
            (Mode::Bare, Shown::Bare) => Vec::new(),
            (Mode::Bare, _) => {
                self.shown = Shown::Bare;
                bare::paint(&self.model)
            }
            _ => self.paint(),
        };
        let title = self.model.window_title();
        if title != self.title {
            paint::name_window(&mut bytes, &title);
            self.title = title;
        }
        let rings = std::mem::take(&mut self.model.rings) && self.model.bell;
        if rings && self.rang.is_none_or(|rang| rang.elapsed() >= BELL_EVERY) {
            bytes.push(b'\x07');
            self.rang = Some(Instant::now());
        }
        terminal::write(&bytes)
    }

    /// The bytes that show the model as cells.
    fn paint(&mut self) -> Vec<u8> {
        let (width, height) = self.model.size;
        let mut cells = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = draw::draw(&self.model, self.look, &mut cells);
        // Leaves any previous view: it may have been messages alone.
        let mut bytes = Vec::new();
        let before = match &self.shown {
            Shown::Cells(before) => Some(before),
            Shown::Unknown | Shown::Bare => {
                bytes.extend_from_slice(bare::LEAVE);
                None
            }
        };
        paint::paint(&mut bytes, before, &cells, cursor);
        self.shown = Shown::Cells(cells);
        bytes
    }

    /// Ends because the terminal cannot be written to.
    fn leave_lost(&mut self) {
        (self.act)(Action::Leave(Status::HungUp));
    }
}
