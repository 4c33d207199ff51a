//! Reliable members: the hub's side of a link with members that follow the log.
//!
//! ```text
//!   a transport's loop (secure/)              the hub's loop
//!   Carrier ── FromLink: join, say ─▶ Link ─▶ Hub::join, Hub::admit ─▶ Archive::say ─▶ the disk
//!      │  ◀─ ToLink: joined, settled ─ Link ◀─ Hub::relay ◀─ settled ◀────────────────────┘
//!      └──── reads the newest entries from memory, older ones in another thread
//! ```
//!
//! A message is stored before it is relayed. So *stored* is never reported for a lost message, nor
//! *not stored* for one that was delivered. Reliable members receive messages from the log only, so
//! this code does no work per member.

mod carrier;
mod queue;
mod reading;
mod watched;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError};

use anyhow::Context;
use pigeon_datagram::Instant;
use pigeon_hub::reliable::{Join, Joined, Outcome, Say, Statistics};
use pigeon_hub::{Event, Hub, Input, LinkId, MemberId, Message};
use pigeon_log::Forget;
use pigeon_net::Waker;
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{
    Command, LinkKind, News, Notice, Position, Reason, Refusal, RoomName, Subject, Word,
};

pub(super) use self::carrier::{Carrier, Transport};
pub(super) use self::queue::Queues;
use self::queue::{FromLink, MOST, ToLink};
use self::watched::Watched;
use super::archive::{Archive, Settled, Unstored};

/// Maximum number of messages taken from a link before the hub serves its sockets again.
const AT_ONCE: usize = 256;

/// A link's state for the operator.
pub(super) struct LinkState {
    pub(super) kind: LinkKind,
    pub(super) members: usize,
    /// Requests and answers that wait between the loops.
    pub(super) queued: usize,
    pub(super) statistics: Statistics,
}

/// The hub's side of a link.
pub(super) struct Link {
    link: LinkId,
    kind: LinkKind,
    queues: Arc<Queues>,
    link_waker: Waker,
    hub_waker: Arc<OnceLock<Waker>>,
    members: HashMap<u128, MemberId>,
    authors: HashMap<MemberId, u128>,
    /// Each member's room, for news.
    rooms: HashMap<MemberId, RoomName>,
    watched: Watched,
}

impl Link {
    /// The hub's side for a transport with a loop that `link_waker` wakes. Fails if there are too
    /// many links.
    pub(super) fn new(
        hub: &mut Hub,
        kind: LinkKind,
        queues: Arc<Queues>,
        link_waker: Waker,
        hub_waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Link> {
        Ok(Link {
            link: hub.add_link(kind).context("there are too many links")?,
            kind,
            queues,
            link_waker,
            hub_waker: Arc::clone(hub_waker),
            members: HashMap::new(),
            authors: HashMap::new(),
            rooms: HashMap::new(),
            watched: Watched::default(),
        })
    }

    /// Handles the link's messages.
    pub(super) fn woken(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        let (items, queued) = self.queues.from_link.take(AT_ONCE);
        if queued > items.len() {
            // The rest waits for the next turn.
            self.hub_waker.get().into_iter().for_each(Waker::wake);
        }
        let (mut says, mut is_watching) = (Vec::new(), false);
        for item in items {
            match item {
                FromLink::Join(join) => self.join(hub, now, join),
                FromLink::Say(say) => says.extend(self.say(hub, now, say)),
                FromLink::Command { author, line } => self.command(hub, now, author, &line),
                FromLink::Watch { room } => {
                    self.watched.add(room);
                    is_watching = true;
                }
                FromLink::Unwatch { room } => self.watched.remove(&room),
                FromLink::Leave { author } => {
                    if let Some(&member) = self.members.get(&author) {
                        hub.handle_input(now, member, Input::Leave);
                    }
                }
            }
        }
        if is_watching {
            // Once for all: a list sorts all rooms.
            self.list(hub, now);
        }
        for id in archive.say(self.link, says) {
            self.settle(id, Outcome::refused(Reason::NotStored));
        }
        if queued >= MOST {
            // The link waits for room in the queue.
            self.link_waker.wake();
        }
    }

    fn join(&mut self, hub: &mut Hub, now: Instant, join: Join) {
        let author = join.author;
        let joined = self.admit(hub, now, join);
        self.send(ToLink::Joined { author, joined });
    }

    /// Adds a member, with the requested name and room if they are allowed.
    fn admit(&mut self, hub: &mut Hub, now: Instant, join: Join) -> Result<Joined, Refusal> {
        let Join { author, source, label, name, word, room, password, language } = join;
        let known = self.members.get(&author).copied();
        let member = match known {
            Some(member) => member,
            None => hub.join_by_key(now, self.link, label, source, author, password.as_deref())?,
        };
        self.members.insert(author, member);
        self.authors.insert(member, author);
        // A member that sends a command is a person. A program that only sends messages is not, and
        // joins and leaves without a notice.
        let is_other_language = language != hub.config().language;
        let mut command = |command| hub.handle_input(now, member, Input::Command(command));
        if is_other_language {
            command(Command::Language(language));
        }
        if known.is_none()
            && let Some(word) = word.as_deref().and_then(Word::new)
        {
            command(Command::Resume(word));
        }
        let now_named = hub.member(member).and_then(|view| view.name);
        if let Some(name) = name.filter(|name| now_named.as_ref() != Some(name)) {
            hub.handle_input(now, member, Input::Command(Command::Nick(Some(name))));
        }
        let is_elsewhere = |room: &RoomName| {
            hub.member(member).and_then(|view| view.room).is_some_and(|here| here != *room)
        };
        if let Some(room) = room.filter(is_elsewhere) {
            hub.handle_input(now, member, Input::Command(Command::Join(room)));
        }
        let view = hub.member(member);
        match view.map(|view| (view.name, view.room)) {
            Some((name, Some(room))) => Ok(Joined { name, room }),
            // Kicked, because of its resume word.
            _ => {
                self.forget(author);
                Err(Refusal::new(Subject::Member, Reason::Kicked))
            }
        }
    }

    /// The message to store, unless it is refused.
    fn say(&mut self, hub: &mut Hub, now: Instant, say: Say) -> Option<Unstored> {
        let Say { id, room, text, identity, after, is_known } = say;
        let Some(&member) = self.members.get(&identity.author) else {
            self.settle(id, Outcome::refused(Reason::Overloaded));
            return None;
        };
        let message = match is_known {
            // The log compares it with the stored message.
            true => Message {
                room,
                speaker: Some(member),
                label: "".into(),
                link: self.kind.of_messages(),
                wall: hub.wall(now),
                text,
                identity,
                is_raw: false,
                is_stored: false,
            },
            false => match hub.admit(now, member, &room, &text, identity) {
                Ok(message) => message,
                Err(refusal) => {
                    self.settle(id, Outcome::refused(refusal.why));
                    return None;
                }
            },
        };
        Some(Unstored { id, message, after })
    }

    fn command(&mut self, hub: &mut Hub, now: Instant, author: u128, line: &str) {
        let Some(&member) = self.members.get(&author) else { return };
        let line = line.strip_prefix(['/', '／']).unwrap_or(line);
        match Command::parse(line.as_bytes()) {
            Ok(command) => hub.handle_input(now, member, Input::Command(command)),
            Err(refusal) => hub.refuse(now, member, refusal),
        }
    }

    /// Relays the stored messages of this link's members, and reports the result of the others.
    pub(super) fn settled(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        let settled = archive.settled(self.link);
        if settled.is_empty() {
            return;
        }
        let settled = settled.into_iter().map(|Settled { id, message, outcome }| {
            use pigeon_log::Outcome as Log;
            let outcome = match outcome {
                Ok(Log::Stored { .. }) => {
                    hub.relay(now, message);
                    Outcome::Stored
                }
                Ok(Log::Again { position: Some(_) }) => Outcome::Stored,
                Ok(Log::Again { position: None }) => Outcome::Deleted,
                Ok(Log::Conflict { .. }) => Outcome::Conflict,
                Ok(Log::Gap { expected }) => Outcome::Expected(expected),
                Ok(Log::Kept | Log::NotStored) => Outcome::refused(Reason::NotStored),
                Err(why) => Outcome::refused(why),
            };
            ToLink::Settled { id, outcome }
        });
        let settled: Vec<ToLink> = settled.collect();
        self.queues.to_link.extend(settled);
        self.link_waker.wake();
    }

    /// Passes events about the link's members to the link.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Reply { to, notice } => {
                if let Some(&author) = self.authors.get(to) {
                    self.send(ToLink::Notice { author, notice: notice.clone() });
                }
            }
            Event::Joined { member, room: Some(room), .. } | Event::Moved { member, room }
                if self.authors.contains_key(member) =>
            {
                self.rooms.insert(*member, room.clone());
            }
            Event::News { room, news, own } => self.news(room, news, own),
            Event::Left { member, reason, .. } => {
                self.rooms.remove(member);
                if let Some(author) = self.authors.remove(member) {
                    // Unless the author has reconnected meanwhile.
                    if self.members.get(&author) == Some(member) {
                        self.members.remove(&author);
                        self.send(ToLink::Left { author, why: *reason });
                    }
                }
            }
            Event::Stopped => self.send(ToLink::Stop),
            _ => {}
        }
    }

    /// Rooms with more than a hundred members get no news, so this loop is short.
    fn news(&self, room: &RoomName, news: &[News], own: &[(MemberId, Vec<News>)]) {
        for (member, _) in self.rooms.iter().filter(|(_, here)| *here == room) {
            let Some(&author) = self.authors.get(member) else { continue };
            let own = own.iter().find(|(about, _)| about == member);
            for news in own.map_or(news, |(_, own)| own) {
                self.send(ToLink::Notice { author, notice: Notice::News(news.clone()) });
            }
        }
    }

    /// Handles an unexpected end of the link's loop: its members leave.
    pub(super) fn lost(&mut self, hub: &mut Hub, now: Instant) {
        for (member, _) in std::mem::take(&mut self.authors) {
            hub.handle_input(now, member, Input::Leave);
        }
        self.members.clear();
        self.rooms.clear();
        self.watched = Watched::default();
    }

    /// The link's state for the operator.
    pub(super) fn state(&self) -> LinkState {
        let statistics = self.queues.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        LinkState {
            kind: self.kind,
            members: self.members.len(),
            queued: self.queues.from_link.len() + self.queues.to_link.len(),
            statistics: statistics.clone(),
        }
    }

    /// When [`list`](Link::list) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.watched.next_at()
    }

    /// Reports the members of watched rooms that have changed.
    pub(super) fn list(&mut self, hub: &Hub, now: Instant) {
        for here in self.watched.take(hub, now) {
            self.send(ToLink::Here(here));
        }
    }

    /// Reports deleted messages.
    pub(super) fn forgot(&self, what: &Forget) {
        self.send(ToLink::Forgot(what.clone()));
    }

    /// A member of this link is at another hub too, if it is one.
    pub(super) fn elsewhere(&self, author: u128) {
        if self.members.contains_key(&author) {
            self.send(ToLink::Elsewhere { author });
        }
    }

    /// The hubs with the same rooms.
    pub(super) fn hubs(&self, hubs: Vec<OtherHub>) {
        self.send(ToLink::Hubs(hubs));
    }

    /// Followers that began after one position and before another begin anew.
    pub(super) fn rewound(&self, to: Position, up_to: Position) {
        self.send(ToLink::Rewound(to, up_to));
    }

    fn settle(&self, id: pigeon_hub::reliable::SayId, outcome: Outcome) {
        self.send(ToLink::Settled { id, outcome });
    }

    fn forget(&mut self, author: u128) {
        if let Some(member) = self.members.remove(&author) {
            self.authors.remove(&member);
            self.rooms.remove(&member);
        }
    }

    fn send(&self, item: ToLink) {
        self.queues.to_link.push(item);
        self.link_waker.wake();
    }
}
