//! Outgoing test datagrams: numbered, timestamped and sent as trains.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Outbox};

use crate::pace::Schedule;
use crate::wire::{HEADER, Header, Kind};

/// Maximum number of bytes written before the driver checks its sockets again.
const BURST_BYTES: usize = 256 << 10;

/// Maximum number of datagrams written before the driver checks its sockets again.
const BURST: u64 = 1024;

/// Up to this many due datagrams are sent individually. A train counts as one packet in queues,
/// delays and counters before it is split, so only rates that need trains use them.
const ALONE: u64 = 256;

#[derive(Debug)]
pub(crate) struct Stream {
    kind: Kind,
    session: u64,
    size: NonZeroU16,
    schedule: Schedule,
    /// The next number, which equals the count of used ones.
    next: u64,
    /// How many of the sent datagrams could not leave this host.
    unsent: u64,
    stopped: bool,
}

/// Converts a size in bytes, if valid for test datagrams.
pub(crate) fn size(bytes: usize) -> Option<NonZeroU16> {
    let size = u16::try_from(bytes).ok().filter(|_| (HEADER..=MAX_PAYLOAD_V4).contains(&bytes));
    size.and_then(NonZeroU16::new)
}

impl Stream {
    pub(crate) fn new(kind: Kind, session: u64, size: NonZeroU16, schedule: Schedule) -> Self {
        Stream { kind, session, size, schedule, next: 0, unsent: 0, stopped: false }
    }

    /// Writes the due datagrams, up to a burst.
    pub(crate) fn send_due(
        &mut self,
        now: Instant,
        to: SocketAddr,
        from: Option<IpAddr>,
        outbox: &mut Outbox,
    ) {
        if self.stopped {
            return;
        }
        let size = usize::from(self.size.get());
        let burst = BURST.min((BURST_BYTES / size).max(1) as u64);
        let due = self.schedule.count(now).saturating_sub(self.next);
        let mut left = due.min(burst);
        let longest = match due <= ALONE {
            true => 1,
            false => MAX_TRAIN_SEGMENTS.min(MAX_PAYLOAD_V4 / size) as u64,
        };
        while left > 0 {
            let count = left.min(longest);
            self.write_train(now, count, to, from, outbox);
            left -= count;
        }
        // A slow sender stops at the end even if it is behind.
        self.stopped = now >= self.schedule.end;
    }

    /// Writes the next datagram now, due or not.
    pub(crate) fn send_one(&mut self, now: Instant, to: SocketAddr, outbox: &mut Outbox) {
        self.write_train(now, 1, to, None, outbox);
    }

    fn write_train(
        &mut self,
        now: Instant,
        count: u64,
        to: SocketAddr,
        from: Option<IpAddr>,
        outbox: &mut Outbox,
    ) {
        let size = usize::from(self.size.get());
        let range = outbox.append(|bytes| {
            let start = bytes.len();
            bytes.resize(start + size * count as usize, 0);
            for datagram in bytes[start..].chunks_exact_mut(size) {
                let (kind, session, number) = (self.kind, self.session, self.next);
                Header { kind, session, number, time: now.as_nanos(), origin: 0 }.write(datagram);
                self.next += 1;
            }
        });
        outbox.queue_train(to, from, range, (count > 1).then_some(self.size));
    }

    /// When the next datagram is due, if any.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.schedule.due(self.next);
        (!self.stopped).then_some(due.min(self.schedule.end))
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Counts datagrams that the driver could not send.
    pub(crate) fn unsent(&mut self, datagrams: u64) {
        self.unsent = (self.unsent + datagrams).min(self.next);
    }

    /// Numbers used, and how many of those could not leave this host.
    pub(crate) fn sent(&self) -> [u64; 2] {
        [self.next, self.unsent]
    }
}
