//! The proof that reliable members lose nothing: a hub and three clients with their disks, in virtual
//! time, over connections that break and over QUIC on bad networks. Not a part of any program.
//!
//! - [`CELLS`]: the conditions. [`Fault`]: what the checker must find.
//! - [`run`]: one run over streams that break; the seed decides everything.
//!
//! Inside: `hub` and `client` are the machines with what stands around them; `log` and `disk` fail,
//! lose what was not synced and are set back to older copies; `faults` says what happens when;
//! `check` is the judge.
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

/// How many clients there are.
const CLIENTS: u8 = 3;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages said.
    pub said: u64,
    /// Messages that were acknowledged.
    pub stored: u64,
    /// Messages that were refused for good.
    pub refused: u64,
    /// Messages that restored backups have taken from everybody.
    pub taken: u64,
    /// Messages received, of all clients together.
    pub received: u64,
    /// Kills, crashes, restored backups and broken connections.
    pub faults: u64,
    /// Seconds of virtual time.
    pub seconds: u64,
}

impl Report {
    /// Adds another one.
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
