//! Limits the rate of replies to each of any number of senders, in a table of fixed size.
//!
//! A keyed hash maps each sender to a set of [`WAYS`] entries, each with a bucket. In a full set
//! the newcomer replaces an entry. So a flood of forged senders makes the table forget senders, but
//! never makes it refuse a newcomer. The cost: a forgotten sender may get more replies than its
//! rate. With [`ENTRIES`] entries, a flooder pays about as many datagrams from different addresses
//! for each such reply, and cannot know which entry it evicts.
//!
//! A sketch (counting without eviction) would bound every sender exactly, but a million forged
//! senders would fill it and lock newcomers out.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use pigeon_datagram::Instant;
use siphasher::sip::SipHasher13;

use crate::bucket::{Bucket, cost};

/// The number of senders remembered: 256 KiB.
const ENTRIES: usize = 16_384;

/// Entries per set. A full set evicts the entry that refills its bucket first.
const WAYS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u64,
    bucket: Bucket,
}

/// Replies per second to each sender.
pub struct Throttle {
    key: [u8; 16],
    cost: Duration,
    /// Allocated when the first sender is counted.
    entries: Vec<Entry>,
}

impl Throttle {
    /// Allows `per_second` replies to each sender, and bursts of the same number.
    pub fn new(key: [u8; 16], per_second: u32) -> Self {
        Throttle { key, cost: cost(1, per_second.into()), entries: Vec::new() }
    }

    /// Whether one more reply may go to a sender. Counts nothing.
    pub fn has_room(&self, now: Instant, sender: &impl Hash) -> bool {
        self.bucket(sender).is_none_or(|bucket| bucket.has_room(now, self.cost))
    }

    /// Whether a sender has used more than a second's worth in advance.
    pub fn is_behind(&self, now: Instant, sender: &impl Hash) -> bool {
        self.bucket(sender).is_some_and(|bucket| !bucket.has_room(now, Duration::ZERO))
    }

    fn bucket(&self, sender: &impl Hash) -> Option<Bucket> {
        let (set, tag) = self.place(sender);
        let entries = self.entries.get(set..set + WAYS)?;
        entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.bucket)
    }

    /// Counts a reply to a sender.
    pub fn take(&mut self, now: Instant, sender: &impl Hash) {
        self.take_cost(now, sender, self.cost);
    }

    /// Charges a cost to a sender.
    pub fn take_cost(&mut self, now: Instant, sender: &impl Hash, cost: Duration) {
        self.entries.resize(ENTRIES, Entry::default());
        let (set, tag) = self.place(sender);
        let entries = &mut self.entries[set..set + WAYS];
        let known = entries.iter().position(|entry| entry.tag == tag);
        // A full bucket holds no information: evict the entry that is full soonest.
        let fullest = || (0..WAYS).min_by_key(|&way| entries[way].bucket.full_at());
        let way = known.or_else(fullest).unwrap_or(0);
        let entry = &mut entries[way];
        if entry.tag != tag {
            *entry = Entry { tag, bucket: Bucket::default() };
        }
        entry.bucket.take(now, cost);
    }

    /// The first entry of a sender's set, and the sender's tag, which never equals an empty
    /// entry's.
    fn place(&self, sender: &impl Hash) -> (usize, u64) {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        sender.hash(&mut hasher);
        let hash = hasher.finish();
        (hash as usize % (ENTRIES / WAYS) * WAYS, hash | 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn passes(throttle: &mut Throttle, millis: u64, sender: u32) -> bool {
        let passes = throttle.has_room(at(millis), &sender);
        if passes {
            throttle.take(at(millis), &sender);
        }
        passes
    }

    #[test]
    fn each_sender_has_a_rate_of_its_own() {
        for (per_second, in_ten_seconds) in [(1, 10), (20, 219)] {
            let mut throttle = Throttle::new([7; 16], per_second);
            for sender in 0..3 {
                let passed = (0..10_000).filter(|&n| passes(&mut throttle, n, sender)).count();
                assert_eq!(passed, in_ten_seconds, "{per_second}");
            }
        }
    }

    #[test]
    fn a_look_counts_nothing() {
        let mut throttle = Throttle::new([7; 16], 1);
        assert!((0..9).all(|_| throttle.has_room(at(0), &5)));
        throttle.take(at(0), &5);
        assert!(!throttle.has_room(at(999), &5) && throttle.has_room(at(1_000), &5));
    }

    #[test]
    fn a_flood_of_others_locks_nobody_out_and_fills_no_memory() {
        let mut throttle = Throttle::new([7; 16], 1);
        let flood = |throttle: &mut Throttle, from: u32| {
            (from..from + 1_000_000).filter(|&sender| passes(throttle, 5, sender)).count()
        };
        assert_eq!(flood(&mut throttle, 0), 1_000_000);
        assert!((5_000_000..5_001_000).all(|newcomer| passes(&mut throttle, 6, newcomer)));
        assert_eq!(throttle.entries.len(), ENTRIES);
    }

    #[test]
    fn few_are_answered_more_often_while_others_come() {
        let mut throttle = Throttle::new([7; 16], 1);
        // In one second a victim is named 1,000 times, among 8,000 other senders.
        let answered = |n: u32| {
            for other in 0..8 {
                passes(&mut throttle, 5, 1_000 + 8 * n + other);
            }
            passes(&mut throttle, 5, 1)
        };
        let answered = (0..1_000).map(answered).filter(|&passed| passed).count();
        assert!(answered <= 2, "{answered}");
    }
}
