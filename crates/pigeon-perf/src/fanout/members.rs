//! The members of a hub as the load generator plays them: all of them in one thread.
//!
//! They are read in turn, each until it has its copies, and never waited for: so no hub pays for
//! waking them up, and what is compared is sending alone.

use std::time::{Duration, Instant};

use super::load::Burst;

/// The members of one hub or broker.
pub trait Members {
    /// How many there are.
    fn count(&self) -> usize;

    /// Has everybody join, also who has already.
    fn join(&mut self);

    /// The first member says it all at once.
    fn publish(&mut self, burst: &Burst);

    /// Reads until every member, the speaker too, has its copies of the burst, or until nothing
    /// has come for `patience`.
    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected;

    /// How many datagrams the kernel has dropped before the members so far.
    fn kernel_drops(&mut self) -> u64;
}

/// What arrived of a burst.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collected {
    /// Copies of its messages, of all members together.
    pub copies: u64,
    /// When the kernel put the last copy into its member's queue, since the Unix epoch.
    pub last: Option<Duration>,
}

/// Reads one member after another. `read` returns how many copies it found.
pub fn collect_in_turn<M>(
    members: &mut [M],
    due: usize,
    patience: Duration,
    mut read: impl FnMut(&mut M) -> usize,
) -> u64 {
    let mut progress = Instant::now();
    let mut copies = 0;
    for member in members {
        let mut got = 0;
        loop {
            let more = read(member);
            got += more;
            if more > 0 {
                progress = Instant::now();
            }
            // When patience has ended, everybody is still read once.
            if got >= due || (more == 0 && progress.elapsed() > patience) {
                break;
            }
        }
        copies += got as u64;
    }
    copies
}
