//! What members of this hub say.

use pigeon_proto::{Identity, Message};

use super::{Check, Order, Outcome, Output};
use crate::held::{Found, Held};
use crate::record::{Again, Numbered, Said};

/// Maximum messages that wait for a place in the stream, and maximum bytes of their texts.
const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 16 << 20;

/// Maximum outboxes whose last number is kept in memory.
const LASTS: usize = 65_536;

impl Order {
    /// A reliable member says something. [`Output::Settled`] follows. Call [`Order::pump`] after it,
    /// once for several.
    pub fn say(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        if !self.is_in_order() {
            let bytes = said.message.text.len();
            if self.deferred.len() >= WAITING || self.deferred_bytes + bytes > WAITING_BYTES {
                return self.settle(ticket, Outcome::Full);
            }
            self.deferred_bytes += bytes;
            return self.deferred.push_back((ticket, said));
        }
        self.decide(ticket, said, held);
    }

    pub(super) fn decide(&mut self, ticket: u64, said: Said, held: &dyn Held) {
        let Identity { author, outbox, number } = said.identity();
        let last = self.last(held, author, outbox);
        let waiting = self.publishing.last_of(author, outbox).unwrap_or(0).max(last);
        if number <= waiting && self.checks.len() >= WAITING {
            self.settle(ticket, Outcome::Full);
        } else if number <= waiting {
            self.check_later(ticket, said);
        } else if said.after != waiting {
            self.settle(ticket, Outcome::Expected(waiting + 1));
        } else if self.is_full(&said) {
            self.settle(ticket, Outcome::Full);
        } else {
            self.publishing.push_new(Some(ticket), said);
        }
    }

    /// A member without a key says something. It was relayed to plain members here. Call
    /// [`Order::pump`] after it, once for several.
    pub fn say_plain(&mut self, message: Message) {
        let said = Said { message, after: 0, numbered: Numbered::Hub, again: Again::No };
        if self.is_full(&said) {
            self.statistics.dropped += 1;
            return;
        }
        self.publishing.push_new(None, said);
    }

    fn is_full(&self, said: &Said) -> bool {
        self.publishing.waiting() >= WAITING
            || self.publishing.new_bytes + said.message.text.len() > WAITING_BYTES
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
