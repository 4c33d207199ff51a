//! The operator's view: its WebSockets, behind a token.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_guard::Throttle;
use pigeon_web::{Io, SocketId, Token};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::board::Board;
use crate::cli::hub::console::Command;
use crate::words::say;
use pigeon_text::escape;

/// Maximum number of open views.
const MOST: usize = 16;

/// Time limit for the token.
const PATIENCE: Duration = Duration::from_secs(10);

/// Wrong tokens per second from one address before the right one is not looked at either. Not of all
/// together, because then anybody could lock the operator out.
const GUESSES: u32 = 5;

/// Time between lines of the log about wrong tokens.
const TELL: Duration = Duration::from_secs(60);

/// Maximum bytes of a frame from a view.
const MOST_FRAME: usize = 4_096;

/// Points sent in one frame.
const AT_ONCE: usize = 256;

/// Maximum bytes that wait to be sent to a view. Beyond, it gets nothing new until it has taken some.
const MOST_UNSENT: usize = 256 << 10;

/// The open views.
pub(super) struct Views {
    token: Token,
    board: Arc<Board>,
    hub: Box<str>,
    wake_hub: Box<dyn Fn() + Send>,
    views: BTreeMap<SocketId, View>,
    numbers: u64,
    guesses: Throttle,
    next_telling: Instant,
    pub(super) wrong_tokens: u64,
    /// Tokens not looked at, because their address had sent too many wrong ones.
    pub(super) tokens_refused: u64,
}

struct View {
    /// Identifies it in answers.
    number: u64,
    /// What its client is counted by.
    address: IpAddr,
    since: Instant,
    is_allowed: bool,
    message: Vec<u8>,
    /// The next point, and the last list of members.
    next_sample: u64,
    list: u64,
    unsent: usize,
}

impl Views {
    pub(super) fn new(
        token: Token,
        board: Arc<Board>,
        hub: &str,
        key: [u8; 16],
        wake_hub: impl Fn() + Send + 'static,
    ) -> Views {
        Views {
            token,
            board,
            hub: hub.into(),
            wake_hub: Box::new(wake_hub),
            views: BTreeMap::new(),
            numbers: 0,
            guesses: Throttle::new(key, GUESSES),
            next_telling: Instant::ORIGIN,
            wrong_tokens: 0,
            tokens_refused: 0,
        }
    }

    /// How many views have given the token.
    pub(super) fn len(&self) -> usize {
        self.views.values().filter(|view| view.is_allowed).count()
    }

    /// A view was opened. False if all others have given the token.
    pub(super) fn opened(
        &mut self,
        io: &mut Io,
        now: Instant,
        socket: SocketId,
        address: IpAddr,
    ) -> bool {
        if self.views.len() >= MOST {
            let Some(oldest) = self.displaced(address) else { return false };
            self.deny(io, oldest, "too many views wait for their token");
        }
        self.numbers += 1;
        let view = View {
            number: self.numbers,
            address,
            since: now,
            is_allowed: false,
            message: Vec::new(),
            next_sample: 0,
            list: 0,
            unsent: 0,
        };
        self.views.insert(socket, view);
        true
    }

    /// The view that gives way to one from `newcomer`: the oldest without the token from the address
    /// that has most of them, so that nobody can keep the operator out by opening all.
    fn displaced(&self, newcomer: IpAddr) -> Option<SocketId> {
        let waiting = || self.views.iter().filter(|(_, view)| !view.is_allowed);
        let count = |address: IpAddr| {
            let own = waiting().filter(|(_, view)| view.address == address).count();
            own + usize::from(address == newcomer)
        };
        let most = waiting().max_by_key(|(_, view)| (count(view.address), Reverse(view.number)));
        most.map(|(socket, _)| *socket)
    }

    pub(super) fn has(&self, socket: SocketId) -> bool {
        self.views.contains_key(&socket)
    }

    pub(super) fn closed(&mut self, socket: SocketId) {
        self.views.remove(&socket);
    }

    pub(super) fn sent(&mut self, socket: SocketId, bytes: usize) {
        if let Some(view) = self.views.get_mut(&socket) {
            view.unsent = view.unsent.saturating_sub(bytes);
        }
    }

    pub(super) fn received(
        &mut self,
        io: &mut Io,
        now: Instant,
        socket: SocketId,
        part: &[u8],
        ends: bool,
    ) {
        let Some(view) = self.views.get_mut(&socket) else { return };
        view.message.extend_from_slice(part);
        if view.message.len() > MOST_FRAME {
            return self.deny(io, socket, "this message is too long");
        }
        if !ends {
            return;
        }
        let frame: Option<Value> = serde_json::from_slice(&std::mem::take(&mut view.message)).ok();
        let Some(frame) = frame else { return self.deny(io, socket, "this is not JSON") };
        let text = |field: &str| frame[field].as_str().unwrap_or_default().to_owned();
        let (kind, name, is_allowed) = (text("type"), text("name"), view.is_allowed);
        match (kind.as_str(), is_allowed) {
            ("token", _) => self.allow(io, now, socket, &text("token")),
            (_, false) => self.deny(io, socket, "the token comes first"),
            ("kick", true) => self.ask(io, socket, &kind, &name, Command::Kick(name.clone())),
            ("ban", true) => self.ask(io, socket, &kind, &name, Command::Ban(name.clone())),
            ("unban", true) => self.ask(io, socket, &kind, &name, Command::Unban(name.clone())),
            ("mute", true) => self.ask(io, socket, &kind, &name, Command::Mute(name.clone())),
            ("unmute", true) => self.ask(io, socket, &kind, &name, Command::Unmute(name.clone())),
            (_, true) => {}
        }
    }

    fn allow(&mut self, io: &mut Io, now: Instant, socket: SocketId, token: &str) {
        let Some(view) = self.views.get(&socket) else { return };
        let address = view.address;
        if !self.guesses.has_room(now, &address) {
            self.tokens_refused += 1;
            return self.deny(io, socket, "too many wrong tokens; try again in a moment");
        }
        if !self.token.is(token) {
            self.guesses.take(now, &address);
            self.wrong_tokens += 1;
            if self.next_telling <= now {
                self.next_telling = now + TELL;
                warn!("{}", say!("hub-operator-wrong-token", address = &address));
            }
            return self.deny(
                io,
                socket,
                "this is not the token that the hub printed at its start",
            );
        }
        let Some(view) = self.views.get_mut(&socket) else { return };
        view.is_allowed = true;
        let hub = json!({"type": "hub", "name": &*self.hub, "version": env!("CARGO_PKG_VERSION")});
        send(io, socket, view, &hub.to_string());
        (self.wake_hub)();
    }

    fn deny(&mut self, io: &mut Io, socket: SocketId, why: &str) {
        io.send(socket, json!({"type": "denied", "text": why}).to_string().into());
        io.close(socket);
        self.views.remove(&socket);
    }

    fn ask(&mut self, io: &mut Io, socket: SocketId, kind: &str, name: &str, command: Command) {
        let Some(view) = self.views.get_mut(&socket) else { return };
        info!("{}", say!("hub-operator-command", command = kind, name = &escape(name)));
        if self.board.ask(view.number, command) {
            return (self.wake_hub)();
        }
        let busy = json!({"type": "answer", "text": say!("hub-operator-busy")});
        send(io, socket, view, &busy.to_string());
    }

    /// Sends what is new, and closes views whose token did not come.
    pub(super) fn turn(&mut self, io: &mut Io, now: Instant) {
        let late = |view: &View| !view.is_allowed && now - view.since > PATIENCE;
        let late = self.views.iter().filter(|(_, view)| late(view)).map(|(socket, _)| *socket);
        for socket in late.collect::<Vec<_>>() {
            self.deny(io, socket, "no token came in time");
        }
        for (number, answer) in self.board.take_answers() {
            let view = self.views.iter_mut().find(|(_, view)| view.number == number);
            if let Some((socket, view)) = view {
                send(io, *socket, view, &answer);
            }
        }
        for (&socket, view) in self.views.iter_mut().filter(|(_, view)| view.is_allowed) {
            if view.unsent > MOST_UNSENT {
                continue;
            }
            if let Some((list, number)) = self.board.members_after(view.list) {
                view.list = number;
                send(io, socket, view, &list);
            }
            let (samples, next) = self.board.samples_from(view.next_sample);
            view.next_sample = next;
            for samples in samples.chunks(AT_ONCE) {
                let frame = match samples {
                    [one] => format!("{{\"type\":\"sample\",{}", &one[1..]),
                    many => format!("{{\"type\":\"samples\",\"samples\":[{}]}}", many.join(",")),
                };
                send(io, socket, view, &frame);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.views.values().filter(|view| !view.is_allowed);
        waiting.map(|view| view.since + PATIENCE + Duration::from_millis(1)).min()
    }
}

fn send(io: &mut Io, socket: SocketId, view: &mut View, frame: &str) {
    view.unsent += frame.len();
    io.send(socket, Bytes::copy_from_slice(frame.as_bytes()));
}
