//! Plain members, by listening socket and address, in the order of their time-outs.
//!
//! A record uses the same slot as the core's record of the member, so neither refers to the other.
//! A silent member takes 64 bytes in both, 4 in its room's member list and about 10 of hash table.
//! Slots of members of other links stay vacant here.
//!
//! Doubly linked lists through the records keep the least recently heard member first. Every member
//! of a list has the same time-out, so a member that is heard moves to the end, and the head always
//! expires next: a heartbeat and an expiry take constant time. Rejected: a binary heap takes logarithmic
//! time for each heartbeat, and a periodic sweep over all records takes time for every member.
//!
//! One list holds members that were heard again after joining, and one per kind of network those
//! that were not. The latter are displaced by newcomers when the hub is full, the oldest first: a
//! flood of forged senders displaces itself. A list of its own holds people who send no heartbeats,
//! such as those who read with `nc`: their time-out is longer.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use pigeon_datagram::{Instant, SocketId};
use pigeon_guard::Origin;
use pigeon_proto::{Format, Label};
use pigeon_text::{Charset, Encoding};

use super::debt::Debt;
use super::doors::Doors;
use super::locals::{Local, Locals};
use super::outgoing::Route;
use super::run::Style;
use crate::config::Rate;
use crate::core::id::Slot;
use crate::core::input::{PlainMembers, Source};

const NOBODY: u32 = u32::MAX;

/// 52 bytes: together with the core's 12, one cache line. Fields are aligned to four bytes, so the
/// time is stored as two numbers.
#[derive(Clone, Copy)]
struct Record {
    ip: [u8; 16],
    /// Nanoseconds: low and high word.
    heard: [u32; 2],
    /// The member's rate limits; unused for loopback members.
    debt: Debt,
    scope: u32,
    /// The neighbours of the member in the linked list.
    older: u32,
    newer: u32,
    /// 0 in a vacant slot: no member has port 0.
    port: u16,
    /// The hub's address that it sends to.
    local: Local,
    /// The member's listening socket.
    door: u16,
    /// A bit for each [`Flag`].
    flags: u8,
    /// The index of the member's encoding, and [`AUTO`].
    encoding: u8,
}

const VACANT: Record = Record {
    ip: [0; 16],
    heard: [0; 2],
    debt: Debt::NONE,
    scope: 0,
    older: NOBODY,
    newer: NOBODY,
    port: 0,
    local: Local::ANY,
    door: 0,
    flags: 0,
    encoding: 0,
};

/// A plain member's flags, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flag {
    /// The member's latest heartbeat was padded, so it reads control lines.
    Padded = 1,
    /// The member has been notified of the limit that it exceeds.
    Warned = 2,
    /// The member's address is in an open network.
    Open = 4,
    /// The member's address is untrusted, but proved.
    Untrusted = 8,
    /// The member has got the hint that its text is not UTF-8.
    Hinted = 16,
    /// The member was heard again after joining.
    Again = 32,
    /// The member is on trial as a possible automatic responder.
    OnTrial = 64,
    /// The member is a person that sends no heartbeats, so it stays longer.
    Patient = 128,
}

/// The bit of a member's encoding that marks it as detected.
const AUTO: u8 = 0x80;

/// A listening socket and an address in 24 bytes: IPv4 as IPv4-mapped IPv6. Without the flow label,
/// which does not identify a member.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    ip: [u8; 16],
    scope: u32,
    port: u16,
    door: u16,
}

impl Place {
    fn new(door: SocketId, address: SocketAddr) -> Self {
        let (ip, scope) = match address {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
        };
        Place { ip: ip.octets(), scope, port: address.port(), door: door.number() }
    }

    fn address(&self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        match ip.to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, self.port)),
            None => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
        }
    }
}

impl Record {
    fn place(&self) -> Place {
        Place { ip: self.ip, scope: self.scope, port: self.port, door: self.door }
    }

    fn heard(&self) -> Instant {
        let [low, high] = self.heard.map(u64::from);
        Instant::from_nanos(high << 32 | low)
    }

    fn set_heard(&mut self, now: Instant) {
        let nanos = now.as_nanos();
        self.heard = [nanos as u32, (nanos >> 32) as u32];
    }
}

/// The ends of a list.
#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

/// The list of members heard again after joining.
const AGAIN: usize = 0;
/// The list of members heard once, from loopback and open networks.
const ONCE: usize = 1;
/// The list of members heard once, from untrusted addresses.
const ONCE_UNTRUSTED: usize = 2;
/// The list of people who send no heartbeats.
const PATIENT: usize = 3;

/// The number of lists.
const LISTS: usize = 4;

/// The table of plain members.
pub(crate) struct Members {
    hasher: RandomState,
    by_place: HashTable<u32>,
    /// Indexed by the core's slots.
    records: Vec<Record>,
    lists: [List; LISTS],
    locals: Locals,
    doors: Doors,
}

impl Members {
    /// An empty table with randomly keyed hashes.
    pub(super) fn new(keys: [u64; 4], doors: Doors) -> Self {
        let [a, b, c, d] = keys;
        let hasher = RandomState::with_seeds(a, b, c, d);
        Members {
            by_place: HashTable::new(),
            records: Vec::new(),
            lists: [List { oldest: NOBODY, newest: NOBODY }; LISTS],
            locals: Locals::new(hasher.clone()),
            doors,
            hasher,
        }
    }

    // Lookups.

    pub(crate) fn find(&self, door: SocketId, address: SocketAddr) -> Option<Slot> {
        let place = Place::new(door, address);
        let hash = self.hasher.hash_one(place);
        let same = |&slot: &u32| self.records[slot as usize].place() == place;
        self.by_place.find(hash, same).map(|&slot| Slot::new(slot))
    }

    /// Whether a member of the core belongs to this link.
    pub(crate) fn has_slot(&self, slot: Slot) -> bool {
        self.records.get(slot.index()).is_some_and(|record| record.port != 0)
    }

    pub(crate) fn address(&self, slot: Slot) -> SocketAddr {
        self.record(slot).place().address()
    }

    pub(super) fn doors(&self) -> &Doors {
        &self.doors
    }

    /// A member's listening socket.
    pub(super) fn socket(&self, slot: Slot) -> SocketId {
        SocketId::new(self.record(slot).door)
    }

    /// The message format of the member's socket.
    pub(super) fn format(&self, slot: Slot) -> Format {
        self.doors.at(self.socket(slot)).format
    }

    /// A member's style.
    pub(super) fn style(&self, slot: Slot) -> Style {
        Style { format: self.format(slot), encoding: self.encoding(slot) }
    }

    /// A member's route.
    pub(super) fn route(&self, slot: Slot) -> Route {
        Route { socket: self.socket(slot), to: self.address(slot), from: self.local(slot) }
    }

    /// The hub's address to answer from.
    fn local(&self, slot: Slot) -> Option<IpAddr> {
        self.locals.address(self.record(slot).local)
    }

    /// Whether a newcomer at this address of the hub could be counted.
    pub(crate) fn can_answer_from(&self, local: Option<IpAddr>) -> bool {
        self.locals.have_room(local)
    }

    pub(crate) fn heard(&self, slot: Slot) -> Instant {
        self.record(slot).heard()
    }

    /// The encoding of lines to a member.
    pub(crate) fn encoding(&self, slot: Slot) -> Encoding {
        Encoding::from_index(self.record(slot).encoding & !AUTO).unwrap_or(Encoding::UTF_8)
    }

    /// The member's chosen charset.
    pub(crate) fn charset(&self, slot: Slot) -> Charset {
        match self.record(slot).encoding & AUTO {
            0 => Charset::Fixed(self.encoding(slot)),
            _ => Charset::Auto,
        }
    }

    pub(crate) fn has(&self, slot: Slot, flag: Flag) -> bool {
        self.record(slot).flags & flag as u8 != 0
    }

    /// The member's origin, determined when it joined.
    pub(crate) fn origin(&self, slot: Slot) -> Origin {
        match (self.has(slot, Flag::Untrusted), self.has(slot, Flag::Open)) {
            (true, _) => Origin::Untrusted,
            (_, true) => Origin::Open,
            _ => Origin::Loopback,
        }
    }

    /// The members by when they time out, the first first: after `timeout` without a datagram, and
    /// people who send no heartbeats after `patience`.
    pub(crate) fn by_expiry(
        &self,
        timeout: Duration,
        patience: Duration,
    ) -> impl Iterator<Item = (Slot, Instant)> + '_ {
        let mut heads = self.lists.map(|list| taken(list.oldest));
        std::iter::from_fn(move || {
            let due = |(list, head): (usize, &Option<Slot>)| {
                let wait = if list == PATIENT { patience } else { timeout };
                Some((self.heard((*head)?) + wait, list))
            };
            let (due, list) = heads.iter().enumerate().filter_map(due).min()?;
            let slot = heads[list]?;
            heads[list] = taken(self.record(slot).newer);
            Some((slot, due))
        })
    }

    /// The least recently heard member.
    #[cfg(test)]
    pub(crate) fn oldest(&self) -> Option<Slot> {
        self.iter().next()
    }

    /// The oldest member that was heard once, from untrusted addresses or from others.
    pub(crate) fn heard_once(&self, untrusted: bool) -> Option<Slot> {
        taken(self.lists[if untrusted { ONCE_UNTRUSTED } else { ONCE }].oldest)
    }

    /// All members, least recently heard first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let mut heads = self.lists.map(|list| taken(list.oldest));
        std::iter::from_fn(move || {
            let heard = |slot: &Option<Slot>| slot.map(|slot| self.heard(slot));
            let oldest = heads.iter_mut().filter(|head| head.is_some()).min_by_key(|h| heard(h))?;
            let slot = (*oldest)?;
            *oldest = taken(self.record(slot).newer);
            Some(slot)
        })
    }

    /// The first member in slot order, for a stateless iteration.
    pub(crate) fn first(&self) -> Option<Slot> {
        self.lists.iter().find_map(|list| taken(list.oldest))
    }

    /// The next member in slot order.
    pub(crate) fn after(&self, slot: Slot) -> Option<Slot> {
        let later = || self.lists[self.list_of(slot) + 1..].iter();
        taken(self.record(slot).newer).or_else(|| later().find_map(|list| taken(list.oldest)))
    }

    /// Whether a member's rate allows a message of this size now.
    pub(crate) fn may_spend(&self, slot: Slot, now: Instant, rate: Rate, bytes: usize) -> bool {
        let record = self.record(slot);
        record.debt.allows(now - record.heard(), rate, bytes)
    }

    // Changes.

    /// Adds a member in the core's slot, heard now for the first time.
    pub(crate) fn insert(
        &mut self,
        slot: Slot,
        (door, address): (SocketId, SocketAddr),
        origin: Origin,
        now: Instant,
    ) {
        let place = Place::new(door, address);
        if self.records.len() <= slot.index() {
            self.records.resize(slot.index() + 1, VACANT);
        }
        let Place { ip, scope, port, door } = place;
        let flags = match origin {
            Origin::Loopback => 0,
            Origin::Open => Flag::Open as u8,
            Origin::Untrusted => Flag::Untrusted as u8,
        };
        let encoding = Encoding::UTF_8.index();
        let record = Record { ip, scope, port, door, flags, encoding, ..VACANT };
        *self.record_mut(slot) = record;
        self.record_mut(slot).set_heard(now);
        let (records, hasher) = (&self.records, &self.hasher);
        let hash = hasher.hash_one(place);
        let same = |&other: &u32| records[other as usize].place() == place;
        let rehash = |&other: &u32| hasher.hash_one(records[other as usize].place());
        if let Entry::Vacant(vacant) = self.by_place.entry(hash, same, rehash) {
            vacant.insert(slot.number());
        }
        self.link_newest(slot);
    }

    /// Removes a member.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(self.record(slot).place());
        if let Ok(entry) = self.by_place.find_entry(hash, |&other| other == slot.number()) {
            entry.remove();
        }
        self.unlink(slot);
        self.locals.release(self.record(slot).local);
        *self.record_mut(slot) = VACANT;
    }

    /// Records that a member was heard, and at which of the hub's addresses.
    pub(crate) fn touch(&mut self, slot: Slot, now: Instant, local: Option<IpAddr>) {
        self.speaks_to(slot, local);
        let record = self.record_mut(slot);
        record.debt.pass(record.heard(), now);
        record.set_heard(now);
        let list = if self.has(slot, Flag::Patient) { PATIENT } else { AGAIN };
        if self.lists[list].newest != slot.number() {
            self.unlink(slot);
            self.set(slot, Flag::Again, true);
            self.link_newest(slot);
        }
    }

    /// Sets whether a member that was just heard is a person without heartbeats.
    pub(crate) fn set_patient(&mut self, slot: Slot, is_patient: bool) {
        if self.has(slot, Flag::Patient) != is_patient {
            self.unlink(slot);
            self.set(slot, Flag::Patient, is_patient);
            self.link_newest(slot);
        }
    }

    /// The time until a member has paid off its messages, from when it was last heard.
    pub(crate) fn owed(&self, slot: Slot) -> Duration {
        self.record(slot).debt.owed()
    }

    /// Charges an answer to a heartbeat to the limit of a member that was just heard. Returns false
    /// if the limit is reached.
    pub(crate) fn may_answer(&mut self, slot: Slot) -> bool {
        self.record_mut(slot).debt.take_answer()
    }

    /// Charges a message to the rate of a member that was just heard, or returns false and charges
    /// nothing.
    pub(crate) fn spend(&mut self, slot: Slot, rate: Rate, bytes: usize) -> bool {
        self.record_mut(slot).debt.take(rate, bytes)
    }

    /// Whether a member that was just heard has a whole burst available.
    pub(crate) fn is_rested(&self, slot: Slot) -> bool {
        self.record(slot).debt.is_none()
    }

    pub(crate) fn set(&mut self, slot: Slot, flag: Flag, on: bool) {
        let flags = &mut self.record_mut(slot).flags;
        *flags = if on { *flags | flag as u8 } else { *flags & !(flag as u8) };
    }

    /// Sets a member's charset. A detected encoding starts as UTF-8.
    pub(crate) fn set_charset(&mut self, slot: Slot, charset: Charset) {
        self.record_mut(slot).encoding = match charset {
            Charset::Fixed(encoding) => encoding.index(),
            Charset::Auto => Encoding::UTF_8.index() | AUTO,
        };
    }

    /// Sets the detected encoding of a member.
    pub(crate) fn set_used(&mut self, slot: Slot, encoding: Encoding) {
        self.record_mut(slot).encoding = encoding.index() | AUTO;
    }

    fn record(&self, slot: Slot) -> &Record {
        &self.records[slot.index()]
    }

    fn record_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.records[slot.index()]
    }

    fn link_newest(&mut self, slot: Slot) {
        let list = self.list_of(slot);
        let newest = self.lists[list].newest;
        let record = self.record_mut(slot);
        record.older = newest;
        record.newer = NOBODY;
        match newest {
            NOBODY => self.lists[list].oldest = slot.number(),
            newest => self.record_mut(Slot::new(newest)).newer = slot.number(),
        }
        self.lists[list].newest = slot.number();
    }

    fn unlink(&mut self, slot: Slot) {
        let list = self.list_of(slot);
        let Record { older, newer, .. } = *self.record(slot);
        match older {
            NOBODY => self.lists[list].oldest = newer,
            older => self.record_mut(Slot::new(older)).newer = newer,
        }
        match newer {
            NOBODY => self.lists[list].newest = older,
            newer => self.record_mut(Slot::new(newer)).older = older,
        }
    }

    /// The index of a member's list.
    fn list_of(&self, slot: Slot) -> usize {
        match (self.has(slot, Flag::Again), self.has(slot, Flag::Untrusted)) {
            _ if self.has(slot, Flag::Patient) => PATIENT,
            (true, _) => AGAIN,
            (false, false) => ONCE,
            (false, true) => ONCE_UNTRUSTED,
        }
    }

    /// Records the hub's address that a member sends to. If there are too many addresses, the
    /// previous one stays, which the member knows too.
    pub(crate) fn speaks_to(&mut self, slot: Slot, local: Option<IpAddr>) {
        if self.local(slot) == local {
            return;
        }
        if let Some(local) = self.locals.hold(local) {
            let before = std::mem::replace(&mut self.record_mut(slot).local, local);
            self.locals.release(before);
        }
    }
}

fn taken(slot: u32) -> Option<Slot> {
    (slot != NOBODY).then_some(Slot::new(slot))
}

impl PlainMembers for Members {
    fn label(&self, slot: Slot) -> Label {
        Label::from(self.address(slot))
    }

    fn source(&self, slot: Slot) -> Source {
        Source { ip: self.address(slot).ip(), origin: self.origin(slot) }
    }

    fn heard(&self, slot: Slot) -> Instant {
        self.record(slot).heard()
    }

    fn is_padded(&self, slot: Slot) -> bool {
        self.has(slot, Flag::Padded)
    }

    /// With several members of one address, the one at the first socket.
    fn find(&self, label: &str) -> Option<Slot> {
        let address = label.parse().ok()?;
        (0..self.doors.len()).find_map(|door| self.find(SocketId::new(door), address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: SocketId = SocketId::FIRST;

    fn address(n: u32) -> SocketAddr {
        SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5000))
    }

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn members() -> Members {
        Members::new([1, 2, 3, 4], Doors::of([Format::Chat; 2]))
    }

    fn join(members: &mut Members, n: u32, now: Instant) -> Slot {
        let slot = Slot::new(n);
        members.insert(slot, (DOOR, address(n)), Origin::Open, now);
        slot
    }

    #[test]
    fn a_record_and_the_cores_are_one_cache_line() {
        assert_eq!(size_of::<Record>(), 52);
    }

    #[test]
    fn addresses_come_back_as_they_went_in() {
        for text in ["127.0.0.1:1", "[::1]:65535", "[fe80::1%7]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Place::new(DOOR, address).address(), address);
        }
    }

    #[test]
    fn one_address_at_two_doors_is_two_members() {
        let mut members = members();
        let second = SocketId::new(1);
        members.insert(Slot::new(4), (DOOR, address(1)), Origin::Open, at(0));
        members.insert(Slot::new(7), (second, address(1)), Origin::Open, at(0));
        assert_eq!(members.find(DOOR, address(1)), Some(Slot::new(4)));
        assert_eq!(members.find(second, address(1)), Some(Slot::new(7)));
        assert_eq!(PlainMembers::find(&members, "10.0.0.1:5000"), Some(Slot::new(4)));
        members.remove(Slot::new(4));
        assert_eq!(PlainMembers::find(&members, "10.0.0.1:5000"), Some(Slot::new(7)));
        assert!(members.has_slot(Slot::new(7)) && !members.has_slot(Slot::new(5)));
        assert!(!members.has_slot(Slot::new(4)) && !members.has_slot(Slot::new(99)));
    }

    #[test]
    fn the_oldest_is_whoever_was_heard_least_recently() {
        let mut members = members();
        let slots: Vec<_> = (0..4).map(|n| join(&mut members, n, at(n.into()))).collect();
        members.touch(slots[0], at(10), None);
        members.touch(slots[2], at(11), None);
        members.remove(slots[3]);
        let order: Vec<_> = members.iter().map(|slot| members.address(slot)).collect();
        assert_eq!(order, [address(1), address(0), address(2)]);
        assert_eq!(members.heard(slots[2]), at(11));
        while let Some(slot) = members.oldest() {
            members.remove(slot);
        }
        assert_eq!(members.iter().count(), 0);
    }

    #[test]
    fn those_heard_once_give_way_in_the_order_in_which_they_came() {
        let mut members = members();
        let untrusted = |members: &mut Members, n: u32, now| {
            members.insert(Slot::new(n), (DOOR, address(n)), Origin::Untrusted, now);
            Slot::new(n)
        };
        let near: Vec<_> = (0..3).map(|n| join(&mut members, n, at(n.into()))).collect();
        let far: Vec<_> = (3..6).map(|n| untrusted(&mut members, n, at(n.into()))).collect();
        assert_eq!(members.heard_once(false), Some(near[0]));
        assert_eq!(members.heard_once(true), Some(far[0]));
        members.touch(near[0], at(6), None);
        members.touch(far[0], at(7), None);
        assert_eq!(members.heard_once(false), Some(near[1]));
        assert_eq!(members.heard_once(true), Some(far[1]));
        let order: Vec<_> = members.iter().collect();
        assert_eq!(order, [near[1], near[2], far[1], far[2], near[0], far[0]]);
        let mut all: Vec<_> =
            std::iter::successors(members.first(), |&slot| members.after(slot)).collect();
        all.sort();
        assert_eq!(all, [near.clone(), far.clone()].concat());
        members.remove(far[1]);
        members.remove(far[2]);
        assert_eq!(members.heard_once(true), None);
        members.remove(near[1]);
        members.touch(near[2], at(8), None);
        assert_eq!(members.heard_once(false), None);
        assert_eq!(members.oldest(), Some(near[0]));
    }

    #[test]
    fn an_encoding_is_chosen_or_found_out() {
        let mut members = members();
        let slot = join(&mut members, 1, at(0));
        for encoding in Encoding::all() {
            members.set_charset(slot, Charset::Fixed(encoding));
            assert_eq!(members.charset(slot), Charset::Fixed(encoding));
            assert_eq!(members.encoding(slot), encoding);
        }
        members.set_charset(slot, Charset::Auto);
        assert_eq!(members.encoding(slot), Encoding::UTF_8);
        members.set_used(slot, Encoding::GB18030);
        assert_eq!(
            (members.charset(slot), members.encoding(slot)),
            (Charset::Auto, Encoding::GB18030)
        );
    }

    #[test]
    fn slots_survive_any_order_of_leaving() {
        let mut members = members();
        for n in 0..100 {
            join(&mut members, n, at(0));
        }
        for n in (0..100).filter(|n| n % 7 < 4) {
            members.remove(Slot::new(n));
        }
        for n in 0..100 {
            assert_eq!(members.find(DOOR, address(n)).is_some(), n % 7 >= 4);
        }
        assert_eq!(members.iter().count(), 42);
    }
}
