//! What a machine is about to send: the bytes, and who gets which of them.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Range;

use crate::{SocketId, Transmit};

/// The bytes of a machine's outgoing datagrams in one contiguous buffer, and a queue of transmits
/// that point into it.
///
/// Bytes appended once can be pointed at by any number of transmits: that is how one message
/// reaches a thousand members without a thousand copies.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    queue: VecDeque<Transmit>,
}

/// The most room the buffer keeps from one batch to the next.
const KEEP_BYTES: usize = 1 << 20;

impl Outbox {
    /// An empty outbox. Nothing is allocated yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All bytes, as [`Machine::outbox`](crate::Machine::outbox) returns them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends bytes for nobody yet; `write` may only append. Returns where they stand.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }

    /// Takes back bytes from `start` on, which no transmit may point into yet.
    pub fn truncate(&mut self, start: usize) {
        self.bytes.truncate(start);
    }

    /// Queues one datagram that is already in the buffer, for the first socket.
    pub fn queue(&mut self, to: SocketAddr, from: Option<IpAddr>, range: Range<usize>) {
        self.queue_train(to, from, range, None);
    }

    /// Queues a train that is already in the buffer, for the first socket.
    pub fn queue_train(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        range: Range<usize>,
        segment: Option<NonZeroU16>,
    ) {
        self.push(Transmit { socket: SocketId::FIRST, to, from, range, segment });
    }

    /// Queues a transmit for any socket; its bytes are already in the buffer.
    pub fn push(&mut self, transmit: Transmit) {
        self.queue.push_back(transmit);
    }

    /// Appends a datagram and queues it, for the first socket.
    pub fn send(&mut self, to: SocketAddr, from: Option<IpAddr>, payload: &[u8]) {
        let range = self.append(|bytes| bytes.extend_from_slice(payload));
        self.queue(to, from, range);
    }

    /// The next transmit.
    pub fn poll(&mut self) -> Option<Transmit> {
        self.queue.pop_front()
    }

    /// How many transmits are queued.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether every queued transmit has been polled.
    pub fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets the bytes of a drained outbox; does nothing while transmits are queued. Call it
    /// first in every `handle_*` and whatever else may send.
    pub fn reset_if_drained(&mut self) {
        if self.queue.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
        }
    }
}
