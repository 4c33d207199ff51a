//! The link for plain datagrams: what any program can speak.
//!
//! [`Plain::receive`] is the main flow, from a datagram to what it brings about:
//!
//! ```text
//!   datagram ─▶ banned? own? ─▶ Incoming::parse ─▶ within the rate? ─▶ an echo? ─▶ a member?
//!                                                                                     │
//!   trains ◀─ runs ◀─ take(Output::Message) ◀─────────────── core::handle(Input) ◀────┘
//! ```
//!
//! - [`members`]: who is where; `locals`: to which of the hub's addresses they speak; `debt`: what
//!   they have said lately.
//! - `echo`: the guard against loops.
//! - `runs` and `run`: the messages of one batch and the trains that carry them; `render`: what they
//!   look like.
//! - `discovery`: hubs that are looked for.

mod debt;
mod discovery;
mod echo;
mod locals;
pub(crate) mod members;
mod render;
mod run;
mod runs;

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, Outbox, Received, SocketId, Transmit, max_payload};
use pigeon_guard::{Code, Origin};
use pigeon_proto::heartbeat::{Details, write_answer};
use pigeon_proto::{
    BYE, Command, Door, Format, Gone, Here, Incoming, Label, Language, Nonce, Notice, Prove,
    Reason, Refusal, Setting, Subject, sentence,
};
use pigeon_text::Encoding;

use self::discovery::{Discovery, Question};
use self::echo::{Echoes, Suspect, Target};
use self::members::{Flag, Members};
use self::run::{Audience, Render, Style, Waiting};
use self::runs::Runs;
use crate::core;
use crate::core::id::{LinkId, MemberId, RoomId, Slot};
use crate::core::input::{Context, Input, Source};
use crate::core::members::Trait;
use crate::core::message::{Caller, MAX_BATCH_BYTES};
use crate::core::output::Output;
use crate::core::presence::Gathered;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::{Event, Events};
use crate::statistics::{Dropped, Left};

/// The most members timed out in one call; the next call follows at once. So a hundred thousand
/// that fall silent together do not hold up the datagrams of those who live.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// The most answers in one batch.
const MAX_ANSWERS: usize = 65_536;

/// In the raw format data may repeat by itself: only the third echo in a row is one.
const RAW_ECHOES: u8 = 3;

/// A datagram of at least this many bytes, from an address that has not proved itself, is answered
/// by `/prove TOKEN`, which is shorter.
const PROVABLE: usize = 64;

/// The first byte under the code that a nonce is turned into.
const CHANCE: u8 = 3;

/// A socket for plain datagrams.
#[derive(Clone, Copy)]
struct Entrance {
    format: Format,
    /// Where everyone begins who comes in here.
    home: RoomId,
}

/// The members that any program can be, at all doors.
pub(crate) struct Plain {
    entrances: Vec<Entrance>,
    members: Members,
    echoes: Echoes,
    discovery: Discovery,
    runs: Runs,
    outbox: Outbox,
    farewell: Option<Farewell>,
    /// What a member wrote in another encoding, in UTF-8. Reused from datagram to datagram.
    decoded: String,
    scratch: Scratch,
}

/// Room to work in, reused from message to message.
#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    text: String,
}

/// The goodbye to everybody, and how far it has come.
struct Farewell {
    next: Option<Slot>,
    bye: std::ops::Range<usize>,
    gone: std::ops::Range<usize>,
}

impl Plain {
    /// The link, with the core's rooms that its doors lead to.
    pub(crate) fn new(core: &mut Core) -> Self {
        let config = core.config().clone();
        let open = |door: &crate::config::Door| {
            let home = core.open_door(&door.room, door.format == Format::Raw)?;
            Some(Entrance { format: door.format, home })
        };
        let entrances: Vec<Entrance> = config.doors.iter().filter_map(open).collect();
        Plain {
            members: Members::new(config.hash_keys, entrances.len() as u16),
            entrances,
            echoes: Echoes::new(config.hash_keys),
            discovery: Discovery::default(),
            runs: Runs::default(),
            outbox: Outbox::new(),
            farewell: None,
            decoded: String::new(),
            scratch: Scratch::default(),
        }
    }

    // What can be seen.

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What a call on behalf of nobody in particular comes with.
    pub(crate) fn context(&self, now: Instant) -> Context<'_> {
        self.context_at(now, SocketId::FIRST)
    }

    fn context_at(&self, now: Instant, door: SocketId) -> Context<'_> {
        // Doors are never closed, and `Hub::new` sees to it that there is one.
        let entrance = self.entrances.get(door.index()).or(self.entrances.first());
        let (format, home) = match entrance {
            Some(entrance) => (entrance.format, entrance.home),
            None => (Format::Chat, RoomId::new(0, 0)),
        };
        Context { now, home, format, plain: &self.members }
    }

    fn format(&self, slot: Slot) -> Format {
        let entrance = self.entrances.get(self.members.door(slot).index());
        entrance.map_or(Format::Chat, |entrance| entrance.format)
    }

    fn style(&self, slot: Slot) -> Style {
        Style { format: self.format(slot), encoding: self.members.encoding(slot) }
    }

    fn suspect(&self, core: &Core, from: SocketAddr, member: Option<Slot>) -> Suspect {
        let room = member.and_then(|slot| core.room_of(slot)).map(Room::id);
        Suspect { address: from, member: member.map(|slot| core.id(slot)), room }
    }

    // The life of a datagram.

    /// Opens a new batch if the last one has been sent.
    pub(crate) fn begin(&mut self, core: &mut Core) {
        if self.runs.are_silent() {
            core.end_batch();
            self.outbox.reset_if_drained();
        }
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
        let entrance = self.entrances.get(datagram.socket.index()).ok_or(Dropped::BadSource)?;
        let format = entrance.format;
        core.config().sources.check(from).map_err(|_| Dropped::BadSource)?;
        if core.is_banned(from.ip()) {
            return Err(Dropped::Banned);
        }
        if datagram.is_truncated() {
            return Err(Dropped::Truncated);
        }
        let member = self.members.find(datagram.socket, from);
        // What it means shows in ASCII, which is the same in every encoding that a member may read.
        let incoming = Incoming::parse(format, datagram.payload);
        if member.is_none() && is_farewell(format, datagram.payload) {
            return Err(Dropped::Reply);
        }
        match incoming {
            Incoming::Reply => return Err(Dropped::Reply),
            Incoming::Prove(prove) => return self.prove(core, now, datagram, member, prove),
            Incoming::Discover(discover) => {
                return self.discover(core, now, datagram, discover.nonce);
            }
            Incoming::Quit if member.is_none() => return Err(Dropped::NotMember),
            Incoming::Message(_) | Incoming::Command(_) => {
                self.refuse_unread(core, now, datagram, member)?;
            }
            Incoming::Heartbeat { .. } | Incoming::Quit | Incoming::Empty => {}
        }
        let mut cx = Datagram { core, events, now, datagram, format };
        match member.map_or(Encoding::UTF_8, |slot| self.members.encoding(slot)) {
            Encoding::UTF_8 => self.apply(&mut cx, member, datagram.payload, incoming),
            encoding => {
                let mut text = std::mem::take(&mut self.decoded);
                text.clear();
                encoding.decode_to(datagram.payload, &mut text);
                let incoming = Incoming::parse(format, text.as_bytes());
                let outcome = self.apply(&mut cx, member, text.as_bytes(), incoming);
                self.decoded = text;
                outcome
            }
        }
    }

    /// Rejects over-limit datagrams before they are decoded or compared with what was sent.
    fn refuse_unread(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
        member: Option<Slot>,
    ) -> Result<(), Dropped> {
        let Some(slot) = member else {
            return self.may_join(core, now, datagram);
        };
        let length = datagram.payload.len();
        let rate = *core.config().rate.get(self.members.origin(slot));
        if !self.members.may_spend(slot, now, rate, length) {
            self.members.touch(slot, now, datagram.local);
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        if self.members.encoding(slot) == Encoding::UTF_8 {
            return Ok(());
        }
        // Text may shrink by half in UTF-8, from the four bytes of a character in GB18030.
        let text = datagram.payload.trim_ascii().len();
        if text / 2 > core.config().most_text(self.format(slot)) {
            self.members.touch(slot, now, datagram.local);
            self.spend(core, slot, now, length)?;
            return Err(self.not_sent(core, slot, Dropped::TextTooLong, text));
        }
        Ok(())
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
        if matches!(incoming, Incoming::Message(_) | Incoming::Command(_)) {
            self.stop_echo(cx, member, payload)?;
        }
        let slot = match member {
            Some(slot) => slot,
            None => {
                self.may_join(cx.core, now, cx.datagram)?;
                self.join(cx.core, now, cx.datagram)?
            }
        };
        self.members.touch(slot, now, cx.datagram.local);
        let length = cx.datagram.payload.len();
        match incoming {
            Incoming::Quit => self.hand_over(cx.core, now, slot, Input::Leave),
            Incoming::Heartbeat { padded } => {
                cx.core.statistics_mut().heartbeats += 1;
                self.members.set(slot, Flag::Padded, padded);
                // First, for it may change the roster whose version the answer carries.
                self.hand_over(cx.core, now, slot, Input::Alive)?;
                if padded {
                    self.spend(cx.core, slot, now, length)?;
                    self.answer_heartbeat(cx.core, slot, length);
                }
                Ok(())
            }
            Incoming::Command(line) => {
                self.spend(cx.core, slot, now, length)?;
                cx.core.statistics_mut().commands += 1;
                match Command::parse(line) {
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
        let cx = self.context_at(now, self.members.door(slot));
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
        let format = self.format(slot);
        // The raw format has no commands, but a password must be given somehow, and never be passed
        // on as data.
        if format == Format::Raw
            && core.config().password.is_some()
            && let Some(secret) = text.trim_ascii().strip_prefix(b"/pass ")
            && let Some(secret) = pigeon_proto::Secret::new(secret)
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

    /// Whether a text fits a datagram once it is wrapped, and the batch.
    fn check_size(
        &mut self,
        core: &Core,
        slot: Slot,
        room: RoomId,
        text: &[u8],
    ) -> Result<(), Dropped> {
        let format = self.format(slot);
        if text.len() > core.config().most_text(format) {
            return Err(Dropped::TextTooLong);
        }
        if !render::fits(text, format) {
            let name = core.name(slot).map_or("", |name| name.as_str());
            let caller = Caller::Address(self.members.address(slot));
            let entry = core::message::Entry { member: None, name, caller, text };
            self.scratch.line.clear();
            render::line(&entry, format, &mut self.scratch.line);
            if self.scratch.line.len() > MAX_PAYLOAD_V4 {
                return Err(Dropped::TextTooLong);
            }
        }
        let fits = self.runs.fits(room, render::most(text, format), MAX_BATCH_BYTES);
        if fits { Ok(()) } else { Err(Dropped::BatchFull) }
    }

    /// Stops what comes back as it was sent.
    fn stop_echo(
        &mut self,
        cx: &mut Datagram<'_, '_>,
        member: Option<Slot>,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let from = cx.datagram.from;
        let suspect = self.suspect(cx.core, from, member);
        let mut is_echo = self.echoes.is_echo(cx.now, suspect, payload);
        if let Some(slot) = member.filter(|_| cx.format == Format::Raw) {
            is_echo = self.members.count_echo(slot, is_echo) >= RAW_ECHOES;
        }
        if is_echo {
            cx.events.report(Event::Echo { label: Label::from(from) });
            return Err(Dropped::Echo);
        }
        Ok(())
    }

    // Joining.

    /// Asks a sender to prove its address, if it must.
    fn may_join(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<(), Dropped> {
        match core.config().sources.origin(datagram.from.ip()) {
            Origin::Beyond => {
                self.ask_for_proof(core, now, datagram);
                Err(Dropped::Unproved)
            }
            Origin::Loopback | Origin::Open => Ok(()),
        }
    }

    /// `/prove TOKEN`: nothing is remembered of whoever is asked.
    fn ask_for_proof(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>) {
        if datagram.payload.len() < PROVABLE {
            return;
        }
        core.statistics_mut().proofs_asked += 1;
        let proof = core.seal().proof(now, datagram.from, &proved_of(datagram.socket)).letters();
        let place = Place::of(datagram);
        self.send(core, place, |bytes| Prove { token: &proof }.write(bytes));
    }

    /// Somebody sends back what it was asked to prove itself with.
    fn prove(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
        member: Option<Slot>,
        prove: Prove<'_>,
    ) -> Result<(), Dropped> {
        let is_proof = |proof: Code| proof.has_letters(prove.token);
        let about = proved_of(datagram.socket);
        if !core.seal().proofs(now, datagram.from, &about).any(is_proof) {
            return Err(Dropped::BadProof);
        }
        let slot = match member {
            Some(slot) => slot,
            None => self.join(core, now, datagram)?,
        };
        self.members.touch(slot, now, datagram.local);
        Ok(())
    }

    /// Makes a sender a member.
    fn join(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<Slot, Dropped> {
        let (from, origin) = (datagram.from, core.config().sources.origin(datagram.from.ip()));
        let outcome = match self.members.can_answer_from(datagram.local) {
            true => {
                let cx = self.context_at(now, datagram.socket);
                let source = Source { ip: from.ip(), origin };
                core.join(&cx, LinkId::PLAIN, source, &|| Label::from(from))
            }
            false => Err(Dropped::LocalsFull),
        };
        let slot = outcome.inspect_err(|&reason| self.refuse(core, now, datagram, reason))?.slot();
        self.members.insert(slot, datagram.socket, from, now);
        match origin {
            Origin::Loopback => {}
            Origin::Open => self.members.set(slot, Flag::Open, true),
            Origin::Beyond => self.members.set(slot, Flag::Beyond, true),
        }
        self.members.touch(slot, now, datagram.local);
        Ok(slot)
    }

    /// Says to a sender why it is not a member: in one line never longer than what it sent.
    fn refuse(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>, reason: Dropped) {
        let why = match reason {
            Dropped::HubFull => Reason::HubFull,
            Dropped::RoomFull => Reason::RoomFull,
            Dropped::LocalsFull => Reason::TooManyAddresses,
            _ => Reason::AddressFull,
        };
        let format = self.context_at(now, datagram.socket).format;
        let notice = Notice::Refused(Refusal::new(Subject::Member, why));
        let incoming = Incoming::parse(format, datagram.payload);
        let line = match incoming {
            Incoming::Heartbeat { padded: true } => notice.to_bytes(),
            // There only what its members ask for may look like the hub's word.
            _ if format == Format::Raw => return,
            _ => own_line(&notice, core.config().language, format).into_bytes(),
        };
        if line.len() <= datagram.payload.len() {
            // Two full hubs would refuse each other's refusals for ever.
            self.echoes.sent(now, Target::Address(datagram.from), None, &line);
            self.send(core, Place::of(datagram), |bytes| bytes.extend_from_slice(&line));
        }
    }

    // Limits.

    /// Takes a message out of the member's rate and the hub's.
    fn spend(
        &mut self,
        core: &mut Core,
        slot: Slot,
        now: Instant,
        bytes: usize,
    ) -> Result<(), Dropped> {
        let origin = self.members.origin(slot);
        let config = core.config();
        let (rate, hub_rate) = (*config.rate.get(origin), *config.hub_rate.get(origin));
        if rate.is_unlimited() && hub_rate.is_unlimited() {
            return Ok(());
        }
        // Without the password it has its line, and heartbeats do not make the hub forget that.
        let is_in = core.room_of(slot).is_some();
        if is_in && self.members.is_rested(slot) && core.is_rate_full(now, origin) {
            self.members.set(slot, Flag::Warned, false);
        }
        if !self.members.may_spend(slot, now, rate, bytes) {
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        if !core.take_rate(now, origin, bytes) {
            return Err(self.warn(core, slot, Dropped::HubRateLimited));
        }
        self.members.spend(slot, rate, bytes);
        Ok(())
    }

    /// Says to a member which limit it has run into: once, until it has kept within it again.
    fn warn(&mut self, core: &mut Core, slot: Slot, reason: Dropped) -> Dropped {
        if !self.members.has(slot, Flag::Warned) {
            self.members.set(slot, Flag::Warned, true);
            let rate = *core.config().rate.get(self.members.origin(slot));
            let why = match reason {
                Dropped::NoPassword => Reason::Password,
                Dropped::RateLimited => {
                    Reason::Rate { messages: rate.messages.map(u64::from), bytes: rate.bytes }
                }
                _ => Reason::HubRate,
            };
            core.refuse(core.id(slot), Subject::Say, why);
        }
        reason
    }

    /// Says to a member that its text was not sent, and why.
    fn not_sent(&mut self, core: &mut Core, slot: Slot, reason: Dropped, length: usize) -> Dropped {
        let most = core.config().most_text(self.format(slot));
        let why = match reason {
            Dropped::TextTooLong if length > most => {
                Reason::TooLong { length: length as u64, most: most as u64 }
            }
            Dropped::TextTooLong => Reason::Wrapped,
            Dropped::NoPassword => Reason::Password,
            _ => Reason::Overloaded,
        };
        core.refuse(core.id(slot), Subject::Say, why);
        reason
    }

    // Outputs of the core.

    /// Does the plain link's part of an output.
    pub(crate) fn take(&mut self, core: &mut Core, now: Instant, output: &Output) {
        match output {
            Output::Joined { member, room } => {
                if let (Some(slot), Some(room)) = (self.own(core, *member), *room) {
                    self.runs.enter(room, *member, self.style(slot));
                }
            }
            Output::Moved { member, from, to } => {
                let Some(slot) = self.own(core, *member) else { return };
                let style = self.style(slot);
                if let Some(from) = *from {
                    self.deliver_now(core, from, *member, slot);
                    self.runs.exit(from, style);
                }
                self.runs.enter(*to, *member, style);
            }
            Output::Left { member, language, room, reason, .. } => {
                let slot = member.slot();
                if !self.members.has_slot(slot) {
                    return;
                }
                if let Some(gone) = reason.gone() {
                    // The core has forgotten which language that was.
                    self.tell_in(core, now, slot, *language, &Notice::Gone(gone));
                }
                if let Some(room) = *room {
                    self.runs.exit(room, self.style(slot));
                }
                self.members.remove(slot);
            }
            Output::Renamed { .. } => {}
            Output::Message { room, number } => self.push(core, *room, *number),
            Output::Reply { to, notice } => {
                let Some(slot) = self.own(core, *to) else { return };
                if let Notice::Set(Setting::Encoding(encoding)) = notice {
                    self.read(core, slot, *encoding);
                }
                self.tell(core, now, slot, notice);
            }
            Output::News { room, gathered } => self.tell_news(core, now, *room, gathered),
        }
    }

    /// The slot of a member of this link, if it is still one.
    fn own(&self, core: &Core, member: MemberId) -> Option<Slot> {
        core.find_id(member).filter(|&slot| self.members.has_slot(slot))
    }

    fn push(&mut self, core: &Core, room: RoomId, number: u32) {
        let Some(entry) = core.batch().get(number) else { return };
        let is_raw = core.room(room).is_some_and(Room::is_raw);
        let except = entry.member.filter(|_| is_raw);
        let format = if is_raw { Format::Raw } else { Format::Chat };
        self.runs.push(room, Waiting { number, except }, render::most(entry.text, format));
    }

    /// A member reads another encoding from now on.
    fn read(&mut self, core: &Core, slot: Slot, encoding: Encoding) {
        let before = self.style(slot);
        self.members.set_encoding(slot, encoding);
        if let Some(room) = core.room_of(slot).map(Room::id) {
            self.runs.change(room, before, self.style(slot));
        }
    }

    /// Sends a member at once what its room's current batch still holds for it, because it is in
    /// another room now.
    fn deliver_now(&mut self, core: &mut Core, room: RoomId, member: MemberId, slot: Slot) {
        let (style, language) = (self.style(slot), core.config().language);
        let place = self.place(slot);
        for waiting in self.runs.messages_for(room, member) {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.line.clear();
            if let Some(entry) = core.batch().get(waiting.number) {
                render::line(&entry, style.format, &mut scratch.line);
            }
            scratch.encode(style.encoding, language);
            self.send(core, place, |bytes| bytes.extend_from_slice(&scratch.line));
            self.scratch = scratch;
        }
    }

    /// Says something of the hub's own to one member: as a control line to those who sent a padded
    /// heartbeat, else in words. Members of raw rooms that asked for nothing get nothing: what they
    /// receive is data.
    fn tell(&mut self, core: &mut Core, now: Instant, slot: Slot, notice: &Notice) {
        self.tell_in(core, now, slot, core.language(slot), notice);
    }

    fn tell_in(
        &mut self,
        core: &mut Core,
        now: Instant,
        slot: Slot,
        language: Language,
        notice: &Notice,
    ) {
        let place = self.place(slot);
        if self.members.has(slot, Flag::Padded) {
            return self.send(core, place, |bytes| notice.write(bytes));
        }
        let style = self.style(slot);
        if style.format == Format::Raw {
            return;
        }
        let line = match notice {
            // As ever in the formats that know no other words for it.
            Notice::Gone(_) if style.format == Format::Classic => BYE_TEXT.to_string(),
            notice => own_line(notice, language, style.format),
        };
        self.send_line(core, now, slot, &line);
    }

    /// A line to one member, in the encoding that it reads. What comes back of it is an echo.
    fn send_line(&mut self, core: &mut Core, now: Instant, slot: Slot, line: &str) {
        let (place, encoding) = (self.place(slot), self.members.encoding(slot));
        let language = core.language(slot);
        self.echoes.sent(now, Target::Address(place.to), None, line.as_bytes());
        self.send(core, place, |bytes| render::encode(encoding, line, language, bytes));
    }

    /// Sends the news of a room: one sentence for everyone, and one of their own for those whom it
    /// is about. Who is quiet gets none, nor does who reads no sentences.
    fn tell_news(&mut self, core: &mut Core, now: Instant, room: RoomId, gathered: &Gathered) {
        let Some(here) = core.room(room) else { return };
        let (name, version) = (here.name().clone(), here.version());
        let readers: Vec<Slot> = here
            .roster()
            .iter()
            .copied()
            .filter(|&slot| self.members.has_slot(slot) && !core.has(slot, Trait::Quiet))
            .collect();
        let shared = gathered.news(None, &name, version);
        let sentences = Language::ALL.map(|language| news_line(&shared, language));
        for slot in readers {
            let member = core.id(slot);
            let own =
                gathered.concerns(member).then(|| gathered.news(Some(member), &name, version));
            let news = own.as_ref().unwrap_or(&shared);
            if self.members.has(slot, Flag::Padded) {
                for news in news {
                    let notice = Notice::News(news.clone());
                    self.tell(core, now, slot, &notice);
                }
            } else if self.format(slot) == Format::Chat && !news.is_empty() {
                let language = core.language(slot);
                let sentence = match own {
                    Some(own) => &news_line(&own, language),
                    None => &sentences[language as usize],
                };
                self.send_line(core, now, slot, sentence);
            }
        }
    }

    /// Answers a padded heartbeat of so many bytes.
    fn answer_heartbeat(&mut self, core: &mut Core, slot: Slot, length: usize) {
        let (place, format) = (self.place(slot), self.format(slot));
        let (members, room) = (core.len() as u64, core.room_of(slot));
        let details = Details {
            format: Some(format),
            you: Some((core.name(slot), room.map(Room::name))),
            version: Some(room.map_or(0, Room::version)),
            last: Some(0),
        };
        if !self.has_room() {
            return core.statistics_mut().count_dropped(Dropped::AnswersFull);
        }
        let range = self.outbox.append(|out| write_answer(members, None, details, length, out));
        self.outbox.push(place.transmit(range));
    }

    // Discovery.

    /// Takes a question for hubs, to be answered a little later.
    fn discover(
        &mut self,
        core: &Core,
        now: Instant,
        datagram: &Received<'_>,
        nonce: Nonce<'_>,
    ) -> Result<(), Dropped> {
        if core.config().discovery.is_none() {
            return Ok(());
        }
        let chance = core.seal().code(CHANCE, nonce.as_str().as_bytes()).number();
        self.discovery.ask(now, chance, Question::new(datagram, nonce.as_str()))
    }

    /// Answers the questions that have waited long enough.
    fn answer_questions(&mut self, core: &mut Core, now: Instant) {
        while let Some(question) = self.discovery.take(now) {
            let config = core.config();
            let first = self.entrances.first();
            let door = config.discovery.zip(first).map(|(discovery, first)| Door {
                id: discovery.id,
                port: discovery.port,
                format: first.format,
            });
            let Some(nonce) = Nonce::new(question.nonce.as_bytes()) else { continue };
            let (name, members) = (config.name.clone(), core.len() as u64);
            let here = Here { nonce, name, members, secure_port: None, door };
            if core.is_banned(question.to.ip()) {
                continue;
            }
            let mut answer = Vec::new();
            here.write(question.length, &mut answer);
            if !answer.is_empty() {
                let Question { socket, to, local: from, .. } = question;
                self.send(core, Place { socket, to, from }, |bytes| bytes.extend(answer));
            }
        }
    }

    // Timers and the end.

    /// Drops those who were silent for too long, and answers questions that are due.
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        let timeout = core.config().timeout;
        let mut next = self.members.oldest();
        for _ in 0..MAX_TIMEOUTS_A_CALL {
            let Some(slot) = next.filter(|&slot| self.members.heard(slot) + timeout <= now) else {
                break;
            };
            next = self.members.newer(slot);
            let cx = self.context_at(now, self.members.door(slot));
            core.leave(&cx, slot, Left::TimedOut);
        }
        self.answer_questions(core, now);
        core.statistics_mut().echoes_forgotten = self.echoes.forgotten;
    }

    /// When the next of these is due.
    pub(crate) fn poll_timeout(&self, core: &Core) -> Option<Instant> {
        let timeout = core.config().timeout;
        let expiry = self.members.oldest().map(|slot| self.members.heard(slot) + timeout);
        [expiry, self.discovery.due()].into_iter().flatten().min()
    }

    /// Begins to say goodbye to everybody.
    pub(crate) fn say_bye(&mut self) {
        let bye = self.outbox.append(|bytes| bytes.extend_from_slice(BYE));
        let gone = self.outbox.append(|bytes| Notice::Gone(Gone::Stopped).write(bytes));
        self.farewell = Some(Farewell { next: self.members.oldest(), bye, gone });
    }

    // Sending.

    /// The next thing to send: answers, then the rooms' messages, then a goodbye.
    pub(crate) fn poll_transmit(&mut self, core: &mut Core, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.outbox.poll() {
            core.statistics_mut().sent += 1;
            return Some(transmit);
        }
        while let Some(room) = self.runs.next() {
            let polled = {
                let Plain { entrances, members, echoes, runs, outbox, scratch, .. } = self;
                let roster = core.room(room).map_or(&[][..], Room::roster);
                let audience = Readers { roster, members, entrances };
                let mut renderer = Renderer { core, now, room, echoes, scratch };
                runs.poll(room, &audience, &mut renderer, outbox)
            };
            if let Some((slot, train)) = polled {
                core.statistics_mut().sent += train.datagrams as u64;
                let transmit = self.place(slot).transmit(train.range);
                return Some(Transmit { segment: train.segment, ..transmit });
            }
        }
        self.poll_farewell(core)
    }

    fn poll_farewell(&mut self, core: &mut Core) -> Option<Transmit> {
        loop {
            let farewell = self.farewell.as_mut()?;
            let Some(slot) = farewell.next else {
                self.farewell = None;
                return None;
            };
            farewell.next = self.members.newer(slot);
            let range = match self.members.has(slot, Flag::Padded) {
                true => farewell.gone.clone(),
                false => farewell.bye.clone(),
            };
            if self.format(slot) != Format::Raw || self.members.has(slot, Flag::Padded) {
                core.statistics_mut().sent += 1;
                return Some(self.place(slot).transmit(range));
            }
        }
    }

    fn place(&self, slot: Slot) -> Place {
        Place {
            socket: self.members.door(slot),
            to: self.members.address(slot),
            from: self.members.local(slot),
        }
    }

    /// Whether one more answer fits. A driver drains long before; one that does not may not make the
    /// hub grow.
    fn has_room(&self) -> bool {
        self.outbox.queued() < MAX_ANSWERS && self.outbox.bytes().len() < MAX_BATCH_BYTES
    }

    /// Bytes to an address. Beyond what a batch may hold they are dropped.
    fn send(&mut self, core: &mut Core, place: Place, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.has_room() {
            return core.statistics_mut().count_dropped(Dropped::AnswersFull);
        }
        let range = self.outbox.append(write);
        if range.len() > max_payload(place.to) {
            // Possible only in an encoding that makes text longer, with a larger --max-text.
            self.outbox.truncate(range.start);
            return core.statistics_mut().count_dropped(Dropped::TextTooLong);
        }
        self.outbox.push(place.transmit(range));
    }
}

/// A datagram on its way, and what it may touch.
struct Datagram<'a, 'b> {
    core: &'a mut Core,
    events: &'a mut Events,
    now: Instant,
    datagram: &'a Received<'b>,
    /// Of the door it came in by.
    format: Format,
}

/// Where a datagram goes, and from where.
#[derive(Clone, Copy)]
struct Place {
    socket: SocketId,
    to: SocketAddr,
    from: Option<IpAddr>,
}

impl Place {
    /// Back to where this one came from.
    fn of(datagram: &Received<'_>) -> Place {
        Place { socket: datagram.socket, to: datagram.from, from: datagram.local }
    }

    fn transmit(self, range: std::ops::Range<usize>) -> Transmit {
        let Place { socket, to, from } = self;
        Transmit { socket, to, from, range, segment: None }
    }
}

/// Who reads a room's messages.
struct Readers<'a> {
    roster: &'a [Slot],
    members: &'a Members,
    entrances: &'a [Entrance],
}

impl Audience for Readers<'_> {
    fn roster(&self) -> &[Slot] {
        self.roster
    }

    fn style(&self, slot: Slot) -> Option<Style> {
        if !self.members.has_slot(slot) {
            return None;
        }
        let format = self.entrances.get(self.members.door(slot).index())?.format;
        Some(Style { format, encoding: self.members.encoding(slot) })
    }
}

/// Makes lines of the core's messages, and remembers them against echoes.
struct Renderer<'a> {
    core: &'a Core,
    now: Instant,
    room: RoomId,
    echoes: &'a mut Echoes,
    scratch: &'a mut Scratch,
}

impl Render for Renderer<'_> {
    fn render(&mut self, message: Waiting, style: Style, is_first: bool, out: &mut Vec<u8>) {
        let Some(entry) = self.core.batch().get(message.number) else { return };
        let (start, language) = (out.len(), self.core.config().language);
        if style.encoding == Encoding::UTF_8 {
            render::line(&entry, style.format, out);
            if is_first {
                self.echoes.sent(self.now, Target::Room(self.room), message.except, &out[start..]);
            }
            return render::bound(start, language, out);
        }
        let Scratch { line, .. } = self.scratch;
        line.clear();
        render::line(&entry, style.format, line);
        if is_first {
            self.echoes.sent(self.now, Target::Room(self.room), message.except, line);
        }
        self.scratch.encode(style.encoding, language);
        out.extend_from_slice(&self.scratch.line);
    }

    fn find(&self, member: MemberId) -> Option<Slot> {
        self.core.find_id(member)
    }
}

impl Scratch {
    /// Turns the line into another encoding.
    fn encode(&mut self, encoding: Encoding, language: Language) {
        if encoding != Encoding::UTF_8 {
            self.text.clear();
            Encoding::UTF_8.decode_to(&self.line, &mut self.text);
            self.line.clear();
            render::encode(encoding, &self.text, language, &mut self.line);
        }
        render::bound(0, language, &mut self.line);
    }
}

/// The goodbye as text.
const BYE_TEXT: &str = "Bye!";

/// A line of the hub's own, as members of this format get it.
fn own_line(notice: &Notice, language: Language, format: Format) -> String {
    let mut line = sentence::line(notice, language);
    if format == Format::Chat && !matches!(notice, Notice::Gone(Gone::Stopped)) {
        line.push('\n');
    }
    line
}

fn news_line(news: &[pigeon_proto::News], language: Language) -> String {
    format!("* {}\n", sentence::news(news, language))
}

/// What a proof is about besides the address: the door, of which each has members of its own.
fn proved_of(socket: SocketId) -> [u8; 2] {
    socket.number().to_be_bytes()
}

/// Whether this is what a hub says to somebody it has dropped, come back from an address that is not
/// a member: an echo service, or another hub. Joining it again would begin the same after each
/// time-out, for ever.
fn is_farewell(format: Format, payload: &[u8]) -> bool {
    let text = payload.trim_ascii();
    text.eq_ignore_ascii_case(BYE) || (format != Format::Raw && text.starts_with(b"* "))
}
