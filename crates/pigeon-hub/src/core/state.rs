//! The core's state and its operations: members join, move, send messages, take names, and leave.
//!
//! Every change produces [`Output`]s for the links. The caller takes all of them before the next
//! change, so that no link sees a member or room that it has not been notified of.
//!
//! `membership`: join, move, kick, leave; `naming`: names and resume words; `speech`: messages; `stored`: those
//! that are stored first; `lookups`: earlier messages; `keeping`: what outlives a restart.

mod keeping;
mod lookups;
mod membership;
mod naming;
mod speech;
mod stored;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::{Instant, WallClock};
use pigeon_guard::{Origin, SourceRules, TokenKey};
use pigeon_proto::{
    Change, Label, Language, LinkKind, Name, Notice, Reason, Refusal, RoomName, Subject,
};
use subtle::ConstantTimeEq;

use super::bans::{Banned, Bans};
use super::capacity::Capacity;
use super::grants::Grants;
use super::guesses::Guesses;
use super::guests::Guests;
use super::history::Askers;
use super::id::{LinkId, MemberId, RoomId, Slot};
use super::input::{Context, Source};
use super::kept::Keep;
use super::kicks::Kicks;
use super::members::{Members, Trait};
use super::message::{Batch, Message};
use super::mutes::Mutes;
use super::names::Names;
use super::output::Output;
use super::rates::Buckets;
use super::rooms::{Room, Rooms};
use super::tallies::Tallies;
use super::work::Work;
use crate::config::{Config, PerOrigin};
use crate::statistics::Statistics;
use crate::view::KickView;

/// Names that nobody may take: what the program calls the operator. Not "teacher": teachers join by that
/// name, and a name is its holder's.
const RESERVED: [&str; 3] = ["operator", "管理员", "操作者"];

/// Slots have 32 bits, two of them reserved; memory runs out long before.
const MAX_MEMBERS: usize = 1 << 30;

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
    guests: Guests,
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
            guests: Guests::new(keys),
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

    pub(crate) fn bans(&self) -> impl Iterator<Item = Banned> + '_ {
        self.bans.iter()
    }

    pub(crate) fn is_banned(&self, ip: IpAddr) -> bool {
        self.bans.contains(ip)
    }

    pub(crate) fn is_key_banned(&self, author: u128) -> bool {
        self.bans.contains_key(author)
    }

    /// What a ban of a member is of: its key if it joined with one, else its address. A page's key
    /// does not count, because a private window has a new one. `None`: the member's own hub knows.
    pub(crate) fn to_ban(&self, cx: &Context<'_>, slot: Slot) -> Option<Banned> {
        let guest = self.guests.get(slot);
        let is_key = self.link_kind(slot) == LinkKind::Key;
        match guest.and_then(|guest| guest.author).filter(|_| is_key) {
            Some(author) => Some(Banned::Key(author)),
            None if guest.is_some_and(|guest| guest.is_elsewhere) => None,
            None => Some(Banned::Net(self.source(cx, slot).ip.into())),
        }
    }

    /// Whether a ban is of a member.
    pub(crate) fn is_meant(&self, cx: &Context<'_>, slot: Slot, banned: Banned) -> bool {
        match banned {
            Banned::Key(author) => self.author(slot) == Some(author),
            // The address of a member of another hub is not its own.
            Banned::Net(_) if self.guests.get(slot).is_some_and(|guest| guest.is_elsewhere) => {
                false
            }
            Banned::Net(net) => net.contains(&self.source(cx, slot).ip),
        }
    }

    /// Marks a member as one of another hub.
    pub(crate) fn set_elsewhere(&mut self, slot: Slot) {
        if let Some(guest) = self.guests.get_mut(slot) {
            guest.is_elsewhere = true;
        }
    }

    /// A member's source.
    pub(crate) fn source(&self, cx: &Context<'_>, slot: Slot) -> Source {
        let guest = self.guests.get(slot).map(|guest| guest.source);
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
        let guest = self.guests.get(slot).map(|guest| guest.label().clone());
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
        cx.plain.find(label).or_else(|| self.guests.find(label))
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

    /// Bans a network or a key. Returns false if there are too many bans.
    pub(crate) fn ban(&mut self, banned: Banned) -> bool {
        let is_banned = self.bans.add(banned);
        if is_banned {
            self.keep(|| Keep::Ban(banned));
        }
        is_banned
    }

    /// Removes a ban. Returns false if there was none.
    pub(crate) fn unban(&mut self, banned: Banned) -> bool {
        let was_banned = self.bans.remove(banned);
        if was_banned {
            self.keep(|| Keep::BanGone(banned));
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
