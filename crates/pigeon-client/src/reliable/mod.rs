//! The client of a hub's reliable link. Outgoing messages wait on disk until the hub has stored
//! them, and incoming ones arrive once and in order, across lost connections, restarts and crashes
//! of either end.
//!
//! ```text
//!   application ─ say, follow, processed ─────────▶ ┌─────────┐ ─▶ Event ─▶ application
//!   transport ─── connected, received, lost ──────▶ │ Session │ ─▶ Connect, Send, Close ─▶ transport
//!   disk ──────── synced, sync_failed ────────────▶ └─────────┘ ─▶ Append, Sync, Replace ─▶ disk
//! ```
//!
//! - [`Session`]: the state machine. [`Store`]: the content of its file, loaded at the start.
//! - `sending`: the messages of one outbox on one connection; `following`: rooms.
//! - [`Config`], [`Key`]; [`Output`], [`Event`], [`State`], [`Status`].
//!
//! **A message never changes its identity.** It gets its outbox and number when it is submitted,
//! and each process draws a new outbox. So no identity is used for two messages, even after the
//! client's or the hub's disk is restored from a backup, and duplicates can be recognized.
mod config;
mod following;
mod output;
mod sending;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::{Instant, WallClock};
use pigeon_proto::frame::{
    ByeReason, ClientFrame, HubFrame, Lines, MAX_FRAME, Prove, Refused, VERSION, challenge_text,
};
use pigeon_proto::{Message, Name, Position, RoomName, Seen};
use rand_core::Rng;

pub use config::{Config, Key};
pub use following::From;
pub use output::{Disk, Event, MessageId, Output, State, Status, SyncId, Welcome};
pub use store::Store;

use following::Following;
use sending::Sending;
use store::{Mine, Record};

/// Delay before the disk is tried again.
const DISK_AGAIN: Duration = Duration::from_secs(1);

/// Maximum delay of a sync for records that are not urgent.
const LAZY_SYNC: Duration = Duration::from_secs(1);

/// Delay before reconnecting after the operator removed the client, or after a protocol error.
const LONG_WAIT: Duration = Duration::from_secs(60);

/// A client's session with one hub.
pub struct Session {
    config: Config,
    key: Box<dyn Key + Send>,
    store: Store,
    random: Box<dyn Rng + Send>,
    clock: WallClock,
    /// The outbox of new messages, once there is one.
    current: Option<u64>,
    /// The smallest text limit of the hub that is known.
    max_text: Option<u64>,
    rooms: BTreeMap<Box<str>, Following>,
    link: Link,
    /// Number of consecutive failed connection attempts.
    attempts: u32,
    disk: DiskState,
    /// Refusals to report once they are on disk.
    unreported: VecDeque<(u64, MessageId, Refused)>,
    state: State,
    /// Frames for the next [`Output::Send`].
    frames: Vec<u8>,
    outputs: VecDeque<Output>,
}

/// The state of the connection.
enum Link {
    /// The connection is closed; the session reconnects at this time.
    Down(Instant),
    /// The connection is being opened.
    Opening,
    /// The connection is open.
    Open(Box<Open>),
    /// The session does not reconnect.
    Ended,
}

struct Open {
    fingerprint: Box<str>,
    lines: Lines,
    /// Deadline for the hub's welcome. `None`: it has arrived.
    patience: Option<Instant>,
    is_challenged: bool,
    stores: bool,
    /// The outbox being sent. `None` if nothing is waiting.
    sending: Option<Sending>,
    /// The next outboxes to send after the one in `sending`. `None` until the hub has reported
    /// whether it still holds the messages it had stored.
    agenda: Option<VecDeque<u64>>,
}

#[derive(Default)]
struct DiskState {
    /// Number of records written.
    writes: u64,
    /// Number of records on disk.
    durable: u64,
    /// The running sync, and the number of records it covers.
    pending: Option<(SyncId, u64)>,
    next_sync: u64,
    /// Writes up to this number must be on disk before the session continues.
    urgent: u64,
    /// The write number of the last refusal. Nothing is sent before it is on disk: the next message
    /// passes over the refused number, so after a crash the hub would never ask for it again, and a
    /// message that was stored before a backup of the hub was restored would be lost in silence.
    refusal: u64,
    /// When the other writes are synced.
    lazy: Option<Instant>,
    /// After a failed sync: when the file is rewritten.
    failed: Option<Instant>,
}

/// Why a message was not accepted into the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SayError {
    /// The outbox is full.
    Full,
    /// The text is longer than the hub allows.
    TooLong {
        /// Maximum bytes.
        most: u64,
    },
    /// The session has ended.
    Ended,
}

impl std::fmt::Display for SayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SayError::Full => f.write_str("too many messages wait for the hub already"),
            SayError::TooLong { most } => {
                write!(f, "the text is longer than the {most} bytes that the hub takes")
            }
            SayError::Ended => f.write_str("the session has ended"),
        }
    }
}

impl std::error::Error for SayError {}

/// The application's methods.
impl Session {
    /// A session that continues from its file. It connects at once.
    ///
    /// `wall` is the time since the Unix epoch. `random` draws outbox numbers and must not repeat
    /// in another process.
    pub fn new(
        now: Instant,
        wall: Duration,
        config: Config,
        key: Box<dyn Key + Send>,
        store: Store,
        random: Box<dyn Rng + Send>,
    ) -> Session {
        let mut session = Session {
            config,
            key,
            store,
            random,
            clock: WallClock::new(wall, now),
            current: None,
            max_text: None,
            rooms: BTreeMap::new(),
            link: Link::Down(now),
            attempts: 0,
            disk: DiskState::default(),
            unreported: VecDeque::new(),
            state: State::Connecting { again: None },
            frames: Vec::new(),
            outputs: VecDeque::new(),
        };
        // What the application may not have heard before its program ended.
        let unheard: Vec<_> = session.store.refused().map(|(id, it)| (id, it.clone())).collect();
        for (id, refused) in unheard {
            session.report(Event::Status(id, Status::Refused(refused)));
        }
        session.handle_timeout(now);
        session
    }

    /// Submits a message. It is written to disk first; each change of its [`Status`] is reported.
    /// Fails without a change if the message is not accepted.
    pub fn say(
        &mut self,
        now: Instant,
        room: RoomName,
        text: &[u8],
    ) -> Result<MessageId, SayError> {
        if matches!(self.link, Link::Ended) {
            return Err(SayError::Ended);
        }
        if let Some(most) = self.max_text.filter(|most| text.len() as u64 > *most) {
            return Err(SayError::TooLong { most });
        }
        let (count, bytes) = self.store.waiting_size();
        if count >= self.config.most_waiting || bytes + text.len() > self.config.most_waiting_bytes
        {
            return Err(SayError::Full);
        }
        let id = self.keep(now, room, text, None);
        self.report(Event::Status(id, Status::Waiting));
        self.proceed(now);
        Ok(id)
    }

    /// Follows a room, now and after every reconnection.
    pub fn follow(&mut self, room: RoomName, from: From) {
        let key = room.folded();
        let mut following = Following::new(room, from);
        if self.has_proved() {
            following.frame(self.store.left_off(&following.name)).write(&mut self.frames);
        }
        self.rooms.insert(key, following);
        self.note_state();
        self.flush();
    }

    /// Stops following a room.
    pub fn unfollow(&mut self, room: &RoomName) {
        if self.rooms.remove(&room.folded()).is_some() && self.has_proved() {
            ClientFrame::Unfollow { room: room.clone() }.write(&mut self.frames);
        }
        self.note_state();
        self.flush();
    }

    /// The application has processed a room up to this position: these messages are not reported
    /// again after a restart.
    pub fn processed(&mut self, now: Instant, room: &RoomName, position: Position) {
        let Some(following) = self.rooms.get_mut(&room.folded()) else { return };
        let deletion = following.deletion;
        for seen in following.close(position) {
            self.write(now, &Record::Seen { room: room.clone(), seen, deletion });
        }
    }

    /// The application has heard that a message was refused. Until then it is told at each start.
    pub fn heard(&mut self, now: Instant, id: MessageId) {
        if self.store.refused().any(|(refused, _)| refused == id) {
            self.write(now, &Record::Gone { outbox: id.outbox, number: id.number });
        }
    }

    /// Sends a command such as `/who`. Returns whether there is a connection to send it over.
    pub fn command(&mut self, line: &str) -> bool {
        let is_member = self.is_member();
        if is_member {
            ClientFrame::Command { line: line.into() }.write(&mut self.frames);
            self.flush();
        }
        is_member
    }

    /// The name and the room to be in after the next reconnection; `word` takes the name back.
    pub fn remain(&mut self, name: Option<&Name>, room: &RoomName, word: Option<&str>) {
        self.config.name = name.map(|name| name.as_str().into());
        self.config.room = Some(room.clone());
        if let Some(word) = word {
            self.config.word = Some(word.into());
        }
    }

    /// Leaves and ends the session. Messages in the outbox stay on disk.
    pub fn quit(&mut self) {
        if let Link::Open(open) = &self.link {
            if open.patience.is_none() {
                ClientFrame::Quit {}.write(&mut self.frames);
                self.flush();
            }
            self.outputs.push_back(Output::Close);
        }
        self.end();
    }

    /// Number of own messages that the hub has not stored.
    pub fn waiting(&self) -> usize {
        self.store.waiting_size().0
    }

    /// The state of the session.
    pub fn state(&self) -> State {
        self.state
    }
}

/// Methods for the transport and the disk.
impl Session {
    /// A connection is open, to a hub with this public key fingerprint.
    pub fn connected(&mut self, now: Instant, fingerprint: &str) {
        if !matches!(self.link, Link::Opening) {
            return;
        }
        self.link = Link::Open(Box::new(Open {
            fingerprint: fingerprint.into(),
            lines: Lines::default(),
            patience: Some(now + self.config.patience),
            is_challenged: false,
            stores: true,
            sending: None,
            agenda: None,
        }));
        let client = self.config.client.clone();
        ClientFrame::Hello { version: VERSION, client }.write(&mut self.frames);
        self.note_state();
        self.flush();
    }

    /// A connection is open that replaces the one before, if any: to a hub with this public key
    /// fingerprint.
    pub fn moved(&mut self, now: Instant, fingerprint: &str) {
        match self.link {
            Link::Ended => return,
            Link::Open(_) => self.wait(now, None),
            Link::Down(_) | Link::Opening => {}
        }
        // Nothing that was meant for the connection before goes to this one.
        let is_for_it =
            |it: &Output| matches!(it, Output::Connect | Output::Send(_) | Output::Close);
        self.outputs.retain(|output| !is_for_it(output));
        self.link = Link::Opening;
        self.connected(now, fingerprint);
    }

    /// Bytes have arrived.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        if let Link::Open(open) = &mut self.link {
            open.lines.push(bytes);
        }
        while let Link::Open(open) = &mut self.link {
            let frame = match open.lines.next_line(MAX_FRAME) {
                Ok(None) => break,
                Ok(Some(line)) => HubFrame::parse(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = frame.and_then(|frame| self.handle(now, frame)) {
                self.report(Event::Broken(why.into()));
                self.outputs.push_back(Output::Close);
                self.wait(now, Some(LONG_WAIT));
            }
        }
        self.proceed(now);
    }

    /// The connection was lost, or could not be opened.
    pub fn disconnected(&mut self, now: Instant) {
        if matches!(self.link, Link::Opening | Link::Open(_)) {
            self.wait(now, None);
        }
    }

    /// A sync has finished.
    pub fn synced(&mut self, now: Instant, id: SyncId) {
        let Some((_, covered)) = self.disk.pending.take_if(|(pending, _)| *pending == id) else {
            return;
        };
        self.disk.durable = covered;
        if self.disk.failed.take().is_some() {
            self.report(Event::DiskHealed);
        }
        while self.unreported.front().is_some_and(|(write, ..)| *write <= covered) {
            let Some((_, message, refused)) = self.unreported.pop_front() else { break };
            self.report(Event::Status(message, Status::Refused(refused)));
        }
        self.proceed(now);
    }

    /// A sync has failed. Preceding writes may or may not be on disk.
    pub fn sync_failed(&mut self, now: Instant, id: SyncId) {
        if self.disk.pending.take_if(|(pending, _)| *pending == id).is_none() {
            return;
        }
        if self.disk.failed.replace(now + DISK_AGAIN).is_none() {
            self.report(Event::DiskFailed);
        }
    }

    /// Handles a reached deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.link {
            Link::Down(at) if *at <= now => {
                self.link = Link::Opening;
                self.outputs.push_back(Output::Connect);
                self.note_state();
            }
            Link::Open(open) if open.patience.is_some_and(|at| at <= now) => {
                self.outputs.push_back(Output::Close);
                self.wait(now, None);
            }
            _ => {}
        }
        self.proceed(now);
    }

    /// When [`handle_timeout`](Session::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Down(at) => Some(*at),
            Link::Open(open) => {
                // While the disk comes first, its end is what the session waits for.
                let held = open.sending.as_ref().filter(|_| !self.waits_for_disk());
                let held = held.and_then(Sending::held);
                open.patience.into_iter().chain(held).min()
            }
            Link::Opening | Link::Ended => None,
        };
        let disk = match self.disk.pending {
            Some(_) => None,
            None => self.disk.failed.or(self.disk.lazy),
        };
        link.into_iter().chain(disk).min()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// Frames from the hub.
impl Session {
    /// Fails if the hub violates the protocol.
    fn handle(&mut self, now: Instant, frame: HubFrame) -> Result<(), String> {
        let Link::Open(open) = &mut self.link else { return Ok(()) };
        match frame {
            // This session sends no `read`, `search` or `watch`.
            HubFrame::Unknown | HubFrame::Entries { .. } | HubFrame::Here(_) => {}
            HubFrame::Hubs { hubs } => self.report(Event::Hubs(hubs)),
            HubFrame::Bye { reason, text } => self.bye(now, reason, text),
            HubFrame::Challenge { .. } if open.is_challenged => {
                return Err("a second challenge".into());
            }
            HubFrame::Challenge { version, .. } if version != VERSION => {
                return Err(format!("the hub speaks version {version}, and this client {VERSION}"));
            }
            HubFrame::Challenge { nonce, .. } => {
                open.is_challenged = true;
                self.prove(&nonce);
            }
            HubFrame::Notice { line, text } => self.report(Event::Notice { line, text }),
            _ if !open.is_challenged => return Err("something before the challenge".into()),
            HubFrame::Welcome { author, name, room, stores, max_text } => {
                (open.patience, open.stores) = (None, stores);
                (self.attempts, self.max_text) = (0, Some(max_text));
                self.report(Event::Welcome(Welcome { author, name, room, stores, max_text }));
                self.note_state();
            }
            HubFrame::Expect { outbox, number } => self.expect(outbox, number),
            HubFrame::Stored { number } => self.stored(now, number, Status::Stored),
            HubFrame::Relayed { number } => self.stored(now, number, Status::Relayed),
            HubFrame::Refused(refused) => self.refused(now, refused),
            HubFrame::Conflict { number } => self.conflict(now, number),
            HubFrame::Message(message) => self.message(now, message),
            HubFrame::Gap(gap) => {
                let Some(following) = self.rooms.get_mut(&gap.room.folded()) else { return Ok(()) };
                if following.is_new(gap.position) {
                    following.pass(gap.position, None);
                    self.report(Event::Gap(gap));
                }
            }
            HubFrame::Reset { room, last, forgotten, deletion } => {
                let Some(following) = self.rooms.get_mut(&room.folded()) else { return Ok(()) };
                following.reset(last, deletion);
                if forgotten {
                    self.write(now, &Record::Unseen {});
                }
                self.report(Event::Reset { room, last, forgotten });
            }
            HubFrame::Live { room, position } => {
                if let Some(following) = self.rooms.get_mut(&room.folded()) {
                    following.is_live = true;
                    self.report(Event::Live { room, position });
                    self.note_state();
                }
            }
            HubFrame::Behind { room } => {
                if let Some(following) = self.rooms.get_mut(&room.folded()) {
                    following.is_live = false;
                    self.report(Event::Behind { room });
                    self.note_state();
                }
            }
            HubFrame::Forgot { room, name } => self.report(Event::Forgot { room, name }),
        }
        Ok(())
    }

    fn prove(&mut self, nonce: &str) {
        let Link::Open(open) = &mut self.link else { return };
        // The last stored message shows whether the hub still holds what it had stored.
        let newest = self.store.outboxes().iter().rev().find(|outbox| outbox.stored > 0);
        let oldest = self.store.outboxes().first();
        let outbox = newest.or(oldest).map(|outbox| outbox.id).or(self.current);
        let outbox = outbox.unwrap_or_else(|| self.random.next_u64());
        if self.store.outboxes().is_empty() {
            self.current = Some(outbox);
        }
        open.sending = Some(Sending::new(outbox));
        open.agenda = None;
        let signature = self.key.sign(&challenge_text(nonce, &open.fingerprint));
        let Config { name, word, room, password, language, .. } = self.config.clone();
        let key = self.key.point();
        let prove = Prove { key, signature, outbox, name, word, room, password, language };
        ClientFrame::Prove(Box::new(prove)).write(&mut self.frames);
        for following in self.rooms.values_mut() {
            following.frame(self.store.left_off(&following.name)).write(&mut self.frames);
        }
    }

    fn expect(&mut self, outbox: u64, number: u64) {
        let Link::Open(open) = &mut self.link else { return };
        let Some(sending) = open.sending.as_mut().filter(|it| it.outbox == outbox) else { return };
        sending.expect(number);
        if open.agenda.is_some() {
            return;
        }
        let stored = self.store.outbox(outbox).map_or(0, |outbox| outbox.stored);
        let all = self.store.outboxes().iter();
        let agenda: VecDeque<u64> = match number <= stored {
            // The hub was restored from a backup: everything is sent again, in the original order.
            true => all.map(|outbox| outbox.id).collect(),
            false => {
                let waits = |it: &&store::Outbox| it.messages.values().any(|mine| !mine.is_stored);
                all.filter(waits).map(|outbox| outbox.id).collect()
            }
        };
        if agenda.front().is_some_and(|first| *first != outbox) {
            open.sending = None;
        }
        open.agenda = Some(agenda);
        if number <= stored {
            open.sending = None;
        }
    }

    fn stored(&mut self, now: Instant, number: u64, status: Status) {
        let Link::Open(open) = &mut self.link else { return };
        let Some(sending) = open.sending.as_mut().filter(|it| it.is_known()) else { return };
        sending.acknowledged(number);
        let id = sending.outbox;
        let Some(outbox) = self.store.outbox(id) else { return };
        let settled = outbox.messages.range(..=number).filter(|(_, mine)| !mine.is_stored);
        let settled: Vec<u64> = settled.map(|(number, _)| *number).collect();
        if settled.is_empty() {
            return;
        }
        match status {
            Status::Stored => {
                self.write(now, &Record::Stored { outbox: id, through: number });
            }
            // Removes the message: a hub that stores nothing must not get it again after a restart.
            _ => {
                for number in &settled {
                    self.write(now, &Record::Gone { outbox: id, number: *number });
                }
            }
        }
        for number in settled {
            self.report(Event::Status(MessageId { outbox: id, number }, status.clone()));
        }
    }

    fn refused(&mut self, now: Instant, refused: Refused) {
        let Link::Open(open) = &mut self.link else { return };
        let Some(sending) = open.sending.as_mut().filter(|it| it.is_known()) else { return };
        let number = refused.number;
        let id = MessageId { outbox: sending.outbox, number };
        if let Some(again) = refused.again_ms {
            sending.hold(number, now + Duration::from_millis(again));
            return self.report(Event::Status(id, Status::Waiting));
        }
        sending.pass_over(number);
        // Includes a message the hub had stored: the hub was restored from a backup, and refuses
        // the message now.
        let outbox = self.store.outbox(id.outbox);
        if outbox.is_some_and(|outbox| outbox.messages.contains_key(&number)) {
            self.write(now, &Record::Refused { outbox: id.outbox, refused: refused.clone() });
            (self.disk.urgent, self.disk.refusal) = (self.disk.writes, self.disk.writes);
            self.unreported.push_back((self.disk.writes, id, refused));
        }
    }

    /// Another message has this number: the message moves to a new outbox. Those after it keep their
    /// numbers, because the hub may be storing them already; moved, they would be stored twice.
    fn conflict(&mut self, now: Instant, number: u64) {
        let Link::Open(open) = &mut self.link else { return };
        let Some(sending) = open.sending.as_mut().filter(|it| it.is_known()) else { return };
        sending.in_use(number);
        let from = MessageId { outbox: sending.outbox, number };
        self.current.take_if(|current| *current == from.outbox);
        // Includes a message that an acknowledgement of a later number has covered.
        let mine = self.store.outbox(from.outbox).and_then(|it| it.messages.get(&number));
        let Some(Mine { room, text, .. }) = mine.cloned() else { return };
        let to = self.keep(now, room, &text, Some(from));
        self.report(Event::Renumbered { from, to });
    }

    fn message(&mut self, now: Instant, message: Arc<Message>) {
        // Folding costs more than to compare with the few names there are.
        let by_name = self.rooms.values_mut().find(|following| following.name == message.room);
        let Some(following) = by_name else { return };
        if !following.is_new(message.position) {
            return;
        }
        let seen = Seen { position: message.position, identity: message.identity };
        following.pass(message.position, Some(seen));
        if !self.store.has_seen(message.identity) {
            return self.report(Event::Message(message));
        }
        // A duplicate at another position: it has been or is being reported.
        if following.has_one_open() {
            let room = following.name.clone();
            self.processed(now, &room, message.position);
        }
    }

    fn bye(&mut self, now: Instant, reason: ByeReason, text: Box<str>) {
        self.report(Event::Bye { reason, text });
        self.outputs.push_back(Output::Close);
        match reason {
            ByeReason::Password => self.end(),
            ByeReason::Kicked | ByeReason::Banned | ByeReason::Error => {
                self.wait(now, Some(LONG_WAIT));
            }
            ByeReason::Replaced => {
                self.current = None;
                self.wait(now, Some(self.config.last_wait));
            }
            ByeReason::Full => self.wait(now, Some(self.config.last_wait)),
            ByeReason::Stopped | ByeReason::Unknown => self.wait(now, None),
        }
    }
}

/// Sending.
impl Session {
    /// First syncs records that must be on disk, then sends the frames that depend on them.
    fn proceed(&mut self, now: Instant) {
        self.proceed_on_disk(now);
        self.send(now);
        self.flush();
    }

    fn send(&mut self, now: Instant) {
        if self.waits_for_disk() {
            return;
        }
        let most = (self.config.window_messages, self.config.window_bytes);
        while let Link::Open(open) = &mut self.link {
            let Open { patience: None, agenda: Some(agenda), sending, .. } = &mut **open else {
                return;
            };
            if let Some(sending) = sending {
                let outbox = self.store.outbox(sending.outbox);
                if let Some(outbox) = outbox
                    && let Some(say) = sending.next(now, outbox, self.disk.durable, most)
                {
                    let id = MessageId { outbox: sending.outbox, number: say.number };
                    let is_stored = outbox.messages.get(&say.number).is_some_and(|it| it.is_stored);
                    ClientFrame::Say(say).write(&mut self.frames);
                    if !is_stored {
                        self.report(Event::Status(id, Status::Sending));
                    }
                    continue;
                }
                if !sending.is_done(outbox) {
                    return;
                }
                if agenda.front() == Some(&sending.outbox) {
                    agenda.pop_front();
                }
            }
            let next = agenda.front().copied().or_else(|| {
                let waits = |it: &store::Outbox| it.messages.values().any(|mine| !mine.is_stored);
                self.current.filter(|current| self.store.outbox(*current).is_some_and(waits))
            });
            let is_other =
                |outbox: &u64| sending.as_ref().is_none_or(|sending| sending.outbox != *outbox);
            let Some(outbox) = next.filter(is_other) else { return };
            ClientFrame::Outbox { outbox }.write(&mut self.frames);
            *sending = Some(Sending::new(outbox));
        }
    }

    /// Adds an own message to the current outbox, in place of one in conflict if there is one.
    fn keep(
        &mut self,
        now: Instant,
        room: RoomName,
        text: &[u8],
        instead_of: Option<MessageId>,
    ) -> MessageId {
        let outbox = self.current.unwrap_or_else(|| self.random.next_u64());
        self.current = Some(outbox);
        let wall = self.clock.read(now);
        let (number, record) = self.store.said(outbox, room, text, wall, instead_of);
        self.write(now, &record);
        self.disk.urgent = self.disk.writes;
        MessageId { outbox, number }
    }

    /// Appends a record and applies it.
    fn write(&mut self, now: Instant, record: &Record) {
        self.disk.writes += 1;
        self.store.apply(record, self.disk.writes);
        self.disk.lazy.get_or_insert(now + LAZY_SYNC);
        let is_broken = self.disk.failed.is_some() && self.disk.pending.is_none();
        if is_broken || self.store.is_torn() {
            // The file will be rewritten anyway.
            return;
        }
        let mut bytes = Vec::new();
        store::encode(record, &mut bytes);
        self.store.appended(bytes.len());
        self.outputs.push_back(Output::Disk(Disk::Append(bytes)));
    }

    fn proceed_on_disk(&mut self, now: Instant) {
        let disk = &mut self.disk;
        let replaces = self.store.is_wasteful() || disk.failed.is_some();
        if disk.pending.is_some() || disk.durable == disk.writes && !replaces {
            return;
        }
        let is_due = match disk.failed {
            Some(at) => at <= now,
            None => replaces || disk.urgent > disk.durable || disk.lazy.is_some_and(|at| at <= now),
        };
        if !is_due {
            return;
        }
        let id = SyncId(disk.next_sync);
        disk.next_sync += 1;
        disk.pending = Some((id, disk.writes));
        disk.lazy = None;
        let output = match replaces {
            true => Disk::Replace(id, self.store.snapshot()),
            false => Disk::Sync(id),
        };
        self.outputs.push_back(Output::Disk(output));
    }

    /// Stays disconnected for a while.
    fn wait(&mut self, now: Instant, wait: Option<Duration>) {
        let wait = wait.unwrap_or_else(|| {
            let first = self.config.first_wait;
            let doubled = first * 2_u32.saturating_pow(self.attempts.min(16));
            doubled.min(self.config.last_wait)
        });
        self.attempts += 1;
        // Between half and all of the delay, so that members do not all reconnect at once.
        let half = wait / 2;
        let jitter = half.as_nanos() as u64;
        let jitter = if jitter == 0 { 0 } else { self.random.next_u64() % jitter };
        self.link = Link::Down(now + half + Duration::from_nanos(jitter));
        self.frames.clear();
        self.rooms.values_mut().for_each(|following| following.is_live = false);
        self.note_state();
    }

    fn end(&mut self) {
        self.link = Link::Ended;
        self.frames.clear();
        self.note_state();
    }

    fn flush(&mut self) {
        if !self.frames.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.frames));
            self.outputs.push_back(Output::Send(bytes));
        }
    }

    /// Whether nothing is sent before a refusal is on disk.
    fn waits_for_disk(&self) -> bool {
        self.disk.refusal > self.disk.durable
    }

    fn has_proved(&self) -> bool {
        matches!(&self.link, Link::Open(open) if open.is_challenged)
    }

    fn is_member(&self) -> bool {
        matches!(&self.link, Link::Open(open) if open.patience.is_none())
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn note_state(&mut self) {
        let state = match &self.link {
            Link::Down(at) => State::Connecting { again: Some(*at) },
            Link::Opening => State::Connecting { again: None },
            Link::Open(open) if open.patience.is_some() => State::Proving,
            Link::Open(_) if self.rooms.values().all(|it| it.is_live) => State::Live,
            Link::Open(_) => State::CatchingUp,
            Link::Ended => State::Ended,
        };
        if std::mem::replace(&mut self.state, state) != state {
            self.report(Event::State(state));
        }
    }
}
