//! A [`Messenger`](crate::Messenger)'s counters.

use crate::packet::Malformed;

/// Why a packet, or a part of it, was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// The packet is invalid.
    Malformed(Malformed),
    /// The packet's sender is outside the open networks.
    NotOpen,
    /// The packet's sender address is invalid: a broadcast address, or port 0.
    Forged,
    /// The packet is our own, as with broadcasts.
    Own,
    /// The packet is from another gateway; two gateways would relay to each other without end.
    Gateway,
    /// The packet's command has no name in any program of the family.
    UnknownCommand,
    /// The packet's command is not supported.
    NoMeaning,
    /// The packet is encrypted.
    Encrypted,
    /// The packet's sender exceeds the rate.
    TooFast,
    /// The packet was received before.
    Duplicate,
    /// The sender's address has its maximum of contacts.
    AddressFull,
    /// The event queue is full.
    Overflow,
    /// The packet acknowledges a text that is not in flight.
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
