//! What the stream holds, and whether this hub can go on in its epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Identity, Message, Position};

use super::{Check, OPENING, Order, Outcome, Output, Phase, RENEW_READING, Ready, STALLED, Stream};
use crate::held::{Found, Held, Rewind};
use crate::publishing::{Item, Limits};
use crate::record::{Again, MESSAGES, Numbered, Record};

/// How long new messages wait in a new epoch for a hub that does not say what it holds.
const BARRIER: Duration = Duration::from_secs(3);

/// How long a hub listens for others after it has connected. Each answers it at once.
const LISTEN: Duration = Duration::from_millis(1_000);

/// Maximum records of an epoch: half of those whose positions fit it.
pub(super) const RECORDS: u64 = 1 << 31;

/// The last epoch that positions have room for.
pub(super) const LAST_EPOCH: u64 = Position::END.epoch();

/// How far beyond the highest known epoch one is entered: a faulty hub's record cannot use up all. Each
/// epoch that is ignored moves the limit, so that a hub that was away for longer soon enters.
const FURTHEST: u64 = 1_024;

/// Records this close to the end of the stream at the time of connecting are relayed to plain
/// members; older ones are history. Each may hold many messages.
const RECENT: u64 = 64;

/// How often the place in the stream is stored without messages.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Maximum identities that were said again and are remembered, so that they are said once.
const SAID_AGAIN: usize = 100_000;

/// The last epoch that is entered after an epoch. A new hub knows none and enters any.
pub(super) fn most_after(epoch: u64) -> u64 {
    if epoch == 0 { LAST_EPOCH } else { epoch.saturating_add(FURTHEST).min(LAST_EPOCH) }
}

impl Order {
    /// Connected to the stream.
    pub fn connected(&mut self, now: Instant, stream: Stream, held: &dyn Held) {
        if !std::mem::replace(&mut self.is_connected, true) {
            self.listened_at = now + LISTEN;
        }
        self.peers.thaw(now);
        self.renew(now);
        self.publishing.go_back(now);
        self.limit_is_lower(stream.record < self.publishing.limits.one);
        self.publishing.limits = Limits::of(stream.record);
        (self.behind, self.opening, self.opening_late_at) = (None, None, None);
        self.live_at = stream.last;
        let (register, epoch) = stream.register.unwrap_or((0, 0));
        let epoch = if epoch > self.most { 0 } else { epoch };
        self.register = register;
        let saved = &self.chain.saved;
        let is_same = saved.epoch > 0
            && saved.epoch == self.top
            && !(self.phase == Phase::CutOff && saved.owes)
            && stream.at_cursor == Some(saved.record)
            && stream.last >= self.furthest
            // The record alone proves little: this hub may have read it without noticing that the
            // stream before it had changed.
            && match stream.register {
                None => true,
                Some((sequence, epoch)) if epoch == saved.epoch => sequence == saved.opened,
                Some((sequence, epoch)) => epoch > saved.epoch && sequence > saved.cursor,
            };
        if is_same && self.phase != Phase::Lost {
            self.phase = Phase::Reading;
            self.outputs.push_back(Output::Read { after: self.chain.saved.cursor });
            self.pump(now, held);
        } else if epoch > self.top {
            self.phase = Phase::Lost;
            self.opening_late_at = Some(now + STALLED);
            self.outputs.push_back(Output::Read { after: register - 1 });
        } else {
            self.outputs.push_back(Output::Read { after: stream.last });
            self.lose(now);
        }
    }

    /// The driver looks at the stream, every [`RENEW`](crate::RENEW): where this hub was in it, the
    /// hash of the record there, and the last sequence. A stream that has lost its tail delivers
    /// nothing and says nothing.
    pub fn looked(&mut self, now: Instant, cursor: u64, record: Option<u64>, last: u64) {
        let is_replaced = match record {
            Some(record) => self.chain.is_replaced(cursor, record),
            None => last < cursor,
        };
        if self.is_connected && self.phase == Phase::Reading && is_replaced {
            self.lose(now);
        }
    }

    /// The connection is lost.
    pub fn disconnected(&mut self, now: Instant) {
        self.is_connected = false;
        self.publishing.go_back(now);
        self.peers.freeze();
        (self.behind, self.opening, self.opening_late_at) = (None, None, None);
    }

    /// A record was read. Records come in order; those that were read before are ignored.
    pub fn delivered(&mut self, now: Instant, sequence: u64, bytes: &[u8], held: &dyn Held) {
        if !self.is_connected {
            return;
        }
        if self.phase == Phase::Reading && sequence <= self.chain.saved.cursor {
            return;
        }
        self.statistics.read += 1;
        let mut record = Record::parse(bytes);
        if let Some(Record::Epoch { epoch, .. }) = record {
            self.register = sequence;
            if epoch > self.most {
                self.statistics.unplaced += 1;
                self.most = most_after(self.most);
                record = None;
            }
        }
        if let Some(Record::Epoch { epoch, .. }) = record {
            match epoch > self.top {
                true => self.enter(now, epoch, sequence, bytes),
                // From a hub that knew less. Positions must not be used again.
                false => self.lose(now),
            }
            return self.pump(now, held);
        }
        if self.phase == Phase::Lost {
            return;
        }
        let read = self.chain.next(sequence, bytes);
        let is_claimed = self.claims.remove(&sequence).is_some_and(|digest| digest != read.digest);
        let differs = record.as_ref().and_then(Record::stamp).is_some_and(|stamp| {
            // A publisher cannot have read further than its own record.
            stamp.seen >= sequence
                || stamp.epoch == self.chain.saved.epoch
                    && self.chain.differs(stamp.seen, stamp.digest)
        });
        let is_full = sequence - self.chain.saved.opened > RECORDS;
        if is_full || is_claimed || differs || self.lacks(record.as_ref(), held) {
            return self.lose(now);
        }
        self.chain.advance(read);
        self.furthest = self.furthest.max(sequence);
        self.save_at.get_or_insert(now + SAVE_EVERY);
        self.renew_at.get_or_insert(now.max(self.renewed_at + RENEW_READING));
        match record {
            Some(record) => self.take(now, sequence, record, held),
            None => self.statistics.invalid += 1,
        }
        if self.publishing.has_lost(sequence) {
            self.publishing.go_back(now);
        }
        if let Some((since, until)) = &mut self.behind {
            *since = now;
            if *until <= (self.chain.saved.epoch, sequence) {
                self.behind = None;
            }
        }
        self.pump(now, held);
    }

    /// The broker has stored a record.
    pub fn acknowledged(&mut self, now: Instant, id: u64, sequence: u64, held: &dyn Held) {
        if id & OPENING != 0 {
            return;
        }
        if self.publishing.acknowledged(id / 2, sequence) && self.phase == Phase::Reading {
            return self.lose(now);
        }
        if self.phase == Phase::Reading && self.publishing.has_lost(self.chain.saved.cursor) {
            self.publishing.go_back(now);
        }
        self.pump(now, held);
    }

    /// The broker has refused a record, or did not answer.
    pub fn refused(&mut self, now: Instant, id: u64, held: &dyn Held) {
        if self.opening == Some(id) {
            // Another hub was first, or the stream has changed.
            self.opening = None;
            self.opening_late_at = None;
            return self.outputs.push_back(Output::Connect);
        }
        if id & OPENING == 0 && self.publishing.is_flying(id / 2) {
            self.publishing.go_back(now);
        }
        self.pump(now, held);
    }

    /// The broker has refused a record for its size in bytes: it accepts less than [`Stream::record`].
    pub fn too_large(&mut self, now: Instant, id: u64, bytes: usize, held: &dyn Held) {
        if id & OPENING == 0 && self.publishing.too_large(id / 2, bytes) {
            self.limit_is_lower(true);
        }
        self.refused(now, id, held);
    }

    fn limit_is_lower(&mut self, is_lower: bool) {
        self.is_new_unchecked |= is_lower;
        self.is_again_unchecked |= is_lower;
    }

    /// Whether the message before one of a record's messages exists and this log lacks it.
    fn lacks(&mut self, record: Option<&Record>, held: &dyn Held) -> bool {
        let Some(Record::Said { stamp, messages }) = record else { return false };
        // A void record may follow a lost one.
        if stamp.epoch != self.chain.saved.epoch || !self.chain.is_next(stamp) {
            return false;
        }
        // The last numbers once the messages before it in the record are stored.
        let mut lasts = BTreeMap::new();
        messages.iter().filter(|said| said.numbered == Numbered::Author).any(|said| {
            let Identity { author, outbox, number } = said.identity();
            let stored = self.last(held, author, outbox);
            let last = lasts.entry((author, outbox)).or_insert(stored);
            let lacks = number > *last && said.after > *last && said.again != Again::Oldest;
            if said.again != Again::No || said.after == *last {
                *last = number.max(*last);
            }
            lacks
        })
    }

    /// This hub cannot go on in the epoch.
    pub(super) fn lose(&mut self, now: Instant) {
        if self.phase != Phase::Lost {
            self.statistics.lost += 1;
        }
        self.phase = Phase::Lost;
        self.behind = None;
        if self.opening.is_some() {
            return;
        }
        if self.top >= LAST_EPOCH {
            // No epoch is left. Beginning again at the first one would use positions twice.
            self.statistics.exhausted += 1;
            return;
        }
        self.ids += 1;
        let id = self.ids * 2 + OPENING;
        self.opening = Some(id);
        self.opening_late_at = Some(now + STALLED);
        self.outputs.push_back(Output::Publish {
            id,
            record: Record::Epoch { epoch: self.top + 1, hub: self.hub },
            expect: Some(self.register),
        });
    }

    fn enter(&mut self, now: Instant, epoch: u64, sequence: u64, bytes: &[u8]) {
        if self.chain.saved.epoch == 0 {
            self.chain.saved.joined = Position::at(epoch, 0).unwrap_or_default().get();
        }
        self.statistics.epochs += 1;
        self.phase = Phase::Reading;
        let most = if self.top == 0 { 0 } else { self.most };
        (self.top, self.most) = (epoch, most.max(most_after(epoch)));
        (self.opening, self.opening_late_at, self.behind) = (None, None, None);
        self.chain.open(epoch, sequence, bytes);
        self.furthest = sequence;
        self.claims.clear();
        self.publishing.new_epoch();
        self.haves.clear();
        self.said_again.clear();
        (self.said_have, self.is_have_read) = (false, false);
        self.undone.clear();
        self.barrier_at = Some(now + BARRIER);
        self.save_at = Some(now);
    }

    /// Handles a record of this epoch, or a void one.
    fn take(&mut self, now: Instant, sequence: u64, record: Record, held: &dyn Held) {
        let Some(stamp) = record.stamp() else { return };
        if stamp.epoch != self.chain.saved.epoch || !self.chain.take_next(&stamp) {
            self.statistics.void += 1;
            return;
        }
        let is_own = stamp.hub == self.hub;
        let items = match is_own {
            true => self.publishing.appeared(now, stamp.round, stamp.step),
            false => Vec::new(),
        };
        match record {
            Record::Said { messages, .. } => {
                let mut tickets = items.into_iter().map(|item| match item {
                    Item::New { ticket, .. } => ticket,
                    _ => None,
                });
                let distance = sequence - self.chain.saved.opened;
                let is_recent = sequence + RECENT >= self.live_at;
                for (index, mut said) in messages.into_iter().enumerate() {
                    let ticket = tickets.next().flatten();
                    let place = distance * MESSAGES as u64 + index as u64;
                    let Some(position) = Position::at(self.chain.saved.epoch, place) else {
                        self.statistics.unplaced += 1;
                        continue;
                    };
                    said.message.position = position;
                    // Plain members of this hub have heard each other at once.
                    let was_relayed = is_own && said.numbered == Numbered::Hub;
                    let ready = Ready { said, ticket, is_heard: is_recent && !was_relayed };
                    self.take_said(ready, held);
                }
            }
            Record::Have { outboxes, joined, last, .. } => match is_own {
                true if last => self.haved(),
                true => {}
                false => self.take_have(stamp.hub, outboxes, joined, last, held),
            },
            Record::Done { have, .. } if have == self.hub && !is_own => {
                self.undone.remove(&stamp.hub);
            }
            Record::Done { .. } | Record::Epoch { .. } => {}
        }
    }

    fn take_said(&mut self, ready: Ready, held: &dyn Held) {
        let Ready { said, ticket, .. } = &ready;
        let identity = said.identity();
        let Identity { author, outbox, number } = identity;
        let is_again = said.again != Again::No;
        if is_again && self.said_again.len() < SAID_AGAIN {
            self.said_again.insert(identity);
        }
        let last = self.last(held, author, outbox);
        if number <= last {
            self.statistics.doubles += 1;
            if is_again {
                self.rewind(said.message.position, &said.message, held);
            }
            if let Ready { said, ticket: Some(ticket), .. } = ready {
                self.check_later(ticket, said);
            }
            return;
        }
        if said.numbered == Numbered::Author && !is_again && said.after != last {
            // A number was passed over that is stored after all.
            return self.expect(author, outbox, last + 1, *ticket);
        }
        self.lasts.insert((author, outbox), number);
        self.ready_bytes += said.message.text.len();
        self.ready.push_back(ready);
    }

    /// Sends the author of an outbox back to a number.
    fn expect(&mut self, author: u128, outbox: u64, number: u64, ticket: Option<u64>) {
        let rest = self.publishing.take_outbox(author, outbox).into_iter().map(|item| match item {
            Item::New { ticket, .. } => ticket,
            _ => None,
        });
        let tickets: Vec<u64> = std::iter::once(ticket).chain(rest).flatten().collect();
        for ticket in tickets {
            self.settle(ticket, Outcome::Expected(number));
        }
        self.expect_checks(author, outbox, number);
    }

    /// Sends an author back for the messages in `checks` from a number on.
    pub(super) fn expect_checks(&mut self, author: u128, outbox: u64, number: u64) {
        let is_of = |check: &Check| {
            let identity = check.said.identity();
            identity.author == author && identity.outbox == outbox && identity.number >= number
        };
        for check in std::mem::take(&mut self.checks) {
            match is_of(&check) {
                true => self.settle(check.ticket, Outcome::Expected(number)),
                false => self.checks.push(check),
            }
        }
    }

    /// Other hubs may get a message here that this log holds at an earlier position.
    fn rewind(&mut self, up_to: Position, message: &Message, held: &dyn Held) {
        let waiting = self.ready.iter();
        let batch = self.batch.iter().flat_map(|(batch, _)| batch);
        let place = waiting.chain(batch).find(|it| it.said.identity() == message.identity);
        let place = match place {
            Some(ready) => Some(ready.said.message.position),
            None => match held.find(message) {
                Found::Same(position) => Some(position),
                Found::Different | Found::Missing => None,
            },
        };
        let Some(place) = place.filter(|place| *place < up_to) else { return };
        let to = Position::new(place.get().saturating_sub(1)).unwrap_or_default();
        let rewind = Rewind { up_to, to };
        self.chain.saved.add_rewind(rewind);
        self.outputs.push_back(Output::Rewound(rewind));
    }
}
