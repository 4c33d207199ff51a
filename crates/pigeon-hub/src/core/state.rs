//! The core's state and its operations: members join, move, send messages, take names, and leave.
//!
//! Every change produces [`Output`]s for the links. The caller takes all of them before the next
//! change, so that no link sees a member or room that it has not been notified of.

mod stored;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use pigeon_datagram::{Instant, WallClock};
use pigeon_guard::{Origin, SourceRules, TokenKey};
use pigeon_proto::{
    Change, Identity, Label, Language, LinkKind, Name, Notice, Reason, Refusal, RoomName, Setting,
    Subject, Verb,
};
use subtle::ConstantTimeEq;

use super::bans::Bans;
use super::capacity::Capacity;
use super::grants::{self, Gone, Grants, Holder};
use super::guesses::Guesses;
use super::history::{Askers, Found, Lookup, Wanted};
use super::id::{LinkId, MemberId, RoomId, Slot};
use super::input::{Context, Source};
use super::kept::{Keep, KeptKick, KeptName};
use super::kicks::{self, Kick, Kicks};
use super::members::{Members, Trait};
use super::message::{Batch, Caller, Message, Speaker, Speech};
use super::mutes::Mutes;
use super::names::{Keys, Named, Names, Owner};
use super::output::Output;
use super::rates::Buckets;
use super::rooms::{MAX_ROOMS, Room, Rooms};
use super::tallies::Tallies;
use super::work::Work;
use crate::config::{Config, PerOrigin};
use crate::event::Remark;
use crate::statistics::{Dropped, Left, Statistics};
use crate::view::KickView;

/// How long a member without padded heartbeats must be silent before another one at its address may
/// take its name: one heartbeat of 10 s is late.
const DESERTED: Duration = Duration::from_secs(11);

/// How long a member must have had a name for it to be reserved after a time-out.
const KEPT_AFTER: Duration = Duration::from_secs(60);

/// Names that nobody may take: what the program calls the operator. Not "teacher": teachers join by that
/// name, and a name is its holder's.
const RESERVED: [&str; 3] = ["operator", "管理员", "操作者"];

/// Slots have 32 bits, two of them reserved; memory runs out long before.
const MAX_MEMBERS: usize = 1 << 30;

/// A member of another link than the plain one. Its data is kept here, because that link has no
/// table in the hub.
struct Guest {
    label: Label,
    source: Source,
    /// The author of the member's key, if it has one.
    author: Option<u128>,
    /// Rate of messages accepted by [`Core::admit`].
    said: Buckets,
}

/// Members of all links, rooms, names, and message order.
pub(crate) struct Core {
    config: Config,
    members: Members,
    names: Names,
    grants: Grants,
    rooms: Rooms,
    capacity: Capacity,
    bans: Bans,
    kicks: Kicks,
    guesses: Guesses,
    mutes: Mutes,
    askers: Askers,
    tallies: Tallies,
    /// The newest stored position of each room, by folded name.
    newest: HashMap<Box<str>, u64, RandomState>,
    /// The state of the hub's own rates.
    rates: PerOrigin<Buckets>,
    work: Work,
    guests: HashMap<Slot, Guest, RandomState>,
    /// The links' kinds, by number.
    links: Vec<LinkKind>,
    token_key: TokenKey,
    wall: WallClock,
    batch: Batch,
    /// The number of messages in this run.
    messages: u64,
    outputs: VecDeque<Output>,
    /// Messages for the driver, if it wants them.
    reported: VecDeque<Message>,
    statistics: Statistics,
}

impl Core {
    pub(crate) fn new(mut config: Config) -> Self {
        config.max_members = config.max_members.min(MAX_MEMBERS);
        let keys = config.hash_keys;
        let [a, b, c, d] = keys;
        let token_key = TokenKey::new(config.secret);
        let reserved = RESERVED.iter().filter_map(|name| Name::parse(name.as_bytes()).ok());
        // The hub's own name last, because it may be one of them.
        let of_hub = reserved.chain([Name::operator(), config.name.clone()]).collect();
        Core {
            members: Members::new(),
            names: Names::new(keys, token_key.clone(), of_hub),
            grants: Grants::new(keys),
            rooms: Rooms::new(keys),
            capacity: Capacity::new(keys),
            bans: Bans::default(),
            kicks: Kicks::new(keys),
            guesses: Guesses::new(keys),
            mutes: Mutes::new(keys),
            askers: Askers::new(keys),
            tallies: Tallies::new(keys),
            newest: HashMap::with_hasher(RandomState::with_seeds(b, a, d, c)),
            rates: PerOrigin::default(),
            work: Work::new(keys),
            guests: HashMap::with_hasher(RandomState::with_seeds(b, c, d, a)),
            links: vec![LinkKind::Plain],
            token_key,
            wall: WallClock::new(Duration::ZERO, Instant::ORIGIN),
            batch: Batch::default(),
            messages: 0,
            outputs: VecDeque::new(),
            reported: VecDeque::new(),
            statistics: Statistics::default(),
            config,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    pub(crate) fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    pub(crate) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    pub(crate) fn token_key(&self) -> &TokenKey {
        &self.token_key
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The slot of a member, if it still exists.
    pub(crate) fn find_id(&self, id: MemberId) -> Option<Slot> {
        self.members.find(id)
    }

    pub(crate) fn id(&self, slot: Slot) -> MemberId {
        self.members.id(slot)
    }

    pub(crate) fn link(&self, slot: Slot) -> LinkId {
        self.members.link(slot)
    }

    /// The kind of a member's link.
    pub(crate) fn link_kind(&self, slot: Slot) -> LinkKind {
        let kind = self.links.get(usize::from(self.link(slot).number()));
        kind.copied().unwrap_or(LinkKind::Plain)
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

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.of_members()
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

    /// A member's room. `None` until it has sent the password.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<&Room> {
        self.members.room(slot).and_then(|index| self.rooms.at(index))
    }

    pub(crate) fn find_room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.find(name).and_then(|id| self.rooms.get(id))
    }

    pub(crate) fn roster_version(&self) -> u64 {
        self.rooms.version()
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

    /// A member's source.
    pub(crate) fn source(&self, cx: &Context<'_>, slot: Slot) -> Source {
        let guest = self.guests.get(&slot).map(|guest| guest.source);
        guest.unwrap_or_else(|| cx.plain.source(slot))
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// A member's label: its name, or its link's label.
    pub(crate) fn label(&self, cx: &Context<'_>, slot: Slot) -> Label {
        self.name(slot).map_or_else(|| self.link_label(cx, slot), Label::from)
    }

    /// A member's label at its link.
    pub(crate) fn link_label(&self, cx: &Context<'_>, slot: Slot) -> Label {
        let guest = self.guests.get(&slot).map(|guest| guest.label.clone());
        guest.unwrap_or_else(|| cx.plain.label(slot))
    }

    /// Whether a member gets notices. In a raw room, most members get only data.
    pub(crate) fn can_be_told(&self, cx: &Context<'_>, slot: Slot) -> bool {
        let is_in_raw = self.room_of(slot).is_some_and(Room::is_raw);
        !is_in_raw || self.link(slot) != LinkId::PLAIN || cx.plain.is_padded(slot)
    }

    /// Finds a member by its name or its link's label.
    pub(crate) fn find(&self, cx: &Context<'_>, who: &str) -> Option<Slot> {
        self.names.find(who).or_else(|| self.find_by_label(cx, who))
    }

    /// Finds a member by its link's label.
    fn find_by_label(&self, cx: &Context<'_>, label: &str) -> Option<Slot> {
        let guest = || self.guests.iter().find(|(_, guest)| guest.label.as_str() == label);
        cx.plain.find(label).or_else(|| guest().map(|(slot, _)| *slot))
    }

    /// Whether a newcomer with this label, from this address, is locked out after a kick.
    pub(crate) fn is_kicked(
        &self,
        now: Instant,
        ip: IpAddr,
        label: impl FnOnce() -> Label,
    ) -> bool {
        self.kicks.hold(now, ip, label)
    }

    /// The kicks that still hold: label, name, address if all of it is locked out, and time left.
    pub(crate) fn kicks(&self, now: Instant) -> impl Iterator<Item = KickView<'_>> {
        self.kicks.iter(now).map(move |(label, kick)| KickView {
            label,
            name: kick.name.as_ref(),
            address: kick.is_alone.then_some(kick.ip),
            left: kick.left(now),
        })
    }

    // Joining and leaving.

    /// Creates a listening socket's room.
    pub(crate) fn open_door(&mut self, room: &RoomName, is_raw: bool) -> Option<RoomId> {
        let id = self.rooms.open_for_door(room.clone(), is_raw);
        self.settle_room(room);
        id
    }

    /// Sets an open room's newest position and slow mode from the tables.
    fn settle_room(&mut self, name: &RoomName) {
        let newest = self.newest.get(&name.folded()).copied().unwrap_or(0);
        let wait = self.mutes.wait_in(name);
        if let Some(room) = self.rooms.find(name).and_then(|id| self.rooms.get_mut(id)) {
            (room.newest, room.wait) = (newest, wait);
        }
    }

    /// Adds a link besides the plain one; at most 255.
    pub(crate) fn add_link(&mut self, kind: LinkKind) -> Option<LinkId> {
        let number = u8::try_from(self.links.len()).ok().filter(|&number| number < u8::MAX)?;
        self.links.push(kind);
        Some(LinkId::new(number))
    }

    /// Adds a member; `label` is its link's label. A member with a key, whose author is given, has
    /// passed [`check_password`](Core::check_password) before. Fails without a change, with the reason.
    pub(crate) fn join(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        source: Source,
        author: Option<u128>,
        label: &dyn Fn() -> Label,
    ) -> Result<MemberId, Dropped> {
        if self.kicks.hold(cx.now, source.ip, label) {
            return Err(Dropped::Kicked);
        }
        let needs_password = self.config.password.is_some() && author.is_none();
        self.capacity.check_address(&self.config, source)?;
        if !needs_password {
            self.check_room(cx.home)?;
        }
        // Checked last: no member is displaced for a newcomer that would be refused anyway.
        if self.capacity.is_full_for(&self.config, source.origin) {
            return Err(Dropped::HubFull);
        }
        let member = self.members.insert(link);
        let slot = member.slot();
        self.capacity.add(&self.config, source);
        if link != LinkId::PLAIN {
            let (label, said) = (label(), Buckets::default());
            self.guests.insert(slot, Guest { label, source, author, said });
        }
        self.members.set(slot, Trait::Chinese, self.config.language == Language::Chinese);
        self.statistics.joined += 1;
        if needs_password {
            self.outputs.push_back(Output::Joined { member, room: None });
            self.refuse(member, Subject::Member, Reason::Password);
        } else {
            self.rooms.enter(&mut self.members, slot, cx.home);
            self.outputs.push_back(Output::Joined { member, room: Some(cx.home) });
        }
        Ok(member)
    }

    pub(crate) fn leave(&mut self, cx: &Context<'_>, slot: Slot, reason: Left) {
        let (member, source) = (self.members.id(slot), self.source(cx, slot));
        let room = self.room_of(slot).map(Room::id);
        let room_name = self.room_of(slot).map(|room| room.name().clone());
        let said = self.room_of(slot).map_or(0, |room| room.said);
        if let Some(room) = room {
            self.note_gone(cx, slot, room, reason.change());
        }
        let (label, language) = (self.link_label(cx, slot), self.language(slot));
        let (resumes, author) = (self.resumes(cx, slot), self.author(slot));
        self.rooms.exit(&mut self.members, slot);
        let named = self.names.remove(slot);
        self.guests.remove(&slot);
        self.mutes.forget(slot);
        self.askers.forget(slot);
        self.tallies.forget(slot);
        self.members.remove(slot);
        self.capacity.remove(&self.config, source);
        self.statistics.count_left(reason);
        let name = named.as_ref().map(|named| named.name.clone());
        if let (Some(named), Some(room)) = (named, room_name) {
            let (since, ip) = (cx.now, source.ip.to_canonical());
            let counted = self.config.sources.counted_as(ip);
            let is_kept = reason == Left::TimedOut && since - named.since > KEPT_AFTER;
            let label = label.clone();
            let comes_back = reason == Left::TimedOut;
            let gone = Gone {
                named,
                room,
                said,
                since,
                ip,
                counted,
                label,
                author,
                resumes,
                is_kept,
                comes_back,
            };
            self.part(gone, reason);
        }
        self.outputs.push_back(Output::Left { member, label, name, language, room, reason });
    }

    /// Handles the name of a member that left. After a time-out or `quit` its resume token stays
    /// valid, and some names are reserved exclusively. A kick frees the name, and so does a move:
    /// its new holder has it already, or is about to.
    fn part(&mut self, gone: Gone, reason: Left) {
        let (now, keys, grant) = (gone.since, gone.named.keys, gone.named.grant);
        if matches!(reason, Left::Kicked | Left::Moved) {
            self.forget_grant(grant);
            return;
        }
        if gone.is_kept {
            self.names.keep(keys, grant);
        }
        // A name that is free now is also free after a restart.
        let free = (!gone.is_kept).then_some(grant);
        let freed = self.grants.leave(gone);
        if let Some((keys, grant)) = freed {
            self.names.release(keys, grant);
        }
        for grant in free.into_iter().chain(freed.map(|(_, grant)| grant)) {
            if let Some(gone) = self.grants.gone(grant) {
                let kept = KeptName {
                    grant,
                    name: gone.named.name.clone(),
                    room: gone.room.clone(),
                    ip: gone.ip,
                    author: gone.author,
                    resumes: gone.resumes,
                    is_free: true,
                };
                self.keep(|| Keep::Name(kept));
            }
        }
        self.give_up_names(now);
    }

    /// Gives up names that were reserved for too long, or that are too many.
    fn give_up_names(&mut self, now: Instant) {
        while let Some(gone) = self.grants.give_up(now) {
            self.names.release(gone.named.keys, gone.named.grant);
            self.keep(|| Keep::NameGone(gone.named.grant));
        }
        self.statistics.names_given_up = self.grants.given_up;
        self.statistics.names_freed = self.grants.freed;
    }

    /// Takes a grant's name from its absent member.
    fn take_from_absent(&mut self, grant: u32) -> Option<Gone> {
        let gone = self.forget_grant(grant)?;
        self.names.release(gone.named.keys, grant);
        Some(gone)
    }

    /// Invalidates a grant's token.
    fn forget_grant(&mut self, grant: u32) -> Option<Gone> {
        self.keep(|| Keep::NameGone(grant));
        self.grants.forget(grant)
    }

    /// Whether a member's client stores its resume token and sends it automatically: pigeon's own,
    /// which pads its heartbeats, and clients of other links.
    fn resumes(&self, cx: &Context<'_>, slot: Slot) -> bool {
        self.guests.contains_key(&slot) || cx.plain.is_padded(slot)
    }

    /// Kicks a member for ten minutes, by its name or its link's label. The name of an absent
    /// member is freed, and its token becomes invalid. Returns false if there is no such member.
    pub(crate) fn kick(&mut self, cx: &Context<'_>, who: &str) -> bool {
        self.give_up_names(cx.now);
        let absent = self.names.find_absent(who).and_then(|grant| self.take_from_absent(grant));
        let (slot, label, named, ip) = match (absent, self.find(cx, who)) {
            // The member may have returned already, without a name.
            (Some(gone), _) => {
                let slot = self.find_by_label(cx, gone.label.as_str());
                (slot, gone.label, Some(gone.named), gone.ip)
            }
            (None, Some(slot)) => {
                let ip = self.source(cx, slot).ip.to_canonical();
                let named = self.names.get(slot).cloned();
                (Some(slot), self.link_label(cx, slot), named, ip)
            }
            (None, None) => return false,
        };
        if let Some(slot) = slot {
            self.leave(cx, slot, Left::Kicked);
        }
        // Programs of this host share its address, those behind a NAT share another, and hosts on
        // two interfaces may have the same link-local one.
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let is_there = |slot| self.source(cx, slot).ip.to_canonical() == ip;
        let is_shared = ip.is_loopback() || is_link_local || self.members.iter().any(is_there);
        let (grant, name) = named.map(|named| (named.grant, named.name)).unzip();
        let until = cx.now + kicks::HOLDS;
        let kick = Kick { until, grant, name, ip, is_alone: !is_shared };
        let over = self.kicks.add(cx.now, label.clone(), kick.clone());
        over.into_iter().for_each(|label| self.keep(|| Keep::KickGone(label)));
        self.keep_kick(cx.now, label, kick);
        self.statistics.kicks_forgotten = self.kicks.forgotten;
        true
    }

    /// Ends the kicks of a name, a label or an address. Returns false if there are none.
    pub(crate) fn unkick(&mut self, who: &str) -> bool {
        let lifted = self.kicks.lift(who);
        let is_lifted = !lifted.is_empty();
        lifted.into_iter().for_each(|label| self.keep(|| Keep::KickGone(label)));
        is_lifted
    }

    fn keep_kick(&mut self, now: Instant, label: Label, kick: Kick) {
        let until = self.wall.read(now) + kick.left(now);
        let Kick { grant, name, ip, is_alone, .. } = kick;
        self.keep(|| Keep::Kick(KeptKick { label, name, grant, ip, is_alone, until }));
    }

    /// Restores a kick of before a restart. A clock that was set back prolongs it by its usual time
    /// at most.
    fn restore_kick(&mut self, now: Instant, kept: KeptKick) {
        let KeptKick { label, name, grant, ip, is_alone, until } = kept;
        let left = until.saturating_sub(self.wall.read(now));
        if left.is_zero() {
            return self.keep(|| Keep::KickGone(label));
        }
        let until = now + left.min(kicks::HOLDS);
        self.kicks.add(now, label, Kick { until, grant, name, ip, is_alone });
    }

    /// Marks a member as a person, who may be reading. To its room, it joins now.
    pub(crate) fn is_person(&mut self, cx: &Context<'_>, slot: Slot) {
        if self.members.has(slot, Trait::Person) {
            return;
        }
        self.members.set(slot, Trait::Person, true);
        self.rooms.promote(&mut self.members, slot);
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.note_joined(cx, slot, room);
        }
    }

    /// Moves a member to another room. If the room is full, the member stays in its room.
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
        self.note_joined(cx, slot, to);
        self.keep_name(cx, slot);
        Ok(())
    }

    /// Moves a member to the room with this name, which is created if necessary. If there is no
    /// capacity, the member stays in its room.
    pub(crate) fn move_to_named(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: RoomName,
    ) -> Result<(), Dropped> {
        let room = match self.rooms.find(&name) {
            Some(room) => room,
            None => {
                let room = self.rooms.open(name.clone()).ok_or(Dropped::TooManyRooms)?;
                self.settle_room(&name);
                room
            }
        };
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        // Members of other formats read lines, so they may not join a raw room.
        if is_raw && cx.format != pigeon_proto::Format::Raw {
            return Err(Dropped::RawRoom);
        }
        self.move_to(cx, slot, room)
    }

    /// Checks whether a room has capacity for one more.
    fn check_room(&self, room: RoomId) -> Result<(), Dropped> {
        let here = self.rooms.get(room).map_or(0, Room::len);
        match self.config.max_per_room {
            Some(most) if here >= most => Err(Dropped::RoomFull),
            _ => Ok(()),
        }
    }

    // Names.

    /// Gives a member a name. Returns its grant, which includes the token to reclaim it.
    pub(crate) fn rename(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: Name,
    ) -> Result<u32, Reason> {
        if let Some(named) = self.names.get(slot).filter(|named| named.name == name) {
            return Ok(named.grant);
        }
        // The kicked member from a new port, or a neighbour that takes its name.
        let ip = self.source(cx, slot).ip.to_canonical();
        if !ip.is_loopback() && self.kicks.hold_name(cx.now, ip, &name) {
            return Err(Reason::Kept(name));
        }
        self.give_up_names(cx.now);
        let keys = self.names.keys(&name);
        let (mut since, mut deserter) = (cx.now, None);
        for owner in self.names.owners(keys) {
            if owner == Owner::Member(slot) {
                since = self.names.get(slot).map_or(since, |named| named.since);
            } else if deserter.is_none_or(|other| other == owner)
                && self.is_deserted(cx, slot, keys, owner)
            {
                deserter = Some(owner);
            } else {
                let holder = self.holder_of(owner).ok_or(Reason::Usage)?;
                return Err(match owner {
                    Owner::Absent(_) => Reason::Kept(holder),
                    Owner::Hub(_) | Owner::Member(_) => Reason::InUse(holder),
                });
            }
        }
        match deserter {
            Some(Owner::Member(ghost)) => self.leave(cx, ghost, Left::Moved),
            Some(Owner::Absent(grant)) => drop(self.take_from_absent(grant)),
            Some(Owner::Hub(_)) | None => {}
        }
        if let Some(before) = self.names.get(slot).map(|named| named.grant) {
            self.forget_grant(before);
        }
        let (grant, reserved) = self.grants.make(slot);
        if let Some(reserved) = reserved {
            self.keep(|| Keep::Grants(reserved));
        }
        self.take_name(cx, slot, Named { name, keys, grant, since });
        Ok(grant)
    }

    /// Whether a member may take a name from its owner. It may if the owner had the same key; or if
    /// the owner has abandoned the name at the same IP address: a script that was killed and
    /// restarted. Not for confusable names.
    fn is_deserted(&self, cx: &Context<'_>, by: Slot, keys: Keys, owner: Owner) -> bool {
        let ip = self.source(cx, by).ip.to_canonical();
        let is_own = |author: Option<u128>| author.is_some() && author == self.author(by);
        match owner {
            Owner::Hub(_) => false,
            Owner::Absent(grant) => self.grants.gone(grant).is_some_and(|gone| {
                gone.named.keys.is_same_name(keys)
                    && (is_own(gone.author) || gone.ip == ip && !gone.resumes)
            }),
            Owner::Member(slot) => {
                let named = self.names.get(slot);
                let is_silent = || {
                    !self.resumes(cx, slot)
                        && self.source(cx, slot).ip.to_canonical() == ip
                        && cx.now - cx.plain.heard(slot) >= DESERTED
                };
                named.is_some_and(|named| named.keys.is_same_name(keys))
                    && (is_own(self.author(slot)) || is_silent())
            }
        }
    }

    /// The author of a member's key.
    fn author(&self, slot: Slot) -> Option<u128> {
        self.guests.get(&slot)?.author
    }

    fn holder_of(&self, owner: Owner) -> Option<Name> {
        Some(match owner {
            Owner::Hub(number) => self.names.of_hub(number).clone(),
            Owner::Member(slot) => self.names.get(slot)?.name.clone(),
            Owner::Absent(grant) => self.grants.gone(grant)?.named.name.clone(),
        })
    }

    pub(crate) fn resume_word(&self, grant: u32) -> String {
        grants::word(&self.token_key, grant)
    }

    /// Gives a member the name and the room of a resume token. Fails without a change if the token
    /// is invalid.
    pub(crate) fn resume(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        word: &str,
    ) -> Result<(), Reason> {
        let grant = grants::grant(&self.token_key, word.as_bytes()).ok_or(Reason::NotAWord)?;
        if self.kicks.hold_for_word(cx.now, grant) {
            let label = self.link_label(cx, slot);
            self.leave(cx, slot, Left::Kicked);
            if let Some((before, kick)) = self.kicks.follow(grant, label.clone()) {
                self.keep(|| Keep::KickGone(before));
                self.keep_kick(cx.now, label, kick);
            }
            return Err(Reason::Kicked);
        }
        self.give_up_names(cx.now);
        let holder = self.grants.holder(cx.now, grant).cloned().ok_or(Reason::Expired)?;
        let (named, room) = match holder {
            Holder::Here(holder) if holder == slot => return Ok(()),
            Holder::Here(holder) => {
                let room = self.room_of(holder).map(|room| room.name().clone());
                let named = self.names.get(holder).cloned();
                let (Some(named), Some(room)) = (named, room) else { return Err(Reason::Expired) };
                self.leave(cx, holder, Left::Moved);
                (named, room)
            }
            Holder::Gone(gone) => (gone.named, gone.room),
        };
        let own = [Owner::Member(slot), Owner::Absent(grant)];
        if self.names.owners(named.keys).any(|owner| !own.contains(&owner)) {
            return Err(Reason::Taken(named.name));
        }
        if let Some(before) = self.names.get(slot).map(|named| named.grant) {
            self.forget_grant(before);
        }
        self.take_name(cx, slot, named);
        self.grants.take(grant, slot);
        // If the room is full now, the member only gets its name back.
        let _ = self.move_to_named(cx, slot, room);
        Ok(())
    }

    /// Returns name and room to a member that timed out, when the same label is heard again: a
    /// program that only listens would otherwise send under its address without noticing. The
    /// member must be in its link's table already.
    pub(crate) fn come_back(&mut self, cx: &Context<'_>, slot: Slot) {
        let label = self.link_label(cx, slot);
        if self.room_of(slot).is_some()
            && let Some(grant) = self.grants.of_silent(cx.now, &label)
        {
            let word = self.resume_word(grant);
            let said = self.grants.gone(grant).map_or(0, |gone| gone.said);
            // If another member has the name by now, it must request a different one.
            if self.resume(cx, slot, &word).is_ok() {
                self.is_person(cx, slot);
                self.show_missed(cx.now, slot, said);
            }
        }
    }

    /// Reports a remark about a member to the operator.
    pub(crate) fn remark(&mut self, slot: Slot, remark: Remark) {
        self.outputs.push_back(Output::Remark { member: self.members.id(slot), remark });
    }

    /// Gives a member a free name.
    fn take_name(&mut self, cx: &Context<'_>, slot: Slot, named: Named) {
        let before = self.label(cx, slot);
        let name = named.name.clone();
        self.names.set(slot, named);
        self.members.set(slot, Trait::Named, true);
        let member = self.members.id(slot);
        if self.mutes.is_muted(&name) {
            self.members.set(slot, Trait::Muted, true);
            self.mutes.hold(slot, &name);
        }
        self.keep_name(cx, slot);
        if before.as_str() == name.as_str() {
            return;
        }
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.rooms.renamed(room);
            self.rooms.note(room, |news| news.renamed(cx.now, member, before));
        }
        self.outputs.push_back(Output::Renamed { member, name });
    }

    /// Changes the label that a member's link gives it. If the member has no name, its room shows
    /// the label, so the change is reported there as a rename.
    pub(crate) fn relabel(&mut self, cx: &Context<'_>, slot: Slot, label: Label) {
        let before = self.label(cx, slot);
        let Some(guest) = self.guests.get_mut(&slot) else { return };
        guest.label = label;
        if self.label(cx, slot) == before {
            return;
        }
        let member = self.members.id(slot);
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.rooms.renamed(room);
            self.rooms.note(room, |news| news.renamed(cx.now, member, before));
        }
    }

    /// A member's name and grant.
    pub(crate) fn named(&self, slot: Slot) -> Option<&Named> {
        self.names.get(slot)
    }

    /// Checks a password from an address. Fails if the password is wrong, or if too many wrong ones
    /// were tried.
    pub(crate) fn check_password(
        &mut self,
        now: Instant,
        ip: IpAddr,
        secret: &[u8],
    ) -> Result<(), Reason> {
        let from = self.config.sources.counted_as(ip);
        if !self.guesses.may(now, from) {
            return Err(Reason::Guesses);
        }
        let password = self.config.password.as_deref().unwrap_or_default().trim();
        if !bool::from(password.as_bytes().ct_eq(secret)) {
            self.guesses.wrong(now, from);
            return Err(Reason::WrongPassword);
        }
        Ok(())
    }

    /// Sets or clears a member's flag.
    pub(crate) fn choose(&mut self, slot: Slot, which: Trait, on: bool) {
        self.members.set(slot, which, on);
    }

    // Messages.

    /// Takes a message of this size from the hub's own rate for an origin. Returns false, and takes
    /// nothing, if the rate is exceeded.
    pub(crate) fn take_rate(&mut self, now: Instant, origin: Origin, bytes: usize) -> bool {
        let rate = *self.config.hub_rate.get(origin);
        rate.is_unlimited() || self.rates.get_mut(origin).take(now, rate, bytes)
    }

    /// Whether the rate of an origin allows a whole burst.
    pub(crate) fn is_rate_full(&self, now: Instant, origin: Origin) -> bool {
        self.rates.get(origin).are_full(now)
    }

    /// Charges work in nanoseconds to a member's address. Returns false if the address exceeds its
    /// share. This host's programs are exempt, and so is an address without other members in the
    /// hub.
    pub(crate) fn take_work(&mut self, now: Instant, source: Source, nanos: u64) -> bool {
        let Core { config, capacity, work, .. } = self;
        let ip = config.sources.counted_as(source.ip);
        source.origin == Origin::Loopback
            || work.take(now, ip, nanos, config.work, capacity.is_alone(config, source))
    }

    /// Whether the hub has done almost no work for an address recently.
    pub(crate) fn is_work_rested(&self, now: Instant, source: Source) -> bool {
        self.work.is_rested(now, self.config.sources.counted_as(source.ip))
    }

    /// Sends a message of a member, or of the operator (`None`), to a room. Fails without a change,
    /// with the reason.
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
        // A raw room adds nothing before the text, so a member could forge a control line.
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        if is_raw && pigeon_proto::is_control_line(text) {
            return Err(Dropped::Reply);
        }
        if let Some(slot) = slot {
            self.may_speak(cx.now, slot, room)?;
            self.tallies.said(cx.now, slot);
        }
        let mut batch = std::mem::take(&mut self.batch);
        let speaker = self.speaker(slot, caller);
        let identity = identity.unwrap_or(self.next_identity());
        let wall = self.wall.read(cx.now);
        let speech = Speech { speaker, room, text, identity, wall };
        let report = self.wants_messages(is_raw).then(|| self.message(cx, &speech, is_raw));
        // The batch is moved out meanwhile, because the name in `speech` borrows from the tables.
        let number = batch.push(&speech);
        self.batch = batch;
        self.reported.extend(report.flatten());
        self.messages += 1;
        self.statistics.messages += 1;
        if let Some(room) = self.rooms.get_mut(room) {
            room.said += 1;
        }
        self.outputs.push_back(Output::Message { room, number });
        Ok(())
    }

    /// Checks mutes and slow mode.
    fn may_speak(&mut self, now: Instant, slot: Slot, room: RoomId) -> Result<(), Dropped> {
        if self.members.has(slot, Trait::Muted) {
            return Err(Dropped::Muted);
        }
        let wait = self.rooms.get(room).map_or(Duration::ZERO, |room| room.wait);
        if !wait.is_zero() && !self.mutes.speaks(now, slot, wait) {
            return Err(Dropped::TooSoon);
        }
        Ok(())
    }

    /// The speaker of a message: a member, or the operator.
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
        let link = self.link_kind(slot).of_messages();
        Speaker { member: Some(self.members.id(slot)), name, caller, link }
    }

    /// The identity of the next message from a member without a key.
    fn next_identity(&self) -> Identity {
        Identity { author: self.config.run, outbox: 0, number: self.messages + 1 }
    }

    fn wants_messages(&self, is_raw: bool) -> bool {
        self.config.report_messages || self.links.len() > 1 || self.keeps_messages(is_raw)
    }

    /// Whether messages of such a room are stored.
    fn keeps_messages(&self, is_raw: bool) -> bool {
        self.config.history.is_some_and(|history| history.keeps_raw || !is_raw)
    }

    /// A message for the driver.
    fn message(&self, cx: &Context<'_>, speech: &Speech<'_>, is_raw: bool) -> Option<Message> {
        let Speech { ref speaker, room, text, identity, wall } = *speech;
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
            is_raw,
            is_stored: false,
        })
    }

    // History.

    /// Requests earlier messages of a member's room. The answer follows later. Fails if the room is
    /// not stored, or the member has reached its limit for now.
    pub(crate) fn look_up(
        &mut self,
        now: Instant,
        slot: Slot,
        verb: Option<Verb>,
        (wanted, most): (Wanted, u16),
    ) -> Result<(), Reason> {
        let room = self.room_of(slot).ok_or(Reason::Password)?;
        if !self.keeps_messages(room.is_raw()) {
            return Err(Reason::NoHistory);
        }
        let room = room.name().clone();
        self.askers.ask(now, slot)?;
        let member = self.members.id(slot);
        self.outputs.push_back(Output::Lookup(Lookup { member, room, wanted, most, verb }));
        Ok(())
    }

    /// Shows the backlog to a member that has taken a name, once. A member that follows the log
    /// reads the backlog there.
    pub(crate) fn greet(&mut self, now: Instant, slot: Slot) {
        if matches!(self.link_kind(slot), LinkKind::Key | LinkKind::Page | LinkKind::PageHttp) {
            return;
        }
        let most = self.config.history.map_or(0, |history| history.backlog);
        if most > 0 && !self.members.has(slot, Trait::Greeted) {
            self.members.set(slot, Trait::Greeted, true);
            // The member has reached its limit, or its room is not stored: ignored.
            let _ = self.look_up(now, slot, None, (Wanted::Before(None), most));
        }
    }

    /// Shows a member that timed out what was said in its room since, up to the backlog. `before`:
    /// the number of messages when it left.
    fn show_missed(&mut self, now: Instant, slot: Slot, before: u64) {
        let most = self.config.history.map_or(0, |history| history.backlog);
        let said = self.room_of(slot).map_or(0, |room| room.said);
        let missed = u16::try_from(said.saturating_sub(before)).unwrap_or(u16::MAX).min(most);
        if missed > 0 {
            self.members.set(slot, Trait::Greeted, true);
            // The member has reached its limit, or its room is not stored: ignored.
            let _ = self.look_up(now, slot, None, (Wanted::Before(None), missed));
        }
    }

    /// Sends found messages to their reader, as many as it may get now. `None`: the search failed.
    pub(crate) fn found(&mut self, lookup: Lookup, found: Option<Found>) {
        let Lookup { member, verb, .. } = lookup;
        let Some(slot) = self.members.find(member) else { return };
        let is_found = found.is_some();
        let cut = self.askers.answer(slot, found.unwrap_or_default());
        if let (Some(verb), true) = (verb, cut.lines.is_empty()) {
            let why = if is_found { Reason::NothingSaid } else { Reason::Overloaded };
            self.refuse(member, Subject::Command(verb), why);
        }
        if let Some(position) = cut.earlier {
            self.reply(member, Notice::Earlier { position });
        }
        for line in cut.lines {
            let (notice, when) = (line.notice, line.when);
            self.outputs.push_back(Output::Said { to: member, notice, when });
        }
    }

    /// Records that a room is stored up to this position. For rooms that do not exist, only a
    /// limited number of positions is kept; the others appear empty until their next message.
    pub(crate) fn set_newest(&mut self, name: &RoomName, position: u64) {
        let folded = name.folded();
        if let Some(room) = self.rooms.find(name).and_then(|id| self.rooms.get_mut(id)) {
            room.newest = position;
        }
        if self.newest.len() < MAX_ROOMS || self.newest.contains_key(&folded) {
            self.newest.insert(folded, position);
        }
    }

    /// Notifies the members of stored rooms, whether messages are stored now or whether other hubs
    /// can be reached.
    pub(crate) fn announce(&mut self, setting: Setting) {
        let keeps = |room: &&Room| {
            self.keeps_messages(room.is_raw()) && room.len() <= self.config.notices_up_to
        };
        let readers: Vec<Slot> =
            self.rooms.iter().filter(keeps).flat_map(Room::roster).copied().collect();
        for slot in readers {
            let member = self.members.id(slot);
            self.reply(member, Notice::Set(setting));
        }
    }

    // Persistent state.

    fn keep(&mut self, change: impl FnOnce() -> Keep) {
        if self.config.keeps {
            self.outputs.push_back(Output::Keep(change()));
        }
    }

    /// Reports a member's name and state for storing, if it has a name.
    fn keep_name(&mut self, cx: &Context<'_>, slot: Slot) {
        if !self.config.keeps {
            return;
        }
        let (Some(named), Some(room)) = (self.names.get(slot), self.room_of(slot)) else { return };
        let kept = KeptName {
            grant: named.grant,
            name: named.name.clone(),
            room: room.name().clone(),
            ip: self.source(cx, slot).ip.to_canonical(),
            author: self.author(slot),
            resumes: self.resumes(cx, slot),
            is_free: false,
        };
        self.outputs.push_back(Output::Keep(Keep::Name(kept)));
    }

    /// Restores stored state. A name is reserved as if its holder had just timed out.
    pub(crate) fn restore(&mut self, now: Instant, kept: Keep) {
        match kept {
            Keep::Name(kept) => self.restore_name(now, kept),
            Keep::Grants(last) => {
                let reserved = self.grants.go_on_after(last);
                self.keep(|| Keep::Grants(reserved));
            }
            Keep::Ban(net) => drop(self.bans.add(net)),
            Keep::Kick(kept) => self.restore_kick(now, kept),
            Keep::Mute(name) => drop(self.mutes.mute(name)),
            Keep::Slow(room, time) => {
                self.mutes.slow(room.clone(), time);
                self.settle_room(&room);
            }
            Keep::NameGone(_)
            | Keep::BanGone(_)
            | Keep::KickGone(_)
            | Keep::MuteGone(_)
            | Keep::SlowGone(_) => {}
        }
    }

    fn restore_name(&mut self, now: Instant, kept: KeptName) {
        let KeptName { grant, name, room, ip, author, resumes, is_free } = kept;
        let (keys, label) = (self.names.keys(&name), Label::from(&name));
        if self.names.owners(keys).next().is_some() {
            return;
        }
        let named = Named { name, keys, grant, since: now };
        let counted = self.config.sources.counted_as(ip);
        let (since, is_kept) = (now, !is_free);
        let comes_back = false;
        let gone = Gone {
            named,
            room,
            said: 0,
            since,
            ip,
            counted,
            label,
            author,
            resumes,
            is_kept,
            comes_back,
        };
        self.part(gone, Left::TimedOut);
    }

    /// Mutes a name, and its member. Returns false if too many are muted.
    pub(crate) fn mute(&mut self, name: Name) -> bool {
        if !self.mutes.mute(name.clone()) {
            return false;
        }
        if let Some(slot) = self.names.find(name.as_str()) {
            self.members.set(slot, Trait::Muted, true);
            self.mutes.hold(slot, &name);
        }
        self.keep(|| Keep::Mute(name));
        true
    }

    /// Unmutes a name, and its member. Returns false if neither was muted.
    pub(crate) fn unmute(&mut self, name: &Name) -> bool {
        let slot = self.names.find(name.as_str());
        let is_muted = slot.is_some_and(|slot| self.members.has(slot, Trait::Muted));
        slot.into_iter().for_each(|slot| self.members.set(slot, Trait::Muted, false));
        // Also the name under which the member was muted before it was renamed.
        let former = slot.and_then(|slot| self.mutes.release(slot));
        let mut was_muted = is_muted;
        for folded in former.into_iter().chain([name.folded()]) {
            if let Some(name) = self.mutes.unmute(&folded) {
                self.keep(|| Keep::MuteGone(name));
                was_muted = true;
            }
        }
        was_muted
    }

    /// A member's messages per second, and its dropped inputs.
    pub(crate) fn tally(&self, now: Instant, slot: Slot) -> (f64, u64) {
        self.tallies.of(now, slot)
    }

    /// Counts a dropped input of a member.
    pub(crate) fn count_dropped_of(&mut self, now: Instant, slot: Slot) {
        self.tallies.dropped(now, slot);
    }

    /// The muted names, each with the present name of the member muted by it, if another.
    pub(crate) fn muted(&self) -> impl Iterator<Item = (&Name, Option<&Name>)> {
        self.mutes.names().map(|name| {
            let holder = self.mutes.holder(name).and_then(|slot| self.name(slot));
            (name, holder.filter(|holder| holder.folded() != name.folded()))
        })
    }

    pub(crate) fn mutes(&self) -> &Mutes {
        &self.mutes
    }

    /// The refusal with the time between two messages in a member's room.
    pub(crate) fn wait_of(&self, member: MemberId) -> Reason {
        let room = self.members.find(member).and_then(|slot| self.room_of(slot));
        slow(room.map_or(Duration::ZERO, |room| room.wait))
    }

    /// How long one must wait between two messages in a room, whether it is open or not.
    pub(crate) fn wait_in(&self, room: &RoomName) -> Reason {
        slow(self.mutes.wait_in(room))
    }

    /// Adopts the settings that may change while the hub runs.
    pub(crate) fn reconfigure(&mut self, other: &Config) {
        let own = std::mem::take(&mut self.config);
        self.config = Config {
            doors: own.doors,
            name: own.name,
            encoding: own.encoding,
            discovery: own.discovery,
            hash_keys: own.hash_keys,
            secret: own.secret,
            run: own.run,
            report_messages: own.report_messages,
            history: own.history,
            keeps: own.keeps,
            sources: SourceRules { open: other.sources.open.clone(), ..own.sources },
            max_members: other.max_members.min(MAX_MEMBERS),
            ..other.clone()
        };
    }

    /// Changes the password for newcomers.
    pub(crate) fn set_password(&mut self, password: Option<Box<str>>) {
        self.config.password = password;
    }

    /// Sets a room's slow mode; zero ends it. Returns false if too many rooms are slow.
    pub(crate) fn slow(&mut self, room: RoomName, time: Duration) -> bool {
        if !self.mutes.slow(room.clone(), time) {
            return false;
        }
        self.settle_room(&room);
        self.keep(|| match time.is_zero() {
            true => Keep::SlowGone(room),
            false => Keep::Slow(room, time),
        });
        true
    }

    // Output.

    /// Sends a notice to one member.
    pub(crate) fn reply(&mut self, to: MemberId, notice: Notice) {
        self.outputs.push_back(Output::Reply { to, notice });
    }

    /// Sends a refusal to a member.
    pub(crate) fn refuse(&mut self, to: MemberId, what: Subject, why: Reason) {
        self.reply(to, Notice::Refused(Refusal::new(what, why)));
    }

    /// The next output.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next message for the driver.
    pub(crate) fn poll_message(&mut self) -> Option<Message> {
        self.reported.pop_front()
    }

    /// Ends the batch, after every link has rendered it.
    pub(crate) fn end_batch(&mut self) {
        self.batch.clear();
    }

    // Timers and the operator.

    /// When a room's collected joins, leaves and renames must next be sent.
    pub(crate) fn news_due(&self) -> Option<Instant> {
        self.rooms.news_due()
    }

    /// Outputs the changes of one room whose time has come. Returns false if there are none.
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

    /// The time of day, as messages carry it.
    pub(crate) fn wall(&self, now: Instant) -> Duration {
        self.wall.read(now)
    }

    /// Sets the wall clock, which is used for display and stored messages.
    pub(crate) fn set_wall(&mut self, wall: WallClock) {
        self.wall = wall;
    }

    /// Bans a network. Returns false if there are too many bans.
    pub(crate) fn ban(&mut self, net: IpNet) -> bool {
        let is_banned = self.bans.add(net);
        if is_banned {
            self.keep(|| Keep::Ban(net));
        }
        is_banned
    }

    /// Removes a ban. Returns false if there was none.
    pub(crate) fn unban(&mut self, net: IpNet) -> bool {
        let was_banned = self.bans.remove(net);
        if was_banned {
            self.keep(|| Keep::BanGone(net));
        }
        was_banned
    }

    /// Records a join for a room's members. Programs that only send join and leave without notices.
    fn note_joined(&mut self, cx: &Context<'_>, slot: Slot, room: RoomId) {
        if !self.members.has(slot, Trait::Person) {
            return;
        }
        let (member, label) = (self.members.id(slot), self.link_label(cx, slot));
        self.rooms.note(room, |news| news.joined(cx.now, member, || label));
    }

    fn note_gone(&mut self, cx: &Context<'_>, slot: Slot, room: RoomId, change: Change) {
        if !self.members.has(slot, Trait::Person) {
            return;
        }
        let (member, label) = (self.members.id(slot), self.label(cx, slot));
        self.rooms.note(room, |news| news.gone(cx.now, member, label, change));
    }
}

fn slow(wait: Duration) -> Reason {
    Reason::Slow { seconds: wait.as_millis().div_ceil(1_000) as u64 }
}
