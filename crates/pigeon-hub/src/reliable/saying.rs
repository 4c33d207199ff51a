//! The numbers of one outbox, as a connection says them: which messages are handed on, which are
//! discarded, and what the member hears of them.

use std::collections::VecDeque;

use super::Outcome;

/// The most messages of a connection that wait for their outcome.
const MOST: usize = 512;
/// The most bytes of text that do. One message always may.
const MOST_BYTES: usize = 1 << 20;

/// What a connection says from one outbox.
pub(super) struct Saying {
    pub(super) outbox: u64,
    /// Handed on, and not settled. The oldest first.
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Something was refused or is missing at this number. Until it comes, the rest is discarded:
    /// the member goes back to it, and what it said beyond it comes again.
    awaited: Option<u64>,
    /// Grows when what was awaited has come: outcomes of what was said before mean nothing then.
    round: u32,
    /// Stored, and not yet acknowledged.
    unacknowledged: Option<u64>,
}

struct Waiting {
    serial: u64,
    number: u64,
    bytes: usize,
    round: u32,
}

/// What the member hears.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing, or an acknowledgement, which waits for others.
    Nothing,
    /// The outbox goes on with this number.
    Expect(u64),
    /// The message was refused.
    Refused(u64, Outcome),
    /// Another message with this number is stored.
    Conflict(u64),
}

impl Saying {
    pub(super) fn new(outbox: u64) -> Saying {
        Saying {
            outbox,
            waiting: VecDeque::new(),
            bytes: 0,
            awaited: None,
            round: 0,
            unacknowledged: None,
        }
    }

    /// Whether another message may be handed on.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST && self.bytes < MOST_BYTES
    }

    /// Whether a message is handed on. Discarded is what follows something that is awaited.
    pub(super) fn say(&mut self, serial: u64, number: u64, after: u64, bytes: usize) -> bool {
        // What precedes is found in the log, whatever becomes of what is awaited.
        if let Some(awaited) = self.awaited.filter(|awaited| *awaited <= number) {
            if after >= awaited {
                return false;
            }
            self.awaited = None;
            self.round += 1;
        }
        self.bytes += bytes;
        self.waiting.push_back(Waiting { serial, number, bytes, round: self.round });
        true
    }

    /// A message is settled.
    pub(super) fn settle(&mut self, serial: u64, outcome: Outcome) -> Heard {
        let found = self.waiting.iter().position(|waiting| waiting.serial == serial);
        let Some(Waiting { number, bytes, round, .. }) =
            found.and_then(|place| self.waiting.remove(place))
        else {
            return Heard::Nothing;
        };
        self.bytes -= bytes;
        let is_current = round == self.round;
        match outcome {
            Outcome::Stored => {
                self.unacknowledged = self.unacknowledged.max(Some(number));
                Heard::Nothing
            }
            Outcome::Expected(expected) if is_current && self.awaits(expected) => {
                Heard::Expect(expected)
            }
            Outcome::Conflict if is_current && self.awaits(number) => Heard::Conflict(number),
            refused @ (Outcome::Refused { .. } | Outcome::Deleted)
                if is_current && self.awaits(number) =>
            {
                Heard::Refused(number, refused)
            }
            _ => Heard::Nothing,
        }
    }

    /// Awaits a number from now on, unless an earlier one is awaited.
    fn awaits(&mut self, number: u64) -> bool {
        let is_first = self.awaited.is_none_or(|awaited| number < awaited);
        if is_first {
            self.awaited = Some(number);
        }
        is_first
    }

    /// The acknowledgement that is due.
    pub(super) fn take_acknowledgement(&mut self) -> Option<u64> {
        self.unacknowledged.take()
    }

    /// How many messages wait for their outcome.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::Reason;

    use super::*;

    fn refused() -> Outcome {
        Outcome::refused(Reason::Muted)
    }

    fn say(saying: &mut Saying, numbers: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let each = |number| saying.say(number, number, number - 1, 10);
        numbers.into_iter().map(each).collect()
    }

    #[test]
    fn acknowledgements_are_cumulative() {
        let mut saying = Saying::new(7);
        assert_eq!(say(&mut saying, 5..=7), [true; 3]);
        for number in 5..=6 {
            assert_eq!(saying.settle(number, Outcome::Stored), Heard::Nothing);
        }
        assert_eq!(saying.take_acknowledgement(), Some(6));
        assert_eq!(saying.take_acknowledgement(), None);
        assert_eq!(saying.settle(6, Outcome::Stored), Heard::Nothing, "settled before");
        assert_eq!(saying.take_acknowledgement(), None);
    }

    #[test]
    fn what_follows_a_refused_message_is_discarded_until_it_comes_again() {
        let mut saying = Saying::new(7);
        say(&mut saying, 5..=7);
        assert_eq!(saying.settle(5, refused()), Heard::Refused(5, refused()));
        assert_eq!(say(&mut saying, 8..=9), [false, false]);
        // The log misses 5. The member has heard that already.
        assert_eq!(saying.settle(6, Outcome::Expected(5)), Heard::Nothing);
        assert_eq!(say(&mut saying, [5]), [true]);
        // The outcome of what was said before 5 came again.
        assert_eq!(saying.settle(7, Outcome::Expected(5)), Heard::Nothing);
        assert_eq!(say(&mut saying, 6..=9), [true; 4]);
    }

    #[test]
    fn a_number_that_was_refused_for_good_may_be_passed_over() {
        let mut saying = Saying::new(7);
        say(&mut saying, 5..=5);
        saying.settle(5, refused());
        assert!(!saying.say(100, 7, 6, 10), "5 may be passed over, not 6");
        assert!(saying.say(101, 6, 4, 10));
    }

    #[test]
    fn the_smallest_number_is_awaited() {
        let mut saying = Saying::new(7);
        say(&mut saying, 5..=6);
        assert_eq!(saying.settle(6, refused()), Heard::Refused(6, refused()));
        assert_eq!(saying.settle(5, Outcome::Expected(3)), Heard::Expect(3));
        assert_eq!(say(&mut saying, [4, 5, 6]), [false; 3]);
        assert_eq!(say(&mut saying, [3, 4, 5, 6]), [true; 4]);
    }

    #[test]
    fn so_much_may_wait() {
        let mut saying = Saying::new(7);
        let mut number = 0;
        while saying.has_room() {
            number += 1;
            say(&mut saying, [number]);
        }
        assert_eq!(saying.len(), MOST);
        saying.settle(1, Outcome::Stored);
        assert!(saying.has_room());
        assert!(saying.say(1_000, number + 1, number, MOST_BYTES));
        saying.settle(2, Outcome::Stored);
        assert!(!saying.has_room());
    }
}
