//! A chat as lines: above the input line on a terminal, or through pipes.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use pigeon_client::NoReply;
use pigeon_client::chat::{Chat, Conversation, Message};
use pigeon_net::Waker;
use pigeon_text::Charset;

use super::args::Args;
use super::lost::Lost;
use super::request::Request;
use crate::base::bind::local_of;
use crate::base::cause::Cause;
use crate::base::payload::line;
use crate::output::{Color, json, wall};
use crate::ui::lines::{self, Printer};
use crate::ui::suggestions::Suggestions;
use crate::ui::typist::{self, Checked, Typed};
use crate::words::say;

pub(super) struct Lines {
    typed: Receiver<Typed>,
    printer: Printer,
    dim: bool,
    json: bool,
    bound: SocketAddr,
}

impl Lines {
    /// Prints the introduction, then starts the thread that reads input, so that replies follow it.
    pub(super) fn open(
        chat: &Chat,
        bound: SocketAddr,
        waker: Waker,
        args: &Args,
        color: Color,
        words: &[String],
    ) -> anyhow::Result<Lines> {
        let (reader, printer) = lines::open("> ", Suggestions::default())?;
        let dim = printer.interactive && color.enabled(&std::io::stdout());
        let chosen = chat.chosen().map(|chosen| chosen_words(chat, chosen.peer));
        words.iter().chain(&chosen).for_each(|text| printer.remark(text, dim));
        let typed = typist::start(reader, printer.clone(), waker, args.wait, |_| Checked::Fine)?;
        Ok(Lines { typed, printer, dim, json: args.json, bound })
    }

    pub(super) fn next(&self) -> Option<Request> {
        self.typed.try_recv().ok().map(Request::Typed)
    }

    pub(super) fn received(&self, chat: &Chat, message: &Message) {
        let time = wall::local(message.wall);
        let (from, payload) = (message.peer, &message.payload);
        if !self.json {
            let (time, who) = (wall::date_and_seconds(&time), message.title());
            self.printer.data.line(format!("[{time}] {who}: {}", line(&message.text)));
            return;
        }
        let text = chat.conversation(from).and_then(|c| c.whole_text(payload));
        self.printer.data.line(json::datagram(json::Datagram {
            time: &time,
            from,
            to: local_of(message.local, from, self.bound),
            payload,
            length: message.length,
            text,
            name: message.name.as_deref(),
        }));
    }

    pub(super) fn appeared(&self, chat: &Chat, peer: SocketAddr) {
        if let Some(conversation) = chat.conversation(peer) {
            let title = chat.title(peer);
            let text = say!("chat-writes", peer = &title, number = conversation.number);
            self.printer.remark(&text, self.dim);
        }
    }

    pub(super) fn chosen(&self, chat: &Chat, peer: SocketAddr) {
        self.printer.remark(&chosen_words(chat, peer), self.dim);
    }

    pub(super) fn refused(&self, peer: SocketAddr, text: &str) {
        if self.json {
            self.printer.data.line(json::no_reply(peer, NoReply::Refused));
        }
        self.note(text);
    }

    pub(super) fn lost(&self, peer: SocketAddr, what: Lost, cause: Option<Cause>, text: &str) {
        if self.json {
            let result = match what {
                Lost::Unsent => "unsent",
                Lost::Undelivered => "unreachable",
            };
            let to = peer.to_string().into();
            let error = cause.map(|cause| cause.to_string()).unwrap_or_default();
            let fields = [("to", to), ("result", result.into()), ("error", error.into())];
            self.printer.data.line(json::counts(&fields));
        }
        self.note(text);
    }

    pub(super) fn moved(&self, from: SocketAddr, to: SocketAddr, text: &str) {
        if self.json {
            let (from, to) = (from.to_string().into(), to.to_string().into());
            let fields = [("to", from), ("result", "moved".into()), ("now", to)];
            self.printer.data.line(json::counts(&fields));
        }
        self.note(text);
    }

    pub(super) fn note(&self, text: &str) {
        self.printer.note(text, self.dim);
    }

    pub(super) fn is_script(&self) -> bool {
        !self.printer.interactive
    }

    pub(super) fn dropped(&self) -> u64 {
        self.printer.data.dropped()
    }

    pub(super) fn close(self, deadline: Instant, words: &[String]) -> anyhow::Result<()> {
        words.iter().for_each(|text| self.note(text));
        self.printer.close(deadline)
    }
}

fn chosen_words(chat: &Chat, peer: SocketAddr) -> String {
    let charset = chat.conversation(peer).map(Conversation::charset).unwrap_or_default();
    let title = chat.title(peer);
    match charset == Charset::default() {
        true => say!("chat-goes-to", peer = &title),
        false => say!("chat-goes-to-in", peer = &title, charset = &charset),
    }
}
