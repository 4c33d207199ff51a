//! The plan of a measurement.

use std::time::Duration;

use crate::pace::Pace;
use crate::stream;
use crate::wire::HEADER;

/// The direction of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// In both directions at once, independently.
    Both,
    /// Datagrams go to the server, which returns each.
    Ping,
}

/// One flow of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The direction.
    pub mode: Mode,
    /// The rate in each direction. In [`Mode::Ping`] without a rate the next datagram waits for the
    /// previous one's return.
    pub pace: Pace,
    /// Payload bytes of each datagram, at least [`HEADER`].
    pub size: usize,
    /// How long datagrams are sent.
    pub duration: Duration,
    /// The interval of the server's reports; the server limits it to 0.1 to 1 s.
    pub reports_every: Duration,
    /// How long to wait for late datagrams after the last one was sent. On a path with a longer
    /// round trip, three round trips.
    pub tail: Duration,
}

/// Why a plan is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The size is below the header's, or above a datagram's maximum.
    #[error("a test datagram has from {HEADER} to 65507 bytes, not {0}")]
    Size(usize),
    /// The duration is zero.
    #[error("a measurement must be longer than 0")]
    Duration,
}

impl Plan {
    /// Returns an error if the plan is invalid.
    pub fn check(&self) -> Result<(), PlanError> {
        if stream::size(self.size).is_none() {
            return Err(PlanError::Size(self.size));
        }
        if self.duration.is_zero() {
            return Err(PlanError::Duration);
        }
        Ok(())
    }
}
