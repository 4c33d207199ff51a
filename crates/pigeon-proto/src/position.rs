//! A message's position in the hub's order.

use std::fmt;

/// A position in one hub's order: an epoch and a sequence number within it.
///
/// Both are packed into a number below 2^53, which JavaScript represents exactly. Positions
/// strictly increase, and none is used twice. A new epoch begins when earlier positions may have
/// been used for other messages, for example after restoring a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

const SEQUENCE_BITS: u32 = 40;
const MAX: u64 = (1 << 53) - 1;

impl Position {
    /// Before every message.
    pub const START: Position = Position(0);
    /// The greatest possible position.
    pub const END: Position = Position(MAX);

    /// The position with this number. `None` from 2^53 on.
    pub fn new(number: u64) -> Option<Position> {
        (number <= MAX).then_some(Position(number))
    }

    /// A position in an epoch. `None` if either number is too large.
    pub fn at(epoch: u64, sequence: u64) -> Option<Position> {
        (sequence >> SEQUENCE_BITS == 0 && epoch <= MAX >> SEQUENCE_BITS)
            .then_some(Position(epoch << SEQUENCE_BITS | sequence))
    }

    /// Whether this is [`Position::START`].
    pub fn is_start(&self) -> bool {
        *self == Position::START
    }

    /// The number: epoch · 2^40 + sequence.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The epoch.
    pub const fn epoch(self) -> u64 {
        self.0 >> SEQUENCE_BITS
    }

    /// The sequence within the epoch.
    pub fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }

    /// The next position of the same epoch. `None` after the last one.
    pub fn next(self) -> Option<Position> {
        Position::at(self.epoch(), self.sequence() + 1)
    }

    /// The position `count` further, at most the end of the epoch.
    pub fn ahead(self, count: u64) -> Position {
        let last = (1 << SEQUENCE_BITS) - 1;
        let sequence = self.sequence().saturating_add(count).min(last);
        Position(self.epoch() << SEQUENCE_BITS | sequence)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_and_a_sequence_share_a_number_below_2_to_the_53() {
        let position = Position::at(3, 7).unwrap();
        assert_eq!(position.get(), 3 * (1 << 40) + 7);
        assert_eq!((position.epoch(), position.sequence()), (3, 7));
        assert_eq!(Position::at(8191, (1 << 40) - 1), Some(Position::END));
        assert_eq!(Position::at(8192, 0), None);
        assert_eq!(Position::at(0, 1 << 40), None);
        assert_eq!(Position::new(1 << 53), None);
    }

    #[test]
    fn an_epoch_ends_and_does_not_run_into_the_next() {
        let last = Position::at(1, (1 << 40) - 1).unwrap();
        assert_eq!(last.next(), None);
        assert_eq!(last.ahead(5), last);
        assert_eq!(Position::at(1, 1).unwrap().next(), Position::at(1, 2));
    }
}
