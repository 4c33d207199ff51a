//! A member's session with a hub: joins, stays, and detects when the hub is away and when it
//! returns.
//!
//! The session acts only on control lines and answers to heartbeats, and only after the server has
//! answered a padded heartbeat as a pigeon hub. It never parses sentences.
//!
//! - [`presence`]: whether the hub is there, with a state diagram.
//! - [`heartbeats`]: their times, and the round trip.
//! - [`identity`]: the wanted name and room, and how they are reclaimed.
//! - [`requests`]: unanswered commands. [`held`]: lines that wait for the hub.
//! - [`hub`]: the server's features. [`mod@line`]: parses input lines.
//! - [`config`], [`event`]: settings and events for the host.

mod config;
mod event;
mod heartbeats;
mod held;
mod hub;
mod identity;
mod left_off;
mod line;
mod presence;
mod requests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_proto::{
    Answer, Command, Format, Gone, Incoming, Name, Notice, Prove, Reason, RoomName, Secret,
    Subject, Verb, heartbeat, is_control_line,
};
use rand_core::Rng;

use heartbeats::{ANSWER_WITHIN, Heartbeats};
use held::Held;
use hub::Hub;
use identity::{Identity, Report};
use line::Line;
use presence::{Heard, Presence, SENT_AWAY_RETRY, Watch};
use requests::{Asker, Requests};

pub use config::SessionConfig;
pub use event::{Contact, Event, LineError, Said};
pub use left_off::LeftOff;
pub use line::action;

/// Maximum number of events kept until the driver collects them; further ones are counted in
/// [`Session::events_lost`].
const MAX_EVENTS: usize = 65_536;

/// The session of one member with one hub. Follow the contract of [`Machine`], with a connected
/// socket.
pub struct Session<R> {
    config: SessionConfig,
    presence: Presence,
    heartbeats: Heartbeats<R>,
    hub: Hub,
    identity: Identity,
    requests: Requests,
    held: Held,
    over: bool,
    outbox: Outbox,
    events: Events,
    unknown_lines: u64,
}

impl<R: Rng> Session<R> {
    /// A session, which sends its first heartbeat at once. `rng` spreads the heartbeats.
    pub fn new(now: Instant, config: SessionConfig, rng: R) -> Self {
        let mut session = Session {
            presence: Presence::new(now, config.plain),
            heartbeats: Heartbeats::new(config.heartbeat, rng),
            hub: Hub::default(),
            identity: Identity::new(config.nick.clone(), config.left_off.clone()),
            requests: Requests::default(),
            held: Held::default(),
            over: false,
            outbox: Outbox::new(),
            events: Events::default(),
            unknown_lines: 0,
            config,
        };
        session.send_heartbeat(now);
        session
    }

    /// The hub's address.
    pub fn hub(&self) -> SocketAddr {
        self.config.hub
    }

    /// When the hub was last heard. `None` if it never was.
    pub fn last_heard(&self) -> Option<Instant> {
        self.presence.last_heard()
    }

    /// The state of the contact with the hub.
    pub fn contact(&self) -> Contact {
        self.presence.contact(self.heartbeats.is_missing())
    }

    /// The round trip of the last heartbeat that was sent only once. `None` before the first
    /// answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.heartbeats.round_trip()
    }

    /// Whether the hub is away, or was never heard: its name may resolve to another address by now.
    pub fn is_lost(&self) -> bool {
        let is_removed = self.presence.is_removed();
        self.contact() == Contact::Unheard || (self.presence.is_away() && !is_removed)
    }

    /// The hub's number of members in its last answer.
    pub fn members(&self) -> Option<u64> {
        self.hub.members()
    }

    /// The hub's message format, if known.
    pub fn format(&self) -> Option<Format> {
        self.hub.format()
    }

    /// The session's name at the hub, or the one to request.
    pub fn name(&self) -> Option<&Name> {
        self.identity.name()
    }

    /// The state for a later session. `None` until the hub has granted a name and a token.
    pub fn left_off(&self) -> Option<LeftOff> {
        self.identity.left_off()
    }

    /// The room in the hub's last report.
    pub fn room(&self) -> Option<&RoomName> {
        self.identity.room()
    }

    /// Whether the name is never requested: the server is a plain one, or would relay the command
    /// to everyone.
    pub fn keeps_name_to_itself(&self) -> bool {
        self.identity.wants_name() && !self.hub.takes_commands()
    }

    /// Whether lines wait for the hub's first answer, or for its return.
    pub fn holds_lines(&self) -> bool {
        !self.held.is_empty()
    }

    /// Events dropped because the host did not collect them.
    pub fn events_lost(&self) -> u64 {
        self.events.lost
    }

    /// Control lines of unknown kinds.
    pub fn unknown_lines(&self) -> u64 {
        self.unknown_lines
    }

    /// Commands that the session stopped repeating because too many were unanswered.
    pub fn requests_forgotten(&self) -> u64 {
        self.requests.forgotten()
    }

    /// Checks whether a line can be sent, without sending it, so that an editor can keep an invalid
    /// one.
    pub fn check_line(hub: SocketAddr, line: &[u8]) -> Result<(), LineError> {
        Line::parse(hub, line).map(drop)
    }

    /// Whether a line ends the session.
    pub fn is_last_line(hub: SocketAddr, line: &[u8]) -> bool {
        Line::parse(hub, line) == Ok(Line::Quit)
    }

    /// Sets whether the hub sees one member in this session and others: connections with the same
    /// key. A name or a room that another one has chosen is adopted then.
    pub fn set_shared(&mut self, is_shared: bool) {
        self.identity.set_shared(is_shared);
    }

    // Commands.

    /// Sends a line, or leaves if it is `quit`. An empty line sends nothing; after the end nothing
    /// is sent.
    pub fn handle_line(&mut self, now: Instant, typed: &[u8]) -> Result<Said, LineError> {
        self.outbox.reset_if_drained();
        let line = Line::parse(self.config.hub, typed)?;
        let (datagram, is_command) = match line {
            _ if self.over => return Ok(Said::Nothing),
            Line::Nothing => return Ok(Said::Nothing),
            Line::Quit => {
                self.leave();
                return Ok(Said::Quit);
            }
            Line::Command(datagram) => (datagram, true),
            Line::Message(datagram) => (datagram, false),
        };
        if is_command {
            self.check_command(&datagram)?;
            if self.hub.has_control_lines() && line::verb(&datagram) == Some(Verb::Help) {
                self.events.report(Event::Notice(Notice::Help));
                return Ok(Said::Answered);
            }
        }
        if self.must_wait(is_command) && self.held.keep(&datagram) {
            return Ok(if self.presence.is_away() { Said::IntoSilence } else { Said::Sent });
        }
        if self.presence.is_moved() {
            // Sent under the name, once the hub has returned it.
            self.held.keep(&datagram);
            self.presence.try_again();
            self.send_heartbeat(now);
            return Ok(Said::Sent);
        }
        // Waiting lines go first, if there are too many.
        self.send_held(now);
        self.send_line(now, &datagram);
        Ok(if self.presence.is_away() { Said::IntoSilence } else { Said::Sent })
    }

    /// Sends bytes that were not entered as a line to the room. A raw room gets them unchanged;
    /// elsewhere a `/` at the start is doubled, so that the hub relays it instead of executing a
    /// command. Fails if a hub would not treat the bytes as a message.
    pub fn handle_payload(&mut self, now: Instant, payload: &[u8]) -> Result<Said, LineError> {
        self.outbox.reset_if_drained();
        if self.over {
            return Ok(Said::Nothing);
        }
        if !matches!(Incoming::parse(Format::Raw, payload), Incoming::Message(_)) {
            return Err(LineError::Reserved);
        }
        if self.presence.is_moved() {
            self.presence.try_again();
            self.send_heartbeat(now);
        }
        match self.hub.takes_commands() && payload.trim_ascii_start().starts_with(b"/") {
            true => self.send(&[b"/", payload.trim_ascii_start()].concat()),
            false => self.send(payload),
        }
        Ok(if self.presence.is_away() { Said::IntoSilence } else { Said::Sent })
    }

    /// Continues with the hub at another address, because its name now resolves to that. The socket
    /// must be connected there by the next drain.
    ///
    /// The session starts over, with the same name and room. It does not send the resume token and
    /// the password there, not even in waiting lines: the new address may belong to another server.
    /// `left_off` is the state of an earlier session at the new address.
    pub fn move_to(&mut self, now: Instant, hub: SocketAddr, left_off: Option<LeftOff>) {
        if self.over {
            return;
        }
        // Discards unsent datagrams: the socket would send them to the new address.
        self.outbox = Outbox::new();
        self.config.hub = hub;
        self.config.password = None;
        self.hub = Hub::default();
        self.presence = Presence::new(now, self.config.plain);
        self.heartbeats.forget_path();
        self.identity.move_to(left_off);
        self.requests.clear();
        if self.held.remove(is_secret) {
            self.events.report(Event::NotSent(LineError::Moved));
        }
        self.send_heartbeat(now);
    }

    /// Sends a request of the client's own, and repeats it if unanswered. Returns false if the hub
    /// cannot be asked now, or has yet to answer the same request.
    pub fn ask(&mut self, now: Instant, command: &Command<'_>) -> bool {
        self.outbox.reset_if_drained();
        let may_ask = !self.over && self.presence.is_answering() && self.hub.takes_commands();
        let may_ask = may_ask && !self.requests.is_pending(command);
        if may_ask {
            self.send_command(now, command, Asker::Client);
        }
        may_ask
    }

    /// Sends the hub a goodbye. Nothing is sent afterwards.
    pub fn leave(&mut self) {
        if !self.over {
            self.outbox.reset_if_drained();
            while let Some(line) = self.held.take() {
                if self.check_command(&line).is_ok() {
                    self.send(&line);
                }
            }
            self.send(b"quit");
            self.over = true;
            self.events.report(Event::Left);
        }
    }

    /// Whether a line must wait: for the name, for the hub's format, or behind other waiting lines.
    fn must_wait(&self, is_command: bool) -> bool {
        let is_behind = !self.held.is_empty();
        match self.presence.is_asking() {
            true => is_command || is_behind || self.identity.wants_name(),
            false => is_behind && self.presence.is_away(),
        }
    }

    /// Rejects a command that a raw hub would relay to everyone, and a path that a hub would treat
    /// as a command.
    fn check_command(&self, datagram: &[u8]) -> Result<(), LineError> {
        if self.hub.takes_commands() && line::is_path(datagram) {
            return Err(LineError::Path);
        }
        if self.hub.format() != Some(Format::Raw) {
            return Ok(());
        }
        match line::verb(datagram) {
            // Answered locally.
            None | Some(Verb::Help) => Ok(()),
            // A hub relays nothing from a member that has not sent the password.
            Some(Verb::Pass) if self.identity.is_locked_out() => Ok(()),
            Some(verb) => Err(LineError::Raw(verb)),
        }
    }

    fn send_held(&mut self, now: Instant) {
        while let Some(line) = self.held.take() {
            match self.check_command(&line) {
                Ok(()) => self.send_line(now, &line),
                Err(error) => self.events.report(Event::NotSent(error)),
            }
        }
    }

    /// Sends a line. Expects an answer to commands that the hub answers.
    fn send_line(&mut self, now: Instant, datagram: &[u8]) {
        match line::command(datagram) {
            Some(command) if self.hub.format() != Some(Format::Raw) => {
                self.identity.typed(&command);
                match self.presence.is_answering() && self.hub.takes_commands() {
                    true => self.send_command(now, &command, Asker::Person),
                    false => self.send(datagram),
                }
            }
            _ => self.send(datagram),
        }
    }

    fn send_command(&mut self, now: Instant, command: &Command<'_>, asker: Asker) {
        let within = self.answer_within();
        self.requests.sent(now, command, asker, within);
        self.send(&command.to_bytes());
    }

    // Heartbeats.

    fn send_heartbeat(&mut self, now: Instant) {
        self.send(if self.config.plain { heartbeat::PLAIN } else { heartbeat::PADDED });
        let (watch, wait) = self.presence.beat(self.config.heartbeat);
        let within = match watch {
            Watch::Repeat => Some(self.heartbeats.patience()),
            Watch::Refusal(within) => Some(within),
            Watch::Nothing => None,
        };
        self.heartbeats.sent(now, wait, within);
    }

    /// Handles a missing answer to the last heartbeat.
    fn miss_answer(&mut self, now: Instant) {
        let goes_on = self.heartbeats.miss();
        if self.presence.is_plain_and_away() {
            // This heartbeat was not refused, the only sign of a plain server.
            match self.presence.find_plainly(now) {
                Some(after) => self.events.report(Event::Again { after }),
                None => self.events.report(Event::Unheard),
            }
            self.heartbeats.resume(now);
            self.send_held(now);
        } else if goes_on {
            self.send_heartbeat(now);
        } else if self.presence.is_answering() {
            self.go_away(now, Event::Silent { since: self.presence.since() });
        }
    }

    /// How long to wait for an answer before a command is repeated.
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN.max(self.heartbeats.patience())
    }

    // Presence.

    /// Handles any datagram of the hub, which shows that the hub is present.
    fn hear(&mut self, now: Instant, answer: Option<&Answer>) {
        // Other datagrams do not show that a server answers heartbeats: a plain one relays messages
        // at any time.
        if answer.is_some() {
            self.heartbeats.answered(now);
        } else if !self.presence.is_asking() {
            self.heartbeats.heard();
        }
        match (self.presence.hear(now, answer.is_some()), answer) {
            (Heard::Joined, Some(answer)) => self.events.report(Event::Joined(answer.clone())),
            (Heard::Again(after), answer) => {
                self.heartbeats.resume(now);
                self.events.report(Event::Again { after });
                match answer {
                    Some(answer) => self.events.report(Event::Answered(answer.clone())),
                    // The answer to a heartbeat shows whether the hub still knows us. Lines wait
                    // for it, so that they are sent under the name.
                    None if self.presence.is_answering() => self.heartbeats.hurry(now),
                    None => self.send_held(now),
                }
            }
            (Heard::JoinedPlainly, _) => self.events.report(Event::JoinedPlainly),
            (Heard::Nothing, Some(answer)) => self.events.report(Event::Answered(answer.clone())),
            (Heard::Joined | Heard::Nothing, _) => {}
        }
    }

    /// Handles the answer to a heartbeat, with the hub's view of the session.
    fn handle_answer(&mut self, now: Instant, answer: &Answer) {
        self.hub.answered(answer);
        self.hear(now, Some(answer));
        let is_awaited = self.requests.wait_for_identity();
        if let Some(you) = &answer.you
            && let Some(lost) = self.identity.heard(you, is_awaited)
        {
            self.events.report(Event::Notice(lost));
        }
        self.ask_for_identity(now);
        if self.presence.is_answering() {
            self.send_held(now);
        }
    }

    fn handle_notice(&mut self, now: Instant, notice: Notice) {
        match &notice {
            Notice::Gone(gone) => return self.handle_gone(now, *gone),
            // We are not a member: the hub is alive, but counts as silent until it answers a
            // heartbeat.
            Notice::Refused(refusal) if refusal.what == Subject::Member => {
                return self.events.report(Event::Notice(notice));
            }
            _ => self.hear(now, None),
        }
        let answered = self.requests.answer(&notice);
        let is_typed = answered.as_ref().is_some_and(|answered| answered.asker == Asker::Person);
        let answered = answered.as_ref();
        if is_wrong_password(&notice) {
            // The same password would be wrong the next time, too.
            self.config.password = None;
        }
        let mut event: fn(Notice) -> Event = Event::Notice;
        let is_shown = match &notice {
            Notice::Probe(_) | Notice::Probed(_) => return,
            Notice::Roster(_) | Notice::Rooms { .. } => is_typed,
            Notice::Name { name, room, word } => {
                match self.identity.named(name.as_ref(), room, word.as_deref(), answered) {
                    Report::Known => is_typed,
                    Report::News => true,
                    Report::Elsewhere => {
                        event = Event::Elsewhere;
                        true
                    }
                }
            }
            Notice::Refused(refusal) => self.identity.refused(now, refusal, answered),
            _ => true,
        };
        self.events.report(if is_shown { event(notice) } else { Event::Background(notice) });
        self.ask_for_identity(now);
    }

    fn handle_gone(&mut self, now: Instant, gone: Gone) {
        let is_news = match gone {
            Gone::TimedOut if self.presence.is_answering() => {
                self.identity.doubt();
                self.heartbeats.hurry(now);
                true
            }
            Gone::TimedOut => false,
            Gone::Stopped => return self.go_away(now, Event::Notice(Notice::Gone(gone))),
            Gone::Kicked | Gone::Banned => {
                self.heartbeats.slow_down(now, SENT_AWAY_RETRY);
                self.presence.send_away()
            }
            Gone::Moved => {
                self.heartbeats.stop();
                self.presence.move_away()
            }
        };
        if self.presence.is_removed() {
            self.requests.clear();
            self.identity.doubt();
        }
        if is_news {
            self.events.report(Event::Notice(Notice::Gone(gone)));
        }
    }

    fn go_away(&mut self, now: Instant, event: Event) {
        if self.presence.lose() {
            self.heartbeats.slow_down(now, presence::FIRST_RETRY.min(self.config.heartbeat));
            self.requests.clear();
            self.identity.doubt();
            self.events.report(event);
        }
    }

    /// Requests the name, then the room, if the hub has different ones.
    fn ask_for_identity(&mut self, now: Instant) {
        if !self.presence.is_answering() || self.requests.wait_for_identity() {
            return;
        }
        let within = self.answer_within();
        if self.identity.is_locked_out()
            && self.hub.has_control_lines()
            && let Some(secret) = self.config.password.as_deref().and_then(Secret::new)
        {
            let command = Command::Pass(secret);
            self.requests.sent(now, &command, Asker::Client, within);
            return self.outbox.send(self.config.hub, None, &command.to_bytes());
        }
        if !self.hub.takes_commands() {
            return;
        }
        if let Some(command) = self.identity.next(now) {
            self.requests.sent(now, &command, Asker::Client, within);
            self.outbox.send(self.config.hub, None, &command.to_bytes());
        }
    }

    /// Answers a hub's request to prove our address, by returning its token. A heartbeat follows,
    /// which is answered if the proof was sufficient.
    fn prove(&mut self, now: Instant, payload: &[u8]) -> bool {
        let is_question = Prove::parse(payload).is_some();
        if is_question && !self.config.plain && self.heartbeats.may_prove() {
            self.send(payload);
            self.send(heartbeat::PADDED);
            self.heartbeats.proved(now);
        }
        is_question
    }

    fn send(&mut self, payload: &[u8]) {
        self.outbox.send(self.config.hub, None, payload);
    }

    /// Handles a message to show, whatever its content.
    fn handle_message(&mut self, now: Instant, payload: &[u8]) {
        self.hear(now, None);
        self.events.report(Event::Received(payload.into()));
    }

    /// Handles a control line of a server that has not proved to be a pigeon hub.
    fn handle_unproven(&mut self, now: Instant, payload: &[u8]) {
        match Notice::parse(payload) {
            Some(Notice::Probe(_) | Notice::Probed(_)) => {}
            // Over an encrypted connection, the hub removes before it answers.
            Some(Notice::Gone(gone)) if self.identity.is_shared() => self.handle_gone(now, gone),
            // A full hub refuses before it answers anything.
            Some(notice @ Notice::Refused(_)) if is_about_membership(&notice) => {
                self.events.report(Event::Notice(notice));
            }
            _ => self.handle_message(now, payload),
        }
    }
}

fn is_about_membership(notice: &Notice) -> bool {
    matches!(notice, Notice::Refused(refusal) if refusal.what == Subject::Member)
}

fn is_wrong_password(notice: &Notice) -> bool {
    matches!(notice, Notice::Refused(refusal) if refusal.why == Reason::WrongPassword)
}

/// Whether a line contains a secret for this hub.
fn is_secret(datagram: &[u8]) -> bool {
    matches!(line::verb(datagram), Some(Verb::Pass | Verb::Resume))
}

/// Whether a hub may have written it. Text such as `^hb^x` is relayed.
fn may_be_control_line(payload: &[u8]) -> bool {
    let is_heartbeat = payload.trim_ascii() == heartbeat::PLAIN;
    payload.starts_with(b"^hb^") && (is_control_line(payload) || is_heartbeat)
}

impl<R: Rng> Machine for Session<R> {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        let payload = datagram.payload;
        if self.over || datagram.from != self.config.hub || self.prove(now, payload) {
            return;
        }
        if !may_be_control_line(payload) {
            return self.handle_message(now, payload);
        }
        // An unpadded heartbeat gets no answer, so this is not the hub's.
        let answer = Answer::parse(payload).filter(|_| !self.config.plain);
        match (answer, self.hub.has_control_lines()) {
            (Some(answer), _) => self.handle_answer(now, &answer),
            (None, false) => self.handle_unproven(now, payload),
            (None, true) => match Notice::parse(payload) {
                Some(notice) => self.handle_notice(now, notice),
                None => self.unknown_lines += 1,
            },
        }
    }

    fn handle_refused(&mut self, now: Instant, _: SocketId) {
        self.outbox.reset_if_drained();
        if self.over {
            return;
        }
        self.heartbeats.heard();
        self.go_away(now, Event::Refused);
    }

    fn handle_undelivered(
        &mut self,
        _: Instant,
        _: SocketId,
        _: Option<SocketAddr>,
        passing: bool,
    ) {
        if !self.over {
            self.events.report(Event::Undelivered { passing });
        }
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, _: u64) {
        let payload = self.outbox.bytes().get(transmit.range.clone()).unwrap_or_default();
        // The next heartbeat is due anyway, but the user must know about an unsent line.
        if payload.trim_ascii() != heartbeat::PLAIN {
            self.events.report(Event::Unsent);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        if self.over {
            return;
        }
        if let Some(was_heard) = self.presence.decide(now) {
            self.events.report(if was_heard { Event::JoinedPlainly } else { Event::Unheard });
            self.send_held(now);
        }
        if self.heartbeats.is_late(now) {
            self.miss_answer(now);
        }
        if self.heartbeats.is_due(now) {
            self.send_heartbeat(now);
        }
        let within = self.answer_within();
        while let Some(command) = self.requests.repeat(now, within) {
            self.send(&command);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.queue.pop_front()
    }

    /// The earliest timer: a heartbeat, its answer, a repeated command, or the wait for the first
    /// sign of the hub.
    fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.heartbeats.timeout(), self.requests.timeout(), self.presence.timeout()];
        timers.into_iter().flatten().min().filter(|_| !self.over)
    }
}

/// Events for the host, up to a limit.
#[derive(Debug, Default)]
struct Events {
    queue: VecDeque<Event>,
    lost: u64,
}

impl Events {
    fn report(&mut self, event: Event) {
        if self.queue.len() < MAX_EVENTS {
            self.queue.push_back(event);
        } else {
            self.lost += 1;
        }
    }
}
