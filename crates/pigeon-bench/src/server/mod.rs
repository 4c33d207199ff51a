//! The measurement server: counts arrivals, sends the requested datagrams, and reports.
//!
//! Protection against abuse:
//!
//! - Until a client proves its address with a token ([`TokenKey`]), no answer is longer than its
//!   request, and nothing is stored.
//! - After that, only requested datagrams are sent, within [`ServerConfig`]'s limits, and for at
//!   most [`SILENCE`] after the client was last heard.
//! - Answers (`Challenge`, `Pong`, …) are never answered.

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

/// How long a client may be silent before sending to it stops.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a client may be silent before its session is removed.
const EXPIRY: Duration = Duration::from_secs(10);

/// The minimum and maximum time between reports.
const REPORTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A [`Server`]'s settings.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The key of the tokens: 16 random bytes.
    pub key: [u8; 16],
    /// Maximum number of sessions at a time. Each flow has its own session.
    pub max_sessions: usize,
    /// Maximum number of payload bytes per second sent to all clients together; `None` for no
    /// limit. Clients on this host are exempt, and so are returned datagrams, which never exceed
    /// the received ones.
    pub max_bytes_per_second: Option<u64>,
    /// The longest measurement.
    pub max_duration: Duration,
}

/// An event of a [`Server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client has proved its address and starts.
    Began {
        /// The client's address.
        from: SocketAddr,
    },
    /// A session has ended.
    Ended {
        /// The client's address.
        from: SocketAddr,
        /// The figures of received datagrams.
        figures: Figures,
        /// The number of datagrams sent to the client.
        sent: u64,
    },
    /// A client with a proved address was declined.
    Declined {
        /// The client's address.
        from: SocketAddr,
        /// The reason.
        why: Declined,
    },
}

/// A [`Server`]'s ignored datagrams, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Datagrams of other protocols, or of kinds that only servers send.
    pub foreign: u64,
    /// Datagrams that were damaged on the way.
    pub damaged: u64,
    /// Datagrams without a session, or with an invalid token.
    pub unproved: u64,
}

/// The server's state machine.
pub struct Server {
    config: ServerConfig,
    token_key: TokenKey,
    sessions: Vec<Session>,
    /// The index of the last datagram's session.
    last: usize,
    /// The kernel's drop count at the socket.
    drops: u64,
    ignored: Ignored,
    outbox: Outbox,
    events: VecDeque<ServerEvent>,
}

impl Server {
    /// A server without clients.
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

    /// The number of sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The ignored datagrams.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// The index of a client's session.
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
            // Answers: another server's, or our own sent back to us.
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
            // An honest client pads its request.
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
            // A repeated request: the answer was lost.
            Some(at) if self.sessions[at].id == id => at,
            known => {
                // Ends the previous session at this address.
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

    /// Starts a session with as much of the request as is granted.
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
            // The index within the rate only staggers flows, which happens here by chance.
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

    /// The rate that the remaining limit allows, and the bytes per second that this flow uses of
    /// it.
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
        // Its share of the limit as if it were the first flow, capped by the remaining limit.
        let most = (bound / size).min((bound.saturating_sub(taken) / size).saturating_mul(flows));
        let granted = wished.min(most);
        if granted == 0 {
            return Err(Declined::Full);
        }
        let bytes = (granted * size).div_ceil(flows);
        Ok((u32::try_from(granted).unwrap_or(u32::MAX), bytes))
    }

    /// Handles a datagram of a session.
    fn handle_proved(&mut self, now: Instant, at: usize, datagram: &Received<'_>, header: Header) {
        let session = &mut self.sessions[at];
        session.heard = now;
        match header.kind {
            Kind::Data | Kind::Ping => {
                session.reports.arrived(now);
                let transit = now.as_nanos().wrapping_sub(header.time).cast_signed();
                let (length, drops) = (datagram.length, datagram.kernel_drops);
                let is_first = session.arrivals.receive(header.number, length, transit, drops);
                // A duplicate gets no answer, so that no more is returned than the client sent.
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
                // It came after the last test datagram, so it knows of all drops before it.
                session.arrivals.kernel_drops(datagram.kernel_drops);
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

    /// Counts test datagrams to this address that could not leave the host.
    pub fn unsent(&mut self, to: SocketAddr, datagrams: u64) {
        if let Some(at) = self.find(to) {
            let session = &mut self.sessions[at];
            match &mut session.stream {
                Some(stream) => stream.unsent(datagrams),
                // Perhaps datagrams of an earlier session at this address.
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
