//! A chat with any number of UDP programs at once, without a hub.
//!
//! ```text
//!   a stranger writes ──▶ a conversation appears ──┐
//!   /to NAME, or open ──▶ a conversation is opened ─┼─▶ /to chooses it ──▶ text goes there
//!                                                   │
//!        quit, or another stranger needs the room ◀─┘
//! ```
//!
//! A message is one datagram without any framing, so the peer may be any program. Input goes to the
//! *selected* conversation only. The very first conversation is selected automatically; after that
//! only the user selects, so that input never goes to a peer that happened to write at that moment.
//!
//! [`Chat::handle_line`] handles input lines; [`HELP`] lists the commands.

mod config;
mod conversation;
mod event;
mod line;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit, max_payload};
use pigeon_text::Charset;

use line::Line;

pub use config::{Config, Counters};
pub use conversation::{Conversation, Known};
pub use event::{Error, Event, HELP, Message, Said};

/// Maximum number of events kept until the driver collects them; further messages are counted in
/// [`Counters::events_lost`].
const MAX_EVENTS: usize = 65_536;

/// The longest unknown command repeated in its error message, in characters.
const MAX_SHOWN: usize = 32;

/// One user's chat with many peers. Follow the contract of [`Machine`], with an unconnected socket.
#[derive(Debug)]
pub struct Chat {
    config: Config,
    known: BTreeMap<SocketAddr, Known>,
    /// Conversations in order of appearance.
    conversations: Vec<Conversation>,
    chosen: Option<SocketAddr>,
    /// Whether any conversation was ever selected.
    began: bool,
    over: bool,
    /// The number of the next conversation.
    next: u32,
    /// A count of events, to find the conversation that has been quiet longest.
    happened: u64,
    counters: Counters,
    outbox: Outbox,
    events: VecDeque<Event>,
}

impl Chat {
    /// A chat without conversations.
    pub fn new(config: Config) -> Chat {
        Chat {
            config,
            known: BTreeMap::new(),
            conversations: Vec::new(),
            chosen: None,
            began: false,
            over: false,
            next: 1,
            happened: 0,
            counters: Counters::default(),
            outbox: Outbox::new(),
            events: VecDeque::new(),
        }
    }

    /// The conversations in order of appearance.
    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// The conversation with this peer.
    pub fn conversation(&self, peer: SocketAddr) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.peer == peer)
    }

    /// The selected conversation, which input goes to.
    pub fn chosen(&self) -> Option<&Conversation> {
        self.chosen.and_then(|peer| self.conversation(peer))
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// `狗哥 (192.168.1.103:8080)`, or the address alone: a peer's title everywhere.
    pub fn title(&self, peer: SocketAddr) -> String {
        let name = self.conversation(peer).and_then(|conversation| conversation.name.as_deref());
        let known = || self.known.get(&peer).and_then(|known| known.name.as_deref());
        event::title(name.or_else(known), peer)
    }

    // Commands.

    /// Sets the name and encoding of a peer before it appears. The first call for an address wins.
    pub fn know(&mut self, peer: SocketAddr, known: Known) {
        self.known.entry(canonical(peer)).or_insert(known);
    }

    /// Opens a conversation, or keeps an existing one. Selects it if none was ever selected.
    pub fn open(&mut self, peer: SocketAddr, known: Known) -> Result<(), Error> {
        let peer = canonical(peer);
        if peer.port() == 0 {
            return Err(Error::NoPort(peer));
        }
        if !(if peer.is_ipv4() { self.config.ipv4 } else { self.config.ipv6 }) {
            return Err(Error::OtherFamily(peer));
        }
        let stored = self.known.get(&peer).cloned().unwrap_or_default();
        let known =
            Known { name: known.name.or(stored.name), charset: known.charset.or(stored.charset) };
        let place = match self.place(peer) {
            Some(place) => place,
            None => {
                let full = Error::Full(self.config.max_conversations);
                self.add(peer, known.clone()).ok_or(full)?
            }
        };
        let conversation = &mut self.conversations[place];
        conversation.kept = true;
        // If two names have the same address, the last one used wins, with its encoding; an
        // encoding set by the user since overrides it.
        if conversation.name != known.name {
            conversation.name.clone_from(&known.name);
            conversation.charset = known.charset.map_or(conversation.charset, Into::into);
        }
        self.known.insert(peer, known);
        if !self.began {
            self.choose(peer);
        }
        Ok(())
    }

    /// Continues a conversation at the peer's new address. Returns whether there was one; a
    /// conversation that exists at the new address stays, and so does the old one.
    pub fn move_to(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        let (from, to) = (canonical(from), canonical(to));
        let is_reachable = if to.is_ipv4() { self.config.ipv4 } else { self.config.ipv6 };
        if to.port() == 0 || !is_reachable || self.place(to).is_some() {
            return false;
        }
        let Some(place) = self.place(from) else { return false };
        let conversation = &mut self.conversations[place];
        conversation.peer = to;
        (conversation.local, conversation.refused) = (None, false);
        if self.chosen == Some(from) {
            self.chosen = Some(to);
        }
        if let Some(known) = self.known.remove(&from) {
            self.known.insert(to, known);
        }
        true
    }

    /// Selects an open conversation. Returns false if there is none with this peer.
    pub fn choose(&mut self, peer: SocketAddr) -> bool {
        let Some(place) = self.place(canonical(peer)) else { return false };
        let conversation = &mut self.conversations[place];
        conversation.unread = 0;
        self.chosen = Some(conversation.peer);
        self.began = true;
        true
    }

    /// Deselects: input goes to no conversation until one is selected.
    pub fn choose_nobody(&mut self) {
        self.chosen = None;
    }

    /// Executes a command line, or sends it to the selected peer. On an error nothing was sent and
    /// nothing has changed. After the end it does nothing.
    pub fn handle_line(&mut self, line: &[u8]) -> Result<Said, Error> {
        self.outbox.reset_if_drained();
        if self.over {
            return Ok(Said::Nothing);
        }
        match line::parse(line) {
            Line::Empty => Ok(Said::Nothing),
            Line::Text(text) => self.send(text),
            Line::To(whom) => self.to(whom),
            Line::List => Ok(Said::List),
            Line::Help => Ok(Said::Help),
            Line::Encoding(label) => self.encoding(label),
            Line::Quit => Ok(match self.chosen.take() {
                Some(peer) => {
                    self.conversations.retain(|conversation| conversation.peer != peer);
                    Said::Left(peer)
                }
                None => {
                    self.leave();
                    Said::Quit
                }
            }),
            Line::Unknown(word) => {
                let word = String::from_utf8_lossy(word);
                Err(Error::UnknownCommand(word.chars().take(MAX_SHOWN).collect()))
            }
        }
    }

    /// Ends the chat. Sends nothing: the peers do not know about conversations.
    pub fn leave(&mut self) {
        if !self.over {
            self.over = true;
            self.events.push_back(Event::Over);
        }
    }

    fn send(&mut self, text: &[u8]) -> Result<Said, Error> {
        let peer = self.chosen.ok_or(Error::NobodyChosen)?;
        let place = self.place(peer).ok_or(Error::NobodyChosen)?;
        let conversation = &mut self.conversations[place];
        let payload = conversation.charset.encode(text).map_err(Error::Unwritable)?;
        let (length, most) = (payload.len(), max_payload(peer));
        if length > most {
            return Err(Error::TooLong { length, most });
        }
        self.outbox.send(peer, conversation.local, &payload);
        conversation.kept = true;
        conversation.unrefused = true;
        conversation.sent += 1;
        self.touch(place);
        Ok(Said::Sent { peer, text: String::from_utf8_lossy(text).into() })
    }

    fn to(&mut self, whom: &str) -> Result<Said, Error> {
        if whom.is_empty() {
            return Err(Error::ToWhom);
        }
        let found = match whom.parse::<u32>() {
            Ok(number) => {
                let numbered = self.conversations.iter().find(|c| c.number == number);
                Some(numbered.ok_or(Error::NoSuchNumber(number))?.peer)
            }
            Err(_) => match whom.parse::<SocketAddr>() {
                Ok(peer) => {
                    let peer = canonical(peer);
                    self.open(peer, Known::default())?;
                    Some(peer)
                }
                Err(_) => self.conversations.iter().find(|c| c.is_called(whom)).map(|c| c.peer),
            },
        };
        match found {
            Some(peer) => {
                self.choose(peer);
                Ok(Said::Chosen(peer))
            }
            None => Ok(Said::LookUp(whom.to_string())),
        }
    }

    fn encoding(&mut self, label: &str) -> Result<Said, Error> {
        let peer = self.chosen.ok_or(Error::NobodyChosen)?;
        let place = self.place(peer).ok_or(Error::NobodyChosen)?;
        let charset = &mut self.conversations[place].charset;
        if !label.is_empty() {
            *charset = Charset::for_label(label).map_err(Error::UnknownEncoding)?.into();
        }
        Ok(Said::Encoding(charset.charset()))
    }

    fn place(&self, peer: SocketAddr) -> Option<usize> {
        self.conversations.iter().position(|conversation| conversation.peer == peer)
    }

    /// Adds a conversation, which replaces the quietest stranger's if necessary.
    fn add(&mut self, peer: SocketAddr, known: Known) -> Option<usize> {
        if self.conversations.len() >= self.config.max_conversations {
            let strangers = self.conversations.iter().enumerate();
            let strangers = strangers.filter(|(_, c)| !c.kept && Some(c.peer) != self.chosen);
            let (place, _) = strangers.min_by_key(|(_, conversation)| conversation.last)?;
            let forgotten = self.conversations.remove(place);
            self.counters.forgotten += 1;
            self.report(Event::Forgotten(forgotten.peer));
        }
        let conversation = Conversation::new(self.next, peer, known, self.config.charset);
        self.next = self.next.wrapping_add(1).max(1);
        self.conversations.push(conversation);
        let place = self.conversations.len() - 1;
        self.touch(place);
        Some(place)
    }

    fn touch(&mut self, place: usize) {
        self.happened += 1;
        self.conversations[place].last = self.happened;
    }

    /// The sender's conversation, created if allowed.
    fn heard_from(&mut self, peer: SocketAddr) -> Option<usize> {
        if let Some(place) = self.place(peer) {
            return Some(place);
        }
        let heard = |net: &IpNet| net.contains(&peer.ip());
        if !self.config.from.is_empty() && !self.config.from.iter().any(heard) {
            self.counters.filtered += 1;
            return None;
        }
        let known = self.known.get(&peer).cloned().unwrap_or_default();
        let Some(place) = self.add(peer, known) else {
            self.counters.crowded_out += 1;
            return None;
        };
        let chosen = !self.began && self.choose(peer);
        self.report(Event::Appeared { peer, chosen });
        Some(place)
    }

    fn report(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.counters.events_lost += 1;
        }
    }
}

impl Machine for Chat {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        if self.over {
            return;
        }
        let peer = canonical(datagram.from);
        let Some(place) = self.heard_from(peer) else { return };
        let chosen = self.chosen == Some(peer);
        let conversation = &mut self.conversations[place];
        conversation.heard = Some(now);
        conversation.refused = false;
        conversation.local = datagram.local.or(conversation.local);
        conversation.received += 1;
        conversation.unread += u64::from(!chosen);
        let message = Message {
            peer,
            name: conversation.name.clone(),
            text: conversation.charset.decode(datagram.payload).into_owned(),
            payload: datagram.payload.into(),
            length: datagram.length,
            local: datagram.local,
            wall: datagram.wall,
        };
        self.touch(place);
        self.report(Event::Received(message));
    }

    fn handle_refused_by(&mut self, _now: Instant, _: SocketId, peer: SocketAddr) {
        self.outbox.reset_if_drained();
        let Some(place) = self.place(canonical(peer)) else { return };
        let conversation = &mut self.conversations[place];
        // Reported once per sent message: the network may repeat a refusal for every datagram, and
        // ICMP can be forged.
        if std::mem::take(&mut conversation.unrefused) {
            conversation.refused = true;
            let peer = conversation.peer;
            self.report(Event::Refused(peer));
        }
    }

    fn handle_undelivered(
        &mut self,
        _now: Instant,
        _: SocketId,
        peer: Option<SocketAddr>,
        _passing: bool,
    ) {
        self.outbox.reset_if_drained();
        let Some(place) = peer.and_then(|peer| self.place(canonical(peer))) else { return };
        let conversation = &mut self.conversations[place];
        // Once per sent message, like a refusal.
        if std::mem::take(&mut conversation.unrefused) {
            let peer = conversation.peer;
            self.report(Event::Undelivered(peer));
        }
    }

    fn handle_unsent(&mut self, _now: Instant, transmit: &Transmit, datagrams: u64) {
        let Some(place) = self.place(canonical(transmit.to)) else { return };
        let conversation = &mut self.conversations[place];
        conversation.sent = conversation.sent.saturating_sub(datagrams);
        // No sent message is left that could be refused.
        conversation.unrefused = false;
        let peer = conversation.peer;
        self.report(Event::Unsent(peer));
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A chat has no timers.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// The key of a peer: an IPv4-mapped address becomes IPv4, and the flow label of IPv6 is removed.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match (peer.ip().to_canonical(), peer) {
        (IpAddr::V6(_), SocketAddr::V6(mut v6)) => {
            v6.set_flowinfo(0);
            v6.into()
        }
        (ip, _) => SocketAddr::new(ip, peer.port()),
    }
}
