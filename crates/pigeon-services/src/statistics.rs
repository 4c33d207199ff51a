//! A service's counters.

use crate::{Ignored, Outcome};

/// Totals since the service started. Every request has one outcome, so that `requests == replies +
/// unsent + discarded + all ignored`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams received, whatever their outcome.
    pub requests: u64,
    /// Payload bytes of requests, including bytes beyond the receive buffer.
    pub request_bytes: u64,
    /// Replies sent.
    pub replies: u64,
    /// The payload bytes of the replies.
    pub reply_bytes: u64,
    /// Replies that could not leave this host: a firewall forbids them, or there is no route.
    pub unsent: u64,
    /// Datagrams that the discard service counted.
    pub discarded: u64,
    /// Requests that shared another source's rate, because the two sources hash alike.
    pub shared_rate: u64,
    /// Events dropped because the driver did not collect them in time.
    pub events_lost: u64,
    ignored: [u64; Ignored::ALL.len()],
}

impl Statistics {
    /// The number of requests ignored for this reason.
    pub fn ignored(&self, reason: Ignored) -> u64 {
        self.ignored[reason as usize]
    }

    /// The number of requests ignored for any reason.
    pub fn ignored_in_all(&self) -> u64 {
        self.ignored.iter().sum()
    }

    /// Moves replies from `replies` to `unsent`: they never left this host.
    pub(crate) fn unsent(&mut self, replies: u64, bytes: u64) {
        self.replies = self.replies.saturating_sub(replies);
        self.reply_bytes = self.reply_bytes.saturating_sub(bytes);
        self.unsent += replies;
    }

    pub(crate) fn count(&mut self, request: usize, outcome: Outcome) {
        self.requests += 1;
        self.request_bytes += request as u64;
        match outcome {
            Outcome::Replied { length } => {
                self.replies += 1;
                self.reply_bytes += length as u64;
            }
            Outcome::Unsent { .. } => self.unsent += 1,
            Outcome::Discarded => self.discarded += 1,
            Outcome::Ignored(reason) => self.ignored[reason as usize] += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_counts_in_its_own_place() {
        let mut statistics = Statistics::default();
        for reason in Ignored::ALL {
            statistics.count(1, Outcome::Ignored(reason));
            assert_eq!(statistics.ignored(reason), 1, "{reason:?}");
        }
        statistics.count(10, Outcome::Replied { length: 20 });
        statistics.count(0, Outcome::Discarded);
        assert_eq!((statistics.replies, statistics.reply_bytes, statistics.discarded), (1, 20, 1));
        assert_eq!(statistics.requests, 2 + statistics.ignored_in_all());
    }
}
