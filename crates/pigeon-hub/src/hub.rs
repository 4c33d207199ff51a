//! The hub itself. [`Hub::receive`] is the main flow: from a datagram to what it brings about.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit};
use pigeon_text::Encoding;

use crate::admission::{self, Bans, MAX_BANS};
use crate::discovery::{Discovery, Question};
use crate::echo::{Echoes, Suspect};
use crate::guesses::Guesses;
use crate::limits::Buckets;
use crate::members::{Flag, Members, Slot};
use crate::outgoing::BYE;
use crate::resume::Grants;
use crate::rooms::{PORCH, Rooms};
use crate::seal::Seal;
use crate::wire::{Incoming, classify};
use crate::{Config, Dropped, Event, Format, Left, Name, PerOrigin, Rate, Statistics};
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
    buckets: PerOrigin<Buckets>,
    pub(crate) guesses: Guesses,
    bans: Bans,
    discovery: Discovery,
    events: VecDeque<Event>,
    /// What a member wrote in another encoding, in UTF-8. Reused from datagram to datagram.
    decoded: String,
}

/// A member as the console and the logs see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called, if it has chosen.
    pub name: Option<Name>,
    /// The room it is in; `None` for one that has not given the password.
    pub room: Option<Name>,
    /// When it was last heard.
    pub heard: Instant,
}

/// A room as the console sees it.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// What it is called.
    pub name: Name,
    /// How many members are in it.
    pub members: usize,
}

/// A ban that could not be laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanError {
    /// It is neither a member nor a network.
    Unknown,
    /// The hub itself stands in that network, and its own machine's programs with it.
    Own,
    /// There are too many bans.
    TooMany,
}

impl std::fmt::Display for BanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BanError::Unknown => f.write_str("neither a member's name nor a network"),
            BanError::Own => f.write_str("all of this machine would be banned; kick it instead"),
            BanError::TooMany => write!(f, "there are {MAX_BANS} bans already"),
        }
    }
}

impl std::error::Error for BanError {}

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

    // What can be seen.

    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Every member, longest silent first.
    pub fn members(&self) -> impl Iterator<Item = MemberView> + '_ {
        self.members.iter().map(|slot| {
            let room = Some(self.members.room(slot)).filter(|&room| room != PORCH);
            MemberView {
                address: self.members.address(slot),
                name: self.members.name(slot).cloned(),
                room: room.and_then(|room| Some(self.rooms.get(room)?.name.clone())),
                heard: self.members.heard(slot),
            }
        })
    }

    /// Every room.
    pub fn rooms(&self) -> impl Iterator<Item = RoomView> + '_ {
        let view =
            |room: &crate::rooms::Room| RoomView { name: room.name.clone(), members: room.len() };
        self.rooms.iter().map(view)
    }

    /// Every banned network.
    pub fn bans(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.bans.iter()
    }

    /// What has been counted so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What others call a member: its name, or `IP:PORT`.
    pub(crate) fn label(&self, slot: Slot) -> String {
        notices::label(self.members.name(slot), self.members.address(slot))
    }

    /// Finds a member by its name or its `IP:PORT`.
    pub(crate) fn find(&self, who: &str) -> Option<Slot> {
        let by_address = || who.parse().ok().and_then(|address| self.members.find(address));
        self.members.find_name(who).or_else(by_address)
    }

    // The operator.

    /// Speaks to every room as the operator. Rooms that cannot be told are the error's; the others
    /// have been.
    pub fn say(&mut self, text: &str) -> Result<(), Dropped> {
        self.begin(self.now);
        let mut outcome = Ok(());
        for room in self.rooms.ids().filter(|&room| room != PORCH) {
            if self.rooms.get(room).is_some() {
                outcome = outcome.and(self.relay(None, room, text.trim().as_bytes()));
            }
        }
        outcome
    }

    /// Removes a member, by its name or its `IP:PORT`, and tells it. False if there is none.
    pub fn kick(&mut self, now: Instant, who: &str) -> bool {
        self.begin(now);
        let found = self.find(who);
        if let Some(slot) = found {
            self.leave(slot, Left::Kicked);
        }
        found.is_some()
    }

    /// Bans a network (`192.168.7.0/24`, or one address), or the address of a member by its name.
    /// Members from there are told and removed; nothing from there is heard or answered any more.
    pub fn ban(&mut self, now: Instant, who: &str) -> Result<IpNet, BanError> {
        self.begin(now);
        let net = match self.find(who) {
            Some(slot) => self.members.address(slot).ip().into(),
            None => parse_net(who).ok_or(BanError::Unknown)?,
        };
        if holds_loopback(net) {
            return Err(BanError::Own);
        }
        if !self.bans.add(net) {
            return Err(BanError::TooMany);
        }
        let banned = |slot: &Slot| net.contains(&self.members.address(*slot).ip());
        let gone: Vec<Slot> = self.members.iter().filter(banned).collect();
        for slot in gone {
            self.leave(slot, Left::Banned);
        }
        Ok(net)
    }

    /// Lifts a ban. False if there was none.
    pub fn unban(&mut self, net: &str) -> bool {
        parse_net(net).is_some_and(|net| self.bans.remove(net))
    }

    /// Says `Bye!` to everyone. Nothing more is to be handed to the hub afterwards.
    pub fn stop(&mut self) {
        self.begin(self.now);
        self.say_bye();
    }

    // The life of a datagram.

    fn receive(&mut self, datagram: &Received<'_>) -> Result<(), Dropped> {
        let from = datagram.from;
        admission::check_source(&self.config, from)?;
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
        let rate = *self.config.rate.get(self.members.origin(slot));
        if !self.members.buckets(slot).have_room(self.now, rate, length) {
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

    /// Tells a member that its text was not sent, and why.
    fn not_sent(&mut self, slot: Slot, reason: Dropped, length: usize) -> Dropped {
        let most = self.config.most_text();
        let line = match reason {
            Dropped::TextTooLong if length > most => {
                format!("not sent: {length} bytes of text, at most {most}")
            }
            Dropped::TextTooLong => {
                "not sent: too long for a datagram once it is wrapped".to_string()
            }
            _ => "not sent: the hub is overloaded".to_string(),
        };
        self.tell(slot, &line);
        reason
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

    /// Takes a message out of the member's rate and the hub's.
    fn spend(&mut self, slot: Slot, bytes: usize) -> Result<(), Dropped> {
        let origin = self.members.origin(slot);
        let (rate, hub_rate) = (*self.config.rate.get(origin), *self.config.hub_rate.get(origin));
        if rate.is_unlimited() && hub_rate.is_unlimited() {
            return Ok(());
        }
        let (now, room) = (self.now, self.members.room(slot));
        let all = self.buckets.get_mut(origin);
        let own = self.members.buckets(slot);
        let waits = room == PORCH; // it was told, and heartbeats do not make it forget
        if own.are_full(now) && all.are_full(now) && !waits {
            self.members.set(slot, Flag::Warned, false);
        }
        let own = self.members.buckets(slot);
        if !own.have_room(now, rate, bytes) {
            return Err(self.warn(slot, Dropped::RateLimited));
        }
        if !all.take(now, hub_rate, bytes) {
            return Err(self.warn(slot, Dropped::HubRateLimited));
        }
        own.take(now, rate, bytes);
        Ok(())
    }

    /// Tells a member of a limit it has run into: once, until it has kept within it again.
    fn warn(&mut self, slot: Slot, reason: Dropped) -> Dropped {
        if !self.members.has(slot, Flag::Warned) {
            self.members.set(slot, Flag::Warned, true);
            let rate = |rate: &Rate| match (rate.messages, rate.bytes) {
                (Some(messages), Some(bytes)) => format!("{messages} messages or {bytes} bytes"),
                (Some(messages), None) => format!("{messages} messages"),
                (None, bytes) => format!("{} bytes", bytes.unwrap_or_default()),
            };
            let origin = self.members.origin(slot);
            let line = match reason {
                Dropped::NoPassword => "not sent: first /pass SECRET".to_string(),
                Dropped::RateLimited => {
                    format!("not sent: more than {} a second", rate(self.config.rate.get(origin)))
                }
                _ => "not sent: all together say more than the hub relays".to_string(),
            };
            self.tell(slot, &line);
        }
        reason
    }

    /// Takes a question for hubs, to be answered a little later.
    fn discover(&mut self, datagram: &Received<'_>, nonce: &[u8]) -> Result<(), Dropped> {
        if !self.config.discoverable {
            return Ok(());
        }
        let (to, length) = (datagram.from, datagram.payload.len());
        let chance = self.seal.chance(nonce);
        self.discovery.ask(self.now, chance, Question::new(to, datagram.local, nonce, length))
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

    fn answer_questions(&mut self) {
        while let Some(question) = self.discovery.take(self.now) {
            let nonce = String::from_utf8_lossy(&question.nonce);
            let (name, members) = (&self.config.name, self.members.len());
            let answer = format!("/here {nonce} {name} {members} 0");
            let banned = self.bans.contains(question.to.ip());
            if answer.len() <= question.length && !banned {
                self.send(question.to, question.local, |bytes| {
                    bytes.extend_from_slice(answer.as_bytes());
                });
            }
        }
    }

    // The driver's side.

    /// Notes the time, and opens a new batch if the last one has been sent.
    fn begin(&mut self, now: Instant) {
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

/// A network, or one address as a network.
fn parse_net(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok();
    let alone = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
    net.or_else(alone).map(|net| net.trunc())
}

/// Whether a network takes in any of this machine's own addresses.
fn holds_loopback(net: IpNet) -> bool {
    let loopback =
        |text: &str| text.parse::<IpNet>().is_ok_and(|lo| lo.contains(&net) || net.contains(&lo));
    loopback("127.0.0.0/8") || loopback("::1/128")
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
