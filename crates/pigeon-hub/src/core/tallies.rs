//! Counts each member's messages and drops, for the operator. Members without messages have no
//! entry.

use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;

use super::id::Slot;

/// The period of rates: the last whole one is shown.
const WINDOW: Duration = Duration::from_secs(5);

/// Maximum number of members counted. Beyond it, members that begin to send have no counts.
const MOST: usize = 16_384;

/// A member's counts.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// When the current period began.
    since: Instant,
    messages: u32,
    /// The messages of the previous period.
    before: u32,
    dropped: u64,
}

/// The counts of all members.
pub(crate) struct Tallies {
    by_slot: HashMap<Slot, Tally, RandomState>,
}

impl Tallies {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        Tallies { by_slot: HashMap::with_hasher(RandomState::with_seeds(d, a, c, b)) }
    }

    pub(crate) fn said(&mut self, now: Instant, slot: Slot) {
        if let Some(tally) = self.tally(now, slot) {
            tally.messages += 1;
        }
    }

    /// Counts a dropped input of a member.
    pub(crate) fn dropped(&mut self, now: Instant, slot: Slot) {
        if let Some(tally) = self.tally(now, slot) {
            tally.dropped += 1;
        }
    }

    /// A member's messages per second, and its dropped inputs since it joined.
    pub(crate) fn of(&self, now: Instant, slot: Slot) -> (f64, u64) {
        let Some(tally) = self.by_slot.get(&slot) else { return (0.0, 0) };
        let age = now - tally.since;
        let messages = match age {
            age if age >= 2 * WINDOW => 0,
            age if age >= WINDOW => tally.messages,
            // Includes the current period, so that a new sender shows at once.
            _ => tally.before.max(tally.messages),
        };
        (f64::from(messages) / WINDOW.as_secs_f64(), tally.dropped)
    }

    pub(crate) fn forget(&mut self, slot: Slot) {
        self.by_slot.remove(&slot);
    }

    fn tally(&mut self, now: Instant, slot: Slot) -> Option<&mut Tally> {
        if self.by_slot.len() >= MOST && !self.by_slot.contains_key(&slot) {
            return None;
        }
        let tally = self.by_slot.entry(slot).or_insert(Tally { since: now, ..Tally::default() });
        let age = now - tally.since;
        if age >= WINDOW {
            let before = if age < 2 * WINDOW { tally.messages } else { 0 };
            *tally = Tally { since: now, messages: 0, before, ..*tally };
        }
        Some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let at = |millis: u64| Instant::ORIGIN + Duration::from_millis(millis);
        let (mut tallies, slot) = (Tallies::new([0; 4]), Slot::new(7));
        for millis in (0..20_000).step_by(100) {
            tallies.said(at(millis), slot);
        }
        tallies.dropped(at(20_000), slot);
        let (rate, dropped) = tallies.of(at(20_000), slot);
        assert!((9.0..=11.0).contains(&rate) && dropped == 1, "{rate} {dropped}");
        assert_eq!(tallies.of(at(40_000), slot).0, 0.0);
        tallies.forget(slot);
        assert_eq!(tallies.of(at(20_000), slot), (0.0, 0));
    }

    #[test]
    fn no_more_than_so_many_are_counted() {
        let mut tallies = Tallies::new([0; 4]);
        (0..100_000).for_each(|n| tallies.said(Instant::ORIGIN, Slot::new(n)));
        assert_eq!(tallies.by_slot.len(), MOST);
    }
}
