//! Connects the chat's loop with the user: handles requests, shows events.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time;

use anyhow::anyhow;
use pigeon_client::chat::{Chat, Conversation, Error, Event, Said};
use pigeon_datagram::Instant;
use pigeon_net::{Host, Io, Waker};
use pigeon_text::{Unwritable, escape, width};

use super::find::{Found, find};
use super::lost::Lost;
use super::request::Request;
use super::view::View;
use crate::base::bind::one_host;
use crate::base::cause::Cause;
use crate::base::endpoint::Family;
use crate::base::lookup::{Find, Lookup};
use crate::base::payload::unknown_label;
use crate::base::signals::Stop;
use crate::base::status::Status;
use crate::base::system_error::chain;
use crate::base::thread;
use crate::contacts::peer;
use crate::ui::screen::help::{Entry, entries};
use crate::ui::typist::Typed;
use crate::words::say;

/// Maximum number of lines held during a name lookup; beyond that, reading waits.
const MAX_HELD: usize = 1_024;

/// Connects the chat's loop with the user: handles requests, shows events, stops on a signal.
pub(super) struct PersonHost {
    view: View,
    stop: Stop,
    waker: Waker,
    /// A lookup in progress. Lines typed after it wait, because they are for that peer.
    lookup: Option<Receiver<anyhow::Result<Found>>>,
    /// Requests not handled yet.
    held: VecDeque<Request>,
    family: Family,
    /// Peers given by name; their names are resolved again when they are unreachable.
    names: BTreeMap<SocketAddr, Lookup>,
    status: Status,
}

impl PersonHost {
    pub(super) fn new(view: View, stop: Stop, waker: Waker, family: Family) -> PersonHost {
        let (lookup, held, status) = (None, VecDeque::new(), Status::Done);
        PersonHost { view, stop, waker, lookup, held, family, names: BTreeMap::new(), status }
    }

    /// Lets `find` resolve this peer's name again when it is unreachable.
    pub(super) fn follow(&mut self, peer: SocketAddr, find: Arc<Find>) {
        let waker = self.waker.clone();
        self.names.insert(peer, Lookup::new(find, move || waker.wake()));
    }

    /// Number of lines that the output dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.view.dropped()
    }

    /// Closes the view and prints `words`.
    pub(super) fn close(self, deadline: time::Instant, words: &[String]) -> anyhow::Result<Status> {
        self.view.close(deadline, words)?;
        Ok(self.status)
    }
}

impl Host<Chat> for PersonHost {
    fn woken(&mut self, chat: &mut Chat, io: &mut Io<'_>) -> ControlFlow<()> {
        let stats = io.stats();
        if let Some(status) = self.stop.status() {
            self.status = status;
            chat.leave();
        }
        self.mind_lookup(chat);
        self.mind_names(chat);
        while self.held.len() < MAX_HELD
            && let Some(request) = self.view.next()
        {
            if matches!(request, Request::Typed(Typed::Leave(status)) if status != Status::Done) {
                // Leaving does not wait for the resolver.
                self.handle(chat, io.now, request);
            } else {
                self.held.push_back(request);
            }
        }
        // As many lines as one drain carries; the rest follow at once.
        for _ in 0..64 {
            if self.lookup.is_some() {
                break;
            }
            let Some(request) = self.held.pop_front() else { break };
            self.handle(chat, io.now, request);
        }
        if self.lookup.is_none() && !self.held.is_empty() {
            self.waker.wake();
        }
        self.view.look(chat, io.now, &stats);
        ControlFlow::Continue(())
    }

    fn event(&mut self, chat: &mut Chat, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Received(message) => self.view.received(chat, &message),
            Event::Appeared { peer, chosen: true } => self.view.chosen(chat, peer),
            Event::Appeared { peer, chosen: false } => self.view.appeared(chat, peer),
            Event::Refused(peer) => {
                self.view.refused(chat, peer);
                self.fail_quietly();
                self.look_again(chat, io.now, peer);
            }
            Event::Unsent(peer) => {
                let cause = io.stats().sent.last_failure.map(Cause::from);
                self.view.lost(chat, peer, Lost::Unsent, cause);
                self.fail_quietly();
                self.look_again(chat, io.now, peer);
            }
            Event::Undelivered(peer) => {
                let cause = io.stats().received.last_error.map(Cause::from);
                self.view.lost(chat, peer, Lost::Undelivered, cause);
                self.fail_quietly();
                self.look_again(chat, io.now, peer);
            }
            Event::Forgotten(peer) => self.view.forgotten(peer),
            Event::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

impl PersonHost {
    fn handle(&mut self, chat: &mut Chat, now: Instant, request: Request) {
        match request {
            Request::Look(Some(peer)) => {
                chat.choose(peer);
            }
            Request::Look(None) => chat.choose_nobody(),
            Request::Typed(Typed::Line(line)) => match chat.handle_line(&line) {
                Ok(said) => self.said(chat, now, said),
                Err(error) => self.fail(&in_words(&error)),
            },
            Request::Typed(Typed::Refused) => self.fail_quietly(),
            Request::Typed(Typed::Leave(status)) => {
                if self.status == Status::Done {
                    self.status = status;
                }
                chat.leave();
            }
        }
    }

    /// Reports the result of a line.
    fn said(&mut self, chat: &Chat, now: Instant, said: Said) {
        match said {
            Said::Nothing | Said::Quit => {}
            Said::Sent { peer, text } => self.view.sent(chat, peer, &text),
            Said::Chosen(peer) => {
                self.view.chosen(chat, peer);
                // A peer sends no heartbeats, so only the user knows that it is silent.
                self.look_again(chat, now, peer);
            }
            Said::LookUp(word) => self.look_up(word),
            Said::List => self.list(chat),
            Said::Help => {
                let entries = entries(&say!("chat-commands"));
                let widest = entries.iter().map(|entry| width(&entry.key)).max().unwrap_or(0);
                for Entry { key, what } in entries {
                    let gap = widest + 2 - width(&key);
                    self.note(&format!("{key}{:gap$}{what}", ""));
                }
            }
            Said::Encoding(charset) => self.note(&say!("chat-encoding", charset = &charset)),
            Said::Left(peer) => {
                self.names.remove(&peer);
                self.view.left(chat, peer);
            }
        }
    }

    /// Resolves a name in a separate thread, because messages arrive meanwhile.
    fn look_up(&mut self, word: String) {
        let (sender, found) = sync_channel(1);
        let (waker, family) = (self.waker.clone(), self.family);
        let thread = thread::spawn("lookup", move || {
            // Fails only after the loop has ended.
            let _ = sender.send(find(&word, family));
            waker.wake();
        });
        match thread {
            Ok(_) => self.lookup = Some(found),
            Err(error) => self.fail(&chain(&error)),
        }
    }

    fn mind_lookup(&mut self, chat: &mut Chat) {
        let found = match self.lookup.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(found)) => found,
            Some(Err(error)) => Err(error.into()),
        };
        self.lookup = None;
        let opened = found.and_then(|Found { peer, known, again }| {
            chat.open(peer, known).map_err(|error| anyhow!(in_words(&error)))?;
            if let Some(find) = again {
                self.follow(peer, find);
            }
            Ok(peer)
        });
        match opened {
            Ok(peer) => {
                chat.choose(peer);
                self.view.chosen(chat, peer);
            }
            Err(error) => self.fail(&chain(&error)),
        }
    }

    /// Resolves a peer's name again, in case its address has changed.
    fn look_again(&mut self, chat: &Chat, now: Instant, peer: SocketAddr) {
        if !self.names.contains_key(&peer)
            && let Some(name) = chat.conversation(peer).and_then(|found| found.name.as_deref())
            && let Ok(contact) = peer::parse(name, None)
            && let Some(find) = contact.finder(self.family)
        {
            self.follow(peer, find);
        }
        if let Some(lookup) = self.names.get_mut(&peer) {
            lookup.ask(now);
        }
    }

    /// Moves conversations to the new addresses of names.
    fn mind_names(&mut self, chat: &mut Chat) {
        let found = self.names.iter_mut().filter_map(|(from, name)| Some((*from, name.found()?)));
        let moved: Vec<_> =
            found.filter(|(from, to)| from != to && one_host(*to).is_ok()).collect();
        for (from, to) in moved {
            if chat.move_to(from, to) {
                if let Some(lookup) = self.names.remove(&from) {
                    self.names.insert(to, lookup);
                }
                self.view.moved(chat, from, to);
            }
        }
    }

    fn list(&mut self, chat: &Chat) {
        if chat.conversations().is_empty() {
            self.note(&say!("chat-no-conversations"));
        }
        let chosen = chat.chosen().map(|conversation| conversation.peer);
        for conversation in chat.conversations() {
            let Conversation { number, peer, refused, unread, .. } = conversation;
            let mark = if chosen == Some(*peer) { "*" } else { " " };
            let refused = if *refused { "yes" } else { "no" };
            let row = say!(
                "chat-row",
                mark = mark,
                number = *number,
                peer = &chat.title(*peer),
                charset = &conversation.charset(),
                refused = refused,
                unread = *unread,
            );
            self.note(&row);
        }
    }

    /// Shows a note about the chat itself.
    fn note(&mut self, text: &str) {
        self.view.note(text);
    }

    /// Reports an error.
    fn fail(&mut self, text: &str) {
        self.note(text);
        self.fail_quietly();
    }

    /// Records a failure in the exit status only, for scripts. A user has already seen a message.
    fn fail_quietly(&mut self) {
        if self.view.is_script() && self.status == Status::Done {
            self.status = Status::Failed;
        }
    }
}

/// Why a line had no effect.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::NobodyChosen => say!("chat-nobody-chosen"),
        Error::TooLong { length, most } => {
            say!("chat-too-long", length = *length, most = *most)
        }
        Error::Unwritable(Unwritable::NotUtf8 { byte, encoding }) => {
            say!("chat-not-utf8", byte = *byte, charset = encoding)
        }
        Error::Unwritable(Unwritable::Unmappable(error)) => {
            let character = escape(&error.character.to_string()).to_string();
            let position = error.position.saturating_add(1);
            let charset = &error.encoding;
            say!("chat-unmappable", charset = charset, character = character, position = position)
        }
        Error::UnknownCommand(word) => say!("chat-unknown-command", word = &escape(&**word)),
        Error::UnknownEncoding(error) => unknown_label(error),
        Error::NoSuchNumber(number) => say!("chat-no-number", number = *number),
        Error::ToWhom => say!("chat-to-whom"),
        Error::OtherFamily(peer) => {
            let family = if peer.is_ipv4() { "IPv6" } else { "IPv4" };
            say!("chat-other-family", peer = peer, family = family)
        }
        Error::NoPort(peer) => say!("chat-no-port", peer = &peer.ip()),
        Error::Full(most) => say!("chat-full", most = *most),
    }
}
