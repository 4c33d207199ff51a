//! Reads a capture in a thread of its own: a pipe from `tcpdump -w -` may stay silent for hours, and
//! the loop must not wait for it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use pigeon_capture::{Decoder, Packet, ReadError, Reader, Skip};
use pigeon_net::Waker;

use crate::base::thread;

/// The most items read ahead: 32 MiB of the longest datagrams.
const AHEAD: usize = 512;

/// What a packet of the capture turned out to be, or why there are no more.
#[derive(Debug)]
pub(super) enum Item {
    Datagram(Found),
    /// A packet of this link type that is not sent.
    Skipped(Skip, u32),
    /// The capture's end, or what keeps the rest from being read.
    End(Option<ReadError>),
}

/// A datagram in the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) time: Option<Duration>,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
    /// How many packets before, skipped as fragments, are parts of it.
    pub(super) fragments: u64,
}

/// Where items come from.
pub(super) trait Feed {
    /// The next one. `None` if it is not here yet.
    fn next(&mut self) -> Option<Item>;
}

/// Items from the thread that reads.
pub(super) struct ThreadFeed {
    items: Receiver<Item>,
    /// Set while the loop has nothing to do until the next item.
    starved: Arc<AtomicBool>,
}

/// Opens a file, or standard input for `-`, and reads its beginning.
pub(super) fn open(path: &Path) -> Result<Reader<Box<dyn Read + Send>>, ReadError> {
    if path != Path::new("-") {
        return Reader::new(Box::new(File::open(path)?));
    }
    if io::stdin().is_terminal() {
        return Err(ReadError::Io(io::Error::other(
            "it is a terminal; give a file, or pipe into it",
        )));
    }
    Reader::new(Box::new(io::stdin()))
}

/// The other end, before the thread runs.
pub(super) struct Source {
    items: SyncSender<Item>,
    starved: Arc<AtomicBool>,
}

/// A feed and what fills it.
pub(super) fn pair() -> (ThreadFeed, Source) {
    let (sender, items) = sync_channel(AHEAD);
    let starved = Arc::new(AtomicBool::new(false));
    (ThreadFeed { items, starved: Arc::clone(&starved) }, Source { items: sender, starved })
}

impl Source {
    /// Starts the thread. It wakes the loop when an item comes that the loop waits for.
    pub(super) fn start<R: Read + Send + 'static>(
        self,
        reader: Reader<R>,
        waker: Waker,
    ) -> anyhow::Result<()> {
        let give = move |item| {
            let taken = self.items.send(item).is_ok();
            if self.starved.swap(false, Ordering::SeqCst) {
                waker.wake();
            }
            taken
        };
        thread::spawn("capture", move || read_all(reader, give))?;
        Ok(())
    }
}

impl Feed for ThreadFeed {
    fn next(&mut self) -> Option<Item> {
        let first = self.items.try_recv();
        let item = if let Err(TryRecvError::Empty) = first {
            self.starved.store(true, Ordering::SeqCst);
            // It may have come before the thread could see that it is waited for.
            self.items.try_recv()
        } else {
            first
        };
        match item {
            Ok(item) => Some(item),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Item::End(None)),
        }
    }
}

/// Hands on every packet, until nobody takes them any more.
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

/// What a packet turns out to be.
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
