//! A log of what happened to datagrams, without the oldest entries when full. A failed test prints
//! it as a transcript; two transcripts can be compared as text.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use super::node::Packet;
use crate::path::{DropReason, Fate};
use pigeon_datagram::Instant;

/// The default size limit of the log, in bytes.
const LOG_BYTES: usize = 4 << 20;

/// The cost of a log entry besides its payload.
const LOG_ENTRY_BYTES: usize = size_of::<LogEntry>();

/// One log entry: an event of one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When the event happened.
    pub at: Instant,
    /// The sender.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// The bytes at that moment: a bit flip shows from the next entry on.
    pub payload: Vec<u8>,
    /// What happened.
    pub what: Happening,
}

/// An event of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The datagram entered the sender's up path.
    Up(Fate),
    /// The datagram entered the receiver's down path.
    Down(Fate),
    /// The datagram was passed to a machine.
    Delivered,
    /// No machine has the destination address.
    NobodyThere,
    /// A machine was notified of an ICMP refusal. `from` is the refusing address; the payload is
    /// empty.
    Refused,
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogEntry { at, from, to, payload, what } = self;
        write!(f, "{} {from} > {to} {what} \"{}\"", Seconds(*at), payload.escape_ascii())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Up(fate) => write!(f, "up: {}", FateText(fate)),
            Happening::Down(fate) => write!(f, "down: {}", FateText(fate)),
            Happening::Delivered => f.write_str("delivered"),
            Happening::NobodyThere => f.write_str("nobody there"),
            Happening::Refused => f.write_str("refused"),
        }
    }
}

struct FateText<'a>(&'a Fate);

impl fmt::Display for FateText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.0 {
            Fate::Carried { due, held_back, corrupted_bit, copy_due } => {
                write!(f, "due {}", Seconds(due))?;
                if held_back {
                    f.write_str(", held back")?;
                }
                if let Some(bit) = corrupted_bit {
                    write!(f, ", bit {bit} flipped")?;
                }
                if let Some(copy_due) = copy_due {
                    write!(f, ", copy due {}", Seconds(copy_due))?;
                }
                Ok(())
            }
            Fate::Dropped(reason) => f.write_str(match reason {
                DropReason::Mtu => "larger than the MTU",
                DropReason::QueueFull => "queue full",
                DropReason::Lost => "lost",
                DropReason::InFlightFull => "too much in flight",
            }),
        }
    }
}

struct Seconds(Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

/// The log, limited to `limit` bytes.
pub(super) struct Log {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    limit: usize,
    forgotten: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Log { entries: VecDeque::new(), bytes: 0, limit: LOG_BYTES, forgotten: 0 }
    }

    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
        self.shrink();
    }

    pub(super) fn is_kept(&self) -> bool {
        self.limit > 0
    }

    pub(super) fn record(&mut self, at: Instant, packet: Packet, what: Happening) {
        if !self.is_kept() {
            return;
        }
        let (from, to) = (packet.from(), packet.to());
        let payload = packet.into_payload();
        self.bytes += LOG_ENTRY_BYTES + payload.len();
        self.entries.push_back(LogEntry { at, from, to, payload, what });
        self.shrink();
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    pub(super) fn transcript(&self) -> String {
        let mut text = String::new();
        if self.forgotten > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "({} earlier entries forgotten)", self.forgotten);
        }
        for entry in &self.entries {
            let _ = writeln!(text, "{entry}");
        }
        text
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= LOG_ENTRY_BYTES + oldest.payload.len();
            self.forgotten += 1;
        }
    }
}
