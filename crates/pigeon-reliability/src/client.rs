//! A client around `Session`: its disk and its application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use pigeon_client::reliable::{Config, Event, From, MessageId, Output, Session, Status, Store};
use pigeon_datagram::Instant;
use pigeon_proto::{Identity, Position, RoomName, Seen};

use crate::FINGERPRINT;
use crate::cell::{Cell, Fault};
use crate::chance::Chance;
use crate::crypto::{FakeKey, author};
use crate::disk::File;

pub(crate) struct Client {
    pub(crate) number: u8,
    cell: Cell,
    fault: Option<Fault>,
    chance: Chance,
    /// `None` while the client is down.
    session: Option<Session>,
    file: File,
    /// When the file's copy was made.
    pub(crate) backed_up_at: Instant,
    room: RoomName,
    /// The messages the application has, in order of arrival. As durable as the session's file, as
    /// in an application that stores both together.
    pub(crate) ledger: Vec<Identity>,
    has: BTreeSet<Identity>,
    /// Every message sent, with its last reported status.
    pub(crate) told: BTreeMap<MessageId, OwnMessage>,
    /// Messages acknowledged since the last check.
    pub(crate) newly_stored: Vec<Identity>,
    pub(crate) said: u64,
    pub(crate) most: u64,
    pace: Duration,
    next_say: Instant,
    pub(crate) is_calm: bool,
    outputs: VecDeque<ToHub>,
}

/// The application's record of its own message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnMessage {
    pub(crate) text: Box<str>,
    /// When the message was first known to be on the client's disk.
    pub(crate) kept_at: Option<Instant>,
    pub(crate) was_stored: bool,
    pub(crate) is_refused: bool,
}

/// A client's output for its connection.
pub(crate) enum ToHub {
    Connect,
    Send(Bytes),
    Close,
}

impl Client {
    pub(crate) fn new(
        number: u8,
        cell: Cell,
        fault: Option<Fault>,
        most: u64,
        pace: Duration,
        chance: Chance,
    ) -> Client {
        Client {
            number,
            cell,
            fault,
            chance,
            session: None,
            file: File::new(),
            backed_up_at: Instant::ORIGIN,
            room: RoomName::lobby(),
            ledger: Vec::new(),
            has: BTreeSet::new(),
            told: BTreeMap::new(),
            newly_stored: Vec::new(),
            said: 0,
            most,
            pace,
            next_say: Instant::ORIGIN,
            is_calm: false,
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn author(&self) -> u128 {
        author(&[self.number; 65])
    }

    pub(crate) fn is_up(&self) -> bool {
        self.session.is_some()
    }

    /// Kills the client. `crashes`: with its machine.
    pub(crate) fn kill(&mut self, crashes: bool) {
        self.session = None;
        self.outputs.clear();
        let file = self.file.kill(crashes, &mut self.chance);
        self.roll_back(&file);
    }

    pub(crate) fn back_up(&mut self, now: Instant) {
        self.backed_up_at = now;
        self.file.back_up();
    }

    pub(crate) fn restore(&mut self) {
        self.session = None;
        self.outputs.clear();
        let file = self.file.restore();
        self.roll_back(&file);
    }

    /// Sets the application back to the content of its disk.
    fn roll_back(&mut self, file: &[u8]) {
        let store = Store::load(file, Duration::ZERO);
        let kept = self.ledger.iter().rposition(|identity| store.has_seen(*identity));
        self.ledger.truncate(kept.map_or(0, |last| last + 1));
        self.has = self.ledger.iter().copied().collect();
    }

    pub(crate) fn start(&mut self, now: Instant) {
        let mut file = self.file.kill(false, &mut self.chance);
        let forgotten = Store::load(&file, Duration::ZERO);
        let forgotten = forgotten.waiting().map(|(id, _, text)| (id, Box::<[u8]>::from(text)));
        let mut again: Vec<_> = forgotten.collect();
        match self.fault {
            Some(Fault::ForgetsWaiting) if !again.is_empty() => again.clear(),
            Some(Fault::Renumbers) if !again.is_empty() => {}
            _ => again = Vec::new(),
        }
        let is_planted = matches!(self.fault, Some(Fault::ForgetsWaiting | Fault::Renumbers))
            && !file.is_empty();
        if is_planted {
            file.clear();
            self.roll_back(&file);
        }
        if self.fault == Some(Fault::ForgetsStored) {
            file = without_stored(&file);
        }
        self.file.set(file.clone());
        let store = Store::load(&file, Duration::ZERO);
        let from = match store.seen(&self.room) {
            Some(_) => From::LeftOff { last: 0 },
            // A position that no log holds, so that every message is sent again.
            None => From::After(Seen {
                position: Position::START,
                identity: Identity { author: 0, outbox: 0, number: 0 },
            }),
        };
        let random = Box::new(self.chance.fork().into_rng());
        let key = Box::new(FakeKey(self.number));
        let config = Config::default();
        let mut session = Session::new(now, Duration::ZERO, config, key, store, random);
        session.follow(self.room.clone(), from);
        for (id, text) in again {
            if let (Ok(new), Some(told)) =
                (session.say(now, self.room.clone(), &text), self.told.remove(&id))
            {
                self.told.insert(new, told);
            }
        }
        self.session = Some(session);
        self.next_say = self.next_say.max(now);
        self.drain(now);
    }

    pub(crate) fn connected(&mut self, now: Instant) {
        self.with(now, |session| session.connected(now, FINGERPRINT));
    }

    pub(crate) fn received(&mut self, now: Instant, bytes: &[u8]) {
        self.with(now, |session| session.received(now, bytes));
    }

    pub(crate) fn disconnected(&mut self, now: Instant) {
        self.with(now, |session| session.disconnected(now));
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        let session = self.session.as_ref()?;
        let say = (self.said < self.most).then_some(self.next_say);
        [session.poll_timeout(), self.file.next_at(), say].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.session.is_some() && self.said < self.most && self.next_say <= now {
            self.say(now);
        }
        while self.file.next_at().is_some_and(|at| at <= now) {
            let fails = !self.is_calm && self.chance.permille(self.cell.failing_syncs);
            if let (Some((id, is_done)), Some(session)) =
                (self.file.poll(now, fails), &mut self.session)
            {
                match is_done {
                    true => session.synced(now, id),
                    false => session.sync_failed(now, id),
                }
            }
        }
        self.with(now, |session| session.handle_timeout(now));
    }

    /// Sends one message, sometimes a burst.
    fn say(&mut self, now: Instant) {
        let burst = if self.chance.permille(20) { 1 + self.chance.below(60) } else { 1 };
        for _ in 0..burst.min(self.most - self.said) {
            self.said += 1;
            let text = format!("{} says {}", self.number, self.said);
            let Some(session) = &mut self.session else { return };
            if let Ok(id) = session.say(now, self.room.clone(), text.as_bytes()) {
                let text = text.into();
                let told = OwnMessage { text, kept_at: None, was_stored: false, is_refused: false };
                self.told.insert(id, told);
            }
        }
        self.next_say = now + self.chance.about(self.pace * burst as u32);
        self.drain(now);
    }

    /// Whether everything is sent and settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.said >= self.most && self.session.as_ref().is_some_and(|it| it.waiting() == 0)
    }

    /// The content of the disk.
    pub(crate) fn store(&self) -> Store {
        self.file.store()
    }

    pub(crate) fn poll(&mut self) -> Option<ToHub> {
        self.outputs.pop_front()
    }

    fn with(&mut self, now: Instant, call: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.session {
            call(session);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.session.as_mut().and_then(Session::poll_output) {
            match output {
                Output::Connect => self.outputs.push_back(ToHub::Connect),
                Output::Send(bytes) => self.outputs.push_back(ToHub::Send(bytes)),
                Output::Close => self.outputs.push_back(ToHub::Close),
                Output::Disk(disk) => self.file.handle(now, disk, &mut self.chance),
                Output::Event(event) => self.hear(now, event),
            }
        }
    }

    fn hear(&mut self, now: Instant, event: Event) {
        let author = self.author();
        match event {
            Event::Message(message) => {
                self.ledger.push(message.identity);
                let is_double = !self.has.insert(message.identity);
                debug_assert!(!is_double || self.fault.is_some(), "a double");
                let room = self.room.clone();
                if let Some(session) = &mut self.session {
                    session.processed(now, &room, message.position);
                }
            }
            Event::Status(id, Status::Stored) => {
                let MessageId { outbox, number } = id;
                self.newly_stored.push(Identity { author, outbox, number });
                if let Some(told) = self.told.get_mut(&id) {
                    (told.was_stored, told.is_refused) = (true, false);
                }
            }
            Event::Status(id, Status::Sending) => {
                if let Some(told) = self.told.get_mut(&id) {
                    told.kept_at.get_or_insert(now);
                }
            }
            Event::Status(id, Status::Refused(_)) => {
                if let Some(told) = self.told.get_mut(&id) {
                    told.is_refused = true;
                }
                if let Some(session) = &mut self.session {
                    session.heard(now, id);
                }
            }
            Event::Renumbered { from, to } => {
                if let Some(told) = self.told.remove(&from) {
                    self.told.insert(to, told);
                }
            }
            _ => {}
        }
    }
}

/// A file without the own messages that the hub has stored.
fn without_stored(file: &[u8]) -> Vec<u8> {
    let whole = Store::load(file, Duration::ZERO);
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| {
        let said: Vec<MessageId> =
            Store::load(line, Duration::ZERO).waiting().map(|it| it.0).collect();
        said.iter().all(|id| whole.waiting().any(|(waiting, ..)| waiting == *id))
    });
    kept.flatten().copied().collect()
}
