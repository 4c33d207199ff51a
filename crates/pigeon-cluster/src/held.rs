//! What a hub's log holds, and what it keeps about the stream.

use pigeon_proto::{Message, Position};
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::record::Outbox;

/// The hub's log: everything on disk. Reads may wait for the disk.
pub trait Held {
    /// The last number of an outbox, or 0.
    fn last_number(&self, author: u128, outbox: u64) -> u64;

    /// Looks for a message by identity, and compares room and text.
    fn find(&self, message: &Message) -> Found;

    /// The outboxes numbered by their authors whose last message came after a position.
    fn outboxes(&self, after: Position) -> Vec<Outbox>;

    /// Messages of an outbox after a number, in the order of numbers, up to a limit.
    fn of_outbox(&self, author: u128, outbox: u64, after: u64, limit: usize) -> Vec<Message>;

    /// Whether the log holds an earlier message of the outbox, and its number.
    fn number_before(&self, author: u128, outbox: u64, number: u64) -> Option<u64>;
}

/// The result of [`Held::find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The same message is at this position.
    Same(Position),
    /// Another message has the identity.
    Different,
    /// It was deleted.
    Missing,
}

/// A hub's place in the stream. Stored in the hub's log after the messages up to there, so that a
/// restored backup restores both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The epoch.
    pub epoch: u64,
    /// The sequence of the record that opened it.
    pub opened: u64,
    /// The last sequence read.
    pub cursor: u64,
    /// The hash of the record there.
    #[serde(with = "hex::digest")]
    pub record: u64,
    /// The digest of all records of the epoch.
    #[serde(with = "hex::digest")]
    pub digest: u64,
    /// The records read last.
    pub recent: Vec<Read>,
    /// The publishers' rounds.
    pub rounds: Vec<Round>,
    /// Where this hub joined the cluster.
    pub joined: u64,
    /// Whether followers may read this epoch: the log holds everything that the other hubs held
    /// when it began.
    pub released: bool,
    /// Whether other hubs may lack messages that this hub has not said again.
    pub owes: bool,
    /// Where followers from other hubs go back.
    pub rewinds: Vec<Rewind>,
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Its sequence.
    pub sequence: u64,
    /// Its hash.
    #[serde(with = "hex::digest")]
    pub record: u64,
    /// The digest of the epoch up to it.
    #[serde(with = "hex::digest")]
    pub digest: u64,
}

/// A publisher's round, and the next step of it that is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The publisher.
    #[serde(with = "hex::id")]
    pub hub: u128,
    /// The round.
    pub round: u64,
    /// The next step.
    pub next: u64,
}

/// Other hubs hold messages at `up_to` and before that this hub holds at earlier positions, from
/// `to` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewind {
    /// The position of the last such message at other hubs.
    pub up_to: Position,
    /// A position before all of them at this hub.
    pub to: Position,
}

impl Rewind {
    /// Extends this one by another of the same epoch. Returns false if it is of another epoch.
    pub fn extend(&mut self, other: Rewind) -> bool {
        let is_same = self.up_to.epoch() == other.up_to.epoch();
        if is_same {
            self.up_to = self.up_to.max(other.up_to);
            self.to = self.to.min(other.to);
        }
        is_same
    }
}

/// Maximum epochs with a [`Rewind`]. The oldest two are merged beyond it.
const REWINDS: usize = 64;

impl Saved {
    pub(crate) fn add_rewind(&mut self, rewind: Rewind) {
        if !self.rewinds.last_mut().is_some_and(|last| last.extend(rewind)) {
            self.rewinds.push(rewind);
        }
        if self.rewinds.len() > REWINDS {
            let oldest = self.rewinds.remove(0);
            self.rewinds[0].to = self.rewinds[0].to.min(oldest.to);
        }
    }

    /// Followers may read entries before this position.
    pub fn shown_before(&self) -> Position {
        let epoch = if self.released { self.epoch + 1 } else { self.epoch.max(1) };
        match self.epoch {
            0 => Position::END,
            _ => Position::at(epoch, 0).unwrap_or(Position::END),
        }
    }

    /// Where a follower continues whose last message is at a position. `is_held` says whether this
    /// log holds that message there.
    ///
    /// A follower that comes from another hub has read that hub's log, which may hold messages of
    /// this one at later positions. It goes back before them, and removes doubles by identity.
    pub fn resume(&self, position: Position, is_held: bool, newest: Position) -> Resume {
        let needed = self.rewinds.iter().filter(|it| it.to < position && position < it.up_to);
        let back = needed.map(|it| it.to).min();
        match (is_held, back) {
            (true, None) => Resume::Next,
            (true, Some(back)) => Resume::Back(back),
            // The other hub may have been in the same order and ahead, or in another stream:
            // unknown until this hub has read as far.
            (false, _) if position > newest => Resume::Unknown(self.apart(position, newest)),
            (false, _) => Resume::Back(self.apart(position, newest)),
        }
    }

    /// Where a follower continues that has read another stream in the position's epoch. All hubs of
    /// an epoch agreed when it began.
    fn apart(&self, position: Position, newest: Position) -> Position {
        let epoch = position.epoch().min(newest.epoch());
        let start = Position::at(epoch, 0).unwrap_or_default();
        let needed = self.rewinds.iter().filter(|it| it.to < position && start < it.up_to);
        needed.map(|it| it.to).fold(start, Position::min)
    }
}

/// Where a follower continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After its last message.
    Next,
    /// After this position.
    Back(Position),
    /// It asks again soon. If it cannot wait: after this position.
    Unknown(Position),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, sequence: u64) -> Position {
        Position::at(epoch, sequence).unwrap()
    }

    #[test]
    fn a_follower_from_another_hub_goes_back_before_what_that_hub_lacked() {
        let mut saved = Saved { epoch: 3, ..Saved::default() };
        saved.add_rewind(Rewind { up_to: at(3, 50), to: at(2, 59) });
        saved.add_rewind(Rewind { up_to: at(3, 52), to: at(2, 64) });
        assert_eq!(saved.rewinds, [Rewind { up_to: at(3, 52), to: at(2, 59) }]);
        let newest = at(3, 90);
        assert_eq!(saved.resume(at(3, 51), true, newest), Resume::Back(at(2, 59)));
        assert_eq!(saved.resume(at(3, 60), true, newest), Resume::Next);
        assert_eq!(saved.resume(at(2, 10), true, newest), Resume::Next, "reads it there");
        assert_eq!(saved.resume(at(3, 70), false, newest), Resume::Back(at(2, 59)));
        assert_eq!(saved.resume(at(3, 91), false, newest), Resume::Unknown(at(2, 59)));
    }

    #[test]
    fn an_epoch_is_shown_once_it_is_released() {
        let saved = Saved { epoch: 3, ..Saved::default() };
        assert_eq!(saved.shown_before(), at(3, 0));
        assert_eq!(Saved { released: true, ..saved }.shown_before(), at(4, 0));
        assert_eq!(Saved::default().shown_before(), Position::END, "never in a cluster");
    }
}
