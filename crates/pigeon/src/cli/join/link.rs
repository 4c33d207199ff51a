//! A session's link to the hub: plain datagrams, or a reliable member with a key.
//!
//! A session starts plainly, unless the hub had a key before. If the hub's answer to a heartbeat
//! names a port for members with a key, the host passes a member to [`Link::upgrade`]; then the
//! plain membership ends, and the session continues over the member.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::{Event, LeftOff, Session};
use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_proto::{Answer, RoomName};
use rand_pcg::Pcg64;

use super::gate::{Delivery, DeliveryState, Gate};
use crate::base::member::{Event as MemberEvent, Member};

/// Time limit for the hub to store own messages when the user leaves.
const LAST_SAYS: Duration = Duration::from_secs(5);

pub(super) enum LinkEvent {
    Session(Event),
    Delivery(Delivery),
    /// The member tries a hub: open this socket, connected to this address, then call
    /// [`Link::opened`].
    Opens(SocketId, SocketAddr),
    /// The member no longer needs this socket.
    Closes(SocketId),
    /// The plain membership has ended; the member's socket replaces its socket now.
    Switch,
}

/// A session and its link to the hub.
pub(super) struct Link {
    session: Session<Pcg64>,
    secure: Option<Box<Secure>>,
    /// A member that takes over once the goodbye to the plain hub is sent.
    next: Option<Box<Secure>>,
    goodbye: Outbox,
    is_goodbye_sent: bool,
    /// Whether the host has yet to see a plain hub's answer, which may offer encryption. Until then
    /// nothing is sent: the session's name and password must not go out in clear text before.
    is_offered: bool,
    /// Whether earlier messages are shown above new ones: on a screen.
    shows_earlier: bool,
    /// Sockets to open and to close.
    sockets: VecDeque<LinkEvent>,
    /// The time of the driver's last call.
    now: Instant,
}

struct Secure {
    member: Member,
    gate: Gate,
    events: VecDeque<Delivery>,
}

impl Link {
    /// A link that uses plain datagrams.
    pub(super) fn plain(session: Session<Pcg64>, shows_earlier: bool) -> Link {
        Link {
            session,
            secure: None,
            next: None,
            goodbye: Outbox::new(),
            is_goodbye_sent: false,
            is_offered: false,
            shows_earlier,
            sockets: VecDeque::new(),
            now: Instant::ORIGIN,
        }
    }

    /// A link that uses a member with a key from the start, without a plain membership before.
    pub(super) fn secure(session: Session<Pcg64>, member: Member, shows_earlier: bool) -> Link {
        let mut link = Link::plain(session, shows_earlier);
        link.secure = Some(Secure::over(member, shows_earlier));
        link.session.set_shared(true);
        link
    }

    /// Switches to a member. [`LinkEvent::Switch`] follows.
    pub(super) fn upgrade(&mut self, member: Member) {
        if self.secure.is_none() && !self.is_goodbye_sent {
            self.goodbye.send(self.session.hub(), None, b"quit");
        }
        self.next = Some(Secure::over(member, self.shows_earlier));
    }

    /// Ends a member, and unlocks its file for the next one, which must follow at once.
    pub(super) fn release(&mut self) {
        self.next = None;
        if let Some(secure) = self.secure.take() {
            self.is_goodbye_sent = true;
            self.sockets.extend(secure.member.sockets().map(LinkEvent::Closes));
            // The next member opens the first one anew.
            let is_open =
                |it: &LinkEvent| matches!(it, LinkEvent::Closes(id) if *id != SocketId::FIRST);
            self.sockets.retain(is_open);
        }
    }

    /// Whether the hub is away, so that its name may have a new address.
    pub(super) fn is_lost(&self) -> bool {
        match &self.secure {
            Some(secure) => !secure.gate.is_connected(),
            None => self.session.is_lost(),
        }
    }

    /// The hub has a new address.
    pub(super) fn move_to(&mut self, now: Instant, hub: SocketAddr, left_off: Option<LeftOff>) {
        self.session.move_to(now, hub, left_off);
        if let Some(secure) = &mut self.secure {
            let port = secure.member.own_hub().port();
            secure.member.move_to(now, SocketAddr::new(hub.ip(), port));
        }
        self.turn(now);
    }

    /// Whether a member is in use, or about to be.
    pub(super) fn is_secure(&self) -> bool {
        self.secure.is_some() || self.next.is_some()
    }

    /// How messages are delivered. `None` over plain datagrams.
    pub(super) fn delivery(&self) -> Option<DeliveryState> {
        self.secure.as_ref().map(|it| it.gate.delivery(it.member.session().waiting()))
    }

    /// How others see a member with a key that has no name, once the hub has admitted it.
    pub(super) fn label(&self) -> Option<String> {
        self.secure.as_ref()?.gate.label()
    }

    /// The room of a member with a key, and the position of its newest message.
    pub(super) fn newest(&self) -> Option<(&RoomName, u64)> {
        self.secure.as_ref().map(|it| it.gate.newest())
    }

    pub(super) fn session(&self) -> &Session<Pcg64> {
        &self.session
    }

    /// Lets the host change the session.
    pub(super) fn with<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Session<Pcg64>) -> T,
    ) -> T {
        let result = act(&mut self.session);
        self.turn(now);
        result
    }

    /// The hub's address for members with a key, while one is in use.
    pub(super) fn secure_peer(&self) -> Option<SocketAddr> {
        self.secure.as_ref().map(|it| it.member.own_hub())
    }

    /// The socket in use and its peer.
    pub(super) fn socket(&self) -> Option<(SocketId, SocketAddr)> {
        match &self.secure {
            Some(secure) => secure.member.socket(),
            None => Some((SocketId::FIRST, self.session.hub())),
        }
    }

    /// This host's address or socket has changed.
    pub(super) fn rebind(&mut self, now: Instant) {
        if let Some(secure) = &mut self.secure {
            secure.member.rebind(now);
        }
    }

    /// The answer to [`LinkEvent::Opens`]: whether the socket is open.
    pub(super) fn opened(&mut self, now: Instant, socket: SocketId, is_open: bool) {
        if let Some(secure) = &mut self.secure {
            secure.member.opened(now, socket, is_open);
        }
        self.turn(now);
    }

    /// Passes events and datagrams between session and member. False if there were none.
    fn turn(&mut self, now: Instant) -> bool {
        self.now = now;
        let Some(secure) = &mut self.secure else { return false };
        let hub = self.session.hub();
        let (mut back, mut is_busy) = (Vec::new(), false);
        loop {
            while let Some(transmit) = self.session.poll_transmit() {
                is_busy = true;
                let payload = self.session.outbox()[transmit.range].to_vec();
                let Secure { member, gate, events, .. } = &mut **secure;
                let until = now + LAST_SAYS;
                events.extend(gate.session_says(now, until, &payload, member, &mut back));
            }
            while let Some(event) = secure.member.poll_event() {
                is_busy = true;
                let socket = match event {
                    MemberEvent::Opens(socket, hub) => Some(LinkEvent::Opens(socket, hub)),
                    MemberEvent::Closes(socket) => Some(LinkEvent::Closes(socket)),
                    _ => None,
                };
                if socket.is_some() {
                    self.sockets.extend(socket);
                    continue;
                }
                let Secure { member, gate, events, .. } = &mut **secure;
                events.extend(gate.member_reports(now, event, member, &mut back));
            }
            if back.is_empty() {
                break;
            }
            for payload in std::mem::take(&mut back) {
                self.session.handle_datagram(now, &Received::new(hub, &payload));
            }
        }
        if let Some(until) = secure.gate.leaves()
            && (secure.member.session().waiting() == 0 || until <= now)
        {
            secure.member.with(now, pigeon_client::reliable::Session::quit);
        }
        is_busy
    }
}

impl Secure {
    fn over(member: Member, shows_earlier: bool) -> Box<Secure> {
        let gate = Gate::new(member.hub().port(), shows_earlier);
        Box::new(Secure { member, gate, events: VecDeque::new() })
    }
}

impl Machine for Link {
    type Event = LinkEvent;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        match &mut self.secure {
            Some(secure) => secure.member.handle_datagram(now, datagram),
            None => {
                self.is_offered |= Answer::parse(datagram.payload).is_some();
                self.session.handle_datagram(now, datagram);
            }
        }
        self.turn(now);
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        match &mut self.secure {
            Some(secure) => secure.member.handle_refused(now, socket),
            None => self.session.handle_refused(now, socket),
        }
        self.turn(now);
    }

    fn handle_undelivered(
        &mut self,
        now: Instant,
        socket: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        if self.secure.is_none() {
            self.session.handle_undelivered(now, socket, peer, passing);
        }
    }

    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        match &mut self.secure {
            Some(secure) => secure.member.handle_unsent(now, transmit, datagrams),
            None => self.session.handle_unsent(now, transmit, datagrams),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
        if let Some(secure) = &mut self.secure
            && secure.member.poll_timeout().is_some_and(|due| due <= now)
        {
            secure.member.handle_timeout(now);
        }
        self.turn(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.next.is_some() {
            let transmit = self.goodbye.poll();
            self.is_goodbye_sent |= transmit.is_none();
            return transmit;
        }
        loop {
            let transmit = match &mut self.secure {
                Some(secure) => secure.member.poll_transmit(),
                None if self.is_offered => None,
                None => self.session.poll_transmit(),
            };
            // A member finds out what it has received while it is polled.
            if transmit.is_some() || !self.turn(self.now) {
                return transmit;
            }
        }
    }

    fn outbox(&self) -> &[u8] {
        match &self.secure {
            _ if self.next.is_some() => self.goodbye.bytes(),
            Some(secure) => secure.member.outbox(),
            None => self.session.outbox(),
        }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        if std::mem::take(&mut self.is_goodbye_sent) {
            self.secure = self.next.take();
            self.session.set_shared(self.secure.is_some());
            return Some(LinkEvent::Switch);
        }
        if let Some(socket) = self.sockets.pop_front() {
            return Some(socket);
        }
        if let Some(delivery) = self.secure.as_mut().and_then(|it| it.events.pop_front()) {
            return Some(LinkEvent::Delivery(delivery));
        }
        // The session ends at once; the member may have to deliver messages first.
        if let Some(secure) = &self.secure
            && secure.gate.leaves().is_some()
            && !secure.member.is_over()
        {
            return None;
        }
        let event = self.session.poll_event();
        if matches!(event, None | Some(Event::Joined(_) | Event::Answered(_))) {
            self.is_offered = false;
        }
        event.map(LinkEvent::Session)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let secure = self.secure.as_ref();
        let member = secure.and_then(|it| it.member.poll_timeout());
        let leaves = secure.filter(|it| !it.member.is_over()).and_then(|it| it.gate.leaves());
        [self.session.poll_timeout(), member, leaves].into_iter().flatten().min()
    }

    fn awaits(&self, now: Instant) -> bool {
        self.session.awaits(now)
    }
}
