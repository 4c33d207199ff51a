//! Two hosts and a bad way between them: made by the kernel's netem, by a packet filter that drops
//! and counts (nftables), or by a program that holds, loses, repeats and counts (`bad_network.py`).
//! What they count is the truth that others' figures are held against.
//!
//! ```text
//!   near 10.77.1.1 ── bad way ── 10.77.1.2 far
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

/// How bad a way is, spelt for those that make it so.
pub(crate) struct Way {
    /// For netem, behind its name: `loss 10%`.
    pub(crate) netem: &'static str,
    /// For `bad_network.py`.
    pub(crate) program: &'static str,
}

/// Two hosts and a way between them that is equally bad in both directions.
pub(crate) trait BadPath {
    fn near(&self) -> &Namespace;
    fn far(&self) -> &Namespace;

    /// Makes it as bad as this from now on.
    fn become_as(&mut self, way: &Way);

    /// What each direction has carried so far.
    fn carried(&mut self) -> Carried;

    /// The same, once nothing is on its way.
    fn settled(&mut self) -> Carried {
        wait_until("nothing is on its way", || {
            let carried = self.carried();
            (carried.there.waiting + carried.back.waiting == 0).then_some(carried)
        })
    }
}

/// The datagrams carried from near to far, and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) there: Direction,
    pub(crate) back: Direction,
}

/// How many came to one direction, how many left it, copies too, and how many still have to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    pub(crate) came: u64,
    pub(crate) passed: u64,
    pub(crate) waiting: u64,
}
