//! Who is here: found by address, oldest first for the time-out.
//!
//! A silent member is one [`Record`] of 64 bytes (a cache line), 4 bytes in its room's roster and
//! about 10 bytes of hash table. Names stand in a table of their own, because most members of a
//! large hub have none.
//!
//! Liveness is a doubly linked list through the records, least recently heard first. Every member
//! has the same time-out, so a member that is heard moves to the end and the head is always the
//! next to expire: a heartbeat and an expiry cost the same with ten members and with a million. A
//! binary heap would cost a logarithm for each heartbeat, and a sweep over all records would cost
//! every tick for everyone who is not late.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use ahash::RandomState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use pigeon_datagram::Instant;
use pigeon_text::Encoding;

use crate::limits::Buckets;
use crate::locals::{Local, Locals};
use crate::names::fold;
use crate::rooms::RoomId;
use crate::{Name, NameError, Origin};

/// A member's place in the table, for as long as it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u32);

const NOBODY: u32 = u32::MAX;

struct Record {
    ip: [u8; 16],
    heard: Instant,
    /// What it may still say; for loopback members never looked at.
    buckets: Buckets,
    scope: u32,
    /// Neighbours in the liveness list; `older` is also the link of the free list.
    older: u32,
    newer: u32,
    /// Where it stands in its room's roster; the roster knows what it means.
    place: u32,
    port: u16,
    room: RoomId,
    /// Which of the hub's addresses it speaks to.
    local: Local,
    /// A bit for each [`Flag`], and above them how many echoes in a row it sent, in the raw format.
    flags: u8,
    encoding: u8,
}

/// What a member has or is, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flag {
    /// It has a name in `names`.
    Named = 1,
    /// It wants no notices.
    Quiet = 2,
    /// It has been told of the limit it keeps running into.
    Warned = 4,
    /// It comes from an open network.
    Open = 8,
    /// It comes from elsewhere, and has proved its address.
    Beyond = 16,
}

/// Where the flags end and the count of echoes begins.
const ECHOES_SHIFT: u32 = 5;

/// The most echoes in a row that are counted.
const MAX_ECHOES: u8 = u8::MAX >> ECHOES_SHIFT;

/// An address in 24 bytes rather than the 32 of `SocketAddr`: IPv4 as IPv4-mapped IPv6. The flow
/// label is left out, since it tells nothing about who somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Address {
    ip: [u8; 16],
    scope: u32,
    port: u16,
}

impl Address {
    fn new(address: SocketAddr) -> Self {
        let (ip, scope) = match address {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
        };
        Address { ip: ip.octets(), scope, port: address.port() }
    }

    fn socket_addr(&self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        match ip.to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, self.port)),
            None => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
        }
    }
}

impl Record {
    fn address(&self) -> Address {
        Address { ip: self.ip, scope: self.scope, port: self.port }
    }
}

/// How many members an IP address has. The address itself is not kept, only 32 bits of its keyed
/// hash: a million addresses cost 19 MB and not 52, and the hundred or so pairs that then share a
/// count cannot be chosen from outside.
#[derive(Clone, Copy)]
struct IpCount {
    tag: u32,
    count: u32,
}

/// The table of members.
pub(crate) struct Members {
    hasher: RandomState,
    by_address: HashTable<u32>,
    records: Vec<Record>,
    len: usize,
    free: u32,
    oldest: u32,
    newest: u32,
    per_ip: HashTable<IpCount>,
    names: HashMap<Slot, Named, RandomState>,
    by_name: HashMap<Box<str>, Slot, RandomState>,
    locals: Locals,
}

/// A member's name, and the number its resume word was made for.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: Name,
    pub(crate) grant: u32,
}

impl Members {
    /// An empty table whose hashes nobody outside can foresee.
    pub(crate) fn new(keys: [u64; 4]) -> Self {
        let [a, b, c, d] = keys;
        let hasher = RandomState::with_seeds(a, b, c, d);
        Members {
            by_address: HashTable::new(),
            records: Vec::new(),
            len: 0,
            free: NOBODY,
            oldest: NOBODY,
            newest: NOBODY,
            per_ip: HashTable::new(),
            names: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher.clone()),
            locals: Locals::new(hasher.clone()),
            hasher,
        }
    }

    // Looking.

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn find(&self, address: SocketAddr) -> Option<Slot> {
        let key = Address::new(address);
        let hash = self.hasher.hash_one(key);
        let same = |&slot: &u32| self.records[slot as usize].address() == key;
        self.by_address.find(hash, same).map(|&slot| Slot(slot))
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<Slot> {
        self.by_name.get(&fold(name)).copied()
    }

    pub(crate) fn address(&self, slot: Slot) -> SocketAddr {
        self.record(slot).address().socket_addr()
    }

    /// Which of the hub's addresses to answer from.
    pub(crate) fn local(&self, slot: Slot) -> Option<IpAddr> {
        self.locals.address(self.record(slot).local)
    }

    /// Whether a newcomer could be answered from this one.
    pub(crate) fn can_answer_from(&self, local: Option<IpAddr>) -> bool {
        self.locals.have_room(local)
    }

    pub(crate) fn named(&self, slot: Slot) -> Option<&Named> {
        if self.has(slot, Flag::Named) { self.names.get(&slot) } else { None }
    }

    pub(crate) fn name(&self, slot: Slot) -> Option<&Name> {
        self.named(slot).map(|named| &named.name)
    }

    pub(crate) fn heard(&self, slot: Slot) -> Instant {
        self.record(slot).heard
    }

    pub(crate) fn room(&self, slot: Slot) -> RoomId {
        self.record(slot).room
    }

    pub(crate) fn place(&self, slot: Slot) -> u32 {
        self.record(slot).place
    }

    pub(crate) fn encoding(&self, slot: Slot) -> Encoding {
        Encoding::from_index(self.record(slot).encoding).unwrap_or(Encoding::UTF_8)
    }

    pub(crate) fn has(&self, slot: Slot, flag: Flag) -> bool {
        self.record(slot).flags & flag as u8 != 0
    }

    /// Where it comes from, as found when it joined.
    pub(crate) fn origin(&self, slot: Slot) -> Origin {
        match (self.has(slot, Flag::Beyond), self.has(slot, Flag::Open)) {
            (true, _) => Origin::Beyond,
            (_, true) => Origin::Open,
            _ => Origin::Loopback,
        }
    }

    /// How many members are counted under this address.
    pub(crate) fn at(&self, ip: IpAddr) -> usize {
        let tag = self.tag(ip);
        let found = self.per_ip.find(spread(tag), |entry| entry.tag == tag);
        found.map_or(0, |entry| entry.count as usize)
    }

    /// The member that has been silent longest.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NOBODY).then_some(Slot(self.oldest))
    }

    /// Every member, least recently heard first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        std::iter::successors(self.oldest(), |&slot| match self.record(slot).newer {
            NOBODY => None,
            newer => Some(Slot(newer)),
        })
    }

    // Changing.

    /// Adds a member, heard now, to be counted under an address or not at all. It is in no roster
    /// yet.
    pub(crate) fn insert(
        &mut self,
        address: SocketAddr,
        now: Instant,
        room: RoomId,
        counted_as: Option<IpAddr>,
    ) -> Slot {
        let key = Address::new(address);
        let slot = self.allocate(Record {
            ip: key.ip,
            heard: now,
            buckets: Buckets::default(),
            scope: key.scope,
            older: NOBODY,
            newer: NOBODY,
            place: 0,
            port: key.port,
            room,
            local: Local::ANY,
            flags: 0,
            encoding: Encoding::UTF_8.index(),
        });
        let (records, hasher) = (&self.records, &self.hasher);
        let hash = hasher.hash_one(key);
        let same = |&other: &u32| records[other as usize].address() == key;
        let rehash = |&other: &u32| hasher.hash_one(records[other as usize].address());
        if let Entry::Vacant(vacant) = self.by_address.entry(hash, same, rehash) {
            vacant.insert(slot.0);
        }
        self.link_newest(slot);
        self.len += 1;
        if let Some(ip) = counted_as {
            let tag = self.tag(ip);
            let same = |entry: &IpCount| entry.tag == tag;
            let mut entry = self.per_ip.entry(spread(tag), same, |entry| spread(entry.tag));
            match &mut entry {
                Entry::Occupied(occupied) => occupied.get_mut().count += 1,
                Entry::Vacant(_) => drop(entry.insert(IpCount { tag, count: 1 })),
            }
        }
        slot
    }

    /// Removes a member, which must have left its roster and was counted as said, and gives back its
    /// name.
    pub(crate) fn remove(&mut self, slot: Slot, counted_as: Option<IpAddr>) -> Option<Named> {
        let key = self.record(slot).address();
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.by_address.find_entry(hash, |&other| other == slot.0) {
            entry.remove();
        }
        self.unlink(slot);
        self.len -= 1;
        if let Some(ip) = counted_as {
            let tag = self.tag(ip);
            if let Ok(mut entry) = self.per_ip.find_entry(spread(tag), |entry| entry.tag == tag) {
                entry.get_mut().count -= 1;
                if entry.get().count == 0 {
                    entry.remove();
                }
            }
        }
        self.locals.release(self.record(slot).local);
        let named = self.unname(slot);
        self.record_mut(slot).older = self.free;
        self.free = slot.0;
        named
    }

    /// Notes that a member was heard, and which of the hub's addresses it spoke to.
    pub(crate) fn touch(&mut self, slot: Slot, now: Instant, local: Option<IpAddr>) {
        if self.local(slot) != local {
            self.speaks_to(slot, local);
        }
        self.record_mut(slot).heard = now;
        if self.newest != slot.0 {
            self.unlink(slot);
            self.link_newest(slot);
        }
    }

    /// Gives a member a name nobody else has.
    pub(crate) fn rename(&mut self, slot: Slot, named: Named) -> Result<(), NameError> {
        let folded = named.name.folded();
        if self.by_name.get(&folded).is_some_and(|&holder| holder != slot) {
            return Err(NameError::Taken);
        }
        self.unname(slot);
        self.by_name.insert(folded, slot);
        self.names.insert(slot, named);
        self.set(slot, Flag::Named, true);
        Ok(())
    }

    /// Takes a member's name away.
    pub(crate) fn unname(&mut self, slot: Slot) -> Option<Named> {
        if !self.has(slot, Flag::Named) {
            return None;
        }
        self.set(slot, Flag::Named, false);
        let named = self.names.remove(&slot)?;
        self.by_name.remove(&named.name.folded());
        Some(named)
    }

    pub(crate) fn set(&mut self, slot: Slot, flag: Flag, on: bool) {
        let flags = &mut self.record_mut(slot).flags;
        *flags = if on { *flags | flag as u8 } else { *flags & !(flag as u8) };
    }

    pub(crate) fn set_encoding(&mut self, slot: Slot, encoding: Encoding) {
        self.record_mut(slot).encoding = encoding.index();
    }

    pub(crate) fn set_room(&mut self, slot: Slot, room: RoomId) {
        self.record_mut(slot).room = room;
    }

    pub(crate) fn set_place(&mut self, slot: Slot, place: u32) {
        self.record_mut(slot).place = place;
    }

    pub(crate) fn buckets(&mut self, slot: Slot) -> &mut Buckets {
        &mut self.record_mut(slot).buckets
    }

    /// Counts echoes in a row; anything else ends the row.
    pub(crate) fn count_echo(&mut self, slot: Slot, is_echo: bool) -> u8 {
        let flags = &mut self.record_mut(slot).flags;
        let before = *flags >> ECHOES_SHIFT;
        let echoes = if is_echo { (before + 1).min(MAX_ECHOES) } else { 0 };
        *flags = *flags & !(MAX_ECHOES << ECHOES_SHIFT) | echoes << ECHOES_SHIFT;
        echoes
    }

    // The parts.

    fn record(&self, slot: Slot) -> &Record {
        &self.records[slot.0 as usize]
    }

    fn record_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.records[slot.0 as usize]
    }

    fn tag(&self, ip: IpAddr) -> u32 {
        self.hasher.hash_one(ip) as u32
    }

    fn allocate(&mut self, record: Record) -> Slot {
        if self.free == NOBODY {
            self.records.push(record);
            return Slot(self.records.len() as u32 - 1);
        }
        let slot = Slot(self.free);
        self.free = self.record(slot).older;
        *self.record_mut(slot) = record;
        slot
    }

    fn link_newest(&mut self, slot: Slot) {
        let newest = self.newest;
        let record = self.record_mut(slot);
        record.older = newest;
        record.newer = NOBODY;
        match newest {
            NOBODY => self.oldest = slot.0,
            newest => self.record_mut(Slot(newest)).newer = slot.0,
        }
        self.newest = slot.0;
    }

    fn unlink(&mut self, slot: Slot) {
        let Record { older, newer, .. } = *self.record(slot);
        match older {
            NOBODY => self.oldest = newer,
            older => self.record_mut(Slot(older)).newer = newer,
        }
        match newer {
            NOBODY => self.newest = older,
            newer => self.record_mut(Slot(newer)).older = older,
        }
    }

    /// A member that speaks to one address more than can be counted is answered from the one
    /// before, which it knows too.
    fn speaks_to(&mut self, slot: Slot, local: Option<IpAddr>) {
        if let Some(local) = self.locals.hold(local) {
            let before = std::mem::replace(&mut self.record_mut(slot).local, local);
            self.locals.release(before);
        }
    }
}

/// The tag is a hash already; the table also wants its upper bits filled.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rooms::LOBBY;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5000))
    }

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn named(text: &str) -> Named {
        Named { name: Name::parse(text.as_bytes()).unwrap(), grant: 0 }
    }

    #[test]
    fn a_record_is_one_cache_line() {
        assert_eq!(size_of::<Record>(), 64);
    }

    fn join(members: &mut Members, n: u16, now: Instant) -> Slot {
        members.insert(address(n), now, LOBBY, Some(address(n).ip()))
    }

    fn leave(members: &mut Members, slot: Slot) -> Option<Named> {
        let ip = members.address(slot).ip();
        members.remove(slot, Some(ip))
    }

    #[test]
    fn addresses_come_back_as_they_went_in() {
        for text in ["127.0.0.1:1", "[::1]:65535", "[fe80::1%7]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::new(address).socket_addr(), address);
        }
    }

    #[test]
    fn the_oldest_is_whoever_was_heard_least_recently() {
        let mut members = Members::new([1, 2, 3, 4]);
        let slots: Vec<_> = (0..4).map(|n| join(&mut members, n, at(n.into()))).collect();
        members.touch(slots[0], at(10), None);
        members.touch(slots[2], at(11), None);
        leave(&mut members, slots[3]);
        let order: Vec<_> = members.iter().map(|slot| members.address(slot)).collect();
        assert_eq!(order, [address(1), address(0), address(2)]);
        while let Some(slot) = members.oldest() {
            leave(&mut members, slot);
        }
        assert_eq!((members.len(), members.at(address(1).ip())), (0, 0));
    }

    #[test]
    fn slots_and_names_survive_any_order_of_leaving() {
        let mut members = Members::new([1, 2, 3, 4]);
        for n in 0..100 {
            let slot = join(&mut members, n, at(0));
            members.rename(slot, named(&format!("n{n}"))).unwrap();
        }
        for n in (0..100).filter(|n| n % 7 < 4) {
            let slot = members.find(address(n)).unwrap();
            assert_eq!(leave(&mut members, slot).unwrap().name.as_str(), format!("n{n}"));
        }
        for n in 0..100 {
            let slot = members.find(address(n));
            assert_eq!(slot.is_some(), n % 7 >= 4);
            assert_eq!(members.find_name(&format!("N{n}")), slot);
            assert_eq!(members.at(address(n).ip()), usize::from(slot.is_some()));
        }
        assert_eq!(members.len(), members.iter().count());
    }

    #[test]
    fn names_differ_by_more_than_capitals() {
        let mut members = Members::new([0; 4]);
        let [a, b] = [1, 2].map(|n| join(&mut members, n, at(0)));
        assert_eq!(members.rename(a, named("Zoë")), Ok(()));
        assert_eq!(members.rename(b, named("ZOË")), Err(NameError::Taken));
        assert_eq!(members.rename(a, named("zoë")), Ok(()));
        assert_eq!(members.rename(a, named("other")), Ok(()));
        assert_eq!(members.rename(b, named("zoë")), Ok(()));
    }

    #[test]
    fn a_row_of_echoes_ends_with_anything_else() {
        let mut members = Members::new([0; 4]);
        let slot = join(&mut members, 1, at(0));
        assert_eq!(
            [true, true, false, true].map(|echo| members.count_echo(slot, echo)),
            [1, 2, 0, 1]
        );
        members.set(slot, Flag::Beyond, true);
        assert!((0..300).map(|_| members.count_echo(slot, true)).max() == Some(MAX_ECHOES));
        assert!(members.has(slot, Flag::Beyond) && members.count_echo(slot, true) >= 3);
        assert!(!members.has(slot, Flag::Named) && !members.has(slot, Flag::Quiet));
        assert_eq!(members.count_echo(slot, false), 0);
        assert!(members.has(slot, Flag::Beyond));
    }
}
