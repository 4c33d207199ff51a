//! The members of a hub in the load generator, all in one thread.
//!
//! They are read in turn, each until it has its copies, and never block: so no hub pays for
//! wake-ups, and only sending is compared.

use std::time::{Duration, Instant};

use super::load::Burst;

/// The members of one hub or broker.
pub trait Members {
    /// The number of members.
    fn count(&self) -> usize;

    /// Makes all members join, again if necessary.
    fn join(&mut self);

    /// The first member sends the burst at once.
    fn publish(&mut self, burst: &Burst);

    /// Reads until every member, including the sender, has its copies of the burst, or until
    /// nothing has arrived for `patience`.
    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected;

    /// Total datagrams that the kernel has dropped for the members.
    fn kernel_drops(&mut self) -> u64;
}

/// The received part of a burst.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collected {
    /// Copies received by all members together.
    pub copies: u64,
    /// When the kernel queued the last copy, since the Unix epoch.
    pub last: Option<Duration>,
}

/// Reads one member after another. `read` returns the number of copies it found.
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
            // After `patience`, everyone is still read once.
            if got >= due || (more == 0 && progress.elapsed() > patience) {
                break;
            }
        }
        copies += got as u64;
    }
    copies
}
