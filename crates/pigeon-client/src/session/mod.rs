//! A member's side of a hub: joins, stays, notices when the hub is gone and when it is back.
//!
//! The session acts on control lines and answers to heartbeats alone, and only once the server has
//! answered a padded heartbeat as a pigeon hub. It reads no sentence.
//!
//! - [`presence`]: whether the hub is there. The diagram of a session stands here.
//! - [`heartbeats`]: when they are sent, and what their answers measure of the path.
//! - [`identity`]: the name and the room that are wanted, and how they come back.
//! - [`requests`]: commands without an answer yet. [`held`]: lines that wait for the hub.
//! - [`hub`]: what the server has shown of itself. [`mod@line`]: what a typed line asks for.
//! - [`config`], [`event`]: what the host gives and gets.

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
use identity::Identity;
use line::Line;
use presence::{Heard, Presence, SENT_AWAY_RETRY, Watch};
use requests::{Asker, Requests};

pub use config::SessionConfig;
pub use event::{Contact, Event, LineError, Said};
pub use left_off::LeftOff;
pub use line::action;

/// The most events kept for a driver that does not collect them; what is received beyond is
/// counted in [`Session::events_lost`].
const MAX_EVENTS: usize = 65_536;

/// The session of one member with one hub. Drive it as [`Machine`] says, over a connected socket.
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
    /// A session that sends its first heartbeat at once. `rng` spreads the heartbeats.
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

    // What can be seen.

    /// The hub's address.
    pub fn hub(&self) -> SocketAddr {
        self.config.hub
    }

    /// When the hub was last heard. `None` if it never was.
    pub fn last_heard(&self) -> Option<Instant> {
        self.presence.last_heard()
    }

    /// How things stand with the hub.
    pub fn contact(&self) -> Contact {
        self.presence.contact(self.heartbeats.is_missing())
    }

    /// The time between the last heartbeat that was sent once and its answer. `None` until there
    /// was one.
    pub fn round_trip(&self) -> Option<Duration> {
        self.heartbeats.round_trip()
    }

    /// Whether the hub is away, or was never heard: its name may stand for another address by now.
    pub fn is_lost(&self) -> bool {
        let is_removed = self.presence.is_removed();
        self.contact() == Contact::Unheard || (self.presence.is_away() && !is_removed)
    }

    /// How many members the hub had when it last answered.
    pub fn members(&self) -> Option<u64> {
        self.hub.members()
    }

    /// How the hub writes messages. `None` until it has said so.
    pub fn format(&self) -> Option<Format> {
        self.hub.format()
    }

    /// What the hub calls the session, or is to call it.
    pub fn name(&self) -> Option<&Name> {
        self.identity.name()
    }

    /// Where the session would leave off now. `None` until the hub has given it a name and a word.
    pub fn left_off(&self) -> Option<LeftOff> {
        self.identity.left_off()
    }

    /// The room that the session is in, as the hub last said.
    pub fn room(&self) -> Option<&RoomName> {
        self.identity.room()
    }

    /// Whether nobody asks the server for the name: it is spoken to plainly, or would send the
    /// command to everyone.
    pub fn keeps_name_to_itself(&self) -> bool {
        self.identity.wants_name() && !self.hub.takes_commands()
    }

    /// Whether lines wait for the hub's first answer, or for the hub to come back.
    pub fn holds_lines(&self) -> bool {
        !self.held.is_empty()
    }

    /// Events dropped because nobody collected them.
    pub fn events_lost(&self) -> u64 {
        self.events.lost
    }

    /// Control lines of kinds that this version does not know.
    pub fn unknown_lines(&self) -> u64 {
        self.unknown_lines
    }

    /// Commands that the session stopped repeating because too many waited for an answer.
    pub fn requests_forgotten(&self) -> u64 {
        self.requests.forgotten()
    }

    /// Whether a line could be sent to any hub, without sending it: so that an editor can keep it.
    pub fn check_line(hub: SocketAddr, line: &[u8]) -> Result<(), LineError> {
        Line::parse(hub, line).map(drop)
    }

    /// Whether a line ends the session.
    pub fn is_last_line(hub: SocketAddr, line: &[u8]) -> bool {
        Line::parse(hub, line) == Ok(Line::Quit)
    }

    // What the person does.

    /// Sends a line, or leaves if it is `quit`. An empty line sends nothing; after the end nothing
    /// is sent at all.
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
            // Said under the name, as soon as the hub has given it back.
            self.held.keep(&datagram);
            self.presence.try_again();
            self.send_heartbeat(now);
            return Ok(Said::Sent);
        }
        // Those that waited, if they have become too many, go first.
        self.send_held(now);
        self.send_line(now, &datagram);
        Ok(if self.presence.is_away() { Said::IntoSilence } else { Said::Sent })
    }

    /// Sends bytes into the room that nobody typed as a line. A raw room gets them untouched; in
    /// another a `/` at the beginning is doubled, so that everybody reads it instead of the hub.
    ///
    /// # Errors
    /// A hub of any format would take the bytes for something else than a message.
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

    /// Goes on with the hub at another address: the name it was found by stands for that now. The
    /// session's socket must be connected there by the next drain.
    ///
    /// It begins as with a stranger, under the same name and in the same room. The resume word and the
    /// password stay behind, also in lines that wait: the new address may be somebody else's.
    /// `left_off` is what an earlier session was given at that very address.
    pub fn move_to(&mut self, now: Instant, hub: SocketAddr, left_off: Option<LeftOff>) {
        if self.over {
            return;
        }
        // What is left in it goes nowhere: the socket would send it to the new address.
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

    /// Asks the hub something that nobody typed, and asks again if no answer comes. False if the
    /// hub cannot be asked now, or has yet to answer the same question.
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

    /// Whether a line waits: for the name, for the hub's format, or behind those that wait.
    fn must_wait(&self, is_command: bool) -> bool {
        let is_behind = !self.held.is_empty();
        match self.presence.is_asking() {
            true => is_command || is_behind || self.identity.wants_name(),
            false => is_behind && self.presence.is_away(),
        }
    }

    /// Refuses a command that a raw hub would send to everyone, and a path that a hub would take for
    /// a command.
    fn check_command(&self, datagram: &[u8]) -> Result<(), LineError> {
        if self.hub.takes_commands() && line::is_path(datagram) {
            return Err(LineError::Path);
        }
        if self.hub.format() != Some(Format::Raw) {
            return Ok(());
        }
        match line::verb(datagram) {
            // Answered here.
            None | Some(Verb::Help) => Ok(()),
            // Nothing is relayed of somebody who has not given the password.
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

    /// Sends what was typed. An answer to a command is waited for where the hub gives one.
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

    /// The last heartbeat has waited long enough.
    fn miss_answer(&mut self, now: Instant) {
        let goes_on = self.heartbeats.miss();
        if self.presence.is_plain_and_away() {
            // Nothing refused this heartbeat, and a plain server gives no other sign.
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

    /// How long a command may go unanswered before it is repeated.
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN.max(self.heartbeats.patience())
    }

    // Being there.

    /// Something came from the hub: it is alive.
    fn hear(&mut self, now: Instant, answer: Option<&Answer>) {
        // That a server talks does not say whether it answers heartbeats: a tutorial's passes on
        // what others say at any time.
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
                    // for it, so that they are said under the name.
                    None if self.presence.is_answering() => self.heartbeats.hurry(now),
                    None => self.send_held(now),
                }
            }
            (Heard::JoinedPlainly, _) => self.events.report(Event::JoinedPlainly),
            (Heard::Nothing, Some(answer)) => self.events.report(Event::Answered(answer.clone())),
            (Heard::Joined | Heard::Nothing, _) => {}
        }
    }

    /// Handles the answer to a heartbeat, which shows how the hub sees the session.
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
            // Not a member: the hub lives, and counts as silent until it answers a heartbeat.
            Notice::Refused(refusal) if refusal.what == Subject::Member => {
                return self.events.report(Event::Notice(notice));
            }
            _ => self.hear(now, None),
        }
        let answered = self.requests.answer(&notice);
        let is_typed = answered.as_ref().is_some_and(|answered| answered.asker == Asker::Person);
        let answered = answered.as_ref();
        if is_wrong_password(&notice) {
            // It would be as wrong the next time.
            self.config.password = None;
        }
        let is_shown = match &notice {
            Notice::Probe(_) | Notice::Probed(_) => return,
            Notice::Roster(_) | Notice::Rooms { .. } => is_typed,
            Notice::Name { name, room, word } => {
                self.identity.named(name.as_ref(), room, word.as_deref(), answered) || is_typed
            }
            Notice::Refused(refusal) => self.identity.refused(now, refusal, answered),
            _ => true,
        };
        let event = if is_shown { Event::Notice } else { Event::Background };
        self.events.report(event(notice));
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

    /// Asks for the name and the room, one after the other, if the hub has others for us.
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

    /// Answers a hub that asks whether we receive at our address, by sending its word back. A
    /// heartbeat follows, which is answered if that was enough.
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

    /// A message to show, whatever it says.
    fn handle_message(&mut self, now: Instant, payload: &[u8]) {
        self.hear(now, None);
        self.events.report(Event::Received(payload.into()));
    }

    /// A control line from a server that has not shown that it is a pigeon hub.
    fn handle_unproven(&mut self, now: Instant, payload: &[u8]) {
        match Notice::parse(payload) {
            Some(Notice::Probe(_) | Notice::Probed(_)) => {}
            // A full hub says so before it answers anything.
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

/// Whether a line holds a word that is meant for one hub alone.
fn is_secret(datagram: &[u8]) -> bool {
    matches!(line::verb(datagram), Some(Verb::Pass | Verb::Resume))
}

/// Whether a hub may have written it. Text such as `^hb^x` it relays.
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
        // A plain heartbeat is not answered, so what looks like an answer is not the hub's.
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
        // The next heartbeat is due anyway; of a line the person must know.
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

    /// The earliest timer: of a heartbeat, of its answer, of an unanswered command, or of the first
    /// sign of the hub.
    fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.heartbeats.timeout(), self.requests.timeout(), self.presence.timeout()];
        timers.into_iter().flatten().min().filter(|_| !self.over)
    }
}

/// What waits for the host, up to a bound.
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
