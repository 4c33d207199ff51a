//! The random numbers of a path: a generator per setting, and a fixed number of draws from each for
//! every datagram. The parent module explains why.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// The generators, one per setting.
pub(super) struct Dice {
    loss: Pcg64,
    corrupt: Pcg64,
    duplicate: Pcg64,
    jitter: Pcg64,
    reorder: Pcg64,
    /// Datagrams that needed no draws; their draws are skipped before the next roll.
    skipped: u64,
}

/// All random numbers drawn for one datagram, each uniform over 64 bits.
pub(super) struct Roll {
    /// Decides whether the channel changes between good and bad.
    pub(super) change: u64,
    /// Decides whether the datagram is lost.
    pub(super) loss: u64,
    /// Decides whether a bit flips, in which byte, and which of the eight.
    pub(super) corrupt: u64,
    pub(super) byte: u64,
    pub(super) bit: u64,
    /// Decides whether there is a copy.
    pub(super) duplicate: u64,
    /// The draws for the datagram's travel, and for its copy's.
    pub(super) original: Journey,
    pub(super) copy: Journey,
}

/// The draws for the travel of one copy.
#[derive(Clone, Copy)]
pub(super) struct Journey {
    pub(super) jitter: u64,
    pub(super) reorder: u64,
}

impl Dice {
    // A new setting must take its seed last, so that the others keep theirs.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Dice {
            loss: Pcg64::from_rng(rng),
            corrupt: Pcg64::from_rng(rng),
            duplicate: Pcg64::from_rng(rng),
            jitter: Pcg64::from_rng(rng),
            reorder: Pcg64::from_rng(rng),
            skipped: 0,
        }
    }

    /// Skips the draws of `datagrams` datagrams. The generators advance only before the next roll,
    /// in a few dozen steps whatever the number, so a path that changes nothing costs nothing.
    pub(super) fn skip(&mut self, datagrams: u64) {
        self.skipped = self.skipped.saturating_add(datagrams);
    }

    pub(super) fn roll(&mut self) -> Roll {
        self.pass_over();
        Roll {
            change: self.loss.next_u64(),
            loss: self.loss.next_u64(),
            corrupt: self.corrupt.next_u64(),
            byte: self.corrupt.next_u64(),
            bit: self.corrupt.next_u64(),
            duplicate: self.duplicate.next_u64(),
            original: self.journey(),
            copy: self.journey(),
        }
    }

    fn pass_over(&mut self) {
        let datagrams = u128::from(std::mem::take(&mut self.skipped));
        if datagrams > 0 {
            self.loss.advance(datagrams * 2);
            self.corrupt.advance(datagrams * 3);
            self.duplicate.advance(datagrams);
            self.jitter.advance(datagrams * 2);
            self.reorder.advance(datagrams * 2);
        }
    }

    fn journey(&mut self) -> Journey {
        Journey { jitter: self.jitter.next_u64(), reorder: self.reorder.next_u64() }
    }
}

/// Scales a draw to a number below `count`, by multiplication.
///
/// The bias is at most `count / 2^64`, which no test can detect. Lemire's rejection (2019, "Fast
/// random integer generation in an interval") would remove it, but takes a varying number of draws.
pub(super) fn below(draw: u64, count: usize) -> usize {
    ((u128::from(draw) * count as u128) >> 64) as usize
}
