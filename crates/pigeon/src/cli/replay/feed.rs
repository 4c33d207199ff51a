//! Reads a capture in a separate thread: a pipe from `tcpdump -w -` may be silent for hours, and
//! the loop must not block.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pigeon_capture::{Decoder, Packet, ReadError, Reader, Skip};
use pigeon_net::Waker;

use crate::base::thread;
use crate::words::say;

/// Maximum number of items queued and taken at once: 32 MiB of the longest datagrams.
const AHEAD: usize = 256;

/// A decoded packet, or the end of the capture.
#[derive(Debug)]
pub(super) enum Item {
    Datagram(Found),
    /// A packet of this link type that is not sent.
    Skipped(Skip, u32),
    /// The end of the capture, or the error that ends it.
    End(Option<ReadError>),
}

/// A datagram in the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) time: Option<Duration>,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
    /// Number of preceding packets, skipped as fragments, that are part of it.
    pub(super) fragments: u64,
}

/// A source of items.
pub(super) trait Feed {
    /// The next item. `None` if it has not been read yet.
    fn next(&mut self) -> Option<Item>;
}

/// Items from the reading thread. Takes all queued items at once: a full bounded channel would wake
/// its sender for each.
pub(super) struct ThreadFeed {
    queue: Arc<Queue>,
    taken: VecDeque<Item>,
}

/// The state shared by both threads.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Signals that items were taken.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Whether the loop is waiting for the next item.
    is_starved: bool,
    /// Whether the receiver is gone.
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queue intact.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, after waiting for room. `None` if the receiver is gone; otherwise whether the
    /// loop is waiting.
    fn push(&self, item: Item) -> Option<bool> {
        let is_full = |state: &mut State| state.items.len() >= AHEAD && !state.is_closed;
        let state = self.taken.wait_while(self.lock(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return None;
        }
        state.items.push_back(item);
        Some(std::mem::take(&mut state.is_starved))
    }
}

/// Opens a file, or stdin for `-`, and reads its header.
pub(super) fn open(path: &Path) -> Result<Reader<Box<dyn Read + Send>>, ReadError> {
    if path != Path::new("-") {
        return Reader::new(Box::new(File::open(path)?));
    }
    if io::stdin().is_terminal() {
        return Err(ReadError::Io(io::Error::other(say!("errors-stdin-terminal"))));
    }
    Reader::new(Box::new(io::stdin()))
}

/// The sending end, before the thread runs.
pub(super) struct Source(Arc<Queue>);

/// A feed and its sending end.
pub(super) fn pair() -> (ThreadFeed, Source) {
    let queue = Arc::<Queue>::default();
    (ThreadFeed { queue: Arc::clone(&queue), taken: VecDeque::new() }, Source(queue))
}

impl Source {
    /// Starts the thread. It wakes the loop when an item arrives that the loop waits for.
    pub(super) fn start<R: Read + Send + 'static>(
        self,
        reader: Reader<R>,
        waker: Waker,
    ) -> anyhow::Result<()> {
        let give = move |item| {
            let pushed = self.0.push(item);
            if pushed == Some(true) {
                waker.wake();
            }
            pushed.is_some()
        };
        thread::spawn("capture", move || read_all(reader, give))?;
        Ok(())
    }
}

impl Feed for ThreadFeed {
    fn next(&mut self) -> Option<Item> {
        if self.taken.is_empty() {
            let mut state = self.queue.lock();
            std::mem::swap(&mut state.items, &mut self.taken);
            state.is_starved = self.taken.is_empty();
            drop(state);
            self.queue.taken.notify_one();
        }
        self.taken.pop_front()
    }
}

impl Drop for ThreadFeed {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.taken.notify_one();
    }
}

/// Passes on every packet until the receiver is gone.
fn read_all<R: Read>(mut reader: Reader<R>, mut give: impl FnMut(Item) -> bool) {
    let mut decoder = Decoder::new();
    loop {
        let (item, is_last) = match reader.next_packet() {
            Ok(Some(packet)) => (item(&mut decoder, &packet), false),
            Ok(None) => (Item::End(None), true),
            Err(error) => (Item::End(Some(error)), true),
        };
        if !give(item) || is_last {
            return;
        }
    }
}

/// Decodes a packet.
fn item(decoder: &mut Decoder, packet: &Packet) -> Item {
    match decoder.decode(packet) {
        Ok(found) => Item::Datagram(Found {
            time: packet.time,
            from: found.from,
            to: found.to,
            payload: found.payload.to_vec(),
            fragments: found.fragments,
        }),
        Err(skip) => Item::Skipped(skip, packet.link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_no_more_wait_than_allowed() {
        let (mut feed, Source(queue)) = pair();
        assert!(feed.next().is_none());
        let count = 3 * AHEAD as u32;
        let reader = std::thread::spawn(move || {
            (0..count).map(|n| queue.push(Item::Skipped(Skip::NotUdp, n)).unwrap()).collect()
        });
        let mut next = 0;
        while next < count {
            assert!(feed.queue.lock().items.len() <= AHEAD);
            let Some(item) = feed.next() else { continue };
            assert!(matches!(item, Item::Skipped(_, number) if number == next));
            next += 1;
        }
        let woken: Vec<bool> = reader.join().unwrap();
        // The loop was waiting for the first item.
        assert!(woken[0]);
    }

    #[test]
    fn a_reader_ends_when_nobody_takes_what_it_reads() {
        let (feed, Source(queue)) = pair();
        let reader =
            std::thread::spawn(
                move || {
                    while queue.push(Item::Skipped(Skip::NotUdp, 1)).is_some() {}
                },
            );
        drop(feed);
        reader.join().unwrap();
    }
}
