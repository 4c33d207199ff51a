//! How often the hub's password may be guessed wrong.
//!
//! One address may guess five times a second, and all together twenty times: a password can be
//! tried through from many addresses as slowly as from one. But whoever can use up what is for all
//! must not lock out those who know the password, so an address that has not guessed wrong within
//! the last minute is always heard once. Right guesses cost nothing: a whole class may come at once.
//!
//! An address is what [`SourceRules::counted_as`](pigeon_guard::SourceRules::counted_as) makes of it. Those
//! that guessed wrong are remembered for a minute, [`MAX_ADDRESSES`] at the most; while there are so
//! many, further ones are not heard, since otherwise each could guess once and be forgotten.
//!
//! Resume words have no such limit. They hold 80 random bits, and a password as many as somebody
//! cared to type.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;

use super::rates::Buckets;
use crate::config::Rate;

/// Wrong guesses from one address.
const FROM_ONE: Rate = Rate { messages: Some(5), bytes: None };

/// Wrong guesses from all addresses, the first of each apart.
const FROM_ALL: Rate = Rate { messages: Some(20), bytes: None };

/// How long an address that guessed wrong is remembered.
const MEMORY: Duration = Duration::from_secs(60);

/// The most addresses remembered.
const MAX_ADDRESSES: usize = 4_096;

/// Wrong guesses lately.
pub(crate) struct Guesses {
    by_address: HashMap<IpAddr, Buckets, RandomState>,
    /// Whose first wrong guess was when, oldest first.
    since: VecDeque<(Instant, IpAddr)>,
    all: Buckets,
}

impl Guesses {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        Guesses {
            by_address: HashMap::with_hasher(RandomState::with_seeds(c, d, a, b)),
            since: VecDeque::new(),
            all: Buckets::default(),
        }
    }

    /// Whether one more guess from there is looked at.
    pub(crate) fn may(&mut self, now: Instant, from: IpAddr) -> bool {
        self.forget(now);
        match self.by_address.get(&from) {
            Some(own) => own.have_room(now, FROM_ONE, 0) && self.all.have_room(now, FROM_ALL, 0),
            None => self.by_address.len() < MAX_ADDRESSES,
        }
    }

    /// Counts a guess that was looked at and wrong.
    pub(crate) fn wrong(&mut self, now: Instant, from: IpAddr) {
        let own = self.by_address.entry(from).or_insert_with(|| {
            self.since.push_back((now, from));
            Buckets::default()
        });
        own.take(now, FROM_ONE, 0);
        self.all.take(now, FROM_ALL, 0);
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, address)) = self.since.pop_front_if(|(since, _)| now - *since > MEMORY) {
            self.by_address.remove(&address);
        }
    }
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
        assert!(guesses.may(at(61_001), honest), "a minute later");
    }

    #[test]
    fn addresses_are_remembered_in_bounded_number() {
        let mut guesses = Guesses::new([0; 4]);
        let from: Vec<IpAddr> = (0..10_000).map(v4).collect();
        assert_eq!(looked_at(&mut guesses, &from, 0..10_000), MAX_ADDRESSES);
        assert_eq!(guesses.by_address.len(), guesses.since.len());
        assert!(guesses.may(at(80_000), v4(20_000)));
        assert_eq!((guesses.by_address.len(), guesses.since.len()), (0, 0));
    }
}
