//! What is to be measured.

use std::time::Duration;

use crate::pace::Pace;
use crate::stream;
use crate::wire::HEADER;

/// Which way datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both ways at once, independently.
    Both,
    /// There, and each back.
    Ping,
}

/// One flow of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which way.
    pub mode: Mode,
    /// How fast, in each direction. In [`Mode::Ping`] without a rate the next one goes when the one
    /// before is back.
    pub pace: Pace,
    /// Bytes of payload of each datagram: from [`HEADER`] to what a datagram holds.
    pub size: usize,
    /// For how long datagrams are sent.
    pub duration: Duration,
    /// How often the server reports what had arrived at multiples of this time; it keeps that between
    /// 0.1 and 1 s.
    pub reports_every: Duration,
    /// How long after the last datagram others are waited for. On a path with a longer round trip
    /// it is three of these.
    pub tail: Duration,
}

/// A plan that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A test datagram has no room for its number and time, or no datagram is so large.
    #[error("a test datagram has from {HEADER} to 65507 bytes, not {0}")]
    Size(usize),
    /// Nothing would be sent.
    #[error("a measurement must be longer than 0")]
    Duration,
}

impl Plan {
    /// Says what about the plan cannot be, if anything.
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
