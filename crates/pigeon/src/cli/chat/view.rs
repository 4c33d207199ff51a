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

pub(super) enum View {
    Lines(Lines),
    Full(Box<Full>),
}

impl View {
    pub(super) fn next(&mut self) -> Option<Request> {
        match self {
            View::Lines(lines) => lines.next(),
            View::Full(full) => full.next(),
        }
    }

    /// A message arrived.
    pub(super) fn received(&mut self, chat: &Chat, message: &Message) {
        match self {
            View::Lines(lines) => lines.received(chat, message),
            View::Full(full) => full.received(chat, message),
        }
    }

    /// A message was sent.
    pub(super) fn sent(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.sent(chat, peer, text),
        }
    }

    /// A peer other than the selected one wrote for the first time.
    pub(super) fn appeared(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            View::Lines(lines) => lines.appeared(chat, peer),
            // The screen marks the peer as unread instead.
            View::Full(_) => {}
        }
    }

    /// The following lines go to this peer, though the user did not switch to it.
    pub(super) fn chosen(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            View::Lines(lines) => lines.chosen(chat, peer),
            View::Full(full) => full.chosen(chat, peer),
        }
    }

    /// The host reported that no program listens on the peer's port.
    pub(super) fn refused(&mut self, chat: &Chat, peer: SocketAddr) {
        let text = say!("chat-refused", peer = &chat.title(peer));
        match self {
            View::Lines(lines) => lines.refused(peer, &text),
            View::Full(full) => full.refused(chat, peer, &text),
        }
    }

    /// The system reported that a message did not arrive, and why.
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

    /// The peer's name has a new address.
    pub(super) fn moved(&mut self, chat: &Chat, from: SocketAddr, to: SocketAddr) {
        let text = say!("chat-moved", from = &from, to = &chat.title(to));
        match self {
            View::Lines(lines) => lines.moved(from, to, &text),
            View::Full(full) => full.moved(chat, from, to, &text),
        }
    }

    /// The user left this peer's conversation.
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

    /// A stranger's conversation was dropped.
    pub(super) fn forgotten(&mut self, peer: SocketAddr) {
        match self {
            // Counted, and reported at the end: a flood of strangers must not produce a line each.
            View::Lines(_) => {}
            View::Full(full) => full.close_place(peer),
        }
    }

    /// Shows a note about the chat itself.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            View::Lines(lines) => lines.note(text),
            View::Full(full) => full.note(text),
        }
    }

    /// Updates the status, once per second and after each input.
    pub(super) fn look(&mut self, chat: &Chat, now: Instant, stats: &Stats) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.look(chat, now, stats),
        }
    }

    /// Whether no user is present, so that only the exit status can report a failure.
    pub(super) fn is_script(&self) -> bool {
        match self {
            View::Lines(lines) => lines.is_script(),
            View::Full(_) => false,
        }
    }

    /// Number of lines that were not shown because they came too fast.
    pub(super) fn dropped(&self) -> u64 {
        match self {
            View::Lines(lines) => lines.dropped(),
            // The status line has shown the lost lines.
            View::Full(_) => 0,
        }
    }

    /// Shows remaining lines until `deadline`, restores the terminal, and prints `words`.
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
