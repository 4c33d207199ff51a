//! What a service reports to those around it: logs, a screen.

use std::net::SocketAddr;

use crate::Ignored;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram was dealt with. Only with
    /// [`Config::report_datagrams`](crate::Config::report_datagrams).
    Datagram {
        /// The sender.
        from: SocketAddr,
        /// The datagram's true length in bytes.
        length: usize,
        /// What became of it.
        outcome: Outcome,
    },
    /// Requests come faster than they may be answered, as when two services answer each other.
    /// Reported once a second at the most, by the first one that hits the bound.
    Limited {
        /// Who hit it.
        source: SocketAddr,
        /// Which bound.
        bound: Ignored,
        /// How many requests have hit a bound since the last such report, this one included.
        requests: u64,
    },
    /// One source sends the same bytes again and again, faster than anybody types, and no bound
    /// holds it back: a loop on this host? Reported once a minute at the most.
    Repeating {
        /// Who sends them.
        source: SocketAddr,
        /// How many bytes.
        length: usize,
        /// How often a second.
        a_second: u64,
    },
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Replied {
        /// The reply's length in bytes.
        length: usize,
    },
    /// It was answered, and the reply never left this host.
    Unsent {
        /// The reply's length in bytes.
        length: usize,
    },
    /// It was counted, as the discard service does.
    Discarded,
    /// It was not answered.
    Ignored(Ignored),
}
