//! Members of other links than the plain one, by slot and by label. Their data is kept here, because
//! those links have no table in the hub.

use std::collections::BTreeSet;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_proto::Label;

use super::id::Slot;
use super::input::Source;
use super::rates::Buckets;

/// A member of another link than the plain one.
pub(super) struct Guest {
    label: Label,
    pub(super) source: Source,
    /// The author of the member's key, if it has one.
    pub(super) author: Option<u128>,
    /// Whether it is a member of another hub.
    pub(super) is_elsewhere: bool,
    /// Rate of messages accepted by [`Core::admit`](super::state::Core::admit).
    pub(super) said: Buckets,
}

/// All of them.
pub(super) struct Guests {
    by_slot: HashMap<Slot, Guest, RandomState>,
    /// Two links may give the same label.
    by_label: BTreeSet<(Label, Slot)>,
}

impl Guest {
    pub(super) fn new(label: Label, source: Source, author: Option<u128>) -> Guest {
        Guest { label, source, author, is_elsewhere: false, said: Buckets::default() }
    }

    pub(super) fn label(&self) -> &Label {
        &self.label
    }
}

impl Guests {
    pub(super) fn new([a, b, c, d]: [u64; 4]) -> Guests {
        let hasher = RandomState::with_seeds(b, c, d, a);
        Guests { by_slot: HashMap::with_hasher(hasher), by_label: BTreeSet::new() }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Guest> {
        self.by_slot.get(&slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Guest> {
        self.by_slot.get_mut(&slot)
    }

    pub(super) fn insert(&mut self, slot: Slot, guest: Guest) {
        self.remove(slot);
        self.by_label.insert((guest.label.clone(), slot));
        self.by_slot.insert(slot, guest);
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(guest) = self.by_slot.remove(&slot) {
            self.by_label.remove(&(guest.label, slot));
        }
    }

    pub(super) fn relabel(&mut self, slot: Slot, label: Label) {
        let Some(guest) = self.by_slot.get_mut(&slot) else { return };
        let before = std::mem::replace(&mut guest.label, label.clone());
        self.by_label.remove(&(before, slot));
        self.by_label.insert((label, slot));
    }

    /// Finds one by its label; with several, the one of the first slot.
    pub(super) fn find(&self, label: &str) -> Option<Slot> {
        let label = Label::parse(label)?;
        let first = (label, Slot::new(0));
        let (found, slot) = self.by_label.range(&first..).next()?;
        (*found == first.0).then_some(*slot)
    }
}

#[cfg(test)]
mod tests {
    use pigeon_guard::SourceRules;

    use super::*;

    #[test]
    fn a_label_finds_those_who_have_it_now() {
        let label = |text: &str| Label::parse(text).unwrap();
        let ip = std::net::IpAddr::from([127, 0, 0, 1]);
        let source = Source { ip, origin: SourceRules::default().origin(ip) };
        let mut guests = Guests::new([1, 2, 3, 4]);
        for (slot, text) in [(7, "key-1"), (3, "key-2"), (5, "key-2")] {
            guests.insert(Slot::new(slot), Guest::new(label(text), source, None));
        }
        assert_eq!(guests.find("key-1"), Some(Slot::new(7)));
        assert_eq!(guests.find("key-2"), Some(Slot::new(3)));
        guests.remove(Slot::new(3));
        assert_eq!(guests.find("key-2"), Some(Slot::new(5)));
        guests.relabel(Slot::new(5), label("狗哥"));
        assert_eq!((guests.find("key-2"), guests.find("狗哥")), (None, Some(Slot::new(5))));
        for nobody in ["", "key", "key-", "key-10", "a b"] {
            assert_eq!(guests.find(nobody), None, "{nobody}");
        }
        // A slot is used again.
        guests.insert(Slot::new(7), Guest::new(label("key-3"), source, None));
        assert_eq!((guests.find("key-1"), guests.find("key-3")), (None, Some(Slot::new(7))));
    }
}
