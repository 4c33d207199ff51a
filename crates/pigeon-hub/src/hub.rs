//! The hub itself. [`Hub::receive`] is the main flow: from a datagram to what it brings about.

use std::collections::VecDeque;
use std::net::SocketAddr;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_guard::Seal;
use pigeon_text::Encoding;

use crate::admission::Bans;
use crate::discovery::Discovery;
use crate::echo::{Echoes, Suspect};
use crate::guesses::Guesses;
use crate::limits::Buckets;
use crate::members::{Members, Slot};
use crate::outgoing::BYE;
use crate::resume::Grants;
use crate::rooms::Rooms;
use crate::wire::{Incoming, classify};
use crate::{Config, Dropped, Event, Format, Left, PerOrigin, Statistics};
use crate::{commands, notices};

/// The most members timed out in one call; the next call follows at once. So a hundred thousand
/// that fall silent together do not hold up the datagrams of those who live.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// The most events kept for a driver that does not collect them.
const MAX_EVENTS: usize = 16_384;

/// In the raw format data may repeat by itself: only the third echo in a row is one.
const RAW_ECHOES: u8 = 3;

/// Group chat over plain datagrams: members, their names and rooms, and every message to all of a
/// room.
///
/// Drive it as [`Machine`] says. Besides datagrams it takes the operator's [`say`](Hub::say),
/// [`kick`](Hub::kick), [`ban`](Hub::ban) and [`stop`](Hub::stop), which count as `handle_*` calls.
pub struct Hub {
    pub(crate) config: Config,
    /// The latest time the driver told.
    pub(crate) now: Instant,
    pub(crate) members: Members,
    pub(crate) rooms: Rooms,
    pub(crate) grants: Grants,
    pub(crate) echoes: Echoes,
    pub(crate) seal: Seal,
    pub(crate) outbox: Outbox,
    pub(crate) statistics: Statistics,
    /// What is left of the hub's own rates.
    pub(crate) buckets: PerOrigin<Buckets>,
    pub(crate) guesses: Guesses,
    pub(crate) bans: Bans,
    pub(crate) discovery: Discovery,
    events: VecDeque<Event>,
    /// What a member wrote in another encoding, in UTF-8. Reused from datagram to datagram.
    decoded: String,
}

impl Hub {
    /// A hub without members.
    pub fn new(mut config: Config) -> Self {
        // Slots are 32 bits with one to spare; memory ends long before.
        config.max_members = config.max_members.min(1 << 30);
        Hub {
            now: Instant::ORIGIN,
            members: Members::new(config.hash_keys),
            rooms: Rooms::new(config.hash_keys),
            grants: Grants::new(config.hash_keys),
            echoes: Echoes::new(config.hash_keys),
            seal: Seal::new(config.secret),
            outbox: Outbox::new(),
            statistics: Statistics::default(),
            buckets: PerOrigin::default(),
            guesses: Guesses::new(config.hash_keys),
            config,
            bans: Bans::default(),
            discovery: Discovery::default(),
            events: VecDeque::new(),
            decoded: String::new(),
        }
    }

    // The life of a datagram.

    /// From a datagram to what it brings about, or why it brings about nothing.
    fn receive(&mut self, datagram: &Received<'_>) -> Result<(), Dropped> {
        let from = datagram.from;
        self.config.sources.check(from).map_err(|_| Dropped::BadSource)?;
        if self.bans.contains(from.ip()) {
            return Err(Dropped::Banned);
        }
        if datagram.is_truncated() {
            return Err(Dropped::Truncated);
        }
        let member = self.members.find(from);
        // What it means shows in ASCII, which is the same in every encoding that a member may read.
        let incoming = classify(self.config.format, datagram.payload);
        if member.is_none() && is_farewell(self.config.format, datagram.payload) {
            return Err(Dropped::Reply);
        }
        match incoming {
            Incoming::Reply => return Err(Dropped::Reply),
            Incoming::Prove { word } => return self.prove(datagram, member, word),
            Incoming::Discover { nonce } => return self.discover(datagram, nonce),
            Incoming::Quit if member.is_none() => return Err(Dropped::NotMember),
            Incoming::Message { .. } | Incoming::Command { .. } => {
                self.refuse_unread(datagram, member)?;
            }
            Incoming::Heartbeat { .. } | Incoming::Quit | Incoming::Empty => {}
        }
        match member.map_or(Encoding::UTF_8, |slot| self.members.encoding(slot)) {
            Encoding::UTF_8 => self.heed(datagram, member, datagram.payload, incoming),
            encoding => {
                let mut text = std::mem::take(&mut self.decoded);
                text.clear();
                encoding.decode_to(datagram.payload, &mut text);
                let incoming = classify(self.config.format, text.as_bytes());
                let outcome = self.heed(datagram, member, text.as_bytes(), incoming);
                self.decoded = text;
                outcome
            }
        }
    }

    /// Refuses what would be refused whatever it says, before it is converted or compared with what
    /// was sent. What is an echo besides goes no further either.
    fn refuse_unread(
        &mut self,
        datagram: &Received<'_>,
        member: Option<Slot>,
    ) -> Result<(), Dropped> {
        let Some(slot) = member else {
            return self.may_join(datagram);
        };
        let length = datagram.payload.len();
        if !self.is_within_rate(slot, length) {
            self.members.touch(slot, self.now, datagram.local);
            return Err(self.warn(slot, Dropped::RateLimited));
        }
        if self.members.encoding(slot) == Encoding::UTF_8 {
            return Ok(());
        }
        // Text may shrink by half in UTF-8, from the four bytes of a character in GB18030.
        let text = datagram.payload.trim_ascii().len();
        if text / 2 > self.config.most_text() {
            self.members.touch(slot, self.now, datagram.local);
            self.spend(slot, length)?;
            return Err(self.not_sent(slot, Dropped::TextTooLong, text));
        }
        Ok(())
    }

    /// A datagram in UTF-8, which may have an effect.
    fn heed(
        &mut self,
        datagram: &Received<'_>,
        member: Option<Slot>,
        payload: &[u8],
        incoming: Incoming<'_>,
    ) -> Result<(), Dropped> {
        if matches!(incoming, Incoming::Message { .. } | Incoming::Command { .. }) {
            self.stop_echo(datagram.from, member, payload)?;
        }
        let slot = match member {
            Some(slot) => slot,
            None => self.admit(datagram)?,
        };
        self.members.touch(slot, self.now, datagram.local);
        let length = datagram.payload.len();
        match incoming {
            Incoming::Quit => self.leave(slot, Left::Quit),
            Incoming::Heartbeat { padded } => {
                self.statistics.heartbeats += 1;
                if padded {
                    self.spend(slot, length)?;
                    self.answer_heartbeat(slot);
                }
            }
            Incoming::Command { word, rest } => {
                self.spend(slot, length)?;
                self.statistics.commands += 1;
                commands::answer(self, slot, word, rest)?;
            }
            Incoming::Message { text } => self.speak(slot, text, length)?,
            Incoming::Empty
            | Incoming::Reply
            | Incoming::Prove { .. }
            | Incoming::Discover { .. } => {}
        }
        Ok(())
    }

    /// A member says something to its room, in a datagram of `cost` bytes.
    fn speak(&mut self, slot: Slot, text: &[u8], cost: usize) -> Result<(), Dropped> {
        // The raw format has no commands, but a password must be given somehow, and never be passed
        // on as data.
        if self.config.format == Format::Raw
            && self.config.password.is_some()
            && let Some(secret) = text.trim_ascii().strip_prefix(b"/pass ")
        {
            return commands::answer(self, slot, b"pass", secret.trim_ascii());
        }
        let room = match self.room_of_speech(slot) {
            Ok(room) => room,
            Err(reason) => return Err(self.warn(slot, reason)),
        };
        self.spend(slot, cost)?;
        self.relay(Some(slot), room, text).map_err(|reason| self.not_sent(slot, reason, text.len()))
    }

    /// Stops what comes back as it was sent.
    fn stop_echo(
        &mut self,
        from: SocketAddr,
        member: Option<Slot>,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let member_of = |slot| (slot, self.members.room(slot));
        let suspect = Suspect { address: from, member: member.map(member_of) };
        let mut is_echo = self.echoes.is_echo(self.now, suspect, payload);
        if let Some(slot) = member.filter(|_| self.config.format == Format::Raw) {
            is_echo = self.members.count_echo(slot, is_echo) >= RAW_ECHOES;
        }
        if is_echo {
            self.report(Event::Echo { address: from });
            return Err(Dropped::Echo);
        }
        Ok(())
    }

    // Who is who.

    /// What others call a member: its name, or `IP:PORT`.
    pub(crate) fn label(&self, slot: Slot) -> String {
        notices::label(self.members.name(slot), self.members.address(slot))
    }

    /// Finds a member by its name or its `IP:PORT`.
    pub(crate) fn find(&self, who: &str) -> Option<Slot> {
        let by_address = || who.parse().ok().and_then(|address| self.members.find(address));
        self.members.find_name(who).or_else(by_address)
    }

    // Timers.

    fn time_out(&mut self) {
        for _ in 0..MAX_TIMEOUTS_A_CALL {
            match self.members.oldest() {
                Some(slot) if self.members.heard(slot) + self.config.timeout <= self.now => {
                    self.leave(slot, Left::TimedOut);
                }
                _ => break,
            }
        }
    }

    // The driver's side.

    /// Notes the time, and opens a new batch if the last one has been sent.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.rooms.are_silent() {
            self.outbox.reset_if_drained();
        }
    }

    pub(crate) fn report(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.statistics.events_lost += 1;
        }
    }
}

/// Whether this is what a hub says to somebody it has dropped, come back from an address that is no
/// member: an echo service, or another hub. Joining it again would begin the same after each
/// time-out, for ever.
fn is_farewell(format: Format, payload: &[u8]) -> bool {
    let text = payload.trim_ascii();
    text.eq_ignore_ascii_case(BYE) || (format != Format::Raw && text.starts_with(b"* "))
}

impl Machine for Hub {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.begin(now);
        self.statistics.received += 1;
        if let Err(reason) = self.receive(datagram) {
            self.statistics.count_dropped(reason);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.time_out();
        while let Some(room) = self.rooms.take_news(now) {
            self.send_notices(room);
        }
        self.answer_questions();
        self.statistics.echoes_forgotten = self.echoes.forgotten;
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.outbox.poll() {
            self.statistics.sent += 1;
            return Some(transmit);
        }
        let (slot, train) = self.rooms.poll(&mut self.members, &mut self.outbox)?;
        self.statistics.sent += train.datagrams as u64;
        Some(Transmit {
            socket: SocketId::FIRST,
            to: self.members.address(slot),
            from: self.members.local(slot),
            range: train.range,
            segment: train.segment,
        })
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The earliest of three timers: the longest-silent member's time-out, the gathered notices,
    /// and the answers to those who look for hubs.
    fn poll_timeout(&self) -> Option<Instant> {
        let expiry =
            self.members.oldest().map(|slot| self.members.heard(slot) + self.config.timeout);
        let timers = [expiry, self.rooms.news_due(), self.discovery.due()];
        timers.into_iter().flatten().min()
    }
}
