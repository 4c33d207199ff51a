//! The rooms that a session follows, with the messages reported and processed in each.

use std::collections::VecDeque;

use pigeon_proto::frame::ClientFrame;
use pigeon_proto::{Position, RoomName, Seen};

use super::store::SEEN;

/// Where to start following a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// After the last [`processed`](super::Session::processed) message; in a new room, with the newest
    /// messages.
    LeftOff {
        /// Maximum number of newest messages.
        last: u64,
    },
    /// After this message, which the application has recorded itself.
    After(Seen),
    /// With this number of newest messages.
    Last(u64),
}

pub(super) struct Following {
    pub(super) name: RoomName,
    from: From,
    /// The last message that was reported or recognized as a duplicate.
    last: Option<Seen>,
    /// Everything up to this position was reported.
    passed: Position,
    /// The newest deletion that the application was told to carry out.
    pub(super) deletion: Position,
    /// Messages reported but not processed by the application, at most the newest [`SEEN`]: the store
    /// remembers no more of them once they are processed.
    open: VecDeque<Seen>,
    pub(super) is_live: bool,
}

impl Following {
    pub(super) fn new(name: RoomName, from: From) -> Following {
        let passed = match from {
            From::After(seen) => seen.position,
            _ => Position::START,
        };
        let (open, deletion) = (VecDeque::new(), Position::START);
        Following { name, from, last: None, passed, deletion, open, is_live: false }
    }

    /// The frame that follows the room from the last message. `stored`: the room's position and newest
    /// deletion on disk.
    pub(super) fn frame(&mut self, stored: Option<(Seen, Position)>) -> ClientFrame {
        self.is_live = false;
        if let (Some((_, deletion)), From::LeftOff { .. }) = (stored, self.from) {
            self.deletion = self.deletion.max(deletion);
        }
        let stored = stored.map(|(seen, _)| seen);
        let (after, last) = match (self.last, self.from) {
            (Some(last), _) => (Some(last), None),
            (None, From::After(seen)) => (Some(seen), None),
            (None, From::LeftOff { last }) if stored.is_none() => (None, Some(last)),
            (None, From::LeftOff { .. }) => (stored, None),
            (None, From::Last(last)) => (None, Some(last)),
        };
        if let Some(after) = after {
            self.last = Some(after);
            self.passed = self.passed.max(after.position);
        }
        let deletion = if after.is_some() { self.deletion } else { Position::START };
        ClientFrame::Follow { room: self.name.clone(), after, last, deletion }
    }

    /// Whether an entry at this position is new.
    pub(super) fn is_new(&self, position: Position) -> bool {
        position > self.passed
    }

    /// Records an entry as reported, or as a duplicate. `None` for a gap, which has no message.
    pub(super) fn pass(&mut self, position: Position, seen: Option<Seen>) {
        self.passed = position;
        if let Some(seen) = seen {
            self.last = Some(seen);
            self.open.push_back(seen);
            if self.open.len() > SEEN {
                self.open.pop_front();
            }
        }
    }

    /// The hub's log was replaced: continues after the last common message. If there is none, the
    /// next reconnection names the missing message again, so that the hub restarts the room.
    pub(super) fn reset(&mut self, last: Option<Seen>, deletion: Position) {
        self.deletion = self.deletion.max(deletion);
        self.last = last.or(self.last);
        self.passed = last.map_or(Position::START, |last| last.position);
    }

    /// Whether at most the last message is unprocessed.
    pub(super) fn has_one_open(&self) -> bool {
        self.open.len() == 1
    }

    /// The application has processed everything up to this position. Positions may decrease after a
    /// reset, so this goes through the messages in the order in which they were reported.
    pub(super) fn close(&mut self, position: Position) -> Vec<Seen> {
        let Some(end) = self.open.iter().rposition(|seen| seen.position == position) else {
            let is_up_to = |seen: &Seen| seen.position <= position;
            let count = self.open.iter().take_while(|seen| is_up_to(seen)).count();
            return self.open.drain(..count).collect();
        };
        self.open.drain(..=end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pigeon_proto::Identity;

    fn seen(number: u64) -> Seen {
        let identity = Identity { author: 1, outbox: 1, number };
        Seen { position: Position::new(number).unwrap(), identity }
    }

    #[test]
    fn a_program_that_processes_nothing_costs_a_bounded_amount() {
        let mut following = Following::new(RoomName::lobby(), From::Last(0));
        let count = SEEN as u64 + 10;
        for number in 1..=count {
            following.pass(seen(number).position, Some(seen(number)));
        }
        assert_eq!(following.open.len(), SEEN);
        assert_eq!(
            following.close(seen(10).position),
            [],
            "forgotten: it comes again at the next start"
        );
        assert_eq!(following.close(seen(12).position), [seen(11), seen(12)]);
        assert_eq!(following.close(seen(count).position).last(), Some(&seen(count)));
    }
}
