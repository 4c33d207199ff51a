//! The hub's recent work, in total and per address, in estimated nanoseconds. Estimates instead of
//! measurements make the outcome reproducible.
//!
//! Work is remembered for about [`MEMORY`]. All addresses together may use the budget. One address
//! may use half of what the others leave, so that something is left for the next: *n* addresses
//! with unlimited demand each get about one share in *n* + 1. An address with less than [`GRACE`]
//! of work in about a second is always served, for example when a user pastes a page. An address
//! that has used little gets one more item regardless of its cost. So quiet addresses have
//! priority.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;
use pigeon_datagram::Instant;

/// After this time about a third of what was done still counts. It bounds bursts to half the budget of
/// this time, 2.5 ms by default. A shorter memory would refuse the key frames of a video: with 3 ms a
/// class of forty lost every one of them. Others do not wait for a whole burst: see `plain::turns`.
const MEMORY: Duration = Duration::from_millis(10);

/// The same time for the second account, which grants every address [`GRACE`].
const LONG_MEMORY: Duration = Duration::from_secs(1);

/// Work within [`LONG_MEMORY`] that is always granted to an address, in nanoseconds: less than a
/// hundredth of that time.
const GRACE: f64 = 8e6;

/// Maximum number of addresses remembered. Beyond it, those with the least work are dropped.
const ENTRIES: usize = 4_096;

/// Entries per set of the table.
const WAYS: usize = 4;

/// Below this, an address counts as idle, in nanoseconds.
const NOTHING: f64 = 1_000.0;

/// The share of the budget of [`MEMORY`] that counts as little. An address below it gets one more
/// item, however small its own share is, while the budget lasts: a steady sender loses nothing to a
/// bursty one.
const LITTLE: f64 = 1.0 / 32.0;

/// Recent work.
#[derive(Clone, Copy, Default)]
struct Lately {
    nanos: f64,
    at: Instant,
}

impl Lately {
    fn read(self, now: Instant, memory: Duration) -> f64 {
        let ages = (now - self.at).as_secs_f64() / memory.as_secs_f64();
        self.nanos * (-ages).exp()
    }

    fn add(&mut self, now: Instant, memory: Duration, nanos: f64) {
        *self = Lately { nanos: self.read(now, memory) + nanos, at: self.at.max(now) };
    }
}

#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u64,
    done: Lately,
    long: Lately,
}

/// Recent work, in total and per address.
pub(crate) struct Work {
    hasher: RandomState,
    all: Lately,
    /// Empty until the first address is counted.
    entries: Vec<Entry>,
}

impl Work {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(b, a, d, c);
        Work { hasher, all: Lately::default(), entries: Vec::new() }
    }

    /// Whether an address had almost no work recently.
    pub(crate) fn is_rested(&self, now: Instant, ip: IpAddr) -> bool {
        let (set, tag) = self.place(ip);
        let entries = self.entries.get(set..set + WAYS).unwrap_or_default();
        entries.iter().all(|entry| entry.tag != tag || entry.done.read(now, MEMORY) < NOTHING)
    }

    /// Charges work in nanoseconds to an address, or refuses it. `budget`: the limit for all
    /// addresses together, in nanoseconds per second. An address that is `alone` has no other
    /// limit.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        ip: IpAddr,
        nanos: u64,
        budget: Duration,
        alone: bool,
    ) -> bool {
        self.entries.resize(ENTRIES, Entry::default());
        let (set, tag) = self.place(ip);
        let entries = &mut self.entries[set..set + WAYS];
        let known = entries.iter().position(|entry| entry.tag == tag);
        let least = || {
            let done = |way: &usize| entries[*way].long.read(now, LONG_MEMORY);
            (0..WAYS).min_by(|a, b| done(a).total_cmp(&done(b)))
        };
        let way = known.or_else(least).unwrap_or(0);
        let entry = &mut entries[way];
        if entry.tag != tag {
            *entry = Entry { tag, ..Entry::default() };
        }
        let (cost, own, all) =
            (nanos as f64, entry.done.read(now, MEMORY), self.all.read(now, MEMORY));
        let most = budget.as_nanos() as f64 * MEMORY.as_secs_f64();
        let left = (most - (all - own).max(0.0)) / 2.0;
        let long = entry.long.read(now, LONG_MEMORY);
        let is_quiet =
            own <= NOTHING || long + cost <= GRACE || own <= most * LITTLE && all + cost <= most;
        if !alone && !is_quiet && own + cost > left {
            return false;
        }
        // A cost above a burst counts as a burst, but for longer.
        let counted = cost.min(most / 2.0);
        entry.done.add(now, MEMORY, counted);
        entry.long.add(now, LONG_MEMORY, cost);
        self.all.add(now, MEMORY, counted);
        if !alone && cost > counted {
            let rest = (cost - counted) * 2.0 / budget.as_secs_f64().max(f64::EPSILON);
            entry.done.at = entry.done.at + Duration::from_nanos(rest as u64);
        }
        true
    }

    /// The first entry of an address's set, and its tag, which is never that of an empty entry.
    fn place(&self, ip: IpAddr) -> (usize, u64) {
        let hash = self.hasher.hash_one(ip);
        (hash as usize % (ENTRIES / WAYS) * WAYS, hash | 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(500);

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + n).to_be_bytes())
    }

    fn work() -> Work {
        Work::new([1, 2, 3, 4])
    }

    /// The share of a core that each address gets if it requests work of this cost at this interval
    /// in microseconds, for ten seconds.
    fn shares<const N: usize>(wants: [(u64, u64); N]) -> [f64; N] {
        let (mut work, mut got) = (work(), [0; N]);
        for micros in 0..10_000_000_u64 {
            let now = Instant::from_nanos(micros * 1_000);
            for (n, (nanos, every)) in wants.into_iter().enumerate() {
                if micros % every == 0 && work.take(now, ip(n as u32), nanos, BUDGET, false) {
                    got[n] += nanos;
                }
            }
        }
        got.map(|nanos| nanos as f64 / 1e10)
    }

    #[test]
    fn one_address_gets_half_of_what_there_is_and_more_share_alike() {
        let [one] = shares([(100_000, 100)]);
        assert!((0.22..0.27).contains(&one), "{one}");
        for share in shares([(100_000, 100), (1_000_000, 1_000), (30_000, 25)]) {
            // Small requests fit more easily than large ones.
            assert!((0.008..0.25).contains(&share), "{share}");
        }
    }

    #[test]
    fn the_quiet_get_all_they_want_whatever_the_others_do() {
        let [.., cheap, dear] = shares([
            (100_000, 50),
            (2_900_000, 1_000),
            (50_000, 20),
            (5_000, 1_000),
            (2_900_000, 1_000_000),
        ]);
        assert_eq!((cheap, dear), (0.005, 0.0029));
    }

    /// A hundred lines per second to 256 readers, beside an address that requests a whole core.
    #[test]
    fn an_even_speaker_loses_nothing_to_a_bursty_one() {
        for bursty in [(128_000, 100), (437_000, 200), (720_000, 1_000)] {
            let [_, even] = shares([bursty, (437_000, 10_000)]);
            assert_eq!(even, 0.0437, "beside {bursty:?}");
        }
    }

    /// Forty readers, 25 frames per second of 15 datagrams, a key frame of 100 every second: all
    /// datagrams of a frame after the first leave in a train.
    #[test]
    fn a_video_for_a_class_loses_no_key_frame() {
        let mut work = work();
        for frame in 0..250 {
            let now = Instant::from_nanos(frame * 40_000_000);
            for n in 0..if frame % 25 == 0 { 100 } else { 15 } {
                let nanos = if n == 0 { 70_000 } else { 22_000 };
                assert!(work.take(now, ip(1), nanos, BUDGET, false), "{n} of frame {frame}");
            }
        }
    }

    #[test]
    fn what_costs_more_than_a_burst_is_done_and_paid_for() {
        let [dear] = shares([(100_000_000, 1_000)]);
        assert!((0.2..0.27).contains(&dear), "{dear}");
    }

    #[test]
    fn who_is_alone_is_refused_nothing() {
        let mut work = work();
        assert!((0..1_000).all(|_| work.take(Instant::ORIGIN, ip(1), u64::MAX, BUDGET, true)));
        assert!(!work.take(Instant::ORIGIN, ip(1), 1, BUDGET, false));
        assert!(work.take(Instant::ORIGIN, ip(2), 1, BUDGET, false), "another does not pay for it");
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory() {
        let mut work = work();
        assert!(work.is_rested(Instant::ORIGIN, ip(1)));
        for n in 0..100_000 {
            work.take(Instant::ORIGIN, ip(n), 50_000, BUDGET, false);
        }
        assert_eq!(work.entries.len(), ENTRIES);
        let next = Instant::ORIGIN + Duration::from_secs(1);
        assert!(work.is_rested(next, ip(1)) && work.take(next, ip(1), 50_000, BUDGET, false));
        assert!(!work.is_rested(next, ip(1)));
        assert!(work.take(next, ip(7), 1, Duration::ZERO, false), "extremes do no harm");
    }
}
