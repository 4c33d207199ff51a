//! A chat on a full screen: one place per peer; input goes to the peer shown.
//!
//! A place without a peer exists while no peer is selected: at the start, and after `quit`, so that
//! the next line does not go to another peer by accident. The next selected peer takes it over.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};

use pigeon_client::chat::{Chat, Message};
use pigeon_datagram::Instant;
use pigeon_net::{Stats, Waker};
use pigeon_proto::Language;

use super::request::Request;
use crate::base::bind::reached_at;
use crate::base::payload::without_end;
use crate::output::Color;
use crate::ui::screen::{Action, Kind, Look, Model, PlaceId, Presence, Screen, Update, WallClock};
use crate::ui::span::in_seconds;
use crate::ui::typist::Typed;
use crate::words::{self, say, say_in};

/// Help: the commands of the chat and of the screen.
fn commands(language: Language) -> String {
    let own = say_in!(language, "chat-commands-of-screen");
    format!("{}\n{own}", say_in!(language, "chat-commands"))
}

/// Queue length of requests to the loop; when it is full, typing waits.
const WAITING: usize = 64;

/// The screen and its places.
pub(super) struct Full {
    screen: Screen,
    requests: Receiver<ScreenRequest>,
    waker: Waker,
    bound: SocketAddr,
    people: BTreeMap<SocketAddr, Person>,
    /// Whether the place without a peer exists.
    nobody: bool,
    clock: WallClock,
}

/// A peer's place.
struct Person {
    place: PlaceId,
    presence: Presence,
}

/// A request from the screen's thread, which knows places, not peers.
enum ScreenRequest {
    Typed(Typed),
    Look(PlaceId),
}

impl Full {
    /// Takes over the terminal. Tab completes `names`.
    pub(super) fn open(
        chat: &Chat,
        bound: SocketAddr,
        waker: Waker,
        color: Color,
        names: Vec<String>,
        words: &[String],
    ) -> anyhow::Result<Full> {
        let (sender, requests) = sync_channel(WAITING);
        let wakes = waker.clone();
        let act = move |action: Action| {
            let give = |request: ScreenRequest| sender.send(request).is_ok();
            let given = match action {
                Action::Say(_, lines) => lines
                    .into_iter()
                    .all(|line| give(ScreenRequest::Typed(Typed::Line(line.into_bytes())))),
                Action::Look(place) => give(ScreenRequest::Look(place)),
                Action::Leave(status) => give(ScreenRequest::Typed(Typed::Leave(status))),
                Action::Older(_) | Action::Refresh | Action::Suspend | Action::Redraw => true,
            };
            wakes.wake();
            given
        };
        let look = Look { color: color.enabled(&std::io::stdout()) };
        let model = Model::new("chat".into(), nobody(), commands, words::language());
        let screen = Screen::open(model, look, act)?;
        let (people, clock) = (BTreeMap::new(), WallClock::default());
        let mut full = Full { screen, requests, waker, bound, people, nobody: true, clock };
        full.screen.tell(Update::Names(names));
        if let Some(chosen) = chat.chosen() {
            full.chosen(chat, chosen.peer);
        }
        for conversation in chat.conversations() {
            full.place(chat, conversation.peer);
        }
        words.iter().for_each(|text| full.note(text));
        Ok(full)
    }

    pub(super) fn next(&self) -> Option<Request> {
        Some(match self.requests.try_recv().ok()? {
            ScreenRequest::Typed(typed) => Request::Typed(typed),
            // A removed place means no peer.
            ScreenRequest::Look(place) => Request::Look(self.peer_at(&place)),
        })
    }

    fn peer_at(&self, place: &PlaceId) -> Option<SocketAddr> {
        self.people.iter().find(|(_, person)| person.place == *place).map(|(peer, _)| *peer)
    }

    pub(super) fn received(&mut self, chat: &Chat, message: &Message) {
        self.mark(chat, message.peer, Presence::Here);
        let address;
        let sender = match &message.name {
            Some(name) => name,
            None => {
                address = message.peer.to_string();
                &*address
            }
        };
        self.show(chat, message.peer, Kind::Said, sender, without_end(&message.text));
    }

    pub(super) fn sent(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        self.show(chat, peer, Kind::Mine, &say!("screen-you"), text);
    }

    pub(super) fn refused(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        self.mark(chat, peer, Presence::Refused);
        self.show(chat, peer, Kind::Note, "", text);
    }

    pub(super) fn lost(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        self.show(chat, peer, Kind::Note, "", text);
    }

    pub(super) fn moved(&mut self, chat: &Chat, from: SocketAddr, to: SocketAddr, text: &str) {
        if let Some(person) = self.people.remove(&from) {
            self.people.insert(to, person);
        }
        self.place(chat, to);
        self.show(chat, to, Kind::Note, "", text);
    }

    pub(super) fn chosen(&mut self, chat: &Chat, peer: SocketAddr) {
        if std::mem::take(&mut self.nobody) {
            let place = self.name(chat, peer);
            self.screen.tell(Update::Rename(nobody(), place));
        }
        let place = self.place(chat, peer);
        self.screen.tell(Update::Look(place));
    }

    pub(super) fn left(&mut self, peer: SocketAddr) {
        self.nobody = true;
        // Sent first, so that the screen does not switch to another conversation and the user
        // answers in it.
        self.screen.tell(Update::Look(nobody()));
        self.close_place(peer);
    }

    pub(super) fn close_place(&mut self, peer: SocketAddr) {
        if let Some(person) = self.people.remove(&peer) {
            self.screen.tell(Update::Close(person.place));
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        let line = self.clock.line(Kind::Note, "", text);
        self.screen.tell(Update::Line(None, line));
    }

    pub(super) fn look(&self, chat: &Chat, now: Instant, stats: &Stats) {
        let missed = stats.kernel_drops + chat.counters().events_lost;
        self.screen.tell(Update::Missed(missed));
        let (text, alarm) = status(chat, self.bound, now);
        self.screen.tell(Update::Status { text, alarm });
    }

    pub(super) fn close(self, deadline: std::time::Instant, words: &[String]) {
        self.screen.close(deadline);
        for text in words {
            // Ignored if stderr is closed.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn show(&mut self, chat: &Chat, peer: SocketAddr, kind: Kind, sender: &str, text: &str) {
        let place = match self.people.get(&peer) {
            Some(person) => person.place.clone(),
            None => self.place(chat, peer),
        };
        let line = self.clock.line(kind, sender, text);
        self.screen.tell(Update::Line(Some(place), line));
    }

    fn mark(&mut self, chat: &Chat, peer: SocketAddr, presence: Presence) {
        if !self.people.contains_key(&peer) {
            self.place(chat, peer);
        }
        if let Some(person) = self.people.get_mut(&peer)
            && person.presence != presence
        {
            person.presence = presence;
            // Updates the status line.
            self.waker.wake();
            self.screen.tell(Update::Presence(person.place.clone(), presence));
        }
    }

    /// The peer's place, created or renamed if necessary.
    fn place(&mut self, chat: &Chat, peer: SocketAddr) -> PlaceId {
        let place = self.name(chat, peer);
        let before = self.people.get(&peer).map(|person| &person.place);
        if before == Some(&place) {
            return place;
        }
        if let Some(before) = before {
            self.screen.tell(Update::Rename(before.clone(), place.clone()));
        }
        let address = peer.to_string();
        let about = if place.name() == address { String::new() } else { address };
        self.screen.tell(Update::About(place.clone(), about.into()));
        let person = self.people.entry(peer);
        let person =
            person.or_insert_with(|| Person { place: nobody(), presence: Presence::Unknown });
        person.place = place.clone();
        place
    }

    /// The peer's name, plus the address if another peer has the same name: one contact's host may
    /// have several addresses. No contact is named like an address.
    fn name(&self, chat: &Chat, peer: SocketAddr) -> PlaceId {
        let name = chat.conversation(peer).and_then(|conversation| conversation.name.clone());
        let Some(name) = name else { return PlaceId::Person(peer.to_string().into()) };
        let named = PlaceId::Person(name.clone());
        match self.peer_at(&named).is_none_or(|other| other == peer) {
            true => named,
            false => PlaceId::Person(format!("{name} ({peer})").into()),
        }
    }
}

/// The name of the place without a peer.
fn nobody() -> PlaceId {
    PlaceId::Person("".into())
}

/// The state of the selected peer, and whether something is wrong. The most important part comes
/// first: a narrow screen cuts off the end.
fn status(chat: &Chat, bound: SocketAddr, now: Instant) -> (String, bool) {
    let bound = reached_at(bound);
    let Some(chosen) = chat.chosen() else {
        return (say!("chat-status-nobody", bound = bound), false);
    };
    let ago = chosen.heard.map(|heard| in_seconds(words::language(), now - heard));
    let heard = match ago {
        Some(ago) => say!("chat-heard", ago = ago),
        None => say!("chat-unheard"),
    };
    let charset = &chosen.charset();
    let text = match chosen.refused {
        true => say!("chat-status-refused", charset = charset, heard = heard, bound = bound),
        false => say!("chat-status", charset = charset, heard = heard, bound = bound),
    };
    (text, chosen.refused)
}
