//! What a hub publishes: queues, and records in flight.
//!
//! Records of one hub become valid in the order of its queue. It goes back to the first one that
//! is not in the stream, as TCP does, whenever the broker refuses, loses or forgets one: a later
//! message of an outbox never precedes an earlier one.
//!
//! One record carries several messages. A message that comes alone is published at once. Those that
//! come while a few records are in flight go out together, as small segments do by Nagle's
//! algorithm, so a busy hub costs the brokers one record for up to [`MESSAGES`] messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pigeon_datagram::Instant;

use pigeon_proto::Position;

use crate::record::{
    Again, MESSAGES, Numbered, Outbox, RECORD, Said, TEXTS, messages_in, outboxes_in, room_in,
};

/// Maximum records in flight, so 2 MiB of text.
pub(crate) const WINDOW: usize = 16;

/// Maximum records in flight while fewer messages wait than a record holds.
const FEW: usize = 2;

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
    /// Whether the message before them is too large for the brokers.
    pub(crate) is_cut: bool,
}

impl Item {
    pub(crate) fn said(&self) -> Option<&Said> {
        match self {
            Item::Again(said) | Item::New { said, .. } => Some(said),
            Item::Have { .. } | Item::Done { .. } | Item::Missing(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        self.said().map_or(0, |said| said.message.text.len())
    }

    fn exceeds(&self, limit: usize) -> bool {
        self.said().is_some_and(|said| said.exceeds(limit).is_some())
    }
}

/// Maximum bytes of a record that holds several messages or outboxes, and of a message alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) several: usize,
    pub(crate) one: usize,
}

impl Limits {
    pub(crate) fn of(bytes: usize) -> Limits {
        Limits { several: bytes, one: bytes }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(RECORD)
    }
}

/// New messages of one kind that wait or are in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Which new messages may be published: reliable members', and plain members'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allows {
    pub(crate) new: bool,
    pub(crate) plain: bool,
}

/// A record in flight: several messages, or one other item.
struct Flying {
    id: u64,
    items: Vec<Item>,
    /// The last sequence read before it was published.
    seen: u64,
    acknowledged: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Publishing {
    flight: VecDeque<Flying>,
    /// The step of the first record in flight.
    base: u64,
    round: u64,
    redo: VecDeque<Item>,
    have: VecDeque<Item>,
    again: VecDeque<Item>,
    /// New messages of reliable members.
    new: VecDeque<Item>,
    /// New messages of plain members. They belong to no chain, so they do not wait for what a hub that
    /// comes later lacks.
    plain: VecDeque<Item>,
    /// Whether a plain member's message is next if both kinds wait.
    is_plain_next: bool,
    /// Reliable members' messages, and plain members'. Each kind has its own share of what may wait.
    new_load: Load,
    plain_load: Load,
    pub(crate) limits: Limits,
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
        let queue = match said.numbered {
            Numbered::Author => &mut self.new,
            Numbered::Hub => &mut self.plain,
        };
        let numbered = said.numbered;
        let item = Item::New { ticket, said };
        let bytes = item.bytes();
        queue.push_back(item);
        let load = self.load_mut(numbered);
        (load.count, load.bytes) = (load.count + 1, load.bytes + bytes);
    }

    pub(crate) fn load(&self, numbered: Numbered) -> Load {
        match numbered {
            Numbered::Author => self.new_load,
            Numbered::Hub => self.plain_load,
        }
    }

    fn load_mut(&mut self, numbered: Numbered) -> &mut Load {
        match numbered {
            Numbered::Author => &mut self.new_load,
            Numbered::Hub => &mut self.plain_load,
        }
    }

    /// Queues what the log holds. It goes out in several records if one is too small.
    pub(crate) fn push_have(&mut self, outboxes: Vec<Outbox>) {
        self.have.push_back(Item::Have { outboxes, last: true });
    }

    pub(crate) fn push_again(&mut self, item: Item) {
        self.again.push_back(item);
    }

    /// The last number of an outbox that waits or is in flight.
    pub(crate) fn last_of(&self, author: u128, outbox: u64) -> Option<u64> {
        self.lasts.get(&(author, outbox)).map(|(last, _)| *last)
    }

    /// Whether nothing of the logs waits to be said again.
    pub(crate) fn has_said_again(&self) -> bool {
        let is_new = |item: &Item| matches!(item, Item::New { .. });
        let flight = self.flight.iter().flat_map(|it| &it.items);
        self.have.is_empty() && self.again.is_empty() && flight.chain(&self.redo).all(is_new)
    }

    /// The items of the next record, with its id, round and step. `read` reads messages from the log.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        seen: u64,
        allows: Allows,
        is_needless: impl Fn(&Item) -> bool,
        mut read: impl FnMut(Missing) -> Vec<Item>,
    ) -> Option<(u64, u64, u64, &[Item])> {
        if self.resume_at.is_some_and(|at| at > now) {
            return None;
        }
        self.resume_at = None;
        let new = if allows.new { self.new.len() } else { 0 };
        let plain = if allows.plain { self.plain.len() } else { 0 };
        let waits = self.redo.len() + self.have.len() + self.again.len() + new + plain;
        let is_few = waits < messages_in(self.limits.several);
        if self.flight.len() >= if is_few { FEW } else { WINDOW } {
            return None;
        }
        let (mut items, mut bytes, mut room) = (Vec::new(), 0, room_in(self.limits.several));
        let outboxes_at_once = outboxes_in(self.limits.several);
        while let Some(queue) = self.queue(allows) {
            let bound = |item: &Item| item.said().map_or(0, Said::bound);
            let fits = |item: &Item| {
                let is_message = !matches!(item, Item::Have { .. } | Item::Done { .. });
                let has_texts = items.len() < MESSAGES && bytes + item.bytes() <= TEXTS;
                items.is_empty() || is_message && has_texts && bound(item) <= room
            };
            if !queue.front().is_some_and(fits) {
                break;
            }
            match queue.pop_front() {
                None => break,
                Some(Item::Missing(missing)) => {
                    read(missing).into_iter().rev().for_each(|item| self.again.push_front(item));
                }
                Some(item) if is_needless(&item) => {}
                Some(Item::Have { mut outboxes, last }) => {
                    let rest = outboxes.split_off(outboxes.len().min(outboxes_at_once));
                    let is_whole = rest.is_empty();
                    if !is_whole {
                        queue.push_front(Item::Have { outboxes: rest, last });
                    }
                    items.push(Item::Have { outboxes, last: last && is_whole });
                    break;
                }
                Some(item @ Item::Done { .. }) => {
                    items.push(item);
                    break;
                }
                Some(item) => {
                    (bytes, room) = (bytes + item.bytes(), room.saturating_sub(bound(&item)));
                    items.push(item);
                }
            }
        }
        if items.is_empty() {
            return None;
        }
        self.ids += 1;
        self.late_at.get_or_insert(now + LATE);
        let step = self.base + self.flight.len() as u64;
        self.flight.push_back(Flying { id: self.ids, items, seen, acknowledged: None });
        self.flight.back().map(|it| (it.id, self.round, step, &*it.items))
    }

    /// The queue of the next item.
    fn queue(&mut self, allows: Allows) -> Option<&mut VecDeque<Item>> {
        let first = [&mut self.redo, &mut self.have, &mut self.again];
        if let Some(queue) = first.into_iter().find(|queue| !queue.is_empty()) {
            return Some(queue);
        }
        let is_new_possible = allows.new && !self.new.is_empty();
        // Neither kind of new messages waits for ever behind the other.
        self.is_plain_next ^= true;
        let is_plain_possible = allows.plain && !self.plain.is_empty();
        let is_plain = is_plain_possible && (self.is_plain_next || !is_new_possible);
        match is_plain {
            true => Some(&mut self.plain),
            false => is_new_possible.then_some(&mut self.new),
        }
    }

    /// The broker has acknowledged a record. True if it has given it a sequence that was used
    /// before.
    pub(crate) fn acknowledged(&mut self, id: u64, sequence: u64) -> bool {
        let Ok(place) = self.flight.binary_search_by_key(&id, |it| it.id) else { return false };
        let flying = &mut self.flight[place];
        flying.acknowledged = Some(sequence);
        sequence <= flying.seen
    }

    /// Whether a record is in flight.
    pub(crate) fn is_flying(&self, id: u64) -> bool {
        self.flight.binary_search_by_key(&id, |it| it.id).is_ok()
    }

    /// The next valid record of this hub has appeared in the stream. Returns its items.
    pub(crate) fn appeared(&mut self, now: Instant, round: u64, step: u64) -> Vec<Item> {
        let is_first = round == self.round && step == self.base;
        let flying = is_first.then(|| self.flight.pop_front()).flatten();
        let Some(flying) = flying else { return Vec::new() };
        self.base += 1;
        self.late_at = (!self.flight.is_empty()).then(|| now + LATE);
        self.delay = Duration::ZERO;
        flying.items.iter().for_each(|item| self.forget(item));
        flying.items
    }

    fn forget(&mut self, item: &Item) {
        let Item::New { said, .. } = item else { return };
        let load = self.load_mut(said.numbered);
        load.count = load.count.saturating_sub(1);
        load.bytes = load.bytes.saturating_sub(item.bytes());
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

    /// Lowers the limits after the broker has refused a record of this many bytes for its size. Returns
    /// whether the record is in flight. A message that was refused alone exceeds the new limit, and a
    /// shorter one, which may be in the stream, does not.
    pub(crate) fn too_large(&mut self, id: u64, bytes: usize) -> bool {
        let Ok(place) = self.flight.binary_search_by_key(&id, |it| it.id) else { return false };
        let Limits { several, one } = &mut self.limits;
        match &*self.flight[place].items {
            [Item::New { said, .. } | Item::Again(said)] => *one = (*one).min(said.size() - 1),
            _ => *several = (*several).min(bytes / 2),
        }
        true
    }

    /// Takes waiting messages that are too large for the brokers, and the new ones that follow them in
    /// their outboxes, unless the log has the large one. Messages that are said again go on as if the
    /// log held nothing before them. Without `with_new`, new messages stay.
    pub(crate) fn take_too_large(
        &mut self,
        with_new: bool,
        mut is_held: impl FnMut(&Said) -> bool,
    ) -> Vec<Item> {
        let limit = self.limits.one;
        let (mut taken, mut lasts) = (Vec::new(), BTreeMap::new());
        let mut cut = BTreeSet::new();
        for queue in [&mut self.redo, &mut self.again, &mut self.new, &mut self.plain] {
            for mut item in std::mem::take(queue) {
                let is_large = item.exceeds(limit);
                let is_taken = match &mut item {
                    Item::New { .. } if !with_new => false,
                    Item::New { said, .. } if said.numbered == Numbered::Author => {
                        let (identity, after) = (said.identity(), said.after);
                        let key = (identity.author, identity.outbox);
                        if is_large && !lasts.contains_key(&key) && !is_held(said) {
                            lasts.insert(key, after);
                        }
                        is_large || lasts.contains_key(&key)
                    }
                    Item::Again(said) => {
                        let key = (said.identity().author, said.identity().outbox);
                        if cut.remove(&key) && !is_large {
                            said.again = Again::Oldest;
                        }
                        if is_large {
                            cut.insert(key);
                        }
                        is_large
                    }
                    Item::Missing(missing) => {
                        missing.is_cut |= cut.remove(&(missing.author, missing.outbox));
                        false
                    }
                    _ => is_large,
                };
                if is_taken { taken.push(item) } else { queue.push_back(item) }
            }
        }
        taken.iter().for_each(|item| self.forget(item));
        for (key, after) in lasts {
            if let Some(last) = self.lasts.get_mut(&key) {
                last.0 = after;
            }
        }
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
        for item in self.flight.drain(..).rev().flat_map(|it| it.items.into_iter().rev()) {
            self.redo.push_front(item);
        }
        (self.base, self.late_at) = (0, None);
        self.round += 1;
    }

    /// A new epoch: what belongs to the last one is dropped, messages stay.
    pub(crate) fn new_epoch(&mut self) {
        self.land();
        self.have.clear();
        self.again.clear();
        for item in std::mem::take(&mut self.redo).into_iter().rev() {
            match &item {
                Item::New { said, .. } if said.numbered == Numbered::Author => {
                    self.new.push_front(item);
                }
                Item::New { .. } => self.plain.push_front(item),
                _ => {}
            }
        }
        (self.resume_at, self.delay) = (None, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    fn said(number: u64, text: &str) -> Said {
        let (after, numbered, again) = (number - 1, Numbered::Author, Again::No);
        Said { message: message(1, 2, number, text), after, numbered, again }
    }

    fn publishing(count: u64) -> Publishing {
        let mut publishing = Publishing::default();
        (1..=count).for_each(|number| publishing.push_new(Some(number), said(number, "x")));
        publishing
    }

    const ALL: Allows = Allows { new: true, plain: true };

    /// Publishes what is possible: the round, the step and the number of messages of each record.
    fn publish(publishing: &mut Publishing, now: Instant) -> Vec<(u64, u64, usize)> {
        let mut published = Vec::new();
        while let Some((_, round, step, items)) =
            publishing.next(now, 0, ALL, |_| false, |_| Vec::new())
        {
            published.push((round, step, items.len()));
        }
        published
    }

    #[test]
    fn a_message_alone_goes_at_once_and_those_that_come_meanwhile_go_together() {
        let mut publishing = Publishing::default();
        let mut steps = Vec::new();
        for number in 1..=100 {
            publishing.push_new(None, said(number, "x"));
            steps.extend(publish(&mut publishing, Instant::ORIGIN));
        }
        assert_eq!(steps, [(0, 0, 1), (0, 1, 1)]);
        assert_eq!(publishing.appeared(Instant::ORIGIN, 0, 0).len(), 1);
        assert_eq!(publish(&mut publishing, Instant::ORIGIN), [(0, 2, 98)]);
        assert_eq!(publishing.load(Numbered::Author).count, 99);
    }

    #[test]
    fn everything_from_the_first_lost_record_on_is_published_again_in_a_new_round() {
        let mut publishing = publishing(600);
        let now = Instant::ORIGIN;
        assert_eq!(publish(&mut publishing, now), [(0, 0, 256), (0, 1, 256)]);
        assert_eq!(publishing.appeared(now, 0, 0).len(), 256);
        assert_eq!(publish(&mut publishing, now), [(0, 2, 88)]);
        assert!(publishing.appeared(now, 0, 2).is_empty(), "1 is missing");
        publishing.go_back(now);
        assert_eq!(publish(&mut publishing, now), [], "not at once");
        assert_eq!(publish(&mut publishing, now + FIRST_DELAY), [(1, 0, 256), (1, 1, 88)]);
        assert_eq!(publishing.last_of(1, 2), Some(600));
    }

    #[test]
    fn records_and_their_texts_are_bounded() {
        let mut publishing = publishing(MESSAGES as u64 * 100);
        assert_eq!(publish(&mut publishing, Instant::ORIGIN).len(), WINDOW);
        let mut publishing = Publishing::default();
        let text = "x".repeat(TEXTS / 2);
        (1..=3).for_each(|number| publishing.push_new(None, said(number, &text)));
        assert_eq!(publish(&mut publishing, Instant::ORIGIN), [(0, 0, 2), (0, 1, 1)]);
    }

    #[test]
    fn records_are_as_small_as_the_brokers_want_them() {
        let limit = 64 << 10;
        let mut publishing = publishing(300);
        publishing.limits = Limits::of(limit);
        let mut sizes = Vec::new();
        let now = Instant::ORIGIN;
        while let Some((.., items)) = publishing.next(now, 0, ALL, |_| false, |_| Vec::new()) {
            sizes.push(items.iter().filter_map(Item::said).map(Said::bound).sum::<usize>());
        }
        assert!(sizes.len() > FEW && sizes.iter().all(|size| *size <= room_in(limit)), "{sizes:?}");
        let mut publishing = Publishing { limits: Limits::of(1_024), ..Publishing::default() };
        publishing.push_have(vec![Outbox { author: 1, outbox: 2, last: 3 }; 9]);
        let mut parts = Vec::new();
        for step in 0..2 {
            match publishing.next(now, 0, ALL, |_| false, |_| Vec::new()) {
                Some((.., [Item::Have { outboxes, last }])) => parts.push((outboxes.len(), *last)),
                other => panic!("{other:?}"),
            }
            publishing.appeared(now, 0, step);
        }
        assert_eq!(parts, [(5, false), (4, true)]);
    }

    #[test]
    fn what_follows_a_message_that_is_too_large_in_its_outbox_goes_back_with_it() {
        let mut publishing = publishing(2);
        publishing.push_new(Some(3), said(3, &"x".repeat(9_000)));
        publishing.push_new(Some(4), said(4, "x"));
        let other = Said { message: message(1, 7, 1, "x"), ..said(1, "x") };
        publishing.push_new(Some(5), other);
        publishing.push_new(None, Said { numbered: Numbered::Hub, ..said(9, &"x".repeat(9_000)) });
        publishing.limits = Limits::of(8_192);
        let taken = publishing.take_too_large(true, |_| false);
        let numbers = taken.iter().filter_map(Item::said).map(|said| said.message.identity.number);
        assert_eq!(numbers.collect::<Vec<_>>(), [3, 4, 9]);
        assert_eq!((publishing.last_of(1, 2), publishing.last_of(1, 7)), (Some(2), Some(1)));
        let loads = [Numbered::Author, Numbered::Hub].map(|kind| publishing.load(kind));
        assert_eq!(loads.map(|load| (load.count, load.bytes)), [(3, 3), (0, 0)]);
    }

    #[test]
    fn what_is_said_again_after_a_message_that_is_too_large_begins_anew() {
        let again =
            |number: u64, text: &str| Item::Again(Said { again: Again::Yes, ..said(number, text) });
        let mut publishing = Publishing { limits: Limits::of(8_192), ..Publishing::default() };
        publishing.push_again(again(1, "x"));
        publishing.push_again(again(2, &"x".repeat(9_000)));
        publishing.push_again(again(3, "x"));
        publishing.push_again(again(4, "x"));
        assert_eq!(publishing.take_too_large(true, |_| false).len(), 1);
        let next = publishing.next(Instant::ORIGIN, 0, ALL, |_| false, |_| Vec::new());
        let said = next.into_iter().flat_map(|(.., items)| items).filter_map(Item::said);
        let all: Vec<(u64, Again)> =
            said.map(|said| (said.message.identity.number, said.again)).collect();
        assert_eq!(all, [(1, Again::Yes), (3, Again::Oldest), (4, Again::Yes)]);
    }

    #[test]
    fn plain_members_do_not_wait_with_the_reliable_ones() {
        let mut publishing = publishing(2);
        publishing.push_new(None, Said { numbered: Numbered::Hub, ..said(1, "x") });
        let plain = Allows { new: false, plain: true };
        let now = Instant::ORIGIN;
        let next = publishing.next(now, 0, plain, |_| false, |_| Vec::new());
        assert_eq!(next.map(|(.., items)| items.len()), Some(1));
        assert!(publishing.next(now, 0, plain, |_| false, |_| Vec::new()).is_none());
        assert_eq!(publish(&mut publishing, now), [(0, 1, 2)]);
    }
}
