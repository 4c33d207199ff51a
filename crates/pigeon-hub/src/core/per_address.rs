//! The number of members per IP address, over all links.
//!
//! Stores 32 bits of the address's keyed hash instead of the address: a million addresses take 19
//! MB instead of 52. About a hundred pairs then share a count, and attackers cannot choose which.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

#[derive(Clone, Copy)]
struct Count {
    tag: u32,
    members: u32,
}

/// Members by address.
pub(crate) struct PerAddress {
    hasher: RandomState,
    counts: HashTable<Count>,
}

impl PerAddress {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        PerAddress { hasher: RandomState::with_seeds(a, b, c, d), counts: HashTable::new() }
    }

    /// The number of members counted under this address.
    pub(crate) fn at(&self, ip: IpAddr) -> usize {
        let tag = self.tag(ip);
        let found = self.counts.find(spread(tag), |count| count.tag == tag);
        found.map_or(0, |count| count.members as usize)
    }

    pub(crate) fn add(&mut self, ip: IpAddr) {
        let tag = self.tag(ip);
        let same = |count: &Count| count.tag == tag;
        match self.counts.entry(spread(tag), same, |count| spread(count.tag)) {
            Entry::Occupied(mut known) => known.get_mut().members += 1,
            Entry::Vacant(vacant) => drop(vacant.insert(Count { tag, members: 1 })),
        }
    }

    pub(crate) fn remove(&mut self, ip: IpAddr) {
        let tag = self.tag(ip);
        if let Ok(mut known) = self.counts.find_entry(spread(tag), |count| count.tag == tag) {
            known.get_mut().members -= 1;
            if known.get().members == 0 {
                known.remove();
            }
        }
    }

    fn tag(&self, ip: IpAddr) -> u32 {
        self.hasher.hash_one(ip) as u32
    }
}

/// The tag is already a hash; this fills the upper bits, which the table also uses.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_those_who_are_there() {
        let mut places = PerAddress::new([1, 2, 3, 4]);
        let ip = |n: u8| IpAddr::from([10, 0, 0, n]);
        for n in 0..100 {
            (0..=n).for_each(|_| places.add(ip(n)));
        }
        for n in 0..100 {
            places.remove(ip(n));
            assert_eq!(places.at(ip(n)), usize::from(n));
        }
    }
}
