//! The hub's log: its disk, its queue, and the effects of a crash or a restored backup. A simple
//! model of `pigeon-log`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_hub::reliable::{Answer, Outcome, Read, RoomLog, Say, SayId};
use pigeon_proto::{
    Entry, Follow, Gap, Identity, LinkKind, Message, Position, Reason, RoomName, Seen,
};

use crate::cell::Fault;
use crate::chance::Chance;

/// Number of newest entries in memory.
const IN_MEMORY: usize = 200;

pub(crate) struct Log {
    pub(crate) disk: OnDisk,
    backup: Option<OnDisk>,
    queue: VecDeque<Queued>,
    commit_at: Option<Instant>,
    /// Messages of plain members that could not be stored.
    lost: u64,
    /// Entries after this position are in memory.
    floor: Position,
    epochs: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Default)]
pub(crate) struct OnDisk {
    pub(crate) entries: Vec<Entry>,
    epoch: u64,
    sequence: u64,
    /// The last number of each outbox, and when it was used.
    outboxes: BTreeMap<(u128, u64), (u64, Instant)>,
    pub(crate) places: BTreeMap<Identity, usize>,
}

struct Queued {
    /// `None` for a plain member's message.
    id: Option<SayId>,
    after: u64,
    room: RoomName,
    text: Box<[u8]>,
    identity: Identity,
}

/// The result of a message.
pub(crate) struct Settled {
    pub(crate) id: Option<SayId>,
    pub(crate) identity: Identity,
    pub(crate) outcome: Outcome,
    /// Whether the message is relayed to plain members.
    pub(crate) is_new: bool,
}

impl Log {
    pub(crate) fn new(fault: Option<Fault>) -> Log {
        Log {
            disk: OnDisk { epoch: 1, ..OnDisk::default() },
            backup: None,
            queue: VecDeque::new(),
            commit_at: None,
            lost: 0,
            floor: Position::START,
            epochs: 1,
            fault,
        }
    }

    pub(crate) fn append(&mut self, now: Instant, say: Say, chance: &mut Chance) {
        let Say { id, room, text, identity, after, .. } = say;
        self.push(now, Queued { id: Some(id), after, room, text, identity }, chance);
    }

    /// Appends a plain member's message.
    pub(crate) fn append_plain(
        &mut self,
        now: Instant,
        room: RoomName,
        identity: Identity,
        chance: &mut Chance,
    ) {
        let text = format!("plain {}", identity.number).into_bytes().into();
        self.push(now, Queued { id: None, after: 0, room, text, identity }, chance);
    }

    fn push(&mut self, now: Instant, queued: Queued, chance: &mut Chance) {
        self.queue.push_back(queued);
        let sync = chance.between(Duration::from_millis(1), Duration::from_millis(12));
        self.commit_at.get_or_insert(now + sync);
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.commit_at
    }

    /// Stores queued messages if it is time.
    pub(crate) fn commit(&mut self, now: Instant, fails: bool) -> Vec<Settled> {
        if self.commit_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.commit_at = None;
        let queue = std::mem::take(&mut self.queue);
        if !fails && self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            let after = self.newest();
            let position = self.draw();
            let room = RoomName::lobby();
            let gap = Gap { position, room, after, count, wall: Duration::ZERO };
            self.disk.entries.push(Entry::Gap(gap));
        }
        let settled = queue.into_iter().map(|queued| {
            let (id, identity) = (queued.id, queued.identity);
            let (outcome, is_new) = match fails {
                true => {
                    self.lost += u64::from(id.is_none());
                    (Outcome::refused(Reason::NotStored), false)
                }
                false => self.store(now, queued),
            };
            Settled { id, identity, outcome, is_new }
        });
        let settled = settled.collect();
        let kept = self.disk.entries.len().saturating_sub(IN_MEMORY);
        if let Some(oldest) = kept.checked_sub(1).and_then(|at| self.disk.entries.get(at)) {
            self.floor = self.floor.max(oldest.position());
        }
        settled
    }

    fn store(&mut self, now: Instant, queued: Queued) -> (Outcome, bool) {
        let Queued { id, after, room, text, identity } = queued;
        let key = (identity.author, identity.outbox);
        let (last, used) = self.disk.outboxes.get(&key).copied().unwrap_or_default();
        let is_forgotten = self.fault == Some(Fault::ForgetsByTime)
            && used + Duration::from_secs(2) < now
            && identity.number <= last;
        if !is_forgotten && id.is_some() {
            if identity.number <= last {
                let held = self.disk.places.get(&identity);
                let held = held.and_then(|at| self.disk.entries[*at].message());
                let outcome = match held {
                    Some(held) if held.text == text && held.room == room => Outcome::Stored,
                    Some(_) => Outcome::Conflict,
                    None => Outcome::Deleted,
                };
                return (outcome, self.fault == Some(Fault::RelaysAgain));
            }
            if after != last {
                return (Outcome::Expected(last + 1), false);
            }
        }
        self.disk.outboxes.insert(key, (identity.number.max(last), now));
        let position = self.draw();
        let (speaker, wall) = ("somebody".into(), Duration::ZERO);
        let link = if id.is_some() { LinkKind::Key } else { LinkKind::Plain };
        let message = Message { position, room, speaker, link, wall, text, identity };
        self.disk.places.insert(identity, self.disk.entries.len());
        self.disk.entries.push(Entry::Message(Arc::new(message)));
        (Outcome::Stored, true)
    }

    fn draw(&mut self) -> Position {
        self.disk.sequence += 1;
        Position::at(self.disk.epoch, self.disk.sequence).unwrap_or_default()
    }

    /// Answers a follower's read.
    pub(crate) fn read(&self, read: &Read) -> Answer {
        let entries = &self.disk.entries;
        match read {
            Read::Outbox { author, outbox } => {
                let last = self.disk.outboxes.get(&(*author, *outbox));
                Answer::Last(last.map_or(0, |(last, _)| *last))
            }
            Read::Follow { seen, .. } => {
                let end = entries.partition_point(|entry| entry.position() <= seen.position);
                let last = entries[..end].iter().rev().find_map(Entry::message);
                let last = last.map(|it| Seen { position: it.position, identity: it.identity });
                Answer::Follow(match last {
                    Some(last) if last == *seen => Follow::From(last.position),
                    _ if self.fault == Some(Fault::SkipsOnReset) => Follow::From(self.newest()),
                    last_common => Follow::Reset { last_common, forgotten: None },
                })
            }
            Read::Before { room, count } => {
                let of_room = entries.iter().rev().filter(|entry| entry.room() == room);
                let first = of_room.take(*count).last().map(Entry::position);
                let before = first.and_then(|first| Position::new(first.get() - 1));
                Answer::Before(before.unwrap_or(self.newest()))
            }
            // The clients do not ask for earlier entries.
            Read::Earlier(_) => Answer::Earlier { entries: Vec::new(), more: None },
            Read::After { room, after, limit } => {
                let start = entries.partition_point(|entry| entry.position() <= *after);
                let of_room = entries[start..].iter().filter(|entry| entry.room() == room);
                Answer::Entries(of_room.take(*limit).cloned().collect())
            }
        }
    }

    /// The hub has died: drops the queue.
    pub(crate) fn kill(&mut self) {
        self.queue.clear();
        (self.commit_at, self.lost) = (None, 0);
        self.floor = self.newest();
        if self.fault == Some(Fault::ForgetsLastNumbers) {
            self.disk.outboxes.clear();
        }
    }

    /// Copies the disk.
    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.disk.clone());
    }

    /// Restores the disk from the copy. Positions continue in a new epoch.
    pub(crate) fn restore(&mut self) {
        self.disk = self.backup.clone().unwrap_or_default();
        self.epochs += 1;
        (self.disk.epoch, self.disk.sequence) = (self.epochs, 0);
        self.kill();
    }
}

impl RoomLog for Log {
    fn newest(&self) -> Position {
        self.disk.entries.last().map_or(Position::START, Entry::position)
    }

    fn tail(&self, after: Position, room: Option<&RoomName>, limit: usize) -> Option<Vec<Entry>> {
        if after < self.floor {
            return None;
        }
        let entries = &self.disk.entries;
        let start = entries.partition_point(|entry| entry.position() <= after);
        let wanted = entries[start..].iter();
        let wanted = wanted.filter(|entry| room.is_none_or(|room| entry.room() == room));
        Some(wanted.take(limit).cloned().collect())
    }
}
