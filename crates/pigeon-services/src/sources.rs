//! The rate of each source, in a table of constant size.
//!
//! A source's address hashes to one of [`CELLS`] buckets. **Policy at the bound: two sources in one
//! cell share its rate**, and that is counted. A table keyed by address would, in a flood of forged
//! addresses, have to refuse newcomers or forget a source's debt. Here such a flood spreads thinly
//! over all cells, and a source that asks at a human pace still gets replies.

use std::net::IpAddr;

use ahash::RandomState;
use pigeon_datagram::Instant;
use pigeon_guard::Bucket;

/// The number of distinguishable sources: 256 KiB.
const CELLS: usize = 16_384;

/// The buckets of all sources.
#[derive(Debug)]
pub(crate) struct Sources {
    hasher: RandomState,
    cells: Box<[Cell]>,
    /// Requests that shared another source's rate.
    pub(crate) shared: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    bucket: Bucket,
    /// The source that last used the bucket: the rest of its hash.
    tag: u64,
}

impl Sources {
    pub(crate) fn new([a, b, c, d]: [u64; 4]) -> Self {
        Sources {
            hasher: RandomState::with_seeds(a, b, c, d),
            cells: vec![Cell::default(); CELLS].into_boxed_slice(),
            shared: 0,
        }
    }

    pub(crate) fn bucket(&mut self, now: Instant, source: IpAddr) -> &mut Bucket {
        let tag = self.hasher.hash_one(source);
        let cell = &mut self.cells[tag as usize % CELLS];
        if cell.tag != tag {
            self.shared += u64::from(!cell.bucket.is_full(now));
            cell.tag = tag;
        }
        &mut cell.bucket
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sources_have_a_rate_each_until_the_cells_run_out() {
        let mut sources = Sources::new([1, 2, 3, 4]);
        let now = Instant::ORIGIN + Duration::from_secs(9);
        let mut passes = |n: u32| {
            let bucket = sources.bucket(now, IpAddr::from(n.to_be_bytes()));
            let passes = bucket.has_room(now, Duration::from_secs(1));
            if passes {
                bucket.take(now, Duration::from_secs(1));
            }
            passes
        };
        assert!(passes(1) && !passes(1) && passes(2) && !passes(2));
        // One request from each source: of a hundred thousand forged sources about one per cell
        // passes.
        let passed = (3..100_000).filter(|&n| passes(n)).count();
        assert!((CELLS * 9 / 10..CELLS).contains(&passed), "{passed}");
        assert!(sources.shared > 80_000, "{}", sources.shared);
    }
}
