//! A relay that simulates a bad network: many clients on one side, one target on the other, and a
//! [`Path`] in each direction.
//!
//! ```text
//!   clients ──▶ [listen] ──────── up ────────▶ [a socket a client] ──▶ target
//!           ◀──          ◀─────── down ──────                     ◀──
//! ```
//!
//! Each client gets its own socket to the target, so the target sees every client as a separate
//! peer, and its answers can be assigned. A target may answer from another port of its host, as a
//! TFTP server does (RFC 1350, section 4): the client gets the answer, and its later datagrams go
//! to that port until the port refuses. Datagrams of other hosts are dropped. All clients share the
//! two paths, like hosts behind one line: the rate is for all together, and the same traffic at the
//! same seed has the same fate.
//!
//! [`Relay`] is a [`Machine`] with many sockets: clients send to [`LISTEN`], and [`Event::Open`]
//! and [`Event::Close`] request the others. Answer each `Open` with [`Relay::opened`] or
//! [`Relay::cannot_open`]: until then that client's datagrams wait, and those queued behind them.

mod clients;
mod outgoing;
mod report;
mod senders;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use rand_core::SeedableRng;
use rand_pcg::Pcg64;

use crate::path::{Conditions, ConditionsError, Path, Timeline};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};

use clients::{ClientId, Clients, Socket};
use outgoing::Outgoing;
use senders::{NotClient, Senders};

pub use report::{Event, Statistics};

/// Bytes taken from the paths in one call; the rest follows in the next call. Bounds the outbox.
const MOST_AT_ONCE: usize = 4 << 20;

/// The number of spare buffers kept for reuse, and the largest size of each.
const SPARE_BUFFERS: usize = 4_096;
const SPARE_BYTES: usize = 2_048;

/// Maximum number of queued events, besides those about sockets. Further ones are only counted.
const MOST_EVENTS: usize = 1_024;

/// A relay's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The destination of all clients.
    pub target: SocketAddr,
    /// The address of the socket that clients send to; the unspecified address means every address
    /// of this host.
    pub listen: SocketAddr,
    /// This host's addresses besides loopback. A target on this host may answer from any of them.
    pub local: Vec<IpAddr>,
    /// Maximum number of clients at once, up to 65,535. Further clients are turned away until
    /// another is idle.
    pub max_clients: NonZeroUsize,
    /// How long a client may be silent, in both directions, before its socket is closed.
    pub idle: Duration,
    /// Conditions from the clients to the target.
    pub up: Conditions,
    /// Conditions from the target to the clients.
    pub down: Conditions,
    /// The seed of both paths.
    pub seed: u64,
}

/// The socket that clients send to. The sockets of client slots 0, 1 and so on follow; slots are
/// reused and never exceed [`Config::max_clients`].
pub const LISTEN: SocketId = SocketId::FIRST;

/// The socket to the target of a slot's client.
fn socket_of(slot: usize) -> SocketId {
    // `Relay::new` limits the slots to the available socket numbers.
    SocketId::new(u16::try_from(slot + 1).unwrap_or(u16::MAX))
}

/// The slot of a client's socket; `None` for [`LISTEN`].
fn slot_of(socket: SocketId) -> Option<usize> {
    socket.index().checked_sub(1)
}

/// The direction of datagrams sent from this socket.
fn way_from(socket: SocketId) -> Way {
    if socket == LISTEN { Way::Down } else { Way::Up }
}

/// Converts an IPv4-mapped address to IPv4, the form of a received datagram's sender.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        // Keeps the scope.
        IpAddr::V6(_) => address,
        v4 => SocketAddr::new(v4, address.port()),
    }
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the clients to the target.
    Up,
    /// From the target to the clients.
    Down,
}

/// A change at one time of a timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The new conditions upwards.
    pub up: Conditions,
    /// The new conditions downwards.
    pub down: Conditions,
    /// Whether the clients' source addresses towards the target change.
    pub handover: bool,
    /// A note for the operator.
    pub note: String,
}

/// The relay as a state machine.
pub struct Relay {
    target: SocketAddr,
    senders: Senders,
    max_clients: usize,
    idle: Duration,
    clients: Clients,
    paths: [Path<Parcel>; 2],
    bytes: [u64; 2],
    timeline: Option<Timeline<Step>>,
    outgoing: Outgoing,
    events: VecDeque<Event>,
    spare: Vec<Vec<u8>>,
    counts: Statistics,
    reported: Reported,
    /// When the first and the last unanswered datagrams were sent to the target.
    unanswered: Option<[Instant; 2]>,
}

/// Which conditions have already been reported: each is reported once.
#[derive(Default)]
struct Reported {
    full: bool,
    looped: bool,
    from_target: bool,
    refused: bool,
    too_large: [bool; 2],
}

/// A datagram in flight.
#[derive(Clone)]
struct Parcel {
    client: ClientId,
    payload: Vec<u8>,
}

impl AsRef<[u8]> for Parcel {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl AsMut<[u8]> for Parcel {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.payload
    }
}

impl Relay {
    /// A relay without clients.
    pub fn new(config: Config) -> Result<Relay, ConditionsError> {
        let mut rng = Pcg64::seed_from_u64(config.seed);
        let paths = [Path::new(config.up, &mut rng)?, Path::new(config.down, &mut rng)?];
        Ok(Relay {
            target: unmapped(config.target),
            senders: Senders::new(config.target, config.listen, config.local),
            max_clients: config.max_clients.get().min(usize::from(u16::MAX)),
            idle: config.idle,
            clients: Clients::default(),
            paths,
            bytes: [0; 2],
            timeline: None,
            outgoing: Outgoing::default(),
            events: VecDeque::new(),
            spare: Vec::new(),
            counts: Statistics::default(),
            reported: Reported::default(),
            unanswered: None,
        })
    }

    /// Adds a timeline. Steps with invalid conditions ([`Conditions::check`]) are skipped.
    pub fn with_timeline(mut self, timeline: Timeline<Step>) -> Relay {
        self.timeline = Some(timeline);
        self
    }

    /// The destination of all clients.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// When the first and the last unanswered datagrams were sent to the target; `None` if it has
    /// answered since.
    pub fn unanswered(&self) -> Option<[Instant; 2]> {
        self.unanswered
    }

    /// Whether the target has refused a datagram and has not answered since.
    pub fn is_refused(&self) -> bool {
        self.reported.refused
    }

    /// The conditions in force in one direction.
    pub fn conditions(&self, way: Way) -> &Conditions {
        self.paths[way as usize].conditions()
    }

    /// The client of this socket to the target.
    pub fn client(&self, socket: SocketId) -> Option<SocketAddr> {
        self.clients.address(slot_of(socket)?)
    }

    /// The clients, and when each last sent or received a datagram.
    pub fn clients(&self) -> impl Iterator<Item = (SocketAddr, Instant)> {
        self.clients.iter()
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        let [up, down] = &self.paths;
        Statistics {
            clients: self.clients.len(),
            bytes: self.bytes,
            up: *up.statistics(),
            down: *down.statistics(),
            in_flight: [up.in_flight(), down.in_flight()],
            ..self.counts
        }
    }

    // Commands.

    /// Changes the conditions of one direction; invalid conditions change nothing.
    pub fn set_conditions(
        &mut self,
        now: Instant,
        way: Way,
        conditions: Conditions,
    ) -> Result<(), ConditionsError> {
        self.paths[way as usize].set_conditions(now, conditions)?;
        self.reported.too_large[way as usize] = false;
        Ok(())
    }

    /// Changes the clients' source addresses towards the target, as when a phone leaves the Wi-Fi:
    /// answers to the old ones are lost.
    pub fn handover(&mut self) {
        self.counts.handovers += 1;
        self.open_all();
    }

    fn open_all(&mut self) {
        self.clients.close_all();
        self.events.extend(self.clients.slots().map(socket_of).map(Event::Open));
    }

    /// Changes the target's address, for example after a new DNS lookup.
    pub fn set_target(&mut self, target: SocketAddr) {
        self.target = unmapped(target);
        self.senders.set_target(self.target);
        self.reported.refused = false;
        self.unanswered = None;
        self.clients.set_all_peers(self.target);
        self.open_all();
    }

    /// Reports that a client's socket is open and bound to `local`. A datagram from there to the
    /// listening socket would be a loop.
    pub fn opened(&mut self, socket: SocketId, local: SocketAddr) {
        if let Some(slot) = slot_of(socket) {
            self.clients.opened(slot, local);
        }
    }

    /// Reports that a client's socket could not be opened, or has failed. Its waiting datagrams are
    /// dropped; its client's next datagram requests it again. The client stays in the table:
    /// otherwise it would count as a new one each time.
    pub fn cannot_open(&mut self, socket: SocketId) {
        if let Some(slot) = slot_of(socket) {
            self.clients.failed(slot, self.target);
        }
        self.counts.no_socket += 1;
    }

    /// The sender of a datagram to the listening socket; adds a new client if necessary.
    fn client_of(&mut self, now: Instant, datagram: &Received<'_>, count: u64) -> Option<ClientId> {
        let from = datagram.from;
        if let Some(client) = self.clients.find(from) {
            return Some(client);
        }
        let own = self.clients.is_own(from).then_some(NotClient::Relay);
        if let Some(reason) = own.or_else(|| self.senders.check(from)) {
            self.turn_away(from, reason, count);
            return None;
        }
        if self.clients.len() >= self.max_clients {
            self.counts.turned_away += count;
            if !std::mem::replace(&mut self.reported.full, true) {
                self.tell(Event::Full(from));
            }
            return None;
        }
        let client = self.clients.add(now, from, datagram.local, self.target);
        self.counts.joined += 1;
        self.events.push_back(Event::Open(socket_of(client.slot())));
        self.tell(Event::Joined(from));
        Some(client)
    }

    /// Whether a datagram to a client's socket is an answer of the target. Another port of the
    /// target's host counts too, and the client's datagrams go to that port from now on: it
    /// deserves as much trust as the target.
    fn is_answer(&mut self, client: ClientId, from: SocketAddr, count: u64) -> bool {
        let Some(peer) = self.clients.peer(client) else { return false };
        if from.port() == peer.port() && from.ip() == peer.ip() {
            return true;
        }
        if from.ip() != self.target.ip() {
            self.counts.strangers += count;
            return false;
        }
        // The target is on this host, and its answer to a client that has left arrived here.
        if self.clients.is_own(from) || self.senders.check(from) == Some(NotClient::Relay) {
            self.turn_away(from, NotClient::Relay, count);
            return false;
        }
        let is_first = self.clients.set_peer(client, from);
        self.counts.followed += u64::from(from.port() != self.target.port());
        if is_first && let Some((client, ..)) = self.clients.addresses(client) {
            self.tell(Event::Followed { client, from });
        }
        true
    }

    fn report_refused(&mut self) {
        if !std::mem::replace(&mut self.reported.refused, true) {
            self.tell(Event::Refused);
        }
    }

    /// Ends following a port that refused: its work is done, like a TFTP server's after a transfer.
    /// The client's last datagram was meant for the target (a request for the next transfer, for
    /// example), so it is sent there.
    fn end_following(&mut self, slot: usize, refused: SocketAddr) {
        let Some(client) = self.clients.id(slot) else { return };
        if self.clients.peer(client).is_none_or(|peer| peer.port() != refused.port()) {
            return;
        }
        self.clients.set_peer(client, self.target);
        let last = self.clients.take_last(client);
        self.outgoing.push(socket_of(slot), self.target, None, &last, last.len().max(1));
    }

    /// Counts datagrams from a sender that is not a client, and reports the first.
    fn turn_away(&mut self, from: SocketAddr, reason: NotClient, count: u64) {
        let (counter, told, event) = match reason {
            NotClient::Nobody => return self.counts.turned_away += count,
            NotClient::Target => (
                &mut self.counts.from_target,
                &mut self.reported.from_target,
                Event::FromTarget(from),
            ),
            NotClient::Relay => {
                (&mut self.counts.looped, &mut self.reported.looped, Event::Loop(from))
            }
        };
        *counter += count;
        if !std::mem::replace(told, true) {
            self.tell(event);
        }
    }

    /// Sends a payload into a path.
    fn carry(&mut self, now: Instant, way: Way, client: ClientId, payload: &[u8]) {
        let path = &self.paths[way as usize];
        if let Some(mtu) = path.conditions().mtu.filter(|&mtu| payload.len() > mtu)
            && !std::mem::replace(&mut self.reported.too_large[way as usize], true)
        {
            let length = payload.len();
            self.tell(Event::TooLarge { way, length, mtu });
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(payload);
        self.paths[way as usize].send(now, Parcel { client, payload: buffer });
        self.deliver(now, way);
    }

    /// Delivers all due datagrams of a path.
    fn deliver(&mut self, now: Instant, way: Way) {
        while self.outgoing.bytes().len() < MOST_AT_ONCE {
            let Some(mut parcel) = self.paths[way as usize].poll(now) else { return };
            self.hand_on(way, parcel.client, &parcel.payload, parcel.payload.len().max(1));
            if self.spare.len() < SPARE_BUFFERS && parcel.payload.capacity() <= SPARE_BYTES {
                parcel.payload.clear();
                self.spare.push(parcel.payload);
            }
        }
    }

    /// Forwards a delivered payload: one datagram, or several of `segment` bytes.
    fn hand_on(&mut self, way: Way, client: ClientId, payload: &[u8], segment: usize) {
        let Some((address, local, peer)) = self.clients.addresses(client) else {
            return self.counts.gone += 1;
        };
        if way == Way::Up && peer != self.target && payload.len() <= SPARE_BYTES {
            self.clients.keep_last(client, payload);
        }
        let (socket, to, from) = match way {
            Way::Up => (socket_of(client.slot()), peer, None),
            Way::Down => (LISTEN, address, local),
        };
        if way == Way::Up && self.clients.retry(client) {
            self.events.push_back(Event::Open(socket));
        }
        self.counts.out[way as usize] += payload.len().div_ceil(segment).max(1) as u64;
        self.outgoing.push(socket, to, from, payload, segment);
    }

    fn count_unsent(&mut self, way: Way, datagrams: u64) {
        self.counts.unsent[way as usize] += datagrams;
        // `end_following` may send a datagram a second time, which was already counted.
        let out = &mut self.counts.out[way as usize];
        *out = out.saturating_sub(datagrams);
    }

    /// Queues an event for the operator, or drops it if too many are waiting.
    fn tell(&mut self, event: Event) {
        if self.events.len() < MOST_EVENTS {
            self.events.push_back(event);
        }
    }
}

impl Machine for Relay {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.handle_joined(now, datagram, datagram.payload.len());
    }

    /// Where the path changes nothing, joined datagrams are forwarded joined.
    fn handle_joined(&mut self, now: Instant, joined: &Received<'_>, segment: usize) {
        self.outgoing.reset_if_drained();
        let segment = segment.max(1);
        let count = joined.payload.len().div_ceil(segment).max(1) as u64;
        let (way, client) = match slot_of(joined.socket) {
            None => match self.client_of(now, joined, count) {
                Some(client) => {
                    self.unanswered.get_or_insert([now; 2])[1] = now;
                    (Way::Up, client)
                }
                None => return,
            },
            Some(slot) => match self.clients.id(slot) {
                Some(client) if !self.is_answer(client, joined.from, count) => return,
                Some(client) => {
                    self.reported.refused = false;
                    self.unanswered = None;
                    (Way::Down, client)
                }
                // The datagram arrived while its socket was being closed.
                None => return self.counts.gone += count,
            },
        };
        self.clients.heard(client, now);
        self.bytes[way as usize] += joined.payload.len() as u64;
        let path = &mut self.paths[way as usize];
        if path.is_transparent() {
            path.pass(count);
            return self.hand_on(way, client, joined.payload, segment);
        }
        if joined.payload.is_empty() {
            return self.carry(now, way, client, joined.payload);
        }
        for payload in joined.payload.chunks(segment) {
            self.carry(now, way, client, payload);
        }
    }

    /// From a connected socket: only the target can have refused.
    fn handle_refused(&mut self, _: Instant, _: SocketId) {
        self.counts.refused += 1;
        self.report_refused();
    }

    fn handle_refused_by(&mut self, _: Instant, socket: SocketId, peer: SocketAddr) {
        let Some(slot) = slot_of(socket) else { return };
        self.outgoing.reset_if_drained();
        self.counts.refused += 1;
        match peer.port() == self.target.port() {
            true => self.report_refused(),
            false => self.end_following(slot, peer),
        }
    }

    fn handle_undelivered(&mut self, _: Instant, id: SocketId, _: Option<SocketAddr>, _: bool) {
        self.counts.undelivered[way_from(id) as usize] += 1;
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, datagrams: u64) {
        self.count_unsent(way_from(transmit.socket), datagrams);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outgoing.reset_if_drained();
        while let Some(step) = self.timeline.as_mut().and_then(|timeline| timeline.poll(now)) {
            let Step { up, down, handover, note } = step.clone();
            // `with_timeline` has checked these.
            let _ = self.set_conditions(now, Way::Up, up);
            let _ = self.set_conditions(now, Way::Down, down);
            if handover {
                self.handover();
            }
            self.tell(Event::Step(note));
        }
        while let Some((slot, address)) = self.clients.expire(now, self.idle) {
            self.counts.idle += 1;
            self.reported.full = false;
            self.events.push_back(Event::Close(socket_of(slot)));
            self.tell(Event::Idle(address));
        }
        // After idle clients are removed, so that none of them gets a datagram.
        for way in [Way::Up, Way::Down] {
            self.deliver(now, way);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        while let Some(slot) = slot_of(self.outgoing.next_socket()?) {
            match self.clients.socket(slot) {
                Some(Socket::Open(_)) => break,
                // Continues once the socket is open.
                Some(Socket::Awaited) => return None,
                Some(Socket::Failed) | None => {
                    let unsent = self.outgoing.poll().map_or(0, |transmit| transmit.count());
                    self.count_unsent(Way::Up, unsent as u64);
                }
            }
        }
        self.outgoing.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outgoing.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let [up, down] = &self.paths;
        let timeline = self.timeline.as_ref().and_then(Timeline::poll_timeout);
        let idle = self.clients.next_expiry(self.idle);
        [up.poll_timeout(), down.poll_timeout(), timeline, idle].into_iter().flatten().min()
    }
}
