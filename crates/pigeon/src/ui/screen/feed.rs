//! The screen's input from other threads: updates from the loop, events from the terminal.
//!
//! The loop never blocks here. At the limit, an update replaces the oldest queued one that may be
//! lost: a line, which would leave the scroll-back first and is counted, or a stranger's presence.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::update::Update;
use crate::ui::keyboard::Event;

/// Maximum number of bytes of queued updates.
const MAX_BYTES: usize = 32 << 20;

/// Maximum number of queued events; at the limit the thread that reads the terminal blocks.
const MAX_EVENTS: usize = 1_024;

/// A queue from other threads to the drawing thread.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    updates: VecDeque<Update>,
    bytes: usize,
    dropped: u64,
    events: VecDeque<Event>,
    closed: bool,
    /// Whether an update should wake the reader. Not while it delays a frame: ten thousand wake-ups
    /// per second would cost more than the frames.
    idle: bool,
}

/// All input since the last call.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) updates: VecDeque<Update>,
    pub(crate) events: VecDeque<Event>,
    /// Lines dropped so far.
    pub(crate) dropped: u64,
    /// Whether the screen should close.
    pub(crate) closed: bool,
}

impl Feed {
    /// Queues an update from the loop.
    pub(crate) fn tell(&self, update: Update) {
        let mut state = self.lock();
        state.bytes += update.cost();
        state.updates.push_back(update);
        while state.bytes > MAX_BYTES {
            let spare = state.updates.iter().position(Update::is_spare);
            let Some(dropped) = spare.and_then(|at| state.updates.remove(at)) else { break };
            state.bytes -= dropped.cost();
            state.dropped += u64::from(matches!(dropped, Update::Line(..) | Update::Whisper(..)));
        }
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Queues an event from the terminal. Blocks while the queue is full; returns false when the
    /// screen is closed.
    pub(crate) fn press(&self, event: Event) -> bool {
        let mut state = self.lock();
        while state.events.len() >= MAX_EVENTS && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.events.push_back(event);
        let open = !state.closed;
        drop(state);
        self.changed.notify_all();
        open
    }

    /// Closes the screen.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for an event, the end, or `deadline`; also for updates if `idle`. Takes everything.
    pub(crate) fn wait(&self, deadline: Instant, idle: bool) -> Batch {
        let mut state = self.lock();
        loop {
            let pressed = !state.events.is_empty() || state.closed;
            let left = deadline.saturating_duration_since(Instant::now());
            if pressed || (idle && !state.updates.is_empty()) || left.is_zero() {
                break;
            }
            state.idle = idle;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.idle = false;
        state.bytes = 0;
        let batch = Batch {
            updates: std::mem::take(&mut state.updates),
            events: std::mem::take(&mut state.events),
            dropped: state.dropped,
            closed: state.closed,
        };
        drop(state);
        // Wakes the thread that waits for space in the queue.
        self.changed.notify_all();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queues consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{person, said};
    use super::*;

    #[test]
    fn a_loop_that_tells_too_much_displaces_the_oldest_lines() {
        let feed = Feed::default();
        let text = "x".repeat(MAX_BYTES / 8);
        feed.tell(Update::Enter("lobby".into()));
        (0..10).for_each(|n| feed.tell(Update::Line(None, said(&format!("{n}"), &text))));
        let batch = feed.wait(Instant::now(), true);
        assert_eq!((batch.updates.len() as u64 + batch.dropped, batch.dropped), (11, 3));
        assert!(matches!(batch.updates[0], Update::Enter(_)));
        assert!(matches!(&batch.updates[1], Update::Line(_, line) if &*line.sender == "3"));
    }

    #[test]
    fn strangers_who_come_and_go_cannot_fill_it() {
        let feed = Feed::default();
        for n in 0..MAX_BYTES / 32 {
            feed.tell(Update::Close(person(&format!("{n}"))));
        }
        feed.tell(Update::Look(person("狗哥")));
        let mut batch = feed.wait(Instant::now(), true);
        assert!(batch.updates.iter().map(Update::cost).sum::<usize>() <= MAX_BYTES);
        assert!(matches!(batch.updates.pop_back(), Some(Update::Look(_))));
        assert_eq!(batch.dropped, 0);
    }

    #[test]
    fn a_closed_screen_takes_no_more_keys() {
        let feed = Feed::default();
        assert!(feed.press(Event::Resized));
        feed.close();
        assert!(!feed.press(Event::Resized));
        assert!(feed.wait(Instant::now() + std::time::Duration::from_secs(60), false).closed);
    }
}
