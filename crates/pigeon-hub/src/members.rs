//! Who is here: found by address, walked densely for fan-out, oldest first for the time-out.
//!
//! A silent member is one [`Record`] of 48 bytes, 4 bytes of `present` and about 10 bytes of hash
//! table. Names stand in a table of their own, because most members of a large hub have none.
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

use crate::{Name, NameError};

/// A member's place in the table, for as long as it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u32);

const NOBODY: u32 = u32::MAX;

struct Record {
    address: Address,
    heard: Instant,
    /// Neighbours in the liveness list; `older` is also the link of the free list.
    older: u32,
    newer: u32,
    /// Where the slot stands in `present`, or in `arriving` with the top bit set.
    place: u32,
    /// Which of the hub's addresses it speaks to: an index into `locals`.
    local: u8,
    named: bool,
}

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

/// The top bit of `Record::place`.
const ARRIVING: u32 = 1 << 31;

/// The table of members.
pub(crate) struct Members {
    hasher: RandomState,
    by_address: HashTable<u32>,
    records: Vec<Record>,
    free: u32,
    oldest: u32,
    newest: u32,
    /// Members that get every message of the current batch.
    present: Vec<Slot>,
    /// Members that joined after the batch's first message, with how many messages they missed.
    arriving: Vec<(Slot, usize)>,
    /// How many members each counted IP address has.
    per_ip: HashMap<IpAddr, u32, RandomState>,
    names: HashMap<Slot, Name, RandomState>,
    by_name: HashMap<Box<str>, Slot, RandomState>,
    /// The hub's addresses that members speak to. Index 0 is "the system chooses"; when the
    /// table is full, that is what further addresses get.
    locals: Vec<Option<IpAddr>>,
}

impl Members {
    /// An empty table whose hashes nobody outside can foresee.
    pub(crate) fn new(keys: [u64; 4]) -> Self {
        let [a, b, c, d] = keys;
        let hasher = RandomState::with_seeds(a, b, c, d);
        Members {
            by_address: HashTable::new(),
            records: Vec::new(),
            free: NOBODY,
            oldest: NOBODY,
            newest: NOBODY,
            present: Vec::new(),
            arriving: Vec::new(),
            per_ip: HashMap::with_hasher(hasher.clone()),
            names: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher.clone()),
            locals: vec![None],
            hasher,
        }
    }

    // Looking.

    pub(crate) fn len(&self) -> usize {
        self.present.len() + self.arriving.len()
    }

    pub(crate) fn find(&self, address: SocketAddr) -> Option<Slot> {
        let key = Address::new(address);
        let hash = self.hasher.hash_one(key);
        let found = self.by_address.find(hash, |&slot| self.records[slot as usize].address == key);
        found.map(|&slot| Slot(slot))
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name.to_lowercase().as_str()).copied()
    }

    pub(crate) fn address(&self, slot: Slot) -> SocketAddr {
        self.record(slot).address.socket_addr()
    }

    /// Which of the hub's addresses to answer from.
    pub(crate) fn local(&self, slot: Slot) -> Option<IpAddr> {
        self.locals[usize::from(self.record(slot).local)]
    }

    pub(crate) fn name(&self, slot: Slot) -> Option<&Name> {
        if self.record(slot).named { self.names.get(&slot) } else { None }
    }

    pub(crate) fn heard(&self, slot: Slot) -> Instant {
        self.record(slot).heard
    }

    /// How many counted members this IP address has.
    pub(crate) fn at(&self, ip: IpAddr) -> usize {
        self.per_ip.get(&ip).map_or(0, |&count| count as usize)
    }

    /// The member that has been silent longest.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NOBODY).then_some(Slot(self.oldest))
    }

    /// Members that get every message of the current batch.
    pub(crate) fn present(&self) -> &[Slot] {
        &self.present
    }

    /// Members that joined in mid-batch, with how many of its messages came before them.
    pub(crate) fn arriving(&self) -> &[(Slot, usize)] {
        &self.arriving
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.present.iter().copied().chain(self.arriving.iter().map(|&(slot, _)| slot))
    }

    // Changing.

    /// Adds a member, heard now. `missed` is how many messages of the current batch came before
    /// it; `counted` whether it counts for its IP address.
    pub(crate) fn insert(
        &mut self,
        address: SocketAddr,
        now: Instant,
        missed: usize,
        counted: bool,
    ) -> Slot {
        let key = Address::new(address);
        let record = Record {
            address: key,
            heard: now,
            older: NOBODY,
            newer: NOBODY,
            place: 0,
            local: 0,
            named: false,
        };
        let slot = self.allocate(record);
        let (records, hasher) = (&self.records, &self.hasher);
        let hash = hasher.hash_one(key);
        let same = |&other: &u32| records[other as usize].address == key;
        let rehash = |&other: &u32| hasher.hash_one(records[other as usize].address);
        if let Entry::Vacant(vacant) = self.by_address.entry(hash, same, rehash) {
            vacant.insert(slot.0);
        }
        self.link_newest(slot);
        if missed == 0 {
            self.record_mut(slot).place = self.present.len() as u32;
            self.present.push(slot);
        } else {
            self.record_mut(slot).place = self.arriving.len() as u32 | ARRIVING;
            self.arriving.push((slot, missed));
        }
        if counted {
            *self.per_ip.entry(address.ip()).or_insert(0) += 1;
        }
        slot
    }

    /// Removes a member and gives back its name.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Name> {
        let Record { address: key, place, named, .. } = *self.record(slot);
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.by_address.find_entry(hash, |&other| other == slot.0) {
            entry.remove();
        }
        self.unlink(slot);
        self.leave_place(place);
        if let hashbrown::hash_map::Entry::Occupied(mut count) =
            self.per_ip.entry(key.socket_addr().ip())
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        let name = if named { self.names.remove(&slot) } else { None };
        if let Some(name) = &name {
            self.by_name.remove(&name.folded());
        }
        self.record_mut(slot).older = self.free;
        self.free = slot.0;
        name
    }

    /// Notes that a member was heard, and which of the hub's addresses it spoke to.
    pub(crate) fn touch(&mut self, slot: Slot, now: Instant, local: Option<IpAddr>) {
        let local = self.local_index(local);
        let record = self.record_mut(slot);
        record.heard = now;
        record.local = local;
        if self.newest != slot.0 {
            self.unlink(slot);
            self.link_newest(slot);
        }
    }

    /// Gives a member a name nobody else has.
    pub(crate) fn rename(&mut self, slot: Slot, name: Name) -> Result<(), NameError> {
        let folded = name.folded();
        match self.by_name.get(&folded) {
            Some(&holder) if holder != slot => return Err(NameError::Taken),
            _ => {}
        }
        if let Some(old) = self.names.insert(slot, name) {
            self.by_name.remove(&old.folded());
        }
        self.by_name.insert(folded, slot);
        self.record_mut(slot).named = true;
        Ok(())
    }

    /// Ends a batch: whoever joined during it gets every message of the next.
    pub(crate) fn settle(&mut self) {
        for (slot, _) in std::mem::take(&mut self.arriving) {
            self.record_mut(slot).place = self.present.len() as u32;
            self.present.push(slot);
        }
    }

    // The parts.

    fn record(&self, slot: Slot) -> &Record {
        &self.records[slot.0 as usize]
    }

    fn record_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.records[slot.0 as usize]
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

    fn leave_place(&mut self, place: u32) {
        let index = (place & !ARRIVING) as usize;
        let moved = if place & ARRIVING == 0 {
            self.present.swap_remove(index);
            self.present.get(index).copied()
        } else {
            self.arriving.swap_remove(index);
            self.arriving.get(index).map(|&(slot, _)| slot)
        };
        if let Some(moved) = moved {
            self.record_mut(moved).place = place;
        }
    }

    fn local_index(&mut self, local: Option<IpAddr>) -> u8 {
        let known = self.locals.iter().position(|&known| known == local);
        let index = known.unwrap_or_else(|| {
            if self.locals.len() > usize::from(u8::MAX) {
                return 0;
            }
            self.locals.push(local);
            self.locals.len() - 1
        });
        index as u8
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5000))
    }

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_record_is_small() {
        assert_eq!(size_of::<Record>(), 48);
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
        let slots: Vec<_> =
            (0..4).map(|n| members.insert(address(n), at(n.into()), 0, true)).collect();
        members.touch(slots[0], at(10), None);
        members.touch(slots[2], at(11), None);
        members.remove(slots[3]);
        let mut order = Vec::new();
        while let Some(slot) = members.oldest() {
            order.push(members.address(slot));
            members.remove(slot);
        }
        assert_eq!(order, [address(1), address(0), address(2)]);
        assert_eq!((members.len(), members.at(address(1).ip())), (0, 0));
    }

    #[test]
    fn slots_places_and_names_survive_any_order_of_leaving() {
        let mut members = Members::new([1, 2, 3, 4]);
        for n in 0..100 {
            let slot = members.insert(address(n), at(0), usize::from(n % 3), n % 2 == 0);
            members.rename(slot, Name::parse(format!("n{n}").as_bytes()).unwrap()).unwrap();
        }
        for n in (0..100).filter(|n| n % 7 < 4) {
            let slot = members.find(address(n)).unwrap();
            assert_eq!(members.remove(slot).unwrap().as_str(), format!("n{n}"));
        }
        members.settle();
        for n in 0..100 {
            let slot = members.find(address(n));
            assert_eq!(slot.is_some(), n % 7 >= 4);
            assert_eq!(members.find_name(&format!("N{n}")), slot);
            if let Some(slot) = slot {
                assert_eq!(members.present()[members.record(slot).place as usize], slot);
            }
        }
        assert_eq!(members.len(), members.iter().count());
    }

    #[test]
    fn names_differ_by_more_than_capitals() {
        let mut members = Members::new([0; 4]);
        let [a, b] = [1, 2].map(|n| members.insert(address(n), at(0), 0, true));
        let name = |text: &str| Name::parse(text.as_bytes()).unwrap();
        assert_eq!(members.rename(a, name("Zoë")), Ok(()));
        assert_eq!(members.rename(b, name("ZOË")), Err(NameError::Taken));
        assert_eq!(members.rename(a, name("zoë")), Ok(()));
        assert_eq!(members.rename(a, name("other")), Ok(()));
        assert_eq!(members.rename(b, name("zoë")), Ok(()));
    }
}
