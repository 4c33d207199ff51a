//! The numbers of one outbox on a connection: which messages are passed on or discarded, and what
//! is answered.

use std::collections::{BTreeSet, VecDeque};

use super::output::Outcome;

/// Maximum number of unsettled messages of a connection.
const MOST: usize = 512;
/// Maximum bytes of their text. One message is always allowed.
const MOST_BYTES: usize = 1 << 20;

/// An outbox on a connection.
pub(super) struct Saying {
    pub(super) outbox: u64,
    /// The largest number that the log is known to hold.
    last: u64,
    /// Messages passed on and not settled, oldest first.
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The number after which a message was refused or is missing. Until the next one arrives,
    /// later messages are discarded: the member goes back and sends them again.
    awaited: Option<u64>,
    /// The number last refused for good. The member may send it once more before it hears that.
    refused: Option<u64>,
    /// Increases when the awaited number has arrived: outcomes of earlier rounds are then ignored.
    round: u32,
    /// The largest number passed on in this round. Two different problems may make the member go
    /// back to the same number. A message passed on twice could be refused while it is being
    /// stored.
    handed: u64,
    /// Numbers up to the last one that were refused for now. The log handles later ones, so only
    /// these are passed on again, and no acknowledgement covers them. At most `MOST`, more than a
    /// member sends without an acknowledgement.
    again: BTreeSet<u64>,
    /// The last stored number without an acknowledgement.
    unacknowledged: Option<u64>,
}

struct Waiting {
    serial: u64,
    number: u64,
    after: u64,
    bytes: usize,
    round: u32,
}

/// The answer to the member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing, or an acknowledgement, which is combined with others.
    Nothing,
    /// The outbox continues with this number.
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
            last: 0,
            waiting: VecDeque::new(),
            bytes: 0,
            awaited: None,
            refused: None,
            round: 0,
            handed: 0,
            again: BTreeSet::new(),
            unacknowledged: None,
        }
    }

    /// The log holds the outbox up to this number.
    pub(super) fn begin(&mut self, last: u64) {
        self.last = last;
    }

    /// Whether the log only has to compare a message with this number.
    pub(super) fn is_known(&self, number: u64) -> bool {
        number <= self.last
    }

    /// Whether another message may be passed on.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST && self.bytes < MOST_BYTES
    }

    /// Whether to pass on a message. Discards messages after an awaited one, and messages passed on
    /// before.
    pub(super) fn say(&mut self, serial: u64, number: u64, after: u64, bytes: usize) -> bool {
        match self.awaited.filter(|last| *last < number) {
            Some(last) if after > last || self.refused == Some(number) => return false,
            Some(_) if self.is_on_its_way(number, after) => {
                // The member has passed over the refused number before it heard of the refusal.
                self.awaited = None;
                return false;
            }
            Some(_) => {
                self.awaited = None;
                self.round += 1;
                self.handed = 0;
            }
            None if self.again.contains(&number) => {}
            None if number <= self.handed => return false,
            None => {}
        }
        self.handed = self.handed.max(number);
        self.bytes += bytes;
        self.waiting.push_back(Waiting { serial, number, after, bytes, round: self.round });
        true
    }

    /// Handles a message's outcome.
    pub(super) fn settle(&mut self, serial: u64, outcome: Outcome) -> Heard {
        let found = self.waiting.iter().position(|waiting| waiting.serial == serial);
        let Some(Waiting { number, after, bytes, round, .. }) =
            found.and_then(|place| self.waiting.remove(place))
        else {
            return Heard::Nothing;
        };
        self.bytes -= bytes;
        self.again.remove(&number);
        let is_current = round == self.round;
        match outcome {
            Outcome::Stored => {
                self.last = self.last.max(number);
                // The outbox has gone on already, so nothing earlier can come any more.
                self.awaited.take_if(|awaited| *awaited < number);
                self.unacknowledged = self.unacknowledged.max(Some(number));
                Heard::Nothing
            }
            Outcome::Expected(expected @ 1..) if is_current && self.awaits(expected - 1) => {
                Heard::Expect(expected)
            }
            // These outcomes concern one earlier number. Later numbers are settled separately, and
            // their acknowledgement must not be taken for this one's.
            Outcome::Conflict => Heard::Conflict(number),
            Outcome::Deleted => Heard::Refused(number, Outcome::Deleted),
            // The outbox is already past it: it is reported, and nothing is awaited.
            Outcome::Refused { again, .. } if number <= self.last => {
                if again.is_some() && self.again.len() < MOST {
                    self.again.insert(number);
                }
                Heard::Refused(number, outcome)
            }
            Outcome::Refused { again, .. } if is_current && self.awaits(after.max(self.last)) => {
                self.refused = again.is_none().then_some(number);
                Heard::Refused(number, outcome)
            }
            _ => Heard::Nothing,
        }
    }

    /// Whether this message of this round is passed on and not settled.
    fn is_on_its_way(&self, number: u64, after: u64) -> bool {
        let is_it = |it: &Waiting| (it.number, it.after, it.round) == (number, after, self.round);
        self.waiting.iter().any(is_it)
    }

    /// Starts waiting for the message after a number, unless an earlier one is awaited. After a
    /// refusal the log lacks the refused message, and the member is told once.
    fn awaits(&mut self, last: u64) -> bool {
        let is_first = self.awaited.is_none_or(|awaited| last < awaited);
        if is_first {
            self.awaited = Some(last);
        }
        is_first
    }

    /// Takes the pending acknowledgement.
    pub(super) fn take_acknowledgement(&mut self) -> Option<u64> {
        let again = self.again.first();
        self.unacknowledged.take_if(|number| again.is_none_or(|again| *number < *again))
    }

    /// Number of unsettled messages.
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

    fn for_now() -> Outcome {
        Outcome::refused(Reason::Overloaded)
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
        assert_eq!(saying.settle(5, for_now()), Heard::Refused(5, for_now()));
        assert_eq!(say(&mut saying, 8..=9), [false, false]);
        // The log lacks 5. The member was told already.
        assert_eq!(saying.settle(6, Outcome::Expected(5)), Heard::Nothing);
        assert_eq!(say(&mut saying, [5]), [true]);
        // An outcome from before 5 arrived again.
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
    fn what_the_log_misses_after_a_refusal_is_not_news() {
        let mut saying = Saying::new(7);
        assert!(saying.say(1, 6, 4, 10) && saying.say(2, 7, 6, 10));
        assert_eq!(saying.settle(1, refused()), Heard::Refused(6, refused()));
        assert_eq!(saying.settle(2, Outcome::Expected(5)), Heard::Nothing);
        assert!(saying.say(3, 7, 4, 10), "as the member goes on after the refusal");
    }

    #[test]
    fn each_message_of_the_past_that_is_not_stored_is_told() {
        let mut saying = Saying::new(7);
        saying.begin(7);
        say(&mut saying, 5..=7);
        assert!(saying.is_known(7) && !saying.is_known(8));
        assert_eq!(saying.settle(5, Outcome::Deleted), Heard::Refused(5, Outcome::Deleted));
        assert_eq!(saying.settle(6, Outcome::Deleted), Heard::Refused(6, Outcome::Deleted));
        assert_eq!(saying.settle(7, Outcome::Stored), Heard::Nothing);
        assert_eq!(say(&mut saying, [8]), [true], "nothing is awaited");
    }

    #[test]
    fn a_number_of_the_past_that_was_refused_for_now_comes_again() {
        let mut saying = Saying::new(7);
        saying.begin(7);
        say(&mut saying, 5..=8);
        assert_eq!(saying.settle(5, Outcome::Stored), Heard::Nothing);
        assert_eq!(saying.settle(6, for_now()), Heard::Refused(6, for_now()));
        assert_eq!(saying.take_acknowledgement(), Some(5));
        assert_eq!(saying.settle(7, Outcome::Stored), Heard::Nothing);
        assert_eq!(saying.take_acknowledgement(), None, "it would cover 6");
        // The member goes back to 6. The first 8 is on its way to the log.
        assert!(saying.say(100, 6, 5, 10));
        assert_eq!(say(&mut saying, 7..=8), [false; 2]);
        assert_eq!(saying.settle(100, for_now()), Heard::Refused(6, for_now()));
        assert!(saying.say(101, 6, 5, 10));
        assert_eq!(saying.settle(8, Outcome::Stored), Heard::Nothing);
        assert_eq!(saying.take_acknowledgement(), None);
        assert_eq!(saying.settle(101, Outcome::Stored), Heard::Nothing);
        assert_eq!(saying.take_acknowledgement(), Some(8));
        assert_eq!(say(&mut saying, [6, 9]), [false, true]);
    }

    #[test]
    fn a_number_that_was_refused_for_good_is_not_passed_on_again() {
        let mut saying = Saying::new(7);
        saying.begin(5);
        say(&mut saying, 5..=6);
        assert_eq!(saying.settle(5, for_now()), Heard::Refused(5, for_now()));
        assert_eq!(saying.settle(6, refused()), Heard::Refused(6, refused()));
        // The member goes back to 5 before it hears that 6 was refused.
        assert_eq!(say(&mut saying, 5..=7), [true, false, false]);
        assert!(saying.say(100, 7, 5, 10));
    }

    #[test]
    fn what_was_handed_on_is_not_handed_on_again() {
        let mut saying = Saying::new(7);
        assert_eq!(say(&mut saying, [5, 6, 5, 6, 7]), [true, true, false, false, true]);
    }

    #[test]
    fn a_member_may_pass_over_a_number_before_it_hears_of_the_refusal() {
        let mut saying = Saying::new(7);
        assert!(saying.say(1, 1, 0, 10) && saying.say(2, 2, 0, 10));
        assert_eq!(saying.settle(1, refused()), Heard::Refused(1, refused()));
        assert!(!saying.say(3, 2, 0, 10), "it is on its way already");
        assert_eq!(saying.settle(2, Outcome::Stored), Heard::Nothing);
        assert_eq!(say(&mut saying, [3, 4]), [true; 2]);
        // The same in the other order, and with a refusal of both.
        assert!(saying.say(5, 5, 4, 10) && saying.say(6, 6, 4, 10));
        assert_eq!(saying.settle(5, refused()), Heard::Refused(5, refused()));
        assert!(!saying.say(7, 6, 4, 10));
        assert_eq!(saying.settle(6, refused()), Heard::Refused(6, refused()));
        assert!(!saying.say(8, 7, 6, 10) && saying.say(9, 7, 4, 10));
    }

    /// A log of one outbox, as the hub's.
    fn log(stored: &mut Vec<u64>, number: u64, after: u64) -> Outcome {
        let last = stored.last().copied().unwrap_or(0);
        match number <= last {
            true if stored.contains(&number) => return Outcome::Stored,
            true => return Outcome::Deleted,
            false if after != last => return Outcome::Expected(last + 1),
            false => stored.push(number),
        }
        Outcome::Stored
    }

    #[test]
    fn whatever_was_said_and_refused_the_outbox_goes_on() {
        for seed in 0..20_000_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut draw = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let (mut saying, mut stored) = (Saying::new(7), Vec::new());
            let (mut serial, mut waiting) = (0, VecDeque::new());
            let mut again = BTreeSet::new();
            for _ in 0..30 {
                serial += 1;
                if draw(2) == 0 {
                    let number = 1 + draw(8);
                    let after = number - 1 - draw(number.min(3));
                    if saying.say(serial, number, after, 10) {
                        waiting.push_back((serial, number, after));
                    }
                } else if let Some((serial, number, after)) = waiting.pop_front() {
                    let outcome = match draw(3) == 0 {
                        true if number <= saying.last => for_now(),
                        true => refused(),
                        false => log(&mut stored, number, after),
                    };
                    match outcome == for_now() {
                        true => again.insert(number),
                        false => again.remove(&number),
                    };
                    saying.settle(serial, outcome);
                    let acknowledged = saying.take_acknowledgement();
                    let covers = |it| again.first().is_some_and(|first| *first <= it);
                    assert!(!acknowledged.is_some_and(covers), "seed {seed}");
                }
            }
            for (serial, number, after) in waiting {
                saying.settle(serial, log(&mut stored, number, after));
                again.remove(&number);
            }
            for number in again {
                let is_passed_on = saying.say(900 + number, number, number - 1, 10);
                assert!(is_passed_on, "seed {seed}: {number} came again");
                saying.settle(900 + number, log(&mut stored, number, number - 1));
            }
            let last = stored.last().copied().unwrap_or(0);
            assert!(saying.say(1_000, 100, last, 10), "seed {seed}: {last} is the last");
            assert_eq!(log(&mut stored, 100, last), Outcome::Stored, "seed {seed}");
            saying.settle(1_000, Outcome::Stored);
            assert_eq!(saying.take_acknowledgement(), Some(100), "seed {seed}");
        }
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
