//! Limits wrong guesses of the hub's password.
//!
//! One address may guess five times a second, and all together twenty times, so guessing from many
//! addresses is not much faster. But an attacker who uses up the shared rate must not lock out
//! members who know the password. So an address without a wrong guess in the last minute may always
//! guess once. Right guesses are free: a whole class may join at once.
//!
//! Addresses are grouped by [`SourceRules::counted_as`](pigeon_guard::SourceRules::counted_as).
//!
//! Memory is of fixed size, and full memory locks nobody out. A Bloom filter holds the times of
//! recent wrong guesses, in two cells per address. So a newcomer counts as a guesser only if others
//! occupy both its cells: one in 3,900 with 4,200 guessers, one in ten with 100,000. Then it shares
//! the common rate, and is not refused outright. A table that evicts the oldest entry was rejected:
//! an attacker with more addresses than entries could guess without limit.
//!
//! Resume tokens have no such limit: they contain 80 random bits, while a password is as weak as
//! its author chose it.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use pigeon_datagram::Instant;
use pigeon_guard::Throttle;

use super::rates::Buckets;
use crate::config::Rate;

/// Wrong guesses per second from one address.
const FROM_ONE: u32 = 5;

/// Wrong guesses per second from all addresses, excluding each one's first.
const FROM_ALL: Rate = Rate { messages: Some(20), bytes: None };

/// How long a wrong guess is remembered.
const MEMORY: Duration = Duration::from_secs(60);

/// The number of cells: 1 MiB.
const PLACES: usize = 1 << 19;

/// Recent wrong guesses.
pub(crate) struct Guesses {
    hasher: RandomState,
    /// The time in seconds of the first wrong guess per cell. Allocated at the first one.
    first: Vec<u16>,
    /// The rate of each address with a wrong guess.
    each: Throttle,
    all: Buckets,
}

impl Guesses {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let key = (u128::from(b) << 64 | u128::from(d)).to_be_bytes();
        Guesses {
            hasher: RandomState::with_seeds(c, d, a, b),
            first: Vec::new(),
            each: Throttle::new(key, FROM_ONE),
            all: Buckets::default(),
        }
    }

    /// Whether to check one more guess from this address.
    pub(crate) fn may(&self, now: Instant, from: IpAddr) -> bool {
        let is_known = self.has_guessed(now, from);
        !is_known || self.each.has_room(now, &from) && self.all.have_room(now, FROM_ALL, 0)
    }

    /// Counts a wrong guess.
    pub(crate) fn wrong(&mut self, now: Instant, from: IpAddr) {
        if !self.has_guessed(now, from) {
            self.first.resize(PLACES, 0);
            self.places(from).into_iter().for_each(|place| self.first[place] = stamp(now));
        }
        self.each.take(now, &from);
        self.all.take(now, FROM_ALL, 0);
    }

    /// Whether an address made a wrong guess in the last minute.
    fn has_guessed(&self, now: Instant, from: IpAddr) -> bool {
        let is_young = |place: usize| {
            let first = self.first.get(place).copied().filter(|&first| first != 0);
            let age = first.map(|first| stamp(now).wrapping_sub(first));
            age.is_some_and(|age| u64::from(age) <= MEMORY.as_secs())
        };
        self.places(from).into_iter().all(is_young)
    }

    fn places(&self, from: IpAddr) -> [usize; 2] {
        let hash = self.hasher.hash_one(from);
        [hash as usize % PLACES, (hash >> 32) as usize % PLACES]
    }
}

/// A time in seconds; 0 means none. It wraps after 18 hours, and an entry of that age counts as new
/// for a minute, which only makes its address share the common rate.
fn stamp(now: Instant) -> u16 {
    let seconds = (now - Instant::ORIGIN).as_secs();
    (seconds % u64::from(u16::MAX)) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn v4(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    /// Makes a wrong guess every millisecond from these addresses in turn; returns how many are
    /// checked.
    fn looked_at(guesses: &mut Guesses, from: &[IpAddr], millis: std::ops::Range<u64>) -> usize {
        let guess = |millis: u64| {
            let (now, from) = (at(millis), from[millis as usize % from.len()]);
            let may = guesses.may(now, from);
            if may {
                guesses.wrong(now, from);
            }
            may
        };
        millis.map(guess).filter(|looked_at| *looked_at).count()
    }

    #[test]
    fn one_address_guesses_five_times_a_second_and_all_twenty() {
        for (addresses, expected) in [(1, 54..=55), (2, 108..=110), (100, 290..=320)] {
            let mut guesses = Guesses::new([0; 4]);
            let from: Vec<IpAddr> = (0..addresses).map(v4).collect();
            let count = looked_at(&mut guesses, &from, 0..10_000);
            assert!(expected.contains(&count), "{addresses}: {count}");
        }
    }

    #[test]
    fn whoever_did_not_guess_wrong_lately_is_heard_whatever_others_do() {
        let mut guesses = Guesses::new([0; 4]);
        let others: Vec<IpAddr> = (0..50).map(v4).collect();
        let honest = v4(99);
        looked_at(&mut guesses, &others, 0..1_000);
        assert!(guesses.may(at(1_000), honest));
        guesses.wrong(at(1_000), honest);
        looked_at(&mut guesses, &others, 1_000..60_010);
        assert!(!guesses.may(at(60_010), honest), "all have used up what is for all");
        looked_at(&mut guesses, &others, 60_010..61_001);
        looked_at(&mut guesses, &others, 61_001..62_000);
        assert!(guesses.may(at(62_000), honest), "a minute later");
    }

    #[test]
    fn many_addresses_that_guess_wrong_lock_no_newcomer_out() {
        let mut guesses = Guesses::new([1, 2, 3, 4]);
        let others: Vec<IpAddr> = (0..4_200).map(v4).collect();
        // Each address gets one guess, and then they share twenty a second.
        let count = looked_at(&mut guesses, &others, 1_000..60_000);
        assert!((4_190..=4_200 + 60 * 20).contains(&count), "{count}");
        let newcomers = (100_000..101_000).map(v4);
        let heard = newcomers.filter(|&from| guesses.may(at(60_000), from)).count();
        assert!(heard >= 995, "{heard} of 1,000");
        assert_eq!(guesses.first.len(), PLACES);
    }

    #[test]
    fn a_minute_is_a_minute_whenever_it_begins() {
        // Includes the wrap of the time stamps.
        for begin in [0, 1, 65_530, 65_534, 65_535, 131_069] {
            let mut guesses = Guesses::new([0; 4]);
            let from = v4(7);
            (0..20).for_each(|_| guesses.wrong(at(begin * 1_000), from));
            let heard = |seconds: u64| guesses.may(at((begin + seconds) * 1_000), from);
            assert!(!heard(0), "{begin}");
            assert!(guesses.has_guessed(at((begin + 59) * 1_000), from), "{begin}");
            assert!(!guesses.has_guessed(at((begin + 62) * 1_000), from), "{begin}");
        }
    }
}
