//! Members' requests for earlier messages, and the limits of the answers.
//!
//! The core does not hold messages. It passes a [`Lookup`] to the driver, and its readers answer
//! later, so that the data loop never waits for a disk.

use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::{Notice, Reason, RoomName, Verb};

use super::id::{MemberId, Slot};

/// Maximum number of pending requests of a member: one of its own, and the backlog shown when it
/// takes a name.
const MOST_WAITING: u8 = 2;

/// The size limit of a member's answers, and its period.
const MOST_BYTES: usize = 8 * 1_024;
const WINDOW: Duration = Duration::from_secs(10);

/// Maximum number of messages of one answer.
pub(crate) const MOST_LINES: u16 = 100;

/// The number of messages in an answer to a request without a number.
pub(crate) const USUAL_LINES: u16 = 20;

/// A member's request for earlier messages. The driver must find them and call
/// [`Hub::found`](crate::Hub::found).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The requesting member.
    pub member: MemberId,
    /// The room.
    pub room: RoomName,
    /// The requested messages.
    pub wanted: Wanted,
    /// Maximum number of messages to return.
    pub most: u16,
    /// The command; `None` for the backlog shown to a newcomer.
    pub verb: Option<Verb>,
}

/// Which messages are requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The last ones before a position, or the newest.
    Before(Option<u64>),
    /// The newest ones that contain all of these words.
    Matching(Box<str>),
}

/// The messages found, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// One line per message.
    pub lines: Vec<FoundLine>,
    /// Whether there are earlier matches.
    pub has_earlier: bool,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// [`Notice::Said`] or [`Notice::Missing`].
    pub notice: Notice,
    /// The time as text for sentences: the core knows no time zone.
    pub when: Box<str>,
}

impl FoundLine {
    fn position(&self) -> u64 {
        match self.notice {
            Notice::Said { position, .. } | Notice::Missing { position, .. } => position,
            _ => 0,
        }
    }
}

/// The part of an answer that its reader may get now.
pub(crate) struct Cut {
    pub(crate) lines: Vec<FoundLine>,
    /// The position for the next request. `None`: the answer is complete.
    pub(crate) earlier: Option<u64>,
    bytes: usize,
}

impl Cut {
    /// Cuts an answer to the newest lines within a size; at least one, or a long message could
    /// never be read.
    pub(crate) fn of(found: Found, most: usize) -> Cut {
        let Found { mut lines, has_earlier } = found;
        let mut bytes = 0;
        let fits = |line: &&FoundLine| {
            let length = line.notice.to_bytes().len();
            let fits = bytes == 0 || bytes + length <= most;
            bytes += if fits { length } else { 0 };
            fits
        };
        let kept = lines.iter().rev().take_while(fits).count();
        let left_out = lines.len() - kept;
        lines.drain(..left_out);
        let is_cut = has_earlier || left_out > 0;
        let earlier = lines.first().map(FoundLine::position).filter(|_| is_cut);
        Cut { lines, earlier, bytes }
    }
}

/// Members with recent requests.
pub(crate) struct Askers {
    by_slot: HashMap<Slot, Asker, RandomState>,
}

#[derive(Clone, Copy)]
struct Asker {
    /// When the first of `bytes` was sent.
    since: Instant,
    bytes: usize,
    /// The number of pending answers.
    waiting: u8,
}

impl Asker {
    fn is_over(&self, now: Instant) -> bool {
        self.waiting == 0 && now - self.since >= WINDOW
    }
}

/// The table is cleaned each time it has grown by this many entries.
const TIDY_AT: usize = 1_024;

impl Askers {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        Askers { by_slot: HashMap::with_hasher(RandomState::with_seeds(d, b, c, a)) }
    }

    /// Accepts a request. Fails if the member has reached its limit for now, or has too many
    /// pending requests.
    pub(crate) fn ask(&mut self, now: Instant, slot: Slot) -> Result<(), Reason> {
        if self.by_slot.len() % TIDY_AT == TIDY_AT - 1 {
            self.by_slot.retain(|_, asker| !asker.is_over(now));
        }
        let fresh = Asker { since: now, bytes: 0, waiting: 0 };
        let asker = self.by_slot.entry(slot).or_insert(fresh);
        if asker.is_over(now) {
            *asker = fresh;
        }
        if asker.bytes >= MOST_BYTES {
            let left = asker.since + WINDOW - now;
            return Err(Reason::Wait { seconds: left.as_secs() + 1 });
        }
        if asker.waiting >= MOST_WAITING {
            return Err(Reason::Wait { seconds: 1 });
        }
        asker.waiting += 1;
        Ok(())
    }

    /// Cuts an answer to its member's limit, and charges it.
    pub(crate) fn answer(&mut self, slot: Slot, found: Found) -> Cut {
        let Some(asker) = self.by_slot.get_mut(&slot) else { return Cut::of(found, MOST_BYTES) };
        asker.waiting = asker.waiting.saturating_sub(1);
        let cut = Cut::of(found, MOST_BYTES.saturating_sub(asker.bytes));
        asker.bytes += cut.bytes;
        cut
    }

    pub(crate) fn forget(&mut self, slot: Slot) {
        self.by_slot.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::{Label, LinkKind, Text};

    use super::*;

    fn line(position: u64, length: usize) -> FoundLine {
        let (name, text) = (Label::parse("dog").unwrap(), Text::of(&vec![b'x'; length]).unwrap());
        let notice = Notice::Said { position, time: 1, link: LinkKind::Plain, name, text };
        FoundLine { notice, when: "2026-11-20 21:04".into() }
    }

    fn found(lines: impl IntoIterator<Item = FoundLine>) -> Found {
        Found { lines: lines.into_iter().collect(), has_earlier: false }
    }

    #[test]
    fn the_newest_lines_are_sent_and_the_reader_learns_where_the_rest_begins() {
        let cut = Cut::of(found((1..=100).map(|n| line(n, 200))), MOST_BYTES);
        let positions: Vec<u64> = cut.lines.iter().map(FoundLine::position).collect();
        let first = positions[0];
        assert_eq!(positions, (first..=100).collect::<Vec<u64>>());
        assert_eq!(cut.earlier, Some(first));
        assert!(cut.bytes <= MOST_BYTES && cut.bytes > MOST_BYTES - 300);
        let all = Cut::of(found((1..=3).map(|n| line(n, 10))), MOST_BYTES);
        assert_eq!((all.lines.len(), all.earlier), (3, None));
        let long = Cut::of(found([line(7, 20_000)]), 10);
        assert_eq!((long.lines.len(), long.earlier), (1, None));
    }

    #[test]
    fn a_member_gets_so_many_bytes_in_ten_seconds() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let (mut askers, slot) = (Askers::new([0; 4]), Slot::new(1));
        assert_eq!(askers.ask(at(5), slot), Ok(()));
        assert_eq!(askers.ask(at(6), slot), Ok(()));
        assert_eq!(askers.ask(at(6), slot), Err(Reason::Wait { seconds: 1 }));
        askers.answer(slot, found([]));
        assert_eq!(askers.answer(slot, found([line(1, 5_000)])).lines.len(), 1);
        assert_eq!(askers.ask(at(8), slot), Ok(()));
        let cut = askers.answer(slot, found((1..=100).map(|n| line(n, 200))));
        let lengths = cut.lines.iter().map(|line| line.notice.to_bytes().len());
        let total = line(1, 5_000).notice.to_bytes().len() + lengths.sum::<usize>();
        assert!(total <= MOST_BYTES && total > MOST_BYTES - 300);
        // This line exceeds what is left of the limit. An answer always contains one line, so it is
        // sent.
        askers.ask(at(9), slot).unwrap();
        askers.answer(slot, found([line(1, 500)]));
        assert_eq!(askers.ask(at(12), slot), Err(Reason::Wait { seconds: 4 }));
        assert_eq!(askers.ask(at(12), Slot::new(2)), Ok(()));
        assert_eq!(askers.ask(at(15), slot), Ok(()));
    }

    #[test]
    fn those_that_asked_long_ago_are_forgotten() {
        let mut askers = Askers::new([0; 4]);
        for n in 0..100_000 {
            let now = Instant::ORIGIN + Duration::from_millis(20) * n;
            askers.ask(now, Slot::new(n)).unwrap();
            askers.answer(Slot::new(n), Found::default());
        }
        assert!(askers.by_slot.len() < 2 * TIDY_AT, "{}", askers.by_slot.len());
    }
}
