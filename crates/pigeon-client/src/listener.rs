//! Everything that arrives, from anybody, for a time or until it is stopped.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received, Transmit};

/// The most arrivals kept for a driver that does not collect them. A driver drains after each
/// batch, and a batch of 64 joined buffers of tiny datagrams stays below.
const MAX_EVENTS: usize = 65_536;

/// A datagram to show, kept beyond the buffer it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The sender.
    pub from: SocketAddr,
    /// The address it was sent to, ours or a group's or a broadcast one, where the system tells.
    pub destination: Option<IpAddr>,
    /// The bytes that fitted the buffer.
    pub payload: Box<[u8]>,
    /// The true length in bytes.
    pub length: usize,
    /// When the kernel received it, since the Unix epoch.
    pub wall: Option<Duration>,
}

/// What a listener reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A datagram.
    Arrival(Arrival),
    /// The peer of a connected socket does not listen.
    Refused,
    /// The time is over.
    Over,
    /// A [`Sender`](crate::Sender) whose queue was full can take more.
    Room,
}

/// Collects datagrams. It sends nothing.
#[derive(Debug, Default)]
pub struct Listener {
    until: Option<Instant>,
    events: VecDeque<Heard>,
    lost: u64,
}

impl Listener {
    /// A listener that is over at `until`, if ever.
    pub fn new(until: Option<Instant>) -> Self {
        Listener { until, ..Listener::default() }
    }

    /// The same listener, over at `until`.
    pub fn until(self, until: Instant) -> Self {
        Listener { until: Some(until), ..self }
    }

    /// Arrivals dropped because nobody collected them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn report(&mut self, event: Heard) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.lost += 1;
        }
    }
}

impl Machine for Listener {
    type Event = Heard;

    fn handle_datagram(&mut self, _now: Instant, datagram: &Received<'_>) {
        self.report(Heard::Arrival(Arrival {
            from: datagram.from,
            destination: datagram.destination,
            payload: datagram.payload.into(),
            length: datagram.length,
            wall: datagram.wall,
        }));
    }

    fn handle_refused(&mut self, _now: Instant) {
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
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reports_everything_and_then_the_end() {
        let end = Instant::ORIGIN + Duration::from_secs(2);
        let mut listener = Listener::new(Some(end));
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let cut = Received { length: 9, ..Received::new(from, b"abc") };
        listener.handle_datagram(Instant::ORIGIN, &cut);
        listener.handle_refused(Instant::ORIGIN);
        assert_eq!(listener.poll_timeout(), Some(end));
        listener.handle_timeout(end);
        let events: Vec<_> = std::iter::from_fn(|| listener.poll_event()).collect();
        let arrival =
            Arrival { from, destination: None, payload: (*b"abc").into(), length: 9, wall: None };
        assert_eq!(events, [Heard::Arrival(arrival), Heard::Refused, Heard::Over]);
        assert_eq!(listener.poll_timeout(), None);
    }
}
