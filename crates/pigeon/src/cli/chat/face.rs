//! How a chat looks to a person: lines, or a full screen. And what the person wants.

use std::net::SocketAddr;
use std::time;

use pigeon_client::chat::{Chat, Message};
use pigeon_datagram::Instant;
use pigeon_net::Stats;

use super::full::Full;
use super::lines::Lines;
use crate::ui::typist::Typed;

/// One of the two.
pub(super) enum Face {
    Lines(Lines),
    Full(Box<Full>),
}

/// What the person wants.
pub(super) enum Wish {
    Typed(Typed),
    /// What is typed from now on is for this peer, or for nobody.
    Look(Option<SocketAddr>),
}

impl Face {
    /// The next wish, if there is one.
    pub(super) fn next(&mut self) -> Option<Wish> {
        match self {
            Face::Lines(lines) => lines.next(),
            Face::Full(full) => full.next(),
        }
    }

    /// Somebody wrote.
    pub(super) fn received(&mut self, chat: &Chat, message: &Message) {
        match self {
            Face::Lines(lines) => lines.received(chat, message),
            Face::Full(full) => full.received(chat, message),
        }
    }

    /// This was sent.
    pub(super) fn sent(&mut self, chat: &Chat, peer: SocketAddr, text: &str) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.sent(chat, peer, text),
        }
    }

    /// Somebody wrote for the first time and is not whom the person answers.
    pub(super) fn appeared(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            Face::Lines(lines) => lines.appeared(chat, peer),
            // The mark of what is unread says so.
            Face::Full(_) => {}
        }
    }

    /// What is typed goes to this peer from now on, though nobody looked there.
    pub(super) fn chosen(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            Face::Lines(lines) => lines.chosen(chat, peer),
            Face::Full(full) => full.chosen(chat, peer),
        }
    }

    /// Nobody listens where something was sent.
    pub(super) fn refused(&mut self, chat: &Chat, peer: SocketAddr) {
        let title = chat.title(peer);
        let text = format!("{title} refused: nobody listens there; that was lost");
        match self {
            Face::Lines(lines) => lines.refused(peer, &text),
            Face::Full(full) => full.refused(chat, peer, &text),
        }
    }

    /// The person left this peer's conversation.
    pub(super) fn left(&mut self, chat: &Chat, peer: SocketAddr) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.left(peer),
        }
        let others = match (&self, chat.conversations().len()) {
            (_, 0) | (Face::Full(_), _) => "",
            (Face::Lines(_), _) => ", /list shows the others",
        };
        let title = chat.title(peer);
        self.note(&format!("left {title}; quit again ends the chat{others}"));
    }

    /// A stranger's conversation is gone.
    pub(super) fn forgotten(&mut self, peer: SocketAddr) {
        match self {
            // Counted, and told at the end: a flood of strangers is no news each.
            Face::Lines(_) => {}
            Face::Full(full) => full.close_place(peer),
        }
    }

    /// There is something to say about the chat itself.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            Face::Lines(lines) => lines.note(text),
            Face::Full(full) => full.note(text),
        }
    }

    /// Once a second, and whenever something was typed: a look at how things stand.
    pub(super) fn look(&mut self, chat: &Chat, now: Instant, stats: &Stats) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.look(chat, now, stats),
        }
    }

    /// Whether nobody is looking, so that only the exit status tells.
    pub(super) fn is_script(&self) -> bool {
        match self {
            Face::Lines(lines) => lines.is_script(),
            Face::Full(_) => false,
        }
    }

    /// Lines that came too fast to be shown.
    pub(super) fn dropped(&self) -> u64 {
        match self {
            Face::Lines(lines) => lines.dropped(),
            // The status line has told of them.
            Face::Full(_) => 0,
        }
    }

    /// Shows what is left, until `deadline`, gives the terminal back, and says the last words.
    pub(super) fn close(self, deadline: time::Instant, words: &[String]) -> anyhow::Result<()> {
        match self {
            Face::Lines(lines) => lines.close(deadline, words),
            Face::Full(full) => {
                full.close(deadline, words);
                Ok(())
            }
        }
    }
}
