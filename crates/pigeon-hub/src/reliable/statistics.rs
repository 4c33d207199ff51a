//! What a reliable link has counted since it began.

/// Counters of a reliable link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were opened.
    pub opened: u64,
    /// Connections refused because there were too many.
    pub refused_full: u64,
    /// Connections refused because their address had too many.
    pub refused_address: u64,
    /// Connections closed because they proved no key in time.
    pub silent: u64,
    /// Proofs that were not valid.
    pub unproved: u64,
    /// Connections closed because they did not keep to the protocol.
    pub broken: u64,
    /// Connections closed because another one went on with their outbox.
    pub replaced: u64,
    /// Connections closed because too much of the hub's own waited for them.
    pub overflowed: u64,
    /// Messages handed to the hub.
    pub said: u64,
    /// Messages discarded because one before them was refused or missing.
    pub discarded: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages whose identity another message has.
    pub conflicts: u64,
    /// Commands beyond the rate.
    pub commands_dropped: u64,
    /// Messages written as frames. Followers at the same place share one.
    pub encoded: u64,
    /// Messages sent, of all followers together.
    pub delivered: u64,
    /// How often a follower was no longer live.
    pub fell_behind: u64,
    /// How often a follower came with a message that the log does not hold.
    pub resets: u64,
    /// Questions to the log that failed.
    pub unreadable: u64,
}
