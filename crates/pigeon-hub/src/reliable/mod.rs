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
//! - `saying`: the numbers of a connection's outbox. `connection`: the rest of a connection's
//!   state.
//! - `rooms`: followed rooms; `watched`: rooms whose members are watched; `members`: members and their connections.

mod config;
mod connection;
mod log;
mod members;
mod memory_log;
mod output;
mod rooms;
mod saying;
mod statistics;
mod watched;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_proto::frame::{
    self, ByeReason, ClientFrame, Here, HubFrame, MAX_FOLLOWED, MAX_FRAME, MAX_LAST, MAX_WORDS,
    OtherHub, Prove, Refused, USUAL_ENTRIES, USUAL_LAST, VERSION,
};
use pigeon_proto::{
    Detail, Entry, Follow, Label, Name, Notice, Position, Reason, Refusal, RoomName, Seen, Subject,
    Verb, sentence,
};

pub use config::{Config, Crypto};
pub use log::RoomLog;
pub use memory_log::{MemoryAppend, MemoryLog};
pub use output::{
    Answer, ConnId, Earlier, Join, Joined, Outcome, Output, Read, ReadId, Say, SayId,
};
pub use statistics::Statistics;

use crate::core::input::Source;
use crate::statistics::Left;
use connection::{Connection, Followed, Phase, Place, REFILL, Reading, WINDOW};
use members::{Members, PerAddress};
use rooms::{Piece, Rooms, write_entry};
use saying::{Heard, Saying};
use watched::Watched;

/// Time limit for a client to prove its key.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Delay before a failed log read is repeated.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Maximum number of connections of one member.
const MOST_CONNS: usize = 64;

/// Maximum commands of a connection per second.
const COMMANDS: u64 = 20;

/// Maximum number of requests for earlier entries that wait.
const MOST_REQUESTS: usize = 16;

/// Bytes of earlier entries of a connection per second, and what each request counts for besides.
const EARLIER_RATE: u64 = 512 << 10;
const REQUEST_COST: u64 = 16 << 10;

/// Bytes of a frame with entries besides these.
const AROUND_ENTRIES: usize = 512;

/// Maximum number of entries taken from the log at once.
const STRIDE: usize = 256;

/// A live follower is told that it is behind once it misses this many messages.
const BEHIND_MESSAGES: u64 = 1_000;
const BEHIND_BYTES: u64 = 1 << 20;

/// The id of a read to repeat. No real read has it.
const UNREAD: u64 = 0;

/// Distinguishes nonces from other codes made with the same key.
const NONCE: u8 = 2;

/// The connections of reliable members.
pub struct Sessions {
    config: Config,
    slots: Vec<Slot>,
    free: Vec<u32>,
    per_address: PerAddress,
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
    /// The frame that names all hubs with the same rooms; empty if there is only this one.
    hubs: Vec<u8>,
    /// Connections whose next request for earlier entries waits, and until when.
    waiting: BTreeSet<(Instant, ConnId)>,
    outputs: VecDeque<Output>,
    /// Number of unsettled messages of each outbox.
    in_flight: BTreeMap<(u128, u64), usize>,
    serial: u64,
    now: Instant,
    statistics: Statistics,
}

/// Entries for several followers at the same position, shared within one pump.
type Pieces = BTreeMap<(Box<str>, Position), Stretch>;

/// The entries after a position in a room, and their last position.
struct Stretch {
    piece: Option<Piece>,
    next: Position,
}

impl Stretch {
    /// Builds a stretch from entries in memory, up to the position of live followers.
    fn of(entries: &[Entry], live: Position) -> Stretch {
        let known = entries.iter().filter(|entry| entry.position() <= live);
        let count = known.clone().count();
        let piece = Piece::of(known);
        let is_all = piece.as_ref().map_or(0, |piece| piece.count as usize) == count;
        let next = match &piece {
            Some(piece) if !is_all || entries.len() == STRIDE => piece.last,
            _ => live,
        };
        Stretch { piece, next }
    }
}

struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// The transport's methods.
impl Sessions {
    /// A link without connections.
    pub fn new(config: Config) -> Sessions {
        Sessions {
            config,
            slots: Vec::new(),
            free: Vec::new(),
            per_address: PerAddress::default(),
            members: Members::default(),
            rooms: Rooms::default(),
            live: Position::START,
            queue: VecDeque::new(),
            dirty: Vec::new(),
            handshakes: VecDeque::new(),
            unreadable: VecDeque::new(),
            watched: Watched::default(),
            hubs: Vec::new(),
            waiting: BTreeSet::new(),
            outputs: VecDeque::new(),
            in_flight: BTreeMap::new(),
            serial: 0,
            now: Instant::ORIGIN,
            statistics: Statistics::default(),
        }
    }

    /// A connection was opened. `None`: there are too many, and the transport closes it.
    pub fn opened(&mut self, now: Instant, source: Source) -> Option<ConnId> {
        self.opened_from(now, source, None)
    }

    /// A connection of a page was opened, whose client signs the page's origin.
    pub fn opened_from(
        &mut self,
        now: Instant,
        source: Source,
        origin: Option<Box<str>>,
    ) -> Option<ConnId> {
        self.set_now(now);
        if self.slots.len() - self.free.len() >= self.config.max_connections {
            self.statistics.refused_full += 1;
            return None;
        }
        if !self.per_address.add(source.ip, self.config.max_per_address) {
            self.statistics.refused_address += 1;
            return None;
        }
        let serial = self.next_serial();
        let subject = [serial.to_be_bytes(), now.as_nanos().to_be_bytes()].concat();
        let nonce = self.config.nonces.code(NONCE, &subject).bytes();
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.connection = Some(Box::new(Connection::new(source, nonce.into(), origin)));
        let conn = ConnId { index, generation: slot.generation };
        self.handshakes.push_back((now + HANDSHAKE, conn));
        self.statistics.opened += 1;
        self.statistics.connections += 1;
        Some(conn)
    }

    /// Bytes have arrived.
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.set_now(now);
        if let Some(connection) = self.get_mut(conn) {
            connection.lines.push(bytes);
            self.handle_lines(conn);
        }
    }

    /// Whether the transport should read more from a connection. Call it before each read: it slows
    /// down a member that sends more than the hub can store. After `false`, [`Output::Resume`]
    /// follows.
    pub fn wants(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(Connection::wants)
    }

    /// The transport has accepted this many bytes.
    pub fn sent(&mut self, conn: ConnId, bytes: usize) {
        let Some(connection) = self.get_mut(conn) else { return };
        connection.unsent = connection.unsent.saturating_sub(bytes);
        if connection.unsent < REFILL {
            let owed = connection.watched.clone().filter(|_| connection.owes_here);
            if let Some(list) = owed.and_then(|room| self.watched.latest(&room)) {
                self.send_here(conn, &list);
            }
            self.enqueue(conn);
            self.handle_lines(conn);
        }
    }

    /// A connection was closed by the peer or lost.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        self.set_now(now);
        self.remove(conn);
    }
}

/// The hub's methods.
impl Sessions {
    /// The answer to [`Output::Join`].
    pub fn joined(&mut self, now: Instant, author: u128, joined: Result<Joined, Refusal>) {
        self.set_now(now);
        let Some(member) = self.members.get_mut(author) else { return };
        let conns = member.conns.clone();
        match joined {
            Ok(joined) => {
                member.joined = Some(joined);
                conns.into_iter().for_each(|conn| self.welcome(author, conn));
                if self.members.get(author).is_some_and(|member| member.conns.is_empty()) {
                    // The connection was lost while the hub decided.
                    self.members.linger(author, self.now + self.config.linger);
                }
            }
            Err(refusal) => {
                self.members.remove(author);
                let reason = match refusal.why {
                    Reason::Password | Reason::WrongPassword | Reason::Guesses => {
                        ByeReason::Password
                    }
                    Reason::Banned => ByeReason::Banned,
                    Reason::Kicked => ByeReason::Kicked,
                    Reason::HubFull | Reason::RoomFull | Reason::AddressFull => ByeReason::Full,
                    _ => ByeReason::Error,
                };
                let notice = Notice::Refused(refusal);
                for conn in conns {
                    let language = self.get(conn).map(|it| it.language).unwrap_or_default();
                    self.bye(conn, reason, &sentence::of(&notice, language));
                }
            }
        }
    }

    /// The answer to [`Output::Say`].
    pub fn settled(&mut self, id: SayId, outcome: Outcome) {
        self.count_settled(id);
        let stores = self.config.stores;
        let Some(connection) = self.get_mut(id.conn) else { return };
        let heard = connection.saying.settle(id.serial, outcome);
        if heard != Heard::Nothing {
            // The acknowledgement of stored messages comes first.
            connection.acknowledge(stores);
        }
        match heard {
            Heard::Nothing => {}
            Heard::Expect(number) => self.expect(id.conn, number),
            Heard::Conflict(number) => {
                self.statistics.conflicts += 1;
                self.frame(id.conn, &HubFrame::Conflict { number });
            }
            Heard::Refused(number, outcome) => {
                self.statistics.refused += 1;
                let (why, again) = match outcome {
                    Outcome::Refused { why, again } => (why, again),
                    _ => (Reason::Deleted, None),
                };
                let again = again.map(|again| again.as_millis() as u64);
                let language = self.get(id.conn).map(|it| it.language).unwrap_or_default();
                let refused = Refused::new(number, &why, again, language);
                self.frame(id.conn, &HubFrame::Refused(refused));
            }
        }
        self.touch(id.conn);
        self.handle_lines(id.conn);
    }

    /// Sends a notice to a member.
    pub fn notice(&mut self, author: u128, notice: &Notice) {
        let Some(member) = self.members.get_mut(author) else { return };
        if let (Some(joined), Notice::Name { name, room, .. }) = (&mut member.joined, notice) {
            *joined = Joined { name: name.clone(), room: room.clone() };
        }
        let conns = member.conns.clone();
        for conn in conns {
            self.tell(conn, notice);
        }
    }

    /// The members of a watched room, and the rooms.
    pub fn here(&mut self, now: Instant, here: &Here) {
        self.set_now(now);
        let mut frame = Vec::new();
        HubFrame::Here(here.clone()).write(&mut frame);
        self.watched.set(&here.room.folded(), frame.into(), now);
        self.send_lists();
    }

    /// A member has left. Its connections are closed.
    pub fn left(&mut self, author: u128, why: Left) {
        let reason = match why {
            Left::Kicked => ByeReason::Kicked,
            Left::Banned => ByeReason::Banned,
            Left::Moved => ByeReason::Replaced,
            Left::Quit | Left::TimedOut | Left::Displaced => ByeReason::Stopped,
        };
        for conn in self.members.remove(author) {
            self.bye(conn, reason, why.describe());
        }
    }

    /// Messages were deleted, in a room or from senders with a name.
    pub fn forgot(&mut self, room: Option<&RoomName>, name: Option<&str>) {
        let frame = HubFrame::Forgot { room: room.cloned(), name: name.map(Box::from) };
        let key = room.map(RoomName::folded);
        let is_meant = |connection: &mut Connection| match &key {
            Some(key) => connection.follow(key).is_some(),
            None => !connection.follows.is_empty(),
        };
        for conn in self.conns() {
            if self.get_mut(conn).is_some_and(is_meant) {
                self.frame(conn, &frame);
            }
        }
    }

    /// The hubs with the same rooms, this one among them.
    pub fn hubs(&mut self, hubs: Vec<OtherHub>) {
        self.hubs.clear();
        HubFrame::Hubs { hubs }.write(&mut self.hubs);
        for conn in self.conns() {
            if self.get(conn).is_some_and(|it| it.member().is_some()) {
                self.send_hubs(conn);
            }
        }
    }

    fn send_hubs(&mut self, conn: ConnId) {
        let frame = std::mem::take(&mut self.hubs);
        if let Some(connection) = self.get_mut(conn).filter(|_| !frame.is_empty()) {
            connection.frames.extend_from_slice(&frame);
            self.touch(conn);
        }
        self.hubs = frame;
    }

    /// Followers that began between these positions begin anew: at another hub, which they come from,
    /// `up_to` comes before what this log holds after `to`. The log decides where they continue.
    pub fn rewound(&mut self, to: Position, up_to: Position) {
        for conn in self.conns() {
            let Some(connection) = self.get_mut(conn) else { continue };
            let is_meant = |began: Option<(Seen, Position)>| {
                began.filter(|(seen, _)| to < seen.position && seen.position < up_to)
            };
            let mut rooms = Vec::new();
            for follow in &mut connection.follows {
                if let Some((seen, deletion)) = is_meant(follow.began) {
                    follow.place = Place::Seen(seen, deletion);
                    rooms.push(follow.room.clone());
                }
            }
            if rooms.is_empty() {
                continue;
            }
            // A read that was asked for before is outdated.
            connection.reading = None;
            for key in rooms {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.live.retain(|live| *live != conn);
                }
            }
            self.enqueue(conn);
        }
    }

    /// The hub stops: all connections are closed.
    pub fn stop(&mut self) {
        for conn in self.conns() {
            self.bye(conn, ByeReason::Stopped, "the hub stops");
        }
    }
}

/// The log's methods.
impl Sessions {
    /// The answer to [`Output::Read`].
    pub fn answered(&mut self, now: Instant, id: ReadId, answer: Answer) {
        self.set_now(now);
        let Some(connection) = self.get_mut(id.conn) else { return };
        if connection.asking == Some(id.serial) {
            connection.asking = None;
            match answer {
                Answer::Last(last) => {
                    connection.saying.begin(last);
                    self.expect(id.conn, last + 1);
                    self.handle_lines(id.conn);
                }
                _ => {
                    connection.asking = Some(UNREAD);
                    self.read_again(id.conn);
                }
            }
            return;
        }
        if connection.requested == Some(id.serial) {
            connection.requested = None;
            return self.earlier(id.conn, answer);
        }
        let Some(reading) = connection.reading.take_if(|reading| reading.serial == id.serial)
        else {
            return;
        };
        match answer {
            Answer::Failed | Answer::Last(_) | Answer::Earlier { .. } => {
                return self.read_again(id.conn);
            }
            Answer::Before(position) => {
                self.place(id.conn, &reading.room, Place::Behind(position));
            }
            Answer::Follow(Follow::From(position)) => {
                self.place(id.conn, &reading.room, Place::Behind(position));
            }
            Answer::Follow(Follow::Reset { last_common: last, forgotten }) => {
                self.statistics.resets += 1;
                let position = last.map_or(Position::START, |last| last.position);
                self.place(id.conn, &reading.room, Place::Behind(position));
                if let Some(room) = self.rooms.get(&reading.room) {
                    let room = room.name.clone();
                    let deletion = forgotten.unwrap_or_default();
                    let forgotten = forgotten.is_some();
                    self.frame(id.conn, &HubFrame::Reset { room, last, forgotten, deletion });
                }
            }
            Answer::Entries(entries) => self.entries(id.conn, &reading, &entries),
        }
        self.enqueue(id.conn);
    }

    /// Sends stored entries to followers as far as their connections accept them. Call it after the
    /// log has stored something and after other calls, before draining the outputs.
    pub fn pump(&mut self, now: Instant, log: &dyn RoomLog) {
        self.set_now(now);
        self.pump_live(log);
        let mut pieces = BTreeMap::new();
        for _ in 0..self.queue.len() {
            let Some(conn) = self.queue.pop_front() else { break };
            if let Some(connection) = self.get_mut(conn) {
                connection.is_queued = false;
                self.pump_conn(conn, log, &mut pieces);
            }
        }
    }
}

/// Outputs.
impl Sessions {
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

/// Frames from clients.
impl Sessions {
    /// Handles complete lines of a connection while that is allowed.
    fn handle_lines(&mut self, conn: ConnId) {
        loop {
            let Some(connection) = self.get_mut(conn) else { return };
            if !connection.handles() {
                connection.is_blocked = true;
                return;
            }
            let most = connection.most_line();
            let frame = match connection.lines.next_line(most) {
                Ok(None) => {
                    if std::mem::take(&mut connection.is_blocked) {
                        self.outputs.push_back(Output::Resume { conn });
                    }
                    return;
                }
                Ok(Some(line)) => ClientFrame::parse(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let handled = frame.and_then(|frame| self.handle_frame(conn, frame));
            if let Err(mut why) = handled {
                if self.get(conn).is_some_and(|it| it.phase == Phase::Greeting) {
                    why = format!("{why}; begin with hello, version {VERSION}");
                }
                self.statistics.broken += 1;
                return self.bye(conn, ByeReason::Error, &why);
            }
        }
    }

    /// Fails if the client violates the protocol.
    fn handle_frame(&mut self, conn: ConnId, frame: ClientFrame) -> Result<(), String> {
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        match (connection.phase, frame) {
            (_, ClientFrame::Unknown) => {}
            (Phase::Greeting, ClientFrame::Hello { version, .. }) if version != VERSION => {
                return Err(format!("this hub does not speak version {version}"));
            }
            (Phase::Greeting, ClientFrame::Hello { .. }) => {
                connection.phase = Phase::Challenged;
                let (nonce, origin) = (connection.nonce.clone(), connection.origin.clone());
                let fingerprint = origin.unwrap_or_else(|| self.config.fingerprint.clone());
                let hub = self.config.hub.clone();
                let challenge = HubFrame::Challenge { version: VERSION, nonce, hub, fingerprint };
                self.frame(conn, &challenge);
            }
            (Phase::Greeting, _) => return Err("the first frame is not hello".into()),
            (Phase::Challenged, ClientFrame::Prove(prove)) => self.prove(conn, *prove)?,
            (Phase::Challenged, _) => return Err("the second frame is prove".into()),
            (Phase::Joining(_), _) => {}
            (Phase::Member(_), ClientFrame::Hello { .. } | ClientFrame::Prove(_)) => {
                return Err("hello and prove come once".into());
            }
            (Phase::Member(author), ClientFrame::Outbox { outbox }) => {
                self.claim(author, conn, outbox);
                self.begin_outbox(conn, author, outbox);
            }
            (Phase::Member(author), ClientFrame::Say(say)) => self.say(conn, author, say),
            (Phase::Member(author), ClientFrame::Command { line }) => {
                self.command(conn, author, line);
            }
            (Phase::Member(_), ClientFrame::Follow { room, after, last, deletion }) => {
                let place = match after {
                    Some(seen) => Place::Seen(seen, deletion),
                    None => Place::Last(last.unwrap_or(USUAL_LAST).min(MAX_LAST)),
                };
                self.follow(conn, room, place)?;
            }
            (Phase::Member(_), ClientFrame::Unfollow { room }) => {
                self.unfollow(conn, &room.folded());
            }
            (Phase::Member(_), ClientFrame::Read { id, room, before, limit }) => {
                self.request(conn, id, room, None, before, limit)?;
            }
            (Phase::Member(_), ClientFrame::Search { id, room, words, before, limit }) => {
                self.request(conn, id, room, Some(words), before, limit)?;
            }
            (Phase::Member(_), ClientFrame::Watch { room }) => self.watch(conn, &room),
            (Phase::Member(author), ClientFrame::Quit {}) => {
                self.outputs.push_back(Output::Close { conn });
                self.remove(conn);
                let is_gone =
                    self.members.get(author).is_some_and(|member| member.conns.is_empty());
                if is_gone {
                    self.members.remove(author);
                    self.outputs.push_back(Output::Leave { author });
                }
            }
        }
        Ok(())
    }

    fn prove(&mut self, conn: ConnId, prove: Prove) -> Result<(), String> {
        let Config { crypto, fingerprint, .. } = &self.config;
        let Crypto { verify, author } = *crypto;
        let Some(connection) = self.get(conn) else { return Ok(()) };
        let signed = connection.origin.as_ref().unwrap_or(fingerprint);
        let text = frame::challenge_text(&connection.nonce, signed);
        if !verify(&prove.key, &text, &prove.signature) {
            self.statistics.unproved += 1;
            return Err("the signature is not the key's for this challenge".into());
        }
        let author = author(&prove.key);
        let count = self.members.get(author).map_or(0, |member| member.conns.len());
        if count >= MOST_CONNS {
            return Err(format!("this key has {MOST_CONNS} connections already"));
        }
        let language = prove.language.unwrap_or_default();
        let is_new = self.members.add(author, conn);
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        connection.phase = Phase::Joining(author);
        connection.language = language;
        let source = connection.source;
        self.claim(author, conn, prove.outbox);
        let is_member = self.members.get(author).is_some_and(|member| member.joined.is_some());
        if is_member {
            self.welcome(author, conn);
        }
        let Prove { name, word, room, password, .. } = prove;
        let wanted = name.as_deref().map(|name| Name::parse(name.as_bytes()));
        let (name, wrong) = match wanted {
            Some(Err(error)) => (None, Some(error)),
            Some(Ok(name)) => (Some(name), None),
            None => (None, None),
        };
        if let Some(error) = wrong {
            let refusal = Refusal::new(Subject::Command(Verb::Nick), Reason::Name(error));
            self.tell(conn, &Notice::Refused(refusal));
        }
        if is_new {
            let label = format!("{}-{:08x}", self.config.label, (author >> 96) as u32);
            let Some(label) = Label::parse(&label) else { return Ok(()) };
            let join = Join { author, source, label, name, word, room, password, language };
            self.outputs.push_back(Output::Join(join));
        }
        Ok(())
    }

    /// Gives an outbox to a connection. Closes another connection that has it.
    fn claim(&mut self, author: u128, conn: ConnId, outbox: u64) {
        let others = self.members.get(author).map(|member| member.conns.clone());
        for other in others.unwrap_or_default() {
            let has_it = self.get(other).is_some_and(|it| it.saying.outbox == outbox);
            if other != conn && has_it {
                self.statistics.replaced += 1;
                self.bye(other, ByeReason::Replaced, "another connection goes on with this outbox");
            }
        }
        if let Some(connection) = self.get_mut(conn) {
            connection.saying = Saying::new(outbox);
        }
    }

    fn welcome(&mut self, author: u128, conn: ConnId) {
        let joined = self.members.get(author).and_then(|member| member.joined.clone());
        let (Some(Joined { name, room }), Some(connection)) = (joined, self.get_mut(conn)) else {
            return;
        };
        connection.phase = Phase::Member(author);
        let outbox = connection.saying.outbox;
        let (stores, max_text) = (self.config.stores, self.config.max_text as u64);
        self.frame(conn, &HubFrame::Welcome { author, name, room, stores, max_text });
        self.send_hubs(conn);
        self.begin_outbox(conn, author, outbox);
        self.handle_lines(conn);
    }

    /// Continues an outbox once all its messages are settled. Earlier, the log's last number would
    /// be outdated, and a message being stored could be refused when it arrives again.
    fn begin_outbox(&mut self, conn: ConnId, author: u128, outbox: u64) {
        let settles = self.in_flight.contains_key(&(author, outbox));
        if let Some(connection) = self.get_mut(conn) {
            connection.settles = settles;
        }
        if !settles {
            self.ask_outbox(conn, author, outbox);
        }
    }

    /// Counts a settled message, which may be the last that another connection waits for.
    fn count_settled(&mut self, id: SayId) {
        let SayId { author, outbox, .. } = id;
        let Some(count) = self.in_flight.get_mut(&(author, outbox)) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.in_flight.remove(&(author, outbox));
        let conns = self.members.get(author).map(|member| member.conns.clone());
        for conn in conns.unwrap_or_default() {
            let waits = self.get(conn).is_some_and(|it| it.settles && it.saying.outbox == outbox);
            if waits {
                self.begin_outbox(conn, author, outbox);
                self.handle_lines(conn);
            }
        }
    }

    fn ask_outbox(&mut self, conn: ConnId, author: u128, outbox: u64) {
        let serial = self.next_serial();
        if let Some(connection) = self.get_mut(conn) {
            connection.asking = Some(serial);
            let id = ReadId { conn, serial };
            self.outputs.push_back(Output::Read { id, read: Read::Outbox { author, outbox } });
        }
    }

    fn say(&mut self, conn: ConnId, author: u128, say: frame::Say) {
        let serial = self.next_serial();
        let most = self.config.max_text;
        let Some(connection) = self.get_mut(conn) else { return };
        let frame::Say { number, after, room, text } = say;
        if !connection.saying.say(serial, number, after, text.len()) {
            self.statistics.discarded += 1;
            return;
        }
        let outbox = connection.saying.outbox;
        let is_known = connection.saying.is_known(number);
        let id = SayId { conn, serial, author, outbox };
        if text.len() > most && !is_known {
            let (length, most) = (text.len() as u64, most as u64);
            return self.settle_early(id, Reason::TooLong { length, most });
        }
        self.statistics.said += 1;
        *self.in_flight.entry((author, outbox)).or_default() += 1;
        let identity = pigeon_proto::Identity { author, outbox, number };
        self.outputs.push_back(Output::Say(Say { id, room, text, identity, after, is_known }));
    }

    /// Refuses a message before the hub has seen it.
    fn settle_early(&mut self, id: SayId, why: Reason) {
        // Not `settled`, which would continue with the lines that are being handled.
        let Some(connection) = self.get_mut(id.conn) else { return };
        let language = connection.language;
        if let Heard::Refused(number, _) =
            connection.saying.settle(id.serial, Outcome::refused(why.clone()))
        {
            self.statistics.refused += 1;
            let stores = self.config.stores;
            if let Some(connection) = self.get_mut(id.conn) {
                connection.acknowledge(stores);
            }
            self.frame(id.conn, &HubFrame::Refused(Refused::new(number, &why, None, language)));
        }
    }

    fn command(&mut self, conn: ConnId, author: u128, line: Box<str>) {
        let now = self.now;
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.may_command(now, COMMANDS) {
            self.outputs.push_back(Output::Command { author, line });
            return;
        }
        self.statistics.commands_dropped += 1;
        let why = Reason::Rate { messages: Some(COMMANDS), bytes: None };
        self.tell(conn, &Notice::Refused(Refusal::new(Subject::Unknown, why)));
    }

    fn follow(&mut self, conn: ConnId, room: RoomName, place: Place) -> Result<(), String> {
        self.unfollow(conn, &room.folded());
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        if connection.follows.len() >= MAX_FOLLOWED {
            let shown = Detail::of(room.as_str().as_bytes());
            return Err(format!("{shown} would be more than {MAX_FOLLOWED} followed rooms"));
        }
        let room = self.rooms.enter(&room);
        if let Some(connection) = self.get_mut(conn) {
            let began = match place {
                Place::Seen(seen, deletion) => Some((seen, deletion)),
                _ => None,
            };
            let follow = Followed { room, place, began, told_live: false, fell_at: None };
            connection.follows.push(follow);
        }
        self.enqueue(conn);
        Ok(())
    }

    fn unfollow(&mut self, conn: ConnId, room: &str) {
        let Some(connection) = self.get_mut(conn) else { return };
        let before = connection.follows.len();
        connection.follows.retain(|follow| &*follow.room != room);
        connection.reading.take_if(|reading| &*reading.room == room);
        if connection.follows.len() < before {
            self.rooms.leave(room, conn);
            self.enqueue(conn);
        }
    }
}

/// Earlier entries, and member lists.
impl Sessions {
    fn request(
        &mut self,
        conn: ConnId,
        id: u64,
        room: RoomName,
        words: Option<Box<str>>,
        before: Option<Position>,
        limit: Option<u64>,
    ) -> Result<(), String> {
        if words.as_ref().is_some_and(|words| words.len() > MAX_WORDS) {
            return Err(format!("a search has at most {MAX_WORDS} bytes"));
        }
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        if connection.requests.len() >= MOST_REQUESTS {
            return Err(format!("{MOST_REQUESTS} requests are not answered yet"));
        }
        let before = before.unwrap_or(Position::END);
        let limit = limit.unwrap_or(USUAL_ENTRIES).min(USUAL_ENTRIES) as usize;
        connection.requests.push_back(Earlier { id, room, words, before, limit });
        self.statistics.earlier += 1;
        self.next_request(conn);
        Ok(())
    }

    /// Reads for the first request of a connection, unless that is done or its rate is used up.
    fn next_request(&mut self, conn: ConnId) {
        let (now, serial) = (self.now, self.next_serial());
        let Some(connection) = self.get_mut(conn) else { return };
        let Some(request) = connection.requests.front().filter(|_| connection.requested.is_none())
        else {
            return;
        };
        let cost = pigeon_guard::cost(REQUEST_COST, EARLIER_RATE);
        let rate = &mut connection.requests_rate;
        if !rate.has_room(now, cost) {
            let at = rate.full_at();
            self.waiting.insert((at, conn));
            return;
        }
        rate.take(now, cost);
        let read = Read::Earlier(request.clone());
        connection.requested = Some(serial);
        self.outputs.push_back(Output::Read { id: ReadId { conn, serial }, read });
    }

    /// Answers the first request of a connection.
    fn earlier(&mut self, conn: ConnId, answer: Answer) {
        let now = self.now;
        let Answer::Earlier { mut entries, mut more } = answer else {
            self.statistics.unreadable += 1;
            self.waiting.insert((now + READ_AGAIN, conn));
            return;
        };
        let Some(connection) = self.get_mut(conn) else { return };
        let Some(Earlier { id, room, .. }) = connection.requests.pop_front() else { return };
        let (kept, length) = fitting(&entries);
        if kept < entries.len() {
            entries.drain(..entries.len() - kept);
            more = entries.first().map(Entry::position);
        }
        let cost = pigeon_guard::cost(length as u64, EARLIER_RATE);
        connection.requests_rate.take(now, cost);
        self.frame(conn, &HubFrame::Entries { id, room, entries, more });
        self.next_request(conn);
    }

    fn watch(&mut self, conn: ConnId, room: &RoomName) {
        self.unwatch(conn);
        let key = room.folded();
        let Some(connection) = self.get_mut(conn) else { return };
        connection.watched = Some(key.clone());
        if self.watched.add(&key, room, conn) {
            self.outputs.push_back(Output::Watch { room: room.clone() });
        } else if let Some(list) = self.watched.latest(&key) {
            self.send_here(conn, &list);
        }
    }

    fn unwatch(&mut self, conn: ConnId) {
        let watched = self.get_mut(conn).and_then(|connection| connection.watched.take());
        if let Some(room) = watched.and_then(|key| self.watched.remove(&key, conn)) {
            self.outputs.push_back(Output::Unwatch { room });
        }
    }

    fn send_lists(&mut self) {
        for (list, conns) in self.watched.take_due(self.now) {
            conns.into_iter().for_each(|conn| self.send_here(conn, &list));
        }
    }

    /// Sends a member list, or leaves it out until the output queue is shorter.
    fn send_here(&mut self, conn: ConnId, list: &Bytes) {
        let Some(connection) = self.get_mut(conn) else { return };
        connection.owes_here = connection.unsent >= WINDOW;
        if connection.owes_here {
            return;
        }
        self.flush(conn);
        self.statistics.lists += 1;
        if let Some(connection) = self.get_mut(conn) {
            connection.unsent += list.len();
            self.outputs.push_back(Output::Send { conn, bytes: list.clone() });
        }
    }
}

/// Followers.
impl Sessions {
    /// Sends new messages to live followers, each encoded once.
    fn pump_live(&mut self, log: &dyn RoomLog) {
        if self.rooms.nobody_is_live() {
            self.live = self.live.max(log.newest());
            return;
        }
        loop {
            let Some(entries) = log.tail(self.live, None, STRIDE) else {
                // The log has advanced beyond its entries in memory.
                let rooms: Vec<_> = self.rooms.live_rooms().collect();
                let live = self.live;
                for room in rooms {
                    let conns =
                        self.rooms.get_mut(&room).map(|room| std::mem::take(&mut room.live));
                    for conn in conns.unwrap_or_default() {
                        self.fall(conn, &room, live);
                    }
                }
                self.live = self.live.max(log.newest());
                return;
            };
            let Some(last) = entries.last().map(Entry::position) else { return };
            self.send_live(&entries);
            self.live = last;
        }
    }

    fn send_live(&mut self, entries: &[Entry]) {
        let mut by_room: BTreeMap<Box<str>, Vec<&Entry>> = BTreeMap::new();
        let mut latest: Option<(&RoomName, Box<str>)> = None;
        for entry in entries {
            let key = match &latest {
                Some((name, key)) if *name == entry.room() => key.clone(),
                _ => entry.room().folded(),
            };
            if self.rooms.get(&key).is_some() {
                by_room.entry(key.clone()).or_default().push(entry);
            }
            latest = Some((entry.room(), key));
        }
        for (key, entries) in by_room {
            let mut rest = &entries[..];
            while let Some(piece) = Piece::of(rest.iter().copied()) {
                let before = rest.first().map_or(self.live, |first| before(first.position()));
                rest = rest.get(piece.count as usize..).unwrap_or_default();
                self.send_piece(&key, &piece, before);
            }
        }
    }

    /// Sends a piece to all live followers of a room.
    fn send_piece(&mut self, key: &str, piece: &Piece, before: Position) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.messages += piece.count;
        room.bytes += piece.bytes.len() as u64;
        self.statistics.encoded += piece.count;
        let mut live = std::mem::take(&mut room.live);
        live.retain(|&conn| {
            let takes = self.get(conn).is_some_and(|it| it.unsent < WINDOW);
            match takes {
                true => self.send_entries(conn, piece),
                false => self.fall(conn, key, before),
            }
            takes
        });
        if let Some(room) = self.rooms.get_mut(key) {
            room.live = live;
        }
        self.tell_slow(key);
    }

    /// Tells followers that have been behind for a while.
    fn tell_slow(&mut self, key: &str) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        let (name, messages, bytes) = (room.name.clone(), room.messages, room.bytes);
        let mut slow = std::mem::take(&mut room.slow);
        slow.retain(|&conn| {
            let follow = self.get_mut(conn).and_then(|it| it.follow(key));
            let Some((follow, (had, had_bytes))) = follow.and_then(|follow| {
                Some(follow.fell_at).map(|at| (follow, at.unwrap_or((messages, bytes))))
            }) else {
                return false;
            };
            let is_behind = messages - had > BEHIND_MESSAGES || bytes - had_bytes > BEHIND_BYTES;
            if is_behind {
                follow.told_live = false;
                self.frame(conn, &HubFrame::Behind { room: name.clone() });
            }
            !is_behind
        });
        if let Some(room) = self.rooms.get_mut(key) {
            room.slow = slow;
        }
    }

    /// Makes a live follower fall behind, to continue after a position.
    fn fall(&mut self, conn: ConnId, key: &str, position: Position) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        let had = (room.messages, room.bytes);
        room.slow.push(conn);
        self.statistics.fell_behind += 1;
        if let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) {
            follow.place = Place::Behind(position);
            follow.fell_at = Some(had);
        }
        let has_room = self.get(conn).is_some_and(|it| it.unsent < REFILL);
        if has_room {
            self.enqueue(conn);
        }
    }

    /// Sends missing entries to a connection, as much of each room as fits.
    fn pump_conn(&mut self, conn: ConnId, log: &dyn RoomLog, pieces: &mut Pieces) {
        let count = self.get(conn).map_or(0, |it| it.follows.len());
        for place in 0..count {
            loop {
                let Some(connection) = self.get(conn) else { return };
                let Some(follow) = connection.follows.get(place) else { break };
                let key = follow.room.clone();
                let Some(name) = self.rooms.get(&key).map(|room| room.name.clone()) else { break };
                let is_reading = connection.reading.is_some();
                match follow.place {
                    Place::Live => break,
                    Place::Last(0) => self.place(conn, &key, Place::Behind(self.live)),
                    Place::Seen(..) | Place::Last(_) | Place::Behind(_) if is_reading => break,
                    Place::Seen(seen, deletion) => {
                        self.read(conn, key, None, Read::Follow { seen, deletion });
                    }
                    Place::Last(last) => {
                        let read = Read::Before { room: name, count: last as usize };
                        self.read(conn, key, None, read);
                    }
                    Place::Behind(after) if after >= self.live => self.go_live(conn, &key),
                    Place::Behind(_) if connection.unsent >= WINDOW => return,
                    Place::Behind(after) => {
                        let at = (key.clone(), after);
                        if !pieces.contains_key(&at) {
                            let Some(entries) = log.tail(after, Some(&name), STRIDE) else {
                                let read = Read::After { room: name, after, limit: STRIDE };
                                self.read(conn, key, Some(after), read);
                                break;
                            };
                            let stretch = Stretch::of(&entries, self.live);
                            self.statistics.encoded +=
                                stretch.piece.as_ref().map_or(0, |it| it.count);
                            pieces.insert(at.clone(), stretch);
                        }
                        let Some(stretch) = pieces.get(&at) else { break };
                        self.place(conn, &key, Place::Behind(stretch.next));
                        if let Some(piece) = &stretch.piece {
                            self.send_entries(conn, piece);
                        }
                    }
                }
            }
        }
    }

    /// Handles entries that were read from disk.
    fn entries(&mut self, conn: ConnId, reading: &Reading, entries: &[Entry]) {
        let Some(after) = reading.after else { return };
        let live = self.live;
        let known =
            || entries.iter().filter(|entry| entry.position() > after && entry.position() <= live);
        let mut rest: Vec<&Entry> = known().collect();
        let mut next = if rest.is_empty() { reading.live } else { after };
        while let Some(piece) = Piece::of(rest.iter().copied()) {
            rest.drain(..piece.count as usize);
            self.statistics.encoded += piece.count;
            next = piece.last;
            self.send_entries(conn, &piece);
            if self.get(conn).is_none_or(|it| it.unsent >= WINDOW) {
                break;
            }
        }
        self.place(conn, &reading.room, Place::Behind(next.max(after)));
    }

    fn go_live(&mut self, conn: ConnId, key: &str) {
        let live = self.live;
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.live.push(conn);
        room.slow.retain(|slow| *slow != conn);
        let name = room.name.clone();
        let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) else { return };
        follow.place = Place::Live;
        follow.fell_at = None;
        if !std::mem::replace(&mut follow.told_live, true) {
            self.frame(conn, &HubFrame::Live { room: name, position: live });
        }
    }

    fn place(&mut self, conn: ConnId, key: &str, place: Place) {
        if let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) {
            follow.place = place;
        }
    }

    fn read(&mut self, conn: ConnId, room: Box<str>, after: Option<Position>, read: Read) {
        let (serial, live) = (self.next_serial(), self.live);
        if let Some(connection) = self.get_mut(conn) {
            connection.reading = Some(Reading { serial, room, live, after });
            self.outputs.push_back(Output::Read { id: ReadId { conn, serial }, read });
        }
    }

    fn read_again(&mut self, conn: ConnId) {
        self.statistics.unreadable += 1;
        let at = self.now + READ_AGAIN;
        self.unreadable.push_back((at, conn));
    }
}

/// Sending.
impl Sessions {
    fn expect(&mut self, conn: ConnId, number: u64) {
        if let Some(outbox) = self.get(conn).map(|it| it.saying.outbox) {
            self.frame(conn, &HubFrame::Expect { outbox, number });
        }
    }

    /// Sends a notice to one connection.
    fn tell(&mut self, conn: ConnId, notice: &Notice) {
        let Some(language) = self.get(conn).map(|it| it.language) else { return };
        let line = String::from_utf8_lossy(&notice.to_bytes()).into_owned();
        let line = line.strip_prefix("^hb^ ").unwrap_or(&line).into();
        let text = sentence::of(notice, language).into();
        self.frame(conn, &HubFrame::Notice { line, text });
    }

    /// Queues a frame, which is sent together with others.
    fn frame(&mut self, conn: ConnId, frame: &HubFrame) {
        let Some(connection) = self.get_mut(conn) else { return };
        frame.write(&mut connection.frames);
        if connection.overflows() {
            self.statistics.overflowed += 1;
            self.outputs.push_back(Output::Close { conn });
            return self.remove(conn);
        }
        self.touch(conn);
    }

    /// Marks a connection as dirty.
    fn touch(&mut self, conn: ConnId) {
        let Some(connection) = self.get_mut(conn) else { return };
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(conn);
        }
    }

    /// Sends queued frames, acknowledgements last.
    fn flush(&mut self, conn: ConnId) {
        let stores = self.config.stores;
        let Some(connection) = self.get_mut(conn) else { return };
        connection.is_dirty = false;
        connection.acknowledge(stores);
        let bytes = Bytes::from(std::mem::take(&mut connection.frames));
        if !bytes.is_empty() {
            connection.unsent += bytes.len();
            self.outputs.push_back(Output::Send { conn, bytes });
        }
    }

    fn send_entries(&mut self, conn: ConnId, piece: &Piece) {
        self.flush(conn);
        self.statistics.delivered += piece.count;
        if let Some(connection) = self.get_mut(conn) {
            connection.unsent += piece.bytes.len();
            self.outputs.push_back(Output::Send { conn, bytes: piece.bytes.clone() });
        }
    }

    /// Sends the reason and closes.
    fn bye(&mut self, conn: ConnId, reason: ByeReason, text: &str) {
        let frame = HubFrame::Bye { reason, text: text.into() };
        if let Some(connection) = self.get_mut(conn) {
            frame.write(&mut connection.frames);
            self.flush(conn);
            self.outputs.push_back(Output::Close { conn });
            self.remove(conn);
        }
    }
}

/// Connections.
impl Sessions {
    fn get(&self, conn: ConnId) -> Option<&Connection> {
        let slot = self.slots.get(conn.index())?;
        slot.connection.as_deref().filter(|_| slot.generation == conn.generation)
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(conn.index())?;
        let is_it = slot.generation == conn.generation;
        slot.connection.as_deref_mut().filter(|_| is_it)
    }

    fn conns(&self) -> Vec<ConnId> {
        let open = |(index, slot): (usize, &Slot)| {
            let conn = ConnId { index: index as u32, generation: slot.generation };
            slot.connection.is_some().then_some(conn)
        };
        self.slots.iter().enumerate().filter_map(open).collect()
    }

    fn remove(&mut self, conn: ConnId) {
        if self.get(conn).is_none() {
            return;
        }
        self.unwatch(conn);
        let slot = &mut self.slots[conn.index()];
        let Some(connection) = slot.connection.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(conn.index);
        self.per_address.remove(connection.source.ip);
        self.statistics.connections -= 1;
        for follow in &connection.follows {
            self.rooms.leave(&follow.room, conn);
        }
        if let Some(author) = connection.author() {
            self.members.drop_conn(author, conn, self.now + self.config.linger);
        }
    }

    /// Marks a connection that may lack entries.
    fn enqueue(&mut self, conn: ConnId) {
        let Some(connection) = self.get_mut(conn) else { return };
        let lags = connection.follows.iter().any(|follow| follow.place != Place::Live);
        if lags && !std::mem::replace(&mut connection.is_queued, true) {
            self.queue.push_back(conn);
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

/// How many of the newest entries fit one frame, and their bytes.
fn fitting(entries: &[Entry]) -> (usize, usize) {
    let (mut count, mut length) = (0, 0);
    let mut frame = Vec::new();
    for entry in entries.iter().rev() {
        frame.clear();
        write_entry(entry, &mut frame);
        if length + frame.len() > MAX_FRAME - AROUND_ENTRIES {
            break;
        }
        (count, length) = (count + 1, length + frame.len());
    }
    (count, length)
}

/// The position right before a position.
fn before(position: Position) -> Position {
    Position::new(position.get().saturating_sub(1)).unwrap_or_default()
}
