//! Kicked members, which stay away for ten minutes.
//!
//! A kick applies to the member's label (for a plain member its address and port, at every
//! listening socket) and to its resume token. If the token is sent from another address, the kick
//! moves there, so a kick always has one entry. A member that comes from another port without its
//! token is not recognised; `ban` is for those.

use std::collections::BTreeSet;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::Label;

/// How long a kick lasts.
const HOLDS: Duration = Duration::from_secs(600);

/// Maximum number of kicks. Beyond it the oldest is dropped.
const MAX_KICKS: usize = 10_000;

struct Kick {
    since: Instant,
    grant: Option<u32>,
}

/// The kicks of the last ten minutes.
pub(crate) struct Kicks {
    by_label: HashMap<Label, Kick, RandomState>,
    by_grant: HashMap<u32, Label, RandomState>,
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
            by_grant: HashMap::with_hasher(hasher),
            order: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// Whether the member with this label is still locked out after a kick.
    pub(crate) fn hold(&self, now: Instant, label: impl FnOnce() -> Label) -> bool {
        !self.by_label.is_empty() && self.kick(now, &label()).is_some()
    }

    /// Whether the holder of this grant is still locked out after a kick.
    pub(crate) fn hold_for_word(&self, now: Instant, grant: u32) -> bool {
        self.by_grant.get(&grant).is_some_and(|label| self.kick(now, label).is_some())
    }

    pub(crate) fn add(&mut self, now: Instant, label: Label, grant: Option<u32>) {
        self.insert(label, Kick { since: now, grant });
        while let Some((since, label)) = self.order.first().cloned() {
            let holds = now - since <= HOLDS;
            if holds && self.order.len() <= MAX_KICKS {
                break;
            }
            self.remove(&label);
            self.forgotten += u64::from(holds);
        }
    }

    /// Moves a grant's kick to the member's new label. Its ten minutes continue.
    pub(crate) fn follow(&mut self, grant: u32, label: Label) {
        let before = self.by_grant.get(&grant).cloned();
        if let Some(kick) = before.and_then(|before| self.remove(&before)) {
            self.insert(label, kick);
        }
    }

    fn kick(&self, now: Instant, label: &Label) -> Option<&Kick> {
        self.by_label.get(label).filter(|kick| now - kick.since <= HOLDS)
    }

    fn insert(&mut self, label: Label, kick: Kick) {
        self.remove(&label);
        self.order.insert((kick.since, label.clone()));
        if let Some(grant) = kick.grant {
            self.by_grant.insert(grant, label.clone());
        }
        self.by_label.insert(label, kick);
    }

    fn remove(&mut self, label: &Label) -> Option<Kick> {
        let kick = self.by_label.remove(label)?;
        self.order.remove(&(kick.since, label.clone()));
        if let Some(grant) = kick.grant {
            self.by_grant.remove(&grant);
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

    #[test]
    fn a_kick_holds_for_ten_minutes_wherever_its_word_goes() {
        let mut kicks = Kicks::new([0; 4]);
        kicks.add(at(0), label(1), Some(7));
        assert!(kicks.hold(at(600_000), || label(1)) && kicks.hold_for_word(at(600_000), 7));
        assert!(!kicks.hold(at(600_001), || label(1)) && !kicks.hold_for_word(at(600_001), 7));
        assert!(!kicks.hold(at(0), || label(2)) && !kicks.hold_for_word(at(0), 8));
        for n in 2..50 {
            kicks.follow(7, label(n));
        }
        kicks.follow(8, label(99));
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len(), kicks.order.len()), (1, 1, 1));
        assert!(kicks.hold(at(600_000), || label(49)) && !kicks.hold(at(600_001), || label(49)));
    }

    #[test]
    fn kicks_are_bounded_and_those_forgotten_early_are_counted() {
        let mut kicks = Kicks::new([0; 4]);
        for n in 0..10_005 {
            kicks.add(at(u64::from(n)), label(n), Some(n));
        }
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len()), (MAX_KICKS, MAX_KICKS));
        assert_eq!((kicks.order.len(), kicks.forgotten), (MAX_KICKS, 5));
        assert!(!kicks.hold(at(11_000), || label(4)) && kicks.hold(at(11_000), || label(5)));
        kicks.add(at(1_000_000), label(0), None);
        assert_eq!((kicks.by_label.len(), kicks.by_grant.len(), kicks.forgotten), (1, 0, 5));
    }
}
