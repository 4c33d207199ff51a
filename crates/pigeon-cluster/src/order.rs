//! The order of messages: one hub's part in it.
//!
//! **Positions.** A record of the stream carries several messages. A message's position is the
//! epoch, then the record's distance from the one that opened the epoch times 256, plus the
//! message's index in its record. That fits 2^32 records, so an epoch ends after half of them. A hub
//! reads the stream in order and stores what is new to its log.
//!
//! **Doubles** are found by identity in the log, exactly and never by time: numbers of an outbox
//! form a chain, so a number that is not larger than the last one is a double.
//!
//! **Epochs.** A hub cannot go on in an epoch if its place in the stream is gone (the stream was
//! created anew, or lost its tail), if it has read other records than another hub, or if it lacks
//! the message before one in the stream. It then opens a new epoch, with the sequence of the last
//! opening as a condition, so that of several hubs one does; the others find that record in the
//! stream. In a new epoch each hub says what its log holds (`have`), each says again what another
//! lacks, then `done`; only then new messages follow.
//!
//! **Release.** A hub's followers read a new epoch only after all hubs that are alive have said
//! `done` to its `have`. Otherwise a follower that moves on to another hub could pass over messages
//! that its first hub lacked. For the same reason [`Saved::resume`] says where a follower from
//! another hub continues.
//!
//! **Known limits.** Two things cannot be had from brokers that lose what they have acknowledged,
//! unless a hub stands still whenever another one is away. If only one hub has read the lost tail
//! and it hangs, the sequences are used again before it can say so, and both orders exist in that
//! epoch. And if a hub goes on alone while all others are away, a follower that moves on from it may
//! get an older message of an outbox after a newer one. Neither loses or doubles a message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Identity, Message, Position};

use crate::chain::Chain;
use crate::held::{Found, Held, Rewind, Saved};
use crate::peers::Peers;
use crate::publishing::{Allows, Item, Missing, Publishing};
use crate::record::{Again, MESSAGES, Numbered, OUTBOXES, Outbox, Record, Said, Stamp};

/// Maximum messages that wait for a place in the stream, and maximum bytes of their texts.
const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 16 << 20;

/// Maximum messages in one [`Output::Store`].
const BATCH: usize = 2_048;

/// Maximum messages read from the stream and not stored, and maximum bytes of their texts. Reading
/// stops beyond it.
const READY: usize = 4_096;
const READY_BYTES: usize = 16 << 20;

/// Maximum records of an epoch: half of those whose positions fit it.
const RECORDS: u64 = 1 << 31;

/// How long new messages wait in a new epoch for a hub that does not say what it holds.
const BARRIER: Duration = Duration::from_secs(3);

/// How long a hub listens for others after it has connected. Each answers it at once.
const LISTEN: Duration = Duration::from_millis(1_000);

/// How often a hub that reads tells the others how far it has read. If the stream loses its tail,
/// they know better what was read of it.
const RENEW_READING: Duration = Duration::from_millis(200);

/// Time limit for a new epoch to appear, and for reading what others have read.
const STALLED: Duration = Duration::from_secs(6);

/// Delay before storing is repeated.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// How often the place in the stream is stored without messages.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Records this close to the end of the stream at the time of connecting are relayed to plain
/// members; older ones are history.
const RECENT: u64 = 1_000;

/// Maximum identities that were said again and are remembered, so that they are said once.
const SAID_AGAIN: usize = 100_000;

/// Maximum outboxes whose last number is kept in memory.
const LASTS: usize = 65_536;

/// Maximum messages read from the log at once to be said again.
const PART: usize = 256;

/// Maximum sequences whose digests are known from other hubs before this one reads them.
const CLAIMS: usize = 256;

/// Maximum hubs whose `have` is kept.
const HAVES: usize = 64;

/// The stream at the time of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The first sequence that the stream holds.
    pub first: u64,
    /// The last sequence that was used.
    pub last: u64,
    /// The hash of the record at [`Order::cursor`], if it is there.
    pub at_cursor: Option<u64>,
    /// The sequence and the epoch of the last opening, if the stream holds one.
    pub register: Option<(u64, u64)>,
}

/// What the order wants to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read the stream after this sequence, from now on.
    Read {
        /// The sequence.
        after: u64,
    },
    /// Publish a record. Answered by [`Order::acknowledged`] or [`Order::refused`].
    Publish {
        /// Identifies the record.
        id: u64,
        /// The record.
        record: Record,
        /// For an opening: the sequence of the last one, or 0.
        expect: Option<u64>,
    },
    /// Connect anew, and call [`Order::connected`].
    Connect,
    /// Renew this hub's lease now, besides every [`RENEW`](crate::RENEW).
    Renew,
    /// Store messages at their positions, then the place. Answered by [`Order::stored`]. No second
    /// one comes before that.
    Store {
        /// The messages, in order.
        messages: Vec<Said>,
        /// The place in the stream.
        saved: Saved,
    },
    /// A member's message is decided.
    Settled {
        /// The ticket given to [`Order::say`].
        ticket: u64,
        /// The decision.
        outcome: Outcome,
    },
    /// Stored messages that came from other hubs: relay them to plain members.
    Heard(Vec<Message>),
    /// Followers go back, as [`Saved::resume`] says for those that begin now.
    Rewound(Rewind),
    /// Followers may read up to the newest position.
    Released,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stream and the own log hold it.
    Stored,
    /// Both held it before.
    Again,
    /// The log held it, and it was deleted.
    Deleted,
    /// The log holds another one with this identity.
    Conflict,
    /// The outbox continues with this number.
    Expected(u64),
    /// Too much waits.
    Full,
}

/// The state of the connection and of the epoch, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not connected: messages wait.
    CutOff,
    /// Reads what was said meanwhile, or agrees on a new epoch: messages wait.
    CatchingUp,
    /// Messages get their places.
    InOrder,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records read.
    pub read: u64,
    /// Records that were void: published again since.
    pub void: u64,
    /// Records that are not valid.
    pub invalid: u64,
    /// Messages that the log held already.
    pub doubles: u64,
    /// Messages stored.
    pub stored: u64,
    /// Epochs that this hub could not go on in.
    pub lost: u64,
    /// Epochs entered.
    pub epochs: u64,
    /// Messages said again for other hubs.
    pub said_again: u64,
    /// Plain members' messages that had no room to wait.
    pub dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    CutOff,
    /// Waits for a new epoch.
    Lost,
    Reading,
}

/// A message whose outcome is decided by the log, once this much is stored.
struct Check {
    ticket: u64,
    said: Said,
}

/// One hub's part in the order. Methods take `held`, the log as it is on disk.
pub struct Order {
    hub: u128,
    phase: Phase,
    is_connected: bool,
    chain: Chain,
    /// The place as it was stored last.
    stored_place: Saved,
    /// The last epoch that was released to followers.
    announced: u64,
    /// The highest epoch known anywhere.
    top: u64,
    /// The sequence of the last opening.
    register: u64,
    /// The end of the stream at the time of connecting.
    live_at: u64,
    /// When this hub has listened long enough for others.
    listened_at: Instant,
    peers: Peers,
    publishing: Publishing,
    /// The last number of outboxes, also of messages that are not stored yet.
    lasts: BTreeMap<(u128, u64), u64>,
    ready: VecDeque<Ready>,
    /// Bytes of the texts in `ready`.
    ready_bytes: usize,
    batch: Option<(Vec<Ready>, Saved)>,
    store_again_at: Option<Instant>,
    save_at: Option<Instant>,
    checks: Vec<Check>,
    /// Whether a message in `checks` may be decided now.
    is_check_due: bool,
    /// Members' messages that wait until this hub is in order.
    deferred: VecDeque<(u64, Said)>,
    deferred_bytes: usize,
    opening: Option<u64>,
    opening_late_at: Option<Instant>,
    /// What other hubs hold, as said in this epoch.
    haves: BTreeMap<u128, Have>,
    said_have: bool,
    /// Whether that is in the stream.
    is_have_read: bool,
    /// Hubs that have not said `done`.
    undone: BTreeSet<u128>,
    barrier_at: Option<Instant>,
    said_again: BTreeSet<Identity>,
    /// The last sequence that any hub is known to have read in this epoch: a stream that ends before
    /// it has lost its tail.
    furthest: u64,
    /// Digests that other hubs have told of sequences of this epoch that this hub has not read.
    claims: BTreeMap<u64, u64>,
    /// Another hub has read further than this one, since then.
    behind: Option<(Instant, (u64, u64))>,
    /// When the lease was renewed for what was read, and when it is next.
    renewed_at: Instant,
    renew_at: Option<Instant>,
    ids: u64,
    outputs: VecDeque<Output>,
    statistics: Statistics,
}

struct Ready {
    said: Said,
    ticket: Option<u64>,
    is_heard: bool,
}

#[derive(Default)]
struct Have {
    outboxes: BTreeMap<(u128, u64), u64>,
    joined: Position,
    is_whole: bool,
    is_answered: bool,
}

/// Ids of openings; publishing uses the even numbers.
const OPENING: u64 = 1;

impl Order {
    /// A hub's run, its stored place, and the newest position of its log.
    pub fn new(hub: u128, saved: Saved, newest: Position) -> Order {
        let top = saved.epoch.max(newest.epoch());
        Order {
            hub,
            phase: Phase::CutOff,
            is_connected: false,
            stored_place: saved.clone(),
            announced: 0,
            chain: Chain::new(saved),
            top,
            register: 0,
            live_at: u64::MAX,
            listened_at: Instant::ORIGIN,
            peers: Peers::default(),
            publishing: Publishing::default(),
            lasts: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            batch: None,
            store_again_at: None,
            save_at: None,
            checks: Vec::new(),
            is_check_due: false,
            deferred: VecDeque::new(),
            deferred_bytes: 0,
            opening: None,
            opening_late_at: None,
            haves: BTreeMap::new(),
            said_have: false,
            is_have_read: false,
            undone: BTreeSet::new(),
            barrier_at: None,
            said_again: BTreeSet::new(),
            furthest: 0,
            claims: BTreeMap::new(),
            behind: None,
            renewed_at: Instant::ORIGIN,
            renew_at: None,
            ids: 0,
            outputs: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// The state, for people.
    pub fn state(&self) -> State {
        match self.is_connected {
            false => State::CutOff,
            true if self.is_in_order() => State::InOrder,
            true => State::CatchingUp,
        }
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The last sequence read. [`Stream::at_cursor`] concerns it.
    pub fn cursor(&self) -> u64 {
        self.chain.saved.cursor
    }

    /// The place in the stream as far as it was read, which may be ahead of the log.
    pub fn place(&self) -> &Saved {
        &self.chain.saved
    }

    /// Number of messages that wait for their place.
    pub fn waiting(&self) -> usize {
        self.publishing.waiting() + self.deferred.len()
    }

    /// Hubs that are alive.
    pub fn alive(&self) -> BTreeSet<u128> {
        self.peers.alive()
    }

    /// Whether more of the stream should be read.
    pub fn wants(&self) -> bool {
        self.ready.len() < READY && self.ready_bytes < READY_BYTES
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Order::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = vec![self.store_again_at, self.peers.next_at()];
        if self.is_connected {
            next.push(self.opening_late_at);
            next.push(self.behind.map(|(since, _)| since + STALLED));
            next.push(self.save_at.filter(|_| self.batch.is_none()));
            next.push(self.renew_at);
        }
        if self.phase == Phase::Reading && self.is_connected {
            next.push(self.publishing.next_at());
            next.push(self.barrier_at);
            next.push((!self.said_have && self.is_live()).then_some(self.listened_at));
        }
        next.into_iter().flatten().min()
    }
}

/// Members.
impl Order {
    /// A reliable member says something. [`Output::Settled`] follows. Call [`Order::pump`] after it,
    /// once for several.
    pub fn say(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        if !self.is_in_order() {
            let bytes = said.message.text.len();
            if self.deferred.len() >= WAITING || self.deferred_bytes + bytes > WAITING_BYTES {
                return self.settle(ticket, Outcome::Full);
            }
            self.deferred_bytes += bytes;
            return self.deferred.push_back((ticket, said));
        }
        self.decide(ticket, said, held);
    }

    fn decide(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        let Identity { author, outbox, number } = said.identity();
        let last = self.last(held, author, outbox);
        let waiting = self.publishing.last_of(author, outbox).unwrap_or(0).max(last);
        if number <= waiting && self.checks.len() >= WAITING {
            self.settle(ticket, Outcome::Full);
        } else if number <= waiting {
            self.check_later(ticket, said);
        } else if said.after != waiting {
            self.settle(ticket, Outcome::Expected(waiting + 1));
        } else if self.is_full(&said) {
            self.settle(ticket, Outcome::Full);
        } else {
            self.publishing.push_new(Some(ticket), said);
        }
    }

    /// A member without a key says something. It was relayed to plain members here. Call
    /// [`Order::pump`] after it, once for several.
    pub fn say_plain(&mut self, message: Message) {
        let said = Said { message, after: 0, numbered: Numbered::Hub, again: Again::No };
        if self.is_full(&said) {
            self.statistics.dropped += 1;
            return;
        }
        self.publishing.push_new(None, said);
    }

    fn is_full(&self, said: &Said) -> bool {
        self.publishing.waiting() >= WAITING
            || self.publishing.new_bytes + said.message.text.len() > WAITING_BYTES
    }

    fn settle(&mut self, ticket: u64, outcome: Outcome) {
        self.outputs.push_back(Output::Settled { ticket, outcome });
    }

    fn check_later(&mut self, ticket: u64, said: Said) {
        self.checks.push(Check { ticket, said });
        self.is_check_due = true;
    }

    /// Decides messages whose number the log holds.
    fn check(&mut self, held: &dyn Held) {
        if !std::mem::take(&mut self.is_check_due) {
            return;
        }
        let mut waiting = Vec::new();
        for check in std::mem::take(&mut self.checks) {
            let Identity { author, outbox, number } = check.said.identity();
            if number > held.last_number(author, outbox) {
                waiting.push(check);
                continue;
            }
            let outcome = match held.find(&check.said.message) {
                Found::Same(_) => Outcome::Again,
                Found::Different => Outcome::Conflict,
                Found::Missing => Outcome::Deleted,
            };
            self.settle(check.ticket, outcome);
        }
        self.checks = waiting;
    }

    /// The last number of an outbox that is stored or about to be.
    fn last(&mut self, held: &dyn Held, author: u128, outbox: u64) -> u64 {
        if let Some(last) = self.lasts.get(&(author, outbox)) {
            return *last;
        }
        let last = held.last_number(author, outbox);
        if self.lasts.len() >= LASTS && self.ready.is_empty() && self.batch.is_none() {
            self.lasts.clear();
        }
        self.lasts.insert((author, outbox), last);
        last
    }
}

/// The stream.
impl Order {
    /// Connected to the stream.
    pub fn connected(&mut self, now: Instant, stream: Stream, held: &dyn Held) {
        if !std::mem::replace(&mut self.is_connected, true) {
            self.listened_at = now + LISTEN;
        }
        self.peers.thaw(now);
        self.renew(now);
        self.publishing.go_back(now);
        (self.behind, self.opening, self.opening_late_at) = (None, None, None);
        self.live_at = stream.last;
        let (register, epoch) = stream.register.unwrap_or((0, 0));
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
        let record = Record::parse(bytes);
        if let Some(Record::Epoch { epoch, .. }) = record {
            self.register = sequence;
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
    fn lose(&mut self, now: Instant) {
        if self.phase != Phase::Lost {
            self.statistics.lost += 1;
        }
        self.phase = Phase::Lost;
        self.behind = None;
        if self.opening.is_some() {
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
        self.top = epoch;
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
                        return;
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

/// Agreement in a new epoch.
impl Order {
    fn is_live(&self) -> bool {
        self.is_connected && self.phase == Phase::Reading && self.chain.saved.cursor >= self.live_at
    }

    fn is_in_order(&self) -> bool {
        self.is_live() && self.chain.saved.released
    }

    /// Says what the log holds, once everything read of reliable members is on disk.
    fn say_have(&mut self, now: Instant, held: &dyn Held) {
        let is_due = !self.said_have
            && !self.chain.saved.released
            && self.is_live()
            && now >= self.listened_at;
        let batch = self.batch.iter().flat_map(|(batch, _)| batch);
        let mut read = self.ready.iter().chain(batch);
        if !is_due || read.any(|ready| ready.said.numbered == Numbered::Author) {
            return;
        }
        self.said_have = true;
        let joined = Position::new(self.chain.saved.joined).unwrap_or_default();
        let outboxes = held.outboxes(joined);
        let mut parts = outboxes.chunks(OUTBOXES).peekable();
        if parts.peek().is_none() {
            self.publishing.push_have(Vec::new(), true);
        }
        while let Some(part) = parts.next() {
            self.publishing.push_have(part.to_vec(), parts.peek().is_none());
        }
        let whole: Vec<u128> =
            self.haves.iter().filter(|(_, have)| have.is_whole).map(|(hub, _)| *hub).collect();
        whole.into_iter().for_each(|hub| self.answer(hub, held));
    }

    /// What this hub holds is in the stream: the hubs that are alive answer it.
    fn haved(&mut self) {
        self.is_have_read = true;
        self.undone = self.peers.alive();
    }

    /// Followers may read the epoch once this hub has what the others hold, and has said again what
    /// they lack: a follower from another hub may lack that too.
    fn release(&mut self) {
        let is_released = self.chain.saved.released;
        if self.is_have_read && self.undone.is_empty() && !is_released && self.has_answered() {
            self.chain.saved.released = true;
            self.save_at = Some(Instant::ORIGIN);
        }
    }

    /// Whether everything that other hubs lack is in the stream.
    fn has_answered(&self) -> bool {
        let is_answered = |have: &Have| !have.is_whole || have.is_answered;
        self.publishing.has_said_again() && self.haves.values().all(is_answered)
    }

    fn take_have(
        &mut self,
        hub: u128,
        outboxes: Vec<Outbox>,
        joined: u64,
        last: bool,
        held: &dyn Held,
    ) {
        if self.haves.len() >= HAVES {
            let alive = self.peers.alive();
            self.haves.retain(|hub, _| alive.contains(hub));
        }
        let have = self.haves.entry(hub).or_default();
        if have.is_whole {
            *have = Have::default();
        }
        have.joined = Position::new(joined).unwrap_or_default();
        have.outboxes.extend(outboxes.iter().map(|it| ((it.author, it.outbox), it.last)));
        have.is_whole = last;
        // What this hub will hold counts too, so it answers once it has read everything.
        if last && (self.said_have || self.chain.saved.released) {
            self.answer(hub, held);
        }
    }

    /// Says again what another hub lacks, then `done`.
    fn answer(&mut self, hub: u128, held: &dyn Held) {
        let Some(have) = self.haves.get_mut(&hub) else { return };
        let theirs = std::mem::take(&mut have.outboxes);
        have.is_answered = true;
        for Outbox { author, outbox, last } in held.outboxes(have.joined) {
            let after = theirs.get(&(author, outbox)).copied().unwrap_or(0);
            if after < last {
                let missing = Missing { author, outbox, after, joined: have.joined };
                self.publishing.push_again(Item::Missing(missing));
            }
        }
        self.publishing.push_again(Item::Done { have: hub });
    }

    /// Whether another hub waits for this one.
    fn owes(&self) -> bool {
        !self.has_answered() || !self.chain.saved.released
    }

    fn allows(&self) -> Allows {
        let heard_all = || {
            let is_whole = |hub: &u128| self.haves.get(hub).is_some_and(|have| have.is_whole);
            self.peers.alive().iter().all(is_whole)
        };
        // Plain members' messages belong to no chain. But they wait for the release: a follower's last
        // message must not be one that precedes what is said again.
        let plain = self.is_in_order();
        let new =
            plain && self.publishing.has_said_again() && (self.barrier_at.is_none() || heard_all());
        Allows { new, plain }
    }
}

/// A part of what another hub lacks, and the rest of it.
fn read_missing(missing: Missing, held: &dyn Held) -> Vec<Item> {
    let Missing { author, outbox, after, joined } = missing;
    let mut before = held.number_before(author, outbox, after + 1);
    let messages = held.of_outbox(author, outbox, after, PART);
    let is_whole = messages.len() < PART;
    let (mut items, mut last) = (Vec::new(), after);
    for message in messages {
        last = message.identity.number;
        if message.position <= joined {
            before = None;
            continue;
        }
        let again = if before.is_none() { Again::Oldest } else { Again::Yes };
        let after = before.replace(last).unwrap_or(0);
        items.push(Item::Again(Said { message, after, numbered: Numbered::Author, again }));
    }
    if !is_whole {
        items.push(Item::Missing(Missing { author, outbox, after: last, joined }));
    }
    items
}

/// The other hubs.
impl Order {
    /// Another hub is alive: its lease, its epoch, the last sequence it has read and its digest.
    pub fn heard(&mut self, now: Instant, hub: u128, place: (u64, u64, u64), held: &dyn Held) {
        if hub == self.hub || !self.is_connected {
            return;
        }
        if self.peers.heard(now, hub) {
            // It may listen for this hub.
            self.renew(now);
        }
        let (epoch, cursor, digest) = place;
        if epoch == self.chain.saved.epoch {
            self.furthest = self.furthest.max(cursor);
            self.claims = self.claims.split_off(&(self.chain.saved.cursor + 1));
            if cursor > self.chain.saved.cursor && self.claims.len() < CLAIMS {
                self.claims.insert(cursor, digest);
            }
        }
        if self.phase == Phase::Reading {
            if epoch == self.chain.saved.epoch && self.chain.differs(cursor, digest) {
                self.lose(now);
            } else if (epoch, cursor) > (self.chain.saved.epoch, self.chain.saved.cursor) {
                // The stream may have lost its tail: then nothing comes.
                self.behind.get_or_insert((now, (epoch, cursor)));
            }
        }
        self.pump(now, held);
    }

    fn renew(&mut self, now: Instant) {
        (self.renewed_at, self.renew_at) = (now, None);
        self.outputs.push_back(Output::Renew);
    }

    /// Another hub has left.
    pub fn left(&mut self, now: Instant, hub: u128, held: &dyn Held) {
        self.peers.left(hub);
        self.undone.remove(&hub);
        self.pump(now, held);
    }
}

/// The log and time.
impl Order {
    /// The answer to [`Output::Store`]: whether everything is on disk.
    pub fn stored(&mut self, now: Instant, is_stored: bool, held: &dyn Held) {
        if !is_stored {
            self.store_again_at = Some(now + STORE_AGAIN);
            return;
        }
        let Some((batch, saved)) = self.batch.take() else { return };
        let mut heard = Vec::new();
        for Ready { said, ticket, is_heard } in batch {
            self.statistics.stored += 1;
            match ticket {
                Some(ticket) => self.settle(ticket, Outcome::Stored),
                None if is_heard => heard.push(said.message),
                None => {}
            }
        }
        if !heard.is_empty() {
            self.outputs.push_back(Output::Heard(heard));
        }
        self.stored_place = saved;
        let released = &self.stored_place;
        if released.released && self.announced != released.epoch {
            self.announced = released.epoch;
            self.outputs.push_back(Output::Released);
        }
        self.is_check_due = true;
        self.pump(now, held);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, held: &dyn Held) {
        for hub in self.peers.expire(now) {
            self.undone.remove(&hub);
        }
        if self.store_again_at.take_if(|at| *at <= now).is_some()
            && let Some((batch, saved)) = &self.batch
        {
            let messages = batch.iter().map(|ready| ready.said.clone()).collect();
            self.outputs.push_back(Output::Store { messages, saved: saved.clone() });
        }
        if self.is_connected {
            let is_stalled = self.behind.is_some_and(|(since, _)| since + STALLED <= now);
            if self.renew_at.is_some_and(|at| at <= now) {
                self.renew(now);
            }
            if self.opening_late_at.take_if(|at| *at <= now).is_some() || is_stalled {
                (self.behind, self.opening) = (None, None);
                self.outputs.push_back(Output::Connect);
            }
        }
        if self.phase == Phase::Reading {
            if self.publishing.is_late(now) {
                self.publishing.go_back(now);
            }
            self.barrier_at.take_if(|at| *at <= now);
        }
        self.pump(now, held);
    }

    /// Publishes and stores what is possible.
    pub fn pump(&mut self, now: Instant, held: &dyn Held) {
        self.say_have(now, held);
        self.release();
        if self.is_in_order() {
            while let Some((ticket, said)) = self.deferred.pop_front() {
                self.deferred_bytes -= said.message.text.len();
                self.decide(ticket, said, held);
            }
        }
        self.check(held);
        self.store(now);
        if !self.is_live() {
            return;
        }
        loop {
            let allows = self.allows();
            let saved = &self.chain.saved;
            let (said_again, count) = (&self.said_again, &mut self.statistics.said_again);
            let is_needless = |item: &Item| match item {
                Item::Again(said) => said_again.contains(&said.identity()),
                _ => false,
            };
            let read = |missing| {
                let items = read_missing(missing, held);
                *count += items.iter().filter(|item| matches!(item, Item::Again(_))).count() as u64;
                items
            };
            let Some((id, round, step, items)) =
                self.publishing.next(now, saved.cursor, allows, is_needless, read)
            else {
                // Nothing that was to be said again is needed any more.
                if self.allows() != allows {
                    continue;
                }
                return;
            };
            let stamp = Stamp {
                hub: self.hub,
                epoch: saved.epoch,
                round,
                step,
                seen: saved.cursor,
                digest: saved.digest,
            };
            let said = |item: &Item| match item {
                Item::New { said, .. } | Item::Again(said) => Some(said.clone()),
                _ => None,
            };
            let record = match items {
                [Item::Have { outboxes, last }] => Record::Have {
                    stamp,
                    outboxes: outboxes.clone(),
                    joined: saved.joined,
                    last: *last,
                },
                [Item::Done { have }] => Record::Done { stamp, have: *have },
                items => Record::Said { stamp, messages: items.iter().filter_map(said).collect() },
            };
            self.outputs.push_back(Output::Publish { id: id * 2, record, expect: None });
        }
    }

    fn store(&mut self, now: Instant) {
        if self.batch.is_some() {
            return;
        }
        let is_due = self.save_at.is_some_and(|at| at <= now);
        if self.ready.is_empty() && !is_due {
            return;
        }
        let count = self.ready.len().min(BATCH);
        let batch: Vec<Ready> = self.ready.drain(..count).collect();
        self.ready_bytes -= batch.iter().map(|ready| ready.said.message.text.len()).sum::<usize>();
        // A place that is ahead of the log would pass over messages, so only the last batch moves
        // it. Reading a part of the stream again does no harm.
        let saved = match self.ready.is_empty() {
            true => {
                self.save_at = None;
                Saved { owes: self.owes(), ..self.chain.place() }
            }
            false => self.stored_place.clone(),
        };
        let messages = batch.iter().map(|ready| ready.said.clone()).collect();
        self.outputs.push_back(Output::Store { messages, saved: saved.clone() });
        self.batch = Some((batch, saved));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryLog;
    use crate::testing::message;

    const NOW: Instant = Instant::ORIGIN;

    /// Reads on in epoch 3, which began with record 10, after some records.
    fn reading(records: u64) -> Order {
        let cursor = 10 + records;
        let place = Saved { epoch: 3, opened: 10, cursor, record: 5, ..Saved::default() };
        let saved = Saved { released: true, ..place };
        let mut order = Order::new(1, saved, Position::START);
        let stream = Stream { first: 1, last: cursor, at_cursor: Some(5), register: Some((10, 3)) };
        order.connected(NOW, stream, &MemoryLog::default());
        order
    }

    /// A record of another hub.
    fn record(step: u64, numbers: &[u64]) -> Vec<u8> {
        let stamp = Stamp { hub: 9, epoch: 3, round: 0, step, seen: 10, digest: 0 };
        let said = |number: &u64| {
            let (after, numbered, again) = (number - 1, Numbered::Author, Again::No);
            Said { message: message(7, 1, *number, "x"), after, numbered, again }
        };
        Record::Said { stamp, messages: numbers.iter().map(said).collect() }.to_bytes()
    }

    fn stored(order: &mut Order) -> Vec<(u64, Position)> {
        let mut stored = Vec::new();
        while let Some(output) = order.poll_output() {
            if let Output::Store { messages, .. } = output {
                let messages = messages.iter().map(|said| &said.message);
                stored.extend(messages.map(|it| (it.identity.number, it.position)));
                order.stored(NOW, true, &MemoryLog::default());
            }
        }
        stored
    }

    #[test]
    fn each_message_of_a_record_has_its_position_and_doubles_among_them_are_passed_over() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.delivered(NOW, 11, &record(0, &[1, 2, 1, 3]), &log);
        order.delivered(NOW, 12, &record(1, &[3, 4]), &log);
        let at = |record: u64, index| Position::at(3, record * 256 + index).unwrap();
        let expected = [(1, at(1, 0)), (2, at(1, 1)), (3, at(1, 3)), (4, at(2, 1))];
        assert_eq!(stored(&mut order), expected);
        assert_eq!((order.statistics().doubles, order.statistics().lost), (2, 0));
    }

    #[test]
    fn a_record_that_lacks_a_message_in_its_midst_ends_the_epoch() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.delivered(NOW, 11, &record(0, &[1, 2, 4]), &log);
        assert_eq!(stored(&mut order), []);
        assert_eq!(order.statistics().lost, 1);
    }

    #[test]
    fn a_record_of_another_shape_is_counted_and_passed_over() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.delivered(NOW, 11, br#"{"type":"said","hub":"09","epoch":3,"round":0}"#, &log);
        order.delivered(NOW, 12, &record(0, &[1]), &log);
        assert_eq!(stored(&mut order).len(), 1);
        assert_eq!(order.statistics().invalid, 1);
    }

    #[test]
    fn an_epoch_ends_before_its_positions_do() {
        assert!(Position::at(3, RECORDS * MESSAGES as u64 * 2 - 1).is_some());
        let (mut order, log) = (reading(RECORDS), MemoryLog::default());
        order.delivered(NOW, 10 + RECORDS + 1, &record(0, &[1]), &log);
        let opens = std::iter::from_fn(|| order.poll_output()).any(|output| {
            matches!(output, Output::Publish { record: Record::Epoch { epoch: 4, .. }, .. })
        });
        assert!(opens);
    }
}
