//! The machine of `listen`: it hears everything, and with `--reply` answers what it shows.

use ipnet::IpNet;
use pigeon_client::{Heard, Listener};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_services::{Event, Service};

/// A listener, and the service that answers in its name.
pub(super) struct Answering {
    pub(super) listener: Listener,
    pub(super) service: Option<Service>,
    /// Networks that are answered; none is all.
    from: Vec<IpNet>,
    /// How many datagrams are still wanted; those beyond are not answered.
    left: u64,
    /// How many replies never left this host.
    unsent: u64,
    /// Whether the first of them has been reported.
    is_told: bool,
}

/// What either of the two reports.
pub(super) enum Told {
    Heard(Heard),
    Answered(Event),
    /// The first reply that never left this host.
    Unsent,
}

impl Answering {
    pub(super) fn new(
        listener: Listener,
        service: Option<Service>,
        from: Vec<IpNet>,
        left: u64,
    ) -> Answering {
        Answering { listener, service, from, left, unsent: 0, is_told: false }
    }

    /// How many replies never left this host.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }
}

impl Machine for Answering {
    type Event = Told;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.listener.handle_datagram(now, datagram);
        let shown = is_among(&self.from, datagram) && self.left > 0;
        if let Some(service) = self.service.as_mut().filter(|_| shown) {
            self.left -= 1;
            // Replies leave from the first socket, and from its own address: the others are bound to
            // groups.
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

    fn handle_timeout(&mut self, now: Instant) {
        self.listener.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.service.as_mut().and_then(Service::poll_transmit)
    }

    fn outbox(&self) -> &[u8] {
        self.service.as_ref().map_or(&[], Service::outbox)
    }

    fn poll_event(&mut self) -> Option<Told> {
        if self.unsent > 0 && !std::mem::replace(&mut self.is_told, true) {
            return Some(Told::Unsent);
        }
        let answered = self.service.as_mut().and_then(Service::poll_event).map(Told::Answered);
        answered.or_else(|| self.listener.poll_event().map(Told::Heard))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.listener.poll_timeout()
    }
}

/// Whether a datagram comes from one of these networks; if there are none, from anywhere.
fn is_among(nets: &[IpNet], datagram: &Received<'_>) -> bool {
    nets.is_empty() || nets.iter().any(|net| net.contains(&datagram.from.ip()))
}
