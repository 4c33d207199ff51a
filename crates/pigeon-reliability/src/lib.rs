//! Tests that reliable members lose nothing: a hub and three clients with their disks, in virtual
//! time, over connections that break and over QUIC on bad networks. Not part of any program.
//!
//! - [`CELLS`]: the conditions. [`Fault`]: faults that the checker must find.
//! - [`run`]: one run over breaking streams; the seed decides everything.
//!
//! `hub` and `client` are the machines with their environment; `log` and `disk` fail, lose unsynced
//! data and are restored from older copies; `faults` schedules faults; `check` checks the results.
#![forbid(unsafe_code)]

mod cell;
mod chance;
mod check;
mod client;
mod crypto;
mod disk;
mod faults;
mod hub;
mod log;
mod streams;

pub use cell::{CELLS, Cell, Fault, Network};
pub use streams::run;

/// The fingerprint of the hub's certificate.
const FINGERPRINT: &str = "f00d";

const CLIENTS: u8 = 3;

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages sent.
    pub said: u64,
    /// Messages acknowledged.
    pub stored: u64,
    /// Messages refused permanently.
    pub refused: u64,
    /// Messages lost everywhere by restored backups.
    pub taken: u64,
    /// Messages received by all clients together.
    pub received: u64,
    /// Kills, crashes, restored backups and broken connections.
    pub faults: u64,
    /// Seconds of virtual time.
    pub seconds: u64,
}

impl Report {
    /// Adds another report.
    pub fn add(&mut self, other: Report) {
        self.said += other.said;
        self.stored += other.stored;
        self.refused += other.refused;
        self.taken += other.taken;
        self.received += other.received;
        self.faults += other.faults;
        self.seconds += other.seconds;
    }
}
