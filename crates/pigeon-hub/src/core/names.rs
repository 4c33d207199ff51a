//! Who is called what. Most members of a large hub have no name, so names stand in tables of their
//! own.

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_proto::{Name, fold};

use super::id::Slot;

/// A member's name, and the number that its resume word was made for.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: Name,
    pub(crate) grant: u32,
}

/// All names in use. No two differ in capitals alone.
pub(crate) struct Names {
    by_slot: HashMap<Slot, Named, RandomState>,
    by_name: HashMap<Box<str>, Slot, RandomState>,
}

impl Names {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(a, b, c, d);
        Names {
            by_slot: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher),
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Named> {
        self.by_slot.get(&slot)
    }

    /// Who is called this, in capitals or not.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.by_name.get(&fold(name)).copied()
    }

    /// Gives a member a name in place of the one it had. Nobody else may have it.
    pub(crate) fn set(&mut self, slot: Slot, named: Named) {
        self.remove(slot);
        self.by_name.insert(named.name.folded(), slot);
        self.by_slot.insert(slot, named);
    }

    /// Takes a member's name away.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Named> {
        let named = self.by_slot.remove(&slot)?;
        self.by_name.remove(&named.name.folded());
        Some(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        Named { name: Name::parse(text.as_bytes()).unwrap(), grant: 0 }
    }

    #[test]
    fn a_name_is_found_whatever_its_capitals_and_only_while_it_is_used() {
        let mut names = Names::new([0; 4]);
        let [a, b] = [1, 2].map(Slot::new);
        names.set(a, named("Zoë"));
        assert_eq!(names.find("ZOË"), Some(a));
        names.set(a, named("other"));
        assert_eq!(names.find("zoë"), None);
        names.set(b, named("zoë"));
        assert_eq!((names.find("Zoë"), names.find("OTHER")), (Some(b), Some(a)));
        assert_eq!(names.remove(b).unwrap().name.as_str(), "zoë");
        assert!(names.find("zoë").is_none() && names.get(b).is_none());
    }
}
