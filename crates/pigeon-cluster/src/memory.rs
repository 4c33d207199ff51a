//! A log in memory: for tests, and the simplest example of [`Held`].

use std::collections::BTreeMap;

use crate::held::{Found, Held, Saved};
use crate::record::{Outbox, Said};
use pigeon_proto::{Identity, Message, Position};

/// A log in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    /// The messages in order.
    pub entries: Vec<Message>,
    /// Where each message is in `entries`.
    pub places: BTreeMap<Identity, usize>,
    /// The last number of each outbox, and its position.
    pub lasts: BTreeMap<(u128, u64), (u64, Position)>,
    /// The place in the stream.
    pub saved: Saved,
}

impl MemoryLog {
    /// Stores a message unless it is a double. Fails if its position is not the newest one.
    pub fn store(&mut self, said: &Said) -> Result<(), String> {
        let Identity { author, outbox, number } = said.message.identity;
        let position = said.message.position;
        let (last, _) = self.lasts.get(&(author, outbox)).copied().unwrap_or_default();
        if number <= last {
            return Ok(());
        }
        if position <= self.newest() {
            return Err(format!(
                "{:?} at {position} after {}",
                said.message.identity,
                self.newest()
            ));
        }
        self.lasts.insert((author, outbox), (number, position));
        self.places.insert(said.message.identity, self.entries.len());
        self.entries.push(said.message.clone());
        Ok(())
    }

    /// The newest position.
    pub fn newest(&self) -> Position {
        self.entries.last().map_or(Position::START, |last| last.position)
    }

    /// The message at a position.
    pub fn at(&self, position: Position) -> Option<&Message> {
        let place = self.entries.binary_search_by_key(&position, |it| it.position).ok()?;
        self.entries.get(place)
    }

    /// The next message after a position, and before another one.
    pub fn after(&self, position: Position, before: Position) -> Option<&Message> {
        let place = self.entries.partition_point(|it| it.position <= position);
        self.entries.get(place).filter(|it| it.position < before)
    }
}

impl Held for MemoryLog {
    fn last_number(&self, author: u128, outbox: u64) -> u64 {
        self.lasts.get(&(author, outbox)).map_or(0, |(last, _)| *last)
    }

    fn find(&self, message: &Message) -> Found {
        let found = self.places.get(&message.identity).map(|place| &self.entries[*place]);
        match found {
            Some(found) if found.text == message.text => Found::Same(found.position),
            Some(_) => Found::Different,
            None => Found::Missing,
        }
    }

    fn outboxes(&self, after: Position) -> Vec<Outbox> {
        let lasts = self.lasts.iter();
        let keyed = lasts.filter(|((_, outbox), (_, at))| *outbox != 0 && *at > after);
        keyed
            .map(|((author, outbox), (last, _))| Outbox {
                author: *author,
                outbox: *outbox,
                last: *last,
            })
            .collect()
    }

    fn of_outbox(&self, author: u128, outbox: u64, after: u64, limit: usize) -> Vec<Message> {
        let first = Identity { author, outbox, number: after + 1 };
        let end = Identity { author, outbox, number: u64::MAX };
        let places = self.places.range(first..=end).take(limit);
        places.map(|(_, place)| self.entries[*place].clone()).collect()
    }

    fn number_before(&self, author: u128, outbox: u64, number: u64) -> Option<u64> {
        let first = Identity { author, outbox, number: 0 };
        let end = Identity { author, outbox, number };
        self.places.range(first..end).next_back().map(|(identity, _)| identity.number)
    }
}
