//! A [`Messenger`](crate::Messenger)'s counters.

use crate::packet::Malformed;

/// Why a packet, or a part of it, was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// It is not a valid packet.
    Malformed(Malformed),
    /// Its sender is outside the open networks.
    NotOpen,
    /// Its sender address is invalid: a broadcast address, or port 0.
    Forged,
    /// It is our own, as with broadcasts.
    Own,
    /// It is from another gateway; two gateways would relay to each other without end.
    Gateway,
    /// No program of the family has a name for its command.
    UnknownCommand,
    /// Its command is not supported.
    NoMeaning,
    /// It is encrypted.
    Encrypted,
    /// Its sender exceeds the rate.
    TooFast,
    /// It was received before.
    Duplicate,
    /// Its sender's address has its maximum of contacts.
    AddressFull,
    /// The event queue is full.
    Overflow,
    /// It acknowledges a text that is not in flight.
    UnknownNumber,
}

/// Counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Texts received once.
    pub texts: u64,
    /// Texts acknowledged to their senders.
    pub receipts: u64,
    /// Texts that their recipients acknowledged.
    pub delivered: u64,
    /// Texts that their recipients did not acknowledge.
    pub undelivered: u64,
    /// Contacts displaced by newcomers.
    pub displaced: u64,
    ignored: std::collections::BTreeMap<Ignored, u64>,
}

impl Statistics {
    pub(crate) fn ignore(&mut self, why: Ignored) {
        *self.ignored.entry(why).or_default() += 1;
    }

    /// Ignored packets by reason.
    pub fn ignored(&self) -> impl Iterator<Item = (Ignored, u64)> + '_ {
        self.ignored.iter().map(|(&why, &count)| (why, count))
    }

    /// Packets ignored for this reason.
    pub fn ignored_for(&self, why: Ignored) -> u64 {
        self.ignored.get(&why).copied().unwrap_or_default()
    }
}
