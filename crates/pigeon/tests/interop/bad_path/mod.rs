//! Two hosts with a bad path between them: made by the kernel's netem, by a packet filter that
//! drops and counts (nftables), or by a program that delays, drops, duplicates and counts
//! (`bad_network.py`). Tests compare other programs' figures with these counts.
//!
//! ```text
//!   near 10.77.1.1 ── bad path ─ 10.77.1.2 far
//! ```

mod netem;
mod packet_filter;
mod program;

pub(crate) use netem::{Netem, on_netem};
pub(crate) use packet_filter::{filter, filtered};
pub(crate) use program::BadNetwork;

use std::fmt::Debug;

use crate::namespace::Namespace;
use crate::process::wait_until;

/// The conditions of a path, in the notation of each tool.
pub(crate) struct Way {
    /// The conditions for netem, after its name: `loss 10%`.
    pub(crate) netem: &'static str,
    /// The conditions for `bad_network.py`.
    pub(crate) program: &'static str,
}

/// Two hosts with a path between them that is equally bad in both directions.
pub(crate) trait BadPath {
    fn near(&self) -> &Namespace;
    fn far(&self) -> &Namespace;

    /// Sets the conditions from now on.
    fn become_as(&mut self, way: &Way);

    /// The counts of each direction so far.
    fn carried(&mut self) -> Carried;

    /// Like `carried`, after all datagrams in flight have arrived.
    fn settled(&mut self) -> Carried {
        wait_until("nothing is on its way", || {
            let carried = self.carried();
            (carried.there.waiting + carried.back.waiting == 0).then_some(carried)
        })
    }
}

/// The datagrams from near to far, and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) there: Direction,
    pub(crate) back: Direction,
}

/// The datagrams that entered one direction, left it (including duplicates), and are in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    pub(crate) came: u64,
    pub(crate) passed: u64,
    pub(crate) waiting: u64,
}
