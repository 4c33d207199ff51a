//! What a [`Messenger`](crate::Messenger) counts.

use crate::packet::Malformed;

/// Why a packet was ignored, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// It is not a packet.
    Malformed(Malformed),
    /// Its sender is not in the open networks.
    NotOpen,
    /// Nobody can have sent it: a broadcast address, port 0.
    Forged,
    /// It came from this program itself, as broadcasts do.
    Own,
    /// It came from another gateway, with which this one would talk without end.
    Gateway,
    /// No program of the family has a name for the command.
    UnknownCommand,
    /// It means nothing here.
    NoMeaning,
    /// It is encrypted.
    Encrypted,
    /// Its sender says more than it may in a second.
    TooFast,
    /// It was received before.
    Duplicate,
    /// Its sender's address has as many contacts as it may have.
    AddressFull,
    /// Nobody takes the events.
    Overflow,
    /// It acknowledges nothing that is on its way.
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
    /// Texts that they did not.
    pub undelivered: u64,
    /// Contacts displaced by newcomers.
    pub displaced: u64,
    ignored: std::collections::BTreeMap<Ignored, u64>,
}

impl Statistics {
    pub(crate) fn ignore(&mut self, why: Ignored) {
        *self.ignored.entry(why).or_default() += 1;
    }

    /// What was ignored, by reason.
    pub fn ignored(&self) -> impl Iterator<Item = (Ignored, u64)> + '_ {
        self.ignored.iter().map(|(&why, &count)| (why, count))
    }

    /// How much was ignored for this reason.
    pub fn ignored_for(&self, why: Ignored) -> u64 {
        self.ignored.get(&why).copied().unwrap_or_default()
    }
}
