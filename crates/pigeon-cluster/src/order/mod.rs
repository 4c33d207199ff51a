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
//! **Known limit.** If brokers lose a tail that they have acknowledged, and the only hubs that have
//! read it hang or are cut off when its sequences are used again, nobody can know it: both orders
//! exist in that epoch. No message is lost or doubled. The alternative is a cluster that stands still
//! whenever a hub is away. The simulation counts these cases apart: 2 in 10,000 runs.
//!
//! `members`: what is said here. `stream`: what is read. `agreement`: new epochs.

mod agreement;
mod members;
mod stream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Identity, Message, Position};

use self::agreement::read_missing;
use self::stream::most_after;
use crate::chain::Chain;
use crate::held::{Held, Rewind, Saved};
use crate::peers::Peers;
use crate::publishing::{Item, Publishing};
use crate::record::{Numbered, Record, Said, Stamp};

/// Maximum messages in one [`Output::Store`].
const BATCH: usize = 2_048;

/// Maximum messages read from the stream and not stored, and maximum bytes of their texts. Reading
/// stops beyond it.
const READY: usize = 4_096;
const READY_BYTES: usize = 16 << 20;

/// How often a hub that reads tells the others how far it has read. If the stream loses its tail,
/// they know better what was read of it.
const RENEW_READING: Duration = Duration::from_millis(200);

/// Time limit for a new epoch to appear, and for reading what others have read.
const STALLED: Duration = Duration::from_secs(6);

/// Delay before storing is repeated.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// Maximum sequences whose digests are known from other hubs before this one reads them.
const CLAIMS: usize = 256;

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
    /// Maximum bytes of a record that the brokers accept.
    pub record: usize,
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
    /// Too large for the brokers, for good: a text of about this many bytes is not.
    TooLong {
        /// The number of bytes.
        most: u64,
    },
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
    /// Reliable members' messages that had no room to wait.
    pub refused: u64,
    /// Messages that were too large for the brokers.
    pub too_large: u64,
    /// Messages and epochs that were ignored, because an epoch's number was too great.
    pub unplaced: u64,
    /// Epochs that could not be opened, because none is left.
    pub exhausted: u64,
}

/// Number of messages that wait for their place. Each kind has its own share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Of reliable members.
    pub reliable: usize,
    /// Of plain members.
    pub plain: usize,
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
    /// The last epoch that is entered.
    most: u64,
    /// The sequence of the last opening.
    register: u64,
    /// The end of the stream at the time of connecting.
    live_at: u64,
    /// When this hub has listened long enough for others.
    listened_at: Instant,
    peers: Peers,
    publishing: Publishing,
    /// Whether messages that wait may be too large for the brokers: new ones, and those said again.
    is_new_unchecked: bool,
    is_again_unchecked: bool,
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
            most: most_after(top),
            register: 0,
            live_at: u64::MAX,
            listened_at: Instant::ORIGIN,
            peers: Peers::default(),
            publishing: Publishing::default(),
            is_new_unchecked: false,
            is_again_unchecked: false,
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
    pub fn waiting(&self) -> Waiting {
        let load = |numbered| self.publishing.load(numbered).count;
        Waiting {
            reliable: load(Numbered::Author) + self.deferred.len(),
            plain: load(Numbered::Hub),
        }
    }

    /// Maximum bytes of a record, as far as is known.
    pub fn limit(&self) -> usize {
        let limits = self.publishing.limits;
        limits.several.min(limits.one)
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
        self.drop_too_large(held);
        let limit = self.publishing.limits.one;
        loop {
            let allows = self.allows();
            let saved = &self.chain.saved;
            let (said_again, counted) = (&self.said_again, &mut self.statistics);
            let is_needless = |item: &Item| match item {
                Item::Again(said) => said_again.contains(&said.identity()),
                _ => false,
            };
            let read = |missing| {
                let (items, too_large) = read_missing(missing, limit, held);
                let again = items.iter().filter(|item| matches!(item, Item::Again(_)));
                counted.said_again += again.count() as u64;
                counted.too_large += too_large;
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
    use super::stream::RECORDS;
    use super::*;
    use crate::MemoryLog;
    use crate::record::{Again, MESSAGES, RECORD};
    use crate::testing::message;

    const NOW: Instant = Instant::ORIGIN;

    /// Reads on in epoch 3, which began with record 10, after some records.
    fn reading(records: u64) -> Order {
        let cursor = 10 + records;
        let place = Saved { epoch: 3, opened: 10, cursor, record: 5, ..Saved::default() };
        let saved = Saved { released: true, ..place };
        let mut order = Order::new(1, saved, Position::START);
        order.connected(NOW, stream(cursor), &MemoryLog::default());
        order
    }

    fn stream(cursor: u64) -> Stream {
        let register = Some((10, 3));
        Stream { first: 1, last: cursor, at_cursor: Some(5), register, record: RECORD }
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

    fn said(outbox: u64, number: u64, text: &str) -> Said {
        let (after, numbered, again) = (number - 1, Numbered::Author, Again::No);
        Said { message: message(7, outbox, number, text), after, numbered, again }
    }

    fn settled(order: &mut Order) -> Vec<(u64, Outcome)> {
        let outputs = std::iter::from_fn(|| order.poll_output());
        let settled = outputs.filter_map(|output| match output {
            Output::Settled { ticket, outcome } => Some((ticket, outcome)),
            _ => None,
        });
        settled.collect()
    }

    /// The records that are published, each with its id and its size.
    fn published(order: &mut Order) -> Vec<(u64, Vec<u64>, usize)> {
        let outputs = std::iter::from_fn(|| order.poll_output());
        let records = outputs.filter_map(|output| match output {
            Output::Publish { id, record, .. } => Some((id, record)),
            _ => None,
        });
        let numbers = |record: &Record| match record {
            Record::Said { messages, .. } => {
                messages.iter().map(|it| it.message.identity.number).collect()
            }
            _ => Vec::new(),
        };
        records.map(|(id, record)| (id, numbers(&record), record.to_bytes().len())).collect()
    }

    #[test]
    fn a_message_that_the_brokers_do_not_accept_is_refused_and_the_next_one_is_said() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.disconnected(NOW);
        order.connected(NOW, Stream { record: 8_192, ..stream(10) }, &log);
        order.say(1, said(1, 1, &"x".repeat(8_192)), &log);
        order.say(2, said(1, 2, "x"), &log);
        let outcomes = settled(&mut order);
        let [(1, Outcome::TooLong { most }), (2, Outcome::Expected(1))] = outcomes[..] else {
            panic!("{outcomes:?}")
        };
        order.say(3, said(1, 1, &"x".repeat(most as usize)), &log);
        order.say_plain(message(7, 0, 1, &"x".repeat(8_192)));
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        let [(_, numbers, size)] = &published(&mut order)[..] else { panic!("one record") };
        assert_eq!(numbers, &[1]);
        assert!(*size <= 8_192, "{size}");
        assert_eq!(order.statistics().too_large, 2);
    }

    #[test]
    fn a_record_that_is_refused_for_its_size_is_halved_until_only_its_largest_message_is_left_out()
    {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        for number in 1..=8 {
            let text = "x".repeat(if number == 5 { 9_000 } else { 100 });
            order.say(number, said(number, 1, &text), &log);
        }
        let (mut now, mut sequence, mut outcomes) = (NOW, 10, Vec::new());
        for _ in 0..200 {
            now = now + Duration::from_millis(100);
            order.handle_timeout(now, &log);
            while let Some(output) = order.poll_output() {
                match output {
                    Output::Publish { id, record, .. } => match record.to_bytes() {
                        bytes if bytes.len() > 4_096 => {
                            order.too_large(now, id, bytes.len(), &log);
                        }
                        bytes => {
                            sequence += 1;
                            order.acknowledged(now, id, sequence, &log);
                            order.delivered(now, sequence, &bytes, &log);
                        }
                    },
                    Output::Store { .. } => order.stored(now, true, &log),
                    Output::Settled { ticket, outcome } => outcomes.push((ticket, outcome)),
                    _ => {}
                }
            }
        }
        outcomes.sort_by_key(|(ticket, _)| *ticket);
        assert_eq!(outcomes.len(), 8);
        for (ticket, outcome) in outcomes {
            match ticket {
                5 => assert!(matches!(outcome, Outcome::TooLong { .. }), "{outcome:?}"),
                _ => assert_eq!(outcome, Outcome::Stored, "{ticket}"),
            }
        }
        assert_eq!(order.waiting(), Waiting::default());
    }

    #[test]
    fn plain_members_who_talk_while_the_hub_is_cut_off_leave_reliable_ones_their_room() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.disconnected(NOW);
        for number in 1..=70_000 {
            order.say_plain(message(7, 0, number, "x"));
        }
        for outbox in 1..=60_000 {
            order.say(outbox, said(outbox, 1, "x"), &log);
        }
        assert_eq!(order.waiting(), Waiting { reliable: 60_000, plain: 65_536 });
        assert_eq!((order.statistics().dropped, order.statistics().refused), (70_000 - 65_536, 0));
        order.connected(NOW, stream(10), &log);
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        assert_eq!(settled(&mut order), []);
        assert_eq!(order.waiting(), Waiting { reliable: 60_000, plain: 65_536 });
        // And the other way round.
        for outbox in 60_001..=70_000 {
            order.say(outbox, said(outbox, 1, "x"), &log);
        }
        assert_eq!(order.statistics().refused, 70_000 - 65_536);
        assert!(settled(&mut order).iter().all(|(_, outcome)| *outcome == Outcome::Full));
    }

    #[test]
    fn an_epoch_without_positions_is_counted_and_the_hub_goes_on() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        let faulty = Record::Epoch { epoch: u64::MAX, hub: 9 }.to_bytes();
        order.delivered(NOW, 11, &faulty, &log);
        order.delivered(NOW, 12, &record(0, &[1]), &log);
        assert_eq!(stored(&mut order).len(), 1);
        assert_eq!((order.statistics().unplaced, order.statistics().lost), (1, 0));
        // After a new connection its opening is still the last one.
        order.disconnected(NOW);
        let register = Some((11, u64::MAX));
        order.connected(NOW, Stream { register, ..stream(12) }, &log);
        let opens = std::iter::from_fn(|| order.poll_output()).any(|output| match output {
            Output::Publish { record: Record::Epoch { epoch, .. }, expect, .. } => {
                (epoch, expect) == (4, Some(11))
            }
            _ => false,
        });
        assert!(opens);
    }

    #[test]
    fn an_epoch_far_beyond_the_known_ones_is_not_entered_at_once() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        let epoch = |epoch| Record::Epoch { epoch, hub: 9 }.to_bytes();
        order.delivered(NOW, 11, &epoch(Position::END.epoch()), &log);
        order.delivered(NOW, 12, &record(0, &[1]), &log);
        assert_eq!(stored(&mut order).len(), 1, "the hub goes on");
        assert_eq!((order.statistics().unplaced, order.place().epoch), (1, 3));
        order.delivered(NOW, 13, &epoch(3 + 1_024), &log);
        assert_eq!(order.place().epoch, 3 + 1_024);
        // A hub that was away for thousands of epochs reaches the others.
        let (mut order, mut sequence) = (reading(0), 11);
        while order.place().epoch < 8_000 {
            order.delivered(NOW, sequence, &epoch(8_000), &log);
            sequence += 1;
        }
        assert_eq!(order.statistics().unplaced, 7);
        // A new one enters at once.
        let mut order = Order::new(1, Saved::default(), Position::START);
        order.connected(NOW, Stream { register: Some((10, 8_000)), ..stream(10) }, &log);
        order.delivered(NOW, 10, &epoch(8_000), &log);
        assert_eq!((order.place().epoch, order.statistics().unplaced), (8_000, 0));
    }

    #[test]
    fn a_message_that_was_published_stays_although_it_may_be_too_large_until_the_hub_is_in_order() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        order.say(1, said(1, 1, &"x".repeat(9_000)), &log);
        order.pump(NOW, &log);
        assert_eq!(published(&mut order).len(), 1);
        // The stream was created anew, and takes less.
        order.disconnected(NOW);
        let place = Stream { record: 8_192, last: 0, at_cursor: None, register: None, first: 1 };
        order.connected(NOW, place, &log);
        order.delivered(NOW, 1, &Record::Epoch { epoch: 4, hub: 9 }.to_bytes(), &log);
        assert_eq!(order.state(), State::CatchingUp);
        assert_eq!(settled(&mut order), [], "another log may hold it");
        // It does.
        let stamp = Stamp { hub: 9, epoch: 4, round: 0, step: 0, seen: 1, digest: 0 };
        let again = Said { again: Again::Oldest, ..said(1, 1, &"x".repeat(9_000)) };
        let stamp = Stamp { digest: order.place().digest, ..stamp };
        order.delivered(NOW, 2, &Record::Said { stamp, messages: vec![again] }.to_bytes(), &log);
        assert_eq!(order.waiting().reliable, 1);
        order.handle_timeout(NOW + Duration::from_secs(10), &log);
        assert!(settled(&mut order).iter().all(|(_, it)| !matches!(it, Outcome::TooLong { .. })));
    }

    #[test]
    fn only_messages_as_large_as_the_one_that_was_refused_are_refused_with_it() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        order.say(1, said(1, 1, &"x".repeat(8_950)), &log);
        order.pump(NOW, &log);
        order.say(2, said(2, 1, &"x".repeat(9_000)), &log);
        order.pump(NOW, &log);
        let [(_, _, first), (id, _, bytes)] = published(&mut order)[..] else { panic!() };
        assert!(first < bytes);
        order.too_large(NOW, id, bytes, &log);
        let outcomes = settled(&mut order);
        assert!(matches!(outcomes[..], [(2, Outcome::TooLong { .. })]), "{outcomes:?}");
        assert_eq!(order.waiting().reliable, 1);
    }

    #[test]
    fn a_message_with_a_long_name_that_is_refused_is_not_said_for_ever() {
        let (mut order, log) = (reading(0), MemoryLog::default());
        order.handle_timeout(NOW + Duration::from_secs(5), &log);
        let mut long = said(1, 1, "x");
        long.message.speaker = "n".repeat(20_000).into();
        order.say(1, long, &log);
        order.pump(NOW, &log);
        let [(id, _, bytes)] = published(&mut order)[..] else { panic!() };
        order.too_large(NOW, id, bytes, &log);
        let outcomes = settled(&mut order);
        assert!(matches!(outcomes[..], [(1, Outcome::TooLong { .. })]), "{outcomes:?}");
    }

    #[test]
    fn after_the_last_epoch_none_is_opened_and_that_is_counted() {
        let last = Position::END.epoch();
        let saved = Saved { epoch: last, opened: 10, cursor: 10, ..Saved::default() };
        let (mut order, log) = (Order::new(1, saved, Position::START), MemoryLog::default());
        order.connected(NOW, stream(20), &log);
        assert_eq!(published(&mut order), []);
        assert_eq!((order.statistics().exhausted, order.statistics().unplaced), (1, 0));
        assert_eq!(order.state(), State::CatchingUp);
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
