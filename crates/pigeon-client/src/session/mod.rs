//! A member's side of a hub: joins, stays, notices when the hub is gone and when it is back.
//!
//! ```text
//!             heartbeat answered                     three unanswered, refused, or `Bye!`
//!   Asking ───────────────────────▶ Answering ────────────────────────────────────┐
//!     │  no answer for 3 s             ▲  ▲        answered, or anything heard     ▼
//!     ▼                                │  └───────────────────────────────────── Away
//!   Plain ─── answered after all ──────┘                                         ▲  │
//!     │                       refused, or `Bye!`                                 │  │
//!     └──────────────────────────────────────────────────────────────────────────┘  │
//!     ▲          heard, or a heartbeat no longer refused                            │
//!     └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A server that answers no padded heartbeat (a tutorial's) cannot be told from one that is gone
//! unless the network refuses, so a plain session never claims silence.

mod name;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit, max_payload};
use rand_core::Rng;

use crate::heartbeat::{self, Answer};

/// How long a first heartbeat may go unanswered before the server is taken for a plain one.
const PLAIN_AFTER: Duration = Duration::from_secs(3);

/// How long a heartbeat may go unanswered before it is repeated, where the path is not known to be
/// longer. RFC 8085 section 3.1.1 asks for at least a second where nothing is known.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The length of `/prove TOKEN`, whose token has 16 characters.
const PROVE_LEN: usize = 23;

/// The longest name that is remembered, in bytes: 32 characters of four.
const MAX_NICK: usize = 128;

/// How many typed lines wait for the first heartbeat's answer, so that a name is asked for before
/// anything is said under an address. More are sent at once.
const MAX_HELD: usize = 64;

/// What the hub's lines begin with that tell a member it is one no more, by somebody's wish.
const REMOVED: [&[u8]; 3] =
    [b"* you were removed ", b"* you were banned ", b"* your name was taken back "];

/// What the hub's lines begin with that tell a heartbeat's sender why it is no member.
const REFUSED: [&[u8]; 4] = [
    b"* the hub is full",
    b"* the lobby is full",
    b"* too many of the hub's addresses ",
    b"* too many members from your address",
];

/// How many heartbeats in a row may go unanswered before the hub is called silent.
const UNANSWERED: u32 = 3;

/// The first wait before a hub that is away is tried again; it doubles up to the heartbeat's own
/// interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The most events kept for a driver that does not collect them; what is received beyond is
/// counted in [`Session::events_lost`].
const MAX_EVENTS: usize = 65_536;

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Where the hub is.
    pub hub: SocketAddr,
    /// Our own address as the hub sees it when nothing translates it; tells a lost name.
    pub local: Option<SocketAddr>,
    /// What to be called, asked of the hub as soon as it is known to be one.
    pub nick: Option<String>,
    /// The time between heartbeats. Each is up to a fifth earlier, so that a classroom that
    /// started together does not stay in step.
    pub heartbeat: Duration,
    /// Whether to speak like any program: plain heartbeats, nothing expected in return.
    pub plain: bool,
}

/// What a session reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server is a pigeon hub, and this session a member.
    Joined(Answer),
    /// The server answers no heartbeats; messages go out all the same.
    JoinedPlainly,
    /// A datagram to show.
    Received(Box<[u8]>),
    /// Nobody listens at the hub's port.
    Refused,
    /// A hub that answered before does not any more.
    Silent {
        /// When something was last heard.
        since: Instant,
    },
    /// The hub said `Bye!`.
    Stopped,
    /// The hub has removed this session, or given its name to another: it stays away until the
    /// person says something.
    Removed,
    /// The hub is back, and this session is a member again.
    Again {
        /// How long nothing was heard.
        after: Duration,
    },
    /// `quit` is on its way; when it is sent the session is over.
    Left,
}

/// What became of a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing was typed, nothing is sent.
    Nothing,
    /// It is on its way.
    Sent,
    /// It is on its way, but the hub is away: it is probably lost.
    IntoSilence,
    /// It was `quit` or `/quit`.
    Quit,
}

/// A line that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// More than one datagram carries. Nothing was sent.
    TooLong {
        /// The line's bytes.
        length: usize,
        /// What a datagram to this hub carries.
        most: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LineError::TooLong { length, most } = self;
        write!(f, "not sent: {length} bytes, and a datagram carries at most {most}")
    }
}

impl std::error::Error for LineError {}

/// How things stand between a session and its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The first heartbeat is not answered yet.
    Asking,
    /// The server answers no heartbeats, so nobody can tell whether it is there.
    Plain,
    /// The hub answers.
    Answering,
    /// A heartbeat went unanswered, the network refused, or the hub said `Bye!`.
    Silent,
    /// The hub has sent us away.
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Asking,
    Plain,
    Answering,
    Away {
        plain: bool,
        retry: Duration,
    },
    /// Removed by the hub: no heartbeats until the person speaks.
    Removed,
}

/// The session of one member with one hub. Drive it as [`Machine`] says, over a connected socket.
pub struct Session<R> {
    config: SessionConfig,
    rng: R,
    presence: Presence,
    heard: Instant,
    unanswered: u32,
    next_heartbeat: Instant,
    answer_due: Option<Instant>,
    /// When the heartbeat was sent whose answer will tell the round trip. `None` if none is on its
    /// way, or if it was repeated: nobody could say which of the two was answered (RFC 6298
    /// section 3, Karn's algorithm).
    timed: Option<Instant>,
    unanswered_heartbeats: u32,
    round_trip: Option<Duration>,
    members: Option<u64>,
    /// What was typed behind `/nick`, until the hub has granted it.
    wish: Option<String>,
    /// The word that takes the name back, as the hub told it.
    resume_word: Option<String>,
    /// Lines typed before the first heartbeat was answered.
    held: VecDeque<Box<[u8]>>,
    /// Whether a heartbeat of ours may have been answered by a question to prove ourselves.
    may_prove: bool,
    /// Whether the hub calls us by `config.nick`, as far as we know.
    named: bool,
    /// When the name was last asked for, until the hub says yes or no.
    asked: Option<Instant>,
    /// Whether the hub has lines of its own: then it knows what `/nick` means, and asking again
    /// publishes nothing, as it would in the raw format.
    has_lines: bool,
    /// How often the word has been sent since a name was granted.
    resumed: u8,
    over: bool,
    outbox: Outbox,
    events: VecDeque<Event>,
    events_lost: u64,
}

impl<R: Rng> Session<R> {
    /// A session that sends its first heartbeat at once. `rng` spreads the heartbeats.
    pub fn new(now: Instant, config: SessionConfig, rng: R) -> Self {
        let mut session = Session {
            presence: if config.plain { Presence::Plain } else { Presence::Asking },
            config,
            rng,
            heard: now,
            unanswered: 0,
            next_heartbeat: now,
            answer_due: None,
            timed: None,
            unanswered_heartbeats: 0,
            round_trip: None,
            members: None,
            wish: None,
            resume_word: None,
            held: VecDeque::new(),
            may_prove: false,
            named: false,
            asked: None,
            has_lines: false,
            resumed: 0,
            over: false,
            outbox: Outbox::new(),
            events: VecDeque::new(),
            events_lost: 0,
        };
        session.send_heartbeat(now);
        if session.config.plain {
            session.report(Event::JoinedPlainly);
            session.ask_for_nick(now);
        }
        session
    }

    // What can be seen.

    /// The hub's address.
    pub fn hub(&self) -> SocketAddr {
        self.config.hub
    }

    /// When the hub was last heard; the session's beginning if it never was.
    pub fn last_heard(&self) -> Instant {
        self.heard
    }

    /// How things stand with the hub.
    pub fn contact(&self) -> Contact {
        match self.presence {
            Presence::Away { .. } => Contact::Silent,
            Presence::Answering if self.unanswered > 0 => Contact::Silent,
            Presence::Asking => Contact::Asking,
            Presence::Plain => Contact::Plain,
            Presence::Answering => Contact::Answering,
            Presence::Removed => Contact::Removed,
        }
    }

    /// The time between the last heartbeat that was sent once and its answer. `None` until there
    /// was one.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// How many members the hub had when it last answered.
    pub fn members(&self) -> Option<u64> {
        self.members
    }

    /// What we are called, or asked to be called.
    pub fn nick(&self) -> Option<&str> {
        self.config.nick.as_deref()
    }

    /// Events dropped because nobody collected them.
    pub fn events_lost(&self) -> u64 {
        self.events_lost
    }

    /// Whether a line could be sent, without sending it: so that an editor can keep it.
    pub fn check_line(hub: SocketAddr, line: &[u8]) -> Result<(), LineError> {
        let most = max_payload(hub);
        match line.len() {
            length if length > most => Err(LineError::TooLong { length, most }),
            _ => Ok(()),
        }
    }

    // What the person does.

    /// Sends a line, or leaves if it is `quit`. An empty line sends nothing; after the end nothing
    /// is sent at all.
    pub fn handle_line(&mut self, now: Instant, line: &[u8]) -> Result<Said, LineError> {
        self.outbox.reset_if_drained();
        Self::check_line(self.config.hub, line)?;
        match line.trim_ascii() {
            _ if self.over => return Ok(Said::Nothing),
            b"" => return Ok(Said::Nothing),
            b"quit" | b"/quit" => {
                self.leave();
                return Ok(Said::Quit);
            }
            command => {
                if let Some(nick) = command.strip_prefix(b"/nick ") {
                    let nick = std::str::from_utf8(nick.trim_ascii()).ok();
                    self.wish = nick.filter(|nick| nick.len() <= MAX_NICK).map(str::to_string);
                }
            }
        }
        match self.presence {
            Presence::Asking if self.config.nick.is_some() && self.held.len() < MAX_HELD => {
                self.held.push_back(line.into());
                return Ok(Said::Sent);
            }
            // Behind those that wait already: what was typed first is said first.
            Presence::Away { .. } if (1..MAX_HELD).contains(&self.held.len()) => {
                self.held.push_back(line.into());
                return Ok(Said::IntoSilence);
            }
            Presence::Removed => {
                self.come_back(now, None, self.config.plain);
                self.may_prove = true;
            }
            // Those that waited, if they have become too many, go first.
            _ => self.send_held(),
        }
        self.send(line);
        Ok(match self.presence {
            Presence::Away { .. } => Said::IntoSilence,
            _ => Said::Sent,
        })
    }

    /// Tells the hub that we go. Nothing is sent afterwards.
    pub fn leave(&mut self) {
        if !self.over {
            self.outbox.reset_if_drained();
            self.send_held();
            self.send(b"quit");
            self.over = true;
            self.report(Event::Left);
        }
    }

    fn send_held(&mut self) {
        while let Some(line) = self.held.pop_front() {
            self.send(&line);
        }
    }

    // Being there.

    /// Something came from the hub: it is alive.
    fn hear(&mut self, now: Instant, answer: Option<Answer>) {
        let silence = now - self.heard;
        self.heard = now;
        self.unanswered = 0;
        // That a server talks does not say whether it answers heartbeats: a tutorial's passes on
        // what others say at any time.
        if answer.is_some() || self.presence != Presence::Asking {
            self.answer_due = None;
        }
        if let Some(answer) = answer {
            self.members = Some(answer.members);
            self.round_trip = self.timed.take().map(|sent| now - sent).or(self.round_trip);
            self.unanswered_heartbeats = 0;
        }
        match (self.presence, answer) {
            (Presence::Asking | Presence::Plain, Some(answer)) => {
                self.presence = Presence::Answering;
                self.report(Event::Joined(answer));
                self.ask_for_nick(now);
                self.send_held();
            }
            (Presence::Away { plain, .. }, answer) => {
                self.come_back(now, Some(silence), plain && answer.is_none());
            }
            // The wish or its answer was lost.
            (Presence::Answering, Some(_)) if self.has_lines && self.waits_for_name(now) => {
                self.ask_for_nick(now);
            }
            _ => {}
        }
    }

    /// The hub is there again after so long, or the person is after being removed.
    fn come_back(&mut self, now: Instant, after: Option<Duration>, plain: bool) {
        self.presence = if plain { Presence::Plain } else { Presence::Answering };
        self.next_heartbeat = now + self.interval();
        if let Some(after) = after {
            self.report(Event::Again { after });
        }
        self.named = false;
        if !plain || self.config.plain {
            self.ask_for_nick(now);
        }
        self.send_held();
    }

    fn go_away(&mut self, now: Instant, event: Event) {
        let plain = self.presence != Presence::Answering;
        self.presence = Presence::Away { plain, retry: FIRST_RETRY };
        self.next_heartbeat = now + FIRST_RETRY.min(self.config.heartbeat);
        self.answer_due = None;
        self.unanswered = 0;
        self.report(event);
    }

    /// The last heartbeat has waited long enough.
    fn miss_answer(&mut self, now: Instant) {
        self.answer_due = None;
        match self.presence {
            Presence::Asking => {
                self.presence = Presence::Plain;
                self.report(Event::JoinedPlainly);
                self.send_held();
            }
            Presence::Answering => {
                self.unanswered += 1;
                if self.unanswered >= UNANSWERED {
                    self.go_away(now, Event::Silent { since: self.heard });
                } else {
                    self.send_heartbeat(now);
                }
            }
            // Nothing refused this heartbeat, and a plain server gives no other sign.
            Presence::Away { plain: true, .. } => self.come_back(now, Some(now - self.heard), true),
            Presence::Away { plain: false, .. } | Presence::Plain | Presence::Removed => {}
        }
    }

    fn send_heartbeat(&mut self, now: Instant) {
        self.may_prove = !self.config.plain;
        self.unanswered_heartbeats = self.unanswered_heartbeats.saturating_add(1);
        self.timed = (self.unanswered_heartbeats == 1).then_some(now);
        self.send(if self.config.plain { heartbeat::PLAIN } else { heartbeat::PADDED });
        let mut wait = self.interval();
        let patience = self.patience();
        let answer_within = match &mut self.presence {
            Presence::Asking => Some(PLAIN_AFTER),
            Presence::Answering => Some(patience),
            Presence::Plain | Presence::Removed => None,
            Presence::Away { plain, retry } => {
                *retry = (*retry * 2).min(self.config.heartbeat);
                wait = *retry;
                plain.then_some(FIRST_RETRY)
            }
        };
        if let Some(within) = answer_within {
            self.answer_due.get_or_insert(now + within);
        }
        self.next_heartbeat = now + wait;
    }

    /// How long an answer may take: twice as long as the last one did, if that is much, but not
    /// longer than until the next heartbeat.
    fn patience(&self) -> Duration {
        let known = 2 * self.round_trip.unwrap_or_default();
        ANSWER_WITHIN.max(known).min(self.config.heartbeat)
    }

    /// Answers a hub that asks whether we receive at our address, by sending its word back. A
    /// heartbeat follows, which is answered if that was enough. Once for each heartbeat of ours: a
    /// forged question may not make us send more.
    fn prove(&mut self, now: Instant, payload: &[u8]) -> bool {
        let is_question = payload.starts_with(b"/prove ") && payload.len() == PROVE_LEN;
        if is_question && std::mem::take(&mut self.may_prove) {
            self.send(payload);
            self.send(heartbeat::PADDED);
            // The first one was answered by the question.
            self.timed = self.timed.and(Some(now));
        }
        is_question
    }

    // The parts.

    /// The heartbeat's interval, up to a fifth shorter.
    fn interval(&mut self) -> Duration {
        let fifth = u64::try_from((self.config.heartbeat / 5).as_nanos()).unwrap_or(u64::MAX);
        let earlier = match fifth {
            0 => 0,
            fifth => self.rng.next_u64() % fifth,
        };
        self.config.heartbeat - Duration::from_nanos(earlier)
    }

    fn send(&mut self, payload: &[u8]) {
        self.outbox.send(self.config.hub, None, payload);
    }

    fn report(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.events_lost += 1;
        }
    }
}

impl<R: Rng> Machine for Session<R> {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        if self.over || datagram.from != self.config.hub {
            return;
        }
        if self.prove(now, datagram.payload) {
            return;
        }
        let answer = Answer::parse(datagram.payload);
        if datagram.payload.trim_ascii() == b"Bye!" {
            // Shown too: in the raw format any member can say it.
            self.heard = now;
            self.report(Event::Received(datagram.payload.into()));
            if !matches!(self.presence, Presence::Away { .. } | Presence::Removed) {
                self.go_away(now, Event::Stopped);
            }
            return;
        }
        if REFUSED.iter().any(|line| datagram.payload.starts_with(line)) {
            self.report(Event::Received(datagram.payload.into()));
            if self.presence == Presence::Asking {
                // A hub, but not ours yet.
                self.answer_due = None;
            }
            return;
        }
        self.hear(now, answer);
        if answer.is_none() {
            self.report(Event::Received(datagram.payload.into()));
            if REMOVED.iter().any(|line| datagram.payload.starts_with(line)) {
                self.presence = Presence::Removed;
                self.may_prove = false;
                self.report(Event::Removed);
                return;
            }
        }
        self.mind_name(now, datagram.payload);
    }

    fn handle_refused(&mut self, now: Instant, _: SocketId) {
        self.outbox.reset_if_drained();
        if self.over {
            return;
        }
        match self.presence {
            Presence::Away { .. } | Presence::Removed => self.answer_due = None,
            _ => self.go_away(now, Event::Refused),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        if self.over {
            return;
        }
        if self.answer_due.is_some_and(|due| due <= now) {
            self.miss_answer(now);
        }
        if self.next_heartbeat <= now && self.presence != Presence::Removed {
            self.send_heartbeat(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The earlier of two timers: the next heartbeat, and the wait for an answer to the last.
    fn poll_timeout(&self) -> Option<Instant> {
        if self.over || self.presence == Presence::Removed {
            return None;
        }
        Some(self.answer_due.map_or(self.next_heartbeat, |due| due.min(self.next_heartbeat)))
    }
}
