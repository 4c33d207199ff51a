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
//! - `doors`: the sockets, each with a format and a room.
//! - [`members`]: who is where; `locals`: to which of the hub's addresses they speak; `debt`: what
//!   they have said lately.
//! - `echo`: the guard against loops.
//! - `delivery`: everything on its way out. In it `runs` and `run`: the messages of one batch and
//!   the trains that carry them; `render` and `renderer`: what they look like; `lines` and
//!   `outgoing`: what the hub says of its own, and to whom; `farewell`: the last of it.
//! - `discovery`: hubs that are looked for. `strangers`: how often those get a line who are not members.

mod debt;
mod delivery;
mod discovery;
mod doors;
mod echo;
mod farewell;
mod lines;
mod locals;
pub(crate) mod members;
mod outgoing;
mod render;
mod renderer;
mod run;
mod runs;
mod strangers;

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, Received, SocketId, Transmit};
use pigeon_guard::{Code, Origin};
use pigeon_proto::heartbeat::{Details, write_answer};
use pigeon_proto::{
    BYE, Command, Format, Incoming, Label, Nonce, Notice, Prove, Reason, Refusal, Secret, Setting,
    Subject, Verb,
};
use pigeon_text::{Charset, Encoding};

use self::delivery::Delivery;
use self::discovery::{Discovery, Question};
use self::doors::Doors;
use self::echo::Suspect;
use self::members::{Flag, Members};
use self::outgoing::Route;
use self::run::Style;
use self::strangers::Strangers;
use crate::core;
use crate::core::id::{LinkId, MemberId, RoomId, Slot};
use crate::core::input::{Context, Input, Source};
use crate::core::message::{Caller, Entry};
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::{Event, Events};
use crate::statistics::{Dropped, Left};

/// The most members timed out in one call; the next call follows at once. So a hundred thousand
/// that fall silent together do not hold up the datagrams of those who live.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// In the raw format data may repeat by itself: only the third echo in a row is one.
const RAW_ECHOES: u8 = 3;

/// A datagram of at least this many bytes, from an address that has not proved itself, is answered
/// by `/prove TOKEN`, which is shorter.
const PROVABLE: usize = 64;

/// The first byte under the code that a nonce is turned into.
const CHANCE: u8 = 3;

/// The members that any program can be, at all doors.
pub(crate) struct Plain {
    members: Members,
    delivery: Delivery,
    discovery: Discovery,
    strangers: Strangers,
    /// What a member wrote in another encoding, in UTF-8. Reused from datagram to datagram.
    decoded: String,
    /// The answer to a heartbeat, likewise.
    answer: Vec<u8>,
}

/// A datagram on its way, and what it may touch.
struct Datagram<'a, 'b> {
    core: &'a mut Core,
    events: &'a mut Events,
    now: Instant,
    datagram: &'a Received<'b>,
    /// Of the door it came in by.
    format: Format,
    /// In which encoding it shows its sender to write, where that is found out.
    used: Option<Encoding>,
}

impl Plain {
    /// The link, with the core's rooms that its doors lead to.
    pub(crate) fn new(core: &mut Core) -> Self {
        let (doors, keys) = (Doors::open(core), core.config().hash_keys);
        Plain {
            members: Members::new(keys, doors),
            delivery: Delivery::new(keys),
            discovery: Discovery::default(),
            strangers: Strangers::new(keys),
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

    fn suspect(&self, core: &Core, from: SocketAddr, member: Option<Slot>) -> Suspect {
        let room = member.and_then(|slot| core.room_of(slot)).map(Room::id);
        Suspect { address: from, member: member.map(|slot| core.id(slot)), room }
    }

    // The life of a datagram.

    /// Opens a new batch if the last one has been sent.
    pub(crate) fn begin(&mut self, core: &mut Core) {
        if self.delivery.end_batch() {
            core.end_batch();
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
        let format = self.members.doors().get(datagram.socket).ok_or(Dropped::BadSource)?.format;
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
                return self.discover(core, now, datagram, member, discover.nonce);
            }
            Incoming::Quit if member.is_none() => return Err(Dropped::NotMember),
            Incoming::Message(_) | Incoming::Command(_) => {
                self.refuse_unread(core, now, datagram, member)?;
            }
            Incoming::Heartbeat { .. } | Incoming::Quit | Incoming::Empty => {}
        }
        let own = core.config().charset(format);
        let charset = member.map_or(own, |slot| self.members.charset(slot));
        let encoding = match charset {
            // What is too long for a message in any encoding is refused as it is.
            _ if is_too_long(datagram.payload, core.config().most_text(format)) => Encoding::UTF_8,
            _ if matches!(incoming, Incoming::Command(line) if Command::is_too_long(line)) => {
                Encoding::UTF_8
            }
            Charset::Fixed(encoding) => encoding,
            Charset::Auto if std::str::from_utf8(datagram.payload).is_ok() => Encoding::UTF_8,
            Charset::Auto => Encoding::GB18030,
        };
        // ASCII is the same in both.
        let tells = charset == Charset::Auto && !datagram.payload.is_ascii();
        let used = tells.then_some(encoding);
        let mut cx = Datagram { core, events, now, datagram, format, used };
        if encoding == Encoding::UTF_8 {
            return self.apply(&mut cx, member, datagram.payload, incoming);
        }
        let mut text = std::mem::take(&mut self.decoded);
        text.clear();
        // What stands around it means nothing, and padding need not be decoded. Everything but text
        // is ASCII.
        let is_text = matches!(incoming, Incoming::Message(_) | Incoming::Command(_));
        let read = if is_text { datagram.payload.trim_ascii() } else { &[] };
        if !encoding.decode_to(read, &mut text) {
            // What is not text tells nothing.
            cx.used = None;
        }
        let incoming = if is_text { Incoming::parse(format, text.as_bytes()) } else { incoming };
        let outcome = self.apply(&mut cx, member, text.as_bytes(), incoming);
        self.decoded = text;
        outcome
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
        if self.members.charset(slot) == Charset::default() {
            return Ok(());
        }
        if is_too_long(datagram.payload, core.config().most_text(self.members.format(slot))) {
            self.members.touch(slot, now, datagram.local);
            self.spend(core, slot, now, length)?;
            let text = datagram.payload.trim_ascii().len();
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
            Some(slot) => {
                self.members.touch(slot, now, cx.datagram.local);
                slot
            }
            None => {
                self.may_join(cx.core, now, cx.datagram)?;
                self.join(cx.core, now, cx.datagram)?
            }
        };
        if let Some(used) = cx.used {
            self.write_in(cx.core, slot, used);
        }
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
                // First, for it may change the roster whose version the answer carries.
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

    /// Whether a text fits a datagram once it is wrapped, and the batch.
    fn check_size(
        &mut self,
        core: &Core,
        slot: Slot,
        room: RoomId,
        text: &[u8],
    ) -> Result<(), Dropped> {
        let format = self.members.format(slot);
        if text.len() > core.config().most_text(format) {
            return Err(Dropped::TextTooLong);
        }
        if !render::fits(text, format) {
            let name = core.name(slot).map_or("", |name| name.as_str());
            let caller = Caller::Address(self.members.address(slot));
            let entry = Entry { member: None, name, caller, text };
            let style = Style { format, encoding: Encoding::UTF_8 };
            if self.delivery.length(&entry, style) > MAX_PAYLOAD_V4 {
                return Err(Dropped::TextTooLong);
            }
        }
        if self.delivery.fits(room, text, format) { Ok(()) } else { Err(Dropped::BatchFull) }
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
        let mut is_echo = self.delivery.is_echo(cx.now, suspect, payload);
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

    /// Whether a sender may become a member. Asks it to prove its address, if it must.
    fn may_join(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<(), Dropped> {
        if core.is_kicked(now, || label_of(datagram.from)) {
            self.refuse(core, now, datagram, Dropped::Kicked);
            return Err(Dropped::Kicked);
        }
        match core.config().sources.origin(datagram.from.ip()) {
            Origin::Beyond => {
                self.ask_for_proof(core, now, datagram);
                Err(Dropped::Unproved)
            }
            Origin::Loopback | Origin::Open => Ok(()),
        }
    }

    /// `/prove TOKEN`: nothing is remembered of whoever is asked but when.
    fn ask_for_proof(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>) {
        if datagram.payload.len() < PROVABLE || !self.may_be_told(core, now, datagram.from) {
            return;
        }
        core.statistics_mut().proofs_asked += 1;
        let proof = core.seal().proof(now, datagram.from, &proved_of(datagram.socket)).letters();
        let route = Route::back(datagram);
        self.send(core, route, |bytes| Prove { token: &proof }.write(bytes));
    }

    /// Whether a line may go to an address that is not a member.
    fn may_be_told(&mut self, core: &mut Core, now: Instant, to: SocketAddr) -> bool {
        let counted_as = core.config().sources.counted_as(to.ip());
        let may = self.strangers.take(now, to, counted_as);
        core.statistics_mut().lines_withheld += u64::from(!may);
        may
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
        match member {
            Some(slot) => self.members.touch(slot, now, datagram.local),
            None => drop(self.join(core, now, datagram)?),
        }
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
        if !self.strangers.may_come(now, from) {
            return Err(Dropped::RateLimited);
        }
        let outcome = match self.members.can_answer_from(datagram.local) {
            true => {
                let cx = self.context_at(now, datagram.socket);
                let source = Source { ip: from.ip(), origin };
                core.join(&cx, LinkId::PLAIN, source, &|| label_of(from))
            }
            false => Err(Dropped::LocalsFull),
        };
        if let Err(reason) = outcome
            && (reason != Dropped::HubFull || self.gives_way(core, origin).is_none())
        {
            self.refuse(core, now, datagram, reason);
        }
        let slot = outcome?.slot();
        self.members.insert(slot, (datagram.socket, from), origin, now);
        self.members.speaks_to(slot, datagram.local);
        self.members.set_charset(slot, core.config().charset(self.members.format(slot)));
        Ok(slot)
    }

    /// Removes the member that gives way to a newcomer from there, which was refused because the hub
    /// is full. False if there is none. The core's outputs must be taken before the newcomer tries
    /// again, because it may get the same slot.
    pub(crate) fn displace(&mut self, core: &mut Core, now: Instant, origin: Origin) -> bool {
        let Some(slot) = self.gives_way(core, origin) else { return false };
        core.leave(&self.context_at(now, self.members.socket(slot)), slot, Left::Displaced);
        true
    }

    /// Who that is: the member that waits longest of those that were heard once. It may be forged, and
    /// if not, its next datagram makes it a member again.
    fn gives_way(&self, core: &Core, newcomer: Origin) -> Option<Slot> {
        let (near, beyond) = (|| self.members.heard_once(false), || self.members.heard_once(true));
        match newcomer {
            _ if !core.is_full_for(newcomer) => None,
            // Where those from beyond are at their bound, only one of them makes a place.
            Origin::Beyond => beyond().or_else(|| near().filter(|_| !core.is_at_bound_beyond())),
            Origin::Loopback | Origin::Open => near().or_else(beyond),
        }
    }

    /// Says to a sender why it is not a member: in one line never longer than what it sent.
    fn refuse(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>, reason: Dropped) {
        let why = match reason {
            Dropped::Kicked => Reason::Kicked,
            Dropped::HubFull => Reason::HubFull,
            Dropped::RoomFull => Reason::RoomFull,
            Dropped::LocalsFull => Reason::TooManyAddresses,
            _ => Reason::AddressFull,
        };
        let notice = Notice::Refused(Refusal::new(Subject::Member, why));
        let format = self.members.doors().at(datagram.socket).format;
        let line = match Incoming::parse(format, datagram.payload) {
            Incoming::Heartbeat { padded: true } => notice.to_bytes(),
            _ => match lines::line(&notice, core.config().language, format) {
                Some(line) => self.in_own_encoding(core, &line, format),
                None => return,
            },
        };
        if line.len() <= datagram.payload.len() && self.may_be_told(core, now, datagram.from) {
            // Two full hubs would refuse each other's refusals for ever.
            let route = Route::back(datagram);
            self.delivery.send_line(core.statistics_mut(), now, route, &line);
        }
    }

    /// A line in what those read here who have chosen nothing.
    fn in_own_encoding(&self, core: &Core, line: &str, format: Format) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoding = written(core.config().charset(format));
        render::encode(encoding, line, core.config().language, &mut bytes);
        bytes
    }

    // Encodings.

    /// Whether a member may read and write this in the room that it is in.
    fn may_read(&self, core: &Core, slot: Slot, charset: Charset) -> bool {
        let room = core.room_of(slot).map(Room::id);
        room.is_none_or(|room| self.has_encoding(core, room, written(charset)))
    }

    /// Whether a room takes a reader of this encoding.
    fn has_encoding(&self, core: &Core, room: RoomId, encoding: Encoding) -> bool {
        self.delivery.takes_encoding(room, encoding, written(core.config().encoding))
    }

    /// A member whose encoding is found out has used this one, and gets it from now on.
    fn write_in(&mut self, core: &Core, slot: Slot, used: Encoding) {
        if self.members.charset(slot) == Charset::Auto && self.members.encoding(slot) != used {
            let before = self.members.style(slot);
            self.members.set_used(slot, used);
            self.change(core, slot, before);
        }
    }

    /// A member comes to a room. Where the room takes no further encoding, it reads what the hub
    /// does from now on, and is told.
    fn enter(&mut self, core: &mut Core, now: Instant, slot: Slot, room: RoomId) {
        if !self.has_encoding(core, room, self.members.encoding(slot)) {
            let own = core.config().charset(self.members.format(slot));
            self.members.set_charset(slot, own);
            let what = Subject::Command(Verb::Encoding);
            let refused = Refusal::new(what, Reason::TooManyEncodings);
            self.tell(core, now, slot, &Notice::Refused(refused));
            self.tell(core, now, slot, &Notice::Set(Setting::Encoding(own)));
            core.statistics_mut().count_dropped(Dropped::EncodingsFull);
        }
        self.delivery.enter(room, core.id(slot), self.members.style(slot));
    }

    /// Says to a member once that what it sends is not UTF-8, if that is what it is read in.
    fn hint(&mut self, core: &mut Core, slot: Slot, payload: &[u8]) {
        let concerns = self.members.format(slot) != Format::Raw
            && self.members.charset(slot) == Charset::default()
            && !self.members.has(slot, Flag::Hinted);
        if concerns && std::str::from_utf8(payload).is_err() {
            self.members.set(slot, Flag::Hinted, true);
            core.reply(core.id(slot), Notice::NotUtf8);
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
        let most = core.config().most_text(self.members.format(slot));
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
                    self.enter(core, now, slot, room);
                }
            }
            Output::Moved { member, from, to } => {
                let Some(slot) = self.own(core, *member) else { return };
                let style = self.members.style(slot);
                if let Some(from) = *from {
                    self.delivery.deliver_now(core, &self.members, from, *member);
                    self.delivery.exit(from, style);
                }
                self.enter(core, now, slot, *to);
            }
            Output::Left { member, language, room, reason, .. } => {
                let slot = member.slot();
                if !self.members.has_slot(slot) {
                    return;
                }
                if let Some(gone) = reason.gone() {
                    // The core has forgotten which language that was.
                    let to = (slot, *language);
                    self.delivery.tell(core, &self.members, now, to, &Notice::Gone(gone));
                }
                if let Some(room) = *room {
                    self.delivery.exit(room, self.members.style(slot));
                }
                let (place, owed) = (self.members.address(slot), self.members.owed(slot));
                self.strangers.leaves(self.members.heard(slot), place, owed);
                self.members.remove(slot);
            }
            Output::Renamed { .. } => {}
            Output::Message { room, number } => self.delivery.push(core, *room, *number),
            Output::Reply { to, notice } => {
                let Some(slot) = self.own(core, *to) else { return };
                if let Notice::Set(Setting::Encoding(charset)) = notice {
                    let before = self.members.style(slot);
                    self.members.set_charset(slot, *charset);
                    self.change(core, slot, before);
                }
                self.tell(core, now, slot, notice);
            }
            Output::News { room, gathered } => {
                self.delivery.tell_news(core, &self.members, now, *room, gathered);
            }
        }
    }

    /// The slot of a member of this link, if it is still one.
    fn own(&self, core: &Core, member: MemberId) -> Option<Slot> {
        core.find_id(member).filter(|&slot| self.members.has_slot(slot))
    }

    /// A member reads another style than before.
    fn change(&mut self, core: &Core, slot: Slot, before: Style) {
        if let Some(room) = core.room_of(slot).map(Room::id) {
            self.delivery.change(room, before, self.members.style(slot));
        }
    }

    fn tell(&mut self, core: &mut Core, now: Instant, slot: Slot, notice: &Notice) {
        let language = core.language(slot);
        self.delivery.tell(core, &self.members, now, (slot, language), notice);
    }

    /// Answers a padded heartbeat of so many bytes.
    fn answer_heartbeat(&mut self, core: &mut Core, slot: Slot, length: usize) {
        let (route, format) = (self.members.route(slot), self.members.format(slot));
        let (members, room) = (core.len() as u64, core.room_of(slot));
        let details = Details {
            format: Some(format),
            you: Some((core.name(slot), room.map(Room::name))),
            version: Some(room.map_or(0, Room::version)),
            last: Some(0),
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
        if core.config().discovery.is_none() {
            return Ok(());
        }
        let question = Question::new(datagram, nonce.as_str());
        self.discovery.check(&question)?;
        if member.is_none() && !self.may_be_told(core, now, datagram.from) {
            return Err(Dropped::QuestionsFull);
        }
        let chance = core.seal().code(CHANCE, nonce.as_str().as_bytes()).number();
        self.discovery.ask(now, chance, question);
        Ok(())
    }

    /// Answers the questions that have waited long enough.
    fn answer_questions(&mut self, core: &mut Core, now: Instant) {
        while let Some(question) = self.discovery.take(now) {
            if core.is_banned(question.route().to.ip()) {
                continue;
            }
            let format = self.members.doors().at(SocketId::FIRST).format;
            let answer = question.answer(core.config(), core.len() as u64, format);
            if !answer.is_empty() {
                self.send(core, question.route(), |bytes| bytes.extend_from_slice(&answer));
            }
        }
    }

    // Timers and the end.

    /// Drops those who were silent for too long, and answers questions that are due.
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        let timeout = core.config().timeout;
        let is_late = |slot: &Slot| self.members.heard(*slot) + timeout <= now;
        for slot in self.members.iter().take_while(is_late).take(MAX_TIMEOUTS_A_CALL) {
            let cx = self.context_at(now, self.members.socket(slot));
            core.leave(&cx, slot, Left::TimedOut);
        }
        self.answer_questions(core, now);
        core.statistics_mut().echoes_forgotten = self.delivery.forgotten();
    }

    /// When the next of these is due.
    pub(crate) fn poll_timeout(&self, core: &Core) -> Option<Instant> {
        let timeout = core.config().timeout;
        let expiry = self.members.oldest().map(|slot| self.members.heard(slot) + timeout);
        [expiry, self.discovery.due()].into_iter().flatten().min()
    }

    /// Begins to say goodbye to everybody.
    pub(crate) fn say_bye(&mut self) {
        self.delivery.say_bye(&self.members);
    }

    // Sending.

    /// The next thing to send.
    pub(crate) fn poll_transmit(&mut self, core: &mut Core, now: Instant) -> Option<Transmit> {
        self.delivery.poll_transmit(core, &self.members, now)
    }

    fn send(&mut self, core: &mut Core, route: Route, write: impl FnOnce(&mut Vec<u8>)) {
        self.delivery.send(core.statistics_mut(), route, write);
    }
}

/// What this link calls a member at an address.
fn label_of(address: SocketAddr) -> Label {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => Label::from(SocketAddr::from((v4, address.port()))),
        IpAddr::V6(_) => Label::from(address),
    }
}

/// Whether a text is too long for a message in any encoding: it may shrink by half in UTF-8, from the
/// four bytes of a character in GB18030.
fn is_too_long(payload: &[u8], most: usize) -> bool {
    payload.len() / 2 > most && payload.trim_ascii().len() / 2 > most
}

/// What those are written in at first who read this.
fn written(charset: Charset) -> Encoding {
    match charset {
        Charset::Auto => Encoding::UTF_8,
        Charset::Fixed(encoding) => encoding,
    }
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
                    plain.take(&mut core, Instant::ORIGIN, &output);
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
