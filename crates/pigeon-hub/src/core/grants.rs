//! Names of members that have gone, kept for a while for whoever brings the resume word.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_guard::Seal;
use pigeon_proto::{Name, RoomName};

use super::id::Slot;

/// How long a name waits for its member.
const KEPT: Duration = Duration::from_secs(600);

/// The most names that wait. Beyond, the one that has waited longest is given up.
const MAX_KEPT: usize = 10_000;

/// The first byte under the code of a resume word.
const GRANT: u8 = 2;

/// The word that takes back the name of this grant: the grant's number and a code.
pub(crate) fn word(seal: &Seal, grant: u32) -> String {
    let code = seal.code(GRANT, &grant.to_be_bytes()).letters();
    format!("{grant}-{}", String::from_utf8_lossy(&code))
}

/// The grant that a word takes back. `None` if the word is none of ours.
pub(crate) fn grant(seal: &Seal, word: &[u8]) -> Option<u32> {
    let (number, code) = std::str::from_utf8(word).ok()?.split_once('-')?;
    let grant: u32 = number.parse().ok()?;
    seal.code(GRANT, &grant.to_be_bytes()).has_letters(code.as_bytes()).then_some(grant)
}

/// Who has the name of a grant, or had it.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A member has it.
    Here(Slot),
    /// Its member is gone; it was in a room of this name.
    Gone { name: Name, room: RoomName, since: Instant },
}

/// Grants: each `/nick` makes one, and its resume word speaks for it.
pub(crate) struct Grants {
    holders: HashMap<u32, Holder, ahash::RandomState>,
    gone: VecDeque<(Instant, u32)>,
    next: u32,
    /// Names given up before their time, because too many waited.
    pub(crate) given_up: u64,
}

impl Grants {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = ahash::RandomState::with_seeds(b, a, d, c);
        Grants {
            holders: HashMap::with_hasher(hasher),
            gone: VecDeque::new(),
            next: 0,
            given_up: 0,
        }
    }

    /// Makes a grant for a member. Numbers begin again after four billion.
    pub(crate) fn make(&mut self, slot: Slot) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.holders.insert(self.next, Holder::Here(slot));
        self.next
    }

    /// Who has a grant's name, or lately had it.
    pub(crate) fn holder(&self, now: Instant, grant: u32) -> Option<&Holder> {
        let recent = |holder: &&Holder| match holder {
            Holder::Here(_) => true,
            Holder::Gone { since, .. } => now - *since <= KEPT,
        };
        self.holders.get(&grant).filter(recent)
    }

    /// A grant's name passes to a member.
    pub(crate) fn take(&mut self, grant: u32, slot: Slot) {
        self.holders.insert(grant, Holder::Here(slot));
    }

    /// A grant's member took another name.
    pub(crate) fn forget(&mut self, grant: u32) {
        self.holders.remove(&grant);
    }

    /// A grant's member has gone.
    pub(crate) fn leave(&mut self, now: Instant, grant: u32, name: Name, room: RoomName) {
        while let Some(&(left, grant)) = self.gone.front() {
            let waits = now - left <= KEPT;
            if waits && self.gone.len() < MAX_KEPT {
                break;
            }
            self.gone.pop_front();
            // Its member may have come back since, and may even have gone again.
            let holder = self.holders.get(&grant);
            if matches!(holder, Some(Holder::Gone { since, .. }) if *since == left) {
                self.holders.remove(&grant);
                self.given_up += u64::from(waits);
            }
        }
        self.holders.insert(grant, Holder::Gone { name, room, since: now });
        self.gone.push_back((now, grant));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_word_speaks_for_its_grant_alone() {
        let seal = Seal::new([7; 16]);
        let twelve = word(&seal, 12);
        assert_eq!(grant(&seal, twelve.as_bytes()), Some(12));
        assert_eq!(grant(&seal, twelve.replacen("12-", "13-", 1).as_bytes()), None);
        for bad in ["", "-", "12-", "12", "x-abc", "99999999999-abcdefghijklmnop"] {
            assert_eq!(grant(&seal, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names_of_those_who_left_are_kept_in_bounded_number_and_time() {
        let mut grants = Grants::new([0; 4]);
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let name = || Name::parse(b"dog").unwrap();
        for n in 0..20_000 {
            grants.leave(at(0), n, name(), RoomName::lobby());
        }
        assert_eq!((grants.gone.len(), grants.holders.len()), (MAX_KEPT, MAX_KEPT));
        assert_eq!(grants.given_up, 10_000);
        assert!(grants.holder(at(0), 5).is_none() && grants.holder(at(0), 19_999).is_some());
        assert!(grants.holder(at(601), 19_999).is_none());
        grants.leave(at(601), 30_000, name(), RoomName::lobby());
        assert_eq!((grants.gone.len(), grants.holders.len()), (1, 1));
        assert_eq!(grants.given_up, 10_000, "the others waited long enough");
    }
}
