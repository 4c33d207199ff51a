//! The deadlines of each node: its two paths and its timer. Ordered by time, so that the next one
//! is found without asking every node.

use std::collections::{BTreeMap, BTreeSet};

use pigeon_datagram::Instant;

/// A deadline that never comes: [`Instant`] saturates there.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// The deadlines, by node and by time.
#[derive(Default)]
pub(super) struct Schedule {
    deadlines: BTreeMap<(usize, Cause), Instant>,
    order: BTreeSet<(Instant, Cause, usize)>,
    /// The number of deadlines that are paths'.
    paths: usize,
}

/// The cause of a deadline, in the order of handling at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Up,
    Down,
    Timer,
}

impl Schedule {
    /// Sets or removes a node's deadline for this cause.
    pub(super) fn set(&mut self, index: usize, cause: Cause, at: Option<Instant>) {
        let at = at.filter(|&at| at < NEVER);
        let old = match at {
            Some(at) => self.deadlines.insert((index, cause), at),
            None => self.deadlines.remove(&(index, cause)),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, cause, index));
            self.paths -= usize::from(cause != Cause::Timer);
        }
        if let Some(at) = at {
            self.order.insert((at, cause, index));
            self.paths += usize::from(cause != Cause::Timer);
        }
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, ..)| at)
    }

    /// The first node with an up path due at `at`.
    pub(super) fn up_path_due(&self, at: Instant) -> Option<usize> {
        let due = (at, Cause::Up, 0)..=(at, Cause::Up, usize::MAX);
        self.order.range(due).next().map(|&(_, _, index)| index)
    }

    /// The nodes with a datagram or a timer due at `at`.
    pub(super) fn nodes_due(&self, at: Instant) -> BTreeSet<usize> {
        let due = (at, Cause::Down, 0)..=(at, Cause::Timer, usize::MAX);
        self.order.range(due).map(|&(_, _, index)| index).collect()
    }

    /// Whether any datagram is in flight.
    pub(super) fn has_datagrams(&self) -> bool {
        self.paths > 0
    }
}
