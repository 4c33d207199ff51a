//! The schedule of faults.

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::CLIENTS;
use crate::cell::Cell;
use crate::chance::Chance;

/// A fault of either end or of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The connection of a client breaks.
    Cut(usize),
    /// The address of a client changes.
    Move(usize),
    /// The hub's program ends at once.
    KillHub,
    /// A client's program ends at once.
    KillClient {
        /// The client's number.
        client: usize,
        /// Whether the client's machine crashes too, and loses what was not synced.
        crashes: bool,
    },
    /// The hub's disk is set back to the last copy.
    RestoreHub,
    /// A client's disk is.
    RestoreClient(usize),
    /// The hub's disk is copied.
    BackUpHub,
    /// A client's disk is.
    BackUpClient(usize),
    /// The hub starts, unless it runs.
    StartHub,
    /// A client starts, unless it runs.
    StartClient(usize),
    /// A plain member says something.
    PlainSays,
}

/// Future faults by time.
pub(crate) struct Schedule {
    chance: Chance,
    due: Vec<(Instant, Happening, Option<Duration>)>,
    crashes: u64,
}

impl Schedule {
    pub(crate) fn new(cell: &Cell, mut chance: Chance) -> Schedule {
        let mut due = Vec::new();
        let mut often = |happening, mean: Option<Duration>| {
            if let Some(mean) = mean {
                let first = Instant::ORIGIN + chance.between(Duration::ZERO, mean * 2);
                due.push((first, happening, Some(mean)));
            }
        };
        often(Happening::KillHub, cell.hub_kills);
        often(Happening::RestoreHub, cell.hub_restores);
        often(Happening::BackUpHub, cell.hub_restores.map(|mean| mean / 2));
        often(Happening::PlainSays, Some(Duration::from_millis(400)));
        for client in 0..usize::from(CLIENTS) {
            let crashes = false;
            often(Happening::Cut(client), cell.cuts);
            often(Happening::Move(client), cell.moves);
            often(Happening::KillClient { client, crashes }, cell.client_kills);
            often(Happening::RestoreClient(client), cell.client_restores);
            often(Happening::BackUpClient(client), cell.client_restores.map(|mean| mean / 2));
        }
        Schedule { chance, due, crashes: cell.crashes }
    }

    /// Exactly the happenings of `script`, each with the delay since the one before.
    pub(crate) fn script(script: &[(Duration, Happening)], chance: Chance) -> Schedule {
        let mut at = Instant::ORIGIN;
        let due = script.iter().map(|(after, happening)| {
            at = at + *after;
            (at, *happening, None)
        });
        Schedule { due: due.collect(), chance, crashes: 500 }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.due.iter().map(|(at, ..)| *at).min()
    }

    /// The next fault that is due.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Happening> {
        let place = self.due.iter().position(|(at, ..)| *at <= now)?;
        let (_, happening, mean) = self.due[place];
        match mean {
            Some(mean) => self.due[place].0 = now + self.chance.about(mean),
            None => {
                self.due.remove(place);
            }
        }
        Some(match happening {
            Happening::KillClient { client, .. } if mean.is_some() => {
                let crashes = self.chance.permille(self.crashes);
                Happening::KillClient { client, crashes }
            }
            happening => happening,
        })
    }

    /// Schedules a restart.
    pub(crate) fn later(&mut self, now: Instant, happening: Happening) {
        let most = if self.chance.permille(100) { 12_000 } else { 1_500 };
        let down = self.chance.between(Duration::from_millis(20), Duration::from_millis(most));
        self.due.push((now + down, happening, None));
    }

    /// Cancels all faults except pending restarts.
    pub(crate) fn calm(&mut self) {
        self.due.retain(|(.., mean)| mean.is_none());
    }

    pub(crate) fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }
}
