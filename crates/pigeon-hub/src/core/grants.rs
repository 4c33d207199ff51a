//! Names of members that have left, reserved for a while for their resume tokens.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_guard::TokenKey;
use pigeon_proto::{Label, RoomName};

use super::id::Slot;
use super::names::{Keys, Named};

/// How long a name is reserved.
const KEPT: Duration = Duration::from_secs(600);

/// Maximum number of reserved names. Beyond it, the address with the most reserved names loses its
/// oldest one. So an address that takes many names costs no other address a name.
const MAX_WAITING: usize = 10_000;

/// Maximum number of names per address that other members may not take. A classroom behind one
/// address may need more; further names still return with their tokens, unless taken meanwhile.
const MAX_KEPT_PER_ADDRESS: usize = 8;

/// How many grant numbers are reserved on disk at once.
const RESERVED: u32 = 65_536;

/// The first byte hashed for a resume token.
const GRANT: u8 = 2;

/// The resume token of a grant: its number and a code.
pub(crate) fn word(token_key: &TokenKey, grant: u32) -> String {
    let code = token_key.code(GRANT, &grant.to_be_bytes()).letters();
    format!("{grant}-{}", String::from_utf8_lossy(&code))
}

/// The grant of a resume token. `None` if this hub did not issue it.
pub(crate) fn grant(token_key: &TokenKey, word: &[u8]) -> Option<u32> {
    let (number, code) = std::str::from_utf8(word).ok()?.split_once('-')?;
    let grant: u32 = number.parse().ok()?;
    token_key.code(GRANT, &grant.to_be_bytes()).has_letters(code.as_bytes()).then_some(grant)
}

/// A name kept for a member that has left.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// The name and its grant.
    pub(crate) named: Named,
    /// The member's last room.
    pub(crate) room: RoomName,
    /// The number of messages in that room then.
    pub(crate) said: u64,
    /// When the member left.
    pub(crate) since: Instant,
    /// The member's address.
    pub(crate) ip: IpAddr,
    /// The address that the member counts for: for IPv6 perhaps a /64 network.
    pub(crate) counted: IpAddr,
    /// The member's label at its link.
    pub(crate) label: Label,
    /// The author of the member's key, which takes the name back without a word.
    pub(crate) author: Option<u128>,
    /// Whether the member's client has the resume token and sends it automatically.
    pub(crate) resumes: bool,
    /// Whether the name is reserved exclusively.
    pub(crate) is_kept: bool,
    /// Whether the name returns automatically when the same label is heard again: for members that
    /// timed out.
    pub(crate) comes_back: bool,
}

impl Gone {
    fn when(&self) -> When {
        (self.since, self.named.grant)
    }
}

/// The holder of a grant's name, or its last one.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A current member.
    Here(Slot),
    /// A member that has left.
    Gone(Box<Gone>),
}

/// When a grant's member left, and the grant.
type When = (Instant, u32);

/// Reserved names of one address, in the order of leaving.
#[derive(Default)]
struct Waiting {
    all: BTreeSet<When>,
    kept: BTreeSet<When>,
}

/// All grants: each `/nick` creates one, and its resume token reclaims the name.
pub(crate) struct Grants {
    holders: HashMap<u32, Holder, ahash::RandomState>,
    waiting: BTreeSet<When>,
    by_address: HashMap<IpAddr, Waiting, ahash::RandomState>,
    /// The number of reserved names per address.
    fullest: BTreeSet<(usize, IpAddr)>,
    /// The latest grants of members that timed out, by label.
    silent: HashMap<Label, u32, ahash::RandomState>,
    next: u32,
    /// Numbers up to this one are reserved on disk.
    reserved: u32,
    pub(crate) given_up: u64,
    /// Names opened to other members early, because too many were reserved for one address.
    pub(crate) freed: u64,
}

impl Grants {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = ahash::RandomState::with_seeds(b, a, d, c);
        Grants {
            holders: HashMap::with_hasher(hasher.clone()),
            waiting: BTreeSet::new(),
            by_address: HashMap::with_hasher(hasher.clone()),
            silent: HashMap::with_hasher(hasher),
            fullest: BTreeSet::new(),
            next: 0,
            reserved: 0,
            given_up: 0,
            freed: 0,
        }
    }

    /// Creates a grant for a member. Numbers wrap after four billion. The second number, if any,
    /// must be stored: after a restart, numbers up to it are not issued again, because an old token
    /// would reclaim another member's name. It is far ahead, so that it is on disk long before
    /// those numbers are used.
    pub(crate) fn make(&mut self, slot: Slot) -> (u32, Option<u32>) {
        self.next = self.next.wrapping_add(1);
        self.take(self.next, slot);
        let is_near = self.reserved.wrapping_sub(self.next) < RESERVED / 2;
        let reserve = is_near || self.next > self.reserved;
        if reserve {
            self.reserved = self.next.wrapping_add(RESERVED);
        }
        (self.next, reserve.then_some(self.reserved))
    }

    /// Continues after `last`, the highest number that may have been issued before a restart.
    /// Returns the new reservation, which must be stored before any number is issued.
    pub(crate) fn go_on_after(&mut self, last: u32) -> u32 {
        (self.next, self.reserved) = (last, last.wrapping_add(RESERVED));
        self.reserved
    }

    /// The current or last holder of a grant's name.
    pub(crate) fn holder(&self, now: Instant, grant: u32) -> Option<&Holder> {
        let recent = |holder: &&Holder| match holder {
            Holder::Here(_) => true,
            Holder::Gone(gone) => now - gone.since <= KEPT,
        };
        self.holders.get(&grant).filter(recent)
    }

    /// The grant's member, if it has left.
    pub(crate) fn gone(&self, grant: u32) -> Option<&Gone> {
        match self.holders.get(&grant)? {
            Holder::Gone(gone) => Some(gone),
            Holder::Here(_) => None,
        }
    }

    /// The grant of a member that timed out with this label.
    pub(crate) fn of_silent(&self, now: Instant, label: &Label) -> Option<u32> {
        let grant = *self.silent.get(label)?;
        self.holder(now, grant).map(|_| grant)
    }

    /// Gives a grant's name to a member.
    pub(crate) fn take(&mut self, grant: u32, slot: Slot) {
        self.forget(grant);
        self.holders.insert(grant, Holder::Here(slot));
    }

    /// Invalidates a grant's token. Returns the name reserved for it.
    pub(crate) fn forget(&mut self, grant: u32) -> Option<Gone> {
        let Holder::Gone(gone) = self.holders.remove(&grant)? else { return None };
        if self.silent.get(&gone.label) == Some(&grant) {
            self.silent.remove(&gone.label);
        }
        self.waiting.remove(&gone.when());
        self.change(gone.counted, |of_address| {
            of_address.all.remove(&gone.when());
            of_address.kept.remove(&gone.when());
        });
        Some(*gone)
    }

    /// Records that a grant's member has left. Returns a name that must no longer be exclusive, if
    /// its address has too many.
    pub(crate) fn leave(&mut self, gone: Gone) -> Option<(Keys, u32)> {
        let (when, counted, is_kept) = (gone.when(), gone.counted, gone.is_kept);
        self.forget(when.1);
        self.waiting.insert(when);
        if gone.comes_back {
            self.silent.insert(gone.label.clone(), when.1);
        }
        self.holders.insert(when.1, Holder::Gone(Box::new(gone)));
        let freed = self.change(counted, |of_address| {
            of_address.all.insert(when);
            if is_kept {
                of_address.kept.insert(when);
            }
            let is_full = of_address.kept.len() > MAX_KEPT_PER_ADDRESS;
            is_full.then(|| of_address.kept.pop_first()).flatten()
        });
        let Holder::Gone(gone) = self.holders.get_mut(&freed?.1)? else { return None };
        gone.is_kept = false;
        self.freed += 1;
        Some((gone.named.keys, gone.named.grant))
    }

    /// Removes a name that has been reserved for too long, or the oldest if there are too many.
    pub(crate) fn give_up(&mut self, now: Instant) -> Option<Gone> {
        let &(since, oldest) = self.waiting.first()?;
        if now - since > KEPT {
            return self.forget(oldest);
        }
        if self.waiting.len() <= MAX_WAITING {
            return None;
        }
        let (_, fullest) = self.fullest.last()?;
        let &(_, grant) = self.by_address.get(fullest)?.all.first()?;
        self.given_up += 1;
        self.forget(grant)
    }

    /// Changes an address's reserved names, and updates the index by number.
    fn change<T>(&mut self, address: IpAddr, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let of_address = self.by_address.entry(address).or_default();
        let before = of_address.all.len();
        let result = change(of_address);
        let after = of_address.all.len();
        self.fullest.remove(&(before, address));
        if after == 0 {
            self.by_address.remove(&address);
        } else {
            self.fullest.insert((after, address));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::Name;

    use super::*;
    use crate::core::names::Names;

    #[test]
    fn a_resume_word_speaks_for_its_grant_alone() {
        let token_key = TokenKey::new([7; 16]);
        let twelve = word(&token_key, 12);
        assert_eq!(grant(&token_key, twelve.as_bytes()), Some(12));
        assert_eq!(grant(&token_key, twelve.replacen("12-", "13-", 1).as_bytes()), None);
        for bad in ["", "-", "12-", "12", "x-abc", "99999999999-abcdefghijklmnop"] {
            assert_eq!(grant(&token_key, bad.as_bytes()), None, "{bad}");
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn gone(grant: u32, seconds: u64, ip: [u8; 4], is_kept: bool) -> Gone {
        let names = Names::new([0; 4], TokenKey::new([7; 16]), Vec::new());
        let (name, since) = (Name::parse(b"dog").unwrap(), at(seconds));
        let named = Named { keys: names.keys(&name), name, grant, since };
        let (ip, label) = (IpAddr::from(ip), Label::parse("dog").unwrap());
        let room = RoomName::lobby();
        Gone {
            named,
            room,
            said: 0,
            since,
            ip,
            counted: ip,
            label,
            author: None,
            resumes: false,
            is_kept,
            comes_back: false,
        }
    }

    fn leave(grants: &mut Grants, gone: Gone) -> Option<u32> {
        let now = gone.since;
        let freed = grants.leave(gone).map(|(_, grant)| grant);
        while grants.give_up(now).is_some() {}
        freed
    }

    #[test]
    fn names_of_those_who_left_are_kept_in_bounded_number_and_time() {
        let mut grants = Grants::new([0; 4]);
        for n in 0..20_000 {
            leave(&mut grants, gone(n, 0, [10, 0, 0, 1], false));
        }
        assert_eq!((grants.waiting.len(), grants.holders.len()), (MAX_WAITING, MAX_WAITING));
        assert_eq!(grants.given_up, 10_000);
        assert!(grants.holder(at(0), 5).is_none() && grants.holder(at(0), 19_999).is_some());
        assert!(grants.holder(at(601), 19_999).is_none());
        leave(&mut grants, gone(30_000, 601, [10, 0, 0, 1], false));
        assert_eq!((grants.waiting.len(), grants.holders.len()), (1, 1));
        assert_eq!(grants.given_up, 10_000, "the others waited long enough");
        grants.forget(30_000);
        assert!(grants.by_address.is_empty() && grants.fullest.is_empty());
    }

    #[test]
    fn churn_gives_up_names_of_the_fullest_address_alone() {
        let mut grants = Grants::new([0; 4]);
        for n in 0..100 {
            leave(&mut grants, gone(n, 0, [10, 0, 1, n as u8], true));
        }
        for n in 100..30_000 {
            leave(&mut grants, gone(n, 1, [10, 0, 0, (n % 2) as u8], false));
        }
        assert!((0..100).all(|n| grants.holder(at(1), n).is_some()));
        assert_eq!(grants.given_up, 20_000);
        let counts: Vec<usize> = grants.fullest.iter().rev().map(|(n, _)| *n).take(3).collect();
        assert_eq!(counts, [4_950, 4_950, 1]);
    }

    #[test]
    fn an_address_keeps_its_latest_names_from_others() {
        let mut grants = Grants::new([0; 4]);
        leave(&mut grants, gone(99, 0, [10, 0, 0, 2], true));
        for n in 0..8 {
            assert_eq!(leave(&mut grants, gone(n, 1, [10, 0, 0, 1], true)), None);
        }
        assert_eq!(leave(&mut grants, gone(8, 2, [10, 0, 0, 1], true)), Some(0));
        assert_eq!(leave(&mut grants, gone(9, 2, [10, 0, 0, 1], false)), None);
        // The member returned, so there is space again.
        grants.take(5, Slot::new(1));
        assert_eq!(leave(&mut grants, gone(10, 3, [10, 0, 0, 1], true)), None);
        assert!(grants.gone(99).unwrap().is_kept && !grants.gone(0).unwrap().is_kept);
        assert_eq!(grants.freed, 1);
    }
}
