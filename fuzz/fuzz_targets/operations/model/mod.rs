//! A hub with a model of the expected messages. Each operation is applied to both; any difference
//! panics.
//!
//! Operations, with their own checks:
//!
//! - [`datagram`]: a datagram arrives; [`payload`] writes it.
//! - [`operator`]: the operator sends a message, kicks, bans, stops.
//! - [`time`]: time advances.
//!
//! Checks after every operation:
//!
//! - [`places`]: members, rooms and names agree.
//! - [`messages`]: each message reaches its recipients, once, and no one else.
//! - [`strangers`]: unproved addresses get no more than they sent.
//! - [`heard`]: echoes are accepted, and only automatic responders are held.
//! - [`words`]: who gets control lines, sentences, or no notices.
//!
//! The other checks are in this file: bans are enforced, silent addresses get nothing, the outbox
//! is bounded, statistics count all sent datagrams, and lines of chat are safe to show.

mod datagram;
mod heard;
mod messages;
mod operator;
mod payload;
mod places;
mod strangers;
mod time;
mod words;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, SocketId};
use pigeon_fuzz::addresses::{self, is_beyond, person};
use pigeon_fuzz::drain::{Sent, drain_at};
use pigeon_fuzz::shown::Readers;
use pigeon_hub::{Event, Hub};
use pigeon_proto::Format;

use self::heard::Heard;
use self::messages::Messages;
use self::places::Places;
use self::strangers::Strangers;
use self::words::Words;
use crate::input::{Operation, Settings};

/// The hub and its expected state.
pub struct Model {
    hub: Hub,
    now: Instant,
    places: Places,
    messages: Messages,
    strangers: Strangers,
    heard: Heard,
    readers: Readers,
    words: Words,
    spoke: BTreeSet<SocketAddr>,
    /// Addresses banned before this batch.
    banned: BTreeSet<SocketAddr>,
    has_drained: bool,
    /// The datagrams since the last drain, and their bytes.
    batched: [usize; 2],
    /// The largest size of the current batch.
    outbox_limit: usize,
    received: u64,
    sent: u64,
    stopped: bool,
}

impl Model {
    pub fn new(settings: &Settings) -> Model {
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        Model {
            hub: Hub::new(settings.config()),
            now,
            places: Places::new(),
            messages: Messages::new(),
            strangers: Strangers::default(),
            heard: Heard::default(),
            readers: Readers::default(),
            words: Words::default(),
            spoke: BTreeSet::new(),
            banned: BTreeSet::new(),
            has_drained: false,
            batched: [0; 2],
            outbox_limit: 0,
            received: 0,
            sent: 0,
            stopped: false,
        }
    }

    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    pub fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Datagram { from, what } => self.datagram(person(*from), what),
            Operation::Wait(wait) => self.wait(*wait),
            Operation::Timer => self.timer(),
            Operation::Drain => self.drain(),
            Operation::Say(text) => self.say(text),
            Operation::Kick(who) => self.kick(person(*who)),
            Operation::KickName(name) => self.kick_name(*name),
            Operation::Ban(net) => self.ban(net.spelled()),
            Operation::BanName(name) => self.ban(name.spelled()),
            Operation::Unban(net) => self.unban(*net),
            Operation::Stop => self.stop(),
        }
    }

    /// Sends the batch.
    pub fn drain(&mut self) {
        let sent = self.transmits();
        self.sent += sent.len() as u64;
        assert_eq!(self.hub.statistics().sent, self.sent);
        self.drain_events();
        for (to, bytes) in &sent {
            self.receives(*to, bytes);
        }
        let closed = self.hub.config().sources.open.is_empty();
        self.strangers.weigh(&sent, |to| closed || is_beyond(to));
        let in_chat = |(to, _): &&Sent| self.format(*to) == Format::Chat;
        let lines: Vec<Sent> = sent.iter().filter(in_chat).cloned().collect();
        self.readers.check(&lines);
        self.messages.arrive(self.now, &sent);
        self.words.begin();
        self.has_drained = true;
        self.batched = [0; 2];
        assert_eq!(self.hub.statistics().held, 0, "the model knows of no queues");
        let bans: Vec<_> = self.hub.bans().collect();
        let is_banned = |who: &&SocketAddr| bans.iter().any(|net| net.contains(&who.ip()));
        self.banned = self.spoke.iter().filter(is_banned).copied().collect();
        self.strangers.begin(self.places.keys());
    }

    /// All queued datagrams, each checked against its receiver's listening socket.
    fn transmits(&mut self) -> Vec<Sent> {
        let mut sent = drain_at(&mut self.hub);
        // The hub pauses while it sends, so that it can receive. This loop continues after every
        // pause.
        while self.hub.poll_timeout().is_some_and(|due| due <= self.now) {
            self.hub.handle_timeout(self.now);
            sent.extend(drain_at(&mut self.hub));
        }
        let check = |(socket, to, bytes)| {
            assert_eq!(socket, self.door(to), "the door that {to} is answered by");
            (to, bytes)
        };
        sent.into_iter().map(check).collect()
    }

    /// An address's listening socket.
    fn door(&self, address: SocketAddr) -> SocketId {
        let has_one = self.hub.config().doors.len() == 1;
        if has_one { SocketId::FIRST } else { addresses::door(address) }
    }

    fn format(&self, address: SocketAddr) -> Format {
        self.hub.config().doors[self.door(address).index()].format
    }

    /// Before a call of the hub: starts a new batch if the last one has been drained.
    fn begin(&mut self, bytes: usize) {
        // Messages wait outside the outbox until they are sent, or their reader leaves the room.
        if std::mem::take(&mut self.has_drained) {
            self.outbox_limit = 0;
        }
        // Each byte is escaped to at most four, a room uses up to seven encodings and each socket's
        // format, and each member may get a notice.
        let doors = self.hub.config().doors.len();
        self.outbox_limit += 40 * bytes * doors + 4_096 * (self.places.len() + 2);
    }

    /// After a call of the hub: checks its state, and compares it with the previous one.
    fn look(&mut self) {
        let places = places::look(&self.hub, &self.spoke);
        self.messages.follow(&self.places, &places);
        self.strangers.are_members(self.places.keys().chain(places.keys()));
        self.places = places;
        self.words.are_members(&self.places);
        let outbox = self.hub.outbox().len();
        assert!(outbox <= self.outbox_limit.max(1 << 16), "an outbox of {outbox} bytes");
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.hub.poll_event() {
            match event {
                Event::Message(message) => {
                    assert!(self.hub.config().report_messages);
                    assert!(message.speaker.is_some() || &*message.label == "hub");
                }
                // The address was a member for a part of the batch.
                Event::Joined { label, .. } | Event::Left { label, .. } => {
                    self.strangers.are_members([&addresses::parse(label.as_str())]);
                }
                Event::AnswersByItself { label, .. } => {
                    self.heard.is_proved(addresses::parse(label.as_str()));
                }
                _ => {}
            }
        }
        self.heard.check_held();
    }

    /// Checks a datagram of the hub.
    fn receives(&mut self, to: SocketAddr, bytes: &[u8]) {
        assert!(self.spoke.contains(&to), "{to} sent nothing, and gets {bytes:?}");
        assert!(!self.banned.contains(&to), "{to} is banned, and gets {bytes:?}");
        self.words.check(to, self.format(to), bytes);
        self.heard.learn(to, bytes);
    }
}
