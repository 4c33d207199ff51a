//! The log of a hub that stores nothing: the newest messages, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pigeon_proto::{Entry, Follow, Identity, LinkKind, Message, Position, RoomName, Seen, fold};
use std::sync::Arc;

use super::log::RoomLog;
use super::output::{Answer, Earlier, Outcome, Read};

/// The bytes of a message without its strings, rounded up.
const OVERHEAD: usize = 256;

/// Maximum number of outboxes whose last number is kept. The least recently used are dropped first.
const MOST_OUTBOXES: usize = 65_536;

/// Maximum number of words of a search; further words are ignored, as on disk.
const MOST_WORDS: usize = 16;

/// The newest messages of a hub, bounded in bytes, with the rules of the log on disk.
pub struct MemoryLog {
    entries: VecDeque<Entry>,
    /// Positions of the entries, by identity.
    by_identity: BTreeMap<Identity, Position>,
    bytes: usize,
    most_bytes: usize,
    /// Before the first message of this run.
    start: Position,
    /// All entries after this position are in memory.
    floor: Position,
    newest: Position,
    /// The newest deletion.
    deletion: Position,
    /// The last number of each outbox, and when it was used.
    outboxes: BTreeMap<(u128, u64), (u64, Position)>,
    by_use: BTreeMap<Position, (u128, u64)>,
}

/// A message to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryAppend {
    /// The room.
    pub room: RoomName,
    /// The speaker's name.
    pub speaker: Box<str>,
    /// The link that delivered it.
    pub link: LinkKind,
    /// The time since the Unix epoch.
    pub wall: Duration,
    /// The payload.
    pub text: Box<[u8]>,
    /// The message's identity.
    pub identity: Identity,
    /// The preceding number, if the author numbers its messages itself.
    pub after: Option<u64>,
}

impl MemoryLog {
    /// An empty log. Its positions continue after `start`, which must be drawn at random: followers
    /// of an earlier run notice the restart, because no two runs have a position in common.
    pub fn new(start: Position, most_bytes: usize) -> MemoryLog {
        MemoryLog {
            entries: VecDeque::new(),
            by_identity: BTreeMap::new(),
            bytes: 0,
            most_bytes,
            start,
            floor: start,
            newest: start,
            deletion: Position::START,
            outboxes: BTreeMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    /// Appends a message or refuses it. The second value says whether an [`Outcome::Stored`]
    /// message is new and must be relayed.
    pub fn append(&mut self, append: MemoryAppend) -> (Outcome, bool) {
        let Identity { author, outbox, number } = append.identity;
        let key = (author, outbox);
        let last = self.last(author, outbox);
        if number <= last {
            let found = self.find(append.identity);
            let outcome = match found {
                Some(held) if held.room == append.room && held.text == append.text => {
                    Outcome::Stored
                }
                Some(_) => Outcome::Conflict,
                None => Outcome::Deleted,
            };
            return (outcome, false);
        }
        if append.after.is_some_and(|after| after != last) {
            return (Outcome::Expected(last + 1), false);
        }
        let Some(position) = self.newest.next() else {
            return (Outcome::refused(pigeon_proto::Reason::NotStored), false);
        };
        self.newest = position;
        if let Some((_, used)) = self.outboxes.insert(key, (number, position)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(position, key);
        if self.outboxes.len() > MOST_OUTBOXES
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.outboxes.remove(&oldest);
        }
        let MemoryAppend { room, speaker, link, wall, text, identity, .. } = append;
        let message = Message { position, room, speaker, link, wall, text, identity };
        self.bytes += weight(&message);
        self.by_identity.insert(identity, position);
        self.entries.push_back(Entry::Message(Arc::new(message)));
        while self.bytes > self.most_bytes
            && let Some(Entry::Message(oldest)) = self.entries.pop_front()
        {
            self.bytes -= weight(&oldest);
            self.by_identity.remove(&oldest.identity);
            self.floor = oldest.position;
        }
        (Outcome::Stored, true)
    }

    /// Deletes the messages of a room, or under a name, and frees their memory.
    pub fn forget(&mut self, room: Option<&RoomName>, speaker: Option<&str>) {
        let speaker = speaker.map(fold);
        let is_meant = |message: &Message| match (room, &speaker) {
            (Some(room), _) => message.room == *room,
            (None, Some(speaker)) => fold(&message.speaker) == *speaker,
            (None, None) => false,
        };
        self.entries.retain(|entry| !entry.message().is_some_and(|it| is_meant(it)));
        let kept = || self.entries.iter().filter_map(Entry::message);
        self.bytes = kept().map(|it| weight(it)).sum();
        self.by_identity = kept().map(|it| (it.identity, it.position)).collect();
        // A position of its own tells this deletion from the one before.
        self.newest = self.newest.next().unwrap_or(self.newest);
        self.deletion = self.newest;
    }

    /// Whether it has messages of a room.
    pub fn holds(&self, room: &RoomName) -> bool {
        self.entries.iter().any(|entry| entry.room() == room)
    }

    /// Answers a follower's read.
    pub fn read(&self, read: &Read) -> Answer {
        match read {
            Read::Outbox { author, outbox } => Answer::Last(self.last(*author, *outbox)),
            Read::Follow { seen, deletion } => Answer::Follow(self.follow(*seen, *deletion)),
            Read::Before { room, count } => {
                let of_room = self.entries.iter().rev().filter(|entry| entry.room() == room);
                let first = of_room.take(*count).last().map(Entry::position);
                let before = first.and_then(|first| Position::new(first.get() - 1));
                Answer::Before(before.unwrap_or(self.newest))
            }
            Read::Earlier(earlier) => search(self.before(earlier), earlier),
            Read::After { room, after, limit } => {
                let after = self.entries.partition_point(|entry| entry.position() <= *after);
                let of_room = self.entries.range(after..).filter(|entry| entry.room() == room);
                Answer::Entries(of_room.take(*limit).cloned().collect())
            }
        }
    }

    /// The room's entries before the requested position, newest first, for [`search`].
    pub fn before(&self, earlier: &Earlier) -> Vec<Entry> {
        let end = self.entries.partition_point(|entry| entry.position() < earlier.before);
        let before = self.entries.range(..end).rev();
        let of_room = before.filter(|entry| *entry.room() == earlier.room);
        let most = if earlier.words.is_some() { usize::MAX } else { earlier.limit + 1 };
        of_room.take(most).cloned().collect()
    }

    fn follow(&self, seen: Seen, deletion: Position) -> Follow {
        if seen.position <= self.start || seen.position > self.newest {
            // Of an earlier run, or of the beginning.
            return Follow::Reset { last_common: None, forgotten: None };
        }
        if seen.position <= self.deletion && self.deletion > deletion {
            return Follow::Reset { last_common: None, forgotten: Some(self.deletion) };
        }
        let at = self.entries.partition_point(|entry| entry.position() <= seen.position);
        let last = at.checked_sub(1).and_then(|at| self.entries[at].message());
        let last = last.map(|last| Seen { position: last.position, identity: last.identity });
        match last {
            Some(last) if last == seen => Follow::From(last.position),
            // The messages between may have been in memory, and are not any more.
            last_common => Follow::Reset { last_common, forgotten: None },
        }
    }

    fn last(&self, author: u128, outbox: u64) -> u64 {
        self.outboxes.get(&(author, outbox)).map_or(0, |(last, _)| *last)
    }

    fn find(&self, identity: Identity) -> Option<&Message> {
        let position = *self.by_identity.get(&identity)?;
        let at = self.entries.partition_point(|entry| entry.position() < position);
        self.entries.get(at)?.message().map(AsRef::as_ref)
    }
}

impl RoomLog for MemoryLog {
    fn newest(&self) -> Position {
        self.newest
    }

    fn tail(&self, after: Position, room: Option<&RoomName>, limit: usize) -> Option<Vec<Entry>> {
        if after < self.floor {
            return None;
        }
        let start = self.entries.partition_point(|entry| entry.position() <= after);
        let wanted = self.entries.range(start..);
        let wanted = wanted.filter(|entry| room.is_none_or(|room| entry.room() == room));
        Some(wanted.take(limit).cloned().collect())
    }
}

/// Searches these entries, newest first. A function of its own, so that the log is not locked meanwhile.
pub fn search(entries: Vec<Entry>, earlier: &Earlier) -> Answer {
    let words = earlier.words.as_deref().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = words.split_whitespace().take(MOST_WORDS).collect();
    let has_words = |entry: &Entry| {
        let text = entry.message().map(|it| String::from_utf8_lossy(&it.text).to_lowercase());
        words.is_empty() || text.is_some_and(|text| words.iter().all(|word| text.contains(word)))
    };
    let limit = earlier.limit;
    let mut found: Vec<Entry> = entries.into_iter().filter(has_words).take(limit + 1).collect();
    let has_more = limit > 0 && found.len() > limit;
    found.truncate(limit);
    found.reverse();
    let more = found.first().map(Entry::position).filter(|_| has_more);
    Answer::Earlier { entries: found, more }
}

fn weight(message: &Message) -> usize {
    message.text.len() + message.room.as_str().len() + message.speaker.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(number: u64, after: Option<u64>, text: &str) -> MemoryAppend {
        MemoryAppend {
            room: RoomName::lobby(),
            speaker: "dog".into(),
            link: LinkKind::Key,
            wall: Duration::ZERO,
            text: text.as_bytes().into(),
            identity: Identity { author: 1, outbox: 2, number },
            after,
        }
    }

    fn follow(log: &MemoryLog, seen: Seen) -> Follow {
        log.follow(seen, Position::START)
    }

    #[test]
    fn a_follower_of_another_run_begins_anew_however_its_positions_lie() {
        let seen = Seen {
            position: Position::at(5, 3).unwrap(),
            identity: Identity { author: 1, outbox: 2, number: 3 },
        };
        for epoch in [1, 4, 6] {
            let mut log = MemoryLog::new(Position::at(epoch, 0).unwrap(), 1 << 20);
            for number in 1..=5 {
                log.append(append(number, None, "of this run"));
            }
            let reset = Follow::Reset { last_common: None, forgotten: None };
            assert_eq!(follow(&log, seen), reset, "{epoch}");
        }
    }

    #[test]
    fn a_deletion_is_told_to_those_who_have_not_carried_it_out() {
        let mut log = MemoryLog::new(Position::at(1, 0).unwrap(), 1 << 20);
        for number in 1..=5 {
            log.append(append(number, None, "something"));
        }
        let Some(Entry::Message(last)) = log.entries.back().cloned() else { panic!() };
        let seen = Seen { position: last.position, identity: last.identity };
        assert_eq!(follow(&log, seen), Follow::From(seen.position));
        let mut deletion = Position::START;
        for _ in 0..2 {
            log.forget(None, Some("DOG"));
            assert_eq!((log.entries.len(), log.bytes), (0, 0));
            let Follow::Reset { last_common: None, forgotten: Some(newest) } =
                log.follow(seen, deletion)
            else {
                panic!("not told")
            };
            assert!(newest > deletion);
            deletion = newest;
        }
        let reset = Follow::Reset { last_common: None, forgotten: None };
        assert_eq!(log.follow(seen, deletion), reset, "it is not there, and nothing is new");
        assert_eq!(log.append(append(5, None, "something")), (Outcome::Deleted, false));
    }

    #[test]
    fn the_rules_are_those_of_the_log_on_the_disk() {
        let mut log = MemoryLog::new(Position::at(3, 0).unwrap(), 1 << 20);
        assert_eq!(log.append(append(2, Some(1), "b")), (Outcome::Expected(1), false));
        assert_eq!(log.append(append(1, Some(0), "a")), (Outcome::Stored, true));
        assert_eq!(log.append(append(1, Some(0), "a")), (Outcome::Stored, false));
        assert_eq!(log.append(append(1, Some(0), "x")), (Outcome::Conflict, false));
        assert_eq!(log.append(append(4, Some(1), "d")), (Outcome::Stored, true));
        assert_eq!(log.append(append(3, Some(1), "c")), (Outcome::Deleted, false));
        assert_eq!(log.newest(), Position::at(3, 2).unwrap());
        let read = Read::Outbox { author: 1, outbox: 2 };
        assert_eq!(log.read(&read), Answer::Last(4));
    }

    #[test]
    fn a_message_is_found_by_its_identity_whatever_was_dropped_or_deleted() {
        let mut log = MemoryLog::new(Position::at(1, 0).unwrap(), 2_000);
        for number in 1..=100 {
            log.append(append(number, None, "something"));
        }
        let first = log.entries[0].message().unwrap().identity.number;
        assert_eq!(log.append(append(first - 1, None, "something")), (Outcome::Deleted, false));
        for number in first..=100 {
            assert_eq!(log.append(append(number, None, "something")), (Outcome::Stored, false));
            assert_eq!(log.append(append(number, None, "other")), (Outcome::Conflict, false));
        }
        assert_eq!(log.by_identity.len(), log.entries.len());
        log.append(MemoryAppend { room: RoomName::parse(b"b").unwrap(), ..append(101, None, "x") });
        log.forget(Some(&RoomName::lobby()), None);
        assert_eq!(log.append(append(100, None, "something")), (Outcome::Deleted, false));
        assert_eq!((log.by_identity.len(), log.entries.len()), (1, 1));
    }

    #[test]
    fn a_search_takes_the_newest_that_have_all_words() {
        let mut log = MemoryLog::new(Position::at(1, 0).unwrap(), 1 << 20);
        for (number, text) in [(1, "Red fish"), (2, "blue fish"), (3, "red FISH 鱼"), (4, "bird")]
        {
            log.append(append(number, None, text));
        }
        let found = |words: Option<&str>, limit| {
            let words = words.map(Box::from);
            let before = Position::END;
            let earlier = Earlier { id: 1, room: RoomName::lobby(), words, before, limit };
            let Answer::Earlier { entries, more } = log.read(&Read::Earlier(earlier)) else {
                panic!("another answer")
            };
            let numbers = entries.iter().map(|it| it.message().unwrap().identity.number);
            (numbers.collect::<Vec<_>>(), more.is_some())
        };
        assert_eq!(found(Some("fish RED"), 9), (vec![1, 3], false));
        assert_eq!(found(Some("fish"), 2), (vec![2, 3], true));
        assert_eq!(found(Some(" "), 2), (vec![3, 4], true));
        assert_eq!(found(None, 3), (vec![2, 3, 4], true));
        assert_eq!(found(Some(&"fish ".repeat(16).replace("fish ", "f ")), 9).0, [1, 2, 3]);
    }

    #[test]
    fn the_oldest_make_room_and_followers_learn_it() {
        let mut log = MemoryLog::new(Position::at(1, 0).unwrap(), 2_000);
        for number in 1..=100 {
            log.append(append(number, None, "something"));
        }
        assert!(log.bytes <= 2_000 && log.entries.len() > 5);
        let start = Position::at(1, 0).unwrap();
        assert_eq!(log.tail(start, None, 10), None);
        let seen = |number| Seen {
            position: Position::at(1, number).unwrap(),
            identity: append(number, None, "").identity,
        };
        assert_eq!(follow(&log, seen(98)), Follow::From(seen(98).position));
        let reset = Follow::Reset { last_common: None, forgotten: None };
        assert_eq!(follow(&log, seen(1)), reset);
        let other = Seen { identity: append(7, None, "").identity, ..seen(99) };
        let reset = Follow::Reset { last_common: Some(seen(99)), forgotten: None };
        assert_eq!(follow(&log, other), reset);
    }
}
