//! Events that a service reports for logs and screens.

use std::net::SocketAddr;

use crate::Ignored;

/// An event of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram was handled. Only with
    /// [`Config::report_datagrams`](crate::Config::report_datagrams).
    Datagram {
        /// The sender.
        from: SocketAddr,
        /// The datagram's original length in bytes.
        length: usize,
        /// The outcome.
        outcome: Outcome,
    },
    /// Requests exceed a rate limit, for example because two services answer each other. Reported
    /// at most once a second, for the first request over the limit.
    Limited {
        /// The source of that request.
        source: SocketAddr,
        /// The limit that the request exceeded.
        bound: Ignored,
        /// Requests over a limit since the last such report, including this one.
        requests: u64,
    },
    /// One source repeats the same bytes, faster than a person types, and no limit stops it:
    /// probably a loop on this host. Reported at most once a minute.
    Repeating {
        /// The source.
        source: SocketAddr,
        /// The length of a datagram, in bytes.
        length: usize,
        /// Repetitions per second.
        a_second: u64,
    },
}

/// The outcome of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply was sent.
    Replied {
        /// The reply's length in bytes.
        length: usize,
    },
    /// A reply was made but could not leave this host.
    Unsent {
        /// The reply's length in bytes.
        length: usize,
    },
    /// Counted without a reply: the discard service.
    Discarded,
    /// The request was not answered.
    Ignored(Ignored),
}
