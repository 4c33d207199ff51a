//! What went in, what went out, and what was dropped for which reason: running totals since the
//! socket was opened.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// All totals of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What was received.
    pub received: ReceiveCounters,
    /// What was sent, and what was not.
    pub sent: SendCounters,
    /// Datagrams the kernel dropped because the receive buffer was full.
    pub kernel_drops: u64,
}

impl Stats {
    /// Adds what another socket counted.
    pub(crate) fn add(&mut self, other: &Stats) {
        let (received, sent) = (&mut self.received, &mut self.sent);
        received.datagrams += other.received.datagrams;
        received.bytes += other.received.bytes;
        received.truncated += other.received.truncated;
        received.ignored_errors += other.received.ignored_errors;
        received.last_error = other.received.last_error.or(received.last_error);
        sent.datagrams += other.sent.datagrams;
        sent.bytes += other.sent.bytes;
        sent.trains += other.sent.trains;
        sent.fallbacks += other.sent.fallbacks;
        sent.forgotten += other.sent.forgotten;
        other.sent.dropped.iter().for_each(|(reason, count)| sent.dropped.add(reason, count));
        sent.last_failure = other.sent.last_failure.or(sent.last_failure);
        self.kernel_drops += other.kernel_drops;
    }
}

/// What was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveCounters {
    /// Datagrams.
    pub datagrams: u64,
    /// Bytes of payload, at the datagrams' true lengths.
    pub bytes: u64,
    /// Datagrams that were longer than `receive_size`.
    pub truncated: u64,
    /// Errors about single datagrams that were sent before, such as ICMP messages. The refusals of
    /// a connected socket's peer do not count.
    pub ignored_errors: u64,
    /// The last of them.
    pub last_error: Option<Undelivered>,
}

/// A datagram that left, and met an error on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Where it went, as far as the system knows.
    pub to: Option<SocketAddr>,
    /// The system's error number.
    pub os_error: i32,
    /// Whether the way may be there in a moment: no route, or no such host, which routers also
    /// report in passing (soft errors, RFC 1122 section 4.2.3.9), and which the system reports only to
    /// a socket that was opened to hear which peer refuses; or too long for a link, and the system
    /// sends the next one in fragments.
    pub passing: bool,
}

impl Undelivered {
    /// Whether nobody listens at the port (ICMP port unreachable).
    pub fn is_refusal(&self) -> bool {
        io::Error::from_raw_os_error(self.os_error).kind() == io::ErrorKind::ConnectionRefused
    }
}

/// What was sent, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Datagrams the kernel took. Each datagram of a train counts.
    pub datagrams: u64,
    /// Bytes of payload the kernel took.
    pub bytes: u64,
    /// Trains the kernel took whole.
    pub trains: u64,
    /// Trains the kernel would not take and that were sent again datagram by datagram.
    pub fallbacks: u64,
    /// How often the memory of destinations that take no trains was full and forgotten.
    pub forgotten: u64,
    /// Datagrams that were dropped, by reason.
    pub dropped: DropCounts,
    /// The last drop, to explain the counts.
    pub last_failure: Option<SendFailure>,
}

/// A datagram or train that was dropped instead of sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFailure {
    /// Where it should have gone.
    pub to: SocketAddr,
    /// Why it did not.
    pub reason: DropReason,
    /// The system's error number, where there was one.
    pub os_error: Option<i32>,
}

impl fmt::Display for SendFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot send to {}: {}", self.to, self.reason)?;
        match self.os_error {
            Some(code) => write!(f, " ({})", io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }
}

/// Why a datagram was dropped instead of sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// No route, or nobody at the end of it.
    Unreachable,
    /// A firewall forbids it, or it is a broadcast and the socket may not.
    NotPermitted,
    /// Longer than a datagram, or than the path, can be.
    TooLarge,
    /// The kernel or the network card had no buffer space for it.
    NoBuffers,
    /// No datagram can go there: port 0, another address family, a source that is not ours.
    Invalid,
    /// The far side refused the ones before.
    Refused,
    /// The send buffer stayed full for longer than the sender could wait.
    Congested,
    /// The socket that it was to leave from is closed.
    Closed,
    /// Any other error.
    Other,
}

impl DropReason {
    /// Every reason, in the order of their declaration.
    pub const ALL: [DropReason; 9] = [
        DropReason::Unreachable,
        DropReason::NotPermitted,
        DropReason::TooLarge,
        DropReason::NoBuffers,
        DropReason::Invalid,
        DropReason::Refused,
        DropReason::Congested,
        DropReason::Closed,
        DropReason::Other,
    ];
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Unreachable => "unreachable",
            DropReason::NotPermitted => "not permitted",
            DropReason::TooLarge => "too large",
            DropReason::NoBuffers => "no buffers",
            DropReason::Invalid => "invalid",
            DropReason::Refused => "refused",
            DropReason::Congested => "congested",
            DropReason::Closed => "socket closed",
            DropReason::Other => "other",
        })
    }
}

/// Dropped datagrams by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// How many were dropped for this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many were dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason and its count.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, reason: DropReason, datagrams: u64) {
        self.0[reason as usize] += datagrams;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_place() {
        let mut counts = DropCounts::default();
        for (n, reason) in (1..).zip(DropReason::ALL) {
            counts.add(reason, n);
        }
        assert!(counts.iter().map(|(_, count)| count).eq(1..=9));
        assert_eq!(counts.get(DropReason::TooLarge), 3);
        assert_eq!(counts.total(), 45);
    }
}
