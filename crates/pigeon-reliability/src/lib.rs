//! Tests that reliable members lose nothing: a hub and three clients with their disks, in virtual
//! time, over connections that break and over QUIC on bad networks. Not part of any program.
//!
//! - [`run_many`]: runs of all cells. [`CELLS`]: the conditions. [`Fault`]: what the checker must find.
//! - [`run`]: one run over streams that break; the seed decides everything. [`run_quic`]: over QUIC, where
//!   the keys of handshakes are the system's and everything else is the seed's.
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
mod many;
mod quic;
mod streams;

pub use cell::{CELLS, Cell, Fault, Network};
pub use faults::Happening;
pub use many::run_many;
pub use quic::run_quic;
pub use streams::{run, run_script};

/// The fingerprint of the hub's certificate.
const FINGERPRINT: &str = "f00d";

const CLIENTS: u8 = 3;

/// The hub's end alone, with the signatures of this world, for those who send it what no client does.
pub fn sessions() -> pigeon_hub::reliable::Sessions {
    let nonces = pigeon_guard::TokenKey::new([7; 16]);
    let config = pigeon_hub::reliable::Config::new("hub", FINGERPRINT, nonces, crypto::CRYPTO);
    pigeon_hub::reliable::Sessions::new(config)
}

/// A client's end alone.
pub fn session() -> pigeon_client::reliable::Session {
    let random = Box::new(chance::Chance::new(7).into_rng());
    let (now, wall) = (pigeon_datagram::Instant::ORIGIN, std::time::Duration::ZERO);
    let key = Box::new(crypto::FakeKey(1));
    let store = pigeon_client::reliable::Store::default();
    pigeon_client::reliable::Session::new(now, wall, Default::default(), key, store, random)
}

/// The proof of a client's key for a nonce.
pub fn proof(nonce: &str, outbox: u64) -> pigeon_proto::frame::ClientFrame {
    use pigeon_client::reliable::Key as _;
    let key = crypto::FakeKey(1);
    let text = pigeon_proto::frame::challenge_text(nonce, FINGERPRINT);
    let prove = pigeon_proto::frame::Prove {
        key: key.point(),
        signature: key.sign(&text),
        outbox,
        name: None,
        word: None,
        room: None,
        password: None,
        language: None,
    };
    pigeon_proto::frame::ClientFrame::Prove(Box::new(prove))
}

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
