//! What the log's threads and the hub's loop share: reports, answers, and what is on its way to the
//! disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pigeon_hub::reliable::SayId;
use pigeon_hub::{Found, Keep, LinkId, Lookup, Message};
use pigeon_log::{Outcome, Report, Ticket};
use pigeon_net::Waker;

use super::Settled;
use crate::cli::hub::cluster;

/// Maximum number of state changes kept until the log is writable again.
const MAX_OWED: usize = 10_000;

/// State shared by the log's threads and the loop.
pub(super) struct Shared {
    pub(super) inner: Mutex<Inner>,
    pub(super) waker: Arc<OnceLock<Waker>>,
    /// Woken when something is on disk.
    pub(super) followers: Mutex<Vec<Waker>>,
    pub(super) cluster: OnceLock<cluster::Writing>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) reports: Vec<Report>,
    pub(super) answers: Vec<(Lookup, Option<Found>)>,
    /// Messages of reliable members that are not settled.
    pub(super) says: BTreeMap<Ticket, Unsettled>,
    /// The longest time until a message was on disk, since it was last asked for.
    pub(super) lag: Duration,
    /// Settled messages by link.
    pub(super) settled: BTreeMap<LinkId, Vec<Settled>>,
    /// State changes that are not settled.
    pub(super) pending: BTreeMap<Ticket, Keep>,
    /// State changes that could not be stored, for when the log is writable again.
    pub(super) owed: VecDeque<Keep>,
    /// Number of changes dropped because `owed` was full.
    pub(super) forgone: u64,
}

/// A reliable member's message on its way to the disk.
pub(super) struct Unsettled {
    pub(super) link: LinkId,
    pub(super) id: SayId,
    pub(super) message: Message,
    pub(super) since: std::time::Instant,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        self.waker.get().into_iter().for_each(Waker::wake);
    }

    /// Handles a report on the writer's thread. A report that messages are stored does not wake the
    /// loop.
    pub(super) fn report(&self, report: Report) {
        let mut inner = self.lock();
        let Report::Settled { outcomes, .. } = &report else {
            inner.reports.push(report);
            drop(inner);
            return self.wake();
        };
        if let Some(cluster) = self.cluster.get() {
            // First, because it decides how far followers may read.
            cluster.stored(outcomes);
        }
        self.wake_followers();
        if inner.pending.is_empty() && inner.says.is_empty() {
            return;
        }
        for (ticket, outcome) in outcomes {
            if let Some(Unsettled { link, id, message, since }) = inner.says.remove(ticket) {
                inner.lag = inner.lag.max(since.elapsed());
                let settled = Settled { id, message, outcome: Ok(*outcome) };
                inner.settled.entry(link).or_default().push(settled);
                continue;
            }
            if let Some(keep) = inner.pending.remove(ticket)
                && *outcome == Outcome::NotStored
            {
                inner.owe(keep);
            }
        }
        let is_awaited = !inner.settled.is_empty();
        drop(inner);
        if is_awaited {
            self.wake();
        }
    }

    pub(super) fn wake_followers(&self) {
        let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.iter().for_each(Waker::wake);
    }

    pub(super) fn answer(&self, lookup: Lookup, found: Option<Found>) {
        self.lock().answers.push((lookup, found));
        self.wake();
    }
}

impl Inner {
    pub(super) fn owe(&mut self, keep: Keep) {
        match self.owed.len() < MAX_OWED {
            true => self.owed.push_back(keep),
            false => self.forgone += 1,
        }
    }
}
