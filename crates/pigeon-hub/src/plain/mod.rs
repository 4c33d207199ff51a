//! The link for plain datagrams, which any program can use.
//!
//! [`Plain::receive`] is the main flow, from a datagram to its effects:
//!
//! ```text
//!   datagram ─▶ banned? own? ─▶ Incoming::parse ─▶ held? ─▶ within the rate? ─▶ a member?
//!                                                                                   │
//!   trains ◀─ runs ◀─ take(Output::Message) ◀───────────── core::handle(Input) ◀────┘
//! ```
//!
//! - `doors`: the listening sockets, each with a format and a room.
//! - [`members`]: the table of members; `locals`: the hub's addresses that they use; `debt`: their
//!   rates.
//! - `responders`: protection against loops. `watch` decides which members are suspect or held,
//!   `trial` tests for automatic answers.
//! - `delivery`: all outgoing datagrams. Its parts: `runs` and `run`: the messages of one batch and
//!   their trains; `render` and `renderer`: their text; `lines` and `outgoing`: notices;
//!   `farewell`: goodbyes.
//! - `joining`: how a sender becomes a member; `strangers`: the rate of lines to other addresses.
//!   `limits`: members' limits; `encodings`: their encodings, and in `left` those of members that
//!   timed out. `turns`: the order of datagrams while several addresses speak.
//! - `discovery`: answers to `/discover`.

mod costs;
mod debt;
mod delivery;
mod discovery;
mod doors;
mod encodings;
mod farewell;
mod joining;
mod left;
mod limits;
mod lines;
mod locals;
pub(crate) mod members;
mod outgoing;
mod render;
mod renderer;
mod responders;
mod run;
mod runs;
mod strangers;
mod trial;
mod turns;
mod watch;

use std::time::Duration;

use pigeon_datagram::{Instant, Received, SocketId, Transmit};
use pigeon_proto::heartbeat::{Details, write_answer};
use pigeon_proto::{
    Command, Format, Incoming, Nonce, Notice, Reason, Secret, Setting, Subject, Verb,
};
use pigeon_text::{Charset, Encoding, guess};

use self::delivery::Delivery;
use self::discovery::{Discovery, Question};
use self::doors::Doors;
use self::left::LeftEncodings;
use self::members::{Flag, Members};
use self::outgoing::Route;
use self::strangers::Strangers;
use self::turns::Turns;
use self::watch::Watches;
use crate::core;
use crate::core::id::{MemberId, Slot};
use crate::core::input::{Context, Input};
use crate::core::members::Trait;
use crate::core::message::Caller;
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::Events;
use crate::statistics::{Dropped, Left};

/// Maximum number of time-outs per call; the next call follows at once. So the time-out of a
/// hundred thousand members does not delay others' datagrams.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// How long a person that sends no heartbeats may be silent.
const PATIENCE: Duration = Duration::from_secs(600);

/// The longest first line that is answered with how to get a name.
const MAX_TYPED: usize = 200;

/// The first byte hashed when a nonce is turned into a random delay.
const CHANCE: u8 = 3;

/// The plain link: its members, at all listening sockets.
pub(crate) struct Plain {
    members: Members,
    delivery: Delivery,
    discovery: Discovery,
    strangers: Strangers,
    turns: Turns,
    /// The encodings of members that timed out.
    left: LeftEncodings,
    watches: Watches,
    /// Number of random draws made for trials.
    drawn: u64,
    /// A member's text, converted to UTF-8. Reused between datagrams.
    decoded: String,
    /// The answer to a heartbeat. Reused between heartbeats.
    answer: Vec<u8>,
}

/// A datagram being handled, with its mutable surroundings.
struct Datagram<'a, 'b> {
    core: &'a mut Core,
    now: Instant,
    datagram: &'a Received<'b>,
    /// The encoding that the datagram proves its sender to use, if any.
    used: Option<Encoding>,
}

impl Plain {
    /// The link, with the core's rooms for its listening sockets.
    pub(crate) fn new(core: &mut Core) -> Self {
        let (doors, keys) = (Doors::open(core), core.config().hash_keys);
        Plain {
            members: Members::new(keys, doors),
            delivery: Delivery::default(),
            discovery: Discovery::default(),
            strangers: Strangers::new(keys),
            turns: Turns::default(),
            left: LeftEncodings::new(keys),
            watches: Watches::default(),
            drawn: 0,
            decoded: String::new(),
            answer: Vec::new(),
        }
    }

    // Access to buffers.

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// The bytes that transmits point into.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.delivery.bytes()
    }

    /// The context of a call for no member in particular.
    pub(crate) fn context(&self, now: Instant) -> Context<'_> {
        self.context_at(now, SocketId::FIRST)
    }

    fn context_at(&self, now: Instant, socket: SocketId) -> Context<'_> {
        let door = self.members.doors().at(socket);
        Context { now, home: door.home, format: door.format, plain: &self.members }
    }

    // Receiving.

    /// Opens a new batch if the last one has been sent.
    pub(crate) fn begin(&mut self, core: &mut Core, now: Instant) {
        if self.delivery.end_batch() {
            core.end_batch();
            self.turns.end_batch();
        }
        self.delivery.go_on(self.turns.are_shared(now));
    }

    /// Handles a datagram, or returns the reason that it has no effect.
    pub(crate) fn receive(
        &mut self,
        core: &mut Core,
        events: &mut Events,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<(), Dropped> {
        let from = datagram.from;
        core.config().sources.check(from).map_err(|_| Dropped::BadSource)?;
        if core.is_banned(from.ip()) {
            return Err(Dropped::Banned);
        }
        if datagram.is_truncated() {
            return Err(Dropped::Truncated);
        }
        let Some(door) = self.members.doors().get(datagram.socket) else {
            return match Incoming::parse(Format::Raw, datagram.payload) {
                Incoming::Discover(question) => {
                    self.discover(core, now, datagram, None, question.nonce)
                }
                _ => Err(Dropped::NotAQuestion),
            };
        };
        let format = door.format;
        let member = self.members.find(datagram.socket, from);
        // Classification only needs ASCII, which is the same in every encoding that a member may
        // use.
        let incoming = Incoming::parse(format, datagram.payload);
        if member.is_none() && farewell::is_farewell(format, datagram.payload) {
            return Err(Dropped::Reply);
        }
        match incoming {
            Incoming::Reply => {
                if let Some(slot) = member {
                    self.hear_control_line(core, events, now, slot, datagram.payload);
                }
                return Err(Dropped::Reply);
            }
            Incoming::Prove(prove) => return self.prove(core, now, datagram, member, prove),
            Incoming::Discover(discover) => {
                return self.discover(core, now, datagram, member, discover.nonce);
            }
            Incoming::Quit if member.is_none() => return Err(Dropped::NotMember),
            Incoming::Message(_) | Incoming::Command(_) => {
                if let Some(slot) = member {
                    self.watch(core, events, now, slot, datagram)?;
                }
                self.refuse_unread(core, now, datagram, member)?;
            }
            Incoming::Heartbeat { .. } | Incoming::Quit | Incoming::Empty => {}
        }
        let own = core.config().charset(format);
        let charset = match member {
            Some(slot) => self.members.charset(slot),
            None => self.left.get(now, (datagram.socket, from)).unwrap_or(own),
        };
        // UTF-8 under `auto`. Invalid bytes become escapes in the text.
        let mut is_faulty = false;
        let encoding = match charset {
            // A text that is too long in any encoding is refused without decoding.
            _ if render::is_too_long(datagram.payload, core.config().most_text(format)) => {
                Encoding::UTF_8
            }
            _ if matches!(incoming, Incoming::Command(line) if Command::is_too_long(line)) => {
                Encoding::UTF_8
            }
            Charset::Fixed(encoding) => encoding,
            Charset::Auto if std::str::from_utf8(datagram.payload).is_ok() => Encoding::UTF_8,
            Charset::Auto => {
                is_faulty = true;
                let before = member.map(|slot| self.members.encoding(slot));
                // UTF-8 is also the encoding of a member that has not sent text yet.
                let before = before.filter(|encoding| *encoding == Encoding::GB18030);
                guess(datagram.payload, before)
            }
        };
        // ASCII text has the same bytes in UTF-8 and GB18030, so it does not show which of them the
        // member uses.
        let tells = charset == Charset::Auto && !datagram.payload.is_ascii();
        let used = tells.then_some(encoding);
        let mut cx = Datagram { core, now, datagram, used };
        if encoding == Encoding::UTF_8 && !is_faulty {
            return self.apply(&mut cx, member, datagram.payload, incoming);
        }
        let mut text = std::mem::take(&mut self.decoded);
        text.clear();
        // White space around it is insignificant, and padding need not be decoded. Everything but
        // text is ASCII.
        let is_text = matches!(incoming, Incoming::Message(_) | Incoming::Command(_));
        let read = if is_text { datagram.payload.trim_ascii() } else { &[] };
        if !encoding.decode_to(read, &mut text) {
            // Datagrams without text reveal no encoding.
            cx.used = None;
        }
        let incoming = if is_text { Incoming::parse(format, text.as_bytes()) } else { incoming };
        let outcome = self.apply(&mut cx, member, text.as_bytes(), incoming);
        self.decoded = text;
        outcome
    }

    /// Handles a datagram in UTF-8.
    fn apply(
        &mut self,
        cx: &mut Datagram<'_, '_>,
        member: Option<Slot>,
        payload: &[u8],
        incoming: Incoming<'_>,
    ) -> Result<(), Dropped> {
        let now = cx.now;
        let slot = match member {
            Some(slot) => {
                self.members.touch(slot, now, cx.datagram.local);
                if let Some(used) = cx.used {
                    self.write_in(cx.core, slot, used);
                }
                slot
            }
            None => {
                self.may_join(cx.core, now, cx.datagram)?;
                let slot = self.join(cx.core, now, cx.datagram)?;
                if let Some(used) = cx.used {
                    // `Output::Joined` has not been taken yet, so no room counts its style.
                    self.members.set_used(slot, used);
                }
                slot
            }
        };
        let length = cx.datagram.payload.len();
        let is_text = matches!(incoming, Incoming::Message(_) | Incoming::Command(_));
        let beats = matches!(incoming, Incoming::Heartbeat { .. })
            || matches!(incoming, Incoming::Empty) && length == 0;
        if beats {
            cx.core.choose(slot, Trait::Beats, true);
        }
        let id = cx.core.id(slot);
        let is_first_line = member.is_none() && is_typed(cx.datagram.payload, &incoming);
        let outcome = self.apply_to(cx, slot, incoming, length);
        if cx.core.find_id(id).is_some() && self.members.has_slot(slot) {
            self.settle_patience(cx.core, slot);
            if is_first_line && outcome.is_ok() {
                self.greet(cx.core, slot);
            }
        }
        if outcome.is_ok() && is_text {
            self.hint(cx.core, slot, payload);
        }
        outcome
    }

    /// A person that sends no heartbeats has a longer time-out: one that has a name, and was heard
    /// more than once, as forged datagrams in a flood are not.
    fn settle_patience(&mut self, core: &Core, slot: Slot) {
        let is_patient = core.has(slot, Trait::Named)
            && !core.has(slot, Trait::Beats)
            && self.members.has(slot, Flag::Again)
            && self.members.format(slot) != Format::Raw;
        self.members.set_patient(slot, is_patient);
    }

    /// Tells a newcomer without a name how to get one.
    fn greet(&mut self, core: &mut Core, slot: Slot) {
        let room = core.room_of(slot).map(|room| room.name().clone());
        let is_new = core.name(slot).is_none() && self.members.format(slot) == Format::Chat;
        if let Some(room) = room.filter(|_| is_new) {
            core.reply(core.id(slot), Notice::Name { name: None, room, word: None });
        }
    }

    /// Handles a member's datagram of `length` bytes, in UTF-8.
    fn apply_to(
        &mut self,
        cx: &mut Datagram<'_, '_>,
        slot: Slot,
        incoming: Incoming<'_>,
        length: usize,
    ) -> Result<(), Dropped> {
        let now = cx.now;
        match incoming {
            Incoming::Quit => self.hand_over(cx.core, now, slot, Input::Leave),
            Incoming::Heartbeat { padded } => {
                cx.core.statistics_mut().heartbeats += 1;
                self.members.set(slot, Flag::Padded, padded);
                // First, since it may change the roster version in the answer.
                self.hand_over(cx.core, now, slot, Input::Alive)?;
                // A heartbeat is not a message, but answers cost bytes.
                let is_answered = padded && self.members.may_answer(slot);
                if is_answered {
                    self.answer_heartbeat(cx.core, slot, length);
                }
                if is_answered == padded { Ok(()) } else { Err(Dropped::HeartbeatUnanswered) }
            }
            Incoming::Command(line) => {
                self.spend(cx.core, slot, now, length)?;
                cx.core.statistics_mut().commands += 1;
                match Command::parse(line) {
                    Ok(Command::Encoding(charset)) if !self.may_read(cx.core, slot, charset) => {
                        let (to, verb) = (cx.core.id(slot), Verb::Encoding);
                        cx.core.refuse(to, Subject::Command(verb), Reason::TooManyEncodings);
                        Err(Dropped::EncodingsFull)
                    }
                    Ok(command) => self.hand_over(cx.core, now, slot, Input::Command(command)),
                    Err(refusal) => {
                        // A person typed it, right or wrong.
                        let at = self.context_at(now, cx.datagram.socket);
                        cx.core.is_person(&at, slot);
                        let to = cx.core.id(slot);
                        cx.core.reply(to, Notice::Refused(refusal));
                        Ok(())
                    }
                }
            }
            Incoming::Message(text) => self.speak(cx.core, now, slot, text, length),
            Incoming::Empty | Incoming::Reply | Incoming::Prove(_) | Incoming::Discover(_) => {
                Ok(())
            }
        }
    }

    /// Passes a member's input to the core.
    fn hand_over(
        &mut self,
        core: &mut Core,
        now: Instant,
        slot: Slot,
        input: Input<'_>,
    ) -> Result<(), Dropped> {
        let cx = self.context_at(now, self.members.socket(slot));
        let caller = Caller::Address(self.members.address(slot));
        core::handle(core, &cx, slot, caller, input)
    }

    /// Sends a member's message to its room; its datagram has `cost` bytes.
    fn speak(
        &mut self,
        core: &mut Core,
        now: Instant,
        slot: Slot,
        text: &[u8],
        cost: usize,
    ) -> Result<(), Dropped> {
        let format = self.members.format(slot);
        // The raw format has no commands, but a member must be able to send a password, which must
        // never be relayed as data.
        if format == Format::Raw
            && core.config().password.is_some()
            && let Some(secret) = text.trim_ascii().strip_prefix(b"/pass ")
            && let Some(secret) = Secret::new(secret)
        {
            return self.hand_over(core, now, slot, Input::Command(Command::Pass(secret)));
        }
        let Some(room) = core.room_of(slot).map(Room::id) else {
            return Err(self.warn(core, slot, Dropped::NoPassword));
        };
        self.spend(core, slot, now, cost)?;
        let outcome = self
            .check_size(core, slot, room, text)
            .and_then(|()| self.hand_over(core, now, slot, Input::Say { text, identity: None }));
        outcome.map_err(|reason| self.not_sent(core, slot, reason, text.len()))
    }

    // Outputs of the core.

    /// Handles the plain link's part of an output.
    pub(crate) fn take(&mut self, core: &mut Core, output: &Output) {
        match output {
            Output::Joined { member, room } => {
                // The member may have left already, like a kicked one that sends its token: `Left`
                // follows, and must find it in the room.
                if let Some(room) = room.filter(|_| self.members.has_slot(member.slot())) {
                    self.enter(core, *member, room);
                }
            }
            Output::Moved { member, from, to } => {
                let slot = member.slot();
                if !self.members.has_slot(slot) {
                    return;
                }
                let style = self.members.style(slot);
                if let Some(from) = *from {
                    self.delivery.deliver_now(core, &self.members, from, *member, false);
                    self.delivery.exit(from, style);
                }
                self.enter(core, *member, *to);
            }
            Output::Left { member, language, room, reason, .. } => {
                let slot = member.slot();
                if !self.members.has_slot(slot) {
                    return;
                }
                self.end_trial(core, slot);
                if let Some(gone) = reason.gone() {
                    // The core does not keep the language of a refused member.
                    let to = (slot, *language);
                    self.delivery.tell(core, &self.members, to, &Notice::Gone(gone));
                }
                if let Some(room) = *room {
                    self.delivery.exit(room, self.members.style(slot));
                }
                let (place, heard) = (self.members.address(slot), self.members.heard(slot));
                let held = self.watches.held_until(*member).unwrap_or(heard);
                let owed = self.members.owed(slot).max(held - heard);
                self.strangers.leaves(heard, place, owed);
                let own = core.config().charset(self.members.format(slot));
                if *reason == Left::TimedOut && self.members.charset(slot) != own {
                    let place = (self.members.socket(slot), place);
                    self.left.keep(heard, place, self.members.charset(slot));
                }
                self.members.remove(slot);
            }
            Output::Renamed { .. } => {}
            Output::Message { room, number } => self.delivery.push(core, *room, *number),
            Output::Reply { to, notice } => {
                let Some(slot) = self.own(core, *to) else { return };
                if let Notice::Set(Setting::Encoding(charset)) = notice {
                    self.change(core, slot, |members| members.set_charset(slot, *charset));
                }
                self.tell(core, slot, notice);
            }
            Output::Said { to, notice, when } => {
                let Some(slot) = self.own(core, *to) else { return };
                let to = (slot, core.language(slot));
                self.delivery.tell_said(core, &self.members, to, (notice, when));
            }
            Output::Lookup(_) | Output::Keep(_) | Output::Remark { .. } => {}
            Output::News { room, gathered } => {
                self.delivery.tell_news(core, &self.members, *room, gathered);
            }
        }
    }

    /// The slot of a member of this link, if it is still one.
    fn own(&self, core: &Core, member: MemberId) -> Option<Slot> {
        core.find_id(member).filter(|&slot| self.members.has_slot(slot))
    }

    /// Changes a member's style. The rest of a message on its way comes in the old one.
    fn change(&mut self, core: &mut Core, slot: Slot, change: impl FnOnce(&mut Members)) {
        let before = self.members.style(slot);
        let room = core.room_of(slot).map(Room::id);
        if let Some(room) = room.filter(|_| self.delivery.is_on_its_way()) {
            self.delivery.deliver_now(core, &self.members, room, core.id(slot), true);
        }
        change(&mut self.members);
        if let Some(room) = room {
            self.delivery.change(room, before, self.members.style(slot));
        }
    }

    fn tell(&mut self, core: &mut Core, slot: Slot, notice: &Notice) {
        let language = core.language(slot);
        self.delivery.tell(core, &self.members, (slot, language), notice);
    }

    /// Answers a padded heartbeat of this length.
    fn answer_heartbeat(&mut self, core: &mut Core, slot: Slot, length: usize) {
        let (route, format) = (self.members.route(slot), self.members.format(slot));
        let (members, room) = (core.len() as u64, core.room_of(slot));
        let details = Details {
            format: Some(format),
            you: Some((core.name(slot), room.map(Room::name))),
            version: Some(room.map_or(0, Room::version)),
            last: Some(room.map_or(0, |room| room.newest)),
        };
        // The core provides the words and the number of messages not sent.
        self.answer.clear();
        write_answer(members, core.config().secure_port, details, length, &mut self.answer);
        let answer = &self.answer;
        self.delivery.send(core.statistics_mut(), route, |out| out.extend_from_slice(answer));
    }

    // Discovery.

    /// Queues an answer to a discovery request.
    fn discover(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
        member: Option<Slot>,
        nonce: Nonce<'_>,
    ) -> Result<(), Dropped> {
        let Some(discovery) = core.config().discovery else { return Ok(()) };
        let is_at_door = self.members.doors().get(datagram.socket).is_some();
        let question = Question::new(datagram, is_at_door, nonce.as_str(), &discovery);
        let question = question.ok_or(Dropped::OutOfReach)?;
        self.discovery.check(&question)?;
        if member.is_none() && !self.may_be_told(core, now, datagram.from) {
            return Err(Dropped::QuestionsFull);
        }
        let chance = core.token_key().code(CHANCE, nonce.as_str().as_bytes()).number();
        self.discovery.ask(now, chance, question);
        Ok(())
    }

    /// Sends the answers that are due.
    fn answer_questions(&mut self, core: &mut Core, now: Instant) {
        while let Some(question) = self.discovery.take(now) {
            if core.is_banned(question.route().to.ip()) {
                continue;
            }
            let first = core.config().discovery.map_or(SocketId::FIRST, |found| found.door);
            let format = self.members.doors().at(first).format;
            let answer = question.answer(core.config(), core.len() as u64, format);
            if !answer.is_empty() {
                self.send(core, question.route(), |bytes| bytes.extend_from_slice(&answer));
            }
        }
    }

    // Timers and the end.

    /// Removes members that timed out, sends due answers, and continues trials.
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, events: &mut Events, now: Instant) {
        let (timeout, patience) = timeouts(core);
        let late = self.members.by_expiry(timeout, patience);
        let late = late.take_while(|(_, due)| *due <= now).take(MAX_TIMEOUTS_A_CALL);
        for (slot, _) in late {
            let cx = self.context_at(now, self.members.socket(slot));
            core.leave(&cx, slot, Left::TimedOut);
        }
        self.answer_questions(core, now);
        self.go_on_with_trials(core, events, now);
    }

    /// Whether there is more to do at once, as soon as what has arrived meanwhile is heard.
    pub(crate) fn has_more(&self) -> bool {
        self.delivery.is_paused() || self.turns.is_somebody_waiting()
    }

    /// When the next of these is due.
    pub(crate) fn poll_timeout(&self, core: &Core) -> Option<Instant> {
        let (timeout, patience) = timeouts(core);
        let expiry = self.members.by_expiry(timeout, patience).next().map(|(_, due)| due);
        [expiry, self.discovery.due(), self.delivery.trial_due()].into_iter().flatten().min()
    }

    /// Starts saying goodbye to all members.
    pub(crate) fn say_bye(&mut self, core: &mut Core) {
        self.end_trials(core);
        self.delivery.say_bye(&self.members);
    }

    // Sending.

    /// The next thing to send.
    pub(crate) fn poll_transmit(&mut self, core: &mut Core) -> Option<Transmit> {
        self.delivery.poll_transmit(core, &self.members)
    }

    fn send(&mut self, core: &mut Core, route: Route, write: impl FnOnce(&mut Vec<u8>)) {
        self.delivery.send(core.statistics_mut(), route, write);
    }
}

/// Whether a message looks like a line that a person has typed into `nc`: it ends with a newline and
/// has words, but no digits or other signs of a reading.
fn is_typed(payload: &[u8], incoming: &Incoming<'_>) -> bool {
    let Incoming::Message(text) = incoming else { return false };
    let is_of_words =
        |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii() || b" ,.!?'\r\n".contains(byte);
    payload.ends_with(b"\n")
        && text.len() <= MAX_TYPED
        && text.iter().all(is_of_words)
        && text.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
}

/// The time-out of members, and that of people who send no heartbeats: `nc` sends none while its
/// user reads. In a crowded hub both are the same.
fn timeouts(core: &Core) -> (Duration, Duration) {
    let timeout = core.config().timeout;
    let is_crowded = core.len() > core.config().max_members / 2;
    (timeout, if is_crowded { timeout } else { timeout.max(PATIENCE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Decoding is the only expensive step, and no datagram makes the hub decode more than a
    /// message may hold.
    #[test]
    fn what_is_refused_for_its_length_is_not_decoded() {
        for label in ["gbk", "shift_jis", "latin1", "auto"] {
            let mut core = Core::new(Config {
                encoding: Charset::for_label(label).unwrap(),
                rate: Default::default(),
                ..Config::default()
            });
            let (mut plain, mut events) = (Plain::new(&mut core), Events::default());
            let mut decoded = |payload: &[u8]| {
                plain.decoded.clear();
                let received = Received::new("127.0.0.1:7".parse().unwrap(), payload);
                // Refused or not.
                let _ = plain.receive(&mut core, &mut events, Instant::ORIGIN, &received);
                while let Some(output) = core.poll_output() {
                    plain.take(&mut core, &output);
                }
                plain.decoded.len()
            };
            decoded(b"^hb^");
            for fill in [b'\xff', b'\x81', b'x', b'\x01'] {
                let filled = |prefix: &str, length: usize| {
                    let mut bytes = prefix.as_bytes().to_vec();
                    bytes.resize(length, fill);
                    bytes
                };
                for prefix in ["", "/", "//", "/msg ", "/msg 127.0.0.1:7 ", "/nick ", "/encoding "]
                {
                    assert_eq!(decoded(&filled(prefix, 65_507)), 0, "{label} {prefix} {fill:x}");
                }
                for prefix in ["/", "/nick ", "/join ", "/pass ", "/resume ", "/encoding "] {
                    assert_eq!(decoded(&filled(prefix, 8_000)), 0, "{label} {prefix} {fill:x}");
                }
                // Padding is not decoded either, and may be as long as a datagram.
                let padded = [&filled("", 9)[..], &[b' '; 16_000]].concat();
                assert!(decoded(&padded) <= 9 * 4, "{label} {fill:x}");
            }
        }
    }
}
