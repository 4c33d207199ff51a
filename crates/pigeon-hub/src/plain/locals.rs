//! The hub's own addresses that members send to, from which they must be answered.
//!
//! A member's record holds a number of two bytes instead of an address of sixteen. A hub that
//! listens on every address may have any number (a whole network can be local), so addresses are
//! reference-counted and removed with their last member.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

/// The number of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local(u16);

impl Local {
    /// The system's choice: the driver did not report an address.
    pub(crate) const ANY: Local = Local(0);
}

/// The addresses in use: at most 65,535, and the system's choice.
pub(crate) struct Locals {
    entries: Vec<Entry>,
    by_address: HashMap<IpAddr, Local, RandomState>,
    free: Vec<Local>,
}

struct Entry {
    /// `None` for the system's choice, and for a free entry.
    address: Option<IpAddr>,
    members: u32,
}

impl Locals {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Locals {
            entries: vec![Entry { address: None, members: 0 }],
            by_address: HashMap::with_hasher(hasher),
            free: Vec::new(),
        }
    }

    pub(crate) fn address(&self, local: Local) -> Option<IpAddr> {
        self.entries[usize::from(local.0)].address
    }

    /// Whether one more member may use this address.
    pub(crate) fn have_room(&self, address: Option<IpAddr>) -> bool {
        let room = !self.free.is_empty() || self.entries.len() <= usize::from(u16::MAX);
        room || address.is_none_or(|address| self.by_address.contains_key(&address))
    }

    /// Counts a member of this address. `None` if there are too many addresses.
    pub(crate) fn hold(&mut self, address: Option<IpAddr>) -> Option<Local> {
        let Some(address) = address else { return Some(Local::ANY) };
        let known = self.by_address.get(&address).copied();
        let local = known.or_else(|| self.add(address))?;
        self.entries[usize::from(local.0)].members += 1;
        Some(local)
    }

    /// Removes a member from the count.
    pub(crate) fn release(&mut self, local: Local) {
        let entry = &mut self.entries[usize::from(local.0)];
        let Some(address) = entry.address else { return };
        entry.members -= 1;
        if entry.members == 0 {
            entry.address = None;
            self.by_address.remove(&address);
            self.free.push(local);
        }
    }

    fn add(&mut self, address: IpAddr) -> Option<Local> {
        let entry = Entry { address: Some(address), members: 0 };
        let local = match self.free.pop() {
            Some(local) => {
                self.entries[usize::from(local.0)] = entry;
                local
            }
            None => {
                let local = Local(u16::try_from(self.entries.len()).ok()?);
                self.entries.push(entry);
                local
            }
        };
        self.by_address.insert(address, local);
        Some(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Option<IpAddr> {
        Some(IpAddr::from(n.to_be_bytes()))
    }

    fn locals() -> Locals {
        Locals::new(RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn an_address_is_kept_as_long_as_somebody_speaks_to_it() {
        let mut locals = locals();
        let one = locals.hold(address(1)).unwrap();
        assert_eq!(locals.hold(address(1)), Some(one));
        let other = locals.hold(address(2)).unwrap();
        assert_eq!((locals.address(one), locals.address(other)), (address(1), address(2)));
        locals.release(one);
        assert_eq!(locals.address(one), address(1));
        locals.release(one);
        assert_eq!(locals.hold(address(3)), Some(one), "its number is given to the next");
        assert_eq!(locals.address(one), address(3));
    }

    #[test]
    fn addresses_are_bounded_and_those_given_up_make_room() {
        let mut locals = locals();
        let held: Vec<Local> = (0..70_000).filter_map(|n| locals.hold(address(n))).collect();
        assert_eq!(held.len(), usize::from(u16::MAX));
        assert!(!locals.have_room(address(70_000)) && locals.hold(address(70_000)).is_none());
        assert!(locals.have_room(address(7)) && locals.have_room(None));
        assert_eq!(locals.hold(None), Some(Local::ANY));
        locals.release(held[7]);
        assert!(locals.have_room(address(70_000)));
        let local = locals.hold(address(70_000)).unwrap();
        assert_eq!(locals.address(local), address(70_000));
    }

    #[test]
    fn the_systems_choice_is_never_given_up() {
        let mut locals = locals();
        assert_eq!(locals.hold(None), Some(Local::ANY));
        locals.release(Local::ANY);
        assert_eq!(locals.hold(None), Some(Local::ANY));
        assert_ne!(locals.hold(address(1)), Some(Local::ANY));
    }
}
