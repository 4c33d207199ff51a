//! What members of this hub say.

use pigeon_proto::{Identity, Message};

use super::{Check, Order, Outcome, Output};
use crate::held::{Found, Held};
use crate::publishing::Item;
use crate::record::{Again, Numbered, Said, longest_text};

/// Maximum messages that wait for a place in the stream, and maximum bytes of their texts. Reliable and
/// plain members each have this much. A common limit was rejected: plain members who talk while this
/// hub is cut off would leave the reliable ones no room.
pub(super) const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 16 << 20;

/// Maximum outboxes with a last number in memory.
const LASTS: usize = 65_536;

impl Order {
    /// A reliable member says something. [`Output::Settled`] follows. Call [`Order::pump`] after it,
    /// once for several.
    pub fn say(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        if !self.is_in_order() {
            if self.is_full(&said) {
                return self.settle_full(ticket);
            }
            self.deferred_bytes += said.message.text.len();
            return self.deferred.push_back((ticket, said));
        }
        self.decide(ticket, said, held);
    }

    pub(super) fn decide(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        let Identity { author, outbox, number } = said.identity();
        let last = self.last(held, author, outbox);
        let waiting = self.publishing.last_of(author, outbox).unwrap_or(0).max(last);
        if number <= waiting && self.checks.len() >= WAITING {
            self.settle_full(ticket);
        } else if number <= waiting {
            self.check_later(ticket, said);
        } else if said.after != waiting {
            self.settle(ticket, Outcome::Expected(waiting + 1));
        } else if let Some(most) = self.too_long(&said) {
            self.settle(ticket, Outcome::TooLong { most });
        } else if self.is_full(&said) {
            self.settle_full(ticket);
        } else {
            self.publishing.push_new(Some(ticket), said);
        }
    }

    /// A member without a key says something. It was relayed to plain members here. Call
    /// [`Order::pump`] after it, once for several.
    pub fn say_plain(&mut self, message: Message) {
        let said = Said { message, after: 0, numbered: Numbered::Hub, again: Again::No };
        if self.too_long(&said).is_some() {
            return;
        }
        if self.is_full(&said) {
            self.statistics.dropped += 1;
            return;
        }
        self.publishing.push_new(None, said);
    }

    /// Whether there is no room for a message of its kind.
    fn is_full(&self, said: &Said) -> bool {
        let mut load = self.publishing.load(said.numbered);
        if said.numbered == Numbered::Author {
            load.count += self.deferred.len();
            load.bytes += self.deferred_bytes;
        }
        load.count >= WAITING || load.bytes + said.message.text.len() > WAITING_BYTES
    }

    fn settle_full(&mut self, ticket: u64) {
        self.statistics.refused += 1;
        self.settle(ticket, Outcome::Full);
    }

    /// Checks a message's size. If it is too large for the brokers, counts it and returns the length
    /// that a text may have.
    fn too_long(&mut self, said: &Said) -> Option<u64> {
        let limit = self.publishing.limits.one;
        let size = said.exceeds(limit)?;
        self.statistics.too_large += 1;
        Some(longest_text(said.message.text.len(), size, limit) as u64)
    }

    /// Removes waiting messages that are too large for the brokers. The stream or another hub's log may
    /// hold a new one, so those stay until this hub is in order.
    pub(super) fn drop_too_large(&mut self, held: &dyn Held) {
        let with_new = self.is_in_order() && std::mem::take(&mut self.is_new_unchecked);
        if !std::mem::take(&mut self.is_again_unchecked) && !with_new {
            return;
        }
        let lasts = &mut self.lasts;
        let taken = self.publishing.take_too_large(with_new, |said| {
            let Identity { author, outbox, number } = said.identity();
            let last = lasts.entry((author, outbox));
            number <= *last.or_insert_with(|| held.last_number(author, outbox))
        });
        for item in taken {
            let Item::New { ticket: Some(ticket), said } = item else {
                self.statistics.too_large += 1;
                continue;
            };
            let Identity { author, outbox, number } = said.identity();
            let waiting = self.publishing.last_of(author, outbox).unwrap_or(0);
            let last = self.last(held, author, outbox).max(waiting);
            if number <= last {
                self.check_later(ticket, said);
                continue;
            }
            self.expect_checks(author, outbox, number);
            match (said.after == last).then(|| self.too_long(&said)).flatten() {
                Some(most) => self.settle(ticket, Outcome::TooLong { most }),
                None => self.settle(ticket, Outcome::Expected(last + 1)),
            }
        }
    }

    pub(super) fn settle(&mut self, ticket: u64, outcome: Outcome) {
        self.outputs.push_back(Output::Settled { ticket, outcome });
    }

    pub(super) fn check_later(&mut self, ticket: u64, said: Said) {
        self.checks.push(Check { ticket, said });
        self.is_check_due = true;
    }

    /// Decides messages whose number the log holds.
    pub(super) fn check(&mut self, held: &dyn Held) {
        if !std::mem::take(&mut self.is_check_due) {
            return;
        }
        let mut waiting = Vec::new();
        for check in std::mem::take(&mut self.checks) {
            let Identity { author, outbox, number } = check.said.identity();
            if number > held.last_number(author, outbox) {
                waiting.push(check);
                continue;
            }
            let outcome = match held.find(&check.said.message) {
                Found::Same(_) => Outcome::Again,
                Found::Different => Outcome::Conflict,
                Found::Missing => Outcome::Deleted,
            };
            self.settle(check.ticket, outcome);
        }
        self.checks = waiting;
    }

    /// The last number of an outbox that is stored or about to be.
    pub(super) fn last(&mut self, held: &dyn Held, author: u128, outbox: u64) -> u64 {
        if let Some(last) = self.lasts.get(&(author, outbox)) {
            return *last;
        }
        let last = held.last_number(author, outbox);
        if self.lasts.len() >= LASTS && self.ready.is_empty() && self.batch.is_none() {
            self.lasts.clear();
        }
        self.lasts.insert((author, outbox), last);
        last
    }
}
