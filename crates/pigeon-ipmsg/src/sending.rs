//! The queue of texts to a contact. Only one is in flight at a time: iptux acknowledges a text with
//! a number not above the last one, but does not show it.

use std::sync::Arc;

use crate::contact::{Contact, MessageId};

/// The longest text, in the recipient's encoding. iptux reads 8,192 bytes of a datagram, and
/// acknowledges even a text that it cut.
pub const MAX_TEXT: usize = 7_800;

/// The longest text joined from several, so that it crosses any network unfragmented.
const MAX_JOINED: usize = 1_000;

/// Maximum number of texts queued for one contact.
const MAX_QUEUED: usize = 1_024;
const MAX_QUEUED_BYTES: usize = 64 * 1_024;

/// Why a text was not queued. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no such contact.
    Unknown,
    /// The text is longer than any program of the family can read.
    TooLong {
        /// The text's length in bytes, in the recipient's encoding.
        length: usize,
    },
}

impl Contact {
    /// Queues a text. Returns the oldest ones, which were dropped for it.
    pub(crate) fn enqueue(&mut self, id: MessageId, text: Arc<str>) -> Vec<MessageId> {
        self.queued_bytes += text.len();
        self.queue.push_back((id, text));
        let mut dropped = Vec::new();
        while (self.queue.len() > MAX_QUEUED || self.queued_bytes > MAX_QUEUED_BYTES)
            && self.queue.len() > 1
            && let Some((id, _)) = self.dequeue()
        {
            dropped.push(id);
        }
        dropped
    }

    fn dequeue(&mut self) -> Option<(MessageId, Arc<str>)> {
        let (id, text) = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(text.len());
        Some((id, text))
    }

    /// The next text to send; with `joins`, all short queued ones, one per line.
    pub(crate) fn next_text(&mut self, joins: bool) -> Option<(Vec<MessageId>, String)> {
        let (id, first) = self.dequeue()?;
        let (mut ids, mut text) = (vec![id], first.to_string());
        while joins
            && self.queue.front().is_some_and(|(_, next)| text.len() + next.len() < MAX_JOINED)
            && let Some((id, next)) = self.dequeue()
        {
            ids.push(id);
            text.push('\n');
            text.push_str(&next);
        }
        Some((ids, text))
    }

    /// Takes all unacknowledged texts, the oldest first.
    pub(crate) fn take_undelivered(&mut self) -> Vec<MessageId> {
        let in_flight = self.in_flight.take().map(|sent| sent.ids).unwrap_or_default();
        self.queued_bytes = 0;
        in_flight.into_iter().chain(self.queue.drain(..).map(|(id, _)| id)).collect()
    }
}
