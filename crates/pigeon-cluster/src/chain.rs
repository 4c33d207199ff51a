//! A hub's place in the stream, and whether two hubs have read the same.
//!
//! A broker may lose the stream's tail and use its sequences again. The digest covers every record
//! of the epoch in order, and each record carries its publisher's digest: two hubs that have read
//! different records notice it with the next one. Comparing only single records would miss
//! sequences that were used again while a hub was not looking.

use std::collections::VecDeque;

use crate::held::{Read, Round, Saved};
use crate::record::{self, Stamp};

/// Maximum digests kept for comparison.
const RING: usize = 8_192;

/// Sequences whose digests are stored, so that a hub that was restarted compares too.
const RECENT: usize = 32;

/// Maximum publishers in an epoch; the one that was heard least recently goes first.
const PUBLISHERS: usize = 256;

#[derive(Default)]
pub(crate) struct Chain {
    pub(crate) saved: Saved,
    ring: VecDeque<Read>,
}

impl Chain {
    pub(crate) fn new(saved: Saved) -> Chain {
        let ring = saved.recent.iter().copied().collect();
        Chain { saved, ring }
    }

    /// The place, with the records read last.
    pub(crate) fn place(&self) -> Saved {
        let start = self.ring.len().saturating_sub(RECENT);
        Saved { recent: self.ring.range(start..).copied().collect(), ..self.saved.clone() }
    }

    /// Begins an epoch.
    pub(crate) fn open(&mut self, epoch: u64, sequence: u64, bytes: &[u8]) {
        self.ring.clear();
        let saved = &mut self.saved;
        (saved.epoch, saved.opened, saved.digest) = (epoch, sequence, 0);
        saved.rounds.clear();
        saved.released = false;
        self.advance(self.next(sequence, bytes));
    }

    /// A record after those that were read.
    pub(crate) fn next(&self, sequence: u64, bytes: &[u8]) -> Read {
        let record = record::hash(bytes);
        let number = record::mix(self.saved.digest, &sequence.to_be_bytes());
        Read { sequence, record, digest: record::mix(number, &record.to_be_bytes()) }
    }

    /// Adds a record.
    pub(crate) fn advance(&mut self, read: Read) {
        let Read { sequence, record, digest } = read;
        let saved = &mut self.saved;
        (saved.cursor, saved.record, saved.digest) = (sequence, record, digest);
        self.ring.push_back(read);
        if self.ring.len() > RING {
            self.ring.pop_front();
        }
    }

    /// Whether another hub, whose digest at a sequence of this epoch is known, has read other
    /// records. Sequences that are too old or too new are not compared.
    pub(crate) fn differs(&self, sequence: u64, digest: u64) -> bool {
        let place = self.ring.binary_search_by_key(&sequence, |it| it.sequence);
        match place {
            Ok(place) => self.ring[place].digest != digest,
            // The other hub has read a record that this one has passed over.
            Err(place) => place > 0 && place < self.ring.len(),
        }
    }

    /// Whether the stream holds another record at a sequence than the one that was read.
    pub(crate) fn is_replaced(&self, sequence: u64, record: u64) -> bool {
        let place = self.ring.binary_search_by_key(&sequence, |it| it.sequence);
        place.is_ok_and(|place| self.ring[place].record != record)
    }

    /// Whether a record is the next one of its publisher. All hubs decide the same, because the
    /// decision depends on the stream alone.
    pub(crate) fn is_next(&self, stamp: &Stamp) -> bool {
        match self.saved.rounds.iter().find(|it| it.hub == stamp.hub) {
            Some(it) if it.round == stamp.round => stamp.step == it.next,
            Some(it) => stamp.round > it.round && stamp.step == 0,
            None => stamp.step == 0,
        }
    }

    /// The same, and expects the one after it from now on.
    pub(crate) fn take_next(&mut self, stamp: &Stamp) -> bool {
        let is_next = self.is_next(stamp);
        if is_next {
            let rounds = &mut self.saved.rounds;
            match rounds.iter().position(|it| it.hub == stamp.hub) {
                Some(place) => drop(rounds.remove(place)),
                None if rounds.len() >= PUBLISHERS => drop(rounds.remove(0)),
                None => {}
            }
            rounds.push(Round { hub: stamp.hub, round: stamp.round, next: stamp.step + 1 });
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(round: u64, step: u64) -> Stamp {
        Stamp { hub: 7, epoch: 1, round, step, seen: 0, digest: 0 }
    }

    #[test]
    fn a_record_that_follows_a_lost_one_is_void_until_the_publisher_goes_back() {
        let mut chain = Chain::default();
        let mut next = |round, step| chain.take_next(&stamp(round, step));
        assert!(!next(1, 1) && next(1, 0) && next(1, 1));
        assert!(!next(1, 3), "2 was lost");
        assert!(!next(2, 1) && next(2, 0) && next(2, 1));
        assert!(!next(1, 2), "of an earlier round");
    }

    #[test]
    fn hubs_that_have_read_the_same_later_records_after_different_ones_differ() {
        let [mut one, mut two] = [Chain::default(), Chain::default()];
        one.open(3, 10, b"epoch");
        two.open(3, 10, b"epoch");
        assert!(!one.differs(10, two.saved.digest));
        one.advance(one.next(11, b"lost"));
        two.advance(two.next(11, b"used again"));
        one.advance(one.next(12, b"same"));
        two.advance(two.next(12, b"same"));
        assert!(one.differs(12, two.saved.digest));
        assert!(!one.differs(13, 5), "not read yet");
        two.open(4, 13, b"epoch");
        one.open(4, 13, b"epoch");
        assert!(!one.differs(13, two.saved.digest), "a new epoch begins anew");
    }
}
