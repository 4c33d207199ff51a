//! Running totals of a socket since it was opened: received, sent, and dropped datagrams with
//! reasons.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// All totals of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Received datagrams.
    pub received: ReceiveCounters,
    /// Sent and dropped datagrams.
    pub sent: SendCounters,
    /// Datagrams the kernel dropped because the receive buffer was full.
    pub kernel_drops: u64,
}

impl Stats {
    /// Adds another socket's totals.
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

/// Totals of received datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveCounters {
    /// Datagrams.
    pub datagrams: u64,
    /// Payload bytes, at the datagrams' original lengths.
    pub bytes: u64,
    /// Datagrams that were longer than `receive_size`.
    pub truncated: u64,
    /// Errors caused by earlier sent datagrams, such as ICMP messages. Refusals by a connected
    /// socket's peer do not count.
    pub ignored_errors: u64,
    /// The last such error.
    pub last_error: Option<Undelivered>,
}

/// A sent datagram that failed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The datagram's destination, if the system knows it.
    pub to: Option<SocketAddr>,
    /// The system's error number.
    pub os_error: i32,
    /// Whether the error may be temporary (a soft error, RFC 1122 section 4.2.3.9): no route or no
    /// such host, which the system reports only to a socket with
    /// [`SocketOptions::refusals`](crate::SocketOptions); or too long for a link, after which the
    /// system sends the next one in fragments.
    pub passing: bool,
}

impl Undelivered {
    /// Whether the port is closed (ICMP port unreachable).
    pub fn is_refusal(&self) -> bool {
        io::Error::from_raw_os_error(self.os_error).kind() == io::ErrorKind::ConnectionRefused
    }
}

/// Totals of sent and dropped datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Datagrams that the kernel accepted. Each datagram of a train counts.
    pub datagrams: u64,
    /// Payload bytes that the kernel accepted.
    pub bytes: u64,
    /// Trains that the kernel accepted whole.
    pub trains: u64,
    /// Trains that the kernel rejected and that were sent again as single datagrams.
    pub fallbacks: u64,
    /// How often the memory of destinations that reject trains was full and cleared.
    pub forgotten: u64,
    /// Datagrams that were dropped, by reason.
    pub dropped: DropCounts,
    /// The last drop, to explain the counts.
    pub last_failure: Option<SendFailure>,
}

/// A datagram or train that was dropped instead of sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFailure {
    /// The destination.
    pub to: SocketAddr,
    /// The reason.
    pub reason: DropReason,
    /// The system's error number, if there was one.
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
    /// No route, or no such host.
    Unreachable,
    /// A firewall forbids it, or it is a broadcast and the socket does not allow them.
    NotPermitted,
    /// The payload is longer than a datagram or the path allows.
    TooLarge,
    /// The kernel or the network card had no buffer space for it.
    NoBuffers,
    /// An invalid destination or source: port 0, another address family, a source address that is
    /// not ours.
    Invalid,
    /// The peer refused earlier datagrams.
    Refused,
    /// The send buffer stayed full for longer than the sender may wait.
    Congested,
    /// The socket to send from is closed.
    Closed,
    /// Any other error.
    Other,
}

impl DropReason {
    /// Every reason, in the order of declaration.
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
