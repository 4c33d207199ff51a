//! Names of members. Most members of a large hub have none, so names have their own tables.
//!
//! A name has three keys: its folded form for commands, and two skeletons for confusable names
//! ([`Name::skeletons`]). Each key has one owner, and a name is free if no other name has any of
//! its keys. A key is 64 bits of a keyed hash, so attackers cannot choose names that collide, and
//! every name takes the same space.

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_guard::TokenKey;
use pigeon_proto::{Name, fold};

use super::id::Slot;

/// The first byte hashed for a folded name, and for its two skeletons.
const KINDS: [u8; 3] = [4, 5, 6];

/// The longest text that can be a name, in bytes: 32 characters, each with up to four.
const MAX_SOUGHT: usize = 512;

/// Hashes of a name for three kinds of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys([u64; 3]);

impl Keys {
    /// Whether two names are equal, ignoring case.
    pub(crate) fn is_same_name(self, other: Keys) -> bool {
        self.0[0] == other.0[0]
    }
}

/// A member's name, and its grant.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: Name,
    pub(crate) keys: Keys,
    pub(crate) grant: u32,
    /// When the holder got the name.
    pub(crate) since: Instant,
}

/// The owner of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The hub: an index into [`Names::of_hub`].
    Hub(usize),
    /// A member.
    Member(Slot),
    /// A member that timed out. The name is reserved for the resume token of this grant.
    Absent(u32),
}

/// All names in use or reserved.
pub(crate) struct Names {
    token_key: TokenKey,
    of_hub: Vec<Name>,
    by_slot: HashMap<Slot, Named, RandomState>,
    owners: HashMap<u64, Owner, RandomState>,
}

impl Names {
    /// A table with only the hub's own names.
    pub(crate) fn new(hash_keys: [u64; 4], token_key: TokenKey, of_hub: Vec<Name>) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(a, b, c, d);
        let owners = HashMap::with_hasher(hasher.clone());
        let mut names = Names { token_key, of_hub, by_slot: HashMap::with_hasher(hasher), owners };
        for number in 0..names.of_hub.len() {
            let keys = names.keys(&names.of_hub[number]);
            names.own(keys, Owner::Hub(number));
        }
        names
    }

    pub(crate) fn keys(&self, name: &Name) -> Keys {
        let [one, other] = name.skeletons();
        let texts = [name.folded(), one, other];
        Keys(std::array::from_fn(|n| self.key(n, &texts[n])))
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Named> {
        self.by_slot.get(&slot)
    }

    pub(crate) fn of_members(&self) -> impl Iterator<Item = &Name> {
        self.by_slot.values().map(|named| &named.name)
    }

    /// The hub's own name with this index.
    pub(crate) fn of_hub(&self, number: usize) -> &Name {
        &self.of_hub[number]
    }

    /// The member with this name, ignoring case.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        match self.owner(name)? {
            Owner::Member(slot) => Some(slot),
            Owner::Hub(_) | Owner::Absent(_) => None,
        }
    }

    /// The grant of the absent member with this name, ignoring case.
    pub(crate) fn find_absent(&self, name: &str) -> Option<u32> {
        match self.owner(name)? {
            Owner::Absent(grant) => Some(grant),
            Owner::Hub(_) | Owner::Member(_) => None,
        }
    }

    /// The owners of a name with these keys or a confusable one. May repeat an owner.
    pub(crate) fn owners(&self, keys: Keys) -> impl Iterator<Item = Owner> + '_ {
        keys.0.into_iter().filter_map(|key| self.owners.get(&key).copied())
    }

    /// Gives a member a free name, which replaces its previous one.
    pub(crate) fn set(&mut self, slot: Slot, named: Named) {
        self.remove(slot);
        self.own(named.keys, Owner::Member(slot));
        self.by_slot.insert(slot, named);
    }

    /// Removes a member's name.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Named> {
        let named = self.by_slot.remove(&slot)?;
        self.disown(named.keys, Owner::Member(slot));
        Some(named)
    }

    /// Reserves a free name for a grant.
    pub(crate) fn keep(&mut self, keys: Keys, grant: u32) {
        self.own(keys, Owner::Absent(grant));
    }

    /// Frees a name reserved for a grant, if it still is.
    pub(crate) fn release(&mut self, keys: Keys, grant: u32) {
        self.disown(keys, Owner::Absent(grant));
    }

    fn owner(&self, name: &str) -> Option<Owner> {
        if name.len() > MAX_SOUGHT {
            return None;
        }
        self.owners.get(&self.key(0, &fold(name))).copied()
    }

    fn key(&self, kind: usize, text: &str) -> u64 {
        self.token_key.code(KINDS[kind], text.as_bytes()).number()
    }

    fn own(&mut self, keys: Keys, owner: Owner) {
        for key in keys.0 {
            self.owners.insert(key, owner);
        }
    }

    fn disown(&mut self, keys: Keys, owner: Owner) {
        for key in keys.0 {
            if self.owners.get(&key) == Some(&owner) {
                self.owners.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new([0; 4], TokenKey::new([7; 16]), vec![Name::operator()])
    }

    fn named(names: &Names, text: &str) -> Named {
        let name = Name::parse(text.as_bytes()).unwrap();
        Named { keys: names.keys(&name), name, grant: 0, since: Instant::ORIGIN }
    }

    #[test]
    fn a_name_is_found_whatever_its_capitals_and_only_while_it_is_used() {
        let mut names = names();
        let [a, b] = [1, 2].map(Slot::new);
        names.set(a, named(&names, "Zoë"));
        assert_eq!(names.find("ZOE\u{308}"), Some(a));
        names.set(a, named(&names, "other"));
        assert_eq!(names.find("zoë"), None);
        names.set(b, named(&names, "zoë"));
        assert_eq!((names.find("Zoë"), names.find("OTHER")), (Some(b), Some(a)));
        assert_eq!(names.remove(b).unwrap().name.as_str(), "zoë");
        assert!(names.find("zoë").is_none() && names.get(b).is_none());
        assert_eq!(names.owners.len(), 6, "three keys of `other` and of `hub`");
    }

    #[test]
    fn what_looks_like_a_name_has_its_owner_and_is_not_found_by_it() {
        let mut names = names();
        let bob = Slot::new(1);
        names.set(bob, named(&names, "bob"));
        let owners = |names: &Names, text: &str| -> Vec<Owner> {
            names.owners(named(names, text).keys).collect()
        };
        for like in ["b0b", "bоb", "ｂｏｂ"] {
            assert!(owners(&names, like).contains(&Owner::Member(bob)), "{like}");
            assert_eq!(names.find(like), None, "{like}");
        }
        assert_eq!(owners(&names, "bob1"), []);
        assert!(owners(&names, "һub").contains(&Owner::Hub(0)));
        assert_eq!(names.find("hub"), None);
        names.remove(bob);
        names.keep(named(&names, "bob").keys, 7);
        assert_eq!((names.find("bob"), names.find_absent("BOB")), (None, Some(7)));
        names.release(named(&names, "bob").keys, 8);
        assert_eq!(names.find_absent("bob"), Some(7), "that was another grant");
        names.release(named(&names, "bob").keys, 7);
        assert_eq!(owners(&names, "bob"), []);
    }
}
