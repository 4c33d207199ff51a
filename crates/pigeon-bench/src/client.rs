//! The near end of a measurement: one flow, from the handshake to the last late datagram.
//!
//! ```text
//!   hello ──Challenge──▶ start ──Started──▶ running ──time is up──▶ stopping ──▶ over
//!     └── its own Hello comes back: a plain echo service ──▲            ▲
//!                                                          └────────────┘ no server to stop
//! ```
//!
//! With a plain echo service (RFC 862) the datagrams that come back are all there is to go by.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit};

use crate::Endpoint;
use crate::arrivals::Arrivals;
use crate::figures::{OneWay, Snapshot};
use crate::pace::Schedule;
use crate::plan::{Mode, Plan, PlanError};
use crate::stream::{self, Stream};
use crate::wire::{self, Declined, Grant, Header, Kind, Report, TOKEN, Wish};

/// The first wait for an answer in the handshake; it doubles from try to try.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How often each question of the handshake is asked: 0.1, 0.2, 0.4, 0.8 and 1.6 s of waiting.
const ATTEMPTS: u32 = 5;

/// How often the server is told that the client is still there.
const KEEP: Duration = Duration::from_millis(500);

/// How long a server may be silent: it reports every second.
const SILENCE: Duration = Duration::from_secs(5);

/// How often the server is asked for its report at the end.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long, once everything has arrived, copies are still waited for.
const SETTLE: Duration = Duration::from_millis(50);

/// The shortest wait for one datagram to come back before the next goes, where there is no rate.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long datagrams are still waited for after an interruption.
const SHORT_TAIL: Duration = Duration::from_millis(200);

/// Who is at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// A server of this protocol.
    Server,
    /// A service that sends back what it gets (RFC 862).
    Echo,
}

/// Why there is no measurement, or only a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// ICMP said that nobody listens.
    #[error("refused: nobody listens there")]
    Refused,
    /// Nobody answered.
    #[error("no answer after {ATTEMPTS} attempts in 3.1 s")]
    NoAnswer,
    /// Somebody answered something else.
    #[error("it answers, but is neither `pigeon bench server` nor an echo service")]
    Foreign,
    /// A plain echo service cannot send by itself.
    #[error("only an echo service is there, which sends nothing by itself")]
    OnlyEcho,
    /// The server will not.
    #[error("the server declines: it has all the work it takes")]
    Full,
    /// The server sends no datagrams of that size.
    #[error("the server declines: it sends no datagrams of that size")]
    Size,
    /// The server said nothing more.
    #[error("the server fell silent")]
    Silent,
}

/// What a [`Client`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The measurement begins.
    Began {
        /// With whom.
        with: FarEnd,
        /// How long datagrams are sent, as granted.
        duration: Duration,
        /// Datagrams a second of all flows that the server sends, as granted; 0 is as many as can
        /// be.
        rate: u32,
    },
    /// A datagram is back for the first time.
    Back {
        /// Since it was sent.
        trip: Duration,
        /// Since it was due, which is longer if the client was late. Percentiles of this are free
        /// of coordinated omission.
        since_due: Duration,
    },
    /// Everything has arrived or is lost.
    Finished,
    /// It is over. What was measured until then can still be asked for.
    Failed(Failure),
}

/// One flow of a measurement.
#[derive(Debug)]
pub struct Client {
    plan: Plan,
    to: SocketAddr,
    session: u64,
    phase: Phase,
    with: FarEnd,
    /// Of the handshake.
    round_trip: Duration,
    /// Somebody answered something else than was asked.
    foreign: bool,
    stream: Option<Stream>,
    /// Where there is no rate: the number of the datagram that is out, and how long it is waited for.
    out: Option<(u64, Instant)>,
    arrivals: Arrivals,
    report: Report,
    last_report: u64,
    outbox: Outbox,
    events: VecDeque<ClientEvent>,
}

#[derive(Debug)]
enum Phase {
    Hello(Asking),
    Start(Asking, [u8; TOKEN]),
    Running { end: Instant, keep: Instant, heard: Instant },
    Stopping(Stopping),
    Over,
}

/// A question of the handshake.
#[derive(Clone, Copy, Debug)]
struct Asking {
    attempts: u32,
    asked: Instant,
    again: Instant,
}

#[derive(Debug)]
struct Stopping {
    /// How often the server was asked, and when it is asked again.
    asked: u64,
    again: Instant,
    answered: u64,
    heard: Instant,
    tail: Duration,
    /// When what has not come is lost.
    deadline: Option<Instant>,
    /// When it is over because everything has come.
    settled: Option<Instant>,
}

impl Client {
    /// A client that begins at once. `session` is a random number of its own.
    ///
    /// # Errors
    /// When the plan cannot be.
    pub fn new(
        now: Instant,
        to: SocketAddr,
        session: u64,
        plan: Plan,
    ) -> Result<Client, PlanError> {
        plan.check()?;
        let asking = Asking { attempts: 0, asked: now, again: now };
        let mut client = Client {
            plan,
            to,
            session,
            phase: Phase::Hello(asking),
            with: FarEnd::Server,
            round_trip: Duration::ZERO,
            foreign: false,
            stream: None,
            out: None,
            arrivals: Arrivals::new(0),
            report: Report::default(),
            last_report: 0,
            outbox: Outbox::new(),
            events: VecDeque::new(),
        };
        client.handle_timeout(now);
        Ok(client)
    }

    /// Ends the sending now; what is on the way is still waited for, for a moment.
    pub fn interrupt(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        match &mut self.phase {
            Phase::Hello(_) | Phase::Start(..) => self.phase = Phase::Over,
            Phase::Running { .. } => self.stop(now, self.plan.tail.min(SHORT_TAIL)),
            Phase::Stopping(stopping) => {
                stopping.deadline = Some(stopping.deadline.map_or(now, |at| at.min(now)));
            }
            Phase::Over => {}
        }
    }

    /// Whether nothing will happen any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether datagrams are being sent, here or there.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// What is known now. Once it is over the figures of each direction add up.
    pub fn snapshot(&self) -> Snapshot {
        let over = self.is_over();
        let way = |[sent, unsent]: [u64; 2], seen| match over {
            true => OneWay::settled(sent - unsent, unsent, seen),
            false => OneWay::running(sent - unsent, unsent, seen),
        };
        let sent = self.stream.as_ref().map_or([0, 0], Stream::sent);
        let there = [self.report.sent, self.report.unsent.min(self.report.sent)];
        let here = self.arrivals.figures();
        let up = || Some(way(sent, self.report.figures));
        match (self.mode(), self.with) {
            (Mode::Up, _) => Snapshot { up: up(), ..Snapshot::default() },
            (Mode::Down, _) => Snapshot { down: Some(way(there, here)), ..Snapshot::default() },
            (Mode::Both, _) => Snapshot { up: up(), down: Some(way(there, here)), trip: None },
            (Mode::Ping, FarEnd::Echo) => {
                Snapshot { trip: Some(way(sent, here)), ..Snapshot::default() }
            }
            (Mode::Ping, FarEnd::Server) => {
                let up = way(sent, self.report.figures);
                // What was lost on the way there is missing here too.
                let seen = crate::Figures { lost: here.lost.saturating_sub(up.lost), ..here };
                let down = way(there, seen);
                let mut trip = way(sent, here);
                trip.lost_in_kernel = (up.lost_in_kernel + down.lost_in_kernel).min(trip.lost);
                trip.lost_on_way = trip.lost - trip.lost_in_kernel;
                Snapshot { up: Some(up), down: Some(down), trip: Some(trip) }
            }
        }
    }

    /// Which way datagrams go, given who is there.
    fn mode(&self) -> Mode {
        match self.with {
            FarEnd::Server => self.plan.mode,
            FarEnd::Echo => Mode::Ping,
        }
    }

    /// Whether the next datagram goes when the one before is back.
    fn is_one_by_one(&self) -> bool {
        self.mode() == Mode::Ping && self.plan.pace.rate.is_none()
    }

    // The handshake.

    /// Asks, or asks again, or gives up.
    fn ask(&mut self, now: Instant) {
        let (asking, token) = match &mut self.phase {
            Phase::Hello(asking) => (asking, None),
            Phase::Start(asking, token) => (asking, Some(*token)),
            _ => return,
        };
        if asking.attempts == ATTEMPTS {
            return self.fail(if self.foreign { Failure::Foreign } else { Failure::NoAnswer });
        }
        asking.asked = now;
        asking.again = now + FIRST_WAIT * (1 << asking.attempts);
        asking.attempts += 1;
        let (session, wish) = (self.session, self.wish());
        self.send(|bytes| match token {
            None => wire::write_bare(bytes, Kind::Hello, session),
            Some(token) => wire::write_start(bytes, session, &token, &wish),
        });
    }

    fn wish(&self) -> Wish {
        let Plan { mode, pace, size, duration, reports_every, .. } = self.plan;
        Wish {
            down: matches!(mode, Mode::Down | Mode::Both),
            size,
            rate: pace.rate.map_or(0, |rate| rate.get()),
            flows: pace.flows.get(),
            duration,
            interval: reports_every,
        }
    }

    fn begin(&mut self, now: Instant, with: FarEnd, grant: Grant) {
        self.with = with;
        let kind = match self.mode() {
            Mode::Up | Mode::Both => Some(Kind::Data),
            Mode::Ping => Some(Kind::Ping),
            Mode::Down => None,
        };
        let duration = grant.duration.min(self.plan.duration);
        let end = now + duration;
        let schedule = Schedule { pace: self.plan.pace, start: now, end };
        // The plan was checked when the client was made.
        let sized = kind.zip(stream::size(self.plan.size));
        self.stream = sized.map(|(kind, size)| Stream::new(kind, self.session, size, schedule));
        self.phase = Phase::Running { end, keep: now + KEEP, heard: now };
        self.events.push_back(ClientEvent::Began { with, duration, rate: grant.rate });
        self.run(now);
    }

    // While it runs.

    fn run(&mut self, now: Instant) {
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
        if self.is_one_by_one() {
            self.send_one(now, end);
        } else if let Some(stream) = &mut self.stream {
            stream.send_due(now, self.to, None, &mut self.outbox);
        }
        if now >= end {
            let tail = self.plan.tail.max(3 * self.round_trip);
            self.stop(now, tail);
        }
    }

    /// Sends the next one if the one before is back, or has been out for too long.
    fn send_one(&mut self, now: Instant, end: Instant) {
        let waits = self.out.is_some_and(|(_, until)| now < until);
        if let Some(stream) = self.stream.as_mut().filter(|_| !waits && now < end) {
            let [number, _] = stream.sent();
            self.out = Some((number, now + PATIENCE.max(4 * self.round_trip)));
            stream.send_one(now, self.to, &mut self.outbox);
        }
    }

    /// A test datagram.
    fn receive(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        let wanted = match (self.mode(), self.with) {
            (Mode::Up, _) => return,
            (Mode::Down | Mode::Both, _) => Kind::Data,
            (Mode::Ping, FarEnd::Server) => Kind::Pong,
            (Mode::Ping, FarEnd::Echo) => Kind::Ping,
        };
        let [next, _] = self.stream.as_ref().map_or([0, 0], Stream::sent);
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
        if self.out.is_some_and(|(number, _)| number == header.number) {
            self.out = None;
            self.run(now);
        }
    }

    // The end.

    fn stop(&mut self, now: Instant, tail: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.stop();
            if self.with == FarEnd::Echo {
                let [sent, _] = stream.sent();
                self.arrivals.sender_sent(sent);
            }
        }
        self.phase = Phase::Stopping(Stopping {
            asked: 0,
            again: now,
            answered: 0,
            heard: now,
            tail,
            deadline: (self.with == FarEnd::Echo).then_some(now + tail),
            settled: None,
        });
        self.ask_to_stop(now);
    }

    fn ask_to_stop(&mut self, now: Instant) {
        let sent = self.stream.as_ref().map_or([0, 0], Stream::sent);
        let is_server = self.with == FarEnd::Server;
        let has_arrived = self.has_all_arrived();
        let settle = SETTLE.max(2 * self.round_trip);
        let Phase::Stopping(stopping) = &mut self.phase else { return };
        match has_arrived {
            true => stopping.settled = stopping.settled.or(Some(now + settle)),
            false => stopping.settled = None,
        }
        let ends = [stopping.deadline, stopping.settled];
        if ends.into_iter().flatten().any(|at| at <= now) {
            return self.finish();
        }
        if is_server && now - stopping.heard >= SILENCE {
            return self.fail(Failure::Silent);
        }
        if is_server && stopping.again <= now {
            stopping.asked += 1;
            stopping.again = now + ASK_AGAIN;
            let (session, number) = (self.session, stopping.asked);
            self.send(|bytes| wire::write_stop(bytes, session, number, sent));
        }
    }

    /// Whether nothing can be missing any more.
    fn has_all_arrived(&self) -> bool {
        let Phase::Stopping(stopping) = &self.phase else { return false };
        let [sent, unsent] = self.stream.as_ref().map_or([0, 0], Stream::sent);
        let (here, there) = (self.arrivals.figures(), self.report.figures);
        let said = self.with == FarEnd::Echo || stopping.answered > 0;
        said && match self.mode() {
            Mode::Up => there.received == sent - unsent,
            Mode::Down => here.received + self.report.unsent == self.report.sent,
            Mode::Both => {
                there.received == sent - unsent
                    && here.received + self.report.unsent == self.report.sent
            }
            Mode::Ping => here.received == sent - unsent,
        }
    }

    fn handle_report(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        let Some(report) = wire::read_report(datagram.payload) else { return };
        let mode = self.mode();
        match (&mut self.phase, header.kind) {
            (Phase::Running { .. }, Kind::Report) if header.number > self.last_report => {
                self.last_report = header.number;
                self.report = report;
            }
            (Phase::Stopping(stopping), Kind::Stopped)
                if header.number > stopping.answered && header.number <= stopping.asked =>
            {
                stopping.answered = header.number;
                stopping.heard = now;
                let deadline = now + stopping.tail;
                stopping.deadline = stopping.deadline.or(Some(deadline));
                self.report = report;
                // What is sent back has the numbers of what was sent.
                let numbers = match mode {
                    Mode::Ping => self.stream.as_ref().map_or(0, |stream| stream.sent()[0]),
                    _ => report.sent,
                };
                self.arrivals.sender_sent(numbers);
                self.ask_to_stop(now);
            }
            _ => {}
        }
    }

    fn finish(&mut self) {
        if self.with == FarEnd::Server {
            let session = self.session;
            self.send(|bytes| wire::write_bare(bytes, Kind::Bye, session));
        }
        self.phase = Phase::Over;
        self.events.push_back(ClientEvent::Finished);
    }

    fn fail(&mut self, failure: Failure) {
        if let Some(stream) = &mut self.stream {
            stream.stop();
        }
        self.phase = Phase::Over;
        self.events.push_back(ClientEvent::Failed(failure));
    }

    fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let range = self.outbox.append(write);
        self.outbox.queue(self.to, None, range);
    }

    fn handle(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        if header.kind.is_test() {
            return self.receive(now, datagram, header);
        }
        match (&mut self.phase, header.kind) {
            (Phase::Hello(asking), Kind::Challenge) => {
                let Some(token) = wire::read_token(datagram.payload) else { return };
                self.round_trip = now - asking.asked;
                let asking = Asking { attempts: 0, asked: now, again: now };
                self.phase = Phase::Start(asking, *token);
                self.ask(now);
            }
            (Phase::Hello(asking), Kind::Hello) => {
                self.round_trip = now - asking.asked;
                if matches!(self.plan.mode, Mode::Down | Mode::Both) {
                    return self.fail(Failure::OnlyEcho);
                }
                let duration = self.plan.duration;
                self.begin(now, FarEnd::Echo, Grant { rate: 0, duration });
            }
            (Phase::Start(..), Kind::Started) => {
                if let Some(grant) = wire::read_started(datagram.payload) {
                    self.begin(now, FarEnd::Server, grant);
                }
            }
            (Phase::Start(..), Kind::Declined) => match wire::read_declined(datagram.payload) {
                Some(Declined::Size) => self.fail(Failure::Size),
                Some(Declined::Full) => self.fail(Failure::Full),
                None => {}
            },
            (_, Kind::Report | Kind::Stopped) => self.handle_report(now, datagram, header),
            _ => {}
        }
    }
}

impl Machine for Client {
    type Event = ClientEvent;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        // What comes after the end changes nothing: the figures have been given out.
        if datagram.from != self.to || self.is_over() {
            return;
        }
        if let Phase::Running { heard, .. } = &mut self.phase {
            *heard = now;
        }
        match Header::read(datagram.payload) {
            Ok(header) if header.session == self.session => self.handle(now, datagram, header),
            Ok(_) => {}
            Err(wire::Unreadable::Damaged) => self.arrivals.damaged(),
            Err(wire::Unreadable::Foreign) => self.foreign = true,
        }
    }

    fn handle_refused(&mut self, _: Instant) {
        self.outbox.reset_if_drained();
        if !self.is_over() {
            self.fail(Failure::Refused);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        match &self.phase {
            Phase::Hello(asking) | Phase::Start(asking, _) if asking.again <= now => {
                self.ask(now);
            }
            Phase::Running { .. } => self.run(now),
            Phase::Stopping(_) => self.ask_to_stop(now),
            _ => {}
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Hello(asking) | Phase::Start(asking, _) => Some(asking.again),
            Phase::Running { end, keep, .. } => {
                let next = match self.is_one_by_one() {
                    true => self.out.map(|(_, until)| until),
                    false => self.stream.as_ref().and_then(Stream::poll_timeout),
                };
                Some(next.unwrap_or(*end).min(*end).min(*keep))
            }
            Phase::Stopping(stopping) => {
                let again = (self.with == FarEnd::Server).then_some(stopping.again);
                [stopping.deadline, stopping.settled, again].into_iter().flatten().min()
            }
            Phase::Over => None,
        }
    }
}

impl Endpoint for Client {
    fn kernel_drops(&mut self, drops: u64) {
        self.arrivals.kernel_drops(drops);
    }

    fn unsent(&mut self, _: SocketAddr, datagrams: u64) {
        if let Some(stream) = &mut self.stream {
            stream.unsent(datagrams);
        }
    }
}
