//! The other hubs, by leases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pigeon_datagram::Instant;

/// How long a hub is believed alive without a sign of it.
pub const LEASE: Duration = Duration::from_secs(8);

/// How often a hub renews its lease.
pub const RENEW: Duration = Duration::from_secs(2);

/// Maximum number of other hubs.
const PEERS: usize = 64;

/// The hubs that are alive. While this hub is cut off nobody's lease ends: it is this hub that
/// cannot hear.
#[derive(Default)]
pub(crate) struct Peers {
    until: BTreeMap<u128, Instant>,
    is_frozen: bool,
}

impl Peers {
    /// A hub has renewed its lease. Whether it was not known before; too many hubs are not.
    pub(crate) fn heard(&mut self, now: Instant, hub: u128) -> bool {
        let is_known = self.until.contains_key(&hub);
        let fits = is_known || self.until.len() < PEERS;
        if fits {
            self.until.insert(hub, now + LEASE);
        }
        fits && !is_known
    }

    /// A hub has left.
    pub(crate) fn left(&mut self, hub: u128) {
        self.until.remove(&hub);
    }

    pub(crate) fn freeze(&mut self) {
        self.is_frozen = true;
    }

    /// Leases go on: each hub has a whole one, to be heard again.
    pub(crate) fn thaw(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_frozen) {
            self.until.values_mut().for_each(|until| *until = now + LEASE);
        }
    }

    /// Removes hubs with an ended lease, and returns them.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<u128> {
        if self.is_frozen {
            return Vec::new();
        }
        let ended: Vec<u128> =
            self.until.iter().filter(|(_, until)| **until <= now).map(|(hub, _)| *hub).collect();
        ended.iter().for_each(|hub| self.left(*hub));
        ended
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.until.values().min().copied().filter(|_| !self.is_frozen)
    }

    pub(crate) fn alive(&self) -> BTreeSet<u128> {
        self.until.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_lease_ends_while_this_hub_cannot_hear() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let mut peers = Peers::default();
        peers.heard(at(0), 7);
        peers.freeze();
        assert_eq!(peers.expire(at(100)), []);
        assert_eq!(peers.next_at(), None);
        peers.thaw(at(100));
        assert_eq!(peers.expire(at(107)), []);
        assert_eq!(peers.expire(at(108)), [7]);
        assert!(peers.alive().is_empty());
    }
}
