//! The log on disk, as the order of messages reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pigeon_cluster::{Found, Held, Outbox};
use pigeon_log::{ReadError, Reader};
use pigeon_proto::{Message, Position};
use tracing::error;

use crate::base::system_error;
use crate::words::say;

/// Delay before a failed read is repeated.
const AGAIN: Duration = Duration::from_millis(250);

/// A reader of the cluster's thread.
pub(super) struct OnDisk {
    pub(super) reader: Reader,
    /// Whether the hub stops.
    pub(super) is_over: Arc<AtomicBool>,
}

impl OnDisk {
    /// Repeats a read until it succeeds. A hub that cannot read its log must not decide anything, so
    /// it stands still, and the other hubs take it for dead. `or` is returned when the hub stops.
    fn read<T>(&self, or: T, read: impl Fn(&Reader) -> Result<T, ReadError>) -> T {
        let mut is_told = false;
        loop {
            match read(&self.reader) {
                Ok(found) => return found,
                Err(_) if self.is_over.load(Ordering::Acquire) => return or,
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        let why = system_error::whole(&error);
                        error!("{}", say!("hub-cluster-unread", why = why));
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }
}

impl Held for OnDisk {
    fn last_number(&self, author: u128, outbox: u64) -> u64 {
        self.read(u64::MAX, |reader| reader.last_number(author, outbox))
    }

    fn find(&self, message: &Message) -> Found {
        let found = self.read(None, |reader| reader.find(message.identity));
        match found {
            Some(found)
                if found.text == message.text && found.room.folded() == message.room.folded() =>
            {
                Found::Same(found.position)
            }
            Some(_) => Found::Different,
            None => Found::Missing,
        }
    }

    fn outboxes(&self, after: Position) -> Vec<Outbox> {
        let ends = self.read(Vec::new(), |reader| reader.outboxes(after));
        let outbox = |end: pigeon_log::OutboxEnd| {
            let pigeon_log::OutboxEnd { author, outbox, last } = end;
            Outbox { author, outbox, last }
        };
        ends.into_iter().map(outbox).collect()
    }

    fn of_outbox(&self, author: u128, outbox: u64, after: u64, limit: usize) -> Vec<Message> {
        self.read(Vec::new(), |reader| reader.of_outbox(author, outbox, after, limit))
    }

    fn number_before(&self, author: u128, outbox: u64, number: u64) -> Option<u64> {
        self.read(None, |reader| reader.number_before(author, outbox, number))
    }
}
