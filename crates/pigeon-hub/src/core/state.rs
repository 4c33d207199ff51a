//! The state of the core, and what can happen to it: members come, move, speak, take names, go.
//!
//! Every change leaves an [`Output`] for the links; a caller takes all of them before it makes the
//! next change, so that no link ever finds a member or a room that it has not heard of.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use pigeon_datagram::{Instant, WallClock};
use pigeon_guard::{Origin, Seal};
use pigeon_proto::{
    Change, Label, Language, LinkKind, Name, Notice, Reason, Refusal, RoomName, Subject,
};
use subtle::ConstantTimeEq;

use super::bans::Bans;
use super::grants::{self, Grants, Holder};
use super::guesses::Guesses;
use super::id::{LinkId, MemberId, RoomId, Slot};
use super::input::{Context, Source};
use super::members::{Members, Trait};
use super::message::{Batch, Caller, Identity, Message, Speaker, Speech};
use super::names::{Named, Names};
use super::output::Output;
use super::per_address::PerAddress;
use super::rates::Buckets;
use super::rooms::{Room, Rooms};
use crate::config::{Config, PerOrigin};
use crate::statistics::{Dropped, Left, Statistics};

/// The most members from one IPv6 /64 of an open network, or as many as one address may have where
/// that is more: a large school, and not all of the hub.
const MAX_PER_NETWORK: usize = 4_096;

/// A member of another link than the plain one, which has no table of its own here.
struct Guest {
    label: Label,
    source: Source,
}

/// Members of all links, rooms, names, and the order of what is said.
pub(crate) struct Core {
    config: Config,
    members: Members,
    names: Names,
    grants: Grants,
    rooms: Rooms,
    per_address: PerAddress,
    /// Members by IPv6 /64 of open networks.
    per_network: PerAddress,
    /// How many members come from beyond the open networks.
    beyond: usize,
    bans: Bans,
    guesses: Guesses,
    /// What is left of the hub's own rates.
    rates: PerOrigin<Buckets>,
    guests: HashMap<Slot, Guest, RandomState>,
    /// The links' kinds, by their numbers.
    links: Vec<LinkKind>,
    seal: Seal,
    wall: WallClock,
    batch: Batch,
    /// How many messages this run has heard.
    messages: u64,
    outputs: VecDeque<Output>,
    /// Messages for those outside, if anybody wants them.
    reported: VecDeque<Message>,
    statistics: Statistics,
}

impl Core {
    pub(crate) fn new(mut config: Config) -> Self {
        // Slots are 32 bits with one to spare; memory ends long before.
        config.max_members = config.max_members.min(1 << 30);
        let keys = config.hash_keys;
        let [a, b, c, d] = keys;
        Core {
            members: Members::new(),
            names: Names::new(keys),
            grants: Grants::new(keys),
            rooms: Rooms::new(keys),
            per_address: PerAddress::new(keys),
            per_network: PerAddress::new(keys),
            beyond: 0,
            bans: Bans::default(),
            guesses: Guesses::new(keys),
            rates: PerOrigin::default(),
            guests: HashMap::with_hasher(RandomState::with_seeds(b, c, d, a)),
            links: vec![LinkKind::Plain],
            seal: Seal::new(config.secret),
            wall: WallClock::new(Duration::ZERO, Instant::ORIGIN),
            batch: Batch::default(),
            messages: 0,
            outputs: VecDeque::new(),
            reported: VecDeque::new(),
            statistics: Statistics::default(),
            config,
        }
    }

    // What can be seen.

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    pub(crate) fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The slot of a member, if it is still one.
    pub(crate) fn find_id(&self, id: MemberId) -> Option<Slot> {
        self.members.find(id)
    }

    pub(crate) fn id(&self, slot: Slot) -> MemberId {
        self.members.id(slot)
    }

    pub(crate) fn link(&self, slot: Slot) -> LinkId {
        self.members.link(slot)
    }

    pub(crate) fn has(&self, slot: Slot, which: Trait) -> bool {
        self.members.has(slot, which)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = Slot> + '_ {
        self.members.iter()
    }

    pub(crate) fn name(&self, slot: Slot) -> Option<&Name> {
        let named = self.members.has(slot, Trait::Named).then(|| self.names.get(slot));
        named.flatten().map(|named| &named.name)
    }

    pub(crate) fn language(&self, slot: Slot) -> Language {
        match self.members.has(slot, Trait::Chinese) {
            true => Language::Chinese,
            false => Language::English,
        }
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> + '_ {
        self.rooms.iter()
    }

    pub(crate) fn room(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id)
    }

    /// The room that a member is in. `None` until it has given the password.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<&Room> {
        self.members.room(slot).and_then(|index| self.rooms.at(index))
    }

    pub(crate) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn bans(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.bans.iter()
    }

    pub(crate) fn is_banned(&self, ip: IpAddr) -> bool {
        self.bans.contains(ip)
    }

    /// Where a member is.
    pub(crate) fn source(&self, cx: &Context<'_>, slot: Slot) -> Source {
        let guest = self.guests.get(&slot).map(|guest| guest.source);
        guest.unwrap_or_else(|| cx.plain.source(slot))
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What a member is called: by its name, or as its link calls it.
    pub(crate) fn label(&self, cx: &Context<'_>, slot: Slot) -> Label {
        self.name(slot).map_or_else(|| self.link_label(cx, slot), Label::from)
    }

    /// What a member's link calls it.
    pub(crate) fn link_label(&self, cx: &Context<'_>, slot: Slot) -> Label {
        let guest = self.guests.get(&slot).map(|guest| guest.label.clone());
        guest.unwrap_or_else(|| cx.plain.label(slot))
    }

    /// Whether a member can be told something of the hub's own. In a raw room most get data alone.
    pub(crate) fn can_be_told(&self, cx: &Context<'_>, slot: Slot) -> bool {
        let is_in_raw = self.room_of(slot).is_some_and(Room::is_raw);
        !is_in_raw || self.link(slot) != LinkId::PLAIN || cx.plain.reads_control_lines(slot)
    }

    /// Finds a member by its name, or by what its link calls it.
    pub(crate) fn find(&self, cx: &Context<'_>, who: &str) -> Option<Slot> {
        let guest = || self.guests.iter().find(|(_, guest)| guest.label.as_str() == who);
        let by_link = || cx.plain.find(who).or_else(|| guest().map(|(slot, _)| *slot));
        self.names.find(who).or_else(by_link)
    }

    // Coming and going.

    /// Opens the room of a door.
    pub(crate) fn open_door(&mut self, room: &RoomName, is_raw: bool) -> Option<RoomId> {
        self.rooms.open_for_door(room.clone(), is_raw)
    }

    /// Adds a link besides the plain one. There are 255 at the most.
    pub(crate) fn add_link(&mut self, kind: LinkKind) -> Option<LinkId> {
        let number = u8::try_from(self.links.len()).ok().filter(|&number| number < u8::MAX)?;
        self.links.push(kind);
        Some(LinkId::new(number))
    }

    /// Makes somebody at `source` a member; `label` is what its link calls it.
    ///
    /// # Errors
    /// Why not. Nothing has changed then.
    pub(crate) fn join(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        source: Source,
        label: &dyn Fn() -> Label,
    ) -> Result<MemberId, Dropped> {
        let needs_password = self.config.password.is_some();
        self.check_address(source)?;
        if !needs_password {
            self.check_room(cx.home)?;
        }
        // Last: for a newcomer that would be refused anyway nobody gives way.
        if self.is_full_for(source.origin) {
            return Err(Dropped::HubFull);
        }
        let member = self.members.insert(link);
        let slot = member.slot();
        self.count_in(source);
        if link != LinkId::PLAIN {
            self.guests.insert(slot, Guest { label: label(), source });
        }
        self.members.set(slot, Trait::Chinese, self.config.language == Language::Chinese);
        self.statistics.joined += 1;
        if needs_password {
            self.outputs.push_back(Output::Joined { member, room: None });
            self.refuse(member, Subject::Member, Reason::Password);
        } else {
            self.rooms.enter(&mut self.members, slot, cx.home);
            self.outputs.push_back(Output::Joined { member, room: Some(cx.home) });
            self.note_joined(cx, member, cx.home, label);
        }
        Ok(member)
    }

    /// Removes a member.
    pub(crate) fn leave(&mut self, cx: &Context<'_>, slot: Slot, reason: Left) {
        let (member, source) = (self.members.id(slot), self.source(cx, slot));
        let room = self.room_of(slot).map(Room::id);
        let room_name = self.room_of(slot).map(|room| room.name().clone());
        if let Some(room) = room {
            self.note_gone(cx, slot, room, reason.change());
        }
        let (label, language) = (self.link_label(cx, slot), self.language(slot));
        self.rooms.exit(&mut self.members, slot);
        let named = self.names.remove(slot);
        self.guests.remove(&slot);
        self.members.remove(slot);
        self.count_out(source);
        self.statistics.count_left(reason);
        let name = named.as_ref().map(|named| named.name.clone());
        if let (Some(named), Some(room)) = (named, room_name) {
            self.grants.leave(cx.now, named.grant, named.name, room);
            self.statistics.names_given_up = self.grants.given_up;
        }
        self.outputs.push_back(Output::Left { member, label, name, language, room, reason });
    }

    /// A member has shown that somebody may be reading.
    pub(crate) fn is_person(&mut self, slot: Slot) {
        if !self.members.has(slot, Trait::Person) {
            self.members.set(slot, Trait::Person, true);
            self.rooms.promote(&mut self.members, slot);
        }
    }

    /// Takes a member to another room.
    ///
    /// # Errors
    /// That room is full. The member stays where it is.
    pub(crate) fn move_to(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        to: RoomId,
    ) -> Result<(), Dropped> {
        let from = self.room_of(slot).map(Room::id);
        if from == Some(to) {
            return Ok(());
        }
        self.check_room(to)?;
        if let Some(from) = from {
            self.note_gone(cx, slot, from, Change::Left);
        }
        self.rooms.exit(&mut self.members, slot);
        self.rooms.enter(&mut self.members, slot, to);
        let member = self.members.id(slot);
        self.outputs.push_back(Output::Moved { member, from, to });
        let label = self.link_label(cx, slot);
        self.note_joined(cx, member, to, &|| label.clone());
        Ok(())
    }

    /// Takes a member to the room of this name, which is opened if need be.
    ///
    /// # Errors
    /// There is no place. The member stays where it is.
    pub(crate) fn move_to_named(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: RoomName,
    ) -> Result<(), Dropped> {
        let room = match self.rooms.find(&name) {
            Some(room) => room,
            None => self.rooms.open(name).ok_or(Dropped::TooManyRooms)?,
        };
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        // What a raw room carries is not for a line of chat.
        if is_raw && cx.format != pigeon_proto::Format::Raw {
            return Err(Dropped::RawRoom);
        }
        self.move_to(cx, slot, room)
    }

    /// Whether a room takes one more.
    fn check_room(&self, room: RoomId) -> Result<(), Dropped> {
        let here = self.rooms.get(room).map_or(0, Room::len);
        match self.config.max_per_room {
            Some(most) if here >= most => Err(Dropped::RoomFull),
            _ => Ok(()),
        }
    }

    /// Whether there is no place for a newcomer from there.
    pub(crate) fn is_full_for(&self, origin: Origin) -> bool {
        self.is_full() || origin == Origin::Beyond && self.is_at_bound_beyond()
    }

    /// Whether the hub has as many members as it may have.
    pub(crate) fn is_full(&self) -> bool {
        self.members.len() >= self.config.max_members
    }

    /// Whether as many members come from beyond the open networks as may: three quarters of all. So
    /// strangers never lock out those nearby.
    pub(crate) fn is_at_bound_beyond(&self) -> bool {
        let most = self.config.max_members;
        self.beyond >= most - most / 4
    }

    /// Whether an address, and the network it is in, take one more member.
    fn check_address(&self, source: Source) -> Result<(), Dropped> {
        let Some(most) = self.config.max_per_address else { return Ok(()) };
        let here = self.counted_as(source.ip).map_or(0, |ip| self.per_address.at(ip));
        let network = self.network_of(source).map_or(0, |ip| self.per_network.at(ip));
        match here >= most || network >= most.max(MAX_PER_NETWORK) {
            true if self.counted_as(source.ip).is_some() => Err(Dropped::AddressFull),
            _ => Ok(()),
        }
    }

    fn count_in(&mut self, source: Source) {
        self.beyond += usize::from(source.origin == Origin::Beyond);
        if let Some(ip) = self.counted_as(source.ip) {
            self.per_address.add(ip);
        }
        if let Some(ip) = self.network_of(source) {
            self.per_network.add(ip);
        }
    }

    fn count_out(&mut self, source: Source) {
        self.beyond -= usize::from(source.origin == Origin::Beyond);
        if let Some(ip) = self.counted_as(source.ip) {
            self.per_address.remove(ip);
        }
        if let Some(ip) = self.network_of(source) {
            self.per_network.remove(ip);
        }
    }

    /// The IPv6 /64 of a member in an open network, where whoever has one address has them all just
    /// as well. Elsewhere the /64 counts as one address.
    fn network_of(&self, source: Source) -> Option<IpAddr> {
        match source.ip {
            IpAddr::V6(v6) if source.origin == Origin::Open => self
                .config
                .max_per_address
                .map(|_| Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
            _ => None,
        }
    }

    /// Under which address a member from this one is counted, if at all.
    fn counted_as(&self, ip: IpAddr) -> Option<IpAddr> {
        let config = &self.config;
        let counts =
            config.max_per_address.is_some() && (config.loopback_counts || !ip.is_loopback());
        counts.then(|| config.sources.counted_as(ip))
    }

    // Names.

    /// Gives a member a name. Returns the grant whose word takes it back.
    ///
    /// # Errors
    /// Somebody else has it. The member keeps the one it had.
    pub(crate) fn rename(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: Name,
    ) -> Result<u32, Reason> {
        let operators = [Name::operator().folded(), self.config.name.folded()];
        if operators.contains(&name.folded()) {
            return Err(Reason::InUse);
        }
        if let Some(named) = self.names.get(slot).filter(|named| named.name == name) {
            return Ok(named.grant);
        }
        if self.names.find(name.as_str()).is_some_and(|holder| holder != slot) {
            return Err(Reason::InUse);
        }
        if let Some(named) = self.names.get(slot) {
            self.grants.forget(named.grant);
        }
        let grant = self.grants.make(slot);
        self.take_name(cx, slot, Named { name, grant });
        Ok(grant)
    }

    /// The word that takes back the name of a grant.
    pub(crate) fn resume_word(&self, grant: u32) -> String {
        grants::word(&self.seal, grant)
    }

    /// Gives a member the name and the room that a resume word speaks for.
    ///
    /// # Errors
    /// The word takes nothing back. Nothing has changed then.
    pub(crate) fn resume(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        word: &str,
    ) -> Result<(), Reason> {
        let grant = grants::grant(&self.seal, word.as_bytes()).ok_or(Reason::NotAWord)?;
        let holder = self.grants.holder(cx.now, grant).cloned().ok_or(Reason::Expired)?;
        let (name, room) = match holder {
            Holder::Here(holder) if holder == slot => return Ok(()),
            Holder::Here(holder) => {
                let room = self.room_of(holder).map(|room| room.name().clone());
                let name = self.name(holder).cloned();
                let (Some(name), Some(room)) = (name, room) else { return Err(Reason::Expired) };
                self.leave(cx, holder, Left::Moved);
                (name, room)
            }
            Holder::Gone { name, room, .. } => (name, room),
        };
        if self.names.find(name.as_str()).is_some_and(|holder| holder != slot) {
            return Err(Reason::Taken(name));
        }
        if let Some(before) = self.names.get(slot).map(|named| named.grant) {
            self.grants.forget(before);
        }
        self.take_name(cx, slot, Named { name, grant });
        self.grants.take(grant, slot);
        // A room that is full by now costs the room, not the name.
        let _ = self.move_to_named(cx, slot, room);
        Ok(())
    }

    /// Puts a free name on a member.
    fn take_name(&mut self, cx: &Context<'_>, slot: Slot, named: Named) {
        let before = self.label(cx, slot);
        let name = named.name.clone();
        self.names.set(slot, named);
        self.members.set(slot, Trait::Named, true);
        let member = self.members.id(slot);
        if before.as_str() == name.as_str() {
            return;
        }
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.rooms.renamed(room);
            self.rooms.note(room, |news| news.renamed(cx.now, member, before));
        }
        self.outputs.push_back(Output::Renamed { member, name });
    }

    /// The name of a member and the grant of its word.
    pub(crate) fn named(&self, slot: Slot) -> Option<&Named> {
        self.names.get(slot)
    }

    /// Looks at a password.
    ///
    /// # Errors
    /// It is not the hub's, or too many were tried.
    pub(crate) fn check_password(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        secret: &[u8],
    ) -> Result<(), Reason> {
        let from = self.config.sources.counted_as(self.source(cx, slot).ip);
        if !self.guesses.may(cx.now, from) {
            return Err(Reason::Guesses);
        }
        let password = self.config.password.as_deref().unwrap_or_default().trim();
        if !bool::from(password.as_bytes().ct_eq(secret)) {
            self.guesses.wrong(cx.now, from);
            return Err(Reason::WrongPassword);
        }
        Ok(())
    }

    /// Notes what a member has chosen.
    pub(crate) fn choose(&mut self, slot: Slot, which: Trait, on: bool) {
        self.members.set(slot, which, on);
    }

    // Speaking.

    /// Takes a message of so many bytes out of the hub's own rate. `own` is whether the member's
    /// own rate allows it too; nothing is taken otherwise.
    pub(crate) fn take_rate(&mut self, now: Instant, origin: Origin, bytes: usize) -> bool {
        let rate = *self.config.hub_rate.get(origin);
        rate.is_unlimited() || self.rates.get_mut(origin).take(now, rate, bytes)
    }

    /// Whether all of an origin have said nothing for so long that a whole burst is free again.
    pub(crate) fn is_rate_full(&self, now: Instant, origin: Origin) -> bool {
        self.rates.get(origin).are_full(now)
    }

    /// A member, or the operator (`None`), says something to a room.
    ///
    /// # Errors
    /// Why not. Nothing has changed then.
    pub(crate) fn say(
        &mut self,
        cx: &Context<'_>,
        (slot, caller): (Option<Slot>, Caller),
        room: RoomId,
        text: &[u8],
        identity: Option<Identity>,
    ) -> Result<(), Dropped> {
        if text.len() > self.config.most_text(cx.format) {
            return Err(Dropped::TextTooLong);
        }
        if !self.batch.fits(text.len()) {
            return Err(Dropped::BatchFull);
        }
        // There nothing stands before the text, and a control line is the hub's own word.
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        if is_raw && pigeon_proto::is_control_line(text) {
            return Err(Dropped::Reply);
        }
        let mut batch = std::mem::take(&mut self.batch);
        let speaker = self.speaker(slot, caller);
        let (position, identity) = (self.messages + 1, identity.unwrap_or(self.next_identity()));
        let wall = self.wall.read(cx.now);
        let speech = Speech { speaker, room, text, identity, position, wall };
        let report = self.wants_messages().then(|| self.message(cx, &speech));
        // The batch is taken out meanwhile: the name in `speech` is the tables' own.
        let number = batch.push(&speech);
        self.batch = batch;
        self.reported.extend(report.flatten());
        self.messages += 1;
        self.statistics.messages += 1;
        self.outputs.push_back(Output::Message { room, number });
        Ok(())
    }

    /// Who speaks: a member, or the operator.
    fn speaker(&self, slot: Option<Slot>, caller: Caller) -> Speaker<'_> {
        let Some(slot) = slot else {
            let name = self.config.name.as_str();
            return Speaker { member: None, name, caller, link: LinkKind::Plain };
        };
        let name = match (self.name(slot), self.guests.get(&slot)) {
            (Some(name), _) => name.as_str(),
            (None, Some(guest)) => guest.label.as_str(),
            (None, None) => "",
        };
        let link = self.links.get(usize::from(self.members.link(slot).number()));
        let link = link.copied().unwrap_or(LinkKind::Plain);
        Speaker { member: Some(self.members.id(slot)), name, caller, link }
    }

    /// The identity of the next message from a member without a key.
    fn next_identity(&self) -> Identity {
        Identity { author: self.config.run, outbox: 0, number: self.messages + 1 }
    }

    fn wants_messages(&self) -> bool {
        self.config.report_messages || self.links.len() > 1
    }

    /// A message for those outside.
    fn message(&self, cx: &Context<'_>, speech: &Speech<'_>) -> Option<Message> {
        let Speech { ref speaker, room, text, identity, position, wall } = *speech;
        let label = match (speaker.name, speaker.member) {
            ("", Some(member)) => self.label(cx, member.slot()).to_string().into(),
            (name, _) => name.into(),
        };
        Some(Message {
            room: self.rooms.get(room)?.name().clone(),
            speaker: speaker.member,
            label,
            link: speaker.link,
            wall,
            text: text.into(),
            identity,
            position,
        })
    }

    // What goes out.

    /// Says something to one member.
    pub(crate) fn reply(&mut self, to: MemberId, notice: Notice) {
        self.outputs.push_back(Output::Reply { to, notice });
    }

    /// Says to a member that something was not done.
    pub(crate) fn refuse(&mut self, to: MemberId, what: Subject, why: Reason) {
        self.reply(to, Notice::Refused(Refusal::new(what, why)));
    }

    /// The next output.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next message for those outside.
    pub(crate) fn poll_message(&mut self) -> Option<Message> {
        self.reported.pop_front()
    }

    /// Every link has what it needs of the last batch.
    pub(crate) fn end_batch(&mut self) {
        self.batch.clear();
    }

    // Timers and the operator.

    /// When the next gathered news is due.
    pub(crate) fn news_due(&self) -> Option<Instant> {
        self.rooms.news_due()
    }

    /// Hands out the news of one room that is due. False if there is none.
    pub(crate) fn send_news(&mut self, cx: &Context<'_>) -> bool {
        let Some(id) = self.rooms.take_news(cx.now) else { return false };
        let Some(room) = self.rooms.get_mut(id) else { return true };
        let mut presence = std::mem::take(&mut room.presence);
        if room.len() > self.config.notices_up_to {
            return true;
        }
        let label = |member| self.members.find(member).map(|slot| self.label(cx, slot));
        let gathered = presence.take(label);
        self.outputs.push_back(Output::News { room: id, gathered });
        true
    }

    /// Sets the wall clock, which is for display and for what is kept.
    pub(crate) fn set_wall(&mut self, wall: WallClock) {
        self.wall = wall;
    }

    /// Bans a network. False if there are too many bans.
    pub(crate) fn ban(&mut self, net: IpNet) -> bool {
        self.bans.add(net)
    }

    /// Lifts a ban. False if there was none.
    pub(crate) fn unban(&mut self, net: IpNet) -> bool {
        self.bans.remove(net)
    }

    fn note_joined(
        &mut self,
        cx: &Context<'_>,
        member: MemberId,
        room: RoomId,
        label: &dyn Fn() -> Label,
    ) {
        self.rooms.note(room, |news| news.joined(cx.now, member, label));
    }

    fn note_gone(&mut self, cx: &Context<'_>, slot: Slot, room: RoomId, change: Change) {
        let (member, label) = (self.members.id(slot), self.label(cx, slot));
        self.rooms.note(room, |news| news.gone(cx.now, member, label, change));
    }
}
