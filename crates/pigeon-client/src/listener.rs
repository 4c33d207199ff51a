//! Receives everything from any sender, until a time limit or a stop.

use std::collections::VecDeque;

use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};

use crate::arrivals::Arrivals;

/// Maximum number of events kept until the driver collects them.
const MAX_EVENTS: usize = 65_536;

/// Maximum memory of uncollected datagrams, in bytes. A driver drains after each batch, and a batch
/// has at most 64 joined buffers: four MiB, and more only with tiny datagrams.
const MAX_MEMORY: usize = 64 << 20;

/// An event of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Datagrams in order of arrival.
    Arrivals(Arrivals),
    /// The peer's port is closed.
    Refused,
    /// A sent datagram failed on its way. The driver's counters have the reason.
    Undelivered {
        /// Whether the error may be temporary.
        passing: bool,
    },
    /// A datagram of a [`Sender`](crate::Sender) was not sent; its number.
    Unsent(u64),
    /// The time has expired.
    Over,
    /// The queue of a [`Sender`](crate::Sender) has space again.
    Room,
}

/// Collects datagrams. It sends nothing.
#[derive(Debug, Default)]
pub struct Listener {
    until: Option<Instant>,
    /// Arrivals since the last event.
    arrivals: Arrivals,
    /// The memory of all uncollected datagrams.
    memory: usize,
    events: VecDeque<Heard>,
    lost: u64,
}

impl Listener {
    /// A listener that ends at `until`, if given.
    pub fn new(until: Option<Instant>) -> Self {
        Listener { until, ..Listener::default() }
    }

    /// Sets the time limit.
    pub fn until(self, until: Instant) -> Self {
        Listener { until: Some(until), ..self }
    }

    /// Datagrams and events dropped because the driver did not collect them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn report(&mut self, event: Heard) {
        let before = self.take_arrivals();
        self.events.extend(before);
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.lost += 1;
        }
    }

    fn take_arrivals(&mut self) -> Option<Heard> {
        if self.arrivals.is_empty() {
            return None;
        }
        let next = Arrivals::like(&self.arrivals);
        Some(Heard::Arrivals(std::mem::replace(&mut self.arrivals, next)))
    }
}

impl Machine for Listener {
    type Event = Heard;

    fn handle_datagram(&mut self, _now: Instant, datagram: &Received<'_>) {
        if self.memory >= MAX_MEMORY {
            self.lost += 1;
            return;
        }
        let before = self.arrivals.memory();
        self.arrivals.push(datagram);
        self.memory += self.arrivals.memory() - before;
    }

    fn handle_refused(&mut self, _now: Instant, _: SocketId) {
        self.report(Heard::Refused);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.report(Heard::Over);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    fn outbox(&self) -> &[u8] {
        &[]
    }

    fn poll_event(&mut self) -> Option<Heard> {
        let event = self.events.pop_front().or_else(|| self.take_arrivals());
        if let Some(Heard::Arrivals(arrivals)) = &event {
            self.memory = self.memory.saturating_sub(arrivals.memory());
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_reports_everything_and_then_the_end() {
        let end = Instant::ORIGIN + Duration::from_secs(2);
        let mut listener = Listener::new(Some(end));
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let cut = Received { length: 9, ..Received::new(from, b"abc") };
        let whole = Received::new(from, b"");
        listener.handle_datagram(Instant::ORIGIN, &cut);
        listener.handle_datagram(Instant::ORIGIN, &whole);
        listener.handle_refused(Instant::ORIGIN, SocketId::FIRST);
        listener.handle_datagram(Instant::ORIGIN, &whole);
        assert_eq!(listener.poll_timeout(), Some(end));
        listener.handle_timeout(end);
        let events: Vec<_> = std::iter::from_fn(|| listener.poll_event()).collect();
        let arrivals = |datagrams: &[&Received<'_>]| {
            let mut arrivals = Arrivals::default();
            datagrams.iter().for_each(|datagram| arrivals.push(datagram));
            Heard::Arrivals(arrivals)
        };
        let expected =
            [arrivals(&[&cut, &whole]), Heard::Refused, arrivals(&[&whole]), Heard::Over];
        assert_eq!(events, expected);
        assert_eq!(listener.poll_timeout(), None);
    }

    #[test]
    fn what_nobody_collects_is_bounded_and_counted() {
        let mut listener = Listener::default();
        let large = [0; 60_000];
        for _ in 0..2_000 {
            let datagram = Received::new(([127, 0, 0, 1], 9).into(), &large);
            listener.handle_datagram(Instant::ORIGIN, &datagram);
        }
        let Some(Heard::Arrivals(arrivals)) = listener.poll_event() else { panic!() };
        assert!(arrivals.memory() < MAX_MEMORY + 61_000);
        assert_eq!(arrivals.len() as u64 + listener.lost(), 2_000);
    }
}
