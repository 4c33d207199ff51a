//! A machine's queue of outgoing datagrams, and their bytes.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Range;

use crate::{SocketId, Transmit};

/// The bytes of a machine's outgoing datagrams in one contiguous buffer, and a queue of transmits
/// that point into it.
///
/// Any number of transmits can point at the same bytes, so one message reaches a thousand members
/// without a thousand copies.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    queue: VecDeque<Transmit>,
}

/// Maximum capacity in bytes that the buffer keeps between batches.
const KEEP_BYTES: usize = 1 << 20;

impl Outbox {
    /// An empty outbox, without allocating.
    pub fn new() -> Self {
        Self::default()
    }

    /// All bytes, as [`Machine::outbox`](crate::Machine::outbox) returns them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends bytes without a destination, and returns their range. `write` may only append.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }

    /// Removes the bytes from `start` on. No transmit may point into them.
    pub fn truncate(&mut self, start: usize) {
        self.bytes.truncate(start);
    }

    /// Queues one datagram at the first socket; its bytes are already in the buffer.
    pub fn queue(&mut self, to: SocketAddr, from: Option<IpAddr>, range: Range<usize>) {
        self.queue_train(to, from, range, None);
    }

    /// Queues a train at the first socket; its bytes are already in the buffer.
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

    /// Appends a datagram and queues it at the first socket.
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

    /// Clears the bytes of a drained outbox; does nothing while transmits are queued. Call it first
    /// in every `handle_*` and every other method that may send.
    pub fn reset_if_drained(&mut self) {
        if self.queue.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
        }
    }
}
