//! The near end of a measurement: one flow, from the handshake to the last late datagram.
//!
//! ```text
//!   hello ──Challenge──▶ start ──Started──▶ running ──time is up──▶ stopping ──▶ over
//!     └── its own Hello comes back: a plain echo service ──▲            ▲
//!                                                          └────────────┘ no server to stop
//! ```
//!
//! With a plain echo service (RFC 862) the datagrams that come back are all there is to go by.
//!
//! - here: [`Client`], its phases, and what it knows. `handshake`, `running`, `ending`: what it does.

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

/// How long a server may be silent: it reports every second.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it is worth staying awake for a datagram that is to come back. On longer round trips
/// the time to wake up hardly counts.
const AWAITED: Duration = Duration::from_micros(100);

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
    /// The server does not measure for so long.
    #[error(
        "the server measures for at most {} s; ask for less (--for), or start it with a longer --max-for",
        .0.as_secs_f64()
    )]
    TooLong(Duration),
    /// The server said nothing more.
    #[error("the server fell silent")]
    Silent,
}

/// What a [`Client`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The measurement begins.
    Began {
        /// The far end of the measurement.
        with: FarEnd,
        /// How long datagrams are sent, as granted.
        duration: Duration,
        /// Datagrams a second of all flows that the server sends, as granted; 0 is as many as can
        /// be.
        rate: u32,
    },
    /// The far end has reported what had arrived there when it reported for the n-th time.
    Reported(u64),
    /// A datagram is back for the first time.
    Back {
        /// Since it was sent.
        trip: Duration,
        /// Since it was due, which is longer if the client was late. Percentiles of this are free
        /// of coordinated omission.
        since_due: Duration,
    },
    /// The sending is over; what is on the way is waited for.
    Sent,
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
    /// When the last datagram of the far end arrived.
    heard: Instant,
    /// Whether it stopped answering in the middle.
    cut_off: bool,
    stream: Option<Stream>,
    /// Where there is no rate: the number of the datagram that is out, and how long it is waited for.
    out: Option<(u64, Instant)>,
    /// When the last datagram that is to come back was sent, until it is back.
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

    /// Counts test datagrams that never left the host.
    pub fn unsent(&mut self, datagrams: u64) {
        if let Some(stream) = &mut self.stream {
            stream.unsent(datagrams);
        }
    }

    /// When the last datagram of the far end arrived.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Which report was the last that came; see [`ClientEvent::Reported`].
    pub fn reported(&self) -> u64 {
        self.last_report
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
        self.known(self.sent())
    }

    /// What is known now, without what was due at `at` or later.
    pub fn snapshot_before(&self, at: Instant) -> Snapshot {
        let [sent, unsent] = self.sent();
        let due = self.stream.as_ref().map_or(0, |stream| stream.schedule().count_before(at));
        let sent = if self.is_one_by_one() { sent } else { sent.min(due) };
        self.known([sent, unsent.min(sent)])
    }

    /// What is known, where so many numbers are used, and so many of them have not left.
    fn known(&self, sent: [u64; 2]) -> Snapshot {
        let (over, cut_off) = (self.is_over(), self.cut_off);
        let way = |[sent, unsent]: [u64; 2], seen| match (over, cut_off) {
            (true, true) => OneWay::cut_off(sent - unsent, unsent, seen),
            (true, false) => OneWay::settled(sent - unsent, unsent, seen),
            (false, _) => OneWay::running(sent - unsent, unsent, seen),
        };
        // Nobody receives what the far end sends after its last report.
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
                // What was lost on the way there is missing here too.
                let seen = crate::Figures { lost: here.lost.saturating_sub(up.lost), ..here };
                let down = back(there, seen);
                let mut trip = way(sent, here);
                trip.lost_in_kernel = (up.lost_in_kernel + down.lost_in_kernel).min(trip.lost);
                trip.lost_on_way = trip.lost - trip.lost_in_kernel;
                Snapshot { up: Some(up), down: Some(down), trip: Some(trip) }
            }
        }
    }

    /// Numbers used, and how many of them never left this host.
    fn sent(&self) -> [u64; 2] {
        self.stream.as_ref().map_or([0, 0], Stream::sent)
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

    fn fail(&mut self, failure: Failure) {
        if let Some(stream) = &mut self.stream {
            stream.stop();
        }
        self.cut_off = matches!(self.phase, Phase::Running { .. } | Phase::Stopping(_));
        self.phase = Phase::Over;
        self.events.push_back(ClientEvent::Failed(failure));
    }

    /// The server may forget the session.
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
        // What comes after the end changes nothing: the figures have been given out.
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

    /// While a ping is on its way: but for short trips the machine that waits would be measured.
    fn awaits(&self, now: Instant) -> bool {
        self.last_ping.is_some_and(|sent| now - sent < AWAITED)
    }
}
