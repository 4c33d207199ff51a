//! The link for reliable members: numbers, acknowledgements, refusals, and rooms followed from a
//! position. A pure state machine over an abstract byte stream and an abstract log.
//!
//! ```text
//!   transport ─ opened, received, sent, closed ─▶ ┌──────────┐ ─▶ Join, Say, Command, Leave ─▶ hub
//!   hub ─────── joined, settled, notice, left ──▶ │ Sessions │ ─▶ Send, Close, Resume ─▶ transport
//!   readers ─── answered ───────────────────────▶ │          │ ─▶ Read ─▶ readers
//!   log ─────── pump ───────────────────────────▶ └──────────┘
//! ```
//!
//! **Driving it:** call any number of methods, then [`Sessions::pump`], then drain
//! [`Sessions::poll_output`], then sleep until [`Sessions::poll_timeout`] or until the log has
//! stored something.
//!
//! The **log is the authority**: a message is passed on regardless of its number, and the log
//! decides whether it is new, was stored before, or is out of order. The hub and the log must
//! settle a connection's messages in order, except that a message may be refused before earlier
//! ones are stored.
//!
//! **Followers read the log** in the order of positions, including plain members' messages, so live
//! messages never overtake earlier ones. All live followers have the same position: a message is
//! encoded once for all of them, and they share its bytes. A slow follower costs no memory except
//! its position.
//!
//! **What waits to be sent is bounded in total**: each connection may queue its share of
//! [`Config::max_unsent`], at most 256 KiB. A follower whose share is full is not live any more: it keeps its
//! position only, and reads the rest from the log as its connection accepts it.
//!
//! - What is kept: `slots`: connections; `connection`: one of them; `saying`: the numbers of its outbox;
//!   `members`: members and their connections; `rooms`: followed rooms; `watched`: rooms with watched members.
//! - What happens, each as methods of [`Sessions`]: `transport`, `frames` from clients, `joining`, `outbox`,
//!   `live` followers and others (`following`), `earlier` entries, `lists` of members, and `sending`.

mod config;
mod connection;
mod earlier;
mod following;
mod frames;
mod joining;
mod lists;
mod live;
mod log;
mod members;
mod memory_log;
mod outbox;
mod output;
mod rooms;
mod saying;
mod sending;
mod slots;
mod statistics;
mod transport;
mod watched;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::Position;
use pigeon_proto::frame::{ByeReason, HubFrame};

pub use config::{Config, Crypto};
pub use log::RoomLog;
pub use memory_log::{MemoryAppend, MemoryLog, search};
pub use output::{
    Answer, ConnId, Earlier, Join, Joined, Outcome, Output, Read, ReadId, Say, SayId,
};
pub use statistics::Statistics;

use connection::{Connection, LEAST_WINDOW, Phase, UNREAD, WINDOW};
use members::Members;
use rooms::Rooms;
use slots::Slots;
use watched::Watched;

/// Time limit for a client to prove its key.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Delay before a failed log read is repeated.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Delay before a read is repeated that other hubs must answer.
const READ_SOON: Duration = Duration::from_millis(100);

/// Maximum number of entries taken from the log at once.
const STRIDE: usize = 256;

/// Distinguishes nonces from other codes made with the same key.
const NONCE: u8 = 2;

/// The connections of reliable members.
pub struct Sessions {
    config: Config,
    slots: Slots,
    members: Members,
    rooms: Rooms,
    /// Live followers have all entries up to this position.
    live: Position,
    /// Connections that may lack entries.
    queue: VecDeque<ConnId>,
    /// Connections with unsent frames.
    dirty: Vec<ConnId>,
    /// Deadlines for proving a key, in order.
    handshakes: VecDeque<(Instant, ConnId)>,
    /// Connections with failed log reads, and when these are repeated.
    unreadable: VecDeque<(Instant, ConnId)>,
    watched: Watched,
    /// The frame that names all hubs with the same rooms. `None`: there is only this one.
    hubs: Option<HubFrame>,
    /// Connections whose next request for earlier entries waits, and until when.
    waiting: BTreeSet<(Instant, ConnId)>,
    outputs: VecDeque<Output>,
    /// Number of unsettled messages of each outbox.
    in_flight: BTreeMap<(u128, u64), usize>,
    serial: u64,
    now: Instant,
    statistics: Statistics,
}

impl Sessions {
    /// A link without connections.
    pub fn new(config: Config) -> Sessions {
        Sessions {
            config,
            slots: Slots::default(),
            members: Members::default(),
            rooms: Rooms::default(),
            live: Position::START,
            queue: VecDeque::new(),
            dirty: Vec::new(),
            handshakes: VecDeque::new(),
            unreadable: VecDeque::new(),
            watched: Watched::default(),
            hubs: None,
            waiting: BTreeSet::new(),
            outputs: VecDeque::new(),
            in_flight: BTreeMap::new(),
            serial: 0,
            now: Instant::ORIGIN,
            statistics: Statistics::default(),
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            for conn in std::mem::take(&mut self.dirty) {
                self.flush(conn);
            }
        }
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Sessions::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = |queue: &VecDeque<(Instant, ConnId)>| queue.front().map(|(at, _)| *at);
        let waiting = self.waiting.first().map(|(at, _)| *at);
        let due = [first(&self.handshakes), first(&self.unreadable), self.members.next_at()];
        let due = due.into_iter().chain([waiting, self.watched.next_at()]);
        due.flatten().min()
    }

    /// Closes connections that have not proved a key in time, repeats failed log reads, and removes
    /// members without connections.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        let due = |queue: &mut VecDeque<(Instant, ConnId)>| {
            let is_due = queue.front().is_some_and(|(at, _)| *at <= now);
            if is_due { queue.pop_front().map(|(_, conn)| conn) } else { None }
        };
        while let Some(conn) = due(&mut self.handshakes) {
            let is_early =
                |it: &Connection| matches!(it.phase, Phase::Greeting | Phase::Challenged);
            if self.get(conn).is_some_and(is_early) {
                self.statistics.silent += 1;
                self.bye(conn, ByeReason::Error, "no proof of a key came in time");
            }
        }
        while let Some(conn) = due(&mut self.unreadable) {
            let Some(connection) = self.get(conn) else { continue };
            if let (Some(UNREAD), Some(author)) = (connection.asking, connection.member()) {
                let outbox = connection.saying.outbox;
                self.ask_outbox(conn, author, outbox);
            }
            self.enqueue(conn);
        }
        while let Some(&(at, conn)) = self.waiting.first()
            && at <= now
        {
            self.waiting.pop_first();
            self.next_request(conn);
        }
        self.send_lists();
        while let Some(author) = self.members.next_to_leave(now) {
            self.outputs.push_back(Output::Leave { author });
        }
    }

    /// The counters.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The address of a member's newest connection.
    pub fn source(&self, author: u128) -> Option<IpAddr> {
        let conn = self.members.get(author)?.conns.last()?;
        Some(self.get(*conn)?.source.ip)
    }
}

impl Sessions {
    /// Bytes that may be queued for each connection while entries are added: a share of the total.
    fn window(&self) -> usize {
        let share = self.config.max_unsent / self.slots.len().max(1);
        share.clamp(LEAST_WINDOW, WINDOW)
    }

    fn get(&self, conn: ConnId) -> Option<&Connection> {
        self.slots.get(conn)
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.slots.get_mut(conn)
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}
