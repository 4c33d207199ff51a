//! The link for plain datagrams: what any program can speak.
//!
//! [`Plain::receive`] is the main flow, from a datagram to what it brings about:
//!
//! ```text
//!   datagram ─▶ banned? own? ─▶ Incoming::parse ─▶ held? ─▶ within the rate? ─▶ a member?
//!                                                                                   │
//!   trains ◀─ runs ◀─ take(Output::Message) ◀───────────── core::handle(Input) ◀────┘
//! ```
//!
//! - `doors`: the sockets, each with a format and a room.
//! - [`members`]: who is where; `locals`: to which of the hub's addresses they speak; `debt`: what
//!   they have said lately.
//! - `responders`: the guard against loops. `watch` says who is suspect and who is held, `trial` finds
//!   out who answers by itself.
//! - `delivery`: everything on its way out. In it `runs` and `run`: the messages of one batch and
//!   the trains that carry them; `render` and `renderer`: what they look like; `lines` and
//!   `outgoing`: what the hub says of its own; `farewell`: its goodbye.
//! - `joining`: how a sender becomes a member; `strangers`: how often an address that is not a member
//!   gets a line. `limits`: what a member may say; `encodings`: what it reads, and in `left` what it
//!   read before it fell silent. `turns`: who waits while others are served.
//! - `discovery`: hubs that are looked for.

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
use crate::core::message::Caller;
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::Events;
use crate::statistics::{Dropped, Left};

/// The most members timed out in one call; the next call follows at once. So a hundred thousand
/// that fall silent together do not hold up the datagrams of those who live.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// The first byte under the code that a nonce is turned into.
const CHANCE: u8 = 3;

/// The members that any program can be, at all doors.
pub(crate) struct Plain {
    members: Members,
    delivery: Delivery,
    discovery: Discovery,
    strangers: Strangers,
    turns: Turns,
    /// What members read that fell silent.
    left: LeftEncodings,
    watches: Watches,
    /// How many times trials have drawn by chance.
    drawn: u64,
    /// What a member wrote in another encoding, in UTF-8. Reused from datagram to datagram.
    decoded: String,
    /// The answer to a heartbeat, likewise.
    answer: Vec<u8>,
}

/// A datagram on its way, and what it may touch.
struct Datagram<'a, 'b> {
    core: &'a mut Core,
    now: Instant,
    datagram: &'a Received<'b>,
    /// In which encoding it shows its sender to write, where that is found out.
    used: Option<Encoding>,
}

impl Plain {
    /// The link, with the core's rooms that its doors lead to.
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

    // What can be seen.

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// The bytes that transmits point into.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.delivery.bytes()
    }

    /// What a call on behalf of nobody in particular comes with.
    pub(crate) fn context(&self, now: Instant) -> Context<'_> {
        self.context_at(now, SocketId::FIRST)
    }

    fn context_at(&self, now: Instant, socket: SocketId) -> Context<'_> {
        let door = self.members.doors().at(socket);
        Context { now, home: door.home, format: door.format, plain: &self.members }
    }

    // The life of a datagram.

    /// Opens a new batch if the last one has been sent.
    pub(crate) fn begin(&mut self, core: &mut Core, now: Instant) {
        if self.delivery.end_batch() {
            core.end_batch();
            self.turns.end_batch();
        }
        self.delivery.go_on(self.turns.are_shared(now));
    }

    /// From a datagram to what it brings about, or why it brings about nothing.
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
        // What it means shows in ASCII, which is the same in every encoding that a member may read.
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
        // UTF-8 under `auto`; its faults stand in the text as escapes.
        let mut is_faulty = false;
        let encoding = match charset {
            // What is too long for a message in any encoding is refused as it is.
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
                // UTF-8 is also what a member has that has not been heard yet.
                let before = before.filter(|encoding| *encoding == Encoding::GB18030);
                guess(datagram.payload, before)
            }
        };
        // ASCII is the same in both.
        let tells = charset == Charset::Auto && !datagram.payload.is_ascii();
        let used = tells.then_some(encoding);
        let mut cx = Datagram { core, now, datagram, used };
        if encoding == Encoding::UTF_8 && !is_faulty {
            return self.apply(&mut cx, member, datagram.payload, incoming);
        }
        let mut text = std::mem::take(&mut self.decoded);
        text.clear();
        // What stands around it means nothing, and padding need not be decoded. Everything but text
        // is ASCII.
        let is_text = matches!(incoming, Incoming::Message(_) | Incoming::Command(_));
        let read = if is_text { datagram.payload.trim_ascii() } else { &[] };
        if !encoding.decode_to(read, &mut text) {
            // What is not text reveals no encoding.
            cx.used = None;
        }
        let incoming = if is_text { Incoming::parse(format, text.as_bytes()) } else { incoming };
        let outcome = self.apply(&mut cx, member, text.as_bytes(), incoming);
        self.decoded = text;
        outcome
    }

    /// Applies a datagram in UTF-8.
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
        let outcome = self.apply_to(cx, slot, incoming, length);
        if outcome.is_ok() && is_text {
            self.hint(cx.core, slot, payload);
        }
        outcome
    }

    /// Applies a datagram of `length` bytes from a member, in UTF-8.
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
                        // Somebody has typed it, right or wrong.
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

    /// Hands the core what a member does.
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

    /// A member says something to its room, in a datagram of `cost` bytes.
    fn speak(
        &mut self,
        core: &mut Core,
        now: Instant,
        slot: Slot,
        text: &[u8],
        cost: usize,
    ) -> Result<(), Dropped> {
        let format = self.members.format(slot);
        // The raw format has no commands, but a password must be given somehow, and never be passed
        // on as data.
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

    /// Does the plain link's part of an output.
    pub(crate) fn take(&mut self, core: &mut Core, output: &Output) {
        match output {
            Output::Joined { member, room } => {
                // It may be gone already, as a kicked member is that brings its word: `Left` follows,
                // and must find it in the room.
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
                    // The core has forgotten which language that was.
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

    /// A member reads another style from now on. What is on its way to it comes in the one before.
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

    /// Answers a padded heartbeat of so many bytes.
    fn answer_heartbeat(&mut self, core: &mut Core, slot: Slot, length: usize) {
        let (route, format) = (self.members.route(slot), self.members.format(slot));
        let (members, room) = (core.len() as u64, core.room_of(slot));
        let details = Details {
            format: Some(format),
            you: Some((core.name(slot), room.map(Room::name))),
            version: Some(room.map_or(0, Room::version)),
            last: Some(room.map_or(0, |room| room.newest)),
        };
        // The words are the core's, and so is the count of what could not be sent.
        self.answer.clear();
        write_answer(members, None, details, length, &mut self.answer);
        let answer = &self.answer;
        self.delivery.send(core.statistics_mut(), route, |out| out.extend_from_slice(answer));
    }

    // Discovery.

    /// Takes a question for hubs, to be answered a little later.
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

    /// Answers the questions that have waited long enough.
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

    /// Drops those who were silent for too long, answers questions that are due, and goes on with
    /// trials.
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, events: &mut Events, now: Instant) {
        let timeout = core.config().timeout;
        let is_late = |slot: &Slot| self.members.heard(*slot) + timeout <= now;
        for slot in self.members.iter().take_while(is_late).take(MAX_TIMEOUTS_A_CALL) {
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
        let timeout = core.config().timeout;
        let expiry = self.members.oldest().map(|slot| self.members.heard(slot) + timeout);
        [expiry, self.discovery.due(), self.delivery.trial_due()].into_iter().flatten().min()
    }

    /// Begins to say goodbye to everybody.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What costs the hub more than a copy is decoding, and no datagram makes it decode more than a
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
                // Nor is padding, which may be as long as a datagram.
                let padded = [&filled("", 9)[..], &[b' '; 16_000]].concat();
                assert!(decoded(&padded) <= 9 * 4, "{label} {fill:x}");
            }
        }
    }
}
