//! Seeded randomness.

use std::time::Duration;

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// A seeded random generator.
#[derive(Clone)]
pub(crate) struct Chance(Pcg64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(Pcg64::seed_from_u64(seed))
    }

    /// Another generator, seeded by this one.
    pub(crate) fn fork(&mut self) -> Chance {
        Chance::new(self.0.next_u64())
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64().checked_rem(end).unwrap_or(0)
    }

    /// True with this probability, per mille.
    pub(crate) fn permille(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// A time between two times.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(self.below(span + 1))
    }

    /// Between half and one and a half of the mean.
    pub(crate) fn about(&mut self, mean: Duration) -> Duration {
        self.between(mean / 2, mean * 3 / 2)
    }

    pub(crate) fn into_rng(self) -> Pcg64 {
        self.0
    }
}
