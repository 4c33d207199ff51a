//! The view of a chat: lines, or a full screen.

use std::net::SocketAddr;
use std::time;

use pigeon_client::chat::{Chat, Message};
use pigeon_datagram::Instant;
use pigeon_net::Stats;

use super::full::Full;
use super::lines::Lines;
use super::lost::Lost;
use super::request::Request;
use crate::base::cause::Cause;
use crate::words::say;

/// What a person sees of a chat.
pub(super) enum View {
    Lines(Lines),
    Full(Box<Full>),
}

impl View {
    /// The next request, if there is one.
    pub(super) fn next(&mut self) -> Option<Request> {
        match self {
            View::Lines(lines) => lines.next(),
            View::Full(full) => full.next(),
        }
    }

    /// Somebody wrote.
    pub(super) fn received(&mut self, chat: &Chat, message: &Message) {
        match self {
            View::Lines(lines) => lines.received(chat, message),
            View::Full(full) => full.received(chat, message),
        }
    }

    /// This was sent.
    pub(super) fn sent(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.sent(chat, peer, text),
        }
    }

    /// Somebody other than the chosen peer wrote for the first time.
    pub(super) fn appeared(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            View::Lines(lines) => lines.appeared(chat, peer),
            // The mark of what is unread says so.
            View::Full(_) => {}
        }
    }

    /// What is typed goes to this peer from now on, though nobody looked there.
    pub(super) fn chosen(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            View::Lines(lines) => lines.chosen(chat, peer),
            View::Full(full) => full.chosen(chat, peer),
        }
    }

    /// Nobody listens where something was sent.
    pub(super) fn refused(&mut self, chat: &Chat, peer: SocketAddr) {
        let text = say!("chat-refused", peer = &chat.title(peer));
        match self {
            View::Lines(lines) => lines.refused(peer, &text),
            View::Full(full) => full.refused(chat, peer, &text),
        }
    }

    /// The system says that something did not get to this peer, and why.
    pub(super) fn lost(&mut self, chat: &Chat, peer: SocketAddr, what: Lost, cause: Option<Cause>) {
        let title = chat.title(peer);
        let error = cause.map(|cause| cause.said()).unwrap_or_default();
        let text = match what {
            Lost::Unsent => say!("chat-unsent", peer = &title, error = error),
            Lost::Undelivered => say!("chat-undelivered", peer = &title, error = error),
        };
        match self {
            View::Lines(lines) => lines.lost(peer, what, cause, &text),
            View::Full(full) => full.lost(chat, peer, &text),
        }
    }

    /// This peer's name stands for another address now.
    pub(super) fn moved(&mut self, chat: &Chat, from: SocketAddr, to: SocketAddr) {
        let text = say!("chat-moved", from = &from, to = &chat.title(to));
        match self {
            View::Lines(lines) => lines.moved(from, to, &text),
            View::Full(full) => full.moved(chat, from, to, &text),
        }
    }

    /// The person left this peer's conversation.
    pub(super) fn left(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.left(peer),
        }
        let title = &chat.title(peer);
        let text = match (&self, chat.conversations().len()) {
            (_, 0) | (View::Full(_), _) => say!("chat-left", peer = title),
            (View::Lines(_), _) => say!("chat-left-others", peer = title),
        };
        self.note(&text);
    }

    /// A stranger's conversation is gone.
    pub(super) fn forgotten(&mut self, peer: SocketAddr) {
        match self {
            // Counted, and reported at the end: a flood of strangers is no news each.
            View::Lines(_) => {}
            View::Full(full) => full.close_place(peer),
        }
    }

    /// There is something to say about the chat itself.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            View::Lines(lines) => lines.note(text),
            View::Full(full) => full.note(text),
        }
    }

    /// Once a second, and whenever something was typed: a look at how things stand.
    pub(super) fn look(&mut self, chat: &Chat, now: Instant, stats: &Stats) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.look(chat, now, stats),
        }
    }

    /// Whether nobody is looking, so that only the exit status can report a failure.
    pub(super) fn is_script(&self) -> bool {
        match self {
            View::Lines(lines) => lines.is_script(),
            View::Full(_) => false,
        }
    }

    /// Lines that came too fast to be shown.
    pub(super) fn dropped(&self) -> u64 {
        match self {
            View::Lines(lines) => lines.dropped(),
            // The status line has shown them.
            View::Full(_) => 0,
        }
    }

    /// Shows what is left, until `deadline`, gives the terminal back, and says the last words.
    pub(super) fn close(self, deadline: time::Instant, words: &[String]) -> anyhow::Result<()> {
        match self {
            View::Lines(lines) => lines.close(deadline, words),
            View::Full(full) => {
                full.close(deadline, words);
                Ok(())
            }
        }
    }
}
