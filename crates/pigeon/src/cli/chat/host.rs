//! The person at a chat, as its loop meets them: requests are handled, events are shown.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time;

use pigeon_client::chat::{Chat, Conversation, Event, HELP, Known, Said};
use pigeon_net::{Host, Io, Stats, Waker};

use super::find::find;
use super::request::Request;
use super::view::View;
use crate::base::endpoint::Family;
use crate::base::signals::Stop;
use crate::base::status::Status;
use crate::base::thread;
use crate::ui::typist::Typed;

/// The most lines that are held while somebody is looked up; then reading waits.
const MAX_HELD: usize = 1_024;

/// Connects the chat's loop with the person: requests go in, events are shown, a signal stops it.
pub(super) struct PersonHost {
    view: View,
    stop: Stop,
    waker: Waker,
    /// Somebody is being looked up. Lines typed behind it wait, as they are meant for that peer.
    lookup: Option<Receiver<anyhow::Result<(SocketAddr, Known)>>>,
    /// Requests that are not handled yet.
    held: VecDeque<Request>,
    family: Family,
    /// Datagrams the system would not send, as far as that has been reported.
    unsent: u64,
    status: Status,
}

impl PersonHost {
    pub(super) fn new(view: View, stop: Stop, waker: Waker, family: Family) -> PersonHost {
        let (lookup, held, status) = (None, VecDeque::new(), Status::Done);
        PersonHost { view, stop, waker, lookup, held, family, unsent: 0, status }
    }

    /// How many lines were too many for the output.
    pub(super) fn dropped(&self) -> u64 {
        self.view.dropped()
    }

    /// Closes the view with these last words.
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
        self.mind_unsent(&stats);
        self.mind_lookup(chat);
        while self.held.len() < MAX_HELD
            && let Some(request) = self.view.next()
        {
            if matches!(request, Request::Typed(Typed::Leave(status)) if status != Status::Done) {
                // Nobody has to wait for a resolver to leave.
                self.handle(chat, request);
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
            self.handle(chat, request);
        }
        if self.lookup.is_none() && !self.held.is_empty() {
            self.waker.wake();
        }
        self.view.look(chat, io.now, &stats);
        ControlFlow::Continue(())
    }

    fn event(&mut self, chat: &mut Chat, _: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Received(message) => self.view.received(chat, &message),
            Event::Appeared { peer, chosen: true } => self.view.chosen(chat, peer),
            Event::Appeared { peer, chosen: false } => self.view.appeared(chat, peer),
            Event::Refused(peer) => {
                self.view.refused(chat, peer);
                self.fail_quietly();
            }
            Event::Forgotten(peer) => self.view.forgotten(peer),
            Event::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

impl PersonHost {
    fn handle(&mut self, chat: &mut Chat, request: Request) {
        match request {
            Request::Look(Some(peer)) => {
                chat.choose(peer);
            }
            Request::Look(None) => chat.choose_nobody(),
            Request::Typed(Typed::Line(line)) => match chat.handle_line(&line) {
                Ok(said) => self.said(chat, said),
                Err(error) => self.fail(&error.to_string()),
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

    /// Reports what became of a line.
    fn said(&mut self, chat: &Chat, said: Said) {
        match said {
            Said::Nothing | Said::Quit => {}
            Said::Sent { peer, text } => {
                self.view.sent(chat, peer, &text);
                // Whether the system took it shows in the next round.
                self.waker.wake();
            }
            Said::Chosen(peer) => self.view.chosen(chat, peer),
            Said::LookUp(word) => self.look_up(word),
            Said::List => self.list(chat),
            Said::Help => {
                HELP.iter().for_each(|(key, what)| self.note(&format!("{key:<30} {what}")));
            }
            Said::Encoding(charset) => self.note(&format!("read and written in {charset}")),
            Said::Left(peer) => self.view.left(chat, peer),
        }
    }

    /// Asks the resolver, in a thread of its own: messages arrive meanwhile.
    fn look_up(&mut self, word: String) {
        let (sender, found) = sync_channel(1);
        let (waker, family) = (self.waker.clone(), self.family);
        let thread = thread::spawn("lookup", move || {
            // Fails only when the loop has ended.
            let _ = sender.send(find(&word, family));
            waker.wake();
        });
        match thread {
            Ok(_) => self.lookup = Some(found),
            Err(error) => self.fail(&format!("{error:#}")),
        }
    }

    fn mind_lookup(&mut self, chat: &mut Chat) {
        let found = match self.lookup.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(found)) => found,
            Some(Err(error)) => Err(error.into()),
        };
        self.lookup = None;
        let opened = found.and_then(|(peer, known)| {
            chat.open(peer, known)?;
            Ok(peer)
        });
        match opened {
            Ok(peer) => {
                chat.choose(peer);
                self.view.chosen(chat, peer);
            }
            Err(error) => self.fail(&format!("{error:#}")),
        }
    }

    /// Reports that the system would not send something.
    fn mind_unsent(&mut self, stats: &Stats) {
        let unsent = stats.sent.dropped.total();
        if unsent > self.unsent
            && let Some(failure) = stats.sent.last_failure
        {
            self.fail(&failure.to_string());
        }
        self.unsent = unsent;
    }

    fn list(&mut self, chat: &Chat) {
        if chat.conversations().is_empty() {
            self.note("no conversations; /to NAME or ENDPOINT opens one");
        }
        let chosen = chat.chosen().map(|conversation| conversation.peer);
        for conversation in chat.conversations() {
            let Conversation { number, peer, refused, unread, .. } = conversation;
            let mark = if chosen == Some(*peer) { "*" } else { " " };
            let refused = if *refused { ", refused" } else { "" };
            let unread = if *unread > 0 { format!(", {unread} unread") } else { String::new() };
            let (title, charset) = (chat.title(*peer), conversation.charset());
            self.note(&format!("{mark} {number}  {title}  {charset}{refused}{unread}"));
        }
    }

    /// Says something about the chat itself.
    fn note(&mut self, text: &str) {
        self.view.note(text);
    }

    /// Says what went wrong.
    fn fail(&mut self, text: &str) {
        self.note(text);
        self.fail_quietly();
    }

    /// A script sees the failure in the exit status only; a person has seen a message.
    fn fail_quietly(&mut self) {
        if self.view.is_script() && self.status == Status::Done {
            self.status = Status::Failed;
        }
    }
}
