//! The measurement itself: sends test datagrams when they are due, and receives them.

use std::time::Duration;

use pigeon_datagram::{Instant, Received};

use super::{Client, ClientEvent, Failure, FarEnd, KEEP, Phase, SILENCE};
use crate::plan::Mode;
use crate::wire::{self, Header, Kind};

/// The shortest wait for a datagram's return before the next is sent, without a rate.
const PATIENCE: Duration = Duration::from_millis(200);

impl Client {
    pub(super) fn run(&mut self, now: Instant) {
        let Phase::Running { end, keep, heard } = &mut self.phase else { return };
        let (end, is_server) = (*end, self.with == FarEnd::Server);
        if is_server && now - *heard >= SILENCE {
            return self.fail(Failure::Silent);
        }
        if *keep <= now {
            *keep = now + KEEP;
            if is_server {
                let session = self.session;
                self.send(|bytes| wire::write_bare(bytes, Kind::Keep, session));
            }
        }
        let [before, _] = self.sent();
        if self.is_one_by_one() {
            self.send_one(now, end);
        } else if let Some(stream) = &mut self.stream {
            stream.send_due(now, self.to, None, &mut self.outbox);
        }
        if self.mode() == Mode::Ping && self.sent()[0] > before {
            self.last_ping = Some(now);
        }
        if now >= end {
            let tail = self.plan.tail.max(3 * self.round_trip);
            self.stop(now, tail);
        }
    }

    /// Sends the next datagram if the previous one has returned or timed out.
    pub(super) fn send_one(&mut self, now: Instant, end: Instant) {
        let waits = self.out.is_some_and(|(_, until)| now < until);
        if let Some(stream) = self.stream.as_mut().filter(|_| !waits && now < end) {
            let [number, _] = stream.sent();
            self.out = Some((number, now + PATIENCE.max(4 * self.round_trip)));
            stream.send_one(now, self.to, &mut self.outbox);
        }
    }

    /// Handles a test datagram.
    pub(super) fn receive(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        let wanted = match (self.mode(), self.with) {
            (Mode::Up, _) => return,
            (Mode::Down | Mode::Both, _) => Kind::Data,
            (Mode::Ping, FarEnd::Server) => Kind::Pong,
            (Mode::Ping, FarEnd::Echo) => Kind::Ping,
        };
        let [next, _] = self.sent();
        if header.kind != wanted || (wanted != Kind::Data && header.number >= next) {
            return;
        }
        let transit = now.as_nanos().wrapping_sub(header.time).cast_signed();
        let (length, drops) = (datagram.length, datagram.kernel_drops);
        let is_first = self.arrivals.receive(header.number, length, transit, drops);
        if is_first && wanted != Kind::Data {
            let sent = if wanted == Kind::Pong { header.origin } else { header.time };
            let trip = now - Instant::from_nanos(sent);
            let due = self.stream.as_ref().map(|stream| stream.schedule().due(header.number));
            let since_due = match due.filter(|_| !self.is_one_by_one()) {
                Some(due) => now - due,
                None => trip,
            };
            self.events.push_back(ClientEvent::Back { trip, since_due });
        }
        if header.number.wrapping_add(1) == next {
            self.last_ping = None;
        }
        if self.out.is_some_and(|(number, _)| number == header.number) {
            // The next is sent by the timeout that is due now, so its timestamp is the time of
            // sending and not of this arrival.
            self.out = None;
        }
    }
}
