//! Names of members that have gone, kept for a while for their resume words.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_guard::TokenKey;
use pigeon_proto::{Label, RoomName};

use super::id::Slot;
use super::names::{Keys, Named};

/// How long a name waits for its member.
const KEPT: Duration = Duration::from_secs(600);

/// The most names that wait. Beyond, the address with most of them gives up the one that has waited
/// longest, so churn from one address costs nobody else a name.
const MAX_WAITING: usize = 10_000;

/// The most names that nobody else may take, from one address. A classroom behind one address is
/// larger; the names of the others still come back by their words, unless somebody took them.
const MAX_KEPT_PER_ADDRESS: usize = 8;

/// How many numbers are written down as given out at once.
const RESERVED: u32 = 65_536;

/// The first byte under the code of a resume word.
const GRANT: u8 = 2;

/// The word that takes back the name of this grant: the grant's number and a code.
pub(crate) fn word(token_key: &TokenKey, grant: u32) -> String {
    let code = token_key.code(GRANT, &grant.to_be_bytes()).letters();
    format!("{grant}-{}", String::from_utf8_lossy(&code))
}

/// The grant that a word takes back. `None` if this hub did not issue the word.
pub(crate) fn grant(token_key: &TokenKey, word: &[u8]) -> Option<u32> {
    let (number, code) = std::str::from_utf8(word).ok()?.split_once('-')?;
    let grant: u32 = number.parse().ok()?;
    token_key.code(GRANT, &grant.to_be_bytes()).has_letters(code.as_bytes()).then_some(grant)
}

/// A name after its member has gone.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// The name and its grant.
    pub(crate) named: Named,
    /// The room that the member was in.
    pub(crate) room: RoomName,
    /// When it left.
    pub(crate) since: Instant,
    /// Its address.
    pub(crate) ip: IpAddr,
    /// The address that it counts as.
    pub(crate) counted: IpAddr,
    /// What its link called it.
    pub(crate) label: Label,
    /// Whether its client has the resume word and uses it.
    pub(crate) resumes: bool,
    /// Whether nobody else may take the name.
    pub(crate) is_kept: bool,
    /// Whether the name comes back by itself where the same label is heard again: of members that fell
    /// silent.
    pub(crate) comes_back: bool,
}

impl Gone {
    fn when(&self) -> When {
        (self.since, self.named.grant)
    }
}

/// Who has the name of a grant, or had it.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A member has it.
    Here(Slot),
    /// Its member is gone.
    Gone(Box<Gone>),
}

/// When a grant's member left.
type When = (Instant, u32);

/// Names that wait for members of one address, in the order in which these left.
#[derive(Default)]
struct Waiting {
    all: BTreeSet<When>,
    kept: BTreeSet<When>,
}

/// Grants: each `/nick` makes one, and its resume word speaks for it.
pub(crate) struct Grants {
    holders: HashMap<u32, Holder, ahash::RandomState>,
    waiting: BTreeSet<When>,
    by_address: HashMap<IpAddr, Waiting, ahash::RandomState>,
    /// How many names wait for each address.
    fullest: BTreeSet<(usize, IpAddr)>,
    /// The latest grants of members that fell silent, by what their links called them.
    silent: HashMap<Label, u32, ahash::RandomState>,
    next: u32,
    /// Numbers up to here are written down as given out.
    reserved: u32,
    /// Names given up before their time, because too many waited.
    pub(crate) given_up: u64,
    /// Names that anybody may take before their time, because too many were kept for one address.
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

    /// Makes a grant for a member. Numbers begin again after four billion. The second number, where
    /// there is one, is to be written down: those up to it are never given out again after a restart,
    /// or a word of before would speak for somebody else's name. It is far ahead, so that it is on the
    /// disk long before the numbers are used.
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

    /// Numbers up to this one were given out before a restart. Returns up to which they may be given
    /// out now, which is to be written down before any is.
    pub(crate) fn go_on_after(&mut self, last: u32) -> u32 {
        (self.next, self.reserved) = (last, last.wrapping_add(RESERVED));
        self.reserved
    }

    /// Who has a grant's name, or lately had it.
    pub(crate) fn holder(&self, now: Instant, grant: u32) -> Option<&Holder> {
        let recent = |holder: &&Holder| match holder {
            Holder::Here(_) => true,
            Holder::Gone(gone) => now - gone.since <= KEPT,
        };
        self.holders.get(&grant).filter(recent)
    }

    /// The member of a grant, if it is gone.
    pub(crate) fn gone(&self, grant: u32) -> Option<&Gone> {
        match self.holders.get(&grant)? {
            Holder::Gone(gone) => Some(gone),
            Holder::Here(_) => None,
        }
    }

    /// The grant of a member that fell silent and that a link called this.
    pub(crate) fn of_silent(&self, now: Instant, label: &Label) -> Option<u32> {
        let grant = *self.silent.get(label)?;
        self.holder(now, grant).map(|_| grant)
    }

    /// A grant's name passes to a member.
    pub(crate) fn take(&mut self, grant: u32, slot: Slot) {
        self.forget(grant);
        self.holders.insert(grant, Holder::Here(slot));
    }

    /// A grant's word takes nothing back any more. Returns what waited for it.
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

    /// A grant's member has gone. Returns a name that must not be kept any longer, if there are too
    /// many of the same address.
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

    /// Takes out a name that has waited too long, or longest where too many wait.
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

    /// Changes what waits for an address, and how full it is.
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
            since,
            ip,
            counted: ip,
            label,
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
        // One came back, so there is a place again.
        grants.take(5, Slot::new(1));
        assert_eq!(leave(&mut grants, gone(10, 3, [10, 0, 0, 1], true)), None);
        assert!(grants.gone(99).unwrap().is_kept && !grants.gone(0).unwrap().is_kept);
        assert_eq!(grants.freed, 1);
    }
}
