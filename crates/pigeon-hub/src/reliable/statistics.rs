//! Counters of a reliable link since its start.

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
    /// Connections closed because they did not prove a key in time.
    pub silent: u64,
    /// Invalid proofs.
    pub unproved: u64,
    /// Connections closed for protocol violations.
    pub broken: u64,
    /// Connections closed because another one took over their outbox.
    pub replaced: u64,
    /// Connections closed because their output queue was too long.
    pub overflowed: u64,
    /// Messages passed to the hub.
    pub said: u64,
    /// Messages discarded because an earlier one was refused or missing.
    pub discarded: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages with the identity of another message.
    pub conflicts: u64,
    /// Commands above the rate.
    pub commands_dropped: u64,
    /// Messages encoded as frames. Followers at the same position share one.
    pub encoded: u64,
    /// Messages sent to all followers together.
    pub delivered: u64,
    /// How often a follower stopped being live.
    pub fell_behind: u64,
    /// How often a follower named a message that the log does not hold.
    pub resets: u64,
    /// Requests for earlier entries.
    pub earlier: u64,
    /// Member lists sent.
    pub lists: u64,
    /// Failed log reads.
    pub unreadable: u64,
}
