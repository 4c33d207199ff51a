//! Kicked members, which stay away for ten minutes.
//!
//! A kick applies to the member's label (for a plain member its address and port, at every
//! listening socket; for a member with a key the key), to its resume token, and to its name at its
//! address. If nobody else is a member from that address, it applies to the whole address: a new
//! port does not evade it, and no neighbour behind a NAT is locked out. If the token is sent from
//! another address, the kick moves there, so a kick always has one entry.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::{Label, Name, fold};

/// How long a kick lasts.
pub(super) const HOLDS: Duration = Duration::from_secs(600);

/// Maximum number of kicks. Beyond it the oldest is dropped.
const MAX_KICKS: usize = 10_000;

/// A kick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kick {
    /// When it ends.
    pub(crate) until: Instant,
    pub(crate) grant: Option<u32>,
    pub(crate) name: Option<Name>,
    /// The member's address.
    pub(crate) ip: IpAddr,
    /// Whether the whole address is locked out.
    pub(crate) is_alone: bool,
}

impl Kick {
    fn is_over(&self, now: Instant) -> bool {
        now > self.until
    }

    /// How long it still holds.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.until - now
    }
}

/// The kicks of the last ten minutes.
pub(crate) struct Kicks {
    by_label: HashMap<Label, Kick, RandomState>,
    by_grant: HashMap<u32, Label, RandomState>,
    /// Addresses that are locked out.
    by_ip: HashMap<IpAddr, Label, RandomState>,
    /// Names at their addresses, folded.
    by_name: HashMap<(IpAddr, Box<str>), Label, RandomState>,
    order: BTreeSet<(Instant, Label)>,
    /// Kicks dropped early, because there were too many.
    pub(crate) forgotten: u64,
}

impl Kicks {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(d, c, b, a);
        Kicks {
            by_label: HashMap::with_hasher(hasher.clone()),
            by_grant: HashMap::with_hasher(hasher.clone()),
            by_ip: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher),
            order: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// Whether the member with this label, from this address, is still locked out after a kick.
    pub(crate) fn hold(&self, now: Instant, ip: IpAddr, label: impl FnOnce() -> Label) -> bool {
        !self.by_label.is_empty()
            && (self.by_ip.get(&ip.to_canonical()).is_some_and(|label| self.holds(now, label))
                || self.holds(now, &label()))
    }

    /// Whether the holder of this grant is still locked out after a kick.
    pub(crate) fn hold_for_word(&self, now: Instant, grant: u32) -> bool {
        self.by_grant.get(&grant).is_some_and(|label| self.holds(now, label))
    }

    /// Whether this name is that of a member kicked at this address.
    pub(crate) fn hold_name(&self, now: Instant, ip: IpAddr, name: &Name) -> bool {
        !self.by_name.is_empty()
            && self
                .by_name
                .get(&(ip.to_canonical(), name.folded()))
                .is_some_and(|label| self.holds(now, label))
    }

    /// Adds a kick, and returns those that it replaces or that are over.
    pub(crate) fn add(&mut self, now: Instant, label: Label, kick: Kick) -> Vec<Label> {
        self.insert(label, kick);
        let mut over = Vec::new();
        while let Some((until, label)) = self.order.first().cloned() {
            let holds = now <= until;
            if holds && self.order.len() <= MAX_KICKS {
                break;
            }
            self.remove(&label);
            over.push(label);
            self.forgotten += u64::from(holds);
        }
        over
    }

    /// Moves a grant's kick to the member's new label. Its ten minutes continue. Returns the former
    /// label, and the kick.
    pub(crate) fn follow(&mut self, grant: u32, label: Label) -> Option<(Label, Kick)> {
        let before = self.by_grant.get(&grant).cloned()?;
        let kick = self.remove(&before)?;
        self.insert(label, kick.clone());
        Some((before, kick))
    }

    /// Ends the kicks of a name, a label or an address. Returns their labels.
    pub(crate) fn lift(&mut self, who: &str) -> Vec<Label> {
        let (folded, ip) = (fold(who), who.parse().ok().map(|ip: IpAddr| ip.to_canonical()));
        let is_meant = |(label, kick): &(&Label, &Kick)| {
            label.as_str() == who
                || kick.name.as_ref().is_some_and(|name| *name.folded() == *folded)
                || ip == Some(kick.ip)
        };
        let meant = self.by_label.iter().filter(is_meant).map(|(label, _)| label.clone());
        let meant: Vec<Label> = meant.collect();
        meant.iter().for_each(|label| drop(self.remove(label)));
        meant
    }

    /// The kicks that still hold, the oldest first.
    pub(crate) fn iter(&self, now: Instant) -> impl Iterator<Item = (&Label, &Kick)> {
        let kicks = self.order.iter().filter_map(|(_, label)| self.by_label.get_key_value(label));
        kicks.filter(move |(_, kick)| !kick.is_over(now))
    }

    fn holds(&self, now: Instant, label: &Label) -> bool {
        self.by_label.get(label).is_some_and(|kick| !kick.is_over(now))
    }

    fn insert(&mut self, label: Label, kick: Kick) {
        self.remove(&label);
        self.order.insert((kick.until, label.clone()));
        if let Some(grant) = kick.grant {
            self.by_grant.insert(grant, label.clone());
        }
        if kick.is_alone {
            self.by_ip.insert(kick.ip, label.clone());
        }
        if let Some(name) = &kick.name {
            self.by_name.insert((kick.ip, name.folded()), label.clone());
        }
        self.by_label.insert(label, kick);
    }

    fn remove(&mut self, label: &Label) -> Option<Kick> {
        let kick = self.by_label.remove(label)?;
        self.order.remove(&(kick.until, label.clone()));
        if let Some(grant) = kick.grant {
            self.by_grant.remove(&grant);
        }
        // Another kick may have the same address or name.
        let is_own = |of: Option<&Label>| of == Some(label);
        if is_own(self.by_ip.get(&kick.ip)) {
            self.by_ip.remove(&kick.ip);
        }
        if let Some(key) = kick.name.as_ref().map(|name| (kick.ip, name.folded()))
            && is_own(self.by_name.get(&key))
        {
            self.by_name.remove(&key);
        }
        Some(kick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn label(n: u32) -> Label {
        Label::parse(&format!("member{n}")).unwrap()
    }

    fn kick(since: Instant, grant: Option<u32>) -> Kick {
        Kick { until: since + HOLDS, grant, name: None, ip: [10, 0, 0, 1].into(), is_alone: false }
    }

    fn hold(kicks: &Kicks, now: Instant, n: u32) -> bool {
        kicks.hold(now, [10, 0, 0, 1].into(), || label(n))
    }

    #[test]
    fn a_kick_holds_for_ten_minutes_wherever_its_word_goes() {
        let mut kicks = Kicks::new([0; 4]);
        kicks.add(at(0), label(1), kick(at(0), Some(7)));
        assert!(hold(&kicks, at(600_000), 1) && kicks.hold_for_word(at(600_000), 7));
        assert!(!hold(&kicks, at(600_001), 1) && !kicks.hold_for_word(at(600_001), 7));
        assert!(!hold(&kicks, at(0), 2) && !kicks.hold_for_word(at(0), 8));
        for n in 2..50 {
            kicks.follow(7, label(n));
        }
        kicks.follow(8, label(99));
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len(), kicks.order.len()), (1, 1, 1));
        assert!(hold(&kicks, at(600_000), 49) && !hold(&kicks, at(600_001), 49));
    }

    #[test]
    fn kicks_are_bounded_and_those_forgotten_early_are_counted() {
        let mut kicks = Kicks::new([0; 4]);
        for n in 0..10_005 {
            kicks.add(at(u64::from(n)), label(n), kick(at(u64::from(n)), Some(n)));
        }
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len()), (MAX_KICKS, MAX_KICKS));
        assert_eq!((kicks.order.len(), kicks.forgotten), (MAX_KICKS, 5));
        assert!(!hold(&kicks, at(11_000), 4) && hold(&kicks, at(11_000), 5));
        kicks.add(at(1_000_000), label(0), kick(at(1_000_000), None));
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len(), kicks.forgotten), (1, 0, 5));
    }

    #[test]
    fn an_address_is_locked_out_where_nobody_else_is_there_and_a_name_always() {
        let mut kicks = Kicks::new([0; 4]);
        let name = |text: &str| Some(Name::parse(text.as_bytes()).unwrap());
        let ip = |n: u8| IpAddr::from([10, 0, 0, n]);
        let alone = Kick { name: name("Dog"), ip: ip(1), is_alone: true, ..kick(at(0), None) };
        let among = Kick { name: name("cat"), ip: ip(2), ..kick(at(0), None) };
        kicks.add(at(0), label(1), alone.clone());
        kicks.add(at(0), label(2), among);
        assert!(kicks.hold(at(0), ip(1), || label(9)) && !kicks.hold(at(0), ip(2), || label(9)));
        assert!(!kicks.hold(at(600_001), ip(1), || label(9)));
        let taken = |kicks: &Kicks, n, text| kicks.hold_name(at(0), ip(n), &name(text).unwrap());
        assert!(taken(&kicks, 1, "dog") && taken(&kicks, 2, "CAT"));
        assert!(!taken(&kicks, 2, "dog") && !taken(&kicks, 3, "cat"));
        assert_eq!(kicks.iter(at(1_000)).count(), 2);
        assert_eq!(alone.left(at(1_000)), Duration::from_secs(599));
        assert_eq!(kicks.lift("nobody"), []);
        assert_eq!(kicks.lift("DOG"), [label(1)]);
        assert_eq!(kicks.lift("10.0.0.2"), [label(2)]);
        assert!(!kicks.hold(at(0), ip(1), || label(1)) && !taken(&kicks, 2, "cat"));
        assert!(kicks.by_ip.is_empty() && kicks.by_name.is_empty() && kicks.order.is_empty());
    }
}
