//! The hub: the core and the plain link as one machine.

use std::time::Duration;

use ipnet::IpNet;
use pigeon_datagram::{Instant, Machine, Received, Transmit, WallClock};
use pigeon_guard::Origin;
use pigeon_proto::{
    Format, Identity, Label, LinkKind, Name, Notice, Reason, Refusal, RoomName, Setting, Subject,
    Text,
};

use crate::config::{Config, Door, Rate};
use crate::core;
use crate::core::bans::Banned;
use crate::core::history::{Found, Lookup};
use crate::core::id::{LinkId, MemberId, RoomId, Slot};
use crate::core::input::{Input, Source};
use crate::core::kept::Keep;
use crate::core::members::Trait;
use crate::core::message::{Caller, Message};
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::{Event, Events, Remark};
use crate::plain::Plain;
use crate::statistics::{Dropped, Left, Statistics};
use crate::view::{BanError, KickView, MemberView, RoomView, RosterView};

/// Group chat: members of all links, their names and rooms; relays each message to all members of
/// its room.
///
/// Follow the contract of [`Machine`]. Besides datagrams, the hub takes actions of other links'
/// members ([`join`](Hub::join), [`handle_input`](Hub::handle_input)) and of the operator
/// ([`say`](Hub::say), [`kick`](Hub::kick), [`ban`](Hub::ban), [`stop`](Hub::stop)); these methods
/// count as `handle_*` calls.
pub struct Hub {
    core: Core,
    doors: Plain,
    events: Events,
    /// The driver's latest time.
    now: Instant,
    /// Whether there are other links, which need messages and changes as events.
    has_links: bool,
}

impl Hub {
    /// A hub without members.
    pub fn new(mut config: Config) -> Self {
        if config.doors.is_empty() {
            config.doors.push(Door::of(Format::Chat));
        }
        let mut core = Core::new(config);
        let doors = Plain::new(&mut core);
        let (events, now) = (Events::default(), Instant::ORIGIN);
        Hub { core, doors, events, now, has_links: false }
    }

    /// Records the time, and begins a new batch if the last one has been sent.
    fn begin(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.doors.begin(&mut self.core, self.now);
    }

    fn receive(&mut self, datagram: &Received<'_>) -> Result<(), Dropped> {
        let Hub { core, doors, events, now, .. } = self;
        doors.receive(core, events, *now, datagram)
    }

    /// Counts the outcome of a datagram and delivers its outputs.
    fn settle(&mut self, datagram: &Received<'_>, mut outcome: Result<(), Dropped>) {
        if outcome == Err(Dropped::HubFull)
            && self.displace(self.core.config().sources.origin(datagram.from.ip()))
        {
            outcome = self.receive(datagram);
        }
        if let Err(reason) = outcome {
            self.core.statistics_mut().count_dropped(reason);
            if let Some(slot) = self.doors.members().find(datagram.socket, datagram.from) {
                self.core.count_dropped_of(self.now, slot);
            }
        }
        self.deliver();
    }

    /// Displaces a member for a newcomer of this origin, because the hub is full.
    fn displace(&mut self, origin: Origin) -> bool {
        let is_displaced = self.doors.displace(&mut self.core, self.now, origin);
        self.deliver();
        is_displaced
    }

    /// Passes every output of the core to the plain link and to the driver.
    fn deliver(&mut self) {
        while let Some(output) = self.core.poll_output() {
            self.doors.take(&mut self.core, &output);
            if let Some(event) = self.event(output) {
                self.events.report(event);
            }
        }
        self.core.statistics_mut().events_lost = self.events.lost();
    }

    fn event(&mut self, output: Output) -> Option<Event> {
        let cx = self.doors.context(self.now);
        let label = |member: MemberId| Some(self.core.link_label(&cx, self.core.find_id(member)?));
        let name = |room: RoomId| Some(self.core.room(room)?.name().clone());
        Some(match output {
            Output::Joined { member, room } => {
                Event::Joined { member, label: label(member)?, room: room.and_then(name) }
            }
            Output::Moved { member, to, .. } => Event::Moved { member, room: name(to)? },
            Output::Left { member, label, name, reason, .. } => {
                Event::Left { member, label, name, reason }
            }
            Output::Renamed { member, name } => {
                Event::Renamed { member, label: label(member)?, name }
            }
            Output::Message { .. } => Event::Message(self.core.poll_message()?),
            Output::Reply { to, notice } => {
                let slot = self.core.find_id(to)?;
                let is_plain = self.core.link(slot) == LinkId::PLAIN;
                (!is_plain).then_some(Event::Reply { to, notice })?
            }
            Output::Said { to, notice, .. } => {
                let slot = self.core.find_id(to)?;
                let is_plain = self.core.link(slot) == LinkId::PLAIN;
                (!is_plain).then_some(Event::Reply { to, notice })?
            }
            Output::Remark { member, remark } => {
                let slot = self.core.find_id(member)?;
                let name = self.core.name(slot).cloned();
                Event::Remark { label: label(member)?, name, remark }
            }
            Output::Lookup(lookup) => Event::Lookup(lookup),
            Output::Keep(change) => Event::Keep(change),
            Output::News { room, gathered } if self.has_links => {
                let here = self.core.room(room)?;
                let (name, version) = (here.name().clone(), here.version());
                let news = gathered.news(None, &name, version);
                let of_links = |id: &MemberId| {
                    self.core.find_id(*id).is_some_and(|slot| self.core.link(slot) != LinkId::PLAIN)
                };
                let about = gathered.members().into_iter().filter(of_links);
                let own = about.map(|id| (id, gathered.news(Some(id), &name, version)));
                Event::News { own: own.collect(), room: name, news }
            }
            Output::News { .. } => return None,
        })
    }
}

/// Getters.
impl Hub {
    /// The number of members.
    pub fn member_count(&self) -> usize {
        self.core.len()
    }

    /// All members: first plain ones, the longest silent first.
    pub fn members(&self) -> impl Iterator<Item = MemberView> + '_ {
        let plain = self.doors.members();
        let others = self.core.members().filter(|&slot| !plain.has_slot(slot));
        plain.iter().chain(others).map(|slot| self.view(slot))
    }

    /// The members' names, in any order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.core.names()
    }

    /// A member, if it still exists.
    pub fn member(&self, id: MemberId) -> Option<MemberView> {
        self.core.find_id(id).map(|slot| self.view(slot))
    }

    fn view(&self, slot: Slot) -> MemberView {
        let plain = self.doors.members();
        let is_plain = plain.has_slot(slot);
        let (rate, dropped) = self.core.tally(self.now, slot);
        MemberView {
            id: self.core.id(slot),
            label: self.core.link_label(&self.doors.context(self.now), slot),
            link: self.core.link_kind(slot),
            address: is_plain.then(|| plain.address(slot)),
            ip: self.core.source(&self.doors.context(self.now), slot).ip.to_canonical(),
            author: self.core.author(slot),
            name: self.core.name(slot).cloned(),
            room: self.core.room_of(slot).map(|room| room.name().clone()),
            language: self.core.language(slot),
            heard: is_plain.then(|| plain.heard(slot)),
            rate,
            dropped,
            is_muted: self.core.has(slot, Trait::Muted),
            is_person: self.core.has(slot, Trait::Person),
        }
    }

    /// Every room.
    pub fn rooms(&self) -> impl Iterator<Item = RoomView> + '_ {
        let view = |room: &Room| RoomView { name: room.name().clone(), members: room.len() };
        self.core.rooms().map(view)
    }

    /// The members of a room, up to `most`. `None` if nobody is there.
    pub fn roster(&self, room: &RoomName, most: usize) -> Option<RosterView> {
        let room = self.core.find_room(room)?;
        let cx = self.doors.context(self.now);
        let listed = room.roster().iter().take(most);
        let members = listed.map(|&slot| (self.core.label(&cx, slot), self.core.link_kind(slot)));
        let members = members.collect();
        Some(RosterView { people: room.people(), total: room.len(), members })
    }

    /// Grows whenever a room's members change.
    pub fn roster_version(&self) -> u64 {
        self.core.roster_version()
    }

    /// The banned networks, then the banned keys.
    pub fn bans(&self) -> impl Iterator<Item = Banned> + '_ {
        self.core.bans()
    }

    /// The kicks that still hold, the oldest first.
    pub fn kicks(&self, now: Instant) -> impl Iterator<Item = KickView<'_>> {
        self.core.kicks(now)
    }

    /// The muted names, each with the present name of the member muted by it, if another.
    pub fn mutes(&self) -> impl Iterator<Item = (&Name, Option<&Name>)> {
        self.core.muted()
    }

    /// The rooms in slow mode, with the time between two messages of a member.
    pub fn slow_rooms(&self) -> impl Iterator<Item = (&RoomName, Duration)> {
        self.core.mutes().rooms()
    }

    /// The counters.
    pub fn statistics(&self) -> &Statistics {
        self.core.statistics()
    }

    /// The time of day, as messages carry it.
    pub fn wall(&self, now: Instant) -> Duration {
        self.core.wall(now)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        self.core.config()
    }
}

/// Calls for links other than the plain one.
impl Hub {
    /// Adds a link for members that use other protocols than plain datagrams. `None` after the
    /// 255th. From now on, messages and changes are reported as events.
    pub fn add_link(&mut self, kind: LinkKind) -> Option<LinkId> {
        self.has_links = true;
        self.core.add_link(kind)
    }

    /// Adds a member, in the first room of the first listening socket. Fails without a change, with
    /// the refusal to show to the newcomer.
    pub fn join(
        &mut self,
        now: Instant,
        link: LinkId,
        label: Label,
        source: Source,
    ) -> Result<MemberId, Refusal> {
        self.begin(now);
        let is_banned = self.core.is_banned(source.ip);
        self.let_in(link, label, source, (None, false), is_banned)
    }

    /// Adds a member with a key, like [`join`](Hub::join). The author of the key takes back the name
    /// that it had, also after a restart. A password is checked first, and such a member is never in
    /// the hub without it.
    pub fn join_by_key(
        &mut self,
        now: Instant,
        link: LinkId,
        label: Label,
        source: Source,
        author: u128,
        password: Option<&str>,
    ) -> Result<MemberId, Refusal> {
        self.begin(now);
        let is_banned = self.core.is_banned(source.ip) || self.core.is_key_banned(author);
        if self.core.config().password.is_some() && !is_banned {
            let checked = match password {
                None => Err(Reason::Password),
                Some(password) => {
                    let secret = password.trim().as_bytes();
                    self.core.check_password(self.now, source.ip, secret)
                }
            };
            checked.map_err(|why| {
                let reason = core::dropped(&why).unwrap_or(Dropped::NoPassword);
                self.core.statistics_mut().count_dropped(reason);
                if why != Reason::Password {
                    let remark = Remark::Limited(reason);
                    self.events.report(Event::Remark { label: label.clone(), name: None, remark });
                }
                Refusal::new(Subject::Member, why)
            })?;
        }
        self.let_in(link, label, source, (Some(author), true), is_banned)
    }

    /// Adds a member of another hub with the same rooms, which has checked it: no password is asked.
    pub fn join_elsewhere(
        &mut self,
        now: Instant,
        link: LinkId,
        label: Label,
        source: Source,
        author: Option<u128>,
    ) -> Result<MemberId, Refusal> {
        self.begin(now);
        // Its address is not its own.
        let is_banned = author.is_some_and(|author| self.core.is_key_banned(author));
        let member = self.let_in(link, label, source, (author, true), is_banned)?;
        self.core.find_id(member).into_iter().for_each(|slot| self.core.set_elsewhere(slot));
        Ok(member)
    }

    /// Puts a member of another hub into the room where it is there. It stays a program that only
    /// sends, if it is one, which a command would change.
    pub fn move_elsewhere(&mut self, now: Instant, member: MemberId, room: RoomName) {
        self.begin(now);
        if let Some(slot) = self.core.find_id(member) {
            // If the room is full here, the member stays where it is.
            let _ = self.core.move_to_named(&self.doors.context(self.now), slot, room);
        }
        self.deliver();
    }

    fn let_in(
        &mut self,
        link: LinkId,
        label: Label,
        source: Source,
        (author, is_checked): (Option<u128>, bool),
        is_banned: bool,
    ) -> Result<MemberId, Refusal> {
        let join = |hub: &mut Hub| {
            let cx = hub.doors.context(hub.now);
            hub.core.join(&cx, link, source, (author, is_checked), &|| label.clone())
        };
        let mut joined = match is_banned {
            true => Err(Dropped::Banned),
            false => join(self),
        };
        if joined == Err(Dropped::HubFull) && self.displace(source.origin) {
            joined = join(self);
        }
        self.deliver();
        joined.map_err(|reason| {
            self.core.statistics_mut().count_dropped(reason);
            let why = match reason {
                Dropped::Banned => Reason::Banned,
                Dropped::Kicked => Reason::Kicked,
                Dropped::HubFull => Reason::HubFull,
                Dropped::RoomFull => Reason::RoomFull,
                _ => Reason::AddressFull,
            };
            Refusal::new(Subject::Member, why)
        })
    }

    /// Changes a member's label at its link, for example its nickname there. A plain member's label
    /// is its address and cannot change.
    pub fn relabel(&mut self, now: Instant, member: MemberId, label: Label) {
        self.begin(now);
        if let Some(slot) = self.core.find_id(member) {
            self.core.relabel(&self.doors.context(self.now), slot, label);
        }
        self.deliver();
    }

    /// Sends a refusal to a member of a link other than the plain one, for input that its link
    /// could not parse.
    pub fn refuse(&mut self, now: Instant, member: MemberId, refusal: Refusal) {
        self.begin(now);
        if self.core.find_id(member).is_some() {
            self.core.reply(member, Notice::Refused(refusal));
        }
        self.deliver();
    }

    /// Handles the input of a member of a link other than the plain one. Its notices are
    /// [`Event::Reply`]s; an outdated id is ignored.
    pub fn handle_input(&mut self, now: Instant, member: MemberId, input: Input<'_>) {
        self.begin(now);
        let Some(slot) = self.core.find_id(member) else { return };
        let length = match &input {
            Input::Say { text, .. } => text.len() as u64,
            _ => 0,
        };
        let is_message = matches!(input, Input::Say { .. });
        let cx = self.doors.context(self.now);
        let outcome = core::handle(&mut self.core, &cx, slot, Caller::Name, input);
        if let Err(reason) = outcome {
            let why = self.why_not_said(member, reason, length);
            if is_message {
                self.core.reply(member, Notice::Refused(Refusal::new(Subject::Say, why)));
            }
        }
        self.deliver();
    }

    /// Checks a reliable member's message, and returns the message that the log must store before
    /// [`relay`](Hub::relay). Fails with the refusal to send to the member.
    pub fn admit(
        &mut self,
        now: Instant,
        member: MemberId,
        room: &RoomName,
        text: &[u8],
        identity: Identity,
    ) -> Result<Message, Refusal> {
        self.begin(now);
        let cx = self.doors.context(self.now);
        let admitted = match self.core.find_id(member) {
            Some(slot) => self.core.admit(&cx, slot, room, text, identity),
            None => Err(Dropped::NotMember),
        };
        admitted.map_err(|reason| {
            let why = match reason {
                Dropped::TooSoon => self.core.wait_in(room),
                _ => self.why_not_said(member, reason, text.len() as u64),
            };
            Refusal::new(Subject::Say, why)
        })
    }

    /// Relays a message that [`admit`](Hub::admit) returned and the log has stored. Returns false
    /// if no plain member gets it.
    pub fn relay(&mut self, now: Instant, message: Message) -> bool {
        self.begin(now);
        let is_relayed = self.core.relay(message);
        self.deliver();
        is_relayed
    }

    /// Counts a message that was not taken, and gives the reason for its author.
    fn why_not_said(&mut self, member: MemberId, reason: Dropped, length: u64) -> Reason {
        self.core.statistics_mut().count_dropped(reason);
        let config = self.core.config();
        let rate = |source: Source| *config.rate.get(source.origin);
        let source = self.core.find_id(member);
        let source = source.map(|slot| self.core.source(&self.doors.context(self.now), slot));
        let Rate { messages, bytes } = source.map_or(Rate::UNLIMITED, rate);
        match reason {
            Dropped::NoPassword => Reason::Password,
            Dropped::TextTooLong => {
                Reason::TooLong { length, most: config.most_text(Format::Chat) as u64 }
            }
            Dropped::Reply => Reason::Usage,
            Dropped::Muted => Reason::Muted,
            Dropped::RateLimited => Reason::Rate { messages: messages.map(u64::from), bytes },
            Dropped::HubRateLimited => Reason::HubRate,
            Dropped::TooSoon => self.core.wait_of(member),
            _ => Reason::Overloaded,
        }
    }
}

/// Calls for the operator.
impl Hub {
    /// Sets the time for the operator's next calls. Datagrams and timers have their own.
    pub fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Sets the wall clock, which is used for display and stored messages.
    pub fn set_wall(&mut self, wall: WallClock) {
        self.core.set_wall(wall);
    }

    /// Sends a message as the operator to every room. If it fails for some rooms, all others have
    /// got it. The error is the reason for a room that did not get it.
    pub fn say(&mut self, text: &str) -> Result<(), Dropped> {
        let rooms = self.core.rooms().map(Room::id).collect();
        self.say_to(rooms, text)
    }

    /// Sends a message as the operator to one room; ignored if the room does not exist. The error
    /// is the reason that the room did not get it.
    pub fn say_in(&mut self, room: &RoomName, text: &str) -> Result<(), Dropped> {
        let rooms = self.core.rooms().filter(|open| open.name().folded() == room.folded());
        let rooms = rooms.map(Room::id).collect();
        self.say_to(rooms, text)
    }

    fn say_to(&mut self, rooms: Vec<RoomId>, text: &str) -> Result<(), Dropped> {
        self.begin(self.now);
        let mut outcome = Ok(());
        for room in rooms {
            let mut cx = self.doors.context(self.now);
            let is_raw = self.core.room(room).is_some_and(Room::is_raw);
            cx.format = if is_raw { Format::Raw } else { Format::Chat };
            let speaker = (None, Caller::Name);
            let said = self.core.say(&cx, speaker, room, text.trim().as_bytes(), None);
            outcome = outcome.and(said);
        }
        self.deliver();
        outcome
    }

    /// Kicks a member, by its name or its `IP:PORT`, and notifies it. For ten minutes that address
    /// and port, its key and its resume token are refused, and its name to others from that address;
    /// elsewhere the name is free. If nobody else is a member from that address, all of it is
    /// refused. The name reserved for an absent member can be kicked too. Returns false if there is
    /// no such member.
    pub fn kick(&mut self, now: Instant, who: &str) -> bool {
        self.begin(now);
        let found = self.core.kick(&self.doors.context(self.now), who);
        self.deliver();
        found
    }

    /// Bans a network (`192.168.7.0/24`, or one address), a key, or by its name a member: the key of a
    /// member that joined with one, else the member's address. Notifies and removes its members; a
    /// network's datagrams are ignored from now on, and nobody joins with the key. Fails without a
    /// change if the text is neither, or the ban is not allowed.
    pub fn ban(&mut self, now: Instant, who: &str) -> Result<Banned, BanError> {
        // A name may look like a key or a network: it must not shield that.
        if let Ok(banned) = who.parse() {
            return self.ban_exactly(now, banned);
        }
        self.begin(now);
        let cx = self.doors.context(self.now);
        let slot = self.core.find(&cx, who).ok_or(BanError::Unknown)?;
        let banned = self.core.to_ban(&cx, slot).ok_or(BanError::Elsewhere)?;
        self.ban_exactly(now, banned)
    }

    /// Bans a network or a key.
    pub fn ban_exactly(&mut self, now: Instant, banned: Banned) -> Result<Banned, BanError> {
        self.begin(now);
        let cx = self.doors.context(self.now);
        if matches!(banned, Banned::Net(net) if holds_loopback(net)) {
            return Err(BanError::Own);
        }
        if !self.core.ban(banned) {
            return Err(BanError::TooMany);
        }
        let is_meant = |slot: &Slot| self.core.is_meant(&cx, *slot, banned);
        let gone: Vec<Slot> = self.core.members().filter(is_meant).collect();
        for slot in gone {
            self.core.leave(&cx, slot, Left::Banned);
        }
        self.deliver();
        Ok(banned)
    }

    /// Ends the kick of a name, of an `IP:PORT` or of an address. Returns false if there is none.
    pub fn unkick(&mut self, now: Instant, who: &str) -> bool {
        self.begin(now);
        let was_kicked = self.core.unkick(who);
        self.deliver();
        was_kicked
    }

    /// Removes the ban of a network or a key. Returns false if there was none.
    pub fn unban(&mut self, banned: &str) -> bool {
        self.begin(self.now);
        let was_banned = banned.parse().is_ok_and(|banned| self.core.unban(banned));
        self.deliver();
        was_banned
    }

    /// Passes on a private message from a member of another hub. Returns false if there is no such
    /// member, or if it reads no lines.
    pub fn msg_from(&mut self, now: Instant, from: Label, who: &str, text: &str) -> bool {
        self.begin(now);
        let cx = self.doors.context(self.now);
        let to = self.core.find(&cx, who).filter(|&slot| self.core.can_be_told(&cx, slot));
        let (Some(slot), Some(text)) = (to, Text::of(text.as_bytes())) else { return false };
        self.core.reply(self.core.id(slot), Notice::MsgFrom { name: from, text });
        self.deliver();
        true
    }

    /// Sends a private message as the operator, to a member by its name or its `IP:PORT`. Returns
    /// false if there is no such member, or if it reads no lines.
    pub fn msg(&mut self, who: &str, text: &str) -> bool {
        self.begin(self.now);
        let cx = self.doors.context(self.now);
        let to = self.core.find(&cx, who).filter(|&slot| self.core.can_be_told(&cx, slot));
        let text = Text::of(text.trim().as_bytes());
        let (Some(slot), Some(text)) = (to, text) else { return false };
        let name = Label::from(&self.core.config().name);
        self.core.reply(self.core.id(slot), Notice::MsgFrom { name, text });
        self.deliver();
        true
    }

    /// Mutes a name. Returns false if too many names are muted.
    pub fn mute(&mut self, name: Name) -> bool {
        self.begin(self.now);
        let is_muted = self.core.mute(name);
        self.deliver();
        is_muted
    }

    /// Mutes or unmutes a member without a name, by its link's label, while it is a member. Returns
    /// false if there is no such member.
    pub fn mute_member(&mut self, label: &str, is_muted: bool) -> bool {
        let cx = self.doors.context(self.now);
        let found = self.core.find(&cx, label);
        found.into_iter().for_each(|slot| self.core.choose(slot, Trait::Muted, is_muted));
        found.is_some()
    }

    /// Unmutes a name, and its current holder. Returns false if it was not muted.
    pub fn unmute(&mut self, name: &Name) -> bool {
        self.begin(self.now);
        let was_muted = self.core.unmute(name);
        self.deliver();
        was_muted
    }

    /// Sets a room's slow mode, whether the room exists or not. Zero ends it. Returns false if too
    /// many rooms are slow.
    pub fn slow(&mut self, room: RoomName, time: Duration) -> bool {
        self.begin(self.now);
        let is_slow = self.core.slow(room, time);
        self.deliver();
        is_slow
    }

    /// Adopts settings that may change while the hub runs: the password, open networks, limits,
    /// rates, the time-out and the language. Members stay.
    pub fn reconfigure(&mut self, config: &Config) {
        self.core.reconfigure(config);
    }

    /// Changes or removes the password. Members stay.
    pub fn set_password(&mut self, password: Option<Box<str>>) {
        self.core.set_password(password);
    }

    /// Says goodbye to all members. The hub must not be used afterwards.
    pub fn stop(&mut self) {
        self.begin(self.now);
        self.doors.say_bye(&mut self.core);
        self.events.report(Event::Stopped);
    }
}

/// Calls for the driver's log.
impl Hub {
    /// Restores stored state. Call it before the first datagram.
    pub fn restore(&mut self, now: Instant, kept: impl IntoIterator<Item = Keep>) {
        self.begin(now);
        kept.into_iter().for_each(|kept| self.core.restore(self.now, kept));
        self.deliver();
    }

    /// Answers an [`Event::Lookup`]. `None`: the search failed.
    pub fn found(&mut self, now: Instant, lookup: Lookup, found: Option<Found>) {
        self.begin(now);
        self.core.found(lookup, found);
        self.deliver();
    }

    /// Records that a room is stored up to this position.
    pub fn set_newest(&mut self, room: &RoomName, position: u64) {
        self.core.set_newest(room, position);
    }

    /// Notifies all members whether messages are stored now.
    pub fn announce_history(&mut self, now: Instant, is_kept: bool) {
        self.begin(now);
        self.core.announce(Setting::History(is_kept));
        self.deliver();
    }

    /// Notifies all members whether other hubs with the same rooms can be reached.
    pub fn announce_cluster(&mut self, now: Instant, is_reached: bool) {
        self.begin(now);
        self.core.announce(Setting::Cluster(is_reached));
        self.deliver();
    }
}

impl Machine for Hub {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.begin(now);
        self.core.statistics_mut().received += 1;
        let held = self.doors.hold(&mut self.core, self.now, datagram);
        let outcome = held.unwrap_or_else(|| self.receive(datagram));
        self.settle(datagram, outcome);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.doors.handle_timeout(&mut self.core, &mut self.events, self.now);
        self.deliver();
        while self.core.send_news(&self.doors.context(self.now)) {}
        self.deliver();
        while let Some(held) = self.doors.next_held() {
            let datagram = held.datagram();
            let outcome = self.receive(&datagram);
            self.settle(&datagram, outcome);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.doors.poll_transmit(&mut self.core)
    }

    fn outbox(&self) -> &[u8] {
        self.doors.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.poll()
    }

    /// The earliest of four timers: the next time-out of a member, collected changes, discovery
    /// answers, and trials of possible automatic responders. It is due at once while a drain pauses or
    /// datagrams wait for their turn.
    fn poll_timeout(&self) -> Option<Instant> {
        if self.doors.has_more() {
            return Some(self.now);
        }
        let timers = [self.doors.poll_timeout(&self.core), self.core.news_due()];
        timers.into_iter().flatten().min()
    }
}

/// Whether a network contains any loopback address.
fn holds_loopback(net: IpNet) -> bool {
    let loopback =
        |text: &str| text.parse::<IpNet>().is_ok_and(|lo| lo.contains(&net) || net.contains(&lo));
    loopback("127.0.0.0/8") || loopback("::1/128")
}
