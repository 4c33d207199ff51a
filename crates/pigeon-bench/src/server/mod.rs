//! The far end of a measurement: counts what comes, sends what it was asked for, and reports.
//!
//! What keeps it from being turned against others:
//!
//! - Nobody is answered with more than was sent, and nothing is kept, until a client has proved by a
//!   token ([`TokenKey`]) that it receives at its address.
//! - After that only what was asked for is sent, within [`ServerConfig`]'s bounds, and not for longer
//!   than [`SILENCE`] after the client was last heard.
//! - What is itself an answer (`Challenge`, `Pong`, …) is never answered.

mod reports;
mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_guard::TokenKey;

use crate::arrivals::Arrivals;
use crate::figures::Figures;
use crate::pace::{Pace, Schedule};
use crate::stream::{self, Stream};
use crate::wire::{self, Declined, Grant, Header, Kind, Report, Request, Unreadable};

use reports::Reports;
use session::Session;

/// How long a client may be silent before nothing is sent to it any more.
const SILENCE: Duration = Duration::from_secs(3);

/// How long it may be silent before its session is forgotten.
const EXPIRY: Duration = Duration::from_secs(10);

/// How often reports come at most, and at least.
const REPORTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The settings of a [`Server`].
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The key of its tokens: 16 random bytes.
    pub key: [u8; 16],
    /// The most sessions at a time. A flow is a session.
    pub max_sessions: usize,
    /// The most bytes of payload a second that it sends on its own account, to all clients together;
    /// `None` for no bound. Clients on this host are exempt, and so is what is sent back, as that
    /// is never more than came.
    pub max_bytes_per_second: Option<u64>,
    /// The longest measurement.
    pub max_duration: Duration,
}

/// What a [`Server`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client has proved its address and begins.
    Began {
        /// The client's address.
        from: SocketAddr,
    },
    /// A session is over.
    Ended {
        /// The client's address.
        from: SocketAddr,
        /// What came.
        figures: Figures,
        /// How many were sent there.
        sent: u64,
    },
    /// A client that has proved its address was turned away.
    Declined {
        /// Who.
        from: SocketAddr,
        /// Why.
        why: Declined,
    },
}

/// What a [`Server`] has not answered, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Datagrams that do not belong to this protocol, or that only a server sends.
    pub foreign: u64,
    /// Datagrams that were damaged on the way.
    pub damaged: u64,
    /// Datagrams of no session, and tokens that prove nothing.
    pub unproved: u64,
}

/// The server's state machine.
pub struct Server {
    config: ServerConfig,
    token_key: TokenKey,
    sessions: Vec<Session>,
    /// Where the sender of the last datagram was found.
    last: usize,
    /// How many datagrams the kernel has dropped at the socket.
    drops: u64,
    ignored: Ignored,
    outbox: Outbox,
    events: VecDeque<ServerEvent>,
}

impl Server {
    /// A server without sessions.
    pub fn new(config: ServerConfig) -> Self {
        Server {
            token_key: TokenKey::new(config.key),
            config,
            sessions: Vec::new(),
            last: 0,
            drops: 0,
            ignored: Ignored::default(),
            outbox: Outbox::new(),
            events: VecDeque::new(),
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What was not answered.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// The place of the session of this client.
    fn find(&mut self, client: SocketAddr) -> Option<usize> {
        if self.sessions.get(self.last).is_none_or(|session| session.client != client) {
            self.last = self.sessions.iter().position(|session| session.client == client)?;
        }
        Some(self.last)
    }

    fn handle(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        let from = datagram.from;
        match header.kind {
            Kind::Hello => self.challenge(now, datagram, header.session),
            Kind::Start => self.start(now, datagram, header.session),
            Kind::Data | Kind::Ping | Kind::Keep | Kind::Stop | Kind::Bye => {
                match self.find(from).filter(|&at| self.sessions[at].id == header.session) {
                    Some(at) => self.handle_proved(now, at, datagram, header),
                    None => self.ignored.unproved += 1,
                }
            }
            // Answers: somebody else's, or our own thrown back at us.
            Kind::Challenge
            | Kind::Started
            | Kind::Declined
            | Kind::Pong
            | Kind::Report
            | Kind::Stopped => self.ignored.foreign += 1,
        }
    }

    fn challenge(&mut self, now: Instant, datagram: &Received<'_>, session: u64) {
        let token = self.token_key.proof(now, datagram.from, &session.to_be_bytes()).bytes();
        let range = self.outbox.append(|bytes| wire::write_challenge(bytes, session, &token));
        if range.len() > datagram.length {
            // An honest client pads its question.
            self.outbox.truncate(range.start);
            self.ignored.unproved += 1;
            return;
        }
        self.outbox.queue(datagram.from, datagram.local, range);
    }

    fn start(&mut self, now: Instant, datagram: &Received<'_>, id: u64) {
        let from = datagram.from;
        let Some((token, request)) = wire::read_start(datagram.payload) else {
            self.ignored.foreign += 1;
            return;
        };
        let about = id.to_be_bytes();
        if !self.token_key.proofs(now, from, &about).any(|proof| proof.has_bytes(token)) {
            self.ignored.unproved += 1;
            return;
        }
        let at = match self.find(from) {
            // It asks again because the answer was lost.
            Some(at) if self.sessions[at].id == id => at,
            known => {
                // The session that was at this address before is over.
                if let Some(at) = known {
                    self.end(at);
                }
                match self.session(now, datagram, id, request) {
                    Ok(session) => self.sessions.push(session),
                    Err(why) => {
                        let write = |bytes: &mut _| wire::write_declined(bytes, id, why);
                        let range = self.outbox.append(write);
                        self.outbox.queue(from, datagram.local, range);
                        self.events.push_back(ServerEvent::Declined { from, why });
                        return;
                    }
                }
                self.events.push_back(ServerEvent::Began { from });
                self.sessions.len() - 1
            }
        };
        let session = &mut self.sessions[at];
        session.heard = now;
        let range = self.outbox.append(|bytes| wire::write_started(bytes, id, &session.grant));
        self.outbox.queue(from, datagram.local, range);
    }

    /// A new session, with as much of the wish as is granted.
    fn session(
        &self,
        now: Instant,
        datagram: &Received<'_>,
        id: u64,
        request: Request,
    ) -> Result<Session, Declined> {
        if self.sessions.len() >= self.config.max_sessions {
            return Err(Declined::Full);
        }
        let duration = request.duration.min(self.config.max_duration);
        let flows = NonZeroU16::new(request.flows).unwrap_or(NonZeroU16::MIN);
        let mut grant = Grant { rate: request.rate, duration };
        let (mut stream, mut bytes_per_second) = (None, 0);
        if request.down {
            let size = stream::size(request.size).ok_or(Declined::Size)?;
            if !datagram.from.ip().is_loopback() {
                (grant.rate, bytes_per_second) = self.within_bound(request.rate, flows, size)?;
            }
            // The flow's number within its rate only staggers the flows, which chance does here.
            let pace = Pace { rate: NonZeroU32::new(grant.rate), flows, flow: 0 };
            let schedule = Schedule { pace, start: now, end: now + duration };
            stream = Some(Stream::new(Kind::Data, id, size, schedule));
        }
        let reports_every = request.interval.clamp(REPORTS.0, REPORTS.1);
        let half_gap = Pace { rate: NonZeroU32::new(request.rate), flows, flow: 0 }.half_gap();
        Ok(Session {
            client: datagram.from,
            local: datagram.local,
            id,
            grant,
            arrivals: Arrivals::new(datagram.kernel_drops),
            stream,
            bytes_per_second,
            pongs: 0,
            pongs_unsent: 0,
            heard: now,
            reports: Reports::new(now, reports_every, half_gap),
            ended: false,
        })
    }

    /// The rate that what is left of the bound allows, and the bytes a second that this flow of it
    /// takes.
    fn within_bound(
        &self,
        rate: u32,
        flows: NonZeroU16,
        size: NonZeroU16,
    ) -> Result<(u32, u64), Declined> {
        let Some(bound) = self.config.max_bytes_per_second else { return Ok((rate, 0)) };
        let (size, flows) = (u64::from(size.get()), u64::from(flows.get()));
        let taken: u64 = self.sessions.iter().map(|session| session.bytes_per_second).sum();
        let wished = if rate == 0 { u64::from(u32::MAX) } else { u64::from(rate) };
        // Its share of the bound, were it the first of its flows, and no more than is left.
        let most = (bound / size).min((bound.saturating_sub(taken) / size).saturating_mul(flows));
        let granted = wished.min(most);
        if granted == 0 {
            return Err(Declined::Full);
        }
        let bytes = (granted * size).div_ceil(flows);
        Ok((u32::try_from(granted).unwrap_or(u32::MAX), bytes))
    }

    /// Something of a session that has been proved.
    fn handle_proved(&mut self, now: Instant, at: usize, datagram: &Received<'_>, header: Header) {
        let session = &mut self.sessions[at];
        session.heard = now;
        match header.kind {
            Kind::Data | Kind::Ping => {
                session.reports.arrived(now);
                let transit = now.as_nanos().wrapping_sub(header.time).cast_signed();
                let (length, drops) = (datagram.length, datagram.kernel_drops);
                let is_first = session.arrivals.receive(header.number, length, transit, drops);
                // A copy that was made on the way is not answered: what is sent back is never
                // more than the client sent.
                if header.kind == Kind::Ping && is_first {
                    session.pongs += 1;
                    let time = now.as_nanos();
                    let pong = Header { kind: Kind::Pong, time, origin: header.time, ..header };
                    let range = self.outbox.append(|bytes| {
                        let start = bytes.len();
                        bytes.resize(start + datagram.payload.len(), 0);
                        pong.write(&mut bytes[start..]);
                    });
                    self.outbox.queue(datagram.from, datagram.local, range);
                }
            }
            Kind::Stop => {
                let Some([sent, _]) = wire::read_stop(datagram.payload) else { return };
                session.arrivals.sender_sent(sent);
                if let Some(stream) = &mut session.stream {
                    stream.stop();
                }
                session.reports.pause_until(now + EXPIRY);
                let report = session.report();
                self.report(at, Kind::Stopped, header.number, report);
            }
            Kind::Bye => self.end(at),
            _ => {}
        }
    }

    fn report(&mut self, at: usize, kind: Kind, number: u64, report: Report) {
        let session = &self.sessions[at];
        let write = |bytes: &mut _| wire::write_report(bytes, kind, session.id, number, &report);
        let range = self.outbox.append(write);
        self.outbox.queue(session.client, session.local, range);
    }

    /// Counts test datagrams to this address that never left the host.
    pub fn unsent(&mut self, to: SocketAddr, datagrams: u64) {
        if let Some(at) = self.find(to) {
            let session = &mut self.sessions[at];
            match &mut session.stream {
                Some(stream) => stream.unsent(datagrams),
                // They may have been those of a session that this address had before.
                None => {
                    session.pongs_unsent = (session.pongs_unsent + datagrams).min(session.pongs);
                }
            }
        }
    }

    fn end(&mut self, at: usize) {
        let session = self.sessions.swap_remove(at);
        let Report { figures, sent, unsent } = session.report();
        let (from, sent) = (session.client, sent - unsent);
        self.events.push_back(ServerEvent::Ended { from, figures, sent });
    }
}

impl Machine for Server {
    type Event = ServerEvent;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        match Header::read(datagram.payload) {
            Ok(header) => self.handle(now, datagram, header),
            Err(Unreadable::Foreign) => self.ignored.foreign += 1,
            Err(Unreadable::Damaged) => {
                self.ignored.damaged += 1;
                if let Some(at) = self.find(datagram.from) {
                    self.sessions[at].arrivals.damaged();
                }
            }
        }
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, datagrams: u64) {
        if wire::is_test(&self.outbox, transmit) {
            self.unsent(transmit.to, datagrams);
        }
    }

    fn handle_kernel_drops(&mut self, _: Instant, _: SocketId, total: u64) {
        if total > self.drops {
            self.drops = total;
            self.sessions.iter_mut().for_each(|session| session.arrivals.kernel_drops(total));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        for at in 0..self.sessions.len() {
            let session = &mut self.sessions[at];
            let silent = now - session.heard;
            session.ended = silent >= EXPIRY;
            if let Some(stream) = &mut session.stream {
                match silent < SILENCE {
                    true => stream.send_due(now, session.client, session.local, &mut self.outbox),
                    false => stream.stop(),
                }
            }
            if let Some((number, again)) = session.reports.due(now)
                && silent < SILENCE
            {
                let report = again.unwrap_or_else(|| session.report());
                if again.is_none() {
                    session.reports.sent(now, report);
                }
                self.report(at, Kind::Report, number, report);
            }
        }
        while let Some(at) = self.sessions.iter().position(|session| session.ended) {
            self.end(at);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.iter().map(Session::poll_timeout).min()
    }
}
