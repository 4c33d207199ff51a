//! The link for reliable members: numbers, acknowledgements, refusals, and rooms followed from a
//! position. Pure, over an abstract stream of bytes and an abstract log.
//!
//! ```text
//!   transport ─ opened, received, sent, closed ─▶ ┌──────────┐ ─▶ Join, Say, Command, Leave ─▶ hub
//!   hub ─────── joined, settled, notice, left ──▶ │ Sessions │ ─▶ Send, Close ─▶ transport
//!   readers ─── answered ───────────────────────▶ │          │ ─▶ Read ─▶ readers
//!   log ─────── pump ───────────────────────────▶ └──────────┘
//! ```
//!
//! **The driver's side, in one sentence:** call any number of methods, call [`Sessions::pump`] where
//! the log has stored something, then drain [`Sessions::poll_output`], then sleep until
//! [`Sessions::poll_timeout`].
//!
//! The **log is the authority**: a message is handed on whatever its number, and the log says whether
//! it is stored, was stored before, or is not the next one. Followers read the log in the order of its
//! positions, so nothing that is said live overtakes what was said before. A follower that reads slowly
//! costs no memory but its place.
mod config;
mod log;
mod output;

use std::net::SocketAddr;

use pigeon_datagram::Instant;
use pigeon_proto::{Notice, Refusal, RoomName};

pub use config::{Config, Crypto};
pub use log::RoomLog;
pub use output::{Answer, ConnId, Join, Joined, Outcome, Output, Read, ReadId, Say, SayId};

use crate::core::input::Source;
use crate::statistics::Left;

/// The connections of reliable members.
pub struct Sessions {
    config: Config,
}

/// What the transport reports.
impl Sessions {
    /// A link without connections.
    pub fn new(config: Config) -> Sessions {
        Sessions { config }
    }

    /// A connection was opened. `None`: there is no place for it, and the transport closes it.
    pub fn opened(&mut self, now: Instant, peer: SocketAddr, source: Source) -> Option<ConnId> {
        let _ = (now, peer, source, &self.config);
        None
    }

    /// Bytes have arrived.
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        let _ = (now, conn, bytes);
    }

    /// Whether the transport should read more of a connection. Asked before each read, it makes a
    /// member that says more than the hub can store wait.
    pub fn wants(&self, conn: ConnId) -> bool {
        let _ = conn;
        false
    }

    /// The transport has taken so many bytes of what was to be sent.
    pub fn sent(&mut self, conn: ConnId, bytes: usize) {
        let _ = (conn, bytes);
    }

    /// A connection is closed.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        let _ = (now, conn);
    }
}

/// What the hub reports.
impl Sessions {
    /// Whether somebody has become a member: the answer to [`Output::Join`].
    pub fn joined(&mut self, now: Instant, author: u128, joined: Result<Joined, Refusal>) {
        let _ = (now, author, joined);
    }

    /// What became of a message: the answer to [`Output::Say`].
    pub fn settled(&mut self, id: SayId, outcome: Outcome) {
        let _ = (id, outcome);
    }

    /// The hub says something to a member.
    pub fn notice(&mut self, author: u128, notice: &Notice) {
        let _ = (author, notice);
    }

    /// Somebody is a member no more. Its connections are closed.
    pub fn left(&mut self, author: u128, why: Left) {
        let _ = (author, why);
    }

    /// Messages were forgotten, of a room or of speakers with a name.
    pub fn forgot(&mut self, room: Option<&RoomName>, name: Option<&str>) {
        let _ = (room, name);
    }

    /// The hub stops: every connection is closed.
    pub fn stop(&mut self) {}
}

/// What the log reports.
impl Sessions {
    /// The answer to [`Output::Read`].
    pub fn answered(&mut self, now: Instant, id: ReadId, answer: Answer) {
        let _ = (now, id, answer);
    }

    /// Sends followers what the log has stored, as far as their connections take it. To be called when
    /// the log has stored something and after other calls, before the outputs are drained.
    pub fn pump(&mut self, now: Instant, log: &dyn RoomLog) {
        let _ = (now, log);
    }
}

/// What comes out.
impl Sessions {
    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`handle_timeout`](Sessions::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Closes connections that have not proved a key in time, and lets members go whose connections
    /// are gone.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }
}
