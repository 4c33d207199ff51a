//! A hub beside what it owes to whom. Each operation is done to the hub and followed here; where
//! the two differ, the model panics.
//!
//! What happens to the hub, each with what must hold of it alone:
//!
//! - [`datagram`]: somebody sends something; [`payload`] writes it.
//! - [`operator`]: the operator speaks, removes, bans, stops.
//! - [`time`]: time goes on.
//!
//! What must hold whatever happens:
//!
//! - [`places`]: members, rooms and names agree.
//! - [`messages`]: each message reaches whom it must, once, and nobody else.
//! - [`strangers`]: who has not proved its address gets no more than it sent.
//! - [`heard`]: what was heard may come back, and goes no further.
//!
//! The rest stands here: bans hold, nobody is spoken to who was silent, the outbox is bounded,
//! statistics count what was sent, and lines of chat can be shown.

mod datagram;
mod heard;
mod messages;
mod operator;
mod payload;
mod places;
mod strangers;
mod time;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine};
use pigeon_fuzz::addresses::{is_beyond, person};
use pigeon_fuzz::drain::drain;
use pigeon_fuzz::shown::Readers;
use pigeon_hub::{Event, Format, Hub};

use self::heard::Heard;
use self::messages::Messages;
use self::places::Places;
use self::strangers::Strangers;
use crate::input::{Operation, Settings};

/// The hub and what is known of it from outside.
pub struct Model {
    hub: Hub,
    now: Instant,
    places: Places,
    messages: Messages,
    strangers: Strangers,
    heard: Heard,
    readers: Readers,
    spoke: BTreeSet<SocketAddr>,
    /// Who has been banned since before this batch.
    banned: BTreeSet<SocketAddr>,
    /// When the current batch began.
    batch: Instant,
    /// Bytes that the current batch may at most come to.
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
            spoke: BTreeSet::new(),
            banned: BTreeSet::new(),
            batch: now,
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

    /// The batch leaves.
    pub fn drain(&mut self) {
        let sent = drain(&mut self.hub);
        self.sent += sent.len() as u64;
        assert_eq!(self.hub.statistics().sent, self.sent);
        self.drain_events();
        for (to, bytes) in &sent {
            self.receives(*to, bytes);
        }
        let closed = self.hub.config().sources.open.is_empty();
        self.strangers.weigh(&sent, |to| closed || is_beyond(to));
        if self.format() == Format::Chat {
            self.readers.check(&sent);
        }
        self.messages.arrive(&sent);
        let bans: Vec<_> = self.hub.bans().collect();
        let is_banned = |who: &&SocketAddr| bans.iter().any(|net| net.contains(&who.ip()));
        self.banned = self.spoke.iter().filter(is_banned).copied().collect();
        self.batch = self.now;
        self.strangers.begin(self.places.keys());
    }

    fn format(&self) -> Format {
        self.hub.config().format
    }

    /// Before the hub is called: a new batch begins if the last one has been drained.
    fn begin(&mut self, bytes: usize) {
        if self.hub.outbox().is_empty() {
            self.outbox_limit = 0;
        }
        // Each byte shows as up to four, a room hears it in up to seven encodings, and each member
        // may be told something.
        self.outbox_limit += 40 * bytes + 4_096 * (self.places.len() + 2);
    }

    /// After the hub was called: compares what can be seen of it with itself and with what was seen
    /// before.
    fn look(&mut self) {
        let places = places::look(&self.hub, &self.spoke);
        self.messages.follow(&self.places, &places);
        self.strangers.are_members(self.places.keys().chain(places.keys()));
        self.places = places;
        let outbox = self.hub.outbox().len();
        assert!(outbox <= self.outbox_limit.max(1 << 16), "an outbox of {outbox} bytes");
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.hub.poll_event() {
            match event {
                Event::Message { range, .. } => assert!(range.end <= self.hub.outbox().len()),
                // A member for part of the batch only.
                Event::Joined { address } | Event::Left { address, .. } => {
                    self.strangers.are_members([&address]);
                }
                _ => {}
            }
        }
    }

    /// A datagram of the hub arrives.
    fn receives(&mut self, to: SocketAddr, bytes: &[u8]) {
        assert!(self.spoke.contains(&to), "{to} sent nothing, and gets {bytes:?}");
        assert!(!self.banned.contains(&to), "{to} is banned, and gets {bytes:?}");
        let room = self.places.get(&to).cloned().flatten();
        self.heard.learn(to, bytes, self.batch, room);
    }
}
