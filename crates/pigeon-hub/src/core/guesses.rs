//! How often the hub's password may be guessed wrong.
//!
//! One address may guess five times a second, and all together twenty times: a password can be
//! tried through from many addresses as slowly as from one. But whoever can use up what is for all
//! must not lock out those who know the password, so an address that has not guessed wrong within
//! the last minute is always heard once. Right guesses cost nothing: a whole class may come at once.
//!
//! An address is what [`SourceRules::counted_as`](pigeon_guard::SourceRules::counted_as) makes of it.
//!
//! All memory is of fixed size, and full memory locks nobody out. Which addresses guessed wrong lately
//! stands as times in a table, at two places for each address (a Bloom filter). So a newcomer is taken
//! for one of them only where others happen to hold both places: with 4,200 such addresses one in
//! 3,900, with 100,000 one in ten. It shares the rate of all then, and is not refused outright. The
//! other way round, a table that forgets the oldest, would let whoever has more addresses than places
//! guess without end.
//!
//! Resume words have no such limit. They hold 80 random bits, and a password as many as somebody
//! cared to type.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use pigeon_datagram::Instant;
use pigeon_guard::Throttle;

use super::rates::Buckets;
use crate::config::Rate;

/// Wrong guesses a second from one address.
const FROM_ONE: u32 = 5;

/// Wrong guesses from all addresses, the first of each apart.
const FROM_ALL: Rate = Rate { messages: Some(20), bytes: None };

/// How long an address that guessed wrong is remembered.
const MEMORY: Duration = Duration::from_secs(60);

/// Places for times: 1 MiB.
const PLACES: usize = 1 << 19;

/// Wrong guesses lately.
pub(crate) struct Guesses {
    hasher: RandomState,
    /// When an address with this place guessed wrong first, in seconds. Empty until one does.
    first: Vec<u16>,
    /// Those that guessed wrong, each with a rate of its own.
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

    /// Whether one more guess from there is looked at.
    pub(crate) fn may(&self, now: Instant, from: IpAddr) -> bool {
        let is_known = self.has_guessed(now, from);
        !is_known || self.each.has_room(now, &from) && self.all.have_room(now, FROM_ALL, 0)
    }

    /// Counts a guess that was looked at and wrong.
    pub(crate) fn wrong(&mut self, now: Instant, from: IpAddr) {
        if !self.has_guessed(now, from) {
            self.first.resize(PLACES, 0);
            self.places(from).into_iter().for_each(|place| self.first[place] = stamp(now));
        }
        self.each.take(now, &from);
        self.all.take(now, FROM_ALL, 0);
    }

    /// Whether an address guessed wrong within the last minute.
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

/// A time in seconds; 0 stands for none. After 18 hours they begin again, and what is as old as that
/// is taken for new for a minute: an address that guessed wrong then shares the rate of all once more.
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

    /// A wrong guess every millisecond from each of these, in turn; how many are looked at.
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
        // Each is heard once, and then all share their twenty a second.
        let count = looked_at(&mut guesses, &others, 1_000..60_000);
        assert!((4_190..=4_200 + 60 * 20).contains(&count), "{count}");
        let newcomers = (100_000..101_000).map(v4);
        let heard = newcomers.filter(|&from| guesses.may(at(60_000), from)).count();
        assert!(heard >= 995, "{heard} of 1,000");
        assert_eq!(guesses.first.len(), PLACES);
    }

    #[test]
    fn a_minute_is_a_minute_whenever_it_begins() {
        // Around the end of the stamps, too.
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
