//! The machine of `listen`: receives everything, and with `--reply` answers what it shows.

use std::net::SocketAddr;

use ipnet::IpNet;
use pigeon_client::{Heard, Listener};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_services::Service;

/// A listener, and the service that sends its replies.
pub(super) struct Answering {
    pub(super) listener: Listener,
    pub(super) service: Option<Service>,
    /// Networks that get replies; empty: all.
    from: Vec<IpNet>,
    /// How many more datagrams to accept; later ones get no reply.
    left: u64,
    /// Replies that were not sent.
    unsent: u64,
    /// Replies that caused a network error.
    undelivered: u64,
    /// Whether the first unsent reply, and the first undelivered one, have been reported.
    told: [bool; 2],
}

/// Events of the listener and of the service, and problems with sending replies.
pub(super) enum Event {
    Heard(Heard),
    Answered(pigeon_services::Event),
    /// The first reply that was not sent.
    Unsent,
    /// The first reply that caused a network error.
    Undelivered,
}

impl Answering {
    pub(super) fn new(
        listener: Listener,
        service: Option<Service>,
        from: Vec<IpNet>,
        left: u64,
    ) -> Answering {
        Answering { listener, service, from, left, unsent: 0, undelivered: 0, told: [false; 2] }
    }

    /// Number of replies that were not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Number of replies that caused a network error, other than a port that is closed by now.
    pub(super) fn undelivered(&self) -> u64 {
        self.undelivered
    }
}

impl Machine for Answering {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.listener.handle_datagram(now, datagram);
        let shown = is_among(&self.from, datagram) && self.left > 0;
        if let Some(service) = self.service.as_mut().filter(|_| shown) {
            self.left -= 1;
            // Replies leave from the first socket and its own address: the other sockets are bound
            // to groups.
            let local = datagram.local.filter(|_| datagram.socket == SocketId::FIRST);
            service.handle_datagram(now, &Received { local, ..*datagram });
        }
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.listener.handle_refused(now, socket);
    }

    fn handle_unsent(&mut self, _now: Instant, _transmit: &Transmit, datagrams: u64) {
        self.unsent += datagrams;
    }

    fn handle_undelivered(
        &mut self,
        _now: Instant,
        _socket: SocketId,
        _to: Option<SocketAddr>,
        _passing: bool,
    ) {
        self.undelivered += 1;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.listener.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.service.as_mut().and_then(Service::poll_transmit)
    }

    fn outbox(&self) -> &[u8] {
        self.service.as_ref().map_or(&[], Service::outbox)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let counted = [(self.unsent, Event::Unsent), (self.undelivered, Event::Undelivered)];
        for ((count, news), told) in counted.into_iter().zip(&mut self.told) {
            if count > 0 && !std::mem::replace(told, true) {
                return Some(news);
            }
        }
        let answered = self.service.as_mut().and_then(Service::poll_event).map(Event::Answered);
        answered.or_else(|| self.listener.poll_event().map(Event::Heard))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.listener.poll_timeout()
    }
}

/// Whether a datagram comes from one of these networks; an empty list allows all.
fn is_among(nets: &[IpNet], datagram: &Received<'_>) -> bool {
    nets.is_empty() || nets.iter().any(|net| net.contains(&datagram.from.ip()))
}
