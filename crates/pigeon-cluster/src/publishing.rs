//! What a hub publishes: queues, and records in flight.
//!
//! Records of one hub become valid in the order of its queue. It goes back to the first one that
//! is not in the stream, as TCP does, whenever the broker refuses, loses or forgets one: a later
//! message of an outbox never precedes an earlier one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pigeon_datagram::Instant;

use pigeon_proto::Position;

use crate::record::{Outbox, Said};

/// Maximum records in flight. A client of 5,000 unacknowledged ones hangs.
pub(crate) const WINDOW: usize = 1_000;

/// Maximum bytes of texts in flight.
const WINDOW_BYTES: usize = 4 << 20;

/// Time limit for a record in flight to appear.
const LATE: Duration = Duration::from_secs(5);

/// Delays before a round.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(4);

/// Something to publish.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Have {
        outboxes: Vec<Outbox>,
        last: bool,
    },
    Again(Said),
    Done {
        have: u128,
    },
    /// Messages to be read from the log.
    Missing(Missing),
    New {
        ticket: Option<u64>,
        said: Said,
    },
}

/// Messages of an outbox after a number and a position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    pub(crate) author: u128,
    pub(crate) outbox: u64,
    pub(crate) after: u64,
    pub(crate) joined: Position,
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Item::Again(said) | Item::New { said, .. } => said.message.text.len(),
            Item::Have { .. } | Item::Done { .. } | Item::Missing(_) => 0,
        }
    }
}

struct Flying {
    id: u64,
    item: Item,
    /// The last sequence read before it was published.
    seen: u64,
    acknowledged: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Publishing {
    flight: VecDeque<Flying>,
    bytes: usize,
    /// The step of the first record in flight.
    base: u64,
    round: u64,
    redo: VecDeque<Item>,
    have: VecDeque<Item>,
    again: VecDeque<Item>,
    new: VecDeque<Item>,
    pub(crate) new_bytes: usize,
    ids: u64,
    /// When the record in flight that was published first is late.
    late_at: Option<Instant>,
    pub(crate) resume_at: Option<Instant>,
    delay: Duration,
    /// The last number of each outbox in `new`, in flight or waiting.
    lasts: BTreeMap<(u128, u64), (u64, usize)>,
}

impl Publishing {
    pub(crate) fn push_new(&mut self, ticket: Option<u64>, said: Said) {
        let key = (said.identity().author, said.identity().outbox);
        let last = self.lasts.entry(key).or_default();
        *last = (last.0.max(said.identity().number), last.1 + 1);
        let item = Item::New { ticket, said };
        self.new_bytes += item.bytes();
        self.new.push_back(item);
    }

    pub(crate) fn push_have(&mut self, outboxes: Vec<Outbox>, last: bool) {
        self.have.push_back(Item::Have { outboxes, last });
    }

    pub(crate) fn push_again(&mut self, item: Item) {
        self.again.push_back(item);
    }

    /// The last number of an outbox that waits or is in flight.
    pub(crate) fn last_of(&self, author: u128, outbox: u64) -> Option<u64> {
        self.lasts.get(&(author, outbox)).map(|(last, _)| *last)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.new.len() + self.redo.len() + self.flight.len()
    }

    /// Whether nothing of the logs waits to be said again.
    pub(crate) fn has_said_again(&self) -> bool {
        let is_new = |item: &Item| matches!(item, Item::New { .. });
        let flight = self.flight.iter().map(|it| &it.item);
        self.have.is_empty() && self.again.is_empty() && flight.chain(&self.redo).all(is_new)
    }

    /// The next item to publish, with its id, round and step.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        seen: u64,
        allows_new: bool,
        mut is_needless: impl FnMut(&Item) -> bool,
    ) -> Option<(u64, u64, u64, &Item)> {
        if self.resume_at.is_some_and(|at| at > now) {
            return None;
        }
        self.resume_at = None;
        if self.flight.len() >= WINDOW || self.bytes >= WINDOW_BYTES {
            return None;
        }
        let item = loop {
            let queues = [&mut self.redo, &mut self.have, &mut self.again];
            let item = queues.into_iter().find_map(VecDeque::pop_front);
            match item.or_else(|| allows_new.then(|| self.new.pop_front()).flatten())? {
                item @ Item::Missing(_) => {
                    self.again.push_front(item);
                    return None;
                }
                item if is_needless(&item) => {}
                item => break item,
            }
        };
        self.ids += 1;
        self.bytes += item.bytes();
        self.late_at.get_or_insert(now + LATE);
        let step = self.base + self.flight.len() as u64;
        self.flight.push_back(Flying { id: self.ids, item, seen, acknowledged: None });
        self.flight.back().map(|it| (it.id, self.round, step, &it.item))
    }

    /// The broker has acknowledged a record. True if it has given it a sequence that was used
    /// before.
    pub(crate) fn acknowledged(&mut self, id: u64, sequence: u64) -> bool {
        let Ok(place) = self.flight.binary_search_by_key(&id, |it| it.id) else { return false };
        let flying = &mut self.flight[place];
        flying.acknowledged = Some(sequence);
        sequence <= flying.seen
    }

    /// Whether messages must be read from the log before anything else is published.
    pub(crate) fn awaits_reading(&self) -> bool {
        matches!(self.again.front(), Some(Item::Missing(_)))
    }

    /// Takes the next messages to be read from the log, if they are published next.
    pub(crate) fn take_missing(&mut self) -> Option<Missing> {
        match self.again.front() {
            Some(Item::Missing(missing)) => {
                let missing = *missing;
                self.again.pop_front();
                Some(missing)
            }
            _ => None,
        }
    }

    /// Puts messages back that were read from the log, before everything else that is said again.
    pub(crate) fn put_missing(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.again.push_front(item));
    }

    /// Whether a record is in flight.
    pub(crate) fn is_flying(&self, id: u64) -> bool {
        self.flight.binary_search_by_key(&id, |it| it.id).is_ok()
    }

    /// The next valid record of this hub has appeared in the stream.
    pub(crate) fn appeared(&mut self, now: Instant, round: u64, step: u64) -> Option<Item> {
        if round != self.round || step != self.base {
            return None;
        }
        let item = self.flight.pop_front()?.item;
        self.base += 1;
        self.bytes -= item.bytes();
        self.late_at = (!self.flight.is_empty()).then(|| now + LATE);
        self.delay = Duration::ZERO;
        self.forget(&item);
        Some(item)
    }

    fn forget(&mut self, item: &Item) {
        let Item::New { said, .. } = item else { return };
        self.new_bytes = self.new_bytes.saturating_sub(item.bytes());
        let key = (said.identity().author, said.identity().outbox);
        if let Some(last) = self.lasts.get_mut(&key) {
            last.1 -= 1;
            if last.1 == 0 {
                self.lasts.remove(&key);
            }
        }
    }

    /// Takes all waiting messages of an outbox after a number: one before them was not accepted.
    pub(crate) fn take_outbox(&mut self, author: u128, outbox: u64) -> Vec<Item> {
        let is_of = |item: &Item| match item {
            Item::New { said, .. } => {
                said.identity().author == author && said.identity().outbox == outbox
            }
            _ => false,
        };
        let mut taken = Vec::new();
        for queue in [&mut self.redo, &mut self.new] {
            let all = std::mem::take(queue);
            for item in all {
                if is_of(&item) { taken.push(item) } else { queue.push_back(item) }
            }
        }
        taken.iter().for_each(|item| self.forget(item));
        taken
    }

    /// Whether the first record in flight was lost: its sequence was read, and it was not there.
    pub(crate) fn has_lost(&self, cursor: u64) -> bool {
        let first = self.flight.front().and_then(|it| it.acknowledged);
        first.is_some_and(|sequence| sequence <= cursor)
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        [self.late_at, self.resume_at].into_iter().flatten().min()
    }

    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.late_at.is_some_and(|at| at <= now)
    }

    /// Goes back to the first record in flight, after a delay that grows.
    pub(crate) fn go_back(&mut self, now: Instant) {
        self.delay = (self.delay * 2).clamp(FIRST_DELAY, LAST_DELAY);
        self.resume_at = Some(now + self.delay);
        self.land();
    }

    /// Takes everything out of flight.
    fn land(&mut self) {
        for flying in self.flight.drain(..).rev() {
            self.redo.push_front(flying.item);
        }
        (self.bytes, self.base, self.late_at) = (0, 0, None);
        self.round += 1;
    }

    /// A new epoch: what belongs to the last one is dropped, messages stay.
    pub(crate) fn new_epoch(&mut self) {
        self.land();
        self.have.clear();
        self.again.clear();
        for item in std::mem::take(&mut self.redo).into_iter().rev() {
            if matches!(item, Item::New { .. }) {
                self.new.push_front(item);
            }
        }
        (self.resume_at, self.delay) = (None, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Again, Numbered};
    use crate::testing::message;

    fn publishing(count: u64) -> Publishing {
        let mut publishing = Publishing::default();
        for number in 1..=count {
            let (after, numbered, again) = (number - 1, Numbered::Author, Again::No);
            let said = Said { message: message(1, 2, number, "x"), after, numbered, again };
            publishing.push_new(Some(number), said);
        }
        publishing
    }

    fn steps(publishing: &mut Publishing, now: Instant) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        while let Some((_, round, step, _)) = publishing.next(now, 0, true, |_| false) {
            steps.push((round, step));
        }
        steps
    }

    #[test]
    fn everything_from_the_first_lost_record_on_is_published_again_in_a_new_round() {
        let mut publishing = publishing(4);
        assert_eq!(steps(&mut publishing, Instant::ORIGIN), [(0, 0), (0, 1), (0, 2), (0, 3)]);
        assert!(publishing.appeared(Instant::ORIGIN, 0, 0).is_some());
        assert!(publishing.appeared(Instant::ORIGIN, 0, 2).is_none(), "1 is missing");
        publishing.go_back(Instant::ORIGIN);
        assert_eq!(steps(&mut publishing, Instant::ORIGIN), [], "not at once");
        let later = Instant::ORIGIN + FIRST_DELAY;
        assert_eq!(steps(&mut publishing, later), [(1, 0), (1, 1), (1, 2)]);
        assert_eq!(publishing.last_of(1, 2), Some(4));
    }

    #[test]
    fn only_a_window_is_in_flight() {
        let mut publishing = publishing(2_000);
        assert_eq!(steps(&mut publishing, Instant::ORIGIN).len(), WINDOW);
        assert!(publishing.appeared(Instant::ORIGIN, 0, 0).is_some());
        assert_eq!(steps(&mut publishing, Instant::ORIGIN), [(0, 1_000)]);
        assert_eq!(publishing.waiting(), 1_999);
    }
}
