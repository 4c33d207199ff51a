//! The measuring client: one flow, from the handshake to the last late datagram.
//!
//! ```text
//!   hello ──Challenge──▶ start ──Started──▶ running ──time is up──▶ stopping ──▶ over
//!     └── its own Hello comes back: a plain echo service ──▲            ▲
//!                                                          └────────────┘ no server to stop
//! ```
//!
//! With a plain echo service (RFC 862) the returned datagrams are the only source of figures.
//!
//! - here: [`Client`], its phases and its figures. `handshake`, `running`, `ending`: the phases'
//!   code.

mod ending;
mod handshake;
mod running;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

use crate::arrivals::Arrivals;
use crate::figures::{OneWay, Snapshot};
use crate::plan::{Mode, Plan, PlanError};
use crate::stream::Stream;
use crate::wire::{self, Declined, Grant, Header, Kind, Report, TOKEN};

use ending::Stopping;
use handshake::{ATTEMPTS, Asking};

/// How often the client sends the server a keep-alive.
const KEEP: Duration = Duration::from_millis(500);

/// How long a server may be silent. It reports every second.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the driver should spin for a returning datagram. On longer round trips the wake-up time
/// hardly matters.
const AWAITED: Duration = Duration::from_micros(100);

/// How long to wait for datagrams after an interruption.
const SHORT_TAIL: Duration = Duration::from_millis(200);

/// The kind of far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// A server of this protocol.
    Server,
    /// A service that returns each datagram (RFC 862).
    Echo,
}

/// Why a measurement failed or is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// ICMP reported a closed port.
    #[error("refused: nobody listens there")]
    Refused,
    /// No answer came.
    #[error("no answer after {ATTEMPTS} attempts in 3.1 s")]
    NoAnswer,
    /// The answers belong to another protocol.
    #[error("it answers, but is neither `pigeon bench server` nor an echo service")]
    Foreign,
    /// A plain echo service cannot send on its own.
    #[error("only an echo service is there, which sends nothing by itself")]
    OnlyEcho,
    /// The server declined.
    #[error("the server declines: it has all the work it takes")]
    Full,
    /// The server does not send datagrams of that size.
    #[error("the server declines: it sends no datagrams of that size")]
    Size,
    /// The server does not measure for that long.
    #[error(
        "the server measures for at most {} s; ask for less (--for), or start it with a longer --max-for",
        .0.as_secs_f64()
    )]
    TooLong(Duration),
    /// The server stopped answering.
    #[error("the server fell silent")]
    Silent,
}

/// An event of a [`Client`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The measurement begins.
    Began {
        /// The far end of the measurement.
        with: FarEnd,
        /// How long datagrams are sent, as granted.
        duration: Duration,
        /// The granted rate of the server's datagrams per second, for all flows; 0 means unlimited.
        rate: u32,
    },
    /// The far end's n-th report of its arrivals.
    Reported(u64),
    /// A datagram has returned for the first time.
    Back {
        /// The time since the datagram was sent.
        trip: Duration,
        /// The time since it was due, which is longer if the client was late. Percentiles of this
        /// are free of coordinated omission.
        since_due: Duration,
    },
    /// All datagrams are sent; some are still in flight.
    Sent,
    /// Every datagram has arrived or counts as lost.
    Finished,
    /// The measurement ended early. The figures so far are still available.
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
    /// The handshake's round trip.
    round_trip: Duration,
    /// Whether an answer was of another protocol.
    foreign: bool,
    /// When the far end was last heard.
    heard: Instant,
    /// Whether the far end stopped answering during the measurement.
    cut_off: bool,
    stream: Option<Stream>,
    /// Without a rate: the number of the datagram in flight, and how long to wait for it.
    out: Option<(u64, Instant)>,
    /// When the last ping in flight was sent.
    last_ping: Option<Instant>,
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

impl Client {
    /// A client, which starts at once. `session` is a random number for this flow. Fails if the
    /// plan is invalid.
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
            heard: now,
            cut_off: false,
            stream: None,
            out: None,
            last_ping: None,
            arrivals: Arrivals::new(0),
            report: Report::default(),
            last_report: 0,
            outbox: Outbox::new(),
            events: VecDeque::new(),
        };
        client.handle_timeout(now);
        Ok(client)
    }

    /// Stops sending now; waits a moment for datagrams in flight.
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

    /// Counts test datagrams that could not leave the host.
    pub fn unsent(&mut self, datagrams: u64) {
        if let Some(stream) = &mut self.stream {
            stream.unsent(datagrams);
        }
    }

    /// When the far end was last heard.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// The number of the last report; see [`ClientEvent::Reported`].
    pub fn reported(&self) -> u64 {
        self.last_report
    }

    /// Whether the measurement has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether either end is sending datagrams.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// The current figures. After the end the figures of each direction add up.
    pub fn snapshot(&self) -> Snapshot {
        self.known(self.sent())
    }

    /// The current figures, without datagrams due at `at` or later.
    pub fn snapshot_before(&self, at: Instant) -> Snapshot {
        let [sent, unsent] = self.sent();
        let due = self.stream.as_ref().map_or(0, |stream| stream.schedule().count_before(at));
        let sent = if self.is_one_by_one() { sent } else { sent.min(due) };
        self.known([sent, unsent.min(sent)])
    }

    /// The figures, given two counts: the numbers used so far, and those of them whose datagrams
    /// have not left this host.
    fn known(&self, sent: [u64; 2]) -> Snapshot {
        let (over, cut_off) = (self.is_over(), self.cut_off);
        let way = |[sent, unsent]: [u64; 2], seen| match (over, cut_off) {
            (true, true) => OneWay::cut_off(sent - unsent, unsent, seen),
            (true, false) => OneWay::settled(sent - unsent, unsent, seen),
            (false, _) => OneWay::running(sent - unsent, unsent, seen),
        };
        // After its last report, datagrams to the far end are not received.
        let back = |[sent, unsent]: [u64; 2], seen| match over {
            true => OneWay::settled(sent - unsent, unsent, seen),
            false => OneWay::running(sent - unsent, unsent, seen),
        };
        let there = [self.report.sent, self.report.unsent.min(self.report.sent)];
        let here = self.arrivals.figures();
        let up = || Some(way(sent, self.report.figures));
        match (self.mode(), self.with) {
            (Mode::Up, _) => Snapshot { up: up(), ..Snapshot::default() },
            (Mode::Down, _) => Snapshot { down: Some(back(there, here)), ..Snapshot::default() },
            (Mode::Both, _) => Snapshot { up: up(), down: Some(back(there, here)), trip: None },
            (Mode::Ping, FarEnd::Echo) => {
                Snapshot { trip: Some(way(sent, here)), ..Snapshot::default() }
            }
            (Mode::Ping, FarEnd::Server) => {
                let up = way(sent, self.report.figures);
                // Datagrams lost on the way there are missing here too.
                let seen = crate::Figures { lost: here.lost.saturating_sub(up.lost), ..here };
                let down = back(there, seen);
                let mut trip = way(sent, here);
                trip.lost_in_kernel = (up.lost_in_kernel + down.lost_in_kernel).min(trip.lost);
                trip.lost_on_way = trip.lost - trip.lost_in_kernel;
                Snapshot { up: Some(up), down: Some(down), trip: Some(trip) }
            }
        }
    }

    /// Numbers used, and how many of those never left this host.
    fn sent(&self) -> [u64; 2] {
        self.stream.as_ref().map_or([0, 0], Stream::sent)
    }

    /// The direction of datagrams with this far end.
    fn mode(&self) -> Mode {
        match self.with {
            FarEnd::Server => self.plan.mode,
            FarEnd::Echo => Mode::Ping,
        }
    }

    /// Whether the next datagram waits for the previous one's return.
    fn is_one_by_one(&self) -> bool {
        self.mode() == Mode::Ping && self.plan.pace.rate.is_none()
    }

    fn fail(&mut self, failure: Failure) {
        if let Some(stream) = &mut self.stream {
            stream.stop();
        }
        self.cut_off = matches!(self.phase, Phase::Running { .. } | Phase::Stopping(_));
        self.phase = Phase::Over;
        self.events.push_back(ClientEvent::Failed(failure));
    }

    /// Allows the server to end the session.
    fn bye(&mut self) {
        let session = self.session;
        self.send(|bytes| wire::write_bare(bytes, Kind::Bye, session));
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
                    if grant.duration < self.plan.duration {
                        self.bye();
                        return self.fail(Failure::TooLong(grant.duration));
                    }
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
        // Ignores later datagrams: the figures are final.
        if datagram.from != self.to || self.is_over() {
            return;
        }
        self.heard = now;
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

    fn handle_refused(&mut self, _: Instant, _: SocketId) {
        self.outbox.reset_if_drained();
        if !self.is_over() {
            self.fail(Failure::Refused);
        }
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, datagrams: u64) {
        if wire::is_test(&self.outbox, transmit) {
            self.unsent(datagrams);
        }
    }

    fn handle_kernel_drops(&mut self, _: Instant, _: SocketId, total: u64) {
        self.arrivals.kernel_drops(total);
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
                    true => Some(self.out.map_or(Instant::ORIGIN, |(_, until)| until)),
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

    /// While a ping is in flight on a short round trip, where the wake-up time would distort the
    /// result.
    fn awaits(&self, now: Instant) -> bool {
        self.last_ping.is_some_and(|sent| now - sent < AWAITED)
    }
}
