//! Sending one outbox over one connection: the next number, the window, and the order.

use std::collections::VecDeque;

use pigeon_datagram::Instant;
use pigeon_proto::frame::Say;

use super::store::{Mine, Outbox};

/// The messages of one outbox being sent over one connection.
pub(super) struct Sending {
    pub(super) outbox: u64,
    /// The number that the hub expects. `None` until it has reported it.
    expected: Option<u64>,
    /// The next number to send; later numbers may not exist yet.
    next: u64,
    /// Numbers being sent, with their size.
    in_flight: VecDeque<(u64, usize)>,
    bytes: usize,
    /// Nothing is sent until then, because the hub refused a message temporarily.
    held: Option<Instant>,
}

impl Sending {
    pub(super) fn new(outbox: u64) -> Sending {
        Sending {
            outbox,
            expected: None,
            next: 0,
            in_flight: VecDeque::new(),
            bytes: 0,
            held: None,
        }
    }

    /// The hub expects this number. Earlier messages that still wait are sent again, too.
    pub(super) fn expect(&mut self, number: u64) {
        self.expected = Some(number);
        self.rewind(0);
    }

    /// Whether the hub has reported the expected number of this outbox. Earlier reports are about
    /// another one.
    pub(super) fn is_known(&self) -> bool {
        self.expected.is_some()
    }

    /// Restarts at a number, or at a smaller one where it restarts already.
    fn rewind(&mut self, number: u64) {
        self.next = self.next.min(number);
        self.land(|sent| sent >= number);
    }

    /// This number was refused for good: restarts at the next one, unless the hub is past it. Then
    /// the hub goes on with the messages in flight, and if it refused one of them, it would store a
    /// second copy.
    pub(super) fn pass_over(&mut self, number: u64) {
        if self.expected.is_some_and(|expected| number < expected) {
            return self.land(|sent| sent == number);
        }
        self.next = self.next.min(number + 1);
        self.land(|sent| sent >= number);
    }

    /// Another message has this number. Later ones stay in flight.
    pub(super) fn in_use(&mut self, number: u64) {
        self.expected = self.expected.max(Some(number + 1));
        self.land(|sent| sent == number);
    }

    /// Restarts at a number, not before `until`.
    pub(super) fn hold(&mut self, number: u64, until: Instant) {
        self.rewind(number);
        self.held = Some(until);
    }

    /// The hub has everything up to this number.
    pub(super) fn acknowledged(&mut self, number: u64) {
        self.expected = self.expected.max(Some(number + 1));
        while let Some((_, bytes)) = self.in_flight.front().filter(|(sent, _)| *sent <= number) {
            self.bytes -= bytes;
            self.in_flight.pop_front();
        }
    }

    /// Removes numbers from those in flight.
    fn land(&mut self, has_landed: impl Fn(u64) -> bool) {
        self.in_flight.retain(|(sent, _)| !has_landed(*sent));
        self.bytes = self.in_flight.iter().map(|(_, bytes)| bytes).sum();
    }

    /// When a refused message is sent again.
    pub(super) fn held(&self) -> Option<Instant> {
        self.held
    }

    /// The next message to send, if any is due. Includes stored ones that the hub has lost because
    /// it was restored from a backup.
    pub(super) fn next(
        &mut self,
        now: Instant,
        outbox: &Outbox,
        durable: u64,
        most: (usize, usize),
    ) -> Option<Say> {
        let (number, mine) = self.candidate(now, outbox)?;
        let fits = self.in_flight.len() < most.0
            && (self.in_flight.is_empty() || self.bytes + mine.text.len() <= most.1);
        if !fits || mine.write > durable {
            return None;
        }
        let expected = self.expected?;
        let earlier = outbox.messages.range(expected.min(number)..number).next_back();
        let after = earlier.map_or(expected - 1, |(earlier, _)| *earlier).min(number - 1);
        let (room, text) = (mine.room.clone(), mine.text.clone());
        self.in_flight.push_back((number, text.len()));
        self.bytes += text.len();
        self.next = number + 1;
        Some(Say { number, after, room, text })
    }

    /// Whether everything is sent and acknowledged.
    pub(super) fn is_done(&self, outbox: Option<&Outbox>) -> bool {
        let rest = outbox.and_then(|outbox| self.rest(outbox));
        self.expected.is_some() && self.in_flight.is_empty() && rest.is_none()
    }

    fn candidate<'a>(&mut self, now: Instant, outbox: &'a Outbox) -> Option<(u64, &'a Mine)> {
        if self.held.is_some_and(|until| until > now) {
            return None;
        }
        self.held = None;
        self.rest(outbox)
    }

    /// The first unsent message: any that waits, and from the expected number on every message.
    fn rest<'a>(&self, outbox: &'a Outbox) -> Option<(u64, &'a Mine)> {
        let expected = self.expected?;
        let rest = outbox.messages.range(self.next..).map(|(number, mine)| (*number, mine));
        rest.into_iter().find(|(number, mine)| *number >= expected || !mine.is_stored)
    }
}
